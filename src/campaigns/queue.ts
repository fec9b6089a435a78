import { clientSignal } from '../signals/client.ts';
import { formSignal } from '../signals/form.ts';
import { identitySignal } from '../signals/identity.ts';
import { networkSignal } from '../signals/network.ts';
import { pivotSignal } from '../signals/pivot.ts';
import type { Signal } from '../signals/signal.ts';
import { successionSignal } from '../signals/succession.ts';
import { type Facts, human } from './facts.ts';
import type { Learned } from './ledger.ts';
import type { Judged } from './membership.ts';
import { median } from './stats.ts';
import type { Table } from './table.ts';

/** What it takes to tell one hand from people, or agents, that share a source of work. */
const QUEUE = {
  requestsEach: 200,
  requestsDay: 10,
  accounts: 50,
  many: 100,
  handBits: 3,
  quietDays: 0.6,
  attendance: 0.75,
  always: 6 / 7,
} as const;

/**
 * Freelancers of one platform, a call centre, clinicians with one template, translators who share out work, or scripts of one tutorial are dealt from one deck, carry one brief that anybody
 * can copy, use one tool, join in one week, and keep much the same pace. What sets an operator apart is what ties the accounts themselves: network, identity, or taking over from one another.
 * And that it knows no week. People do: where members rest on the same two days, or often and at night, one tie is what one workplace has, and it takes two. Where they do not, one tie will do. A common clock
 * is no tie: scripts copied from one place start at the same minutes.
 *
 * Without a tie it takes all of this together: so many requests an account, in all and on a day of work, no tool in common, hardly a day of rest in seven, and so many accounts that no desk,
 * ward, class or ring of friends is as large. Of accounts that hardly ever sleep, which no people are, their number alone counts, whether they pause for days or not: twice as many where they ask for little. Volume and pace alone tell nothing: an independent review built 79 crowds of people and bots who work every day on one source, none of them
 * larger than 45 accounts, and without the bound on their number 38 were named (docs/results.md). In less than a week nobody can tell.
 */
export function oneQueue(t: Table, learned: Learned, members: readonly Judged[], facts: Facts): boolean {
  // Resellers are no people who work off a queue.
  if (facts.resale >= 0.5) return false;
  // As they fire, not as they count: an even pace or a week of joining, which tell nothing here, may have outdone them in their family.
  const of = (s: { readonly id: string }): number => Math.max(0, (s as Signal<never>).weigh(facts, learned.models.get(s.id) as never).bits);
  const ties = [of(networkSignal), of(identitySignal), Math.max(of(successionSignal), of(pivotSignal))];
  const { quiet, attendance } = facts.week;
  // Who is seldom there but then at all hours is no person; on set days of the week a workplace has shifts.
  if (quiet < QUEUE.quietDays || (attendance < QUEUE.attendance && human(facts))) return ties.filter((b) => b >= QUEUE.handBits).length < 2;
  const tied = ties.reduce((sum, b) => sum + b, 0) >= QUEUE.handBits;
  if (tied || Number.isNaN(quiet)) return !tied;
  // Agents of one tutorial know no week either.
  if (Math.max(of(clientSignal), of(formSignal)) >= QUEUE.handBits) return true;
  // What an account sends besides is not the queue's.
  const each = members.map((m) => (t.rows[m.account]?.n ?? 0) * (Number.isNaN(m.share) ? 1 : m.share));
  const daily = members.map((m, i) => (each[i] as number) / Math.max(1, t.rows[m.account]?.days ?? 1));
  // What no people do by hand, because hardly any member sleeps, is judged by how many they are alone.
  const little = median(each) <= QUEUE.requestsEach || median(daily) <= QUEUE.requestsDay;
  const many = members.length >= (little ? QUEUE.many : QUEUE.accounts);
  return !many || (human(facts) && (little || attendance <= QUEUE.always));
}

/** What would decide, where they cannot be told apart. */
export function queueLacks(facts: Facts): string {
  const { week } = facts;
  const seen = Number.isNaN(week.quiet)
    ? '; in less than a week they cannot be told apart'
    : week.quiet < QUEUE.quietDays
      ? `, and rest as these do (on the two quietest days of the week they do ${Math.round(100 * week.quiet)} % of what they do on others)`
      : week.attendance < QUEUE.attendance && human(facts)
        ? `, and rest as these do (active on ${Math.round(100 * week.attendance)} % of days)`
        : '';
  return `hands: people who take tasks from one queue, a team with one template, or scripts of one tutorial, send the same content and copy the same instruction at much the same pace${seen}; a tie of identity, network or succession (two where they keep a week) would decide. Without one it takes at least ${QUEUE.accounts} accounts that share no tool, hardly rest on a day in seven, and send more than ${QUEUE.requestsEach} requests each, ${QUEUE.requestsDay} a day; where hardly any of them ever sleeps, ${QUEUE.accounts} accounts with so many requests, or ${QUEUE.many} with fewer`;
}
