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
  /** Densities of the true figure at GRID: over honest cohorts whose reason is on our list, and over decks that one hand deals. */
  readonly known: Float64Array;
  readonly dealt: Float64Array;
}

/** ln rho where densities are looked at, evenly. */
const GRID = Array.from({ length: 120 }, (_, i) => Math.log(1e-6) + (i / 119) * (Math.log(0.6) - Math.log(1e-6)));

/** Width of GRID in ln rho: of what may be anything. */
const OPEN = Math.log(0.6 / 1e-6);

/**
 * A campaign: half of decks are dealt cleanly (rho anywhere below 3 % of the honest median, evenly over its logarithm), the others carry personas or cover traffic (exponential with a mean of 3 % and of
 * 20 % of it).
 */
function dealtAt(scale: number): Float64Array {
  const exponential = (x: number, mean: number): number => Math.exp(x - Math.exp(x) / mean - Math.log(mean));
  const clean = (x: number): number => (x < Math.log(0.03 * scale) ? 1 / Math.log((0.03 * scale) / 1e-6) : 0);
  return Float64Array.from(GRID, (x) => 0.5 * clean(x) + 0.3 * exponential(x, 0.03 * scale) + 0.2 * exponential(x, 0.2 * scale));
}

/** How likely a measurement is if the true figure stands at each point of GRID, up to a constant. */
interface Measured {
  /** exp of it, over its highest. */
  readonly parts: Float64Array;
  /** ln-likelihood of the measurement under each of SHAPES, once asked for. */
  shapes?: Float64Array;
}

const MEASURED = new WeakMap<Deck, Measured>();

/** Of a cohort's figure with its standard error, which was itself estimated from so many accounts and has Student's tails: what lies far below nought is a poor measurement, not a clean deal. */
function measured(d: Deck): Measured {
  const known = MEASURED.get(d);
  if (known) return known;
  const se = Math.max(d.se, 2e-5);
  const degrees = Math.max(1, d.accounts - 1);
  const logs = GRID.map((x) => -0.5 * (degrees + 1) * Math.log1p(((d.rho - Math.exp(x)) / se) ** 2 / degrees));
  const top = Math.max(...logs);
  const made: Measured = { parts: Float64Array.from(logs, (x) => Math.exp(x - top)) };
  MEASURED.set(d, made);
  return made;
}

/** ln of the density of a measurement, up to a constant, when the true figure is spread as `density` (over ln rho, at each point of GRID). */
function blurred(m: Measured, density: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < density.length; i++) sum += (density[i] as number) * (m.parts[i] as number);
  return Math.log(sum);
}

/**
 * Part of honest cohorts that may be exchangeable for a reason not on our list: the open rival, spread evenly over ln rho. It grows with other cohorts that look so, and is the rarer the
 * more accounts there are: desks, wards, classes and rings of friends that share a source have a few dozen, and what is known of such groups falls off with their size.
 */
const UNKNOWN = 1 / 400;
const CROWD = 25;

/** Part of operators that give each worker a subject, a language or a schema of its own: their accounts differ as honest ones do, and the figure tells nothing of them. */
const SHARDED = 0.25;

/** Part of null cohorts that the fit lets be anything: a campaign's own fragments among the references must not pull it. */
const STRAY = 0.1;
const MEDIANS = Array.from({ length: 33 }, (_, i) => Math.log(3e-4) + (i / 32) * Math.log(0.2 / 3e-4));
const SPREADS = [0.35, 0.5, 0.7, 0.9, 1.2, 1.6];
/** What the true figures of null cohorts may look like: a share of them at each point of GRID. */
const SHAPES = MEDIANS.flatMap((median) =>
  SPREADS.map((sd) => {
    const density = GRID.map((x) => Math.exp(logNormalPdf(x, median, sd)));
    const whole = density.reduce((x, y) => x + y, 0);
    return { median, sd, weight: Float64Array.from(density, (x) => ((1 - STRAY) * x) / whole + STRAY / GRID.length) };
  }),
);

/**
 * Median and spread of ln rho over null cohorts by maximum likelihood, each cohort's own error taken out (a measurement with Student's tails of a log-normal true value): read off the measured figures, the
 * noise of small null cohorts passes for honest cohorts that are dealt from one deck.
 */
function likeliest(usable: readonly Deck[]): { median: number; sd: number } {
  const sums = new Float64Array(SHAPES.length);
  for (const d of usable) {
    const of = shapesOf(measured(d));
    for (let x = 0; x < sums.length; x++) sums[x] = (sums[x] as number) + (of[x] as number);
  }
  let best = { median: SHIPPED.logMedian as number, sd: SHIPPED.logSd as number };
  let most = Number.NEGATIVE_INFINITY;
  SHAPES.forEach(({ median, sd }, x) => {
    if ((sums[x] as number) <= most) return;
    most = sums[x] as number;
    best = { median, sd };
  });
  return best;
}

/** A null cohort is asked in every fit it is part of, and answers the same. */
function shapesOf(m: Measured): Float64Array {
  m.shapes ??= Float64Array.from(SHAPES, ({ weight }) => blurred(m, weight));
  return m.shapes;
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
      known: Float64Array.from(GRID, (x) => Math.exp(logNormalPdf(x, logMedian, logSd))),
      dealt: dealtAt(Math.exp(logMedian)),
    };
  },
  weigh: (facts, model) => {
    const d = facts.deck;
    if (!d) return notApplicable('fewer than three members have two items in a common week and script');
    const ref = model.values.length > 0 ? reference(model.values) : NOTHING;
    const unknown = Math.max(model.grown, UNKNOWN * Math.min(1, CROWD / facts.accounts.length));
    const m = measured(d);
    const honest = blurred(
      m,
      model.known.map((x) => (1 - unknown) * x + unknown / OPEN),
    );
    const campaign = logSumExp([Math.log(1 - SHARDED) + blurred(m, model.dealt), Math.log(SHARDED) + honest]);
    const bits = cap((campaign - honest) * LOG2E, model.m + SHIPPED.worth);
    const says =
      bits > 0
        ? 'items of two accounts are as alike as items of one'
        : bits > -1
          ? 'it says little either way'
          : 'each account keeps to subjects of its own';
    const figures = `rho ${(Math.abs(d.rho) < 0.00005 ? 0 : d.rho).toFixed(4)} ± ${d.se.toFixed(4)} over ${Math.round(d.items)} items of ${d.accounts} accounts${facts.pools > 1 ? `, which draw on ${facts.pools} pools, each compared within itself` : ''}; honest neighbours in content stand at ${(ref.median ?? Math.exp(model.logMedian)).toFixed(4)} (${model.m} null cohorts here, and a shipped prior worth ${SHIPPED.worth})`;
    return {
      outcome: outcomeOf(bits),
      bits,
      figure: d.rho,
      reference: ref,
      reason: `${says}: ${figures}`,
    };
  },
};
