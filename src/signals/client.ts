import { countSignal, percent } from './signal.ts';

export const clientSignal = countSignal({
  id: 'client',
  title: 'A client of their own',
  axis: 'coordination',
  family: 'network',
  needs: ['clients'],
  absent: 0.6,
  lean: [2, 0.7],
  prior: [0, 0, 0.5, 1],
  count: (f) => ({ k: f.ties.client.tied, n: f.ties.client.of }),
  say: (c, _f, typical) =>
    c.k === 0
      ? 'no client or tool set is mostly theirs'
      : `${c.k} of ${c.n} members use a client or tool set that is mostly theirs; in honest cohorts ${percent(typical)}`,
});
