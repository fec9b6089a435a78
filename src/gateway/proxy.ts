import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { clientAddress, trustedHeader, trustList } from './address.ts';
import { Bodies, NoRoom, readBody, TooLarge } from './body.ts';
import type { ProxyConfig, ServeConfig } from './config.ts';
import { type Asked, asked, refuse } from './dialects.ts';
import { askedBy, type Reading, RouteTable } from './fields.ts';
import { type Guard, type Pass, rehearsedIn } from './guard.ts';
import { forwarded, HOP_BACK, keyOf, otherKey } from './headers.ts';
import { type Holder, keyHash, type Lookup } from './lookup.ts';
import type { Meters } from './meters.ts';
import { recordHead, recordLine, type Seen, scopeOf } from './record.ts';
import { ACCOUNTS_AWAY, BAD, BUSY, LOG_FULL, NO_KEY, REASONED, UNKNOWN_KEY } from './refusals.ts';
import { sentOn } from './sent.ts';
import { Slots } from './slots.ts';
import type { Spool } from './spool.ts';
import { UsageTap } from './usage.ts';
import { Withheld } from './withhold.ts';

export interface Parts {
  readonly config: ServeConfig;
  readonly guard: Guard;
  readonly lookup: Lookup;
  readonly spool: Spool;
  readonly meters: Meters;
  readonly now: () => number;
}

/** Part of what was reserved that is spent by who goes away before the answer begins. */
const HUNG_UP = 0.25;

const UNREAD: Reading = { dialect: 'json', named: {} };

/** The reverse proxy: reads what is asked, decides, forwards, and lets the answer through as it comes. */
export class Forwarder {
  private readonly parts: Parts;
  private readonly c: ProxyConfig;
  private readonly pool: Pool;
  private readonly trusted;
  private readonly base: string;
  private readonly slots: Slots;
  private readonly routes: RouteTable;
  private readonly bodies: Bodies;

  constructor(parts: Parts) {
    this.parts = parts;
    this.c = parts.config.proxy as ProxyConfig;
    const u = new URL(this.c.upstream);
    this.base = u.pathname.replace(/\/$/, '');
    this.pool = new Pool(u.origin, {
      connections: this.c.upstream_connections,
      headersTimeout: this.c.upstream_timeout_ms,
      bodyTimeout: this.c.upstream_timeout_ms,
      pipelining: 1,
    });
    this.bodies = new Bodies(this.c.bodies_bytes_max);
    this.slots = new Slots(this.c.upstream_connections, this.c.upstream_queue);
    this.routes = new RouteTable(this.c.routes);
    this.trusted = trustList(this.c.trusted_proxies);
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  readonly handle = (req: IncomingMessage, res: ServerResponse): void => {
    res.on('error', () => undefined);
    req.on('error', () => undefined);
    this.answer(req, res).catch(() => {
      this.parts.meters.failed.inc();
      refuse(res, 'json', { status: 502, code: 'proxy_error', message: 'The request could not be handled.', retry: true }, randomUUID());
    });
  };

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const id = randomUUID();
    const started = this.parts.now();
    const url = req.url ?? '/';
    const path = url.split('?', 1)[0] as string;
    const route = this.routes.of(path);
    if (route === undefined) {
      if (req.method === 'GET' && this.c.forward.some((p) => path === p || path.startsWith(`${p}/`)) && !/\.\.|%2e|%2f|%5c|\\/i.test(url))
        return this.forward(req, res, id, url, null, UNREAD, null);
      // What is not understood is not let through.
      return refuse(
        res,
        path.startsWith('/v1/messages') ? 'anthropic' : 'json',
        { status: 404, code: 'unknown_route', message: `There is no ${req.method} ${path.slice(0, 200)} here.`, retry: false },
        id,
      );
    }
    const { dialect, fields } = route;
    if (req.method !== 'POST') return refuse(res, dialect, BAD('This path takes POST.', 404), id);
    if (req.headers['content-encoding'] && req.headers['content-encoding'] !== 'identity')
      return refuse(res, dialect, BAD('Send the body without content-encoding.', 415), id);
    const key = keyOf(req, this.c.key_header);
    if (key === null || otherKey(url, key)) return refuse(res, dialect, BAD('Send one API key, in one header.'), id);
    if (key === '') return refuse(res, dialect, NO_KEY, id);
    const hash = keyHash(key);
    const cached = this.parts.lookup.known(hash, started);
    // Read while the account is looked up; of a key that is not known nothing more is read.
    const reading = readBody(req, this.c.body_bytes_max, this.bodies.room(res)).catch((e: unknown) =>
      e instanceof TooLarge || e instanceof NoRoom ? e : null,
    );
    const holder = cached === undefined ? await this.parts.lookup.ask(hash, started).catch(() => undefined) : cached;
    if (holder === null && this.parts.config.accounts.unknown_key === 'refuse') {
      // Its connection goes with it: what is still to come of the body must not be waited for.
      if (!req.complete) res.setHeader('connection', 'close');
      return refuse(res, dialect, UNKNOWN_KEY, id);
    }
    const raw = await reading;
    if (raw === null) return void res.destroy();
    if (raw instanceof Error) {
      res.setHeader('connection', 'close');
      return refuse(res, dialect, raw instanceof TooLarge ? BAD(`The body is larger than ${this.c.body_bytes_max} bytes.`, 413) : BUSY, id);
    }
    if (holder === undefined) return refuse(res, dialect, ACCOUNTS_AWAY, id);
    let body: Record<string, unknown>;
    try {
      body = JSON.parse(raw.toString('utf8')) as Record<string, unknown>;
      if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new Error('no object');
    } catch {
      return refuse(res, dialect, BAD('The body is no JSON object.'), id);
    }
    let ask: Asked;
    try {
      ask = fields ? askedBy(fields, body, route.named) : asked(dialect, body);
    } catch {
      return refuse(res, dialect, BAD('The body is nested too deeply.'), id);
    }
    const who: Holder = holder ?? { account: `key:${hash.slice(0, 24)}` };
    const seen = this.seen(req, id, started, who, hash, ask, path);
    const mode = scopeOf(this.parts.config.scopes, who, ask.model, seen.country);
    let head: string | null;
    try {
      head = mode === 'exclude' || route.counts ? null : recordHead(seen, mode === 'metadata-only');
    } catch {
      return refuse(res, dialect, BAD('The body is nested too deeply.'), id);
    }
    const input = Math.ceil(raw.length / 4);
    const tokens = route.counts ? 0 : input + (ask.outputMax || this.parts.guard.snapshot.limits.output_tokens_assumed);
    const open = ask.outputMax === 0 && !route.counts;
    const verdict = await this.parts.guard.check(
      dialect,
      {
        ...who,
        model: ask.model,
        capabilities: ask.capabilities,
        countries: [who.country, seen.country].filter((x): x is string => x !== undefined && x !== ''),
        indicators: this.parts.guard.shown(seen.ip, seen.userAgent, seen.ja4),
        ...(ask.models ? { models: ask.models } : {}),
        ...(ask.unread ? { unread: true } : {}),
      },
      tokens,
      started,
      { open, far: ask.refersBack === true && !route.counts },
    );
    this.parts.meters.decided(verdict.outcome, rehearsedIn(verdict), this.parts.now() - started);
    if (!verdict.ok) return refuse(res, dialect, verdict.refusal, id);
    if (head !== null && this.parts.config.spool.when_full === 'refuse' && !this.parts.spool.room) {
      await this.parts.guard.settle(verdict, null, this.parts.now());
      this.parts.meters.spooled('refused');
      return refuse(res, dialect, LOG_FULL, id);
    }
    if (verdict.outcome === 'withhold' && fields && !fields.thoughts) {
      await this.parts.guard.settle(verdict, null, this.parts.now());
      return refuse(res, dialect, REASONED, id);
    }
    const sent = sentOn(verdict.outcome, route, body, raw, this.parts.guard.snapshot.gates.length > 0, verdict.verdict.summary);
    if (!sent) {
      await this.parts.guard.settle(verdict, null, this.parts.now());
      return refuse(res, dialect, BAD('The body is nested too deeply.'), id);
    }
    return this.forward(req, res, id, url, sent, route, { pass: verdict, head, input, counts: route.counts === true });
  }

  private seen(req: IncomingMessage, id: string, at: number, holder: Holder, hash: string, ask: Asked, endpoint: string): Seen {
    return {
      id,
      at,
      holder,
      keyHash: hash,
      asked: ask,
      endpoint,
      ip: clientAddress(req, this.c.client_address_header, this.trusted),
      userAgent: req.headers['user-agent'] ?? '',
      ja4: trustedHeader(req, this.c.ja4_header, this.trusted),
      country: trustedHeader(req, this.c.country_header, this.trusted),
    };
  }

  private async forward(
    req: IncomingMessage,
    res: ServerResponse,
    id: string,
    url: string,
    body: Buffer | null,
    { dialect, fields }: Reading,
    log: { readonly pass: Pass; readonly head: string | null; readonly input: number; readonly counts: boolean } | null,
  ): Promise<void> {
    const { meters, spool, guard, now, config } = this.parts;
    const began = now();
    if (!this.slots.now()) {
      const got = await this.slots.soon(res, this.c.queue_timeout_ms);
      if (got !== 'taken') {
        if (log) void guard.settle(log.pass, null, now());
        if (got !== 'gone') refuse(res, dialect, BUSY, id);
        return;
      }
    }
    return new Promise((resolve) => {
      let controller: Dispatcher.DispatchController | null = null;
      let tap: UsageTap | null = null;
      let filter: Withheld | null = null;
      let status = 0;
      let kept: 'no' | 'soon' | 'yes' | 'failed' = 'no';
      const waiting: (() => void)[] = [];
      let left = -1;
      let over = false;
      let stalled: NodeJS.Timeout | undefined;
      const done = () => {
        if (!over) {
          over = true;
          resolve();
        }
      };
      // The place is free when the upstream's side is over, not when the caller's is.
      let held = true;
      const free = () => {
        if (held) this.slots.give();
        held = false;
      };
      // A connection, to the upstream or here, is not held for somebody who does not read.
      const watch = () => {
        if (res.destroyed || res.writableFinished) return;
        stalled ??= setTimeout(() => {
          meters.stalled.inc();
          res.destroy();
        }, this.c.stalled_timeout_ms);
      };
      /** Before the answer's end goes out it is on disk; when that fails and traffic must not go unseen, the answer does not end. */
      let whole = false;
      const keep = (then: () => void): void => {
        if (kept === 'failed') return;
        if (!log || kept === 'yes') {
          then();
          return;
        }
        waiting.push(then);
        if (kept === 'soon') return;
        kept = 'soon';
        const usage = tap ? tap.end(whole, status < 400 ? log.input : 0) : { input: 0, output: 0, reasoning: 0, stop: '' };
        // Who hangs up before the last event has had what was reserved, or more; who got an error has had nothing.
        const used = Math.max(usage.input + usage.output, tap?.ended ? 0 : log.pass.reserved);
        void guard.settle(log.pass, status >= 400 ? null : log.counts ? 0 : used, now());
        const told = (state: 'kept' | 'shed' | 'failed' | 'left out') => {
          if (state !== 'left out') meters.spooled(state);
          kept = state === 'failed' ? 'failed' : 'yes';
          if (state !== 'failed') for (const f of waiting) f();
          else {
            res.destroy();
            done();
          }
        };
        if (log.head === null) told('left out');
        else
          spool.soon(recordLine(log.head, usage, status, now() - began), (put) =>
            told(put === 'kept' ? 'kept' : config.spool.when_full === 'shed' ? 'shed' : 'failed'),
          );
      };
      // The service's own fault costs nobody anything. Who hangs up has had the model begin all the same: the request counts, and a part of what it might have used.
      const refund = () => void (log && guard.settle(log.pass, null, now()));
      const hungUp = () => {
        meters.abandoned.inc();
        if (log) void guard.settle(log.pass, log.counts ? 0 : Math.max(log.input, HUNG_UP * log.pass.reserved), now());
      };
      const pass = (chunk: Buffer) => {
        if (chunk.length === 0 || res.write(chunk)) return;
        controller?.pause();
        watch();
      };
      res.on('close', () => {
        clearTimeout(stalled);
        if (!res.writableFinished) {
          controller?.abort(new Error('the client went away'));
          // What was sent of the answer has been taken: it is recorded all the same.
          if (status > 0) keep(() => undefined);
          else hungUp();
          done();
        }
      });
      res.on('drain', () => {
        clearTimeout(stalled);
        stalled = undefined;
        controller?.resume();
      });
      this.pool.dispatch(
        {
          path: this.base + url,
          method: req.method as Dispatcher.HttpMethod,
          headers: forwarded(req, {
            'accept-encoding': 'identity',
            ...(body ? { 'content-length': String(body.length) } : {}),
            'x-request-id': id,
          }),
          body,
        },
        {
          onRequestStart: (c) => {
            controller = c;
            if (res.destroyed || over) c.abort(new Error('nobody waits for it any more'));
          },
          onResponseStart: (c, code, headers) => {
            if (code < 200) return;
            if (log?.pass.outcome === 'withhold' && !/^(identity)?$/i.test(String(headers['content-encoding'] ?? ''))) {
              // Packed although it was asked not to be: what cannot be read cannot be taken out.
              c.abort(new Error('an answer whose reasoning is withheld came packed'));
              return;
            }
            status = code;
            const out: Record<string, string | string[]> = {};
            for (const [k, v] of Object.entries(headers)) if (v !== undefined && !HOP_BACK.has(k)) out[k] = v;
            if (log) {
              tap = new UsageTap(String(headers['content-type'] ?? ''), fields);
              Object.assign(out, log.pass.headers, { 'stillwatch-exchange': id });
              if (log.pass.outcome === 'withhold') {
                filter = new Withheld(dialect, String(headers['content-type'] ?? ''), fields?.thoughts, code, log.pass.verdict.summary);
                delete out['content-length'];
              }
              // With its length known, an answer ends with its last byte; that byte waits for the record.
              left = filter || headers['content-length'] === undefined ? -1 : Number(headers['content-length']);
            }
            res.writeHead(code, out);
          },
          onResponseData: (c, chunk) => {
            const last = tap?.take(chunk) === true;
            if (left > 0) left -= chunk.length;
            let out = chunk;
            try {
              if (filter) out = filter.take(chunk);
            } catch (error) {
              c.abort(error as Error);
              return;
            }
            if (last || left === 0 || kept !== 'no') keep(() => pass(out));
            else pass(out);
          },
          onResponseEnd: () => {
            free();
            whole = true;
            keep(() => {
              try {
                res.end(filter?.end());
              } catch {
                // What cannot be searched for reasoning does not go out.
                meters.upstreamErrors.inc();
                res.destroy();
              }
              watch();
              meters.latency.observe((now() - began) / 1000);
              done();
            });
          },
          onResponseError: (_c, error) => {
            free();
            if (res.destroyed && over) return;
            meters.upstreamErrors.inc();
            if (status > 0) {
              keep(() => undefined);
              res.destroy();
            } else {
              refund();
              const slow = /Timeout/.test(error.name);
              refuse(
                res,
                dialect,
                {
                  status: slow ? 504 : 502,
                  code: slow ? 'upstream_timeout' : 'upstream_error',
                  message: 'The model service did not answer.',
                  retry: true,
                },
                id,
              );
            }
            done();
          },
        },
      );
    });
  }
}
