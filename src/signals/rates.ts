import { LOG2E, logNormalPdf } from '../campaigns/stats.ts';
import { cap, type LogModel, learnLogs, notApplicable, outcomeOf, reference, type Signal } from './signal.ts';

/** Workers of one operator hug one budget: an even deal leaves a ln-spread of a quarter, honest customers one of about one. */
const EVEN = { mean: Math.log(0.25), sd: 0.6 } as const;

export const ratesSignal: Signal<LogModel> = {
  id: 'even-rates',
  title: 'Even daily rates',
  axis: 'coordination',
  family: 'timing',
  unit: 'standard deviation of ln(openings per active day)',
  needs: [],
  learn: (nulls) => {
    const values = nulls.map((f) => f.rateSpread).filter((x) => Number.isFinite(x) && x > 0);
    return learnLogs(values, 0.9, 0.25);
  },
  weigh: (facts, model) => {
    if (!Number.isFinite(facts.rateSpread)) return notApplicable('fewer than four members are active on three days');
    if (model.m < 5) return notApplicable('fewer than five null cohorts are active long enough');
    // More even than an even deal is no less suspicious.
    const x = Math.max(EVEN.mean, Math.log(Math.max(0.02, facts.rateSpread)));
    // A spread of many accounts is measured better than one of twelve; the honest side must not be taken as that sharp.
    const honest = Math.max(logNormalPdf(x, model.mean, model.sd), logNormalPdf(x, model.mean, model.sd * 2) + Math.log(0.1));
    const bits = cap((Math.log(0.7 * Math.exp(logNormalPdf(x, EVEN.mean, EVEN.sd)) + 0.3 * Math.exp(honest)) - honest) * LOG2E, model.m);
    const ref = reference(model.values);
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: facts.rateSpread,
      reference: ref,
      reason: `daily rates of ${facts.rated} members spread by a factor of ${Math.exp(facts.rateSpread).toFixed(1)} around their middle; honest cohorts by ${Math.exp(ref.median ?? 0.9).toFixed(1)}`,
    };
  },
};
