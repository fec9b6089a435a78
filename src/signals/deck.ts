import type { Deck } from '../campaigns/deck.ts';
import { LOG2E, logNormalPdf, logSumExp, median } from '../campaigns/stats.ts';
import { cap, NOTHING, notApplicable, outcomeOf, reference, type Signal } from './signal.ts';

/**
 * Shipped prior for small stores: honest rho on distinct real texts, 0.020 ± 0.009 over 27 real contributors of one public collection, 0.024 over all real heavy
 * users at hand (`npm run real`). It counts as this many null cohorts: of 1,380 of 60 simulated worlds without a campaign none looked dealt from one deck but people on one
 * queue and one declared organisation.
 */
const SHIPPED = { logMedian: Math.log(0.02), logSd: 0.9, worth: 800 } as const;

interface DeckModel {
  readonly logMedian: number;
  readonly logSd: number;
  readonly m: number;
  readonly values: readonly number[];
  /** Honest 5 % quantile of rho. */
  readonly low: number;
  readonly grown: number;
}

const GRID = Array.from({ length: 120 }, (_, i) => Math.exp(Math.log(1e-6) + (i / 119) * (Math.log(0.6) - Math.log(1e-6))));

/** ln of the density of a measurement that is `rho - r` off, up to a constant: Student's, with as many degrees as the jackknife has. */
function slip(rho: number, se: number, accounts: number, r: number): number {
  const degrees = Math.max(1, accounts - 1);
  return -0.5 * (degrees + 1) * Math.log1p(((rho - r) / se) ** 2 / degrees);
}

/**
 * ln of the density of an observed rho, up to a constant, when the true one is spread as `logDensity` (over ln rho) and measured with error se. A standard error that was itself estimated from
 * `accounts` accounts has Student's tails: what lies far below nought is a poor measurement, not a clean deal.
 */
function blurred(rho: number, se: number, accounts: number, logDensity: (logRho: number) => number): number {
  const step = Math.log(GRID[1] as number) - Math.log(GRID[0] as number);
  return logSumExp(GRID.map((r) => logDensity(Math.log(r)) + slip(rho, se, accounts, r) + Math.log(step)));
}

/**
 * Part of honest cohorts that may be exchangeable for a reason not on our list: the open rival, spread evenly over ln rho. It grows with other cohorts that look so, and is the rarer the
 * more accounts there are: desks, wards, classes and rings of friends that share a source have a few dozen, and what is known of such groups falls off with their size.
 */
const UNKNOWN = 1 / 400;
const CROWD = 25;

/** Part of operators that give each worker a subject, a language or a schema of its own: their accounts differ as honest ones do, and the figure tells nothing of them. */
const SHARDED = 0.25;

/** Likelihood of each measured null cohort over GRID: measured once, asked for again with every set of references. */
const PROFILES = new WeakMap<Deck, Float64Array>();

function profileOf(d: Deck): Float64Array {
  const known = PROFILES.get(d);
  if (known) return known;
  const logs = GRID.map((r) => slip(d.rho, Math.max(d.se, 2e-5), d.accounts, r));
  const top = Math.max(...logs);
  const out = Float64Array.from(logs, (x) => Math.exp(x - top));
  PROFILES.set(d, out);
  return out;
}

/** Part of null cohorts that the fit lets be anything: a campaign's own fragments among the references must not pull it. */
const STRAY = 0.1;
const MEDIANS = Array.from({ length: 33 }, (_, i) => Math.log(3e-4) + (i / 32) * Math.log(0.2 / 3e-4));
const SPREADS = [0.35, 0.5, 0.7, 0.9, 1.2, 1.6];
/** What the true figures of null cohorts may look like: a share of them at each point of GRID. */
const SHAPES = MEDIANS.flatMap((median) =>
  SPREADS.map((sd) => {
    const density = GRID.map((r) => Math.exp(logNormalPdf(Math.log(r), median, sd)));
    const whole = density.reduce((x, y) => x + y, 0);
    return { median, sd, weight: Float64Array.from(density, (x) => ((1 - STRAY) * x) / whole + STRAY / GRID.length) };
  }),
);

/**
 * Median and spread of ln rho over null cohorts by maximum likelihood, each cohort's own error taken out (a measurement with Student's tails of a log-normal true value): read off the measured figures, the
 * noise of small null cohorts passes for honest cohorts that are dealt from one deck.
 */
function likeliest(usable: readonly Deck[]): { median: number; sd: number } {
  const profiles = usable.map(profileOf);
  let best = { median: SHIPPED.logMedian as number, sd: SHIPPED.logSd as number };
  let most = Number.NEGATIVE_INFINITY;
  for (const { median, sd, weight } of SHAPES) {
    let sum = 0;
    for (const p of profiles) {
      let x = 0;
      for (let i = 0; i < weight.length; i++) x += (weight[i] as number) * (p[i] as number);
      sum += Math.log(x);
    }
    if (sum > most) {
      most = sum;
      best = { median, sd };
    }
  }
  return best;
}

export const deckSignal: Signal<DeckModel> = {
  id: 'deck',
  title: 'Dealt from one deck',
  axis: 'coordination',
  family: 'content',
  unit: 'rho (0: one shuffled pool)',
  needs: ['text'],
  learn: (nulls, unexplained) => {
    const usable = nulls.flatMap((f) => (f.deck && f.deck.se < 0.02 ? [f.deck] : []));
    const m = usable.length;
    const own =
      m > 4
        ? likeliest(usable)
        : { median: m > 0 ? median(usable.map((d) => Math.log(Math.max(1e-5, d.rho)))) : SHIPPED.logMedian, sd: SHIPPED.logSd };
    // Pseudo-counts: the store's own cohorts outweigh the shipped prior as they grow.
    const w = m / (m + 20);
    const logMedian = w * own.median + (1 - w) * SHIPPED.logMedian;
    const logSd = Math.sqrt(w * own.sd ** 2 + (1 - w) * SHIPPED.logSd ** 2);
    return {
      logMedian,
      logSd,
      m,
      values: usable.map((d) => d.rho),
      low: Math.exp(logMedian - 1.645 * logSd),
      grown: (0.3 * unexplained) / (m + SHIPPED.worth),
    };
  },
  weigh: (facts, model) => {
    const d = facts.deck;
    if (!d) return notApplicable('fewer than three members have two items in a common week and script');
    const se = Math.max(d.se, 2e-5);
    const ref = model.values.length > 0 ? reference(model.values) : NOTHING;
    const unknown = Math.max(model.grown, UNKNOWN * Math.min(1, CROWD / facts.accounts.length));
    const honestDensity = (x: number) =>
      Math.log((1 - unknown) * Math.exp(logNormalPdf(x, model.logMedian, model.logSd)) + unknown / Math.log(0.6 / 1e-6));
    // Campaign: half of decks are dealt cleanly (rho anywhere below 3 % of the honest median, evenly over its logarithm), the others carry personas or
    // cover traffic (exponential with a mean of 3 % and of 20 % of it).
    const scale = Math.exp(model.logMedian);
    const exponential = (mean: number) => (x: number) => x - Math.exp(x) / mean - Math.log(mean);
    const clean = (x: number) => (x < Math.log(0.03 * scale) ? -Math.log(Math.log((0.03 * scale) / 1e-6)) : -Infinity);
    const seen = (density: (x: number) => number): number => blurred(d.rho, se, d.accounts, density);
    const honest = seen(honestDensity);
    const campaign = logSumExp([
      Math.log(1 - SHARDED) +
        logSumExp([
          Math.log(0.5) + seen(clean),
          Math.log(0.3) + seen(exponential(0.03 * scale)),
          Math.log(0.2) + seen(exponential(0.2 * scale)),
        ]),
      Math.log(SHARDED) + honest,
    ]);
    const bits = cap((campaign - honest) * LOG2E, model.m + SHIPPED.worth);
    const said = `items of two accounts are as alike as items of one: rho ${d.rho.toFixed(4)} ± ${d.se.toFixed(4)} over ${Math.round(d.items)} items of ${d.accounts} accounts`;
    const ref2 = `; honest neighbours in content stand at ${(ref.median ?? scale).toFixed(3)} (${model.m} null cohorts here, and a shipped prior worth ${SHIPPED.worth})`;
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: d.rho,
      reference: ref,
      reason: bits > 0 ? said + ref2 : `each account keeps to subjects of its own: rho ${d.rho.toFixed(4)} ± ${d.se.toFixed(4)}${ref2}`,
    };
  },
};
