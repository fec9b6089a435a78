import { Decider, type Request, type Verdict } from '../barriers/decide.ts';
import { type Ask, type Budgets, perMinute, type Taken } from '../barriers/gcra.ts';
import type { Budget } from '../barriers/model.ts';
import { NO_POLICY, tighter } from '../barriers/policy.ts';
import { applied, type Delta, type Snapshot } from '../barriers/snapshot.ts';
import type { ServeConfig } from './config.ts';
import { type Dialect, limitHeaders, type Refusal } from './dialects.ts';
import { indicatorsOf } from './indicators.ts';
import type { IdentifierKey } from './keyed.ts';

export type Outcome = 'allow' | 'withhold' | 'slow' | 'limit' | 'verify' | 'refuse' | 'closed' | 'away';

export interface Pass {
  readonly ok: true;
  readonly outcome: 'allow' | 'withhold';
  readonly verdict: Verdict;
  readonly headers: Readonly<Record<string, string>>;
  /** Units reserved, to be settled with what was really used. */
  readonly asks: readonly Ask[];
  readonly reserved: number;
  /** It did not say how much it may use. */
  readonly open: boolean;
  /** A published limit would have refused it, were this no rehearsal. */
  readonly overLimit: boolean;
}

export interface Stop {
  readonly ok: false;
  readonly outcome: Exclude<Outcome, 'allow' | 'withhold'>;
  readonly verdict: Verdict;
  readonly refusal: Refusal;
}

const NOTHING: Snapshot = {
  version: 0,
  detected: 0,
  enforcing: false,
  barriers: [],
  gates: [],
  verified: [],
  indicators: [],
  limits: NO_POLICY.limits,
};

/** What would have been done, were nothing a rehearsal. */
export const rehearsedIn = (v: Pass | Stop): string | undefined =>
  v.verdict.rehearsed?.action ?? (v.verdict.wouldVerify ? 'verify' : v.ok && v.overLimit ? 'limit' : undefined);

type Options = Pick<ServeConfig, 'verify_url' | 'appeal_url' | 'name_the_policy' | 'redis'>;

/** APIs whose provider makes a summary of its own. */
const SUMMARISED: readonly Dialect[] = ['openai-responses'];

/** What a request that sets no bound may well use, and how many budgets are remembered. */
const OPEN_TOKENS = 32_768;
/** The same where its input lies elsewhere: a file, an address, a conversation kept at the provider, or what a search there finds. */
const REFERENCED_TOKENS = 200_000;
const USUAL_MAX = 100_000;

interface Place {
  readonly what: 'requests' | 'tokens';
  readonly own: boolean;
}

/** Of two barriers on one case the narrower budget holds: two must not let through twice as much. */
function tightest(a: Budget | undefined, b: Budget): Budget {
  return a === undefined
    ? b
    : {
        requests_per_minute: tighter(a.requests_per_minute, b.requests_per_minute),
        tokens_per_minute: tighter(a.tokens_per_minute, b.tokens_per_minute),
        burst_minutes: tighter(a.burst_minutes, b.burst_minutes),
      };
}

/** Decides about one request, with what stands in this process: the hot path waits for no store. */
export class Guard {
  private decider = new Decider(NOTHING);
  private readonly budgets: Budgets;
  private readonly o: Options;
  /** Tokens that requests which do not say used of late, by budget. */
  private readonly usual = new Map<string, number>();
  /** Requests under way that do not say what they may use, by budget. */
  private readonly underWay = new Map<string, number>();
  private readonly done = new WeakSet<object>();
  private readonly told: () => void;
  /** Of a store of keyed identifiers. */
  key: IdentifierKey | null = null;

  /** @param told each time budgets cannot be asked */
  constructor(budgets: Budgets, o: Options, told: () => void = () => undefined) {
    this.budgets = budgets;
    this.o = o;
    this.told = told;
  }

  get snapshot(): Snapshot {
    return this.decider.snapshot;
  }

  set(s: Snapshot): void {
    this.decider = new Decider(s);
  }

  /** What a request shows that a campaign's indicators may hold. */
  shown(ip: string, userAgent: string, ja4: string): string[] {
    // Hashing is not for nothing: most of the time no campaign is open.
    return this.snapshot.indicators.length === 0 ? [] : indicatorsOf(ip, userAgent, ja4, this.key);
  }

  /** Takes a change; false when it does not follow on what is held, and the whole is needed. */
  change(d: Delta): boolean {
    const next = applied(this.decider.snapshot, d);
    if (next) this.decider = new Decider(next);
    return next !== null;
  }

  /**
   * `reserve`: false only asks what would be decided, and spends nothing. `open`: the request does not bound what it may use, and what such requests used lately is reserved;
   * of an account that has used nothing yet, of one that has another such request under way, and of a slowed campaign, as much as one may well use, at most the whole budget: many at once
   * must not all be taken for small ones. `far`: part of its input lies elsewhere. `choices`: answers it asks for, each of which may use as much.
   */
  async check(
    d: Dialect,
    r: Request,
    tokens: number,
    now: number,
    {
      reserve = true,
      open = false,
      far = false,
      choices = 1,
    }: { readonly reserve?: boolean; readonly open?: boolean; readonly far?: boolean; readonly choices?: number } = {},
  ): Promise<Pass | Stop> {
    const verdict = this.decider.decide(r, now);
    const stop = (outcome: Stop['outcome'], refusal: Refusal): Stop => ({ ok: false, outcome, verdict, refusal });
    const reference = verdict.barrier
      ? ` Reference: ${verdict.barrier.appeal}.${this.o.appeal_url ? ` You can object: ${this.o.appeal_url}` : ''}`
      : '';
    if (verdict.action === 'closed')
      return stop('closed', {
        status: 403,
        code: 'access_closed',
        message: `This model or capability is closed to this account at present. Reference: ${verdict.gate?.appeal ?? ''}.`,
        retry: false,
      });
    if (verdict.action === 'refuse')
      return stop('refuse', {
        status: 403,
        code: verdict.barrier?.action === 'hold' ? 'account_on_hold' : 'account_suspended',
        message: `This account is ${verdict.barrier?.action === 'hold' ? 'on hold while it is reviewed' : 'suspended'}.${reference}`,
        retry: false,
      });
    if (verdict.action === 'verify')
      return stop('verify', {
        status: 403,
        code: 'verification_required',
        message: `This account must be verified${verdict.stepUp ? ` (${verdict.stepUp})` : ''} before it can go on.${this.o.verify_url ? ` Verify it here: ${this.o.verify_url}` : ''}${reference}`,
        retry: false,
      });
    const { asks, places } = this.asks(r.account, verdict, tokens, open || far, (far ? REFERENCED_TOKENS : OPEN_TOKENS) * choices);
    let taken: readonly Taken[] = [];
    const unbounded = (open || far) && reserve;
    // Counted before anything is waited for: the next one must see it.
    if (unbounded) this.begun(asks, 1);
    if (asks.length > 0 && reserve) {
      const got = await this.take(asks, now);
      if (got === null && this.snapshot.enforcing) {
        const slow = verdict.slowed.length > 0 && this.o.redis?.when_away.slow === 'closed';
        if (slow || this.o.redis?.when_away.limits === 'closed') {
          if (unbounded) this.begun(asks, -1);
          return stop('away', {
            status: 503,
            code: 'limits_unavailable',
            message: 'Limits cannot be checked at the moment.',
            retry: true,
            retryMs: 1000,
          });
        }
      } else taken = got ?? [];
    }
    const headers: Record<string, string> = {};
    for (const [i, p] of places.entries()) {
      const t = taken[i];
      if (t && p.own) Object.assign(headers, limitHeaders(d, p.what, t, now));
    }
    const short = taken.findIndex((t) => !t.ok);
    // What did not fit was not spent.
    const held = taken.length > 0 && short < 0 ? asks : [];
    if (unbounded && held.length === 0) this.begun(asks, -1);
    const rehearsal = !this.snapshot.enforcing;
    if (short >= 0 && !rehearsal) {
      const retryMs = Math.max(...taken.map((t) => t.retryMs));
      const own = places[short]?.own === true;
      return stop(own ? 'limit' : 'slow', {
        status: 429,
        code: 'rate_limit_exceeded',
        message: `The rate limit for ${places[short]?.what ?? 'requests'} has been reached.${own ? '' : reference}`,
        // What no waiting will let through must not be tried again.
        retry: Number.isFinite(retryMs),
        retryMs,
        headers: this.o.name_the_policy ? { ...headers, ratelimit: `"acct";r=0;t=${Math.ceil(retryMs / 1000)}` } : headers,
      });
    }
    return {
      ok: true,
      outcome: verdict.action === 'withhold' ? 'withhold' : 'allow',
      verdict,
      // A rehearsal changes no answer, its headers neither.
      headers: rehearsal
        ? {}
        : verdict.action === 'withhold'
          ? {
              ...headers,
              'stillwatch-notice': `reasoning ${verdict.summary && SUMMARISED.includes(d) ? 'summarised' : 'withheld'}; reference ${verdict.barrier?.appeal ?? ''}`,
            }
          : headers,
      asks: held,
      // Of what lies elsewhere nobody knows how much it is: as much as was reserved for it.
      reserved: far ? Math.max(tokens, ...held.filter((a) => a.key.endsWith(':t')).map((a) => a.units)) : tokens,
      open: unbounded,
      overLimit: short >= 0,
    };
  }

  /** Settles what was reserved with what was used; `used` null gives everything back. `once` names a reservation that may be settled by any worker, once; `least`: what was used is not known but for what was seen, and nothing is given back. */
  async settle(
    p: Pick<Pass, 'asks'> & { readonly open?: boolean },
    used: number | null,
    now: number,
    { once, least = false }: { readonly once?: string; readonly least?: boolean } = {},
  ): Promise<void> {
    // Once: what goes wrong after an answer has been settled gives nothing back again.
    if (this.done.has(p)) return;
    this.done.add(p);
    if (p.open) this.begun(p.asks, -1);
    // What was only seen in part, or refused by the service, tells nothing of what such requests use.
    if (p.open && used !== null && used > 0 && !least) for (const a of p.asks) if (a.key.endsWith(':t')) this.learn(a.key, used);
    const back = p.asks
      .map((a) => {
        if (!a.key.endsWith(':t')) return { ...a, units: used === null ? a.units : 0 };
        const back = a.units - (used ?? 0);
        return { ...a, units: least && used !== null ? Math.min(0, back) : back };
      })
      .filter((a) => a.units !== 0);
    if (back.length === 0 && once === undefined) return;
    try {
      // What is settled even is remembered too: it cannot be given back a second time.
      await this.budgets.settle(back, now, once);
    } catch {
      this.told();
    }
  }

  /** The largest of late, fading by a tenth with each use. */
  private learn(key: string, used: number): void {
    const usual = Math.max(used, 0.9 * (this.usual.get(key) ?? 0));
    this.usual.delete(key);
    this.usual.set(key, usual);
    if (this.usual.size > USUAL_MAX) this.usual.delete(this.usual.keys().next().value as string);
  }

  private begun(asks: readonly Ask[], by: 1 | -1): void {
    for (const { key } of asks) {
      const n = (this.underWay.get(key) ?? 0) + by;
      if (n > 0) this.underWay.set(key, n);
      else this.underWay.delete(key);
    }
  }

  private async take(asks: readonly Ask[], now: number): Promise<readonly Taken[] | null> {
    try {
      return await this.budgets.take(asks, now);
    } catch {
      this.told();
      return null;
    }
  }

  private asks(account: string, v: Verdict, tokens: number, open: boolean, most: number): { asks: Ask[]; places: Place[] } {
    const asks: Ask[] = [];
    const places: Place[] = [];
    const put = (key: string, b: Budget | Verdict['limits'], own: boolean) => {
      const burst = b.burst_minutes ?? 1;
      if (b.requests_per_minute !== undefined) {
        asks.push({ key: `${key}:r`, rate: perMinute(b.requests_per_minute, burst), units: 1 });
        places.push({ what: 'requests', own });
      }
      if (b.tokens_per_minute !== undefined) {
        const rate = perMinute(b.tokens_per_minute, burst);
        const trusted = this.snapshot.limits.unbounded_requests === 'usual' || !this.underWay.has(`${key}:t`);
        const usual = own && most === OPEN_TOKENS && trusted ? this.usual.get(`${key}:t`) : undefined;
        const need = open ? Math.min(rate.burst, Math.max(tokens, usual === undefined ? most : 1.5 * usual)) : tokens;
        asks.push({ key: `${key}:t`, rate, units: open && tokens > rate.burst ? tokens : need });
        places.push({ what: 'tokens', own });
      }
    };
    put(`a:${account}`, v.limits, true);
    // One budget for all accounts of the campaign: more accounts buy nothing.
    const cases = new Map<string, Budget>();
    for (const b of v.slowed) {
      const key = b.case ?? b.id;
      if (b.budget) cases.set(key, tightest(cases.get(key), b.budget));
    }
    for (const [key, b] of cases) put(`c:${key}`, b, false);
    return { asks, places };
  }
}
