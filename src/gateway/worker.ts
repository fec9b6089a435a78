import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type Budgets, MemoryBudgets, RedisBudgets } from '../barriers/gcra.ts';
import type { Delta, Snapshot } from '../barriers/snapshot.ts';
import { plain, prefixOf, trustList } from './address.ts';
import { hostPort, type ServeConfig } from './config.ts';
import { Decisions } from './decisions.ts';
import { Guard } from './guard.ts';
import type { IdentifierKey } from './keyed.ts';
import { Lookup } from './lookup.ts';
import { Meters } from './meters.ts';
import { within } from './patience.ts';
import { Forwarder, type Parts } from './proxy.ts';
import { Spool } from './spool.ts';

/** Budgets in use, by key: a worker that goes hands them to the one that takes its place. */
type Spent = readonly (readonly [string, number])[];

/** What the parent tells a worker, and what a worker answers. */
export type ToWorker =
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly type: 'delta'; readonly delta: Delta }
  /** How the store writes addresses. */
  | { readonly type: 'identifiers'; readonly key: IdentifierKey | null }
  | { readonly type: 'spent'; readonly spent: Spent }
  /** Asks what is spent. */
  | { readonly type: 'hand' }
  /** Takes no more, and ends what was begun within so many ms. */
  | { readonly type: 'drain'; readonly ms: number };
const KINDS: Readonly<Record<ToWorker['type'], true>> = {
  snapshot: true,
  delta: true,
  identifiers: true,
  spent: true,
  hand: true,
  drain: true,
};
/** All of them, for the process that lets nothing else of its channel through: none can be forgotten. */
export const TO_WORKER: readonly string[] = Object.keys(KINDS);

export type FromWorker =
  | { readonly type: 'spent'; readonly spent: Spent }
  | { readonly type: 'want' }
  | { readonly type: 'have'; readonly version: number }
  | { readonly type: 'ready' }
  | { readonly type: 'said'; readonly said: string }
  | { readonly type: 'listening' }
  /** What the lookup says of an account. */
  | { readonly type: 'holder'; readonly account: string; readonly tier?: string; readonly verification: string };

export const spoolDir = (c: ServeConfig): string => join(c.state, 'spool');

/** How long a connection that is idle when its worker goes may still bring a request. */
const IDLE_MS = 1000;

/** One worker: the proxy and the decision API on their ports, with the last snapshot it was given. */
export class Worker {
  readonly parts: Parts;
  private readonly servers: { readonly server: Server; readonly listen: string }[] = [];
  private readonly proxy: Forwarder | null = null;
  private readonly decisions: Decisions | null = null;
  private readonly redis: Redis | null = null;
  private readonly memory = new MemoryBudgets();

  /** Where to say what went wrong: the parent keeps the log. */
  tell: (m: FromWorker) => void = () => undefined;
  private saidAt = Number.NEGATIVE_INFINITY;
  private leaving = false;

  constructor(config: ServeConfig, name: string, now: () => number = Date.now) {
    let budgets: Budgets = this.memory;
    if (config.redis) {
      const timeout = config.redis.timeout_ms;
      // Commands fail at once while Redis is away: what happens then is configured, and waiting is never it.
      this.redis = new Redis(config.redis.url, {
        connectTimeout: 1000,
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
      });
      // Said as it begins and when it is over; what budgets do meanwhile is configured.
      let away = false;
      this.redis.on('error', (e: NodeJS.ErrnoException) => {
        if (!away)
          this.tell({
            type: 'said',
            said: `Redis is away (${e.code ?? 'no answer'}): limits are ${config.redis?.when_away.limits}, slow barriers ${config.redis?.when_away.slow} until it is back`,
          });
        away = true;
      });
      this.redis.on('ready', () => {
        if (away) this.tell({ type: 'said', said: 'Redis is back' });
        away = false;
      });
      const { redis } = this;
      budgets = new RedisBudgets(redis, (answer) => within(answer, timeout));
    }
    const spoolOf = (worker: string) =>
      new Spool({
        dir: spoolDir(config),
        worker,
        bytesMax: config.spool.bytes_max,
        rotateMs: config.spool.rotate_ms,
      });
    const meters = new Meters();
    this.parts = {
      config,
      guard: new Guard(budgets, config, () => meters.budgetsAway.inc()),
      lookup: new Lookup(
        config.accounts,
        (said) => {
          meters.lookupFailed.inc();
          this.say(`E_ACCOUNTS ${said}`);
        },
        (h) => {
          if (h.verification)
            this.tell({ type: 'holder', account: h.account, verification: h.verification, ...(h.tier ? { tier: h.tier } : {}) });
        },
      ),
      spool: spoolOf(`${name}~canonical`),
      meters,
      now,
    };
    if (config.proxy) {
      this.proxy = new Forwarder(this.parts);
      this.servers.push({
        server: this.server(this.proxy.handle, config.proxy.connections, config.proxy.header_bytes_max, config.proxy.tls, {
          each: config.proxy.connections_per_address ?? Math.max(1, Math.ceil(0.75 * config.proxy.connections)),
          ms: config.proxy.request_timeout_ms,
          trusted: trustList(config.proxy.trusted_proxies),
        }),
        listen: config.proxy.listen,
      });
    }
    if (config.decisions) {
      this.decisions = new Decisions(this.parts, (format) => spoolOf(`${name}i~${format}`));
      this.servers.push({ server: this.server(this.decisions.handle, 512, 16_384, config.decisions.tls), listen: config.decisions.listen });
    }
  }

  private server(
    handle: (req: never, res: never) => void,
    connections: number,
    headers: number,
    tls: { readonly cert: string; readonly key: string } | undefined,
    from: { readonly each: number; readonly ms: number; readonly trusted: ReturnType<typeof trustList> } | null = null,
  ): Server {
    const options = {
      maxHeaderSize: headers,
      headersTimeout: 15_000,
      requestTimeout: from?.ms ?? 120_000,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 65_000,
      insecureHTTPParser: false,
      requireHostHeader: true,
    };
    // Once this worker is on its way out a connection ends with its answer: one that is kept busy would never leave, and never hear what has been decided since.
    const last = (req: never, res: ServerResponse): void => {
      // A request that comes before the one ahead of it is answered has no connection of its own yet: nothing would tell that its caller went away, and what it holds would be held for good.
      if (!res.socket) return void setImmediate(() => (res.socket ? last(req, res) : (req as IncomingMessage).socket.destroy()));
      if (this.leaving) res.shouldKeepAlive = false;
      handle(req, res as never);
    };
    const s = tls
      ? createSecure({ ...options, cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, last as never)
      : createServer(options, last as never);
    s.maxConnections = connections;
    s.maxRequestsPerSocket = 100_000;
    // Who is kept out is counted, and those who only keep a connection make room.
    s.on('drop', () => {
      this.parts.meters.dropped.inc();
      s.closeIdleConnections();
    });
    if (from) {
      const held = new Map<string, number>();
      s.on('connection', (socket) => {
        const address = plain(socket.remoteAddress ?? '');
        if (address === '' || from.trusted?.check(address, address.includes(':') ? 'ipv6' : 'ipv4')) return;
        // A /64 of version 6 is one subscriber's: its addresses are as many as anybody likes.
        const holder = address.includes(':') ? prefixOf(address) : address;
        const n = (held.get(holder) ?? 0) + 1;
        if (n > from.each) {
          this.parts.meters.dropped.inc();
          socket.destroy();
          return;
        }
        held.set(holder, n);
        socket.once('close', () => {
          const left = (held.get(holder) ?? 1) - 1;
          if (left > 0) held.set(holder, left);
          else held.delete(holder);
        });
      });
    }
    s.on('clientError', (_e, socket) => {
      this.parts.meters.failed.inc();
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      // One that keeps its own half open would hold its place for good.
      setTimeout(() => socket.destroy(), 1000).unref();
    });
    return s;
  }

  /** At most once in ten seconds: what fails for one request fails for all. */
  private say(said: string): void {
    const now = this.parts.now();
    if (now - this.saidAt < 10_000) return;
    this.saidAt = now;
    this.tell({ type: 'said', said });
  }

  async listen(): Promise<void> {
    for (const { server, listen } of this.servers)
      await new Promise<void>((resolve, reject) => {
        const { host, port } = hostPort(listen);
        server.once('error', reject);
        server.listen(port, host, () => resolve());
      });
  }

  /** Ports in use, in the order proxy, decisions: for tests that listen on port 0. */
  ports(): number[] {
    return this.servers.map(({ server }) => (server.address() as { port: number }).port);
  }

  /** Takes a message; what to answer. */
  take(m: ToWorker): FromWorker | null {
    const g = this.parts.guard;
    if (m.type === 'snapshot') g.set(m.snapshot);
    else if (m.type === 'delta' && !g.change(m.delta)) return { type: 'want' };
    if (m.type === 'identifiers') {
      g.key = m.key;
      return null;
    }
    if (m.type === 'drain' || m.type === 'hand') return this.redis ? null : { type: 'spent', spent: this.memory.spent(this.parts.now()) };
    if (m.type === 'spent') {
      this.memory.heed(m.spent);
      return null;
    }
    this.parts.meters.snapshotAge.set(g.snapshot.version);
    return { type: 'have', version: g.snapshot.version };
  }

  /** Stops taking connections, lets answers finish for so long, and closes. Asked again, the shorter time holds: who ends after a reload may be asked to stop. */
  drain(ms: number): Promise<void> {
    setTimeout(() => {
      for (const { server } of this.servers) server.closeAllConnections();
    }, ms).unref();
    setTimeout(
      () => {
        for (const { server } of this.servers) server.closeIdleConnections();
      },
      Math.min(IDLE_MS, ms),
    ).unref();
    this.gone ??= this.end();
    return this.gone;
  }

  private gone: Promise<void> | null = null;

  private async end(): Promise<void> {
    this.leaving = true;
    await Promise.all(
      this.servers.map(
        ({ server }) =>
          // Takes no connection any more. One that is idle may have its next request under way: closed in its face it would be reset, so it is answered, and ends with its answer (`leaving`).
          new Promise<void>((resolve) => {
            NetServer.prototype.close.call(server, () => resolve());
          }),
      ),
    );
    this.decisions?.close();
    this.parts.spool.close();
    await this.proxy?.close();
    this.redis?.disconnect();
  }
}
