import type { Finding, Member } from '../model/dossier.ts';
import type { Subject } from './policy.ts';

export interface Blast {
  readonly accounts: number;
  /** Exchanges of these accounts in the window, and how many of them the campaign's by its members' shares. */
  readonly exchanges: number;
  readonly campaign_exchanges: number;
  /** Exchanges that are likely somebody else's, behind the same accounts. */
  readonly innocent_exchanges: number;
  /** Accounts less likely than not to take part. */
  readonly doubtful_accounts: number;
  readonly by_class: Readonly<
    Record<
      string,
      {
        readonly accounts: number;
        /** Less likely than not to take part: honest as far as anybody can tell. */
        readonly doubtful: number;
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

/** What a barrier on these accounts would touch, before it is set. Classes are tier and verification as the records have them. */
export function blast(known: readonly Member[], accounts: readonly string[], subject: (a: string) => Subject): Blast {
  const members = new Map(known.map((m) => [m.account, m]));
  const by = new Map<string, { accounts: number; doubtful: number; exchanges: number; innocent_exchanges: number }>();
  let exchanges = 0;
  let campaign = 0;
  let doubtful = 0;
  const verified: string[] = [];
  for (const a of accounts) {
    const m = members.get(a);
    const n = m?.exchanges ?? 0;
    const part = n * (m?.share ?? 0);
    const s = subject(a);
    const name = `${s.tier || 'no tier'}, verification ${s.verification || 'none'}`;
    const c = by.get(name) ?? { accounts: 0, doubtful: 0, exchanges: 0, innocent_exchanges: 0 };
    const honest = (m?.membership ?? 0) < 0.5;
    by.set(name, {
      accounts: c.accounts + 1,
      doubtful: c.doubtful + (honest ? 1 : 0),
      exchanges: c.exchanges + n,
      innocent_exchanges: c.innocent_exchanges + Math.round(n - part),
    });
    exchanges += n;
    campaign += part;
    if (honest) doubtful += 1;
    if (VERIFIED.includes(s.verification ?? '')) verified.push(a);
  }
  return {
    accounts: accounts.length,
    exchanges,
    campaign_exchanges: Math.round(campaign),
    innocent_exchanges: Math.round(exchanges - campaign),
    doubtful_accounts: doubtful,
    by_class: Object.fromEntries(by),
    verified,
  };
}
