import type { Params, Store } from '../store.ts';
import { VALUE_SQL, type ValueKind } from './values.ts';

/** One value and the accounts of a cohort that show it. */
export interface Tied {
  readonly kind: string;
  readonly value: string;
  readonly accounts: readonly string[];
}

const RECORD: readonly string[] = ['payment', 'email_domain', 'email', 'phone'] satisfies ValueKind[];

/** Which of some accounts show each of some values: what a tie between two of them rests on. */
export async function tiesOf(
  store: Store,
  accounts: readonly string[],
  values: readonly { readonly kind: string; readonly value: string }[],
): Promise<Tied[]> {
  const out: Tied[] = [];
  const members: Params = { members: accounts };
  const inside = 'acct IN (SELECT cityHash64(arrayJoin({members:Array(String)})))';
  for (const { kind, value } of values) {
    const sql = VALUE_SQL[kind as ValueKind];
    let rows: { account: string }[] = [];
    if (kind === 'scaffold')
      rows = await store.rows(
        `SELECT DISTINCT account FROM ${store.all('exchanges')} AS e WHERE ${inside} AND has(scaffold, reinterpretAsUInt64(reverse(unhex({value:String})))) ORDER BY account`,
        { ...members, value },
      );
    else if (sql)
      rows = await store.rows(
        `SELECT DISTINCT account FROM ${store.all('exchanges')} AS e WHERE ${inside} AND ${sql} = {value:String} ORDER BY account`,
        { ...members, value },
      );
    else if (RECORD.includes(kind))
      rows = await store.rows(
        `SELECT account FROM accounts FINAL WHERE account IN {members:Array(String)} AND ${kind} = {value:String} ORDER BY account`,
        { ...members, value },
      );
    out.push({ kind, value, accounts: rows.map((r) => r.account) });
  }
  return out;
}
