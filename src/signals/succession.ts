import type { Facts } from '../campaigns/facts.ts';
import { LOG2E, logBetaBinomial, logSumExp } from '../campaigns/stats.ts';
import { SUCCESSION_HOURS, type Succession } from '../campaigns/succession.ts';
import { cap, notApplicable, outcomeOf, percent, reference, type Signal } from './signal.ts';

interface Model {
  readonly m: number;
  /** Part of the starts that followed an end, in null cohorts, by window. */
  readonly rates: ReadonlyMap<number, readonly number[]>;
}

/** Starts that follow an end are no news when such hours are most of the time. */
const CHANCE_MAX = 0.5;
/** What part of a new crew starts at once is not known: few or many. */
const TAKES_OVER = [1, 2] as const;
/** Campaigns whose ends nobody takes over at once; accounts closed by record are replaced more often than accounts that only fell silent. */
const ABSENT = { silent: 0.7, recorded: 0.4 } as const;
/** Weight, in starts, of what chance says against what one store happens to show. */
const PSEUDO = 40;
/**
 * Honest accounts often start in one lump (a course, a launch), which is one event however many they are: it falls after an end as often as such hours are. And where ends are only silence,
 * groups that follow one another by timetable (a second workshop after the first) are no news either; records of closing are no timetable.
 */
const LUMP = 0.25;
const RELAY = { silent: 0.08, recorded: 0.01 } as const;

type Window = Succession['within'][number];

const takesOver = (w: Window, n: number): number => logBetaBinomial(w.k, n, TAKES_OVER[0], TAKES_OVER[1]);

function honestly(w: Window, s: Succession, model: Model): number {
  const rates = model.rates.get(w.hours) ?? [];
  // Twice the chance is ordinary: ends and starts share days of the week and hours of the day.
  const p = Math.min(0.9, Math.max(0.02, 2 * w.chance));
  const apart = Math.max(
    logBetaBinomial(w.k, s.n, PSEUDO * p, PSEUDO * (1 - p)),
    ...rates
      .filter((r) => r > 0)
      .slice(0, 50)
      .map((r) => logBetaBinomial(w.k, s.n, 4 * r, 4 * (1.05 - r)) + Math.log(1 / (rates.length + 1))),
  );
  // One lump falls after an end as often as such hours are; a second and a third would each have to do so again.
  const together = (s.recorded ? RELAY.recorded : RELAY.silent) + LUMP * p ** w.events;
  return logSumExp([Math.log(1 - together) + apart, Math.log(together) + takesOver(w, s.n)]);
}

/** log of campaign over honest for one window. */
function ratio(w: Window, s: Succession, model: Model): number {
  const honest = honestly(w, s, model);
  // Fewer than chance would have is no reason to suspect.
  const absent = s.recorded ? ABSENT.recorded : ABSENT.silent;
  const log = logSumExp([Math.log(1 - absent) + takesOver(w, s.n), Math.log(absent) + honest]) - honest;
  return w.k / s.n <= Math.min(0.9, 2 * w.chance) ? Math.min(0, log) : log;
}

const told = (s: Succession): Window[] => (s.n < 3 ? [] : s.within.filter((w) => w.chance <= CHANCE_MAX));

/** What is known of the starts that follow an end, by window. */
const learnt = (nulls: readonly Facts[], of: (f: Facts) => Succession): Model => ({
  m: nulls.length,
  rates: new Map(
    SUCCESSION_HOURS.map((hours) => [
      hours,
      nulls.flatMap((f) =>
        told(of(f))
          .filter((w) => w.hours === hours)
          .map((w) => w.k / of(f).n),
      ),
    ]),
  ),
});

/** One way to tell a start, with what its windows say. */
interface Way {
  readonly s: Succession;
  readonly model: Model;
  readonly verb: string;
  readonly windows: readonly Window[];
  readonly ratios: readonly number[];
}

const WAYS = [
  { of: (f: Facts) => f.succession, verb: 'started' },
  { of: (f: Facts) => f.signUps, verb: 'signed up' },
] as const;

export const successionSignal: Signal<readonly Model[]> = {
  id: 'succession',
  title: 'New accounts take over when others end',
  axis: 'coordination',
  family: 'timing',
  unit: 'share of new members',
  needs: [],
  learn: (nulls) => WAYS.map((w) => learnt(nulls, w.of)),
  weigh: (facts, models) => {
    if (WAYS.every((w) => w.of(facts).n < 3))
      return notApplicable('fewer than three members end, or start or sign up after an end, inside the window');
    const ways = WAYS.flatMap((w, i): Way[] => {
      const s = w.of(facts);
      const model = models[i] as Model;
      const windows = told(s);
      return windows.length === 0 ? [] : [{ s, model, verb: w.verb, windows, ratios: windows.map((x) => ratio(x, s, model)) }];
    });
    if (ways.length === 0) return notApplicable('members end so often that any start would follow an end within the hour');
    const m = (models[0] as Model).m;
    if (m < 5) return notApplicable('fewer than five null cohorts to compare with');
    // How fast a crew is replaced, and whether it signs up then or was kept in store, is not known: all are one mixture, not so many chances.
    const each = ways.map((w) => logSumExp(w.ratios) - Math.log(w.ratios.length));
    const bits = cap((logSumExp(each) - Math.log(each.length)) * LOG2E, m);
    const shown = ways[each.indexOf(Math.max(...each))] as Way;
    const best = shown.windows[shown.ratios.indexOf(Math.max(...shown.ratios))] as Window;
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: best.k / shown.s.n,
      reference: reference(shown.model.rates.get(best.hours) ?? []),
      reason: `${best.k} of the ${shown.s.n} members that joined after the first end ${shown.verb} within ${best.hours === 1 ? 'the hour' : `${best.hours} hours`} after another member ended; such hours are ${percent(best.chance)} of the time`,
    };
  },
};
