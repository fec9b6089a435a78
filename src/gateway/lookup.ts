import { hash as digest } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { parse } from 'csv-parse/sync';
import { request } from 'undici';
import { LEVELS } from '../barriers/model.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import type { ServeConfig } from './config.ts';

/** Who a key belongs to. Keys are known here by their SHA-256 only. */
export interface Holder {
  readonly account: string;
  readonly organization?: string;
  readonly tier?: string;
  readonly verification?: string;
  readonly country?: string;
  /** ms since 1970. */
  readonly created?: number;
}

export const keyHash = (key: string): string => digest('sha256', key, 'hex');

const FIELDS = ['account', 'organization', 'tier', 'verification', 'country'] as const;
const COLUMNS: readonly string[] = ['key_sha256', 'key', ...FIELDS, 'created'];

/** What a field of a holder may not be: a gate or a limit that goes by it would pass over the account without a word. Null where all is well; never the value, which may be anything. */
function faultOf(row: Record<string, unknown>): string | null {
  const said = (f: string): string => (typeof row[f] === 'string' ? row[f] : '');
  if (said('country') !== '' && !isCountry(said('country'))) return 'country is no code of two letters';
  if (said('verification') !== '' && !LEVELS.includes(said('verification'))) return `verification is one of ${LEVELS.join(', ')}`;
  if (said('created') !== '' && !Number.isFinite(Date.parse(said('created')))) return 'created is no date, for example 2026-05-04';
  return null;
}

/** A country by its code of two letters (ISO 3166-1). */
export const isCountry = (x: string): boolean => /^[a-z]{2}$/i.test(x);

function holder(row: Record<string, unknown>): Holder | null {
  const out: Record<string, string | number> = {};
  for (const f of FIELDS) if (typeof row[f] === 'string' && row[f] !== '') out[f] = row[f];
  const created = typeof row['created'] === 'string' ? Date.parse(row['created']) : Number.NaN;
  if (Number.isFinite(created)) out['created'] = created;
  return typeof out['account'] === 'string' ? (out as unknown as Holder) : null;
}

/** The holder that a service of accounts answers with. @throws Error where a field is not what it has to be */
function answered(row: Record<string, unknown>): Holder | null {
  const fault = faultOf(row);
  if (fault) throw new Error(`the account lookup answered something else: ${fault}`);
  return holder(row);
}

/** A file of key hashes: CSV or JSON Lines with `key_sha256` (or `key`), `account` and what else is known. */
export function readHolders(path: string): Map<string, Holder> {
  const content = readFileSync(path, 'utf8').replace(/^\ufeff/, '');
  let rows: Record<string, unknown>[];
  let line = 0;
  try {
    rows = content.trimStart().startsWith('{')
      ? content.split(/\r?\n/).flatMap((l) => {
          line += 1;
          return l.trim() === '' ? [] : [JSON.parse(l) as Record<string, unknown>];
        })
      : (parse(content, { columns: true, skip_empty_lines: true, trim: true }) as Record<string, unknown>[]);
  } catch (error) {
    // A parser's own words, and its error as a cause, may hold the row: that may be a key.
    const at = line || Number((error as { lines?: unknown }).lines) || 0;
    throw new StillwatchError(
      'E_ACCOUNTS',
      `accounts.file ${path}: line ${at} is not like the others`,
      'CSV with a header and as many fields in every row, or JSON Lines',
    );
  }
  const out = new Map<string, Holder>();
  const refuse = (said: string): never => {
    throw new StillwatchError('E_ACCOUNTS', `accounts.file ${path}: ${said}`, `columns: ${COLUMNS.filter((c) => c !== 'key').join(', ')}`);
  };
  if (rows.length === 0) refuse('it holds no key');
  for (const [i, row] of rows.entries()) {
    // A misspelt column would be no column, and what goes by it would pass over everybody.
    const other = Object.keys(row).find((c) => !COLUMNS.includes(c));
    if (other !== undefined)
      refuse(
        `${i === 0 ? 'a column' : `row ${i + 1}`} is called ${/^[\w .-]{1,40}$/.test(other) ? JSON.stringify(other) : 'something else'}, which is none of these`,
      );
    const fault = faultOf(row);
    if (fault) refuse(`row ${i + 1}: ${fault}`);
    if (typeof row['key_sha256'] === 'string' && row['key_sha256'] !== '' && !/^[0-9a-f]{64}$/i.test(row['key_sha256']))
      refuse(`row ${i + 1}: key_sha256 is no SHA-256 of a key, 64 hexadecimal digits`);
    const hash =
      typeof row['key_sha256'] === 'string' && row['key_sha256']
        ? row['key_sha256'].toLowerCase()
        : typeof row['key'] === 'string'
          ? keyHash(row['key'])
          : '';
    const h = holder(row);
    if (hash === '' || !h) return refuse(`row ${i + 1} has no key_sha256 or no account`);
    if ((out.get(hash)?.account ?? h.account) !== h.account) refuse(`row ${i + 1}: the key of another account in a row before`);
    out.set(hash, h);
  }
  return out;
}

/** Part of the keys that a file must still hold to be taken over while serving. */
const KEPT = 0.5;

type Source = (hash: string) => Promise<Holder | null>;

function sourceOf(o: ServeConfig['accounts'], told: (said: string) => void): Source {
  if (o.file) {
    let held = readHolders(o.file);
    let at = Date.now();
    let mtime = statSync(o.file).mtimeMs;
    return async (hash) => {
      // A changed file is read again, looked for at most every cache_seconds: keys come, go and change without a restart.
      if (Date.now() - at > o.cache_seconds * 1000) {
        at = Date.now();
        try {
          const now = statSync(o.file as string).mtimeMs;
          if (now !== mtime) {
            const read = readHolders(o.file as string);
            // A file that was cut between two rows is a whole file of fewer: so many keys do not go at once unless somebody says so.
            if (read.size < KEPT * held.size)
              throw new Error(
                `accounts.file ${o.file} holds ${read.size} keys where it held ${held.size}: as few are taken over by a reload (SIGHUP) only`,
              );
            held = read;
            mtime = now;
          }
        } catch (error) {
          // Half a file, or a bad row, takes nobody's key away: what was read before holds until the file is whole again.
          told(`${messageOf(error)}; keys are those read before`);
        }
      }
      return held.get(hash) ?? null;
    };
  }
  if (o.url) {
    const url = o.url;
    return async (hash) => {
      const r = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key_sha256: hash }),
        headersTimeout: 2000,
        bodyTimeout: 2000,
      });
      if (r.statusCode === 404) {
        await r.body.dump();
        return null;
      }
      if (r.statusCode !== 200) {
        await r.body.dump();
        throw new Error(`the account lookup answered ${r.statusCode}`);
      }
      const said = (await r.body.json()) as Record<string, unknown> | null;
      if (said === null) return null;
      const h = answered(said);
      // An answer that names nobody is a fault of whoever answers, and says nothing of the key.
      if (!h) throw new Error('the account lookup answered without an account');
      return h;
    };
  }
  if (o.clickhouse) {
    const u = new URL(o.clickhouse.url);
    const client = createClient({
      // Its own log would print what was asked.
      log: { level: ClickHouseLogLevel.OFF },
      url: `${u.protocol}//${u.host}`,
      username: decodeURIComponent(u.username || 'default'),
      password: decodeURIComponent(u.password),
      database: u.pathname.slice(1) || 'default',
      request_timeout: 2000,
    });
    const query = o.clickhouse.query;
    return async (hash) => {
      const r = await client.query({
        query,
        query_params: { key_sha256: hash },
        format: 'JSONEachRow',
        clickhouse_settings: { readonly: '2' },
      });
      const row = ((await r.json()) as Record<string, unknown>[])[0];
      return row ? answered(row) : null;
    };
  }
  return async () => null;
}

/** Looks keys up with a cache in front: least recently used go first, and one question is asked once however many wait for it. */
export class Lookup {
  private readonly cache = new Map<string, { readonly at: number; readonly holder: Holder | null }>();
  private readonly asked = new Map<string, Promise<Holder | null>>();
  private readonly source: Source;
  private readonly o: ServeConfig['accounts'];
  private readonly told: (said: string) => void;
  private readonly found: (h: Holder) => void;

  /**
   * @param told each time accounts cannot be asked, with the reason
   * @param found each account that was looked up
   */
  constructor(
    o: ServeConfig['accounts'],
    told: (said: string) => void = () => undefined,
    found: (h: Holder) => void = () => undefined,
    source?: Source,
  ) {
    this.found = found;
    this.o = o;
    this.told = told;
    this.source = source ?? sourceOf(o, told);
  }

  /** The holder at once when the cache knows; `undefined` when it has to be asked. */
  known(hash: string, now: number): Holder | null | undefined {
    const hit = this.cache.get(hash);
    if (!hit || now - hit.at > this.o.cache_seconds * 1000) return undefined;
    this.cache.delete(hash);
    this.cache.set(hash, hit);
    return hit.holder;
  }

  /** Whose a key is; one that nobody knows stands for itself where the configuration lets it through, and is null otherwise. `undefined` while accounts cannot be asked. */
  async whose(hash: string, now: number): Promise<Holder | null | undefined> {
    const cached = this.known(hash, now);
    const holder = cached === undefined ? await this.ask(hash, now).catch(() => undefined) : cached;
    return holder === null && this.o.unknown_key === 'allow' ? { account: `key:${hash.slice(0, 24)}` } : holder;
  }

  async ask(hash: string, now: number): Promise<Holder | null> {
    const waiting = this.asked.get(hash);
    if (waiting) return waiting;
    const p = this.source(hash)
      .catch((error: unknown) => {
        this.told(messageOf(error));
        // An old answer is better than none while the source is away.
        const old = this.cache.get(hash);
        if (old) return old.holder;
        throw error;
      })
      .then((holder) => {
        if (holder) this.found(holder);
        this.cache.set(hash, { at: now, holder });
        while (this.cache.size > this.o.cache_entries) this.cache.delete(this.cache.keys().next().value as string);
        return holder;
      })
      .finally(() => this.asked.delete(hash));
    this.asked.set(hash, p);
    return p;
  }
}
