import { DIMENSIONS } from './deck.ts';

export interface Neighbours {
  readonly k: number;
  /** accounts x k, -1 where there is none. */
  readonly ids: Int32Array;
  readonly cosine: Float32Array;
}

/** 32-bit words of a signature: one sign bit a dimension. */
const WORDS = DIMENSIONS / 32;
/** Words that the first sieve looks at: more where every pair is. */
const SIEVE = { all: 8, lists: 4 } as const;
/** Below this many accounts every pair is sieved; above it, inverted lists keep the work near n^1.5. */
const EXACT_MAX = 4_000;
const PROBES = 8;
/** Words by which a point finds its lists: half of the bits tell the near lists from the far. */
const CENTRE_WORDS = WORDS / 2;
const POOL_MAX = 1_000;

/**
 * Approximate nearest neighbours by cosine of unit vectors. Each vector is rotated at random (signs and Walsh-Hadamard transforms, Andoni et al. 2015)
 * and kept as 512 sign bits, whose Hamming distance grows with the angle (Charikar, 2002). Where there are many accounts, inverted lists over sampled
 * centroids give the candidates; a part of the bits sieves them, all bits sieve what is left, and the exact cosine ranks the last few.
 */
export function neighbours(vectors: Float32Array, active: readonly number[], k: number, random: () => number): Neighbours {
  const accounts = vectors.length / DIMENSIONS;
  const n = active.length;
  const ids = new Int32Array(accounts * k).fill(-1);
  const cosine = new Float32Array(accounts * k);
  const words = n > EXACT_MAX ? SIEVE.lists : SIEVE.all;
  const signs = signatures(vectors, active, random);
  const lists = inverted(signs, n, random);
  // Points are gone through in the order of their lists, and their bits stand in that order, those of the sieve by themselves: what a point is compared with was
  // mostly read for the point before it.
  const bits = new Int32Array(n * WORDS);
  const sieve = new Int32Array(n * words);
  lists.order.forEach((i, at) => {
    bits.set(signs.subarray(i * WORDS, (i + 1) * WORDS), at * WORDS);
    sieve.set(signs.subarray(i * WORDS, i * WORDS + words), at * words);
  });
  // Places in that order.
  const pool = new Int32Array(n);
  const away = new Uint16Array(n);
  for (let self = 0; self < n; self++) {
    const i = lists.order[self] as number;
    let m = 0;
    for (let p = 0; p < lists.probes; p++) {
      const list = lists.nearest[i * lists.probes + p] as number;
      const end = Math.min(lists.starts[list + 1] as number, (lists.starts[list] as number) + (n > EXACT_MAX ? POOL_MAX - m : n));
      for (let at = lists.starts[list] as number; at < end; at++) {
        if (at === self) continue;
        pool[m] = at;
        away[m++] = differing(sieve, self * words, sieve, at * words, words);
      }
    }
    m = nearest(pool, away, m, k * 5);
    for (let x = 0; x < m; x++) away[x] = differing(bits, self * WORDS, bits, (pool[x] as number) * WORDS, WORDS);
    m = nearest(pool, away, m, Math.ceil(k * (n > EXACT_MAX ? 1.5 : 2.5)));
    const a = active[i] as number;
    // Insertion into the account's own row: the few that are left are ranked by their exact cosine.
    let kept = 0;
    for (let x = 0; x < m; x++) {
      const b = active[lists.order[pool[x] as number] as number] as number;
      const c = dot(vectors, a * DIMENSIONS, vectors, b * DIMENSIONS, DIMENSIONS);
      let at = Math.min(kept, k);
      while (at > 0 && ahead(c, b, cosine[a * k + at - 1] as number, ids[a * k + at - 1] as number)) {
        if (at < k) {
          cosine[a * k + at] = cosine[a * k + at - 1] as number;
          ids[a * k + at] = ids[a * k + at - 1] as number;
        }
        at -= 1;
      }
      if (at >= k) continue;
      cosine[a * k + at] = c;
      ids[a * k + at] = b;
      kept = Math.min(k, kept + 1);
    }
  }
  return { k, ids, cosine };
}

/** Whether a neighbour at cosine c goes before another; ties by index. */
const ahead = (c: number, b: number, than: number, other: number): boolean =>
  Math.fround(c) > than || (Math.fround(c) === than && b < other);

/** @param n a multiple of four: four sums side by side, since one alone would wait for each addition before the next. */
export function dot(a: Float32Array, at: number, b: Float32Array, bt: number, n: number): number {
  let p = 0;
  let q = 0;
  let r = 0;
  let s = 0;
  for (let i = 0; i < n; i += 4) {
    p += (a[at + i] as number) * (b[bt + i] as number);
    q += (a[at + i + 1] as number) * (b[bt + i + 1] as number);
    r += (a[at + i + 2] as number) * (b[bt + i + 2] as number);
    s += (a[at + i + 3] as number) * (b[bt + i + 3] as number);
  }
  return p + q + (r + s);
}

/** Bits in which two rows of words differ: four words are counted side by side. @param words a multiple of four */
function differing(a: Int32Array, at: number, b: Int32Array, bt: number, words: number): number {
  let d = 0;
  for (let w = 0; w < words; w += 4) {
    const x = fours((a[at + w] as number) ^ (b[bt + w] as number)) + fours((a[at + w + 1] as number) ^ (b[bt + w + 1] as number));
    const y = fours((a[at + w + 2] as number) ^ (b[bt + w + 2] as number)) + fours((a[at + w + 3] as number) ^ (b[bt + w + 3] as number));
    const bytes = (x & 0x0f0f0f0f) + ((x >>> 4) & 0x0f0f0f0f) + (y & 0x0f0f0f0f) + ((y >>> 4) & 0x0f0f0f0f);
    d += Math.imul(bytes, 0x01010101) >>> 24;
  }
  return d;
}

/** Bits set in each four of a word. */
function fours(word: number): number {
  const pairs = (word - ((word >>> 1) & 0x55555555)) | 0;
  return (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
}

const HISTOGRAM = new Int32Array(DIMENSIONS + 1);

/** Keeps the `most` smallest distances in front, ties by place; returns how many were kept. */
function nearest(pool: Int32Array, away: Uint16Array, m: number, most: number): number {
  if (m <= most) return m;
  HISTOGRAM.fill(0);
  for (let x = 0; x < m; x++) {
    const d = away[x] as number;
    HISTOGRAM[d] = (HISTOGRAM[d] as number) + 1;
  }
  let limit = 0;
  let below = 0;
  while (below + (HISTOGRAM[limit] as number) < most) below += HISTOGRAM[limit++] as number;
  let ties = most - below;
  let kept = 0;
  for (let x = 0; x < m; x++) {
    const d = away[x] as number;
    if (d > limit || (d === limit && ties-- <= 0)) continue;
    pool[kept] = pool[x] as number;
    away[kept++] = d;
  }
  return kept;
}

function signatures(vectors: Float32Array, active: readonly number[], random: () => number): Int32Array {
  const flips = Float32Array.from({ length: 2 * DIMENSIONS }, () => (random() < 0.5 ? -1 : 1));
  const out = new Int32Array(active.length * WORDS);
  const v = new Float32Array(DIMENSIONS);
  active.forEach((a, i) => {
    for (let d = 0; d < DIMENSIONS; d++) v[d] = (vectors[a * DIMENSIONS + d] as number) * (flips[d] as number);
    hadamard(v);
    for (let d = 0; d < DIMENSIONS; d++) v[d] = (v[d] as number) * (flips[DIMENSIONS + d] as number);
    hadamard(v);
    for (let w = 0; w < WORDS; w++) {
      let bits = 0;
      for (let b = 0; b < 32; b++) if ((v[w * 32 + b] as number) > 0) bits |= 1 << b;
      out[i * WORDS + w] = bits;
    }
  });
  return out;
}

/** Walsh-Hadamard transform in place, without the scale: only signs are read from it. Three levels at a time, so that each number is read and written once for all three. @param v a power of eight long */
function hadamard(v: Float32Array): void {
  for (let m = 1; m < v.length; m *= 8) {
    for (let i = 0; i < v.length; i += 8 * m) {
      for (let j = i; j < i + m; j++) {
        const a = v[j] as number;
        const b = v[j + m] as number;
        const c = v[j + 2 * m] as number;
        const d = v[j + 3 * m] as number;
        const e = v[j + 4 * m] as number;
        const f = v[j + 5 * m] as number;
        const g = v[j + 6 * m] as number;
        const h = v[j + 7 * m] as number;
        const p = a + b + (c + d);
        const q = a - b + (c - d);
        const r = a + b - (c + d);
        const s = a - b - (c - d);
        const t = e + f + (g + h);
        const u = e - f + (g - h);
        const w = e + f - (g + h);
        const z = e - f - (g - h);
        v[j] = p + t;
        v[j + m] = q + u;
        v[j + 2 * m] = r + w;
        v[j + 3 * m] = s + z;
        v[j + 4 * m] = p - t;
        v[j + 5 * m] = q - u;
        v[j + 6 * m] = r - w;
        v[j + 7 * m] = s - z;
      }
    }
  }
}

interface Lists {
  readonly order: Int32Array;
  readonly starts: Int32Array;
  readonly probes: number;
  /** points x probes: the lists to look into. */
  readonly nearest: Int32Array;
}

/** Lists of points by their nearest of sqrt(n) sampled points; a query looks into its nearest lists. */
function inverted(signs: Int32Array, n: number, random: () => number): Lists {
  const c = n > EXACT_MAX ? Math.ceil(Math.sqrt(n)) : 1;
  const probes = Math.min(PROBES, c);
  const centres = Int32Array.from({ length: c }, () => Math.floor(random() * n));
  const found = new Int32Array(n * probes);
  const pool = new Int32Array(c);
  const away = new Uint16Array(c);
  const sizes = new Int32Array(c + 1);
  for (let i = 0; i < n && c > 1; i++) {
    for (let x = 0; x < c; x++) {
      pool[x] = x;
      away[x] = differing(signs, i * WORDS, signs, (centres[x] as number) * WORDS, CENTRE_WORDS);
    }
    const m = nearest(pool, away, c, probes);
    // The nearest one first: it is the point's own list.
    let first = 0;
    for (let x = 1; x < m; x++) if ((away[x] as number) < (away[first] as number)) first = x;
    found[i * probes] = pool[first] as number;
    for (let x = 0, p = 1; x < m; x++) if (x !== first) found[i * probes + p++] = pool[x] as number;
  }
  for (let i = 0; i < n; i++) {
    const l = (found[i * probes] as number) + 1;
    sizes[l] = (sizes[l] as number) + 1;
  }
  for (let l = 1; l <= c; l++) sizes[l] = (sizes[l] as number) + (sizes[l - 1] as number);
  const next = sizes.slice();
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const l = found[i * probes] as number;
    const at = next[l] as number;
    order[at] = i;
    next[l] = at + 1;
  }
  return { order, starts: sizes, probes, nearest: found };
}
