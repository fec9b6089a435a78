import type { Params, Store } from '../store.ts';
import { when } from './accounts.ts';

/** A model counts as released inside the window when it is first seen this long after the log begins. */
const RELEASE = { afterDays: 2, accountsMin: 20 } as const;

/** A model first seen inside the window. */
export interface Release {
  readonly model: string;
  /** ms since 1970. */
  readonly at: number;
  /** Accounts that took it up. */
  readonly accounts: number;
}

/** Models first seen inside the window, the earliest first. */
export async function releasesOf(store: Store, until: number | null): Promise<Release[]> {
  const e = store.all('exchanges');
  const rows = await store.rows<{ m: string; t: string; a: string }>(
    `SELECT toString(model) AS m, toUnixTimestamp64Milli(min(time)) AS t, uniq(acct) AS a FROM ${e} AS e WHERE model != '' ${when(until)} GROUP BY m
      HAVING min(time) > (SELECT min(time) FROM ${e} AS e WHERE 1 ${when(until)}) + INTERVAL ${RELEASE.afterDays} DAY AND a >= ${RELEASE.accountsMin} ORDER BY t, m`,
    until === null ? {} : { until: String(until) },
  );
  return rows.map((r) => ({ model: r.m, at: Number(r.t), accounts: Number(r.a) }));
}

/**
 * Part of each account's exchanges that went to a newly released model within the day after its release, by account index; NaN for accounts not active both
 * before the release and on that day, and for all when the log holds no release. Of several releases the one that most accounts took up counts.
 */
export async function movedShares(
  store: Store,
  index: ReadonlyMap<string, number>,
  until: number | null,
  releases: readonly Release[],
): Promise<Float64Array> {
  const out = new Float64Array(index.size).fill(Number.NaN);
  const params: Params = until === null ? {} : { until: String(until) };
  const e = store.all('exchanges');
  const [release] = [...releases].sort((x, y) => y.accounts - x.accounts || (x.model < y.model ? -1 : 1));
  if (!release) return out;
  const rows = await store.rows<{ a: string; share: number }>(
    `SELECT leftPad(hex(acct), 16, '0') AS a, countIf(model = {m:String} AND late) / countIf(late) AS share FROM (
      SELECT acct, model, time >= fromUnixTimestamp64Milli(toInt64({t:String}), 'UTC') AS late FROM ${e} AS e
      WHERE time < fromUnixTimestamp64Milli(toInt64({t:String}), 'UTC') + INTERVAL 1 DAY ${when(until)}
    ) GROUP BY acct HAVING countIf(late) >= 3 AND countIf(NOT late) >= 3`,
    { ...params, m: release.model, t: String(release.at) },
  );
  for (const r of rows) {
    const i = index.get(r.a);
    if (i !== undefined) out[i] = Number(r.share);
  }
  return out;
}
