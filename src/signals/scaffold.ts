import { countSignal, percent } from './signal.ts';

export const scaffoldSignal = countSignal({
  id: 'scaffold',
  title: 'A sentence of their own',
  axis: 'coordination',
  family: 'scaffold',
  needs: ['text'],
  absent: 0.35,
  lean: [3, 0.7],
  prior: [0, 0, 0.5, 1],
  count: (f) => ({ k: f.ties.scaffold.tied, n: f.ties.scaffold.of }),
  say: (c, _f, typical) =>
    c.k === 0
      ? 'no sentence that stands in at least a tenth of their conversations is mostly theirs'
      : `${c.k} of ${c.n} members carry a sentence that is mostly theirs in at least a tenth of their conversations; in honest cohorts ${percent(typical)}`,
});
