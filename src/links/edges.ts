/** A weighted, explained tie between two accounts. */
export interface Edge {
  readonly a: number;
  readonly b: number;
  /** How surprising the tie is between two accounts that have nothing to do with each other, in bits. */
  readonly bits: number;
  /** Chance that two unrelated accounts tie at least this much, given their activity and how popular the values are. */
  readonly p: number;
  /** Expected share of chance ties among all ties at least this strong (Benjamini and Hochberg, 1995). */
  readonly q: number;
  /** Bits by kind of value. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Values that tie them, the rarest first, at most twenty. */
  readonly values: readonly number[];
  /** Pairs of records that caused the tie, at most twenty: co-shared ones, or the first that show each value. */
  readonly records: readonly (readonly [number, number])[];
  /** Co-shares between the two, and their mean distance in time in seconds; both 0 where time was not asked for. */
  readonly weight: number;
  readonly meanDelta: number;
}

/** Sightings that were set aside, with the reason; nothing is dropped without a count. */
export interface LeftOut {
  readonly reason: string;
  readonly rows: number;
  readonly values: number;
}

/** Values of two kinds or more that the very same accounts hold, three or more of them. */
export interface SameHolders {
  readonly accounts: readonly number[];
  readonly values: readonly number[];
}

export interface Links {
  readonly edges: readonly Edge[];
  readonly leftOut: readonly LeftOut[];
  /** Pairs of accounts the false discovery rate is controlled over. */
  readonly tested: number;
  /** Pairs that share something, of fewer bits than are listed, and the most bits among them. */
  readonly below: number;
  readonly belowBits: number;
  /** The most values first, at most a hundred. */
  readonly same: readonly SameHolders[];
}

/** Benjamini-Hochberg q-values over `tested` hypotheses, of which all but these have p = 1. */
export function falseDiscovery(p: Float64Array, tested: number): Float64Array {
  const order = Uint32Array.from(p, (_, i) => i).sort((x, y) => (p[x] as number) - (p[y] as number));
  const q = new Float64Array(p.length);
  let least = 1;
  for (let r = order.length - 1; r >= 0; r--) {
    const i = order[r] as number;
    least = Math.min(least, ((p[i] as number) * tested) / (r + 1));
    q[i] = least;
  }
  return q;
}

/** P(X >= k) of a Poisson variable, exact in the upper tail. */
export function poissonTail(k: number, mean: number): number {
  if (k <= 0) return 1;
  if (mean <= 0) return 0;
  // ln of the first term, then the series k, k + 1, ...
  let log = -mean + k * Math.log(mean);
  for (let i = 2; i <= k; i++) log -= Math.log(i);
  if (k <= mean) {
    let below = Math.exp(-mean);
    let sum = below;
    for (let i = 1; i < k; i++) {
      below *= mean / i;
      sum += below;
    }
    return Math.max(0, 1 - sum);
  }
  let term = 1;
  let sum = 1;
  for (let i = k + 1; term > 1e-17 * sum; i++) {
    term *= mean / i;
    sum += term;
  }
  return Math.min(1, Math.exp(log) * sum);
}
