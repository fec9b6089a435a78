import { BUCKETINGS, BUCKETS, type Cell, DIMENSIONS, VOLUME_CAP } from './deck.ts';

/** Content of every account: counts of its items over hashed buckets, and the cells (account, stratum) they came from. */
export interface Profiles {
  readonly accounts: number;
  readonly items: Float64Array;
  /** accounts x DIMENSIONS, counts. */
  readonly counts: Float32Array;
  readonly cells: readonly Cell[];
  readonly byAccount: readonly (readonly Cell[])[];
}

export function profiles(accounts: number, cells: readonly Cell[]): Profiles {
  const counts = new Float32Array(accounts * DIMENSIONS);
  const items = new Float64Array(accounts);
  const byAccount: Cell[][] = Array.from({ length: accounts }, () => []);
  for (const c of cells) {
    (byAccount[c.account] as Cell[]).push(c);
    items[c.account] = (items[c.account] as number) + c.buckets.length / BUCKETINGS;
    for (let i = 0; i < c.buckets.length; i++) {
      const d = c.account * DIMENSIONS + (i % BUCKETINGS) * BUCKETS + (c.buckets[i] as number);
      counts[d] = (counts[d] as number) + 1;
    }
  }
  return { accounts, items, counts, cells, byAccount };
}

/** Mean bucket shares of a set of accounts, each weighted by its items up to a cap: one heavy account is not the mean. */
export function centre(p: Profiles, accounts: Iterable<number>, equal = false): Float64Array {
  const out = new Float64Array(DIMENSIONS);
  let total = 0;
  for (const a of accounts) {
    const n = p.items[a] as number;
    if (n < 1) continue;
    const w = equal ? 1 : Math.min(n, VOLUME_CAP);
    total += w;
    for (let d = 0; d < DIMENSIONS; d++) out[d] = (out[d] as number) + (w * (p.counts[a * DIMENSIONS + d] as number)) / n;
  }
  // Half an item of uniform content keeps every bucket possible.
  for (let d = 0; d < DIMENSIONS; d++) out[d] = ((out[d] as number) + 0.5 / BUCKETS) / (total + 0.5);
  return out;
}

/** Unit vectors of accounts with enough items: shares centred and scaled by the population's. Zero vectors for the others. */
export function directions(p: Profiles, mu: Float64Array, itemsMin: number): Float32Array {
  const out = new Float32Array(p.accounts * DIMENSIONS);
  for (let a = 0; a < p.accounts; a++) {
    const n = p.items[a] as number;
    if (n < itemsMin) continue;
    let norm = 0;
    for (let d = 0; d < DIMENSIONS; d++) {
      const m = mu[d] as number;
      const z = ((p.counts[a * DIMENSIONS + d] as number) / n - m) / Math.sqrt(m);
      out[a * DIMENSIONS + d] = z;
      norm += z * z;
    }
    const inv = norm > 0 ? 1 / Math.sqrt(norm) : 0;
    for (let d = 0; d < DIMENSIONS; d++) out[a * DIMENSIONS + d] = (out[a * DIMENSIONS + d] as number) * inv;
  }
  return out;
}

export interface Tally {
  n: number;
  readonly counts: Float64Array;
}

/** Items and bucket counts of each account in some cells. */
export function tally(cells: readonly Cell[]): Map<number, Tally> {
  const byAccount = new Map<number, Tally>();
  for (const c of cells) {
    let o = byAccount.get(c.account);
    if (!o) {
      o = { n: 0, counts: new Float64Array(DIMENSIONS) };
      byAccount.set(c.account, o);
    }
    o.n += c.buckets.length / BUCKETINGS;
    for (let i = 0; i < c.buckets.length; i++) {
      const d = (i % BUCKETINGS) * BUCKETS + (c.buckets[i] as number);
      o.counts[d] = (o.counts[d] as number) + 1;
    }
  }
  return byAccount;
}

/** Unbiased squared distance between a cohort's pooled content and the population's, averaged over bucketings. */
export function distance(cells: readonly Cell[], mu: Float64Array): number {
  const byAccount = tally(cells);
  const q = new Float64Array(DIMENSIONS);
  let total = 0;
  for (const o of byAccount.values()) {
    const w = Math.min(o.n, VOLUME_CAP);
    total += w;
    for (let d = 0; d < DIMENSIONS; d++) q[d] = (q[d] as number) + (w * (o.counts[d] as number)) / o.n;
  }
  if (total < 1) return 0;
  let d2 = 0;
  let noise = 0;
  for (let d = 0; d < DIMENSIONS; d++) {
    const x = (q[d] as number) / total;
    const m = mu[d] as number;
    d2 += (x - m) ** 2 / m;
    noise += (x * (1 - x)) / (total * m);
  }
  return (d2 - noise) / BUCKETINGS;
}
