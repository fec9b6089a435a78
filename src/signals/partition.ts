import type { Facts } from '../campaigns/facts.ts';
import { LOG2E } from '../campaigns/stats.ts';
import { cap, notApplicable, outcomeOf, reference, type Signal } from './signal.ts';

interface Model {
  readonly m: number;
  readonly values: readonly number[];
}

/**
 * Mean of what dealt pools show: thirteen published distillation sets, each dealt over 24 to 40 accounts under changing wrappers, show 0.000 to 0.028, mean
 * 0.008; five public benchmarks that eight teams run in part, each under a wrapper of its own, 0.15 to 0.30.
 */
const DEALT = 0.008;
/** Sets that go through the same items may share any part of them, from a few in a hundred up: evenly over the logarithm. */
const COMMON = { from: 0.01, to: 1 } as const;

/**
 * Of operators so many sample each item several times, or draw from their pool with replacement; then its items come back as a benchmark's do. Of a crowd nothing else is known, and it counts in full; accounts that cards and
 * addresses of their own both tie picked no item for themselves, so that what speaks against a dealt pool speaks against one hand only as far as such operators are rare.
 */
const AGAIN = 0.1;

/** Most members hold ties of both kinds. */
const tiedTwice = ({ accounts, ties: { identity, network } }: Facts): boolean =>
  [identity, network].every((tie) => tie.tied >= TIED * accounts.length);
const TIED = 0.8;

export const partitionSignal: Signal<Model> = {
  id: 'partition',
  title: 'The work is shared out',
  axis: 'coordination',
  family: 'partition',
  unit: 'part of the other members that send an item too, mean over items',
  needs: ['text'],
  learn: (nulls) => ({ m: nulls.length, values: nulls.map((f) => f.itemsShared) }),
  weigh: (facts, model) => {
    if (!facts.deck) return notApplicable('too few items');
    const x = facts.itemsShared;
    const ref = reference(model.values);
    if (x < COMMON.from) {
      return {
        outcome: 'not applicable',
        bits: 0,
        figure: x,
        reference: ref,
        reason: `an item like a member's, however it is worded, stands in ${(100 * x).toFixed(1)} % of the others: hardly any come back; that counts for one hand only where a bound on the size of their pool is known`,
      };
    }
    if (facts.rounds)
      return {
        outcome: 'not applicable',
        bits: 0,
        figure: x,
        reference: ref,
        reason: `an item like a member's, however it is worded, stands in ${facts.rounds.times} of ${facts.deck.accounts} members at most, and hardly any in more (${Math.round(100 * facts.rounds.part)} % of what they send stands in ${facts.rounds.times === 2 ? 'one or two' : `${facts.rounds.times - 1} or ${facts.rounds.times}`}): it is dealt in rounds, as nobody does who picks for themselves from a benchmark or a question bank; an operator does so, and so does a queue that asks for several answers to each item`,
      };
    const common = 1 / (x * Math.log(COMMON.to / COMMON.from));
    const dealt = Math.exp(-x / DEALT) / DEALT;
    const again = tiedTwice(facts) ? AGAIN : 0;
    const bits = Math.min(0, cap(Math.log(((1 - again) * dealt) / common + again) * LOG2E, model.m + 200));
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: x,
      reference: ref,
      reason: `an item like a member's, however it is worded, stands in ${(100 * x).toFixed(1)} % of the others, once in each: a dealt pool does not come back, a benchmark, a class or a question bank does${again > 0 ? ', and so does a pool that an operator samples again and again, as accounts may that cards and addresses of their own both tie' : ''}`,
    };
  },
};
