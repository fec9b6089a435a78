import { countSignal, percent } from './signal.ts';

export const networkSignal = countSignal({
  id: 'network',
  title: 'Shared addresses',
  axis: 'coordination',
  family: 'network',
  needs: ['addresses'],
  absent: 0.5,
  lean: [2, 0.7],
  prior: [0, 0, 0.5, 1],
  missing: 'the log has no addresses of these accounts',
  count: (f) => (f.addressed === 0 && f.ties.network.tied === 0 ? { k: 0, n: 0 } : { k: f.ties.network.tied, n: f.ties.network.of }),
  say: (c, _f, typical) =>
    c.k === 0
      ? 'no address or network is mostly theirs'
      : `${c.k} of ${c.n} members come from addresses that are mostly theirs; in honest cohorts ${percent(typical)}`,
});
