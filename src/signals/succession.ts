import { LOG2E, logBetaBinomial, logSumExp } from '../campaigns/stats.ts';
import { cap, notApplicable, outcomeOf, percent, reference, type Signal } from './signal.ts';

interface Model {
  readonly m: number;
  readonly rates: readonly number[];
}

/** Starts that follow an end are no news when such hours are most of the time. */
const CHANCE_MAX = 0.5;
/** What part of a new crew starts at once is not known: few or many. */
const TAKES_OVER = [1, 2] as const;
const ABSENT = 0.7;
/** Weight, in starts, of what chance says against what one store happens to show. */
const PSEUDO = 40;

export const successionSignal: Signal<Model> = {
  id: 'succession',
  title: 'New accounts take over within the hour',
  axis: 'coordination',
  family: 'timing',
  unit: 'share of new members',
  needs: [],
  learn: (nulls) => {
    const told = nulls.map((f) => f.succession).filter((c) => c.n >= 3 && c.chance <= CHANCE_MAX);
    return { m: nulls.length, rates: told.map((c) => c.k / c.n) };
  },
  weigh: (facts, model) => {
    const c = facts.succession;
    if (c.n < 3) return notApplicable('fewer than three members end, or start, inside the window');
    if (c.chance > CHANCE_MAX) return notApplicable('members end so often that any start would follow an end within the hour');
    if (model.m < 5) return notApplicable('fewer than five null cohorts to compare with');
    // Chance alone, widened: ends and starts of honest accounts share days of the week and hours of the day, so twice the chance is ordinary.
    const p = Math.min(0.9, Math.max(0.02, 2 * c.chance));
    const honest = Math.max(
      logBetaBinomial(c.k, c.n, PSEUDO * p, PSEUDO * (1 - p)),
      ...model.rates
        .filter((r) => r > 0)
        .slice(0, 50)
        .map((r) => logBetaBinomial(c.k, c.n, 4 * r, 4 * (1.05 - r)) + Math.log(1 / (model.rates.length + 1))),
    );
    const campaign = logSumExp([Math.log(1 - ABSENT) + logBetaBinomial(c.k, c.n, TAKES_OVER[0], TAKES_OVER[1]), Math.log(ABSENT) + honest]);
    const bits = cap((campaign - honest) * LOG2E, model.m);
    return {
      outcome: outcomeOf(bits),
      bits: c.k / c.n <= p ? Math.min(0, bits) : bits,
      figure: c.k / c.n,
      reference: reference(model.rates),
      reason: `${c.k} of the ${c.n} members that joined later started within the hour after another member ended; such hours are ${percent(c.chance)} of the time`,
    };
  },
};
