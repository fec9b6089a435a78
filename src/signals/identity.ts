import { countSignal, percent } from './signal.ts';

export const identitySignal = countSignal({
  id: 'identity',
  title: 'Shared payment, key or mail domain',
  axis: 'coordination',
  family: 'identity',
  needs: ['accounts'],
  absent: 0.5,
  lean: [2, 0.7],
  prior: [0, 0, 0.5, 1],
  // Who holds no record shows no card; only keys are in the log itself.
  missing: 'no account record says how these accounts pay or sign up (--accounts)',
  count: (f) => (f.recorded === 0 && f.ties.identity.tied === 0 ? { k: 0, n: 0 } : { k: f.ties.identity.tied, n: f.ties.identity.of }),
  say: (c, _f, typical) =>
    c.k === 0
      ? 'no payment instrument, key or mail domain is mostly theirs'
      : `${c.k} of ${c.n} members share payment, keys, contact data or a mail domain with other members; in honest cohorts ${percent(typical)}`,
});
