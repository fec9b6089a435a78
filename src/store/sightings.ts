import { closeSync, existsSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { delimiterOf, namesOf } from '../formats/csv.ts';
import { type Input, sampleLines } from '../formats/input.ts';
import { Interner, type Sightings } from '../links/sightings.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import type { Store } from './store.ts';
import { plainOf } from './unpack.ts';

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
  /** Rows without an account or a value, or with a count that is no number above nought. */
  readonly rejected: number;
  /** `undated`: rows whose time is there and cannot be read. */
  readonly files: readonly { readonly name: string; readonly rows: number; readonly rejected: number; readonly undated: number }[];
  /** Whether any file has a column of times. */
  readonly timed: boolean;
  /** Names behind indices. */
  names(what: 'account' | 'value' | 'record', indices: Iterable<number>): Promise<Map<number, string>>;
}

const BYTES = 8 + 8 + 8 + 8 + 4 + 1 + 1;
const SETTINGS =
  'input_format_json_read_numbers_as_strings = 1, input_format_json_read_bools_as_strings = 1, input_format_json_read_objects_as_strings = 1, input_format_json_read_arrays_as_strings = 1, input_format_null_as_default = 1, input_format_skip_unknown_fields = 1';
const name = (column: string): string => `\`${column.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;
const quote = (s: string): string => `'${s.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const formatOf = (input: Input): string =>
  input.parquet ? 'Parquet' : /^\s*\{/.test(sampleLines(input, 1)[0] ?? '') ? 'JSONEachRow' : 'CSVWithNames';

/** Records of a JSON file whose names are looked at. */
const NAMED_IN = 1000;

/** Names of columns: a header's, or the keys of the first records. */
function namesIn(format: string, lines: readonly string[]): string[] {
  if (format === 'CSVWithNames') return namesOf(lines[0] ?? '');
  const out = new Set<string>();
  for (const line of lines) {
    try {
      for (const k of Object.keys(JSON.parse(line) as object)) out.add(k);
    } catch {
      // A line that is no JSON is told of when it is read, with its place.
    }
  }
  return [...out];
}

function settingsOf(input: Input): string {
  if (formatOf(input) !== 'CSVWithNames') return SETTINGS;
  const delimiter = delimiterOf(sampleLines(input, 1)[0] ?? '');
  return `${SETTINGS}, format_csv_delimiter = ${quote(delimiter)}${delimiter === '\t' ? ', input_format_csv_allow_whitespace_or_tab_as_delimiter = 1, input_format_csv_trim_whitespaces = 0' : ''}`;
}

interface Relation {
  /** Account, kind, value, time, count and record of a file, all text. */
  readonly sql: string;
  readonly settings: string;
  readonly timed: boolean;
}

/** One file as a relation. Everything is read as text: as a number, 007 would be 7, and ids of nineteen digits one another. @param several other files are read too, which have a row 1 of their own */
async function relation(store: Store, input: Input, o: SightingOptions, several: boolean): Promise<Relation> {
  const format = formatOf(input);
  const settings = settingsOf(input);
  const source = (structure: string): string => `file(${quote(resolve(input.path))}, '${format}', '${structure}', '${input.compression}')`;
  const columns =
    format === 'Parquet'
      ? (await store.rows<{ name: string }>(`DESCRIBE ${source('auto')}`)).map((r) => r.name)
      : namesIn(format, sampleLines(input, NAMED_IN));
  // A header of another case names the same column.
  const there = (column: string): string | undefined =>
    columns.find((c) => c === column) ?? columns.find((c) => c.trim().toLowerCase() === column.toLowerCase());
  const used = new Set<string>();
  const text = (column: string): string => {
    used.add(column);
    return `trimBoth(ifNull(toString(${name(column)}), ''))`;
  };
  const need = (field: SightingField): string => {
    const column = o.fields[field] ?? field;
    const found = there(column);
    if (found === undefined)
      throw new StillwatchError(
        'E_SIGHTINGS',
        `${input.name} has no column ${JSON.stringify(column)} for ${field}`,
        `columns there: ${columns.slice(0, 20).join(', ')}; name one with --field ${field}=COLUMN`,
      );
    return text(found);
  };
  const maybe = (field: SightingField, otherwise: string): string =>
    o.fields[field] !== undefined || there(field) !== undefined ? need(field) : otherwise;
  const values = o.valueColumns.map((c) => {
    const found = there(c);
    if (found === undefined)
      throw new StillwatchError('E_SIGHTINGS', `${input.name} has no column ${JSON.stringify(c)}`, `columns there: ${columns.join(', ')}`);
    return found;
  });
  const row = `concat(${quote(several ? `${input.name}, row ` : 'row ')}, toString(_row_number + 1))`;
  const common = `${need('account')} AS account, ${maybe('time', "''")} AS time, ${maybe('count', "''")} AS count, ${maybe('record', row)} AS record`;
  const one = o.valueColumns.length > 0 ? '' : `, ${need('value')} AS value, ${maybe('kind', "'value'")} AS kind`;
  const all = values.map(text).join(', ');
  const from = `${source(
    format === 'Parquet'
      ? 'auto'
      : [...used]
          .map((c) => `${name(c)} String`)
          .join(', ')
          .replaceAll("'", "\\'"),
  )} WHERE _path = ${quote(resolve(input.path))}`;
  return {
    sql:
      o.valueColumns.length > 0
        ? `SELECT account, time, count, record, value, kind FROM (SELECT ${common}, [${all}] AS all FROM ${from}) ARRAY JOIN all AS value, [${o.valueColumns.map(quote).join(', ')}] AS kind`
        : `SELECT ${common}${one} FROM ${from}`,
    settings,
    timed: o.fields.time !== undefined || there('time') !== undefined,
  };
}

/** RFC 3339 lets its letters be small. */
const STAMP = `if(substring(time, 11, 1) = 't' OR endsWith(time, 'z'), translate(time, 'tz', 'TZ'), time)`;

/** ms since 1970 of a time as text: a number of seconds or smaller parts, or a date. */
const MOMENT = `coalesce(if(match(time, '^(19|20)[0-9]{6}$') OR NOT match(time, '^[-+0-9.eE]+$'), NULL, toFloat64OrNull(time) * multiIf(abs(toFloat64OrZero(time)) < 1e11, 1000, abs(toFloat64OrZero(time)) < 1e14, 1, abs(toFloat64OrZero(time)) < 1e17, 0.001, 0.000001)), toFloat64(toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull(${STAMP}, 3, 'UTC'))))`;
/** Rows that say who and what, as often as a number says. */
const WHOLE = `account != '' AND value != '' AND (count = '' OR toFloat32OrZero(count) > 0)`;

const HASH = { account: 'cityHash64(account)', value: 'cityHash64(kind, value)', record: 'cityHash64(record)' } as const;

/** Lines that one field of a table may go over. */
const FIELD_LINES = 1000;

/**
 * The line in which a quote is opened that is closed nowhere, or only after so many lines that rows were taken for text; 0 where there is none. The engine takes all that follows for one field, and says nothing.
 * @throws what a damaged stream throws
 */
async function openQuote(input: Input, delimiter: string): Promise<number> {
  const cut = delimiter.charCodeAt(0);
  const fresh = (c: number | undefined): boolean => c === undefined || c === cut || c === 10;
  let read = 0;
  let inside = false;
  let closing = false;
  /** Where the field under way was opened, and the lines it went over. */
  let opened = 0;
  let lines = 0;
  let before: number | undefined;
  for await (const part of plainOf(input)) {
    for (let i: number = inside || closing ? 0 : nextQuote(part, 0); i < part.length; i++) {
      const c = part[i] as number;
      if (inside) {
        if (c === 34) [inside, closing] = [false, true];
        else if (c === 10 && ++lines > FIELD_LINES) return lineAt(input, opened);
      } else if (closing) {
        // Two of them are one, and the field goes on.
        closing = false;
        if (c === 34) inside = true;
        else i = nextQuote(part, i) - 1;
      } else if (c === 34) {
        if (fresh(i > 0 ? part[i - 1] : before) || read + i === MARK_BYTES) [inside, opened, lines] = [true, read + i, 0];
        else i = nextQuote(part, i + 1) - 1;
      }
    }
    read += part.length;
    before = part.at(-1);
  }
  return inside ? lineAt(input, opened) : 0;
}

/** Of the mark of an encoding, before which no field ends. */
const MARK_BYTES = 3;

const nextQuote = (part: Buffer, from: number): number => {
  const at = part.indexOf(34, from);
  return at < 0 ? part.length : at;
};

async function lineAt(input: Input, offset: number): Promise<number> {
  let line = 1;
  let read = 0;
  for await (const part of plainOf(input)) {
    for (let at = part.indexOf(10); at >= 0 && read + at < offset; at = part.indexOf(10, at + 1)) line += 1;
    read += part.length;
    if (read >= offset) break;
  }
  return line;
}

/** A file that the engine cannot take as a table is the user's to mend: which one, and where in it. */
async function asTable<T>(store: Store, input: Input | undefined, sql: string, f: () => Promise<T>): Promise<T> {
  try {
    return await f();
  } catch (cause) {
    if (!(cause instanceof StillwatchError) || cause.code !== 'E_ENGINE' || !input) throw cause;
    const row = await badRow(store, input, sql);
    throw new StillwatchError(
      'E_SIGHTINGS',
      `${input.name} is no table that can be read${row ? `: ${row} is not like the others` : ''}`,
      'CSV with a header, JSON Lines or Parquet, every row with the same columns; take the bad row out, or mend it',
      { cause },
    );
  }
}

/** The first row that cannot be read, where it can be told. */
async function badRow(store: Store, input: Input, sql: string): Promise<string | null> {
  const format = formatOf(input);
  if (format === 'Parquet') return null;
  try {
    if (format === 'JSONEachRow') {
      const found = await store.first<{ n: string }>(
        `SELECT min(_row_number) + 1 AS n FROM file({path:String}, 'LineAsString', 'line String', '${input.compression}') WHERE NOT isValidJSON(line) AND trimBoth(line) != '' HAVING count() > 0`,
        { path: resolve(input.path) },
      );
      return found ? `line ${found.n}` : null;
    }
    // Rows that several threads read are numbered within their stretch of the file.
    await store.rows(`SELECT count() FROM (${sql}) WHERE NOT ignore(*) SETTINGS ${settingsOf(input)}, input_format_parallel_parsing = 0`);
  } catch (error) {
    const row = /\(at row (\d+)\)/.exec(messageOf(error instanceof StillwatchError ? (error.cause ?? error) : error))?.[1];
    return row ? `row ${row} after the header` : null;
  }
  return null;
}

/**
 * Sightings of some files, through the engine: parsed and hashed there, numbered here.
 * @throws StillwatchError E_SIGHTINGS when a column is missing or a file cannot be read as a table.
 */
export async function readSightings(store: Store, inputs: readonly Input[], o: SightingOptions): Promise<Loaded> {
  for (const input of inputs) {
    if (formatOf(input) !== 'CSVWithNames') continue;
    const at = await openQuote(input, delimiterOf(sampleLines(input, 1)[0] ?? '')).catch(() => 0);
    if (at > 0)
      throw new StillwatchError(
        'E_SIGHTINGS',
        `${input.name}: a quote is opened in line ${at} and not closed`,
        'close it, or double it where it is part of the text: the rows after it would be one field',
      );
  }
  const relations: Relation[] = [];
  for (const input of inputs) relations.push(await asTable(store, input, '', () => relation(store, input, o, inputs.length > 1)));
  const kinds: string[] = [];
  for (const [i, r] of relations.entries())
    for (const k of await asTable(store, inputs[i], r.sql, () =>
      store.rows<{ kind: string }>(`SELECT DISTINCT kind FROM (${r.sql}) ORDER BY kind LIMIT 256 SETTINGS ${r.settings}`),
    ))
      if (!kinds.includes(k.kind)) kinds.push(k.kind);
  if (kinds.length > 255) throw new StillwatchError('E_SIGHTINGS', 'more than 255 kinds of value', 'is --field kind=COLUMN the right one?');
  const paths: string[] = [];
  const files: { name: string; rows: number; rejected: number; undated: number }[] = [];
  for (const [i, r] of relations.entries()) {
    const path = join(o.spool, `sightings-${i}.bin`);
    paths.push(path);
    await asTable(store, inputs[i], r.sql, () =>
      store.command(
        `INSERT INTO FUNCTION file(${quote(path)}, 'RowBinary', 'a UInt64, v UInt64, r UInt64, t Float64, c Float32, k UInt8, s UInt8')
        SELECT ${HASH.account}, ${HASH.value}, ${HASH.record},
          ifNull(${MOMENT}, nan),
          if(count = '', 1, toFloat32OrZero(count)), toUInt8(indexOf([${kinds.map(quote).join(', ')}], kind) - 1), toUInt8((record = value) + 2 * (time != '' AND ${MOMENT} IS NULL))
        FROM (${r.sql}) WHERE ${WHOLE} SETTINGS ${r.settings}, engine_file_truncate_on_insert = 1`,
      ),
    );
    const all = await store.first<{ n: string }>(
      `SELECT ${o.valueColumns.length > 0 ? `countIf(account = '' OR value != '')` : 'count()'} AS n FROM (${r.sql}) SETTINGS ${r.settings}`,
    );
    const rows = existsSync(path) ? statSync(path).size / BYTES : 0;
    files.push({
      name: inputs[i]?.name ?? '',
      rows,
      rejected: Math.max(0, Number(all?.n ?? 0) - rows),
      undated: 0,
    });
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
  for (const [i, path] of paths.entries()) {
    if (!existsSync(path)) continue;
    let undated = 0;
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
        self[at] = (chunk[p + 37] as number) & 1;
        undated += (chunk[p + 37] as number) >> 1;
        at += 1;
      }
      got = readSync(file, chunk, 0, chunk.length, null);
    }
    closeSync(file);
    const read = files[i];
    if (read) read.undated = undated;
  }
  // By hash: who is chained to whom, and what is dealt anew, must not depend on the order of the rows.
  const [accountRank, valueRank] = [who.ranked(), what.ranked()];
  const kinded = new Uint8Array(what.size);
  for (let v = 0; v < what.size; v++) kinded[valueRank[v] as number] = kindOf[v] as number;
  kindOf = kinded;
  for (let i = 0; i < rows; i++) {
    account[i] = accountRank[account[i] as number] as number;
    value[i] = valueRank[value[i] as number] as number;
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
    timed: relations.some((r) => r.timed),
    names: async (kind, indices) => {
      const by = new Map<string, number>();
      for (const i of indices) by.set(interners[kind].hash(i), i);
      const out = new Map<number, string>();
      if (by.size === 0) return out;
      const wanted = join(o.spool, 'wanted.bin');
      writeFileSync(wanted, Buffer.from(BigUint64Array.from([...by.keys()], BigInt).buffer));
      for (const r of relations) {
        const found = await store.rows<{ h: string; x: string }>(
          `SELECT toString(${HASH[kind]}) AS h, any(${kind}) AS x FROM (${r.sql}) WHERE ${HASH[kind]} IN (SELECT h FROM file(${quote(wanted)}, 'RowBinary', 'h UInt64')) GROUP BY h SETTINGS ${r.settings}`,
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
