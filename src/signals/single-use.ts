import { countSignal, percent } from './signal.ts';

export const singleUseSignal = countSignal({
  id: 'single-use',
  title: 'Nothing is followed up',
  axis: 'extraction',
  family: 'use',
  needs: [],
  // Of the campaigns reported in 2026 about half were after agentic work and long-horizon tasks, which have turns.
  // What else one hand can be is judged apart; of those kinds a pipeline is single-shot as well, and an app is not: little is learned from either.
  absent: 0.7,
  lean: [5, 0.5],
  prior: [0.3, 0.7],
  most: 1,
  count: (f) => f.singleUse,
  say: (c, _f, typical) => `${c.k} of ${c.n} members hardly ever follow an answer up; in honest cohorts ${percent(typical)}`,
});
