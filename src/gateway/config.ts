import { existsSync, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import * as v from 'valibot';
import { parse } from 'yaml';
import { ROLES } from '../barriers/model.ts';
import { checkPolicy, NO_POLICY, type Policy } from '../barriers/policy.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { DIALECTS } from './dialects.ts';
import { FIELDS } from './fields.ts';
import { readHolders } from './lookup.ts';

const address = v.pipe(
  v.string(),
  v.regex(/^(\[[0-9a-f:]+\]|[^:\s]+):\d{1,5}$/i, 'is HOST:PORT, for example 127.0.0.1:8080'),
  v.check((x) => Number(x.slice(x.lastIndexOf(':') + 1)) <= 65_535, 'has a port of at most 65535'),
);
const positive = v.pipe(v.number(), v.minValue(0, 'must not be negative'));
/** Above nothing, and below all. */
const part = v.pipe(v.number(), v.gtValue(0, 'is above 0'), v.ltValue(1, 'is below 1'));
const whole = v.pipe(v.number(), v.integer('is a whole number'), v.minValue(1, 'is at least 1'));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'is the SHA-256 of the token, 64 hexadecimal digits'));
const url = v.pipe(v.string(), v.url('is a URL'), v.regex(/^https?:\/\//i, 'is an http or https URL'));
const link = v.pipe(
  v.string(),
  v.check((x) => x === '' || (URL.canParse(x) && /^(https?|mailto):/i.test(x)), 'is an http or https URL'),
);
const header = v.pipe(v.string(), v.regex(/^[!#$%&'*+.^_`|~0-9a-z-]*$/i, 'is the name of a header'));
/** An address, or a range of them. */
const range = v.pipe(
  v.string(),
  v.check((x) => {
    const [ip = '', bits, ...more] = x.split('/');
    const most = isIP(ip) === 4 ? 32 : isIP(ip) === 6 ? 128 : -1;
    return most > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
  }, 'is an address or a range, for example 10.0.0.0/8'),
);
const redisUrl = v.pipe(
  v.string(),
  v.check((x) => URL.canParse(x) && /^rediss?:\/\/./i.test(x), 'is a URL of Redis, for example redis://127.0.0.1:6379'),
);
const away = v.picklist(['open', 'closed']);
const tls = v.strictObject({ cert: v.string(), key: v.string() });
const scopeMatch = v.strictObject({
  accounts: v.optional(v.array(v.string())),
  organizations: v.optional(v.array(v.string())),
  workspaces: v.optional(v.array(v.string())),
  countries: v.optional(v.array(v.string())),
  models: v.optional(v.array(v.string())),
});

const schema = v.strictObject({
  store: v.optional(v.string(), './.stillwatch'),
  state: v.optional(v.string(), './.stillwatch-serve'),
  workers: v.optional(whole, 1),
  /** How long what was begun may go on when the service stops; on a reload, an hour. */
  drain_seconds: v.optional(whole, 20),
  policy: v.optional(v.string()),
  proxy: v.optional(
    v.strictObject({
      listen: address,
      tls: v.optional(tls),
      upstream: url,
      key_header: v.optional(header, ''),
      routes: v.optional(v.record(v.string(), v.union([v.picklist(DIALECTS), FIELDS])), {
        '/v1/messages': 'anthropic',
        '/v1/chat/completions': 'openai',
        '/v1/responses': 'openai-responses',
      }),
      /** Paths forwarded without being read: GET only. */
      forward: v.optional(v.array(v.string()), ['/v1/models']),
      trusted_proxies: v.optional(v.array(range), []),
      client_address_header: v.optional(header, 'x-forwarded-for'),
      ja4_header: v.optional(header, ''),
      country_header: v.optional(header, ''),
      connections: v.optional(whole, 256),
      /** Of those one address holds at most so many, three quarters unless said: nobody shuts the others out alone. Trusted proxies stand for many. */
      connections_per_address: v.optional(whole),
      /** A request has been sent whole within so long. */
      request_timeout_ms: v.optional(whole, 60_000),
      /** A body that comes more slowly than this, in bytes a second, is not waited for: it would hold a connection that others need. 0 waits. */
      body_bytes_second_min: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 200),
      upstream_connections: v.optional(whole, 128),
      /** Requests that may wait for a connection, and how long. */
      upstream_queue: v.optional(whole, 512),
      queue_timeout_ms: v.optional(whole, 10_000),
      /** A caller who reads nothing for so long is let go. */
      stalled_timeout_ms: v.optional(whole, 60_000),
      body_bytes_max: v.optional(whole, 32 * 1024 * 1024),
      /** Bytes of all bodies that a worker holds at once; beyond, requests are asked to come again. */
      bodies_bytes_max: v.optional(whole, 512 * 1024 * 1024),
      header_bytes_max: v.optional(whole, 16 * 1024),
      upstream_timeout_ms: v.optional(whole, 600_000),
    }),
  ),
  accounts: v.optional(
    v.strictObject({
      file: v.optional(v.string()),
      url: v.optional(url),
      clickhouse: v.optional(v.strictObject({ url, query: v.string() })),
      cache_seconds: v.optional(positive, 60),
      cache_entries: v.optional(whole, 100_000),
      unknown_key: v.optional(v.picklist(['allow', 'refuse']), 'allow'),
    }),
    {},
  ),
  decisions: v.optional(
    v.strictObject({
      listen: address,
      tls: v.optional(tls),
      token_sha256: v.optional(sha256),
      body_bytes_max: v.optional(whole, 64 * 1024 * 1024),
      /** The header that carries the key, where it is neither `authorization` nor `x-api-key`; the proxy's when absent. */
      key_header: v.optional(header, ''),
      /** Headers in which the gateway, and never its callers, says where a request comes from and what its TLS looks like. */
      country_header: v.optional(header, ''),
      /** A header in which the gateway names the account itself, and which it sets or takes out of every request: a caller who could set it would be whoever they like. */
      account_header: v.optional(header, ''),
      ja4_header: v.optional(header, ''),
    }),
  ),
  tail: v.optional(v.array(v.string()), []),
  admin: v.optional(
    v.strictObject({
      listen: v.optional(address, '127.0.0.1:8090'),
      /** Off this host only when said so. */
      off_host: v.optional(v.boolean(), false),
      tokens: v.optional(v.array(v.strictObject({ name: v.string(), role: v.picklist(ROLES), token_sha256: sha256 })), []),
      tls: v.optional(tls),
    }),
    {},
  ),
  detection: v.optional(
    v.strictObject({
      every_seconds: v.optional(positive, 60),
      accounts: v.optional(v.string()),
      /** Days of traffic that a look goes over, back from the newest exchange. */
      window_days: v.optional(whole, 45),
      confidence: v.optional(part, 0.5),
      fdr: v.optional(part, 0.1),
      retention: v.optional(v.picklist(['none', 'evidence', 'all']), 'evidence'),
      keep_days: v.optional(whole, 30),
      /** How addresses, keys, end users and account data stand in a new store; one that has begun says itself. */
      identifiers: v.optional(v.picklist(['plain', 'keyed'])),
      /** Days to keep sketches, rejected lines and exemplars; absent keeps them. A legal hold outlasts them. */
      expire: v.optional(v.strictObject({ exchanges: v.optional(whole), rejects: v.optional(whole), exemplars: v.optional(whole) }), {}),
    }),
    {},
  ),
  spool: v.optional(
    v.strictObject({
      bytes_max: v.optional(whole, 2_000_000_000),
      when_full: v.optional(v.picklist(['shed', 'refuse']), 'shed'),
      rotate_ms: v.optional(whole, 1000),
    }),
    {},
  ),
  scopes: v.optional(v.array(v.strictObject({ match: scopeMatch, mode: v.picklist(['exclude', 'metadata-only']) })), []),
  redis: v.optional(
    v.strictObject({
      url: redisUrl,
      timeout_ms: v.optional(whole, 200),
      when_away: v.optional(v.strictObject({ limits: v.optional(away, 'open'), slow: v.optional(away, 'closed') }), {}),
    }),
  ),
  verify_url: v.optional(link, ''),
  appeal_url: v.optional(link, ''),
  name_the_policy: v.optional(v.boolean(), false),
  webhooks: v.optional(
    v.array(
      v.strictObject({
        url,
        secret: v.optional(v.string()),
        secret_file: v.optional(v.string()),
        events: v.optional(v.array(v.string()), ['*']),
      }),
    ),
    [],
  ),
  enforcement: v.optional(v.strictObject({ url, secret: v.optional(v.string()), secret_file: v.optional(v.string()) })),
  log_level: v.optional(v.picklist(['debug', 'info', 'warn', 'error', 'silent']), 'info'),
});

export type ServeConfig = v.InferOutput<typeof schema>;
export type ProxyConfig = NonNullable<ServeConfig['proxy']>;

const file = (path: string, what: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new StillwatchError('E_CONFIG', `${what} ${path} cannot be read: ${messageOf(cause)}`, 'check the path and its permissions', {
      cause,
    });
  }
};

const yaml = (path: string, what: string): unknown => {
  try {
    return parse(file(path, what), { maxAliasCount: 20 });
  } catch (cause) {
    if (cause instanceof StillwatchError) throw cause;
    throw new StillwatchError('E_CONFIG', `${path} is no YAML: ${messageOf(cause).split('\n')[0]}`, 'check the indentation at that place', {
      cause,
    });
  }
};

export const readPolicy = (path: string): Policy => checkPolicy(yaml(path, 'the policy'), path);
export const readDocument = (path: string): unknown => yaml(path, 'the policy');

export const hostPort = (listen: string): { host: string; port: number } => {
  const at = listen.lastIndexOf(':');
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) };
};

const local = (host: string): boolean => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/**
 * Reads the configuration and the policy it names; paths in it are relative to it.
 * @throws StillwatchError E_CONFIG or E_POLICY with every fault and its place
 */
export function readConfig(path: string): { config: ServeConfig; policy: Policy } {
  const c = parseConfig(yaml(path, 'the configuration') ?? {}, path);
  return placed(c, path);
}

/** Checks a configuration as a document. @throws StillwatchError E_CONFIG */
export function parseConfig(document: unknown, path: string): ServeConfig {
  const r = v.safeParse(schema, document);
  if (!r.success)
    throw new StillwatchError(
      'E_CONFIG',
      `${path}: ${r.issues
        .slice(0, 40)
        .map((i) => `${v.getDotPath(i) ?? 'document'}: ${i.message}`)
        .join('; ')}`,
      'see docs/serve.md for the fields',
    );
  return r.output;
}

/** A configuration that was accepted before, as the parent wrote it down for its children. */
export const readAccepted = (path: string): ServeConfig => JSON.parse(file(path, 'the accepted configuration')) as ServeConfig;

function placed(c: ServeConfig, path: string): { config: ServeConfig; policy: Policy } {
  const at = (p: string) => resolve(dirname(path), p);
  const secured = (t: { cert: string; key: string } | undefined) => (t ? { tls: { cert: at(t.cert), key: at(t.key) } } : {});
  const config: ServeConfig = {
    ...c,
    store: /^https?:/.test(c.store) ? c.store : at(c.store),
    state: at(c.state),
    tail: c.tail.map(at),
    accounts: { ...c.accounts, ...(c.accounts.file ? { file: at(c.accounts.file) } : {}) },
    detection: { ...c.detection, ...(c.detection.accounts ? { accounts: at(c.detection.accounts) } : {}) },
    admin: { ...c.admin, ...secured(c.admin.tls) },
    ...(c.decisions ? { decisions: { ...c.decisions, ...secured(c.decisions.tls) } } : {}),
    ...(c.enforcement?.secret_file
      ? { enforcement: { ...c.enforcement, secret: file(at(c.enforcement.secret_file), 'the secret of enforcement').trim() } }
      : {}),
    ...(c.proxy
      ? {
          proxy: {
            ...c.proxy,
            ...secured(c.proxy.tls),
            // Node gives header names in lower case.
            client_address_header: c.proxy.client_address_header.toLowerCase(),
            ja4_header: c.proxy.ja4_header.toLowerCase(),
            country_header: c.proxy.country_header.toLowerCase(),
          },
        }
      : {}),
    webhooks: c.webhooks.map((w) => ({
      ...w,
      ...(w.secret_file ? { secret: file(at(w.secret_file), 'the secret of a webhook').trim() } : {}),
    })),
  };
  const policy = c.policy ? readPolicy(at(c.policy)) : NO_POLICY;
  const wrong = [...faults(config, policy)];
  if (wrong.length > 0)
    throw new StillwatchError(
      'E_CONFIG',
      `${path}: ${wrong.map(([fault]) => fault).join('; ')}`,
      [...new Set(wrong.map(([, hint]) => hint))].join('; '),
    );
  return { config, policy };
}

/** Whether all workers keep one budget: in Redis, or because there is one of them. */
export const sharesBudgets = (c: Pick<ServeConfig, 'workers' | 'redis'>): boolean => c.workers === 1 || c.redis !== undefined;

/** What is wrong where they do not, and what to do. */
export const unshared = (c: Pick<ServeConfig, 'workers'>): [string, string] => [
  `${c.workers} workers cannot keep one budget in memory`,
  'give redis, or workers: 1',
];

/** Names that the audit log writes for what no person did. */
const RESERVED: ReadonlySet<string> = new Set(['local', 'policy', 'detection', 'service', 'two analysts', 'policy file']);

/** A name as it looks: however its letters are put together, without what cannot be seen. */
const plainName = (name: string): string =>
  name
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .trim()
    .toLowerCase();

/** Whether two addresses to listen on are one: the same port, on the same host or on all. Port 0 is any that is free. */
function meets(a: string, b: string): boolean {
  const [x, y] = [hostPort(a), hostPort(b)];
  const all = (h: string): boolean => h === '0.0.0.0' || h === '::';
  return x.port === y.port && x.port !== 0 && (x.host === y.host || all(x.host) || all(y.host));
}

/** Whether a proxy would forward to itself. */
function ownUpstream(p: ProxyConfig): boolean {
  const u = new URL(p.upstream);
  const own = hostPort(p.listen);
  const port = Number(u.port || (u.protocol === 'https:' ? 443 : 80));
  const host = u.hostname.replace(/^\[|\]$/g, '');
  return own.port !== 0 && port === own.port && local(host) && (local(own.host) || own.host === '0.0.0.0' || own.host === '::');
}

/** Each fault with what to do about it. */
function* faults(c: ServeConfig, p: Policy): Generator<[fault: string, hint: string]> {
  if (!c.proxy && !c.decisions && c.tail.length === 0) yield ['there is nothing to serve', 'give proxy, decisions or tail'];
  const ports = [
    ['proxy.listen', c.proxy?.listen],
    ['decisions.listen', c.decisions?.listen],
    ['admin.listen', c.admin.listen],
  ] as const;
  for (const [i, [name, listen]] of ports.entries())
    for (const [other, taken] of ports.slice(0, i))
      if (listen !== undefined && taken !== undefined && meets(listen, taken))
        yield [`${name} and ${other} are one port, ${listen}`, 'give each a port of its own'];
  if (c.proxy && ownUpstream(c.proxy)) yield ['proxy.upstream is the proxy itself', 'give the address of the model API'];
  if (c.detection.accounts && !existsSync(c.detection.accounts))
    yield [`detection.accounts ${c.detection.accounts} is not there`, 'check the path; without account records leave it out'];
  const budgets = p.limits.default || p.limits.tiers || p.limits.verification || p.limits.new_accounts || p.rules.some((r) => r.budget);
  if (budgets && !sharesBudgets(c)) yield unshared(c);
  const names = c.admin.tokens.map((t) => plainName(t.name));
  const hashes = c.admin.tokens.map((t) => t.token_sha256.toLowerCase());
  if (new Set(hashes).size < hashes.length)
    yield ['admin.tokens: two tokens are one and the same', 'give each person a token of their own'];
  const bad = names.find((n, i) => n === '' || RESERVED.has(n) || names.indexOf(n) !== i);
  if (bad !== undefined)
    yield [
      bad === ''
        ? 'admin.tokens: a token has no name'
        : `admin.tokens: ${JSON.stringify(bad)} is ${RESERVED.has(bad) ? 'a name of the service itself' : 'the name of two tokens'}`,
      'give each person a name of their own: two-person rules go by it',
    ];
  if (!local(hostPort(c.admin.listen).host) && !c.admin.off_host)
    yield [`admin.listen ${c.admin.listen} is reachable from other hosts`, 'listen on 127.0.0.1, or say off_host: true and give tls'];
  if (c.admin.off_host && !c.admin.tls)
    yield ['admin.off_host without tls would send tokens in the clear', 'give admin.tls with cert and key'];
  if (c.decisions && !local(hostPort(c.decisions.listen).host) && !c.decisions.token_sha256)
    yield ['decisions.listen is reachable from other hosts without a token', 'give decisions.token_sha256'];
  for (const [name, t] of [
    ['admin', c.admin.tls],
    ['proxy', c.proxy?.tls],
    ['decisions', c.decisions?.tls],
  ] as const)
    if (t)
      try {
        createSecureContext({ cert: file(t.cert, `${name}.tls.cert`), key: file(t.key, `${name}.tls.key`) });
      } catch (error) {
        yield [`${name}.tls: ${messageOf(error)}`, 'give a certificate and its key, as PEM files'];
      }
  if (!c.accounts.file) return;
  if (!existsSync(c.accounts.file)) yield [`accounts.file ${c.accounts.file} is not there`, 'check the path'];
  else if (!statSync(c.accounts.file).isFile()) yield [`accounts.file ${c.accounts.file} is no file`, 'check the path'];
  else
    try {
      readHolders(c.accounts.file);
    } catch (error) {
      yield [messageOf(error), error instanceof StillwatchError ? error.hint : 'check the file'];
    }
}
