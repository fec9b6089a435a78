/**
 * Lockstep: do the accounts of a cohort work and rest together, beyond what the hour of the day and the day of everybody say?
 *
 * A bar is a few hours. Each account's count in a bar is held against what its own daily profile and the population's days lead to expect; what
 * is left is standardised, and T is the mean correlation of that rest over all pairs of accounts, taken from sums: (sum of z)^2 - sum of z^2, so the work
 * is linear in accounts. Accounts that decide for themselves stand at about 0, one dispatcher's workers above it, workers that
 * share out a fixed total just below.
 */

export const BEATS = {
  /** Bars kept: of a longer log the last ones. */
  barsMax: 200,
  hours: [3, 6, 12, 24],
  /** Accounts asked for in one statement. */
  batch: 5_000,
  /** An account tells something when it has this many exchanges and this many bars between its first and its last. */
  exchangesMin: 20,
  barsMin: 12,
  /** No single bar counts for more than this many standard deviations: one burst is not a rhythm. */
  clip: 3,
  /** Autocorrelation leaves fewer independent bars than there are; the error is widened by this factor. */
  widen: 1.5,
} as const;

const HOUR = 3_600_000;

/** Counts of some accounts over bars of equal length. */
export interface Beats {
  readonly bars: number;
  readonly perDay: number;
  /** accounts x bars. */
  readonly counts: Uint16Array;
}

/** How a span of time is cut into bars: whole days from midnight (UTC), the shortest bar that keeps within the limit. */
export function barsOf(from: number, to: number): { start: number; bar: number; bars: number } {
  const first = Math.floor(from / (24 * HOUR)) * 24 * HOUR;
  const end = (Math.floor(to / (24 * HOUR)) + 1) * 24 * HOUR;
  const days = (end - first) / (24 * HOUR);
  const hours = BEATS.hours.find((h) => days * (24 / h) <= BEATS.barsMax) ?? 24;
  const bar = hours * HOUR;
  const bars = Math.min(BEATS.barsMax, (end - first) / bar);
  return { start: end - bars * bar, bar, bars };
}

export interface Lockstep {
  /** Mean correlation of what is left, over pairs of accounts. */
  readonly together: number;
  readonly se: number;
  readonly accounts: number;
}

/** Everybody's days: the mean over accounts of how much more or less than its own mean each did in a bar. */
export function commonBeat(b: Beats, rows: readonly number[]): Float64Array {
  const sum = new Float64Array(b.bars);
  const active = new Float64Array(b.bars);
  for (const row of rows) {
    const s = spanOf(b, row);
    if (!s) continue;
    const mean = s.total / (s.to - s.from + 1);
    for (let t = s.from; t <= s.to; t++) {
      sum[t] = (sum[t] as number) + Math.min(5, (b.counts[row * b.bars + t] as number) / mean);
      active[t] = (active[t] as number) + 1;
    }
  }
  // By the day: the hours of the day are each account's own. Ten accounts' worth of an ordinary day keeps thin days near one.
  const out = new Float64Array(b.bars).fill(1);
  for (let t = 0; t < b.bars; t += b.perDay) {
    let x = 0;
    let n = 0;
    for (let i = t; i < Math.min(b.bars, t + b.perDay); i++) {
      x += sum[i] as number;
      n += active[i] as number;
    }
    out.fill((x + 10 * b.perDay) / (n + 10 * b.perDay), t, t + b.perDay);
  }
  return out;
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly total: number;
}

/** The bars strictly between an account's first and last; null where they are too few. Starts and ends are other signals' business. */
function spanOf(b: Beats, row: number): Span | null {
  let first = -1;
  let last = -1;
  for (let t = 0; t < b.bars; t++) {
    if ((b.counts[row * b.bars + t] as number) === 0) continue;
    if (first < 0) first = t;
    last = t;
  }
  const [from, to] = [first + 1, last - 1];
  if (first < 0 || to - from + 1 < BEATS.barsMin) return null;
  let total = 0;
  for (let t = from; t <= to; t++) total += b.counts[row * b.bars + t] as number;
  return total >= BEATS.exchangesMin ? { from, to, total } : null;
}

/** @param rows of `b` that make up the cohort; @param beat everybody's days, from `commonBeat`. Null with fewer than four accounts that tell. */
export function lockstep(b: Beats, rows: readonly number[], beat: Float64Array): Lockstep | null {
  const sum = new Float64Array(b.bars);
  const squares = new Float64Array(b.bars);
  const active = new Float64Array(b.bars);
  let accounts = 0;
  for (const row of rows) {
    const s = spanOf(b, row);
    if (!s) continue;
    const z = rest(b, row, s, beat);
    if (!z) continue;
    accounts += 1;
    for (let t = s.from; t <= s.to; t++) {
      const x = z[t - s.from] as number;
      sum[t] = (sum[t] as number) + x;
      squares[t] = (squares[t] as number) + x * x;
      active[t] = (active[t] as number) + 1;
    }
  }
  if (accounts < 4) return null;
  let pairs = 0;
  let common = 0;
  for (let t = 0; t < b.bars; t++) {
    const k = active[t] as number;
    if (k < 2) continue;
    pairs += k * (k - 1);
    common += (sum[t] as number) ** 2 - (squares[t] as number);
  }
  if (pairs === 0) return null;
  return { together: common / pairs, se: BEATS.widen * Math.sqrt(2 / pairs), accounts };
}

/**
 * How far an account follows everybody's days: 1 as the population does, 0 not at all. Least squares of its counts, hour by hour of the day, on the common beat. An account that works round
 * the clock on all days keeps no part of the population's week: held against the whole of it, all such accounts would seem to rest together when others work.
 */
function coupling(b: Beats, row: number, s: Span, beat: Float64Array): number {
  const sum = new Float64Array(b.perDay);
  const n = new Float64Array(b.perDay);
  for (let t = s.from; t <= s.to; t++) {
    sum[t % b.perDay] = (sum[t % b.perDay] as number) + (b.counts[row * b.bars + t] as number);
    n[t % b.perDay] = (n[t % b.perDay] as number) + 1;
  }
  let cross = 0;
  let square = 0;
  for (let t = s.from; t <= s.to; t++) {
    const mean = (sum[t % b.perDay] as number) / (n[t % b.perDay] as number);
    const x = mean * ((beat[t] as number) - 1);
    cross += x * ((b.counts[row * b.bars + t] as number) - mean);
    square += x * x;
  }
  return square > 0 ? Math.min(COUPLED_MOST, Math.max(0, cross / square)) : 1;
}
const COUPLED_MOST = 1.5;

/** An account's bars, less what its own hours of the day and everybody's days, as far as it follows them, lead to expect, with mean square one. */
function rest(b: Beats, row: number, s: Span, everybody: Float64Array): Float64Array | null {
  const length = s.to - s.from + 1;
  const follows = coupling(b, row, s, everybody);
  const beat = everybody.map((x) => Math.max(0.05, 1 + follows * (x - 1)));
  const profile = new Float64Array(b.perDay);
  const base = new Float64Array(b.perDay);
  for (let t = s.from; t <= s.to; t++) {
    profile[t % b.perDay] = (profile[t % b.perDay] as number) + (b.counts[row * b.bars + t] as number);
    base[t % b.perDay] = (base[t % b.perDay] as number) + (beat[t] as number);
  }
  const out = new Float64Array(length);
  let square = 0;
  for (let i = 0; i < length; i++) {
    const h = (s.from + i) % b.perDay;
    // No smoothing: drawn towards its mean, every account would rest at the same hours as those that share its day.
    const expected = ((beat[s.from + i] as number) * (profile[h] as number)) / Math.max(1e-9, base[h] as number);
    const x = ((b.counts[row * b.bars + s.from + i] as number) - expected) / Math.sqrt(expected + 0.5);
    out[i] = x;
    square += x * x;
  }
  const rms = Math.sqrt(square / length);
  if (!(rms > 0)) return null;
  let clipped = 0;
  for (let i = 0; i < length; i++) {
    out[i] = Math.max(-BEATS.clip, Math.min(BEATS.clip, (out[i] as number) / rms));
    clipped += (out[i] as number) ** 2;
  }
  const again = Math.sqrt(clipped / length);
  for (let i = 0; i < length; i++) out[i] = (out[i] as number) / again;
  return out;
}

/** An own day counts as a day of work from this part of a usual one on: what runs over from a night shift is no day. */
const WORKED = 0.15;

/**
 * The part of its days that an account works on, from the first of its work to the last. Days begin at whatever hour shows the most rest: a night shift is one day's work wherever midnight is, and a day
 * off is one day. Null for under ten days, where nobody can tell.
 */
export function attendance(b: Beats, row: number): number | null {
  let least = 1;
  const work = worked(b, row);
  const end = Math.min(b.bars, (work.first + work.days.length + 1) * b.perDay);
  for (let start = work.first * b.perDay; start < (work.first + 1) * b.perDay; start++) {
    const days: number[] = [];
    for (let from = start; from + b.perDay <= end; from += b.perDay) {
      let n = 0;
      for (let t = from; t < from + b.perDay; t++) n += b.counts[row * b.bars + t] as number;
      days.push(n);
    }
    const first = days.findIndex((n) => n > 0);
    const span = days.slice(first, days.findLastIndex((n) => n > 0) + 1);
    if (first < 0 || span.length < 10) return null;
    const active = span.filter((n) => n > 0);
    const usual = active.reduce((x, n) => x + n, 0) / active.length;
    least = Math.min(least, span.filter((n) => n >= WORKED * usual).length / span.length);
  }
  return least;
}

/** The rest lies before or after an account's work. */
const WORK = 0.95;

/** Exchanges of each day, from midnight (UTC), in the shortest run of days that holds nearly all that an account sends: what a bought account did before its work began, or did once more after it, is no part of it. */
export function worked(b: Beats, row: number): { readonly first: number; readonly days: readonly number[] } {
  const days = Array.from({ length: Math.floor(b.bars / b.perDay) }, (_, d) => {
    let n = 0;
    for (let t = d * b.perDay; t < (d + 1) * b.perDay; t++) n += b.counts[row * b.bars + t] as number;
    return n;
  });
  const enough = WORK * days.reduce((x, n) => x + n, 0);
  let best = { first: 0, length: days.length };
  for (let from = 0, to = 0, held = 0; from < days.length; held -= days[from++] as number) {
    while (to < days.length && held < enough) held += days[to++] as number;
    if (held < enough) break;
    if (to - from < best.length) best = { first: from, length: to - from };
  }
  return { first: best.first, days: days.slice(best.first, best.first + best.length) };
}
