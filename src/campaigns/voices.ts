import { BUCKETINGS, type Cell, deck } from './deck.ts';
import { type Facts, onePhrase, sampled, theirs, type View } from './facts.ts';
import type { Honest } from './rivals.ts';
import { carriedPart, type Table } from './table.ts';

/** How often some sentences were begun with: sentences x stretches of time, row by row. */
export interface Spoken {
  readonly counts: Float64Array;
  readonly stretches: number;
}

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

/** Stretches of time that instructions are compared over: so long at least, with so many requests of an instruction in the mean; fewer tell nothing. How far from one the figure of one deck may be, beside its error. */
const TIME = { stretchMs: 6 * 3_600_000, each: 20, least: 12, apart: 0.05, errors: 3, most: 0.25 } as const;

/** How many stretches of time the requests of some instructions are enough for. */
export const stretchesFor = (requests: number, voices: number, from: number, to: number): number =>
  Math.floor(Math.min((to - from) / TIME.stretchMs, requests / (TIME.each * Math.max(1, voices))));

/**
 * Whether some instructions come as cards of one shuffled deck do: at any time in the same proportions. Products have days, launches and customers of their own, and jobs by the clock are evener than chance; both are another figure than that of chance, which
 * is one: Pearson's, over instructions and stretches of time, by its degrees of freedom.
 */
export function shuffled({ counts, stretches }: Spoken): boolean {
  if (stretches < TIME.least) return false;
  const voices = counts.length / stretches;
  const rows = new Float64Array(voices);
  const columns = new Float64Array(stretches);
  let all = 0;
  counts.forEach((n, i) => {
    const [v, b] = [Math.floor(i / stretches), i % stretches];
    rows[v] = (rows[v] as number) + n;
    columns[b] = (columns[b] as number) + n;
    all += n;
  });
  const spoken = rows.filter((n) => n > 0).length;
  const used = columns.filter((n) => n > 0).length;
  const freedom = (spoken - 1) * (used - 1);
  if (freedom < 1 || used < TIME.least || all < TIME.each * spoken * used) return false;
  let pearson = 0;
  counts.forEach((n, i) => {
    const e = ((rows[Math.floor(i / stretches)] as number) * (columns[i % stretches] as number)) / all;
    if (e > 0) pearson += (n - e) ** 2 / e;
  });
  return Math.abs(pearson / freedom - 1) <= Math.min(TIME.most, TIME.apart + TIME.errors * Math.sqrt(2 / freedom));
}

/**
 * Whether the instructions that go through a pool of accounts each have subjects of their own: then they are users of an app or a gateway, products whose requests its operator passes on. Under the wordings of one operator stand items of one deck. The figure is
 * that of `deck`, between instructions in place of accounts: as different as the middle honest cohort's accounts are.
 * @param scoped cells of some accounts, of what carries one of some values
 * @param spoken how often some accounts begin with each of some values, over so many stretches of time
 * @returns what to say of it, or null
 */
export async function ownVoices(
  t: Table,
  facts: Facts,
  honest: Honest,
  scoped: (accounts: readonly number[], values: readonly number[]) => Promise<View>,
  spoken: (accounts: readonly number[], values: readonly number[], stretches: number) => Promise<Spoken>,
): Promise<string | null> {
  // One turn of phrase through it all is one asker's.
  if (onePhrase(facts)) return null;
  const voices = voicesOf(t, facts.accounts);
  const covered = voices.reduce((x, { part }) => x + part, 0);
  if (voices.length < VOICES.least || covered < VOICES.covered) return null;
  const looked = voices.slice(0, VOICES.looked);
  // Templates of one shuffled deck come in the same proportions at any time; products have times of their own. One question settles it, before one for each of them.
  const requests = looked.reduce((x, { part }) => x + part, 0) * facts.accounts.reduce((x, a) => x + (t.rows[a]?.openings ?? 0), 0);
  const stretches = stretchesFor(requests, looked.length, t.from, t.to);
  if (
    stretches >= TIME.least &&
    shuffled(
      await spoken(
        facts.accounts,
        looked.map(({ v }) => v),
        stretches,
      ),
    )
  )
    return null;
  const cells: Cell[] = [];
  const some = sampled(facts.accounts);
  for (const [i, { v }] of looked.entries()) {
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
