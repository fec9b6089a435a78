import { BUCKETINGS, BUCKETS, type Cell } from '../../campaigns/deck.ts';
import type { Params, Store } from '../store.ts';
import { type Scope, scopeParams, when, within } from './accounts.ts';

/** Bounds of the content profiles. */
export const PROFILE = { itemsPerAccount: 1500, accountsForStopWords: 1500, stopShare: 0.03, ownShare: 0.5 } as const;

/**
 * Hashes of words too common to tell subjects apart: those that stand, on average over accounts (each counts once, however much
 * it sends), in more than 3 % of an account's items.
 */
export async function stopWords(store: Store, until: number | null): Promise<number[]> {
  const params: Params = until === null ? {} : { until: String(until) };
  const total = Number((await store.first<{ n: string }>(`SELECT uniq(acct) AS n FROM ${store.all('exchanges')} AS e`))?.n ?? 1);
  const every = Math.max(1, Math.round(total / PROFILE.accountsForStopWords));
  const rows = await store.rows<{ w: number }>(
    `SELECT w FROM (
      SELECT w, sum(c / n) AS share FROM (
        SELECT acct, w, count() AS c, any(n) AS n FROM (
          SELECT acct, any(words) AS ws, prompt FROM ${store.all('exchanges')} AS e WHERE opening AND notEmpty(words) AND intDiv(acct, 1048576) % ${every} = 0 ${when(until)} GROUP BY acct, prompt ORDER BY acct, prompt LIMIT 120 BY acct
        ) AS i ARRAY JOIN ws AS w
        INNER JOIN (SELECT acct, least(120, uniqExact(prompt)) AS n FROM ${store.all('exchanges')} AS e WHERE opening AND notEmpty(words) ${when(until)} GROUP BY acct) AS t USING (acct)
        GROUP BY acct, w
      ) GROUP BY w
    ) WHERE share > {stop:Float64} * (SELECT greatest(uniq(acct), 1) FROM ${store.all('exchanges')} AS e WHERE opening AND notEmpty(words) AND intDiv(acct, 1048576) % ${every} = 0 ${when(until)})
    ORDER BY share DESC, w LIMIT 2000`,
    { ...params, stop: PROFILE.stopShare },
  );
  return rows.map((r) => Number(r.w));
}

const SEEDS = Array.from({ length: BUCKETINGS }, (_, j) => (Math.imul(j + 1, 0x9e3779b1) >>> 0) ^ 0x5bd1e995);

/**
 * Bucketed items of accounts, a cell for each account and stratum. An item is a distinct opening prompt; its words without the
 * common ones and without the account's own scaffold give one minimum a bucketing, so that two items fall together with the
 * probability of their word overlap (Broder, 1997).
 */
export async function profileCells(
  store: Store,
  index: ReadonlyMap<string, number>,
  stop: readonly number[],
  until: number | null,
  scope: Scope = {},
): Promise<Cell[]> {
  const params: Params = { ...(until === null ? {} : { until: String(until) }), ...scopeParams(scope) };
  const stopped = stop.length > 0 ? `AND w NOT IN (${stop.map((w) => Math.trunc(w)).join(',')})` : '';
  const minima = SEEDS.map((seed) => `arrayMin(arrayMap(w -> intHash32(bitXor(w, toUInt32(${seed >>> 0}))), kept)) % ${BUCKETS}`).join(
    ', ',
  );
  const sql = `
SELECT reinterpretAsUInt64(acct) AS a, stratum, groupArrayArray(buckets) AS list FROM (
  SELECT acct, it.1 AS stratum, arrayFilter(w -> NOT has(own, w) ${stopped}, it.2) AS kept, arrayMap(b -> toUInt8(b), [${minima}]) AS buckets
  FROM (
    SELECT acct, groupArray((stratum, ws)) AS items, length(items) AS n,
      arrayReduce('sumMap', arrayMap(i -> i.2, items), arrayMap(i -> arrayWithConstant(length(i.2), toUInt32(1)), items)) AS df,
      arrayFilter((w, c) -> n >= 4 AND c > n * ${PROFILE.ownShare}, df.1, df.2) AS own
    FROM (
      SELECT acct, prompt, any(words) AS ws, toUInt16(any(script) * 64 + toRelativeWeekNum(min(time)) % 64) AS stratum
      FROM ${store.all('exchanges')} AS e WHERE opening AND notEmpty(words) ${within(scope)} ${when(until)} GROUP BY acct, prompt ORDER BY acct, prompt LIMIT ${PROFILE.itemsPerAccount} BY acct
    ) GROUP BY acct
  ) ARRAY JOIN items AS it
  WHERE notEmpty(kept)
) GROUP BY acct, stratum ORDER BY acct, stratum FORMAT RowBinary`;
  const data = await store.binary(sql, params);
  const cells: Cell[] = [];
  let at = 0;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  while (at < data.length) {
    const acct = view.getBigUint64(at, true).toString(16).toUpperCase().padStart(16, '0');
    at += 8;
    const stratum = view.getUint16(at, true);
    at += 2;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = data[at++] as number;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    const account = index.get(acct);
    if (account !== undefined) cells.push({ account, stratum, buckets: Uint16Array.from(data.subarray(at, at + length)) });
    at += length;
  }
  return cells;
}
