import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountFile, rejects } from '../src/cli/look.ts';
import { openStore } from '../src/store/open.ts';
import { erase, lift } from '../src/store/personal.ts';
import { firsts, samples, taken, timelines } from '../src/store/queries/cohorts.ts';
import type { Store } from '../src/store/store.ts';
import { makeWorld, type WorldSummary } from '../src/world/make.ts';
import { canServe, type Server, startServer } from './support/server.ts';
import { file, jsonl, record, SECRET, scanned, take, temp, withStore } from './support/tools.ts';

let world: WorldSummary;
const servers: Server[] = [];

beforeAll(async () => {
  world = await makeWorld({ out: temp(), seed: 5, accounts: 260, days: 8, campaigns: [{ kind: 'sharded', accounts: 30 }] });
  if (canServe()) for (let i = 0; i < 3; i++) servers.push(await startServer());
  await withStore(async (store) => {
    for (const codec of ['lz4', 'snappy', 'zstd', 'brotli']) {
      const path = join(temp(), `${codec}.parquet`);
      await store.command(
        `INSERT INTO FUNCTION file('${path}', 'Parquet') SELECT concat('${codec}', toString(number)) AS id, '2026-05-04T10:00:00Z' AS time, 'a' AS account, 'm' AS model, '[{"role":"user","content":"Name five rivers of the north"}]' AS messages FROM numbers(9) SETTINGS output_format_parquet_compression_method = '${codec}'`,
      );
      packed.push([codec, path]);
    }
  });
});

afterAll(async () => {
  for (const s of servers) await s.stop();
});

const url = (s: Server | undefined): string => `http://default@127.0.0.1:${s?.http}/stillwatch?tcp=${s?.tcp}`;

/** The same tests on each kind of store: one dialect, three engines. */
const ENGINES: readonly { name: string; at: () => string; served: boolean }[] = [
  { name: 'embedded', at: () => join(temp(), 'store'), served: false },
  { name: 'a server', at: () => url(servers[0]), served: true },
  { name: 'two shards', at: () => `${url(servers[1])},${url(servers[2])}`, served: true },
];

const results = new Map<string, unknown>();

/** Parquet as its writers compress it, made by the engine. */
const packed: (readonly [string, string])[] = [];

/** A batch of spans as one line of OTLP. */
function spans(...numbers: readonly number[]): object {
  const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  return {
    resourceSpans: [
      {
        scopeSpans: [
          {
            spans: numbers.map((n) => ({
              traceId: 't',
              spanId: `s${n}`,
              startTimeUnixNano: '1777885200000000000',
              attributes: [
                attribute('gen_ai.request.model', 'm'),
                attribute('user.id', 'u'),
                attribute('gen_ai.prompt', `Name the rivers of country ${n}`),
              ],
            })),
          },
        ],
      },
    ],
  };
}

/** A call that a framework traced around that of the client it uses, as OTLP: of each span its id, the one it lies in, and whose it is. */
const traced = (...list: readonly (readonly [id: string, outer: string, user: string, model?: string])[]): object => ({
  resourceSpans: [
    {
      scopeSpans: [
        {
          spans: list.map(([spanId, parentSpanId, user, model = 'm']) => ({
            traceId: 'n',
            spanId,
            parentSpanId,
            startTimeUnixNano: '1777885200000000000',
            attributes: [
              { key: 'gen_ai.request.model', value: { stringValue: model } },
              ...(user === '' ? [] : [{ key: 'user.id', value: { stringValue: user } }]),
            ],
          })),
        },
      ],
    },
  ],
});

/** Figures of cohorts that overlap, asked for at once, against the log itself. */
async function figures(store: Store, named: readonly string[]): Promise<void> {
  interface Line {
    readonly id: string;
    readonly account: string;
    readonly time: string;
    readonly model: string;
    readonly output_tokens?: number;
  }
  const log = readFileSync(world.files.exchanges, 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Line);
  const sets = [named.slice(0, 9), named.slice(5, 14), []];
  const hashes = new Map(
    (
      await store.rows<{ account: string; a: string }>(
        `SELECT account, leftPad(hex(any(acct)), 16, '0') AS a FROM ${store.all('exchanges')} AS e GROUP BY account`,
      )
    ).map((r) => [r.account, r.a]),
  );
  const of = (accounts: readonly string[]) => log.filter((l) => accounts.includes(l.account));
  const accts = sets.map((x) => x.map((a) => hashes.get(a) ?? ''));
  const half = accts.map((x, i) => (i === 1 ? { accts: x, shares: x.map(() => 0.5) } : { accts: x }));
  const days = await timelines(store, half, null);
  const sums = days.map((d) => d.reduce((n, x) => n + x.exchanges, 0));
  expect(sums[0]).toBe(of(sets[0] ?? []).length);
  // Half of each day, rounded by day.
  expect(Math.abs((sums[1] as number) - of(sets[1] ?? []).length / 2)).toBeLessThan(9);
  expect(days[2]).toEqual([]);
  const loot = await taken(store, half, null);
  expect(loot.map((x) => x.output)).toEqual(sets.map((x) => of(x).reduce((n, l) => n + (l.output_tokens ?? 0), 0)));
  expect(Object.keys(loot[1]?.models ?? {}).sort()).toEqual([...new Set(of(sets[1] ?? []).map((l) => l.model))].sort());
  const early = await firsts(store, 3, null, half);
  const first = (x: readonly string[]) =>
    x
      .map(
        (a) =>
          of([a])
            .map((l) => l.time)
            .sort()[0] as string,
      )
      .sort()
      .slice(0, 3)
      .map((t) => Date.parse(t));
  expect(early.map((list) => list.map((p) => p.time))).toEqual(sets.map(first));
  const some = await samples(store, 20, null, half, [[], [], []]);
  expect(some.map((x) => x.length)).toEqual([20, 20, 0]);
  for (const [i, list] of some.entries()) expect(list.filter((p) => !sets[i]?.includes(p.account))).toEqual([]);
  // Of a sentence that nobody sent there is nothing to show, beside a cohort that shows what it has.
  expect((await samples(store, 20, null, half, [['0123456789ABCDEF'], [], []])).map((x) => x.length)).toEqual([0, 20, 0]);
}

describe.each(ENGINES)('on $name', ({ name, at, served }) => {
  it.skipIf(served && !canServe())('finds the same campaign, adds nothing twice, keeps what it rejects', async () => {
    const store = await openStore({ at: at(), secret: SECRET });
    try {
      const first = await scanned(store, world.files.exchanges, { accounts: world.files.accounts });
      expect(first.coverage.exchanges).toBe(world.exchanges);
      expect(first.coverage.files[0]?.duplicates).toBe(0);
      expect(first.campaigns).toHaveLength(1);
      const planted = new Set(
        readFileSync(world.files.truth, 'utf8')
          .trim()
          .split('\n')
          .map((l) => JSON.parse(l) as { account: string; campaign: string | null })
          .filter((x) => x.campaign)
          .map((x) => x.account),
      );
      const named = first.campaigns[0]?.accounts.map((a) => a.account) ?? [];
      expect(named.filter((a) => !planted.has(a))).toEqual([]);
      expect(named.length).toBe(planted.size);
      const { evidence = [], timeline, loot, models, capabilities } = first.campaigns[0] ?? {};
      results.set(name, {
        accounts: [...named].sort(),
        bits: evidence.map((e) => [e.signal, e.bits]),
        exemplars: evidence.map((e) => [e.signal, e.exemplars]),
        shown: { timeline, loot, models, capabilities },
      });
      await figures(store, named);

      // The same records under another name, compressed: known by account and id, not by file.
      const again = await take(store, file('copy.jsonl', gzipSync(readFileSync(world.files.exchanges))));
      expect(again).toMatchObject({ accepted: 0, rejected: 0, duplicates: world.exchanges });
      const odd = await take(
        store,
        file('odd.jsonl', jsonl([record({ id: 'new' }), '{"id":"broken', record({ id: 'late', time: 'soon' })])),
      );
      expect(odd).toMatchObject({ lines: 3, accepted: 1, rejected: 2, duplicates: 0 });
      // One file may hold an exchange more than once.
      const often = ['a', 'b', 'c'].flatMap((id, i) => Array.from({ length: i + 1 }, () => record({ id })));
      expect(await take(store, file('often.jsonl', jsonl(often)))).toMatchObject({ lines: 6, accepted: 3, rejected: 0, duplicates: 3 });
      // A line of OTLP holds many, and what is there already is counted by the record.
      expect(await take(store, file('spans.jsonl', jsonl([spans(1, 2, 3)])))).toMatchObject({
        lines: 3,
        accepted: 3,
        rejected: 0,
        duplicates: 0,
      });
      expect(await take(store, file('more.jsonl', gzipSync(jsonl([spans(2), spans(3, 4, 1)]))))).toMatchObject({
        lines: 4,
        accepted: 1,
        rejected: 0,
        duplicates: 3,
      });
      for (const [codec, path] of packed) expect([codec, (await take(store, path, 'canonical-row')).accepted]).toEqual([codec, 9]);
      const rejected = await store.rowsEverywhere<{ reason: string; row: string }>('SELECT reason, row FROM rejects ORDER BY row');
      expect(rejected.map((r) => [r.reason, Number(r.row)]).sort()).toEqual([
        ['bad_time', 2],
        ['not_json', 1],
      ]);
      // The outer of two is a wrapper; retries within it are calls, so is a judge of another model, and one that says whose it is stands for one that does not.
      const nested = [
        traced(['a', 'x', 'u'], ['b', 'a', 'u'], ['c', 'a', 'u'], ['d', 'c', 'u']),
        traced(['e', '', 'u'], ['f', 'e', '']),
        traced(['g', 'h', 'u']),
        traced(['i', '', 'u'], ['j', 'i', 'u', 'judge']),
      ];
      const read = { accepted: 6, rejected: 3 };
      expect(await take(store, file('nested.jsonl', jsonl(nested)))).toMatchObject(read);
      // One that comes later, in another file, wraps what is there already.
      expect(await take(store, file('later.jsonl.gz', gzipSync(jsonl([traced(['h', '', 'u'])]))))).toMatchObject({
        accepted: 0,
        rejected: 1,
      });
      expect(await store.rows(`SELECT id FROM ${store.all('exchanges')} AS e WHERE match(id, '^n[a-j]$') ORDER BY id`)).toEqual(
        ['nb', 'nd', 'ne', 'ng', 'ni', 'nj'].map((id) => ({ id })),
      );
      // Whoever was erased stays so when the log has grown and is read again; what they send later is new.
      const people = ['p1', 'p2', 'p3', 'p4'];
      const sent = people.map((account) => record({ id: `e-${account}`, account }));
      await take(store, file('people.jsonl', jsonl(sent)));
      for (const account of ['p1', 'p3']) expect(await erase(store, account)).toBe(1);
      const later = record({ id: 'e-new', account: 'p1', time: new Date(Date.now() + 60_000).toISOString() });
      const grown = jsonl([...sent, { ...sent[0], id: 'e-torn', time: 'never' }, later]);
      expect(await take(store, file('people.jsonl', grown))).toMatchObject({
        accepted: 1,
        rejected: 0,
        note: expect.stringContaining('erased'),
      });
      const there = async () =>
        (await store.rows<{ id: string }>(`SELECT id FROM ${store.all('exchanges')} AS e WHERE startsWith(id, 'e-') ORDER BY id`)).map(
          (r) => r.id,
        );
      expect(await there()).toEqual(['e-new', 'e-p2', 'e-p4']);
      expect([await lift(store, 'p3'), await lift(store, 'p2')]).toEqual([true, false]);
      await take(store, file('people.jsonl', `${grown}\n\n`));
      expect(await there()).toEqual(['e-new', 'e-p2', 'e-p3', 'e-p4']);
    } finally {
      await store.close();
    }
  });
});

it.skipIf(!canServe())('gives the same evidence on every engine', () => {
  expect(results.size).toBe(3);
  expect(results.get('a server')).toEqual(results.get('embedded'));
  expect(results.get('two shards')).toEqual(results.get('embedded'));
});

it('a user of the server who may only read can look, and is told plainly when asked to write', async (c) => {
  if (!canServe()) return c.skip();
  const users = file(
    'users.xml',
    `<clickhouse><profiles><default/><looker><readonly>2</readonly></looker></profiles><quotas><default/></quotas><users>
      <default><password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default>
      <looker><password>x</password><networks><ip>::/0</ip></networks><profile>looker</profile><quota>default</quota></looker></users></clickhouse>`,
  );
  const server = await startServer(undefined, `<users_config>${users}</users_config>`);
  try {
    await withStore(async (s) => {
      await take(s, file('l.jsonl', `${jsonl([record({ id: 'x' })])}no record\n`));
    }, url(server));
    const at = url(server).replace('default@', 'looker:x@');
    const store = await openStore({ at, create: false, look: true });
    expect(await rejects(store, 10)).toMatch(/not_json .*:2/);
    expect(await accountFile('a1', store)).toMatch(/exchanges +1 in 1/);
    await store.close();
    await expect(openStore({ at, secret: SECRET })).rejects.toMatchObject({ code: 'E_STORE_READONLY' });
    await expect(openStore({ at: at.replace('/stillwatch?', '/nothing?'), create: false, look: true })).rejects.toMatchObject({
      code: 'E_STORE_READONLY',
    });
  } finally {
    await server.stop();
  }
});
