import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'undici';
import type { Entry } from '../barriers/chain.ts';
import type { State } from '../barriers/model.ts';
import { messageOf } from '../model/errors.ts';
import { replaceFile } from './replace.ts';

export interface Hook {
  readonly url: string;
  readonly secret?: string | undefined;
  /** Kinds of happenings it is told; `*` for cases, proposals, barriers, gates and appeals. */
  readonly events: readonly string[];
  /** Only what takes effect: no rehearsal, no first of two acceptances. */
  readonly standing?: boolean;
}

const TOLD = [
  'case.opened',
  'case.updated',
  'case.disposed',
  'case.reopened',
  'case.merged',
  'case.split',
  'barrier.proposed',
  'barrier.approved',
  'barrier.refused',
  'barrier.lifted',
  'barrier.spared',
  'barrier.extended',
  'barrier.restored',
  'case.restored',
  'gate.closed',
  'gate.opened',
  'appeal.filed',
  'appeal.decided',
  'appeal.reopened',
  'policy.read',
  'mode.changed',
  'verification.recorded',
  'label.given',
  'label.revoked',
  'hold.set',
  'hold.cleared',
  'data.exported',
  'data.erased',
];
/** What, taken back, changes what stands. */
const STANDS: readonly string[] = ['barrier.approved', 'barrier.lifted', 'barrier.spared', 'barrier.extended'];
const FIRST_WAIT = 1000;
const LAST_WAIT = 3_600_000;

const wanted = (h: Hook, { what }: Entry): boolean =>
  (h.events.includes('*') ? TOLD.includes(what.type) : h.events.includes(what.type)) &&
  !(h.standing && what.type === 'barrier.approved' && (!what.activates || what.dry_run)) &&
  !(h.standing && what.type === 'barrier.restored' && !STANDS.includes(what.what));

/** Where a hook got to is its own: two on one address may want different things. */
const keyOf = (h: Hook): string => `${h.standing ? 'standing ' : ''}${h.url} ${[...h.events].sort().join(',')}`;

/** The body of one call: what happened, with the barrier or case it is about. No text of exchanges is in it. */
export function payload(e: Entry, s: State): Record<string, unknown> {
  const w = e.what as unknown as Record<string, unknown>;
  const id = typeof w['id'] === 'string' ? w['id'] : '';
  return {
    ...w,
    ...(id === '' ? {} : { about: id }),
    id: e.hash,
    seq: e.seq,
    at: new Date(e.at).toISOString(),
    by: e.by,
    ...(s.barriers.has(id) ? { barrier: s.barriers.get(id) } : {}),
    ...(s.cases.has(id) ? { case: s.cases.get(id) } : {}),
  };
}

export const signature = (secret: string, at: number, body: string): string =>
  `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`;

/**
 * Calls webhooks in the order of the audit log, each from where it got to, which is kept on disk: a restart repeats at most one call, whose
 * `idempotency-key` is the entry's hash. A failing hook is tried again after 1, 2, 4 ... seconds, up to an hour, and holds up no other.
 */
export class Outbox {
  private readonly at = new Map<string, number>();
  private readonly busy = new Set<string>();
  private readonly waits = new Map<string, { readonly until: number; readonly ms: number }>();
  private hooks: readonly Hook[] = [];
  private readonly path: string;
  private readonly entries: () => readonly Entry[];
  private readonly state: () => State;
  private readonly said: (s: string) => void;

  constructor(hooks: readonly Hook[], path: string, entries: () => readonly Entry[], state: () => State, said: (s: string) => void) {
    this.path = path;
    this.entries = entries;
    this.state = state;
    this.said = said;
    this.setHooks(hooks);
  }

  setHooks(hooks: readonly Hook[]): void {
    this.hooks = hooks;
    const kept = existsSync(this.path) ? (JSON.parse(readFileSync(this.path, 'utf8')) as Record<string, number>) : {};
    // A hook that is new hears of what happens from now on.
    for (const h of hooks) {
      const key = keyOf(h);
      // Beyond the end of a log that lost some there is nothing to wait for.
      if (!this.at.has(key)) this.at.set(key, Math.min(kept[key] ?? kept[h.url] ?? this.entries().length, this.entries().length));
    }
    // Written at once: what happens while a hook has never answered is still owed to it after a restart.
    this.save();
  }

  /** Delivers what is due. */
  async tick(now: number): Promise<void> {
    await Promise.all(this.hooks.map((h) => this.drain(h, now)));
  }

  private async drain(h: Hook, now: number): Promise<void> {
    const key = keyOf(h);
    if (this.busy.has(key) || (this.waits.get(key)?.until ?? 0) > now) return;
    this.busy.add(key);
    try {
      for (let i = this.at.get(key) ?? 0; i < this.entries().length; i++) {
        const e = this.entries()[i] as Entry;
        if (wanted(h, e)) await this.call(h, e, now);
        this.at.set(key, i + 1);
        this.waits.delete(key);
        this.save();
      }
    } catch (error) {
      const ms = Math.min(LAST_WAIT, (this.waits.get(key)?.ms ?? FIRST_WAIT / 2) * 2);
      this.waits.set(key, { until: now + ms, ms });
      this.said(`webhook ${new URL(h.url).host}: ${messageOf(error)}; tried again in ${ms / 1000} s`);
    } finally {
      this.busy.delete(key);
    }
  }

  private async call(h: Hook, e: Entry, now: number): Promise<void> {
    const body = JSON.stringify(payload(e, this.state()));
    const r = await request(h.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': e.hash,
        ...(h.secret ? { 'stillwatch-signature': signature(h.secret, now, body) } : {}),
      },
      body,
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
    });
    await r.body.dump();
    if (r.statusCode >= 300) throw new Error(`it answered ${r.statusCode}`);
  }

  private save(): void {
    replaceFile(this.path, JSON.stringify(Object.fromEntries(this.at)));
  }
}
