import type { Candidate } from './candidates.ts';
import { type Facts, factsOf, type View } from './facts.ts';
import { toldInAll } from './hands.ts';
import { type Case, carried, RANK, settle } from './settle.ts';
import type { Bench } from './sharing.ts';
import { median } from './stats.ts';

/** Two views of one cohort: the part of its traffic that carries its sentence, and all of it. */

/** How much more of their traffic the whole of some accounts must give to a pool than the part that carries a sentence. */
const MORE = 1.5;

/**
 * A cohort found by a sentence that stands in a part of its traffic, and by all of its content too, is two hypotheses: that part of accounts with work of their own, or the accounts
 * as a whole, of whose pool the sentence is a phrase. Both are looked at, and pay for it; what explains the part stands, and otherwise what more speaks for.
 */
export function settleBoth(x: Bench, found: { readonly c: Candidate; readonly f: Facts }, scope: View | null): Case {
  if (!scope || !found.c.sources.includes('kindred')) return settle(x, found, scope);
  const c: Candidate = { ...found.c, looks: found.c.sources.length + 1 };
  const part = settle(x, { c, f: found.f }, scope);
  if (part.verdict === 'look-alike' || part.verdict === 'other kind') return part;
  const whole = settle(x, { c, f: factsOf(x.t, c.accounts, x.k.mu) }, null, true);
  const told = part.verdict === 'campaign' ? toldInAll(x.t, part.members) : null;
  if (told) return RANK[whole.verdict] === RANK[part.verdict] ? whole : inAll(part, told);
  const ahead = RANK[whole.verdict] - RANK[part.verdict] || surer(whole, part) || larger(whole, part);
  if (ahead !== 0) return ahead > 0 ? whole : part;
  // Judged alike, and much more of what they send comes from the pool than carries the sentence: it is one wording of several, and the whole is what they take.
  const lent = (one: Case): number => median(one.members.map((m) => m.share).filter(Number.isFinite));
  const said = median(part.members.map((m) => carried(x.t, c)(m.account)));
  // What customers of a reseller send is part of its whole, and of nobody's campaign.
  return part.facts.resale < 0.5 && Math.max(lent(whole), lent(part)) > MORE * said ? whole : part;
}

/** A cohort that was judged by a phrase in a part of what its members send, and is told another thing in all of it: they have no work of their own beside, and all of it is what was taken. */
const inAll = (part: Case, told: ReadonlyMap<number, number>): Case => ({
  ...part,
  view: null,
  members: part.members.map((m) => {
    const share = Math.min(1, told.get(m.account) ?? m.share);
    return { ...m, share, low: share, high: 1 };
  }),
});

/** How much surer one of two open questions is than the other, where that is worth saying: a member or two more make up for nothing. */
function surer(a: Case, b: Case): number {
  const more = a.confidence - b.confidence;
  return a.verdict === 'undecided' && Math.abs(more) > SURER ? more : 0;
}

const SURER = 0.1;

/** How many more members one of two views of a cohort has, where that is worth saying: for one account more a view that takes all its members send for the campaign's would stand, which they send beside. */
function larger(a: Case, b: Case): number {
  const more = a.members.length - b.members.length;
  return Math.abs(more) > LARGER * Math.max(a.members.length, b.members.length) ? more : 0;
}

const LARGER = 0.05;
