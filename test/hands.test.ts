import { describe, expect, it } from 'vitest';
import { type Beats, commonBeat } from '../src/campaigns/beats.ts';
import type { Candidate } from '../src/campaigns/candidates.ts';
import type { Facts } from '../src/campaigns/facts.ts';
import { ofOneBrief, ofOneClock, ofOnePace, ofOnePart, ofOneShare, ofOneTold, surest, withoutStrangers } from '../src/campaigns/hands.ts';
import type { Judged } from '../src/campaigns/membership.ts';
import { rng } from '../src/campaigns/stats.ts';
import type { Table } from '../src/campaigns/table.ts';

const DAYS = 14;
const member = (account: number, over: Partial<Judged> = {}): Judged => ({
  account,
  membership: 0.99,
  share: 0.95,
  low: 0.85,
  high: 1,
  ...over,
});
const rows = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const found: Candidate = { accounts: [], sources: ['content'], scaffold: [] } as unknown as Candidate;

/** Accounts by the values they show; `clock(a, bar)` is the mean number of exchanges in three hours. */
function table(
  values: readonly { kind: string; accounts: readonly number[]; count?: number }[],
  n: number,
  clock: (a: number, bar: number) => number,
): Table {
  const random = rng(11);
  const bars = DAYS * 8;
  const counts = new Uint16Array(n * bars);
  for (let a = 0; a < n; a++)
    for (let t = 0; t < bars; t++) {
      let k = 0;
      for (let p = random(); p > Math.exp(-clock(a, t)); p *= random()) k += 1;
      counts[a * bars + t] = k;
    }
  const beats: Beats = { bars, perDay: 8, counts };
  return {
    rows: rows(0, n).map(() => ({ n: 100 })),
    values: values.map((v) => ({ kind: v.kind, value: v.kind, accounts: Int32Array.from(v.accounts) })),
    valuesOf: rows(0, n).map((a) => values.flatMap((v, i) => (v.accounts.includes(a) ? [{ v: i, count: v.count ?? 90 }] : []))),
    beats: { ...beats, rowOf: Int32Array.from(rows(0, n)), common: commonBeat(beats, rows(0, n)) },
  } as unknown as Table;
}

const alone = { panel: new Set<number>(), passing: [] };

const facts = (over: {
  identity?: number[];
  network?: number[];
  scaffold?: number;
  sentences?: number[];
  of?: number;
  tied?: number;
  panel?: number[];
  paid?: number;
}): Facts =>
  ({
    ties: {
      identity: { tied: over.paid ?? 0, of: over.of ?? 1, values: over.identity ?? [], ...alone },
      network: { tied: over.tied ?? 0, of: over.of ?? 1, values: over.network ?? [], panel: new Set(over.panel), passing: [] },
      scaffold: { tied: over.scaffold ?? 0, of: over.of ?? 1, values: over.sentences ?? [], ...alone },
    },
  }) as unknown as Facts;

const random = rng(3);
const beat = Array.from({ length: DAYS * 8 }, () => (random() < 0.3 ? 0.2 : 4));
const accounts = (list: readonly Judged[]): number[] => list.map((m) => m.account);

describe('members of one hand', () => {
  it('leave out who draws a smaller part without a tie, whatever sentence they carry; who is tied or may draw as much stays', () => {
    const values = [
      { kind: 'payment', accounts: [8, 9] },
      { kind: 'scaffold', accounts: [0, 1, 10] },
    ];
    const t = table(values, 12, () => 2);
    const some = { share: 0.5, low: 0.3, high: 0.7 };
    const list = [
      ...rows(0, 8).map((a) => member(a)),
      member(8, some),
      member(9, some),
      member(10, some),
      member(11, { ...some, high: 0.95 }),
    ];
    expect(accounts(ofOneShare(t, facts({ identity: [0] }), list))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]);
    // A sentence can be copied into somebody's own work.
    expect(accounts(ofOneShare(t, facts({ sentences: [1] }), list))).not.toContain(10);
    // Resellers lend what they lend.
    const mixed = list.map((m) => member(m.account, { share: 0.1 + 0.04 * m.account, high: 0.2 + 0.04 * m.account }));
    expect(ofOneShare(t, facts({}), mixed)).toHaveLength(12);
  });

  it('leave out who lends far less than the others do, a few or a group, and keep resellers who lend each their part', () => {
    const lend = (shares: readonly number[]): Judged[] => shares.map((x, a) => member(a, { share: x, low: 0.9 * x, high: 1.05 * x }));
    const two = Array.from({ length: 30 }, (_, i) => 0.62 + 0.003 * i);
    expect(ofOnePart(lend([...two, 0.05, 0.4]))).toHaveLength(30);
    const wide = Array.from({ length: 30 }, (_, i) => 0.3 + 0.013 * i);
    expect(ofOnePart(lend([...wide, ...Array<number>(12).fill(0.1)]))).toHaveLength(30);
    const resold = Array.from({ length: 30 }, (_, i) => 0.04 * 1.05 ** i);
    expect(ofOnePart(lend(resold))).toHaveLength(30);
    expect(ofOnePart(lend([0.9, 0.8, 0.1]))).toHaveLength(3);
    // Where all lend all they send, an owner with work of their own beside is told, however much of the account is used; where others lend less too, nobody can tell.
    const all = Array<number>(30).fill(1);
    expect(accounts(ofOnePart(lend([...all, 0.9])))).toEqual(rows(0, 30));
    expect(ofOnePart(lend([...all, 0.95]))).toHaveLength(31);
    expect(ofOnePart(lend([...all, ...Array<number>(6).fill(0.9)]))).toHaveLength(36);
    // As far as can be told: estimates lie below by chance, and their intervals reach up to all.
    const guessed = Array.from({ length: 30 }, (_, a) => member(a, { share: 0.9 + 0.003 * a, low: 0.4, high: 1 }));
    const owner = member(30, { share: 0.53, low: 0.15, high: 0.75 });
    expect(accounts(ofOnePart([...guessed, owner]))).toEqual(rows(0, 30));
    expect(ofOnePart([...guessed.map((m) => ({ ...m, high: 0.97 })), owner])).toHaveLength(31);
  });

  it('leave out strangers who hold none of what nearly all members hold: content cannot tell them apart', () => {
    const values = [
      { kind: 'address', accounts: rows(0, 20) },
      { kind: 'scaffold', accounts: rows(0, 22) },
    ];
    const t = table(values, 24, () => 2);
    const list = rows(0, 24).map((a) => member(a));
    const tied = { network: [0], tied: 20, scaffold: 22, sentences: [1], of: 24 };
    // Where nearly all hold a private value, a phrase of the same source is no tie beside it.
    expect(accounts(withoutStrangers(t, facts(tied), list))).toEqual(rows(0, 20));
    expect(accounts(withoutStrangers(t, facts({ ...tied, tied: 9 }), list))).toEqual(rows(0, 22));
    // Who took over from one of them is no stranger either.
    expect(accounts(withoutStrangers(t, facts(tied), list, { took: new Set([23]) }))).toEqual([...rows(0, 20), 23]);
    // Of a panel no one address is held by many, and who goes through it is no stranger.
    const rotated = { tied: 20, panel: rows(0, 20), scaffold: 22, sentences: [1], of: 24 };
    expect(accounts(withoutStrangers(t, facts(rotated), list))).toEqual(rows(0, 20));
    // Two kinds of private tie need not be everybody's.
    const twice = { network: [0], identity: [0], tied: 14, paid: 14, scaffold: 24, sentences: [1], of: 24 };
    expect(accounts(withoutStrangers(t, facts(twice), list))).toEqual(rows(0, 20));
    expect(withoutStrangers(t, facts({ ...twice, paid: 4, scaffold: 9 }), list)).toHaveLength(24);
    // In mixed accounts the sentence was looked at already; where only some hold a tie, its absence tells nothing.
    expect(withoutStrangers(t, facts({ ...tied, tied: 9 }), list, { mixed: true })).toHaveLength(24);
    expect(withoutStrangers(t, facts({ ...tied, tied: 9, scaffold: 9 }), list)).toHaveLength(24);
    // Without any tie it is content alone, and who draws from the pool less surely than the others is left out.
    const unsure = list.map((m) => (m.account < 3 ? member(m.account, { low: 0.5 }) : m));
    expect(withoutStrangers(t, facts({ of: 24 }), unsure)).toHaveLength(24);
    expect(accounts(surest(facts({ of: 24 }), unsure, false))).toEqual(rows(3, 24));
    expect(surest(facts({ of: 24 }), unsure, true)).toHaveLength(24);
    expect(surest(facts(tied), unsure, false)).toHaveLength(24);
  });

  it('are told from another hand on the same source by private values apart and a clock the others do not follow', () => {
    const values = [{ kind: 'address', accounts: rows(0, 10) }];
    const two = table(values, 22, (a, t) => (a < 10 ? 2 : (beat[t] as number)));
    const apart = ofOneClock(
      two,
      found,
      facts({ network: [0] }),
      rows(0, 22).map((a) => member(a)),
    );
    expect(accounts(apart.kept)).toEqual(rows(10, 22));
    expect(apart.apart).toEqual(rows(0, 10));
    // One dispatcher over two sets of addresses is one hand, and so are two groups of which neither keeps a clock.
    const one = table(values, 22, (_a, t) => beat[t] as number);
    const none = table(values, 22, () => 2);
    for (const t of [one, none])
      expect(
        ofOneClock(
          t,
          found,
          facts({ network: [0] }),
          rows(0, 22).map((a) => member(a)),
        ),
      ).toMatchObject({ apart: [] });
    // A sentence that most carry says one hand, whatever the clocks.
    expect(
      ofOneClock(
        two,
        found,
        facts({ network: [0], scaffold: 20 }),
        rows(0, 22).map((a) => member(a)),
      ).apart,
    ).toEqual([]);
  });

  it('are told apart by the sentences of two briefs, but a famous prompt divides nobody', () => {
    const t = table(
      [
        { kind: 'scaffold', accounts: rows(0, 12) },
        { kind: 'scaffold', accounts: rows(12, 18) },
      ],
      18,
      () => 2,
    );
    expect(
      accounts(
        ofOneBrief(
          t,
          found,
          rows(0, 18).map((a) => member(a)),
        ).kept,
      ),
    ).toEqual(rows(0, 12));
    const famous = table(
      [
        { kind: 'scaffold', accounts: rows(0, 12), count: 50 },
        { kind: 'scaffold', accounts: [...rows(12, 18), ...rows(100, 200)] },
      ],
      18,
      () => 2,
    );
    expect(
      ofOneBrief(
        famous,
        found,
        rows(0, 18).map((a) => member(a)),
      ).kept,
    ).toHaveLength(18);
  });

  it('are told apart from those who are told how to ask in nearly all they send, and go on as a question of their own', () => {
    const all = rows(0, 18).map((a) => member(a));
    const told = (count: number) => table([{ kind: 'scaffold', accounts: rows(0, 12), count }], 18, () => 2);
    expect(ofOneBrief(told(90), found, all)).toMatchObject({ kept: all.slice(0, 12), apart: rows(12, 18) });
    // A turn of phrase is no instruction, and of a cohort that the sentence itself found everybody carries it.
    expect(ofOneBrief(told(60), found, all)).toMatchObject({ kept: all, apart: [] });
    expect(ofOneBrief(told(90), { ...found, scaffold: [0] }, all)).toMatchObject({ kept: all, apart: [] });
    // A template that all of them use in part finds them, and what most are told divides them; where all are told one thing, what most are told besides does not.
    const also = (template: number) =>
      table(
        [
          { kind: 'scaffold', accounts: rows(0, 18), count: template },
          { kind: 'scaffold', accounts: rows(0, 12), count: 90 },
        ],
        18,
        () => 2,
      );
    expect(ofOneBrief(also(30), { ...found, scaffold: [0] }, all)).toMatchObject({ kept: all.slice(0, 12), apart: rows(12, 18) });
    expect(ofOneBrief(also(95), { ...found, scaffold: [0] }, all)).toMatchObject({ kept: all, apart: [] });
  });

  it('leave out owners of stolen keys by what is counted: who sends anything that nearly all members’ instruction does not stand in', () => {
    const list = rows(0, 20).map((a) => member(a));
    const parts = (owners: readonly number[], strangers = 0) => {
      const t = table([{ kind: 'scaffold', accounts: [...rows(0, 20), ...rows(100, 100 + strangers)] }], 20, () => 2);
      return { ...t, valuesOf: rows(0, 20).map((a) => [{ v: 0, count: owners[a - 17] ?? 100 }]) } as unknown as Table;
    };
    // Rows have a hundred exchanges each.
    expect(accounts(ofOneTold(parts([83, 60, 30]), list))).toEqual(rows(0, 17));
    expect(ofOneTold(parts([96, 99, 97]), list)).toHaveLength(20);
    // A sentence of the world's is nobody's instruction.
    expect(ofOneTold(parts([83, 60, 30], 40), list)).toHaveLength(20);
    // Where members lend parts, nothing is counted.
    const lend = { ...parts([]), valuesOf: rows(0, 20).map((a) => [{ v: 0, count: 40 + 3 * a }]) } as unknown as Table;
    expect(ofOneTold(lend, list)).toHaveLength(20);
  });

  it('are told from neighbours of one office by ties that do not meet and paces that do not overlap', () => {
    const all = rows(0, 30).map((a) => member(a));
    const paced = (pace: (a: number) => number, count = 90): Table => {
      const t = table(
        [
          { kind: 'address', accounts: rows(0, 20) },
          { kind: 'payment', accounts: rows(20, 30) },
          { kind: 'scaffold', accounts: rows(0, 30), count },
        ],
        30,
        () => 2,
      );
      return { ...t, rows: rows(0, 30).map((a) => ({ n: 10 * pace(a), days: 10 })) } as unknown as Table;
    };
    const tied = facts({ network: [0], identity: [1] });
    const people = (a: number): number => (a < 20 ? 60 + (a % 7) : 8 + (a % 5));
    expect(ofOnePace(paced(people), found, tied, all)).toMatchObject({ kept: all.slice(0, 20), apart: rows(20, 30) });
    // Told alike in all they send, they are one hand at two paces; and at one pace nothing tells them apart.
    expect(ofOnePace(paced(people, 10_000), { ...found, scaffold: [2] }, tied, all)).toMatchObject({ kept: all, apart: [] });
    expect(
      ofOnePace(
        paced((a) => 20 + (a % 7)),
        found,
        tied,
        all,
      ),
    ).toMatchObject({ kept: all, apart: [] });
    // Who holds no tie of their own is no group.
    expect(ofOnePace(paced(people), found, facts({ network: [0] }), all)).toMatchObject({ kept: all, apart: [] });
  });
});
