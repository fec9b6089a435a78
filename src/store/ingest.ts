import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Format } from '../formats/format.ts';
import { type Input, inspect, sampleRecords } from '../formats/input.ts';
import { COMPRESSORS } from '../formats/parquet.ts';
import { absentFields, dateOrder, exploded, quote, type ReadOptions, readSelect } from '../formats/read.ts';
import { zstdWhole } from '../formats/zstd.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { otherSecret } from './open.ts';
import { anyErased, WHO } from './personal.ts';
import { type FileCoverage, keyOf, readings, withdraw } from './readings.ts';
import { type Scope, scoped } from './scopes.ts';
import { SKETCH_SETTINGS, sketchSelect } from './sketch.ts';
import { engineError, type Params, type Shard, type Store } from './store.ts';
import { TEXT_MAX } from './texts.ts';
import { countIn, unpack } from './unpack.ts';

export interface IngestOptions extends ReadOptions {
  readonly spool: string;
  /** Whether the start of rejected lines may be kept. */
  readonly keepRejects: boolean;
  /** Days to keep the text of every exchange; 0 keeps none. */
  readonly keepTexts?: number;
  /** Addresses, keys and end users are stored as keyed hashes. */
  readonly keyed?: boolean;
  /** What is left out, or kept without text. */
  readonly scopes?: readonly Scope[];
  /** A batch of a running service, known by its name: what it rejects is counted each time it comes in another batch. */
  readonly live?: boolean;
  /** ms since 1970: all exchanges of the input are in this span, so only there can one be held already. A live batch says so. */
  readonly span?: readonly [number, number];
}

const BOM = `'\\xEF\\xBB\\xBF'`;
const clean = `if(startsWith(line, ${BOM}), substring(line, 4), line)`;

/** Lines by whose content a file is known to be the one that was read before, grown or under another name. */
const BEGINNING = 3;

/** What a rejected line is told apart by, besides itself and its place: what its file begins with, so that it counts once wherever the file lies and whatever it is packed with, and again where other content stands in its name. */
const placeOf = async (input: Input, o: IngestOptions): Promise<string> =>
  o.live || input.unordered
    ? input.name
    : createHash('sha256')
        .update(JSON.stringify(await sampleRecords(input, BEGINNING)))
        .digest('hex');

/**
 * Reads one input into the store. Safe to repeat: an exchange already there (by account and id) is not added again,
 * and a run that was interrupted is completed by the next.
 */
export async function ingest(store: Store, input: Input, format: Format, given: IngestOptions): Promise<FileCoverage> {
  // Our own proxy's records need no look: their times and fields are as it writes them.
  const sample = input.parquet || given.span ? [] : await sampleRecords(input, SAMPLED);
  const dates = dateOrder(sample);
  // Of a format with many records in a line, or with attributes by name, a line does not show them.
  const absent = format.explode || format.attributes ? [] : absentFields(sample, given.fields ?? {});
  const o: IngestOptions = dates ? { ...given, dates } : given;
  if (store.sealed) throw otherSecret(true);
  const key = keyOf(input, o);
  const all = await readings(store, input);
  const found = all.find((r) => r.key === key);
  const before = found?.format === format.id ? found : undefined;
  const base = { name: input.name, format: format.id };
  const id = before?.path_id ?? Number((await store.first<{ n: string }>('SELECT max(path_id) + 1 AS n FROM files'))?.n ?? 1);
  const old = all.filter((r) => r !== before);
  const reopened = await withdraw(store, old);
  const note = [
    ...((await anyErased(store)) ? ['what erased accounts sent before is left out, and counted with ids seen before'] : []),
    ...(absent.length > 0 ? [`no record among its first ${sample.length} holds what --field ${absent.join(' and ')} names`] : []),
    ...(dates === 'unknown'
      ? ['nothing tells which comes first in its dates, the day or the month: those that can be read both ways are rejected']
      : []),
    ...(before?.state === 'started' ? ['an earlier scan was interrupted here; completed now'] : []),
    ...(before?.state === 'reopened' ? ['read once more: what it held as duplicates of another file was taken out with that'] : []),
    ...(old.length > 0 ? ['read in another way before; what was read then was taken out again'] : []),
    ...(reopened.length > 0
      ? [
          `other files may have held some of it as duplicates; scan them again: ${reopened.slice(0, 5).join(', ')}${reopened.length > 5 ? ', ...' : ''}`,
        ]
      : []),
  ].join('; ');
  const log = (state: string, lines: number, said = note) =>
    store.insert('files', [
      {
        path_id: id,
        path: input.name,
        fingerprint: key,
        format: format.id,
        compression: input.compression,
        state,
        lines,
        note: said,
        at: new Date().toISOString(),
      },
    ]);
  await log('started', 0);
  const held = await counts(store, id);
  let source = nameless(input, o.spool);
  const cut = (reason: string): string => `the compressed stream is damaged: ${reason}; what could be unpacked was read`;
  let truncated =
    input.damaged !== undefined
      ? cut(input.damaged)
      : input.compression === 'zstd' && !zstdWhole(input.path)
        ? cut('it ends before its last block does')
        : '';
  const take = async (): Promise<void> => {
    if (format.nesting) await load(store, source, format, id, 'nested', o);
    await load(store, source, format, id, 'exchanges', o);
  };
  try {
    await take();
  } catch (error) {
    const failure = engineError(error);
    if (input.compression === 'none' || failure.code !== 'E_ENGINE') throw failure;
    // A compressed stream that ends early fails the whole statement: take what can be unpacked and say where it ended.
    const unpacked = await unpack(input, o.spool);
    // The engine refuses padding after the end, which is no damage.
    if (unpacked.reason !== '') truncated = cut(unpacked.reason);
    source = inspect(input.name, unpacked.path);
    await take();
  }
  let lines = (await countAll(store, source, format)) ?? (await countLines(store, source, format));
  if ((o.keepTexts ?? 0) > 0) await load(store, source, format, id, 'texts', o);
  let now = await counts(store, id);
  if (now.accepted !== lines) {
    // Some lines are blank, no exchange, or one that is there already: only now is the input read for what was rejected.
    lines = await countLines(store, source, format);
    await load(store, source, format, id, 'rejects', o, await placeOf(input, o));
    now = await counts(store, id);
  }
  lines = Math.max(lines, now.accepted + now.rejected);
  const accepted = now.accepted - held.accepted;
  const rejected = now.rejected - held.rejected;
  await log(truncated ? 'truncated' : 'done', lines, truncated || note);
  return {
    ...base,
    state: truncated ? 'truncated' : 'read',
    lines,
    accepted,
    rejected,
    duplicates: Math.max(0, lines - now.accepted - now.rejected),
    note: truncated || note,
  };
}

/** The engine takes braces in a path for a choice of paths, and two colons for a file in an archive: such a file is read through a link that has none. */
function nameless(input: Input, spool: string): Input {
  if (!/[{}]|::/.test(input.path)) return input;
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  const path = join(mkdtempSync(join(spool, 'named-')), 'input');
  symlinkSync(input.path, path);
  return { ...input, path };
}

async function counts(store: Store, id: number): Promise<{ accepted: number; rejected: number }> {
  const one = async (table: string) =>
    (await store.rowsEverywhere<{ n: string }>(`SELECT count() AS n FROM ${table} WHERE path_id = {id:UInt32}`, { id })).reduce(
      (sum, r) => sum + Number(r.n),
      0,
    );
  return { accepted: await one('exchanges'), rejected: await one('rejects') };
}

/** Records that tell the order of dates, and whether fields that were named are there. */
const SAMPLED = 2_000;

/** What a rejected line may hold that lets somebody in: keys and passwords by the name of their field, keys by how they begin, and what stands before the host of an address. */
const CREDENTIALS: readonly (readonly [is: string, becomes: string])[] = [
  [
    String.raw`(?i)("[a-z_-]*(?:api_?key|authorization|password|passwd|secret|access_?token|auth_?token)"\s*:\s*")[^"]*`,
    String.raw`\1[masked]`,
  ],
  [String.raw`(?i)\b(bearer\s+|sk-|pk-|rk-|gh[pousr]_|xox[abp]-)[a-z0-9_.~+/=-]{6,}`, String.raw`\1[masked]`],
  [String.raw`://[^/\s:@"]+:[^@/\s"]+@`, '://[masked]@'],
];

/** Which rows of an input a statement is about. */
type Part = 'exchanges' | 'rejects' | 'texts' | 'nested';

async function load(store: Store, input: Input, format: Format, id: number, part: Part, o: IngestOptions, place = ''): Promise<void> {
  const params: Params = { ...store.secret, id, path: input.path, place };
  if (store.kind === 'embedded') {
    const source = input.parquet
      ? `SELECT _row_number AS row, formatRowNoNewline('JSONEachRow', *) AS line FROM file({path:String}, 'Parquet') WHERE _path = {path:String}`
      : `SELECT _row_number AS row, ${clean} AS line FROM (SELECT _row_number, line FROM file({path:String}, 'LineAsString', 'line String', '${input.compression}') WHERE _path = {path:String} AND line NOT IN ('', '\\r'))`;
    await store.everywhere(await statement(store, source, format, part, o, '', input.unordered === true), params);
    return;
  }
  const lines = input.parquet ? await parquetLines(input, o.spool) : input;
  for (const [i, shard] of store.shards.entries()) {
    const own = part === 'rejects' ? 'key' : 'acct';
    const mine = store.shards.length > 1 ? `${own} % ${store.shards.length} = ${i}` : '';
    const source = `SELECT row, ${clean} AS line FROM (SELECT rowNumberInAllBlocks() AS row, line FROM input('line String')) WHERE line NOT IN ('', '\\r')`;
    await post(
      shard,
      `${await statement(store, source, format, part, o, mine, input.unordered === true)} FORMAT LineAsString`,
      params,
      lines,
    );
  }
}

/** Whose a rejected line is: the account that was read, or of a line that is torn what stands where records name one. 0 where nobody is named. */
const NAMED = `if(account != '', cityHash64(account), if(extract(line, '"account"\\\\s*:\\\\s*"([^"]*)"') AS named = '', 0, cityHash64(named)))`;

async function statement(
  store: Store,
  source: string,
  format: Format,
  part: Part,
  o: IngestOptions,
  mine: string,
  unordered: boolean,
): Promise<string> {
  if (part === 'nested')
    return `INSERT INTO nested SETTINGS ${SKETCH_SETTINGS} SELECT DISTINCT outer_span, now('UTC') FROM (${readSelect(format, source, o, true, [])}) WHERE reason = '' AND outer_span != 0 AND outer_span NOT IN (SELECT span FROM nested)`;
  // What is rejected needs few columns, and what a scope asks of those.
  const few = part === 'rejects' && (o.scopes ?? []).length === 0 ? [] : undefined;
  const read = `SELECT *, {id:UInt32} AS path_id FROM (${scoped(readSelect(format, source, o, format.nesting !== undefined, few), o.scopes ?? [])})`;
  const held = (await store.rowsEverywhere<{ n: string }>(`SELECT count() AS n FROM ${part}`)).some((r) => r.n !== '0');
  const moment = (ms: number) => `fromUnixTimestamp64Milli(toInt64(${Math.trunc(ms)}), 'UTC')`;
  const near = o.span && part === 'exchanges' ? `WHERE time >= ${moment(o.span[0])} AND time <= ${moment(o.span[1])}` : '';
  const where = (own: string) => [own, held ? `key NOT IN (SELECT key FROM ${part} ${near})` : '', mine].filter(Boolean).join(' AND ');
  const sketched = sketchSelect(`SELECT * EXCEPT line FROM (${read})`, { keyed: o.keyed === true, text: part === 'texts' });
  const erased = await anyErased(store);
  // What somebody sent before they were erased stays away.
  const sketch = erased
    ? `SELECT x.* FROM (${sketched}) AS x LEFT ANY JOIN (SELECT who, max(at) AS gone FROM erased GROUP BY who) AS g ON g.who = ${WHO.replace('acct', 'x.acct')} WHERE x.time > ifNull(g.gone, toDateTime64(0, 3, 'UTC'))`
    : sketched;
  if (part === 'texts')
    return `INSERT INTO texts SETTINGS ${SKETCH_SETTINGS} SELECT key, acct, substring(text, 1, ${TEXT_MAX}) AS text, now('UTC') AS at, ${Math.trunc(o.keepTexts ?? 0)} AS days FROM (${sketch}) WHERE ${where(`reason = '' AND text != ''`)} LIMIT 1 BY key`;
  if (part === 'exchanges')
    return `INSERT INTO exchanges SETTINGS ${SKETCH_SETTINGS}, max_insert_threads = 2 SELECT * EXCEPT reason FROM (${sketch}) WHERE ${where(`reason = ''`)} LIMIT 1 BY key`;
  const head = o.keepRejects
    ? CREDENTIALS.reduce(
        (text, [is, becomes]) => `replaceRegexpAll(${text}, ${quote(is)}, ${quote(becomes)})`,
        'substring(toValidUTF8(line), 1, 300)',
      )
    : `''`;
  return `INSERT INTO rejects SETTINGS ${SKETCH_SETTINGS} SELECT cityHash64({place:String}, ${unordered ? 0 : 'row'}, line, 'reject') AS key, path_id, row, reason, ${head} AS head, ${NAMED} AS acct FROM (${read}) WHERE ${where(`reason != ''${erased ? ` AND ${WHO} NOT IN (SELECT who FROM erased)` : ''}`)} LIMIT 1 BY key`;
}

/** Streams a file to a server as it is; the server unpacks it. Returns how many rows it wrote. */
async function post(shard: Shard, sql: string, params: Params, input: Input): Promise<number> {
  const url = new URL(shard.url as URL);
  url.username = '';
  url.password = '';
  url.pathname = '/';
  url.search = '';
  const q = url.searchParams;
  q.set('database', shard.database);
  q.set('query', sql);
  // One reader: row numbers are those of the file.
  for (const [k, v] of Object.entries({
    input_format_parallel_parsing: '0',
    max_threads: '1',
    enable_named_columns_in_function_tuple: '0',
    max_memory_usage: '5000000000',
  }))
    q.set(k, v);
  for (const [k, v] of Object.entries(params)) q.set(`param_${k}`, String(v));
  const headers: Record<string, string> = {
    'x-clickhouse-user': shard.user,
    ...(shard.password ? { 'x-clickhouse-key': shard.password } : {}),
  };
  if (input.compression !== 'none') headers['content-encoding'] = input.compression;
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers,
      body: Readable.toWeb(createReadStream(input.path)) as never,
      duplex: 'half',
    } as RequestInit);
  } catch (cause) {
    throw new StillwatchError(
      'E_STORE_REACH',
      `the store does not answer: ${messageOf(cause)}`,
      'check that the server runs; then run the same command again: it resumes',
      { cause },
    );
  }
  const body = await response.text();
  if (!response.ok) throw engineError(new Error(body.slice(0, 2000)));
  return Number((JSON.parse(response.headers.get('x-clickhouse-summary') ?? '{}') as { written_rows?: string }).written_rows ?? 0);
}

/** All lines, blank ones too, where the engine can tell without looking into them; null where it cannot. */
async function countAll(store: Store, input: Input, format: Format): Promise<number | null> {
  if (store.kind !== 'embedded' || format.explode || input.parquet) return null;
  const r = await store.first<{ n: string }>(
    `SELECT count() AS n FROM file({path:String}, 'LineAsString', 'line String', '${input.compression}')`,
    { path: input.path },
  );
  return Number(r?.n ?? 0);
}

async function countLines(store: Store, input: Input, format: Format): Promise<number> {
  if (format.explode) {
    // Records, not lines: one line of this format holds many.
    return countRecords(store, input, format);
  }
  if (input.parquet) {
    const { asyncBufferFromFile, parquetMetadataAsync } = await import('hyparquet');
    return Number((await parquetMetadataAsync(await asyncBufferFromFile(input.path))).num_rows);
  }
  if (input.compression !== 'none' && store.kind === 'embedded') {
    const r = await store.first<{ n: string }>(
      `SELECT count() AS n FROM file({path:String}, 'LineAsString', 'line String', '${input.compression}') WHERE _path = {path:String} AND line NOT IN ('', '\\r')`,
      { path: input.path },
    );
    return Number(r?.n ?? 0);
  }
  return countIn(input);
}

async function countRecords(store: Store, input: Input, format: Format): Promise<number> {
  if (store.kind !== 'embedded') {
    // A server cannot see the file: it is streamed once more, into nothing, and the server says how many rows that made.
    const line = `SELECT 1 AS row, ${clean} AS line FROM input('line String') WHERE line NOT IN ('', '\\r')`;
    const sql = `INSERT INTO FUNCTION null('n UInt8') SELECT 1 AS n FROM (${exploded(format, line)}) FORMAT LineAsString`;
    return post(store.shards[0] as Shard, sql, {}, input);
  }
  const r = await store.first<{ n: string }>(
    `SELECT sum(greatest(1, length(${format.explode}))) AS n FROM (SELECT line FROM file({path:String}, 'LineAsString', 'line String', '${input.compression}') WHERE _path = {path:String} AND line NOT IN ('', '\\r'))`,
    { path: input.path },
  );
  return Number(r?.n ?? 0);
}

/** Parquet for a server that cannot see the file: one JSON line a row. */
async function parquetLines(input: Input, spool: string): Promise<Input> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const file = await asyncBufferFromFile(input.path);
  const rows = Number((await parquetMetadataAsync(file)).num_rows);
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  const path = join(mkdtempSync(join(spool, 'parquet-')), 'input');
  const out = createWriteStream(path, { mode: 0o600 });
  for (let rowStart = 0; rowStart < rows; rowStart += 10_000) {
    const part = await parquetReadObjects({ file, compressors: COMPRESSORS, rowStart, rowEnd: Math.min(rows, rowStart + 10_000) });
    out.write(`${part.map((r) => JSON.stringify(r, (_k, v) => (typeof v === 'bigint' ? v.toString() : v))).join('\n')}\n`);
  }
  out.end();
  await finished(out);
  return inspect(input.name, path);
}
