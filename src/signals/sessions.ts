import { spreadSignal } from './signal.ts';

export const sessionsSignal = spreadSignal({
  id: 'even-sessions',
  title: 'Sessions of one length',
  unit: 'standard deviation of ln(exchanges per conversation)',
  // One program decides how long a session is: members' means differ by a twelfth or so; people's differ by half.
  scripted: { mean: Math.log(0.08), sd: 0.6 },
  absent: 0.5,
  typical: 0.5,
  sdMin: 0.3,
  missing: 'fewer than four members, or half of them, hold conversations of several turns',
  spread: (f) => f.sessionSpread,
  say: (x, _f, typical) =>
    `members' conversations differ in mean length by a factor of ${Math.exp(x).toFixed(2)} around their middle; honest cohorts' by ${Math.exp(typical).toFixed(2)}`,
});
