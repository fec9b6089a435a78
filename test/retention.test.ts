import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { indicatorsOf } from '../src/gateway/indicators.ts';
import type { Dossier } from '../src/model/dossier.ts';
import { cutOf, quotesOf } from '../src/serve/desk.ts';
import { openStore } from '../src/store/open.ts';
import { erase, expire } from '../src/store/personal.ts';
import { accountRows } from '../src/store/queries/accounts.ts';
import { sharedColumns, VALUE_SQL } from '../src/store/queries/values.ts';
import { makeWorld, type WorldSummary } from '../src/world/make.ts';
import { file, jsonl, record, SECRET, scanned, temp, withStore } from './support/tools.ts';

let world: WorldSummary;
beforeAll(async () => {
  world = await makeWorld({ out: temp(), seed: 33, accounts: 200, days: 6, campaigns: [{ kind: 'sharded', accounts: 30 }] });
});

const named = (d: Dossier): string[] => d.campaigns.flatMap((c) => c.accounts.map((a) => a.account)).sort();
const shown = (d: Dossier): (string | undefined)[] => d.campaigns.flatMap((c) => c.evidence.flatMap((e) => e.exemplars.map((x) => x.text)));

describe('the same store twice', () => {
  it('gives the same dossier, whatever order the engine reads in', async () => {
    const at = join(temp(), 'store');
    const o = { accounts: world.files.accounts, record: false };
    const one = await withStore((s) => scanned(s, world.files.exchanges, o), at);
    for (let i = 0; i < 2; i++) {
      const again = await withStore((s) => scanned(s, world.files.exchanges, o), at);
      expect({ ...again, coverage: null, timing: null, generated: '' }).toEqual({ ...one, coverage: null, timing: null, generated: '' });
    }
    expect(one.campaigns).toHaveLength(1);
  });
});

describe('keyed identifiers', () => {
  it('find the same accounts, and no address, key, card or mail address is in the store', async () => {
    const at = join(temp(), 'store');
    const plain = await withStore((s) => scanned(s, world.files.exchanges, { accounts: world.files.accounts }));
    const keyed = await withStore((s) => scanned(s, world.files.exchanges, { accounts: world.files.accounts, keyed: true }), at);
    expect(named(keyed)).toEqual(named(plain));
    expect(named(keyed)).toHaveLength(30);
    const first = JSON.parse(readFileSync(world.files.exchanges, 'utf8').split('\n')[0] as string) as Record<string, string>;
    const card = /card-[0-9a-f]{12}/.exec(readFileSync(world.files.accounts, 'utf8'))?.[0] as string;
    const store = await openStore({ at, secret: SECRET });
    try {
      const seen = await store.rows<{ ip: string; api_key: string }>('SELECT DISTINCT ip, api_key FROM exchanges');
      expect(seen.some((r) => r.ip === first['ip'] || r.api_key === first['api_key'])).toBe(false);
      expect(seen.every((r) => /^k[0-9A-F]{16}\.0\.0\.[0-9A-F]{16}$/.test(r.ip) && /^[0-9A-F]{16}$/.test(r.api_key))).toBe(true);
      expect((await store.first<{ n: string }>('SELECT count() AS n FROM accounts WHERE payment = {c:String}', { c: card }))?.n).toBe('0');
    } finally {
      await store.close();
    }
    // Columns are compressed on disk, so this alone would prove little; it guards the README, the logs and the status file.
    const hits = execFileSync('sh', ['-c', `grep -rlaF ${JSON.stringify(first['ip'])} ${JSON.stringify(at)} | wc -l`], {
      encoding: 'utf8',
    });
    expect(hits.trim()).toBe('0');
  });

  it('of a request are what the store holds: a gateway knows a campaign by them too', async () => {
    const ips = [
      '203.0.113.7',
      '198.51.100.250',
      '10.0.0.1',
      '1.2.3.4',
      '2001:db8:7:9::1',
      '::1',
      'fe80::1',
      '2001:0db8:85a3:0000:0000:8a2e:0370:7334',
      '::ffff:192.0.2.128',
      '0:0:0:0:0:ffff:203.0.113.255',
      '::FFFF:c000:0280',
      '203.0.113.7:50123',
      '[2001:db8::7]:443',
      'fe80::1%eth0',
      '2001:0:0:1::9',
      '1:0:0:2:3:0:0:4',
      'no:address',
      'a.name',
    ];
    const path = file('keyed.jsonl', jsonl(ips.map((ip, i) => record({ id: `k${i}`, account: `a${i}`, ip }))));
    await withStore(async (s) => {
      await scanned(s, path, { keyed: true });
      const held = await s.rows<{ i: string; ip: string; network: string }>(
        `SELECT account AS i, ip, ${VALUE_SQL.network} AS network FROM exchanges ORDER BY toUInt32(substring(account, 2))`,
      );
      const { k0, k1 } = s.secret;
      expect(held).toHaveLength(ips.length);
      // Of addresses that many hosts have nothing is held, and none is an indicator.
      const none = ['10.0.0.1', '::1', 'fe80::1', 'fe80::1%eth0'];
      for (const [i, r] of held.entries())
        if (none.includes(ips[i] as string))
          expect([r.ip, indicatorsOf(ips[i] as string, 'ua', '', { k0, k1 })]).toEqual(['', ['client\0ua ']]);
        else
          expect(indicatorsOf(ips[i] as string, 'ua', '', { k0, k1 })).toEqual([
            `address\0${r.ip}`,
            `network\0${r.network}`,
            'client\0ua ',
          ]);
      // In a store of plain ones they stand as they are.
      expect(indicatorsOf('203.0.113.7', 'ua', '', null)[0]).toBe('address\x00203.0.113.7');
    });
  });

  it('are told from one another however a log writes them', async () => {
    const written: Record<string, readonly [string, string]> = {
      '203.0.113.7': ['203.0.113.7', '203.0.113.0/24'],
      '203.0.113.7:50123': ['203.0.113.7', '203.0.113.0/24'],
      '203.0.113.7, 10.0.0.1': ['203.0.113.7', '203.0.113.0/24'],
      '::ffff:203.0.113.7': ['203.0.113.7', '203.0.113.0/24'],
      '::FFFF:cb00:7107': ['203.0.113.7', '203.0.113.0/24'],
      '2001:db8::1': ['2001:db8::1', '2001:db8::/64'],
      '2001:db8::2': ['2001:db8::2', '2001:db8::/64'],
      '2001:0DB8:0:0:0:0:0:1': ['2001:db8::1', '2001:db8::/64'],
      '[2001:db8:0:1::1]:443': ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
      'fe80::1%eth0': ['fe80::1', 'fe80::/64'],
      ' 203.0.113.7': ['203.0.113.7', '203.0.113.0/24'],
      'unknown, 203.0.113.7': ['203.0.113.7', '203.0.113.0/24'],
      '192.168.1.4, 203.0.113.7': ['203.0.113.7', '203.0.113.0/24'],
      '192.168.1.4, 10.0.0.1': ['192.168.1.4', '192.168.1.0/24'],
      'sha:0f3c': ['sha:0f3c', 'sha:0f3c::/64'],
    };
    const ips = Object.keys(written);
    const path = file('addresses.jsonl', jsonl(ips.map((ip, i) => record({ id: `k${i}`, account: `a${i}`, ip }))));
    await withStore(async (s) => {
      await scanned(s, path);
      const held = await s.rows<{ ip: string; network: string }>(
        `SELECT ip, ${VALUE_SQL.network} AS network FROM exchanges ORDER BY toUInt32(substring(account, 2))`,
      );
      expect(Object.fromEntries(held.map((r, i) => [ips[i], [r.ip, r.network]]))).toEqual(written);
      for (const [ip, [address, network]] of Object.entries(written).filter(([ip]) => !/[, %]/.test(ip)))
        expect(indicatorsOf(ip, 'ua', '', null).slice(0, 2)).toEqual([`address\0${address}`, `network\0${network}`]);
    });
  });

  it('that many hosts have tie nobody: homes and forwarders hold the same', async () => {
    const path = file(
      'homes.jsonl',
      jsonl(Array.from({ length: 8 }, (_, i) => record({ id: `k${i}`, account: `a${i}`, ip: i < 4 ? '192.168.1.7' : '203.0.113.7' }))),
    );
    await withStore(async (s) => {
      await scanned(s, path);
      const rows = await accountRows(s, null);
      const shared = await sharedColumns(s, new Map(rows.map((r, i) => [r.acct, i])), null);
      expect(
        shared
          .filter((v) => v.kind === 'address' || v.kind === 'network')
          .map((v) => v.value)
          .sort(),
      ).toEqual(['203.0.113.0/24', '203.0.113.7']);
    });
  });

  it('and plain ones never meet in one store', async () => {
    await withStore(async (s) => {
      await scanned(s, world.files.exchanges, { keyed: true });
      await expect(scanned(s, world.files.exchanges, { keyed: false })).rejects.toMatchObject({ code: 'E_IDENTIFIERS' });
      // Not said, the store's own way is taken.
      await expect(scanned(s, world.files.exchanges)).resolves.toMatchObject({ schema: 'stillwatch.dossier/1' });
    });
  });
});

describe('retention', () => {
  it('all keeps texts for their days: a later scan without the files still shows exemplars, and when their time is up no longer', async () => {
    await withStore(async (s) => {
      await scanned(s, world.files.exchanges, { retention: 'all', keepDays: 30, accounts: world.files.accounts });
      const kept = async () => Number((await s.first<{ n: string }>('SELECT count() AS n FROM texts'))?.n);
      expect(await kept()).toBe(world.exchanges);
      const later = await scanned(s, world.files.exchanges, { inputs: [] });
      expect(shown(later).filter((x) => x !== undefined).length).toBeGreaterThan(0);
      await s.command('ALTER TABLE texts UPDATE days = 0 WHERE 1 SETTINGS mutations_sync = 1');
      // What was cited has a time of its own.
      const cited = await scanned(s, world.files.exchanges, { inputs: [] });
      expect(shown(cited).filter((x) => x !== undefined).length).toBeGreaterThan(0);
      await expire(s, { exemplars: 0, texts: 0 }, []);
      const expired = await scanned(s, world.files.exchanges, { inputs: [] });
      expect(shown(expired).every((x) => x === undefined)).toBe(true);
      await s.command('OPTIMIZE TABLE texts FINAL');
      expect(await kept()).toBe(0);
    });
  });

  it('evidence keeps no text of exchanges in the store, all only when asked', async () => {
    await withStore(async (s) => {
      await scanned(s, world.files.exchanges, { retention: 'evidence' });
      expect((await s.first<{ n: string }>('SELECT count() AS n FROM texts'))?.n).toBe('0');
    });
  });

  it('tells what the sentence members share says, keeps it apart from the dossier, and lets it go with its time or its account', async () => {
    const at = join(temp(), 'store');
    const d = await withStore((s) => scanned(s, world.files.exchanges, { accounts: world.files.accounts }), at);
    const said = d.campaigns[0]?.indicators.filter((i) => i.kind === 'scaffold' && i.text !== undefined) ?? [];
    expect(said.length).toBeGreaterThan(0);
    // Members say it, word for word but for case and digits.
    const text = said[0]?.text as string;
    const members = new Set(named(d));
    const says = readFileSync(world.files.exchanges, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((l) => JSON.parse(l) as { account: string; messages: unknown; system?: string })
      .filter((x) => members.has(x.account) && JSON.stringify([x.messages, x.system]).toLowerCase().replace(/\d/g, '0').includes(text));
    expect(new Set(says.map((x) => x.account)).size).toBe(said[0]?.accounts);
    await withStore(async (s) => {
      const body = async () => (await s.first<{ body: string }>('SELECT body FROM dossiers'))?.body ?? '';
      const kept = async (table: string) => Number((await s.first<{ n: string }>(`SELECT count() AS n FROM ${table} FINAL`))?.n);
      expect(await body()).not.toContain('"text":');
      const q = await quotesOf(s, d.campaigns[0]?.id ?? '', d.generated);
      expect(q.sentences[said[0]?.value ?? '']).toBe(text);
      expect(q.texts.length).toBeGreaterThan(0);
      // A dossier of a version that kept texts in it loses them too.
      await s.command(`ALTER TABLE dossiers DELETE WHERE 1 SETTINGS mutations_sync = 1`);
      await s.insert('dossiers', [{ id: d.generated, at: d.generated, body: JSON.stringify(d) }]);
      expect(await body()).toContain('"text":');
      const [owner] = await s.rows<{ account: string }>('SELECT account FROM sentences FINAL LIMIT 1');
      const before = await kept('sentences');
      await erase(s, owner?.account ?? '');
      expect(await kept('sentences')).toBeLessThan(before);
      await expire(s, { exemplars: 1, texts: 5 }, []);
      expect([await kept('sentences'), await kept('exemplars')]).toEqual([0, 0]);
      expect(await body()).not.toContain('"text":');
      expect(await body()).toContain(d.campaigns[0]?.id);
    }, at);
    const none = await withStore((s) => scanned(s, world.files.exchanges, { accounts: world.files.accounts, retention: 'none' }));
    expect(none.campaigns.flatMap((c) => c.indicators).every((i) => i.text === undefined)).toBe(true);
  });

  it('every row of concealment rests on exchanges that can be looked up', async () => {
    const d = await withStore((s) => scanned(s, world.files.exchanges, { accounts: world.files.accounts, record: false }));
    const members = new Set(named(d));
    const rows = d.campaigns[0]?.evidence.filter((e) => e.axis === 'concealment' && e.signal !== 'prior') ?? [];
    expect(rows).toHaveLength(3);
    for (const e of rows) for (const x of e.exemplars) expect(members.has(x.account)).toBe(true);
    expect(rows.find((e) => e.signal === 'held-apart')?.exemplars.length).toBeGreaterThan(0);
    expect(rows.find((e) => e.signal === 'signup-burst')?.exemplars.length).toBeGreaterThan(0);
    // One member, one day, several addresses.
    const rotated = rows.find((e) => e.signal === 'address-rotation')?.exemplars ?? [];
    expect(new Set(rotated.map((x) => `${x.account} ${x.time.slice(0, 10)}`)).size).toBeLessThanOrEqual(1);
    expect(rotated.length).not.toBe(1);
  });

  it('exemplars come from Parquet files as well', async () => {
    await withStore(async (s) => {
      const path = join(temp(), 'log.parquet');
      await s.command(
        `INSERT INTO FUNCTION file('${path}', 'Parquet') SELECT id, time, account, model, messages, system, ip, user_agent, ja4, api_key, conversation, turn, output_tokens FROM file('${world.files.exchanges}', 'JSONEachRow', 'id String, time String, account String, model String, messages String, system String, ip String, user_agent String, ja4 String, api_key String, conversation String, turn UInt32, output_tokens UInt32')`,
      );
      const d = await scanned(s, path, { accounts: world.files.accounts });
      expect(d.campaigns).toHaveLength(1);
      expect(shown(d).filter((x) => x !== undefined && x.length > 10).length).toBeGreaterThan(0);
    });
  });
});

describe('a case that a person cut', () => {
  it('counts of mixed accounts the campaign part, as the dossier it came from does', async () => {
    const log = jsonl(
      Array.from({ length: 40 }, (_, i) => record({ id: `x${i}`, account: i < 20 ? 'mixed' : 'whole', output_tokens: 100, model: 'm' })),
    );
    const cut = await withStore(async (s) => {
      await scanned(s, file('log.jsonl', log), { record: false });
      const members = [
        { account: 'mixed', exchanges: 20, share: 0.2 },
        { account: 'whole', exchanges: 20, share: 1 },
      ];
      return cutOf(s, members, []);
    });
    expect(cut.loot).toMatchObject({ exchanges: 24, output_tokens: 2400 });
    expect(cut.models).toEqual({ m: 24 });
    expect(cut.timeline.reduce((x, d) => x + d.exchanges, 0)).toBe(24);
  });
});
