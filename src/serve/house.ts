import type { Event } from '../barriers/events.ts';
import type { Subject } from '../barriers/policy.ts';
import type { Dossier } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import type { Call } from './admin.ts';
import type { Control } from './control.ts';
import type { Question } from './questions.ts';

/** What routes stand on. */
export interface House {
  readonly control: Control;
  readonly now: () => number;
  readonly ask: (q: Question) => Promise<unknown>;
  readonly last: () => { readonly dossier: Dossier | null; readonly subjects: Readonly<Record<string, Subject>> };
  /** What the lookup of keys says of an account besides what is held of it. */
  readonly holder?: (account: string, held: Subject) => Subject;
  readonly health: () => Record<string, unknown> & { readonly ready: boolean };
  readonly metrics: () => Promise<string>;
  /** Names of those who have a token. */
  readonly people?: () => string[];
  /** Whether all workers spend one budget: one process, or Redis. */
  readonly sharesBudgets?: () => boolean;
}

export const wrong = (said: string): never => {
  throw new StillwatchError('E_BODY', said, 'see docs/serve.md');
};
export const text = (b: Call['body'], name: string, most = 4000): string => {
  const v = b[name];
  if (typeof v !== 'string' || v.trim() === '') return wrong(`${name} is missing`);
  return v.slice(0, most);
};
export const number = (b: Call['body'], name: string, fallback?: number): number => {
  const v = b[name] ?? fallback;
  return typeof v === 'number' && Number.isFinite(v) ? v : wrong(`${name} is no number`);
};
export const texts = (b: Call['body'], name: string): string[] => {
  const v = b[name] ?? [];
  return Array.isArray(v) && v.every((x) => typeof x === 'string') ? (v as string[]) : wrong(`${name} is no list of strings`);
};

/** The entry that says who reads what people sent, word for word, and why; without a reason in words nobody does. */
export function reads(words: string, what: string, query: Call['query'], who: Call['who'], at: number, of?: string): Event[] {
  const reason = query.get('reason') ?? '';
  if (!/\p{L}{3}/u.test(reason)) wrong(`reading ${words} takes a reason in words, of three letters at least, which is logged`);
  return [{ at, by: who.name, what: { type: 'data.read', what, reason: reason.slice(0, 500), ...(of ? { case: of } : {}) } }];
}
