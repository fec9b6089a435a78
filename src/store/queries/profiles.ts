import { BUCKETINGS, BUCKETS } from '../../campaigns/deck.ts';
import type { CellTable } from '../../campaigns/profile.ts';
import { Ints } from '../../links/sightings.ts';
import type { Params, Store } from '../store.ts';
import { hexOf, type Scope, scopeParams, when, within } from './accounts.ts';
import { slicesOf } from './slices.ts';

/** Bounds of the content profiles. */
export const PROFILE = {
  itemsPerAccount: 1500,
  accountsForCommonWords: 1500,
  itemsForCommonWords: 120,
  /** A word in this part of an account's items, on average over accounts, tells half as much of a subject as a rare one. */
  commonHalf: 0.003,
  /** Words below a tenth of that count as rare. */
  commonMin: 0.001,
  commonMax: 6000,
  /**
   * A word in this part of the account's own items tells half as much: it is the account's wording, or its one subject, rather than what it asks this time. Counted is what
   * is beyond the pair of items that is being compared, beyond so many standard errors of the count, and beyond `ownMin`: chance repeats must not lose weight,
   * or accounts would look less like themselves than they are.
   */
  ownHalf: 0.02,
  ownErrors: 2,
  ownMin: 0.02,
  /** In more than half of an account's items a word is its scaffold and tells nothing. */
  ownMost: 0.5,
} as const;

/** Opening requests with text, each distinct one of an account once, the first time it was sent: in the order the table has, which costs next to nothing. */
const distinctItems = (store: Store, columns: string, where: string): string =>
  `SELECT ${columns} FROM ${store.all('exchanges')} AS e WHERE opening AND notEmpty(words) ${where} ORDER BY acct, time, prompt LIMIT 1 BY acct, prompt`;

/** At most so many of an account's items: those with the smallest hash, the same ones each time. Tuples start with the item's hash. */
const capped = (items: string, most: number): string =>
  `if(length(${items}) > ${most}, arraySlice(arraySort(i -> i.1, ${items}), 1, ${most}), ${items})`;

/** A word by its hash, and the part of an account's items it stands in, on average over accounts. */
export interface CommonWord {
  readonly word: number;
  readonly share: number;
}

/** Words too common to tell subjects apart well: each account counts once, however much it sends. */
export async function commonWords(store: Store, until: number | null): Promise<CommonWord[]> {
  const params: Params = until === null ? {} : { until: String(until) };
  const total = Number((await store.first<{ n: string }>(`SELECT uniq(acct) AS n FROM ${store.all('exchanges')} AS e`))?.n ?? 1);
  const every = Math.max(1, Math.round(total / PROFILE.accountsForCommonWords));
  const rows = await store.rows<{ w: number; share: number }>(
    `WITH sampled AS (
      SELECT acct, ${capped('groupArray((prompt, words))', PROFILE.itemsForCommonWords)} AS items, 1 / length(items) AS part
      FROM (${distinctItems(store, 'acct, prompt, words', `AND intDiv(acct, 1048576) % ${every} = 0 ${when(until)}`)}) GROUP BY acct
    )
    SELECT w, sum(part) / (SELECT greatest(count(), 1) FROM sampled) AS share FROM (SELECT part, arrayJoin(arrayFlatten(arrayMap(i -> i.2, items))) AS w FROM sampled) GROUP BY w
    HAVING share > {least:Float64} ORDER BY share DESC, w LIMIT ${PROFILE.commonMax}`,
    { ...params, least: PROFILE.commonMin },
  );
  return rows.map((r) => ({ word: Number(r.w), share: Number(r.share) }));
}

/** A word in fewer items than this is within `ownErrors` of the pair that is compared: no habit. */
const OWN_LEAST = 8;

const SEEDS = Array.from({ length: BUCKETINGS }, (_, j) => (Math.imul(j + 1, 0x9e3779b1) >>> 0) ^ 0x5bd1e995);

/**
 * Bucketed items of accounts, a cell for each account and stratum. An item is a distinct opening prompt. Of its words one is drawn a bucketing by weighted
 * min-hash (the smallest hash times the inverse weight; Manasse, McSherry and Talwar, 2010): two items fall together with the probability of their weighted
 * overlap (Broder, 1997). A word weighs less the more common it is in the population, and the more of this account's own items it stands in: what wraps a task,
 * however it is worded, is common or the account's habit, and what the task is about is neither.
 */
export async function profileCells(
  store: Store,
  index: ReadonlyMap<string, number>,
  common: readonly CommonWord[],
  until: number | null,
  scope: Scope = {},
): Promise<CellTable> {
  const params: Params = { ...(until === null ? {} : { until: String(until) }), ...scopeParams(scope) };
  const known = common.filter((c) => c.share > PROFILE.commonMin);
  const rarity =
    known.length > 0
      ? `transform(w, [${known.map((c) => Math.trunc(c.word)).join(',')}]::Array(UInt32), [${known.map((c) => (1 + c.share / PROFILE.commonHalf).toFixed(2)).join(',')}]::Array(Float32), toFloat32(1))`
      : 'toFloat32(1)';
  // The smallest hash over its weight, its bucket in the low bits.
  const minima = SEEDS.map((seed) => {
    const h = `intHash32(bitXor(w, toUInt32(${seed >>> 0})))`;
    return `arrayMin((w, f) -> bitOr(bitShiftLeft(toUInt64(${h} * f), 6), ${h} % ${BUCKETS}), kept, factors) % ${BUCKETS}`;
  }).join(', ');
  const sql = (slice: string) => `
SELECT reinterpretAsUInt64(acct) AS a, stratum, groupArrayArray(buckets) AS list FROM (
  SELECT acct, it.2 AS stratum,
    arrayFilter((w, c) -> c < ${OWN_LEAST} OR c <= most, it.3, counts) AS kept,
    arrayMap((w, c) -> ${rarity} * (1 + if(c < ${OWN_LEAST}, 0, greatest(0, (c - 2 - ${PROFILE.ownErrors} * sqrt(c)) / n - ${PROFILE.ownMin}) / ${PROFILE.ownHalf})), kept, arrayFilter(c -> c < ${OWN_LEAST} OR c <= most, counts)) AS factors,
    arrayMap(b -> toUInt8(b), [${minima}]) AS buckets
  FROM (
    SELECT acct, ${capped('groupArray((prompt, stratum, words))', PROFILE.itemsPerAccount)} AS items, length(items) AS n,
      if(n < 8, n, toUInt32(floor(n * ${PROFILE.ownMost}))) AS most,
      arrayFlatten(arrayMap(i -> i.3, items)) AS flat,
      /* Items that hold a word: how often it stood before in the list of all words of all items, and how often it stands from here on. No item holds a word twice. */
      arrayMap((f, b) -> f + b - 1, arrayEnumerateUniq(flat), arrayReverse(arrayEnumerateUniq(arrayReverse(flat)))) AS times,
      /* Back into items. One list split in one pass: a list that a lambda looks into is copied for each of its elements. */
      arraySplit((c, begins) -> begins, times, arrayFlatten(arrayMap(i -> arrayMap(x -> x = 1, arrayEnumerate(i.3)), items))) AS countsOf
    FROM (
      ${distinctItems(store, 'acct, prompt, words, toUInt16(script * 64 + toRelativeWeekNum(time) % 64) AS stratum', `${slice} ${within(store, until, scope)} ${when(until)}`)}
    ) GROUP BY acct
  ) ARRAY JOIN items AS it, countsOf AS counts
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
    if (acct !== last) account = index.get(hexOf(acct));
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
