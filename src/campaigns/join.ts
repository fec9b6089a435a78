import { deckSignal } from '../signals/deck.ts';
import { successionSignal } from '../signals/succession.ts';
import type { Candidate, Kin } from './candidates.ts';
import { FAMILY, type Facts, factsOf, silentOf } from './facts.ts';
import { components } from './hands.ts';
import type { Learned } from './ledger.ts';
import type { Case } from './settle.ts';
import { endsOf, gaveWay, takeovers, tookOver } from './succession.ts';
import type { Table } from './table.ts';

/** Cohorts that are parts of one: by who takes over from whom, and by what they are dealt from. */

export const accountsOf = (x: Case): number[] => x.members.map((m) => m.account);

const union = (a: Case, b: Case): Candidate => ({
  accounts: [...new Set([...accountsOf(a), ...accountsOf(b)])].sort((p, q) => p - q),
  sources: [...new Set([...a.candidate.sources, ...b.candidate.sources])],
  scaffold: [...new Set([...a.candidate.scaffold, ...b.candidate.scaffold])],
});

/** Part of each case's accounts that a whole keeps at least: one that loses most of a part has not put it to the other, and would leave its question to nobody. */
const KEPT = 0.5;

const keptOf = (whole: Case, part: Case): number => {
  const held = new Set(accountsOf(whole));
  return accountsOf(part).filter((a) => held.has(a)).length / Math.max(1, part.members.length);
};

/** Whether a whole answers for all of its parts: it keeps the most of each, and where one was named already it is no less sure. */
const stands = (whole: Case, parts: readonly Case[]): boolean =>
  parts.every((p) => keptOf(whole, p) >= KEPT && (p.verdict !== 'campaign' || whole.confidence >= p.confidence - PIECES.loose));

const JOIN = { successionBits: 3, deckBits: 2, most: 40 } as const;

/**
 * Joins two cohorts into one case where the accounts of one take over from the other's within the hour and both are dealt from one deck: same deck alone is
 * not same hand. The pair is judged again as one cohort.
 */
export function joinSuccessors(cases: Case[], t: Table, k: Kin, learned: Learned, again: (c: Candidate, f: Facts) => Case): void {
  const deckModel = learned.models.get(deckSignal.id) as never;
  const ended = new Map<Case, ReturnType<typeof endsOf>>();
  const ends = (x: Case): ReturnType<typeof endsOf> => {
    const known = ended.get(x) ?? endsOf(t, accountsOf(x));
    ended.set(x, known);
    return known;
  };
  const open = (x: Case): boolean => x.verdict === 'campaign' || x.verdict === 'undecided' || x.verdict === 'other kind';
  for (let i = 0; i < Math.min(cases.length, JOIN.most); i++) {
    for (let j = i + 1; j < Math.min(cases.length, JOIN.most); j++) {
      const [a, b] = [cases[i] as Case, cases[j] as Case];
      const settled = a.verdict === 'campaign' || b.verdict === 'campaign' || (a.verdict === 'undecided' && b.verdict === 'undecided');
      if (!open(a) || !open(b) || !settled) continue;
      const bits = (from: Case, to: Case): number =>
        successionSignal.weigh(
          { ...a.facts, ...takeovers(t, ends(from), accountsOf(to)) },
          learned.models.get(successionSignal.id) as never,
        ).bits;
      if (Math.max(bits(a, b), bits(b, a)) < JOIN.successionBits) continue;
      // That they took over is a tie of theirs, and of those that gave way to them: an address of its own for each account is what a failover looks like.
      const over = (from: Case, to: Case): number[] => [
        ...tookOver(t, ends(from), accountsOf(to)),
        ...gaveWay(t, accountsOf(from), accountsOf(to), 1),
      ];
      const candidate: Candidate = { ...union(a, b), took: new Set([...over(a, b), ...over(b, a)]) };
      const facts = factsOf(t, candidate.accounts, k.mu);
      if (deckSignal.weigh(facts, deckModel).bits < JOIN.deckBits) continue;
      const one = again(candidate, facts);
      // Joined, they must hold as one campaign: otherwise they stay what they were.
      if (one.verdict !== 'campaign' || !stands(one, [a, b])) continue;
      cases[i] = one;
      cases.splice(j, 1);
      j = i;
    }
  }
}

/** Undecided cohorts that are tried together, the surest first, how sure a source it takes, and what counts as no less sure: a deck can say only so much, and near that the figures of a part and of the whole differ by chance. */
const PIECES = { most: 12, deckBits: 2, loose: 0.25 } as const;

/**
 * Puts undecided cohorts together that were found apart and that are dealt from one deck as surely as the larger is: the search draws borders through a source where its accounts have lives of their own
 * besides, and each wording of one instruction is a sentence by itself. What comes of it is one question where there were several: same deck is not same hand, and the whole stands the same tests, and stays
 * undecided where they leave it so. Where one of them was found by a sentence alone it stays a question whatever they say.
 * @param look the figures of cohorts together, over the part of their traffic that carries their sentences where each was found by one
 */
export async function joinPieces(
  cases: Case[],
  learned: Learned,
  look: (c: Candidate) => Promise<Facts | null>,
  again: (c: Candidate, f: Facts) => Case,
): Promise<void> {
  const model = learned.models.get(deckSignal.id) as never;
  const bits = (f: Facts): number => deckSignal.weigh(f, model).bits;
  const open = (x: Case): boolean => x.verdict === 'undecided' && bits(x.facts) >= PIECES.deckBits;
  const pieces = cases
    .filter(open)
    .sort((x, y) => y.confidence - x.confidence)
    .slice(0, PIECES.most);
  // What was put together by what it says, in part or whole.
  const told = new Set<Case>();
  for (let i = 0; i < pieces.length; i++) {
    for (let j = i + 1; j < pieces.length; j++) {
      const [a, b] = [pieces[i] as Case, pieces[j] as Case];
      const candidate = union(a, b);
      // Overlapping ones are one question asked twice.
      if (candidate.accounts.length < accountsOf(a).length + accountsOf(b).length) continue;
      // Cohorts that content alone found apart may come to more together. Two sentences are two hands until something else says otherwise: of such a whole nobody is named.
      const byContent = [a, b].every((x) => x.candidate.sources.includes('kindred') && !told.has(x));
      const worded = !byContent && [a, b].every((x) => x.candidate.scaffold.length > 0);
      const facts = await look(worded ? candidate : { ...candidate, scaffold: [] });
      if (!facts) continue;
      const loose = byContent ? 0 : PIECES.loose;
      // Held against the larger: of many small pieces some look more even than the source they are of.
      const larger = accountsOf(a).length >= accountsOf(b).length ? a : b;
      if (bits(facts) < bits(larger.facts) - loose) continue;
      const one = again(candidate, facts);
      const whole = new Set(accountsOf(one));
      const kept = candidate.accounts.filter((x) => whole.has(x)).length;
      // It must hold together, and be no less sure than the larger was.
      const holds = one.verdict === 'undecided' || (one.verdict === 'campaign' && byContent);
      if (!holds || kept < 0.8 * candidate.accounts.length) continue;
      if (one.ledger.coordinationBits < larger.ledger.coordinationBits - loose) continue;
      cases[cases.indexOf(a)] = one;
      cases.splice(cases.indexOf(b), 1);
      pieces[i] = one;
      if (!byContent) told.add(one);
      pieces.splice(j, 1);
      // What did not go with the part may go with the whole.
      j = i;
    }
  }
}

/**
 * Cases that may be parts of one hand, the surest first; how sure a source each is; part of each side's members that hold a value which the other side holds as well; and how much of the users of such a value are in some part.
 */
const TIED = { most: 24, deckBits: 2, held: 0.5, theirs: 0.6 } as const;

/**
 * Puts cases together that are each dealt from one deck, and whose accounts share cards, mail or addresses across them that hardly anybody else uses: an operator who deals a pool of its own to each group of
 * workers leaves one case a pool, and what ties the groups is half outside of each. The whole stands the same tests as any cohort, its content compared within each part. It takes the place of its parts where it keeps
 * most of each and is a campaign, or no less sure a question than the surest of them.
 * @param whole judges some cases as one
 */
export function joinTied(cases: Case[], t: Table, learned: Learned, whole: (parts: readonly Case[], looks: number) => Case | null): void {
  const model = learned.models.get(deckSignal.id) as never;
  const parts = cases
    .filter((x) => (x.verdict === 'campaign' || x.verdict === 'undecided') && deckSignal.weigh(x.facts, model).bits >= TIED.deckBits)
    .sort((x, y) => y.confidence - x.confidence)
    .slice(0, TIED.most);
  const partOf = new Map<number, number>();
  parts.forEach((p, i) => {
    for (const a of accountsOf(p)) if (!partOf.has(a)) partOf.set(a, i);
  });
  // Of each value: who holds it in which part.
  const holders = new Map<number, Map<number, number[]>>();
  for (const [a, i] of partOf)
    for (const { v } of t.valuesOf[a] ?? []) {
      const value = t.values[v];
      // Who is paid for together, signed up together, or goes through one panel of addresses.
      if (!value || (FAMILY[value.kind] !== 'identity' && FAMILY[value.kind] !== 'network')) continue;
      const by = holders.get(v) ?? new Map<number, number[]>();
      holders.set(v, by);
      by.set(i, [...(by.get(i) ?? []), a]);
    }
  // Members of a part that hold a value which another part holds as well.
  const common = parts.map(() => parts.map(() => new Set<number>()));
  for (const [v, by] of holders) {
    const inside = [...by.values()].flat();
    if (by.size < 2 || inside.length < TIED.theirs * ((t.values[v]?.accounts.length ?? 0) - silentOf(t, v, inside))) continue;
    for (const i of by.keys())
      for (const [j, theirs] of by) {
        const shared = i === j ? undefined : common[j]?.[i];
        if (shared) for (const a of theirs) shared.add(a);
      }
  }
  const pairs = new Map<number, number[]>();
  const both = (a: number, b: number): boolean => (common[a]?.[b]?.size ?? 0) >= TIED.held * (parts[a]?.members.length ?? 0);
  for (let i = 0; i < parts.length; i++) for (let j = 0; j < i; j++) if (both(i, j) && both(j, i)) pairs.set(pairs.size, [i, j]);
  for (const places of components(pairs)) {
    const group = places.sort((p, q) => p - q).map((i) => parts[i] as Case);
    const sources = new Set(group.flatMap((p) => p.candidate.sources));
    const one = whole(group, sources.size + parts.length);
    if (!one) continue;
    const surest = Math.max(...group.map((p) => p.confidence));
    const named = group.some((p) => p.verdict === 'campaign');
    if (one.verdict !== 'campaign' && (named || one.verdict !== 'undecided' || one.confidence < surest)) continue;
    if (!stands(one, group)) continue;
    const [first, ...others] = group.map((p) => cases.indexOf(p)).sort((p, q) => p - q);
    cases[first as number] = one;
    for (const i of others.reverse()) cases.splice(i, 1);
  }
}
