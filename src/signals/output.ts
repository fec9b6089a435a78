import { clamp, LOG2E, median } from '../campaigns/stats.ts';
import { cap, outcomeOf, reference, type Signal } from './signal.ts';

interface OutputModel {
  readonly m: number;
  readonly values: readonly number[];
}

/** Labels of some ten tokens train nobody; from this length on an answer holds something to learn. Between, the logarithm counts. */
const TOKENS = { label: 20, material: 200, least: 80 } as const;
/** Null cohorts by which it is told what is usual here. */
const USUAL = 5;

/** From what length on answers are material: where everybody's are short, what is as long as theirs is no label. */
const material = (values: readonly number[]): number =>
  values.length < USUAL ? TOKENS.material : clamp(median([...values]), TOKENS.least, TOKENS.material);
const AGAINST = 8;

export const outputSignal: Signal<OutputModel> = {
  id: 'useful-output',
  title: 'Answers long enough to learn from',
  axis: 'extraction',
  family: 'loot',
  unit: 'median output tokens per conversation',
  needs: [],
  learn: (nulls) => ({ m: nulls.length, values: nulls.map((f) => f.outTokensMedian) }),
  weigh: (facts, model) => {
    const ref = reference(model.values);
    const x = facts.outTokensMedian;
    if (x <= 0) return { outcome: 'not applicable', bits: 0, figure: null, reference: ref, reason: 'the log has no output tokens' };
    const enough = material(model.values);
    if (x < enough) {
      const bits = -AGAINST * Math.min(1, Math.log(enough / Math.max(1, x)) / Math.log(enough / TOKENS.label));
      return {
        outcome: 'quiet',
        bits,
        figure: x,
        reference: ref,
        reason: `the answers of a conversation have ${Math.round(x)} tokens: nearer to a label than to material to train on, which here begins at ${Math.round(enough)}`,
      };
    }
    // P(an honest cohort's answers are at least this long), with the honest share smoothed by one.
    const above = (model.values.filter((v) => v >= x).length + 1) / (model.values.length + 2);
    const bits = cap(Math.min(1.5, Math.log(0.5 + 0.5 / Math.sqrt(above)) * LOG2E), model.m);
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: x,
      reference: ref,
      reason: `the answers of a conversation have ${Math.round(x)} tokens; in honest cohorts ${Math.round(ref.median ?? 0)}`,
    };
  },
};
