import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Detected, detect, type Ids } from '../barriers/cases.ts';
import type { Entry } from '../barriers/chain.ts';
import { apply, type Event } from '../barriers/events.ts';
import { EMPTY_STATE, type State } from '../barriers/model.ts';
import { type Policy, policyGates } from '../barriers/policy.ts';
import { type Delta, deltaOf, type Snapshot, snapshotOf } from '../barriers/snapshot.ts';
import { Audit } from './audit.ts';

const ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
const pick = (n: number): string => [...randomBytes(n)].map((b) => ALPHABET[b % 32]).join('');

export const IDS: Ids = { id: (prefix) => `${prefix}-${pick(8).toLowerCase()}`, reference: () => `SW-${pick(5)}-${pick(5)}` };

/** Everything that stands, and the only way to change it: events, written to the audit log first. */
export class Control {
  state: State = EMPTY_STATE;
  policy: Policy;
  readonly audit: Audit;
  detected = 0;
  private version = 1;
  private current: Snapshot;
  private readonly now: () => number;
  private readonly listeners: ((entries: readonly Entry[]) => void)[] = [];
  /** Called with every change of what stands. */
  push: (d: Delta, s: Snapshot) => void = () => undefined;

  constructor(dir: string, policy: Policy, now: () => number = Date.now) {
    this.policy = policy;
    this.now = now;
    this.audit = new Audit(join(dir, 'audit.jsonl'));
    for (const e of this.audit.entries) this.state = apply(this.state, e);
    this.current = this.make();
    // Said in the log itself, where everybody who reads it sees it: what is gone cannot be had back, and what stood by it does not stand any more.
    if (this.audit.gone)
      this.run([{ at: now(), by: 'service', what: { type: 'service', said: `the audit log is not whole: ${this.audit.gone}` } }]);
    this.told(policy);
  }

  /** A policy that is another than the last is an entry: what it closes or limits was decided by whoever changed the file. */
  private told(p: Policy): void {
    const digest = createHash('sha256').update(JSON.stringify(p)).digest('hex').slice(0, 16);
    const last = this.audit.entries.findLast((e) => e.what.type === 'policy.read')?.what;
    if (last?.type === 'policy.read' ? last.digest === digest : this.audit.entries.length === 0 && p.gates.length === 0) return;
    this.run([
      {
        at: this.now(),
        by: 'policy file',
        what: { type: 'policy.read', digest, gates: p.gates.map((g) => g.name), rules: p.rules.map((r) => r.name) },
      },
    ]);
  }

  get snapshot(): Snapshot {
    return this.current;
  }

  onEntries(f: (entries: readonly Entry[]) => void): void {
    this.listeners.push(f);
  }

  /** Writes events down, then lets them take effect, then tells the workers. */
  run(events: readonly Event[]): Entry[] {
    if (events.length === 0) return [];
    const entries = this.audit.append(events);
    for (const e of events) this.state = apply(this.state, e);
    this.refresh();
    for (const f of this.listeners) f(entries);
    return entries;
  }

  /** What detection found; the same dossier twice changes nothing. */
  take(d: Detected): Entry[] {
    this.detected = this.now();
    const entries = this.run(detect(this.state, d, this.policy, IDS, this.now()));
    if (entries.length === 0) this.refresh();
    return entries;
  }

  setPolicy(p: Policy): void {
    this.policy = p;
    this.refresh();
    this.told(p);
  }

  private make(): Snapshot {
    return snapshotOf(this.state, this.policy.limits, this.version, this.detected, this.now(), policyGates(this.policy));
  }

  /** Also called by a clock: what has run out leaves the snapshot. */
  refresh(): void {
    const before = this.current;
    this.version += 1;
    this.current = this.make();
    this.push(deltaOf(before, this.current), this.current);
  }

  close(): void {
    this.audit.close();
  }
}
