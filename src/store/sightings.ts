import { closeSync, existsSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Input, sampleLines } from '../formats/input.ts';
import { Interner, type Sightings } from '../links/sightings.ts';
import { StillwatchError } from '../model/errors.ts';
import type { Store } from './store.ts';

/** What a table of sightings is made of, and the column each part is read from. */
export const SIGHTING_FIELDS = ['account', 'kind', 'value', 'time', 'count', 'record'] as const;
export type SightingField = (typeof SIGHTING_FIELDS)[number];

export interface SightingOptions {
  readonly fields: Partial<Record<SightingField, string>>;
  /** Several columns that each hold values of a kind of their own, instead of `kind` and `value`. */
  readonly valueColumns: readonly string[];
  readonly spool: string;
}

export interface Loaded {
  readonly sightings: Sightings;
  /** Rows without an account or a value. */
  readonly rejected: number;
  readonly files: readonly { readonly name: string; readonly rows: number; readonly rejected: number }[];
  /** Names behind indices. */
  names(what: 'account' | 'value' | 'record', indices: Iterable<number>): Promise<Map<number, string>>;
}

const BYTES = 8 + 8 + 8 + 8 + 4 + 1 + 1;
const SETTINGS =
  'input_format_try_infer_integers = 0, input_format_try_infer_dates = 0, input_format_try_infer_datetimes = 0, input_format_csv_try_infer_numbers_from_strings = 0, input_format_json_try_infer_numbers_from_strings = 0, schema_inference_make_columns_nullable = 1';
const name = (column: string): string => `\`${column.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
const quote = (s: string): string => `'${s.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const formatOf = (input: Input): string =>
  input.parquet ? 'Parquet' : /^\s*\{/.test(sampleLines(input, 1)[0] ?? '') ? 'JSONEachRow' : 'CSVWithNames';

/** One file as a relation of account, kind, value, time, count and record, all text. */
async function relation(store: Store, input: Input, o: SightingOptions): Promise<string> {
  const source = `file(${quote(resolve(input.path))}, '${formatOf(input)}', 'auto', '${input.compression}')`;
  const columns = (await store.rows<{ name: string }>(`DESCRIBE ${source} SETTINGS ${SETTINGS}`)).map((r) => r.name);
  const text = (column: string): string => `trimBoth(ifNull(toString(${name(column)}), ''))`;
  const need = (field: SightingField): string => {
    const column = o.fields[field] ?? field;
    if (!columns.includes(column))
      throw new StillwatchError(
        'E_SIGHTINGS',
        `${input.name} has no column ${JSON.stringify(column)} for ${field}`,
        `columns there: ${columns.slice(0, 20).join(', ')}; name one with --field ${field}=COLUMN`,
      );
    return text(column);
  };
  const maybe = (field: SightingField, otherwise: string): string =>
    o.fields[field] !== undefined || columns.includes(field) ? need(field) : otherwise;
  for (const c of o.valueColumns)
    if (!columns.includes(c))
      throw new StillwatchError('E_SIGHTINGS', `${input.name} has no column ${JSON.stringify(c)}`, `columns there: ${columns.join(', ')}`);
  const common = `${need('account')} AS account, ${maybe('time', "''")} AS time, ${maybe('count', "'1'")} AS count, ${maybe('record', "concat('row ', toString(_row_number + 1))")} AS record`;
  const where = `WHERE _path = ${quote(resolve(input.path))}`;
  return o.valueColumns.length > 0
    ? `SELECT account, time, count, record, value, kind FROM (SELECT ${common}, [${o.valueColumns.map(text).join(', ')}] AS all FROM ${source} ${where}) ARRAY JOIN all AS value, [${o.valueColumns.map(quote).join(', ')}] AS kind`
    : `SELECT ${common}, ${need('value')} AS value, ${maybe('kind', "'value'")} AS kind FROM ${source} ${where}`;
}

const HASH = { account: 'cityHash64(account)', value: 'cityHash64(kind, value)', record: 'cityHash64(record)' } as const;

/** A file that the engine cannot take as a table is the user's to mend: which one, and where in it. */
async function asTable<T>(input: Input | undefined, f: () => Promise<T>): Promise<T> {
  try {
    return await f();
  } catch (cause) {
    if (!(cause instanceof StillwatchError) || cause.code !== 'E_ENGINE') throw cause;
    const row = /\((?:at row|row|line) (\d+)\)|at row (\d+)/i.exec(cause.message);
    throw new StillwatchError(
      'E_SIGHTINGS',
      `${input?.name ?? 'a file'} is no table that can be read${row ? `: row ${row[1] ?? row[2]} is not like the others` : ''}`,
      'CSV with a header, JSON Lines or Parquet, every row with the same columns; take the bad row out, or mend it',
      { cause },
    );
  }
}

/**
 * Sightings of some files, through the engine: parsed and hashed there, numbered here.
 * @throws StillwatchError E_SIGHTINGS when a column is missing or a file cannot be read as a table.
 */
export async function readSightings(store: Store, inputs: readonly Input[], o: SightingOptions): Promise<Loaded> {
  const relations: string[] = [];
  for (const input of inputs) relations.push(await asTable(input, () => relation(store, input, o)));
  const kinds: string[] = [];
  for (const [i, r] of relations.entries())
    for (const k of await asTable(inputs[i], () =>
      store.rows<{ kind: string }>(`SELECT DISTINCT kind FROM (${r}) ORDER BY kind LIMIT 256 SETTINGS ${SETTINGS}`),
    ))
      if (!kinds.includes(k.kind)) kinds.push(k.kind);
  if (kinds.length > 255) throw new StillwatchError('E_SIGHTINGS', 'more than 255 kinds of value', 'is --field kind=COLUMN the right one?');
  const paths: string[] = [];
  const files: Loaded['files'][number][] = [];
  for (const [i, r] of relations.entries()) {
    const path = join(o.spool, `sightings-${i}.bin`);
    paths.push(path);
    await asTable(inputs[i], () =>
      store.command(
        `INSERT INTO FUNCTION file(${quote(path)}, 'RowBinary', 'a UInt64, v UInt64, r UInt64, t Float64, c Float32, k UInt8, s UInt8')
        SELECT ${HASH.account}, ${HASH.value}, ${HASH.record},
          ifNull(coalesce(if(match(time, '^(19|20)[0-9]{6}$'), NULL, toFloat64OrNull(time) * multiIf(abs(toFloat64OrZero(time)) < 1e11, 1000, abs(toFloat64OrZero(time)) < 1e14, 1, abs(toFloat64OrZero(time)) < 1e17, 0.001, 0.000001)), toFloat64(toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull(time, 3, 'UTC')))), nan),
          greatest(1, toFloat32OrZero(count)), toUInt8(indexOf([${kinds.map(quote).join(', ')}], kind) - 1), record = value
        FROM (${r}) WHERE account != '' AND value != '' SETTINGS ${SETTINGS}, engine_file_truncate_on_insert = 1`,
      ),
    );
    const all = Number(
      (
        await store.first<{ n: string }>(
          `SELECT ${o.valueColumns.length > 0 ? `countIf(account = '' OR value != '')` : 'count()'} AS n FROM (${r}) SETTINGS ${SETTINGS}`,
        )
      )?.n ?? 0,
    );
    const rows = existsSync(path) ? statSync(path).size / BYTES : 0;
    files.push({ name: inputs[i]?.name ?? '', rows, rejected: Math.max(0, all - rows) });
  }
  const rows = files.reduce((n, f) => n + f.rows, 0);
  const who = new Interner();
  const what = new Interner();
  const which = new Interner();
  const account = new Int32Array(rows);
  const value = new Int32Array(rows);
  const record = new Int32Array(rows);
  const time = new Float64Array(rows);
  const count = new Float32Array(rows);
  const self = new Uint8Array(rows);
  let kindOf = new Uint8Array(1024);
  let at = 0;
  const chunk = Buffer.alloc(BYTES * 65_536);
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const file = openSync(path, 'r');
    let got = readSync(file, chunk, 0, chunk.length, null);
    while (got > 0) {
      // The engine writes whole rows; a short read may end inside one.
      while (got % BYTES !== 0) {
        const more = readSync(file, chunk, got, chunk.length - got, null);
        if (more === 0) break;
        got += more;
      }
      for (let p = 0; p + BYTES <= got; p += BYTES) {
        account[at] = who.of(chunk.readUInt32LE(p), chunk.readUInt32LE(p + 4));
        const v = what.of(chunk.readUInt32LE(p + 8), chunk.readUInt32LE(p + 12));
        value[at] = v;
        record[at] = which.of(chunk.readUInt32LE(p + 16), chunk.readUInt32LE(p + 20));
        time[at] = chunk.readDoubleLE(p + 24);
        count[at] = chunk.readFloatLE(p + 32);
        if (v >= kindOf.length) {
          const more = new Uint8Array(kindOf.length * 2);
          more.set(kindOf);
          kindOf = more;
        }
        kindOf[v] = chunk[p + 36] as number;
        self[at] = chunk[p + 37] as number;
        at += 1;
      }
      got = readSync(file, chunk, 0, chunk.length, null);
    }
    closeSync(file);
  }
  const interners = { account: who, value: what, record: which };
  return {
    sightings: {
      rows,
      accounts: who.size,
      values: what.size,
      records: which.size,
      kinds,
      account,
      value,
      record,
      time,
      count,
      self,
      kindOf,
    },
    rejected: files.reduce((n, f) => n + f.rejected, 0),
    files,
    names: async (kind, indices) => {
      const by = new Map<string, number>();
      for (const i of indices) by.set(interners[kind].hash(i), i);
      const out = new Map<number, string>();
      if (by.size === 0) return out;
      const wanted = join(o.spool, 'wanted.bin');
      writeFileSync(wanted, Buffer.from(BigUint64Array.from([...by.keys()], BigInt).buffer));
      for (const r of relations) {
        const found = await store.rows<{ h: string; x: string }>(
          `SELECT toString(${HASH[kind]}) AS h, any(${kind}) AS x FROM (${r}) WHERE ${HASH[kind]} IN (SELECT h FROM file(${quote(wanted)}, 'RowBinary', 'h UInt64')) GROUP BY h SETTINGS ${SETTINGS}`,
        );
        for (const f of found) {
          const i = by.get(f.h);
          if (i !== undefined) out.set(i, f.x);
        }
      }
      return out;
    },
  };
}
