import { logGamma } from '../campaigns/stats.ts';

/** Regularised incomplete beta by its continued fraction (Lentz). */
function betaCdf(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaCdf(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x)) / a;
  let f = 1;
  let c = 1;
  let d = 0;
  for (let i = 0; i <= 300; i++) {
    const m = Math.floor(i / 2);
    const num =
      i === 0
        ? 1
        : i % 2 === 0
          ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
          : (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / Math.max(1e-300, 1 + num * d) || 1e300;
    c = 1 + num / (c || 1e-300);
    const cd = c * d;
    f *= cd;
    if (Math.abs(1 - cd) < 1e-12) break;
  }
  return front * (f - 1);
}

/** Exact binomial interval (Clopper and Pearson, 1934) at 95 %. */
export function clopperPearson(k: number, n: number): [number, number] {
  if (n === 0) return [0, 1];
  const solve = (target: number, a: number, b: number): number => {
    let low = 0;
    let high = 1;
    for (let i = 0; i < 80; i++) {
      const mid = (low + high) / 2;
      if (betaCdf(mid, a, b) < target) low = mid;
      else high = mid;
    }
    return (low + high) / 2;
  };
  return [k === 0 ? 0 : solve(0.025, k, n - k + 1), k === n ? 1 : solve(0.975, k + 1, n - k)];
}

/** Score interval (Wilson, 1927) at 95 %. */
export function wilson(k: number, n: number): [number, number] {
  if (n === 0) return [0, 1];
  const z = 1.96;
  const p = k / n;
  const mid = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, mid - half), Math.min(1, mid + half)];
}
