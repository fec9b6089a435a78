import { LOG2E, logNormalPdf, quantile } from '../campaigns/stats.ts';
import { cap, type LogModel, learnLogs, notApplicable, outcomeOf, reference, type Signal } from './signal.ts';

/** Content is as mixed as everybody's below this part of what the least apart honest cohorts show, where there are enough; followed up where no more members than this hardly ever do. */
const EVERYBODY = { nulls: 10, part: 0.5, singleUse: 0.5 } as const;

/**
 * How alike two items of one account are (W of the deck test). A product keeps to its subject; an account that works off a pool
 * made to train a model often covers it all, though about as many campaigns deal one narrow source. Judged against honest cohorts of the same kind of use.
 */
export const breadthSignal: Signal<LogModel & { readonly everybody: number }> = {
  id: 'breadth',
  title: 'Breadth of each account',
  axis: 'extraction',
  family: 'content',
  unit: 'W (chance that two items of one account fall together)',
  needs: ['text'],
  learn: (nulls) => {
    const single = nulls.filter((f) => f.singleUse.k >= 0.7 * f.singleUse.n);
    const from = single.length >= 8 ? single : nulls;
    const values = from.map((f) => f.deck?.within ?? Number.NaN).filter((x) => x > 0);
    const apart = nulls.map((f) => f.distance).filter((x) => x > 0);
    return { ...learnLogs(values, 0.08, 0.3), everybody: apart.length >= EVERYBODY.nulls ? EVERYBODY.part * quantile(apart, 0.05) : 0 };
  },
  weigh: (facts, model) => {
    const w = facts.deck?.within;
    if (!w || w <= 0) return notApplicable('too few items');
    if (model.m < 5) return notApplicable('fewer than five null cohorts to compare with');
    const x = Math.log(w);
    const honest = logNormalPdf(x, model.mean, model.sd);
    const weighed = cap(
      (Math.log(0.35 * Math.exp(logNormalPdf(x, model.mean - 1.2 * model.sd, 0.8 * model.sd)) + 0.65 * Math.exp(honest)) - honest) * LOG2E,
      model.m,
    );
    // Whoever passes on what many people ask is as broad as they all are: it is their questions, and they follow the answers up.
    const passedOn = facts.distance <= model.everybody && facts.singleUse.k <= EVERYBODY.singleUse * facts.singleUse.n;
    const bits = passedOn ? Math.min(0, weighed) : weighed;
    const ref = reference(model.values);
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: w,
      reference: ref,
      reason: `two items of one member fall together in ${(100 * w).toFixed(1)} % of cases; in honest cohorts of like use ${(100 * (ref.median ?? 0)).toFixed(1)} %${passedOn && weighed > 0 ? '; as mixed as everybody together, and answers are followed up: so is whoever serves many people' : ''}`,
    };
  },
};
