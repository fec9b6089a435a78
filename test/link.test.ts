import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { afterAll, describe, expect, it } from 'vitest';
import { rng } from '../src/campaigns/stats.ts';
import { duration, type LinkOptions, link, sightingFields } from '../src/cli/link.ts';
import { cohortsOfEdges } from '../src/links/cohorts.ts';
import { coShares } from '../src/links/coshare.ts';
import { falseDiscovery, poissonTail } from '../src/links/edges.ts';
import { holders } from '../src/links/holders.ts';
import { sharedValues } from '../src/links/shared.ts';
import { Interner, type Sightings } from '../src/links/sightings.ts';

interface Row {
  readonly a: number;
  readonly v: number;
  readonly t: number;
  readonly r?: number;
  readonly kind?: number;
}

function sightings(rows: readonly Row[], kinds: readonly string[] = ['value']): Sightings {
  const most = (f: (r: Row, i: number) => number) => rows.reduce((m, r, i) => Math.max(m, f(r, i) + 1), 0);
  const values = most((r) => r.v);
  const kindOf = new Uint8Array(values);
  for (const r of rows) kindOf[r.v] = r.kind ?? 0;
  return {
    rows: rows.length,
    accounts: most((r) => r.a),
    values,
    records: most((r, i) => r.r ?? i),
    kinds,
    account: Int32Array.from(rows, (r) => r.a),
    value: Int32Array.from(rows, (r) => r.v),
    record: Int32Array.from(rows, (r, i) => r.r ?? i),
    time: Float64Array.from(rows, (r) => r.t),
    count: new Float32Array(rows.length).fill(1),
    self: new Uint8Array(rows.length),
    kindOf,
  };
}

/** The rule as written down, pair by pair. */
function naive(rows: readonly Row[], windowMs: number, participation: number): Map<string, number> {
  const n = new Map<number, number>();
  for (const r of rows) n.set(r.a, (n.get(r.a) ?? 0) + 1);
  const live = rows.map((r, i) => ({ ...r, r: r.r ?? i })).filter((r) => (n.get(r.a) ?? 0) >= participation);
  const pairs: (readonly [(typeof live)[number], (typeof live)[number]])[] = [];
  for (let i = 0; i < live.length; i++)
    for (let j = i + 1; j < live.length; j++) {
      const [x, y] = [live[i] as (typeof live)[number], live[j] as (typeof live)[number]];
      if (x.v === y.v && x.a !== y.a && Math.abs(x.t - y.t) <= windowMs) pairs.push([x, y]);
    }
  const records = new Map<number, Set<number>>();
  for (const p of pairs) for (const x of p) records.set(x.a, (records.get(x.a) ?? new Set()).add(x.r));
  const kept = new Set([...records].filter(([, s]) => s.size >= participation).flatMap(([, s]) => [...s]));
  const out = new Map<string, number>();
  for (const [x, y] of pairs)
    if (kept.has(x.r) || kept.has(y.r)) {
      const key = `${Math.min(x.a, y.a)}-${Math.max(x.a, y.a)}`;
      out.set(key, (out.get(key) ?? 0) + 1);
    }
  return out;
}

const HOUR = 3_600_000;

/** Strangers: each draws values by their popularity, at times that follow the value's own day. */
function strangers(accounts: number, each: number, values: number, random: () => number): Row[] {
  const born = Array.from({ length: values }, () => random() * 20 * 24 * HOUR);
  return Array.from({ length: accounts * each }, (_, i) => {
    const v = Math.floor(random() ** 2 * values);
    return { a: i % accounts, v, t: (born[v] as number) - Math.log(1 - random()) * 5 * HOUR };
  });
}

describe('co-shares', () => {
  it('are those of the rule, pair by pair', () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = rng(seed);
      const rows = Array.from({ length: 300 }, () => ({
        a: Math.floor(random() * 40),
        v: Math.floor(random() ** 2 * 40),
        t: Math.floor(random() * 4000),
      }));
      for (const participation of [2, 3, 5]) {
        const got = coShares(sightings(rows), { windowMs: 120, participation });
        expect(new Map(got.edges.map((e) => [`${e.a}-${e.b}`, e.weight]))).toEqual(naive(rows, 120, participation));
      }
    }
  });

  it('of strangers who are there for a day, or for some hours of it, hold no false discovery', () => {
    const day = 24 * HOUR;
    for (const [span, hours] of [
      [day, 24],
      [2 * day, 4],
    ] as const) {
      const random = rng(5);
      const rows: Row[] = [];
      for (let a = 0; a < 400; a++) {
        const from = Math.floor(random() * 29) * day;
        const hour = random() * (24 - hours) * HOUR;
        for (let i = 0; i < 20; i++)
          rows.push({
            a,
            v: Math.floor(random() ** 3 * 800),
            t: from + Math.floor((random() * span) / day) * day + hour + random() * hours * HOUR,
          });
      }
      const { edges } = coShares(sightings(rows), { windowMs: HOUR, participation: 2 });
      expect([edges.length > 500, edges.filter((e) => e.q <= 0.05).length]).toEqual([true, 0]);
    }
  });

  it('of strangers hold no false discovery, and a crew among them is found whole, with the records that caused it', () => {
    let held = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const rows = strangers(300, 20, 400, rng(seed));
      held += coShares(sightings(rows), { windowMs: 60_000, participation: 2 }).edges.filter((e) => e.q <= 0.05).length;
    }
    // Twenty worlds at 5 %: one false discovery is expected at most.
    expect(held).toBeLessThanOrEqual(1);
    const random = rng(77);
    const rows = strangers(300, 20, 400, random);
    for (let event = 0; event < 6; event++)
      for (let m = 0; m < 8; m++) rows.push({ a: 300 + m, v: 400 + event, t: event * 9 * HOUR + m * 3000 });
    const s = sightings(rows);
    const { edges } = coShares(s, { windowMs: 60_000, participation: 2 });
    const sure = edges.filter((e) => e.q <= 0.05);
    expect(sure.every((e) => e.a >= 300 && e.b >= 300)).toBe(true);
    const [crew] = cohortsOfEdges(s.accounts, sure, 1);
    expect(crew?.accounts).toEqual([300, 301, 302, 303, 304, 305, 306, 307]);
    expect(sure[0]?.records.every(([x, y]) => rows[x]?.v === rows[y]?.v)).toBe(true);
  });

  it('of one value by very many accounts are counted as left out, and cost no memory', () => {
    const rows = Array.from({ length: 30_000 }, (_, i) => ({ a: Math.floor(i / 2), v: 0, t: i }));
    const got = coShares(sightings(rows), { windowMs: 60_000, participation: 2 });
    expect(got.edges).toHaveLength(0);
    expect(got.leftOut).toEqual([{ reason: expect.stringContaining('popular'), rows: 30_000, values: 1 }]);
  });

  it('that many values make too many of are bounded together, the most popular left out and counted', () => {
    const rows: Row[] = [];
    for (let v = 0; v < 12; v++) for (let i = 0; i < 900 + v; i++) rows.push({ a: (i * 7 + v) % 2000, v, t: i });
    const { leftOut } = coShares(sightings(rows), { windowMs: 1e6, participation: 1 });
    expect(leftOut).toEqual([{ reason: expect.stringContaining('popular'), rows: expect.any(Number), values: 3 }]);
  });

  it('say how many sightings have no time', () => {
    const rows = [0, 1, 2].map((a) => ({ a, v: 0, t: Number.NaN }));
    expect(coShares(sightings(rows), { windowMs: 1, participation: 1 }).leftOut).toEqual([{ reason: 'no time', rows: 3, values: 0 }]);
  });
});

it('communities are connected, whatever the search made of them', () => {
  let seen = 0;
  for (let seed = 3; seed < 400; seed += 4) {
    const random = rng(seed);
    const n = 8 + Math.floor(random() * 120);
    const edges = new Map<string, { a: number; b: number; bits: number }>();
    const drawn = Math.floor(n * (0.6 + random() * 2.5));
    for (let e = 0; e < drawn; e++) {
      const a = Math.floor(random() * n);
      const b = random() < 0.85 ? (Math.floor(a / 6) * 6 + Math.floor(random() * 6)) % n : Math.floor(random() * n);
      if (a !== b) edges.set(`${Math.min(a, b)}-${Math.max(a, b)}`, { a: Math.min(a, b), b: Math.max(a, b), bits: 1 + random() * 20 });
    }
    const list = [...edges.values()].map((e) => ({ ...e, p: 0, q: 0, kinds: {}, values: [], records: [], weight: 0, meanDelta: 0 }));
    for (const c of cohortsOfEdges(n, list, 1)) {
      seen += 1;
      const inside = new Set(c.accounts);
      const reached = new Set([c.accounts[0] as number]);
      for (const x of reached)
        for (const e of list)
          for (const [u, v] of [
            [e.a, e.b],
            [e.b, e.a],
          ] as const)
            if (u === x && inside.has(v)) reached.add(v);
      expect(reached.size).toBe(inside.size);
    }
  }
  expect(seen).toBeGreaterThan(500);
});

describe('shared values', () => {
  it('tie by rarity: two rare values make a link, a common one none', () => {
    const rows: Row[] = Array.from({ length: 1000 }, (_, a) => ({ a, v: 0, t: 0 }));
    rows.push(
      { a: 1, v: 1, t: 0 },
      { a: 2, v: 1, t: 0 },
      { a: 1, v: 2, t: 0, kind: 1 },
      { a: 2, v: 2, t: 0, kind: 1 },
      { a: 3, v: 2, t: 0, kind: 1 },
    );
    const s = sightings(rows, ['card', 'device']);
    const { edges, leftOut } = sharedValues(s, holders(s), { bitsMin: 10, seed: 1 });
    expect(edges).toHaveLength(1);
    expect(edges[0]).toMatchObject({ a: 1, b: 2, values: [1, 2] });
    expect(edges[0]?.kinds['card']).toBeCloseTo(Math.log2(250), 1);
    // Two kinds joined: more than their product, less than either.
    expect(edges[0]?.p).toBeGreaterThan(2 ** -(edges[0]?.bits ?? 0) / 4);
    expect(edges[0]?.p).toBeLessThan(0.001);
    expect(leftOut).toEqual([{ reason: expect.stringContaining('common'), rows: 1000, values: 1 }]);
  });

  it('of a company seen through card, network and device are one piece of evidence', () => {
    const rows: Row[] = Array.from({ length: 500 }, (_, a) => ({ a, v: 10 + a, t: 0 }));
    for (const kind of [0, 1, 2]) for (let a = 0; a < 20; a++) rows.push({ a, v: kind, t: 0, kind });
    const s = sightings(rows, ['card', 'network', 'device']);
    const { edges } = sharedValues(s, holders(s), { bitsMin: 1, seed: 1 });
    // Each holds two cards, so that strangers meet the card of 20 with twice 19 in 520.
    expect(edges[0]?.bits).toBeCloseTo(Math.log2((0.5 * 520) / (2 * 19)), 0);
  });

  it('of strangers who hold many values are no discovery, and a crew among them is one', () => {
    const random = rng(11);
    let worlds = 0;
    for (let world = 0; world < 10; world++) {
      const rows: Row[] = [];
      for (let a = 0; a < 120; a++) for (let i = 0; i < 20; i++) rows.push({ a, v: Math.floor(random() * 800), t: 0 });
      const s = sightings(rows);
      const { edges } = sharedValues(s, holders(s), { bitsMin: Math.log2(120), seed: world });
      if (edges.some((e) => e.q <= 0.05)) worlds += 1;
    }
    expect(worlds).toBeLessThanOrEqual(2);
    const rows: Row[] = [];
    for (let a = 0; a < 300; a++) for (let i = 0; i < 25; i++) rows.push({ a, v: Math.floor(random() * 1500), t: 0 });
    for (let a = 0; a < 6; a++) for (let i = 0; i < 8; i++) rows.push({ a, v: 1500 + i, t: 0 });
    // They hold some of the crew's eight values, not all: else it would be one cause.
    const s = sightings(rows.filter((r) => r.v < 1500 || (r.a + r.v) % 3 > 0));
    const { edges } = sharedValues(s, holders(s), { bitsMin: Math.log2(300), seed: 1 });
    const sure = edges.filter((e) => e.q <= 0.05);
    const crew = sure.filter((e) => e.a < 6 && e.b < 6);
    expect(new Set(crew.flatMap((e) => [e.a, e.b]))).toEqual(new Set([0, 1, 2, 3, 4, 5]));
    expect(sure.length - crew.length).toBeLessThanOrEqual(0.15 * sure.length);
    expect(sure[0]?.records.length).toBeGreaterThan(0);
  });

  it('of a hundred thousand accounts form a chain, not a clique', () => {
    const rows: Row[] = Array.from({ length: 100_000 }, (_, i) => ({ a: i % 50_000, v: i < 50_000 ? 0 : i, t: 0 }));
    for (let a = 0; a < 9_000; a++) rows.push({ a, v: 100_000, t: 0 });
    const s = sightings(rows);
    const { edges } = sharedValues(s, holders(s), { bitsMin: 1, seed: 1 });
    expect(edges.length).toBe(8_999);
  });
});

describe('figures', () => {
  it('Poisson tails and q-values', () => {
    expect(poissonTail(0, 3)).toBe(1);
    expect(poissonTail(1, 0.5)).toBeCloseTo(1 - Math.exp(-0.5), 12);
    expect(poissonTail(2, 5)).toBeCloseTo(1 - Math.exp(-5) * 6, 12);
    expect(poissonTail(5, 1e-3)).toBeCloseTo(8.3264e-18, 21);
    expect([...falseDiscovery(Float64Array.of(0.001, 0.02, 0.5), 4)]).toEqual([0.004, 0.04, 2 / 3]);
  });

  it('hashes get dense numbers, and come back', () => {
    const i = new Interner();
    const random = rng(3);
    const keys = Array.from({ length: 20_000 }, () => [Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32)] as const);
    const first = keys.map(([lo, hi]) => i.of(lo, hi));
    expect(first).toEqual(keys.map((_, x) => x));
    expect(keys.map(([lo, hi]) => i.of(lo, hi))).toEqual(first);
    const [lo, hi] = keys[777] as readonly [number, number];
    expect(i.hash(777)).toBe(((BigInt(hi) << 32n) | BigInt(lo)).toString());
  });

  it('windows and fields of the command line', () => {
    expect([duration('60'), duration('90s'), duration('5m'), duration('1.5h')]).toEqual([60_000, 90_000, 300_000, 5_400_000]);
    expect(() => duration('soon')).toThrow(/no window/);
    expect(sightingFields(['account=a=b'])).toEqual({ account: 'a=b' });
    expect(() => sightingFields(['who=x'])).toThrow(/NAME=COLUMN/);
  });
});

const dir = mkdtempSync(join(tmpdir(), 'stillwatch-test-link-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const options: LinkOptions = {
  coShare: null,
  participation: 2,
  edgeWeight: 0.5,
  fdr: 0.05,
  bits: 4,
  seed: 1,
  fields: {},
  valueColumns: [],
  format: 'json',
};

interface LinksJson {
  readonly schema: string;
  readonly coverage: { readonly sightings: number; readonly rejected: number; readonly files: readonly { readonly undated: number }[] };
  readonly cohorts: { readonly accounts: string[] }[];
  readonly edges: {
    readonly a: string;
    readonly b: string;
    readonly q: number;
    readonly kinds: Record<string, number>;
    readonly values: string[];
    readonly records: string[][];
  }[];
}

describe('stillwatch link', () => {
  const others = Array.from({ length: 300 }, (_, i) => `u${i},card,c${i},2026-05-01T00:00:00Z`);

  it('does not depend on the order of the rows, and says who holds the very same values', async () => {
    const random = rng(9);
    const rows = Array.from({ length: 900 }, () => `a${Math.floor(random() * 150)},link,v${Math.floor(random() ** 3 * 120)},`);
    for (let m = 0; m < 6; m++) for (const kind of ['card', 'device']) rows.push(`ring${m},${kind},${kind}-of-all,`);
    const results: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      for (let i = rows.length - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [rows[i], rows[j]] = [rows[j] as string, rows[i] as string];
      }
      const r = JSON.parse(
        await link([file(`order${turn}.csv`, `account,kind,value,time\n${rows.join('\n')}\n`)], options),
      ) as LinksJson & {
        same_holders: { accounts: string[]; kinds: string[] }[];
      };
      expect(r.same_holders.map((g) => [g.accounts.sort(), g.kinds.sort()])).toEqual([
        [
          ['ring0', 'ring1', 'ring2', 'ring3', 'ring4', 'ring5'],
          ['card', 'device'],
        ],
      ]);
      results.push(JSON.stringify([r.edges.map((e) => ({ ...e, records: null })), r.cohorts]));
    }
    expect(new Set(results).size).toBe(1);
  });

  it('refuses a table whose quote is not closed instead of taking its rows for text', async () => {
    const row = (i: number, value: string): string => `u${i},card,${value}`;
    const table = (odd: string): string => `account,kind,value\n${others.map((_, i) => row(i, i === 10 ? odd : `c${i}`)).join('\n')}\n`;
    await expect(link([file('open.csv', table('"v10'))], options)).rejects.toMatchObject({
      code: 'E_SIGHTINGS',
      message: expect.stringContaining('line 12'),
    });
    // What is closed, doubled, goes over a line, or stands inside of a field is text.
    for (const fine of ['"v10"', '"v ""10"""', '"v\n10"', '3.5" disk'])
      expect((JSON.parse(await link([file('fine.csv', table(fine))], options)) as LinksJson).coverage.sightings).toBe(300);
  });

  it('reads CSV and JSON Lines alike, counts rows without account or value, and names what ties', async () => {
    const csv = file('a.csv', `account,kind,value,time\n${others.join('\n')}\nu1,card,shared,\nu2,card,shared,\n,card,x,\nu9,card,,\n`);
    const json = file(
      'a.jsonl',
      [...others, 'u1,card,shared,', 'u2,card,shared,', ',card,x,', 'u9,card,,']
        .map((l) => l.split(','))
        .map(([account, kind, value]) => JSON.stringify({ account, kind, value }))
        .join('\n'),
    );
    const [one, two] = await Promise.all([csv]).then(
      async ([c]) => [JSON.parse(await link([c as string], options)), JSON.parse(await link([json], options))] as LinksJson[],
    );
    for (const r of [one, two]) {
      expect(r?.schema).toBe('stillwatch.links/1');
      expect(r?.coverage).toMatchObject({ sightings: 302, rejected: 2 });
      expect(r?.edges).toHaveLength(1);
      expect(r?.edges[0]).toMatchObject({ values: ['shared'] });
      expect([r?.edges[0]?.a, r?.edges[0]?.b].sort()).toEqual(['u1', 'u2']);
      expect(r?.cohorts[0]?.accounts.sort()).toEqual(['u1', 'u2']);
    }
  });

  it('a missing column, no row and a file that is no table are errors with a hint', async () => {
    await expect(link([file('b.csv', 'who,value\na,b\n')], options)).rejects.toMatchObject({
      code: 'E_SIGHTINGS',
      hint: expect.stringContaining('who'),
    });
    await expect(link([file('c.csv', 'account,value\n,\n')], options)).rejects.toMatchObject({ code: 'E_NOTHING', exit: 3 });
    await expect(link([join(dir, 'none.csv')], options)).rejects.toMatchObject({ code: expect.stringMatching(/^E_/) });
  });

  it('hostile names come out inert in the table and in the CSV, and whole in Parquet', async () => {
    const evil = '=cmd|\u001b[31m';
    const path = file(
      'd.jsonl',
      [
        ...others.map((l) => l.split(',')).map(([account, , value]) => ({ account, value })),
        { account: evil, value: 'z' },
        { account: 'u5', value: 'z' },
      ]
        .map((x) => JSON.stringify(x))
        .join('\n'),
    );
    const table = await link([path], { ...options, format: 'table', edges: join(dir, 'e.csv') });
    expect(table).not.toContain('\u001b');
    expect(readFileSync(join(dir, 'e.csv'), 'utf8')).toMatch(/'=cmd/);
    await link([path], { ...options, edges: join(dir, 'e.parquet') });
    const { asyncBufferFromFile, parquetReadObjects } = await import('hyparquet');
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(join(dir, 'e.parquet')) });
    expect(rows.flatMap((r) => [r['a'], r['b']])).toContain(evil);
  });

  const crew = (row: (account: string, value: string, time: number) => string, times = 1): string[] => [
    ...Array.from({ length: 60 }, (_, i) => row(`5${i}`, `v${i}`, 1_700_000_000 + 3000 * i)),
    ...Array.from({ length: 6 }, (_, i) =>
      [1, 2, 3].flatMap((a) =>
        Array.from({ length: times }, (_, x) =>
          row(`100000000000000000${a}`, `90071992547409930${i}`, 1_700_000_000 + 9000 * i + a + 10 * x),
        ),
      ),
    ).flat(),
  ];
  const asCsv = (between: string, times = 1) =>
    `${['Account', 'Value', 'time'].join(between)}\n${crew((...x) => x.join(between), times).join('\n')}\n`;
  const run = async (paths: string[], o: Partial<LinkOptions> = {}): Promise<LinksJson> =>
    JSON.parse(await link(paths, { ...options, coShare: 60_000, ...o })) as LinksJson;

  it('ids of nineteen digits stay apart, whatever stands between columns and however a header is written', async () => {
    const wide = file(
      'wide.jsonl',
      crew((account, value, time) => `{"account":${account},"value":${value.replace('v', '')},"time":${time}}`).join('\n'),
    );
    for (const path of [wide, file('wide.csv', asCsv(',')), file('semi.csv', asCsv(';')), file('tab.tsv', asCsv('\t'))]) {
      const r = await run([path]);
      expect(r.edges.map((e) => [e.a, e.b].sort()).sort()).toEqual([
        ['1000000000000000001', '1000000000000000002'],
        ['1000000000000000001', '1000000000000000003'],
        ['1000000000000000002', '1000000000000000003'],
      ]);
      expect(r.edges.every((e) => e.q <= 0.05)).toBe(true);
    }
    const zeros = await run([file('zeros.csv', 'account,value,time\n007,a,1\n7,a,2\n7.0,a,3\n')], { participation: 1 });
    expect(zeros.edges).toHaveLength(3);
  });

  it('a post made twice, or a log exported twice, takes nothing from what holds', async () => {
    const held = async (text: string) => (await run([file('twice.csv', text)])).edges.filter((e) => e.q <= 0.05).length;
    expect(await held(asCsv(',', 2))).toBe(3);
    expect(await held(`${asCsv(',')}${asCsv(',').split('\n').slice(1).join('\n')}`)).toBe(3);
  });

  it('rows of several files are records of their own, and say whose they are', async () => {
    const one = file('one.csv', 'account,value,time\na,x,1\na,y,1000\n');
    const two = file('two.csv', 'account,value,time\nb,x,2\nb,y,1001\n');
    const r = await run([one, two]);
    expect(r.edges[0]?.records).toEqual([
      [`${one}, row 1`, `${two}, row 1`],
      [`${one}, row 2`, `${two}, row 2`],
    ]);
  });

  it('an input is never overwritten, and a place that cannot be written is told before anything is read', async () => {
    const path = file('self.csv', asCsv(','));
    await expect(run([path], { edges: path })).rejects.toMatchObject({ code: 'E_USAGE' });
    expect(readFileSync(path, 'utf8')).toBe(asCsv(','));
    await expect(run([path], { edges: join(dir, 'nowhere', 'e.parquet') })).rejects.toMatchObject({ code: 'ENOENT' });
    expect(existsSync(join(dir, 'nowhere'))).toBe(false);
  });

  it('times that are missing or cannot be read, counts that are none, and a bad row are said', async () => {
    await expect(run([file('notime.csv', 'account,value\na,x\nb,x\n')])).rejects.toMatchObject({
      code: 'E_SIGHTINGS',
      hint: expect.stringContaining('time'),
    });
    const r = await run([file('bad.csv', 'account,value,time,count\na,x,1,-3\na,y,soon,\nb,x,1,x\nb,y,2,1\n')]);
    expect(r.coverage).toMatchObject({ sightings: 2, rejected: 2, files: [{ undated: 1 }] });
    await expect(run([file('ragged.csv', 'account,value,time\na,x,1\nb,x\n')])).rejects.toMatchObject({
      code: 'E_SIGHTINGS',
      message: expect.stringContaining('row 2 after the header'),
    });
    await expect(run([file('cut.jsonl', '{"account":"a","value":"x","time":1}\n{"account":"b","val\n')])).rejects.toMatchObject({
      message: expect.stringContaining('line 2'),
    });
    await expect(run([file('head.csv', 'account,value,time\n')])).rejects.toMatchObject({ code: 'E_NOTHING' });
  });

  const pack = new URL('../../shared/data/coordination/', import.meta.url).pathname;
  it.skipIf(!existsSync(pack))('reproduces the pairs and edges of a published tool on real data', async () => {
    const expected = (name: string) =>
      new Map(
        (parse(gunzipSync(readFileSync(join(pack, name))), { columns: true }) as Record<string, string>[]).map((r) => [
          [r['from'], r['to']].sort().join(' '),
          `${r['weight']} ${Number(r['avg_time_delta']).toFixed(6)} ${r['weight_threshold']}`,
        ]),
      );
    const run = async (name: string, o: Partial<LinkOptions>, strongOnly: boolean) => {
      const edges = join(dir, `${name}.csv`);
      await link([join(pack, name)], { ...options, ...o, edges });
      return new Map(
        (parse(readFileSync(edges), { columns: true }) as Record<string, string>[])
          .filter((r) => !strongOnly || r['strong'] === '1')
          .map((r) => [[r['a'], r['b']].sort().join(' '), `${r['weight']} ${Number(r['mean_delta_s']).toFixed(6)} ${r['strong']}`]),
      );
    };
    const posts = { account: 'account_id', record: 'post_id', time: 'timestamp' };
    const tweets = { account: 'account_id', value: 'object_id', record: 'content_id', time: 'timestamp_share' };
    expect(await run('russian_coord_tweets.csv.gz', { coShare: 60_000, fields: tweets }, false)).toEqual(
      expected('russian_expected_edges_tw60_mp2_ew05.csv.gz'),
    );
    expect(await run('german_elections.csv.gz', { coShare: 30_000, fields: posts, valueColumns: ['url_id', 'phash_id'] }, true)).toEqual(
      expected('german_expected_edges_urlimg_tw30_mp2_ew05_sub1.csv.gz'),
    );
  });
});
