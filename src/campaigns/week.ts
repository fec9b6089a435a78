import type { AccountRow } from '../store/queries/accounts.ts';
import { attendance, worked } from './beats.ts';
import { median } from './stats.ts';
import { DAY, type Table } from './table.ts';

/** Days of rest are told from so many exchanges a day on: of fewer a day is empty by chance. */
const OWN_WEEK = 10;

/**
 * The week of a set of accounts, a voice each: rate on the two quietest days in a row over the rate on the others, of most of them and of all together, and the part of days they are active on, from each account's first to its
 * last. Days that all rest on show in all of them together; where rest days are staggered, or a shift crosses midnight, they show account by account, by days of its own.
 * @param part whose row is of a part of what it sends
 * @param sample accounts whose own days are looked at
 */
export function weekOf(
  t: Table,
  accounts: readonly number[],
  rows: readonly AccountRow[],
  part: (account: number) => boolean,
  sample: readonly number[],
): { quiet: number; attendance: number } {
  // A part of what accounts send begins and ends with itself.
  const all = weekOfAll(rows.map((r, i) => (part(accounts[i] as number) ? r : atWork(t, accounts[i] as number, r))));
  const b = t.beats;
  if (!b || Number.isNaN(all.quiet)) return all;
  const own = sample.flatMap((a) => {
    const r = t.rows[a];
    const row = b.rowOf[a] as number;
    if (!r || row < 0 || r.n < OWN_WEEK * r.days) return [];
    return attendance(b, row) ?? [];
  });
  if (own.length < 4) return all;
  return { quiet: all.quiet, attendance: Math.min(all.attendance, median(own)) };
}

/** What an account does in the days of its work: before and after it, days are no days of rest. */
function atWork(t: Table, account: number, r: AccountRow): AccountRow {
  const row = t.beats?.rowOf[account] ?? -1;
  if (!t.beats || row < 0) return r;
  const { first, days } = worked(t.beats, row);
  const from = Math.floor(t.from / DAY) + first;
  const week = new Array<number>(7).fill(0);
  // The first day of 1970 was a Thursday.
  days.forEach((n, i) => {
    const w = (from + i + 3) % 7;
    week[w] = (week[w] as number) + n;
  });
  const [begin, end] = [from * DAY, (from + days.length) * DAY - 1];
  return {
    ...r,
    first: Math.floor(r.first / DAY) === from ? r.first : begin,
    last: Math.floor(r.last / DAY) === Math.floor(end / DAY) ? r.last : end,
    days: days.filter((n) => n > 0).length,
    n: days.reduce((x, n) => x + n, 0),
    week,
  };
}

/** Accounts by whom the middle of a crowd is told. */
const VOICES = 2_000;

/** Part of a first or last day that is taken off at most. */
const PARTIAL = 0.5;

const hourOf = (at: number): number => Math.floor((at % DAY) / 3_600_000);

/** Part of what an account does in a day that it does before an hour of it, by all its days. */
function doneBefore(r: AccountRow, hour: number): number {
  const all = r.hours.reduce((x, y) => x + y, 0);
  return r.hours.slice(0, hour).reduce((x, y) => x + y, 0) / Math.max(1, all);
}

/** The same from days of the week alone. */
export function weekOfAll(rows: readonly AccountRow[]): { quiet: number; attendance: number } {
  const rates: Float64Array[] = [];
  const attended: number[] = [];
  for (const r of rows) {
    const first = Math.floor(r.first / DAY);
    const span = Math.floor(r.last / DAY) - first + 1;
    if (span < 7 || r.n < 20) continue;
    attended.push(r.days / span);
    const rate = new Float64Array(7);
    rates.push(rate);
    // The first day of 1970 was a Thursday.
    // Nobody rests in the hours before their first request, or after their last one: of the days that these are on counts what of a day's work the account is used to do in the hours that are left.
    const before = Math.min(PARTIAL, doneBefore(r, hourOf(r.first)));
    const after = Math.min(PARTIAL, 1 - doneBefore(r, hourOf(r.last) + 1));
    for (let w = 0; w < 7; w++) {
      const days = Math.floor(span / 7) + ((w - ((first + 3) % 7) + 7) % 7 < span % 7 ? 1 : 0);
      const there = days - (w === (first + 3) % 7 ? before : 0) - (w === (first + span + 2) % 7 ? after : 0);
      rate[w] = ((r.week[w] ?? 0) / there) * ((span - before - after) / r.n);
    }
  }
  if (attended.length < 4) return { quiet: Number.NaN, attendance: Number.NaN };
  const whole = new Float64Array(7).map((_, w) => rates.reduce((x, r) => x + (r[w] as number), 0));
  const sum = (rate: Float64Array): number => rate.reduce((x, y) => x + y, 0);
  const all = sum(whole);
  // Of a crowd the middle is found on some of it: sorting all, seven times, would cost more than the rest of its figures.
  const voices = rates.length <= VOICES ? rates : rates.filter((_, i) => i % Math.ceil(rates.length / VOICES) === 0);
  const totals = voices.map(sum);
  const rest = (rate: Float64Array, total: number, w: number): number => {
    const two = (rate[w] as number) + (rate[(w + 1) % 7] as number);
    return two / 2 / Math.max(1e-9, (total - two) / 5);
  };
  // All of them together, and the one in the middle: a few who rest make no week of those who do not.
  let quiet = Number.POSITIVE_INFINITY;
  for (let w = 0; w < 7; w++)
    quiet = Math.min(quiet, Math.max(rest(whole, all, w), median(voices.map((r, i) => rest(r, totals[i] as number, w)))));
  return { quiet, attendance: median(attended) };
}
