import { spreadSignal } from './signal.ts';

export const ratesSignal = spreadSignal({
  id: 'even-rates',
  title: 'Even daily rates',
  unit: 'standard deviation of ln(openings per active day)',
  // Workers of one operator hug one budget: an even deal leaves a ln-spread of a quarter, honest customers one of about one.
  scripted: { mean: Math.log(0.25), sd: 0.6 },
  absent: 0.3,
  typical: 0.9,
  sdMin: 0.25,
  missing: 'fewer than four members are active on three days',
  spread: (f) => f.rateSpread,
  say: (x, f, typical) =>
    `daily rates of ${f.rated} members spread by a factor of ${Math.exp(x).toFixed(1)} around their middle; honest cohorts by ${Math.exp(typical).toFixed(1)}`,
});
