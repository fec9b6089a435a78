import { countSignal, percent } from './signal.ts';

export const freshSignal = countSignal({
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
