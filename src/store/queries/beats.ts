import { BEATS, type Beats, barsOf } from '../../campaigns/beats.ts';
import type { Store } from '../store.ts';
import { hexOf, scopeParams, when, within } from './accounts.ts';

/**
 * Exchanges of some accounts in each bar of the log's time: one pass over those accounts, a row of counts each.
 *
 * @param accounts hashes in hex, in the order the rows of the result have; @param from, to ms since 1970
 */
export async function beatsOf(store: Store, accounts: readonly string[], from: number, to: number, until: number | null): Promise<Beats> {
  const { start, bar, bars } = barsOf(from, to);
  const counts = new Uint16Array(accounts.length * bars);
  const index = new Map(accounts.map((a, i) => [a, i]));
  for (let at = 0; at < accounts.length; at += BEATS.batch) {
    const part = accounts.slice(at, at + BEATS.batch);
    const data = await store.binary(
      `SELECT reinterpretAsUInt64(acct) AS a, toUInt16(intDiv(toUnixTimestamp64Milli(time) - {start:Int64}, {bar:Int64})) AS bar, toUInt16(least(count(), 65535)) AS n
      FROM ${store.all('exchanges')} AS e
      WHERE time >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({end:Int64}, 'UTC') ${within(store, until, { accounts: part })} ${when(until)}
      GROUP BY acct, bar FORMAT RowBinary`,
      {
        ...scopeParams({ accounts: part }),
        ...(until === null ? {} : { until: String(until) }),
        start: String(start),
        bar: String(bar),
        end: String(start + bar * bars),
      },
    );
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let i = 0; i + 12 <= data.length; i += 12) {
      const a = index.get(hexOf(view.getBigUint64(i, true)));
      if (a !== undefined) counts[a * bars + view.getUint16(i + 8, true)] = view.getUint16(i + 10, true);
    }
  }
  return { bars, perDay: Math.round(86_400_000 / bar), counts };
}
