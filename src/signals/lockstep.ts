import { human } from '../campaigns/facts.ts';
import { LOG2E, logNormalPdf, logSumExp, median, spread } from '../campaigns/stats.ts';
import { cap, notApplicable, outcomeOf, reference, type Signal } from './signal.ts';

interface Model {
  readonly mean: number;
  readonly sd: number;
  readonly m: number;
  /** Null cohorts that keep a timetable. */
  readonly kept: number;
  readonly values: readonly number[];
}

/**
 * Honest sets that keep one timetable without being one hand: classes with deadlines, workshops, shifts. One in ten by day, fewer round the clock, until the store's own null
 * cohorts say more: each of them that keeps a timetable, or does not, counts.
 */
const TIMETABLE = { byDay: 0.1, always: 0.02, worth: 10, mean: 0.15, beyond: 4 } as const;
/** Many operators let every worker run by a clock of its own. */
const ABSENT = 0.65;
/** Of dispatchers that show, how strongly: mean correlation of what is left. */
const DISPATCHED = 0.2;

const GRID = Array.from({ length: 80 }, (_, i) => (i + 0.5) / 80);

/** ln-density of a measured T whose true value is exponential with this mean. */
const exponential = (x: number, mean: number, error: number): number =>
  logSumExp(GRID.map((r) => -r / mean - Math.log(mean) + logNormalPdf(x, r, error) - Math.log(GRID.length)));

export const lockstepSignal: Signal<Model> = {
  id: 'lockstep',
  title: 'Works and rests together',
  axis: 'coordination',
  family: 'timing',
  unit: 'mean correlation of pairs, own hours and common days taken out',
  needs: [],
  learn: (nulls) => {
    const told = nulls.map((f) => f.lockstep).filter((x) => x !== null);
    const values = told.map((x) => x.together);
    const noise = told.length > 0 ? median(told.map((x) => x.se)) : 0;
    // Null cohorts are small: what they differ by beyond their own error is what honest cohorts differ by.
    const own = values.length > 4 ? Math.sqrt(Math.max(0, spread(values) ** 2 - noise ** 2)) : 0.03;
    const mean = values.length > 0 ? Math.max(0, median(values)) : 0;
    const sd = Math.max(0.012, own);
    const limit = mean + TIMETABLE.beyond * Math.sqrt(sd ** 2 + noise ** 2);
    return { mean, sd, m: values.length, kept: values.filter((v) => v > limit).length, values };
  },
  weigh: (facts, model) => {
    const l = facts.lockstep;
    if (!l) return notApplicable('fewer than four members are active for long enough');
    if (model.m < 5) return notApplicable('fewer than five null cohorts are active for long enough');
    const error = Math.sqrt(model.sd ** 2 + l.se ** 2);
    const rare = (model.kept + TIMETABLE.worth * (human(facts) ? TIMETABLE.byDay : TIMETABLE.always)) / (model.m + TIMETABLE.worth);
    const x = l.together;
    const honest = logSumExp([
      Math.log(1 - rare) + logNormalPdf(x, model.mean, error),
      Math.log(rare) + exponential(x, TIMETABLE.mean, error),
    ]);
    const campaign = logSumExp([Math.log(1 - ABSENT) + exponential(x, DISPATCHED, Math.max(0.004, l.se)), Math.log(ABSENT) + honest]);
    const raw = cap((campaign - honest) * LOG2E, model.m);
    // Less in step than honest cohorts is no reason to suspect.
    const bits = x <= model.mean ? Math.min(0, raw) : raw;
    const ref = reference(model.values);
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: x,
      reference: ref,
      reason: `what is left of ${l.accounts} members' activity, once their own hours and everybody's days are taken out, correlates by ${x.toFixed(3)} ± ${l.se.toFixed(3)} between two of them; in honest cohorts ${(ref.median ?? 0).toFixed(3)}`,
    };
  },
};
