import type { Gate } from './model.ts';
import { type LimitSet, limitsFor } from './policy.ts';
import { rank, type Snapshot, type Standing } from './snapshot.ts';

/** Who asks for what, as far as the way in knows it. */
export interface Request {
  readonly account: string;
  readonly model: string;
  readonly capabilities: readonly string[];
  readonly country?: string;
  readonly tier?: string;
  readonly verification?: string;
  /** ms since 1970. */
  readonly created?: number;
  /** `kind\0value` pairs it was seen with. */
  readonly indicators?: readonly string[];
}

export interface Verdict {
  readonly action: 'allow' | 'slow' | 'withhold' | 'verify' | 'refuse' | 'closed';
  readonly barrier?: Standing;
  readonly gate?: Gate;
  /** All budgets of slowed campaigns the account is in: a milder barrier is not lifted by a graver one. */
  readonly slowed: readonly Standing[];
  /** What would have been done, were the barrier not a rehearsal. */
  readonly rehearsed?: Standing;
  /** The budgets the request must fit. */
  readonly limits: LimitSet;
  readonly newcomer: boolean;
}

const ACTION = { watch: 'allow', slow: 'slow', withhold: 'withhold', verify: 'verify', hold: 'refuse', suspend: 'refuse' } as const;

/** Looks up verdicts in one snapshot, by account, in constant time. */
export class Decider {
  readonly snapshot: Snapshot;
  private readonly byAccount = new Map<string, Standing[]>();
  private readonly verified: ReadonlyMap<string, string>;
  private readonly indicators: ReadonlySet<string>;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    for (const b of snapshot.barriers)
      for (const a of b.accounts) {
        const list = this.byAccount.get(a);
        if (list) list.push(b);
        else this.byAccount.set(a, [b]);
      }
    this.verified = new Map(snapshot.verified);
    this.indicators = new Set(snapshot.indicators);
  }

  decide(r: Request, now: number): Verdict {
    const verification = this.verified.get(r.account) ?? r.verification;
    const who = { ...r, ...(verification === undefined ? {} : { verification }) };
    // Matching a campaign's values alone brings no more than the limits published for every new account.
    const matches = (r.indicators ?? []).some((i) => this.indicators.has(i));
    const { limits, newcomer } = limitsFor(this.snapshot.limits, who, matches, now);
    const gate = this.snapshot.gates.find((g) => g.expires > now && closes(g, r));
    if (gate) return { action: 'closed', gate, limits, newcomer, slowed: [] };
    let worst: Standing | undefined;
    let rehearsed: Standing | undefined;
    const slowed: Standing[] = [];
    for (const b of this.byAccount.get(r.account) ?? []) {
      if (b.expires <= now) continue;
      // Once verified, the question has been answered.
      if (b.action === 'verify' && this.verified.has(r.account)) continue;
      if (b.dry_run || !this.snapshot.enforcing) {
        if (!rehearsed || rank(b.action) > rank(rehearsed.action)) rehearsed = b;
      } else {
        if (b.action === 'slow') slowed.push(b);
        if (!worst || rank(b.action) > rank(worst.action)) worst = b;
      }
    }
    return {
      action: worst ? ACTION[worst.action] : 'allow',
      ...(worst ? { barrier: worst } : {}),
      ...(rehearsed ? { rehearsed } : {}),
      slowed,
      limits,
      newcomer,
    };
  }
}

/** Each list that is not empty must hold the request; a gate with no list at all closes everything. */
function closes(g: Gate, r: Request): boolean {
  const model = (m: string) => (m.endsWith('*') ? r.model.startsWith(m.slice(0, -1)) : r.model === m);
  return (
    (g.models.length === 0 || g.models.some(model)) &&
    (g.capabilities.length === 0 || g.capabilities.some((c) => r.capabilities.includes(c))) &&
    (g.countries.length === 0 || (r.country !== undefined && g.countries.includes(r.country))) &&
    (g.tiers.length === 0 || (r.tier !== undefined && g.tiers.includes(r.tier)))
  );
}
