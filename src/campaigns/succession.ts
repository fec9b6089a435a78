import type { Facts } from './facts.ts';
import { upTo } from './stats.ts';
import { DAY, type Table } from './table.ts';

const HOUR = 3_600_000;

/** Silence that counts as an end: so many of the account's own mean gaps, and at least two days. */
const SILENT = { gaps: 8, least: 2 * DAY } as const;

/** When an account ended: its record says so, or it fell silent for far longer than it ever kept still; NaN otherwise. */
function endOf(t: Table, a: number): number {
  const r = t.rows[a];
  if (!r) return Number.NaN;
  const closed = t.records[a]?.closed ?? null;
  // Not its last exchange: whoever is banned asleep is replaced when the ban is noticed.
  if (closed !== null && closed <= t.to) return closed;
  const gap = (r.last - r.first) / Math.max(1, r.n - 1);
  return r.n >= 20 && t.to - r.last > Math.max(SILENT.least, SILENT.gaps * gap) ? r.last : Number.NaN;
}

/** Starts and the ends before them. */
export interface Succession {
  /** Accounts that start after the first end, and later than the log's first day. */
  readonly n: number;
  /** Ends are those that a record states; otherwise lasting silence counts too. */
  readonly recorded: boolean;
  /** Starts within so many hours after an end; `chance` is the part of the time after the first end that such hours are, `events` how many events these starts are at most. */
  readonly within: readonly { readonly hours: number; readonly k: number; readonly chance: number; readonly events: number }[];
}

/** From a script that switches within the hour to accounts that were hired at once and start with their next working day. */
export const SUCCESSION_HOURS = [1, 4, 12] as const;

const ENDS_MIN = 3;

/** When some accounts ended, in order. A record is a fact, silence a guess: guesses count where there are no facts. */
export function endsOf(t: Table, accounts: readonly number[]): { readonly ends: readonly number[]; readonly recorded: boolean } {
  const all = accounts
    .map((a) => ({ at: endOf(t, a), stated: (t.records[a]?.closed ?? null) !== null }))
    .filter((e) => Number.isFinite(e.at));
  const stated = all.filter((e) => e.stated);
  const recorded = stated.length >= ENDS_MIN;
  return { ends: (recorded ? stated : all).map((e) => e.at).sort((x, y) => x - y), recorded };
}

/** What a start is: an account's first exchange, or its sign-up, which comes at once even where its work begins with its next shift. */
type Start = 'activity' | 'sign-up';

/** How the starts of some accounts follow the ends of others. */
export function succession(
  t: Table,
  { ends, recorded }: ReturnType<typeof endsOf>,
  after: readonly number[],
  by: Start = 'activity',
): Succession {
  const from = Math.max(t.from + DAY, ends[0] ?? Number.NaN);
  const startOf = (a: number): number => (by === 'activity' ? t.rows[a]?.first : t.records[a]?.created) ?? Number.NaN;
  const starts = after.map(startOf).filter((x) => x > from && x <= t.to);
  // Dates without a time of day fall on one hour of it, and follow every end that does so too.
  const dates = starts.filter((x) => x % DAY === 0).length > starts.length / 2;
  if (ends.length < ENDS_MIN || starts.length < ENDS_MIN || dates) return { n: 0, recorded: false, within: [] };
  const within = SUCCESSION_HOURS.map((hours) => {
    const window = hours * HOUR;
    let covered = 0;
    let until = from;
    for (const e of ends) {
      covered += Math.max(0, Math.min(t.to, e + window) - Math.max(e, until));
      until = Math.max(until, e + window);
    }
    const followed = starts.filter((s) => {
      const last = lastBefore(ends, s);
      return last !== null && s - last <= window;
    });
    return { hours, k: followed.length, events: eventsOf(followed), chance: Math.min(1, covered / Math.max(HOUR, t.to - from)) };
  });
  return { n: starts.length, recorded, within };
}

/** Accounts that start, or sign up, within so many hours after some ends. */
export function tookOver(
  t: Table,
  { ends }: ReturnType<typeof endsOf>,
  after: readonly number[],
  hours: number = Math.max(...SUCCESSION_HOURS),
): number[] {
  const most = hours * HOUR;
  return after.filter((a) =>
    [t.rows[a]?.first, t.records[a]?.created].some((s) => {
      const last = typeof s === 'number' ? lastBefore(ends, s) : null;
      return last !== null && (s as number) - last <= most;
    }),
  );
}

/**
 * Accounts that were closed, by their records, with a start or a sign-up of others within so many hours after it. Where it is no chance that accounts begin as others end, it ties those that ended as well: whoever put new accounts in
 * their place ran the old ones.
 */
export function gaveWay(t: Table, before: readonly number[], after: readonly number[], hours: number): number[] {
  const starts = after
    .flatMap((a) => [t.rows[a]?.first, t.records[a]?.created])
    .filter((s): s is number => typeof s === 'number' && s > t.from + DAY)
    .sort((x, y) => x - y);
  return before.filter((a) => {
    const closed = t.records[a]?.closed ?? null;
    if (closed === null || closed > t.to) return false;
    const next = starts[upTo(starts, closed)];
    return next !== undefined && next - closed <= hours * HOUR;
  });
}

/** Both ways to tell a start, as a cohort's facts have them. */
export const takeovers = (t: Table, ends: ReturnType<typeof endsOf>, after: readonly number[]): Pick<Facts, 'succession' | 'signUps'> => ({
  succession: succession(t, ends, after),
  signUps: succession(t, ends, after, 'sign-up'),
});

/** How many events some starts are: half the days they are spread over, each as it has a share of them (the inverse of Simpson's index), since one launch may run over midnight. */
function eventsOf(starts: readonly number[]): number {
  const days = new Map<number, number>();
  for (const s of starts) days.set(Math.floor(s / DAY), (days.get(Math.floor(s / DAY)) ?? 0) + 1);
  const squares = [...days.values()].reduce((x, k) => x + k * k, 0);
  return squares === 0 ? 1 : Math.max(1, starts.length ** 2 / squares / 2);
}

/** The last of ascending times that is not after `s`. */
function lastBefore(times: readonly number[], s: number): number | null {
  const n = upTo(times, s);
  return n > 0 ? (times[n - 1] as number) : null;
}
