import { once } from 'node:events';
import { chmodSync, closeSync, copyFileSync, createWriteStream, existsSync, openSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { quantile } from '../campaigns/stats.ts';
import { type Input, resolveInputs } from '../formats/input.ts';
import { cohortsOfEdges, type LinkedCohort } from '../links/cohorts.ts';
import { coShares } from '../links/coshare.ts';
import type { Edge, Links } from '../links/edges.ts';
import { holders } from '../links/holders.ts';
import { sharedValues } from '../links/shared.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { csv, inert } from '../report/inert.ts';
import { openStore } from '../store/open.ts';
import { type Loaded, readSightings, SIGHTING_FIELDS, type SightingField } from '../store/sightings.ts';
import type { Store } from '../store/store.ts';
import { sameFile } from './files.ts';
import { spoolPlace } from './supervise.ts';

export interface LinkOptions {
  /** ms; null for links by shared values alone. */
  readonly coShare: number | null;
  readonly participation: number;
  /** Quantile of co-share counts above which an edge belongs to the strong part. */
  readonly edgeWeight: number;
  readonly fdr: number;
  /** Links of fewer bits are not listed; null for as many as choosing one account among all takes. */
  readonly bits: number | null;
  readonly seed: number;
  readonly fields: Partial<Record<SightingField, string>>;
  readonly valueColumns: readonly string[];
  readonly edges?: string;
  readonly format: 'table' | 'json';
}

/** More edges than this are not listed in JSON; --edges streams them. */
const EDGES_MAX = 100_000;
const HEADER = ['a', 'b', 'bits', 'p', 'q', 'weight', 'mean_delta_s', 'strong', 'kinds', 'values', 'records'] as const;

/** `90`, `90s`, `5m`, `2h` or `1d` in ms. @throws StillwatchError E_USAGE */
export function duration(text: string): number {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  if (!m) throw new StillwatchError('E_USAGE', `--co-share ${JSON.stringify(text)} is no window of time`, 'for example 60s, 5m, 1h or 1d');
  return Number(m[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[(m[2] ?? 's') as 'ms' | 's' | 'm' | 'h' | 'd'];
}

/** `--field name=column` of sightings. @throws StillwatchError E_USAGE */
export function sightingFields(list: readonly string[]): Partial<Record<SightingField, string>> {
  const out: Partial<Record<SightingField, string>> = {};
  for (const item of list) {
    const [field, ...column] = item.split('=');
    if (!SIGHTING_FIELDS.includes(field as SightingField) || column.length === 0)
      throw new StillwatchError('E_USAGE', `--field ${JSON.stringify(item)} is not NAME=COLUMN`, `names: ${SIGHTING_FIELDS.join(', ')}`);
    out[field as SightingField] = column.join('=');
  }
  return out;
}

/** The place of the edges, tried before anything is read. @throws StillwatchError E_USAGE where it is an input; what the system says where it cannot be written */
function writable(path: string, inputs: readonly Input[]): void {
  if (inputs.some((i) => sameFile(i.path, path)))
    throw new StillwatchError(
      'E_USAGE',
      `--edges ${JSON.stringify(path)} is one of the files to read`,
      'name another file: it would be overwritten',
    );
  const there = existsSync(path);
  closeSync(openSync(resolve(path), 'a', 0o600));
  // Tried, not made: a run that fails leaves no empty file.
  if (!there) rmSync(path);
}

interface Result {
  readonly links: Links;
  readonly cohorts: readonly LinkedCohort[];
  readonly threshold: number;
}

const bitsOf = (o: LinkOptions, accounts: number): number => o.bits ?? Math.log2(Math.max(2, accounts));

function linked(loaded: Loaded, o: LinkOptions): Result {
  const s = loaded.sightings;
  if (o.coShare === null) {
    const h = holders(s);
    const links = sharedValues(s, h, { bitsMin: bitsOf(o, s.accounts), seed: o.seed });
    return {
      links,
      cohorts: cohortsOfEdges(
        s.accounts,
        // Who sets a limit of their own means it.
        o.bits === null ? links.edges.filter((e) => e.q <= o.fdr) : links.edges,
        o.seed,
      ),
      threshold: 0,
    };
  }
  const links = coShares(s, { windowMs: o.coShare, participation: o.participation });
  const threshold =
    links.edges.length > 0
      ? quantile(
          links.edges.map((e) => e.weight),
          o.edgeWeight,
        )
      : 0;
  const sure = links.edges.filter((e) => e.q <= o.fdr);
  return { links, cohorts: cohortsOfEdges(s.accounts, sure, o.seed), threshold };
}

/** The tool behind `stillwatch link`: a table of sightings in, weighted and explained links out. */
export async function link(paths: readonly string[], o: LinkOptions): Promise<string> {
  const spool = spoolPlace();
  let store: Store | null = null;
  try {
    const { inputs, unreadable } = await resolveInputs(paths, spool, () => process.stdin);
    const bad = unreadable[0];
    if (bad)
      throw new StillwatchError(
        bad.code,
        bad.reason.startsWith(bad.name) ? bad.reason : `${bad.name}: ${bad.reason}`,
        'every file must be readable: a part would link wrongly',
      );
    if (o.edges) writable(o.edges, inputs);
    store = await openStore({ at: join(spool, 'store') });
    const loaded = await readSightings(store, inputs, { fields: o.fields, valueColumns: o.valueColumns, spool });
    if (loaded.sightings.rows === 0)
      throw new StillwatchError('E_NOTHING', 'no sighting was read', 'each row needs an account and a value', { exit: 3 });
    if (o.coShare !== null && !loaded.timed)
      throw new StillwatchError(
        'E_SIGHTINGS',
        'no file has a column of times, and --co-share needs one',
        'name it with --field time=COLUMN',
      );
    const r = linked(loaded, o);
    const ranked = [...r.links.edges].sort((x, y) => y.bits - x.bits || x.a - y.a || x.b - y.b);
    if (o.edges)
      await writeEdges(store, o.edges, ranked, r, loaded, spool).catch((cause: unknown) => {
        if (cause instanceof StillwatchError) throw cause;
        throw new StillwatchError(
          'E_OUT',
          `--edges ${o.edges} could not be written: ${messageOf(cause)}`,
          'free space, or name another place',
          { cause },
        );
      });
    return o.format === 'json' ? await asJson(ranked, r, loaded, o) : await asTable(ranked, r, loaded, o);
  } finally {
    await store?.close();
    rmSync(spool, { recursive: true, force: true });
  }
}

const strong = (e: Edge, r: Result): boolean => e.weight > r.threshold;

async function writeEdges(store: Store, path: string, edges: readonly Edge[], r: Result, loaded: Loaded, spool: string): Promise<void> {
  const names = await loaded.names('account', new Set(edges.flatMap((e) => [e.a, e.b])));
  const values = await loaded.names('value', new Set(edges.flatMap((e) => [...e.values])));
  const records = await loaded.names('record', new Set(edges.flatMap((e) => e.records.flat())));
  const parquet = path.endsWith('.parquet');
  const target = parquet ? join(spool, 'edges.csv') : path;
  const file = createWriteStream(target, { mode: 0o600 });
  file.write(`${HEADER.join(',')}\n`);
  for (const e of edges) {
    const row = [
      names.get(e.a) ?? '',
      names.get(e.b) ?? '',
      e.bits,
      e.p,
      e.q,
      e.weight,
      e.meanDelta,
      strong(e, r) ? 1 : 0,
      JSON.stringify(Object.fromEntries(Object.entries(e.kinds).map(([k, x]) => [k, round(x)]))),
      JSON.stringify(e.values.map((v) => values.get(v) ?? '')),
      JSON.stringify(e.records.map(([x, y]) => [records.get(x) ?? '', records.get(y) ?? ''])),
    ];
    // A spreadsheet opens the CSV; the engine reads the other back, and must get names as they are.
    const cells = parquet ? row.map((x) => (typeof x === 'number' ? x : `"${x.replaceAll('"', '""')}"`)) : row.map(csv);
    if (!file.write(`${cells.join(',')}\n`)) await once(file, 'drain');
  }
  file.end();
  await finished(file);
  if (!parquet) return;
  // In a place of our own first: the engine would make folders that are not there, for anybody to read.
  const made = join(spool, 'edges.parquet');
  await store.command(
    `INSERT INTO FUNCTION file({to:String}, 'Parquet') SELECT * FROM file({from:String}, 'CSVWithNames', 'a String, b String, bits Float64, p Float64, q Float64, weight UInt32, mean_delta_s Float64, strong UInt8, kinds String, values String, records String') SETTINGS engine_file_truncate_on_insert = 1, output_format_parquet_compression_method = 'snappy'`,
    { to: made, from: target },
  );
  copyFileSync(made, path);
  chmodSync(path, 0o600);
}

async function asJson(edges: readonly Edge[], r: Result, loaded: Loaded, o: LinkOptions): Promise<string> {
  const shown = o.edges ? [] : edges.slice(0, EDGES_MAX);
  const accounts = await loaded.names(
    'account',
    new Set([...shown.flatMap((e) => [e.a, e.b]), ...[...r.cohorts, ...r.links.same].flatMap((c) => c.accounts)]),
  );
  const records = await loaded.names('record', new Set(shown.flatMap((e) => e.records.flat())));
  const values = await loaded.names('value', new Set([...shown, ...r.links.same].flatMap((e) => e.values)));
  const who = (i: number) => accounts.get(i) ?? '';
  return `${JSON.stringify(
    {
      schema: 'stillwatch.links/1',
      coverage: {
        files: loaded.files,
        sightings: loaded.sightings.rows,
        accounts: loaded.sightings.accounts,
        values: loaded.sightings.values,
        rejected: loaded.rejected,
        left_out: r.links.leftOut,
        pairs_tested: r.links.tested,
        links_below_the_limit: r.links.below,
        most_bits_below_the_limit: round(r.links.belowBits),
        edges: edges.length,
        edges_listed: shown.length,
      },
      cohorts: r.cohorts.map((c) => ({ id: c.id, bits: round(c.bits), accounts: c.accounts.map(who) })),
      ...(o.coShare === null
        ? {
            same_holders: r.links.same.map((g) => ({
              accounts: g.accounts.map(who),
              kinds: kindsOf(g.values, loaded.sightings),
              values: g.values.slice(0, 20).map((v) => values.get(v) ?? ''),
            })),
          }
        : {}),
      edges: shown.map((e) => ({
        a: who(e.a),
        b: who(e.b),
        bits: round(e.bits),
        p: e.p,
        q: e.q,
        kinds: Object.fromEntries(Object.entries(e.kinds).map(([k, v]) => [k, round(v)])),
        values: e.values.map((v) => values.get(v) ?? ''),
        records: e.records.map(([x, y]) => [records.get(x) ?? '', records.get(y) ?? '']),
        ...(o.coShare === null ? {} : { weight: e.weight, mean_delta_s: e.meanDelta, strong: strong(e, r) }),
      })),
    },
    null,
    1,
  )}\n`;
}

const kindsOf = (values: readonly number[], s: Loaded['sightings']): string[] => [
  ...new Set(values.map((v) => s.kinds[s.kindOf[v] as number] as string)),
];
const round = (x: number): number => Math.round(x * 1000) / 1000;
const plural = (n: number, one: string): string => `${n.toLocaleString('en')} ${one}${n === 1 ? '' : 's'}`;

async function asTable(edges: readonly Edge[], r: Result, loaded: Loaded, o: LinkOptions): Promise<string> {
  const s = loaded.sightings;
  const sure = edges.filter((e) => e.q <= o.fdr);
  const undated = loaded.files.reduce((n, f) => n + f.undated, 0);
  const cohorts = r.cohorts.filter((c) => c.accounts.length >= 3);
  const top = edges.slice(0, 10);
  const same = r.links.same.slice(0, 5).map((g) => ({ ...g, kinds: kindsOf(g.values, s) }));
  const names = await loaded.names(
    'account',
    new Set([
      ...top.flatMap((e) => [e.a, e.b]),
      ...same.flatMap((g) => g.accounts.slice(0, 4)),
      ...cohorts.slice(0, 15).flatMap((c) => c.accounts.slice(0, 4)),
    ]),
  );
  const values = await loaded.names('value', new Set(top.flatMap((e) => e.values.slice(0, 2))));
  const who = (i: number) => inert(names.get(i) ?? '').slice(0, 40);
  const lines = [
    `${plural(s.rows, 'sighting')} of ${plural(s.accounts, 'account')} with ${plural(s.values, 'value')}; ${plural(loaded.rejected, 'row')} without account or value, or with a count that is none`,
    ...(undated > 0 && o.coShare !== null
      ? [`  ${plural(undated, 'row')} with a time that cannot be read: left out with those without one`]
      : []),
    ...r.links.leftOut.map(
      (l) => `  left out: ${l.values > 0 ? `${plural(l.values, 'value')}, ` : ''}${plural(l.rows, 'row')}: ${l.reason}`,
    ),
    '',
    o.coShare === null
      ? `${plural(edges.length, 'link')} of ${bitsOf(o, s.accounts).toFixed(1)} bits or more; ${sure.length.toLocaleString('en')} hold at a false discovery rate of ${o.fdr}${r.links.below > 0 ? `; ${plural(r.links.below, 'pair')} share less, ${r.links.belowBits.toFixed(1)} bits at most (--bits ${Math.max(1, Math.floor(r.links.belowBits))} lists and groups those)` : ''}`
      : `${plural(edges.length, 'edge')} of accounts that co-share; ${sure.length.toLocaleString('en')} hold at a false discovery rate of ${o.fdr}; ${edges.filter((e) => strong(e, r)).length.toLocaleString('en')} lie above the ${o.edgeWeight} quantile of co-shares`,
    '',
    `Cohorts of three or more (${cohorts.length}); the false discovery rate is of links: a group that chance made of one link more counts as one too`,
    ...cohorts
      .slice(0, 15)
      .map(
        (c) =>
          `  ${c.id.padEnd(7)} ${String(c.accounts.length).padStart(6)} accounts  ${c.bits.toFixed(1).padStart(6)} bits  ${c.accounts.slice(0, 4).map(who).join(', ')}${c.accounts.length > 4 ? ', ...' : ''}`,
      ),
    ...(r.links.same.length === 0
      ? []
      : [
          '',
          `Held by the very same accounts (${r.links.same.length}): values of several kinds, which count once in a link, for they may have one cause`,
          ...same.map(
            (g) =>
              `  ${plural(g.accounts.length, 'account')} share ${g.values.length} values of ${g.kinds.length} kinds (${g.kinds.map((k) => inert(k).slice(0, 20)).join(', ')}): ${g.accounts.slice(0, 4).map(who).join(', ')}${g.accounts.length > 4 ? ', ...' : ''}`,
          ),
        ]),
    '',
    'Strongest links',
    ...top.map(
      (e) =>
        `  ${who(e.a)} - ${who(e.b)}: ${e.bits.toFixed(1)} bits, q ${e.q.toPrecision(2)}; ${Object.entries(e.kinds)
          .map(([k, b]) => `${inert(k)} ${b.toFixed(1)}`)
          .join(', ')}${o.coShare === null ? '' : `; ${e.weight} co-shares, ${e.meanDelta.toFixed(0)} s apart`}; ${e.values
          .slice(0, 2)
          .map((v) => inert(values.get(v) ?? '').slice(0, 40))
          .join(', ')}`,
    ),
    '',
    'A link says that two accounts share more than strangers do. It does not say why; a person decides.',
    'Next: the same command with --format json, or --edges edges.csv',
  ];
  return `${lines.join('\n')}\n`;
}
