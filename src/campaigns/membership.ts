import { BUCKETINGS, BUCKETS, type Cell, DIMENSIONS, VOLUME_CAP } from './deck.ts';
import { type Tally, tally } from './profile.ts';
import { clamp, LOG2E, probability, quantile } from './stats.ts';
import type { Table } from './table.ts';

export interface Share {
  readonly account: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
  /** ln-likelihood gained an item by letting part of the content come from the cohort's pool. */
  readonly gain: number;
  readonly items: number;
}

/** Scratch of `shareOf`: an account's filled buckets. */
const TIMES = new Float64Array(DIMENSIONS);
const EXCESS = new Float64Array(DIMENSIONS);

/**
 * s = argmax of sum log(s q + (1 - s) p) over an account's items, with its profile interval (drop of 1.92, Wilks 1938). q is the pool as
 * the other members show it, p the honest population. Bucketings are averaged, not multiplied: they are views of the same items.
 */
export function shareOf(
  counts: ArrayLike<number>,
  at: number,
  q: Float64Array,
  p: Float64Array,
): { share: number; low: number; high: number; gain: number } {
  let n = 0;
  for (let d = 0; d < DIMENSIONS; d++) {
    const c = counts[at + d] as number;
    if (c === 0) continue;
    TIMES[n] = c;
    EXCESS[n++] = (q[d] as number) / (p[d] as number) - 1;
  }
  // The likelihood is concave in s: falling at 0, it is highest there.
  let slope = 0;
  for (let i = 0; i < n; i++) slope += (TIMES[i] as number) * (EXCESS[i] as number);
  // ln of the likelihood over that at s = 0. Factors are multiplied up while they fit and one logarithm taken of many: this is where large cohorts spend their time.
  const value = (s: number): number => {
    let l = 0;
    let product = 1;
    for (let i = 0; i < n; i++) {
      const x = 1 + s * (EXCESS[i] as number);
      const c = TIMES[i] as number;
      if (c > 4) l += c * Math.log(x);
      else for (let k = 0; k < c; k++) product *= x;
      if (product > 1e200 || product < 1e-200) {
        l += Math.log(product);
        product = 1;
      }
    }
    return (l + Math.log(product)) / BUCKETINGS;
  };
  /** First derivative of `value`, and of that one: a division a bucket, no logarithm. */
  const fall = (s: number): readonly [number, number] => {
    let d = 0;
    let d2 = 0;
    for (let i = 0; i < n; i++) {
      const e = EXCESS[i] as number;
      const x = e / (1 + s * e);
      const y = (TIMES[i] as number) * x;
      d += y;
      d2 -= y * x;
    }
    return [d / BUCKETINGS, d2 / BUCKETINGS];
  };
  let share = 0;
  let best = 0;
  if (slope > 0) {
    share = fall(1)[0] >= 0 ? 1 : root(0, 1, 0.5, fall);
    best = value(share);
  }
  const edge = (to: number): number => {
    if (best - value(to) < 1.92) return to;
    // Far from the top the curve is steeper than its parabola; the bracket keeps Newton's steps inside.
    return root(share, to, (share + to) / 2, (s) => [value(s) - best + 1.92, fall(s)[0]]);
  };
  return { share, low: share > 0 ? edge(0) : 0, high: share < 1 ? edge(1) : 1, gain: best };
}

/** Where shares are told to. */
const SHARE_TOLERANCE = 1e-5;

/**
 * Root of a falling or rising function between `inside`, where it is at or above nought, and `outside`, where it is below: Newton's steps, and halves where a step would leave the bracket.
 * @param f the function and its derivative
 */
function root(inside: number, outside: number, start: number, f: (s: number) => readonly [number, number]): number {
  let from = inside;
  let to = outside;
  let s = start;
  for (let i = 0; i < 40 && Math.abs(to - from) > SHARE_TOLERANCE; i++) {
    const [y, slope] = f(s);
    if (y >= 0) from = s;
    else to = s;
    const next = s - y / slope;
    const fits = next > Math.min(from, to) && next < Math.max(from, to);
    const then = fits ? next : (from + to) / 2;
    if (Math.abs(then - s) < SHARE_TOLERANCE) return then;
    s = then;
  }
  return s;
}

/** Bucket shares of a pool of cells without one account's own: sums kept so that leaving one out is cheap. */
export class Pool {
  private readonly sums = new Float64Array(DIMENSIONS);
  private total = 0;
  private readonly own: ReadonlyMap<number, Tally>;

  constructor(cells: readonly Cell[]) {
    this.own = tally(cells);
    for (const o of this.own.values()) this.add(o, 1);
  }

  private add(o: Tally, sign: number): void {
    const w = (sign * Math.min(o.n, VOLUME_CAP)) / Math.max(1, o.n);
    this.total += w * o.n;
    for (let d = 0; d < DIMENSIONS; d++) this.sums[d] = (this.sums[d] as number) + w * (o.counts[d] as number);
  }

  /** Items and buckets of each account in it. */
  tallies(): (readonly [number, Tally])[] {
    return [...this.own];
  }

  without(account: number): Float64Array {
    const o = this.own.get(account);
    if (o) this.add(o, -1);
    const out = new Float64Array(DIMENSIONS);
    for (let d = 0; d < DIMENSIONS; d++) out[d] = ((this.sums[d] as number) + 1 / BUCKETS) / (this.total + 1);
    if (o) this.add(o, 1);
    return out;
  }
}

/** Shares of some accounts in a cohort's pool. */
export function shares(t: Table, pool: Pool, mu: Float64Array, accounts: readonly number[]): Share[] {
  return accounts.map((account) => {
    const items = t.profiles.items[account] as number;
    const s = shareOf(t.profiles.counts, account * DIMENSIONS, pool.without(account), mu);
    return { account, items, share: s.share, low: s.low, high: s.high, gain: s.gain / Math.max(1, items) };
  });
}

/** Items of its own at which an account's own content and the population's weigh alike in what it would have sent anyway. */
const OWN_HALF = 30;

function blend(counts: ArrayLike<number>, at: number, less: ArrayLike<number> | null, mu: Float64Array): Float64Array {
  const out = new Float64Array(DIMENSIONS);
  let n = 0;
  for (let d = 0; d < DIMENSIONS; d++) {
    out[d] = Math.max(0, (counts[at + d] as number) - ((less?.[d] as number | undefined) ?? 0));
    n += out[d] as number;
  }
  n /= BUCKETINGS;
  for (let d = 0; d < DIMENSIONS; d++) out[d] = ((out[d] as number) + OWN_HALF * (mu[d] as number)) / (n + OWN_HALF);
  return out;
}

const NEARLY_ALL = 0.8;

/**
 * Shares of accounts that carry a cohort's sentence in part of their traffic: of the exchanges that carry it, how many hold content of the pool rather than what
 * the account sends anyway (its other exchanges, smoothed by the population)? A reseller's other customers are no evidence against the campaign, and a
 * sentence pasted into an honest account's own work is none for it. `share` is of the whole account.
 * @param part of each account's exchanges that carries the sentence
 */
export function carrierShares(t: Table, pool: Pool, mu: Float64Array, part: (account: number) => number): Share[] {
  return pool.tallies().map(([account, own]) => {
    const s = shareOf(own.counts, 0, pool.without(account), blend(t.profiles.counts, account * DIMENSIONS, own.counts, mu));
    const p = part(account);
    // Where nearly all that carries the sentence is of the pool, all of it may be: that is counted, and the items that look like the account's own by chance are not.
    const high = s.share >= NEARLY_ALL ? 1 : s.high;
    return { account, items: own.n, share: s.share * p, low: s.low * p, high: high * p, gain: s.gain / Math.max(1, own.n) };
  });
}

/** What honest accounts gain from the pool in the same way, had a part of their own items carried the sentence. */
export function honestCarriers(t: Table, pool: Pool, mu: Float64Array, accounts: readonly number[], every: number): number[] {
  const q = pool.without(-1);
  const out: number[] = [];
  for (const account of accounts) {
    const counts = new Float64Array(DIMENSIONS);
    let n = 0;
    let i = 0;
    for (const c of t.profiles.cellsOf(account))
      for (let from = 0; from < c.buckets.length; from += BUCKETINGS, i++) {
        if (i % every !== 0) continue;
        n += 1;
        for (let b = 0; b < BUCKETINGS; b++) {
          const d = b * BUCKETS + (c.buckets[from + b] as number);
          counts[d] = (counts[d] as number) + 1;
        }
      }
    if (n >= 4) out.push(shareOf(counts, 0, q, blend(t.profiles.counts, account * DIMENSIONS, counts, mu)).gain / n);
  }
  return out;
}

/** Part of what carries a sentence that must come from the pool for certain, before its account is named for it. */
const CERTAIN = 0.3;

/** Membership of carriers: as `judgeMembers`, on the exchanges that carry the sentence. */
export function judgeCarriers(all: readonly Share[], honest: readonly number[], part: (account: number) => number): Judged[] {
  const limit = honest.length >= HONEST_MIN ? Math.max(0.02, quantile(honest, 0.999)) : 0.25;
  return all.map((s) => {
    const p = Math.max(1e-9, part(s.account));
    let bits = clamp((s.gain - limit) * s.items * LOG2E, -8, 6);
    // The sentence is a private tie only where the content, in which it takes no part, comes from the pool.
    // Half of what carries it at the least, and for certain a third: somebody who put it into their own work draws a little by chance, and of a few exchanges it is hardly told from all.
    if (s.items >= 4 && s.gain * s.items * LOG2E >= 1 && s.share >= 0.5 * p && s.low >= CERTAIN * p) bits = Math.max(bits, 0) + 5;
    else if (s.low < CERTAIN * p) bits = Math.min(bits, -1);
    return { account: s.account, membership: probability(bits), share: s.share, low: s.low, high: s.high };
  });
}

/** Fewer honest accounts than this tell nothing of what is rare among them. */
export const HONEST_MIN = 20;

export interface Judged {
  readonly account: number;
  readonly membership: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
  /** The share that carries the cohort's sentence, and its upper end, where `share` is told of all that the account sends. */
  readonly said?: { readonly share: number; readonly high: number };
}

/**
 * Membership of each account: its gain from the pool against the 99.9 % quantile of honest references, plus what its private ties add.
 * A sentence can be copied by a stranger: it adds only where the content, which it takes no part in, comes from the pool as well.
 */
export function judgeMembers(
  all: readonly Share[],
  honest: readonly Share[],
  tied: (account: number) => boolean,
  carries: (account: number) => number,
): Judged[] {
  // Where nearly every account of the cohort carries one sentence, one that does not is no member on content alone.
  const coverage = Math.min(0.99, all.filter((s) => carries(s.account) > 0).length / Math.max(1, all.length));
  const missing = coverage > 0.5 ? Math.log2(1 - coverage) - 1 : 0;
  const limit =
    honest.length >= HONEST_MIN
      ? Math.max(
          0.02,
          quantile(
            honest.map((h) => h.gain),
            0.999,
          ),
        )
      : 0.25;
  const lowLimit =
    honest.length >= HONEST_MIN
      ? clamp(
          quantile(
            honest.map((h) => h.low),
            0.9,
          ),
          0.01,
          0.6,
        )
      : 0.3;
  return all.map((s) => {
    const carried = carries(s.account);
    let bits = clamp((s.gain - limit) * s.items * LOG2E, -8, 6);
    // At least two to one that content comes from the pool: a small account of a cohort dealt from one deck has no more to show.
    const drawn = s.gain * s.items * LOG2E >= 1 && s.share >= Math.min(0.3, 0.5 * carried);
    // Somebody who put the sentence into a part of their own work draws nothing for certain.
    if (carried > 0 && drawn && (s.low > 0 || s.share >= 0.5)) bits = Math.max(bits, 0) + (s.low > lowLimit || carried >= 0.02 ? 5 : 0);
    // Same deck is not same hand: without the sentence it takes another private tie.
    if (carried === 0 && missing < 0 && !tied(s.account)) bits = Math.min(bits + missing * 1.5, -0.5);
    // On content alone the lower bound has to pass what honest accounts show, not the estimate.
    if (carried === 0 && !tied(s.account) && s.low <= lowLimit) bits = Math.min(bits, -0.5);
    if (tied(s.account) && s.low > 0) bits += 4;
    if (s.items < 4) bits = carried > 0 || tied(s.account) ? 1 : -2;
    return { account: s.account, membership: probability(bits), share: s.share, low: s.low, high: s.high };
  });
}

/** Conversations of members that are no longer than those of this part of them count as long as theirs. */
const LONG = 0.9;

/**
 * Shares of exchanges, of shares of items. An item opens a conversation, and who works on one thing for an hour sends dozens of requests for one item: where the cohort's conversations are short, most of such an account's
 * requests are its own, whatever part of its items is not. A conversation of the pool is taken to be as long as the longest tenth of members'.
 */
export function ofExchanges(t: Table, judged: readonly Judged[]): Judged[] {
  const f = longer(t, judged);
  return judged.map((j) =>
    f(j.account) < 1 ? { ...j, share: f(j.account) * j.share, low: f(j.account) * j.low, high: f(j.account) * j.high } : j,
  );
}

/** How much shorter than an account's own a conversation of the pool is, at most one: what turns a part of conversations into one of exchanges. */
export function longer(t: Table, judged: readonly Judged[]): (account: number) => number {
  const length = (a: number): number => {
    const r = t.rows[a];
    return r && r.openings > 0 ? r.n / r.openings : Number.NaN;
  };
  const theirs = judged
    .filter((j) => j.membership >= 0.5)
    .map((j) => length(j.account))
    .filter(Number.isFinite);
  if (theirs.length === 0) return () => 1;
  const most = quantile(theirs, LONG);
  return (a) => {
    const f = most / length(a);
    return Number.isFinite(f) ? Math.min(1, f) : 1;
  };
}

/** Where nearly all members carry the sentence, and the middle one draws no more than so many times what carries it, it tells what is the campaign's; whoever is told much more than carries it is told that, give or take. */
const SAID = { carriers: 0.8, times: 1.25, less: 0.8, give: 0.1, least: 0.3 } as const;

/** So many members carry one sentence in this part of what they send at least, where all of them are told it in all they send. */
export const TOLD_IN_ALL = { members: 0.75, all: 0.99 } as const;

/**
 * Shares, told by how much carries the cohort's sentence where that is what members draw: what comes through a stolen key carries it, and what its owner sends does not, however near to the pool it is. Where the sentence is one
 * wording of several, members draw a multiple of what carries it, and it bounds nothing.
 * @param carries the part of an account's exchanges that carries a sentence of the cohort
 */
export function ofSentence(estimated: readonly Judged[], carries: (account: number) => number): Judged[] {
  const judged = toldAlike(estimated, carries);
  const members = judged.filter((j) => j.membership >= 0.5 && j.share > 0);
  const carriers = members.filter((j) => carries(j.account) > 0);
  const times = quantile(
    carriers.map((j) => j.share / carries(j.account)),
    0.5,
  );
  if (carriers.length < SAID.carriers * members.length || !(times <= SAID.times)) return [...judged];
  return judged.map((j) => {
    const said = carries(j.account);
    // What carries it is counted, and what is drawn from the pool estimated: where the estimate allows as much, it is that.
    if (said > j.share && said <= j.high) return { ...j, share: said };
    const part = said * Math.max(1, times);
    if (part === 0 || part >= SAID.less * j.share) return j;
    return { ...j, share: part, low: Math.min(j.low, part), high: Math.min(j.high, part + SAID.give) };
  });
}

/**
 * Where nearly all members carry the sentence in all they send, all of it is the campaign's, and what the middle one of them is estimated to draw tells how far estimates fall short here: a pool that is much like what honest accounts ask passes
 * for half of it. Everybody's estimate is set right by that; who copied the sentence into other work is estimated at far less, and stays there.
 */
function toldAlike(judged: readonly Judged[], carries: (account: number) => number): Judged[] {
  const members = judged.filter((j) => j.membership >= 0.5 && j.share > 0);
  const all = members.filter((j) => carries(j.account) >= TOLD_IN_ALL.all);
  const middle = quantile(
    all.map((j) => j.share),
    0.5,
  );
  if (all.length < TOLD_IN_ALL.members * members.length || !(middle >= SAID.least && middle < 1)) return [...judged];
  const set = (x: number): number => Math.min(1, x / middle);
  return judged.map((j) => (carries(j.account) > 0 ? { ...j, share: set(j.share), low: set(j.low), high: set(j.high) } : j));
}

/** Of honest accounts, the part that draws less from a pool which is none of theirs than counts as drawn; and of carriers, how many must draw so much. */
const OTHERWISE = { chance: 0.99, carriers: 0.5 } as const;

/**
 * Whether a cohort whose accounts carry its sentence in part of their traffic words its work in other ways too: what half of them send without the sentence comes from the pool for certain, and by more than nearly all honest accounts draw
 * from it. Nobody's own work is the population's mean, and a reseller's other customers may lean towards the pool as a whole. That is asked of the cohort: one account's own work may be near to the pool, and through its key came what
 * carries the sentence.
 *
 * @param judged by all that they send
 * @param carriers by what carries the sentence
 * @param honest what other accounts draw from the pool
 */
export function wordedOtherwise(judged: readonly Judged[], carriers: ReadonlyMap<number, Judged>, honest: readonly Share[]): boolean {
  const drawn =
    honest.length >= HONEST_MIN
      ? quantile(
          honest.map((h) => h.share),
          OTHERWISE.chance,
        )
      : 0;
  const more = judged.filter((j) => {
    const c = carriers.get(j.account);
    return c !== undefined && j.low > c.high && j.share - c.share > drawn;
  });
  return more.length >= OTHERWISE.carriers * carriers.size;
}
