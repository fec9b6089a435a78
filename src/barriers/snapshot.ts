import { ACTIONS, type Action, type Barrier, type Budget, type Gate, type State } from './model.ts';
import type { Limits } from './policy.ts';

/** What stands, as compactly as a worker needs it. */
export interface Standing {
  readonly id: string;
  readonly case?: string;
  readonly action: Action;
  readonly dry_run: boolean;
  readonly expires: number;
  readonly appeal: string;
  readonly created: number;
  readonly level?: string;
  readonly summary?: boolean;
  readonly accounts: readonly string[];
  readonly budget?: Budget;
}

export interface Snapshot {
  readonly version: number;
  /** When detection last finished, ms since 1970; 0 before the first. */
  readonly detected: number;
  readonly enforcing: boolean;
  readonly barriers: readonly Standing[];
  readonly gates: readonly Gate[];
  /** Account, level, and when it was recorded. */
  readonly verified: readonly (readonly [string, string, number])[];
  /** Values of standing cases, `kind\0value`: what a newcomer may match. */
  readonly indicators: readonly string[];
  readonly limits: Limits;
}

/** A change between two snapshots. Barriers are what is large: the rest travels whole. */
export interface Delta extends Omit<Snapshot, 'barriers'> {
  readonly from: number;
  readonly added: readonly Standing[];
  readonly removed: readonly string[];
}

const standing = (b: Barrier): Standing => ({
  id: b.id,
  ...(b.case === undefined ? {} : { case: b.case }),
  action: b.action,
  dry_run: b.dry_run,
  expires: b.expires,
  appeal: b.appeal,
  created: b.created,
  ...(b.level ? { level: b.level } : {}),
  ...(b.summary ? { summary: true } : {}),
  accounts: b.accounts,
  ...(b.budget ? { budget: b.budget } : {}),
});

export function snapshotOf(
  s: State,
  limits: Limits,
  version: number,
  detected: number,
  now: number,
  gates: readonly Gate[] = [],
): Snapshot {
  return {
    version,
    detected,
    enforcing: s.enforcing,
    barriers: [...s.barriers.values()].filter((b) => b.state === 'active' && b.expires > now).map(standing),
    gates: [...gates, ...s.gates.values()].filter((g) => g.state === 'closed' && g.expires > now),
    verified: [...s.verifications.values()].map((v) => [v.account, v.level, v.at] as const),
    indicators: [...s.cases.values()]
      .filter((c) => c.status === 'open' || c.disposition?.is === 'confirmed')
      .flatMap((c) => c.indicators.map((i) => `${i.kind}\0${i.value}`)),
    limits,
  };
}

export function deltaOf(a: Snapshot, b: Snapshot): Delta {
  const before = new Map(a.barriers.map((x) => [x.id, JSON.stringify(x)]));
  const after = new Set(b.barriers.map((x) => x.id));
  const { barriers, ...rest } = b;
  return {
    ...rest,
    from: a.version,
    added: barriers.filter((x) => before.get(x.id) !== JSON.stringify(x)),
    removed: a.barriers.filter((x) => !after.has(x.id)).map((x) => x.id),
  };
}

/** The snapshot after a change; null when the change does not follow on it. */
export function applied(a: Snapshot, d: Delta): Snapshot | null {
  if (a.version !== d.from) return null;
  const { from: _, added, removed, ...rest } = d;
  const gone = new Set([...removed, ...added.map((x) => x.id)]);
  return { ...rest, barriers: [...a.barriers.filter((x) => !gone.has(x.id)), ...added] };
}

/** Severity of an action: its place on the ladder. */
export const rank = (a: Action): number => ACTIONS.indexOf(a);
