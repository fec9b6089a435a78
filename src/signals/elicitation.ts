import { countSignal, percent } from './signal.ts';

export const elicitationSignal = countSignal({
  id: 'elicitation',
  title: 'Reasoning and grading asked for',
  axis: 'extraction',
  family: 'intent',
  needs: ['text'],
  // The marks are a short list of stems: most wordings of a request for reasoning are not on it, so their absence says little.
  absent: 0.75,
  lean: [3, 0.5],
  prior: [0, 1],
  count: (f) => f.elicited,
  say: (c, _f, typical) =>
    `${c.k} of ${c.n} members use one of the turns of phrase on a short list (step by step, show your work, on a scale, ...) in at least 30 % of their exchanges; in honest cohorts ${percent(typical)}. Other wordings of a request for reasoning or grades are not seen`,
});
