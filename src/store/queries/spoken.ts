import type { Spoken } from '../../campaigns/voices.ts';
import type { Store } from '../store.ts';
import { type Scope, scopeParams, when, within } from './accounts.ts';

/** Opening requests of some accounts that carry each of some sentences, in so many equal stretches of the time from `from` to `to` (ms since 1970). */
export async function spokenOf(
  store: Store,
  accounts: readonly string[],
  sentences: readonly string[],
  { from, to, stretches }: { readonly from: number; readonly to: number; readonly stretches: number },
  until: number | null,
): Promise<Spoken> {
  const scope: Scope = { accounts };
  const step = Math.max(1, Math.ceil((to - from + 1) / stretches));
  const rows = await store.rows<{ v: string; b: string; n: string }>(
    `SELECT leftPad(hex(h), 16, '0') AS v, intDiv(toUnixTimestamp64Milli(time) - {from:Int64}, {step:Int64}) AS b, count() AS n
    FROM ${store.all('exchanges')} AS e ARRAY JOIN scaffold AS h
    WHERE opening AND leftPad(hex(h), 16, '0') IN (SELECT arrayJoin({said:Array(String)})) ${within(store, until, scope)} ${when(until)} GROUP BY v, b`,
    { ...(until === null ? {} : { until: String(until) }), ...scopeParams(scope), said: sentences, from: String(from), step: String(step) },
  );
  const at = new Map(sentences.map((s, i) => [s, i]));
  const counts = new Float64Array(sentences.length * stretches);
  for (const r of rows) {
    const i = at.get(r.v);
    const b = Number(r.b);
    if (i !== undefined && b >= 0 && b < stretches) counts[i * stretches + b] = Number(r.n);
  }
  return { counts, stretches };
}
