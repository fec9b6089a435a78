import { countSignal, percent } from './signal.ts';

export const pivotSignal = countSignal({
  id: 'pivot',
  title: 'Moves to a new model within a day',
  axis: 'coordination',
  family: 'timing',
  needs: [],
  absent: 0.6,
  lean: [3, 0.7],
  prior: [0, 0.5],
  least: 4,
  missing: 'no model came out inside the log, or no member was there before and after',
  count: (f) => f.pivot,
  say: (c, _f, typical) =>
    `${c.k} of ${c.n} members sent at least 35 % of their exchanges to a newly released model within a day of its release; in honest cohorts ${percent(typical)}`,
});
