import type { Finding, Member } from '../model/dossier.ts';
import { answers } from './decide.ts';
import type { State } from './model.ts';
import type { Subject } from './policy.ts';

export interface Blast {
  /** Accounts it would touch. */
  readonly accounts: number;
  /** Accounts it names that have shown already what it asks for: it lets them through, and nothing here counts them. */
  readonly answered: number;
  /** Exchanges of these accounts in the window, and how many of them the campaign's by its members' shares. */
  readonly exchanges: number;
  readonly campaign_exchanges: number;
  /** Exchanges that are likely somebody else's, behind the same accounts. */
  readonly innocent_exchanges: number;
  /** Accounts less likely than not to take part. */
  readonly doubtful_accounts: number;
  /** How many of them are expected to be honest: the sum of what their memberships leave. */
  readonly honest_accounts: number;
  readonly by_class: Readonly<
    Record<
      string,
      {
        readonly accounts: number;
        /** Less likely than not to take part: honest as far as anybody can tell. */
        readonly doubtful: number;
        /** How many are expected to be honest. */
        readonly honest: number;
        readonly exchanges: number;
        readonly innocent_exchanges: number;
      }
    >
  >;
  /** Verified customers, by name: who would be told first. */
  readonly verified: readonly string[];
}

/** What a barrier on a finding rests on, as a reader of an appeal needs it: rows that count, without exemplars. */
export const restsOn = (f: Finding | null): { signal: string; axis: string; bits: number; reason: string }[] =>
  (f?.evidence ?? []).filter((e) => Math.abs(e.bits) >= 0.05).map(({ signal, axis, bits, reason }) => ({ signal, axis, bits, reason }));

/** Levels of verification that make an account a verified customer. */
export const VERIFIED: readonly string[] = ['id', 'business'];

/** Tier and verification of an account, in words. */
export const className = (s: Subject): string => `${s.tier || 'tier not known'}, verification ${s.verification || 'not known'}`;

/** Whether an account has shown already what a barrier asks for. */
export function answered(s: State, account: string, b: { readonly level?: string; readonly created: number }): boolean {
  const v = s.verifications.get(account);
  return v !== undefined && answers(b, v);
}

/** Whole numbers that add up to the rounded sum of some parts: what is left over goes to the largest remainders. */
function rounded(parts: readonly number[]): number[] {
  const out = parts.map(Math.floor);
  let left = Math.round(parts.reduce((x, y) => x + y, 0)) - out.reduce((x, y) => x + y, 0);
  const order = parts.map((x, i) => [x - Math.floor(x), i] as const).sort((a, b) => b[0] - a[0]);
  for (const [, i] of order) {
    if (left <= 0) break;
    out[i] = (out[i] as number) + 1;
    left -= 1;
  }
  return out;
}

/**
 * What a barrier on these accounts would touch, before it is set. Classes are tier and verification as the records have them.
 * @param spared accounts that it names and lets through
 */
export function blast(
  known: readonly Member[],
  named: readonly string[],
  subject: (a: string) => Subject,
  spared: (a: string) => boolean = () => false,
): Blast {
  const accounts = named.filter((a) => !spared(a));
  const members = new Map(known.map((m) => [m.account, m]));
  const by = new Map<string, { accounts: number; doubtful: number; honest: number; exchanges: number; innocent_exchanges: number }>();
  let exchanges = 0;
  let campaign = 0;
  let doubtful = 0;
  const verified: string[] = [];
  for (const a of accounts) {
    const m = members.get(a);
    const n = m?.exchanges ?? 0;
    const part = n * (m?.share ?? 0);
    const s = subject(a);
    const name = className(s);
    const c = by.get(name) ?? { accounts: 0, doubtful: 0, honest: 0, exchanges: 0, innocent_exchanges: 0 };
    const membership = m?.membership ?? 0;
    const honest = membership < 0.5;
    by.set(name, {
      accounts: c.accounts + 1,
      doubtful: c.doubtful + (honest ? 1 : 0),
      honest: c.honest + 1 - membership,
      exchanges: c.exchanges + n,
      innocent_exchanges: c.innocent_exchanges + n - part,
    });
    exchanges += n;
    campaign += part;
    if (honest) doubtful += 1;
    if (VERIFIED.includes(s.verification ?? '')) verified.push(a);
  }
  const innocent = Math.round(exchanges - campaign);
  const others = rounded([...by.values()].map((c) => c.innocent_exchanges));
  return {
    accounts: accounts.length,
    answered: named.length - accounts.length,
    exchanges,
    campaign_exchanges: exchanges - innocent,
    innocent_exchanges: innocent,
    doubtful_accounts: doubtful,
    honest_accounts: Number([...by.values()].reduce((x, c) => x + c.honest, 0).toFixed(2)),
    by_class: Object.fromEntries(
      [...by].map(([k, c], i) => [k, { ...c, honest: Number(c.honest.toFixed(2)), innocent_exchanges: others[i] as number }]),
    ),
    verified,
  };
}
