import type { SharedValue } from '../store/queries/values.ts';
import { DIMENSIONS } from './deck.ts';
import { leiden } from './leiden.ts';
import { dot, type Neighbours, neighbours } from './neighbours.ts';
import { centre, direction, directions, type Profiles } from './profile.ts';
import { relayOf } from './relays.ts';
import { median, rng } from './stats.ts';
import { carriedPart, type Table } from './table.ts';

export type Source = 'scaffold' | 'links' | 'kindred';

/** A set of accounts put forward for testing, and how it was found. A hypothesis, nothing more. */
export interface Candidate {
  readonly accounts: readonly number[];
  readonly sources: readonly Source[];
  /** The shared sentences that formed it, as indices into the table's values. */
  readonly scaffold: readonly number[];
  /** How often it was looked at; as often as it was found, unless said. */
  readonly looks?: number;
  /** Accounts that took over as others of it ended: a tie that nobody copies. */
  readonly took?: ReadonlySet<number>;
}

export const COHORT = {
  accountsMin: 5,
  candidatesMax: 600,
  itemsMin: 12,
  neighbours: 12,
  heard: 0.2,
  same: 0.7,
  sameCarriers: 0.95,
} as const;

interface Sentence {
  readonly v: number;
  readonly accounts: readonly number[];
  readonly holders: number;
  readonly crisp: number;
}

/** Of sentences that go together, those that are this much as crisp as the crispest may tell who is meant. */
const CRISP = 0.5;

/** Accounts that share sentences, one candidate for sentences that go together. */
function fromScaffolds(t: Table): Candidate[] {
  const groups = new Map<string, Sentence[]>();
  t.values.forEach((value, v) => {
    if (value.kind !== 'scaffold') return;
    const { accounts, crisp } = carriers(t, value);
    if (accounts.length < COHORT.accountsMin) return;
    const key = signature(accounts);
    const one = { v, accounts, holders: value.accounts.length, crisp };
    const g = groups.get(key);
    if (g) g.push(one);
    else groups.set(key, [one]);
  });
  return [...groups.values()].map((g) => {
    // The one that the fewest others send tells best who is meant; a phrase of the items that stand under an instruction, which each sends now and then, tells nothing of them.
    const least = CRISP * Math.max(...g.map((s) => s.crisp));
    const [told] = g
      .filter((s) => s.crisp >= least)
      .sort((x, y) => x.holders - y.holders || y.accounts.length - x.accounts.length || x.v - y.v);
    return { accounts: told?.accounts ?? [], sources: ['scaffold'], scaffold: g.map((s) => s.v) };
  });
}

/** Accounts of a sentence that carry it in at least 3 % of what they do, the others met it in passing; and the part of what all who ever sent it send that carries it, an account counting as one. */
function carriers(t: Table, value: SharedValue): { readonly accounts: readonly number[]; readonly crisp: number } {
  const out: number[] = [];
  let parts = 0;
  for (let i = 0; i < value.accounts.length; i++) {
    const a = value.accounts[i] as number;
    const count = value.counts[i] as number;
    const part = a >= 0 && count >= 3 ? carriedPart(t, a, count) : 0;
    parts += Math.min(1, part);
    if (part >= 0.03) out.push(a);
  }
  return { accounts: out.sort((x, y) => x - y), crisp: parts / Math.max(1, value.accounts.length) };
}

/** Two minima of a hash over the members: equal for sets that overlap by about nine tenths or more (Broder, 1997). */
function signature(accounts: readonly number[]): string {
  let a = 0xffffffff;
  let b = 0xffffffff;
  for (const x of accounts) {
    a = Math.min(a, Math.imul(x + 1, 0x9e3779b1) >>> 0);
    b = Math.min(b, Math.imul(x + 7, 0x85ebca6b) >>> 0);
  }
  return `${a}:${b}:${Math.round(Math.log2(accounts.length) * 3)}`;
}

/** Communities of accounts that values tie: what cohorts are drawn from where a log has no text. */
export const linked = (t: Table, seed: number): readonly (readonly number[])[] => fromLinks(t, rng(seed + 1)).map((c) => c.accounts);

/** Communities of the account-value graph; a value's edges weigh how surprising it is that two accounts share it, in bits. */
function fromLinks(t: Table, random: () => number): Candidate[] {
  const from: number[] = [];
  const to: number[] = [];
  const weight: number[] = [];
  const n = t.rows.length;
  t.values.forEach((value, v) => {
    const bits = Math.log2((n + 1) / value.accounts.length) - 2;
    if (value.kind === 'client' || bits <= 0) return;
    for (let i = 0; i < value.accounts.length; i++) {
      const a = value.accounts[i] as number;
      if (a < 0) continue;
      const part =
        value.kind === 'scaffold' || value.kind === 'address' || value.kind === 'network'
          ? (value.counts[i] as number) / (t.rows[a]?.n ?? 1)
          : 1;
      if (part < 0.05) continue;
      from.push(a);
      to.push(n + v);
      weight.push(bits * Math.min(1, part * 2));
    }
  });
  relayed(t, n, from, to, weight);
  const part = leiden(
    { nodes: n + t.values.length, from: Int32Array.from(from), to: Int32Array.from(to), weight: Float64Array.from(weight) },
    { random },
  );
  return groupsOf(part, n).map((accounts) => ({ accounts, sources: ['links'], scaffold: [] }));
}

/** Conversations passed on tie their two accounts, from so many on with all their weight. */
const PASSED = 4;

function relayed(t: Table, n: number, from: number[], to: number[], weight: number[]): void {
  const r = t.relays;
  if (r.to.length === 0) return;
  const { members } = relayOf(
    r,
    t.rows.map((_, a) => a),
    t.repeated,
  );
  for (let e = 0; e < r.to.length; e++) {
    const [a, b] = [r.from[e] as number, r.to[e] as number];
    if (a === b || !members.has(a) || !members.has(b)) continue;
    from.push(a);
    to.push(b);
    weight.push((Math.log2((n + 1) / 2) - 2) * Math.min(1, (r.count[e] as number) / PASSED));
  }
}

function groupsOf(part: Int32Array, accounts: number): number[][] {
  const by = new Map<number, number[]>();
  for (let a = 0; a < accounts; a++) {
    const list = by.get(part[a] as number);
    if (list) list.push(a);
    else by.set(part[a] as number, [a]);
  }
  return [...by.values()].filter((g) => g.length >= COHORT.accountsMin);
}

/** Accounts whose content is too alike to be independent: communities of nearest neighbours, and the communities inside those. */
function fromKin(near: Neighbours, active: readonly number[], random: () => number): Candidate[] {
  const out: Candidate[] = [];
  // Place of each account among the members at hand; a look at its place tells whether it is one of them.
  const place = new Int32Array(near.ids.length / near.k);
  const split = (members: readonly number[], depth: number) => {
    members.forEach((a, i) => {
      place[a] = i;
    });
    const from = new Int32Array(members.length * near.k);
    const to = new Int32Array(from.length);
    const weight = new Float64Array(from.length);
    let edges = 0;
    members.forEach((a, i) => {
      for (let x = 0; x < near.k; x++) {
        const b = near.ids[a * near.k + x] as number;
        const c = near.cosine[a * near.k + x] as number;
        if (b < 0 || c <= 0 || members[place[b] as number] !== b) continue;
        from[edges] = i;
        to[edges] = place[b] as number;
        weight[edges++] = c ** 2;
      }
    });
    const part = leiden(
      { nodes: members.length, from: from.subarray(0, edges), to: to.subarray(0, edges), weight: weight.subarray(0, edges) },
      { random },
    );
    const groups = groupsOf(part, members.length).map((g) => g.map((i) => members[i] as number));
    for (const g of groups) {
      out.push({ accounts: g, sources: ['kindred'], scaffold: [] });
      if (depth < 2 && g.length >= 3 * COHORT.accountsMin && g.length < members.length) split(g, depth + 1);
    }
  };
  split(active, 0);
  return out;
}

/** Communities that are joined again at most, the largest first, and how alike their centres must be. */
const JOINED = { communities: 200, cosine: 0.5 } as const;

/**
 * Communities whose pooled contents point the same way, as one more hypothesis: a large homogeneous cohort has no borders inside it but those that the search draws at
 * random. Nothing is taken for granted by it: the union stands the same tests.
 */
function unions(communities: readonly Candidate[], p: Profiles, mu: Float64Array): Candidate[] {
  const top = disjoint(communities).slice(0, JOINED.communities);
  const centres = top.map((c) => direction(centre(p, c.accounts), mu));
  const home = Int32Array.from(top, (_, i) => i);
  const root = (i: number): number => {
    let x = i;
    while (home[x] !== x) x = home[x] as number;
    return x;
  };
  for (let i = 0; i < top.length; i++)
    for (let j = 0; j < i; j++) {
      if (dot(centres[i] as Float32Array, 0, centres[j] as Float32Array, 0, DIMENSIONS) >= JOINED.cosine) home[root(i)] = root(j);
    }
  const sets = new Map<number, Candidate[]>();
  top.forEach((c, i) => {
    sets.set(root(i), [...(sets.get(root(i)) ?? []), c]);
  });
  return [...sets.values()]
    .filter((parts) => parts.length > 1)
    .map((parts) => ({ accounts: parts.flatMap((c) => c.accounts), sources: ['kindred'], scaffold: [] }));
}

/** The largest communities that share nobody. */
function disjoint(communities: readonly Candidate[]): Candidate[] {
  const held = new Set<number>();
  return [...communities]
    .sort((x, y) => y.accounts.length - x.accounts.length || (x.accounts[0] ?? 0) - (y.accounts[0] ?? 0))
    .filter((c) => {
      if (c.accounts.some((a) => held.has(a))) return false;
      for (const a of c.accounts) held.add(a);
      return true;
    });
}

export interface Kin {
  readonly near: Neighbours;
  readonly active: readonly number[];
  /** Whom the centre of the population is made of. */
  readonly heard: readonly number[];
  readonly mu: Float64Array;
}

/** Nearest neighbours in content of every account with enough items. */
export function kin(t: Table, seed: number): Kin {
  const everybody = t.rows.map((_, a) => a);
  if (!t.hasText) {
    // Nobody has neighbours in content; who has sent enough to be held against is told by requests.
    const ids = new Int32Array(everybody.length * COHORT.neighbours).fill(-1);
    return {
      near: { k: COHORT.neighbours, ids, cosine: new Float32Array(ids.length) },
      active: everybody.filter((a) => (t.rows[a]?.openings ?? 0) >= COHORT.itemsMin),
      heard: [],
      mu: centre(t.profiles, [], COHORT.itemsMin),
    };
  }
  const active = everybody.filter((a) => (t.profiles.items[a] as number) >= COHORT.itemsMin);
  // Where hardly any have enough to compare, those are no population, and a campaign may be most of them: accounts of few items count too, in proportion.
  const heard = active.length >= COHORT.heard * everybody.filter((a) => (t.profiles.items[a] as number) > 0).length ? active : everybody;
  const mu = centre(t.profiles, heard, COHORT.itemsMin);
  const near = neighbours(directions(t.profiles, mu, COHORT.itemsMin), active, COHORT.neighbours, rng(seed));
  return { near, active, heard, mu };
}

interface Merged {
  readonly set: ReadonlySet<number>;
  readonly sources: Set<Source>;
  readonly scaffold: Set<number>;
}

/**
 * All candidates, those that are one hypothesis found twice merged, at most 600 (what is left out is reported). Sets of carriers of a
 * sentence are crisp and come first; a community that overlaps with one adds its source and no accounts.
 */
export function candidates(t: Table, k: Kin, seed: number): { candidates: Candidate[]; leftOut: number } {
  const random = rng(seed + 1);
  const merged: Merged[] = [];
  const seen = new Map<number, number[]>();
  const put = (c: Candidate, same: number): void => {
    const common = new Map<number, number>();
    for (const a of c.accounts) for (const m of seen.get(a) ?? []) common.set(m, (common.get(m) ?? 0) + 1);
    let home = -1;
    let best = same;
    for (const [m, n] of common) {
      const jaccard = n / ((merged[m]?.set.size ?? 0) + c.accounts.length - n);
      if (jaccard >= best) [home, best] = [m, jaccard];
    }
    if (home < 0) {
      home = merged.length;
      merged.push({ set: new Set(c.accounts), sources: new Set(), scaffold: new Set() });
      for (const a of c.accounts) {
        const list = seen.get(a);
        if (list) list.push(home);
        else seen.set(a, [home]);
      }
    }
    const g = merged[home] as Merged;
    for (const s of c.sources) g.sources.add(s);
    for (const v of c.scaffold) g.scaffold.add(v);
  };
  const kindred = fromKin(k.near, k.active, random);
  for (const c of fromScaffolds(t)) put(c, COHORT.sameCarriers);
  for (const c of [...kindred, ...unions(kindred, t.profiles, k.mu)]) put(withoutStrays(c, k.near), COHORT.same);
  for (const c of fromLinks(t, random)) put(c, COHORT.same);
  for (const g of merged)
    if (g.scaffold.size > 0 && Math.max(coveredBy(g.set, kindred), closed(g.set, k.near)) >= COHORT.same) g.sources.add('kindred');
  const all = merged
    .map((g): Candidate => ({ accounts: [...g.set].sort((x, y) => x - y), sources: [...g.sources], scaffold: [...g.scaffold] }))
    .sort((x, y) => y.sources.length - x.sources.length || y.accounts.length - x.accounts.length);
  return { candidates: all.slice(0, COHORT.candidatesMax), leftOut: Math.max(0, all.length - COHORT.candidatesMax) };
}

/** Where the middle account of a community has this part of its nearest neighbours inside, who has less than the second part there has strayed in. */
const STRAY = { closed: 0.75, inside: 0.5 } as const;

/**
 * A community without accounts that it closed over by chance: most of their nearest neighbours are elsewhere. One such account among sixty makes a pool look like many subjects. Told by
 * neighbours alone, before anything is tested; of a part of a larger community, whose accounts all have neighbours outside, nobody goes.
 */
export function withoutStrays(c: Candidate, near: Neighbours): Candidate {
  if (c.accounts.length <= near.k) return c;
  const set = marked(c.accounts, near);
  const inside = c.accounts.map((a) => neighboursIn(set, near, a) / near.k);
  if (median(inside) < STRAY.closed) return c;
  return { ...c, accounts: c.accounts.filter((_, i) => (inside[i] as number) >= STRAY.inside) };
}

/** 1 at each account of a set, by account: a look at it costs less than asking a hash. */
export function marked(accounts: readonly number[], near: Neighbours): Uint8Array {
  const out = new Uint8Array(near.ids.length / near.k);
  for (const a of accounts) out[a] = 1;
  return out;
}

/** How many of an account's nearest neighbours are in a set. @param inside 1 at each account of the set */
export function neighboursIn(inside: Uint8Array, near: Neighbours, account: number): number {
  let n = 0;
  for (let x = 0; x < near.k; x++) n += inside[near.ids[account * near.k + x] as number] ?? 0;
  return n;
}

/** Part of a set that lies in communities of content which lie in the set: found by content too, if in pieces. */
function coveredBy(set: ReadonlySet<number>, communities: readonly Candidate[]): number {
  const covered = new Set<number>();
  for (const c of communities) {
    const inside = c.accounts.filter((a) => set.has(a));
    if (inside.length >= 0.9 * c.accounts.length) for (const a of inside) covered.add(a);
  }
  return covered.size / Math.max(1, set.size);
}

/** Part of the nearest neighbours in content of a set's accounts that are of the set, of those that could be: content alone sets it apart, whatever the communities were cut into. */
function closed(set: ReadonlySet<number>, near: Neighbours): number {
  let inside = 0;
  let all = 0;
  for (const a of set)
    for (let x = 0; x < Math.min(near.k, set.size - 1); x++) {
      const b = near.ids[a * near.k + x] as number;
      if (b < 0) break;
      all += 1;
      if (set.has(b)) inside += 1;
    }
  return inside / Math.max(1, all);
}
