import { clamp } from '../campaigns/stats.ts';
import { countSignal, percent } from './signal.ts';

/** A benchmark's items stand in a seventh of its runners and more, those of a dealt pool in three in a hundred of its workers at most (docs/signals/partition.md). */
const FEW = 0.03;
const MANY = 0.1;

/** How far items that come back are a set that all go through: not at all up to what dealt pools show, wholly from what benchmarks show, evenly over the logarithm between. */
const common = (shared: number): number => clamp(Math.log(shared / FEW) / Math.log(MANY / FEW), 0, 1);

const base = countSignal({
  id: 'fresh-items',
  title: 'Every item once',
  axis: 'extraction',
  family: 'use',
  needs: ['text'],
  absent: 0.1,
  lean: [6, 0.4],
  prior: [0.8, 1],
  // Everybody's items are fresh but a benchmark's and a class's: it speaks only against.
  most: 0,
  count: (f) => f.fresh,
  say: (c, _f, typical) => `${c.k} of ${c.n} members send items that no other account sends; in honest cohorts ${percent(typical)}`,
});

/** Items that come back speak against where many send them: who asks each thing two or three times, to take the answer most agree on, sends them again and is no benchmark. */
export const freshSignal: typeof base = {
  ...base,
  weigh: (facts, model) => {
    const w = base.weigh(facts, model);
    if (w.bits < 0 && facts.rounds)
      return {
        ...w,
        bits: 0,
        outcome: 'quiet',
        reason: `${w.reason}; but they are dealt in rounds: each stands in ${facts.rounds.times} members at most, and what all go through stands in many`,
      };
    const part = common(facts.itemsShared);
    return w.bits < 0 && part < 1
      ? {
          ...w,
          bits: part * w.bits || 0,
          outcome: 'quiet',
          reason: `${w.reason}; but each stands in ${percent(facts.itemsShared)} of the other members, and what all were given stands in many`,
        }
      : w;
  },
};
