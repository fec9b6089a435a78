/** The vocabulary of a result: what a scan hands to every renderer. Field names of `Dossier` are the fixed contract. */

export type Axis = 'coordination' | 'extraction' | 'concealment';
export type Family =
  | 'identity'
  | 'network'
  | 'scaffold'
  | 'content'
  | 'partition'
  | 'timing'
  | 'intent'
  | 'use'
  | 'loot'
  | 'prior'
  | 'joint'
  | 'rival';
export type Kind =
  | 'extraction campaign'
  | 'trial farming'
  | 'reselling'
  | 'declared multi-account use'
  | 'one source, hands unresolved'
  | 'purpose unclear'
  | 'look-alike';
export type Outcome = 'fired' | 'quiet' | 'not applicable' | 'failed';

export interface Exemplar {
  readonly exchange: string;
  readonly account: string;
  readonly time: string;
  /** Present only where retention allows it; masked by renderers until asked for. */
  readonly text?: string;
  /** Its system text, as far as it is shown; the same holds for it. */
  readonly system?: string;
}

/** A value that members share. */
export interface Indicator {
  readonly kind: string;
  readonly value: string;
  readonly accounts: number;
  readonly others: number;
  /** Of the others, those of which the log has no text, where it has some of others: whether they ask for the same nobody can tell. */
  readonly untold?: number;
  readonly bits: number;
  /** What a sentence's hash stands for, as sentences are compared: in lower case, with digits alike. Present and masked as an exemplar's text is. */
  readonly text?: string;
}

/** One row of a ledger. `bits` above zero speak for the axis, below zero against it. */
export interface Evidence {
  readonly signal: string;
  readonly axis: Axis;
  readonly family: Family;
  readonly bits: number;
  readonly outcome: Outcome;
  readonly figure: number | null;
  readonly unit: string;
  readonly reference: {
    readonly median: number | null;
    readonly low: number | null;
    readonly high: number | null;
    readonly from: string;
    readonly values?: readonly number[];
  };
  readonly reason: string;
  readonly kind: 'fact' | 'inference';
  readonly exemplars: Exemplar[];
}

export interface Member {
  readonly account: string;
  /** Probability that the account takes part, 0 to 1. */
  readonly membership: number;
  readonly exchanges: number;
  /** Estimated part of the account's exchanges that belongs to the campaign, with its 95 % interval. */
  readonly share: number;
  readonly share_low: number;
  readonly share_high: number;
  readonly first_seen: string;
  readonly last_seen: string;
}

/** An account that draws on a campaign's pool, or sends its sentence, in part of its traffic, beside work of its own, or whom none of the ties holds that set the others apart: its key may be lent or stolen, or it uses the same source. It is no member, and nobody names it. */
export interface Beside {
  readonly account: string;
  readonly exchanges: number;
  readonly share: number;
  readonly share_low: number;
  readonly share_high: number;
}

export interface Explanation {
  readonly kind: string;
  readonly fits: boolean;
  readonly reason: string;
}

export interface Finding {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly kind: Kind;
  readonly confidence: number;
  readonly calibrated_on: string;
  readonly axes: { readonly coordination: number; readonly extraction: number; readonly concealment: number };
  readonly first_seen: string;
  readonly last_seen: string;
  readonly exchanges: number;
  readonly accounts: readonly Member[];
  /** Absent where there is none. */
  readonly beside?: readonly Beside[];
  readonly capabilities: Readonly<Record<string, number>>;
  readonly population_capabilities: Readonly<Record<string, number>>;
  readonly models: Readonly<Record<string, number>>;
  readonly loot: {
    readonly exchanges: number;
    readonly distinct_items: number;
    readonly output_tokens: number;
    readonly reasoning_tokens: number;
    readonly days: number;
  };
  readonly evidence: readonly Evidence[];
  readonly indicators: readonly Indicator[];
  readonly timeline: readonly {
    readonly day: string;
    readonly exchanges: number;
    readonly accounts: number;
    readonly joined: number;
    readonly closed: number;
  }[];
  readonly explanations: readonly Explanation[];
  readonly recommended: {
    readonly action: string;
    readonly blast_radius: { readonly accounts: number; readonly exchanges: number; readonly innocent_exchanges_estimated: number };
  };
}

export interface Undecided extends Omit<Finding, 'kind'> {
  readonly missing: readonly string[];
}

export interface LookAlike {
  readonly id: string;
  readonly title: string;
  readonly kind: string;
  readonly explanation: string;
  readonly confidence: number;
  readonly axes: Finding['axes'];
  readonly accounts: readonly string[];
  readonly exchanges: number;
  readonly evidence: readonly Evidence[];
  readonly explanations: readonly Explanation[];
}

export interface Coverage {
  readonly files: readonly {
    readonly name: string;
    readonly format: string;
    readonly state: string;
    readonly lines: number;
    readonly accepted: number;
    readonly rejected: number;
    readonly duplicates: number;
    readonly note: string;
  }[];
  readonly exchanges: number;
  readonly accounts: number;
  readonly rejected: number;
  readonly reasons: readonly { readonly reason: string; readonly lines: number }[];
  readonly not_applicable: readonly { readonly signal: string; readonly because: string }[];
  readonly with_text: number;
  readonly lost: readonly string[];
  readonly complete: boolean;
}

export interface SignalRecord {
  readonly signal: string;
  readonly title: string;
  readonly axis: Axis;
  /** Null cohorts it could speak about, and those it fired on (one bit or more). */
  readonly applicable: number;
  readonly fired: number;
  readonly reference: { readonly median: number | null; readonly low: number | null; readonly high: number | null };
}

export interface Dossier {
  readonly schema: 'stillwatch.dossier/1';
  readonly generated: string;
  readonly version: string;
  readonly window: { readonly from: string | null; readonly to: string | null };
  readonly coverage: Coverage;
  readonly campaigns: readonly Finding[];
  readonly undecided: readonly Undecided[];
  readonly look_alikes: readonly LookAlike[];
  readonly tested: {
    readonly cohorts: number;
    readonly null_cohorts: number;
    readonly reference_accounts: number;
    /** Each signal on this scan's null cohorts, which are honest as far as anybody knows. */
    readonly signals?: readonly SignalRecord[];
  };
  /** Models first seen inside the window, by the exchanges themselves. */
  readonly releases?: readonly { readonly model: string; readonly at: string }[];
  /** ms each stage of this scan took, and microseconds a signal takes for one cohort. Of this run alone: no part of the result. */
  readonly timing?: {
    readonly stages: readonly { readonly stage: string; readonly ms: number }[];
    readonly signals: Readonly<Record<string, number>>;
  };
  /** Bound on false discoveries of this scan; absent when nothing was read. */
  readonly false_discovery?: {
    readonly method: string;
    readonly alpha: number;
    /** Which look at this store: the first at a volume, the second at twice that, and so on. */
    readonly look: number;
    /** Cohorts tested at this look. */
    readonly tested: number;
    /** Evidence of coordination a campaign must have, in bits without the prior. */
    readonly threshold_bits: number;
    /** Which of the two dials asks for that much. */
    readonly binding?: 'false discovery rate' | 'honest accounts a month';
    /** Markov's bound on named campaigns that are honest cohorts, and on honest accounts named a month. */
    readonly honest_campaigns_at_most: number;
    readonly honest_accounts_per_month_at_most: number;
    /** Tested cohorts that no mechanism explains, with at least 0, 1, 2, ... bits. */
    readonly at_least: readonly number[];
    /** Of those, that nothing but their bits keeps from being named. */
    readonly nameable_at_least?: readonly number[];
  };
}
