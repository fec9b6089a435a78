import type { Recurring } from '../../campaigns/feed.ts';
import type { Store } from '../store.ts';
import { type Scope, scopeParams, when, within } from './accounts.ts';

/** How opening prompts of some accounts come back among them: word for word, once their case and digits are alike. */
export async function recurringOf(store: Store, accounts: readonly string[], until: number | null): Promise<Recurring> {
  const scope: Scope = { accounts };
  const r = await store.first<Record<'items' | 'repeated' | 'day', string>>(
    `SELECT count() AS items, countIf(senders > 1) AS repeated, countIf(senders > 1 AND span <= 86400) AS day FROM (
      SELECT uniqExact(acct) AS senders, dateDiff('second', min(time), max(time)) AS span FROM ${store.all('exchanges')} AS e
      WHERE opening AND prompt != 0 ${within(store, until, scope)} ${when(until)} GROUP BY prompt)`,
    { ...(until === null ? {} : { until: String(until) }), ...scopeParams(scope) },
  );
  return { items: Number(r?.items ?? 0), repeated: Number(r?.repeated ?? 0), sameDay: Number(r?.day ?? 0) };
}
