import { countSignal, percent } from './signal.ts';

export const relaySignal = countSignal({
  id: 'relay',
  title: 'Conversations passed from account to account',
  axis: 'coordination',
  family: 'identity',
  needs: ['text'],
  absent: 0.8,
  lean: [2, 0.7],
  prior: [0, 0, 0.5, 1],
  missing:
    'no member shows what was said before in a conversation, or an id of it that nobody makes twice: whether another account carries it on cannot be told',
  count: (f) => f.relay,
  say: (c, _f, typical) =>
    c.k === 0
      ? 'no member carries on conversations that other members began and has its own carried on by them'
      : `${c.k} of ${c.n} members carry on conversations that other members began, and have their own carried on by others; in honest cohorts ${percent(typical)}`,
});
