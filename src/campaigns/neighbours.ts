import { DIMENSIONS } from './deck.ts';

export interface Neighbours {
  readonly k: number;
  /** accounts x k, -1 where there is none. */
  readonly ids: Int32Array;
  readonly cosine: Float32Array;
}

const PROJECTED = 64;
/** Below this many accounts every pair is looked at in the projected space; above it, inverted lists keep the work near n^1.5. */
const EXACT_MAX = 4_000;
const PROBES = 6;
const POOL_MAX = 1_600;

/**
 * Approximate nearest neighbours by cosine of unit vectors: a seeded random projection (Johnson and Lindenstrauss, 1984) to 64
 * dimensions finds candidates, by inverted lists over sampled centroids where there are many accounts; the exact cosine ranks them.
 */
export function neighbours(vectors: Float32Array, active: readonly number[], k: number, random: () => number): Neighbours {
  const accounts = vectors.length / DIMENSIONS;
  const n = active.length;
  const low = project(vectors, active, random);
  const ids = new Int32Array(accounts * k).fill(-1);
  const cosine = new Float32Array(accounts * k);
  const keep = Math.min(n, k * 4);
  const lists = n > EXACT_MAX ? inverted(low, n, random) : null;
  const all = Int32Array.from({ length: n }, (_, i) => i);
  const scores = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const pool = lists ? lists(i) : all;
    const m = pool.length;
    for (let x = 0; x < m; x++) scores[x] = dot(low, i * PROJECTED, low, (pool[x] as number) * PROJECTED, PROJECTED);
    const best = top(scores, m, Math.min(keep, m));
    const a = active[i] as number;
    const exact = best
      .map((x) => pool[x] as number)
      .filter((j) => j !== i)
      .map((j) => ({ b: active[j] as number, c: dot(vectors, a * DIMENSIONS, vectors, (active[j] as number) * DIMENSIONS, DIMENSIONS) }))
      .sort((x, y) => y.c - x.c || x.b - y.b);
    for (let x = 0; x < Math.min(k, exact.length); x++) {
      const e = exact[x] as (typeof exact)[number];
      ids[a * k + x] = e.b;
      cosine[a * k + x] = e.c;
    }
  }
  return { k, ids, cosine };
}

export function dot(a: Float32Array, at: number, b: Float32Array, bt: number, n: number): number {
  let s = 0;
  for (let i = 0; i < n; i++) s += (a[at + i] as number) * (b[bt + i] as number);
  return s;
}

function project(vectors: Float32Array, active: readonly number[], random: () => number): Float32Array {
  const signs = Float32Array.from({ length: DIMENSIONS * PROJECTED }, () => (random() < 0.5 ? -1 : 1));
  const out = new Float32Array(active.length * PROJECTED);
  active.forEach((a, i) => {
    for (let d = 0; d < DIMENSIONS; d++) {
      const v = vectors[a * DIMENSIONS + d] as number;
      if (v === 0) continue;
      for (let j = 0; j < PROJECTED; j++)
        out[i * PROJECTED + j] = (out[i * PROJECTED + j] as number) + v * (signs[d * PROJECTED + j] as number);
    }
    let norm = 0;
    for (let j = 0; j < PROJECTED; j++) norm += (out[i * PROJECTED + j] as number) ** 2;
    const inv = norm > 0 ? 1 / Math.sqrt(norm) : 0;
    for (let j = 0; j < PROJECTED; j++) out[i * PROJECTED + j] = (out[i * PROJECTED + j] as number) * inv;
  });
  return out;
}

/** Lists of points by their nearest of sqrt(n) sampled points; a query looks into its six nearest lists. */
function inverted(low: Float32Array, n: number, random: () => number): (i: number) => Int32Array {
  const c = Math.ceil(Math.sqrt(n));
  const centres = Int32Array.from({ length: c }, () => Math.floor(random() * n));
  const lists: number[][] = Array.from({ length: c }, () => []);
  const score = new Float64Array(c);
  const near = (i: number, most: number) => {
    for (let x = 0; x < c; x++) score[x] = dot(low, i * PROJECTED, low, (centres[x] as number) * PROJECTED, PROJECTED);
    return top(score, c, most);
  };
  for (let i = 0; i < n; i++) (lists[near(i, 1)[0] as number] as number[]).push(i);
  return (i) => {
    const out: number[] = [];
    for (const x of near(i, PROBES)) for (const j of lists[x] as number[]) if (out.length < POOL_MAX) out.push(j);
    return Int32Array.from(out);
  };
}

/** Indices of the `most` largest of the first n scores, by a bounded heap. */
function top(scores: Float64Array, n: number, most: number): number[] {
  const heap: number[] = [];
  const s = (i: number) => scores[heap[i] as number] as number;
  const swap = (i: number, j: number) => {
    const x = heap[i] as number;
    heap[i] = heap[j] as number;
    heap[j] = x;
  };
  for (let i = 0; i < n; i++) {
    if (heap.length < most) {
      heap.push(i);
      for (let at = heap.length - 1; at > 0; ) {
        const up = (at - 1) >> 1;
        if (s(up) <= s(at)) break;
        swap(up, at);
        at = up;
      }
    } else if ((scores[i] as number) > s(0)) {
      heap[0] = i;
      for (let at = 0; ; ) {
        let least = at;
        if (2 * at + 1 < most && s(2 * at + 1) < s(least)) least = 2 * at + 1;
        if (2 * at + 2 < most && s(2 * at + 2) < s(least)) least = 2 * at + 2;
        if (least === at) break;
        swap(least, at);
        at = least;
      }
    }
  }
  return heap;
}
