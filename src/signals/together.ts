import { countSignal, percent } from './signal.ts';

export const togetherSignal = countSignal({
  id: 'starts-together',
  title: 'Starts together',
  axis: 'coordination',
  family: 'timing',
  needs: [],
  absent: 0.5,
  lean: [2, 0.7],
  prior: [0.3, 1],
  least: 5,
  count: (f) => f.together,
  say: (c, _f, typical) =>
    `${c.k} of the ${c.n} members that joined after the first day did so within one day; in honest cohorts ${percent(typical)}`,
});
