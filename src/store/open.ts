import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { devNull } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { STORE_README } from '../formats/input.ts';
import { messageOf, StillwatchError, withoutCredentials } from '../model/errors.ts';
import { mirrored, writable } from './mirror.ts';
import { MIGRATIONS, SCHEMA_VERSION } from './schema.ts';
import { mayNotWrite, type Params, type Shard, Store } from './store.ts';

// The client's own log would print statements, and with them what they hold.
const SILENT = { log: { level: ClickHouseLogLevel.OFF } } as const;

const SETTINGS = {
  storage_file_read_method: 'pread',
  max_bytes_before_external_group_by: '2000000000',
  max_bytes_before_external_sort: '2000000000',
  max_memory_usage: '5000000000',
  output_format_json_quote_64bit_integers: 1,
  date_time_output_format: 'iso',
  max_query_size: '200000000',
  enable_named_columns_in_function_tuple: 0,
} as const;

/** Of the embedded engine, whose version is pinned. */
const EMBEDDED = {
  ...SETTINGS,
  // Planning the statement that reads a file takes 0.4 s longer with it, whatever the file holds, and no statement of ours gains by it.
  optimize_and_compare_chain: 0,
} as const;

/** Keys of the hashes: two 64-bit halves for sketches and two for exchange identity. */
export interface Secret {
  readonly k0: string;
  readonly k1: string;
  readonly i0: string;
  readonly i1: string;
}

export function parseSecret(hex: string): Secret {
  if (!/^[0-9a-f]{64}$/i.test(hex))
    throw new StillwatchError('E_SECRET', 'the deployment secret is not 64 hexadecimal digits', 'make one with: openssl rand -hex 32');
  const part = (i: number) => BigInt(`0x${hex.slice(i * 16, i * 16 + 16)}`).toString();
  return { k0: part(0), k1: part(1), i0: part(2), i1: part(3) };
}

export interface OpenOptions {
  /** A directory, one URL, or one URL per shard separated by commas. */
  readonly at: string;
  /** 64 hexadecimal digits; made and kept with the store when absent. */
  readonly secret?: string;
  readonly create?: boolean;
  /** Nothing will be written: a directory that may only be read will do, and a server's user who may only read. */
  readonly look?: boolean;
  readonly threads?: number;
}

export const isUrl = (at: string): boolean => /^https?:\/\//.test(at);

/**
 * Opens a store and brings its schema up to date.
 * @throws StillwatchError E_STORE_* with the reason: locked (by whom), no permission, unreachable, newer schema, no embedded engine.
 */
export async function openStore(o: OpenOptions): Promise<Store> {
  // A directory of that name would be made, and what was read would lie where nobody looks for it.
  if (!isUrl(o.at) && /^[a-z][a-z0-9+.-]*:\/\//i.test(o.at))
    throw new StillwatchError(
      'E_STORE_URL',
      `a store is not opened by ${JSON.stringify(withoutCredentials(o.at).replace(/:\/\/.*$/, '://'))}`,
      'use http://user:password@host:8123/database?tcp=9000 (https for TLS), or a directory',
    );
  const store = isUrl(o.at) ? openServer(o) : await openEmbedded(o);
  try {
    await migrate(store, o);
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

function openServer(o: OpenOptions): Store {
  const urls = o.at.split(',').map((u) => {
    try {
      return new URL(u.trim());
    } catch (cause) {
      throw new StillwatchError(
        'E_STORE_URL',
        `the store address ${JSON.stringify(withoutCredentials(u))} is not a URL`,
        'use http://user:password@host:8123/database?tcp=9000, one per shard, separated by commas',
        { cause },
      );
    }
  });
  const shards = urls.map((url) => {
    const database = url.pathname.slice(1) || 'stillwatch';
    const user = decodeURIComponent(url.username || 'default');
    const password = decodeURIComponent(url.password);
    const client = createClient({
      ...SILENT,
      url: `${url.protocol}//${url.host}`,
      username: user,
      password,
      database,
      request_timeout: 3_600_000,
      clickhouse_settings: { ...SETTINGS, ...(o.threads ? { max_threads: o.threads } : {}) } as never,
    });
    return { client, url, database, user, password, tcp: `${url.hostname}:${url.searchParams.get('tcp') ?? '9000'}` };
  });
  return new Store('server', o.at, shards);
}

const plainClient = (s: Shard): ClickHouseClient =>
  createClient({ ...SILENT, url: `${s.url?.protocol}//${s.url?.host}`, username: s.user, password: s.password });

async function openEmbedded(o: OpenOptions): Promise<Store> {
  const path = resolve(o.at);
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new StillwatchError('E_STORE_PATH', `the store ${path} is a file`, 'give a directory, or a server URL, to --store');
  const data = join(path, 'data');
  if (o.create === false && !existsSync(data))
    throw new StillwatchError('E_STORE_NONE', `there is no store at ${path}`, 'run a scan first: stillwatch scan <files>');
  const onlyRead = o.look === true && existsSync(data) && !writable(data);
  try {
    if (!onlyRead) mkdirSync(data, { recursive: true, mode: 0o700 });
    if (!onlyRead) writeFileSync(join(path, 'README'), `${STORE_README} Sketches are personal data: treat this directory as such.\n`);
  } catch (cause) {
    throw new StillwatchError(
      'E_STORE_PERMISSION',
      `the store ${path} cannot be written: ${messageOf(cause)}`,
      'choose a directory you may write with --store',
      { cause },
    );
  }
  // Who was killed a moment ago may hold it for a moment more.
  for (let i = 0; i < LOCKED.tries && holderOf(data) !== null; i++) await pause(LOCKED.ms);
  const locked = (pid: string, cause?: unknown): StillwatchError =>
    new StillwatchError(
      'E_STORE_LOCKED',
      `the store ${path} is in use by process ${pid}`,
      'wait for it, stop it, or give another --store',
      cause === undefined ? {} : { cause },
    );
  // Where it can be seen that it is held, the engine is not asked: it would print a complaint of its own.
  const open = holderOf(data);
  if (open !== null && hasOpen(open, join(data, 'status'))) throw locked(open);
  let client: ClickHouseClient;
  const mirror = onlyRead ? asMirror(path, data) : null;
  try {
    leaveStandardInput();
    const { createChdbConnection } = await import('chdb/connection');
    const connection = createChdbConnection({ path: mirror?.path ?? data });
    client = createClient({
      ...SILENT,
      connection,
      clickhouse_settings: { ...EMBEDDED, ...(o.threads ? { max_threads: o.threads } : {}) } as never,
    } as never) as ClickHouseClient;
    await client.command({ query: 'SELECT 1' });
  } catch (cause) {
    mirror?.remove();
    if (/Cannot find (package|module)|ERR_MODULE_NOT_FOUND|no prebuilt|unsupported platform/i.test(messageOf(cause))) {
      throw new StillwatchError(
        'E_NO_ENGINE',
        `the embedded engine (npm package chdb) is not available for ${process.platform}-${process.arch}`,
        'install it with npm install chdb, or give --store the URL of a ClickHouse server',
        { cause },
      );
    }
    const holder = holderOf(data);
    if (holder) throw locked(holder, cause);
    throw new StillwatchError(
      'E_STORE_OPEN',
      `the store ${path} cannot be opened: ${messageOf(cause)}`,
      'check the directory and its permissions; a store of another program cannot be used',
      { cause },
    );
  }
  const store = new Store('embedded', path, [{ client, database: 'stillwatch', user: 'default', password: '', tcp: '' }]);
  if (mirror) store.leaving = mirror.remove;
  return store;
}

function asMirror(path: string, data: string): ReturnType<typeof mirrored> {
  try {
    return mirrored(data);
  } catch (cause) {
    throw new StillwatchError(
      'E_STORE_PERMISSION',
      `the store ${path} cannot be read: ${messageOf(cause)}`,
      'ask whoever owns it for permission to read it',
      {
        cause,
      },
    );
  }
}

/**
 * The engine takes what lies on standard input for data of an INSERT that brings its own, and refuses the statement: in a loop over a list, or behind a pipe, nothing could be written. Whoever reads it has
 * read it before.
 */
function leaveStandardInput(): void {
  try {
    if (isatty(0)) return;
    closeSync(0);
    openSync(devNull, 'r');
  } catch {
    // There is none.
  }
}

const LOCKED = { tries: 8, ms: 250 } as const;

/** The process that holds an embedded store, as the engine's own status file tells it. */
function holderOf(data: string): string | null {
  try {
    const pid = /PID: (\d+)/.exec(readFileSync(join(data, 'status'), 'utf8'))?.[1];
    if (!pid || Number(pid) === process.pid) return null;
    process.kill(Number(pid), 0);
    return pid;
  } catch {
    return null;
  }
}

/** Whether a process has a file open: true only where the system shows it (Linux, a process of one's own). A number may have passed to another program since. */
function hasOpen(pid: string, file: string): boolean {
  try {
    const at = realpathSync(file);
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === at;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

/** @param lost the secret lies outside the store */
export const otherSecret = (lost: boolean): StillwatchError =>
  new StillwatchError(
    'E_SECRET_OTHER',
    'this store was made with another secret: what it holds could not be compared with what is read now',
    lost ? 'set STILLWATCH_SECRET as it was, or give another --store' : 'unset STILLWATCH_SECRET, or give another --store',
  );

/** An account lies on the shard that its place in the list says: the same servers in another order, or fewer of them, are another store, in which everything would be added again. */
async function sameShards(store: Store): Promise<void> {
  if (store.kind !== 'server') return;
  for (const [i, shard] of store.shards.entries()) {
    const place = `${i + 1} of ${store.shards.length}`;
    const rows = await (
      await shard.client.query({ query: `SELECT value FROM meta WHERE name = 'shard' ORDER BY at LIMIT 1`, format: 'JSONEachRow' })
    ).json<{ value: string }>();
    const was = rows[0]?.value;
    if (was === undefined)
      await shard.client.command({ query: `INSERT INTO meta SELECT 'shard', {v:String}, now64(3)`, query_params: { v: place } });
    else if (was !== place)
      throw new StillwatchError(
        'E_STORE_SHARDS',
        `the server ${shard.url?.host ?? ''} holds shard ${was} of a store, and is given here as ${place}`,
        'give --store all shards in the order they were first given, or use databases of another name',
      );
  }
}

/** Schema that stands in a database, 0 where there is none; null where the engine does not let anybody ask. */
async function standing(store: Store): Promise<number | null> {
  try {
    const of = async (shard: Shard): Promise<number> => {
      const client = store.kind === 'embedded' ? shard.client : plainClient(shard);
      const ask = async <T>(query: string, query_params: Record<string, unknown> = {}): Promise<T[]> =>
        (await (await client.query({ query, query_params, format: 'JSONEachRow' })).json()) as T[];
      const there = await ask(`SELECT 1 FROM system.tables WHERE database = {db:String} AND name = 'meta'`, { db: shard.database });
      const name = `\`${shard.database.replaceAll('`', '')}\``;
      const rows =
        there.length === 0
          ? []
          : await ask<{ v: number }>(`SELECT max(toUInt32OrZero(value)) AS v FROM ${name}.meta WHERE name = 'schema'`);
      if (client !== shard.client) await client.close();
      return Number(rows[0]?.v ?? 0);
    };
    const all: number[] = [];
    for (const shard of store.shards) all.push(await of(shard));
    return Math.min(...all);
  } catch {
    return null;
  }
}

async function migrate(store: Store, o: OpenOptions): Promise<void> {
  const { secret } = o;
  const current = o.look === true && (await standing(store)) === SCHEMA_VERSION;
  for (const shard of current && store.kind === 'server' ? [] : store.shards) {
    try {
      const name = `\`${shard.database.replaceAll('`', '')}\``;
      // A connection that names a database not there yet is refused, so a server is asked through one that names none.
      const first = store.kind === 'embedded' ? shard.client : plainClient(shard);
      if (!current) await first.command({ query: `CREATE DATABASE IF NOT EXISTS ${name}` });
      if (first !== shard.client) await first.close();
      // The embedded engine keeps one session, in which this holds for every later statement.
      if (store.kind === 'embedded') await shard.client.command({ query: `USE ${name}` });
    } catch (cause) {
      const refused = mayNotWrite(cause);
      if (refused) throw refused;
      throw new StillwatchError(
        'E_STORE_REACH',
        `the store does not answer: ${messageOf(cause)}`,
        'check the address, the user and that the server runs',
        { cause },
      );
    }
  }
  if (!current)
    await store.everywhere(
      'CREATE TABLE IF NOT EXISTS meta (name String, value String, at DateTime64(3)) ENGINE = MergeTree ORDER BY (name, at)',
    );
  const version = Number(
    (await store.first<{ v: string }>(`SELECT max(toUInt32OrZero(value)) AS v FROM meta WHERE name = 'schema'`))?.v ?? 0,
  );
  if (version > SCHEMA_VERSION) {
    throw new StillwatchError(
      'E_STORE_NEWER',
      `the store has schema ${version}; this version knows schema ${SCHEMA_VERSION}`,
      'upgrade stillwatch, or use another --store',
    );
  }
  for (const m of MIGRATIONS) {
    if (m.id <= version) continue;
    for (const statement of m.statements) await store.everywhere(statement);
    await store.everywhere(`INSERT INTO meta SELECT 'schema', {v:String}, now64(3)`, { v: String(m.id) } satisfies Params);
  }
  await sameShards(store);
  const kept = (await store.first<{ value: string }>(`SELECT value FROM meta WHERE name = 'secret' ORDER BY at LIMIT 1`))?.value;
  const known = (await store.first<{ value: string }>(`SELECT value FROM meta WHERE name = 'secret_mark' ORDER BY at LIMIT 1`))?.value;
  // What was read under a secret that lies elsewhere can be looked at without it; nothing can be added.
  store.sealed = secret === undefined && kept === undefined && known !== undefined;
  const made = secret ?? kept ?? randomBytes(32).toString('hex');
  if (secret === undefined && kept === undefined && !store.sealed)
    await store.everywhere(`INSERT INTO meta SELECT 'secret', {v:String}, now64(3)`, { v: made });
  store.secret = parseSecret(made);
  // Sketches under two secrets never meet: every exchange would be there twice.
  const mark = createHash('sha256').update(`stillwatch store mark ${made.toLowerCase()}`).digest('hex').slice(0, 16);
  if (known === undefined) await store.everywhere(`INSERT INTO meta SELECT 'secret_mark', {v:String}, now64(3)`, { v: mark });
  else if (known !== mark && !store.sealed) throw otherSecret(kept === undefined);
  // A truncated part is set aside by the engine without a word: that is data lost, and is said.
  const broken = await store.rowsEverywhere<{ table: string; name: string }>(
    `SELECT table, name FROM system.detached_parts WHERE database = currentDatabase() AND (reason LIKE 'broken%' OR name LIKE 'broken%')`,
  );
  store.lost = broken.map((b) => `${b.table}/${b.name}`);
}
