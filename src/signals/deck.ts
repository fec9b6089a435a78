import { LOG2E, logNormalPdf, logSumExp, median, spread } from '../campaigns/stats.ts';
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
  /** Honest 5 % quantile of rho: below three times this precision nothing is said. */
  readonly low: number;
  readonly grown: number;
}

const GRID = Array.from({ length: 120 }, (_, i) => Math.exp(Math.log(1e-6) + (i / 119) * (Math.log(0.6) - Math.log(1e-6))));

/** ln of the density of an observed rho, when the true one is spread as `logDensity` (over ln rho) and measured with error se. */
function blurred(rho: number, se: number, logDensity: (logRho: number) => number): number {
  const step = Math.log(GRID[1] as number) - Math.log(GRID[0] as number);
  return logSumExp(GRID.map((r) => logDensity(Math.log(r)) + logNormalPdf(rho, r, se) + Math.log(step)));
}

/**
 * Part of honest cohorts that may be exchangeable for a reason not on our list: the open rival, spread evenly over ln rho. It grows with other cohorts that look so, and is the rarer the
 * more accounts there are: desks, wards, classes and rings of friends that share a source have a few dozen, and what is known of such groups falls off with their size.
 */
const UNKNOWN = 1 / 400;
const CROWD = 25;

export const deckSignal: Signal<DeckModel> = {
  id: 'deck',
  title: 'Dealt from one deck',
  axis: 'coordination',
  family: 'content',
  unit: 'rho (0: one shuffled pool)',
  needs: ['text'],
  learn: (nulls, unexplained) => {
    const usable = nulls.map((f) => f.deck).filter((d) => d !== null && Number.isFinite(d.se) && d.se < 0.02);
    const logs = usable.map((d) => Math.log(Math.max(1e-5, d?.rho ?? 0)));
    const m = logs.length;
    const own = { median: m > 0 ? median(logs) : SHIPPED.logMedian, sd: m > 4 ? Math.max(0.35, spread(logs)) : SHIPPED.logSd };
    // Pseudo-counts: the store's own cohorts outweigh the shipped prior as they grow.
    const w = m / (m + 20);
    const logMedian = w * own.median + (1 - w) * SHIPPED.logMedian;
    const logSd = Math.sqrt(w * own.sd ** 2 + (1 - w) * SHIPPED.logSd ** 2);
    return {
      logMedian,
      logSd,
      m,
      values: usable.map((d) => d?.rho ?? 0),
      low: Math.exp(logMedian - 1.645 * logSd),
      grown: (0.3 * unexplained) / (m + SHIPPED.worth),
    };
  },
  weigh: (facts, model) => {
    const d = facts.deck;
    if (!d) return notApplicable('fewer than three members have two items in a common week and script');
    const se = Math.max(d.se, 2e-5);
    const ref = model.values.length > 0 ? reference(model.values) : NOTHING;
    if (3 * se > model.low) {
      return {
        outcome: 'not applicable',
        bits: 0,
        figure: d.rho,
        reference: ref,
        reason: `too few items to tell: three standard errors (${(3 * se).toFixed(4)}) exceed the honest 5 % quantile of ${model.low.toFixed(4)}; about ${Math.ceil(d.items * ((3 * se) / model.low) ** 2 - d.items)} more items would decide`,
      };
    }
    const unknown = Math.max(model.grown, UNKNOWN * Math.min(1, CROWD / facts.accounts.length));
    const honestDensity = (x: number) =>
      Math.log((1 - unknown) * Math.exp(logNormalPdf(x, model.logMedian, model.logSd)) + unknown / Math.log(0.6 / 1e-6));
    // Campaign: half are dealt cleanly (rho anywhere below 3 % of the honest median, evenly over its logarithm), the others carry personas or
    // cover traffic (exponential with a mean of 3 % and of 20 % of it).
    const scale = Math.exp(model.logMedian);
    const exponential = (mean: number) => (x: number) => x - Math.exp(x) / mean - Math.log(mean);
    const clean = (x: number) => (x < Math.log(0.03 * scale) ? -Math.log(Math.log((0.03 * scale) / 1e-6)) : -Infinity);
    const campaign = logSumExp([
      Math.log(0.5) + blurred(d.rho, se, clean),
      Math.log(0.3) + blurred(d.rho, se, exponential(0.03 * scale)),
      Math.log(0.2) + blurred(d.rho, se, exponential(0.2 * scale)),
    ]);
    const bits = cap((campaign - blurred(d.rho, se, honestDensity)) * LOG2E, model.m + SHIPPED.worth);
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
