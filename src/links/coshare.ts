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
 * account within a window count once.
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
      const mean = Math.max(expect(activity[b] as number, slots[a] as number), expect(activity[a] as number, slots[b] as number));
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
  return { edges: found.map((e, i) => ({ ...e, q: q[i] as number })), leftOut, tested, below: 0, belowBits: 0 };
}
