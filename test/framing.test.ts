import { describe, expect, it } from 'vitest';
import { type Exchange, judged, sentenceOf } from './support/judged.ts';

describe('framing', () => {
  it("a stranger who puts a campaign's sentence into honest accounts does not get them named", async () => {
    let framed: string[] = [];
    const r = await judged({ seed: 71, accounts: 420, days: 14, kind: 'slow', size: 45 }, (w) => {
      const line = sentenceOf(w);
      expect(line.length).toBeGreaterThan(20);
      framed = [...w.truth.values()]
        .filter((t) => ['builder', 'developer', 'casual'].includes(t.class))
        .slice(0, 25)
        .map((t) => t.account);
      const set = new Set(framed);
      for (const e of w.exchanges) {
        const m = e.messages.at(-1);
        if (set.has(e.account) && m) m.content = `${line}\n${m.content}`;
      }
    });
    expect(framed.length).toBe(25);
    // Whole accounts that carry it cost the sentence its weight: the campaign is named or left undecided, never cleared.
    expect(r.held / r.planted).toBeGreaterThanOrEqual(0.7);
    expect(framed.filter((a) => r.named.has(a))).toEqual([]);
    expect(r.honest).toEqual([]);
  });
});

describe('people of one house', () => {
  const house = (by: 'day' | 'day and night') =>
    judged({ seed: 83, accounts: 300, days: 14, kind: 'sharded', size: 30 }, (w) => {
      const mine = (account: string): boolean => (w.truth.get(account)?.campaign ?? null) !== null;
      for (const r of w.records) if (mine(r.account)) Object.assign(r, { email_domain: 'school.example', payment: '', phone: '' });
      for (const e of w.exchanges)
        if (mine(e.account)) {
          Object.assign(e, { ip: '203.0.113.7' });
          // The same requests, from eight to six instead of round the clock.
          const t = new Date(e.time);
          const midnight = Date.UTC(t.getUTCFullYear(), t.getUTCMonth(), t.getUTCDate());
          if (by === 'day') e.time = new Date(midnight + 8 * 3_600_000 + ((t.getTime() - midnight) * 10) / 24).toISOString();
        }
    });

  it('are asked and not named; the same accounts that never sleep are', async () => {
    const open = await house('day');
    expect([...open.named]).toEqual([]);
    const held = open.d.undecided.find((u) => u.accounts.some((a) => open.mine.has(a.account)));
    expect(held?.missing.join(' ')).toMatch(/house: \d+ of \d+ of them work behind one network, by day, under one mail domain/);
    const awake = await house('day and night');
    expect(awake.found / awake.planted).toBeGreaterThanOrEqual(0.9);
    expect(awake.honest).toEqual([]);
  });
});

describe('framing by what is viral or stolen', () => {
  it('who sends one of its prompts, and whose key it uses for a while, is not named', async () => {
    const framed = new Set<string>();
    const r = await judged({ seed: 77, accounts: 400, kind: 'sharded', size: 40 }, (w) => {
      const mine = (e: Exchange): boolean => (w.truth.get(e.account)?.campaign ?? null) !== null;
      const planted = w.exchanges.filter(mine);
      const own = new Map<string, Exchange[]>();
      for (const e of w.exchanges) if (!mine(e)) own.set(e.account, [...(own.get(e.account) ?? []), e]);
      const honest = [...own].filter(([, list]) => list.length >= 80).slice(0, 40);
      // Forty send its most quoted prompt as it stands; through three of them its own requests came, twenty each.
      honest.forEach(([account, list], i) => {
        framed.add(account);
        (list[7] as Exchange).messages = (planted[0] as Exchange).messages;
        if (i < 3) for (let j = 0; j < 20; j++) (planted[100 + 20 * i + j] as Exchange).account = account;
      });
    });
    expect(framed.size).toBeGreaterThanOrEqual(20);
    expect(r.found / r.planted).toBeGreaterThanOrEqual(0.95);
    expect(r.honest).toEqual([]);
  });

  it('owners of stolen keys, and who copied its sentence into all of their work, are not named; the owners are told', async () => {
    const owners = new Set<string>();
    const copied = new Set<string>();
    const r = await judged({ seed: 79, accounts: 300, days: 14, kind: 'slow', size: 50 }, (w) => {
      const line = sentenceOf(w);
      const mine = (e: Exchange): boolean => (w.truth.get(e.account)?.campaign ?? null) !== null;
      const planted = w.exchanges.filter(mine);
      const own = new Map<string, Exchange[]>();
      for (const e of w.exchanges) if (!mine(e)) own.set(e.account, [...(own.get(e.account) ?? []), e]);
      const of = (classes: readonly string[]): [string, Exchange[]][] =>
        [...own].filter(([a, list]) => classes.includes(w.truth.get(a)?.class ?? '') && list.length >= 80);
      for (const [account] of of(['developer', 'builder']).slice(0, 10)) owners.add(account);
      for (const [account, list] of of(['casual']).slice(0, 10)) {
        copied.add(account);
        for (const e of list) {
          const m = e.messages.at(-1);
          if (m) m.content = `${m.content}\n${line}`;
        }
      }
      // Sixty requests of the campaign's through each of ten keys.
      [...owners].forEach((account, i) => {
        for (let j = 0; j < 60; j++) {
          const e = planted[(i * 60 + j) * 17] as Exchange;
          e.account = account;
          if (e.api_key !== undefined) e.api_key = own.get(account)?.[0]?.api_key ?? '';
        }
      });
    });
    expect([owners.size, copied.size]).toEqual([10, 10]);
    expect(r.found / r.planted).toBeGreaterThanOrEqual(0.9);
    expect(r.honest).toEqual([]);
    const beside = r.d.campaigns.flatMap((c) => c.beside ?? []);
    // All of them: by what is drawn on the pool, or by the sentence.
    expect(beside.filter((b) => owners.has(b.account))).toHaveLength(10);
    expect(beside.filter((b) => r.mine.has(b.account))).toEqual([]);
    // What came through their keys carries the sentence: it is told to a few in a hundred.
    for (const b of beside.filter((x) => owners.has(x.account))) expect(Math.abs(b.share - 60 / b.exchanges)).toBeLessThan(0.05);
  });

  it('nor, where the log has neither addresses nor keys, those of whose exchanges the campaign made most', async () => {
    const owners = new Set<string>();
    const r = await judged({ seed: 82, accounts: 300, days: 12, kind: 'sharded', size: 50 }, (w) => {
      const mine = (e: Exchange): boolean => (w.truth.get(e.account)?.campaign ?? null) !== null;
      const planted = w.exchanges.filter(mine);
      const own = new Map<string, number>();
      for (const e of w.exchanges) if (!mine(e)) own.set(e.account, (own.get(e.account) ?? 0) + 1);
      const few = [...own].filter(
        ([a, n]) => ['developer', 'builder', 'casual'].includes(w.truth.get(a)?.class ?? '') && n >= 20 && n <= 60,
      );
      let at = 0;
      // Of six, from three in four to nine in ten.
      for (const [account, n] of few.slice(0, 6)) {
        for (let j = 0; j < (3 + owners.size) * n; j++, at += 7) (planted[at % planted.length] as Exchange).account = account;
        owners.add(account);
      }
      for (const e of w.exchanges) {
        delete e.ip;
        delete e.api_key;
      }
    });
    expect(owners.size).toBe(6);
    expect(r.honest).toEqual([]);
    expect(r.found / r.planted).toBeGreaterThanOrEqual(0.9);
  });

  it('nor where members do other work beside: whose key lent a tenth of what theirs do is told, and not named', async () => {
    const owners = new Set<string>();
    const r = await judged({ seed: 80, accounts: 300, days: 12, kind: 'residential', size: 50 }, (w) => {
      const mine = (e: Exchange): boolean => (w.truth.get(e.account)?.campaign ?? null) !== null;
      const sentence = sentenceOf(w);
      const planted = w.exchanges.filter((e) => mine(e) && `${e.system ?? ''}\n${e.messages.at(-1)?.content ?? ''}`.includes(sentence));
      const own = new Map<string, number>();
      for (const e of w.exchanges) if (!mine(e)) own.set(e.account, (own.get(e.account) ?? 0) + 1);
      const busy = [...own].filter(([a, n]) => ['batch', 'builder', 'developer'].includes(w.truth.get(a)?.class ?? '') && n >= 150);
      for (const [account] of busy.slice(0, 10)) owners.add(account);
      [...owners].forEach((account, i) => {
        for (let j = 0; j < 20; j++) (planted[(i * 20 + j) * 23] as Exchange).account = account;
      });
    });
    expect(owners.size).toBe(10);
    expect(r.honest).toEqual([]);
    expect(r.held / r.planted).toBeGreaterThanOrEqual(0.9);
    const beside = [...r.d.campaigns, ...r.d.undecided].flatMap((c) => c.beside ?? []).map((b) => b.account);
    expect(beside.filter((a) => r.mine.has(a)).length).toBeLessThanOrEqual(2);
  });
});

describe('taking over', () => {
  it('a second pool of accounts that begins as the first is closed is one finding with it, and the succession is told', async () => {
    const first = new Set<string>();
    const r = await judged({ seed: 78, accounts: 400, days: 12, kind: 'slow', size: 80 }, (w) => {
      const planted = [...new Set(w.exchanges.map((e) => e.account))].filter((a) => (w.truth.get(a)?.campaign ?? null) !== null);
      for (const a of planted.slice(0, 40)) first.add(a);
      const second = new Set(planted.slice(40));
      const times = w.exchanges.map((e) => Date.parse(e.time)).sort((x, y) => x - y);
      const change = ((times[0] as number) + (times.at(-1) as number)) / 2;
      const kept = w.exchanges.filter((e) =>
        first.has(e.account) ? Date.parse(e.time) < change : second.has(e.account) ? Date.parse(e.time) >= change : true,
      );
      // Each newcomer has its first request within the hour.
      const begun = new Set<string>();
      for (const e of kept)
        if (second.has(e.account) && !begun.has(e.account)) {
          begun.add(e.account);
          e.time = new Date(change + begun.size * 60_000).toISOString();
        }
      w.exchanges.length = 0;
      for (const e of kept) w.exchanges.push(e);
      for (const rec of w.records) {
        if (first.has(rec.account)) Object.assign(rec, { closed: new Date(change).toISOString(), closed_reason: 'abuse' });
        if (second.has(rec.account)) rec['created'] = new Date(change - 3_600_000).toISOString();
      }
    });
    expect(r.honest).toEqual([]);
    // Whether it is named depends on whether it keeps a week; that the two are one does not.
    const whole = [...r.d.campaigns, ...r.d.undecided].filter((c) => c.accounts.some((a) => r.mine.has(a.account)));
    expect(whole).toHaveLength(1);
    expect((whole[0]?.accounts.length ?? 0) / r.planted).toBeGreaterThanOrEqual(0.9);
    expect(whole[0]?.confidence).toBeGreaterThan(0.7);
    expect(whole[0]?.evidence.find((e) => e.signal === 'succession')?.bits).toBeGreaterThan(3);
  });
});

describe('framing of mixed accounts', () => {
  it('resellers that carry a campaign are named with its share; honest accounts with its sentence in a part of their own work are not', async () => {
    let framed: string[] = [];
    const r = await judged({ seed: 76, accounts: 420, days: 14, kind: 'reseller15', size: 30 }, (w) => {
      const line = sentenceOf(w);
      expect(line.length).toBeGreaterThan(20);
      framed = [...w.truth.values()]
        .filter((t) => ['builder', 'developer', 'casual', 'company'].includes(t.class))
        .slice(0, 20)
        .map((t) => t.account);
      const set = new Set(framed);
      let i = 0;
      for (const e of w.exchanges) {
        const m = e.messages.at(-1);
        if (set.has(e.account) && m && i++ % 7 === 0) m.content = `${line}\n${m.content}`;
      }
    });
    expect(framed.length).toBe(20);
    // Carriers of the sentence cost it its weight: named or undecided.
    expect(r.held / r.planted).toBeGreaterThanOrEqual(0.7);
    expect(framed.filter((a) => r.named.has(a))).toEqual([]);
    expect(r.honest).toEqual([]);
    for (const m of r.d.campaigns.flatMap((c) => c.accounts)) {
      expect(m.share).toBeGreaterThan(0.05);
      expect(m.share).toBeLessThan(0.2);
    }
  });
});
