import { existsSync, readFileSync, statSync } from 'node:fs';
import type { Detected } from '../barriers/cases.ts';
import { stronger } from '../barriers/decide.ts';
import type { Subject } from '../barriers/policy.ts';
import { readHolders } from '../gateway/lookup.ts';
import { replaceFile } from './replace.ts';

/** Accounts remembered at most; those heard of longest ago go first. */
const MOST = 200_000;
const SAVE_MS = 60_000;

/** What somebody has shown; nothing where that is nothing: of a record elsewhere it takes nothing away. */
const shown = (s: { readonly verification?: string } | undefined): string => (s?.verification === 'none' ? '' : (s?.verification ?? ''));

/**
 * What the lookup of keys says of accounts. Detection knows the records it was given; a customer who is verified where keys are looked up is verified all the same, and counts against the caps of what policy does by
 * itself. Workers tell whom they looked up; it outlives a restart, and a file of keys is read as it is.
 */
export class Holders {
  private readonly known = new Map<string, Subject>();
  private readonly path: string;
  private saved = 0;
  private file: { readonly path: string; readonly mtime: number; readonly of: ReadonlyMap<string, Subject> } | null = null;

  /** @param path where it is kept */
  constructor(path: string) {
    this.path = path;
    if (!existsSync(path)) return;
    try {
      for (const [account, s] of JSON.parse(readFileSync(path, 'utf8')) as [string, Subject][]) this.known.set(account, s);
    } catch {
      // Half a file: workers tell again.
    }
  }

  hear(account: string, s: Subject, now: number): void {
    this.known.delete(account);
    this.known.set(account, s);
    if (this.known.size > MOST) this.known.delete(this.known.keys().next().value as string);
    if (now - this.saved < SAVE_MS) return;
    this.save();
    this.saved = now;
  }

  /** Somebody was erased: what was heard of them is too. */
  forget(account: string): void {
    if (this.known.delete(account)) this.save();
  }

  save(): void {
    replaceFile(this.path, JSON.stringify([...this.known]));
  }

  /** What was found, with what the lookup says of its accounts. */
  with(d: Detected, keys: string | undefined): Detected {
    const listed = keys ? this.listed(keys) : null;
    const subjects: Record<string, Subject> = Object.assign(Object.create(null), d.subjects);
    let more = 0;
    for (const f of [...d.dossier.campaigns, ...d.dossier.undecided])
      for (const { account } of f.accounts) {
        const held = subjects[account] ?? {};
        const said = this.of(account, held, keys, listed);
        if (said === held) continue;
        subjects[account] = said;
        more += 1;
      }
    return more === 0 ? d : { ...d, subjects };
  }

  /** What records say of an account, with what the lookup says besides; the same where it says no more. */
  of(account: string, held: Subject, keys: string | undefined, listed = keys ? this.listed(keys) : null): Subject {
    let verification = held.verification;
    let tier = held.tier;
    for (const s of [this.known.get(account), listed?.get(account)]) {
      if (shown(s)) verification = stronger(shown(s), verification);
      tier = tier || s?.tier;
    }
    if (verification === held.verification && tier === held.tier) return held;
    return { ...held, ...(tier ? { tier } : {}), ...(verification ? { verification } : {}) };
  }

  private listed(path: string): ReadonlyMap<string, Subject> | null {
    try {
      const mtime = statSync(path).mtimeMs;
      if (this.file?.path !== path || this.file.mtime !== mtime) {
        const of = new Map<string, Subject>();
        for (const h of readHolders(path).values()) {
          const before = of.get(h.account)?.verification;
          const verification = shown(h) ? stronger(shown(h), before) : before;
          of.set(h.account, { ...(h.tier ? { tier: h.tier } : {}), ...(verification ? { verification } : {}) });
        }
        this.file = { path, mtime, of };
      }
    } catch {
      // What was read before holds until the file is whole again.
    }
    return this.file?.of ?? null;
  }
}
