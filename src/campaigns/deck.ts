/**
 * Dealt from one deck: are the items of these accounts exchangeable?
 *
 * W is how alike two items of one account are, C how alike items of two accounts are, and rho = (W - C) / (1 - C) is the
 * intraclass correlation of item buckets: near 0 when every account draws from one shuffled pool, above it when accounts have
 * subjects of their own. Estimator of DESIGN section 4; unbiased pair counts, so small accounts do not bias it (compare Nei's
 * gene identity within and between populations, 1973, and Weir and Cockerham, 1984, for the same construction as F_ST).
 */

/** Items of one account in one stratum (language and week): bucket ids, `bucketings` of them an item. */
export interface Cell {
  readonly account: number;
  readonly stratum: number;
  readonly buckets: Uint8Array;
}

export interface Deck {
  readonly rho: number;
  readonly se: number;
  readonly within: number;
  readonly between: number;
  readonly accounts: number;
  readonly items: number;
}

export const BUCKETINGS = 8;
export const BUCKETS = 64;
export const DIMENSIONS = BUCKETINGS * BUCKETS;
/** No account weighs more than this many items: a cohort is its members, not the busiest of them. */
export const VOLUME_CAP = 200;

/**
 * rho over the cells of a cohort, averaged over bucketings (which are one piece of evidence: they correlate), with a
 * delete-one-account jackknife standard error. Null with fewer than three accounts of two items in a common stratum.
 */
export function deck(cells: readonly Cell[]): Deck | null {
  const strata = new Map<number, number>();
  const accounts = new Map<number, number>();
  const usable = cells.filter((c) => c.buckets.length >= 2 * BUCKETINGS);
  for (const c of usable) {
    if (!strata.has(c.stratum)) strata.set(c.stratum, strata.size);
    if (!accounts.has(c.account)) accounts.set(c.account, accounts.size);
  }
  const k = accounts.size;
  if (k < 3) return null;
  const S = strata.size;
  const first = new Float64Array(S * DIMENSIONS);
  const weights = new Float64Array(S);
  const squares = new Float64Array(S);
  // Sum of w^2 sum_b p^2 a stratum and bucketing: the pairs of an account with itself, to be taken out of C.
  const self = new Float64Array(S * BUCKETINGS);
  const rows = usable.map((c) => {
    const n = c.buckets.length / BUCKETINGS;
    const counts = new Float64Array(DIMENSIONS);
    for (let i = 0; i < c.buckets.length; i++)
      counts[(i % BUCKETINGS) * BUCKETS + (c.buckets[i] as number)] =
        (counts[(i % BUCKETINGS) * BUCKETS + (c.buckets[i] as number)] as number) + 1;
    const w = Math.min(n, VOLUME_CAP) - 1;
    const within = new Float64Array(BUCKETINGS);
    const own = new Float64Array(BUCKETINGS);
    for (let j = 0; j < BUCKETINGS; j++) {
      for (let b = 0; b < BUCKETS; b++) {
        const x = counts[j * BUCKETS + b] as number;
        within[j] = (within[j] as number) + (x * (x - 1)) / (n * (n - 1));
        own[j] = (own[j] as number) + (x / n) ** 2;
      }
    }
    for (let d = 0; d < DIMENSIONS; d++) counts[d] = (counts[d] as number) / n;
    return { account: accounts.get(c.account) as number, s: strata.get(c.stratum) as number, w, n, p: counts, within, own };
  });
  const wSum = new Float64Array(BUCKETINGS);
  let wTotal = 0;
  for (const r of rows) {
    wTotal += r.w;
    weights[r.s] = (weights[r.s] as number) + r.w;
    squares[r.s] = (squares[r.s] as number) + r.w * r.w;
    for (let j = 0; j < BUCKETINGS; j++) {
      wSum[j] = (wSum[j] as number) + r.w * (r.within[j] as number);
      self[r.s * BUCKETINGS + j] = (self[r.s * BUCKETINGS + j] as number) + r.w * r.w * (r.own[j] as number);
    }
    for (let d = 0; d < DIMENSIONS; d++) first[r.s * DIMENSIONS + d] = (first[r.s * DIMENSIONS + d] as number) + r.w * (r.p[d] as number);
  }
  // Squared sums a stratum and bucketing, kept so that leaving one account out costs only its own strata.
  const square = new Float64Array(S * BUCKETINGS);
  for (let s = 0; s < S; s++)
    for (let j = 0; j < BUCKETINGS; j++)
      for (let b = 0; b < BUCKETS; b++)
        square[s * BUCKETINGS + j] = (square[s * BUCKETINGS + j] as number) + (first[s * DIMENSIONS + j * BUCKETS + b] as number) ** 2;
  const estimate = (out: readonly (typeof rows)[number][]): { rho: number; W: number; C: number } | null => {
    let rho = 0;
    let W = 0;
    let C = 0;
    let den = 0;
    const dw = new Map<number, number>();
    const dw2 = new Map<number, number>();
    for (const r of out) {
      dw.set(r.s, (dw.get(r.s) ?? 0) + r.w);
      dw2.set(r.s, (dw2.get(r.s) ?? 0) + r.w * r.w);
    }
    for (let s = 0; s < S; s++) den += ((weights[s] as number) - (dw.get(s) ?? 0)) ** 2 - ((squares[s] as number) - (dw2.get(s) ?? 0));
    const wLeft = wTotal - sumOf(out, (r) => r.w);
    if (den <= 0 || wLeft <= 0) return null;
    for (let j = 0; j < BUCKETINGS; j++) {
      let num = 0;
      for (let s = 0; s < S; s++) num += (square[s * BUCKETINGS + j] as number) - (self[s * BUCKETINGS + j] as number);
      for (const r of out) {
        // (sum - w p)^2 - (self - w^2 own) relative to the whole: -2 w p . sum + 2 w^2 own.
        let cross = 0;
        for (let b = 0; b < BUCKETS; b++) cross += (r.p[j * BUCKETS + b] as number) * (first[r.s * DIMENSIONS + j * BUCKETS + b] as number);
        num += -2 * r.w * cross + 2 * r.w * r.w * (r.own[j] as number);
      }
      const w = ((wSum[j] as number) - sumOf(out, (r) => r.w * (r.within[j] as number))) / wLeft;
      const c = num / den;
      W += w / BUCKETINGS;
      C += c / BUCKETINGS;
      rho += (w - c) / Math.max(1e-9, 1 - c) / BUCKETINGS;
    }
    return { rho, W, C };
  };
  const whole = estimate([]);
  if (!whole) return null;
  const byAccount: (typeof rows)[] = Array.from({ length: k }, () => []);
  for (const r of rows) (byAccount[r.account] as typeof rows).push(r);
  let ss = 0;
  let used = 0;
  let avg = 0;
  const left: number[] = [];
  for (const own of byAccount) {
    const e = estimate(own);
    if (!e) continue;
    left.push(e.rho);
    avg += e.rho;
    used += 1;
  }
  avg /= Math.max(1, used);
  for (const x of left) ss += (x - avg) ** 2;
  const se = used > 1 ? Math.sqrt(((used - 1) / used) * ss) : Number.POSITIVE_INFINITY;
  return { rho: whole.rho, se, within: whole.W, between: whole.C, accounts: k, items: sumOf(rows, (r) => r.n) };
}

function sumOf<T>(list: readonly T[], f: (x: T) => number): number {
  let s = 0;
  for (const x of list) s += f(x);
  return s;
}
