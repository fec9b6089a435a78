import { asMessages, COLUMNS, type Column, type Format } from './format.ts';

/** Times outside these bounds are absurd in a log of a language model. */
export const TIME_BOUNDS = ['2015-01-01 00:00:00', '2100-01-01 00:00:00'] as const;

/** Escapes of unpaired surrogates and broken UTF-8 make the whole record unreadable to the parser; only such lines pay for being mended. */
const MENDED = `replaceRegexpAll(replaceRegexpAll(toValidUTF8(line), '\\\\\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\\\\\u[dD][c-fC-F][0-9a-fA-F]{2}', '\\\\\\\\ufffd'), '\\\\\\\\u[dD][89abcdefABCDEF][0-9a-fA-F]{2}', '\\\\\\\\ufffd')`;

/** A dotted path of the user's as JSONExtract arguments: `meta.user` or `meta["a.b"].id`. */
export function jsonPath(path: string): string[] {
  return [...path.matchAll(/\["([^"]+)"\]|([^.[\]]+)/g)].map((m) => m[1] ?? m[2] ?? '');
}

const BROKEN = `(multiSearchAny(line, ['\\\\ud', '\\\\uD']) OR NOT isValidUTF8(line)) AND NOT isValidJSON(line)`;

/**
 * What the engine's parser makes a moment of although it is none: a time of day without a day (it takes the first of January), a word or a number without a year (a month, a day of this one), the year nought (this year), and
 * an hour or a minute that there is not (it goes on into the next).
 */
const CLOCK = `(length(c_time) < 8 OR position(c_time, ':') IN (2, 3) OR (substring(c_time, 5, 1) = '-' AND (startsWith(c_time, '0000') OR (substring(c_time, 11, 1) IN ('T', ' ', 't') AND (substring(c_time, 12, 2) > '23' OR substring(c_time, 15, 2) > '59')))))`;

/** RFC 3339 lets its letters be small. */
const STAMP = `if(substring(c_time, 11, 1) = 't' OR endsWith(c_time, 'z'), translate(c_time, 'tz', 'TZ'), c_time)`;

/** Columns by which it is told whether a line is an exchange. */
const NEEDED: readonly Column[] = ['id', 'time', 'account', 'model'];

/** A string as a literal of the engine. */
export const quote = (s: string): string => `'${s.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function overridden(path: string, type: string, format: Format): string {
  const names = jsonPath(path);
  if (type === COLUMNS.messages) return asMessages(overridden(path, 'String', format));
  if (format.attributes && names[0] === 'attributes' && names.length > 1 && type === 'String')
    return `${format.attributes}[${quote(names.slice(1).join('.'))}]`;
  const args = names.map(quote).join(', ');
  return type === 'String' ? `JSONExtract(record, ${args}, 'String')` : `JSONExtract(record, ${args}, ${quote(type)})`;
}

/** Records of one line at most, where a line holds many: the row of a record is its line times this and its place in it. */
export const RECORDS_MAX = 1_048_576;

export interface ReadOptions {
  /** Canonical column -> path in the record (`--field name=path`). */
  readonly fields?: Readonly<Record<string, string>>;
  /** Canonical column that names the billed party (`--account-by`). */
  readonly accountBy?: string;
  /** Which comes first in dates like 10/12/2026, told by those of the input that can be read one way only; 'unknown' where none is, or both are. */
  readonly dates?: DateOrder;
}

/** Fields that were named (`--field name=path`), and that no one of some records holds: a misspelt one reads as empty in all of them. */
export function absentFields(records: readonly string[], fields: Readonly<Record<string, string>>): string[] {
  if (Object.keys(fields).length === 0) return [];
  const parsed = records.flatMap((r) => {
    try {
      return [JSON.parse(r) as unknown];
    } catch {
      return [];
    }
  });
  const holds = (at: unknown, names: readonly string[]): boolean =>
    names.every((n) => {
      if (Array.isArray(at)) return true;
      at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[n] : undefined;
      return at !== undefined;
    });
  if (parsed.length === 0) return [];
  return Object.entries(fields)
    .filter(([, path]) => !parsed.some((r) => Array.isArray(r) || holds(r, jsonPath(path))))
    .map(([name, path]) => `${name}=${path}`);
}

export type DateOrder = 'day first' | 'month first' | 'unknown';

/** A field that is a date between slashes, with a time or without. */
const SLASHED =
  /(?:^|["',;\t|])\s*(\d{1,2})\/(\d{1,2})\/\d{4}(?:[ T,]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s*[AP]M)?)?\s*(?=["',;\t|]|$)/gi;

/** The order of dates between slashes in some lines; undefined where there are none. */
export function dateOrder(lines: readonly string[]): DateOrder | undefined {
  const seen = lines.flatMap((l) => [...l.slice(0, DATED_IN).matchAll(SLASHED)].map((m) => [Number(m[1]), Number(m[2])] as const));
  if (seen.length === 0) return undefined;
  const day = seen.some(([a]) => a > 12);
  const month = seen.some(([, b]) => b > 12);
  return day === month ? 'unknown' : day ? 'day first' : 'month first';
}

/** Characters of a line that are looked at for dates. */
const DATED_IN = 4_000;

/** Dates between slashes as one order reads them: one that the other order alone can read is none, and where nobody knows the order so is one that both can. */
function slashed(order: DateOrder): string {
  const part = (n: number): string => `toUInt8OrZero(extractAllGroups(c_time, '([0-9]{1,2})/([0-9]{1,2})/')[1][${n}])`;
  const read = order === 'month first' ? 'parseDateTime64BestEffortUSOrNull' : 'parseDateTime64BestEffortOrNull';
  const not =
    order === 'day first'
      ? `${part(2)} > 12`
      : order === 'month first'
        ? `${part(1)} > 12`
        : `(${part(1)} <= 12 AND ${part(2)} <= 12 AND ${part(1)} != ${part(2)})`;
  return `if(${not}, NULL, ${read}(c_time, 3, 'UTC'))`;
}

const empty = (type: string): string =>
  type === 'String' ? `''` : type.startsWith('Array') ? `CAST([], '${type}')` : `CAST(0, '${type}')`;

/** Records of a source of `line` and `row`, where lines hold many. */
export const exploded = (format: Format, source: string): string =>
  format.explode
    ? `SELECT row * ${RECORDS_MAX} + n AS row, record AS line FROM (SELECT row, if(empty(${format.explode} AS parts), [line], parts) AS records FROM (${source})) ARRAY JOIN records AS record, arrayEnumerate(records) AS n`
    : source;

/**
 * What several columns share is a column of a relation of its own: as an alias beside them its whole expression is a part of each of theirs, by name, and a statement
 * of two hundred such took the engine seconds to understand.
 */
const prepared = (format: Format, source: string): string => (format.prepare ? `SELECT *, ${format.prepare} FROM (${source})` : source);

/**
 * SELECT of canonical columns, `reason` and `head` from a source of `line` and `row`.
 * `reason` names why a line can be no exchange; nothing is dropped here.
 * @param nested whether calls that wrap another are told (by the table `nested`), and `outer_span`, which names the record a call lies in
 * @param only columns besides those by which `reason` is told; all when absent. The engine takes half a second to understand them all
 */
export function readSelect(format: Format, source: string, options: ReadOptions = {}, nested = false, only?: readonly Column[]): string {
  const wanted = (Object.keys(COLUMNS) as Column[]).filter(
    (c) => !only || only.includes(c) || NEEDED.includes(c) || c === options.accountBy,
  );
  const columns = wanted.map((name) => {
    const path = options.fields?.[name];
    const type = COLUMNS[name];
    const sql = path ? overridden(path, type, format) : (format.columns[name] ?? empty(type));
    return `${type.startsWith('Array') ? `CAST(${sql}, '${type}')` : type === 'String' ? sql : `CAST(${sql}, '${type}')`} AS c_${name}`;
  });
  const account = options.accountBy ? `c_${options.accountBy}` : 'c_account';
  const renamed = wanted
    .filter((c) => c !== 'account')
    .map((c) => (c === 'time' ? 'c_time AS stamp' : c === 'model' ? `c_model AS model` : `c_${c} AS ${c}`));
  const lines = exploded(format, source);
  const best = `parseDateTime64BestEffortOrNull(${STAMP}, 3, 'UTC')`;
  // Of one account and one model: a wrapper that says whose it is, around a call that does not, is all there is to know; and a judge that is asked while another model answers is another call.
  const key = (name: string): string => `cityHash64(${name}, trimBoth(${account}), c_model)`;
  const wraps = nested ? ` OR (own_key != '' AND ${key('own_key')} IN (SELECT span FROM nested))` : '';
  const outer = nested ? `, if(outer_key = '' OR outer_key = own_key, 0, ${key('outer_key')}) AS outer_span` : '';
  return `
SELECT ${renamed.join(', ')}, trimBoth(${account}) AS account, at, row, tool_count, line${outer},
  /* The first of these that holds; not a multiIf, whose branches run late and so parse the line again for each. */
  ['', 'no_account', 'absurd_time', 'bad_time', 'no_time', 'no_id', 'not_a_call', 'not_json'][1 + greatest(
    account = '', 2 * ifNull(at < toDateTime64('${TIME_BOUNDS[0]}', 3, 'UTC') OR at > toDateTime64('${TIME_BOUNDS[1]}', 3, 'UTC'), 0),
    3 * isNull(at), 4 * (c_time = ''), 5 * (c_id = ''), 6 * (NOT is_call${wraps}), 7 * (NOT parsed))] AS why,
  if(why = 'not_json' AND (JSONType(line) IN ('Array', 'Int64', 'UInt64', 'Double', 'String', 'Bool') OR trimBoth(line) = 'null'), 'not_an_object', why) AS reason
FROM (
  SELECT *,
    coalesce(if(${CLOCK}, NULL, ${options.dates ? `if(match(c_time, '^[ ]*[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}'), ${slashed(options.dates)}, ${best})` : best}), if(match(c_time, '^[0-9]{13}$'), fromUnixTimestamp64Milli(toInt64OrZero(c_time), 'UTC'), NULL)) AS at,
    ${wanted.includes('tools') ? `toUInt16(if(c_tools = '', 0, JSONLength(c_tools)))` : '0'} AS tool_count
  FROM (
  SELECT *, ${columns.join(', ')}, ${format.isCall ?? '1'} AS is_call${nested ? `, ${format.nesting?.own ?? `''`} AS own_key, ${format.nesting?.outer ?? `''`} AS outer_key` : ''}
  FROM (${prepared(
    format,
    `
    SELECT row, record AS line, record, JSONExtract(record, ${quote(format.tuple)}) AS r, least(startsWith(trimLeft(record, ' \\t\\r'), '{'), if(${format.holds ?? `r != JSONExtract('{}', ${quote(format.tuple)})`}, 1, JSONType(record) = 'Object')) AS parsed
    FROM (SELECT row, if(${BROKEN}, ${MENDED}, line) AS record FROM (${lines}))`,
  )}
  )
)
)`;
}
