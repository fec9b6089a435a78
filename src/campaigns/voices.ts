import { BUCKETINGS, type Cell, deck } from './deck.ts';
import { type Facts, onePhrase, sampled, theirs, type View } from './facts.ts';
import type { Honest } from './rivals.ts';
import { carriedPart, type Table } from './table.ts';

/** Instructions that stand for users of a pool: so many at least, between them so much of what it sends, each in so much of its accounts, and so many of them looked at. */
const VOICES = { least: 10, covered: 0.3, spread: 0.5, most: 0.5, looked: 16 } as const;

/** A sentence that goes through a pool: the part of what its accounts send that carries it. */
interface Voice {
  readonly v: number;
  readonly part: number;
}

/** Instructions that each go through most accounts of a cohort in a part of what they send; sentences that always stand together are one. */
function voicesOf(t: Table, accounts: readonly number[]): Voice[] {
  const held = new Map<number, Map<number, number>>();
  for (const a of accounts)
    for (const { v, count } of t.valuesOf[a] ?? []) {
      if (t.values[v]?.kind !== 'scaffold') continue;
      const by = held.get(v) ?? new Map<number, number>();
      by.set(a, count);
      held.set(v, by);
    }
  const distinct = new Map<string, Voice>();
  for (const [v, by] of held) {
    const value = t.values[v];
    // What strangers send as well is no user's of this pool.
    if (!value || by.size < VOICES.spread * accounts.length || !theirs(value, by.size, by.size)) continue;
    const part = [...by].reduce((x, [a, count]) => x + carriedPart(t, a, count), 0) / accounts.length;
    if (part > VOICES.most) continue;
    const sightings = [...by].sort((x, y) => x[0] - y[0]).join(' ');
    if (!distinct.has(sightings)) distinct.set(sightings, { v, part });
  }
  return [...distinct.values()].sort((x, y) => y.part - x.part || x.v - y.v);
}

/**
 * Whether the instructions that go through a pool of accounts each have subjects of their own: then they are users of an app or a gateway, products whose requests its operator passes on. Under the wordings of one operator stand items of one deck. The figure is
 * that of `deck`, between instructions in place of accounts: as different as the middle honest cohort's accounts are.
 * @param scoped cells of some accounts, of what carries one of some values
 * @returns what to say of it, or null
 */
export async function ownVoices(
  t: Table,
  facts: Facts,
  honest: Honest,
  scoped: (accounts: readonly number[], values: readonly number[]) => Promise<View>,
): Promise<string | null> {
  // One turn of phrase through it all is one asker's.
  if (onePhrase(facts)) return null;
  const voices = voicesOf(t, facts.accounts);
  const covered = voices.reduce((x, { part }) => x + part, 0);
  if (voices.length < VOICES.least || covered < VOICES.covered) return null;
  const cells: Cell[] = [];
  const some = sampled(facts.accounts);
  for (const [i, { v }] of voices.slice(0, VOICES.looked).entries()) {
    const strata = new Map<number, number[]>();
    for (const c of (await scoped(some, [v])).cells) {
      const list = strata.get(c.stratum) ?? [];
      for (const b of c.buckets) list.push(b);
      strata.set(c.stratum, list);
    }
    for (const [stratum, buckets] of strata)
      if (buckets.length >= 2 * BUCKETINGS) cells.push({ account: i, stratum, buckets: Uint8Array.from(buckets) });
  }
  const d = deck(cells);
  // Sentences of the items themselves have subjects too, if less: templates that a data set is made of.
  if (!d || d.rho < honest.rhoMedian || 3 * d.se > d.rho) return null;
  return `customers: ${voices.length} instructions go through most of these accounts, each in a part of what they send, and under each stand subjects of its own (rho ${d.rho.toFixed(3)} between them; honest accounts ${honest.rhoMedian.toFixed(3)}): users of one app or gateway that spreads them over a pool of accounts look so, and one operator's wordings do not. Ask whoever runs them whose requests these are`;
}
