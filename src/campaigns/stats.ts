/** Small statistics the tests share. Randomness is always an argument. */

/** Seeded generator (mulberry32): uniform in [0, 1). */
export function rng(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const sum = (xs: ArrayLike<number>): number => {
  let s = 0;
  for (let i = 0; i < xs.length; i++) s += xs[i] as number;
  return s;
};

/** Quantile by linear interpolation (type 7 of Hyndman and Fan, 1996); NaN for an empty list. */
export function quantile(xs: ArrayLike<number>, q: number): number {
  const s = Float64Array.from(xs).sort();
  if (s.length === 0) return Number.NaN;
  const at = q * (s.length - 1);
  const low = Math.floor(at);
  const a = s[low] as number;
  const b = s[Math.min(low + 1, s.length - 1)] as number;
  return a + (b - a) * (at - low);
}

export const median = (xs: ArrayLike<number>): number => quantile(xs, 0.5);

/** Robust spread: 1.4826 times the median absolute deviation, which is the standard deviation of a normal sample. */
export function spread(xs: ArrayLike<number>): number {
  const m = median(xs);
  return 1.4826 * median(Float64Array.from(xs, (x) => Math.abs(x - m)));
}

/** Lanczos (g = 7, n = 9); relative error under 1e-13 for positive arguments. */
export function logGamma(x: number): number {
  const c = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1;
  let a = c[0] as number;
  for (let i = 1; i < 9; i++) a += (c[i] as number) / (y + i);
  const t = y + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(a);
}

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b);

/** ln P(k of n) under a beta-binomial with parameters a, b. */
export function logBetaBinomial(k: number, n: number, a: number, b: number): number {
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1) + logBeta(k + a, n - k + b) - logBeta(a, b);
}

/** Beta parameters whose mean and variance match a set of rates; at least `least` worth of trials, so a few nulls never look certain. */
export function fitBeta(rates: readonly number[], least = 2): { a: number; b: number } {
  const m = Math.min(0.995, Math.max(0.005, (sum(rates) + 0.25) / (rates.length + 0.5)));
  const v = rates.length > 1 ? sum(rates.map((r) => (r - m) ** 2)) / (rates.length - 1) : m * (1 - m) * 0.5;
  const total = Math.max(least, Math.min(200, (m * (1 - m)) / Math.max(1e-6, v) - 1));
  return { a: m * total, b: (1 - m) * total };
}

export const logNormalPdf = (x: number, m: number, sd: number): number =>
  -0.5 * ((x - m) / sd) ** 2 - Math.log(sd) - 0.5 * Math.log(2 * Math.PI);

export const LOG2E = Math.LOG2E;

export function logSumExp(xs: readonly number[]): number {
  const top = Math.max(...xs);
  return top === -Infinity ? top : top + Math.log(sum(xs.map((x) => Math.exp(x - top))));
}

/** Probability from bits: 1 / (1 + 2^-bits). */
export const probability = (bits: number): number => 1 / (1 + 2 ** -bits);

export const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

/** How many of some ascending numbers, from one place to another, are not greater than a bound; counted from the first of all. */
export function upTo(xs: ArrayLike<number>, most: number, from = 0, to = xs.length): number {
  let low = from;
  let high = to;
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((xs[mid] as number) <= most) low = mid + 1;
    else high = mid;
  }
  return low;
}

/** Numbers 0 to n - 1 in random order. */
export function shuffled(n: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const x = order[i] as number;
    order[i] = order[j] as number;
    order[j] = x;
  }
  return order;
}
