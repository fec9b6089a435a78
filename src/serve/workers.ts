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
/** What old workers spent has been handed on by then. */
const HANDED_MS = 2_000;
/** New workers that take no traffic by then make room for a reload that waits for them. */
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
  private forked = 0;
  private key: IdentifierKey | null = null;
  private stopping = false;
  private stopMs = 0;
  /** Until what old workers spent has been handed on: a reload within that would leave it with nobody. */
  private handed: Promise<void> = Promise.resolve();
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

  private fork(): ClusterWorker {
    return cluster.fork({ STILLWATCH_RUN: this.run, STILLWATCH_WORKER: `w${this.forked++}` });
  }

  start(program: string, accepted: string): void {
    // Workers take connections from one shared socket: handed over by the parent, a connection is lost with the worker it was on its way to.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({ exec: program, args: [accepted] });
    cluster.on('message', (w, m: FromWorker) => this.heard(w, m));
    cluster.on('exit', (w, code, signal) => this.gone(w, code, signal));
    // What goes wrong with a child's channel ends the child, not the parent.
    cluster.on('fork', (w) => w.on('error', (e) => this.log.warn(`a worker's channel: ${messageOf(e)}`)));
    this.fill();
  }

  /** Starts what is missing: one that ended while a reload was under way was not started again. */
  fill(): void {
    for (let i = this.current().length; i < this.wanted; i++) this.fork();
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
    // What is said to one that just starts is not heard before.
    if (m?.type === 'ready' && this.stopping) this.send(w, { type: 'drain', ms: this.stopMs });
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
      this.takeBack();
      return;
    }
    if (this.stopping || this.replaced.delete(w.id)) return;
    const wait = RESTART_MS[Math.min(this.fails, RESTART_MS.length - 1)] as number;
    this.fails += 1;
    this.log.error({ code, signal }, `a worker ended; another starts in ${wait} ms`);
    setTimeout(() => {
      if (!this.stopping && this.current().length < this.wanted) this.fork();
    }, wait);
  }

  /** All that are not on their way out. */
  private current(): ClusterWorker[] {
    return Object.values(cluster.workers ?? {}).filter(
      (w): w is ClusterWorker => w !== undefined && !w.isDead() && !this.replaced.has(w.id),
    );
  }

  /** Ends those of a reload: started again they would fail again, and what was before holds. */
  private takeBack(): void {
    for (const w of this.batch) {
      if (w.isDead()) continue;
      this.retire(w);
      if (!this.up.has(w.id)) w.kill();
    }
    this.batch = [];
    this.done(false);
  }

  /**
   * As many new ones as are configured; when all of them take traffic the old ones end what they began and go. One call at a time.
   * @param waits whether another reload waits for this one
   * @returns false where a new one ends before it takes traffic, or takes none for a minute while another reload waits: the old ones stay
   */
  async replace(waits: () => boolean): Promise<boolean> {
    await this.handed;
    const old = this.current();
    const fresh = Array.from({ length: this.wanted }, () => this.fork());
    // Nothing is served any more: those that serve end what they began.
    if (fresh.length === 0) for (const o of old) this.retire(o);
    // Nothing was served before: there is nothing to go back to, and what ends is started again.
    if (fresh.length === 0 || old.length === 0) return true;
    this.batch = fresh;
    const taken = new Promise<boolean>((resolve) => {
      this.done = resolve;
    });
    const late = setInterval(() => {
      if (!waits()) return;
      this.log.error(`workers with the new configuration took no traffic in ${RELOAD_MS / 1000} s; those with the old one go on`);
      this.takeBack();
    }, RELOAD_MS).unref();
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
        if (this.batch !== fresh || ready < fresh.length) return;
        this.batch = [];
        for (const o of old) this.retire(o);
        // What the old ones spent until they stopped taking any comes with their drain.
        this.handed = new Promise((r) => setTimeout(r, HANDED_MS).unref());
        this.done(true);
      });
    const took = await taken;
    clearInterval(late);
    return took;
  }

  /** Ends a worker once it takes traffic, and when what it began is done: no other comes in its place. */
  private retire(w: ClusterWorker): void {
    this.replaced.add(w.id);
    this.whenUp(w, () => this.send(w, { type: 'drain', ms: RELOAD_DRAIN_MS }));
  }

  /** Ends all of them; one that does not within the given time is ended. */
  async stop(ms: number): Promise<void> {
    this.stopping = true;
    this.stopMs = ms;
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
