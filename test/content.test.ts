import { describe, expect, it } from 'vitest';
import { attendance, type Beats, barsOf, commonBeat, lockstep, worked } from '../src/campaigns/beats.ts';
import { nothingTaken } from '../src/campaigns/decide.ts';
import { BUCKETINGS, BUCKETS, type Cell, DIMENSIONS } from '../src/campaigns/deck.ts';
import type { Facts } from '../src/campaigns/facts.ts';
import { kindsLeft } from '../src/campaigns/kinds.ts';
import type { Ledger } from '../src/campaigns/ledger.ts';
import { centre, centreWithout, profiles } from '../src/campaigns/profile.ts';
import { NO_RELAY } from '../src/campaigns/relays.ts';
import { itemsShared, repeatedWithOthers } from '../src/campaigns/repeats.ts';
import type { Honest } from '../src/campaigns/rivals.ts';
import { Span } from '../src/campaigns/span.ts';
import { rng } from '../src/campaigns/stats.ts';
import type { Table } from '../src/campaigns/table.ts';
import { slices } from '../src/store/queries/slices.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Counts of accounts over bars of three hours; `rate(a, bar)` is the mean of a Poisson count. */
function made(accounts: number, days: number, rate: (a: number, bar: number) => number, random: () => number): Beats {
  const bars = days * 8;
  const counts = new Uint16Array(accounts * bars);
  for (let a = 0; a < accounts; a++)
    for (let t = 0; t < bars; t++) {
      let n = 0;
      for (let p = random(); p > Math.exp(-rate(a, t)); p *= random()) n += 1;
      counts[a * bars + t] = n;
    }
  return { bars, perDay: 8, counts };
}

const rows = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

describe('days of rest', () => {
  it("begin and end with an account's work: what it did before as somebody else's, or once more after it, makes no days of rest", () => {
    const days = 20;
    const of = (counts: readonly number[]) => worked({ bars: days, perDay: 1, counts: Uint16Array.from(counts) }, 0);
    // Bought, it chatted now and then for ten days, then worked for three.
    const bought = [2, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 80, 90, 70, 0, 0, 0, 0, 1, 0];
    expect(of(bought)).toEqual({ first: 11, days: [80, 90, 70] });
    // Days off within it are.
    const week = Array.from({ length: days }, (_, d) => (d % 7 < 5 ? 30 : 0));
    expect(of(week)).toMatchObject({ first: 0, days: week.slice(0, 19) });
  });

  it('are told by days of its own: a night shift is one day of work, wherever midnight is', () => {
    const random = rng(9);
    // Two nights on, one off, from nine in the evening to six.
    const nurse = (t: number) => (Math.floor((t + 1) / 8) % 3 < 2 && [7, 0, 1].includes(t % 8) ? 5 : 0);
    const b = made(3, 30, (a, t) => (a === 0 ? nurse(t) : a === 1 ? 3 : Math.floor(t / 8) % 7 === 6 ? 0 : 3), random);
    expect(attendance(b, 0)).toBeCloseTo(0.67, 1);
    expect(attendance(b, 1)).toBe(1);
    expect(attendance(b, 2)).toBeCloseTo(6 / 7, 1);
    expect(
      attendance(
        made(1, 8, () => 3, random),
        0,
      ),
    ).toBeNull();
  });
});

describe('lockstep', () => {
  const human = (a: number, t: number) => [0, 0, 1, 4, 4, 3, 2, 1][(t + (a % 8)) % 8] ?? 0;

  it('stands at zero for accounts that share hours of the day and nothing else, and its error covers it', () => {
    let inside = 0;
    for (let r = 0; r < 40; r++) {
      const random = rng(200 + r);
      const b = made(24, 14, (a, t) => human(0, t) * (0.5 + (a % 3)), random);
      const l = lockstep(b, rows(24), commonBeat(b, rows(24)));
      if (l && Math.abs(l.together) < 2 * l.se) inside += 1;
    }
    expect(inside).toBeGreaterThanOrEqual(36);
  });

  it("takes out everybody's days: a weekend that all keep is nobody's lockstep", () => {
    const random = rng(5);
    const weekend = (t: number) => (Math.floor(t / 8) % 7 >= 5 ? 0.1 : 1);
    const b = made(200, 21, (a, t) => human(a, t) * weekend(t), random);
    const common = commonBeat(b, rows(200));
    expect(Math.abs(lockstep(b, rows(30), common)?.together ?? 1)).toBeLessThan(0.03);
    // The same accounts, had nobody else a weekend, would be in step.
    expect(lockstep(b, rows(30), new Float64Array(b.bars).fill(1))?.together).toBeGreaterThan(0.1);
  });

  it('sees workers that one dispatcher pauses, whatever their own hours are', () => {
    const random = rng(6);
    const stops = Array.from({ length: 14 * 8 }, () => (random() < 0.25 ? 0.1 : 1.3));
    const b = made(60, 14, (a, t) => (a < 30 ? human(a, t) * (stops[t] as number) : human(a, t)), random);
    const common = commonBeat(b, rows(30, 30));
    expect(lockstep(b, rows(30), common)?.together).toBeGreaterThan(0.08);
    expect(lockstep(b, rows(30, 30), common)?.together).toBeLessThan(0.03);
  });

  it('is none for bots of many owners that know no week, in a population that does', () => {
    const random = rng(8);
    const weekend = (t: number) => (Math.floor(t / 8) % 7 >= 5 ? 0.1 : 1);
    const b = made(230, 21, (a, t) => (a < 30 ? 4 : human(a, t) * weekend(t)), random);
    const common = commonBeat(b, rows(200, 30));
    // Held against everybody's week, all of them would work when others rest.
    expect(Math.abs(lockstep(b, rows(30), common)?.together ?? 1)).toBeLessThan(0.03);
  });

  it('says nothing of fewer than four accounts that tell, and keeps its bars within the limit', () => {
    const b = made(3, 10, () => 2, rng(7));
    expect(lockstep(b, rows(3), commonBeat(b, rows(3)))).toBeNull();
    for (const days of [1, 20, 40, 90, 400]) {
      const { bars, bar, start } = barsOf(5 * DAY + HOUR, (5 + days) * DAY);
      expect(bars).toBeLessThanOrEqual(200);
      expect(start + bars * bar).toBeGreaterThan((5 + days) * DAY);
    }
  });
});

/** Items of an account: each a list of eight buckets, from a number. */
const cell = (account: number, items: readonly number[], random?: () => number): Cell => ({
  account,
  stratum: 0,
  buckets: Uint8Array.from(
    items.flatMap((x) =>
      Array.from({ length: BUCKETINGS }, (_, j) => (random && random() < 0.02 ? 63 : (Math.imul(x + 1, 2654435761) >>> (j * 3)) % BUCKETS)),
    ),
  ),
});

describe('items that are shared', () => {
  const range = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);

  it('tells a benchmark that everybody runs in part from a pool that is dealt', () => {
    const random = rng(8);
    const bench = range(0, 8).map((a) =>
      cell(
        a,
        range(0, 200).filter(() => random() < 0.5),
        random,
      ),
    );
    const dealt = range(0, 8).map((a) => cell(a, range(a * 100, 100), random));
    expect(itemsShared(bench)).toBeGreaterThan(0.15);
    expect(itemsShared(dealt)).toBeLessThan(0.01);
  });

  it('does not take a pool made from few templates, alike within accounts too, for a benchmark', () => {
    const random = rng(9);
    const few = range(0, 20).map((a) =>
      cell(
        a,
        range(0, 60).map(() => Math.floor(random() * 25)),
      ),
    );
    expect(itemsShared(few)).toBeLessThan(0.03);
  });

  it('shows who sends what the others send: somebody on the same public set by a hand of their own', () => {
    const dealt = range(0, 10).map((a) => cell(a, range(a * 100, 100)));
    const own = repeatedWithOthers([
      ...dealt,
      cell(
        10,
        range(0, 1000).filter((x) => x % 7 === 0),
      ),
    ]);
    expect(own.get(10)).toBe(1);
    expect(own.get(3)).toBeLessThan(0.2);
  });
});

describe('the population without the cohort', () => {
  it('equals the centre of the others', () => {
    const random = rng(10);
    const cells = Array.from({ length: 12 }, (_, a) =>
      cell(
        a,
        Array.from({ length: 20 }, () => Math.floor(random() * 500)),
      ),
    );
    const flat = Uint8Array.from(cells.flatMap((c) => [...c.buckets]));
    const p = profiles(12, {
      account: Int32Array.from(rows(12)),
      stratum: new Uint16Array(12),
      start: Int32Array.from(rows(12), (a) => a * 160),
      length: new Int32Array(12).fill(160),
      buckets: flat,
    });
    const all = centre(p, rows(12), 12);
    const without = centreWithout(p, all, 12 * 12, rows(4), 12);
    const others = centre(p, rows(8, 4), 12);
    for (let d = 0; d < without.length; d++) expect(without[d]).toBeCloseTo(others[d] as number, 10);
  });
});

describe('what else one hand can be', () => {
  const honest: Honest = {
    rhoLow: 0.005,
    rhoMedian: 0.02,
    withinMedian: 0.04,
    span: new Span([], new Float64Array(DIMENSIONS)),
    distanceLow: 0.05,
    outMedian: 0,
  };
  const table = { hasRecords: true, domains: new Map([['a.example', 3]]), owner: ['x'] } as unknown as Table;
  const f = {
    accounts: rows(40),
    topOwner: { owner: '', share: 0 },
    topDomain: { domain: 'mail.example', share: 0.1, others: 400 },
    outTokensMedian: 600,
    deck: { within: 0.02 },
    resale: 0,
    singleUse: { k: 40, n: 40 },
    distance: 0.4,
    haulTokens: 9e6,
    licensed: 0,
    relay: NO_RELAY,
  } as unknown as Facts;

  it('gains bits only by what is looked for and not there; an open question gains none', () => {
    const all = kindsLeft(f, honest, table);
    expect(all.bits).toBeGreaterThan(2);
    expect(all.reason).toContain('a declared organisation');
    const none = kindsLeft({ ...f, outTokensMedian: 20, haulTokens: 1e5, singleUse: { k: 0, n: 40 }, distance: 0 }, honest, {
      ...table,
      hasRecords: false,
    });
    expect(none.bits).toBe(0);
    expect(none.reason).toContain('none');
  });

  it('leaves a declared organisation standing when most accounts name one', () => {
    const named = kindsLeft({ ...f, topOwner: { owner: 'x', share: 0.9 } }, honest, table);
    expect(named.bits).toBeLessThan(kindsLeft(f, honest, table).bits - 0.5);
  });

  it('calls an answer short by what others here are answered, and rules no app out where conversations pass from account to account', () => {
    const against = (x: Partial<Facts>, h: Partial<Honest>): string =>
      kindsLeft({ ...f, ...x }, { ...honest, ...h }, table).reason.split(';')[0] as string;
    expect(against({ outTokensMedian: 264 }, { outMedian: 300 })).toContain('short answers');
    expect(against({ outTokensMedian: 264 }, { outMedian: 790 })).not.toContain('short answers');
    expect(against({}, {})).toContain('a reseller or an app');
    expect(against({ relay: { k: 38, n: 40, members: new Set() } }, {})).not.toContain('a reseller or an app');
  });

  it('asks of one hand what it takes, where nothing that is measured of the taking speaks for a data set', () => {
    const book = (bits: Record<string, number>) =>
      ({ evidence: Object.entries(bits).map(([signal, b]) => ({ signal, bits: b })) }) as unknown as Ledger;
    // A service with a task of its own: 18 accounts of one were named so.
    expect(
      nothingTaken(book({ elicitation: -0.4, 'single-use': 1, 'useful-output': 0, haul: -0.5, breadth: 0.1, 'other-kinds': 3 })),
    ).toMatch(/^purpose: /);
    for (const signal of ['elicitation', 'useful-output', 'haul', 'breadth'])
      expect(nothingTaken(book({ 'single-use': 1, [signal]: 1.2 }))).toBeNull();
  });
});

describe('slices', () => {
  it('cover all accounts once, in order', () => {
    expect(slices(5)).toEqual(['']);
    const s = slices(3_500_000);
    expect(s).toHaveLength(4);
    expect(s[0]).toMatch(/^AND acct < \d+$/);
    const [from, to] = [s[1]?.match(/>= (\d+)/)?.[1], s[0]?.match(/< (\d+)/)?.[1]];
    expect(from).toBe(to);
    expect(s.at(-1)).toMatch(/^AND acct >= \d+$/);
  });
});
