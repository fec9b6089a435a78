import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Pool } from 'undici';
import { clientAddress, trustedHeader, trustList } from './address.ts';
import { Bodies, NoRoom, readBody, TooLarge, TooSlow } from './body.ts';
import type { ProxyConfig, ServeConfig } from './config.ts';
import { type Asked, asked, crowded, refuse, TooManyParts } from './dialects.ts';
import { askedBy, type Reading, RouteTable } from './fields.ts';
import { type Guard, rehearsedIn } from './guard.ts';
import { keyOf, otherKey } from './headers.ts';
import { type Holder, keyHash, type Lookup } from './lookup.ts';
import type { Meters } from './meters.ts';
import { Passage } from './passage.ts';
import { recordHead, type Seen, scopeOf } from './record.ts';
import { ACCOUNTS_AWAY, BAD, BUSY, LOG_FULL, NO_KEY, REASONED, TOO_MANY, UNKNOWN_KEY } from './refusals.ts';
import { mayBoundTwice, sentOn } from './sent.ts';
import { Slots } from './slots.ts';
import type { Spool } from './spool.ts';

export interface Parts {
  readonly config: ServeConfig;
  readonly guard: Guard;
  readonly lookup: Lookup;
  readonly spool: Spool;
  readonly meters: Meters;
  readonly now: () => number;
}

/**
 * Tokens that a text may have, at most times: a quarter of its plain characters, and one for each of another alphabet, which takes two bytes and more.
 * @param bytes of UTF-8
 */
export const tokensOf = (bytes: number, characters: number): number => {
  const wide = Math.min(characters, Math.max(0, bytes - characters));
  return Math.ceil((characters - wide) / 4 + wide);
};

/** Where an account is registered and where its request comes from; a header that a proxy adds to what was there holds several, and each may be the one. */
const countriesOf = (registered: string | undefined, seen: string): string[] =>
  [registered ?? '', ...seen.split(',')].map((x) => x.trim()).filter((x) => x !== '');

const UNREAD: Reading = { dialect: 'json', named: {} };

/** The reverse proxy: reads what is asked, decides, forwards, and lets the answer through as it comes. */
export class Forwarder {
  private readonly parts: Parts;
  private readonly c: ProxyConfig;
  private readonly pool: Pool;
  private readonly trusted;
  private readonly passage: Passage;
  private readonly routes: RouteTable;
  private readonly bodies: Bodies;

  constructor(parts: Parts) {
    this.parts = parts;
    this.c = parts.config.proxy as ProxyConfig;
    const u = new URL(this.c.upstream);
    this.pool = new Pool(u.origin, {
      connections: this.c.upstream_connections,
      headersTimeout: this.c.upstream_timeout_ms,
      bodyTimeout: this.c.upstream_timeout_ms,
      pipelining: 1,
    });
    this.bodies = new Bodies(this.c.bodies_bytes_max);
    const slots = new Slots(this.c.upstream_connections, this.c.upstream_queue);
    this.passage = new Passage(parts, this.pool, slots, u.pathname.replace(/\/$/, ''));
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
        return this.plain(req, res, id, url, started);
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
    const asking = this.parts.lookup.whose(hash, started);
    // Read while the account is looked up; of a key that is not known nothing more is read.
    const reading = readBody(req, this.c.body_bytes_max, this.bodies.room(res), this.c.body_bytes_second_min).catch((e: unknown) =>
      e instanceof TooLarge || e instanceof NoRoom || e instanceof TooSlow ? e : null,
    );
    const who = await asking;
    if (who === null) {
      // Its connection goes with it: what is still to come of the body must not be waited for.
      if (!req.complete) res.setHeader('connection', 'close');
      return refuse(res, dialect, UNKNOWN_KEY, id);
    }
    const raw = await reading;
    if (raw === null) return void res.destroy();
    if (raw instanceof Error) {
      res.setHeader('connection', 'close');
      const said =
        raw instanceof TooLarge
          ? BAD(`The body is larger than ${this.c.body_bytes_max} bytes.`, 413)
          : raw instanceof TooSlow
            ? BAD('The body came too slowly.', 408)
            : BUSY;
      return refuse(res, dialect, said, id);
    }
    if (who === undefined) return refuse(res, dialect, ACCOUNTS_AWAY, id);
    let body: Record<string, unknown>;
    let input = 0;
    if (crowded(raw)) return refuse(res, dialect, TOO_MANY, id);
    try {
      const said = raw.toString('utf8');
      input = tokensOf(raw.length, said.length);
      body = JSON.parse(said) as Record<string, unknown>;
      if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new Error('no object');
    } catch {
      return refuse(res, dialect, BAD('The body is no JSON object.'), id);
    }
    let ask: Asked;
    try {
      ask = fields ? askedBy(fields, body, route.named) : asked(dialect, body);
    } catch (error) {
      return refuse(res, dialect, error instanceof TooManyParts ? TOO_MANY : BAD('The body is nested too deeply.'), id);
    }
    const seen = this.seen(req, id, started, who, hash, ask, path);
    // Who names several models is not left out for one of them.
    const mode = scopeOf(this.parts.config.scopes, who, ask.models ? '' : ask.model, seen.country);
    let head: string | null;
    try {
      head = mode === 'exclude' || route.counts ? null : recordHead(seen, mode === 'metadata-only');
    } catch {
      return refuse(res, dialect, BAD('The body is nested too deeply.'), id);
    }
    const tokens = route.counts ? 0 : input + (ask.outputMax || ask.choices * this.parts.guard.snapshot.limits.output_tokens_assumed);
    const open = ask.outputMax === 0 && !route.counts;
    const verdict = await this.parts.guard.check(
      dialect,
      {
        ...who,
        model: ask.model,
        capabilities: ask.capabilities,
        countries: countriesOf(who.country, seen.country),
        indicators: this.parts.guard.shown(seen.ip, seen.userAgent, seen.ja4),
        ...(ask.models ? { models: ask.models } : {}),
        ...(ask.unread ? { unread: true } : {}),
      },
      tokens,
      started,
      { open, far: ask.refersBack === true && !route.counts, choices: ask.choices },
    );
    this.parts.meters.decided(verdict.outcome, rehearsedIn(verdict), this.parts.now() - started);
    if (!verdict.ok) return refuse(res, dialect, verdict.refusal, id);
    if (head !== null && this.parts.config.spool.when_full === 'refuse' && !this.parts.spool.room) {
      await this.parts.guard.settle(verdict, null, this.parts.now());
      this.parts.meters.spooled('refused');
      return refuse(res, dialect, LOG_FULL, id);
    }
    if (verdict.outcome === 'withhold' && dialect === 'json' && !fields?.thoughts) {
      await this.parts.guard.settle(verdict, null, this.parts.now());
      return refuse(res, dialect, REASONED, id);
    }
    // Where it matters which of two names is taken: to a gate, and to a scope that leaves a model out of the record.
    const wary =
      this.parts.guard.snapshot.gates.length > 0 ||
      this.parts.config.scopes.some((s) => s.match.models !== undefined) ||
      mayBoundTwice(raw);
    const sent = sentOn(verdict.outcome, route, body, raw, wary, verdict.verdict.summary);
    if (!sent) {
      await this.parts.guard.settle(verdict, null, this.parts.now());
      return refuse(res, dialect, BAD('The body is nested too deeply.'), id);
    }
    return this.passage.forward(req, res, id, url, sent, route, {
      pass: verdict,
      head,
      input,
      counts: route.counts === true,
      bounded: ask.outputMax > 0 || ask.capabilities.includes('reasoning') || ask.later === true || ask.refersBack === true,
    });
  }

  /** A GET that is let through: of whoever may send nothing it is refused too. */
  private async plain(req: IncomingMessage, res: ServerResponse, id: string, url: string, started: number): Promise<void> {
    const key = keyOf(req, this.c.key_header);
    if (key === null || otherKey(url, key)) return refuse(res, 'json', BAD('Send one API key, in one header.'), id);
    let who: Holder = { account: '' };
    if (key !== '') {
      const holder = await this.parts.lookup.whose(keyHash(key), started);
      if (holder === undefined) return refuse(res, 'json', ACCOUNTS_AWAY, id);
      if (holder === null) return refuse(res, 'json', UNKNOWN_KEY, id);
      who = holder;
    }
    const country = trustedHeader(req, this.c.country_header, this.trusted);
    const verdict = await this.parts.guard.check(
      'json',
      {
        ...who,
        model: '',
        capabilities: [],
        countries: countriesOf(who.country, country),
        indicators: [],
        idle: true,
      },
      0,
      started,
      // Of nobody: what is closed to everybody is closed, and there is no budget to spend.
      { reserve: key !== '' },
    );
    if (!verdict.ok) return refuse(res, 'json', verdict.refusal, id);
    return this.passage.forward(req, res, id, url, null, UNREAD, null);
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
}
