import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { type Input, inspect } from '../formats/input.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';

export interface PullOptions {
  /** clickhouse://user:password@host:port/database/table (clickhouses:// for TLS). */
  readonly from: string;
  /** A file with one SELECT whose columns are those of the canonical record. */
  readonly map?: string;
  readonly spool: string;
  readonly until?: number;
  readonly progress?: (said: string, done: number, all: number) => void;
}

/** Between two slices the reader rests for as long as the slice took, so that a table in use keeps half its machine. */
const REST = 1;

export function parseFrom(from: string): { url: string; user: string; password: string; database: string; table: string } {
  let u: URL;
  try {
    u = new URL(from.replace(/^clickhouse(s?):/, 'http$1:'));
  } catch (cause) {
    throw new StillwatchError('E_FROM', '--from is not a ClickHouse address', 'use clickhouse://user:password@host:8123/database/table', {
      cause,
    });
  }
  const [database = 'default', table = ''] = u.pathname.slice(1).split('/');
  if (!/^clickhouses?:/.test(from) || table === '')
    throw new StillwatchError(
      'E_FROM',
      /^clickhouses?:/.test(from) ? '--from names no table' : '--from starts with something other than clickhouse:// or clickhouses://',
      'use clickhouse://user:password@host:8123/database/table',
    );
  return {
    url: `${u.protocol}//${u.hostname}:${u.port || '8123'}`,
    user: decodeURIComponent(u.username || 'default'),
    password: decodeURIComponent(u.password),
    database,
    table,
  };
}

type Source = ReturnType<typeof parseFrom>;
interface Column {
  readonly name: string;
  readonly type: string;
}

/** Rows that tell no time are read as well, to be counted with what was rejected. */
const UNTOLD = 'time IS NULL';

/**
 * How the moment of a row is told, by the type of its column. A column of times is compared as it is, so that the engine passes over the parts of other days, and is written out in UTC, whatever
 * zone the column or the server is in; of anything else the text is read.
 */
export function momentOf(columns: readonly Column[]): { readonly sql: string; readonly columns: string; on(day: string | null): string } {
  const type = columns.find((c) => c.name === 'time')?.type ?? '';
  if (!/^(?:LowCardinality\()?(?:Nullable\()?DateTime/.test(type)) {
    const sql = `parseDateTime64BestEffortOrZero(toString(time), 3, 'UTC')`;
    return { sql, columns: '*', on: (day) => (day === null ? UNTOLD : `toDate(${sql}) = toDate('${day}')`) };
  }
  const start = (day: string): string => `toDateTime64('${day} 00:00:00', 3, 'UTC')`;
  return {
    sql: `toDateTime64(time, 3, 'UTC')`,
    columns: `* REPLACE (toString(toDateTime64(time, 3, 'UTC')) AS time)`,
    on: (day) => (day === null ? UNTOLD : `time >= ${start(day)} AND time < ${start(day)} + INTERVAL 1 DAY`),
  };
}

const clientOf = (at: Source) =>
  createClient({
    log: { level: ClickHouseLogLevel.OFF },
    url: at.url,
    username: at.user,
    password: at.password,
    database: at.database,
    request_timeout: 3_600_000,
  });

/** What a table is called in a report, and the statement that gives its rows. */
function whatOf(at: Source, map: string | undefined): { readonly name: string; readonly select: string } {
  const given = map
    ? readFileSync(map, 'utf8')
        .trim()
        .replace(/;\s*(--[^\n]*)?$/, '')
    : `SELECT * FROM \`${at.database}\`.\`${at.table}\``;
  // A last line that is a comment must not swallow what is put behind it.
  const select = `${given}\n`;
  if (!/^(select|with)\b/i.test(given.replace(/^(?:\s|\(|--[^\n]*\n|\/\*[\s\S]*?\*\/)+/, '')))
    throw new StillwatchError(
      'E_MAP',
      'the map file is not one SELECT',
      'write SELECT ... AS id, ... AS time, ... AS account, ... AS model FROM ...',
    );
  return { name: `clickhouse://${new URL(at.url).host}/${at.database}/${at.table}`, select };
}

/** How much a table holds, and some of its rows as lines: what a plan is made of. */
export async function sampleTable(
  o: Pick<PullOptions, 'from' | 'map'>,
): Promise<{ readonly name: string; readonly rows: number; readonly days: number; readonly lines: readonly string[] }> {
  const at = parseFrom(o.from);
  const { name, select } = whatOf(at, o.map);
  const client = clientOf(at);
  try {
    const ask = async <T>(query: string): Promise<T[]> => (await (await client.query({ query, format: 'JSONEachRow' })).json()) as T[];
    const when = momentOf(await ask<Column>(`DESCRIBE (${select})`));
    const [n] = await ask<{ n: string; d: string }>(`SELECT count() AS n, uniq(toDate(${when.sql})) AS d FROM (${select}) AS source`);
    const lines = await ask<object>(`SELECT * FROM (${select}) AS source LIMIT 200`);
    return { name, rows: Number(n?.n ?? 0), days: Number(n?.d ?? 0), lines: lines.map((l) => JSON.stringify(l)) };
  } catch (cause) {
    throw refused(cause);
  } finally {
    await client.close();
  }
}

const refused = (cause: unknown): StillwatchError =>
  new StillwatchError(
    'E_FROM',
    `the source table cannot be read: ${messageOf(cause).split('\n')[0]}`,
    'check the address, the read-only user and the columns (id, time, account, model; or give --map)',
    { cause },
  );

/**
 * Reads a ClickHouse table, read-only, a day at a time. Days come out as inputs of their own, each fetched
 * when its turn has come and read in before the next: one already read (same rows, same newest time) is not fetched again, so an interrupted pull resumes.
 */
export async function pullTable(o: PullOptions): Promise<Input[]> {
  const at = parseFrom(o.from);
  const client = clientOf(at);
  let took = 0;
  const { name, select } = whatOf(at, o.map);
  const rows = async <T>(query: string): Promise<T[]> => {
    try {
      return (await (await client.query({ query, format: 'JSONEachRow' })).json()) as T[];
    } catch (cause) {
      throw refused(cause);
    }
  };
  try {
    const when = momentOf(await rows<Column>(`DESCRIBE (${select})`));
    const until = o.until === undefined ? '' : `WHERE ${when.sql} <= fromUnixTimestamp64Milli(toInt64(${Math.trunc(o.until)}), 'UTC')`;
    const days = await rows<{ d: string | null; n: string; last: string | null }>(
      `SELECT toString(toDate(${when.sql})) AS d, count() AS n, toString(max(toString(time))) AS last FROM (${select}) AS source ${until} GROUP BY d ORDER BY d`,
    );
    const out: Input[] = [];
    for (const [i, day] of days.entries()) {
      o.progress?.(`reading ${name}`, i, days.length);
      const fingerprint = createHash('sha256').update(`${name}|${select}|${day.d}|${day.n}|${day.last}`).digest('hex').slice(0, 32);
      const whole = {
        name: `${name}#${day.d ?? 'no time'}`,
        path: '',
        compression: 'none' as const,
        parquet: false,
        bytes: 0,
        fingerprint,
        unordered: true,
      };
      const where = `${until === '' ? 'WHERE' : `${until} AND`} ${when.on(day.d === null ? null : day.d.replace(/[^0-9-]/g, ''))}`;
      const fetch = async (): Promise<Input> => {
        // As long as the day before took, the table is left alone.
        await pause(Math.min(30_000, REST * took));
        const started = Date.now();
        mkdirSync(o.spool, { recursive: true, mode: 0o700 });
        const path = join(mkdtempSync(join(o.spool, 'table-')), 'input');
        const file = createWriteStream(path, { mode: 0o600 });
        const reader = clientOf(at);
        try {
          const result = await reader.query({
            query: `SELECT ${when.columns} FROM (SELECT * FROM (${select}) AS source ${where})`,
            format: 'JSONEachRow',
          });
          for await (const part of result.stream()) if (!file.write(`${part.map((r) => r.text).join('\n')}\n`)) await once(file, 'drain');
        } catch (cause) {
          throw refused(cause);
        } finally {
          file.end();
          await finished(file);
          await reader.close();
        }
        took = Date.now() - started;
        return { ...inspect(whole.name, path), fingerprint, unordered: true };
      };
      out.push({ ...whole, fetch });
    }
    return out;
  } finally {
    await client.close();
  }
}
