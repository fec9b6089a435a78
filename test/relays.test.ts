import { describe, expect, it } from 'vitest';
import { handed, NO_RELAY, relayOf } from '../src/campaigns/relays.ts';
import { type Spoken, shuffled } from '../src/campaigns/voices.ts';
import { relaysOf } from '../src/store/queries/relays.ts';
import { Random } from '../src/world/random.ts';
import { type Exchange, judged, sentenceOf } from './support/judged.ts';
import { file, jsonl, record, take, withStore } from './support/tools.ts';

/** Conversations that one account begins and another carries on. */
const FIRST = 'Describe how a lighthouse keeper of 1880 would spend a stormy week.';
const turns = (...texts: string[]) =>
  texts.flatMap((content, i) => [...(i > 0 ? [{ role: 'assistant', content: `Answer ${i}` }] : []), { role: 'user', content }]);

/** Pairs of accounts by name, with how many conversations went from one to the other. */
async function pairs(rows: readonly Record<string, unknown>[]): Promise<{ pairs: string[]; able: string[] }> {
  return withStore(async (store) => {
    await take(store, file('log.jsonl', jsonl(rows)));
    const accounts = await store.rows<{ a: string; account: string }>(
      `SELECT leftPad(hex(acct), 16, '0') AS a, any(account) AS account FROM exchanges GROUP BY acct ORDER BY acct`,
    );
    const r = await relaysOf(store, new Map(accounts.map((x, i) => [x.a, i])), null);
    const name = (i: number | undefined): string => accounts[i ?? -1]?.account ?? '?';
    return {
      pairs: [...r.from].map((from, i) => `${name(from)} ${name(r.to[i])} ${r.count[i]}`).sort(),
      able: accounts.filter((_, i) => (r.able[i] ?? 0) > 0).map((x) => x.account),
    };
  });
}

const step = (id: string, account: string, messages: unknown, over: Record<string, unknown> = {}) =>
  record({ id, account, time: `2026-05-04T10:${id.padStart(2, '0')}:00Z`, messages, ...over });

describe('who carries on whose conversation', () => {
  it('is told by what it began with, through any number of accounts, in blocks and with instructions between', async () => {
    const rows = [
      step('1', 'a', turns(FIRST)),
      step('2', 'b', turns(FIRST, 'And his wife?')),
      step('3', 'c', [
        { role: 'system', content: 'Be brief.' },
        ...turns(FIRST, 'And his wife?', 'And the dog?').map((m) => ({ ...m, content: [{ type: 'text', text: m.content }] })),
      ]),
      step('4', 'a', turns(FIRST, 'And his wife?', 'And the dog?', 'Thanks.')),
    ];
    expect(await pairs(rows)).toEqual({ pairs: ['a b 1', 'a c 1'], able: expect.arrayContaining(['a', 'b', 'c']) });
  });

  it('or by an id that nobody makes twice; a number is one account’s own', async () => {
    const uuid = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
    const of = (conversation: string) => [
      step('1', 'a', turns('Hi'), { conversation, turn: 1 }),
      step('2', 'b', [{ role: 'user', content: 'And then?' }], { conversation, turn: 2 }),
    ];
    for (const id of [uuid, 'conv_19802433bd86']) expect((await pairs(of(id))).pairs).toEqual(['a b 1']);
    for (const id of ['conversation-0000000000042', '00000000-0000-0000-0000-000000000000', '20260504103000', 'a-session-of-mine'])
      expect(await pairs(of(id))).toEqual({ pairs: [], able: [] });
  });

  it('is not told where several begin with the same text, where a window slides, of small talk, or of redacted text', async () => {
    // A benchmark of two turns: whoever sends the second sent the first.
    expect(
      (await pairs(['a', 'b'].flatMap((x, i) => [step(`${i}1`, x, turns(FIRST)), step(`${i}2`, x, turns(FIRST, 'And then?'))]))).pairs,
    ).toEqual([]);
    // The same where a third only begins: two begin it, so that nobody can tell from whom it was taken.
    expect(
      (await pairs([step('1', 'a', turns(FIRST)), step('2', 'b', turns(FIRST)), step('3', 'c', turns(FIRST, 'More?'))])).pairs,
    ).toEqual([]);
    // What is left of a longer one begins with something that another account asked once.
    expect(
      (await pairs([step('1', 'a', turns(FIRST)), step('2', 'b', turns(FIRST, 'And then?'), { conversation: 'c9', turn: 9 })])).pairs,
    ).toEqual([]);
    expect((await pairs([step('1', 'a', turns('Hello there')), step('2', 'b', turns('Hello there', 'And then?'))])).pairs).toEqual([]);
    const hidden = '[REDACTED]';
    expect((await pairs([step('1', 'a', turns(hidden)), step('2', 'b', turns(hidden, hidden))])).pairs).toEqual([]);
  });
});

describe('members that pass conversations on', () => {
  const of = (list: readonly (readonly [number, number, number])[], accounts = 6) =>
    handed({
      from: Int32Array.from(list, (x) => x[0]),
      to: Int32Array.from(list, (x) => x[1]),
      count: Uint32Array.from(list, (x) => x[2]),
      able: new Uint32Array(accounts).fill(10),
    });
  const all = [0, 1, 2, 3, 4, 5];
  const own = new Float64Array(6);

  it('give and take; a published conversation, or one that is copied, frames nobody', () => {
    expect(
      relayOf(
        of([
          [0, 1, 3],
          [1, 2, 2],
          [2, 0, 5],
        ]),
        all,
        own,
      ),
    ).toEqual({ k: 3, n: 6, members: new Set([0, 1, 2]) });
    // All carry on what one published, and one carries on what all published.
    expect(relayOf(of([1, 2, 3, 4, 5].map((b) => [0, b, 9])), all, own).k).toBe(0);
    expect(relayOf(of([1, 2, 3, 4, 5].map((a) => [a, 0, 9])), all, own).k).toBe(0);
    // Once each way may be chance.
    expect(
      relayOf(
        of([
          [0, 1, 1],
          [1, 0, 1],
        ]),
        all,
        own,
      ).k,
    ).toBe(0);
    // With accounts outside of the cohort.
    expect(
      relayOf(
        of([
          [0, 5, 4],
          [5, 0, 4],
        ]),
        [0, 1, 2],
        own,
      ).k,
    ).toBe(0);
    expect(relayOf(of([]), all, own)).toEqual({ ...NO_RELAY, n: 6 });
    // Of a public set of conversations, sampled by a log: others begin the same as often as they seem to be carried on.
    const shared = of(all.flatMap((a) => all.filter((b) => b !== a).map((b) => [a, b, 1] as const)));
    expect(relayOf(shared, all, own).k).toBe(6);
    expect(
      relayOf(
        shared,
        all,
        own.map(() => 0.4),
      ).k,
    ).toBe(0);
    // A few of very many are chance.
    expect(relayOf({ ...shared, able: shared.able.map(() => 400) }, all, own).k).toBe(0);
  });
});

describe('instructions over time', () => {
  const spoken = (f: (voice: number, stretch: number, r: Random) => number, stretches = 30): Spoken => {
    const r = new Random(3);
    return { stretches, counts: Float64Array.from({ length: 12 * stretches }, (_, i) => f(Math.floor(i / stretches), i % stretches, r)) };
  };
  const chance = (mean: number, r: Random): number =>
    Array.from({ length: 4000 }, () => (r.unit() < mean / 4000 ? 1 : 0)).reduce<number>((x, y) => x + y, 0);

  it('come as cards of one deck do where they are dealt, whatever the pace, and not where each has times of its own or a clock', () => {
    const pace = (b: number): number => 1 + 0.8 * Math.sin(b);
    expect(shuffled(spoken((v, b, r) => chance((20 + v) * pace(b), r)))).toBe(true);
    expect(shuffled(spoken((v, b, r) => chance((20 + v) * (1 + 0.8 * Math.sin(b + v)), r)))).toBe(false);
    // One that begins in the middle.
    expect(shuffled(spoken((v, b, r) => chance(v > 6 && b < 15 ? 0.2 : 30, r)))).toBe(false);
    // Jobs by the clock are evener than chance.
    expect(shuffled(spoken(() => 30))).toBe(false);
    // Too little to tell.
    expect(shuffled(spoken((_, __, r) => chance(10, r)))).toBe(false);
    expect(shuffled(spoken((_, __, r) => chance(30, r), 8))).toBe(false);
  });
});

describe('a pool of accounts that takes another with each request', () => {
  /** Honest users whose requests go through the accounts of some of them, as a gateway sends them. */
  const pooled = (
    exchanges: Exchange[],
    truth: ReadonlyMap<string, { class: string }>,
    users: number,
    accounts: number,
    classes: readonly string[] = ['developer', 'builder'],
  ): Set<string> => {
    const who = [...truth]
      .filter(([, t]) => classes.includes(t.class))
      .map(([a]) => a)
      .slice(0, users);
    const behind = new Set(who);
    const pool = who.slice(0, accounts);
    const first = new Map(exchanges.filter((e) => pool.includes(e.account)).map((e) => [e.account, { ...e }]));
    const r = new Random(7);
    for (const e of exchanges as (Exchange & Record<string, unknown>)[]) {
      if (!behind.has(e.account)) continue;
      const through = first.get(r.pick(pool)) as Exchange & Record<string, unknown>;
      for (const name of ['account', 'ip', 'api_key', 'user_agent', 'ja4', 'asn', 'params']) e[name] = through[name];
      delete e['conversation'];
      delete e['turn'];
    }
    return new Set(pool);
  };

  it('is one hand, and what honest users ask through it is theirs: a question, and nobody named; so is a campaign that shows no more', async () => {
    let pool = new Set<string>();
    const out = await judged({ seed: 6011, accounts: 1100, days: 8, kind: 'relay', size: 24 }, (w) => {
      pool = pooled(w.exchanges, w.truth, 190, 60);
    });
    expect(out.d.campaigns).toEqual([]);
    const about = (of: ReadonlySet<string>) =>
      out.d.undecided.find((u) => u.accounts.filter((a) => of.has(a.account)).length >= 0.8 * of.size);
    for (const set of [pool, out.mine]) {
      const found = about(set);
      expect(found?.missing.join(' ')).toMatch(/customers: .*carry on one another's conversations/);
      const row = found?.evidence.find((e) => e.signal === 'relay');
      expect(row?.figure).toBeGreaterThan(0.9);
      expect(row?.bits).toBeGreaterThan(1);
    }
    // What it rests on can be looked up: one conversation in several accounts.
    expect(
      new Set(
        about(out.mine)
          ?.evidence.find((e) => e.signal === 'relay')
          ?.exemplars.map((x) => x.account),
      ).size,
    ).toBeGreaterThan(1);
  });

  it('is a question too where each of its users has an instruction, and subjects of its own; one operator’s wordings have none', async () => {
    let pool = new Set<string>();
    const products = await judged({ seed: 6021, accounts: 800, days: 8, kind: 'single', size: 1 }, (w) => {
      pool = pooled(w.exchanges, w.truth, 80, 55, ['builder']);
    });
    expect(products.d.campaigns).toEqual([]);
    const found = products.d.undecided.find((u) => u.accounts.filter((a) => pool.has(a.account)).length >= 0.8 * pool.size);
    expect(found?.missing[0]).toMatch(/customers: \d+ instructions go through most of these accounts/);
    // The same campaign with a dozen wordings in the place of its one.
    const wordings = await judged({ seed: 8231, accounts: 400, days: 14, kind: 'slow', size: 60 }, (w) => {
      const line = sentenceOf(w);
      const r = new Random(11);
      const ways = Array.from(
        { length: 12 },
        (_, i) => `Wording ${'abcdefghijkl'[i]} of what is asked here: answer in full and leave nothing out ${'mnopqrstuvwx'[i]}.`,
      );
      for (const e of w.exchanges) {
        if ((w.truth.get(e.account)?.campaign ?? null) === null) continue;
        const way = r.pick(ways);
        if (e.system !== undefined) e.system = e.system.replaceAll(line, way);
        for (const m of e.messages) m.content = m.content.replaceAll(line, way);
      }
    });
    expect(wordings.found).toBeGreaterThanOrEqual(58);
    expect(wordings.honest).toEqual([]);
  });

  it('is named where its accounts are as many as no people are and what it asks is no crowd’s', async () => {
    const out = await judged({ seed: 6012, accounts: 500, days: 10, kind: 'relay', size: 60 });
    expect(out.honest).toEqual([]);
    expect(out.found).toBeGreaterThanOrEqual(57);
    expect(out.d.campaigns).toHaveLength(1);
  });
});
