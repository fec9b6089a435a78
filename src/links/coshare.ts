import { upTo } from '../campaigns/stats.ts';
import { type Edge, falseDiscovery, type LeftOut, type Links, poissonTail } from './edges.ts';
import { grouped, Ints, type Sightings, sortStretch } from './sightings.ts';

export interface CoShareOptions {
  /** Two sightings of one value this close in time are a co-share; ms, inclusive. */
  readonly windowMs: number;
  /** Sightings an account must have, and co-shared records after that, in each kind of value. */
  readonly participation: number;
}

/** A value with more co-shares than this is left out of the pairs (and counted): so popular a value tells of no pair. */
const PAIRS_PER_VALUE = 500_000;
/** Co-shares that are listed in all: those of the values with the fewest, which tell most, come first; the others are left out and counted. */
const PAIRS_MAX = 4_000_000;

/** Marks accounts of whose records so many differ among some rows. */
function enough(s: Sightings, rows: Ints, least: number, mark: Uint8Array): void {
  const { order, starts } = grouped(
    Int32Array.from({ length: rows.length }, (_, x) => s.account[rows.list[x] as number] as number),
    rows.length,
    s.accounts,
  );
  for (let a = 0; a < s.accounts; a++) {
    const own = new Set<number>();
    for (let x = starts[a] as number; x < (starts[a + 1] as number) && own.size < least; x++)
      own.add(s.record[rows.list[order[x] as number] as number] as number);
    if (own.size >= least) mark[a] = 1;
  }
}

/** Sightings of a stretch of time at least, and windows it is long: fewer could hardly have fallen otherwise. */
const STRETCH = { sightings: 200, windows: 4 } as const;

/** When the stretches of some moments begin. */
function stretches(times: Float64Array, windowMs: number): number[] {
  const out: number[] = [];
  let held = 0;
  for (const t of times.sort()) {
    if (out.length === 0 || (held >= STRETCH.sightings && t - (out.at(-1) as number) >= STRETCH.windows * windowMs)) {
      out.push(t);
      held = 0;
    }
    held += 1;
  }
  return out;
}

/**
 * Activity of accounts, and how many others' sightings lie in their windows, by kind of value and stretch of the log: who is there on one day only, or at certain hours, can meet those only who are there then.
 */
class Times {
  /** Sightings of each stretch. */
  private readonly all: Float64Array;
  /** By account: its stretches in order, its sightings in each, and others' in its windows. */
  private readonly starts: Int32Array;
  private readonly stretch: Int32Array;
  private readonly own: Float64Array;
  private readonly around: Float64Array;

  /** @param rows that count, with the others' sightings in the window of each; @param asked accounts that may be asked about */
  constructor(s: Sightings, rows: Ints, around: Ints, windowMs: number, asked: Uint8Array) {
    const n = rows.length;
    const of = new Int32Array(n);
    const held = new Int32Array(s.kinds.length);
    for (let x = 0; x < n; x++) {
      const k = s.kindOf[s.value[rows.list[x] as number] as number] as number;
      held[k] = (held[k] as number) + 1;
    }
    let first = 0;
    for (let k = 0; k < s.kinds.length; k++) {
      const times = new Float64Array(held[k] as number);
      const mine = new Int32Array(times.length);
      for (let x = 0, at = 0; x < n; x++) {
        const row = rows.list[x] as number;
        if (s.kindOf[s.value[row] as number] !== k) continue;
        mine[at] = x;
        times[at++] = s.time[row] as number;
      }
      const begins = stretches(times.slice(), windowMs);
      for (let i = 0; i < mine.length; i++) of[mine[i] as number] = first + Math.max(0, upTo(begins, times[i] as number) - 1);
      first += begins.length;
    }
    this.all = new Float64Array(first);
    const mine = new Ints();
    const whose = new Ints();
    for (let x = 0; x < n; x++) {
      this.all[of[x] as number] = (this.all[of[x] as number] as number) + 1;
      const a = s.account[rows.list[x] as number] as number;
      if (asked[a] === 0) continue;
      mine.push(x);
      whose.push(a);
    }
    const byAccount = grouped(whose.list, whose.length, s.accounts);
    const stretch = new Ints();
    const own = new Float64Array(mine.length);
    const others = new Float64Array(mine.length);
    this.starts = new Int32Array(s.accounts + 1);
    for (let a = 0; a < s.accounts; a++) {
      this.starts[a] = stretch.length;
      const from = byAccount.starts[a] as number;
      const to = byAccount.starts[a + 1] as number;
      if (from === to) continue;
      const list = byAccount.order.subarray(from, to).map((i) => mine.list[i] as number);
      list.sort((x, y) => (of[x] as number) - (of[y] as number) || x - y);
      let before = -1;
      for (let i = 0; i < list.length; i++) {
        const x = list[i] as number;
        if (of[x] !== before) {
          before = of[x] as number;
          stretch.push(before);
        }
        const at = stretch.length - 1;
        own[at] = (own[at] as number) + 1;
        others[at] = (others[at] as number) + (around.list[x] as number);
      }
    }
    this.starts[s.accounts] = stretch.length;
    this.stretch = stretch.list.subarray(0, stretch.length);
    this.own = own;
    this.around = others;
  }

  /** How often b's sightings would meet a's windows, did they fall on those of the same kind and stretch at random. */
  meets(a: number, b: number): number {
    const [lowA, highA, lowB, highB] = [this.starts[a], this.starts[a + 1], this.starts[b], this.starts[b + 1]] as [
      number,
      number,
      number,
      number,
    ];
    // Through the shorter list, with a look into the longer one: a hub has many pairs.
    const swap = highA - lowA > highB - lowB;
    let sum = 0;
    for (let x = swap ? lowB : lowA; x < (swap ? highB : highA); x++) {
      const least = swap ? lowA : lowB;
      const y = upTo(this.stretch, this.stretch[x] as number, least, swap ? highA : highB) - 1;
      if (y < least || this.stretch[y] !== this.stretch[x]) continue;
      const [of, with_] = swap ? [y, x] : [x, y];
      sum += ((this.own[with_] as number) * (this.around[of] as number)) / (this.all[this.stretch[x] as number] as number);
    }
    return sum;
  }
}

/** Values whose co-shares are not listed: too many by themselves, or the most popular ones where all together are too many. */
function overflow(pairs: Float64Array): Uint8Array {
  const out = new Uint8Array(pairs.length);
  const order: number[] = [];
  let sum = 0;
  for (let v = 0; v < pairs.length; v++) {
    const n = pairs[v] as number;
    if (n > PAIRS_PER_VALUE) out[v] = 1;
    else if (n > 0) {
      sum += n;
      if (n > 100) order.push(v);
    }
  }
  order.sort((x, y) => (pairs[y] as number) - (pairs[x] as number) || y - x);
  for (const v of order) {
    if (sum <= PAIRS_MAX) break;
    out[v] = 1;
    sum -= pairs[v] as number;
  }
  return out;
}

/**
 * Links accounts that share one value within a window: sort by (value, time), then sweep. Pairs are listed only after the filter by participation
 * has been applied to rows, and popular values are bounded, so that time and memory are linear in sightings and co-shares kept.
 *
 * The pairs and their counts follow the rule of CooRTweet (Righetti and Balluff, 2023). Each edge gets a chance of its own: under the null, the
 * sightings of an account fall on the slots of all sightings at random (a configuration model), so that b meets a's windows with mean
 * n_b S_a / R, where S_a counts the others' sightings inside a's windows (how popular a's values are just then), n_b is b's activity and R all sightings; sightings of one value by one
 * account within a window count once. The same is summed over stretches of the log and kinds of value, since who is there for a day meets those who are there that day, and the larger holds.
 */
export function coShares(s: Sightings, o: CoShareOptions): Links {
  const leftOut: LeftOut[] = [];
  const active = new Uint8Array(s.rows);
  const seen = new Float64Array(s.kinds.length * s.accounts);
  let timeless = 0;
  for (let i = 0; i < s.rows; i++) {
    const k = (s.kindOf[s.value[i] as number] as number) * s.accounts + (s.account[i] as number);
    seen[k] = (seen[k] as number) + (s.count[i] as number);
  }
  let few = 0;
  let self = 0;
  for (let i = 0; i < s.rows; i++) {
    const k = (s.kindOf[s.value[i] as number] as number) * s.accounts + (s.account[i] as number);
    if (Number.isNaN(s.time[i] as number)) timeless += 1;
    else if ((seen[k] as number) < o.participation) few += 1;
    else if (s.self[i] === 1) self += 1;
    else active[i] = 1;
  }
  const note = (reason: string, rows: number, values = 0) => {
    if (rows > 0) leftOut.push({ reason, rows, values });
  };
  note('no time', timeless);
  note(`account with fewer than ${o.participation} sightings of the kind`, few);
  note('the record is itself the value', self);

  const { order, starts } = grouped(s.value, s.rows, s.values);
  // Active rows of each value, by time.
  const ends = new Int32Array(s.values);
  for (let v = 0; v < s.values; v++) {
    let to = starts[v] as number;
    for (let i = starts[v] as number; i < (starts[v + 1] as number); i++) {
      const row = order[i] as number;
      if (active[row] === 1) order[to++] = row;
    }
    ends[v] = to;
    sortStretch(order, starts[v] as number, to, s.time);
  }
  const at = (i: number): number => s.time[order[i] as number] as number;
  const who = (i: number): number => s.account[order[i] as number] as number;

  const slots = new Float64Array(s.accounts);
  const activity = new Int32Array(s.accounts);
  const kept = new Uint8Array(s.records);
  const firstRecord = new Int32Array(s.accounts);
  /** Whether an account has co-shared records enough. */
  const several = new Uint8Array(s.accounts);
  const marked = new Ints();
  const pa = new Ints();
  const pb = new Ints();
  const ra = new Ints();
  const rb = new Ints();
  const pv = new Ints();
  let popularRows = 0;
  let popular = 0;
  let all = 0;
  // Co-shares inside the window, by two pointers: how many there are, before any is listed.
  const pairsOf = new Float64Array(s.values);
  // For the chances an account's sightings of one value within a window of the one before are one: a post made twice, or exported twice, is no more activity.
  const once = new Int32Array(s.rows);
  const counted = new Ints();
  const beside = new Ints();
  const lastOf = new Int32Array(s.accounts).fill(-1);
  const lastAt = new Float64Array(s.accounts);
  for (let v = 0; v < s.values; v++) {
    const from = starts[v] as number;
    const to = ends[v] as number;
    let n = 0;
    for (let i = from, low = from; i < to; i++) {
      while (at(i) - at(low) > o.windowMs) low += 1;
      pairsOf[v] = (pairsOf[v] as number) + i - low;
      const a = who(i);
      if (lastOf[a] === v && at(i) - (lastAt[a] as number) <= o.windowMs) continue;
      lastOf[a] = v;
      lastAt[a] = at(i);
      once[n++] = i;
    }
    all += n;
    for (let x = 0, low = 0, high = 0; x < n; x++) {
      const i = once[x] as number;
      while (at(i) - at(once[low] as number) > o.windowMs) low += 1;
      while (high < n && at(once[high] as number) - at(i) <= o.windowMs) high += 1;
      activity[who(i)] = (activity[who(i)] as number) + 1;
      slots[who(i)] = (slots[who(i)] as number) + (high - low - 1);
      counted.push(order[i] as number);
      beside.push(high - low - 1);
    }
  }
  const tooPopular = overflow(pairsOf);
  for (let kind = 0; kind < s.kinds.length; kind++) {
    firstRecord.fill(-1);
    several.fill(0);
    for (let x = 0; x < marked.length; x++) kept[marked.list[x] as number] = 0;
    marked.length = 0;
    const paired = new Ints();
    const groups = new Ints();
    for (let v = 0; v < s.values; v++) {
      if (s.kindOf[v] !== kind) continue;
      const from = starts[v] as number;
      const to = ends[v] as number;
      if (pairsOf[v] === 0) continue;
      if (tooPopular[v] === 1) {
        popular += 1;
        popularRows += to - from;
        continue;
      }
      groups.push(v);
      // A row is paired when the nearest sighting by another account, before or after, is inside the window.
      for (let i = from, other = -1; i < to; i++) {
        if (i > from && who(i - 1) !== who(i)) other = i - 1;
        if (other >= 0 && at(i) - at(other) <= o.windowMs) paired.push(order[i] as number);
      }
      for (let i = to - 1, other = -1; i >= from; i--) {
        if (i < to - 1 && who(i + 1) !== who(i)) other = i + 1;
        if (other >= 0 && at(other) - at(i) <= o.windowMs) paired.push(order[i] as number);
      }
    }
    if (o.participation > 2) enough(s, paired, o.participation, several);
    else
      for (let x = 0; x < paired.length; x++) {
        const row = paired.list[x] as number;
        const a = s.account[row] as number;
        if ((firstRecord[a] as number) < 0) firstRecord[a] = s.record[row] as number;
        else if (firstRecord[a] !== s.record[row]) several[a] = 1;
      }
    for (let x = 0; x < paired.length; x++) {
      const row = paired.list[x] as number;
      if (several[s.account[row] as number] === 1 || o.participation < 2) {
        kept[s.record[row] as number] = 1;
        marked.push(s.record[row] as number);
      }
    }
    for (let g = 0; g < groups.length; g++) {
      const v = groups.list[g] as number;
      for (let i = starts[v] as number; i < (ends[v] as number); i++) {
        const x = order[i] as number;
        for (let j = i + 1; j < (ends[v] as number) && at(j) - at(i) <= o.windowMs; j++) {
          const y = order[j] as number;
          if (s.account[x] === s.account[y]) continue;
          if (kept[s.record[x] as number] === 0 && kept[s.record[y] as number] === 0) continue;
          const flip = (s.account[x] as number) > (s.account[y] as number);
          pa.push(s.account[flip ? y : x] as number);
          pb.push(s.account[flip ? x : y] as number);
          ra.push(flip ? y : x);
          rb.push(flip ? x : y);
          pv.push(v);
        }
      }
    }
  }
  note('value so popular that its co-shares tell of no pair', popularRows, popular);

  const participants = activity.reduce((n, x) => n + (x > 0 ? 1 : 0), 0);
  const tested = (participants * (participants - 1)) / 2;
  const found: Edge[] = [];
  const byA = grouped(pa.list, pa.length, s.accounts);
  const asked = new Uint8Array(s.accounts);
  for (const { list, length } of [pa, pb]) for (let x = 0; x < length; x++) asked[list[x] as number] = 1;
  const times = new Times(s, counted, beside, o.windowMs, asked);
  for (let a = 0; a < s.accounts; a++) {
    const from = byA.starts[a] as number;
    const to = byA.starts[a + 1] as number;
    if (from === to) continue;
    const mine = [...byA.order.subarray(from, to)].sort(
      (x, y) =>
        (pb.list[x] as number) - (pb.list[y] as number) ||
        (s.record[ra.list[x] as number] as number) - (s.record[ra.list[y] as number] as number) ||
        (s.record[rb.list[x] as number] as number) - (s.record[rb.list[y] as number] as number),
    );
    for (let i = 0; i < mine.length; ) {
      const b = pb.list[mine[i] as number] as number;
      let weight = 0;
      let delta = 0;
      const values = new Map<number, number>();
      const records: [number, number][] = [];
      let lastA = -1;
      let lastB = -1;
      for (; i < mine.length && pb.list[mine[i] as number] === b; i++) {
        const p = mine[i] as number;
        const x = ra.list[p] as number;
        const y = rb.list[p] as number;
        // Two records that co-share in several kinds (a link and its picture) are one co-share.
        if (s.record[x] === lastA && s.record[y] === lastB) continue;
        lastA = s.record[x] as number;
        lastB = s.record[y] as number;
        weight += 1;
        delta += Math.abs((s.time[x] as number) - (s.time[y] as number)) / 1000;
        values.set(pv.list[p] as number, (values.get(pv.list[p] as number) ?? 0) + 1);
        if (records.length < 20) records.push([lastA, lastB]);
      }
      // Several co-shares of one value are one event: they come in bursts.
      const events = values.size;
      const expect = (n: number, around: number): number => (n * Math.max(1, around - events + 1)) / Math.max(1, all);
      // What the two saw of each other is no chance to meet others.
      const then = (x: number, y: number): number => {
        const around = slots[x] as number;
        return around > 0 ? (times.meets(x, y) * Math.max(1, around - events + 1)) / around : 0;
      };
      const mean = Math.max(
        expect(activity[b] as number, slots[a] as number),
        expect(activity[a] as number, slots[b] as number),
        then(a, b),
        then(b, a),
      );
      const p = poissonTail(events, mean);
      const kinds: Record<string, number> = {};
      const bits = Math.min(1000, -Math.log2(Math.max(p, 1e-300)));
      for (const v of values.keys()) {
        const kind = s.kinds[s.kindOf[v] as number] as string;
        kinds[kind] = (kinds[kind] ?? 0) + bits / events;
      }
      found.push({
        a,
        b,
        bits,
        p,
        q: 1,
        kinds,
        values: [...values.keys()].slice(0, 20),
        records,
        weight,
        meanDelta: delta / weight,
      });
    }
  }
  const q = falseDiscovery(
    Float64Array.from(found, (e) => e.p),
    tested,
  );
  return { edges: found.map((e, i) => ({ ...e, q: q[i] as number })), leftOut, tested, below: 0, belowBits: 0, same: [] };
}
