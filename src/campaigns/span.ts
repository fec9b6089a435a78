import { BUCKETINGS, DIMENSIONS } from './deck.ts';
import { distance, type Pooled } from './profile.ts';
import { median } from './stats.ts';

/** Part of everybody's content in each kind, so that no bucket is impossible. */
const SMOOTH = 0.05;
/** Rounds of the fit: by then weights move by far less than the noise of a pool. */
const ROUNDS = 60;
/** Weight of a kind under which it is no part of a mixture. */
const NONE = 1e-6;

/** Sum of kinds by their weights. */
function mixed(kinds: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const out = new Float64Array(DIMENSIONS);
  for (const [i, k] of kinds.entries()) {
    const w = weights[i] as number;
    if (w > NONE) for (let d = 0; d < DIMENSIONS; d++) out[d] = (out[d] as number) + w * (k[d] as number);
  }
  return out;
}

/** Squared distance, as of `distance`, of a pool from the nearest mixture of kinds: weights by expectation maximisation, all bucketings together. */
function apartFrom(p: Pooled, kinds: readonly Float64Array[]): number {
  let weights = kinds.map(() => 1 / kinds.length);
  for (let round = 0; round < ROUNDS; round++) {
    const ratio = mixed(kinds, weights).map((m, d) => (m > 0 ? (p.shares[d] as number) / m : 0));
    const next = kinds.map((k, i) => {
      const w = weights[i] as number;
      let s = 0;
      if (w > NONE) for (let d = 0; d < DIMENSIONS; d++) s += (k[d] as number) * (ratio[d] as number);
      return (w * s) / BUCKETINGS;
    });
    const sum = next.reduce((a, b) => a + b, 0) || 1;
    weights = next.map((x) => x / sum);
  }
  return distance(p, mixed(kinds, weights));
}

/** What honest communities ask for between them: customers of an app or a reseller are some of the kinds of people there are, in whatever parts; a data set is a kind of its own. Worked out when it is first asked: of most cohorts it never is. */
export class Span {
  private readonly pools: readonly Pooled[];
  private readonly mu: Float64Array;
  private smoothed: readonly Float64Array[] | undefined;
  private middle: number | undefined;

  /** @param pools contents of null cohorts @param mu everybody's */
  constructor(pools: readonly Pooled[], mu: Float64Array) {
    this.pools = pools.filter((p) => p.items > 0);
    this.mu = mu;
  }

  private get kinds(): readonly Float64Array[] {
    this.smoothed ??= this.pools.map((p) => p.shares.map((x, d) => (1 - SMOOTH) * x + SMOOTH * (this.mu[d] as number)));
    return this.smoothed;
  }

  /** How far a pool is from the nearest mixture of them; NaN where there are fewer than five. */
  apart(p: Pooled): number {
    return this.pools.length < 5 ? Number.NaN : apartFrom(p, this.kinds);
  }

  /** How far the middle one of them is from the nearest mixture of the others. */
  typical(): number {
    const kinds = this.kinds;
    this.middle ??= median(
      this.pools.map((p, i) =>
        apartFrom(
          p,
          kinds.filter((_, j) => j !== i),
        ),
      ),
    );
    return this.middle;
  }
}
