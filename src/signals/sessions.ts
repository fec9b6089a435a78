import { LOG2E, logNormalPdf } from '../campaigns/stats.ts';
import { cap, type LogModel, learnLogs, notApplicable, outcomeOf, reference, type Signal } from './signal.ts';

/** One program decides how long a session is: members' means differ by a twelfth or so; people's differ by half. */
const SCRIPTED = { mean: Math.log(0.08), sd: 0.6 } as const;

export const sessionsSignal: Signal<LogModel> = {
  id: 'even-sessions',
  title: 'Sessions of one length',
  axis: 'coordination',
  family: 'timing',
  unit: 'standard deviation of ln(exchanges per conversation)',
  needs: [],
  learn: (nulls) => {
    const values = nulls.map((f) => f.sessionSpread).filter((x) => Number.isFinite(x));
    return learnLogs(values, 0.5, 0.3);
  },
  weigh: (facts, model) => {
    if (!Number.isFinite(facts.sessionSpread))
      return notApplicable('fewer than four members, or half of them, hold conversations of several turns');
    if (model.m < 5) return notApplicable('fewer than five null cohorts hold conversations of several turns');
    // More even than a script is no less suspicious.
    const x = Math.max(SCRIPTED.mean, Math.log(facts.sessionSpread));
    const honest = Math.max(logNormalPdf(x, model.mean, model.sd), logNormalPdf(x, model.mean, model.sd * 2) + Math.log(0.1));
    const bits = cap(
      (Math.log(0.5 * Math.exp(logNormalPdf(x, SCRIPTED.mean, SCRIPTED.sd)) + 0.5 * Math.exp(honest)) - honest) * LOG2E,
      model.m,
    );
    const ref = reference(model.values);
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: facts.sessionSpread,
      reference: ref,
      reason: `members' conversations differ in mean length by a factor of ${Math.exp(facts.sessionSpread).toFixed(2)} around their middle; honest cohorts' by ${Math.exp(ref.median ?? 0.5).toFixed(2)}`,
    };
  },
};
