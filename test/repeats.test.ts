import { describe, expect, it } from 'vitest';
import type { Cell } from '../src/campaigns/deck.ts';
import { withoutOutsiders } from '../src/campaigns/hands.ts';
import { dealtInRounds, dealtTo, itemsShared } from '../src/campaigns/repeats.ts';
import { rng } from '../src/campaigns/stats.ts';
import { gaveWay, tookOver } from '../src/campaigns/succession.ts';
import type { Table } from '../src/campaigns/table.ts';

type Random = () => number;
type Sets = readonly ReadonlySet<number>[];

const list = <T>(n: number, f: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => f(i));
const upTo = (r: Random, from: number, more: number): number => from + Math.floor(r() * more);
/** A volume around a middle one, as those of people are. */
const volume = (r: Random, middle: number, spread: number): number =>
  middle * Math.exp(spread * Math.sqrt(-2 * Math.log(1 - r())) * Math.cos(2 * Math.PI * r()));

/** Eight drawn words of an item, as the store gives them. */
function words(item: number): number[] {
  let x = Math.imul(item, 2654435761) >>> 0;
  return list(8, (b) => {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d + b) >>> 0;
    x ^= x >>> 12;
    return (x >>> 0) % 64;
  });
}

const cellsOf = (sets: Sets): Cell[] =>
  sets.map((s, account) => ({ account, stratum: 0, buckets: Uint8Array.from([...s].flatMap(words)) }));

/** Honest ways in which accounts come to send the same items. */
const HONEST: Record<string, (r: Random) => Sets> = {
  'a question bank, each picking for themselves': (r) => {
    const popular = list(upTo(r, 200, 1500), (i) => 1 / (i + 5) ** (1.2 * r()));
    const all = popular.reduce((x, y) => x + y, 0);
    return list(upTo(r, 8, 100), () => {
      const q = volume(r, upTo(r, 20, 150), 0.2 + 0.9 * r()) / all;
      return new Set(popular.flatMap((p, i) => (r() < 1 - Math.exp(-q * p) ? [i] : [])));
    });
  },
  'groups that each do the same sheets': (r) => {
    const [size, sheet] = [upTo(r, 5, 20), upTo(r, 30, 150)];
    return list(upTo(r, 2, 8), (g) => list(size, () => new Set(list(sheet, (i) => 10_000 * g + i).filter(() => r() < 0.93)))).flat();
  },
  'sheets of which each does some': (r) => {
    const [sheets, length, some] = [upTo(r, 6, 40), upTo(r, 5, 60), upTo(r, 1, 5)];
    return list(upTo(r, 8, 100), () => {
      const own = new Set<number>();
      while (own.size < Math.min(some, sheets)) own.add(upTo(r, 0, sheets));
      return new Set([...own].flatMap((k) => list(length, (i) => 1000 * k + i).filter(() => r() < 0.97)));
    });
  },
  'a course that each follows as far as they get': (r) =>
    list(upTo(r, 8, 100), () => new Set(list(Math.min(1000, Math.floor(volume(r, 100, 0.6))), (i) => i).filter(() => r() < 0.97))),
  'parts of a benchmark, from anywhere on': (r) => {
    const [all, part] = [upTo(r, 500, 2000), upTo(r, 30, 200)];
    return list(upTo(r, 8, 100), () => {
      const from = upTo(r, 0, all);
      return new Set(list(part, (i) => (from + i) % all));
    });
  },
  'teams that run a benchmark whole, beside others who know a few of its items': (r) => {
    const all = upTo(r, 300, 700);
    const teams = list(upTo(r, 3, 10), () => new Set(list(all, (i) => i).filter(() => r() < 0.98)));
    return [
      ...teams,
      ...list(upTo(r, 0, 60), (o) => new Set([...list(all, (i) => i).filter(() => r() < 0.04), ...list(100, (i) => 1e6 + 1000 * o + i)])),
    ];
  },
  'people with two or three accounts each': (r) =>
    list(upTo(r, 8, 30), (p) => {
      const own = list(upTo(r, 40, 100), (i) => 1000 * p + i);
      return list(upTo(r, 2, 2), () => new Set(own.filter(() => r() < 0.95)));
    }).flat(),
  'a feed that each reads a part of': (r) => {
    const posts = upTo(r, 100, 300);
    return list(upTo(r, 8, 80), () => {
      const part = 0.02 + 0.1 * r();
      return new Set(
        list(14, (d) => list(posts, (i) => 10_000 * d + i))
          .flat()
          .filter(() => r() < part),
      );
    });
  },
  'one pool that is drawn from at random': (r) => {
    const [n, all] = [upTo(r, 8, 100), upTo(r, 300, 2000)];
    const sets = list(n, () => new Set<number>());
    for (let i = 0; i < all * 4; i++) sets[upTo(r, 0, n)]?.add(upTo(r, 0, all));
    return sets;
  },
};

/** Each item to so many accounts and no more, as a dispatcher sees to it. */
function rounds(r: Random, accounts: number, items: number, times: number): Set<number>[] {
  const sets = list(accounts, () => new Set<number>());
  for (let i = 0; i < items; i++) {
    const to = new Set<number>();
    while (to.size < times) to.add(upTo(r, 0, accounts));
    for (const a of to) sets[a]?.add(i);
  }
  return sets;
}

describe('items that come back', () => {
  it('show rounds of a deck where somebody deals them so many times', () => {
    const r = rng(11);
    for (const times of [2, 3, 5, 8]) {
      const found = dealtInRounds(cellsOf(rounds(r, 60, 900, times)));
      expect(found).toMatchObject({ times });
      expect(found?.part).toBeGreaterThan(0.9);
    }
    // A round that was not finished, and items that are told apart by chance, take from it and do not hide it.
    const torn = rounds(r, 60, 900, 4).map(
      (s) => new Set([...s].flatMap((i) => (i > 500 && r() < 0.5 ? [] : r() < 0.15 ? [1e6 + upTo(r, 0, 1e6)] : [i]))),
    );
    expect(dealtInRounds(cellsOf(torn))).toMatchObject({ times: 4 });
  });

  for (const [name, made] of Object.entries(HONEST))
    it(`show none: ${name}`, () => {
      const r = rng(77);
      let shared = 0;
      for (let i = 0; i < 60; i++) {
        const cells = cellsOf(made(r).filter((s) => s.size >= 4));
        shared = Math.max(shared, itemsShared(cells));
        expect(dealtInRounds(cells)).toBeNull();
      }
      // They do come back.
      expect(shared).toBeGreaterThan(0.01);
    });

  it('tell who is dealt to from who takes of the same public set', () => {
    const r = rng(5);
    const dealt = rounds(r, 50, 900, 5);
    const stranger = new Set(list(80, () => upTo(r, 0, 900)));
    const elsewhere = new Set(list(80, (i) => 1e6 + i));
    const cells = cellsOf([...dealt, stranger, elsewhere]);
    const found = dealtInRounds(cells);
    expect(found).toMatchObject({ times: 5 });
    expect([...dealtTo(cells, found ?? { times: 0, part: 0 })].sort((x, y) => x - y)).toEqual(list(50, (i) => i));
  });
});

describe('who sends what the others send', () => {
  it('is no stranger where the deck goes round a second time, if something else ties them', () => {
    const r = rng(9);
    const deal = list(30, (a) => new Set(list(60, (i) => 60 * a + i)));
    // The second time round begins; and somebody takes of the same set by themselves.
    const again = list(4, () => new Set(list(60, () => upTo(r, 0, 1800))));
    const sets = [...deal, ...again];
    const t = { profiles: { cellsOf: (a: number) => cellsOf(sets).filter((c) => c.account === a) } } as unknown as Table;
    const members = sets.map((_, account) => ({ account, membership: 1, share: 1, low: 0.9, high: 1 }));
    expect(withoutOutsiders(t, null, members).map((m) => m.account)).toEqual(list(30, (a) => a));
    expect(withoutOutsiders(t, null, members, (a) => a !== 33).map((m) => m.account)).toEqual(list(33, (a) => a));
  });
});

describe('accounts that give way', () => {
  it('are those whose records say that they were closed within the hour before others began', () => {
    const hour = 3_600_000;
    const from = Date.parse('2026-05-04T00:00:00Z');
    const at = (h: number): number => from + h * hour;
    // first exchange, sign-up, closed
    const rows: [number, number | null, number | null][] = [
      [0, -900, 100],
      [0, -900, 99.5],
      [0, -900, 60],
      [0, -900, null],
      [100.4, 100.3, null],
      [150, 60.5, null],
    ];
    const t = {
      from,
      to: at(300),
      rows: rows.map(([first]) => ({ first: at(first), last: at(290), n: 50 })),
      records: rows.map(([, created, closed]) => ({
        created: created === null ? null : at(created),
        closed: closed === null ? null : at(closed),
      })),
    } as unknown as Table;
    const all = list(rows.length, (i) => i);
    expect(gaveWay(t, all, all, 1)).toEqual([0, 1, 2]);
    expect(gaveWay(t, [0, 1], [4], 1)).toEqual([0, 1]);
    // A start long before, on the log's first day, or far behind takes nothing over.
    expect(gaveWay(t, [0, 1], [3], 1)).toEqual([]);
    expect(gaveWay(t, [2], [4], 12)).toEqual([]);
    expect(tookOver(t, { ends: [at(100)], recorded: true }, all, 1)).toEqual([4]);
  });
});
