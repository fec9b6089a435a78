import { type Kin, linked } from './candidates.ts';
import { type Facts, factsOf } from './facts.ts';
import { rng, shuffled } from './stats.ts';
import { DAY, type Table } from './table.ts';

export const NULLS = { size: 8, most: 400, tenureDays: 30, referencesMin: 200 } as const;

export interface NullCohort {
  readonly facts: Facts;
}

/**
 * Reference accounts: tenured or verified where enough are; otherwise everybody, because a campaign counts as one community among
 * many in the null cohorts and robust fits carry up to 45 % of them.
 */
export function references(t: Table, k: Kin): { accounts: number[]; tenured: boolean } {
  const fit = (a: number): boolean => {
    const r = t.records[a];
    if (r === null || r === undefined) return false;
    if (r.closed_reason !== '' || r.created === null) return false;
    return r.verification === 'id' || r.verification === 'business' || r.created <= t.from - NULLS.tenureDays * DAY;
  };
  const tenured = k.active.filter(fit);
  if (tenured.length >= NULLS.referencesMin) return { accounts: tenured, tenured: true };
  return { accounts: k.active.filter((a) => (t.records[a]?.closed_reason ?? '') === ''), tenured: false };
}

/**
 * Null cohorts of the same builder: a random reference account and its nearest neighbours in content among the references, each account
 * in one null cohort only. They are picked for being alike, as cohorts are, so that being alike alone earns nothing.
 */
export function nullMembers(k: Kin, refs: readonly number[], seed: number): number[][] {
  const random = rng(seed + 2);
  const free = new Set(refs);
  const order = [...refs];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  const out: number[][] = [];
  for (const seedAccount of order) {
    if (out.length >= NULLS.most) break;
    if (!free.has(seedAccount)) continue;
    const members = [seedAccount];
    // Neighbours, then neighbours of neighbours, nearest first.
    for (let at = 0; at < members.length && members.length < NULLS.size; at++) {
      const a = members[at] as number;
      for (let x = 0; x < k.near.k && members.length < NULLS.size; x++) {
        const b = k.near.ids[a * k.near.k + x] as number;
        if (b >= 0 && free.has(b) && !members.includes(b)) members.push(b);
      }
    }
    if (members.length < 5) continue;
    for (const a of members) free.delete(a);
    out.push(members);
  }
  return out;
}

/**
 * The same where a log has no text: communities of references that values tie, cut to size, as cohorts are found there; and of those whom nothing ties as many more, for most honest accounts stand alone.
 */
export function nullMembersOfLinks(t: Table, refs: readonly number[], seed: number): number[][] {
  const random = rng(seed + 2);
  const among = new Set(refs);
  const cut = (list: readonly number[]): number[][] => {
    const mixed = [...shuffled(list.length, random)].map((i) => list[i] as number);
    return Array.from({ length: Math.ceil(mixed.length / NULLS.size) }, (_, i) => mixed.slice(i * NULLS.size, (i + 1) * NULLS.size)).filter(
      (m) => m.length >= 5,
    );
  };
  const tied = linked(t, seed)
    .map((g) => g.filter((a) => among.has(a)))
    .flatMap(cut);
  const held = new Set(tied.flat());
  const alone = cut(refs.filter((a) => !held.has(a)));
  return [...tied, ...alone].slice(0, NULLS.most);
}

/** Their figures, the same that cohorts are measured by. */
export const nullCohorts = (t: Table, k: Kin, members: readonly (readonly number[])[]): NullCohort[] =>
  members.map((m) => ({ facts: factsOf(t, m, k.mu) }));
