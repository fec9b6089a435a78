import { countSignal, percent } from './signal.ts';

export const sleeplessSignal = countSignal({
  id: 'sleepless',
  title: 'No human day',
  axis: 'coordination',
  family: 'timing',
  needs: [],
  absent: 0.5,
  lean: [3, 0.5],
  prior: [0.4, 1],
  count: (f) => f.sleepless,
  say: (c, _f, typical) =>
    `${c.k} of ${c.n} members with enough exchanges keep no quiet hours; in honest cohorts ${percent(typical)} (much honest automation never sleeps either)`,
});
