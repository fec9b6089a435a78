import type { AccountRecord, AccountRow } from '../store/queries/accounts.ts';
import type { CommonWord } from '../store/queries/profiles.ts';
import type { SharedValue } from '../store/queries/values.ts';
import type { Beats } from './beats.ts';
import type { Profiles } from './profile.ts';
import type { Handed } from './relays.ts';

/** A day in ms. */
export const DAY = 86_400_000;

/** Everything the tests read, loaded once: accounts in hash order, their content, and the values they share. */
export interface Table {
  readonly rows: readonly AccountRow[];
  readonly records: readonly (AccountRecord | null)[];
  readonly hasRecords: boolean;
  readonly hasText: boolean;
  /** Words common in the population, by which all content here was profiled. */
  readonly common: readonly CommonWord[];
  readonly profiles: Profiles;
  readonly values: readonly SharedValue[];
  /** Conversations that one account began and another carried on. */
  readonly relays: Handed;
  /** Values of each account: indices into `values`, and that account's sightings. */
  readonly valuesOf: readonly (readonly { readonly v: number; readonly count: number }[])[];
  /** Part of each account's distinct opening items that other accounts sent too. */
  readonly repeated: Float64Array;
  /** Part of each account's exchanges in the first day of the newest model that went to it; NaN where that cannot be told. */
  readonly moved: Float64Array;
  /** Models first seen inside the window, the earliest first. */
  readonly releases: readonly { readonly model: string; readonly at: number }[];
  /** Declared owner: an organisation of the record or the log, '' when none. */
  readonly owner: readonly string[];
  /** Accounts a mail domain has. */
  readonly domains: ReadonlyMap<string, number>;
  /** Accounts of which the log has no text, where it has some of others; null where it has text of all, or of none. */
  readonly untold: Untold | null;
  readonly from: number;
  readonly to: number;
  /** Accounts with a time that lies beyond those two: see `spanOf`. */
  readonly strays: number;
  /** Activity over time of the accounts that are tested; null until it is asked for. */
  readonly beats: Tempo | null;
}

/** What they ask nobody can tell, so that no cohort of content holds them; what they share stands in the log all the same. */
export interface Untold {
  /** 1 for each of them. */
  readonly is: Uint8Array;
  /** How many there are for each account with text. */
  readonly each: number;
  /** Of the holders of each value. */
  readonly holders: Uint32Array;
  /** Of those with a mail domain. */
  readonly domains: ReadonlyMap<string, number>;
}

function untoldOf(parts: Pick<Table, 'rows' | 'values' | 'records' | 'hasText'>): Untold | null {
  const is = Uint8Array.from(parts.rows, (r) => (r.with_text > 0 ? 0 : 1));
  const n = is.reduce((x, y) => x + y, 0);
  if (!parts.hasText || n === 0 || n === is.length) return null;
  const holders = Uint32Array.from(parts.values, (v) => v.accounts.reduce((x, a) => x + (is[a] ?? 0), 0));
  const domains = new Map<string, number>();
  parts.records.forEach((r, i) => {
    if (is[i] === 1 && r?.email_domain) domains.set(r.email_domain, (domains.get(r.email_domain) ?? 0) + 1);
  });
  return { is, each: n / (is.length - n), holders, domains };
}

export interface Tempo extends Beats {
  /** Row of each account, -1 for those not asked about. */
  readonly rowOf: Int32Array;
  /** Everybody's days. */
  readonly common: Float64Array;
}

const IDENTITY = ['payment', 'email', 'phone'] as const;

/** Values of account records that several accounts share. Mail domains count as identity only where few accounts use them. */
export function recordValues(records: readonly (AccountRecord | null)[]): SharedValue[] {
  const out: SharedValue[] = [];
  for (const kind of [...IDENTITY, 'email_domain'] as const) {
    const by = new Map<string, number[]>();
    records.forEach((r, i) => {
      const v = r?.[kind];
      if (v) {
        const list = by.get(v);
        if (list) list.push(i);
        else by.set(v, [i]);
      }
    });
    for (const [value, list] of by) {
      if (list.length >= 3) out.push({ kind, value, accounts: Int32Array.from(list), counts: new Float64Array(list.length).fill(1) });
    }
  }
  return out;
}

/** Accounts whose clock may be wrong: so many, or this part of all. */
const STRAY = { accounts: 3, part: 0.001 } as const;

/**
 * When a log begins and ends, in ms since 1970. A clock that is a year wrong in one line would make a log of two weeks one of a year, and every account in it short-lived: a few accounts whose first or last
 * exchange lies farther from all others than those span together do not stretch it.
 */
export function spanOf(rows: readonly Pick<AccountRow, 'first' | 'last'>[]): {
  readonly from: number;
  readonly to: number;
  readonly strays: number;
} {
  const firsts = rows.map((r) => r.first).sort((a, b) => a - b);
  const lasts = rows.map((r) => r.last).sort((a, b) => b - a);
  const most = Math.max(STRAY.accounts, STRAY.part * rows.length);
  if (rows.length <= 2 * most) return { from: firsts[0] ?? Number.POSITIVE_INFINITY, to: lasts[0] ?? Number.NEGATIVE_INFINITY, strays: 0 };
  const usual = { from: firsts[Math.floor(most)] as number, to: lasts[Math.floor(most)] as number };
  const span = Math.max(DAY, usual.to - usual.from);
  // The outermost that is no farther from the next one in than all that lies within.
  const edge = (list: readonly number[]): number => {
    for (let i = Math.floor(most) - 1; i >= 0; i--) if (Math.abs((list[i] as number) - (list[i + 1] as number)) > span) return i + 1;
    return 0;
  };
  const [a, b] = [edge(firsts), edge(lasts)];
  return { from: firsts[a] as number, to: lasts[b] as number, strays: a + b };
}

/**
 * Part of an account's conversations that carry a sentence, by how many of its exchanges do. A system text is looked into where a conversation begins, and what follows is a step of it: an agent of ten steps carries its brief in a tenth of its
 * exchanges, and in all that it does. What stands in more exchanges than conversations begin stands in steps as well, and is a part of exchanges.
 */
export function carriedPart(t: Pick<Table, 'rows'>, account: number, count: number): number {
  const { n = 1, openings = 0 } = t.rows[account] ?? {};
  return count / Math.max(1, openings > 0 && count <= openings ? openings : n);
}

export function table(parts: Omit<Table, 'valuesOf' | 'owner' | 'domains' | 'untold' | 'from' | 'to' | 'strays' | 'beats'>): Table {
  const valuesOf: { v: number; count: number }[][] = Array.from({ length: parts.rows.length }, () => []);
  parts.values.forEach((value, v) => {
    for (let i = 0; i < value.accounts.length; i++) {
      const a = value.accounts[i] as number;
      if (a >= 0) (valuesOf[a] as { v: number; count: number }[]).push({ v, count: value.counts[i] as number });
    }
  });
  const owner = parts.rows.map((r, i) => (parts.records[i]?.organization || r.organization || '').trim().toLowerCase());
  const { from, to, strays } = spanOf(parts.rows);
  const domains = new Map<string, number>();
  for (const r of parts.records) if (r?.email_domain) domains.set(r.email_domain, (domains.get(r.email_domain) ?? 0) + 1);
  return { ...parts, valuesOf, owner, domains, untold: untoldOf(parts), from, to, strays, beats: null };
}
