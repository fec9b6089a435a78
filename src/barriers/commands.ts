import { StillwatchError } from '../model/errors.ts';
import { type Event, type Happening, LOCAL, labelKey } from './events.ts';
import {
  type Action,
  type Actor,
  type Appeal,
  AUTOMATIC,
  type Barrier,
  type Budget,
  type Case,
  type Gate,
  HOLD_HOURS_MAX,
  LEVELS,
  type State,
} from './model.ts';
import { budgetFaults, gateFaults } from './policy.ts';

const HOUR = 3_600_000;

const refuse = (code: string, said: string, hint: string): never => {
  throw new StillwatchError(code, said, hint);
};

const barrierOf = (s: State, id: string): Barrier =>
  s.barriers.get(id) ?? refuse('E_UNKNOWN', `there is no barrier ${JSON.stringify(id)}`, 'list them with GET /v1/barriers');

export const caseOf = (s: State, id: string): Case =>
  s.cases.get(id) ?? refuse('E_UNKNOWN', `there is no case ${JSON.stringify(id)}`, 'list them with GET /v1/cases');

/** A person with the right to decide; a viewer only looks. */
export function person(a: Actor): void {
  if (a.role === 'viewer' || a.role === 'policy')
    refuse('E_ROLE', `${a.name} (${a.role}) may not decide this`, 'it takes an analyst or an admin');
}

export function words(reason: string): string {
  const text = reason.trim();
  if (text === '') refuse('E_REASON', 'a decision needs a reason', 'say in a sentence why: it is what an appeal will be answered with');
  return text.slice(0, 2000);
}

/** What people found to be no campaign, or another case's, bears no barrier. */
function stillOpen(s: State, id: string | undefined): void {
  const c = id === undefined ? undefined : caseOf(s, id);
  const is = c?.disposition?.is;
  if (is === 'false positive' || is === 'duplicate')
    refuse('E_STATE', `case ${id} is a ${is}, as ${c?.disposition?.by} found`, 'open it again first: POST /v1/cases/ID/reopen');
}

export interface Proposal {
  readonly id: string;
  readonly appeal: string;
  readonly case?: string;
  readonly accounts: readonly string[];
  readonly action: Action;
  readonly reason: string;
  readonly hours: number;
  readonly traffic?: number;
  readonly budget?: Budget;
  readonly level?: string;
  readonly summary?: boolean;
  readonly evidence?: Barrier['evidence'];
}

/** A barrier as a proposal. The policy may propose anything; a person decides (`approve`). */
export function propose(s: State, by: Actor, p: Proposal, now: number): Event[] {
  if (by.role === 'viewer') person(by);
  const of = p.case === undefined ? null : new Set(caseOf(s, p.case).accounts);
  stillOpen(s, p.case);
  if (p.action === 'suspend' && !of)
    refuse('E_SCOPE', 'a suspension rests on a case', 'name the case: its evidence is what two people read');
  if (of && !p.accounts.every((a) => of.has(a)))
    refuse('E_SCOPE', 'not all of these accounts belong to the case', 'name accounts of the case only');
  if (p.accounts.length === 0)
    refuse('E_SCOPE', 'a barrier needs at least one account', 'name accounts, or a case whose accounts it takes');
  if (!(p.hours > 0 && p.hours <= 24 * 366))
    refuse('E_EXPIRY', 'a barrier needs an expiry of at most a year', 'give hours, for example 72');
  if (p.action === 'hold' && p.hours > HOLD_HOURS_MAX)
    refuse('E_EXPIRY', `a hold lasts at most ${HOLD_HOURS_MAX} hours`, 'propose a suspension for longer, which two persons accept');
  const [fault] = budgetFaults(p.budget);
  if (fault) refuse('E_BUDGET', `budget.${fault}`, 'give a larger one, or propose a suspension');
  if (p.level !== undefined && (p.action !== 'verify' || !LEVELS.slice(1).includes(p.level)))
    refuse('E_LEVEL', `level ${JSON.stringify(p.level)} is none for ${p.action}`, `verify takes ${LEVELS.slice(1).join(', ')}`);
  if (p.summary && p.action !== 'withhold') refuse('E_SUMMARY', `a summary is no part of ${p.action}`, 'it goes with withhold');
  const barrier: Barrier = {
    id: p.id,
    ...(p.case === undefined ? {} : { case: p.case }),
    accounts: p.accounts,
    action: p.action,
    state: 'proposed',
    dry_run: true,
    reason: words(p.reason),
    author: by.name,
    automatic: by.role === 'policy',
    created: now,
    expires: now + p.hours * HOUR,
    appeal: p.appeal,
    approvals: [],
    ...(p.budget ? { budget: p.budget } : {}),
    ...(p.level ? { level: p.level } : {}),
    ...(p.summary ? { summary: true } : {}),
    ...(p.traffic === undefined ? {} : { traffic: p.traffic }),
    ...(p.evidence && p.evidence.length > 0 ? { evidence: p.evidence } : {}),
  };
  return [{ at: now, by: by.name, what: { type: 'barrier.proposed', barrier } }];
}

/** A month of being asked for papers one does not have is a suspension by another name. */
const ALONE_HOURS_MAX = 24 * 31;

/** Persons a barrier needs before it stands: two for a suspension, for whatever else is to last longer than a month, and for what the host's own token proposed on no case, since another than its author looks at that and the token is nobody. */
export const approvalsNeeded = (b: Pick<Barrier, 'action' | 'created' | 'expires' | 'case' | 'author'>): number =>
  b.action === 'suspend' ||
  (b.action !== 'watch' && (b.expires - b.created > ALONE_HOURS_MAX * HOUR + 1000 || (b.case === undefined && b.author === LOCAL)))
    ? 2
    : 1;

/**
 * Accepts a proposal. The person must have opened the evidence of its case; a suspension takes two different persons.
 * @throws StillwatchError E_EVIDENCE, E_TWICE, E_STATE, E_ROLE
 */
export function approve(s: State, by: Actor, id: string, now: number, options: { readonly dryRun?: boolean } = {}): Event[] {
  person(by);
  if (by.name === LOCAL) refuse('E_ROLE', `${LOCAL} is no person`, 'accept with a token of your own: admin.tokens in the configuration');
  const b = barrierOf(s, id);
  if (b.state !== 'proposed') refuse('E_STATE', `barrier ${id} is ${b.state}`, 'only a proposal can be accepted');
  if (b.expires <= now) refuse('E_STATE', `barrier ${id} has run out`, 'propose it again');
  stillOpen(s, b.case);
  if (b.case !== undefined && !caseOf(s, b.case).read_by.includes(by.name))
    refuse(
      'E_EVIDENCE',
      `${by.name} has not opened the evidence of case ${b.case}`,
      `open it first, with a token of your own: GET /v1/cases/${b.case}, or the console; what the host's own commands read counts for nobody`,
    );
  if (b.approvals.some((a) => a.by === by.name))
    refuse('E_TWICE', `${by.name} has accepted it already`, 'a suspension takes two different persons');
  // Without a case there is no evidence that a second pair of eyes could have read later: another person looks now.
  if (b.case === undefined && b.action !== 'watch' && b.author === by.name)
    refuse('E_TWICE', `${by.name} proposed it, and it rests on no case`, 'another person accepts it, or propose it on a case');
  // A day's hold again and again is a suspension.
  if (b.action === 'hold' && [...s.barriers.values()].some((x) => heldBefore(x, b, by.name)))
    refuse('E_TWICE', `${by.name} has held some of these accounts before`, 'another person accepts a second hold; or propose a suspension');
  const activates = b.approvals.length + 1 >= approvalsNeeded(b);
  return [{ at: now, by: by.name, what: { type: 'barrier.approved', id, activates, dry_run: options.dryRun ?? !s.enforcing } }];
}

const heldBefore = (x: Barrier, b: Barrier, name: string): boolean =>
  x.action === 'hold' &&
  (x.approvals.some((a) => a.by === name) || x.held_by?.includes(name) === true) &&
  x.accounts.some((a) => b.accounts.includes(a));

/** What policy does by itself: watch, ask for verification, or a hold of at most a day. Never a suspension. */
export function automatic(s: State, id: string, now: number): Event[] {
  const b = barrierOf(s, id);
  if (!AUTOMATIC.includes(b.action) || b.expires - now > HOLD_HOURS_MAX * HOUR + 1000)
    refuse('E_AUTOMATIC', `${b.action} is never automatic`, 'a person accepts it');
  return [{ at: now, by: 'policy', what: { type: 'barrier.approved', id, activates: true, dry_run: !s.enforcing } }];
}

/** @param accounts those that go free; all of them when empty */
export function lift(s: State, by: Actor, id: string, reason: string, now: number, accounts: readonly string[] = []): Event[] {
  person(by);
  const b = barrierOf(s, id);
  if (b.state === 'lifted' || b.state === 'refused') refuse('E_STATE', `barrier ${id} is ${b.state}`, 'nothing stands any more');
  if (!accounts.every((a) => b.accounts.includes(a)))
    refuse('E_SCOPE', 'not all of these accounts are under the barrier', 'see GET /v1/barriers/ID for those that are');
  if (accounts.length > 0 && new Set(accounts).size < b.accounts.length)
    return [{ at: now, by: by.name, what: { type: 'barrier.spared', id, accounts: [...new Set(accounts)], reason: words(reason) } }];
  const what: Happening =
    b.state === 'proposed' ? { type: 'barrier.refused', id, reason: words(reason) } : { type: 'barrier.lifted', id, reason: words(reason) };
  return [{ at: now, by: by.name, what }];
}

/** What two analysts called a false positive leaves nothing standing, and nothing proposed, on its accounts. The second of them is who lifts it. */
export function liftRefuted(s: State, by: Actor, id: string, now: number): Event[] {
  const c = caseOf(s, id);
  if (c.disposition?.is !== 'false positive' || c.disposition.seconded === undefined) return [];
  return [...s.barriers.values()]
    .filter((b) => b.case === c.id && ((b.state === 'active' && b.expires > now) || b.state === 'proposed'))
    .flatMap((b) => lift(s, by, b.id, `case ${c.id} was called a false positive by two`, now));
}

export function extend(s: State, by: Actor, id: string, hours: number, reason: string, now: number): Event[] {
  person(by);
  const b = barrierOf(s, id);
  if (b.state !== 'active' || b.expires <= now)
    refuse(
      'E_STATE',
      `barrier ${id} ${b.state === 'active' ? 'has run out' : `is ${b.state}`}`,
      'only a standing barrier can be extended; propose it again',
    );
  if (approvalsNeeded({ ...b, expires: b.expires + hours * HOUR }) > 1)
    refuse(
      'E_STATE',
      'a suspension, and what is to last longer than a month, is not extended by one person',
      'propose it again: two accept it',
    );
  if (!(hours > 0 && hours <= 24 * 366)) refuse('E_EXPIRY', 'an extension is of at most a year', 'give hours');
  if (b.action === 'hold') refuse('E_EXPIRY', `a hold lasts at most ${HOLD_HOURS_MAX} hours`, 'propose a suspension instead');
  return [{ at: now, by: by.name, what: { type: 'barrier.extended', id, expires: b.expires + hours * HOUR, reason: words(reason) } }];
}

export function closeGate(by: Actor, g: Omit<Gate, 'author' | 'created' | 'state' | 'expires'>, hours: number, now: number): Event[] {
  person(by);
  if (!(hours > 0 && hours <= ALONE_HOURS_MAX))
    refuse(
      'E_EXPIRY',
      'a gate that one person closes lasts at most a month',
      'give hours, for example 4; what is to last longer goes into the policy file',
    );
  const [fault] = gateFaults(g);
  if (fault) refuse('E_GATE', fault, 'mend it: as it stands the gate would not close what it names');
  const gate: Gate = {
    ...g,
    countries: g.countries.map((x) => x.toUpperCase()),
    reason: words(g.reason),
    author: by.name,
    created: now,
    expires: now + hours * HOUR,
    state: 'closed',
  };
  return [{ at: now, by: by.name, what: { type: 'gate.closed', gate } }];
}

export function openGate(s: State, by: Actor, id: string, reason: string, now: number): Event[] {
  person(by);
  if (!s.gates.has(id)) refuse('E_UNKNOWN', `there is no gate ${JSON.stringify(id)}`, 'list them with GET /v1/gates');
  return [{ at: now, by: by.name, what: { type: 'gate.opened', id, reason: words(reason) } }];
}

/** A caller objects. Anybody who knows the reference may; the log says whose token it came with, the appeal for whom. */
export function fileAppeal(
  s: State,
  by: string,
  reference: string,
  account: string,
  text: string,
  now: number,
  filed: readonly Gate[] = [],
): Event[] {
  const b =
    [...s.barriers.values()].find((x) => x.appeal === reference && (account === '' || x.accounts.includes(account))) ??
    [...s.gates.values(), ...filed].find((g) => g.appeal === reference);
  if (!b) return refuse('E_UNKNOWN', 'no barrier or gate has this reference', 'quote the reference of the error message letter by letter');
  // A gate has one reference for all callers, and a campaign's barrier for all its accounts: each may object.
  const many = (s.barriers.get(b.id)?.accounts.length ?? 2) > 1;
  const key = many ? `${reference}~${account || 'caller'}` : reference;
  const had = s.appeals.get(key);
  if (had)
    refuse(
      'E_TWICE',
      had.decided ? 'this appeal has been answered' : 'an appeal with this reference is open already',
      had.decided ? 'a person can take the answer back' : 'it will be answered',
    );
  const appeal = { reference: key, barrier: b.id, account, text: text.trim().slice(0, 4000), at: now };
  return [{ at: now, by, what: { type: 'appeal.filed', appeal } }];
}

/** The appeal of a key, or the one that is open on a barrier whose reference was given. */
export function appealOf(s: State, reference: string): Appeal | undefined {
  const own = s.appeals.get(reference);
  if (own) return own;
  const those = [...s.appeals.values()].filter((a) => a.reference.startsWith(`${reference}~`));
  const open = those.filter((a) => !a.decided);
  return open.length === 1 ? open[0] : those.length === 1 ? those[0] : undefined;
}

/** Upheld, the barrier goes for who appealed; for all its accounts where nobody in particular did, or `all` is said. */
export function decideAppeal(
  s: State,
  by: Actor,
  given: string,
  lifted: boolean,
  reason: string,
  now: number,
  { all = false }: { readonly all?: boolean } = {},
): Event[] {
  person(by);
  const a = appealOf(s, given) ?? refuse('E_UNKNOWN', 'there is no such appeal', 'list them with GET /v1/appeals');
  const { reference } = a;
  if (a.decided) refuse('E_TWICE', 'this appeal has been decided', 'propose or lift the barrier itself');
  const events: Event[] = [{ at: now, by: by.name, what: { type: 'appeal.decided', reference, lifted, reason: words(reason) } }];
  if (lifted && a.barrier.startsWith('policy:'))
    refuse('E_STATE', 'this gate stands in the policy file', 'change the file, and answer the appeal by keeping it or after the change');
  if (lifted && s.gates.get(a.barrier)?.state === 'closed')
    return [...events, ...openGate(s, by, a.barrier, `appeal upheld: ${reason}`, now)];
  const b = s.barriers.get(a.barrier);
  const one = !all && a.account !== '' && b?.accounts.includes(a.account) ? [a.account] : [];
  // Of a barrier that does not hold them any more nothing is left to lift.
  const gone = a.account !== '' && !all && one.length === 0;
  return lifted && !gone && (b?.state === 'active' || b?.state === 'proposed')
    ? [...events, ...lift(s, by, a.barrier, `appeal upheld: ${reason}`, now, one)]
    : events;
}

/** Accounts that two analysts called a false positive: honest examples from then on, so many at most (a capped weight). */
export function clearedAccounts(s: State, most = 200): string[] {
  const out = new Set<string>();
  for (const c of s.cases.values())
    if (c.disposition?.is === 'false positive' && c.disposition.seconded !== undefined)
      for (const a of c.accounts.slice(0, most)) out.add(a);
  return [...out].slice(0, most);
}

/** What a closed case gives, once two analysts have called it a false positive. */
export const CLEARED = 'cleared';

/**
 * Gives an account a label, or takes one back. What speaks an account free (`approved:...`) takes two persons, and `cleared` comes from a case alone: otherwise one person could take a whole
 * campaign out of sight.
 * @throws StillwatchError E_LABEL, E_TWICE, E_ROLE
 */
export function giveLabel(
  s: State,
  by: Actor,
  x: { readonly account: string; readonly label: string; readonly reason: string; readonly revoke: boolean },
  now: number,
): Event[] {
  person(by);
  const { account, revoke } = x;
  const label = x.label.trim();
  const reason = words(x.reason);
  if (account === '' || label === '') refuse('E_LABEL', 'a label has an account and a name', 'give account, label and reason');
  const event = (type: 'label.asked' | 'label.given' | 'label.revoked'): Event[] => [
    { at: now, by: by.name, what: { type, account, label, reason } },
  ];
  if (revoke) return event('label.revoked');
  if (label === CLEARED)
    refuse(
      'E_LABEL',
      `${CLEARED} is no label that is given to an account`,
      'dispose of its case as a false positive; a second analyst who says so too clears its accounts',
    );
  if (!label.startsWith('approved:')) return event('label.given');
  const asked = s.labelsAsked.get(labelKey({ account, label }));
  // Who asked with the host's own token is nobody: the first person to say so asks again.
  if (!asked || asked.by === LOCAL) return event('label.asked');
  if (by.name === LOCAL)
    refuse('E_ROLE', `${LOCAL} is no person`, 'the second gives it with a token of their own: admin.tokens in the configuration');
  if (asked.by === by.name) refuse('E_TWICE', `${by.name} has given it already`, `${label} takes two persons`);
  return event('label.given');
}

const VIEW = { name: 80, address: 2000, most: 200 } as const;

/** Saves a way to look at the queue for everybody who works it; one of the same name is replaced. */
export function saveView(s: State, by: Actor, name: string, address: string, now: number): Event[] {
  person(by);
  const called = name.trim();
  if (called === '' || called.length > VIEW.name || address.length > VIEW.address)
    refuse('E_BODY', `a view has a name of at most ${VIEW.name} characters and an address of at most ${VIEW.address}`, 'shorten it');
  if (!s.views.has(called) && s.views.size >= VIEW.most) refuse('E_STATE', `${VIEW.most} views are saved already`, 'delete one first');
  return [{ at: now, by: by.name, what: { type: 'view.saved', name: called, address: new URLSearchParams(address).toString() } }];
}

export function deleteView(s: State, by: Actor, name: string, now: number): Event[] {
  person(by);
  if (!s.views.has(name)) refuse('E_UNKNOWN', `there is no view ${JSON.stringify(name)}`, 'list them with GET /v1/views');
  return [{ at: now, by: by.name, what: { type: 'view.deleted', name } }];
}

export const simple = (by: Actor, what: Happening, now: number): Event[] => {
  person(by);
  return [{ at: now, by: by.name, what }];
};
