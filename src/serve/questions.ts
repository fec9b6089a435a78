import type { Detected } from '../barriers/cases.ts';
import type { Budget } from '../barriers/model.ts';
import type { Policy } from '../barriers/policy.ts';
import type { IdentifierKey } from '../gateway/keyed.ts';
import type { Finding } from '../model/dossier.ts';
import type { Days } from '../store/personal.ts';
import type { Cutting } from './desk.ts';

/** What the parent asks of the process that owns the store. */
export type Question =
  | { readonly ask: 'explain'; readonly what: string; readonly look?: string }
  | { readonly ask: 'account'; readonly account: string }
  | { readonly ask: 'rejects'; readonly most: number }
  | { readonly ask: 'dossier'; readonly at?: string }
  | { readonly ask: 'looks'; readonly signal?: string }
  | { readonly ask: 'file'; readonly account: string }
  | { readonly ask: 'cut'; readonly members: readonly Cutting[]; readonly values: Finding['indicators'] }
  | { readonly ask: 'over'; readonly accounts: readonly string[]; readonly budget: Budget; readonly from: string }
  | { readonly ask: 'seen'; readonly accounts: readonly string[]; readonly from: string }
  | { readonly ask: 'since'; readonly accounts: readonly string[]; readonly from: number }
  | { readonly ask: 'texts'; readonly campaign: string; readonly at: string }
  | { readonly ask: 'sentences'; readonly values: readonly string[] }
  | {
      readonly ask: 'graph';
      readonly campaign: string;
      /** The look it is of. */
      readonly at: string;
      readonly kind: string;
      readonly bitsMin: number;
      readonly open: readonly string[];
      /** Accounts of a case that a person cut. */
      readonly only?: readonly string[];
      /** What it shares, of all the findings its accounts came from; those of the finding where absent. */
      readonly values?: Finding['indicators'];
    }
  | { readonly ask: 'why'; readonly accounts: readonly [string, string] }
  | { readonly ask: 'scan'; readonly paths: readonly string[]; readonly format: string }
  | {
      readonly ask: 'label';
      readonly account: string;
      readonly label: string;
      readonly author: string;
      readonly reason: string;
      readonly revoke: boolean;
    }
  | { readonly ask: 'export'; readonly account: string }
  | { readonly ask: 'erase'; readonly account: string }
  | { readonly ask: 'owed'; readonly erased: readonly { readonly account: string; readonly at: number }[] }
  | { readonly ask: 'expire'; readonly days: Days; readonly held: readonly string[] }
  | { readonly ask: 'simulate'; readonly policy: Policy; readonly steps: number; readonly confidence: number }
  | { readonly ask: 'detect' };

export type FromDetector =
  | { readonly type: 'up'; readonly key: IdentifierKey | null }
  | { readonly type: 'detected'; readonly detected: Detected; readonly tookMs: number; readonly newest: number }
  | { readonly type: 'took'; readonly accepted: number; readonly rejected: number; readonly torn: number }
  | { readonly type: 'said'; readonly level: 'info' | 'warn' | 'error'; readonly said: string }
  | {
      readonly type: 'answer';
      readonly id: number;
      readonly value?: unknown;
      readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
    };

/** An exchange is in the store by then, or it waits for a store that is away. */
export const ERASE_MS = 3_600_000;
