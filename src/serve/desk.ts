import type { Budget } from '../barriers/model.ts';
import type { Quotes } from '../model/desk.ts';
import type { Dossier, Finding, Member } from '../model/dossier.ts';
import { accountRecords } from '../store/queries/accounts.ts';
import { taken, timelines } from '../store/queries/cohorts.ts';
import { tiesOf } from '../store/queries/ties.ts';
import type { Store } from '../store/store.ts';
import type { Cut } from './findings.ts';

/** What pages ask of the store about one finding of a look. */

/** The dossier of a look as it is kept, of the last one when none is named; null when there is none. */
export async function bodyOf(store: Store, at = ''): Promise<string | null> {
  const kept = await store.first<{ body: string }>(
    `SELECT body FROM dossiers ${at === '' ? '' : 'WHERE id = {at:String}'} ORDER BY at DESC LIMIT 1`,
    at === '' ? {} : { at },
  );
  return kept?.body ?? null;
}

/** A finding of a look, the last one when none is named, and how many accounts that look saw. */
export async function findingOf(
  store: Store,
  id: string,
  at: string,
): Promise<{ finding: Pick<Finding, 'accounts' | 'evidence' | 'indicators'> | undefined; population: number }> {
  const body = await bodyOf(store, at);
  const d = body ? (JSON.parse(body) as Dossier) : null;
  return { finding: d ? [...d.campaigns, ...d.undecided].find((x) => x.id === id) : undefined, population: d?.coverage.accounts ?? 0 };
}

/** An account of a case that a person cut: its exchanges, and the part of them that is the campaign's. */
export type Cutting = Pick<Member, 'account' | 'exchanges' | 'share'>;

/** What the exchanges of a case that a person cut add up to: of mixed accounts the campaign's part, as in a dossier. */
export async function cutOf(store: Store, members: readonly Cutting[], values: Finding['indicators']): Promise<Cut> {
  const accounts = members.map((m) => m.account);
  const rows = await store.rows<{ a: string }>(
    `SELECT leftPad(hex(cityHash64(x)), 16, '0') AS a FROM (SELECT arrayJoin({names:Array(String)}) AS x)`,
    { names: accounts },
  );
  const cohort = { accts: rows.map((r) => r.a), shares: members.map((m) => m.share) };
  const [days = []] = await timelines(store, [cohort], null);
  const [got] = await taken(store, [cohort], null);
  const sum = (f: (m: Cutting) => number): number => members.reduce((x, m) => x + f(m), 0);
  const exchanges = sum((m) => m.exchanges * m.share);
  const part =
    exchanges /
    Math.max(
      1,
      sum((m) => m.exchanges),
    );
  return {
    timeline: days.map((d) => ({ ...d, joined: 0, closed: 0 })),
    models: got?.models ?? {},
    loot: {
      exchanges: Math.round(exchanges),
      distinct_items: Math.round((got?.items ?? 0) * part),
      output_tokens: Math.round((got?.output ?? 0) * part),
      reasoning_tokens: Math.round((got?.reasoning ?? 0) * part),
      days: days.length,
    },
    shown: (await tiesOf(store, accounts, values)).map((t) => t.accounts.length),
  };
}

const OF_ACCOUNTS = 'acct IN (SELECT cityHash64(arrayJoin({names:Array(String)})))';

/**
 * Exchanges of some accounts that a budget they share would have refused, had it stood from a moment on: minute by minute, what is beyond it. A bucket that fills
 * steadily lets a little more through at the edges of a minute.
 * @param from an ISO time; '' for all there is
 */
export async function overBudget(store: Store, accounts: readonly string[], budget: Budget, from: string): Promise<number> {
  const row = await store.first<{ n: number }>(
    `SELECT round(sum(n * greatest(0, 1 - {rate:Float64} / n, 1 - {tokens:Float64} / greatest(1, used)))) AS n FROM (
      SELECT toStartOfMinute(time) AS minute, count() AS n, sum(toUInt64(input_tokens) + output_tokens) AS used
      FROM ${store.all('exchanges')} AS e WHERE ${OF_ACCOUNTS} AND time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') GROUP BY minute
    )`,
    {
      names: accounts,
      rate: budget.requests_per_minute ?? 1e12,
      tokens: budget.tokens_per_minute ?? 1e15,
      from: String(Math.max(0, Date.parse(from) || 0)),
    },
  );
  return Number(row?.n ?? 0);
}

/** What is held of an account that nobody found. */
export interface Seen {
  readonly account: string;
  readonly exchanges: number;
  readonly tier: string;
  readonly verification: string;
}

/** Exchanges of some accounts within a window, and what their records say. @param from ISO 8601, '' for all there is */
export async function seenOf(store: Store, accounts: readonly string[], from: string): Promise<Seen[]> {
  const rows = await store.rows<{ account: string; n: number }>(
    `SELECT account, count() AS n FROM ${store.all('exchanges')} AS e WHERE ${OF_ACCOUNTS} ${from === '' ? '' : `AND time >= parseDateTime64BestEffort({from:String}, 3, 'UTC')`} GROUP BY account`,
    { names: accounts, from },
  );
  const records = await accountRecords(store);
  const sent = new Map(rows.map((r) => [r.account, Number(r.n)]));
  return accounts.map((account) => {
    const r = records.get(account);
    return { account, exchanges: sent.get(account) ?? 0, tier: r?.tier ?? '', verification: r?.verification ?? '' };
  });
}

/** Exchanges of some accounts since a moment. @param from ms since 1970 */
export async function sentSince(store: Store, accounts: readonly string[], from: number): Promise<number> {
  const row = await store.first<{ n: number }>(
    `SELECT count() AS n FROM ${store.all('exchanges')} AS e WHERE ${OF_ACCOUNTS} AND time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')`,
    { names: accounts, from: String(Math.trunc(from)) },
  );
  return Number(row?.n ?? 0);
}

/** What sentences say, by the hash that stands for them, as far as it is kept. */
export async function sentencesOf(store: Store, hashes: readonly string[]): Promise<Quotes['sentences']> {
  const rows = await store.rows<{ value: string; text: string }>(
    'SELECT value, text FROM sentences FINAL WHERE value IN {hashes:Array(String)}',
    { hashes },
  );
  return Object.fromEntries(rows.map((r) => [r.value, r.text]));
}

/** Texts that the evidence of one finding of a look cites, and what the sentences its members share are in words: as far as they are kept. */
export async function quotesOf(store: Store, campaign: string, at: string): Promise<Quotes> {
  const { finding: f } = await findingOf(store, campaign, at);
  const cited = new Map((f?.evidence ?? []).flatMap((e) => e.exemplars).map((x) => [`${x.account}\0${x.exchange}`, x]));
  const hashes = (f?.indicators ?? []).filter((i) => i.kind === 'scaffold').map((i) => i.value);
  const texts = await store.rows<Quotes['texts'][number]>(
    'SELECT id AS exchange, account, text, system FROM exemplars FINAL WHERE (account, id) IN (SELECT x.1, x.2 FROM (SELECT arrayJoin(arrayZip({accounts:Array(String)}, {ids:Array(String)})) AS x))',
    { accounts: [...cited.values()].map((x) => x.account), ids: [...cited.values()].map((x) => x.exchange) },
  );
  return { texts, sentences: await sentencesOf(store, hashes) };
}
