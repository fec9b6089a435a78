import { rng, upTo } from '../campaigns/stats.ts';
import { type Edge, falseDiscovery, type LeftOut, type Links, poissonTail, type SameHolders } from './edges.ts';
import type { Holders } from './holders.ts';
import { grouped, Ints, type Sightings, sortStretch } from './sightings.ts';

export interface SharedOptions {
  /** Edges of fewer bits are not listed. */
  readonly bitsMin: number;
  /** Of the tables that are dealt anew. */
  readonly seed: number;
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

/**
 * How likely strangers are to share values of a kind. Under the null the holders of a value fall on all holdings of its kind at random (a configuration model), so that b, who holds n_b of
 * R (of all accounts, where fewer show the kind), meets a value of a's with d holders with a chance of n_b (d - 1) / R: who stars fifty repositories shares two with many a stranger, who pays with one card shares it with none.
 */
class Strangers {
  /** Holdings of each account in each kind, and of all. */
  private readonly held: Int32Array;
  private readonly all: Float64Array;
  private readonly kinds: number;
  /** By account and kind: holders of each telling value, rarest first, and the sum of the others up to there. */
  private readonly starts: Int32Array;
  private readonly sizes: Int32Array;
  private readonly others: Float64Array;

  /** @param telling values that are listed, rarest first */
  constructor(h: Holders, s: Pick<Sightings, 'kinds' | 'kindOf' | 'accounts' | 'values'>, telling: readonly number[]) {
    this.kinds = s.kinds.length;
    this.held = new Int32Array(s.accounts * this.kinds);
    this.all = new Float64Array(this.kinds);
    for (let v = 0; v < s.values; v++) {
      const k = s.kindOf[v] as number;
      this.all[k] = (this.all[k] as number) + size(h, v);
      for (let i = h.starts[v] as number; i < (h.starts[v + 1] as number); i++) {
        const x = (h.account[i] as number) * this.kinds + k;
        this.held[x] = (this.held[x] as number) + 1;
      }
    }
    // A kind that few accounts show at all is no small world: any account might have shown it.
    this.all.forEach((n, k) => {
      this.all[k] = Math.max(n, s.accounts);
    });
    const starts = new Int32Array(s.accounts * this.kinds + 1);
    const place = (i: number, v: number): number => (h.account[i] as number) * this.kinds + (s.kindOf[v] as number);
    for (const v of telling)
      for (let i = h.starts[v] as number; i < (h.starts[v + 1] as number); i++) {
        const x = place(i, v) + 1;
        starts[x] = (starts[x] as number) + 1;
      }
    for (let x = 0; x + 1 < starts.length; x++) starts[x + 1] = (starts[x + 1] as number) + (starts[x] as number);
    this.starts = starts;
    const n = starts.at(-1) as number;
    this.sizes = new Int32Array(n);
    this.others = new Float64Array(n);
    const at = starts.slice();
    for (const v of telling)
      for (let i = h.starts[v] as number; i < (h.starts[v + 1] as number); i++) {
        const x = place(i, v);
        const p = at[x] as number;
        this.sizes[p] = size(h, v);
        this.others[p] = (p > (starts[x] as number) ? (this.others[p - 1] as number) : 0) + size(h, v) - 1;
        at[x] = p + 1;
      }
  }

  /** Values of a kind with at most d holders that b meets of a's by chance. */
  private meets(a: number, b: number, k: number, d: number): number {
    const from = this.starts[a * this.kinds + k] as number;
    const to = upTo(this.sizes, d, from, this.starts[a * this.kinds + k + 1] as number);
    return to === from ? 0 : ((this.held[b * this.kinds + k] as number) * (this.others[to - 1] as number)) / (this.all[k] as number);
  }

  /**
   * Chance that strangers of this activity share as many values of a kind that are as rare: the Poisson tail of the i rarest, for the i that surprises most, times how many were looked at.
   * @param holders of each value they share, ascending
   */
  chance(a: number, b: number, k: number, holders: readonly number[]): number {
    let least = 1;
    holders.forEach((d, i) => {
      const mean = Math.max(this.meets(a, b, k, d), this.meets(b, a, k, d));
      least = Math.min(least, poissonTail(i + 1, mean));
    });
    return Math.min(1, least * holders.length);
  }

  /** Bits that one value of d holders can be worth at most: to accounts that hold no other of its kind. */
  most(k: number, d: number): number {
    return Math.log2((SAME * (this.all[k] as number)) / (d - 1));
  }

  /** Kinds that both hold anything of. */
  common(a: number, b: number): number {
    let n = 0;
    for (let k = 0; k < this.kinds; k++)
      if ((this.held[a * this.kinds + k] as number) > 0 && (this.held[b * this.kinds + k] as number) > 0) n += 1;
    return n;
  }
}

const size = (h: Holders, v: number): number => (h.starts[v + 1] as number) - (h.starts[v] as number);

/** The first record in which an account shows a value that it holds. */
function recordOf(h: Holders, account: number, v: number): number {
  let i = h.starts[v] as number;
  while (h.account[i] !== account) i += 1;
  return h.record[i] as number;
}

/** P of a product of n chances at most this small (Fisher, 1925). @param x minus the ln of the product */
function fisher(x: number, n: number): number {
  let term = 1;
  let sum = 1;
  for (let i = 1; i < n; i++) {
    term *= x / i;
    sum += term;
  }
  return Math.min(1, Math.exp(-x) * sum);
}

/** Values of several kinds that the very same accounts hold and hardly anybody else: one cause, of which a link counts one kind only. */
function sameHolders(s: Sightings, h: Holders, list: readonly number[], signature: Int32Array): SameHolders[] {
  const by = new Map<number, number[]>();
  for (const v of list) {
    if (size(h, v) < GROUP.accounts) continue;
    const x = signature[v] as number;
    const group = by.get(x);
    if (group) group.push(v);
    else by.set(x, [v]);
  }
  return [...by.values()]
    .filter((values) => new Set(values.map((v) => s.kindOf[v])).size >= GROUP.kinds)
    .map((values) => {
      const [v] = values as [number];
      return { values, accounts: [...h.account.subarray(h.starts[v] as number, h.starts[v + 1] as number)].sort((x, y) => x - y) };
    })
    .sort(
      (x, y) => y.values.length - x.values.length || y.accounts.length - x.accounts.length || (x.accounts[0] ?? 0) - (y.accounts[0] ?? 0),
    )
    .slice(0, GROUP.most);
}

const GROUP = { accounts: 3, kinds: 2, most: 100 } as const;

/** Every link of enough bits, given to `found`, of every so manieth first account; returns what was left out, and how many pairs share something of fewer bits. */
function eachLink(
  s: Sightings,
  h: Holders,
  o: SharedOptions,
  found: (e: Edge) => void,
  every = 1,
): { leftOut: LeftOut[]; below: number; belowBits: number; same: SameHolders[] } {
  const leftOut: LeftOut[] = [];
  let popular = 0;
  let popularRows = 0;
  const list: number[] = [];
  const signature = new Int32Array(s.values);
  for (let v = 0; v < s.values; v++) {
    const d = size(h, v);
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
  list.sort((x, y) => size(h, x) - size(h, y) || x - y);
  const strangers = new Strangers(h, s, list);
  let pairs = 0;
  for (const v of list) {
    const d = size(h, v);
    pairs += d <= CLIQUE_MAX && pairs + (d * (d - 1)) / 2 <= PAIRS_MAX ? (d * (d - 1)) / 2 : d - 1;
  }
  const room = (): Ints => new Ints(Math.max(1024, Math.ceil(pairs / every)));
  const [pa, pb, pv] = [room(), room(), room()];
  /** The holdings at two places are of one value. */
  const put = (i: number, j: number, v: number) => {
    const a = h.account[i] as number;
    const b = h.account[j] as number;
    if (a === b || Math.min(a, b) % every !== 0) return;
    const [x, y] = a > b ? [j, i] : [i, j];
    pa.push(h.account[x] as number);
    pb.push(h.account[y] as number);
    pv.push(v);
  };
  let chained = 0;
  for (const v of list) {
    const from = h.starts[v] as number;
    const to = h.starts[v + 1] as number;
    const d = to - from;
    if (d <= CLIQUE_MAX && pa.length + (d * (d - 1)) / 2 <= PAIRS_MAX) {
      for (let i = from; i < to; i++) for (let j = i + 1; j < to; j++) put(i, j, v);
    } else {
      chained += 1;
      for (let i = from + 1; i < to; i++) put(i - 1, i, v);
    }
  }
  if (chained > 0) leftOut.push({ reason: 'value of many accounts: its edges form a chain, not every pair', rows: 0, values: chained });
  let below = 0;
  let belowBits = 0;
  const less = (bits: number): void => {
    below += 1;
    belowBits = Math.max(belowBits, bits);
  };
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
      // Most pairs share one value, which is worth too little: they need no more than a look.
      if (i - begin === 1) {
        const v = pv.list[mine[begin] as number] as number;
        const k = s.kindOf[v] as number;
        const most = strangers.most(k, size(h, v));
        const worth = most < o.bitsMin && most <= belowBits ? most : Math.log2(SAME / strangers.chance(a, b, k, [size(h, v)]));
        if (worth < o.bitsMin) {
          less(worth);
          continue;
        }
      }
      // One cause seen through several instruments (a company's card, network and device) is one piece of evidence: of values that the same
      // accounts hold, the kind that tells most counts.
      const causes = new Map<number, Map<number, number[]>>();
      const values: number[] = [];
      for (let x = begin; x < i; x++) {
        const v = pv.list[mine[x] as number] as number;
        values.push(v);
        const kind = s.kindOf[v] as number;
        const cause = causes.get(signature[v] as number) ?? new Map<number, number[]>();
        cause.set(kind, [...(cause.get(kind) ?? []), size(h, v)]);
        causes.set(signature[v] as number, cause);
      }
      const byKind = new Map<number, number[]>();
      for (const cause of causes.values()) {
        let [kind, most] = [-1, 0];
        for (const [k, sizes] of cause) {
          const x = sizes.reduce((sum, d) => sum + rarity(s.accounts, d), 0);
          if (x > most) [kind, most] = [k, x];
        }
        byKind.set(kind, [...(byKind.get(kind) ?? []), ...(cause.get(kind) ?? [])]);
      }
      let bits = 0;
      let ln = 0;
      const kinds: Record<string, number> = {};
      for (const [k, sizes] of byKind) {
        const chance = strangers.chance(
          a,
          b,
          k,
          sizes.sort((x, y) => x - y),
        );
        const worth = Math.log2(SAME / Math.max(chance, 1e-300));
        ln -= Math.log(Math.max(chance, 1e-300));
        if (worth <= 0) continue;
        bits += worth;
        kinds[s.kinds[k] as string] = worth;
      }
      if (bits < o.bitsMin) {
        less(bits);
        continue;
      }
      const shown = values.sort((x, y) => size(h, x) - size(h, y)).slice(0, 20);
      found({
        a,
        b,
        bits,
        p: fisher(ln, strangers.common(a, b)),
        q: 1,
        kinds,
        values: shown,
        records: shown.map((v) => [recordOf(h, a, v), recordOf(h, b, v)] as const),
        weight: 0,
        meanDelta: 0,
      });
    }
  }
  return { leftOut, below, belowBits, same: every === 1 ? sameHolders(s, h, list, signature) : [] };
}

/** The same table with the holders of each value dealt anew, within its kind: as active accounts, as popular values, and nobody tied to anybody. */
function rewired(s: Sightings, h: Holders, random: () => number): Holders {
  const account = h.account.slice();
  const places: Ints[] = s.kinds.map(() => new Ints());
  for (let v = 0; v < s.values; v++)
    for (let i = h.starts[v] as number; i < (h.starts[v + 1] as number); i++) (places[s.kindOf[v] as number] as Ints).push(i);
  for (const { list, length } of places) {
    // Accounts that show nothing of the kind might have: where few do, they are dealt to as well.
    const deck = new Int32Array(length + s.accounts);
    const shows = new Uint8Array(s.accounts);
    let dealt = length;
    for (let i = 0; i < length; i++) {
      deck[i] = account[list[i] as number] as number;
      shows[deck[i] as number] = 1;
    }
    for (let a = 0; a < s.accounts && length < s.accounts; a++) if (shows[a] === 0) deck[dealt++] = a;
    for (let i = dealt - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      const a = deck[i] as number;
      deck[i] = deck[j] as number;
      deck[j] = a;
    }
    for (let i = 0; i < length; i++) account[list[i] as number] = deck[i] as number;
  }
  return { starts: h.starts, account, record: h.record };
}

/** Holdings that are looked at in tables dealt anew, and how many of those: a small table is dealt often, so that few links can be told from chance as well; of a large one a part of the accounts will do. */
const DECOYS = { holdings: 400_000, most: 40 } as const;

/**
 * Links accounts that share values. A kind of value is worth log2 of one half (the chance that two accounts of one operator share what they hold of it) over the chance that two strangers who
 * hold as much share as many that are as rare; of one value each that is the term-frequency weight of Fellegi and Sunter (1969). Values of several kinds that the same accounts hold
 * are one piece of evidence. `p` joins the kinds (Fisher). `q` is the smaller of its Benjamini-Hochberg value and of one that is counted, not computed: links of as many bits in tables whose holders were dealt anew, over those in this one (target and decoy, Elias
 * and Gygi, 2007), which knows all that popularity and activity alone would tie.
 */
export function sharedValues(s: Sightings, h: Holders, o: SharedOptions): Links {
  const found: Edge[] = [];
  const { leftOut, below, belowBits, same } = eachLink(s, h, o, (e) => found.push(e));
  const size = Math.max(1, h.account.length);
  const dealt = Math.max(1, Math.min(DECOYS.most, Math.floor(DECOYS.holdings / size)));
  const every = Math.ceil(size / DECOYS.holdings);
  const chance: number[] = [];
  const random = rng(o.seed);
  for (let i = 0; found.length > 0 && i < dealt; i++) eachLink(s, rewired(s, h, random), o, (e) => chance.push(e.bits), every);
  const q = targetDecoy(
    found.map((e) => e.bits),
    chance,
    dealt / every,
  );
  const tested = (s.accounts * (s.accounts - 1)) / 2;
  // A link too strong for chance needs no count of chance links: of a large table too few are counted to tell.
  const computed = falseDiscovery(
    Float64Array.from(found, (e) => e.p),
    tested,
  );
  return {
    edges: found.map((e, i) => ({ ...e, q: Math.min(q[i] as number, computed[i] as number) })),
    leftOut,
    tested,
    below,
    belowBits,
    same,
  };
}

/** Expected part of chance links among those of at least as many bits: (decoys + 1) / tables over targets, made monotone. @param tables how often the table was dealt; a part where some of its accounts were looked at */
export function targetDecoy(bits: readonly number[], decoys: readonly number[], tables: number): Float64Array {
  const order = bits.map((_, i) => i).sort((x, y) => (bits[y] as number) - (bits[x] as number));
  const chance = Float64Array.from(decoys).sort().reverse();
  const q = new Float64Array(bits.length);
  let d = 0;
  order.forEach((i, rank) => {
    while (d < chance.length && (chance[d] as number) >= (bits[i] as number)) d += 1;
    q[i] = Math.min(1, (d + 1) / tables / (rank + 1));
  });
  let least = 1;
  for (let r = order.length - 1; r >= 0; r--) {
    const i = order[r] as number;
    least = Math.min(least, q[i] as number);
    q[i] = least;
  }
  return q;
}
