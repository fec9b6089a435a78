/** Barriers, gates, cases and the people behind them. Pure data: what a worker, the console and the audit log share. */

/** The ladder, mildest first. `hold` is the only refusal a policy may apply by itself, for a day at most. */
export const ACTIONS = ['watch', 'slow', 'withhold', 'verify', 'hold', 'suspend'] as const;
export type Action = (typeof ACTIONS)[number];

/** Levels of verification, weakest first. */
export const LEVELS: readonly string[] = ['none', 'email', 'phone', 'id', 'business'];

/** What policy may do without a person. */
export const AUTOMATIC: readonly Action[] = ['watch', 'verify', 'hold'];
export const HOLD_HOURS_MAX = 24;

export const ROLES = ['viewer', 'analyst', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who acts: a named person with a role, or the policy itself. */
export interface Actor {
  readonly name: string;
  readonly role: Role | 'policy';
}

export interface Budget {
  readonly requests_per_minute?: number | undefined;
  readonly tokens_per_minute?: number | undefined;
  /** Largest sum that may be spent at once, in minutes of the rate; 1 when absent. */
  readonly burst_minutes?: number | undefined;
}

export interface Barrier {
  readonly id: string;
  /** The case it belongs to; absent when it stands on an account by itself. */
  readonly case?: string;
  readonly accounts: readonly string[];
  readonly action: Action;
  readonly state: 'proposed' | 'active' | 'lifted' | 'refused';
  /** A rehearsal is counted and shown, and changes no answer. */
  readonly dry_run: boolean;
  readonly reason: string;
  readonly author: string;
  readonly automatic: boolean;
  /** ms since 1970. */
  readonly created: number;
  readonly expires: number;
  /** What a caller quotes when they object. */
  readonly appeal: string;
  readonly approvals: readonly { readonly by: string; readonly at: number }[];
  /** For `verify`: the level that answers it, `email`, `phone`, `id` or `business`; without one, any that is recorded after it was set, or `id` before. */
  readonly level?: string;
  /** What the case's evidence was when it was proposed: what an appeal is answered with, also when the campaign is no longer found. */
  readonly evidence?: readonly { readonly signal: string; readonly axis: string; readonly bits: number; readonly reason: string }[];
  /** For `withhold`: the provider's own summary of its reasoning goes through, where its API makes one. */
  readonly summary?: boolean;
  /** For `slow`: one budget for all its accounts together. */
  readonly budget?: Budget;
  /** Set by policy: the part of all traffic that its accounts had when it was proposed, for a cap that must hold when the campaign is no longer found. */
  readonly traffic?: number;
  /** Who accepted it before an acceptance was taken back: an undo makes nobody forget. */
  readonly held_by?: readonly string[];
  readonly lifted?: { readonly by: string; readonly at: number; readonly reason: string };
}

export interface Gate {
  readonly id: string;
  /** Closed model names, with `*` at the end as a prefix; empty for all. */
  readonly models: readonly string[];
  /** Closed capabilities of a request: `tools`, `vision`, `reasoning`; empty for all. */
  readonly capabilities: readonly string[];
  readonly countries: readonly string[];
  readonly tiers: readonly string[];
  readonly reason: string;
  readonly author: string;
  readonly created: number;
  readonly expires: number;
  readonly state: 'closed' | 'opened';
  readonly appeal: string;
}

export const DISPOSITIONS = ['confirmed', 'suspicious', 'false positive', 'duplicate'] as const;
export type Disposition = (typeof DISPOSITIONS)[number];

export interface Case {
  readonly id: string;
  /** The campaign of the latest dossier it stands for. */
  readonly campaign: string;
  readonly kind: string;
  readonly title: string;
  readonly confidence: number;
  readonly accounts: readonly string[];
  readonly indicators: readonly { readonly kind: string; readonly value: string }[];
  readonly opened: number;
  readonly updated: number;
  readonly status: 'open' | 'closed';
  readonly disposition?: { readonly is: Disposition; readonly by: string; readonly at: number; readonly seconded?: string };
  /** People who opened the evidence, who alone may accept a barrier on it. */
  readonly read_by: readonly string[];
  /** The accounts it had when the first of them read it: what has grown since is measured against it. */
  readonly read_base?: readonly string[];
  readonly assignee?: string;
  /** The case that took this one's accounts in. */
  readonly merged_into?: string;
  readonly split_from?: string;
  /** Cut by a person: detection changes its accounts no more. */
  readonly by_hand?: boolean;
  readonly comments: readonly { readonly by: string; readonly at: number; readonly text: string }[];
}

export interface Appeal {
  readonly reference: string;
  readonly barrier: string;
  readonly account: string;
  readonly text: string;
  readonly at: number;
  readonly decided?: { readonly by: string; readonly at: number; readonly lifted: boolean; readonly reason: string };
}

/** A verification that a provider recorded for an account. */
export interface Verification {
  readonly account: string;
  readonly level: string;
  readonly by: string;
  readonly at: number;
}

/** A way to look at the queue, by the address of the page: which filters, in which order. */
export interface View {
  readonly name: string;
  readonly address: string;
  readonly by: string;
  readonly at: number;
}

/** Everything that was decided, as the audit log tells it. */
export interface State {
  readonly cases: ReadonlyMap<string, Case>;
  readonly barriers: ReadonlyMap<string, Barrier>;
  readonly gates: ReadonlyMap<string, Gate>;
  readonly appeals: ReadonlyMap<string, Appeal>;
  readonly verifications: ReadonlyMap<string, Verification>;
  readonly legalHolds: ReadonlyMap<string, { readonly by: string; readonly reason: string }>;
  /** Saved views by name, for everybody who works the queue. */
  readonly views: ReadonlyMap<string, View>;
  /** Labels that one person gave and that wait for a second, by account and label. */
  readonly labelsAsked: ReadonlyMap<string, { readonly by: string; readonly at: number }>;
  readonly enforcing: boolean;
}

export const EMPTY_STATE: State = {
  cases: new Map(),
  barriers: new Map(),
  gates: new Map(),
  appeals: new Map(),
  verifications: new Map(),
  legalHolds: new Map(),
  views: new Map(),
  labelsAsked: new Map(),
  enforcing: false,
};
