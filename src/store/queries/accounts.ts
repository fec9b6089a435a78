import type { Params, Store } from '../store.ts';
import { slicesOf } from './slices.ts';

/** One account as its exchanges show it. Times in ms since 1970, tokens and characters as sums over its exchanges. */
export interface AccountRow {
  readonly acct: string;
  readonly account: string;
  readonly n: number;
  readonly openings: number;
  readonly conversations: number;
  readonly items: number;
  readonly with_text: number;
  readonly first: number;
  readonly last: number;
  readonly days: number;
  readonly out_tokens: number;
  readonly reasoning_tokens: number;
  readonly chars: number;
  readonly reasoned: number;
  readonly graded: number;
  readonly obfuscated: number;
  readonly tooled: number;
  readonly hours: number[];
  /** Exchanges by day of the week, Monday first, in UTC. */
  readonly week: number[];
  readonly organization: string;
  /** Part of its exchanges that came through a reseller or a marketplace, or whose end user one named. */
  readonly resold: number;
  readonly end_users: number;
  readonly addresses: number;
  /** Form of one of its requests, drawn by hash: parameters, endpoint and client in one value; '' where the log has none of them. */
  readonly form: string;
}

/** The hash of an account as statements write it in hex, out of one that came in binary. */
export const hexOf = (acct: bigint): string => acct.toString(16).toUpperCase().padStart(16, '0');

export const when = (until: number | null): string =>
  until === null ? '' : `AND time <= fromUnixTimestamp64Milli(toInt64({until:String}), 'UTC')`;

/** A part of the exchanges: of some accounts, and carrying one of some sentences (hashes in hex). */
export interface Scope {
  readonly accounts?: readonly string[];
  readonly scaffold?: readonly string[];
}

export const scopeParams = (s: Scope): Params => ({
  ...(s.accounts ? { accts: s.accounts } : {}),
  ...(s.scaffold ? { marks: s.scaffold } : {}),
});

/** Whether an exchange carries one of a scope's sentences. */
const CARRIES = `hasAny(scaffold, arrayMap(h -> reinterpretAsUInt64(reverse(unhex(h))), {marks:Array(String)}))`;

const ofAccounts = (s: Scope): string =>
  s.accounts ? `AND acct IN (SELECT reinterpretAsUInt64(reverse(unhex(arrayJoin({accts:Array(String)})))))` : '';

/**
 * The exchanges of a scope, as a condition: those that carry one of its sentences, and all of a conversation that begins with one (a system text is looked into there alone) or carries one in half of its steps. What a step carries in passing says nothing of the
 * others: customers of one reseller have a phrase in common. A conversation is what lies between one opening and the next under one id, which may stand for a day's batch.
 */
export const within = (store: Store, until: number | null, s: Scope): string =>
  s.scaffold
    ? `${ofAccounts(s)} AND key GLOBAL IN (SELECT key FROM (
      SELECT key, carries OR max(opening AND carries) OVER (PARTITION BY acct, conversation, part) OR avg(carries) OVER (PARTITION BY acct, conversation, part) >= 0.5 AS said FROM (
        SELECT key, acct, conversation, opening, ${CARRIES} AS carries,
          sum(opening) OVER (PARTITION BY acct, conversation ORDER BY time, key ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS part
        FROM ${store.all('exchanges')} AS e WHERE 1 ${ofAccounts(s)} ${when(until)}
      )) WHERE said)`
    : ofAccounts(s);

const WEEK = Array.from({ length: 7 }, (_, d) => `countIf(toDayOfWeek(time) = ${d + 1})`).join(', ');
const HOURS = Array.from({ length: 24 }, (_, h) => `countIf(toHour(time) = ${h})`).join(', ');

/** Every account's summary, in the order of its hash: the order all other queries use. */
export async function accountRows(store: Store, until: number | null, scope: Scope = {}): Promise<AccountRow[]> {
  const rows: Record<keyof AccountRow, never>[] = [];
  for (const slice of scope.accounts ? [''] : await slicesOf(store)) rows.push(...(await accountSlice(store, until, scope, slice)));
  const numeric: (keyof AccountRow)[] = [
    'n',
    'openings',
    'conversations',
    'items',
    'with_text',
    'first',
    'last',
    'days',
    'out_tokens',
    'reasoning_tokens',
    'chars',
    'reasoned',
    'graded',
    'obfuscated',
    'tooled',
    'resold',
    'end_users',
    'addresses',
  ];
  return rows.map((r) => {
    const row: Record<string, unknown> = { ...r, hours: (r.hours as unknown[]).map(Number), week: (r.week as unknown[]).map(Number) };
    for (const k of numeric) row[k] = Number(row[k]);
    return row as unknown as AccountRow;
  });
}

const accountSlice = (store: Store, until: number | null, scope: Scope, slice: string): Promise<Record<keyof AccountRow, never>[]> =>
  store.rows<Record<keyof AccountRow, never>>(
    `SELECT leftPad(hex(acct), 16, '0') AS acct, any(account) AS account, count() AS n, countIf(opening) AS openings, uniqExact(conversation) AS conversations,
      uniqExactIf(prompt, opening AND prompt != 0) AS items, countIf(chars > 0) AS with_text,
      toUnixTimestamp64Milli(min(time)) AS first, toUnixTimestamp64Milli(max(time)) AS last, uniqExact(toDate(time)) AS days,
      sum(output_tokens) AS out_tokens, sum(reasoning_tokens) AS reasoning_tokens, sum(chars) AS chars,
      countIf(bitAnd(marks, 1) > 0) AS reasoned, countIf(bitAnd(marks, 2) > 0) AS graded, countIf(bitAnd(marks, 4) > 0) AS obfuscated, countIf(tool_count > 0) AS tooled,
      [${HOURS}] AS hours, [${WEEK}] AS week,
      max(toString(organization)) AS organization, avg(channel IN ('reseller', 'marketplace') OR end_user_source = 'reseller') AS resold, uniq(end_user) AS end_users, uniqIf(ip, ip != '') AS addresses,
      toString(argMin(cityHash64(shape, user_agent, ja4), key)) AS form
    FROM ${store.all('exchanges')} AS exchanges WHERE 1 ${slice.replaceAll('acct', 'exchanges.acct')} ${within(store, until, scope)} ${when(until)} GROUP BY exchanges.acct ORDER BY exchanges.acct SETTINGS prefer_column_name_to_alias = 1`,
    { ...(until === null ? {} : { until: String(until) }), ...scopeParams(scope) },
  );

export interface AccountRecord {
  readonly account: string;
  readonly created: number | null;
  readonly closed: number | null;
  readonly closed_reason: string;
  readonly email_domain: string;
  readonly email: string;
  readonly payment: string;
  readonly phone: string;
  readonly organization: string;
  readonly tier: string;
  readonly verification: string;
  readonly labels: readonly string[];
}

/** Account records, with the labels people have given and not revoked. */
export async function accountRecords(store: Store): Promise<Map<string, AccountRecord>> {
  const rows = await store.rows<Record<string, unknown>>(
    `SELECT account, toUnixTimestamp64Milli(created) AS created, toUnixTimestamp64Milli(closed) AS closed, closed_reason, email_domain, email, payment, phone, organization, tier, verification, labels FROM accounts FINAL`,
  );
  const given = await store.rows<{ account: string; label: string }>(
    `SELECT account, label FROM (SELECT account, label, argMax(revoked, at) AS gone FROM labels GROUP BY account, label) WHERE NOT gone`,
  );
  const out = new Map<string, AccountRecord>();
  for (const r of rows) {
    out.set(String(r['account']), {
      ...(r as unknown as AccountRecord),
      created: r['created'] === null ? null : Number(r['created']),
      closed: r['closed'] === null ? null : Number(r['closed']),
    });
  }
  for (const g of given) {
    const had = out.get(g.account);
    const base: AccountRecord = had ?? {
      account: g.account,
      created: null,
      closed: null,
      closed_reason: '',
      email_domain: '',
      email: '',
      payment: '',
      phone: '',
      organization: '',
      tier: '',
      verification: '',
      labels: [],
    };
    out.set(g.account, { ...base, labels: [...base.labels, g.label] });
  }
  return out;
}
