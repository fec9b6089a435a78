import { countSignal, percent } from './signal.ts';

export const formSignal = countSignal({
  id: 'one-form',
  title: 'Requests of one form',
  axis: 'coordination',
  family: 'network',
  needs: ['clients'],
  // An operator that rotates parameters and clients per account shows nothing here.
  absent: 0.5,
  lean: [4, 0.4],
  prior: [0.3, 1],
  least: 5,
  count: (f) => f.form,
  say: (c, _f, typical) =>
    `${c.k} of ${c.n} members send requests of one and the same form (parameters, endpoint, client); in honest cohorts ${percent(typical)}`,
});
