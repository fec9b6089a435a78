import { type Edge, falseDiscovery, type LeftOut, type Links } from './edges.ts';
import { grouped, Ints, type Sightings, sortStretch } from './sightings.ts';

export interface SharedOptions {
  /** Edges of fewer bits are not listed. */
  readonly bitsMin: number;
}

/** Values that more accounts share are tied by a chain through their accounts, never by a clique. */
const CLIQUE_MAX = 24;
/** Pairs that are listed in all, rarest values first; beyond, values are chained as well. */
const PAIRS_MAX = 4_000_000;
/** Two accounts of one operator share a given value of theirs about half of the time. */
const SAME = 0.5;

/** What sharing a value tells, in bits: log2 of P(share | one operator) / P(share | strangers), the term-frequency weight of Fellegi and Sunter (1969). */
export const rarity = (accounts: number, holders: number): number => Math.log2((SAME * accounts) / holders);

/** A number's bits stirred: sums of these tell sets of accounts apart. */
function mix(a: number): number {
  let x = Math.imul(a + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  return x ^ (x >>> 13);
}

/** Accounts of each value, each once, with its sightings; by value. */
export interface Holders {
  readonly starts: Int32Array;
  readonly account: Int32Array;
  readonly count: Float32Array;
}

export function holders(s: Sightings): Holders {
  const { order, starts } = grouped(s.value, s.rows, s.values);
  const last = new Int32Array(s.accounts).fill(-1);
  const place = new Int32Array(s.accounts);
  const outStarts = new Int32Array(s.values + 1);
  const account = new Int32Array(s.rows);
  const count = new Float32Array(s.rows);
  let at = 0;
  for (let v = 0; v < s.values; v++) {
    outStarts[v] = at;
    for (let i = starts[v] as number; i < (starts[v + 1] as number); i++) {
      const row = order[i] as number;
      const a = s.account[row] as number;
      if (last[a] !== v) {
        last[a] = v;
        place[a] = at;
        account[at++] = a;
      }
      const p = place[a] as number;
      count[p] = (count[p] as number) + (s.count[row] as number);
    }
  }
  outStarts[s.values] = at;
  return { starts: outStarts, account: account.slice(0, at), count: count.slice(0, at) };
}

/**
 * Links accounts that share values, each worth what its rarity says. Values of several kinds that the same accounts hold are
 * one piece of evidence. p is Markov's bound on the likelihood ratio: strangers reach x bits with a chance of at most 2^-x.
 */
export function sharedValues(s: Sightings, h: Holders, o: SharedOptions): Links {
  const leftOut: LeftOut[] = [];
  let popular = 0;
  let popularRows = 0;
  const list: number[] = [];
  const signature = new Int32Array(s.values);
  for (let v = 0; v < s.values; v++) {
    const d = (h.starts[v + 1] as number) - (h.starts[v] as number);
    if (d < 2) continue;
    if (rarity(s.accounts, d) <= 1) {
      popular += 1;
      popularRows += d;
      continue;
    }
    list.push(v);
    let x = d;
    for (let i = h.starts[v] as number; i < (h.starts[v + 1] as number); i++) x = (x + mix(h.account[i] as number)) | 0;
    signature[v] = x;
  }
  if (popular > 0) leftOut.push({ reason: 'value so common that sharing it tells nothing', rows: popularRows, values: popular });
  const size = (v: number): number => (h.starts[v + 1] as number) - (h.starts[v] as number);
  list.sort((x, y) => size(x) - size(y) || x - y);
  const pa = new Ints();
  const pb = new Ints();
  const pv = new Ints();
  const put = (x: number, y: number, v: number) => {
    pa.push(Math.min(x, y));
    pb.push(Math.max(x, y));
    pv.push(v);
  };
  let chained = 0;
  for (const v of list) {
    const from = h.starts[v] as number;
    const to = h.starts[v + 1] as number;
    const d = to - from;
    if (d <= CLIQUE_MAX && pa.length + (d * (d - 1)) / 2 <= PAIRS_MAX) {
      for (let i = from; i < to; i++) for (let j = i + 1; j < to; j++) put(h.account[i] as number, h.account[j] as number, v);
    } else {
      chained += 1;
      for (let i = from + 1; i < to; i++) put(h.account[i - 1] as number, h.account[i] as number, v);
    }
  }
  if (chained > 0) leftOut.push({ reason: 'value of many accounts: its edges form a chain, not every pair', rows: 0, values: chained });
  const tested = (s.accounts * (s.accounts - 1)) / 2;
  const found: Edge[] = [];
  const byA = grouped(pa.list, pa.length, s.accounts);
  for (let a = 0; a < s.accounts; a++) {
    const from = byA.starts[a] as number;
    const to = byA.starts[a + 1] as number;
    if (from === to) continue;
    const mine = byA.order.subarray(from, to);
    sortStretch(byA.order, from, to, pb.list);
    for (let i = 0; i < mine.length; ) {
      const b = pb.list[mine[i] as number] as number;
      const begin = i;
      while (i < mine.length && pb.list[mine[i] as number] === b) i += 1;
      if (i - begin === 1 && rarity(s.accounts, size(pv.list[mine[begin] as number] as number)) < o.bitsMin) continue;
      // One cause seen through several instruments (a company's card, network and device) is one piece of evidence: of values that the same
      // accounts hold, the kind that tells most counts.
      const causes = new Map<number, Map<number, number>>();
      const values: number[] = [];
      for (let x = begin; x < i; x++) {
        const v = pv.list[mine[x] as number] as number;
        values.push(v);
        const kind = s.kindOf[v] as number;
        const cause = causes.get(signature[v] as number) ?? new Map<number, number>();
        cause.set(kind, (cause.get(kind) ?? 0) + rarity(s.accounts, size(v)));
        causes.set(signature[v] as number, cause);
      }
      let bits = 0;
      const kinds: Record<string, number> = {};
      for (const cause of causes.values()) {
        let [kind, most] = [-1, 0];
        for (const [k, x] of cause) if (x > most) [kind, most] = [k, x];
        bits += most;
        const name = s.kinds[kind] as string;
        kinds[name] = (kinds[name] ?? 0) + most;
      }
      if (bits < o.bitsMin) continue;
      found.push({
        a,
        b,
        bits,
        p: 2 ** -bits,
        q: 1,
        kinds,
        values: values.sort((x, y) => size(x) - size(y)).slice(0, 20),
        records: [],
        weight: 0,
        meanDelta: 0,
      });
    }
  }
  const q = falseDiscovery(
    Float64Array.from(found, (e) => e.p),
    tested,
  );
  return { edges: found.map((e, i) => ({ ...e, q: q[i] as number })), leftOut, tested };
}
