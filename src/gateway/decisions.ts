import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { amount, Bad, bodyOf, type Json, json, linesOf, moment, parsed, words } from './calls.ts';
import { type Asked, asked, crowded, type Dialect, errorBody, refuse } from './dialects.ts';
import { type Pass, rehearsedIn, type Stop } from './guard.ts';
import { keyOf } from './headers.ts';
import { type Holder, isCountry, keyHash } from './lookup.ts';
import type { Parts } from './proxy.ts';
import { ACCOUNTS_AWAY, BAD, TOO_MANY, UNKNOWN_KEY } from './refusals.ts';
import { reservation, reserved } from './reservations.ts';
import { namedTwice } from './sent.ts';
import type { Spool } from './spool.ts';

const text = (x: unknown): string => (typeof x === 'string' ? x : '');
const number = (x: unknown): number => (typeof x === 'number' && Number.isFinite(x) && x > 0 ? x : 0);
const object = (x: unknown): Json => (typeof x === 'object' && x !== null && !Array.isArray(x) ? (x as Json) : {});

const FORMATS = ['canonical', 'otel', 'litellm', 'provider', 'langfuse', 'helicone', 'openinference'];

/** Paths whose bodies are read; what another one asks for is not known, and a gate that might be meant is closed to it. */
const READ: Readonly<Record<string, Dialect>> = {
  '/v1/messages': 'anthropic',
  '/v1/messages/count_tokens': 'anthropic',
  '/v1/chat/completions': 'openai',
  '/v1/completions': 'openai',
  '/v1/embeddings': 'openai',
  '/v1/responses': 'openai-responses',
};

/** A GET that asks no model for anything: a list or a file, not a connection that goes on in another protocol, nor one that names a model. */
const idles = (req: IncomingMessage, path: string): boolean =>
  (req.method === 'GET' || req.method === 'HEAD') &&
  req.headers.upgrade === undefined &&
  req.headers['sec-websocket-key'] === undefined &&
  !/[?&;]model=/i.test(path) &&
  !/realtime/i.test(path);

/** What a request asks for, in the API its path belongs to; null where it cannot be told. */
function read(path: string, raw: Buffer, gated: boolean): Asked | null {
  try {
    const d = READ[path.split('?', 1)[0] as string];
    if (d === undefined) return null;
    const body = object(JSON.parse(raw.toString('utf8')));
    const asks = asked(d, body);
    // It goes on as it came: of a name that stands twice its reader may take the other one. What it may use is told all the same.
    return gated && namedTwice(raw, body) ? { ...asks, model: '', models: [], unread: true } : asks;
  } catch {
    return null;
  }
}

/** Decisions for those who have a gateway of their own, and the intake of logs. */
export class Decisions {
  private readonly parts: Parts;
  private readonly token: Buffer | null;
  private readonly max: number;
  private readonly keyHeader: string;
  /** Headers that the gateway sets, never its callers. */
  private readonly account: string;
  private readonly country: string;
  private readonly ja4: string;
  private readonly key: Buffer;
  private readonly spools = new Map<string, Spool>();
  private readonly spoolOf: (format: string) => Spool;

  constructor(parts: Parts, spoolOf: (format: string) => Spool) {
    this.parts = parts;
    this.spoolOf = spoolOf;
    const c = parts.config.decisions;
    this.token = c?.token_sha256 ? Buffer.from(c.token_sha256, 'hex') : null;
    this.max = c?.body_bytes_max ?? 1 << 20;
    this.keyHeader = c?.key_header || parts.config.proxy?.key_header || '';
    this.account = (c?.account_header ?? '').toLowerCase();
    this.country = (c?.country_header ?? '').toLowerCase();
    this.ja4 = (c?.ja4_header ?? '').toLowerCase();
    // Workers of one service know one another's signatures by the token of its host.
    const host = join(parts.config.state, 'admin.token');
    this.key = createHash('sha256')
      .update(existsSync(host) ? `reservations ${readFileSync(host, 'utf8')}` : randomUUID())
      .digest();
  }

  close(): void {
    for (const s of this.spools.values()) s.close();
  }

  readonly handle = (req: IncomingMessage, res: ServerResponse): void => {
    res.on('error', () => undefined);
    this.route(req, res).catch((error: unknown) => {
      if (error instanceof Bad)
        return json(
          res,
          error.status,
          { error: { code: error.status === 503 ? 'E_ACCOUNTS' : 'E_BODY', message: error.message } },
          error.status === 503 ? { 'retry-after': '1' } : { connection: 'close' },
        );
      this.parts.meters.failed.inc();
      json(res, 500, { error: { code: 'E_INTERNAL', message: 'the request could not be handled' } });
    });
  };

  private authorised(req: IncomingMessage): boolean {
    if (!this.token) return true;
    const said = req.headers['x-stillwatch-token'] ?? req.headers.authorization ?? '';
    const token = (Array.isArray(said) ? (said[0] ?? '') : said).replace(/^Bearer\s+/i, '');
    return timingSafeEqual(createHash('sha256').update(token).digest(), this.token);
  }

  private async route(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [path = '/', query = ''] = (req.url ?? '/').split('?', 2);
    if (path === '/healthz') return json(res, 200, { ok: true });
    // Envoy and nginx pass the caller's own Authorization through: their token has a header of its own.
    if (!this.authorised(req)) return json(res, 401, { error: { code: 'E_TOKEN', message: 'the token is missing or wrong' } });
    if (path === '/nginx/auth') return this.nginx(req, res);
    if (path === '/envoy' || path.startsWith('/envoy/')) return this.envoy(req, res, path.slice(6) || '/');
    if (req.method !== 'POST') return json(res, 405, { error: { code: 'E_METHOD', message: 'this takes POST' } }, { allow: 'POST' });
    if (path === '/v1/decide') return this.decide(res, parsed(await bodyOf(req, this.max)));
    if (path === '/v1/settle') return this.settle(res, parsed(await bodyOf(req, this.max)));
    if (path === '/beta/litellm_basic_guardrail_api') return this.litellm(res, parsed(await bodyOf(req, this.max)));
    if (path === '/v1/exchanges') return this.exchanges(req, res, new URLSearchParams(query).get('format') ?? 'canonical');
    if (path === '/v1/traces') return this.traces(req, res);
    return json(res, 404, { error: { code: 'E_ROUTE', message: `there is no ${path.slice(0, 200)} here` } });
  }

  private async holder(hash: string): Promise<Holder | null> {
    const now = this.parts.now();
    const known = this.parts.lookup.known(hash, now);
    return known === undefined ? this.parts.lookup.ask(hash, now).catch(() => Promise.reject(new Bad(503, ACCOUNTS_AWAY.message))) : known;
  }

  /** Whose key a gateway passes on; one that is not known stands for itself where the configuration lets it through, as in the proxy. */
  private async holderOf(key: string): Promise<Holder | null> {
    const holder = await this.parts.lookup.whose(keyHash(key), this.parts.now());
    if (holder === undefined) throw new Bad(503, ACCOUNTS_AWAY.message);
    return holder;
  }

  private async check(d: Dialect, r: Json, holder: Holder | null): Promise<Pass | Stop> {
    // Whose key it is outweighs what is said about it.
    const account = holder?.account || text(r['account']);
    if (account === '') throw new Bad(400, 'account, or key_sha256 of a known key, is missing');
    const started = this.parts.now();
    const caps = words(r, 'capabilities');
    const models = words(r, 'models');
    const born = moment(r, 'created');
    // A gate on a country would pass over what is no code.
    if (text(r['country']) !== '' && !isCountry(text(r['country']))) throw new Bad(400, 'country is a code of two letters, for example DE');
    const countries = [text(r['country']), holder?.country ?? ''].filter((x) => x !== '');
    const tier = holder?.tier || text(r['tier']);
    const verification = holder?.verification || text(r['verification']);
    const created = holder?.created ?? born;
    const out = await this.parts.guard.check(
      d,
      {
        account,
        model: text(r['model']),
        capabilities: caps,
        countries,
        ...(models.length > 0 ? { models } : {}),
        ...(r['unread'] === true ? { unread: true } : {}),
        ...(r['idle'] === true ? { idle: true } : {}),
        ...(tier ? { tier } : {}),
        ...(verification ? { verification } : {}),
        ...(created ? { created } : {}),
        indicators: this.parts.guard.shown(text(r['ip']), text(r['user_agent']), text(r['ja4'])),
      },
      // Who does not say how much it may be is taken to ask for what is usual: of nothing everybody could have as much as they like.
      r['tokens'] === undefined ? this.parts.guard.snapshot.limits.output_tokens_assumed : amount(r, 'tokens'),
      started,
      { reserve: r['reserve'] !== false },
    );
    this.parts.meters.decided(out.outcome, rehearsedIn(out), this.parts.now() - started);
    return out;
  }

  private async decide(res: ServerResponse, r: Json): Promise<void> {
    const hash = text(r['key_sha256']).toLowerCase() || (text(r['key']) ? keyHash(text(r['key'])) : '');
    const d: Dialect = r['dialect'] === 'anthropic' ? 'anthropic' : 'openai';
    const out = await this.check(d, r, hash ? await this.holder(hash) : null);
    const b = out.verdict.barrier;
    json(res, 200, {
      action: out.outcome,
      allow: out.ok,
      ...(b ? { barrier: b.id, reference: b.appeal, expires: new Date(b.expires).toISOString() } : {}),
      ...(out.verdict.gate ? { gate: out.verdict.gate.id, reference: out.verdict.gate.appeal } : {}),
      ...(out.verdict.rehearsed ? { dry_run: { action: out.verdict.rehearsed.action, barrier: out.verdict.rehearsed.id } } : {}),
      newcomer: out.verdict.newcomer,
      ...(out.ok && out.asks.length > 0 ? { reservation: reservation(this.key, out.asks, this.parts.now()) } : {}),
      ...(out.ok
        ? { headers: out.headers }
        : {
            status: out.refusal.status,
            message: out.refusal.message,
            retry_after_ms: Number.isFinite(out.refusal.retryMs ?? 0) ? (out.refusal.retryMs ?? 0) : null,
            retry: out.refusal.retry,
            body: JSON.parse(errorBody(d, out.refusal, randomUUID())) as unknown,
          }),
      snapshot: this.parts.guard.snapshot.version,
    });
  }

  /** What a decision reserved, settled with what was used: `tokens`, or null when nothing was answered. */
  private async settle(res: ServerResponse, r: Json): Promise<void> {
    const got = reserved(this.key, text(r['reservation']), this.parts.now());
    if (!got) throw new Bad(400, 'reservation is none that /v1/decide gave in the last quarter of an hour');
    // Once: a call that is repeated gives nothing back twice.
    await this.parts.guard.settle({ asks: got.asks }, r['tokens'] === null ? null : amount(r, 'tokens'), this.parts.now(), {
      once: got.id,
    });
    json(res, 200, { settled: true });
  }

  private header(req: IncomingMessage, name: string): string {
    const v = req.headers[name];
    return (Array.isArray(v) ? v[0] : v) ?? '';
  }

  /** What the gateway says of a caller in headers that the configuration names. */
  private set(req: IncomingMessage): Json {
    return {
      ...(this.country ? { country: this.header(req, this.country) } : {}),
      ...(this.ja4 ? { ja4: this.header(req, this.ja4) } : {}),
    };
  }

  /** Envoy's ext_authz over HTTP: 200 lets through, anything else goes to the client as it is. */
  private async envoy(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
    const d: Dialect = path.startsWith('/v1/messages') ? 'anthropic' : 'openai';
    const key = keyOf(req, this.keyHeader);
    if (key === null) return refuse(res, d, BAD('Send one API key, in one header.'), randomUUID());
    // A gateway that knows the account itself says so, in a header that the configuration names and it sets or takes out of every request; a caller's own word, beside a key, counts for nothing.
    const account = key === '' && this.account ? this.header(req, this.account) : '';
    const holder = key ? await this.holderOf(key).catch((e: unknown) => (e instanceof Bad ? e : Promise.reject(e))) : null;
    if (holder instanceof Bad) return refuse(res, d, ACCOUNTS_AWAY, randomUUID());
    if (!holder && !account) return refuse(res, d, UNKNOWN_KEY, randomUUID());
    // With `with_request_body` Envoy sends what is asked for; a body cut short tells nothing reliable.
    const cut = this.header(req, 'x-envoy-auth-partial-body') === 'true';
    const raw = await bodyOf(req, this.max);
    if (crowded(raw)) return refuse(res, d, TOO_MANY, randomUUID());
    const asks = raw.length > 0 && !cut ? read(path, raw, this.parts.guard.snapshot.gates.length > 0) : null;
    const assumed = this.parts.guard.snapshot.limits.output_tokens_assumed;
    const idle = raw.length === 0 && idles(req, path);
    const out = await this.check(
      d,
      {
        account,
        // Envoy appends whom it heard from: what stands before is the caller's word.
        ip: this.header(req, 'x-forwarded-for').split(',').at(-1)?.trim() ?? '',
        user_agent: this.header(req, 'user-agent'),
        ...this.set(req),
        // Beside a key a caller's own word about the model counts for nothing.
        model: asks?.model ?? (account ? this.header(req, 'x-stillwatch-model') : ''),
        models: asks?.models ?? [],
        capabilities: asks?.capabilities ?? [],
        // What is asked for in a body that was not seen is not known: a gate that asks about it is closed.
        unread: (asks === null || asks.unread === true) && !idle,
        idle,
        // Of a body that could not be read it is taken to ask for what is usual: padding it must not make it cost nothing.
        tokens: idle ? 0 : Math.ceil(raw.length / 4) + (asks?.outputMax || (asks?.choices ?? 1) * assumed),
      },
      holder,
    );
    if (!out.ok) return refuse(res, d, out.refusal, randomUUID());
    // Envoy cannot take reasoning out of a request: it is told, and nobody is told that it was done.
    const { 'stillwatch-notice': _, ...headers } = out.headers;
    json(res, 200, {}, { ...headers, 'x-stillwatch-action': out.outcome });
  }

  /** nginx auth_request knows 2xx, 401 and 403 only. */
  private async nginx(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const key = keyOf(req, this.keyHeader);
    // Of two keys the one looked at need not be the one the upstream takes.
    if (key === null) return void res.writeHead(403, { 'x-stillwatch-action': 'several keys' }).end();
    // A gateway that knows the account itself says so, in a header that the configuration names and it sets or takes out of every request; a caller's own word, beside a key, counts for nothing.
    const account = key === '' && this.account ? this.header(req, this.account) : '';
    const holder = key ? await this.holderOf(key) : null;
    if (!holder && !account) return void res.writeHead(401).end();
    const out = await this.check(
      'openai',
      {
        account,
        ip: this.header(req, 'x-real-ip'),
        user_agent: this.header(req, 'user-agent'),
        ...this.set(req),
        model: this.header(req, 'x-stillwatch-model'),
        // nginx shows no body; of the caller's own method it tells nothing either.
        unread: true,
      },
      holder,
    );
    const reference = out.verdict.barrier?.appeal ?? out.verdict.gate?.appeal ?? '';
    res
      .writeHead(out.ok ? 204 : 403, { 'x-stillwatch-action': out.outcome, ...(reference ? { 'x-stillwatch-reference': reference } : {}) })
      .end();
  }

  private async litellm(res: ServerResponse, r: Json): Promise<void> {
    const data = object(r['request_data']);
    const hash = text(data['user_api_key_hash']).toLowerCase();
    const account = text(data['user_api_key_user_id']) || text(data['user_api_key_team_id']) || hash;
    // What comes back from the model is no new request.
    if (r['input_type'] === 'response') return json(res, 200, { action: 'NONE' });
    const texts = Array.isArray(r['texts']) ? r['texts'].filter((x): x is string => typeof x === 'string') : [];
    const given = [data, object(data['optional_params'])];
    const most =
      Math.max(1, ...given.map((o) => number(o['n']))) *
      Math.max(...given.flatMap((o) => ['max_tokens', 'max_completion_tokens', 'max_output_tokens'].map((name) => number(o[name]))));
    const tools = [r['tools'], data['tools']].some((x) => Array.isArray(x) && x.length > 0);
    const reasons = [data, object(data['optional_params']), object(data['litellm_params'])].some(
      (o) =>
        !['', 'none', 'disabled'].includes(
          text(o['reasoning_effort']) || text(object(o['thinking'])['type']) || text(object(o['reasoning'])['effort']),
        ),
    );
    const out = await this.check(
      'openai',
      {
        // Of nobody nothing is known: gates hold all the same, and all such calls share one budget.
        account: account || 'litellm:no-key',
        model: text(r['model']) || text(data['model']),
        capabilities: [
          ...(tools ? ['tools'] : []),
          ...(Array.isArray(r['images']) && r['images'].length > 0 ? ['vision'] : []),
          ...(reasons ? ['reasoning'] : []),
        ],
        // What was used is not told afterwards: what was asked for is spent.
        tokens: Math.ceil(texts.reduce((x, t) => x + t.length, 0) / 4) + (most || this.parts.guard.snapshot.limits.output_tokens_assumed),
      },
      /^[0-9a-f]{64}$/.test(hash) ? await this.holder(hash) : null,
    );
    json(res, 200, out.ok ? { action: 'NONE' } : { action: 'BLOCKED', blocked_reason: out.refusal.message });
  }

  private spool(format: string): Spool {
    const held = this.spools.get(format);
    if (held) return held;
    const made = this.spoolOf(format);
    this.spools.set(format, made);
    return made;
  }

  /** JSON Lines, kept before they are acknowledged; what is no record is rejected at the store, with its reason and place. */
  private async exchanges(req: IncomingMessage, res: ServerResponse, format: string): Promise<void> {
    if (!FORMATS.includes(format)) throw new Bad(400, `format is one of ${FORMATS.join(', ')}`);
    this.keep(res, format, linesOf(await bodyOf(req, this.max)), (taken) => ({ taken }));
  }

  private async traces(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!/^application\/json/.test(req.headers['content-type'] ?? ''))
      throw new Bad(415, 'OTLP/HTTP is taken as JSON: set the exporter to http/json');
    this.keep(res, 'otel', [JSON.stringify(parsed(await bodyOf(req, this.max)))], () => ({ partialSuccess: {} }));
  }

  private keep(res: ServerResponse, format: string, lines: readonly string[], answer: (taken: number) => unknown): void {
    const spool = this.spool(format);
    for (const [i, l] of lines.entries()) {
      if (spool.putLine(l) !== 'kept') {
        this.parts.meters.spooled('refused');
        json(
          res,
          503,
          {
            error: {
              code: 'E_SPOOL',
              message: `the spool is full after ${i} lines; send all again later: what is there already is not added twice`,
            },
          },
          { 'retry-after': '5' },
        );
        return;
      }
      this.parts.meters.spooled('kept');
    }
    json(res, 200, answer(lines.length));
  }
}
