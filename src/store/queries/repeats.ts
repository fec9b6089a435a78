import type { Store } from '../store.ts';
import { when } from './accounts.ts';

/** Part of each account's distinct opening prompts that at least one other account sent too, by account index. */
export async function repeatedShares(store: Store, index: ReadonlyMap<string, number>, until: number | null): Promise<Float64Array> {
  const rows = await store.rows<{ a: string; r: number }>(
    // Two hashes a prompt tell whether more than one account sent it; only those prompts are looked up again.
    `SELECT leftPad(hex(acct), 16, '0') AS a, uniqExactIf(prompt, prompt GLOBAL IN (
        SELECT prompt FROM ${store.all('exchanges')} AS e WHERE opening AND prompt != 0 ${when(until)} GROUP BY prompt HAVING min(acct) != max(acct)
      )) / uniqExact(prompt) AS r
    FROM ${store.all('exchanges')} AS e WHERE opening AND prompt != 0 ${when(until)} GROUP BY acct`,
    until === null ? {} : { until: String(until) },
  );
  const out = new Float64Array(index.size);
  for (const r of rows) {
    const i = index.get(r.a);
    if (i !== undefined) out[i] = Number(r.r);
  }
  return out;
}
