import type { Finding } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import { caseOn, sameCase } from './cases.ts';
import { appealOf, caseOf, person, words } from './commands.ts';
import { apply, type Event, type Happening } from './events.ts';
import { type Actor, type Barrier, type Case, EMPTY_STATE, type State } from './model.ts';

/**
 * What people do to the cut of cases: merge two that are one, split one that is two, and take back the last thing done. Each is an event like any other, so the
 * history keeps both what was done and that it was taken back. A case cut by hand is not cut anew by detection.
 */

/** Takes another case's accounts and indicators into this one, and closes the other as its duplicate. */
export function merge(s: State, by: Actor, id: string, from: string, reason: string, now: number): Event[] {
  person(by);
  const [kept, other] = [caseOf(s, id), caseOf(s, from)];
  if (kept.id === other.id) throw new StillwatchError('E_SCOPE', 'a case cannot be merged with itself', 'name another case');
  for (const c of [kept, other])
    if (c.status !== 'open') throw new StillwatchError('E_STATE', `case ${c.id} is closed`, 'reopen it first: POST /v1/cases/ID/reopen');
  return [{ at: now, by: by.name, what: { type: 'case.merged', id: kept.id, from: other.id, reason: words(reason) } }];
}

/** Moves some accounts of a case into a new one. At least two stay and at least two go. */
export function split(s: State, by: Actor, id: string, accounts: readonly string[], made: string, reason: string, now: number): Event[] {
  person(by);
  const c = caseOf(s, id);
  if (c.status !== 'open') throw new StillwatchError('E_STATE', `case ${id} is closed`, 'reopen it first: POST /v1/cases/ID/reopen');
  const own = new Set(c.accounts);
  const moved = [...new Set(accounts)];
  if (!moved.every((a) => own.has(a)))
    throw new StillwatchError('E_SCOPE', 'not all of these accounts belong to the case', 'name accounts of the case only');
  if (moved.length < 2 || own.size - moved.length < 2)
    throw new StillwatchError('E_SCOPE', 'a case needs at least two accounts, the old one and the new one', 'name fewer, or more');
  return [{ at: now, by: by.name, what: { type: 'case.split', id, made, accounts: moved, reason: words(reason) } }];
}

const UNDOABLE: readonly Happening['type'][] = [
  'case.opened',
  'case.commented',
  'case.assigned',
  'case.disposed',
  'case.reopened',
  'case.merged',
  'case.split',
];

const BARRIER: readonly Happening['type'][] = [
  'barrier.proposed',
  'barrier.approved',
  'barrier.refused',
  'barrier.lifted',
  'barrier.spared',
  'barrier.extended',
];

/** Ids of the cases an event is about. */
export function about(w: Happening): string[] {
  if (w.type === 'case.opened') return [w.case.id];
  if (w.type === 'case.merged') return [w.id, w.from];
  if (w.type === 'case.split') return [w.id, w.made];
  if (w.type === 'case.restored') return [...w.cases.map((c) => c.id), ...w.removed];
  return 'id' in w && w.type.startsWith('case.') ? [w.id] : [];
}

/** The barrier an event is about. */
const barrierOf = (w: Happening): string =>
  w.type === 'barrier.proposed' ? w.barrier.id : 'id' in w && w.type.startsWith('barrier.') ? w.id : '';

/** Place in the log of the last thing a person did to a case or to a barrier on it, and that was not taken back; -1 for none. */
export function lastDone(log: readonly Event[], s: State, id: string): number {
  const taken = new Set(
    log.flatMap(({ what }) => (what.type === 'case.restored' || what.type === 'barrier.restored' ? [what.undoes] : [])),
  );
  const on = new Set([...s.barriers.values()].filter((b) => b.case === id).map((b) => b.id));
  for (let i = log.length - 1; i >= 0; i--) {
    const { what, by } = log[i] as Event;
    if (taken.has(i) || by === 'policy' || by === 'detection') continue;
    if ((UNDOABLE.includes(what.type) && about(what).includes(id)) || (BARRIER.includes(what.type) && on.has(barrierOf(what)))) return i;
  }
  return -1;
}

const SPENT: readonly string[] = ['lifted', 'refused'];

const before = (log: readonly Event[], at: number): State => log.slice(0, at).reduce(apply, EMPTY_STATE);

/**
 * Takes back the last thing a person did to a case. What detection found since then stays: confidence, title and time of the last look are kept as they are.
 * A disposition that two analysts made an honest example of is taken back too, and no longer teaches.
 *
 * @param log everything that happened, in order
 * @param shown place in the log of what the person means to take back
 * @throws StillwatchError E_STATE when that is not the last thing done any more
 */
export function undo(log: readonly Event[], s: State, by: Actor, id: string, now: number, shown?: number): Event[] {
  person(by);
  caseOf(s, id);
  const at = lastDone(log, s, id);
  // A page may be older than what somebody else did since: only what was shown is taken back.
  if (shown !== undefined && shown !== at)
    throw new StillwatchError(
      'E_STATE',
      at < 0 ? 'it has been taken back already' : `something else was done since, by ${(log[at] as Event).by}`,
      'load the case again: its undo shows the last thing done',
    );
  if (at < 0)
    throw new StillwatchError('E_STATE', 'nothing has been done to this case that could be taken back', 'gates are opened by themselves');
  const { what } = log[at] as Event;
  if (BARRIER.includes(what.type)) return undoBarrier(log, s, by, at, now);
  const taken = new Set(log.flatMap((e) => (e.what.type === 'case.restored' ? [e.what.undoes] : [])));
  const touched = about(what);
  for (const [i, later] of log.entries())
    if (
      i > at &&
      (later.what.type === 'case.merged' || later.what.type === 'case.split') &&
      about(later.what).some((x) => touched.includes(x)) &&
      !taken.has(i)
    )
      throw new StillwatchError('E_STATE', `${later.what.type} came after it`, 'take that back first, from its own case');
  const was = before(log, at);
  const cases = touched.flatMap((x): Case[] => {
    const old = was.cases.get(x);
    const is = s.cases.get(x);
    if (!old) return [];
    const seen = is ? { campaign: is.campaign, title: is.title, confidence: is.confidence, updated: is.updated } : {};
    const cut = what.type === 'case.merged' || what.type === 'case.split';
    return [
      { ...old, ...seen, ...(cut ? { read_by: [] } : { accounts: is?.accounts ?? old.accounts, read_by: is?.read_by ?? old.read_by }) },
    ];
  });
  const removed = touched.filter((x) => !was.cases.has(x));
  for (const b of s.barriers.values())
    if (b.case !== undefined && removed.includes(b.case) && (b.state === 'active' || b.state === 'proposed'))
      throw new StillwatchError('E_STATE', `barrier ${b.id} stands on case ${b.case}`, 'lift or refuse it first');
  return [{ at: now, by: by.name, what: { type: 'case.restored', cases, removed, undoes: at, what: what.type } }];
}

/**
 * A barrier as it was before. What two people must accept does not stand again by one person's undo: a suspension that was lifted comes back as a proposal. What
 * was lifted on an appeal comes back with the appeal.
 */
function undoBarrier(log: readonly Event[], s: State, by: Actor, at: number, now: number): Event[] {
  const { what, by: who } = log[at] as Event;
  const id = barrierOf(what);
  const decided = log[at - 1];
  if (
    (what.type === 'barrier.lifted' || what.type === 'barrier.refused' || what.type === 'barrier.spared') &&
    decided?.what.type === 'appeal.decided' &&
    decided.by === who &&
    decided.what.lifted
  )
    throw new StillwatchError(
      'E_STATE',
      'it was lifted on an appeal',
      `take that decision back: POST /v1/appeals/${decided.what.reference}/undo`,
    );
  return [
    {
      at: now,
      by: by.name,
      what: {
        type: 'barrier.restored',
        id,
        barrier:
          what.type === 'barrier.spared'
            ? together(s, id, what.accounts, who === by.name)
            : earlier(before(log, at), s, id, who === by.name, now),
        undoes: at,
        what: what.type,
      },
    },
  ];
}

/** A barrier with accounts that were spared put back. What two accepted, and what another person freed, one person does not put back. */
function together(is: State, id: string, accounts: readonly string[], own: boolean): Barrier {
  const b = is.barriers.get(id);
  if (!b || SPENT.includes(b.state)) throw new StillwatchError('E_STATE', `barrier ${id} stands no more`, 'propose it again');
  if (b.state === 'active' && (b.action === 'suspend' || !own))
    throw new StillwatchError(
      'E_STATE',
      'one person does not put an account back under it',
      'propose a barrier on that account: it is accepted as the first was',
    );
  return { ...b, accounts: [...new Set([...b.accounts, ...accounts])] };
}

/** @param own who takes it back is who did it: only they bring back by themselves what stood before. */
function earlier(was: State, is: State, id: string, own: boolean, now: number): Barrier | null {
  const b = was.barriers.get(id) ?? null;
  if (b?.state === 'active' && b.expires <= now)
    throw new StillwatchError('E_STATE', `barrier ${id} has run out meanwhile`, 'propose it again');
  if (!b) return null;
  const last = is.barriers.get(id);
  const held_by = [...new Set([...(last?.held_by ?? []), ...(last?.approvals ?? []).map((a) => a.by)])];
  const kept = held_by.length > 0 ? { ...b, held_by } : b;
  return b.state === 'active' && (b.action === 'suspend' || !own) ? { ...kept, state: 'proposed', dry_run: true, approvals: [] } : kept;
}

/** Takes back what was decided on an appeal: it is open again, and what was lifted with it is as it was. */
export function undoAppeal(log: readonly Event[], s: State, by: Actor, given: string, reason: string, now: number): Event[] {
  person(by);
  const a = appealOf(s, given);
  const reference = a?.reference ?? given;
  if (!a?.decided) throw new StillwatchError('E_STATE', 'nothing has been decided on this appeal', 'list them with GET /v1/appeals');
  const events: Event[] = [{ at: now, by: by.name, what: { type: 'appeal.reopened', reference, reason: words(reason) } }];
  const at = log.findLastIndex((e) => e.what.type === 'appeal.decided' && e.what.reference === reference);
  const next = log[at + 1];
  const lifted = next?.what;
  const own = next?.by === by.name;
  const restored = (barrier: Barrier | null, what: string): Event => ({
    at: now,
    by: by.name,
    what: { type: 'barrier.restored', id: a.barrier, barrier, undoes: at + 1, what },
  });
  const spent = SPENT.includes(s.barriers.get(a.barrier)?.state ?? '');
  if ((lifted?.type === 'barrier.lifted' || lifted?.type === 'barrier.refused') && lifted.id === a.barrier && spent)
    events.push(restored(earlier(before(log, at + 1), s, a.barrier, own, now), lifted.type));
  if (lifted?.type === 'barrier.spared' && lifted.id === a.barrier)
    events.push(restored(together(s, a.barrier, lifted.accounts, own), lifted.type));
  const gate = s.gates.get(a.barrier);
  if (lifted?.type === 'gate.opened' && lifted.id === a.barrier && gate?.state === 'opened' && gate.expires > now)
    events.push({ at: now, by: by.name, what: { type: 'gate.closed', gate: { ...gate, state: 'closed' } } });
  return events;
}

/** A person opens a case on a cohort that is undecided: from then on it is worked like any other, and looks follow it. */
export function openOn(
  s: State,
  by: Actor,
  f: Pick<Finding, 'id' | 'kind' | 'title' | 'confidence' | 'accounts' | 'indicators'>,
  id: string,
  now: number,
): Event[] {
  person(by);
  const accounts = f.accounts.map((m) => m.account);
  const held = sameCase(s, accounts);
  if (held) throw new StillwatchError('E_TWICE', `case ${held.id} is about these accounts already`, `open it: GET /v1/cases/${held.id}`);
  return [{ at: now, by: by.name, what: { type: 'case.opened', case: caseOn(f, id, now) } }];
}
