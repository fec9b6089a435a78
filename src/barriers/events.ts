import type { Appeal, Barrier, Case, Disposition, Gate, State, Verification } from './model.ts';

/** What can happen. The audit log holds these in order, and the state is nothing but their sum. */
export type Happening =
  | { readonly type: 'case.opened'; readonly case: Case }
  | { readonly type: 'case.updated'; readonly id: string; readonly change: Partial<Case> }
  | { readonly type: 'case.read'; readonly id: string }
  | { readonly type: 'case.commented'; readonly id: string; readonly text: string }
  | { readonly type: 'case.assigned'; readonly id: string; readonly to: string }
  | {
      readonly type: 'case.disposed';
      readonly id: string;
      readonly disposition: Disposition;
      readonly reason: string /** What it is is said, and it is worked on. */;
      readonly open?: boolean;
    }
  | { readonly type: 'case.reopened'; readonly id: string; readonly reason: string }
  | { readonly type: 'case.merged'; readonly id: string; readonly from: string; readonly reason: string }
  | {
      readonly type: 'case.split';
      readonly id: string;
      readonly made: string;
      readonly accounts: readonly string[];
      readonly reason: string;
    }
  | {
      readonly type: 'case.restored';
      readonly cases: readonly Case[];
      readonly removed: readonly string[];
      /** Place in the log of what is taken back, and what it was. */
      readonly undoes: number;
      readonly what: string;
    }
  | {
      readonly type: 'barrier.restored';
      readonly id: string;
      /** What it was before; null when it was not there. */
      readonly barrier: Barrier | null;
      readonly undoes: number;
      readonly what: string;
    }
  | { readonly type: 'appeal.reopened'; readonly reference: string; readonly reason: string }
  | { readonly type: 'barrier.proposed'; readonly barrier: Barrier }
  | { readonly type: 'barrier.approved'; readonly id: string; readonly activates: boolean; readonly dry_run: boolean }
  | { readonly type: 'barrier.refused'; readonly id: string; readonly reason: string }
  | { readonly type: 'barrier.lifted'; readonly id: string; readonly reason: string }
  /** Some of its accounts go free, the others do not. */
  | { readonly type: 'barrier.spared'; readonly id: string; readonly accounts: readonly string[]; readonly reason: string }
  | { readonly type: 'barrier.extended'; readonly id: string; readonly expires: number; readonly reason: string }
  | { readonly type: 'gate.closed'; readonly gate: Gate }
  | { readonly type: 'gate.opened'; readonly id: string; readonly reason: string }
  | { readonly type: 'appeal.filed'; readonly appeal: Appeal }
  | { readonly type: 'appeal.decided'; readonly reference: string; readonly lifted: boolean; readonly reason: string }
  | { readonly type: 'verification.recorded'; readonly verification: Verification }
  | { readonly type: 'mode.changed'; readonly enforcing: boolean; readonly reason: string }
  | { readonly type: 'hold.set'; readonly account: string; readonly reason: string }
  | { readonly type: 'hold.cleared'; readonly account: string; readonly reason: string }
  /** A label that takes two persons: it is given when another one gives it too. */
  | { readonly type: 'label.asked'; readonly account: string; readonly label: string; readonly reason: string }
  | { readonly type: 'label.given'; readonly account: string; readonly label: string; readonly reason: string }
  | { readonly type: 'label.revoked'; readonly account: string; readonly label: string; readonly reason: string }
  | { readonly type: 'view.saved'; readonly name: string; readonly address: string }
  | { readonly type: 'view.deleted'; readonly name: string }
  | { readonly type: 'data.read'; readonly what: string; readonly reason: string; readonly case?: string }
  | { readonly type: 'data.exported'; readonly account: string }
  | { readonly type: 'data.erased'; readonly account: string; readonly rows: number }
  | { readonly type: 'policy.read'; readonly digest: string; readonly gates: readonly string[]; readonly rules: readonly string[] }
  | { readonly type: 'service'; readonly said: string };

export interface Event {
  /** ms since 1970. */
  readonly at: number;
  readonly by: string;
  readonly what: Happening;
}

/** One line of the audit log. Each holds the hash of the one before, so that no line can be changed, left out or put in unseen. */
export interface Entry extends Event {
  readonly seq: number;
  readonly prev: string;
  readonly hash: string;
}

const put = <T>(map: ReadonlyMap<string, T>, id: string, value: T): ReadonlyMap<string, T> => new Map(map).set(id, value);
const without = <T>(map: ReadonlyMap<string, T>, id: string): ReadonlyMap<string, T> => new Map([...map].filter(([k]) => k !== id));
const edit = <T>(map: ReadonlyMap<string, T>, id: string, f: (old: T) => T): ReadonlyMap<string, T> => {
  const old = map.get(id);
  return old === undefined ? map : put(map, id, f(old));
};

/** Part of a case's accounts that may come or go before its evidence has to be read again. */
const READ_ANEW = 0.1;

function grownBy(before: readonly string[], after: readonly string[]): number {
  const was = new Set(before);
  const kept = after.filter((a) => was.has(a)).length;
  return 1 - kept / Math.max(1, before.length, after.length);
}

/** The host's own token. It is no person: where two are asked for, it is neither. */
export const LOCAL = 'local';

export const labelKey = (x: { readonly account: string; readonly label: string }): string => `${x.account}\0${x.label}`;

/** The state after one more event. */
export function apply(s: State, { at, by, what }: Event): State {
  switch (what.type) {
    case 'case.opened':
      return { ...s, cases: put(s.cases, what.case.id, what.case) };
    case 'case.updated':
      return {
        ...s,
        cases: edit(s.cases, what.id, (c) => ({
          ...c,
          ...what.change,
          updated: at,
          // Who read what it was has not read what it is; one more account among many makes it no other case.
          ...(what.change.accounts && grownBy(c.read_base ?? c.accounts, what.change.accounts) > READ_ANEW ? { read_by: [] } : {}),
        })),
      };
    case 'case.read':
      return {
        ...s,
        cases: edit(s.cases, what.id, (c) =>
          c.read_by.includes(by) ? c : { ...c, read_by: [...c.read_by, by], ...(c.read_by.length === 0 ? { read_base: c.accounts } : {}) },
        ),
      };
    case 'case.commented':
      return { ...s, cases: edit(s.cases, what.id, (c) => ({ ...c, comments: [...c.comments, { by, at, text: what.text }] })) };
    case 'case.assigned':
      return { ...s, cases: edit(s.cases, what.id, ({ assignee: _, ...c }) => (what.to === '' ? c : { ...c, assignee: what.to })) };
    case 'case.disposed':
      return {
        ...s,
        cases: edit(s.cases, what.id, (c) => {
          // The same disposition by somebody else seconds it; only then may it teach.
          const said = c.disposition?.is === what.disposition ? c.disposition : undefined;
          const second = said !== undefined && said.by !== by && said.by !== LOCAL;
          return {
            ...c,
            status: what.open ? c.status : 'closed',
            disposition: !second ? { is: what.disposition, by, at } : by === LOCAL ? said : { ...said, seconded: by },
          };
        }),
      };
    case 'case.reopened':
      return {
        ...s,
        cases: edit(s.cases, what.id, ({ disposition: _, ...c }) => ({ ...c, status: 'open' })),
      };
    case 'case.merged': {
      const other = s.cases.get(what.from);
      if (!other) return s;
      const kept = edit(s.cases, what.id, (c) => ({
        ...c,
        accounts: [...new Set([...c.accounts, ...other.accounts])],
        indicators: [
          ...c.indicators,
          ...other.indicators.filter((i) => !c.indicators.some((x) => x.kind === i.kind && x.value === i.value)),
        ],
        updated: at,
        by_hand: true,
        read_by: [],
      }));
      return {
        ...s,
        cases: edit(kept, what.from, (c) => ({ ...c, status: 'closed', merged_into: what.id, disposition: { is: 'duplicate', by, at } })),
      };
    }
    case 'case.split': {
      const whole = s.cases.get(what.id);
      if (!whole) return s;
      const moved = new Set(what.accounts);
      const part = { by_hand: true, updated: at, read_by: [] };
      const rest = edit(s.cases, what.id, (c) => ({ ...c, ...part, accounts: c.accounts.filter((a) => !moved.has(a)) }));
      const { assignee: _a, disposition: _d, merged_into: _m, ...base } = whole;
      return {
        ...s,
        cases: put(rest, what.made, {
          ...base,
          ...part,
          id: what.made,
          accounts: what.accounts,
          opened: at,
          split_from: what.id,
          comments: [],
        }),
      };
    }
    case 'case.restored': {
      const cases = new Map(s.cases);
      for (const id of what.removed) cases.delete(id);
      for (const c of what.cases) cases.set(c.id, c);
      return { ...s, cases };
    }
    case 'barrier.restored':
      return { ...s, barriers: what.barrier ? put(s.barriers, what.id, what.barrier) : without(s.barriers, what.id) };
    case 'appeal.reopened':
      return { ...s, appeals: edit(s.appeals, what.reference, ({ decided: _, ...a }) => a) };
    case 'barrier.proposed':
      return { ...s, barriers: put(s.barriers, what.barrier.id, what.barrier) };
    case 'barrier.approved':
      return {
        ...s,
        barriers: edit(s.barriers, what.id, (b) => ({
          ...b,
          approvals: [...b.approvals, { by, at }],
          ...(what.activates ? { state: 'active', dry_run: what.dry_run } : {}),
        })),
      };
    case 'barrier.refused':
      return { ...s, barriers: edit(s.barriers, what.id, (b) => ({ ...b, state: 'refused' })) };
    case 'barrier.lifted':
      return { ...s, barriers: edit(s.barriers, what.id, (b) => ({ ...b, state: 'lifted', lifted: { by, at, reason: what.reason } })) };
    case 'barrier.spared':
      return {
        ...s,
        barriers: edit(s.barriers, what.id, (b) => ({ ...b, accounts: b.accounts.filter((a) => !what.accounts.includes(a)) })),
      };
    case 'barrier.extended':
      return { ...s, barriers: edit(s.barriers, what.id, (b) => ({ ...b, expires: what.expires })) };
    case 'gate.closed':
      return { ...s, gates: put(s.gates, what.gate.id, what.gate) };
    case 'gate.opened':
      return { ...s, gates: edit(s.gates, what.id, (g) => ({ ...g, state: 'opened' })) };
    case 'appeal.filed':
      return { ...s, appeals: put(s.appeals, what.appeal.reference, what.appeal) };
    case 'appeal.decided':
      return {
        ...s,
        appeals: edit(s.appeals, what.reference, (a) => ({ ...a, decided: { by, at, lifted: what.lifted, reason: what.reason } })),
      };
    case 'verification.recorded':
      return { ...s, verifications: put(s.verifications, what.verification.account, what.verification) };
    case 'mode.changed':
      return { ...s, enforcing: what.enforcing };
    case 'hold.set':
      return { ...s, legalHolds: put(s.legalHolds, what.account, { by, reason: what.reason }) };
    case 'hold.cleared':
      return { ...s, legalHolds: without(s.legalHolds, what.account) };
    case 'label.asked':
      return { ...s, labelsAsked: put(s.labelsAsked, labelKey(what), { by, at }) };
    case 'label.given':
    case 'label.revoked':
      return { ...s, labelsAsked: without(s.labelsAsked, labelKey(what)) };
    case 'view.saved':
      return { ...s, views: put(s.views, what.name, { name: what.name, address: what.address, by, at }) };
    case 'view.deleted':
      return { ...s, views: without(s.views, what.name) };
    case 'data.read':
    case 'data.exported':
    case 'data.erased':
    case 'policy.read':
    case 'service':
      return s;
  }
}
