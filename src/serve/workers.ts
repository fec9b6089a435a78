import cluster, { type Worker as ClusterWorker } from 'node:cluster';
import type { Logger } from 'pino';
import type { Delta, Snapshot } from '../barriers/snapshot.ts';
import type { ServeConfig } from '../gateway/config.ts';
import type { IdentifierKey } from '../gateway/keyed.ts';
import type { FromWorker, ToWorker } from '../gateway/worker.ts';
import { messageOf } from '../model/errors.ts';

export const RESTART_MS = [500, 1000, 2000, 5000, 10_000];
/** What was begun before a reload may go on for so long: an answer of an hour is a long one. */
const RELOAD_DRAIN_MS = 3_600_000;
/** How long a reload waits for one before it: until what old workers spent has been handed on, and at most. */
const HANDED_MS = 2_000;
const RELOAD_MS = 60_000;

/** Keeps as many gateway workers as are configured, tells them what stands, and replaces them on a reload. */
export class Workers {
  private readonly run: string;
  private readonly log: Logger;
  private readonly config: () => ServeConfig;
  private readonly snapshot: () => Snapshot;
  private readonly up = new Set<number>();
  private readonly replaced = new Set<number>();
  private readonly successors = new Map<number, ClusterWorker>();
  private readonly awaited = new Map<number, () => void>();
  private fails = 0;
  private key: IdentifierKey | null = null;
  private stopping = false;
  private replacing = false;
  /** Asked for while another reload is under way. */
  private again = false;
  /** Those that a reload has started, until all of them take traffic; and whom to tell whether they came to. */
  private batch: readonly ClusterWorker[] = [];
  private done: (took: boolean) => void = () => undefined;

  /** Told what workers learn of an account. */
  holder: (m: FromWorker & { readonly type: 'holder' }) => void = () => undefined;

  constructor(run: string, log: Logger, config: () => ServeConfig, snapshot: () => Snapshot) {
    this.run = run;
    this.log = log;
    this.config = config;
    this.snapshot = snapshot;
  }

  /** How many take traffic. */
  get listening(): number {
    return this.up.size;
  }

  private get wanted(): number {
    const c = this.config();
    return c.proxy || c.decisions ? c.workers : 0;
  }

  private fork(name: string): ClusterWorker {
    return cluster.fork({ STILLWATCH_RUN: this.run, STILLWATCH_WORKER: name });
  }

  start(program: string, accepted: string): void {
    // Workers take connections from one shared socket: handed over by the parent, a connection is lost with the worker it was on its way to.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({ exec: program, args: [accepted] });
    cluster.on('message', (w, m: FromWorker) => this.heard(w, m));
    cluster.on('exit', (w, code, signal) => this.gone(w, code, signal));
    // What goes wrong with a child's channel ends the child, not the parent.
    cluster.on('fork', (w) => w.on('error', (e) => this.log.warn(`a worker's channel: ${messageOf(e)}`)));
    for (let i = 0; i < this.wanted; i++) this.fork(`w${i}`);
  }

  push(delta: Delta): void {
    for (const w of Object.values(cluster.workers ?? {})) this.send(w, { type: 'delta', delta });
  }

  /** How the store writes addresses: its key where they are hashes, null where they stand as they are. Known when detection is up. */
  know(key: IdentifierKey | null): void {
    this.key = key;
    for (const w of Object.values(cluster.workers ?? {})) this.send(w, { type: 'identifiers', key });
  }

  /** A worker may end between being looked up and being written to. */
  private send(w: ClusterWorker | undefined, m: ToWorker): void {
    if (w?.isConnected()) w.send(m, () => undefined);
  }

  private heard(w: ClusterWorker, m: FromWorker): void {
    if (m?.type === 'ready') this.send(w, { type: 'identifiers', key: this.key });
    if (m?.type === 'ready' || m?.type === 'want') this.send(w, { type: 'snapshot', snapshot: this.snapshot() });
    if (m?.type === 'said') this.log.error(m.said);
    if (m?.type === 'holder') this.holder(m);
    if (m?.type === 'listening') {
      this.fails = 0;
      this.up.add(w.id);
      this.awaited.get(w.id)?.();
      this.awaited.delete(w.id);
    }
    if (m?.type === 'spent') this.send(this.successors.get(w.id), m);
  }

  /** When a worker takes traffic on all of its ports, which it says itself: the cluster's own event comes with the first of them. */
  private whenUp(w: ClusterWorker, run: () => void): void {
    if (this.up.has(w.id)) {
      run();
      return;
    }
    const before = this.awaited.get(w.id);
    this.awaited.set(w.id, () => {
      before?.();
      run();
    });
  }

  private gone(w: ClusterWorker, code: number, signal: string): void {
    const served = this.up.delete(w.id);
    this.awaited.delete(w.id);
    this.successors.delete(w.id);
    if (!served && this.batch.includes(w) && !this.stopping) {
      this.log.error(
        { code, signal },
        'a worker with the new configuration ended before it took traffic; those with the old one go on. Mend it, and send SIGHUP again',
      );
      // Its fellows would be started again, and fail again: what was before holds.
      for (const other of this.batch) if (other !== w && !other.isDead()) this.retire(other);
      for (const other of this.batch) if (!this.up.has(other.id) && !other.isDead()) other.kill();
      this.batch = [];
      this.done(false);
      return;
    }
    if (this.stopping || this.replaced.delete(w.id)) return;
    const wait = RESTART_MS[Math.min(this.fails, RESTART_MS.length - 1)] as number;
    this.fails += 1;
    this.log.error({ code, signal }, `a worker ended; another starts in ${wait} ms`);
    setTimeout(() => {
      if (!this.stopping && this.current().length < this.wanted) this.fork(`w${w.id}`);
    }, wait);
  }

  /** All that are not on their way out. */
  private current(): ClusterWorker[] {
    return Object.values(cluster.workers ?? {}).filter(
      (w): w is ClusterWorker => w !== undefined && !w.isDead() && !this.replaced.has(w.id),
    );
  }

  /**
   * As many new ones as are configured; when all of them take traffic the old ones, also those of a reload before that are not up yet, end what they began and go.
   * @param done told true when that is so, and false where a new one ends before it takes traffic: the old ones stay
   */
  replace(done: (took: boolean) => void = this.done): void {
    this.done = done;
    // One after the other: a reload within a reload would leave what was spent in between with nobody.
    if (this.replacing) {
      this.again = true;
      return;
    }
    const old = this.current();
    const fresh = Array.from({ length: this.wanted }, (_, i) => this.fork(`w${Date.now().toString(36)}${i}`));
    // Nothing is served any more: those that serve end what they began.
    if (fresh.length === 0) {
      for (const o of old) this.retire(o);
      this.done(true);
      return;
    }
    this.replacing = true;
    this.batch = old.length > 0 ? fresh : [];
    // Of this reload: its timer, or the end of one of its workers, must not end the wait of a later one.
    let ended = false;
    const over = (): void => {
      if (ended) return;
      ended = true;
      this.replacing = false;
      if (this.again && !this.stopping) {
        this.again = false;
        this.replace();
      }
    };
    setTimeout(over, RELOAD_MS).unref();
    for (const w of fresh) w.once('exit', over);
    for (const [i, w] of old.entries()) {
      const next = fresh[i % fresh.length] as ClusterWorker;
      this.successors.set(w.id, next);
      // Before it takes traffic it knows what is spent; what is spent until the other stops taking any follows with the drain.
      next.once('online', () => this.send(w, { type: 'hand' }));
    }
    let ready = 0;
    for (const w of fresh)
      this.whenUp(w, () => {
        ready += 1;
        if (ready < fresh.length) return;
        this.batch = [];
        this.done(true);
        for (const o of old) this.retire(o);
        // What the old ones spent until they stopped taking any comes with their drain.
        setTimeout(over, HANDED_MS).unref();
      });
  }

  /** Ends a worker once it takes traffic, and when what it began is done: no other comes in its place. */
  private retire(w: ClusterWorker): void {
    this.replaced.add(w.id);
    this.whenUp(w, () => this.send(w, { type: 'drain', ms: RELOAD_DRAIN_MS }));
  }

  /** Ends all of them; one that does not within the given time is ended. */
  async stop(ms: number): Promise<void> {
    this.stopping = true;
    await Promise.all(
      Object.values(cluster.workers ?? {}).map(
        (w) =>
          new Promise<void>((resolve) => {
            if (!w || w.isDead()) return resolve();
            const late = setTimeout(() => w.process.kill('SIGKILL'), ms + 5000);
            w.once('exit', () => {
              clearTimeout(late);
              resolve();
            });
            this.send(w, { type: 'drain', ms });
          }),
      ),
    );
  }
}
