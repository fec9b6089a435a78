import { clamp } from '../campaigns/stats.ts';
import { cap, outcomeOf, reference, type Signal } from './signal.ts';

interface HaulModel {
  readonly m: number;
  readonly values: readonly number[];
}

/**
 * About what a small published instruction set holds: 52,000 answers of some 65 tokens (Taori et al., Alpaca, 2023) are 3.4 million; half
 * of that is where a haul stops being a nuisance and becomes a data set.
 */
export const DATA_SET_TOKENS = 1.7e6;

export const haulSignal: Signal<HaulModel> = {
  id: 'haul',
  title: 'Enough to train on',
  axis: 'extraction',
  family: 'loot',
  unit: 'output tokens over distinct items',
  needs: [],
  learn: (nulls) => ({ m: nulls.length, values: nulls.map((f) => f.haulTokens) }),
  weigh: (facts, model) => {
    const ref = reference(model.values);
    if (facts.haulTokens <= 0)
      return { outcome: 'not applicable', bits: 0, figure: null, reference: ref, reason: 'the log has no output tokens' };
    const bits = cap(clamp(0.7 * Math.log2(facts.haulTokens / DATA_SET_TOKENS), -3, 2.5), model.m);
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: facts.haulTokens,
      reference: ref,
      reason: `${(facts.haulTokens / 1e6).toFixed(1)} million output tokens in ${facts.scoped ? 'what carries their sentence' : `all that these accounts sent, the campaign's part or not`}, each item of an account counted once; a small published instruction set holds 3.4 million`,
    };
  },
};
