import type { ServerResponse } from 'node:http';

/** How a provider's API asks, answers and refuses. */
export const DIALECTS = ['anthropic', 'openai', 'openai-responses', 'json'] as const;
export type Dialect = (typeof DIALECTS)[number];

export interface Asked {
  readonly model: string;
  /** Other models it names, of which the provider may take one. */
  readonly models?: readonly string[];
  /** Part of what it asks for is kept by the provider, and not seen here. */
  readonly unread?: boolean;
  /** It goes on from what the provider keeps, points to files and addresses, or has the provider search: how long its input is cannot be told. */
  readonly refersBack?: boolean;
  readonly stream: boolean;
  readonly capabilities: readonly string[];
  /** Output tokens the request allows itself, in all its choices; 0 when it does not say. */
  readonly outputMax: number;
  /** Answers it asks for at once. */
  readonly choices: number;
  /** It is answered later, elsewhere: what it used is not seen here. */
  readonly later?: boolean;
  readonly system: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly tools: readonly unknown[];
  readonly params: Record<string, unknown>;
  readonly conversation: string;
}

type Json = Record<string, unknown>;
const text = (x: unknown): string => (typeof x === 'string' ? x : '');
const list = (x: unknown): unknown[] => (Array.isArray(x) ? x : []);
const object = (x: unknown): Json => (typeof x === 'object' && x !== null && !Array.isArray(x) ? (x as Json) : {});
/** An amount, also where it is written as text: many readers take one for the other. */
const count = (given: unknown): number => {
  const x = typeof given === 'string' && /^\s*\+?\d+(\.\d+)?(e\d+)?\s*$/i.test(given) ? Number(given) : given;
  return typeof x === 'number' && Number.isFinite(x) && x > 0 ? Math.trunc(x) : 0;
};

const PARAMS = [
  'temperature',
  'top_p',
  'top_k',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'seed',
  'n',
  'reasoning_effort',
] as const;

/** Content as the exchange record holds it: a string, or the provider's blocks as JSON text. */
const content = (c: unknown): string => (typeof c === 'string' ? c : c === undefined || c === null ? '' : JSON.stringify(c));

const SEEN = new Set(['image', 'image_url', 'input_image', 'document', 'input_file', 'file', 'computer_screenshot', 'video', 'video_url']);
/** Names under which a part that does not say what it is holds something to look at. */
const SHOWN = new Set([
  'image',
  'images',
  'image_url',
  'input_image',
  'video',
  'video_url',
  'inline_data',
  'inlinedata',
  'file_data',
  'filedata',
]);
const capitals = /[A-Z]/;

/** Whether a part of a message is something to look at, or holds it. Some readers mind no capitals, in names and types. */
const isVision = (m: unknown, deep = 0): boolean => {
  if (typeof m !== 'object' || m === null) return false;
  for (const name in m) {
    const low = capitals.test(name) ? name.toLowerCase() : name;
    const x = (m as Json)[name];
    if (low === 'type' ? SEEN.has(text(x).toLowerCase()) : SHOWN.has(low) && x !== null && !(Array.isArray(x) && x.length === 0))
      return true;
    if (
      (low === 'content' || low === 'output') &&
      deep < 8 &&
      (Array.isArray(x) ? x.some((b) => isVision(b, deep + 1)) : isVision(x, deep + 1))
    )
      return true;
  }
  return false;
};

/** Names of addresses that are fetched at the provider, and of files kept there. */
const AWAY = /ur[il]$|^file_?id$/i;
/** Names under which parts of a message lie inside of others; what a tool is called with is no part of the input. */
const INNER = /^(?:content|output|source|parts|(?:input_)?(?:image|video|audio|file|document).*)$/i;

/** Whether a part of a message points to what it means: an item or a file kept at the provider, or an address that is fetched there, whatever its scheme. */
const pointsAway = (m: unknown, deep = 0): boolean => {
  if (typeof m !== 'object' || m === null || deep > 8) return false;
  for (const name in m) {
    const x = (m as Json)[name];
    if (typeof x === 'string') {
      if (name === 'type' ? x === 'item_reference' : AWAY.test(name) && x !== '' && !/^data:/i.test(x)) return true;
    } else if (typeof x === 'object' && x !== null && INNER.test(name))
      if (Array.isArray(x) ? x.some((b) => pointsAway(b, deep + 1)) : pointsAway(x, deep + 1)) return true;
  }
  return false;
};

/** Names that gates and budgets go by: one spelt with capitals may be read as well as the plain one, or for it. */
const MINDED = new Set(
  'messages input tools functions mcp_servers web_search_options prompt thinking reasoning reasoning_effort output_config include_reasoning enable_thinking chat_template_kwargs'.split(
    ' ',
  ),
);
const BOUNDS: Readonly<Record<Dialect, readonly string[]>> = {
  anthropic: ['max_tokens'],
  openai: ['max_tokens', 'max_completion_tokens'],
  'openai-responses': ['max_output_tokens'],
  json: ['max_tokens', 'max_completion_tokens', 'max_output_tokens'],
};

/** What the API itself takes for the most that a request may use; a name that belongs to another API bounds nothing. @param odd names of the body that have capitals */
function outputMax(d: Dialect, body: Json, odd: readonly string[]): number {
  const most = Math.max(...BOUNDS[d].map((name) => count(body[name])));
  return most === 0 ? 0 : Math.max(most, ...odd.map((k) => (BOUNDS[d].includes(k.toLowerCase()) ? count(body[k]) : 0)));
}

/** Messages, blocks and tools of one request together: a conversation of years has fewer. */
const PARTS_MAX = 20_000;

/** A request of more parts than anybody writes: gone through one by one it would hold up everybody else's. */
export class TooManyParts extends Error {}

/** Objects and lists from which on, and bytes each of them below which, a body holds hardly anything but its parts. */
const CROWD = { parts: 200_000, bytes: 8 } as const;

/** Whether a body is so many small parts that merely reading it would hold up everybody else: nobody writes one. Told by its bytes, before it is read; a text may hold as many commas as it likes. */
export function crowded(raw: Buffer): boolean {
  if (raw.length < CROWD.parts * 2) return false;
  let n = 0;
  for (const bracket of [123, 91]) for (let at = raw.indexOf(bracket); at >= 0; at = raw.indexOf(bracket, at + 1)) n += 1;
  return n > CROWD.parts && raw.length < CROWD.bytes * n;
}

function bounded(items: readonly unknown[], tools: readonly unknown[]): void {
  let n = items.length + tools.length;
  if (n <= PARTS_MAX)
    for (const m of items) {
      const o = object(m);
      for (const x of [o['content'], o['output']]) if (Array.isArray(x)) n += x.length;
      if (n > PARTS_MAX) break;
    }
  if (n > PARTS_MAX) throw new TooManyParts();
}

/** A tool that the caller runs; any other runs at the provider, and what it finds is read as input. */
const callersOwn = (t: unknown): boolean => ['', 'function', 'custom'].includes(text(object(t)['type']));

/** One tool may stand for a list of one. */
const several = (x: unknown): unknown[] => (Array.isArray(x) ? x : typeof x === 'object' && x !== null ? [x] : []);

/** Arguments of a chat template that switch thinking on. */
const SWITCHES = ['enable_thinking', 'thinking', 'reasoning_effort'] as const;
const on = (x: unknown): boolean => x === true || (typeof x === 'string' && !/^(|false|none|off|0)$/i.test(x));

/**
 * What a request body asks for. Nothing of it is trusted for who somebody is.
 * @throws TooManyParts
 */
export function asked(d: Dialect, body: Json): Asked {
  const input = d === 'openai-responses' ? body['input'] : body['messages'];
  const items = typeof input === 'string' ? [{ role: 'user', content: input }] : list(input);
  bounded(items, [...list(body['tools']).slice(0, PARTS_MAX + 1), ...list(body['functions']).slice(0, PARTS_MAX + 1)]);
  const messages = items
    .map((m) => object(m))
    .map((m) => ({
      role: text(m['role']) || (text(m['type']).includes('output') ? 'tool' : 'user'),
      content: content(m['content'] ?? m['output']),
    }));
  // A search the provider runs is a tool; a prompt stored there may bring tools of its own.
  const built = [
    body['web_search_options'],
    object(body['prompt'])['id'],
    body['plugins'],
    body['search_parameters'],
    body['enable_search'] === true || undefined,
  ].filter((x) => x !== undefined && x !== null);
  const tools = [...several(body['tools']), ...list(body['functions']), ...list(body['mcp_servers']), ...built];
  const thinking = body['thinking'];
  const effort = [body['reasoning_effort'], object(body['reasoning'])['effort'], object(body['output_config'])['effort']];
  const reasons =
    (thinking !== undefined && thinking !== null && thinking !== false && text(object(thinking)['type']) !== 'disabled') ||
    effort.some((x) => x !== undefined && x !== null && x !== 'none') ||
    (object(body['reasoning'])['effort'] === undefined &&
      body['reasoning'] !== undefined &&
      object(body['reasoning'])['enabled'] !== false) ||
    [body['include_reasoning'], body['enable_thinking'], ...SWITCHES.map((k) => object(body['chat_template_kwargs'])[k])].some(on) ||
    count(body['thinking_budget']) > 0;
  const stored = object(body['prompt'])['id'] !== undefined;
  // Readers that do not mind capitals take `Model` for it, and `Tools` for what they are.
  const odd = Object.keys(body).filter((k) => capitals.test(k));
  const spelt = odd.filter((k) => k.toLowerCase() === 'model');
  const hidden = odd.some((k) => MINDED.has(k.toLowerCase()));
  const models = [...list(body['models']), ...spelt.map((k) => body[k])].filter((x): x is string => typeof x === 'string');
  const choices = Math.max(1, count(body['n']), ...odd.filter((k) => k === 'N').map((k) => count(body[k])));
  const params: Json = {};
  for (const p of PARAMS) if (body[p] !== undefined && typeof body[p] !== 'object') params[p] = body[p];
  return {
    model: text(body['model']).slice(0, 256),
    ...(models.length > 0 ? { models } : {}),
    // A prompt kept at the provider may ask for what is not seen here.
    ...(stored || hidden ? { unread: true } : {}),
    ...(body['background'] === true ? { later: true } : {}),
    ...(stored ||
    hidden ||
    (body['container'] ?? null) !== null ||
    (body['cachedContent'] ?? body['cached_content'] ?? null) !== null ||
    body['previous_response_id'] ||
    body['conversation'] ||
    list(body['mcp_servers']).length > 0 ||
    (body['web_search_options'] ?? null) !== null ||
    !list(body['tools']).every(callersOwn) ||
    items.some((m) => pointsAway(m))
      ? { refersBack: true }
      : {}),
    stream: body['stream'] === true,
    capabilities: [
      ...(tools.length > 0 ? ['tools'] : []),
      ...(items.some((m) => isVision(m)) ? ['vision'] : []),
      ...(reasons ? ['reasoning'] : []),
    ],
    outputMax: choices * outputMax(d, body, odd),
    choices,
    system: content(d === 'openai-responses' ? body['instructions'] : body['system']),
    messages,
    tools,
    params,
    conversation: text(body['conversation']) || text(object(body['conversation'])['id']) || text(object(body['metadata'])['session_id']),
  };
}

/** The request without its reasoning: answers stay, thoughts are not sent; with `summary`, where the API makes one, its own summary is asked for. Disclosed to the caller by a header. */
export function withoutReasoning(d: Dialect, body: Json, summary = false): Json {
  const out = { ...body };
  if (d === 'anthropic') delete out['thinking'];
  if (d === 'openai' || d === 'json') for (const f of ['reasoning', 'reasoning_effort', 'include_reasoning', 'thinking']) delete out[f];
  if (d === 'openai-responses') {
    const { summary: _, generate_summary: _g, ...rest } = object(out['reasoning']);
    if (out['reasoning'] !== undefined) out['reasoning'] = summary ? { ...rest, summary: 'auto' } : rest;
    if (Array.isArray(out['include'])) out['include'] = out['include'].filter((x) => typeof x === 'string' && !x.startsWith('reasoning'));
  }
  return out;
}

export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 408 | 411 | 413 | 415 | 429 | 502 | 503 | 504;
  readonly message: string;
  readonly code: string;
  readonly retryMs?: number;
  readonly retry: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

const ANTHROPIC = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  408: 'timeout_error',
  411: 'invalid_request_error',
  413: 'request_too_large',
  415: 'invalid_request_error',
  429: 'rate_limit_error',
  502: 'api_error',
  503: 'overloaded_error',
  504: 'timeout_error',
} as const;
const OPENAI = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'invalid_request_error',
  408: 'invalid_request_error',
  411: 'invalid_request_error',
  413: 'invalid_request_error',
  415: 'invalid_request_error',
  429: 'rate_limit_error',
  502: 'server_error',
  503: 'server_error',
  504: 'server_error',
} as const;

export function errorBody(d: Dialect, r: Refusal, id: string): string {
  return d === 'anthropic'
    ? JSON.stringify({ type: 'error', error: { type: ANTHROPIC[r.status], message: r.message }, request_id: id })
    : JSON.stringify({ error: { message: r.message, type: OPENAI[r.status], param: null, code: r.code } });
}

/** Refuses as the provider's own API would. A block tells the client's library not to try again: two retries would triple the traffic. */
export function refuse(res: ServerResponse, d: Dialect, r: Refusal, id: string): void {
  if (res.headersSent || res.destroyed) return void res.destroy();
  const body = errorBody(d, r, id);
  res.writeHead(r.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    [d === 'anthropic' ? 'request-id' : 'x-request-id']: id,
    ...(r.retryMs === undefined || !Number.isFinite(r.retryMs) ? {} : { 'retry-after': String(Math.max(1, Math.ceil(r.retryMs / 1000))) }),
    ...(r.retry ? {} : { 'x-should-retry': 'false' }),
    ...r.headers,
  });
  res.end(body);
}

/** Rate limit headers as each provider names them. */
export function limitHeaders(
  d: Dialect,
  what: 'requests' | 'tokens',
  t: { readonly limit: number; readonly remaining: number; readonly resetMs: number },
  now: number,
): Record<string, string> {
  if (d === 'anthropic') {
    const p = `anthropic-ratelimit-${what}`;
    return {
      [`${p}-limit`]: String(t.limit),
      [`${p}-remaining`]: String(t.remaining),
      [`${p}-reset`]: new Date(now + t.resetMs).toISOString(),
    };
  }
  const s = t.resetMs / 1000;
  const duration = s >= 60 ? `${Math.floor(s / 60)}m${Math.round(s % 60)}s` : s >= 1 ? `${s.toFixed(3)}s` : `${Math.round(t.resetMs)}ms`;
  return {
    [`x-ratelimit-limit-${what}`]: String(t.limit),
    [`x-ratelimit-remaining-${what}`]: String(t.remaining),
    [`x-ratelimit-reset-${what}`]: duration,
  };
}
