import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { VERIFIED } from '../barriers/blast.ts';
import type { Policy, Subject } from '../barriers/policy.ts';
import type { ServeConfig } from '../gateway/config.ts';
import { spoolDir } from '../gateway/worker.ts';
import type { Dossier } from '../model/dossier.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { identifiers, type ScanOptions, scan } from '../scan.ts';
import { sayLabel } from '../store/labels.ts';
import { openStore } from '../store/open.ts';
import { erase, eraseLate, expire, exportOf } from '../store/personal.ts';
import { accountOf, pairBits, sharedBy } from '../store/queries/account.ts';
import { type AccountRecord, accountRecords } from '../store/queries/accounts.ts';
import { looks } from '../store/queries/looks.ts';
import { type Tied, tiesOf } from '../store/queries/ties.ts';
import type { Store } from '../store/store.ts';
import { asideOf, eraseAside, expireAside } from './aside.ts';
import { bodyOf, cutOf, findingOf, overBudget, quotesOf, seenOf, sentencesOf, sentSince } from './desk.ts';
import { graphOf } from './graph.ts';
import { Intake } from './intake.ts';
import { Notice } from './notice.ts';
import { ERASE_MS, type FromDetector, type Question } from './questions.ts';
import type { Took } from './tails.ts';

/** Renderers of answers in text; given by the command line, which has them already. */
export interface Answers {
  explain(what: string, store: Store, look?: string): Promise<string>;
  account(id: string, store: Store): Promise<string>;
  rejects(store: Store, most: number): Promise<string>;
  simulate(store: Store, policy: Policy, steps: number, confidence: number): Promise<string>;
  scan(store: Store, paths: readonly string[], format: string, base: ScanOptions): Promise<Dossier>;
}

const INTAKE_MS = 1000;
/** Days for which segments that the engine refused stay where rejected lines are not kept. */
const ASIDE_DAYS = 7;

/** What changes or reads all of a store waits for a look under way; other questions, and intake, go on between its statements. */
const ALONE: ReadonlySet<Question['ask']> = new Set(['scan', 'simulate', 'label', 'erase', 'expire', 'detect']);

/**
 * Owns the store: takes in what was spooled, looks again at what it holds, answers questions. A look sees the store as it was when it began, so that intake need not wait for it;
 * the engine runs one statement at a time, whoever asks.
 */
export class Detector {
  private readonly c: ServeConfig;
  private readonly answers: Answers;
  private readonly version: string;
  private readonly tell: (m: FromDetector) => void;
  private store: Store | null = null;
  private intake: Intake | null = null;
  private notice: Notice | null = null;
  private fresh = true;
  private looked = 0;
  private newest = 0;
  private accountsAt = 0;
  private stopped = false;
  private erased: { readonly account: string; readonly at: number }[] = [];
  private turn: Promise<unknown> = Promise.resolve();
  /** The look under way, and how many wait to have the store for themselves: until they had it no other look begins. */
  private looking: Promise<void> | null = null;
  private alone = 0;
  private keepsRejects = true;

  constructor(c: ServeConfig, answers: Answers, version: string, tell: (m: FromDetector) => void) {
    this.c = c;
    this.answers = answers;
    this.version = version;
    this.tell = tell;
  }

  async open(secret?: string): Promise<void> {
    this.store = await openStore({ at: this.c.store, ...(secret ? { secret } : {}) });
    for (const l of this.store.lost)
      this.tell({ type: 'said', level: 'error', said: `a part of the store was found broken and is lost: ${l}` });
    const { retention, keep_days } = this.c.detection;
    // Live intake is a first scan too: it decides how identifiers stand in a new store.
    const wanted = this.c.detection.identifiers;
    const keyed = await identifiers(this.store, {
      inputs: this.c.proxy || this.c.decisions || this.c.tail.length > 0 ? ['live'] : [],
      ...(wanted ? { keyed: wanted === 'keyed' } : {}),
    });
    mkdirSync(spoolDir(this.c), { recursive: true, mode: 0o700 });
    this.notice = new Notice(this.store, retention !== 'none');
    const options = {
      spool: join(this.c.state, 'batches'),
      keepRejects: retention !== 'none' && !keyed,
      keepTexts: retention === 'all' ? keep_days : 0,
      keyed,
      scopes: this.c.scopes,
      live: true,
      spoolBytes: this.c.spool.bytes_max,
    };
    this.keepsRejects = options.keepRejects;
    this.intake = new Intake(this.store, this.c.state, spoolDir(this.c), options, this.notice, (error) => this.failed(error));
    const { k0, k1 } = this.store.secret;
    this.tell({ type: 'up', key: keyed ? { k0, k1 } : null });
  }

  /** Runs until stopped. */
  async run(): Promise<void> {
    while (!this.stopped) {
      const began = Date.now();
      await this.round(() => this.take());
      const due = this.looked + this.c.detection.every_seconds * 1000 <= Date.now();
      if (due && this.fresh && !this.stopped && !this.looking && this.alone === 0) void this.lookApart();
      await new Promise((r) => setTimeout(r, Math.max(10, INTAKE_MS - (Date.now() - began))));
    }
  }

  private round(f: () => Promise<void>): Promise<void> {
    const next = this.turn.then(f).catch((error: unknown) => this.failed(error));
    this.turn = next;
    return next;
  }

  private failed(error: unknown): void {
    this.tell({
      type: 'said',
      level: 'error',
      said: error instanceof StillwatchError ? `${error.code} ${error.message}` : messageOf(error),
    });
  }

  /** A look beside intake. */
  private lookApart(): Promise<void> {
    this.looking = this.look().finally(() => {
      this.looking = null;
    });
    return this.looking.catch((error: unknown) => this.failed(error));
  }

  private async take(): Promise<void> {
    const intake = this.intake as Intake;
    let taken = 0;
    for (const read of [() => intake.segments(), ...this.c.tail.map((p) => () => intake.tail(p))]) {
      let t: Took;
      try {
        t = await read();
      } catch (error) {
        // One file that cannot be read keeps no other from being read.
        this.failed(error);
        continue;
      }
      taken += t.accepted;
      if (t.accepted + t.rejected + t.torn > 0) this.tell({ type: 'took', accepted: t.accepted, rejected: t.rejected, torn: t.torn });
      if (t.accepted > 0) this.fresh = true;
      this.newest = Math.max(this.newest, t.newest);
    }
    // What was on its way when somebody asked to be erased goes when it arrives.
    this.erased = this.erased.filter((e) => e.at > Date.now() - ERASE_MS);
    if (taken > 0) for (const e of this.erased) await eraseLate(this.store as Store, e.account, e.at);
  }

  private options(): ScanOptions {
    const path = this.c.detection.accounts;
    let accounts: string | undefined;
    if (path && existsSync(path) && statSync(path).mtimeMs > this.accountsAt) {
      this.accountsAt = statSync(path).mtimeMs;
      accounts = path;
    }
    return {
      inputs: [],
      ...(accounts ? { accounts } : {}),
      spool: join(this.c.state, 'batches'),
      retention: this.c.detection.retention,
      keepDays: this.c.detection.keep_days,
      confidenceMin: this.c.detection.confidence,
      alpha: this.c.detection.fdr,
      seed: 1,
      now: new Date(),
      version: this.version,
    };
  }

  private tied: { key: string; ties: readonly Tied[] } = { key: '', ties: [] };

  private async look(): Promise<void> {
    const store = this.store as Store;
    const began = Date.now();
    this.looked = began;
    this.fresh = false;
    const newest = this.newest;
    const dossier = await scan(await this.within(store), { ...this.options(), ...(this.notice ? { live: this.notice.take() } : {}) });
    // Each look leaves a dossier, and links point at it: all of a week are kept, and the last of each day for a year.
    await store
      .command(
        `DELETE FROM dossiers WHERE at < (SELECT max(at) FROM dossiers) AND (at < now() - INTERVAL 365 DAY
         OR (at < now() - INTERVAL 7 DAY AND at NOT IN (SELECT max(at) FROM dossiers GROUP BY toDate(at))))`,
      )
      .catch(() => undefined);
    await this.report(dossier, Date.now() - began, newest);
  }

  /** The last so many days: what a look costs must not grow with the age of the store. Time is the events' own. */
  private async within(store: Store): Promise<Store> {
    const newest = await store.first<{ t: string }>(
      `SELECT toUnixTimestamp64Milli(max(time)) AS t FROM ${store.all('exchanges')} AS e WHERE time <= now64(3, 'UTC') + INTERVAL 1 DAY`,
    );
    return store.asItIs(Number(newest?.t ?? 0) - this.c.detection.window_days * 86_400_000);
  }

  /** What was last found, as the store now has it. */
  private again = (store: Store): Promise<void> => bodyOf(store).then((b) => (b ? this.hand(JSON.parse(b) as Dossier) : undefined));

  /** Hands on a dossier made before, as if it had just been found. */
  hand(dossier: Dossier): Promise<void> {
    return this.report(dossier, 0, 0);
  }

  private async report(dossier: Dossier, tookMs: number, newest: number): Promise<void> {
    this.notice?.follow(dossier);
    const shown = [...dossier.campaigns, ...dossier.undecided];
    const records = shown.length > 0 ? await accountRecords(this.store as Store) : new Map<string, AccountRecord>();
    let verified = 0;
    for (const r of records.values()) if (VERIFIED.includes(r.verification)) verified += 1;
    const subjects = Object.create(null) as Record<string, Subject>;
    for (const f of shown)
      for (const { account } of f.accounts) {
        const r = records.get(account);
        if (r) subjects[account] = { tier: r.tier, verification: r.verification };
      }
    this.tell({ type: 'detected', detected: { dossier, subjects, verified }, tookMs, newest });
  }

  /** Answers in its turn. */
  async answer(id: number, q: Question): Promise<void> {
    const alone = ALONE.has(q.ask);
    if (alone) this.alone += 1;
    const reply = this.turn
      .then(() => (alone ? this.looking?.catch(() => undefined) : undefined))
      .then(() => this.value(q))
      .finally(() => {
        if (alone) this.alone -= 1;
      });
    this.turn = reply.catch(() => undefined);
    try {
      this.tell({ type: 'answer', id, value: await reply });
    } catch (error) {
      const e = error instanceof StillwatchError ? error : new StillwatchError('E_INTERNAL', messageOf(error), 'this is a fault of ours');
      this.tell({ type: 'answer', id, error: { code: e.code, message: e.message, hint: e.hint } });
    }
  }

  private async value(q: Question): Promise<unknown> {
    const store = this.store as Store;
    switch (q.ask) {
      case 'explain':
        return this.answers.explain(q.what, store, q.look);
      case 'account':
        return this.answers.account(q.account, store);
      case 'rejects':
        return this.answers.rejects(store, q.most);
      case 'dossier':
        return bodyOf(store, q.at);
      case 'looks':
        return looks(store, q.signal);
      case 'file': {
        const f = await accountOf(store, q.account);
        if (!f)
          throw new StillwatchError(
            'E_UNKNOWN',
            `there is no account ${JSON.stringify(q.account)} in this store`,
            'identifiers are those of the log, letter by letter',
          );
        return f;
      }
      case 'cut':
        return cutOf(store, q.members, q.values);
      case 'over':
        return overBudget(store, q.accounts, q.budget, q.from);
      case 'seen':
        return seenOf(store, q.accounts, q.from);
      case 'since':
        return sentSince(store, q.accounts, q.from);
      case 'texts':
      case 'sentences':
        return q.ask === 'texts' ? quotesOf(store, q.campaign, q.at) : sentencesOf(store, q.values);
      case 'graph': {
        const { ties, bitsOf, accounts } = await this.tiesIn(store, q);
        return graphOf(ties, { kind: q.kind, bitsMin: q.bitsMin, open: q.open, bitsOf, accounts });
      }
      case 'why': {
        const shared = await sharedBy(store, ...q.accounts);
        if (!shared)
          throw new StillwatchError(
            'E_UNKNOWN',
            'one of these accounts is not in this store',
            'identifiers are those of the log, letter by letter',
          );
        return shared;
      }
      case 'scan': {
        const began = Date.now();
        const d = await this.answers.scan(store, q.paths, q.format, this.options());
        await this.report(d, Date.now() - began, 0);
        return d;
      }
      case 'label':
        await sayLabel(store, q);
        this.fresh = true;
        return true;
      case 'export':
        return { ...(await exportOf(store, q.account)), set_aside: asideOf(spoolDir(this.c), q.account) };
      case 'erase':
        await this.take();
        this.erased.push({ account: q.account, at: Date.now() });
        this.notice?.forget(q.account);
        eraseAside(spoolDir(this.c), q.account);
        return erase(store, q.account).finally(() => this.again(store));
      case 'owed':
        this.erased.push(...q.erased);
        for (const e of q.erased) await eraseLate(store, e.account, e.at);
        return true;
      case 'expire':
        // A hold set since outweighs what is still owed to an erasure.
        this.erased = this.erased.filter((e) => !q.held.includes(e.account));
        this.expireAside(q.days.rejects, q.held);
        return expire(store, q.days, q.held);
      case 'simulate':
        return this.answers.simulate(store, q.policy, q.steps, q.confidence);
      case 'detect':
        await this.look();
        return true;
    }
  }

  /** Lines of the spool that became no exchange go with rejected lines; where those are not kept, after a week. */
  private expireAside(rejects: number | undefined, held: readonly string[]): void {
    const days = this.keepsRejects ? rejects : ASIDE_DAYS;
    if (days !== undefined) expireAside(spoolDir(this.c), Date.now() - days * 86_400_000, held);
  }

  /** Ties of a finding, asked of the store once for each dossier: a picture is narrowed and opened many times. */
  private async tiesIn(
    store: Store,
    { campaign, at, only, values }: Question & { readonly ask: 'graph' },
  ): Promise<{ ties: readonly Tied[]; bitsOf: (t: Tied) => number; accounts: number }> {
    const { finding: f, population } = await findingOf(store, campaign, at);
    if (!f) return { ties: [], bitsOf: () => 0, accounts: 0 };
    const accounts = only ?? f.accounts.map((a) => a.account);
    const key = createHash('sha256')
      .update([at, campaign, ...accounts].join('\0'))
      .digest('hex');
    const shared = values ?? f.indicators;
    if (this.tied.key !== key)
      this.tied = {
        key,
        ties: await tiesOf(store, accounts, shared),
      };
    // What sharing the value is worth for two accounts, as "why are these two linked" has it.
    const bits = new Map(shared.map((i) => [`${i.kind}\0${i.value}`, pairBits(population, i.accounts + i.others)]));
    return { ties: this.tied.ties, bitsOf: (t) => bits.get(`${t.kind}\0${t.value}`) ?? 0, accounts: accounts.length };
  }

  async close(): Promise<void> {
    this.stopped = true;
    await this.turn.catch(() => undefined);
    await this.looking?.catch(() => undefined);
    await this.store?.close();
  }
}
