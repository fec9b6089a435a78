import type { Blast } from '../barriers/blast.ts';
import type { Appeal, Barrier, Case, Verification, View } from '../barriers/model.ts';
import type { AccountFile, Held, InboxRow, Quotes, Related } from '../model/desk.ts';
import type { Beside, Dossier, Finding, LookAlike } from '../model/dossier.ts';

export type { AccountFile, Appeal, Barrier, Blast, Case, Dossier, Finding, Held, InboxRow, LookAlike, Quotes, Related, View };

export interface Opened {
  readonly case: Case;
  readonly finding: Held | null;
  readonly barriers: readonly Barrier[];
  readonly related: readonly Related[];
  /** What an undo would take back. */
  readonly undo: { readonly what: string; readonly by: string; readonly at: number; readonly seq: number } | null;
  /** The look that is shown. */
  readonly generated: string | null;
  readonly latest: string | null;
  readonly releases: Dossier['releases'];
  readonly enforcing: boolean;
  /** It has changed since the person who asks opened it. */
  readonly unread: boolean;
}

export interface Me {
  readonly name: string;
  readonly role: 'viewer' | 'analyst' | 'admin';
  readonly enforcing: boolean;
  /** A service enforces; a console over a store alone keeps decisions and enforces nothing. */
  readonly serving: boolean;
  /** Who has a token here. */
  readonly people: readonly string[];
}

export interface AccountPageData {
  readonly file: AccountFile;
  readonly generated: string | null;
  readonly findings: readonly {
    readonly id: string;
    readonly title: string;
    readonly verdict: 'campaign' | 'undecided';
    readonly confidence: number;
    readonly member:
      | { readonly membership: number; readonly share: number; readonly share_low: number; readonly share_high: number }
      | undefined;
  }[];
  /** Findings whose pool it draws on beside work of its own: it is named in none of them. */
  readonly beside: readonly ({ readonly id: string; readonly title: string } & Beside)[];
  readonly look_alikes: readonly { readonly id: string; readonly title: string; readonly kind: string }[];
  readonly cases: readonly { readonly id: string; readonly title: string; readonly status: string; readonly campaign: string }[];
  readonly barriers: readonly Barrier[];
  /** Barriers that were lifted for this account alone. */
  readonly spared: readonly {
    readonly id: string;
    readonly action: string;
    readonly appeal: string;
    readonly case?: string;
    readonly at: number;
    readonly by: string;
    readonly reason: string;
  }[];
  readonly enforcing: boolean;
  readonly appeals: readonly Appeal[];
  readonly verification: Verification | null;
  readonly legal_hold: { readonly by: string; readonly reason: string } | null;
}
