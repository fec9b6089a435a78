import { countSignal, percent } from './signal.ts';

export const signupSignal = countSignal({
  id: 'signup-burst',
  title: 'Created together',
  axis: 'coordination',
  family: 'identity',
  needs: ['accounts'],
  absent: 0.5,
  lean: [2, 1],
  least: 5,
  missing: 'no account record says when these accounts were created (--accounts)',
  count: (f) => f.born,
  say: (c, _f, typical) => `${c.k} of ${c.n} members were created within one week; in honest cohorts ${percent(typical)} of theirs`,
});
