import type { Dossier, Finding } from '../model/dossier.ts';
import { maskedDossier } from '../model/masked.ts';
import type { Params, Store } from './store.ts';

/** Everything the store holds of one account, for the person it is about. Sketches are personal data: they are part of it. */
export async function exportOf(store: Store, account: string): Promise<Record<string, unknown>> {
  const params = { a: account };
  const own = 'acct = cityHash64({a:String}) AND account = {a:String}';
  return {
    account,
    record: await store.rows('SELECT * FROM accounts FINAL WHERE account = {a:String}', params),
    labels: await store.rows('SELECT * FROM labels WHERE account = {a:String} ORDER BY at', params),
    exchanges: await store.rowsEverywhere(`SELECT * FROM exchanges WHERE ${own} ORDER BY time`, params),
    texts: await store.rowsEverywhere('SELECT * FROM texts WHERE acct = cityHash64({a:String})', params),
    capabilities: await store.rows('SELECT * FROM capabilities FINAL WHERE account = {a:String} ORDER BY time', params),
    exemplars: await store.rows('SELECT * FROM exemplars FINAL WHERE account = {a:String}', params),
    sentences: await store.rows('SELECT * FROM sentences FINAL WHERE account = {a:String}', params),
    findings: (await dossiersOf(store, JSON.stringify(account))).flatMap((d) => saidOf(JSON.parse(d.body) as Dossier, account)),
    rejects: await store.rowsEverywhere(`SELECT * FROM rejects WHERE ${REJECTED}`, { ...params, q: naming(account) }),
  };
}

/** A value of a key that names an account, not any word that happens to be one, as a pattern of the engine's. */
const naming = (account: string): string =>
  `(?i)"[a-z_.]*(account|user|customer|owner|org|key|id|name)[a-z_.]*"\\s*:\\s*${JSON.stringify(account).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`;

/** Rejected lines that name an account: by what was read of them, or by how they begin. */
const REJECTED = '(acct = cityHash64({a:String}) OR match(head, {q:String}))';

/** A dossier as it is kept. */
interface Kept {
  readonly id: string;
  readonly at: string;
  readonly body: string;
}

/** Dossiers that hold some words. */
const dossiersOf = (store: Store, words: string): Promise<Kept[]> =>
  store.rows('SELECT id, at, body FROM dossiers WHERE position(body, {q:String}) > 0 ORDER BY at', { q: words });

/** What a dossier says of an account: an inference about somebody is theirs to see. */
function saidOf(d: Dossier, account: string): Record<string, unknown>[] {
  const said = (what: string, f: Pick<Finding, 'id' | 'title' | 'confidence'>, of: object): Record<string, unknown> => ({
    generated: d.generated,
    what,
    finding: f.id,
    title: f.title,
    confidence: f.confidence,
    ...of,
  });
  const own = <T extends { readonly account: string }>(list: readonly T[] | undefined): T[] =>
    (list ?? []).filter((a) => a.account === account);
  return [
    ...(['campaigns', 'undecided'] as const).flatMap((kind) =>
      (d[kind] as readonly Finding[]).flatMap((f) => [
        ...own(f.accounts).map((m) => said(kind === 'campaigns' ? 'named in a campaign' : 'in an undecided cohort', f, m)),
        ...own(f.beside).map((m) => said('not named, beside a finding', f, m)),
      ]),
    ),
    ...d.look_alikes.filter((l) => l.accounts.includes(account)).map((l) => said('cleared, or of another kind', l, { kind: l.kind })),
  ];
}

function without(d: Dossier, account: string): Dossier {
  const finding = <T extends Pick<Finding, 'accounts' | 'beside' | 'evidence' | 'indicators'>>(f: T): T => ({
    ...f,
    accounts: f.accounts.filter((a) => a.account !== account),
    ...(f.beside ? { beside: f.beside.filter((a) => a.account !== account) } : {}),
    evidence: f.evidence.map((e) => ({ ...e, exemplars: e.exemplars.filter((x) => x.account !== account) })),
    indicators: f.indicators.filter((i) => i.value !== account),
  });
  return {
    ...d,
    campaigns: d.campaigns.map(finding),
    undecided: d.undecided.map(finding),
    look_alikes: d.look_alikes.map((l) => ({ ...l, accounts: l.accounts.filter((a) => a !== account) })),
  };
}

/** Days to keep each kind of data; absent keeps it. */
export interface Days {
  readonly exchanges?: number | undefined;
  readonly rejects?: number | undefined;
  readonly exemplars?: number | undefined;
  /** Texts of exchanges go by themselves after so many days, those of a held account do not. */
  readonly texts: number;
}

/** Days that stand for a hold: longer than any case. */
const HELD_DAYS = 20_000;

/** Removes rows of a table on every shard, and waits until they are gone. */
const remove = (store: Store, table: string, where: string, params: Params = {}): Promise<void> =>
  store.everywhere(`ALTER TABLE ${table} DELETE WHERE ${where} SETTINGS mutations_sync = 1`, params);

/** Exchanges on all shards. */
const exchangesIn = async (store: Store, where: string, params: Params = {}): Promise<number> =>
  (await store.rowsEverywhere<{ n: string }>(`SELECT count() AS n FROM exchanges WHERE ${where}`, params)).reduce(
    (x, r) => x + Number(r.n),
    0,
  );

/** Removes what is older than its time to live, but nothing of accounts under a legal hold. @returns exchanges removed */
export async function expire(store: Store, days: Days, held: readonly string[]): Promise<number> {
  const params = { held, d: days.exchanges ?? 0, r: days.rejects ?? 0, x: days.exemplars ?? 0 };
  const free = (column: string): string => `${column} NOT IN (SELECT arrayJoin({held:Array(String)}))`;
  const gone = (table: string, where: string) => remove(store, table, where, params);
  const own = 'acct IN (SELECT cityHash64(arrayJoin({held:Array(String)})))';
  const kept = { held, k: days.texts };
  for (const [set, where] of [
    [String(HELD_DAYS), `${own} AND days != ${HELD_DAYS}`],
    ['{k:UInt16}', `NOT ${own} AND days = ${HELD_DAYS}`],
  ] as const)
    if ((await store.rowsEverywhere<{ n: string }>(`SELECT count() AS n FROM texts WHERE ${where}`, kept)).some((r) => r.n !== '0'))
      await store.everywhere(`ALTER TABLE texts UPDATE days = ${set} WHERE ${where} SETTINGS mutations_sync = 1`, kept);
  let n = 0;
  if (days.exchanges !== undefined) {
    const old = `time < now64(3, 'UTC') - toIntervalDay({d:UInt32}) AND ${free('account')}`;
    n = await exchangesIn(store, old, params);
    if (n > 0) for (const table of ['exchanges', 'capabilities']) await gone(table, old);
  }
  // Dossiers were once kept with the texts they cite, which have a time of their own.
  if (days.exemplars !== undefined) {
    for (const d of await dossiersOf(store, '"text":"')) await rewrite(store, d, maskedDossier);
    for (const table of ['exemplars', 'sentences'])
      await gone(table, `at < now64(3, 'UTC') - toIntervalDay({x:UInt32}) AND ${free('account')}`);
  }
  // A rejected line belongs to no account that is known: its age is that of its file.
  if (days.rejects !== undefined)
    await gone(
      'rejects',
      `path_id IN (SELECT path_id FROM files GROUP BY path_id HAVING max(at) < now64(3, 'UTC') - toIntervalDay({r:UInt32}))`,
    );
  return n;
}

/** An account as statements that remove it write it: the engine keeps their text, and a name in it would outlive what was removed. */
async function hashed(store: Store, account: string): Promise<bigint> {
  return BigInt((await store.first<{ h: string }>('SELECT toString(cityHash64({a:String})) AS h', { a: account }))?.h ?? '0');
}

/** Exchanges of an account up to a moment, and their texts, that came in after it was erased. @returns exchanges removed */
export async function eraseLate(store: Store, account: string, before: number): Promise<number> {
  const params = { before: String(before) };
  const own = `acct = ${await hashed(store, account)} AND time <= fromUnixTimestamp64Milli({before:Int64}, 'UTC')`;
  const n = await exchangesIn(store, own, params);
  if (n === 0) return 0;
  await remove(store, 'capabilities', own, params);
  await remove(store, 'texts', `key IN (SELECT key FROM exchanges WHERE ${own})`, params);
  await remove(store, 'exchanges', own, params);
  return n;
}

/** What is kept of whoever was erased: nothing that says who it was without the store's secret. */
export const WHO = 'sipHash64Keyed(({k0:UInt64}, {k1:UInt64}), acct)';

/** Whether anybody was erased from this store. */
export const anyErased = async (store: Store): Promise<boolean> =>
  (await store.rowsEverywhere<{ n: string }>('SELECT count() AS n FROM erased')).some((r) => r.n !== '0');

/** What was erased stays away when a log is read again; to lift it lets logs bring the account back. @returns whether it had been erased */
export async function lift(store: Store, account: string): Promise<boolean> {
  const who = await whoOf(store, account);
  const known = (await store.rowsEverywhere<{ n: string }>(`SELECT count() AS n FROM erased WHERE who = ${who}`)).some((r) => r.n !== '0');
  if (known) await remove(store, 'erased', `who = ${who}`);
  return known;
}

async function whoOf(store: Store, account: string): Promise<bigint> {
  const hash = await hashed(store, account);
  return BigInt(
    (await store.first<{ h: string }>(`SELECT toString(${WHO}) AS h FROM (SELECT toUInt64(${hash}) AS acct)`, { ...store.secret }))?.h ??
      '0',
  );
}

/** Account records but those of whoever was erased and has sent nothing since. */
export async function notErased<T extends { readonly account: string }>(store: Store, records: readonly T[]): Promise<readonly T[]> {
  if (!(await anyErased(store))) return records;
  const gone = new Set(
    (
      await store.rows<{ i: number }>(
        `SELECT toUInt32(i) AS i FROM (SELECT i, cityHash64(names[i]) AS acct FROM (SELECT {names:Array(String)} AS names, arrayJoin(arrayEnumerate(names)) AS i)) WHERE ${WHO} IN (SELECT who FROM erased) AND acct NOT IN (SELECT acct FROM ${store.all('exchanges')} AS e)`,
        { ...store.secret, names: records.map((r) => r.account) },
      )
    ).map((r) => Number(r.i) - 1),
  );
  return records.filter((_, i) => !gone.has(i));
}

/** Removes an account from sketches, texts, exemplars, records, rejected lines and dossiers, and keeps what it sent until now from coming back. What the engine wrote it to before goes some minutes later, or with `purge`. @returns exchanges removed */
export async function erase(store: Store, account: string): Promise<number> {
  const hash = await hashed(store, account);
  const own = `acct = ${hash}`;
  const n = await exchangesIn(store, own);
  for (const table of ['texts', 'capabilities', 'exchanges']) await remove(store, table, own);
  for (const table of ['accounts', 'labels', 'exemplars', 'sentences']) await remove(store, table, `cityHash64(account) = ${hash}`);
  const lines = await store.rowsEverywhere<{ key: string }>(`SELECT toString(key) AS key FROM rejects WHERE ${REJECTED}`, {
    a: account,
    q: naming(account),
  });
  const keys = lines.map((r) => BigInt(r.key));
  for (let i = 0; i < keys.length; i += KEYS) await remove(store, 'rejects', `key IN (${keys.slice(i, i + KEYS).join(', ')})`);
  for (const d of await dossiersOf(store, JSON.stringify(account))) await rewrite(store, d, (x) => without(x, account));
  // Under another secret nobody could tell whose hash it is.
  if (!store.sealed) await store.everywhere(`INSERT INTO erased SELECT ${await whoOf(store, account)}, now64(3, 'UTC')`);
  return n;
}

/** Rejected lines that one statement removes. */
const KEYS = 5_000;

/** How long `purge` waits, and how often it looks. */
const PURGE = { ms: 20_000, every: 200 } as const;

/**
 * Waits until the parts of an embedded store that something was erased from are gone from its disk: the engine keeps what it has written anew for some minutes, and nobody would be there to see it go. Of a server nothing is
 * asked: it goes on running.
 * @returns whether they are gone
 */
export async function purge(store: Store): Promise<boolean> {
  if (store.kind !== 'embedded') return true;
  const superseded = (): Promise<{ name: string }[]> =>
    store.rows(`SELECT DISTINCT table AS name FROM system.parts WHERE database = currentDatabase() AND NOT active`);
  for (const { name } of await superseded()) {
    await store.everywhere(
      `ALTER TABLE ${name} MODIFY SETTING old_parts_lifetime = 1, cleanup_delay_period = 1, max_cleanup_delay_period = 1, cleanup_delay_period_random_add = 0`,
    );
    // It looks for what is old where it is begun anew.
    await store.everywhere(`DETACH TABLE ${name}`);
    await store.everywhere(`ATTACH TABLE ${name}`);
  }
  for (const end = Date.now() + PURGE.ms; Date.now() < end; ) {
    if ((await superseded()).length === 0) return true;
    await new Promise((r) => setTimeout(r, PURGE.every));
  }
  return false;
}

/** Puts another body in the place of a dossier that is kept. */
async function rewrite(store: Store, d: Kept, as: (x: Dossier) => Dossier): Promise<void> {
  await store.everywhere(
    `ALTER TABLE dossiers DELETE WHERE id = {id:String} AND at = parseDateTime64BestEffort({at:String}, 3, 'UTC') SETTINGS mutations_sync = 1`,
    { id: d.id, at: d.at },
  );
  await store.insert('dossiers', [{ id: d.id, at: d.at, body: JSON.stringify(as(JSON.parse(d.body) as Dossier)) }]);
}
