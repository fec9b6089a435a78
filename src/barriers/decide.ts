import { type Gate, LEVELS } from './model.ts';
import { type LimitSet, limitsFor, stepUp } from './policy.ts';
import { rank, type Snapshot, type Standing } from './snapshot.ts';

/** Who asks for what, as far as the way in knows it. */
export interface Request {
  readonly account: string;
  readonly model: string;
  /** Others it names, of which the provider may take one. */
  readonly models?: readonly string[];
  /** What is asked for was not all seen: a gate on what it might be is closed. */
  readonly unread?: boolean;
  /** It asks no model for anything (a list, a file): gates on models and capabilities do not concern it. */
  readonly idle?: boolean;
  readonly capabilities: readonly string[];
  /** Where the account is registered and where the request comes from, as far as known. */
  readonly countries?: readonly string[];
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
  /** Reasoning is withheld, and every barrier that says so lets the provider's summary through. */
  readonly summary?: boolean;
  /** All budgets of slowed campaigns the account is in: a milder barrier is not lifted by a graver one. */
  readonly slowed: readonly Standing[];
  /** What would have been done, were the barrier not a rehearsal. */
  readonly rehearsed?: Standing;
  /** The level of verification that published rules ask of this account. */
  readonly stepUp?: string;
  /** Those rules would have asked, were this no rehearsal. */
  readonly wouldVerify?: boolean;
  /** The budgets the request must fit. */
  readonly limits: LimitSet;
  readonly newcomer: boolean;
}

const ACTION = { watch: 'allow', slow: 'slow', withhold: 'withhold', verify: 'verify', hold: 'refuse', suspend: 'refuse' } as const;

/** Looks up verdicts in one snapshot, by account, in constant time. */
export class Decider {
  readonly snapshot: Snapshot;
  private readonly byAccount = new Map<string, Standing[]>();
  private readonly verified: ReadonlyMap<string, { readonly level: string; readonly at: number }>;
  private readonly indicators: ReadonlySet<string>;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    for (const b of snapshot.barriers)
      for (const a of b.accounts) {
        const list = this.byAccount.get(a);
        if (list) list.push(b);
        else this.byAccount.set(a, [b]);
      }
    this.verified = new Map(snapshot.verified.map(([account, level, at]) => [account, { level, at }]));
    this.indicators = new Set(snapshot.indicators);
  }

  decide(r: Request, now: number): Verdict {
    const known = this.verified.get(r.account);
    const verification = known ? stronger(known.level, r.verification) : r.verification;
    const who = { ...r, ...(verification === undefined ? {} : { verification }) };
    // Matching a campaign's values alone brings no more than the limits published for every new account.
    const matches = (r.indicators ?? []).some((i) => this.indicators.has(i));
    const { limits, newcomer } = limitsFor(this.snapshot.limits, who, matches, now);
    const gate = this.snapshot.gates.find((g) => g.expires > now && closes(g, r));
    if (gate) return { action: 'closed', gate, limits, newcomer, slowed: [] };
    let worst: Standing | undefined;
    let rehearsed: Standing | undefined;
    const slowed: Standing[] = [];
    let summary = true;
    for (const b of this.byAccount.get(r.account) ?? []) {
      if (b.expires <= now) continue;
      // Once verified, the question has been answered.
      if (b.action === 'verify' && known && answers(b, known)) continue;
      if (b.dry_run || !this.snapshot.enforcing) {
        if (!rehearsed || rank(b.action) > rank(rehearsed.action)) rehearsed = b;
      } else {
        if (b.action === 'slow') slowed.push(b);
        if (b.action === 'withhold' && !b.summary) summary = false;
        if (!worst || rank(b.action) > rank(worst.action)) worst = b;
      }
    }
    const level = stepUp(this.snapshot.limits, who, now);
    if (level !== null && this.snapshot.enforcing && (!worst || rank(worst.action) < rank('verify')))
      return { action: 'verify', stepUp: level, slowed, limits, newcomer };
    return {
      action: worst ? ACTION[worst.action] : 'allow',
      ...(level !== null && !this.snapshot.enforcing ? { wouldVerify: true } : {}),
      ...(worst ? { barrier: worst } : {}),
      ...(worst?.action === 'withhold' && summary ? { summary } : {}),
      ...(rehearsed ? { rehearsed } : {}),
      slowed,
      limits,
      newcomer,
    };
  }
}

/** What was recorded counts beside what the record holds. `none` takes back what was recorded; what the record holds it leaves, for whoever doubts that asks for a barrier, which takes two persons and can be objected to. */
export const stronger = (recorded: string, held: string | undefined): string =>
  LEVELS.indexOf(recorded) >= LEVELS.indexOf(held ?? 'none') ? recorded : (held as string);

/** A step up is answered by its level or a stronger one; without a level by what was recorded after it was asked for, or by papers seen before. */
export function answers(b: Pick<Standing, 'level' | 'created'>, v: { readonly level: string; readonly at: number }): boolean {
  const had = LEVELS.indexOf(v.level);
  // Levels of an older log, which had names of their own: recorded, they answered.
  if (had < 0) return b.level === undefined;
  if (b.level !== undefined) return had >= LEVELS.indexOf(b.level);
  return had >= LEVELS.indexOf('id') || (had > 0 && v.at >= b.created);
}

/** A model's name, or the beginning of names before a `*`. Readers differ in whether capitals matter, so they do not. */
const matches = (pattern: string, name: string): boolean => {
  const [p, x] = [looks(pattern), looks(name)];
  // Many upstreams take a name with whose model it is before it (`models/large`, `provider/large`).
  return [x, x.slice(x.lastIndexOf('/') + 1)].some((y) => (p.endsWith('*') ? y.startsWith(p.slice(0, -1)) : y === p));
};

/** A name as its readers may take it: letters of other widths, what cannot be seen and blanks around it make no other model. */
const looks = (name: string): string =>
  /^[\x21-\x7e]*$/.test(name)
    ? name.toLowerCase()
    : name
        .normalize('NFKC')
        .replace(/[\p{Cf}\p{Cc}]/gu, '')
        .trim()
        .toLowerCase();

/** Each list that is not empty must hold the request; a gate with no list at all closes everything. */
function closes(g: Gate, r: Request): boolean {
  const named = [r.model, ...(r.models ?? [])].filter((x) => x !== '');
  // What is not known may be what is closed.
  const model = named.length === 0 || g.models.some((m) => named.some((x) => matches(m, x)));
  const capability = r.unread === true || g.capabilities.some((c) => r.capabilities.includes(c));
  return (
    (g.models.length === 0 || (r.idle !== true && model)) &&
    (g.capabilities.length === 0 || (r.idle !== true && capability)) &&
    (g.countries.length === 0 || (r.countries ?? []).some((c) => g.countries.includes(c.toUpperCase()))) &&
    (g.tiers.length === 0 || (r.tier !== undefined && g.tiers.includes(r.tier)))
  );
}
