import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dossier } from '../src/model/dossier.ts';
import type { Rung } from '../src/world/campaigns.ts';
import { makeWorld } from '../src/world/make.ts';
import { scanned, temp, withStore } from './support/tools.ts';

interface Exchange {
  account: string;
  time: string;
  messages: { role: string; content: string }[];
  system?: string;
  api_key?: string;
}
interface Truth {
  readonly account: string;
  readonly class: string;
  readonly campaign: string | null;
}
type Rec = Record<string, unknown> & { account: string };

const lines = <T>(path: string): T[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as T);
const write = (path: string, rows: readonly unknown[]): string => {
  writeFileSync(path, `${rows.map((r) => JSON.stringify(r)).join('\n')}\n`);
  return path;
};

/** A world, changed by hand, scanned: who was named, and who they are. */
async function judged(
  o: { seed: number; accounts: number; days?: number; kind: Rung; size: number },
  change: (w: { exchanges: Exchange[]; records: Rec[]; truth: Map<string, Truth> }) => void = () => undefined,
): Promise<{ d: Dossier; planted: number; found: number; held: number; honest: string[]; named: Set<string>; mine: Set<string> }> {
  const out = temp();
  const world = await makeWorld({
    out,
    seed: o.seed,
    accounts: o.accounts,
    days: o.days ?? 10,
    campaigns: [{ kind: o.kind, accounts: o.size }],
  });
  const truth = new Map(lines<Truth>(world.files.truth).map((t) => [t.account, t]));
  const w = { exchanges: lines<Exchange>(world.files.exchanges), records: lines<Rec>(world.files.accounts), truth };
  change(w);
  const exchanges = write(join(out, 'e.jsonl'), w.exchanges);
  const accounts = write(join(out, 'a.jsonl'), w.records);
  const d = await withStore((s) => scanned(s, exchanges, { accounts, retention: 'none' }));
  const named = new Set(d.campaigns.flatMap((c) => c.accounts.map((a) => a.account)));
  const mine = [...truth.values()].filter((t) => t.campaign !== null).map((t) => t.account);
  const open = new Set(d.undecided.flatMap((u) => u.accounts.map((a) => a.account)));
  return {
    d,
    named,
    mine: new Set(mine),
    held: mine.filter((a) => named.has(a) || open.has(a)).length,
    planted: mine.length,
    found: mine.filter((a) => named.has(a)).length,
    honest: [...named].filter((a) => (truth.get(a)?.campaign ?? null) === null).map((a) => `${a} ${truth.get(a)?.class}`),
  };
}

/** Requests of a campaign's members hold one line that stands in nearly all of them. */
function sentenceOf(w: { exchanges: Exchange[]; truth: Map<string, Truth> }): string {
  const seen = new Map<string, number>();
  for (const e of w.exchanges) {
    if ((w.truth.get(e.account)?.campaign ?? null) === null) continue;
    for (const l of `${e.system ?? ''}\n${e.messages.at(-1)?.content ?? ''}`.split('\n'))
      if (l.length > 20) seen.set(l, (seen.get(l) ?? 0) + 1);
  }
  return [...seen].sort((x, y) => y[1] - x[1])[0]?.[0] ?? '';
}

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
    const beside = r.d.campaigns.flatMap((c) => c.beside ?? []).map((b) => b.account);
    expect(beside.filter((a) => owners.has(a)).length).toBeGreaterThanOrEqual(5);
    expect(beside.filter((a) => r.mine.has(a))).toEqual([]);
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

describe('where it hurts', () => {
  it('a campaign that is 45 % of all accounts is found, and nobody else', async () => {
    const r = await judged({ seed: 72, accounts: 150, kind: 'sharded', size: 120 });
    expect(r.found / r.planted).toBeGreaterThanOrEqual(0.95);
    expect(r.honest).toEqual([]);
  });

  it('in a store of some 500 accounts a campaign of 40 is found, and nobody else', async () => {
    const r = await judged({ seed: 73, accounts: 460, kind: 'sharded', size: 40 });
    expect(r.found / r.planted).toBeGreaterThanOrEqual(0.95);
    expect(r.honest).toEqual([]);
  });

  it('a campaign whose accounts are all aged and verified, and so among the references, is found, and nobody else', async () => {
    const r = await judged({ seed: 74, accounts: 420, kind: 'sharded', size: 60 }, (w) => {
      for (const rec of w.records) {
        if ((w.truth.get(rec.account)?.campaign ?? null) === null) continue;
        rec['created'] = '2024-01-01T00:00:00Z';
        rec['verification'] = 'id';
      }
    });
    expect(r.found / r.planted).toBeGreaterThanOrEqual(0.95);
    expect(r.honest).toEqual([]);
  });

  it('a campaign that is most of the accounts with enough to compare is one question, and nobody else is in it', async () => {
    const r = await judged({ seed: 76, accounts: 500, kind: 'paraphrase', size: 60 }, (w) => {
      const seen = new Map<string, number>();
      const kept = w.exchanges.filter((e) => {
        const n = (seen.get(e.account) ?? 0) + 1;
        seen.set(e.account, n);
        return n <= ((w.truth.get(e.account)?.campaign ?? null) === null ? 8 : 30);
      });
      w.exchanges.length = 0;
      for (const e of kept) w.exchanges.push(e);
      w.records.splice(1);
    });
    const open = [...r.d.campaigns, ...r.d.undecided].filter((f) => f.accounts.some((a) => r.mine.has(a.account)));
    expect(r.honest).toEqual([]);
    expect(open).toHaveLength(1);
    expect(open[0]?.accounts.filter((a) => !r.mine.has(a.account))).toEqual([]);
    expect(open[0]?.accounts.length).toBeGreaterThanOrEqual(0.8 * r.planted);
  });

  it('honest accounts alone, with no account records, end in no campaign', async () => {
    const r = await judged({ seed: 75, accounts: 400, kind: 'single', size: 1 }, (w) => {
      w.records.splice(1);
    });
    expect(r.honest).toEqual([]);
    expect(r.d.campaigns).toHaveLength(0);
  });
});

describe('same deck is not same hand', () => {
  it('with no tie but a common source, many who know no week are named; as many as a ward has are not, and none who rest on two days', async () => {
    const ward = await judged({ seed: 8231, accounts: 600, days: 15, kind: 'slow', size: 40 });
    expect(ward.d.campaigns).toEqual([]);
    expect(ward.held).toBe(40);
    const world = { seed: 8231, accounts: 600, days: 15, kind: 'slow' as const, size: 60 };
    const never = await judged(world);
    expect(never.honest).toEqual([]);
    expect(never.found).toBe(60);
    const rests = await judged(world, (w) => {
      // Two days in a row, whichever: nobody's week counts more than another's.
      const off = (time: string): boolean => [2, 3].includes(new Date(time).getUTCDay());
      w.exchanges = w.exchanges.filter((e) => (w.truth.get(e.account)?.campaign ?? null) === null || !off(e.time));
    });
    expect(rests.d.campaigns).toEqual([]);
    expect(rests.held).toBeGreaterThanOrEqual(58);
    expect(rests.d.undecided.find((u) => u.accounts.length >= 30)?.missing[0]).toMatch(/they rest: .*two, because they rest/);
  });

  it('what comes back within a day is a public feed, which any number of people may have a bot read; what comes back at any time is none', async () => {
    const world = { seed: 8231, accounts: 600, days: 15, kind: 'slow' as const, size: 60 };
    const again = (spread: boolean) =>
      judged(world, (w) => {
        const mine = w.exchanges
          .filter((e) => (w.truth.get(e.account)?.campaign ?? null) !== null)
          .sort((a, b) => (a.time < b.time ? -1 : 1));
        // One item in six is what another member asks a few requests later, or half of the time later.
        for (let i = 0; i + 3 < mine.length; i += 6) {
          const to = mine[spread ? (i + (mine.length >> 1)) % mine.length : i + 3];
          const from = mine[i] as Exchange;
          if (to && to.account !== from.account) to.messages = structuredClone(from.messages);
        }
      });
    const feed = await again(false);
    expect(feed.d.campaigns).toEqual([]);
    expect(feed.held).toBeGreaterThanOrEqual(58);
    expect(feed.d.undecided.find((u) => u.accounts.length >= 58)?.missing[0]).toMatch(/come back in another member, .* within a day/);
    const pool = await again(true);
    expect(pool.found).toBe(60);
    expect(pool.honest).toEqual([]);
  });

  it('freelancers who take tasks from one queue, with one brief and an even pace, are undecided and not named', async () => {
    const out = temp();
    const w = await makeWorld({ out, seed: 51, accounts: 600, days: 14, campaigns: [] });
    const cls = new Map(lines<Truth>(w.files.truth).map((t) => [t.account, t.class]));
    const d = await withStore((s) => scanned(s, w.files.exchanges, { accounts: w.files.accounts, retention: 'none' }));
    expect(d.campaigns).toEqual([]);
    const held = d.undecided.find((u) => u.accounts.every((a) => cls.get(a.account) === 'queue'));
    expect(held?.accounts).toHaveLength(25);
    // But for that they would be named: the rest of the ledger speaks for it.
    expect(held?.confidence).toBeGreaterThan(0.5);
    expect(held?.missing[0]).toContain('one queue');
  });
});
