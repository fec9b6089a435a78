import type { AccountFile, Shown } from '../../model/desk.ts';
import type { Store } from '../store.ts';
import { accountRecords } from './accounts.ts';
import { VALUE_SQL, type ValueKind } from './values.ts';

const OWN = 'acct = cityHash64({id:String}) AND account = {id:String}';
const MOST = 12;
const SCAFFOLD_MIN = 3;

const RECORD_KINDS = ['payment', 'email_domain', 'email', 'phone'] as const;

/** Everything an analyst sees of one account; null when the store holds none of that name. */
export async function accountOf(store: Store, id: string): Promise<AccountFile | null> {
  const e = store.all('exchanges');
  const p = { id };
  const row = await store.first<Record<string, string> & { hours: string[]; models: [string, string][] }>(
    `SELECT count() AS n, uniqExact(conversation) AS conversations, uniqExactIf(prompt, opening) AS items, toUnixTimestamp64Milli(min(time)) AS first, toUnixTimestamp64Milli(max(time)) AS last,
      sum(output_tokens) AS output, sum(reasoning_tokens) AS reasoning, uniqExactIf(ip, ip != '') AS addresses,
      sumForEach(arrayMap(h -> toUInt32(h = toHour(time)), range(24))) AS hours FROM ${e} AS e WHERE ${OWN}`,
    p,
  );
  if (!row || row['n'] === '0') return null;
  const days = await store.rows<{ day: string; n: string }>(
    `SELECT toString(toDate(time)) AS day, count() AS n FROM ${e} AS e WHERE ${OWN} GROUP BY day ORDER BY day`,
    p,
  );
  const models = await store.rows<{ m: string; n: string }>(
    `SELECT toString(model) AS m, count() AS n FROM ${e} AS e WHERE ${OWN} GROUP BY m ORDER BY n DESC LIMIT ${MOST}`,
    p,
  );
  const r = (await accountRecords(store)).get(id) ?? null;
  return {
    account: id,
    exchanges: Number(row['n']),
    conversations: Number(row['conversations']),
    items: Number(row['items']),
    output_tokens: Number(row['output']),
    reasoning_tokens: Number(row['reasoning']),
    first_seen: new Date(Number(row['first'])).toISOString(),
    last_seen: new Date(Number(row['last'])).toISOString(),
    addresses: Number(row['addresses']),
    models: Object.fromEntries(models.map((m) => [m.m || '(not given)', Number(m.n)])),
    hours: row.hours.map(Number),
    days: days.map((d) => ({ day: d.day, exchanges: Number(d.n) })),
    record: r && {
      tier: r.tier,
      verification: r.verification,
      organization: r.organization,
      created: r.created === null ? '' : new Date(r.created).toISOString(),
      closed: r.closed === null ? '' : `${new Date(r.closed).toISOString()} (${r.closed_reason || 'no reason given'})`,
    },
    labels: r?.labels ?? [],
    scaffolds: await scaffolds(store, id),
    indicators: await indicators(store, id),
  };
}

async function scaffolds(store: Store, id: string): Promise<Shown[]> {
  const e = store.all('exchanges');
  const own = await store.rows<{ v: string; n: string }>(
    `SELECT leftPad(hex(h), 16, '0') AS v, count() AS n FROM ${e} AS e ARRAY JOIN scaffold AS h WHERE ${OWN} GROUP BY h HAVING n >= ${SCAFFOLD_MIN} ORDER BY n DESC, v LIMIT ${MOST}`,
    { id },
  );
  if (own.length === 0) return [];
  const hashes = own.map((o) => `reinterpretAsUInt64(reverse(unhex('${o.v}')))`).join(', ');
  const all = await store.rows<{ v: string; a: string }>(
    `SELECT leftPad(hex(h), 16, '0') AS v, uniqExact(acct) AS a FROM ${e} AS e ARRAY JOIN arrayIntersect(scaffold, [${hashes}]) AS h GROUP BY h`,
  );
  const accounts = new Map(all.map((a) => [a.v, Number(a.a)]));
  return own.map((o) => ({ kind: 'scaffold', value: o.v, exchanges: Number(o.n), accounts: accounts.get(o.v) ?? 1 }));
}

/** Values of exchanges and of the account's record, the rarest first. */
async function indicators(store: Store, id: string): Promise<Shown[]> {
  const e = store.all('exchanges');
  const out: Shown[] = [];
  for (const [kind, sql] of Object.entries(VALUE_SQL) as [ValueKind, string][]) {
    const rows = await store.rows<{ v: string; n: string; a: string }>(
      `SELECT v, sumIf(c, own) AS n, count() AS a FROM (
        SELECT ${sql} AS v, acct, count() AS c, acct = cityHash64({id:String}) AS own FROM ${e} AS e
        WHERE v IN (SELECT v FROM (SELECT ${sql} AS v, count() AS c FROM ${e} AS e WHERE ${OWN} GROUP BY v ORDER BY c DESC, v LIMIT ${MOST})) GROUP BY v, acct
      ) WHERE v NOT IN ('', ' ', '0000000000000000', '.0/24', '::/64') GROUP BY v ORDER BY a, n DESC, v`,
      { id },
    );
    out.push(...rows.map((r) => ({ kind, value: r.v, exchanges: Number(r.n), accounts: Number(r.a) })));
  }
  for (const kind of RECORD_KINDS) {
    const row = await store.first<{ v: string; a: string }>(
      `SELECT any(v) AS v, count() AS a FROM (SELECT ${kind} AS v FROM accounts FINAL WHERE ${kind} != '' AND ${kind} IN (SELECT ${kind} FROM accounts FINAL WHERE account = {id:String}))`,
      { id },
    );
    if (row && row.a !== '0') out.push({ kind, value: row.v, exchanges: 0, accounts: Number(row.a) });
  }
  return out.sort((a, b) => a.accounts - b.accounts || b.exchanges - a.exchanges || (a.value < b.value ? -1 : 1));
}

/** What tells that two values are one. */
export const valueKey = (s: { readonly kind: string; readonly value: string }): string => `${s.kind}\0${s.value}`;

/** Sentences and other values of an account, by `valueKey`. */
export async function shownBy(store: Store, id: string): Promise<Map<string, Shown>> {
  return new Map([...(await scaffolds(store, id)), ...(await indicators(store, id))].map((s) => [valueKey(s), s]));
}

/** What it is worth that two accounts share a value: log2 of how seldom another account shows it. */
export const pairBits = (population: number, showing: number): number =>
  Number(Math.log2(Math.max(1, population - 1) / Math.max(1, showing - 1)).toFixed(1));

/**
 * What two accounts share, whatever it is, with what it is worth: log2 of how surprising it is that a given account shows a value so few show.
 *
 * @returns null when one of them is not in the store
 */
export async function sharedBy(
  store: Store,
  a: string,
  b: string,
): Promise<{ kind: string; value: string; bits: number; accounts: number }[] | null> {
  const e = store.all('exchanges');
  const held = await store.first<{ x: string; y: string; n: string }>(
    `SELECT countIf(account = {a:String}) AS x, countIf(account = {b:String}) AS y, uniq(acct) AS n FROM ${e} AS e`,
    { a, b },
  );
  if (!held || held.x === '0' || held.y === '0') return null;
  const [x, y] = [await shownBy(store, a), await shownBy(store, b)];
  return [...x]
    .flatMap(([value, s]) => (y.has(value) ? [s] : []))
    .map((s) => ({
      kind: s.kind,
      value: s.value,
      accounts: s.accounts,
      bits: pairBits(Number(held.n), s.accounts),
    }))
    .sort((p, q) => q.bits - p.bits);
}
