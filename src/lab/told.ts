import type { Finding } from '../model/dossier.ts';

/** What a world knows of one of its accounts. */
export interface Truth {
  readonly account: string;
  readonly class: string;
  readonly campaign: string | null;
  readonly exchanges: number;
  /** Of those, the campaign's. */
  readonly taken: number;
}

/** What findings say of the part of their members' exchanges that is the campaign's, against the truth. */
export interface Told {
  /** By finding, over all of its members. */
  readonly shares: { readonly told: number; readonly is: number }[];
  /** Accounts whose own share lies within the interval told, of all told. */
  within: number;
  accounts: number;
}

export const nothingTold = (): Told => ({ shares: [], within: 0, accounts: 0 });

/** Adds one finding. */
export function hear(to: Told, c: Finding, truth: ReadonlyMap<string, Truth>): void {
  let exchanges = 0;
  let taken = 0;
  for (const told of c.accounts) {
    const is = truth.get(told.account);
    if (!is) continue;
    exchanges += is.exchanges;
    taken += is.taken;
    const part = is.taken / Math.max(1, is.exchanges);
    to.accounts += 1;
    // The ends are told to five digits.
    if (part >= told.share_low - 0.00001 && part <= told.share_high + 0.00001) to.within += 1;
  }
  const sent = c.accounts.reduce((x, a) => x + a.exchanges, 0);
  to.shares.push({ told: c.exchanges / Math.max(1, sent), is: taken / Math.max(1, exchanges) });
}

/** Two cells of a table: what was told with its error in points, and how many accounts lie within the intervals. */
export function shareTold(t: Told): string {
  if (t.shares.length === 0) return '- | -';
  const mean = (xs: readonly number[]): number => xs.reduce((x, y) => x + y, 0) / xs.length;
  const errors = t.shares.map((s) => 100 * Math.abs(s.told - s.is));
  return `${mean(t.shares.map((s) => s.told)).toFixed(2)} for ${mean(t.shares.map((s) => s.is)).toFixed(2)}, ${mean(errors).toFixed(0)} (${Math.max(...errors).toFixed(0)}) | ${(t.within / t.accounts).toFixed(2)}, n = ${t.accounts}`;
}
