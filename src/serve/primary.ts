import { type ChildProcess, fork } from 'node:child_process';
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { AggregatorRegistry, Gauge, Registry } from 'prom-client';
import { LOCAL } from '../barriers/events.ts';
import { endedGates, type Policy, type Subject } from '../barriers/policy.ts';
import { readConfig, type ServeConfig, sharesBudgets, unshared } from '../gateway/config.ts';
import { depth, oldest } from '../gateway/spool.ts';
import { spoolDir } from '../gateway/worker.ts';
import type { Dossier } from '../model/dossier.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { Admin } from './admin.ts';
import { bytesAside } from './aside.ts';
import { Control } from './control.ts';
import { Holders } from './holders.ts';
import { holdState } from './lock.ts';
import { type Hook, Outbox } from './outbox.ts';
import { canListen, portsOf } from './ports.ts';
import { ERASE_MS, type FromDetector, type Question } from './questions.ts';
import { replaceFile } from './replace.ts';
import { routes } from './routes.ts';
import { RESTART_MS, Workers } from './workers.ts';

export interface Programs {
  readonly worker: string;
  readonly detector: string;
  readonly configPath: string;
}

/** Names this run, so that what it writes is told from what an earlier one left. */
const RUN = randomBytes(4).toString('hex');
const ASK_MS = 600_000;
/** A look under way is let finish. */
const STOP_MS = 120_000;
const EXPIRE_MS = 3_600_000;
const PORT_MS = 10_000;

/** The parent: owns what stands and the audit log, keeps workers and detector alive, answers the admin API. It holds no exchange and no store. */
export class Primary {
  private config: ServeConfig;
  private readonly control: Control;
  private readonly programs: Programs;
  private readonly log: Logger;
  private readonly admin: Admin;
  private readonly outbox: Outbox;
  private readonly clocks: NodeJS.Timeout[] = [];
  private readonly workers: Workers;
  private readonly holders: Holders;
  private readonly waiting = new Map<number, { readonly yes: (v: unknown) => void; readonly no: (e: Error) => void }>();
  private readonly registry = new Registry();
  private readonly gauges;
  private detector: ChildProcess | null = null;
  private detectorUp = false;
  private detectorFails = 0;
  private asked = 0;
  private stopping = false;
  private reloading = false;
  /** Asked for while another reload is under way. */
  private again = false;
  /** Whom commands on this host are to ask. */
  private where = '';
  private dossier: Dossier | null = null;
  private subjects: Readonly<Record<string, Subject>> = {};

  constructor(programs: Programs, log: Logger) {
    const { config, policy } = readConfig(programs.configPath);
    this.config = config;
    this.programs = programs;
    this.log = log;
    mkdirSync(config.state, { recursive: true, mode: 0o700 });
    holdState(config.state);
    this.control = new Control(config.state, policy);
    if (this.control.audit.gone) this.log.error(`E_AUDIT the audit log is not whole: ${this.control.audit.gone}`);
    const gauge = (name: string, help: string) => new Gauge({ name: `stillwatch_${name}`, help, registers: [this.registry] });
    this.gauges = {
      spool: gauge('spool_bytes', 'Bytes spooled and not yet in the store'),
      aside: gauge('spool_aside_bytes', 'Bytes of the spool that became no exchange and wait for a person'),
      waits: gauge('spool_oldest_seconds', 'Age of the oldest segment that is not in the store yet'),
      up: gauge('detector_up', '1 while the detection process runs'),
      lag: gauge('detection_lag_seconds', 'From the newest exchange of a look to its result'),
      took: gauge('detection_seconds', 'Duration of the last look'),
      accepted: gauge('ingested_exchanges', 'Exchanges taken into the store since the start'),
      rejected: gauge('rejected_lines', 'Lines rejected since the start'),
      cases: gauge('open_cases', 'Cases that are open'),
      barriers: gauge('standing_barriers', 'Barriers that stand'),
    };
    this.outbox = new Outbox(
      this.hooks(),
      join(config.state, 'webhooks.json'),
      () => this.control.audit.entries,
      () => this.control.state,
      (s) => this.log.warn(s),
    );
    this.workers = new Workers(
      RUN,
      log,
      () => this.config,
      () => this.control.snapshot,
    );
    this.holders = new Holders(join(config.state, 'holders.json'));
    this.workers.holder = ({ account, tier, verification }) =>
      this.holders.hear(account, { verification, ...(tier ? { tier } : {}) }, Date.now());
    this.control.push = (delta) => this.workers.push(delta);
    this.control.onEntries((list) => {
      for (const { what } of list) if (what.type === 'data.erased') this.holders.forget(what.account);
      if (list.some((e) => e.what.type === 'hold.set' || e.what.type === 'hold.cleared')) this.expire();
    });
    this.admin = new Admin(
      config.admin,
      [{ name: LOCAL, role: 'admin', token: this.localToken() }],
      routes({
        control: this.control,
        now: Date.now,
        ask: (q) => this.ask(q),
        last: () => ({ dossier: this.dossier, subjects: this.subjects }),
        holder: (account, held) => this.holders.of(account, held, this.config.accounts.file),
        health: () => this.health(),
        metrics: () => this.metrics(),
        // Who may only look is given no case.
        people: () => this.config.admin.tokens.flatMap((t) => (t.role === 'viewer' ? [] : [t.name])),
        sharesBudgets: () => sharesBudgets(this.config),
      }),
    );
  }

  /** Lets commands on this host act through the admin API; readable by the owner of the state directory only. */
  private localToken(): string {
    const path = join(this.config.state, 'admin.token');
    if (!existsSync(path)) writeFileSync(path, randomBytes(32).toString('base64url'), { mode: 0o600 });
    return readFileSync(path, 'utf8').trim();
  }

  private get accepted(): string {
    return join(this.config.state, 'config.json');
  }

  /** Children read the configuration that was accepted, not the file as it happens to be when one of them starts again. */
  private accept(): void {
    replaceFile(this.accepted, JSON.stringify(this.config));
  }

  private hooks(): Hook[] {
    const c = this.config;
    return [
      ...c.webhooks,
      ...(c.enforcement
        ? [
            {
              url: c.enforcement.url,
              // The barrier's own expiry travels with it; when the mode changes, so does what stands.
              events: ['barrier.approved', 'barrier.lifted', 'barrier.spared', 'barrier.extended', 'barrier.restored', 'mode.changed'],
              standing: true,
              ...(c.enforcement.secret ? { secret: c.enforcement.secret } : {}),
            },
          ]
        : []),
    ];
  }

  /** Budgets that stand already must be kept by whoever is to keep them now. */
  private fits(config: ServeConfig): void {
    if (sharesBudgets(config)) return;
    const slow = [...this.control.state.barriers.values()].find(
      (b) => b.action === 'slow' && b.state === 'active' && b.expires > Date.now(),
    );
    if (!slow) return;
    const [said, hint] = unshared(config);
    throw new StillwatchError('E_CONFIG', `barrier ${slow.id} slows accounts down, and ${said}`, hint);
  }

  async start(): Promise<{ admin: number }> {
    this.fits(this.config);
    // Workers of a parent that was killed close their ports in a moment.
    await Promise.all(portsOf(this.config).map((p) => canListen(p, PORT_MS)));
    this.accept();
    const admin = await this.admin.listen();
    const { host } = new URL(`http://${this.config.admin.listen}`);
    const url = `${this.config.admin.tls ? 'https' : 'http'}://${host.replace(/:\d+$/, '')}:${admin}`;
    const where = JSON.stringify({ url, token_file: join(this.config.state, 'admin.token'), pid: process.pid });
    writeFileSync(join(this.config.state, 'admin.json'), where, { mode: 0o600 });
    this.where = where;
    this.workers.start(this.programs.worker, this.accepted);
    this.startDetector();
    this.clocks.push(
      setInterval(() => {
        void this.outbox.tick(Date.now());
      }, 500),
      setInterval(() => this.expire(), EXPIRE_MS),
      // What has run out leaves the snapshot; a worker that missed a change asks.
      setInterval(() => this.control.refresh(), 30_000),
    );
    this.tellEnded();
    this.log.info(
      {
        admin: url,
        console: `${url}/`,
        sign_in: 'with a token of admin.tokens',
        workers: this.config.workers,
        enforcing: this.control.state.enforcing,
      },
      'serving',
    );
    return { admin };
  }

  /** Data past its time to live goes; what a legal hold covers stays. */
  private expire(): void {
    const { expire, keep_days } = this.config.detection;
    const held = [...this.control.state.legalHolds.keys()];
    this.ask({ ask: 'expire', days: { ...expire, texts: keep_days }, held }).then(
      (n) => Number(n) > 0 && this.log.info(`${n} exchanges were past their time to live`),
      (e: unknown) => this.log.warn(`expiry: ${messageOf(e)}`),
    );
  }

  private startDetector(): void {
    const child = fork(this.programs.detector, [this.accepted], {
      env: { ...process.env, STILLWATCH_RUN: RUN },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.detector = child;
    child.on('error', (e) => this.log.warn(`the channel to detection: ${messageOf(e)}`));
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
      if (code === 0) this.log.info('detection starts again');
      else this.log.error({ code, signal }, `detection stopped; workers go on with the last snapshot; it starts again in ${wait} ms`);
      setTimeout(() => !this.stopping && this.startDetector(), wait);
    });
  }

  /** Asks it to end; one that does not within a while is ended. */
  private stopDetector(): void {
    const child = this.detector;
    if (!child) return;
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.once('exit', () => clearTimeout(late));
    if (child.connected) child.send({ stop: true }, () => undefined);
    else child.kill('SIGTERM');
  }

  private fromDetector(m: FromDetector): void {
    if (m.type === 'up') {
      this.point();
      this.detectorUp = true;
      this.workers.know(m.key);
      this.owe();
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
      const detected = this.holders.with(m.detected, this.config.accounts.file);
      this.dossier = detected.dossier;
      this.subjects = detected.subjects;
      this.gauges.took.set(m.tookMs / 1000);
      if (m.newest > 0) this.gauges.lag.set(Math.max(0, Date.now() - m.newest) / 1000);
      try {
        const entries = this.control.take(detected);
        for (const { what } of entries) {
          if (what.type === 'case.opened') this.log.warn({ case: what.case.id, accounts: what.case.accounts.length }, 'case opened');
          if (what.type === 'service') this.log.warn(what.said);
        }
      } catch (error) {
        this.log.error(messageOf(error));
      }
    }
  }

  /** Erasures of late, for a detection process that began after them: what was on its way then may still come. */
  private owe(): void {
    const erased = this.control.audit.entries
      .filter((e) => e.what.type === 'data.erased' && e.at > Date.now() - ERASE_MS)
      .map((e) => ({ account: (e.what as { account: string }).account, at: e.at }))
      .filter((e) => !this.control.state.legalHolds.has(e.account));
    if (erased.length > 0)
      this.ask({ ask: 'owed', erased }).catch((e: unknown) => this.log.error(`what is owed to an erasure: ${messageOf(e)}`));
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
      child.send({ id, q }, (e) => {
        if (!e) return;
        const w = this.waiting.get(id);
        this.waiting.delete(id);
        w?.no(new StillwatchError('E_DETECTOR', 'the detection process just ended', 'ask again in a moment'));
      });
    });
  }

  private health(): Record<string, unknown> & { ready: boolean } {
    const wanted = this.config.proxy || this.config.decisions ? this.config.workers : 0;
    return {
      ready: this.workers.listening >= Math.min(1, wanted),
      workers: this.workers.listening,
      snapshot: this.control.snapshot.version,
      detection: this.detectorUp ? 'up' : 'down: workers go on with the last snapshot',
      detected: this.control.detected === 0 ? null : new Date(this.control.detected).toISOString(),
      enforcing: this.control.state.enforcing,
      spool_bytes: depth(spoolDir(this.config)),
      spool_oldest_seconds: Math.round(oldest(spoolDir(this.config), Date.now())),
    };
  }

  private readonly aggregator = new AggregatorRegistry();

  private async metrics(): Promise<string> {
    const now = Date.now();
    this.gauges.spool.set(depth(spoolDir(this.config)));
    this.gauges.aside.set(bytesAside(spoolDir(this.config)));
    this.gauges.waits.set(oldest(spoolDir(this.config), now));
    this.gauges.up.set(this.detectorUp ? 1 : 0);
    this.gauges.cases.set([...this.control.state.cases.values()].filter((c) => c.status === 'open').length);
    this.gauges.barriers.set([...this.control.state.barriers.values()].filter((b) => b.state === 'active' && b.expires > now).length);
    const workers = Object.keys(cluster.workers ?? {}).length > 0 ? await this.aggregator.clusterMetrics().catch(() => '') : '';
    return `${workers}\n${await this.registry.metrics()}`;
  }

  /** Reads configuration and policy anew. A faulty one changes nothing and is said; a good one reaches new workers, and the old ones finish what they began. */
  async reload(): Promise<void> {
    this.again = true;
    // One after the other: what workers turn out not to serve with gives way to what they served with, and not to what was before that.
    if (this.reloading) return;
    this.reloading = true;
    while (this.again && !this.stopping) {
      this.again = false;
      await this.readAgain();
    }
    this.reloading = false;
  }

  private async readAgain(): Promise<void> {
    try {
      const { config, policy } = readConfig(this.programs.configPath);
      if (config.state !== this.config.state || config.store !== this.config.store)
        throw new StillwatchError('E_CONFIG', 'store and state cannot change while serving', 'stop, change, start');
      this.fits(config);
      const held = portsOf(this.config);
      await Promise.all(
        portsOf(config)
          .filter((p) => !held.includes(p))
          .map((p) => canListen(p)),
      );
      const before = { config: this.config, policy: this.control.policy };
      this.take(config, policy);
      this.log.info('configuration read again');
      if (await this.workers.replace(() => this.again)) return;
      // A worker that is started again must find what it can serve with.
      if (this.stopping) return;
      this.take(before.config, before.policy);
      this.workers.fill();
      this.log.error('E_CONFIG no worker could serve with the new configuration; the old one holds again');
    } catch (error) {
      const e = error as StillwatchError;
      this.log.error(`${e.code ?? 'E_CONFIG'} ${messageOf(error)}; the old configuration stays`);
    }
  }

  /** Beside an embedded store too, once it is held: a command that finds the store in use learns whom to ask. */
  private point(): void {
    if (!/^https?:/.test(this.config.store)) writeFileSync(join(this.config.store, 'serve.json'), this.where, { mode: 0o600 });
  }

  private tellEnded(): void {
    for (const ended of endedGates(this.control.policy, Date.now())) this.log.warn(`policy: ${ended}`);
  }

  private take(config: ServeConfig, policy: Policy): void {
    this.config = config;
    this.accept();
    this.control.setPolicy(policy);
    this.tellEnded();
    this.admin.setTokens(config.admin.tokens, [{ name: LOCAL, role: 'admin', token: this.localToken() }]);
    this.outbox.setHooks(this.hooks());
    // It starts again with what was accepted.
    this.stopDetector();
  }

  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    for (const c of this.clocks) clearInterval(c);
    await this.workers.stop(this.config.drain_seconds * 1000);
    await new Promise<void>((resolve) => {
      if (!this.detector) return resolve();
      this.detector.once('exit', () => resolve());
      this.stopDetector();
    });
    await this.admin.close();
    this.control.close();
    this.holders.save();
    rmSync(join(this.config.state, 'pid'), { force: true });
    // Another service on this store has written its own.
    const at = join(this.config.store, 'serve.json');
    if (!/^https?:/.test(this.config.store) && existsSync(at) && readFileSync(at, 'utf8') === this.where) rmSync(at, { force: true });
    this.log.info('stopped');
  }
}
