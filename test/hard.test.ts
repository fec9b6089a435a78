import { describe, expect, it } from 'vitest';
import { makeWorld } from '../src/world/make.ts';
import { type Exchange, judged, lines, type Truth } from './support/judged.ts';
import { scanned, temp, withStore } from './support/tools.ts';

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

describe('a pool of accounts that takes over from one that was closed', () => {
  it('belongs to it, though each of its accounts has an address of its own', async () => {
    const moved = Date.parse('2026-05-09T00:37:00Z');
    const r = await judged({ seed: 78, accounts: 300, kind: 'sharded', size: 60 }, (w) => {
      const mine = [...w.truth.values()].filter((x) => x.campaign !== null).map((x) => x.account);
      const [first, second] = [mine.slice(0, 30), mine.slice(30)];
      const place = new Map(mine.map((a, i) => [a, i % 30]));
      const late = (i: number): number => moved + 100_000 * i;
      const kept = w.exchanges.flatMap((e): Exchange[] => {
        const i = place.get(e.account);
        if (i === undefined) return [e];
        const at = Date.parse(e.time);
        if (at < moved) return [{ ...e, account: first[i] as string }];
        return at < late(i) ? [] : [{ ...e, account: second[i] as string, api_key: `key-${i}`, ip: `2001:db8:ffff:${i.toString(16)}::1` }];
      });
      w.exchanges.splice(0, w.exchanges.length);
      for (const e of kept) w.exchanges.push(e);
      for (const rec of w.records) {
        const i = place.get(rec.account);
        if (i === undefined) continue;
        delete rec['closed'];
        delete rec['closed_reason'];
        for (const k of ['payment', 'email', 'phone', 'email_domain']) delete rec[k];
        if (first.includes(rec.account))
          Object.assign(rec, {
            created: '2026-05-01T00:00:00Z',
            closed: new Date(moved + i * 1000).toISOString(),
            closed_reason: 'banned',
          });
        else rec['created'] = new Date(late(i) - 60_000).toISOString();
      }
    });
    expect(r.honest).toEqual([]);
    expect(r.d.campaigns).toHaveLength(1);
    expect(r.found).toBeGreaterThanOrEqual(0.85 * r.planted);
    expect(r.d.campaigns[0]?.summary).toContain('take over');
  });
});

describe('a log without text', () => {
  it('is held against null cohorts of its own, names nobody, and asks about groups that ties hold', async () => {
    const r = await judged({ seed: 79, accounts: 300, kind: 'pools', size: 60 }, (w) => {
      for (const e of w.exchanges as unknown as Record<string, unknown>[]) {
        e['messages'] = [];
        delete e['system'];
        e['content_state'] = 'absent';
      }
    });
    expect(r.d.tested.null_cohorts).toBeGreaterThan(10);
    expect(r.d.campaigns).toEqual([]);
    const asked = new Set(r.d.undecided.flatMap((f) => f.accounts.map((a) => a.account)));
    expect([...r.mine].filter((a) => asked.has(a)).length).toBeGreaterThanOrEqual(0.5 * r.planted);
    // Whoever is asked about beside them shares cards or addresses as well.
    expect([...asked].filter((a) => !r.mine.has(a)).length).toBeLessThan(0.1 * 300);
    expect(r.d.undecided[0]?.missing?.join(' ')).toContain('nobody can tell what they take');
    expect(r.d.coverage.not_applicable.find((n) => n.signal === 'deck')?.because).toContain('no text');
  });
});

describe('a log that keeps the text of some accounts only', () => {
  it('shows what ties a campaign all the same, tells how many more share it, and names nobody else', async () => {
    const r = await judged({ seed: 78, accounts: 400, kind: 'residential', size: 80 }, (w) => {
      const accounts = [...w.truth.keys()].sort();
      const silent = new Set(accounts.filter((_, i) => i % 2 === 0));
      for (const e of w.exchanges)
        if (silent.has(e.account)) {
          const row = e as unknown as Record<string, unknown>;
          for (const k of ['messages', 'system', 'tools', 'response']) delete row[k];
        }
    });
    expect(r.honest).toEqual([]);
    const [found] = r.d.campaigns;
    expect(found?.accounts.length).toBeGreaterThan(20);
    const bits = (id: string): number => found?.evidence.find((e) => e.signal === id && e.axis === 'coordination')?.bits ?? 0;
    expect(bits('identity') + bits('network')).toBeGreaterThan(3);
    expect(found?.summary).toMatch(/\d+ more accounts, of which the log has no text, show a\w? [\w ]+ that is mostly theirs/);
    expect(r.d.coverage.not_applicable.find((n) => n.signal === 'content')?.because).toMatch(/no text of \d+ of \d+ accounts/);
  });
});

describe('several pools, one hand', () => {
  it('groups of workers with a pool each, whom cards and a panel of addresses tie across, are one campaign, and nobody who passed through either', async () => {
    const passing = new Set<string>();
    const r = await judged({ seed: 77, accounts: 400, kind: 'pools', size: 60 }, (w) => {
      const own = w.exchanges.filter((e) => (w.truth.get(e.account)?.campaign ?? null) !== null);
      const cards = w.records.flatMap((x) => ((w.truth.get(x.account)?.campaign ?? null) === null ? [] : [x['payment']]));
      // Honest people who once met an address of the panel, and two whose card was bought where the operator bought its own.
      for (const e of w.exchanges) {
        if (w.truth.get(e.account)?.class !== 'builder' || passing.size >= 12 || passing.has(e.account)) continue;
        passing.add(e.account);
        e.ip = own[passing.size * 97]?.ip ?? '';
      }
      for (const x of w.records)
        if (passing.has(x.account) && passing.size > 0) x['payment'] = [...passing].indexOf(x.account) < 2 ? cards[0] : x['payment'];
    });
    expect(r.honest).toEqual([]);
    expect(r.found / r.planted).toBeGreaterThanOrEqual(0.95);
    expect(r.d.campaigns).toHaveLength(1);
    expect(r.d.campaigns[0]?.summary).toMatch(
      /^60 accounts dealt among themselves what looks like \d pools, of [\d,]+ items in all, each for a group of them/,
    );
    const tie = (id: string) => r.d.campaigns[0]?.evidence.find((e) => e.signal === id);
    expect(tie('network')?.bits).toBeGreaterThan(2);
    expect(tie('identity')?.bits).toBeGreaterThan(2);
    expect(passing.size).toBe(12);
  });

  it('of which nobody is who has none of what ties them, though content alone had put them with one of the groups', async () => {
    // A world in which 21 evaluation harnesses stand beside thirty workers on their kind of task.
    const r = await judged({ seed: 11389, accounts: 800, days: 12, kind: 'pools', size: 60 });
    expect(r.honest).toEqual([]);
    expect(r.found).toBe(r.planted);
  });

  it('by day they may be the teams of one firm, each on a queue of its own: one question, and nobody is named', async () => {
    const r = await judged({ seed: 77, accounts: 400, kind: 'pools', size: 60 }, (w) => {
      // From eight to eight, in the order in which they came.
      for (const e of w.exchanges) {
        if ((w.truth.get(e.account)?.campaign ?? null) === null) continue;
        const [day, clock] = e.time.split('T') as [string, string];
        const ms = Date.parse(`1970-01-01T${clock}`);
        e.time = new Date(Date.parse(`${day}T08:00:00Z`) + ms / 2).toISOString();
      }
    });
    expect(r.d.campaigns).toEqual([]);
    const open = r.d.undecided.filter((f) => f.accounts.some((a) => r.mine.has(a.account)));
    expect(open).toHaveLength(1);
    expect(open[0]?.accounts.length).toBeGreaterThanOrEqual(54);
    expect(open[0]?.missing.join(' ')).toMatch(/teams: they draw on \d pools/);
  });

  it('without a tie across them they stay questions, each of its own', async () => {
    const r = await judged({ seed: 77, accounts: 400, kind: 'pools', size: 60 }, (w) => {
      for (const x of w.records) if ((w.truth.get(x.account)?.campaign ?? null) !== null) x['payment'] = `own-${x.account}`;
      const homes = new Map<string, string>();
      for (const e of w.exchanges) {
        if ((w.truth.get(e.account)?.campaign ?? null) === null) continue;
        const home = homes.get(e.account) ?? `11.7.${homes.size}.9`;
        homes.set(e.account, home);
        e.ip = home;
      }
    });
    const open = r.d.undecided.filter((f) => f.accounts.some((a) => r.mine.has(a.account)));
    expect(r.honest).toEqual([]);
    expect(Math.max(...r.d.campaigns.concat(open as never[]).map((f) => f.accounts.length))).toBeLessThan(45);
  });
});

describe('same deck is not same hand', () => {
  it('with no tie but a common source, many who know no week are named; as many as a ward has are not, and none who rest on two days', async () => {
    const ward = await judged({ seed: 8231, accounts: 350, days: 15, kind: 'slow', size: 40 });
    expect(ward.d.campaigns).toEqual([]);
    expect(ward.held).toBe(40);
    const world = { seed: 8231, accounts: 350, days: 15, kind: 'slow' as const, size: 60 };
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
    const world = { seed: 8231, accounts: 350, days: 15, kind: 'slow' as const, size: 60 };
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
