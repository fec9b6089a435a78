import type { Params, Store } from '../store.ts';
import { when } from './accounts.ts';

/**
 * Figures of the cohorts a dossier shows. All of them are asked for at once: a cohort of thousands has an account in most parts of the table, so a query for each
 * of thirty would read it thirty times.
 */

/** Accounts (hashes in hex) of a cohort. */
export interface Cohort {
  readonly accts: readonly string[];
  /** What part of each account's exchanges counts, in the order of `accts`: a reseller's other customers are no part of a campaign. All of them when absent. */
  readonly shares?: readonly number[];
}

/** Exchanges of some cohorts, each once for every cohort its account is in: columns of the table, `c` the cohort's place in the list and `share`. */
export const of = (store: Store, columns: string, until: number | null, from = store.all('exchanges')): string => `
  SELECT ${columns}, c, share FROM ${from} AS e
  INNER JOIN (
    SELECT m.1 AS acct, m.2 AS c, m.3 AS share FROM (
      SELECT arrayJoin(arrayZip(arrayMap(x -> reinterpretAsUInt64(reverse(unhex(x))), {accts:Array(String)}), {cohorts:Array(UInt16)}, {shares:Array(Float64)})) AS m
    )
  ) AS members USING (acct)
  WHERE acct IN (SELECT reinterpretAsUInt64(reverse(unhex(arrayJoin({accts:Array(String)}))))) ${when(until)}`;

const bound = (cohorts: readonly Cohort[], until: number | null): Params => ({
  accts: cohorts.flatMap((x) => x.accts),
  cohorts: cohorts.flatMap((x, c) => x.accts.map(() => c)),
  shares: cohorts.flatMap((x) => x.accts.map((_, i) => x.shares?.[i] ?? 1)),
  ...(until === null ? {} : { until: String(until) }),
});

/** What a statement over `of` tells of each cohort: rows that name it by its place `c`. None is asked for where no cohort has an account. */
export async function asked<R extends { readonly c: number }, T>(
  store: Store,
  cohorts: readonly Cohort[],
  until: number | null,
  sql: string,
  as: (r: R) => T,
  more: Params = {},
): Promise<T[][]> {
  const out: T[][] = cohorts.map(() => []);
  if (cohorts.every((x) => x.accts.length === 0)) return out;
  for (const r of await store.rows<R>(sql, { ...bound(cohorts, until), ...more })) out[Number(r.c)]?.push(as(r));
  return out;
}

export interface Day {
  readonly day: string;
  readonly exchanges: number;
  readonly accounts: number;
}

/** Exchanges and active accounts of each cohort by day. */
export const timelines = (store: Store, cohorts: readonly Cohort[], until: number | null): Promise<Day[][]> =>
  asked(
    store,
    cohorts,
    until,
    `SELECT c, toString(toDate(time)) AS day, round(sum(share)) AS n, uniqExact(acct) AS a FROM (${of(store, 'time, acct', until)}) GROUP BY c, day ORDER BY c, day`,
    (r: { c: number; day: string; n: string; a: string }) => ({ day: r.day, exchanges: Number(r.n), accounts: Number(r.a) }),
  );

export interface Taken {
  readonly items: number;
  /** Distinct items that conversations begin with: what follows in one, or a tool gives back, is no item of a pool. */
  readonly begun: number;
  readonly output: number;
  readonly reasoning: number;
  readonly models: Record<string, number>;
}

/** What each cohort took, and of which models; shares count for the models. */
export async function taken(store: Store, cohorts: readonly Cohort[], until: number | null): Promise<Taken[]> {
  const sums = await asked(
    store,
    cohorts,
    until,
    `SELECT c, uniqExactIf(prompt, prompt != 0) AS items, uniqExactIf(prompt, prompt != 0 AND opening) AS begun, sum(output_tokens) AS output, sum(reasoning_tokens) AS reasoning FROM (${of(store, 'prompt, opening, output_tokens, reasoning_tokens', until)}) GROUP BY c`,
    (r: { c: number; items: string; begun: string; output: string; reasoning: string }) => ({
      items: Number(r.items),
      begun: Number(r.begun),
      output: Number(r.output),
      reasoning: Number(r.reasoning),
    }),
  );
  const models = await asked(
    store,
    cohorts,
    until,
    `SELECT c, toString(model) AS m, round(sum(share)) AS n FROM (${of(store, 'model', until)}) GROUP BY c, m ORDER BY c, n DESC, m LIMIT 20 BY c`,
    (r: { c: number; m: string; n: string }) => [r.m || '(not given)', Number(r.n)] as const,
  );
  return cohorts.map((_, i) => ({
    ...(sums[i]?.[0] ?? { items: 0, begun: 0, output: 0, reasoning: 0 }),
    models: Object.fromEntries(models[i] ?? []),
  }));
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
  c: number;
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

const PLACE_COLUMNS = 'key, id, account, acct, time, path_id, row, tool_count';

/** A sample of everybody's exchanges with text, by hash: the same one each time. */
export async function sample(store: Store, most: number, until: number | null): Promise<Place[]> {
  const rows = await store.rows<PlaceRow>(
    `SELECT 0 AS c, ${PLACE} FROM ${store.all('exchanges')} AS e WHERE chars > 0 AND opening ${when(until)} ORDER BY intHash64(key) LIMIT {most:UInt32}`,
    { most, ...(until === null ? {} : { until: String(until) }) },
  );
  return rows.map(asPlace);
}

/** Those exchanges of each cohort whose keys are given, the latest first. */
export function among(store: Store, cohorts: readonly Cohort[], until: number | null, keys: readonly string[]): Promise<Place[][]> {
  if (keys.length === 0) return Promise.resolve(cohorts.map(() => []));
  return asked(
    store,
    cohorts,
    until,
    `SELECT c, ${PLACE} FROM (${of(store, PLACE_COLUMNS, until)}) WHERE key IN ({keys:Array(UInt64)}) ORDER BY c, time DESC, key`,
    asPlace,
    { keys },
  );
}

/** Exchanges of one file by a fixed hash, so many of everybody's and so many of some accounts'. */
export async function inFile(
  store: Store,
  path: number,
  most: number,
  every: number,
  accounts: readonly string[],
): Promise<{ readonly place: Place; readonly everybody: boolean }[]> {
  const drawn = `intHash64(key) % ${Math.trunc(every)} = 0`;
  const rows = await store.rows<PlaceRow & { drawn: number }>(
    `SELECT 0 AS c, ${PLACE}, ${drawn} AS drawn FROM ${store.all('exchanges')} AS e
      WHERE path_id = {path:UInt32} AND chars > 0 AND opening AND (${drawn} OR account IN ({accounts:Array(String)}))
      ORDER BY intHash64(key) LIMIT {most:UInt32} BY drawn`,
    { path, most, accounts },
  );
  return rows.map((r) => ({ place: asPlace(r), everybody: Number(r.drawn) === 1 }));
}

/** The same of each cohort. @param marks by cohort, sentences (hashes in hex) of which an exchange must carry one; any exchange where there are none */
export function samples(
  store: Store,
  most: number,
  until: number | null,
  cohorts: readonly Cohort[],
  marks: readonly (readonly string[])[],
): Promise<Place[][]> {
  // First the hashes that are drawn, then their rows: ordering whole rows of all cohorts would take the memory of all of them.
  const carried = `arrayMap(m -> if(m = '', [], arrayMap(h -> reinterpretAsUInt64(reverse(unhex(h))), splitByChar(',', m))), {marks:Array(String)})[c + 1]`;
  const drawn = `SELECT c, arrayJoin(groupArraySorted(${Math.trunc(most)})(intHash64(key))) AS h
    FROM (${of(store, 'key, scaffold, chars, opening', until)})
    WHERE chars > 0 AND opening AND (empty(${carried}) OR hasAny(scaffold, ${carried}))
    GROUP BY c`;
  return asked(
    store,
    cohorts,
    until,
    `SELECT c, ${PLACE} FROM (${of(store, PLACE_COLUMNS, until)}) WHERE (c, intHash64(key)) GLOBAL IN (${drawn}) ORDER BY c, intHash64(key)`,
    asPlace,
    { marks: marks.map((m) => m.join(',')) },
  );
}

/**
 * The first exchange of each of some accounts of each cohort: what a beginning, or a tie, can be looked up by.
 * @param value an SQL expression, and what it must be by cohort, where only exchanges that show a value count
 */
export function firsts(
  store: Store,
  most: number,
  until: number | null,
  cohorts: readonly Cohort[],
  value?: { readonly sql: string; readonly is: readonly string[] },
): Promise<Place[][]> {
  const shown = value ? `, ${value.sql} AS shown` : '';
  const first = `SELECT c, acct, argMin(key, (time, key)) AS key FROM (${of(store, `time, key, acct${shown}`, until)}) ${value ? 'WHERE shown = {values:Array(String)}[c + 1]' : ''} GROUP BY c, acct`;
  return asked(
    store,
    cohorts,
    until,
    `SELECT c, ${PLACE} FROM (${of(store, PLACE_COLUMNS, until)}) WHERE (c, acct, key) GLOBAL IN (${first}) ORDER BY c, time, key LIMIT {most:UInt32} BY c`,
    asPlace,
    { most, ...(value ? { values: value.is } : {}) },
  );
}

/** Of each cohort the account and day with the most addresses: the first exchange of that day from each of them. */
export function rotating(store: Store, most: number, until: number | null, cohorts: readonly Cohort[]): Promise<Place[][]> {
  const day = `SELECT c, argMax((acct, day), (n, acct, day)) AS busiest FROM (
      SELECT c, acct, toDate(time) AS day, uniqExact(ip) AS n FROM (${of(store, 'time, acct, ip', until)}) WHERE ip != '' GROUP BY c, acct, day HAVING n > 1
    ) GROUP BY c`;
  const first = `SELECT c, argMin(key, (time, key)) AS key FROM (${of(store, 'time, key, acct, ip', until)})
    WHERE ip != '' AND (c, (acct, toDate(time))) GLOBAL IN (${day}) GROUP BY c, ip`;
  return asked(
    store,
    cohorts,
    until,
    `SELECT c, ${PLACE} FROM (${of(store, PLACE_COLUMNS, until)}) WHERE (c, key) GLOBAL IN (${first}) ORDER BY c, time, key LIMIT {most:UInt32} BY c`,
    asPlace,
    { most },
  );
}

/** What a conversation is known by in all accounts. */
const THREAD = 'if(thread != 0, thread, if(opening, prompt, 0))';

/** Of each cohort some conversations that one account began and another carried on: the first exchange of each account that holds a part of them, conversation by conversation. */
export function passedOn(store: Store, most: number, until: number | null, cohorts: readonly Cohort[]): Promise<Place[][]> {
  const held = of(store, `acct, key, time, opening, ${THREAD} AS v`, until);
  const some = `SELECT c, v FROM (SELECT c, v, acct, max(opening) AS opened FROM (${held}) WHERE v != 0 GROUP BY c, v, acct)
    GROUP BY c, v HAVING countIf(opened) = 1 AND count() > 1 ORDER BY c, v LIMIT {most:UInt32} BY c`;
  const first = `SELECT c, argMin(key, (time, key)) AS key FROM (${held}) WHERE (c, v) GLOBAL IN (${some}) GROUP BY c, v, acct`;
  return asked(
    store,
    cohorts,
    until,
    `SELECT c, ${PLACE} FROM (${of(store, `${PLACE_COLUMNS}, ${THREAD} AS v`, until)}) WHERE (c, key) GLOBAL IN (${first}) ORDER BY c, v, time, key LIMIT {most:UInt32} BY c`,
    asPlace,
    { most },
  );
}
