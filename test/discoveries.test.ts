import { describe, expect, it } from 'vitest';
import { discoveries, levelOf, lookOf, thresholdOf, weights, windowsSince } from '../src/campaigns/discoveries.ts';
import { publicFeed } from '../src/campaigns/feed.ts';
import { rng } from '../src/campaigns/stats.ts';

describe('false discoveries', () => {
  it('levels of all looks sum to alpha, and a look counts when the volume has doubled', () => {
    let sum = 0;
    for (let j = 1; j <= 100_000; j++) sum += levelOf(0.1, j);
    expect(sum).toBeLessThanOrEqual(0.1);
    expect(sum).toBeGreaterThan(0.0999);
    expect([1000, 1999, 2000, 3999, 4000, 64_000].map((n) => lookOf(n, 1000))).toEqual([1, 1, 2, 2, 3, 7]);
    expect(lookOf(500, 0)).toBe(1);
  });

  it('looks go on counting where the window moves and its volume never doubles', () => {
    const day = 86_400_000;
    expect(windowsSince(0, 45 * day, 45 * day)).toBe(0);
    expect(windowsSince(44 * day, 89 * day, 45 * day)).toBe(0);
    expect([1, 2, 5].map((n) => windowsSince(45 * n * day, 45 * (n + 1) * day, 45 * day))).toEqual([1, 2, 5]);
    // A window that grows from its beginning is counted by its volume alone, and a replay of history never counts.
    expect(windowsSince(0, 400 * day, 45 * day)).toBe(0);
    expect(windowsSince(0, 30 * day, 45 * day)).toBe(0);
  });

  it('e-BH asks one cohort for K / level, and k cohorts for a kth of it', () => {
    expect(thresholdOf([], 128, 0.5)).toBeCloseTo(8, 12);
    expect(thresholdOf([7.9], 128, 0.5)).toBeCloseTo(8, 12);
    expect(thresholdOf([7.1, 7.2], 128, 0.5)).toBeCloseTo(7, 12);
    // One strong cohort lends nothing to a weak one.
    expect(thresholdOf([20, 6.5], 128, 0.5)).toBeCloseTo(8, 12);
  });

  it('holds its rate on e-values of honest cohorts, however they hang together', () => {
    const random = rng(5);
    let worlds = 0;
    let wrong = 0;
    for (let i = 0; i < 4000; i++) {
      // Pareto e-values with mean one at the bound P(E >= x) = 1/x, all of a world moved by one shared draw.
      const shared = random();
      const bits = Array.from({ length: 40 }, () => -Math.log2(random() < 0.5 ? shared : random()));
      const need = thresholdOf(bits, 40, 0.1);
      worlds += 1;
      if (bits.some((b) => b >= need)) wrong += 1;
    }
    // All cohorts are honest: every discovery is false, so the rate is the share of worlds with one; 0.1 and three standard errors.
    expect(wrong / worlds).toBeLessThanOrEqual(0.1 + 3 * Math.sqrt((0.1 * 0.9) / worlds));
  });

  it('weights average to one, so that the rate holds whatever the sizes; a large cohort needs less than a handful, up to a bound', () => {
    const sizes = [5, 5, 5, 8, 12, 60, 4000];
    const all = sizes.map((n) => 2 ** weights(sizes)(n));
    expect(all.reduce((x, w) => x + w, 0)).toBeCloseTo(sizes.length, 9);
    expect(weights(sizes)(60)).toBeGreaterThan(weights(sizes)(12));
    expect(weights(sizes)(4000)).toBeCloseTo(weights(sizes)(100), 12);
    // Equal evidence: the large one is named, the handful is not.
    const few = Array.from({ length: 99 }, () => 5);
    const bound = discoveries([{ bits: 8, accounts: 60 }], [8], [], [...few, 60], 30, { alpha: 0.1, look: 1 });
    expect(8 + weights([...few, 60])(60)).toBeGreaterThanOrEqual(bound.threshold_bits);
    expect(8 + weights([...few, 60])(5)).toBeLessThan(bound.threshold_bits);
    const random = rng(6);
    let wrong = 0;
    for (let i = 0; i < 4000; i++) {
      const named = sizes.map((accounts) => ({ bits: -Math.log2(random()), accounts }));
      const o = discoveries(named, [], [], sizes, 30, { alpha: 0.1, look: 1 });
      if (named.some((c) => c.bits + weights(sizes)(c.accounts) >= o.threshold_bits)) wrong += 1;
    }
    expect(wrong / 4000).toBeLessThanOrEqual(0.1 + 3 * Math.sqrt((0.1 * 0.9) / 4000));
  });

  it('the dial asks for more evidence when fewer honest accounts may be named', () => {
    const named = [{ bits: 20, accounts: 50 }];
    const sizes = Array.from({ length: 100 }, () => 50);
    const loose = discoveries(named, [20, 3], [20], sizes, 30, { alpha: 0.1, look: 1 });
    const strict = discoveries(named, [20, 3], [20], sizes, 30, { alpha: 0.1, look: 1, honestPerMonth: 0.01 });
    expect(strict.threshold_bits).toBeCloseTo(Math.log2((100 * 50) / levelOf(0.01, 1)), 9);
    // What all looks may name together is what the dial says.
    const allowed = [1, 2, 3, 4, 5, 6, 7, 8].map(
      (look) => (100 * 50) / 2 ** discoveries(named, [20], [20], sizes, 30, { alpha: 0.1, look, honestPerMonth: 0.01 }).threshold_bits,
    );
    expect(allowed.reduce((x, y) => x + y, 0)).toBeLessThanOrEqual(0.01);
    expect(strict.threshold_bits).toBeGreaterThan(loose.threshold_bits);
    expect(loose.honest_accounts_per_month_at_most).toBeCloseTo((100 / 2 ** loose.threshold_bits) * 50, 9);
    expect(loose.at_least.slice(0, 5)).toEqual([2, 2, 2, 2, 1]);
    expect(loose.nameable_at_least?.slice(0, 5)).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('items that come back', () => {
  const day = 86_400_000;
  it('within a day are of a date; a few, some, or spread ones, and those of a short log, say nothing', () => {
    const feed = { items: 1000, repeated: 120, sameDay: 118 };
    expect(publicFeed(feed, 0, 12 * day)).toMatch(/120 of their 1000 items/);
    expect(publicFeed({ ...feed, sameDay: 60 }, 0, 12 * day)).toBeNull();
    // A task that failed is sent again by another member at once: that is no feed.
    expect(publicFeed({ items: 10_000, repeated: 120, sameDay: 118 }, 0, 12 * day)).toBeNull();
    expect(publicFeed({ items: 100, repeated: 10, sameDay: 10 }, 0, 12 * day)).toBeNull();
    expect(publicFeed(feed, 0, 3 * day)).toBeNull();
  });
});
