import type { Finding } from './dossier.ts';

/** What the admin API hands to the console: types alone, which both sides share. */

/** A finding of either kind; an undecided one keeps what is missing. */
export type Held = Finding & { readonly missing?: readonly string[]; readonly verdict: 'campaign' | 'undecided' };

/** What a finding rests on in words, where it is kept. It leaves the server for a reason that is logged. */
export interface Quotes {
  readonly texts: readonly { readonly exchange: string; readonly account: string; readonly text: string; readonly system: string }[];
  /** By the hash that stands for them among indicators. */
  readonly sentences: Readonly<Record<string, string>>;
}

/** One line of the inbox. */
export interface InboxRow {
  readonly id: string;
  /** `case`, or `undecided` for a finding nobody opened a case on. */
  readonly what: 'case' | 'undecided';
  readonly title: string;
  readonly kind: string;
  readonly state: string;
  /** What people found it to be, open or closed; empty while nobody has said. */
  readonly disposition: string;
  readonly confidence: number;
  readonly accounts: number;
  readonly exchanges: number;
  readonly first: string;
  readonly last: string;
  /** Exchanges of the last third of its days over the third before: above 1 it grows. */
  readonly trend: number | null;
  readonly capabilities: readonly string[];
  readonly assignee: string;
  /** When the case was opened; empty where there is none. */
  readonly opened: string;
  /** Part of its exchanges that were sent before the day on which the case was opened; null where nothing is known of them. */
  readonly before: number | null;
}

export interface Related {
  /** A case, or an undecided finding that is none. */
  readonly what: 'case' | 'undecided';
  readonly id: string;
  readonly title: string;
  readonly state: string;
  readonly values: readonly { readonly kind: string; readonly value: string }[];
  readonly accounts: number;
}

/** A value an account shows: in how many of its exchanges, and how many accounts show it. */
export interface Shown {
  readonly kind: string;
  readonly value: string;
  readonly exchanges: number;
  readonly accounts: number;
}

export interface AccountFile {
  readonly account: string;
  readonly exchanges: number;
  readonly conversations: number;
  readonly items: number;
  readonly output_tokens: number;
  readonly reasoning_tokens: number;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly addresses: number;
  readonly models: Readonly<Record<string, number>>;
  /** Exchanges by hour of the day, UTC. */
  readonly hours: readonly number[];
  readonly days: readonly { readonly day: string; readonly exchanges: number }[];
  readonly record: Readonly<Record<string, string>> | null;
  readonly labels: readonly string[];
  /** Sentences it sends again and again, by their keyed hash. */
  readonly scaffolds: readonly Shown[];
  readonly indicators: readonly Shown[];
}

/** One look at the store, in figures. */
export interface Look {
  readonly generated: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly exchanges: number;
  readonly accounts: number;
  readonly rejected: number;
  readonly complete: boolean;
  readonly cohorts: number;
  readonly campaigns: number;
  readonly undecided: number;
  readonly ms: number;
  /** One signal at this look, where it was asked for: on the cohorts reported, and on its null cohorts. */
  readonly signal?: {
    readonly fired: number;
    readonly applicable: number;
    readonly null_fired: number;
    readonly null_applicable: number;
    readonly microseconds: number;
  };
}
