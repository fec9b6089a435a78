import type { Params, Store } from '../store.ts';
import { when } from './accounts.ts';

const of = `acct IN (SELECT reinterpretAsUInt64(reverse(unhex(arrayJoin({accts:Array(String)})))))`;
const bound = (accts: readonly string[], until: number | null): Params => ({ accts, ...(until === null ? {} : { until: String(until) }) });

export interface Day {
  readonly day: string;
  readonly exchanges: number;
  readonly accounts: number;
}

/** What part of an account's exchanges counts: a reseller's other customers are no part of a campaign. */
const WEIGHT = `transform(acct, arrayMap(x -> reinterpretAsUInt64(reverse(unhex(x))), {accts:Array(String)}), {shares:Array(Float64)}, toFloat64(0))`;

/** Exchanges and active accounts by day. @param shares of each account's exchanges that count; all of them when absent */
export async function timeline(store: Store, accts: readonly string[], until: number | null, shares?: readonly number[]): Promise<Day[]> {
  const rows = await store.rows<{ day: string; n: string; a: string }>(
    `SELECT toString(toDate(time)) AS day, ${shares ? `round(sum(${WEIGHT}))` : 'count()'} AS n, uniqExact(acct) AS a FROM ${store.all('exchanges')} AS e WHERE ${of} ${when(until)} GROUP BY day ORDER BY day`,
    { ...bound(accts, until), ...(shares ? { shares } : {}) },
  );
  return rows.map((r) => ({ day: r.day, exchanges: Number(r.n), accounts: Number(r.a) }));
}

export interface Taken {
  readonly items: number;
  readonly output: number;
  readonly reasoning: number;
  readonly models: Record<string, number>;
}

/** What was taken, and of which models. @param shares of each account's exchanges that count, for the models */
export async function taken(store: Store, accts: readonly string[], until: number | null, shares?: readonly number[]): Promise<Taken> {
  const p = bound(accts, until);
  const [sum] = await store.rows<{ items: string; output: string; reasoning: string }>(
    `SELECT uniqExactIf(prompt, prompt != 0) AS items, sum(output_tokens) AS output, sum(reasoning_tokens) AS reasoning FROM ${store.all('exchanges')} AS e WHERE ${of} ${when(until)}`,
    p,
  );
  const models = await store.rows<{ m: string; n: string }>(
    `SELECT toString(model) AS m, ${shares ? `round(sum(${WEIGHT}))` : 'count()'} AS n FROM ${store.all('exchanges')} AS e WHERE ${of} ${when(until)} GROUP BY m ORDER BY n DESC, m LIMIT 20`,
    { ...p, ...(shares ? { shares } : {}) },
  );
  return {
    items: Number(sum?.items ?? 0),
    output: Number(sum?.output ?? 0),
    reasoning: Number(sum?.reasoning ?? 0),
    models: Object.fromEntries(models.map((r) => [r.m || '(not given)', Number(r.n)])),
  };
}

/** Where the text of some exchanges stands in the files they came from. */
export interface Place {
  readonly key: string;
  readonly id: string;
  readonly account: string;
  readonly acct: string;
  readonly time: number;
  readonly path: number;
  readonly row: number;
  readonly tools: number;
}

const PLACE = `toString(key) AS k, id, account, leftPad(hex(acct), 16, '0') AS a, toUnixTimestamp64Milli(time) AS t, path_id, row, tool_count`;
interface PlaceRow {
  k: string;
  id: string;
  account: string;
  a: string;
  t: string;
  path_id: number;
  row: string;
  tool_count: number;
}
const asPlace = (r: PlaceRow): Place => ({
  key: r.k,
  id: r.id,
  account: r.account,
  acct: r.a,
  time: Number(r.t),
  path: Number(r.path_id),
  row: Number(r.row),
  tools: Number(r.tool_count),
});

/** A sample of exchanges by hash: the same one each time. `scaffold` (hex) narrows it to exchanges that carry one of these sentences. */
export async function sample(
  store: Store,
  most: number,
  until: number | null,
  accts?: readonly string[],
  scaffold?: readonly string[],
): Promise<Place[]> {
  const rows = await store.rows<PlaceRow>(
    `SELECT ${PLACE} FROM ${store.all('exchanges')} AS e WHERE chars > 0 AND opening ${accts ? `AND ${of}` : ''}
      ${scaffold ? 'AND hasAny(scaffold, arrayMap(h -> reinterpretAsUInt64(reverse(unhex(h))), {marks:Array(String)}))' : ''} ${when(until)} ORDER BY intHash64(key) LIMIT {most:UInt32}`,
    { most, ...(until === null ? {} : { until: String(until) }), ...(accts ? { accts } : {}), ...(scaffold ? { marks: scaffold } : {}) },
  );
  return rows.map(asPlace);
}

/** The first exchange of each of some accounts, of those that show a value where one is given (an SQL expression and what it must be): what a tie, or a beginning, can be looked up by. */
export async function firsts(
  store: Store,
  most: number,
  until: number | null,
  accts: readonly string[],
  value?: { readonly sql: string; readonly is: string },
): Promise<Place[]> {
  const rows = await store.rows<PlaceRow>(
    `SELECT ${PLACE} FROM ${store.all('exchanges')} AS e WHERE ${of} ${value ? `AND ${value.sql} = {value:String}` : ''} ${when(until)} ORDER BY time, key LIMIT 1 BY acct LIMIT {most:UInt32}`,
    { ...bound(accts, until), most, ...(value ? { value: value.is } : {}) },
  );
  return rows.map(asPlace);
}
