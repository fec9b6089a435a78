import { BUCKETINGS, BUCKETS } from '../../campaigns/deck.ts';
import type { CellTable } from '../../campaigns/profile.ts';
import { Ints } from '../../links/sightings.ts';
import type { Params, Store } from '../store.ts';
import { type Scope, scopeParams, when, within } from './accounts.ts';
import { slicesOf } from './slices.ts';

/** Bounds of the content profiles. */
export const PROFILE = {
  itemsPerAccount: 1500,
  accountsForStopWords: 1500,
  itemsForStopWords: 120,
  stopShare: 0.03,
  ownShare: 0.5,
} as const;

/** Opening requests with text, each distinct one of an account once, the first time it was sent: in the order the table has, which costs next to nothing. */
const distinctItems = (store: Store, columns: string, where: string): string =>
  `SELECT ${columns} FROM ${store.all('exchanges')} AS e WHERE opening AND notEmpty(words) ${where} ORDER BY acct, time, prompt LIMIT 1 BY acct, prompt`;

/** At most so many of an account's items: those with the smallest hash, the same ones each time. Tuples start with the item's hash. */
const capped = (items: string, most: number): string =>
  `if(length(${items}) > ${most}, arraySlice(arraySort(i -> i.1, ${items}), 1, ${most}), ${items})`;

/**
 * Hashes of words too common to tell subjects apart: those that stand, on average over accounts (each counts once, however much
 * it sends), in more than 3 % of an account's items.
 */
export async function stopWords(store: Store, until: number | null): Promise<number[]> {
  const params: Params = until === null ? {} : { until: String(until) };
  const total = Number((await store.first<{ n: string }>(`SELECT uniq(acct) AS n FROM ${store.all('exchanges')} AS e`))?.n ?? 1);
  const every = Math.max(1, Math.round(total / PROFILE.accountsForStopWords));
  const rows = await store.rows<{ w: number }>(
    `WITH sampled AS (
      SELECT acct, ${capped('groupArray((prompt, words))', PROFILE.itemsForStopWords)} AS items, 1 / length(items) AS part
      FROM (${distinctItems(store, 'acct, prompt, words', `AND intDiv(acct, 1048576) % ${every} = 0 ${when(until)}`)}) GROUP BY acct
    )
    SELECT w, sum(part) AS share FROM (SELECT part, arrayJoin(arrayFlatten(arrayMap(i -> i.2, items))) AS w FROM sampled) GROUP BY w
    HAVING share > {stop:Float64} * (SELECT greatest(count(), 1) FROM sampled) ORDER BY share DESC, w LIMIT 2000`,
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
): Promise<CellTable> {
  const params: Params = { ...(until === null ? {} : { until: String(until) }), ...scopeParams(scope) };
  const stopped = stop.length > 0 ? `AND w NOT IN (${stop.map((w) => Math.trunc(w)).join(',')})` : '';
  const minima = SEEDS.map((seed) => `arrayMin(w -> intHash32(bitXor(w, toUInt32(${seed >>> 0}))), kept) % ${BUCKETS}`).join(', ');
  const sql = (slice: string) => `
SELECT reinterpretAsUInt64(acct) AS a, stratum, groupArrayArray(buckets) AS list FROM (
  SELECT acct, it.2 AS stratum, arrayFilter(w -> NOT has(own, w) ${stopped}, it.3) AS kept, arrayMap(b -> toUInt8(b), [${minima}]) AS buckets
  FROM (
    SELECT acct, ${capped('groupArray((prompt, stratum, words))', PROFILE.itemsPerAccount)} AS items, length(items) AS n,
      toUInt32(intDiv(n, ${1 / PROFILE.ownShare})) AS half, arraySort(arrayFlatten(arrayMap(i -> i.3, items))) AS sorted,
      /* A word in more than half of the items meets itself half as many places on in the sorted list of all. */
      if(n < 8, [], arrayDistinct(arrayFilter((x, y) -> x = y, arraySlice(sorted, 1, length(sorted) - half), arraySlice(sorted, 1 + half)))) AS own
    FROM (
      ${distinctItems(store, 'acct, prompt, words, toUInt16(script * 64 + toRelativeWeekNum(time) % 64) AS stratum', `${slice} ${within(scope)} ${when(until)}`)}
    ) GROUP BY acct
  ) ARRAY JOIN items AS it
  WHERE notEmpty(kept)
) GROUP BY acct, stratum ORDER BY acct, stratum FORMAT RowBinary`;
  const parts: Buffer[] = [];
  for (const slice of scope.accounts ? [''] : await slicesOf(store)) parts.push(await store.binary(sql(slice), params));
  const data = Buffer.concat(parts);
  const accounts = new Ints();
  const strata = new Ints();
  const starts = new Ints();
  const lengths = new Ints();
  let at = 0;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let last = -1n;
  let account: number | undefined;
  while (at < data.length) {
    const acct = view.getBigUint64(at, true);
    if (acct !== last) account = index.get(acct.toString(16).toUpperCase().padStart(16, '0'));
    last = acct;
    at += 8;
    const stratum = view.getUint16(at, true);
    at += 2;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = data[at++] as number;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    if (account !== undefined) {
      accounts.push(account);
      strata.push(stratum);
      starts.push(at);
      lengths.push(length);
    }
    at += length;
  }
  return {
    account: accounts.list.slice(0, accounts.length),
    stratum: Uint16Array.from(strata.list.subarray(0, strata.length)),
    start: starts.list.slice(0, starts.length),
    length: lengths.list.slice(0, lengths.length),
    buckets: data,
  };
}
