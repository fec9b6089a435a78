import { clientSignal } from '../signals/client.ts';
import { formSignal } from '../signals/form.ts';
import { identitySignal } from '../signals/identity.ts';
import { networkSignal } from '../signals/network.ts';
import { pivotSignal } from '../signals/pivot.ts';
import { relaySignal } from '../signals/relay.ts';
import type { Signal } from '../signals/signal.ts';
import { successionSignal } from '../signals/succession.ts';
import { type Facts, human, mostlyPassed, ofOneDomain, ofOneOwner, onePhrase, silentOf } from './facts.ts';
import { privatelyTied } from './hands.ts';
import type { Learned } from './ledger.ts';
import type { Judged } from './membership.ts';
import type { Honest } from './rivals.ts';
import { median } from './stats.ts';
import { DAY, type Table } from './table.ts';

/** What it takes to tell one hand from people, or agents, that share a source of work. */
const QUEUE = {
  requestsEach: 200,
  requestsDay: 10,
  accounts: 50,
  many: 100,
  handBits: 3,
  most: 0.8,
  quietDays: 0.6,
  attendance: 0.75,
  always: 6 / 7,
} as const;

/** Bits of a signal as it fires, not as it counts: an even pace or a week of joining, which tell nothing here, may have outdone it in its family. */
const fired = (learned: Learned, facts: Facts, s: { readonly id: string }): number =>
  Math.max(0, (s as Signal<never>).weigh(facts, learned.models.get(s.id) as never).bits);

const TIES = ['network', 'identity', 'succession'] as const;

/** Whether members pass conversations on, more than honest cohorts do: whoever runs them is one. */
const passesOn = (learned: Learned, facts: Facts): boolean => mostlyPassed(facts) && fired(learned, facts, relaySignal) >= 1;

/** What ties the accounts themselves, in bits: network, identity, and taking over from one another. */
const ownTies = (learned: Learned, facts: Facts): number[] => [
  fired(learned, facts, networkSignal),
  fired(learned, facts, identitySignal),
  Math.max(fired(learned, facts, successionSignal), fired(learned, facts, pivotSignal)),
];

/**
 * Whether ties of their own are enough to set accounts apart from people who share a source. A network is not by itself, of people: neighbours behind a carrier's few gateways, a campus or a village are behind one network, and work off one public queue
 * or question bank. It takes another tie beside it, or accounts that no people are.
 */
const enough = ([network = 0, ...others]: readonly number[], facts: Facts): boolean =>
  (human(facts) ? Math.min(network, QUEUE.handBits - 1) : network) + others.reduce((x, b) => x + b, 0) >= QUEUE.handBits;

/** Whether the accounts themselves are tied, whatever they send. */
export const tiedAccounts = (learned: Learned, facts: Facts): boolean => enough(ownTies(learned, facts), facts);

/** Values of a kind, and the members that show each. */
function sharing(t: Table, members: readonly Judged[], kind: string): [number, number[]][] {
  const by = new Map<number, number[]>();
  for (const { account } of members)
    for (const { v } of t.valuesOf[account] ?? [])
      if (t.values[v]?.kind === kind) {
        const list = by.get(v);
        if (list) list.push(account);
        else by.set(v, [account]);
      }
  return [...by];
}

/** What makes cards an operator's: so many members, of so many cards, of so many members each, between them so much of the cohort, and none of one card so much. */
const CARDS = { accounts: 30, cards: 5, each: 3, covered: 0.8, most: 0.3, strangers: 0.5, declared: 0.2 } as const;

/**
 * Whether card after card pays for these accounts, a handful each. Whoever works off a queue pays alone, or an employer pays for all, with one card or under its name; who changes the card from handful to handful, and names no organisation,
 * pays for all of them and does not say so. Groups of customers of resellers would each have content of their own. Of accounts that keep people's hours it says too little: a start-up may pay its freelancers so.
 */
function cardAfterCard(t: Table, members: readonly Judged[]): boolean {
  if (members.length < CARDS.accounts) return false;
  if (members.filter((m) => t.owner[m.account] !== '').length > CARDS.declared * members.length) return false;
  const cards = sharing(t, members, 'payment').filter(
    ([v, own]) =>
      own.length >= CARDS.each && (t.values[v]?.accounts.length ?? 0) - own.length - silentOf(t, v, own) <= CARDS.strangers * own.length,
  );
  return (
    cards.length >= CARDS.cards &&
    new Set(cards.flatMap(([, own]) => own)).size >= CARDS.covered * members.length &&
    cards.every(([, own]) => own.length <= CARDS.most * members.length)
  );
}

/** What tells one hand from a crowd, as these accounts show it: what decides and what is said of it are the same. */
function pace(t: Table, learned: Learned, members: readonly Judged[], facts: Facts) {
  const { quiet, attendance } = facts.week;
  const sleeps = human(facts);
  // What an account sends besides is not the queue's.
  const sent = members.map((m) => (t.rows[m.account]?.n ?? 0) * (Number.isNaN(m.share) ? 1 : m.share));
  const each = median(sent);
  const daily = median(members.map((m, i) => (sent[i] as number) / Math.max(1, t.rows[m.account]?.days ?? 1)));
  const little = each <= QUEUE.requestsEach || daily <= QUEUE.requestsDay;
  return {
    sleeps,
    each,
    daily,
    little,
    // Who is seldom there but then at all hours is no person; on set days of the week a workplace has shifts.
    quietDays: quiet < QUEUE.quietDays,
    awayOften: attendance < QUEUE.attendance && sleeps,
    // Few null cohorts let no signal say much: what they all show is as much as it can be.
    tool:
      Math.max(fired(learned, facts, clientSignal), fired(learned, facts, formSignal)) >=
      Math.min(QUEUE.handBits, QUEUE.most * Math.log2(learned.nulls.length + 1)),
    // What no people do by hand, because hardly any member sleeps, is judged by how many they are alone.
    needed: little ? QUEUE.many : QUEUE.accounts,
    daysOff: attendance <= QUEUE.always,
  };
}

/**
 * Freelancers of one platform, a call centre, clinicians with one template, translators who share out work, or scripts of one tutorial are dealt from one deck, carry one brief that anybody
 * can copy, use one tool, join in one week, and keep much the same pace. What sets an operator apart is what ties the accounts themselves: network, identity, or taking over from one another.
 * And that it knows no week. People do: where members rest on the same two days, or often and at night, one tie is what one workplace has, and it takes two, or, of accounts that keep no hours of sleep, card after card that pays for a handful each. Where they do not, one tie will do, but a network of accounts that sleep. A common clock
 * is no tie: scripts copied from one place start at the same minutes.
 *
 * Without a tie it takes all of this together: so many requests an account, in all and on a day of work, no tool in common, hardly a day of rest in seven, and so many accounts that no desk,
 * ward, class or ring of friends is as large. Of accounts that hardly ever sleep, which no people are, their number alone counts, whether they pause for days or not: twice as many where they ask for little. Volume and pace alone tell nothing: an independent review built 79 crowds of people and bots who work every day on one source, none of them
 * larger than 45 accounts, and without the bound on their number 38 were named (docs/results.md). In less than a week nobody can tell.
 */
export function oneQueue(t: Table, learned: Learned, members: readonly Judged[], facts: Facts): boolean {
  // Resellers are no people who work off a queue.
  if (facts.resale >= 0.5) return false;
  const ties = ownTies(learned, facts);
  const p = pace(t, learned, members, facts);
  if (p.quietDays || p.awayOften)
    return ties.filter((b) => b >= QUEUE.handBits).length < 2 && !(enough(ties, facts) && !p.sleeps && cardAfterCard(t, members));
  const tied = enough(ties, facts);
  if (tied || Number.isNaN(facts.week.quiet)) return !tied;
  return asQueue(p, members.length);
}

/** Whether so many accounts without a tie, who keep no week, may be a queue all the same: agents of one tutorial know none either. */
const asQueue = (p: ReturnType<typeof pace>, accounts: number): boolean =>
  p.tool || accounts < p.needed || (p.sleeps && (p.little || p.daysOff));

/**
 * Of accounts that ties of their own set apart from a queue, those that hold none are set apart by nothing, unless what they do is no queue's: by their rest, sleep and volume they are asked by themselves, by their number with the others.
 * @returns who stays
 */
export function withoutUntied(
  t: Table,
  learned: Learned,
  members: readonly Judged[],
  facts: Facts,
  factsOf: (accounts: readonly number[]) => Facts,
  took?: ReadonlySet<number>,
): readonly Judged[] {
  if (facts.resale >= 0.5 || !tiedAccounts(learned, facts)) return members;
  const shows = privatelyTied(t, facts);
  const holds = (a: number): boolean => shows(a) || took?.has(a) === true;
  const untied = members.filter((m) => !holds(m.account));
  if (untied.length === 0 || untied.length === members.length) return members;
  const own = factsOf(untied.map((m) => m.account));
  const p = pace(t, learned, untied, own);
  const queue = Number.isNaN(own.week.quiet) || p.quietDays || p.awayOften || asQueue(p, members.length);
  return queue ? members.filter((m) => holds(m.account)) : members;
}

/** Part of the members that one card pays for, or so few cards with so large a part each, from which on whoever runs them does not hide that they are one. */
const ONE_CARD = 0.8;
const FEW_CARDS = { cards: 3, each: 0.2 } as const;

/**
 * One card that pays for nearly all of a cohort, and what to say of it; null where there is none. A vendor with an account for each customer, or a firm with one for each desk, shares a card, a relay and a brief, and says so by
 * its card: that is one hand which hides nothing, and whether it may do what it does is a question to who pays. An employer has two or three, one a site: people who sleep, whom no addresses of their own tie but those of one house. Not so where accounts take over from those that were closed.
 */
export function onePayer(t: Table, learned: Learned, members: readonly Judged[], facts: Facts): string | null {
  if (fired(learned, facts, successionSignal) >= QUEUE.handBits) return null;
  const cards = sharing(t, members, 'payment').sort(([v, x], [w, y]) => y.length - x.length || v - w);
  const [, first = []] = cards[0] ?? [];
  if (first.length >= ONE_CARD * members.length)
    return `payer: one card pays for ${first.length} of ${members.length} of them, so that whoever runs them does not hide that they are one: a vendor with an account for each customer, or a firm with one for each desk, looks the same; ask who pays`;
  const few = cards.slice(0, FEW_CARDS.cards).filter(([, own]) => own.length >= FEW_CARDS.each * members.length);
  const paid = new Set(few.flatMap(([, own]) => own)).size;
  const scattered = fired(learned, facts, networkSignal) >= QUEUE.handBits && onOneNetwork(t, members) < ONE_NETWORK;
  return paid >= ONE_CARD * members.length && human(facts) && facts.sleepless.n > 0 && !scattered
    ? `payer: ${few.length} cards pay for ${paid} of ${members.length} of them, who work by day: an employer with a card for each site looks the same; ask who pays`
    : null;
}

/** Part of the members behind the network that most of them show. */
const onOneNetwork = (t: Table, members: readonly Judged[]): number =>
  Math.max(0, ...sharing(t, members, 'network').map(([, own]) => own.length)) / Math.max(1, members.length);

/** Part of the members that show one network, from which on they may be one house. */
const ONE_NETWORK = 0.8;

/**
 * People behind one network, under one organisation or mail domain of their own, who sleep: teachers who grade with one rubric, a ward, an office. They are one hand which hides nothing, whatever its accounts are called in a contract,
 * and what they do is a question to the house. Null where they are none: machines that work day and night in one place, or accounts that take over from those that were closed, are no people of a house.
 */
export function oneHouse(t: Table, learned: Learned, members: readonly Judged[], facts: Facts): string | null {
  if (!human(facts) || facts.sleepless.n === 0 || fired(learned, facts, successionSignal) >= QUEUE.handBits) return null;
  const owned = ofOneOwner(facts);
  if (!owned && !ofOneDomain(facts)) return null;
  const behind = onOneNetwork(t, members);
  return behind >= ONE_NETWORK
    ? `house: ${Math.round(behind * members.length)} of ${members.length} of them work behind one network, by day, under one ${owned ? 'organisation' : 'mail domain'} of their own: whoever they are, they do not hide that they are one; a school that grades with one rubric, or an office, looks the same; ask the house`
    : null;
}

/**
 * Cohorts that cards and addresses put together are what a firm looks like whose teams each work off a queue of their own: annotators, test writers, translators, or freelancers whom a start-up pays. It has cards, a network and a task
 * for each team as well, and need not have said who it is. What sets an operator apart is what no people do: accounts that hardly ever sleep, that take over from those that were closed, or that move to a new model within the day. Null where they do,
 * and of a cohort of one pool.
 */
export function oneFirm(learned: Learned, facts: Facts): string | null {
  if (
    facts.pools < 2 ||
    !human(facts) ||
    Math.max(fired(learned, facts, successionSignal), fired(learned, facts, pivotSignal)) >= QUEUE.handBits
  )
    return null;
  return `teams: they draw on ${facts.pools} pools and are tied across them, by day: a firm whose teams each work off a queue of their own, on its cards and behind its network, looks the same, and so do freelancers whom one start-up pays. What no people do would decide: hours without sleep, accounts that take over from closed ones, a move to a new model within the day. Ask who pays`;
}

/** Part of the members that a common sentence must reach to be one asker's, and that may follow nothing up where users do. */
const ASKER = { sentence: 0.5, single: 0.5 } as const;

/**
 * Whether what a pool of accounts asks may be its users'. One hand runs an app's, a gateway's or a reseller's accounts too: they are dealt from one deck, which is whatever its users ask next, they never sleep where those live everywhere, and nothing says who they are.
 * They go on with what they are answered, what they ask is a mixture of what honest communities ask, as near to one as half of those are to the others, and no instruction and no turn of phrase goes through it. A data set is mostly a kind of its own, and is asked item by item. Null where it is none.
 */
export function anybodys(learned: Learned, facts: Facts, honest: Honest): string | null {
  const { scaffold } = facts.ties;
  const passed = passesOn(learned, facts);
  const followed = facts.singleUse.k <= ASKER.single * facts.singleUse.n;
  if (facts.pooled === null || !(followed || passed) || scaffold.tied >= ASKER.sentence * scaffold.of || onePhrase(facts)) return null;
  const apart = honest.span.apart(facts.pooled);
  // Where too few honest communities are known nobody can tell.
  if (apart > honest.span.typical()) return null;
  return `customers: what they ask is ${Number.isNaN(apart) ? 'held against too few honest communities' : `a mixture of what honest communities here ask (${apart.toFixed(2)} from the nearest one; half of those are further than ${honest.span.typical().toFixed(2)} from the others)`}, ${followed ? 'answers are followed up, and ' : ''}no instruction or turn of phrase goes through it all: an app, a gateway or a reseller that spreads its users over a pool of accounts looks the same${passed ? `, and ${facts.relay.k} of them carry on one another's conversations as such a pool does` : ''}. Ask whoever runs them whose requests these are`;
}

/**
 * What would decide, where they cannot be told apart, and which of it is not there. Conversations that pass from account to account say who runs the accounts and not who asks: a pool of accounts behind one gateway serves whoever pays for it, so that they are no tie here.
 */
export function queueLacks(t: Table, learned: Learned, members: readonly Judged[], facts: Facts): string {
  if (passesOn(learned, facts))
    return `customers: ${facts.relay.k} of ${members.length} carry on one another's conversations, so that whoever runs these accounts is one, and no people on a queue are; but an app, a company's gateway or a reseller that takes another account of a pool with each request looks the same, and then what is asked is its users' own. A tie of identity or succession would decide; ask whoever runs them whose requests these are`;
  const { quiet, attendance } = facts.week;
  const p = pace(t, learned, members, facts);
  const rests = p.quietDays || p.awayOften;
  const pc = (x: number): string => `${Math.round(100 * x)} %`;
  const days = (t.to - t.from) / DAY;
  // Of accounts that sleep so many do not make up for little.
  const needed = p.sleeps ? QUEUE.accounts : p.needed;
  const unrested = [
    ...(members.length < needed ? [`they are ${members.length}, ${needed - members.length} fewer than it takes`] : []),
    ...(p.sleeps && p.little
      ? [
          `they send ${Math.round(p.each)} requests each, ${Math.round(p.daily)} a day of work${p.each <= QUEUE.requestsEach ? ` (${QUEUE.requestsEach + 1 - Math.round(p.each)} more each would be enough in all)` : ''}`,
        ]
      : []),
    ...(p.sleeps && !p.little && p.daysOff ? [`they are active on ${pc(attendance)} of days`] : []),
  ];
  const short = [
    ...(Number.isNaN(quiet)
      ? [`they are seen at work for less than a week (the log covers ${days.toFixed(1)} days), and in that nobody can tell`]
      : []),
    ...(p.quietDays ? [`they rest: on the two quietest days of the week they do ${pc(quiet)} of what they do on others`] : []),
    ...(p.awayOften ? [`they rest: they are active on ${pc(attendance)} of days`] : []),
    ...(p.tool ? ['they share a tool, or one form of request'] : []),
    ...(rests ? [] : unrested),
  ];
  const held = ownTies(learned, facts);
  const there = TIES.filter((_, i) => (held[i] ?? 0) >= QUEUE.handBits);
  // What there is of ties, where it is not enough: a reader who finds them in the ledger asks why they do not decide.
  const some = TIES.flatMap((name, i) =>
    (held[i] ?? 0) >= 0.5 && !there.includes(name)
      ? [`${name === 'succession' ? 'succession or pivot' : name} ${(held[i] ?? 0).toFixed(1)} bits`]
      : [],
  );
  const less =
    some.length > 0
      ? ` There is ${some.join(' and ')}, and a tie is ${QUEUE.handBits}${p.sleeps && (held[0] ?? 0) > 0 ? `, to which a network that people share adds ${QUEUE.handBits - 1} at most` : ''}.`
      : '';
  const untied = p.sleeps
    ? `${QUEUE.accounts} accounts or more that share no tool, hardly rest on a day in seven, and send more than ${QUEUE.requestsEach} requests each, ${QUEUE.requestsDay} a day`
    : `${QUEUE.accounts} accounts or more that share no tool and send more than ${QUEUE.requestsEach} requests each, ${QUEUE.requestsDay} a day, since hardly any of these ever sleeps, or ${QUEUE.many} that send fewer`;
  return `hands: people who take tasks from one queue, a team with one template, or scripts of one tutorial, send the same content and copy the same instruction at much the same pace. What keeps these from being told apart: ${short.join('; ') || 'no tie of their own'}. A tie of identity, network or succession (${there.length > 0 ? `${there.join(' and ')} is there; it takes ` : ''}${rests ? `two, because they rest${p.sleeps ? '' : ', or cards that pay for a handful each'}` : p.sleeps ? 'one, or a network and a little of another, since neighbours who sleep share one' : 'one'}) would decide.${less} ${rests ? 'Nothing but such a tie would: only accounts that do not rest so can be told apart without one' : `Without one it takes ${untied}`}`;
}
