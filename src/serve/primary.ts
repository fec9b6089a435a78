import { type ChildProcess, fork } from 'node:child_process';
import cluster, { type Worker as ClusterWorker } from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { AggregatorRegistry, Gauge, Registry } from 'prom-client';
import type { Subject } from '../barriers/policy.ts';
import type { Delta, Snapshot } from '../barriers/snapshot.ts';
import { readConfig, type ServeConfig } from '../gateway/config.ts';
import { depth } from '../gateway/spool.ts';
import { type FromWorker, spoolDir, type ToWorker } from '../gateway/worker.ts';
import type { Dossier } from '../model/dossier.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { Admin } from './admin.ts';
import { Control } from './control.ts';
import type { FromDetector, Question } from './detector.ts';
import { Outbox } from './outbox.ts';
import { routes } from './routes.ts';

export interface Programs {
  readonly worker: string;
  readonly detector: string;
  readonly configPath: string;
}

const ASK_MS = 600_000;
const DRAIN_MS = 20_000;
const RESTART_MS = [500, 1000, 2000, 5000, 10_000];

/** The parent: owns what stands and the audit log, keeps workers and detector alive, answers the admin API. It holds no exchange and no store. */
export class Primary {
  private config: ServeConfig;
  private readonly control: Control;
  private readonly programs: Programs;
  private readonly log: Logger;
  private readonly admin: Admin;
  private readonly outbox: Outbox;
  private readonly clocks: NodeJS.Timeout[] = [];
  private readonly versions = new Map<number, number>();
  private readonly waiting = new Map<number, { readonly yes: (v: unknown) => void; readonly no: (e: Error) => void }>();
  private readonly registry = new Registry();
  private readonly gauges;
  private detector: ChildProcess | null = null;
  private detectorUp = false;
  private detectorFails = 0;
  private workerFails = 0;
  private asked = 0;
  private stopping = false;
  private dossier: Dossier | null = null;
  private subjects: Readonly<Record<string, Subject>> = {};
  private replaced = new Set<number>();

  constructor(programs: Programs, log: Logger) {
    const { config, policy } = readConfig(programs.configPath);
    this.config = config;
    this.programs = programs;
    this.log = log;
    mkdirSync(config.state, { recursive: true, mode: 0o700 });
    this.hold();
    this.control = new Control(config.state, policy);
    const gauge = (name: string, help: string) => new Gauge({ name: `stillwatch_${name}`, help, registers: [this.registry] });
    this.gauges = {
      spool: gauge('spool_bytes', 'Bytes spooled and not yet in the store'),
      up: gauge('detector_up', '1 while the detection process runs'),
      lag: gauge('detection_lag_seconds', 'From the newest exchange of a look to its result'),
      took: gauge('detection_seconds', 'Duration of the last look'),
      accepted: gauge('ingested_exchanges', 'Exchanges taken into the store since the start'),
      rejected: gauge('rejected_lines', 'Lines rejected since the start'),
      cases: gauge('open_cases', 'Cases that are open'),
      barriers: gauge('standing_barriers', 'Barriers that stand'),
    };
    const hooks = [...config.webhooks];
    if (config.enforcement) {
      const secret = config.enforcement.secret_file ? readFileSync(config.enforcement.secret_file, 'utf8').trim() : undefined;
      hooks.push({
        url: config.enforcement.url,
        events: ['barrier.approved', 'barrier.lifted', 'barrier.extended'],
        ...(secret ? { secret } : {}),
      });
    }
    this.outbox = new Outbox(
      hooks,
      join(config.state, 'webhooks.json'),
      () => this.control.audit.entries,
      () => this.control.state,
      (s) => this.log.warn(s),
    );
    this.control.push = (delta, snapshot) => this.push(delta, snapshot);
    this.admin = new Admin(
      config.admin,
      [{ name: 'local', role: 'admin', token: this.localToken() }],
      routes({
        control: this.control,
        now: Date.now,
        ask: (q) => this.ask(q),
        last: () => ({ dossier: this.dossier, subjects: this.subjects }),
        health: () => this.health(),
        metrics: () => this.metrics(),
      }),
    );
  }

  /** One serve a state directory. */
  private hold(): void {
    const path = join(this.config.state, 'pid');
    const pid = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
    if (pid > 0 && pid !== process.pid) {
      try {
        process.kill(pid, 0);
        throw new StillwatchError(
          'E_STATE_LOCKED',
          `the state ${this.config.state} is in use by process ${pid}`,
          'stop it, or give another state directory',
        );
      } catch (error) {
        if (error instanceof StillwatchError) throw error;
      }
    }
    writeFileSync(path, String(process.pid), { mode: 0o600 });
  }

  /** Lets commands on this host act through the admin API; readable by the owner of the state directory only. */
  private localToken(): string {
    const path = join(this.config.state, 'admin.token');
    if (!existsSync(path)) writeFileSync(path, randomBytes(32).toString('base64url'), { mode: 0o600 });
    return readFileSync(path, 'utf8').trim();
  }

  async start(): Promise<{ admin: number }> {
    cluster.setupPrimary({ exec: this.programs.worker, args: [this.programs.configPath] });
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.on('message', (w, m: FromWorker) => this.fromWorker(w, m));
    cluster.on('exit', (w, code, signal) => this.workerGone(w, code, signal));
    const admin = await this.admin.listen();
    const { host } = new URL(`http://${this.config.admin.listen}`);
    const url = `${this.config.admin.tls ? 'https' : 'http'}://${host.replace(/:\d+$/, '')}:${admin}`;
    const where = JSON.stringify({ url, token_file: join(this.config.state, 'admin.token'), pid: process.pid });
    writeFileSync(join(this.config.state, 'admin.json'), where, { mode: 0o600 });
    // Beside an embedded store too: a command that finds the store in use learns whom to ask.
    if (!/^https?:/.test(this.config.store)) {
      mkdirSync(this.config.store, { recursive: true, mode: 0o700 });
      writeFileSync(join(this.config.store, 'serve.json'), where, { mode: 0o600 });
    }
    if (this.config.proxy || this.config.decisions)
      for (let i = 0; i < this.config.workers; i++) cluster.fork({ STILLWATCH_WORKER: `w${i}` });
    this.startDetector();
    this.clocks.push(
      setInterval(() => {
        void this.outbox.tick(Date.now());
      }, 500),
      // What has run out leaves the snapshot; a worker that missed a change asks.
      setInterval(() => this.control.refresh(), 30_000),
    );
    this.log.info({ admin: url, workers: this.config.workers, enforcing: this.control.state.enforcing }, 'serving');
    return { admin };
  }

  private push(delta: Delta, _s: Snapshot): void {
    for (const w of Object.values(cluster.workers ?? {})) w?.send({ type: 'delta', delta } satisfies ToWorker);
  }

  private fromWorker(w: ClusterWorker, m: FromWorker): void {
    if (m?.type === 'ready' || m?.type === 'want') w.send({ type: 'snapshot', snapshot: this.control.snapshot } satisfies ToWorker);
    if (m?.type === 'have') {
      this.versions.set(w.id, m.version);
      this.workerFails = 0;
    }
  }

  private workerGone(w: ClusterWorker, code: number, signal: string): void {
    this.versions.delete(w.id);
    if (this.stopping || this.replaced.delete(w.id)) return;
    const wait = RESTART_MS[Math.min(this.workerFails, RESTART_MS.length - 1)] as number;
    this.workerFails += 1;
    this.log.error({ code, signal }, `a worker ended; another starts in ${wait} ms`);
    setTimeout(() => !this.stopping && cluster.fork({ STILLWATCH_WORKER: `w${w.id}` }), wait);
  }

  private startDetector(): void {
    const child = fork(this.programs.detector, [this.programs.configPath], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.detector = child;
    child.on('message', (m: FromDetector) => this.fromDetector(m));
    child.on('exit', (code, signal) => {
      this.detectorUp = false;
      this.detector = null;
      for (const w of this.waiting.values())
        w.no(new StillwatchError('E_DETECTOR', 'the detection process ended', 'it is started again; ask once more'));
      this.waiting.clear();
      if (this.stopping) return;
      const wait = RESTART_MS[Math.min(this.detectorFails, RESTART_MS.length - 1)] as number;
      this.detectorFails += 1;
      this.log.error({ code, signal }, `detection stopped; workers go on with the last snapshot; it starts again in ${wait} ms`);
      setTimeout(() => !this.stopping && this.startDetector(), wait);
    });
  }

  private fromDetector(m: FromDetector): void {
    if (m.type === 'up') {
      this.detectorUp = true;
      this.detectorFails = 0;
    } else if (m.type === 'said') this.log[m.level](m.said);
    else if (m.type === 'took') {
      this.gauges.accepted.inc(m.accepted);
      this.gauges.rejected.inc(m.rejected);
      if (m.torn > 0) this.log.warn(`${m.torn} damaged lines in the spool`);
    } else if (m.type === 'answer') {
      const w = this.waiting.get(m.id);
      this.waiting.delete(m.id);
      if (m.error) w?.no(new StillwatchError(m.error.code, m.error.message, m.error.hint));
      else w?.yes(m.value);
    } else {
      this.dossier = m.detected.dossier;
      this.subjects = m.detected.subjects;
      this.gauges.took.set(m.tookMs / 1000);
      if (m.newest > 0) this.gauges.lag.set(Math.max(0, Date.now() - m.newest) / 1000);
      try {
        const entries = this.control.take(m.detected);
        for (const { what } of entries) {
          if (what.type === 'case.opened') this.log.warn({ case: what.case.id, accounts: what.case.accounts.length }, 'case opened');
          if (what.type === 'service') this.log.warn(what.said);
        }
      } catch (error) {
        this.log.error(messageOf(error));
      }
    }
  }

  private ask(q: Question): Promise<unknown> {
    const child = this.detector;
    if (!child || !this.detectorUp)
      return Promise.reject(new StillwatchError('E_DETECTOR', 'the detection process is not up', 'ask again in a moment'));
    this.asked += 1;
    const id = this.asked;
    return new Promise((yes, no) => {
      const late = setTimeout(() => {
        this.waiting.delete(id);
        no(new StillwatchError('E_DETECTOR', 'the detection process did not answer', 'ask again later'));
      }, ASK_MS);
      const end =
        <T>(f: (x: T) => void) =>
        (x: T) => {
          clearTimeout(late);
          f(x);
        };
      this.waiting.set(id, { yes: end(yes), no: end(no) });
      child.send({ id, q });
    });
  }

  private health(): Record<string, unknown> & { ready: boolean } {
    const wanted = this.config.proxy || this.config.decisions ? this.config.workers : 0;
    return {
      ready: this.versions.size >= Math.min(1, wanted),
      workers: this.versions.size,
      snapshot: this.control.snapshot.version,
      detection: this.detectorUp ? 'up' : 'down: workers go on with the last snapshot',
      detected: this.control.detected === 0 ? null : new Date(this.control.detected).toISOString(),
      enforcing: this.control.state.enforcing,
      spool_bytes: depth(spoolDir(this.config)),
    };
  }

  private readonly aggregator = new AggregatorRegistry();

  private async metrics(): Promise<string> {
    const now = Date.now();
    this.gauges.spool.set(depth(spoolDir(this.config)));
    this.gauges.up.set(this.detectorUp ? 1 : 0);
    this.gauges.cases.set([...this.control.state.cases.values()].filter((c) => c.status === 'open').length);
    this.gauges.barriers.set([...this.control.state.barriers.values()].filter((b) => b.state === 'active' && b.expires > now).length);
    const workers = Object.keys(cluster.workers ?? {}).length > 0 ? await this.aggregator.clusterMetrics().catch(() => '') : '';
    return `${workers}\n${await this.registry.metrics()}`;
  }

  /** Reads configuration and policy anew. A faulty one changes nothing and is said; a good one reaches new workers, and the old ones finish what they began. */
  reload(): void {
    try {
      const { config, policy } = readConfig(this.programs.configPath);
      if (config.state !== this.config.state || config.store !== this.config.store)
        throw new StillwatchError('E_CONFIG', 'store and state cannot change while serving', 'stop, change, start');
      this.config = config;
      this.control.setPolicy(policy);
      const old = Object.values(cluster.workers ?? {});
      const fresh = old.map(() => cluster.fork({ STILLWATCH_WORKER: `w${Date.now().toString(36)}` }));
      for (const [i, w] of fresh.entries())
        w.once('listening', () => {
          const before = old[i];
          if (!before) return;
          this.replaced.add(before.id);
          before.send({ type: 'drain' } satisfies ToWorker);
        });
      this.log.info('configuration read again');
    } catch (error) {
      const e = error as StillwatchError;
      this.log.error(`${e.code ?? 'E_CONFIG'} ${messageOf(error)}; the old configuration stays`);
    }
  }

  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    for (const c of this.clocks) clearInterval(c);
    const workers = Object.values(cluster.workers ?? {});
    await Promise.all(
      workers.map(
        (w) =>
          new Promise<void>((resolve) => {
            if (!w || w.isDead()) return resolve();
            const late = setTimeout(() => w.process.kill('SIGKILL'), DRAIN_MS + 5000);
            w.once('exit', () => {
              clearTimeout(late);
              resolve();
            });
            w.send({ type: 'drain' } satisfies ToWorker);
          }),
      ),
    );
    await new Promise<void>((resolve) => {
      if (!this.detector) return resolve();
      this.detector.once('exit', () => resolve());
      this.detector.send({ stop: true });
    });
    await this.admin.close();
    this.control.close();
    rmSync(join(this.config.state, 'pid'), { force: true });
    if (!/^https?:/.test(this.config.store)) rmSync(join(this.config.store, 'serve.json'), { force: true });
    this.log.info('stopped');
  }
}
