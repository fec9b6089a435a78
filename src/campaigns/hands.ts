import type { Candidate } from './candidates.ts';
import { type Facts, inStep, theirs, type View } from './facts.ts';
import { type Judged, TOLD_IN_ALL } from './membership.ts';
import { repeatedWithOthers } from './repeats.ts';
import { median, quantile, spread } from './stats.ts';
import { carriedPart, type Table } from './table.ts';

/** Same deck is not same hand: who of those that draw from one source belongs to one hand. */

/** Above this many accounts a cohort is a crowd, and not looked at pair by pair. */
export const CROWD = 1_500;

/**
 * An account that sends what other members send, far more often than they send one another's items, draws from the same source by a hand of its own: beyond the middle by so many
 * robust standard deviations, which are no smaller than `spread`, and by no less than `least` of its items.
 */
const OUTSIDER = { least: 0.08, deviations: 5, spread: 0.015 } as const;

/** @param spared who is no stranger: where a deck goes round a second time, those who are dealt to then send what others sent */
export function withoutOutsiders(
  t: Table,
  scope: View | null,
  members: readonly Judged[],
  spared: (account: number) => boolean = () => false,
): Judged[] {
  if (scope || members.length > CROWD) return [...members];
  const repeated = repeatedWithOthers(members.flatMap((m) => t.profiles.cellsOf(m.account)));
  const rates = [...repeated.values()];
  const limit = Math.max(OUTSIDER.least, median(rates) + OUTSIDER.deviations * Math.max(OUTSIDER.spread, spread(rates)));
  return members.filter((m) => (repeated.get(m.account) ?? 0) <= limit || spared(m.account));
}

/** Whether an account shows one of some values, however often. */
export const holds = (t: Table, values: Iterable<number>): ((account: number) => boolean) => {
  const theirs = new Set(values);
  return (account) => (t.valuesOf[account] ?? []).some(({ v }) => theirs.has(v));
};

/** Whether an account holds a private tie of a cohort's: a value of identity or network, its panel of addresses, or conversations that members pass on. */
export const privatelyTied = (t: Table, { relay, ties }: Facts): ((account: number) => boolean) => {
  const shows = holds(t, [...ties.identity.values, ...ties.network.values]);
  return (account) => shows(account) || ties.network.panel.has(account) || relay.members.has(account);
};

/** An account whose share lies below the middle of the cohort's by this factor, with its whole interval below the second, draws from the pool beside work of its own. */
const SHARE = { estimate: 0.8, upper: 0.9, dedicated: 0.6, far: 0.3, deviations: 5 } as const;

/** Members by a private value of theirs; those of one panel of addresses by that. */
function tiedIn(t: Table, facts: Facts, members: readonly Judged[]): Map<number, number[]> {
  const theirs = new Set([...facts.ties.identity.values, ...facts.ties.network.values]);
  const out = new Map<number, number[]>();
  for (const { account } of members)
    for (const { v } of t.valuesOf[account] ?? []) {
      if (!theirs.has(v)) continue;
      const list = out.get(v);
      if (list) list.push(account);
      else out.set(v, [account]);
    }
  const rotated = members.map((m) => m.account).filter((a) => facts.ties.network.panel.has(a));
  if (rotated.length > 0) out.set(PANEL, rotated);
  return out;
}

/** Stands for all addresses of a panel: no index of a value. */
const PANEL = -1;

/**
 * Accounts that one hand hired for a pool alone draw like parts of their work from it. Who draws a smaller part, and has no private tie, uses the same public sets, or the pool's own sentence, by a hand of their
 * own: same deck is not same hand, and a sentence can be copied. Who draws far less than any of them do (by the spread of their shares, which cover traffic makes wide) is no member whatever
 * they show: a stolen key shows the thief's addresses and sentences, beside its owner's work.
 */
export function ofOneShare(t: Table, facts: Facts, members: readonly Judged[]): Judged[] {
  const middle = median(members.map((m) => m.share));
  // Resellers, and accounts with cover, differ in what part they lend.
  if (!(middle >= SHARE.dedicated)) return [...members];
  const tied = new Set([...tiedIn(t, facts, members).values()].filter((l) => l.length > 1).flat());
  const far = middle - Math.max(SHARE.far, SHARE.deviations * spread(members.map((m) => m.share).filter(Number.isFinite)));
  return members.filter(
    (m) =>
      Number.isNaN(m.share) ||
      m.share >= SHARE.estimate * middle ||
      m.high >= SHARE.upper * middle ||
      (m.high >= far && tied.has(m.account)),
  );
}

/**
 * Who lends less than this part of what the middle member lends (less than the last part where nothing says of nine in ten that they send anything else: whoever has a life of its own beside is none of those), and less than so many robust standard deviations of the logarithm below it, lends by another's hand; and so does a group of fewer than half that lends
 * less than the second part of what everybody else does.
 */
const LENT = { part: 0.75, deviations: 3, gap: 0.5, least: 10, all: 0.99, ofAll: 0.97 } as const;

/**
 * Members of one hand lend it like parts of what they send, whether all of it, two thirds beside cover, or a tenth of what a reseller's customers send. Who lends far less than the others do, even by the upper end of its interval, is an
 * account that the campaign came through: its key is stolen or lent, and whoever owns it is no part of the hand. A private tie is no reason to stay: the thief's address is one.
 */
export function ofOnePart(members: readonly Judged[]): Judged[] {
  // One wording of several is a like part of each member's, too.
  const lent = (m: Judged): { readonly share: number; readonly high: number } => m.said ?? m;
  const logs = members.map((m) => Math.log(lent(m).share)).filter(Number.isFinite);
  if (logs.length < LENT.least) return [...members];
  const shares = members
    .map((m) => lent(m).share)
    .filter((s) => s > 0)
    .sort((x, y) => x - y);
  // All that they send, as far as can be told: an estimate may lie below by chance, and its interval reaches up to all.
  const all = quantile(
    members.map((m) => lent(m).high),
    0.1,
  );
  const part = all >= LENT.all ? LENT.ofAll : LENT.part;
  const spreadOut = Math.exp(median(logs) - Math.max(-Math.log(part), LENT.deviations * spread(logs)));
  const upper = shares.findLast((s, i) => i > 0 && i < 0.5 * shares.length && (shares[i - 1] as number) < LENT.gap * s) ?? 0;
  const least = Math.max(spreadOut, upper);
  return members.filter((m) => !(lent(m).high < least));
}

/** Where this part of a cohort carries one sentence of theirs in all they send, who carries it in less, and sends so many exchanges without it, has work of its own. */
const TOLD = { ...TOLD_IN_ALL, less: 0.95, without: 5 } as const;

/**
 * Where nearly all members are told one thing in all they send, how much of an account is told that is counted, and not estimated: whoever sends anything else beside is an owner whose key is lent or stolen, however much of the account the
 * campaign made. Whoever never carries it is another question (`ofOneBrief`).
 */
export function ofOneTold(t: Table, members: readonly Judged[]): Judged[] {
  const told = toldInAll(t, members);
  if (!told) return [...members];
  return members.filter(({ account }) => {
    const part = told.get(account) ?? 0;
    return part === 0 || part >= TOLD.less || (1 - part) * (t.rows[account]?.n ?? 0) < TOLD.without;
  });
}

/** What part of each member's exchanges carries the sentence of theirs that nearly all carry in all they send; null where there is none. */
export function toldInAll(t: Table, members: readonly Pick<Judged, 'account'>[]): ReadonlyMap<number, number> | null {
  const parts = new Map<number, Map<number, number>>();
  for (const { account } of members)
    for (const { v, count } of t.valuesOf[account] ?? []) {
      if (t.values[v]?.kind !== 'scaffold') continue;
      const by = parts.get(v) ?? new Map<number, number>();
      parts.set(v, by.set(account, carriedPart(t, account, count)));
    }
  const [told, k] = [...parts]
    .map(([v, by]) => [by, [...by.values()].filter((x) => x >= TOLD.all).length, v] as const)
    // A sentence of the world's divides nobody.
    .filter(([, n, v]) => theirs(t.values[v] as Table['values'][number], n, n))
    .sort((x, y) => y[1] - x[1])[0] ?? [null, 0];
  return k >= TOLD.members * members.length ? told : null;
}

/** Where this part of a cohort holds a tie, who holds none is no member; of two kinds of private tie half will do: that one hand gives most of its accounts both and the others neither is hard to believe. */
const HELD = 0.8;
const HELD_BOTH = 0.5;

const NOBODY: ReadonlySet<number> = new Set();

/** The ties that nearly all of a cohort hold. In mixed accounts a sentence is what made them members: it was looked at there. */
function heldBy(facts: Facts, mixed: boolean): ('scaffold' | 'network' | 'identity')[] {
  const held = (['network', 'identity', 'scaffold'] as const).filter(
    (f) => facts.ties[f].tied >= HELD * facts.ties[f].of && facts.ties[f].of > 0,
  );
  const own = held.filter((f) => f !== 'scaffold');
  const both = (['network', 'identity'] as const).filter((f) => facts.ties[f].tied >= HELD_BOTH * facts.ties[f].of && facts.ties[f].of > 0);
  if (own.length === 0 && both.length === 2) return both;
  // Where nearly all hold a private value, the phrases of a public source are no tie beside it.
  return own.length > 0 || mixed ? own : held;
}

/**
 * What nearly all members have in common, a stranger who reads the same sources has not: content cannot tell the two apart. The tie is no reason to be a member (who copies a sentence
 * carries it too); its absence is one not to be.
 */
export function withoutStrangers(
  t: Table,
  facts: Facts,
  members: readonly Judged[],
  { mixed = false, took = NOBODY }: { readonly mixed?: boolean; readonly took?: ReadonlySet<number> } = {},
): Judged[] {
  const by = heldBy(facts, mixed);
  if (by.length === 0) return [...members];
  const show = holds(
    t,
    by.flatMap((f) => facts.ties[f].values),
  );
  const panel = by.includes('network') ? facts.ties.network.panel : new Set<number>();
  return members.filter((m) => show(m.account) || panel.has(m.account) || took.has(m.account));
}

/** Where they hold no tie, the lower bound of a member's share is at least this part of the middle one. */
const SURE = 0.7;

/** With no tie to go by, whoever draws from the pool less surely than the others do is left out. Once: asked again of those that are left, it would wear any cohort away. */
export function surest(facts: Facts, members: readonly Judged[], mixed: boolean): Judged[] {
  if (mixed || heldBy(facts, mixed).length > 0) return [...members];
  const least = SURE * median(members.map((m) => m.low));
  return members.filter((m) => Number.isNaN(m.share) || m.low >= least);
}

/** A group of at least so many accounts that holds private values of its own; one of two works by a clock (correlation) that the other follows by less than this part. */
const CLOCK = { group: 5, keeps: 0.1, errors: 3, follows: 0.25 } as const;

/**
 * Two operators may take the same public sets. Where a group in a cohort found by content holds private values apart from the rest, they share no sentence, and one of the two
 * keeps a clock that the other does not follow, the larger is judged, and the other is a question of its own.
 */
export function ofOneClock(
  t: Table,
  c: Candidate,
  facts: Facts,
  members: readonly Judged[],
): { readonly kept: Judged[]; readonly apart: readonly number[] } {
  if (c.scaffold.length > 0 || members.length > CROWD || !t.beats || facts.ties.scaffold.tied > 0.5 * members.length)
    return { kept: [...members], apart: [] };
  const tied = components(tiedIn(t, facts, members)).filter((g) => g.length >= CLOCK.group);
  if (tied.length === 0) return { kept: [...members], apart: [] };
  const inside = new Set(tied.flat());
  const rest = members.map((m) => m.account).filter((a) => !inside.has(a));
  const groups = [...tied, ...(rest.length >= CLOCK.group ? [rest] : [])].sort((x, y) => y.length - x.length);
  const apart = new Set<number>();
  const [first = []] = groups;
  for (const g of groups.slice(1)) {
    const [own, theirs, both] = [inStep(t, first), inStep(t, g), inStep(t, [...first, ...g])];
    if (!own || !theirs || !both) continue;
    const [k, n] = [own.accounts, theirs.accounts];
    // From the mean over all pairs: what is left for pairs across, when pairs within are taken off.
    const across = (both.together * (k + n) * (k + n - 1) - own.together * k * (k - 1) - theirs.together * n * (n - 1)) / (2 * k * n);
    const most = own.together > theirs.together ? own : theirs;
    if (most.together > CLOCK.keeps + CLOCK.errors * most.se && across < CLOCK.follows * most.together) for (const a of g) apart.add(a);
  }
  return { kept: members.filter((m) => !apart.has(m.account)), apart: [...apart] };
}

/** A group of at least so many, and at most half, that shares private values among itself alone; it and the others keep different paces where so many in ten of the slower stay below as many of the faster, by a factor in the middle. */
const PACE = { group: 5, most: 0.5, part: 0.9, factor: 3 } as const;

/**
 * One hand runs its accounts at one pace, or lets each have its own; neighbours in an office, whom their landlord's card and address tie to one another and to nobody else, work at theirs. Where nothing but content
 * connects a group to the others and their paces do not overlap, the group is a question of its own. What all of them are told in nearly all they send says one hand, whatever their pace.
 */
export function ofOnePace(
  t: Table,
  c: Candidate,
  facts: Facts,
  members: readonly Judged[],
): { readonly kept: Judged[]; readonly apart: readonly number[] } {
  const inside = new Set(members.map((m) => m.account));
  const gone = new Set<number>();
  const pace = (a: number): number => (t.rows[a]?.n ?? 0) / Math.max(1, t.rows[a]?.days ?? 1);
  const slower = (a: readonly number[], b: readonly number[]): boolean =>
    quantile(a, PACE.part) < quantile(b, 1 - PACE.part) && PACE.factor * median(a) < median(b);
  if (!toldAlike(t, c, inside))
    for (const g of components(tiedIn(t, facts, members))) {
      if (g.length < PACE.group || g.length > PACE.most * members.length) continue;
      const own = new Set(g);
      const theirs = g.map(pace);
      const others = members.filter((m) => !own.has(m.account)).map((m) => pace(m.account));
      if (slower(theirs, others) || slower(others, theirs)) for (const a of g) gone.add(a);
    }
  return { kept: members.filter((m) => !gone.has(m.account)), apart: [...gone] };
}

/** Accounts that a chain of shared values connects, the largest group first. */
export function components(by: ReadonlyMap<number, readonly number[]>): number[][] {
  const root = new Map<number, number>();
  const find = (a: number): number => {
    let r = a;
    while (root.get(r) !== undefined && root.get(r) !== r) r = root.get(r) as number;
    return r;
  };
  for (const list of by.values()) for (const a of list) root.set(find(a), find(list[0] as number));
  const out = new Map<number, number[]>();
  for (const a of new Set([...by.values()].flat())) out.set(find(a), [...(out.get(find(a)) ?? []), a]);
  return [...out.values()].sort((x, y) => y.length - x.length || (x[0] as number) - (y[0] as number));
}

/** Accounts of a group that carries another sentence of its own, at least so many, are a question of their own where one sentence holds this part of a cohort. */
const BRIEF = { largest: 0.5, others: 5, carried: 0.3, mostly: 0.8 } as const;

/**
 * Two sets after the same kind of task are alike in content, and may both be dealt from pools like one another. Where most members of a cohort found by content carry one
 * sentence of theirs, a group that carries another, and never that one, is no part of it: same deck is not same hand. Where they carry it in nearly all they send, whoever never does is none either, and a question apart.
 */
export function ofOneBrief(
  t: Table,
  c: Candidate,
  members: readonly Judged[],
): { readonly kept: Judged[]; readonly apart: readonly number[] } {
  const inside = new Set(members.map((m) => m.account));
  if (toldAlike(t, c, inside)) return { kept: [...members], apart: [] };
  const groups = new Map<number, Set<number>>();
  for (const a of inside)
    for (const { v, count } of t.valuesOf[a] ?? []) {
      const value = t.values[v];
      if (value?.kind !== 'scaffold' || carriedPart(t, a, count) < BRIEF.carried) continue;
      // Mostly theirs: a famous prompt divides nobody.
      if (value.accounts.length > 2 * inside.size) continue;
      const g = groups.get(v) ?? new Set();
      groups.set(v, g.add(a));
    }
  // What found them all divides nobody.
  const [[sentence, first] = [-1, null] as const] = [...groups]
    .filter(([v]) => !c.scaffold.includes(v))
    .sort((x, y) => y[1].size - x[1].size);
  if (!first || first.size < BRIEF.largest * inside.size) return { kept: [...members], apart: [] };
  const gone = new Set<number>();
  for (const g of c.scaffold.length > 0 ? [] : groups.values()) {
    if (g.size < BRIEF.others || [...g].some((a) => first.has(a))) continue;
    for (const a of g) gone.add(a);
  }
  const says = holds(t, [sentence]);
  const apart = instructed(t, sentence, first) ? [...inside].filter((a) => !says(a)) : [];
  for (const a of apart) gone.add(a);
  return { kept: members.filter((m) => !gone.has(m.account)), apart };
}

/** Whether those who carry a sentence carry it in nearly all they send: it is how they are told to ask, and no turn of phrase. */
const instructed = (t: Table, sentence: number, carriers: ReadonlySet<number>): boolean =>
  median([...carriers].map((a) => carriedPart(t, a, (t.valuesOf[a] ?? []).find(({ v }) => v === sentence)?.count ?? 0))) >= BRIEF.mostly;

/** Whether what found a cohort is how all of them are told to ask: what some are told besides, or do otherwise, divides nobody then. A phrase or a template in part of what they send may be anybody's. */
const toldAlike = (t: Table, c: Candidate, inside: ReadonlySet<number>): boolean => c.scaffold.some((v) => instructed(t, v, inside));
