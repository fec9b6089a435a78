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

/** Above this chance that items of two accounts fall together they are one item, however it is wrapped. */
const ONE_ITEM = 0.5;

/** Scratch of `deck`: bucket counts of the cell and bucketing at hand. */
const COUNTS = new Float64Array(BUCKETS);

/**
 * rho over the cells of a cohort, averaged over bucketings (which are one piece of evidence: they correlate), with a
 * delete-one-account jackknife standard error. Null with fewer than three accounts of two items in a common stratum, and where all send one item.
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
  // Most cells fill few of their buckets: the filled ones of all cells side by side, with their shares.
  const filled = usable.reduce((n, c) => n + Math.min(c.buckets.length, DIMENSIONS), 0);
  const dims = new Uint16Array(filled);
  const parts = new Float64Array(filled);
  const within = new Float64Array(usable.length * BUCKETINGS);
  const own = new Float64Array(usable.length * BUCKETINGS);
  let end = 0;
  const rows = usable.map((c, i) => {
    const n = c.buckets.length / BUCKETINGS;
    const from = end;
    const pairs = n * (n - 1);
    // Bucketing by bucketing: counted, then read off in the order of first sight. Most cells are far smaller than the buckets there are.
    for (let j = 0; j < BUCKETINGS; j++) {
      for (let x = j; x < c.buckets.length; x += BUCKETINGS) {
        const d = c.buckets[x] as number;
        COUNTS[d] = (COUNTS[d] as number) + 1;
      }
      let alike = 0;
      let squared = 0;
      for (let at = j; at < c.buckets.length; at += BUCKETINGS) {
        const d = c.buckets[at] as number;
        const x = COUNTS[d] as number;
        if (x === 0) continue;
        COUNTS[d] = 0;
        const part = x / n;
        alike += x * (x - 1);
        squared += part * part;
        dims[end] = j * BUCKETS + d;
        parts[end++] = part;
      }
      within[i * BUCKETINGS + j] = alike / pairs;
      own[i * BUCKETINGS + j] = squared;
    }
    return {
      i,
      account: accounts.get(c.account) as number,
      s: strata.get(c.stratum) as number,
      w: Math.min(n, VOLUME_CAP) - 1,
      n,
      from,
      to: end,
    };
  });
  type Row = (typeof rows)[number];
  const at = (column: Float64Array, r: Row, j: number): number => column[r.i * BUCKETINGS + j] as number;
  const wSum = new Float64Array(BUCKETINGS);
  let wTotal = 0;
  for (const r of rows) {
    wTotal += r.w;
    weights[r.s] = (weights[r.s] as number) + r.w;
    squares[r.s] = (squares[r.s] as number) + r.w * r.w;
    for (let j = 0; j < BUCKETINGS; j++) {
      wSum[j] = (wSum[j] as number) + r.w * at(within, r, j);
      self[r.s * BUCKETINGS + j] = (self[r.s * BUCKETINGS + j] as number) + r.w * r.w * at(own, r, j);
    }
    for (let x = r.from; x < r.to; x++) {
      const d = r.s * DIMENSIONS + (dims[x] as number);
      first[d] = (first[d] as number) + r.w * (parts[x] as number);
    }
  }
  // Squared sums a bucketing, kept so that leaving one account out costs only its own buckets.
  const square = new Float64Array(S * BUCKETINGS);
  for (let s = 0; s < S; s++)
    for (let j = 0; j < BUCKETINGS; j++)
      for (let b = 0; b < BUCKETS; b++) {
        const x = first[s * DIMENSIONS + j * BUCKETS + b] as number;
        square[s * BUCKETINGS + j] = (square[s * BUCKETINGS + j] as number) + x * x;
      }
  const num = new Float64Array(BUCKETINGS);
  const whole = new Float64Array(BUCKETINGS);
  for (let j = 0; j < BUCKETINGS; j++)
    for (let s = 0; s < S; s++)
      whole[j] = (whole[j] as number) + (square[s * BUCKETINGS + j] as number) - (self[s * BUCKETINGS + j] as number);
  const lessW = new Float64Array(S);
  const lessW2 = new Float64Array(S);
  const estimate = (out: readonly Row[]): { rho: number; W: number; C: number } | null => {
    let rho = 0;
    let W = 0;
    let C = 0;
    let den = 0;
    lessW.fill(0);
    lessW2.fill(0);
    for (const r of out) {
      lessW[r.s] = (lessW[r.s] as number) + r.w;
      lessW2[r.s] = (lessW2[r.s] as number) + r.w * r.w;
    }
    for (let s = 0; s < S; s++)
      den += ((weights[s] as number) - (lessW[s] as number)) ** 2 - ((squares[s] as number) - (lessW2[s] as number));
    const wLeft = wTotal - sumOf(out, (r) => r.w);
    if (den <= 0 || wLeft <= 0) return null;
    num.set(whole);
    for (const r of out) {
      // (sum - w p)^2 - (self - w^2 own) relative to the whole: -2 w p . sum + 2 w^2 own.
      for (let x = r.from; x < r.to; x++) {
        const d = dims[x] as number;
        const j = (d / BUCKETS) | 0;
        num[j] = (num[j] as number) - 2 * r.w * (parts[x] as number) * (first[r.s * DIMENSIONS + d] as number);
      }
      for (let j = 0; j < BUCKETINGS; j++) num[j] = (num[j] as number) + 2 * r.w * r.w * at(own, r, j);
    }
    for (let j = 0; j < BUCKETINGS; j++) {
      const w = ((wSum[j] as number) - sumOf(out, (r) => r.w * at(within, r, j))) / wLeft;
      const c = (num[j] as number) / den;
      W += w / BUCKETINGS;
      C += c / BUCKETINGS;
      rho += (w - c) / Math.max(1e-9, 1 - c) / BUCKETINGS;
    }
    return { rho, W, C };
  };
  const all = estimate([]);
  // Where most of what they send is one item there is nothing to deal, and the figure is nought over nought.
  if (!all || all.C > ONE_ITEM) return null;
  const byAccount: Row[][] = Array.from({ length: k }, () => []);
  for (const r of rows) (byAccount[r.account] as Row[]).push(r);
  let ss = 0;
  let used = 0;
  let avg = 0;
  const left: number[] = [];
  for (const out of byAccount) {
    const e = estimate(out);
    if (!e) continue;
    left.push(e.rho);
    avg += e.rho;
    used += 1;
  }
  avg /= Math.max(1, used);
  for (const x of left) ss += (x - avg) ** 2;
  const se = used > 1 ? Math.sqrt(((used - 1) / used) * ss) : Number.POSITIVE_INFINITY;
  return { rho: all.rho, se, within: all.W, between: all.C, accounts: k, items: sumOf(rows, (r) => r.n) };
}

function sumOf<T>(list: readonly T[], f: (x: T) => number): number {
  let s = 0;
  for (const x of list) s += f(x);
  return s;
}
