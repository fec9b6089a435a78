import { BUCKETINGS, BUCKETS, type Cell, DIMENSIONS, VOLUME_CAP } from './deck.ts';

/** Cells in columns, those of one account side by side: millions of small objects would cost more than the work on them. */
export interface CellTable {
  readonly account: Int32Array;
  readonly stratum: Uint16Array;
  /** Where the buckets of each cell start and how many there are. */
  readonly start: Int32Array;
  readonly length: Int32Array;
  readonly buckets: Uint8Array;
}

export const NO_CELLS: CellTable = {
  account: new Int32Array(0),
  stratum: new Uint16Array(0),
  start: new Int32Array(0),
  length: new Int32Array(0),
  buckets: new Uint8Array(0),
};

/** One cell of a table: a view, no copy. */
export const cellAt = (t: CellTable, i: number): Cell => ({
  account: t.account[i] as number,
  stratum: t.stratum[i] as number,
  buckets: t.buckets.subarray(t.start[i] as number, (t.start[i] as number) + (t.length[i] as number)),
});

export const cellsIn = (t: CellTable): Cell[] => Array.from(t.account, (_, i) => cellAt(t, i));

/** Content of every account: counts of its items over hashed buckets, and the cells (account, stratum) they came from. */
export interface Profiles {
  readonly accounts: number;
  readonly items: Float64Array;
  /** accounts x DIMENSIONS, counts. */
  readonly counts: Uint16Array;
  cellsOf(account: number): readonly Cell[];
}

/** @param table cells of accounts in ascending order. */
export function profiles(accounts: number, table: CellTable): Profiles {
  const counts = new Uint16Array(accounts * DIMENSIONS);
  const items = new Float64Array(accounts);
  const first = new Int32Array(accounts + 1).fill(table.account.length);
  for (let i = table.account.length - 1; i >= 0; i--) {
    const a = table.account[i] as number;
    const from = table.start[i] as number;
    const length = table.length[i] as number;
    first[a] = i;
    items[a] = (items[a] as number) + length / BUCKETINGS;
    for (let x = 0; x < length; x++) {
      const d = a * DIMENSIONS + (x % BUCKETINGS) * BUCKETS + (table.buckets[from + x] as number);
      counts[d] = (counts[d] as number) + 1;
    }
  }
  return {
    accounts,
    items,
    counts,
    cellsOf: (account) => {
      const out: Cell[] = [];
      for (let i = first[account] as number; i < table.account.length && table.account[i] === account; i++) out.push(cellAt(table, i));
      return out;
    },
  };
}

/** Mean bucket shares of a set of accounts, each weighted by its items up to `most`: one heavy account is not the mean. */
export function centre(p: Profiles, accounts: Iterable<number>, most: number = VOLUME_CAP): Float64Array {
  const out = new Float64Array(DIMENSIONS);
  let total = 0;
  for (const a of accounts) {
    const n = p.items[a] as number;
    if (n < 1) continue;
    const w = Math.min(n, most);
    total += w;
    for (let d = 0; d < DIMENSIONS; d++) out[d] = (out[d] as number) + (w * (p.counts[a * DIMENSIONS + d] as number)) / n;
  }
  // Half an item of uniform content keeps every bucket possible.
  for (let d = 0; d < DIMENSIONS; d++) out[d] = ((out[d] as number) + 0.5 / BUCKETS) / (total + 0.5);
  return out;
}

/** The centre `mu` of some accounts, `whole` items in all with no more than `most` of each, without some of them: a cohort is no part of the population it is held against. */
export function centreWithout(p: Profiles, mu: Float64Array, whole: number, accounts: Iterable<number>, most: number): Float64Array {
  let left = whole;
  const out = mu.map((x) => x * (left + 0.5));
  for (const a of accounts) {
    const n = p.items[a] as number;
    const w = Math.min(n, most);
    if (n < 1 || left <= w) continue;
    left -= w;
    for (let d = 0; d < DIMENSIONS; d++) out[d] = (out[d] as number) - (w * (p.counts[a * DIMENSIONS + d] as number)) / n;
  }
  const least = 0.5 / BUCKETS / (left + 0.5);
  for (let d = 0; d < DIMENSIONS; d++) out[d] = Math.max(least, (out[d] as number) / (left + 0.5));
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

/** Unit vector of a bucket distribution, centred and scaled as `directions` are. */
export function direction(shares: Float64Array, mu: Float64Array): Float32Array {
  const out = new Float32Array(DIMENSIONS);
  let norm = 0;
  for (let d = 0; d < DIMENSIONS; d++) {
    const z = ((shares[d] as number) - (mu[d] as number)) / Math.sqrt(mu[d] as number);
    out[d] = z;
    norm += z * z;
  }
  const inv = norm > 0 ? 1 / Math.sqrt(norm) : 0;
  for (let d = 0; d < DIMENSIONS; d++) out[d] = (out[d] as number) * inv;
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

/** Content of a cohort as one window: shares of buckets, each account by its items up to a cap. */
export interface Pooled {
  readonly shares: Float64Array;
  /** Items it rests on. */
  readonly items: number;
}

export function pooled(cells: readonly Cell[]): Pooled {
  const byAccount = tally(cells);
  const q = new Float64Array(DIMENSIONS);
  let total = 0;
  for (const o of byAccount.values()) {
    const w = Math.min(o.n, VOLUME_CAP);
    total += w;
    for (let d = 0; d < DIMENSIONS; d++) q[d] = (q[d] as number) + (w * (o.counts[d] as number)) / o.n;
  }
  if (total >= 1) for (let d = 0; d < DIMENSIONS; d++) q[d] = (q[d] as number) / total;
  return { shares: q, items: total };
}

/** Unbiased squared distance between a cohort's pooled content and the population's, or another distribution over buckets, averaged over bucketings. */
export function distance({ shares, items }: Pooled, mu: Float64Array): number {
  if (items < 1) return 0;
  let d2 = 0;
  let noise = 0;
  for (let d = 0; d < DIMENSIONS; d++) {
    const x = shares[d] as number;
    const m = mu[d] as number;
    d2 += (x - m) ** 2 / m;
    noise += (x * (1 - x)) / (items * m);
  }
  return (d2 - noise) / BUCKETINGS;
}
