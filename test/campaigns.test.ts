import { describe, expect, it } from 'vitest';
import { candidates, withoutStrays } from '../src/campaigns/candidates.ts';
import { BUCKETINGS, BUCKETS, type Cell, DIMENSIONS, deck } from '../src/campaigns/deck.ts';
import { leiden } from '../src/campaigns/leiden.ts';
import { type Judged, judgeMembers, ofSentence, Pool, type Share, shareOf, wordedOtherwise } from '../src/campaigns/membership.ts';
import { neighbours } from '../src/campaigns/neighbours.ts';
import { handed } from '../src/campaigns/relays.ts';
import { oneItem } from '../src/campaigns/repeats.ts';
import { fitBeta, logBetaBinomial, logGamma, probability, quantile, rng } from '../src/campaigns/stats.ts';
import { endsOf, succession } from '../src/campaigns/succession.ts';
import { DAY, spanOf, type Table } from '../src/campaigns/table.ts';
import { weekOfAll } from '../src/campaigns/week.ts';
import type { AccountRow } from '../src/store/queries/accounts.ts';
import { NO_RELAYS } from '../src/store/queries/relays.ts';

/** Items of an account whose bucket shares are `p` in every bucketing. */
function items(account: number, n: number, p: readonly number[], random: () => number, stratum = 0): Cell {
  const buckets = new Uint8Array(n * BUCKETINGS);
  for (let i = 0; i < buckets.length; i++) {
    let u = random();
    let b = 0;
    while (b < BUCKETS - 1 && u > (p[b] as number)) u -= p[b++] as number;
    buckets[i] = b;
  }
  return { account, stratum, buckets };
}

const normalised = (w: readonly number[]): number[] => {
  const s = w.reduce((x, y) => x + y, 0);
  return w.map((x) => x / s);
};

/** Shares around a common mean: the larger `own`, the more an account keeps to subjects of its own. */
function shares(mean: readonly number[], own: number, random: () => number): number[] {
  const gamma = (shape: number): number => {
    // Sum of exponentials for whole shapes, Johnk's rough boost below one: enough for a test.
    if (shape >= 1) {
      let s = 0;
      for (let i = 0; i < Math.round(shape); i++) s -= Math.log(1 - random());
      return s;
    }
    return -Math.log(1 - random()) * random() ** (1 / shape);
  };
  return normalised(mean.map((m) => gamma(Math.max(0.02, m / own))));
}

const flat = normalised(Array.from({ length: BUCKETS }, (_, b) => 1 / (b + 3)));

describe('a cohort found by sentences that go together', () => {
  const from = (n: number): number[] => Array.from({ length: n }, (_, a) => a);
  const found = (sentences: readonly (readonly [number, (a: number) => number])[]): number[] => {
    const values = sentences.map(([n, count], v) => ({
      kind: 'scaffold',
      value: `${v}`,
      accounts: Int32Array.from(from(n)),
      counts: Int32Array.from(from(n), count),
    }));
    const rows = from(120).map((a) => ({ account: `a${a}`, n: 200, openings: 200 }));
    const t = {
      rows,
      values,
      relays: handed(NO_RELAYS(120)),
      profiles: { accounts: 120, items: new Float64Array(120), counts: new Uint16Array(0) },
    } as unknown as Table;
    const near = { k: 12, ids: new Int32Array(120 * 12).fill(-1), cosine: new Float32Array(120 * 12) };
    const all = candidates(t, { near, active: [], heard: [], mu: new Float64Array(DIMENSIONS) }, 1).candidates;
    return all.filter((c) => c.sources.includes('scaffold')).map((c) => c.accounts.length);
  };

  it('is who carries the instruction, not who sends a phrase of the items under it often enough', () => {
    const phrase = [90, (a: number) => (a % 5 === 0 ? 3 : 8)] as const;
    expect(found([phrase, [90, () => 200]])).toEqual([90]);
  });

  it('and of two instructions the one that strangers did not copy', () => {
    expect(
      found([
        [66, () => 200],
        [60, () => 200],
      ]),
    ).toEqual([60]);
  });
});

describe('dealt from one deck', () => {
  it('stands at zero for one pool, whatever the volumes, and its interval covers zero at its rate', () => {
    let covered = 0;
    let bias = 0;
    const rounds = 150;
    for (let r = 0; r < rounds; r++) {
      const random = rng(1000 + r);
      // Unequal volumes, late joiners (few items), several weeks.
      const cells = Array.from({ length: 24 }, (_, a) => items(a, 5 + Math.floor(random() ** 3 * 120), flat, random, a % 2)).concat(
        Array.from({ length: 12 }, (_, a) => items(a, 6, flat, random, 2)),
      );
      const d = deck(cells);
      if (!d) throw new Error('no deck');
      bias += d.rho / rounds;
      if (Math.abs(d.rho) < 1.96 * d.se) covered += 1;
    }
    expect(Math.abs(bias)).toBeLessThan(0.0008);
    expect(covered / rounds).toBeGreaterThan(0.88);
    expect(covered / rounds).toBeLessThan(0.995);
  });

  it('rises with how much accounts keep to their own subjects', () => {
    const random = rng(3);
    const at = (own: number) =>
      deck(Array.from({ length: 30 }, (_, a) => items(a, 60, shares(flat, own, random), random)))?.rho ?? Number.NaN;
    expect(at(0.02)).toBeGreaterThan(0.005);
    expect(at(0.2)).toBeGreaterThan(2 * at(0.02));
  });

  it('is below zero where everybody sends the same few items, as in a benchmark', () => {
    const random = rng(4);
    const cells = Array.from({ length: 12 }, (_, a) => {
      const order = Array.from({ length: 40 }, (_, i) => i).sort(() => random() - 0.5);
      return {
        account: a,
        stratum: 0,
        buckets: Uint8Array.from(order.flatMap((i) => Array.from({ length: BUCKETINGS }, (_, j) => (i * 7 + j * 13) % BUCKETS))),
      };
    });
    expect(deck(cells)?.rho).toBeLessThan(0);
  });

  it('says nothing where all send one item: there is nothing to deal', () => {
    const buckets = Uint8Array.from({ length: 4 * BUCKETINGS }, (_, i) => (i % BUCKETINGS) + 3);
    const cells = Array.from({ length: 6 }, (_, account) => ({ account, stratum: 0, buckets }));
    expect(deck(cells)).toBeNull();
    expect(oneItem(cells)).toBe(true);
    const varied = cells.map((c, i) => ({ ...c, buckets: c.buckets.map((b, x) => (b + i * 7 + (x >> 3) * 5) % 64) }));
    expect(oneItem(varied)).toBe(false);
    expect(deck(varied)).not.toBeNull();
  });

  it('says nothing about fewer than three accounts or single items', () => {
    const random = rng(5);
    expect(deck([items(0, 50, flat, random), items(1, 50, flat, random)])).toBeNull();
    expect(deck(Array.from({ length: 9 }, (_, a) => items(a, 1, flat, random)))).toBeNull();
  });
});

describe('membership', () => {
  const counts = (cell: Cell): Float32Array => {
    const out = new Float32Array(DIMENSIONS);
    for (let i = 0; i < cell.buckets.length; i++) {
      const d = (i % BUCKETINGS) * BUCKETS + (cell.buckets[i] as number);
      out[d] = (out[d] as number) + 1;
    }
    return out;
  };
  const spread = (p: readonly number[]): Float64Array => Float64Array.from({ length: DIMENSIONS }, (_, d) => p[d % BUCKETS] as number);
  const pool = normalised(Array.from({ length: BUCKETS }, (_, b) => (b < 16 ? 4 : 0.2)));
  const honest = normalised(Array.from({ length: BUCKETS }, (_, b) => (b < 16 ? 0.3 : 1)));

  it.each([0, 0.05, 0.15, 0.5, 1])('finds a planted share of %d inside its interval', (planted) => {
    let inside = 0;
    let sum = 0;
    for (let r = 0; r < 40; r++) {
      const random = rng(50 + r);
      const n = 400;
      const k = Math.round(n * planted);
      const both = Uint8Array.from([...items(0, k, pool, random).buckets, ...items(0, n - k, honest, random).buckets]);
      const s = shareOf(counts({ account: 0, stratum: 0, buckets: both }), 0, spread(pool), spread(honest));
      sum += s.share;
      if (s.low <= planted + 1e-9 && planted <= s.high + 1e-9) inside += 1;
    }
    expect(Math.abs(sum / 40 - planted)).toBeLessThan(0.03);
    expect(inside).toBeGreaterThan(33);
  });

  it('leaves the account itself out of the pool it is held against', () => {
    const random = rng(9);
    const p = new Pool([items(0, 50, honest, random), items(1, 50, pool, random), items(2, 50, pool, random)]);
    const without = p.without(0);
    const sum = (from: number, to: number) => without.slice(from, to).reduce((x, y) => x + y, 0);
    expect(sum(0, 16)).toBeGreaterThan(0.85);
    expect(p.without(0)).toEqual(without);
  });

  it('a stranger who copies the sentence and keeps its own content is no member; one with a private tie and content of the pool is', () => {
    const base = { items: 200, high: 1 };
    const honestShares = Array.from({ length: 60 }, (_, i) => ({ account: 100 + i, ...base, share: 0.01, low: 0, gain: 0.001 }));
    const members = Array.from({ length: 20 }, (_, i) => ({ account: i, ...base, share: 0.97, low: 0.9, gain: 0.4 }));
    const copycat = { account: 50, ...base, share: 0, low: 0, gain: 0 };
    const judged = judgeMembers(
      [...members, copycat],
      honestShares,
      () => false,
      () => 0.9,
    );
    expect(judged.filter((j) => j.membership >= 0.5).map((j) => j.account)).toEqual(members.map((m) => m.account));
    expect(judged.at(-1)?.membership).toBeLessThan(0.1);
  });
});

describe('communities', () => {
  const ring = (cliques: number, size: number) => {
    const from: number[] = [];
    const to: number[] = [];
    for (let c = 0; c < cliques; c++) {
      for (let i = 0; i < size; i++)
        for (let j = i + 1; j < size; j++) {
          from.push(c * size + i);
          to.push(c * size + j);
        }
      from.push(c * size);
      to.push(((c + 1) % cliques) * size + 1);
    }
    return { nodes: cliques * size, from: Int32Array.from(from), to: Int32Array.from(to), weight: new Float64Array(from.length).fill(1) };
  };

  it('Leiden finds cliques on a ring, the same for the same seed', () => {
    const g = ring(12, 6);
    const a = leiden(g, { random: rng(1) });
    expect(new Set(a).size).toBe(12);
    for (let c = 0; c < 12; c++) expect(new Set(a.slice(c * 6, c * 6 + 6)).size).toBe(1);
    expect([...leiden(g, { random: rng(1) })]).toEqual([...a]);
  });

  it('communities are connected', () => {
    const random = rng(8);
    const n = 300;
    const from: number[] = [];
    const to: number[] = [];
    for (let e = 0; e < 700; e++) {
      from.push(Math.floor(random() * n));
      to.push(Math.floor(random() * n));
    }
    const part = leiden(
      { nodes: n, from: Int32Array.from(from), to: Int32Array.from(to), weight: new Float64Array(700).fill(1) },
      { random },
    );
    for (const c of new Set(part)) {
      const members = new Set([...part.keys()].filter((i) => part[i] === c));
      const seen = new Set<number>([[...members][0] as number]);
      for (let grew = true; grew; ) {
        grew = false;
        from.forEach((a, e) => {
          const b = to[e] as number;
          for (const [x, y] of [
            [a, b],
            [b, a],
          ] as const) {
            if (seen.has(x) && members.has(y) && !seen.has(y)) {
              seen.add(y);
              grew = true;
            }
          }
        });
      }
      expect(seen.size).toBe(members.size);
    }
  });

  it('nearest neighbours are found through inverted lists as well', () => {
    const random = rng(2);
    const n = 4600;
    const vectors = new Float32Array(n * DIMENSIONS);
    for (let a = 0; a < n; a++) {
      const group = a % 92;
      let norm = 0;
      for (let d = 0; d < DIMENSIONS; d++) {
        const v = ((((group + 1) * 2654435761 + d * 40503) >>> 0) % 1000) / 1000 - 0.5 + 0.3 * (random() - 0.5);
        vectors[a * DIMENSIONS + d] = v;
        norm += v * v;
      }
      for (let d = 0; d < DIMENSIONS; d++) vectors[a * DIMENSIONS + d] = (vectors[a * DIMENSIONS + d] as number) / Math.sqrt(norm);
    }
    const near = neighbours(
      vectors,
      Array.from({ length: n }, (_, i) => i),
      6,
      rng(3),
    );
    let right = 0;
    for (let a = 0; a < n; a++) for (let x = 0; x < 6; x++) if ((near.ids[a * 6 + x] as number) % 92 === a % 92) right += 1;
    expect(right / (n * 6)).toBeGreaterThan(0.9);
  });
});

describe('accounts that strayed into a community', () => {
  const k = 12;
  const pool = Array.from({ length: 60 }, (_, i) => i);
  /** Accounts of which each has so many of its nearest neighbours in the pool, the others elsewhere. */
  const nearest = (inside: readonly number[]) => {
    const ids = new Int32Array(inside.length * k);
    for (const [a, n] of inside.entries()) for (let x = 0; x < k; x++) ids[a * k + x] = x < n ? (a + x + 1) % pool.length : 900 + a + x;
    return { k, ids, cosine: new Float32Array(ids.length).fill(0.5) };
  };
  const of = (accounts: readonly number[]) => ({ accounts, sources: ['kindred' as const], scaffold: [] });

  it('leave it: most of their neighbours are elsewhere, those of the others are not', () => {
    const found = of([...pool, 60, 61]);
    const near = nearest([...pool.map(() => 12), 2, 5]);
    expect(withoutStrays(found, near).accounts).toEqual(pool);
  });

  it('stay where all have neighbours outside, as in a part of a larger community', () => {
    const found = of([...pool, 60, 61]);
    expect(withoutStrays(found, nearest([...pool.map(() => 7), 2, 5])).accounts).toEqual(found.accounts);
  });

  it('stay where half of their neighbours are inside, and in a community smaller than a neighbourhood', () => {
    expect(withoutStrays(of([...pool, 60]), nearest([...pool.map(() => 12), 6])).accounts).toHaveLength(61);
    const few = of(pool.slice(0, k));
    expect(withoutStrays(few, nearest(few.accounts.map(() => 12)))).toBe(few);
  });
});

describe('statistics', () => {
  it('log gamma and the beta-binomial agree with exact values', () => {
    expect(logGamma(10)).toBeCloseTo(Math.log(362880), 9);
    // Uniform prior: every count equally likely.
    for (const k of [0, 3, 10]) expect(Math.exp(logBetaBinomial(k, 10, 1, 1))).toBeCloseTo(1 / 11, 9);
  });
  it('a handful of rates never looks certain', () => {
    const { a, b } = fitBeta([0, 0, 0], 1);
    expect(Math.exp(logBetaBinomial(10, 10, a, b))).toBeGreaterThan(1e-6);
  });
  it('bits and probabilities, quantiles', () => {
    expect(probability(0)).toBe(0.5);
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
  });
});

describe('the week of a cohort', () => {
  /** An account over four whole weeks, so many requests on each day of the week. */
  const account = (week: readonly number[]): AccountRow =>
    ({
      first: 4 * DAY,
      last: 32 * DAY - 1,
      n: week.reduce((x, y) => x + 4 * y, 0),
      days: 28,
      week: week.map((x) => 4 * x),
      hours: new Array<number>(24).fill(1),
    }) as unknown as AccountRow;
  const rests = account([9, 9, 9, 9, 9, 0, 0]);
  const works = account([5, 5, 5, 5, 5, 5, 5]);
  const of = (some: number, others: number) =>
    weekOfAll([...Array.from({ length: some }, () => rests), ...Array.from({ length: others }, () => works)]).quiet;

  it('is kept where most keep it: some who rest make no week of those who do not', () => {
    expect(of(10, 0)).toBe(0);
    expect(of(7, 3)).toBeLessThan(0.4);
    // Nearly half of them pull the sum down, and the one in the middle knows no rest.
    expect(of(9, 11)).toBeCloseTo(1, 5);
    expect(of(0, 10)).toBeCloseTo(1, 5);
  });

  it('has no rest in the hours before a first request and after a last one', () => {
    // Eight days, begun at eight in the evening and ended at four in the morning, as much an hour all the time.
    const first = 4 * DAY + (20 / 24) * DAY;
    const last = 11 * DAY + (4 / 24) * DAY;
    const at = (d: number): number => (d === 4 ? 4 : d === 11 ? 4 : 24);
    const week = new Array<number>(7).fill(0);
    for (let d = 4; d <= 11; d++) week[(d + 3) % 7] = (week[(d + 3) % 7] as number) + at(d);
    const hours = new Array<number>(24).fill(6);
    const row = { first, last, n: week.reduce((x, y) => x + y, 0), days: 8, week, hours } as unknown as AccountRow;
    expect(weekOfAll([row, row, row, row]).quiet).toBeGreaterThan(0.6);
    // Who never works in the morning has missed none by beginning at noon: two short days at the weekend are rest.
    const late = {
      first: 5 * DAY + DAY / 2,
      last: 13 * DAY - 1,
      n: 142,
      days: 8,
      week: [20, 40, 20, 20, 20, 11, 11],
      hours: hours.map((_, h) => (h < 12 ? 0 : 10)),
    };
    const rows = Array.from({ length: 4 }, () => late as unknown as AccountRow);
    expect(weekOfAll(rows).quiet).toBeLessThan(0.6);
    // Who takes the weekend off has it all the same.
    const off = week.map((n, w) => (w > 4 ? 0 : n));
    const resting = { ...row, n: off.reduce((x, y) => x + y, 0), week: off } as AccountRow;
    expect(weekOfAll([resting, resting, resting, resting]).quiet).toBe(0);
  });

  it('is not told from fewer than four accounts', () => {
    expect(of(3, 0)).toBeNaN();
  });
});

describe('succession', () => {
  const HOUR = 3_600_000;
  const DAY = 24 * HOUR;
  /** Accounts as [first, last, closed] in hours from the start of a log of 20 days. */
  const log = (list: readonly (readonly [number, number, number | null])[]): Table =>
    ({
      from: 0,
      to: 20 * DAY,
      rows: list.map(([first, last]) => ({ first: first * HOUR, last: last * HOUR, n: 200 })),
      records: list.map(([, , closed]) => (closed === null ? null : { closed: closed * HOUR })),
    }) as unknown as Table;
  const all = (t: Table) => t.rows.map((_, i) => i);

  it('is told by sign-ups too: a crew hired at once may begin with its next shift', () => {
    const t = log([100, 150, 200].map((h) => [0, h, h] as const));
    const hired = [100.3, 150.6, 200.9, 320].map((created) => ({
      row: { first: (created + 9) * HOUR, last: 479 * HOUR, n: 200 },
      record: { created: created * HOUR, closed: null },
    }));
    const both = {
      ...t,
      rows: [...t.rows, ...hired.map((x) => x.row)],
      records: [...t.records, ...hired.map((x) => x.record)],
    } as unknown as Table;
    const ends = endsOf(both, all(both));
    expect(succession(both, ends, all(both)).within[0]).toMatchObject({ hours: 1, k: 0 });
    expect(succession(both, ends, all(both), 'sign-up')).toMatchObject({ n: 4, within: [{ hours: 1, k: 3 }, { k: 3 }, { k: 3 }] });
    // Dates without a time of day tell no hour.
    const dated = {
      ...both,
      records: both.records.map(
        (r) => r && { ...r, created: r.created === null || r.created === undefined ? r.created : Math.floor(r.created / DAY) * DAY },
      ),
    } as unknown as Table;
    expect(succession(dated, ends, all(dated), 'sign-up')).toMatchObject({ n: 0 });
    // Without records nobody is known to have signed up.
    expect(succession(t, endsOf(t, all(t)), all(t), 'sign-up')).toMatchObject({ n: 0 });
  });

  it('counts starts in the hour after a ban or a lasting silence, and what part of the time such hours are', () => {
    const old = [200, 201, 300].map((h) => [0, h, h] as const);
    const silent = [[0, 100, null]] as const;
    const next = [
      [200.5, 479, null],
      [201.9, 479, null],
      [100.2, 479, null],
      [250, 479, null],
    ] as const;
    const t = log([...old, ...silent, ...next]);
    const s = succession(t, endsOf(t, all(t)), all(t));
    expect(s.n).toBe(3);
    expect(s.within[0]).toMatchObject({ hours: 1, k: 2 });
    // Silence is a guess, and three records are enough to do without: hours 200 to 202 and 300, of the 280 after the first end.
    expect(s.within[0]?.chance).toBeCloseTo(3 / 280, 5);
    expect(s.recorded).toBe(true);
  });

  it('tells one crew from many replacements: a launch is one event, even over midnight', () => {
    const closed = [100, 148, 196, 244, 292, 340].map((h) => [0, h, h] as const);
    const each = log([...closed, ...closed.map(([, h]) => [h + 0.5, 479, null] as const)]);
    const once = log([...closed, ...[1, 2, 3, 4, 5, 6].map((x) => [148 + x / 10, 479, null] as const)]);
    const late = log([...closed, [119.9, 130, 130], ...[0, 0.1, 0.2, 0.3, 0.4, 0.5].map((x) => [119.95 + x, 479, null] as const)]);
    const events = (t: Table) => succession(t, endsOf(t, all(t)), all(t)).within[1]?.events;
    expect(events(each)).toBeCloseTo(3, 5);
    expect(events(once)).toBe(1);
    expect(events(late)).toBe(1);
  });

  it('does not count those who started before anyone ended', () => {
    const t = log([
      ...[200, 201, 202].map((h) => [0, h, h] as const),
      ...[30, 40, 50, 201, 203].map((h) => [h, 479, null] as const),
      [202.2, 479, null],
    ]);
    expect(succession(t, endsOf(t, all(t)), all(t))).toMatchObject({ n: 3, within: [{ k: 3 }, { k: 3 }, { k: 3 }] });
  });

  it('is silent about accounts that end and start without regard to one another, and about a log with no ends', () => {
    const random = rng(4);
    const t = log(Array.from({ length: 200 }, () => [30 + random() * 300, 340 + random() * 60, null] as const));
    const s = succession(t, endsOf(t, all(t)), all(t));
    for (const w of s.within) expect(w.k / Math.max(1, s.n)).toBeLessThanOrEqual(3 * w.chance + 0.05);
    const open = log(Array.from({ length: 20 }, (_, i) => [30 + i, 479, null] as const));
    expect(succession(open, endsOf(open, all(open)), all(open))).toMatchObject({ n: 0 });
  });
});

describe('what part of an account is the campaign’s, by the sentence that its members carry', () => {
  const member = (account: number, share: number, high = Math.min(1, share + 0.12)): Judged => ({
    account,
    membership: 1,
    share,
    low: share - 0.1,
    high,
  });

  it('is what carries it where that is counted and the estimate allows it; of a key that was lent, what came through it', () => {
    const members = Array.from({ length: 20 }, (_, a) => member(a, 0.93));
    // All they send carries it: nothing of theirs is somebody else's.
    expect(ofSentence(members, () => 1).map((j) => j.share)).toEqual(members.map(() => 1));
    // Half of it is cover: it stays what it is, give or take.
    const covered = members.map((j) => ({ ...j, share: 0.5, low: 0.42, high: 0.58 }));
    expect(ofSentence(covered, () => 0.55).map((j) => j.share)).toEqual(covered.map(() => 0.55));
    // More than the estimate allows is not believed: a sentence can be copied.
    expect(ofSentence([...covered, { ...member(20, 0.1), high: 0.2 }], (a) => (a === 20 ? 1 : 0.5)).at(-1)?.share).toBe(0.1);
    // Whose key lent a tenth is told a tenth, however near to the pool their own work is.
    expect(ofSentence([...members, member(20, 0.9)], (a) => (a === 20 ? 0.1 : 1)).at(-1)?.share).toBeCloseTo(0.1, 1);
    // One wording of several bounds nothing.
    expect(ofSentence(members, () => 0.3)).toEqual(members);
    // Where all carry it in all they send, what the middle one is estimated to draw is all, and who copied it into other work is estimated at far less.
    const short = Array.from({ length: 20 }, (_, i) => ({ ...member(i, 0.5 + 0.005 * i), low: 0.4, high: 0.65 }));
    const set = ofSentence([...short, { ...member(20, 0.05), high: 0.1 }], () => 1);
    expect(set.slice(0, 20).every((j) => j.share > 0.9)).toBe(true);
    expect(set.at(-1)?.share).toBeLessThan(0.15);
  });

  it('is not more because a reseller’s other customers lean towards the pool, as honest accounts do', () => {
    const carriers = new Map(Array.from({ length: 30 }, (_, a) => [a, { ...member(a, 0.09), low: 0.07, high: 0.095 }] as const));
    const honest = (most: number): Share[] =>
      Array.from({ length: 100 }, (_, account) => ({ account, share: (most * account) / 99, low: 0, high: 1, gain: 0, items: 50 }));
    const leaning = [...carriers.keys()].map((a) => member(a, 0.21));
    expect(wordedOtherwise(leaning, carriers, honest(0.3))).toBe(false);
    // Nobody honest draws as much: the campaign is worded in other ways too.
    expect(wordedOtherwise(leaning, carriers, honest(0.05))).toBe(true);
    expect(wordedOtherwise(leaning.slice(0, 14), carriers, honest(0.05))).toBe(false);
  });
});

describe('when a log begins and ends', () => {
  const row = (first: number, last: number) => ({ first: first * DAY, last: last * DAY });
  const log = Array.from({ length: 50 }, (_, i) => row(100 + (i % 3), 113 - (i % 2)));

  it('is not moved by a few clocks that are wrong by more than all of it, and is by what anybody may see', () => {
    expect(spanOf(log)).toEqual({ from: 100 * DAY, to: 113 * DAY, strays: 0 });
    expect(spanOf([...log, row(101, 478)])).toEqual({ from: 100 * DAY, to: 113 * DAY, strays: 1 });
    expect(spanOf([...log, row(101, 478), row(3, 110), row(101, 9000)])).toEqual({ from: 100 * DAY, to: 113 * DAY, strays: 3 });
    // Somebody who came back after some days, many who did after a year, and a log of a few accounts: nothing is left out.
    expect(spanOf([...log, row(101, 120)])).toMatchObject({ to: 120 * DAY, strays: 0 });
    expect(spanOf([...log, ...Array.from({ length: 5 }, () => row(470, 478))])).toMatchObject({ to: 478 * DAY, strays: 0 });
    expect(spanOf([row(0, 1), row(0, 900)])).toMatchObject({ to: 900 * DAY, strays: 0 });
    expect(spanOf([])).toMatchObject({ strays: 0 });
  });
});
