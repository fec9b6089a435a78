import { isPrivate, networkOf } from '../sketch.ts';
import type { Store } from '../store.ts';
import { when } from './accounts.ts';

export type ValueKind =
  | 'scaffold'
  | 'address'
  | 'network'
  | 'api_key'
  | 'tools'
  | 'client'
  | 'payment'
  | 'email_domain'
  | 'email'
  | 'phone';

/** A value that several accounts share. `accounts` are indices into the account table, `counts` sightings of each. */
export interface SharedValue {
  readonly kind: ValueKind;
  readonly value: string;
  readonly accounts: Int32Array;
  readonly counts: Float64Array;
}

/** At most this many accounts are listed for one value: a value more popular than that says nothing about a pair. */
export const VALUE = { accountsMin: 3, accountsMax: 20_000, valuesMax: 20_000, scaffoldSightingsMin: 3 } as const;

interface Row {
  v: string;
  accts: string[];
  counts: (string | number)[];
}

const collect = (kind: ValueKind, rows: readonly Row[], index: ReadonlyMap<string, number>): SharedValue[] =>
  rows.map((r) => {
    // The engine lists accounts as its threads meet them; what is built on the list must not depend on that.
    const pairs = r.accts.map((a, i) => [index.get(a) ?? -1, Number(r.counts[i])] as const).sort((x, y) => x[0] - y[0]);
    return { kind, value: r.v, accounts: Int32Array.from(pairs, (p) => p[0]), counts: Float64Array.from(pairs, (p) => p[1]) };
  });

/** Columns of an exchange that can tie accounts, with what makes a sighting, and which of their values `v` tie nobody. */
const COLUMNS: readonly { kind: ValueKind; sql: string; where: string; not?: string }[] = [
  { kind: 'address', sql: 'ip', where: `ip != ''`, not: isPrivate('v') },
  {
    kind: 'network',
    sql: networkOf('ip'),
    where: `ip != ''`,
    not: isPrivate('v'),
  },
  { kind: 'api_key', sql: 'api_key', where: `api_key != ''` },
  { kind: 'tools', sql: `leftPad(hex(tools_hash), 16, '0')`, where: 'tools_hash != 0' },
  { kind: 'client', sql: `concat(user_agent, ' ', ja4)`, where: `user_agent != '' OR ja4 != ''` },
];

/** The expression of each kind of value that an exchange shows. */
export const VALUE_SQL: Readonly<Partial<Record<ValueKind, string>>> = Object.fromEntries(COLUMNS.map((c) => [c.kind, c.sql]));

/** Values of exchanges that at least three accounts share, distinct values an account first. */
export async function sharedColumns(store: Store, index: ReadonlyMap<string, number>, until: number | null): Promise<SharedValue[]> {
  const out: SharedValue[] = [];
  for (const c of COLUMNS) {
    const rows = await store.rows<Row>(
      `SELECT v, groupArray(${VALUE.accountsMax})(a) AS accts, groupArray(${VALUE.accountsMax})(c) AS counts FROM (
        SELECT leftPad(hex(acct), 16, '0') AS a, ${c.sql} AS v, count() AS c FROM ${store.all('exchanges')} AS e WHERE (${c.where}) ${when(until)} GROUP BY acct, v
      ) ${c.not ? `WHERE NOT ${c.not}` : ''} GROUP BY v HAVING count() >= ${VALUE.accountsMin} AND count() < ${VALUE.accountsMax} ORDER BY count() DESC, v LIMIT ${VALUE.valuesMax}`,
      until === null ? {} : { until: String(until) },
    );
    out.push(...collect(c.kind, rows, index));
  }
  return out;
}

/** Accounts of more exchanges than this are counted in a hash table of their own, so that no list of sentences grows without bound. */
const HEAVY = 20_000;

/**
 * Sentences that at least three accounts each sent at least three times. The table is in the order of accounts, so each account's sentences are gathered, sorted, and those
 * that stand again two places on kept: next to nothing is left to group by sentence.
 */
export async function sharedScaffolds(store: Store, index: ReadonlyMap<string, number>, until: number | null): Promise<SharedValue[]> {
  const e = store.all('exchanges');
  const least = VALUE.scaffoldSightingsMin;
  const where = `notEmpty(scaffold) ${when(until)}`;
  const heavy = `(SELECT acct FROM ${e} AS e WHERE ${where} GROUP BY acct HAVING count() > ${HEAVY})`;
  const rows = await store.rows<Row>(
    `SELECT leftPad(hex(h), 16, '0') AS v, groupArray(${VALUE.accountsMax})(leftPad(hex(a), 16, '0')) AS accts, groupArray(${VALUE.accountsMax})(c) AS counts FROM (
      SELECT acct AS a, h, count() + ${least - 1} AS c FROM (
        SELECT acct, arraySort(groupArrayArray(scaffold)) AS s, arrayFilter((x, y) -> x = y, arraySlice(s, 1, greatest(0, toInt64(length(s)) - ${least - 1})), arraySlice(s, ${least})) AS again
        FROM ${e} AS e WHERE ${where} AND acct GLOBAL NOT IN ${heavy} GROUP BY acct
      ) ARRAY JOIN again AS h GROUP BY acct, h
      UNION ALL
      SELECT acct AS a, h, count() AS c FROM ${e} AS e ARRAY JOIN scaffold AS h WHERE acct GLOBAL IN ${heavy} ${when(until)} GROUP BY acct, h HAVING c >= ${least}
    ) GROUP BY h HAVING count() >= ${VALUE.accountsMin} AND count() < ${VALUE.accountsMax} ORDER BY count() DESC, v LIMIT ${VALUE.valuesMax}`,
    until === null ? {} : { until: String(until) },
  );
  return collect('scaffold', rows, index);
}
