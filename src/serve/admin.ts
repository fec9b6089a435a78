import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { gzip } from 'node:zlib';
import type { Actor, Role } from '../barriers/model.ts';
import { readBody, TooLarge } from '../gateway/body.ts';
import { hostPort, type ServeConfig } from '../gateway/config.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { Pages } from './pages.ts';

export interface Call {
  readonly who: Actor;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Common {
  /** `/v1/cases/:id`. */
  readonly path: string;
  readonly role: Role | 'anyone';
  readonly run: (c: Call) => unknown;
}

export type Route =
  | (Common & { readonly method: 'GET' | 'DELETE' })
  /** `takes`: every field of its body. Another one is a slip, and what it was to narrow would be done to everybody. */
  | (Common & { readonly method: 'POST'; readonly takes: readonly string[] });

export class Text {
  readonly body: string;
  readonly type: string;
  constructor(body: string, type = 'text/plain; charset=utf-8') {
    this.body = body;
    this.type = type;
  }
}

const RANK: Record<Role, number> = { viewer: 0, analyst: 1, admin: 2 };
const STATUS: Record<string, number> = {
  E_UNKNOWN: 404,
  E_LABEL_NONE: 404,
  E_ROLE: 403,
  E_EVIDENCE: 409,
  E_TWICE: 409,
  E_STATE: 409,
  E_LEGAL_HOLD: 409,
  E_LOOK: 404,
  E_DETECTOR: 503,
  E_INTERNAL: 500,
};
const BODY_MAX = 1 << 20;
/** Answers of this many characters are packed. */
const PACKED_FROM = 4096;

interface Token {
  readonly name: string;
  readonly role: Role;
  readonly hash: Buffer;
}

function match(path: string, pattern: string): Record<string, string> | null {
  const a = path.split('/');
  const b = pattern.split('/');
  if (a.length !== b.length) return null;
  const out: Record<string, string> = {};
  for (const [i, part] of b.entries()) {
    const given = a[i] as string;
    if (part.startsWith(':')) {
      try {
        out[part.slice(1)] = decodeURIComponent(given);
      } catch {
        return null;
      }
    } else if (part !== given) return null;
  }
  return out;
}

/** The admin API: a table of routes, tokens with roles, JSON in and out. Tokens travel in a header, so that no page can act for somebody. */
export class Admin {
  readonly server: Server;
  private readonly routes: readonly Route[];
  private tokens: readonly Token[] = [];
  private readonly listenAt: string;
  private readonly pages = new Pages();

  constructor(c: ServeConfig['admin'], extra: readonly { name: string; role: Role; token: string }[], routes: readonly Route[]) {
    this.routes = routes;
    this.listenAt = c.listen;
    this.setTokens(c.tokens, extra);
    const handle = (req: IncomingMessage, res: ServerResponse) => {
      res.on('error', () => undefined);
      this.answer(req, res).catch(() => res.destroy());
    };
    const options = { maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 30_000, requireHostHeader: true };
    this.server = c.tls
      ? createSecure({ ...options, cert: readFileSync(c.tls.cert), key: readFileSync(c.tls.key) }, handle)
      : createServer(options, handle);
    this.server.maxConnections = 200;
  }

  /** Who may ask from now on: a token that was taken away is refused at once. */
  setTokens(
    given: readonly { readonly name: string; readonly role: Role; readonly token_sha256: string }[],
    extra: readonly { readonly name: string; readonly role: Role; readonly token: string }[],
  ): void {
    this.tokens = [
      ...given.map((t) => ({ name: t.name, role: t.role, hash: Buffer.from(t.token_sha256, 'hex') })),
      ...extra.map((t) => ({ name: t.name, role: t.role, hash: createHash('sha256').update(t.token).digest() })),
    ];
  }

  listen(): Promise<number> {
    const { host, port } = hostPort(this.listenAt);
    return new Promise((resolve, reject) => {
      this.server.once('error', (fault: NodeJS.ErrnoException) =>
        reject(
          new StillwatchError(
            'E_LISTEN',
            `admin.listen ${this.listenAt} cannot be listened on: ${fault.code === 'EADDRINUSE' ? 'another program listens there' : messageOf(fault)}`,
            'choose another address, or stop what is there',
            { cause: fault },
          ),
        ),
      );
      this.server.listen(port, host, () => resolve((this.server.address() as { port: number }).port));
    });
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private who(req: IncomingMessage): Actor | null {
    const said = (req.headers.authorization ?? '').replace(/^Bearer\s+/i, '');
    if (said === '') return null;
    const hash = createHash('sha256').update(said).digest();
    let found: Actor | null = null;
    for (const t of this.tokens) if (timingSafeEqual(hash, t.hash)) found = { name: t.name, role: t.role };
    return found;
  }

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const send = (status: number, value: unknown) => {
      const text = value instanceof Text;
      const body = text ? value.body : `${JSON.stringify(value)}\n`;
      const headers = {
        'content-type': text ? value.type : 'application/json',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'",
        vary: 'accept-encoding',
      };
      const plain = () => res.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
      if (body.length < PACKED_FROM || !/\bgzip\b/.test(String(req.headers['accept-encoding'] ?? ''))) return void plain();
      // Names of accounts say nothing of the token, which is in no answer: packing gives nothing away.
      gzip(body, { level: 4 }, (error, packed) => {
        if (error) plain();
        else res.writeHead(status, { ...headers, 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
      });
    };
    const fail = (status: number, code: string, message: string, hint: string) => send(status, { error: { code, message, hint } });
    // `//` alone names no host; whatever it is, it is no page here.
    const url = new URL((req.url ?? '/').replace(/^\/+/, '/'), 'http://admin');
    if (this.pages.serve(req, res, url.pathname)) return;
    const hits = this.routes.map((r) => ({ r, params: match(url.pathname, r.path) })).filter((x) => x.params !== null);
    if (hits.length === 0) return fail(404, 'E_ROUTE', `there is no ${url.pathname.slice(0, 200)} here`, 'see docs/serve.md');
    const hit = hits.find((x) => x.r.method === req.method);
    if (!hit) return fail(405, 'E_METHOD', `this takes ${hits.map((x) => x.r.method).join(', ')}`, 'see docs/serve.md');
    const who = this.who(req);
    if (hit.r.role !== 'anyone') {
      if (!who) return fail(401, 'E_TOKEN', 'the token is missing or wrong', 'send Authorization: Bearer TOKEN');
      if (RANK[who.role as Role] < RANK[hit.r.role])
        return fail(403, 'E_ROLE', `${who.name} (${who.role}) may not do this`, `it takes the role ${hit.r.role}`);
    }
    try {
      let body: Record<string, unknown> = {};
      if (req.method === 'POST') {
        const raw = await readBody(req, BODY_MAX);
        const j: unknown = raw.length === 0 ? {} : JSON.parse(raw.toString('utf8'));
        if (typeof j !== 'object' || j === null || Array.isArray(j)) throw new SyntaxError('no object');
        body = j as Record<string, unknown>;
        const takes = hit.r.method === 'POST' ? hit.r.takes : [];
        const other = Object.keys(body).find((k) => !takes.includes(k));
        if (other !== undefined)
          throw new StillwatchError(
            'E_BODY',
            `${JSON.stringify(other.slice(0, 100))} is no field of ${hit.r.path}`,
            takes.length > 0 ? `its fields: ${takes.join(', ')}` : 'it takes none',
          );
      }
      send(
        200,
        (await hit.r.run({ who: who ?? { name: 'anyone', role: 'viewer' }, params: hit.params ?? {}, query: url.searchParams, body })) ?? {
          ok: true,
        },
      );
    } catch (error) {
      if (error instanceof TooLarge) fail(413, 'E_BODY', 'the body is larger than 1 MB', 'send less');
      else if (error instanceof SyntaxError) fail(400, 'E_BODY', 'the body is no JSON object', 'send a JSON object');
      else if (error instanceof StillwatchError) fail(STATUS[error.code] ?? 400, error.code, error.message, error.hint);
      else fail(500, 'E_INTERNAL', messageOf(error), 'this is a fault of ours');
    }
  }
}
