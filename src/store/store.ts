import type { ClickHouseClient } from '@clickhouse/client';
import { messageOf, StillwatchError } from '../model/errors.ts';
import type { Secret } from './open.ts';

export type Params = Record<string, string | number | boolean | readonly string[] | readonly number[]>;

export interface Shard {
  readonly client: ClickHouseClient;
  readonly url?: URL;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** host:port of the native protocol, by which shards read one another. */
  readonly tcp: string;
}

const literal = (x: string | number): string =>
  typeof x === 'number' ? String(x) : `'${x.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** Lists go into the statement as literals: a server takes parameters through its address, which is short. */
function bind(sql: string, params: Params): { query: string; query_params: Record<string, unknown> } {
  let query = sql;
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(params)) {
    if (!Array.isArray(value)) rest[name] = value;
    else {
      const list = `[${value.map(literal).join(',')}]`;
      query = query.replace(new RegExp(`\\{${name}:(Array\\([A-Za-z0-9]+\\))\\}`, 'g'), (_m, type: string) => `CAST(${list}, '${type}')`);
    }
  }
  return { query, query_params: rest };
}

/**
 * One store: the embedded engine, a server, or shards. Tables are named through `all()`, so that a query over
 * everything reads the same SQL in each case.
 */
export class Store {
  readonly kind: 'embedded' | 'server';
  readonly at: string;
  readonly shards: readonly Shard[];
  secret: Secret = { k0: '0', k1: '0', i0: '0', i1: '0' };
  /** ms since 1970: `all('exchanges')` holds nothing older. */
  private since = 0;
  /** `all('exchanges')` holds nothing that was read in after this input; 0 for no bound. */
  private upto = 0;
  /** The embedded engine runs one statement at a time, whoever asks. */
  private readonly gate: { last: Promise<unknown> } = { last: Promise.resolve() };
  /** The secret of what is there is not at hand: it can be looked at, and nothing be added. */
  sealed = false;
  /** Parts the engine found broken on opening: lost data. */
  lost: string[] = [];
  /** What is to be tidied up once the engine has let go. */
  leaving: (() => void) | null = null;

  constructor(kind: 'embedded' | 'server', at: string, shards: readonly Shard[]) {
    this.kind = kind;
    this.at = at;
    this.shards = shards;
  }

  private get head(): Shard {
    return this.shards[0] as Shard;
  }

  /** A relation that holds the rows of `table` on every shard. */
  all(table: string): string {
    const whole = this.whole(table);
    return table === 'exchanges' && this.since > 0
      ? `(SELECT * FROM ${whole} WHERE time >= fromUnixTimestamp64Milli(toInt64(${Math.trunc(this.since)}), 'UTC') AND path_id <= ${this.upto})`
      : whole;
  }

  /** The same store, whose exchanges hold nothing older than a time and nothing that arrives from now on: a look at live traffic sees one state of it while intake goes on. */
  async asItIs(since: number): Promise<Store> {
    const [newest] = await this.rows<{ n: number }>(`SELECT max(path_id) AS n FROM ${this.whole('exchanges')} AS e`);
    const view = Object.create(this) as Store;
    view.since = Math.max(1, since);
    view.upto = Number(newest?.n ?? 0);
    return view;
  }

  private whole(table: string): string {
    if (this.shards.length === 1) return table;
    const { database, user, password } = this.head;
    const q = (s: string) => `'${s.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
    return `remote(${q(this.shards.map((s) => s.tcp).join(','))}, ${q(database)}, ${q(table)}, ${q(user)}, ${q(password)})`;
  }

  private async run<T>(f: () => Promise<T>): Promise<T> {
    try {
      if (this.kind !== 'embedded') return await f();
      const mine = this.gate.last.then(f);
      this.gate.last = mine.catch(() => undefined);
      return await mine;
    } catch (cause) {
      throw engineError(cause);
    }
  }

  /** A statement on every shard. */
  async everywhere(sql: string, params: Params = {}): Promise<void> {
    await this.run(async () => {
      for (const s of this.shards) await s.client.command(bind(sql, params));
    });
  }

  /** A statement on the first shard, where small tables live. */
  async command(sql: string, params: Params = {}): Promise<void> {
    await this.run(() => this.head.client.command(bind(sql, params)));
  }

  async rows<T>(sql: string, params: Params = {}): Promise<T[]> {
    return this.run(async () => {
      const r = await this.head.client.query({ ...bind(sql, params), format: 'JSONEachRow' });
      return (await r.json()) as T[];
    });
  }

  async rowsEverywhere<T>(sql: string, params: Params = {}): Promise<T[]> {
    const out: T[] = [];
    for (const s of this.shards) {
      const r = await this.run(() => s.client.query({ ...bind(sql, params), format: 'JSONEachRow' }));
      out.push(...((await r.json()) as T[]));
    }
    return out;
  }

  async first<T>(sql: string, params: Params = {}): Promise<T | undefined> {
    return (await this.rows<T>(sql, params))[0];
  }

  /** Result of a query that ends in `FORMAT RowBinary`. */
  async binary(sql: string, params: Params = {}): Promise<Buffer> {
    return this.run(async () => {
      const r = await this.head.client.exec(bind(sql, params));
      const parts: Buffer[] = [];
      for await (const part of r.stream) parts.push(part as Buffer);
      return Buffer.concat(parts);
    });
  }

  async insert(table: string, rows: readonly object[]): Promise<void> {
    if (rows.length === 0) return;
    await this.run(() =>
      this.head.client.insert({
        table: table,
        values: rows as object[],
        format: 'JSONEachRow',
        clickhouse_settings: { date_time_input_format: 'best_effort' },
      }),
    );
  }

  async close(): Promise<void> {
    for (const s of this.shards) await s.client.close();
    if (this.kind === 'embedded') {
      const engine = (await import('chdb')) as { drainPending?: () => Promise<void> };
      await engine.drainPending?.();
    }
    this.leaving?.();
  }
}

/** Engine errors in our words where a user can do something about them; query text never enters the message. */
export function engineError(cause: unknown): StillwatchError {
  if (cause instanceof StillwatchError) return cause;
  const said = messageOf(cause).split('\n')[0]?.slice(0, 400) ?? '';
  if (/NOT_ENOUGH_SPACE|No space left|ENOSPC|Cannot reserve .* not enough space|CANNOT_WRITE/i.test(said))
    return new StillwatchError(
      'E_DISK_FULL',
      'the disk of the store is full',
      'free space or move the store, then run the same command again: it resumes',
      { cause },
    );
  if (/MEMORY_LIMIT|memory limit/i.test(said))
    return new StillwatchError(
      'E_MEMORY',
      'the engine ran out of the memory it is allowed',
      'run on a machine with more memory, or give a ClickHouse server to --store',
      { cause },
    );
  const refused = mayNotWrite(cause);
  if (refused) return refused;
  if (/ECONNREFUSED|ENOTFOUND|ETIMEDOUT|socket hang up/i.test(said))
    return new StillwatchError(
      'E_STORE_REACH',
      `the store does not answer: ${said}`,
      'check that the server runs and that its address is right',
      { cause },
    );
  return new StillwatchError(
    'E_ENGINE',
    `the engine refused a statement: ${said}`,
    'this is a fault of ours or of the store; the cause is in the error with STILLWATCH_VERBOSE=1',
    { cause },
  );
}

/** The error of a server's user who may not do what was asked; null for other errors. */
export function mayNotWrite(cause: unknown): StillwatchError | null {
  return /\(READONLY\)|\(ACCESS_DENIED\)|in readonly mode|Not enough privileges/i.test(messageOf(cause))
    ? new StillwatchError(
        'E_STORE_READONLY',
        'the user of the store may not write to it',
        'a scan, labels and upgrades need one who may. To look at what is there (explain, accounts, rejects) one who may read and change settings (readonly = 2) will do, where a store of this version stands',
        { cause },
      )
    : null;
}
