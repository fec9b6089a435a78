import type { Kind } from '../model/dossier.ts';
import type { Signal } from '../signals/signal.ts';
import { successionSignal } from '../signals/succession.ts';
import type { Candidate } from './candidates.ts';
import { decide, lacking, nothingTaken, type Verdict } from './decide.ts';
import { type Facts, factsOf, sampled, type View } from './facts.ts';
import {
  CROWD,
  ofOneBrief,
  ofOneClock,
  ofOnePace,
  ofOnePart,
  ofOneShare,
  ofOneTold,
  privatelyTied,
  surest,
  withoutOutsiders,
  withoutStrangers,
} from './hands.ts';
import { kindsLeft } from './kinds.ts';
import { type Ledger, ledger } from './ledger.ts';
import type { Judged } from './membership.ts';
import { anybodys, oneFirm, oneHouse, onePayer, oneQueue, queueLacks, withoutUntied } from './queue.ts';
import { dealtTo } from './repeats.ts';
import { ONE_TASK, type Rival, rivals, TASK, unexplained } from './rivals.ts';
import { around, type Bench, share } from './sharing.ts';
import { endsOf, gaveWay, tookOver } from './succession.ts';
import { carriedPart, type Table } from './table.ts';

/** One cohort, judged. */
export interface Case {
  readonly candidate: Candidate;
  readonly facts: Facts;
  /** The part of its traffic that it was judged on; null where that is all of it. */
  readonly view: View | null;
  readonly ledger: Ledger;
  readonly rivals: readonly Rival[];
  readonly members: readonly Judged[];
  readonly verdict: Verdict;
  readonly kind: Kind;
  readonly missing: readonly string[];
  readonly confidence: number;
  /** Accounts left out as another hand's, to be judged by themselves. */
  readonly apart: readonly number[];
  /** Accounts that draw on the pool beside work of their own, or whom nothing ties to the others: their key may be lent or stolen, or they use the same source. Nobody names them. */
  readonly beside: readonly Judged[];
  /** Something other than its bits keeps it from being named: an explanation, a rule on queues or small tasks, too few members. */
  readonly barred: boolean;
}

const LIMITS = {
  /** Above this many accounts a cohort's neighbours are not looked at, and members are told on a sample first. */
  crowd: CROWD,
  probe: 400,
  membersMin: 5,
  worthBits: -7,
  /** Part of what an account sends that carries the cohort's sentence, from which on it is told to ask as the others are. */
  instructed: 0.8,
} as const;

/** Accounts of a cohort that stand the test of membership, with the cohort's figures over them. */
interface Settled {
  readonly accounts: readonly number[];
  readonly members: readonly Judged[];
  readonly facts: Facts;
  /** Hardly anyone is a member. */
  readonly few: boolean;
  /** Accounts of another hand on the same source: a question of their own. */
  readonly apart: readonly number[];
  readonly beside: readonly Judged[];
  readonly view: View | null;
}

/** Which of two answers says more. */
export const RANK: Readonly<Record<Verdict, number>> = { campaign: 4, undecided: 3, 'other kind': 2, 'look-alike': 1, nothing: 0 };

/** Shares out members and decides: who belongs, what it is, and what would decide where nothing does. */
export function settle(
  x: Bench,
  { c, f: before }: { readonly c: Candidate; readonly f: Facts },
  scope: View | null,
  mixed = scope !== null,
): Case {
  const { t, k } = x;
  let accounts: readonly number[] = c.accounts.filter((a) => !x.taken.has(a));
  // A grant of the provider's, or a person's word, clears an account: it may be part of what a case is about, never of who is named. Where most hold one, that explains the cohort.
  const free = accounts.filter((a) => !granted(t, a));
  if (free.length >= LIMITS.membersMin && free.length > 0.5 * accounts.length) accounts = free;
  const whole: Settled = {
    accounts,
    members: accounts.map((account) => ({ account, membership: 0.5, share: Number.NaN, low: 0, high: 1 })),
    facts: accounts.length === c.accounts.length ? before : factsOf(t, accounts, k.mu, narrowed(scope, accounts)),
    few: false,
    apart: [],
    beside: [],
    view: scope,
  };
  const asFound = weighed(x, c, whole);
  const half = 0.5 * accounts.length;
  const { deck, ties } = whole.facts;
  // Only cohorts that something speaks for, and that are not plainly heterogeneous, are worth the work of sharing out members. Carriers of a sentence in part of
  // their traffic always are: strangers who copied it make the whole look heterogeneous.
  const worth =
    t.hasText &&
    (mixed ||
      (asFound.ledger.coordinationBits > LIMITS.worthBits &&
        ((deck?.rho ?? 1) < x.honest.rhoMedian || ties.scaffold.tied > half || ties.network.tied > half)));
  if (!worth) return asFound;
  if (accounts.length > LIMITS.crowd) {
    // A crowd of which a sample is no campaign is not judged one by one.
    const probe = sampled(accounts, LIMITS.probe);
    const tried = ofOneHand(
      x,
      c,
      winnowed(x, c, scope, { ...whole, accounts: probe, facts: factsOf(t, probe, k.mu, narrowed(scope, probe)) }),
    );
    if (tried.verdict !== 'campaign') return asFound;
  }
  return ofOneHand(x, c, winnowed(x, c, scope, whole));
}

/** Ties of two hands are in a cohort where two hands are, and each speaks for the whole. Of what would be named, whom most are told apart from by what they are told, or by their own ties and pace, is asked about by themselves. */
function ofOneHand(x: Bench, c: Candidate, all: Settled): Case {
  const one = apartFromQueues(x, c, all);
  if (one.verdict !== 'campaign' || all.view) return one;
  const briefed = ofOneBrief(x.t, c, one.members);
  const { kept, apart } = ofOnePace(x.t, c, one.facts, briefed.kept);
  if (kept.length === one.members.length || kept.length < LIMITS.membersMin) return one;
  const accounts = kept.map((j) => j.account);
  return weighed(x, c, {
    ...all,
    members: kept,
    accounts,
    facts: inRounds(one.facts, factsOf(x.t, accounts, x.k.mu)),
    apart: [...one.apart, ...briefed.apart, ...apart],
    beside: one.beside,
  });
}

/**
 * Of accounts that ties set apart from people on one queue, those that hold none are not named with the others, and are shown beside them. Where those that are tied do not come to a campaign by themselves, it is one question about all of them.
 */
function apartFromQueues(x: Bench, c: Candidate, all: Settled): Case {
  const members =
    all.view || all.few
      ? all.members
      : withoutUntied(
          x.t,
          x.learned,
          all.members,
          all.facts,
          (some) => factsOf(x.t, some, x.k.mu),
          new Set([...(c.took ?? successors(x, all.facts)), ...fellows(x, all.facts)]),
        );
  if (members.length < LIMITS.membersMin || members.length === all.members.length) return weighed(x, c, all);
  const stays = new Set(members);
  const accounts = members.map((j) => j.account);
  const tied = weighed(x, c, {
    ...all,
    members,
    accounts,
    facts: inRounds(all.facts, factsOf(x.t, accounts, x.k.mu)),
    beside: [...all.beside, ...all.members.filter((j) => !stays.has(j) && j.low > 0)],
  });
  if (tied.verdict === 'campaign') return tied;
  const whole = weighed(x, c, all);
  if (RANK[tied.verdict] > RANK[whole.verdict]) return tied;
  if (whole.verdict !== 'campaign') return whole;
  return {
    ...whole,
    verdict: 'undecided',
    kind: 'one source, hands unresolved',
    barred: true,
    missing: [
      `ties: ${members.length} of ${all.members.length} hold a tie that sets them apart from people on one queue, and what they show by themselves is not enough; nothing ties the others`,
      queueLacks(x.t, x.learned, all.members, all.facts),
      ...lacking(whole.facts, whole.ledger, x.honest, x.confidenceMin),
    ],
  };
}

/** Accounts that are dealt their items in the rounds of a cohort's deck: who deals to those that ties set apart deals to these, and knows of all of them. */
function fellows(x: Bench, f: Facts): ReadonlySet<number> {
  return f.rounds
    ? dealtTo(
        sampled(f.accounts).flatMap((a) => x.t.profiles.cellsOf(a)),
        f.rounds,
      )
    : new Set();
}

/** Figures of the most of a cohort: what shows that items are dealt in rounds is how often they stand in all of it. Without some of its accounts each stands in fewer, by chance, and nothing is to be seen. */
const inRounds = (whole: Facts, some: Facts): Facts =>
  some.rounds || !whole.rounds || some.accounts.length < MOST * whole.accounts.length ? some : { ...some, rounds: whole.rounds };
const MOST = 0.5;

/** Bits from which on it is no chance that accounts begin when others end. */
const TAKEN_OVER = 3;

/** Accounts of a cohort that began within the hour after another one was closed, and those that were closed then, where that is no chance: it ties them to one another, whatever addresses they have. */
function successors(x: Bench, f: Facts): ReadonlySet<number> {
  const s = successionSignal as Signal<never>;
  const by = f.succession.recorded || f.signUps.recorded;
  if (!by || s.weigh(f, x.learned.models.get(s.id) as never).bits < TAKEN_OVER) return new Set();
  return new Set([...tookOver(x.t, endsOf(x.t, f.accounts), f.accounts, 1), ...gaveWay(x.t, f.accounts, f.accounts, 1)]);
}

/** Leaves out who is no member, and again with the others' pool, until nobody goes. */
function winnowed(x: Bench, c: Candidate, scope: View | null, from: Settled): Settled {
  let { accounts, members, facts } = from;
  const carries = carried(x.t, c);
  const apart: number[] = [];
  const beside = new Map<number, Judged>();
  // Who is left out is no reference for those that stay: it may be of the same hand.
  const kin = around(x, accounts);
  const took = c.took ?? successors(x, facts);
  for (let round = 0; round < (accounts.length > LIMITS.crowd ? 2 : 4); round++) {
    const judged = share(x, accounts, kin, scope, carries, facts);
    const those = judged.filter((j) => j.membership >= 0.5 && !granted(x.t, j.account));
    const whole = ofOneTold(x.t, ofOnePart(scope ? those : ofOneShare(x.t, facts, those)));
    const stays = new Set(whole);
    for (const j of those) if (!stays.has(j) && j.low > 0) beside.set(j.account, j);
    // A published template over a published set makes nobody one of them: it takes a tie of their own besides.
    const shown = privatelyTied(x.t, facts);
    const alike = withoutStrangers(x.t, facts, whole, { mixed: scope !== null, took });
    const briefed = ofOneBrief(
      x.t,
      c,
      withoutOutsiders(x.t, scope, alike, (a) => carries(a) >= LIMITS.instructed && shown(a)),
    );
    const clocked = ofOneClock(x.t, c, facts, briefed.kept);
    const kept = clocked.kept;
    apart.push(...briefed.apart, ...clocked.apart);
    if (kept.length < LIMITS.membersMin) return { accounts, members, facts, few: true, apart, beside: [], view: scope };
    const same = kept.length === accounts.length;
    members = kept;
    accounts = kept.map((j) => j.account);
    facts = inRounds(from.facts, factsOf(x.t, accounts, x.k.mu, narrowed(scope, accounts)));
    if (same) break;
  }
  const only = (some: readonly Judged[]): void => {
    if (some.length < LIMITS.membersMin || some.length === members.length) return;
    members = some;
    accounts = some.map((j) => j.account);
    facts = inRounds(from.facts, factsOf(x.t, accounts, x.k.mu, narrowed(scope, accounts)));
  };
  only(surest(facts, members, scope !== null));
  for (const a of accounts) beside.delete(a);
  return { accounts, members, facts, few: false, apart, beside: [...beside.values()], view: scope };
}

function weighed(x: Bench, c: Candidate, { members, facts, few, apart, beside, view }: Settled): Case {
  const tried = rivals(facts, c, x.t, x.honest, x.without);
  const against = [
    ...tried.filter((r) => r.bits !== 0).map((r) => ({ axis: r.axis, bits: r.bits, reason: r.reason, id: `rival:${r.id}` })),
    { axis: 'extraction' as const, ...kindsLeft(facts, x.honest, x.t), id: 'other-kinds' },
  ];
  const book = ledger(facts, x.learned, c.sources, against, c.looks);
  const confidence = book.coordination * book.extraction;
  const fits = tried.filter((r) => r.fits && r.id !== ONE_TASK);
  const task = tried.find((r) => r.fits && r.id === ONE_TASK);
  const decided = decide(book, facts, x.honest, fits, confidence, x.confidenceMin);
  // A cohort in which hardly anyone is a member names nobody.
  const unmembered = decided.verdict === 'campaign' && (few || members.some((m) => granted(x.t, m.account)));
  // One task done by many hands looks like a small campaign: until more is taken nobody is named.
  const small = decided.verdict === 'campaign' && task !== undefined;
  const queued = oneQueue(x.t, x.learned, members, facts);
  const queue = decided.verdict === 'campaign' && !small && queued;
  const open =
    decided.verdict === 'campaign'
      ? (onePayer(x.t, x.learned, members, facts) ??
        oneHouse(x.t, x.learned, members, facts) ??
        oneFirm(x.learned, facts) ??
        anybodys(x.learned, facts, x.honest) ??
        nothingTaken(book))
      : null;
  const verdict = unmembered || small || queue || open ? 'undecided' : decided.verdict;
  const kind = queue ? 'one source, hands unresolved' : unmembered || small || open ? 'purpose unclear' : decided.kind;
  const missing =
    verdict === 'undecided'
      ? [
          ...(unmembered
            ? [
                `membership: when those are left out who hold a grant, or do not share the tie, the clock or the brief of the others, fewer than ${LIMITS.membersMin} accounts are left: who belongs cannot be told`,
              ]
            : []),
          ...(small
            ? [
                `volume: ${task.reason}; more than ${TASK.requestsEach} requests an account, or a million output tokens, would set them apart from such a task`,
                // What is asked next: who is told that a hundred would do comes back with a hundred.
                ...(queued ? [queueLacks(x.t, x.learned, members, facts)] : []),
              ]
            : []),
          ...(open ? [open] : []),
          ...(queue ? [queueLacks(x.t, x.learned, members, facts)] : []),
          ...(decided.verdict === 'undecided' && fits[0]
            ? [
                fits[0].id === 'reseller'
                  ? `use: ${fits[0].reason}; an app whose users sit behind these accounts would show it, and so would accounts that chat besides what they are for. None of them says that it resells: ask whoever runs them`
                  : `subjects: ${fits[0].reason}; that would clear unrelated accounts, and does not explain what ties these by identity or network: a person's look`,
              ]
            : []),
          ...lacking(facts, book, x.honest, x.confidenceMin),
        ]
      : [];
  // What clears the others says nothing of them: they are a question of their own.
  const unlike = new Set(verdict === 'look-alike' && fits[0] ? unexplained(fits[0].id, x.t, facts) : []);
  return {
    candidate: c,
    facts,
    view,
    ledger: book,
    rivals: tried,
    members: unlike.size > 0 ? members.filter((m) => !unlike.has(m.account)) : members,
    verdict,
    kind,
    missing,
    confidence,
    apart: [...apart, ...unlike],
    beside,
    barred: few || task !== undefined || queued || open !== null || fits.length > 0,
  };
}

/** Cells of one part in strata of their own: items are compared within a part only. */
const STRATA = 1 << 16;

/**
 * Cases that one hand may have dealt a deck each, judged as one: who is a member was told in each of them, content is compared within each, and everything else is asked of all their accounts.
 * @param looks in how many ways such a whole was looked for
 * @returns null where hardly any of them is tied to the others
 */
export function asOne(x: Bench, parts: readonly Case[], looks: number): Case | null {
  const all = [...new Map(parts.flatMap((p) => p.members).map((m) => [m.account, m])).values()];
  const whole = factsOf(
    x.t,
    all.map((m) => m.account),
    x.k.mu,
  );
  // What ties the parts is what makes them one: who has none of it is in a part for what it sends alone.
  const tied = privatelyTied(x.t, whole);
  const members = new Map(all.filter((m) => tied(m.account)).map((m) => [m.account, m]));
  const accounts = [...members.keys()].sort((p, q) => p - q);
  if (accounts.length < LIMITS.membersMin) return null;
  const first = new Map<number, number>();
  parts.forEach((p, i) => {
    for (const { account } of p.members) if (members.has(account) && !first.has(account)) first.set(account, i);
  });
  const cells = parts.flatMap((p, i) => {
    const own = (a: number): boolean => first.get(a) === i;
    const of = p.view
      ? p.view.cells.filter((c) => own(c.account))
      : sampled(p.members.map((m) => m.account).filter(own)).flatMap((a) => x.t.profiles.cellsOf(a));
    const before = parts.slice(0, i).reduce((n, q) => n + q.facts.pools, 0);
    return of.map((c) => ({ ...c, stratum: c.stratum + before * STRATA }));
  });
  const rows = new Map(parts.flatMap((p, i) => [...(p.view?.rows ?? [])].filter(([a]) => first.get(a) === i)));
  const candidate: Candidate = {
    accounts,
    sources: [...new Set(parts.flatMap((p) => p.candidate.sources))],
    scaffold: [...new Set(parts.flatMap((p) => p.candidate.scaffold))],
    looks,
  };
  return weighed(x, candidate, {
    accounts,
    members: accounts.map((a) => members.get(a) as Judged),
    // Pools of several subjects are as mixed as the population when they are put in one heap, which no account does.
    facts: {
      ...factsOf(x.t, accounts, x.k.mu, { cells, rows }),
      pools: parts.reduce((n, p) => n + p.facts.pools, 0),
      distance: Math.min(...parts.map((p) => p.facts.distance)),
    },
    few: false,
    apart: [...new Set(parts.flatMap((p) => p.apart))],
    beside: [...new Map(parts.flatMap((p) => p.beside).map((m) => [m.account, m])).values()].filter((m) => !members.has(m.account)),
    view: { cells, rows },
  });
}

const granted = (t: Table, a: number): boolean => {
  const labels = t.records[a]?.labels ?? [];
  return labels.includes('approved:synthetic-data') || labels.includes('cleared');
};

function narrowed(scope: View | null, accounts: readonly number[]): View | undefined {
  if (!scope) return undefined;
  const set = new Set(accounts);
  return { rows: scope.rows, cells: scope.cells.filter((x) => set.has(x.account)) };
}

/** Part of what an account does that carries one of the candidate's sentences. */
export function carried(t: Table, c: Candidate): (a: number) => number {
  const set = new Set(c.scaffold);
  return (a) => {
    let best = 0;
    for (const { v, count } of t.valuesOf[a] ?? []) if (set.has(v)) best = Math.max(best, carriedPart(t, a, count));
    return best;
  };
}
