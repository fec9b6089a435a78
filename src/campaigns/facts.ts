import type { AccountRow } from '../store/queries/accounts.ts';
import type { SharedValue, ValueKind } from '../store/queries/values.ts';
import { type Lockstep, lockstep } from './beats.ts';
import { type Cell, type Deck, deck } from './deck.ts';
import { distance, type Pooled, pooled } from './profile.ts';
import { type Relay, relayOf } from './relays.ts';
import { dealtInRounds, itemsShared, type Rounds } from './repeats.ts';
import { median, quantile } from './stats.ts';
import { endsOf, type Succession, takeovers } from './succession.ts';
import { carriedPart, DAY, type Table } from './table.ts';
import { weekOf } from './week.ts';

/** Most members keep quiet hours, or none can be told. */
export const human = (f: Facts): boolean => f.sleepless.n === 0 || f.sleepless.k <= 0.4 * f.sleepless.n;

/** Part of the accounts that declare one owner, from which on it speaks for all of them. */
const DECLARED = 0.8;
/** Most accounts pass conversations on. */
export const mostlyPassed = (f: Facts): boolean => f.relay.k >= 0.5 * f.accounts.length;

/** Part of the members that must use a turn of phrase for it to go through all they ask, as one asker's does. */
const PHRASED = 0.3;
export const onePhrase = (f: Facts): boolean => f.elicited.k >= PHRASED * f.elicited.n;

/** One organisation declares most of the accounts. */
export const ofOneOwner = (f: Facts): boolean => f.topOwner.share >= DECLARED;
/** A mail domain of their own says who they are as an organisation does; a public mail provider does not. */
export const ofOneDomain = (f: Facts): boolean => f.topDomain.share >= DECLARED && f.topDomain.others <= 0.2 * f.accounts.length;

/** How many members a value that is mostly the cohort's own ties together. */
export interface Tie {
  readonly tied: number;
  readonly of: number;
  /** Indices of the values, the most shared first. */
  readonly values: readonly number[];
  /** Members that the values tie only taken together: each passes through many addresses that hardly anybody else uses. */
  readonly panel: ReadonlySet<number>;
  /** Those addresses. */
  readonly passing: readonly number[];
}

/** What the tests know of a set of accounts. The same figures are taken of cohorts and of null cohorts. */
export interface Facts {
  readonly accounts: readonly number[];
  readonly exchanges: number;
  readonly deck: Deck | null;
  /** Pools that content is compared within, each by itself: 1 but where cohorts were put together by what ties their accounts. */
  readonly pools: number;
  readonly distance: number;
  /** Their content as one window; null without text. */
  readonly pooled: Pooled | null;
  /** Part of the other members that send an item too, mean over items. */
  readonly itemsShared: number;
  /** How often the deck goes round that they are dealt from; null where nothing shows that items are dealt in rounds. */
  readonly rounds: Rounds | null;
  readonly ties: Readonly<Record<'identity' | 'network' | 'client' | 'scaffold', Tie>>;
  /** Standard deviation of ln(openings per active day); NaN when too few members are active on three days. */
  readonly rateSpread: number;
  readonly rated: number;
  /** Standard deviation of ln(exchanges per conversation), at least 0.02; NaN unless four members and half of them hold several turns. */
  readonly sessionSpread: number;
  /** How far members work and rest together; null where too few are active for long enough, or nothing was asked about their hours. */
  readonly lockstep: Lockstep | null;
  /** Members whose requests mostly have the cohort's most common form (parameters, endpoint, client), of those with one. */
  readonly form: { readonly k: number; readonly n: number };
  /** Members with no quiet part of the day, of those with enough exchanges to tell. */
  readonly sleepless: { readonly k: number; readonly n: number };
  /** Whether members keep a week: what they do on the two quietest days in a row against the others, and the part of days they are active on; NaN where too few are seen for a week. */
  readonly week: { readonly quiet: number; readonly attendance: number };
  /** Members first seen in the densest day after the window's first, of those that joined after it. */
  readonly together: { readonly k: number; readonly n: number };
  readonly succession: Succession;
  readonly relay: Relay;
  /** The same of sign-ups. */
  readonly signUps: Succession;
  /** Members that moved to a newly released model within a day of its release, of those active before and on that day. */
  readonly pivot: { readonly k: number; readonly n: number };
  /** Members created in the densest week, of those whose creation is known. */
  readonly born: { readonly k: number; readonly n: number };
  readonly singleUse: { readonly k: number; readonly n: number };
  readonly elicited: { readonly k: number; readonly n: number };
  readonly fresh: { readonly k: number; readonly n: number };
  /** Output tokens of a conversation, which is what is learned from: a step of a trajectory may be short. Mean of each member, median over them. */
  readonly outTokensMedian: number;
  /** Output tokens of all members, scaled to distinct items: an item asked twice is taken once. */
  readonly haulTokens: number;
  /** Whether figures of requests and answers are of what carries the cohort's sentence, and not of all that its accounts send. */
  readonly scoped: boolean;
  readonly repeatedMedian: number;
  readonly topOwner: { readonly owner: string; readonly share: number };
  /** The most common mail domain, and how many accounts outside use it. */
  readonly topDomain: { readonly domain: string; readonly share: number; readonly others: number };
  readonly verified: number;
  /** Part of them that the provider verified as a business. */
  readonly businesses: number;
  /** Part of the accounts on a tier named free or trial. */
  readonly free: number;
  /** Members whose account record is known. */
  readonly recorded: number;
  readonly licensed: number;
  readonly resale: number;
  readonly lifetimeDays: number;
  /** New addresses a member and day, median; NaN where the log has none of theirs. */
  readonly addressesPerDay: number;
  /** Members of whom the log has addresses, and of whom a record says how they pay. */
  readonly addressed: number;
  readonly paying: number;
}

export const FAMILY: Readonly<Record<ValueKind, keyof Facts['ties']>> = {
  scaffold: 'scaffold',
  address: 'network',
  network: 'network',
  api_key: 'identity',
  tools: 'client',
  client: 'client',
  payment: 'identity',
  email_domain: 'identity',
  email: 'identity',
  phone: 'identity',
};

/** A sentence ties an account only when it carries a fair part of what it begins, an address only when it is no passing one. */
const SHARE_MIN: Readonly<Record<keyof Facts['ties'], number>> = { scaffold: 0.1, network: 0.05, client: 0.2, identity: 0 };

/** Whether a value is mostly a cohort's: `k` members hold it, `shown` of them however little, and users outside, `silent` of them left out, are half as many at most. */
export const theirs = (value: Pick<SharedValue, 'accounts'>, k: number, shown: number, silent = 0): boolean =>
  k >= 3 && value.accounts.length - shown - silent <= 0.5 * k;

/**
 * Of accounts without text outside of a cohort that content made: how many are no outsiders, since as many of its own would stand there if it keeps its text as everybody does.
 * @param told accounts with text inside that show a value; `quiet` those without, `all` without text anywhere
 */
const ofItsOwn = (each: number, told: number, quiet: number, all: number): number =>
  Math.max(0, Math.min(all - quiet, each * told - quiet));

/** Holders of a value that are no strangers to those of its holders that stand in a cohort: without text, and no more than such a cohort would have of them. */
export function silentOf(t: Pick<Table, 'untold'>, v: number, inside: readonly number[]): number {
  if (!t.untold) return 0;
  const { is, each, holders } = t.untold;
  const quiet = inside.reduce((n, a) => n + (is[a] ?? 0), 0);
  return ofItsOwn(each, inside.length - quiet, quiet, holders[v] ?? 0);
}

/** Part of what an account sends that comes from addresses which are mostly the cohort's, from which on they tie it, however little comes from each. */
const PANEL = 0.5;

/** No address ties anybody alone where each request takes another one out of a panel; together they do, if hardly anybody else uses any of them. */
export function panelled(
  t: Pick<Table, 'rows' | 'values' | 'valuesOf'>,
  accounts: readonly number[],
  shown: ReadonlyMap<number, number>,
  silent: (v: number) => number = () => 0,
): Pick<Tie, 'panel' | 'passing'> {
  const passing = new Set<number>();
  for (const [v, k] of shown) {
    const value = t.values[v];
    if (value?.kind === 'address' && theirs(value, k, k, silent(v))) passing.add(v);
  }
  const panel = new Set<number>();
  for (const a of passing.size === 0 ? [] : accounts) {
    let sent = 0;
    for (const { v, count } of t.valuesOf[a] ?? []) if (passing.has(v)) sent += count;
    if (sent >= PANEL * (t.rows[a]?.n ?? 1)) panel.add(a);
  }
  return { panel, passing: panel.size > 0 ? [...passing].sort((x, y) => (shown.get(y) ?? 0) - (shown.get(x) ?? 0) || x - y) : [] };
}

const NO_PANEL: Pick<Tie, 'panel' | 'passing'> = { panel: new Set(), passing: [] };

/** Whether an account shows a value often enough to be tied by it. */
function strong(t: Pick<Table, 'rows' | 'values'>, a: number, v: number, count: number): boolean {
  const kind = t.values[v]?.kind as ValueKind;
  const family = FAMILY[kind];
  return family === 'identity' || (family === 'scaffold' ? carriedPart(t, a, count) : count / (t.rows[a]?.n ?? 1)) >= SHARE_MIN[family];
}

/** Accounts that hold one of a cohort's private values as a tie, and not in passing, go through its panel, or pass on its conversations. */
export function privateHolders(t: Table, { accounts, relay, ties: { identity, network } }: Facts): number[] {
  const theirs = new Set([...identity.values, ...network.values]);
  return accounts.filter(
    (a) =>
      network.panel.has(a) || relay.members.has(a) || (t.valuesOf[a] ?? []).some(({ v, count }) => theirs.has(v) && strong(t, a, v, count)),
  );
}

/** What ties these accounts, by family: values that are mostly theirs. */
export function tiesOf(t: Pick<Table, 'rows' | 'values' | 'valuesOf' | 'untold'>, accounts: readonly number[]): Facts['ties'] {
  const inside = new Map<number, number>();
  const any = new Map<number, number>();
  const quiet = new Map<number, number>();
  for (const a of accounts)
    for (const { v, count } of t.valuesOf[a] ?? []) {
      any.set(v, (any.get(v) ?? 0) + 1);
      if (t.untold?.is[a] === 1) quiet.set(v, (quiet.get(v) ?? 0) + 1);
      if (strong(t, a, v, count)) inside.set(v, (inside.get(v) ?? 0) + 1);
    }
  const silent = (v: number): number => {
    if (!t.untold) return 0;
    const q = quiet.get(v) ?? 0;
    return ofItsOwn(t.untold.each, (any.get(v) ?? 0) - q, q, t.untold.holders[v] ?? 0);
  };
  const out = { identity: new Set<number>(), network: new Set<number>(), client: new Set<number>(), scaffold: new Set<number>() };
  const members = { identity: new Set<number>(), network: new Set<number>(), client: new Set<number>(), scaffold: new Set<number>() };
  for (const [v, k] of inside) {
    const value = t.values[v];
    // Mostly theirs: a carrier's gateway or a famous prompt has more users outside than inside and ties nobody.
    // Members that carry it less are no outsiders.
    if (value && theirs(value, k, any.get(v) ?? 0, silent(v))) out[FAMILY[value.kind]].add(v);
  }
  for (const a of accounts)
    for (const { v, count } of t.valuesOf[a] ?? [])
      for (const f of ['identity', 'network', 'client', 'scaffold'] as const)
        if (out[f].has(v) && strong(t, a, v, count)) members[f].add(a);
  const rotated = panelled(t, accounts, any, silent);
  const tie = (f: keyof Facts['ties']): Tie => {
    const by = f === 'network' ? rotated : NO_PANEL;
    return {
      tied: new Set([...members[f], ...by.panel]).size,
      of: accounts.length,
      values: [...out[f]].sort((x, y) => (inside.get(y) ?? 0) - (inside.get(x) ?? 0) || x - y),
      ...by,
    };
  };
  return { identity: tie('identity'), network: tie('network'), client: tie('client'), scaffold: tie('scaffold') };
}

/** Share of the quietest six hours of the day, round the clock. */
export function quietest(hours: readonly number[]): number {
  const total = hours.reduce((x, y) => x + y, 0) || 1;
  let least = Number.POSITIVE_INFINITY;
  for (let h = 0; h < 24; h++) {
    let s = 0;
    for (let i = 0; i < 6; i++) s += hours[(h + i) % 24] ?? 0;
    least = Math.min(least, s);
  }
  return least / total;
}

/** Accounts made within a week of one another were made in one go. */
export const BURST = 7 * DAY;

function densest(times: readonly number[], span: number): number {
  const [from, to] = densestSpan(times, span);
  return times.reduce((n, x) => n + (x >= from && x <= to ? 1 : 0), 0);
}

/** A span no longer than given that holds as many of some times as any does: its first and last. */
export function densestSpan(times: readonly number[], span: number): [number, number] {
  const s = [...times].sort((a, b) => a - b);
  let best = 0;
  let at: [number, number] = [0, 0];
  for (let i = 0, j = 0; i < s.length; i++) {
    while ((s[i] as number) - (s[j] as number) > span) j++;
    if (i - j + 1 > best) [best, at] = [i - j + 1, [s[j] as number, s[i] as number]];
  }
  return at;
}

function top(values: readonly string[]): { name: string; share: number } {
  const by = new Map<string, number>();
  for (const v of values) if (v) by.set(v, (by.get(v) ?? 0) + 1);
  let name = '';
  let most = 0;
  for (const [v, k] of by) if (k > most) [name, most] = [v, k];
  return { name, share: values.length ? most / values.length : 0 };
}

const MOVED = 0.35;

function pivot(t: Table, accounts: readonly number[]): Facts['pivot'] {
  const able = accounts.filter((a) => Number.isFinite(t.moved[a] ?? Number.NaN));
  return { k: able.filter((a) => (t.moved[a] as number) >= MOVED).length, n: able.length };
}

function sessionSpread(rows: readonly AccountRow[]): number {
  const held = rows
    .map((r) => ({ n: r.n, of: conversationsOf(r) }))
    .filter((r) => r.of >= 5 && r.n > 1.05 * r.of)
    .map((r) => Math.log(r.n / r.of));
  if (held.length < 4 || held.length < 0.5 * rows.length) return Number.NaN;
  const mean = held.reduce((x, y) => x + y, 0) / held.length;
  return Math.max(0.02, Math.sqrt(held.reduce((x, y) => x + (y - mean) ** 2, 0) / (held.length - 1)));
}

/** Accounts whose hours are looked at, of a large cohort evenly spaced ones. */
export const STEP_ACCOUNTS = 250;

export const inStepSample = (accounts: readonly number[]): readonly number[] => sampled(accounts, STEP_ACCOUNTS);

export function inStep(t: Table, accounts: readonly number[]): Lockstep | null {
  const b = t.beats;
  if (!b) return null;
  const rows = inStepSample(accounts)
    .map((a) => b.rowOf[a] as number)
    .filter((r) => r >= 0);
  return lockstep(b, rows, b.common);
}

function form(rows: readonly AccountRow[]): Facts['form'] {
  const by = new Map<string, number>();
  let n = 0;
  for (const r of rows) {
    if (r.form === '') continue;
    n += 1;
    by.set(r.form, (by.get(r.form) ?? 0) + 1);
  }
  return { k: Math.max(0, ...by.values()), n };
}

/** Requests that start anew: an id alone may stand for a day's batch. Of those begun before the log, none is seen to start. */
const conversationsOf = (r: AccountRow): number => Math.max(1, r.openings > 0 ? r.openings : r.conversations);

const ELICITED = 0.3;

/** The part of some accounts' exchanges that a cohort is tested on, where it is not all of them. */
export interface View {
  readonly cells: readonly Cell[];
  readonly rows: ReadonlyMap<number, AccountRow>;
}

/** Content of a cohort is measured on at most so many of its accounts, evenly spaced: beyond, its error is far below what honest cohorts differ by. */
const CONTENT_MAX = 500;

export function sampled(accounts: readonly number[], most: number = CONTENT_MAX): readonly number[] {
  if (accounts.length <= most) return accounts;
  const step = accounts.length / most;
  return Array.from({ length: most }, (_, i) => accounts[Math.floor(i * step)] as number);
}

function cellsOf(view: View, read: readonly number[], accounts: readonly number[]): readonly Cell[] {
  if (read.length === accounts.length) return view.cells;
  const set = new Set(read);
  return view.cells.filter((c) => set.has(c.account));
}

/** Accounts outside that have a mail domain which so large a part of these have. */
function othersOf(t: Table, accounts: readonly number[], domain: { readonly name: string; readonly share: number }): number {
  const inside = accounts.filter((a) => t.records[a]?.email_domain === domain.name);
  const quiet = inside.filter((a) => t.untold?.is[a] === 1).length;
  const silent = t.untold ? ofItsOwn(t.untold.each, inside.length - quiet, quiet, t.untold.domains.get(domain.name) ?? 0) : 0;
  return Math.max(0, (t.domains.get(domain.name) ?? 0) - inside.length - silent);
}

export function factsOf(t: Table, accounts: readonly number[], mu: Float64Array, view?: View): Facts {
  const rows = accounts.map((a) => view?.rows.get(a) ?? t.rows[a]).filter((r) => r !== undefined);
  const read = sampled(accounts);
  const cells = view ? cellsOf(view, read, accounts) : read.flatMap((a) => t.profiles.cellsOf(a));
  const records = accounts.map((a) => t.records[a] ?? null);
  const rated = rows.filter((r) => r.days >= 3).map((r) => Math.log(Math.max(1, r.openings) / r.days));
  const m = rated.reduce((x, y) => x + y, 0) / Math.max(1, rated.length);
  const telling = rows.filter((r) => r.n >= 60 && r.days >= 3);
  const joined = rows.map((r) => r.first).filter((x) => x > t.from + DAY);
  const created = records.map((r) => r?.created ?? null).filter((x): x is number => x !== null);
  const texts = rows.filter((r) => r.with_text > 0);
  const domain = top(records.map((r) => r?.email_domain ?? ''));
  const owner = top(accounts.map((a) => t.owner[a] ?? ''));
  const window = t.hasText ? pooled(cells) : null;
  const shared = t.hasText ? itemsShared(cells) : 0;
  const addressed = rows.filter((r) => r.addresses > 0);
  return {
    accounts,
    exchanges: rows.reduce((x, r) => x + r.n, 0),
    deck: t.hasText ? deck(cells) : null,
    pools: 1,
    distance: window ? distance(window, mu) : 0,
    pooled: window,
    itemsShared: shared,
    rounds: shared > 0 ? dealtInRounds(cells) : null,
    ties: tiesOf(t, accounts),
    rateSpread: rated.length >= 4 ? Math.sqrt(rated.reduce((x, y) => x + (y - m) ** 2, 0) / (rated.length - 1)) : Number.NaN,
    rated: rated.length,
    sessionSpread: sessionSpread(rows),
    lockstep: inStep(t, accounts),
    form: form(rows),
    sleepless: { k: telling.filter((r) => quietest(r.hours) > 0.12).length, n: telling.length },
    week: weekOf(t, accounts, rows, (a) => view?.rows.has(a) === true, inStepSample(accounts)),
    together: { k: joined.length >= 3 ? densest(joined, DAY) : 0, n: joined.length >= 3 ? joined.length : 0 },
    ...takeovers(t, endsOf(t, accounts), accounts),
    relay: relayOf(t.relays, accounts, t.repeated),
    pivot: pivot(t, accounts),
    born: { k: created.length >= 3 ? densest(created, BURST) : 0, n: created.length >= 3 ? created.length : 0 },
    singleUse: { k: rows.filter((r) => r.openings >= 0.9 * r.n).length, n: rows.length },
    elicited: { k: texts.filter((r) => (r.reasoned + r.graded) / r.with_text >= ELICITED).length, n: texts.length },
    fresh: { k: accounts.filter((a) => (t.repeated[a] ?? 0) < 0.05).length, n: accounts.length },
    outTokensMedian: median(rows.map((r) => r.out_tokens / conversationsOf(r))),
    scoped: accounts.some((a) => view?.rows.has(a) === true),
    haulTokens: rows.reduce((x, r) => x + r.out_tokens * (r.openings > 0 && r.items > 0 ? Math.min(1, r.items / r.openings) : 1), 0),
    repeatedMedian: median(accounts.map((a) => t.repeated[a] ?? 0)),
    topOwner: { owner: owner.name, share: owner.share },
    topDomain: {
      domain: domain.name,
      share: domain.share,
      others: othersOf(t, accounts, domain),
    },
    businesses: records.filter((r) => r?.verification === 'business').length / Math.max(1, accounts.length),
    verified: records.filter((r) => r?.verification === 'business' || r?.verification === 'id').length / Math.max(1, accounts.length),
    recorded: records.filter((r) => r !== null).length,
    free: records.filter((r) => /^(free|trial)/i.test(r?.tier ?? '')).length / Math.max(1, accounts.length),
    licensed:
      records.filter((r) => r?.labels.includes('approved:synthetic-data') || r?.labels.includes('cleared')).length /
      Math.max(1, accounts.length),
    resale: rows.filter((r) => r.resold > 0.5 || r.end_users >= 20).length / Math.max(1, rows.length),
    lifetimeDays: quantile(
      rows.map((r) => (r.last - r.first) / DAY),
      0.9,
    ),
    addressesPerDay: median(addressed.map((r) => r.addresses / Math.max(1, r.days))),
    addressed: addressed.length,
    paying: records.filter((r) => (r?.payment ?? '') !== '').length,
  };
}
