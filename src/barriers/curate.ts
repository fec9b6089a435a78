import { StillwatchError } from '../model/errors.ts';
import { caseOf, person, words } from './commands.ts';
import { apply, type Event, type Happening } from './events.ts';
import { type Actor, type Case, EMPTY_STATE, type State } from './model.ts';

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
  'case.commented',
  'case.assigned',
  'case.disposed',
  'case.reopened',
  'case.merged',
  'case.split',
];

/** Ids of the cases an event is about. */
function about(w: Happening): string[] {
  if (w.type === 'case.merged') return [w.id, w.from];
  if (w.type === 'case.split') return [w.id, w.made];
  if (w.type === 'case.restored') return [...w.cases.map((c) => c.id), ...w.removed];
  return 'id' in w && w.type.startsWith('case.') ? [w.id] : [];
}

/**
 * Takes back the last thing a person did to a case. What detection found since then stays: confidence, title and time of the last look are kept as they are.
 * A disposition that two analysts made an honest example of is taken back too, and no longer teaches.
 *
 * @param log everything that happened, in order
 */
export function undo(log: readonly Event[], s: State, by: Actor, id: string, now: number): Event[] {
  person(by);
  caseOf(s, id);
  const taken = new Set(log.flatMap(({ what }) => (what.type === 'case.restored' ? [what.undoes] : [])));
  let at = -1;
  for (let i = log.length - 1; i >= 0 && at < 0; i--) {
    const { what } = log[i] as Event;
    if (UNDOABLE.includes(what.type) && about(what).includes(id) && !taken.has(i)) at = i;
  }
  if (at < 0)
    throw new StillwatchError(
      'E_STATE',
      'nothing has been done to this case that could be taken back',
      'barriers are lifted, gates opened',
    );
  const { what } = log[at] as Event;
  const touched = about(what);
  for (const later of log.slice(at + 1))
    if (
      (later.what.type === 'case.merged' || later.what.type === 'case.split') &&
      about(later.what).some((x) => touched.includes(x)) &&
      !taken.has(log.indexOf(later))
    )
      throw new StillwatchError('E_STATE', `${later.what.type} came after it`, 'take that back first, from its own case');
  let before: State = EMPTY_STATE;
  for (const e of log.slice(0, at)) before = apply(before, e);
  const cases = touched.flatMap((x): Case[] => {
    const old = before.cases.get(x);
    const is = s.cases.get(x);
    if (!old) return [];
    const seen = is ? { campaign: is.campaign, title: is.title, confidence: is.confidence, updated: is.updated } : {};
    const cut = what.type === 'case.merged' || what.type === 'case.split';
    return [
      { ...old, ...seen, ...(cut ? { read_by: [] } : { accounts: is?.accounts ?? old.accounts, read_by: is?.read_by ?? old.read_by }) },
    ];
  });
  const removed = touched.filter((x) => !before.cases.has(x));
  for (const b of s.barriers.values())
    if (b.case !== undefined && removed.includes(b.case) && (b.state === 'active' || b.state === 'proposed'))
      throw new StillwatchError('E_STATE', `barrier ${b.id} stands on case ${b.case}`, 'lift or refuse it first');
  return [{ at: now, by: by.name, what: { type: 'case.restored', cases, removed, undoes: at, what: what.type } }];
}
