import { type Limits, limitsFor } from '../../barriers/policy.ts';
import type { Store } from '../store.ts';
import type { AccountRecord } from './accounts.ts';

/** Exchanges of some accounts between two moments. */
export async function exchangesBetween(
  store: Store,
  accounts: readonly string[],
  from: number,
  until: number,
): Promise<{ account: string; n: number }[]> {
  const rows = await store.rows<{ account: string; n: string }>(
    `SELECT account, count() AS n FROM ${store.all('exchanges')} AS e WHERE acct IN (SELECT cityHash64(arrayJoin({accounts:Array(String)})))
      AND time >= fromUnixTimestamp64Milli(toInt64({from:String}), 'UTC') AND time < fromUnixTimestamp64Milli(toInt64({until:String}), 'UTC') GROUP BY account`,
    { accounts, from: String(Math.trunc(from)), until: String(Math.trunc(until)) },
  );
  return rows.map((r) => ({ account: r.account, n: Number(r.n) }));
}

export interface Excess {
  readonly account: string;
  readonly tier: string;
  readonly excess: number;
}

/** Exchanges beyond each account's request limit, minute by minute: a close look from above at what a leaky bucket would refuse. */
export async function overLimit(store: Store, limits: Limits, records: ReadonlyMap<string, AccountRecord>): Promise<Excess[]> {
  if (!limits.default && !limits.tiers && !limits.verification && !limits.new_accounts) return [];
  const rows = await store.rows<{ account: string; first: string; counts: (string | number)[] }>(
    `SELECT account, toUnixTimestamp64Milli(min(first)) AS first, groupArray(n) AS counts FROM (
      SELECT any(account) AS account, min(time) AS first, count() AS n FROM ${store.all('exchanges')} AS e GROUP BY acct, toStartOfMinute(time) HAVING n > 1
    ) GROUP BY account`,
  );
  const out: Excess[] = [];
  for (const r of rows) {
    const known = records.get(r.account);
    const who = {
      ...(known?.tier ? { tier: known.tier } : {}),
      ...(known?.verification ? { verification: known.verification } : {}),
      ...(known?.created ? { created: known.created } : {}),
    };
    const { limits: own } = limitsFor(limits, who, false, Number(r.first));
    const most = own.requests_per_minute;
    if (most === undefined) continue;
    const excess = r.counts.reduce<number>((x, n) => x + Math.max(0, Number(n) - most * (own.burst_minutes ?? 1)), 0);
    if (excess > 0) out.push({ account: r.account, tier: known?.tier ?? '', excess });
  }
  return out;
}
