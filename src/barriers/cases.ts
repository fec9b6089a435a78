import type { Dossier, Finding } from '../model/dossier.ts';
import { messageOf } from '../model/errors.ts';
import { sure } from '../model/odds.ts';
import { restsOn, VERIFIED } from './blast.ts';
import { automatic, propose } from './commands.ts';
import { stronger } from './decide.ts';
import { apply, type Event } from './events.ts';
import { type Actor, AUTOMATIC, type Case, HOLD_HOURS_MAX, type State } from './model.ts';
import { type Planned, type Policy, planned, type Subject } from './policy.ts';

const POLICY: Actor = { name: 'policy', role: 'policy' };

/** What a scan found, turned into cases and proposals. */
export interface Detected {
  readonly dossier: Dossier;
  readonly subjects: Readonly<Record<string, Subject>>;
  /** Verified customers that are known, in findings or not. */
  readonly verified?: number;
}

export interface Ids {
  readonly id: (prefix: string) => string;
  readonly reference: () => string;
}

/** Part of the smaller set that is in both. */
export function overlap(a: readonly string[], b: readonly string[]): number {
  const set = new Set(a);
  const both = b.filter((x) => set.has(x)).length;
  return both / Math.max(1, Math.min(a.length, b.length));
}

/** What is known of an account: what people recorded of its verification counts beside what the records hold, as it does for every request. */
export function subjectOf(s: State, subjects: Readonly<Record<string, Subject>>, account: string): Subject {
  const known = s.verifications.get(account);
  const held = subjects[account] ?? {};
  return known ? { ...held, verification: stronger(known.level, held.verification) } : held;
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const set = new Set(a);
  return a.length === b.length && b.every((x) => set.has(x));
}

/** Half of the larger set is in both: a fragment is not the whole. */
function alike(a: readonly string[], b: readonly string[]): boolean {
  const set = new Set(a);
  return b.filter((x) => set.has(x)).length >= SAME * Math.max(1, a.length, b.length);
}

const SAME = 0.5;
const CHANGED = 0.05;

/** The case that is about most of these accounts. */
export function sameCase(s: State, accounts: readonly string[]): Case | null {
  let best: Case | null = null;
  let most = SAME;
  for (const c of s.cases.values()) {
    const o = overlap(c.accounts, accounts);
    if (o >= most) {
      most = o;
      best = c;
    }
  }
  // A case that was merged goes on in the one that took it in.
  for (let hops = 0; best?.merged_into !== undefined && hops < 20; hops++) best = s.cases.get(best.merged_into) ?? null;
  return best;
}

/**
 * Opens and updates cases from a dossier, and proposes what the policy says. A case that people closed stays closed: they have decided. What policy does by
 * itself stays under its cap on the share of traffic and of verified customers; above it everything waits for a person.
 */
export function detect(before: State, d: Detected, policy: Policy, ids: Ids, now: number): Event[] {
  const events: Event[] = [];
  let s = before;
  const happen = (list: readonly Event[]) => {
    for (const e of list) {
      events.push(e);
      s = apply(s, e);
    }
  };
  const named = new Set(d.dossier.campaigns.map((f) => f.id));
  for (const f of d.dossier.campaigns) {
    const held = sameCase(
      s,
      f.accounts.map((a) => a.account),
    );
    let id = held?.id ?? '';
    if (!held) {
      id = ids.id('k');
      happen([{ at: now, by: 'detection', what: { type: 'case.opened', case: caseOn(f, id, now) } }]);
    } else if (held.status === 'closed' && held.disposition?.is !== 'confirmed') continue;
    // A case put together of several campaigns goes by the one it went by, as long as that is found.
    else if (!(held.by_hand && held.campaign !== f.id && named.has(held.campaign))) happen(followed(held, f, now));
    const { plans } = planned(policy, f, (a) => subjectOf(s, d.subjects, a));
    for (const p of plans) {
      try {
        happen(forPlan(s, id, f, p, d, policy, ids, now));
      } catch (error) {
        // One rule at fault must not cost the other cases.
        happen([{ at: now, by: 'policy', what: { type: 'service', said: `rule ${p.rule.name} on ${f.id}: ${messageOf(error)}` } }]);
      }
    }
  }
  // What a person opened a case on goes on being looked at, though nobody names it: the cohort of its id, else the one that is mostly the same accounts.
  for (const held of [...s.cases.values()]) {
    if (held.status === 'closed' || named.has(held.campaign)) continue;
    const f =
      d.dossier.undecided.find((x) => x.id === held.campaign) ??
      (held.by_hand
        ? undefined
        : d.dossier.undecided.find((x) =>
            alike(
              held.accounts,
              x.accounts.map((a) => a.account),
            ),
          ));
    if (f) happen(followed(held, f, now));
  }
  return events;
}

type Seen = Pick<Finding, 'id' | 'title' | 'confidence' | 'accounts' | 'indicators'> & { readonly kind?: Finding['kind'] };

/** A case on what a look found. */
export function caseOn(f: Seen & Pick<Finding, 'kind'>, id: string, now: number): Case {
  return {
    id,
    campaign: f.id,
    kind: f.kind,
    title: f.title,
    confidence: f.confidence,
    accounts: f.accounts.map((m) => m.account),
    indicators: strong(f.indicators),
    opened: now,
    updated: now,
    status: 'open',
    read_by: [],
    comments: [],
  };
}

/** What a look changes of a case: nothing, where it finds what it found before. */
function followed(held: Case, f: Seen, now: number): Event[] {
  const accounts = f.accounts.map((a) => a.account);
  const same = held.by_hand || sameSet(held.accounts, accounts);
  if (held.campaign === f.id && Math.abs(held.confidence - f.confidence) <= CHANGED && same) return [];
  const change = {
    campaign: f.id,
    title: f.title,
    confidence: f.confidence,
    ...(f.kind ? { kind: f.kind } : {}),
    // What a person cut stays cut.
    ...(held.by_hand ? {} : { accounts, indicators: strong(f.indicators) }),
  };
  return [{ at: now, by: 'detection', what: { type: 'case.updated', id: held.id, change } }];
}

/** Indicators that hardly anybody else shows. */
const strong = (list: Finding['indicators']): { kind: string; value: string }[] =>
  list.filter((i) => i.others === 0 || i.bits >= 8).map(({ kind, value }) => ({ kind, value }));

function covered(s: State, id: string, action: string, now: number): Set<string> {
  const out = new Set<string>();
  // A refused or lifted barrier is a person's word about these accounts too: it is not proposed again on the same case.
  // What policy does by itself it does once; what it only rehearsed it has not done.
  for (const b of s.barriers.values())
    if (
      b.case === id &&
      b.action === action &&
      !(s.enforcing && b.automatic && b.dry_run && b.state === 'active') &&
      (b.expires > now || b.state !== 'active' || AUTOMATIC.includes(b.action))
    )
      for (const a of b.accounts) out.add(a);
  return out;
}

function forPlan(s: State, id: string, f: Finding, p: Planned, d: Detected, policy: Policy, ids: Ids, now: number): Event[] {
  const reason = `${f.title}; confidence ${sure(f.confidence)}; rule ${p.rule.name}`;
  const events: Event[] = [];
  const had = covered(s, id, p.action, now);
  const fresh = p.accounts.filter((a) => !had.has(a));
  if (fresh.length > 0)
    events.push(
      ...propose(
        s,
        POLICY,
        {
          id: ids.id('b'),
          appeal: ids.reference(),
          case: id,
          accounts: fresh,
          action: p.action,
          reason,
          evidence: restsOn(f),
          traffic: trafficOf(d, fresh).share,
          hours: p.rule.automatic === p.action ? Math.min(HOLD_HOURS_MAX, p.rule.hours) : p.rule.hours,
          ...(p.rule.budget ? { budget: p.rule.budget } : {}),
          ...(p.rule.summary && p.action === 'withhold' ? { summary: true } : {}),
        },
        now,
      ),
    );
  const own = p.rule.automatic;
  if (own === undefined || own === p.action)
    return own === p.action && events[0] ? [...events, ...byItself(s, events, f, d, policy, now)] : events;
  const alone = covered(s, id, own, now);
  const rest = p.accounts.filter((a) => !alone.has(a));
  if (rest.length === 0) return events;
  const asked = propose(
    s,
    POLICY,
    {
      id: ids.id('b'),
      appeal: ids.reference(),
      case: id,
      accounts: rest,
      action: own,
      reason,
      evidence: restsOn(f),
      traffic: trafficOf(d, rest).share,
      hours: Math.min(HOLD_HOURS_MAX, p.rule.hours),
    },
    now,
  );
  return [...events, ...asked, ...byItself(s, asked, f, d, policy, now)];
}

/** The part of all traffic of a look that some accounts have, and which of them it knows. */
function trafficOf(d: Detected, accounts: readonly string[]): { readonly share: number; readonly known: ReadonlySet<string> } {
  const volume = new Map(d.dossier.campaigns.flatMap((c) => c.accounts.map((a) => [a.account, a.exchanges] as const)));
  const known = new Set(accounts.filter((a) => volume.has(a)));
  const sent = [...known].reduce((x, a) => x + (volume.get(a) ?? 0), 0);
  return { share: sent / Math.max(1, d.dossier.coverage.exchanges), known };
}

/** Activates an automatic barrier where its cap allows; otherwise says why it waits. */
function byItself(before: State, asked: readonly Event[], f: Finding, d: Detected, policy: Policy, now: number): Event[] {
  let s = before;
  for (const e of asked) s = apply(s, e);
  const what = asked[0]?.what;
  if (what?.type !== 'barrier.proposed') return [];
  const standing = [...before.barriers.values()].filter(
    (b) => b.automatic && b.state === 'active' && b.expires > now && b.action !== 'watch',
  );
  const touched = new Set([...standing.flatMap((b) => b.accounts), ...what.barrier.accounts]);
  const seen = trafficOf(d, [...touched]);
  // A campaign that is held may be found no more: what it was of all traffic when it was held still counts.
  const gone = standing.reduce(
    (x, b) => x + ((b.traffic ?? 0) * b.accounts.filter((a) => !seen.known.has(a)).length) / b.accounts.length,
    0,
  );
  const share = seen.share + gone;
  const verified = [...touched].filter((a) => VERIFIED.includes(subjectOf(s, d.subjects, a).verification ?? '')).length;
  const { traffic_share_max, verified_accounts_max, verified_share_max } = policy.automatic;
  const most = verified_share_max === undefined ? verified_accounts_max : verified_share_max * (d.verified ?? 0);
  if (what.barrier.action !== 'watch' && (share > traffic_share_max || verified > most))
    return [
      {
        at: now,
        by: 'policy',
        what: {
          type: 'service',
          said: `${what.barrier.action} on ${what.barrier.accounts.length} accounts of ${f.id} waits for a person: it would touch ${(100 * share).toFixed(1)} % of the traffic (cap ${(100 * traffic_share_max).toFixed(1)} %) and ${verified} verified accounts (cap ${Math.floor(most)}${verified_share_max === undefined ? '' : `, ${100 * verified_share_max} % of ${d.verified ?? 0}`})`,
        },
      },
    ];
  return automatic(s, what.barrier.id, now);
}
