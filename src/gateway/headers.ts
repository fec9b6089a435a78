import type { IncomingMessage } from 'node:http';

/** Headers that belong to one connection, and those the proxy sets anew. */
const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'expect',
  'accept-encoding',
  'x-request-id',
]);

export const forwarded = (req: IncomingMessage, extra: Record<string, string>): string[] => {
  // What the connection header names is for this hop only (RFC 9110, 7.6.1).
  const named = new Set((req.headers.connection ?? '').split(',').map((x) => x.trim().toLowerCase()));
  const out: string[] = [];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] as string;
    const lower = name.toLowerCase();
    // Readers that take `_` for `-` would take it for one of those.
    // The key that was decided by goes on, whatever the caller says of its connection.
    const dropped = named.has(lower) && !KEYS.has(lower);
    if (!HOP.has(lower.replaceAll('_', '-')) && !dropped) out.push(name, req.rawHeaders[i + 1] as string);
  }
  for (const [k, v] of Object.entries(extra)) out.push(k, v);
  return out;
};

/** Where providers look for a key. */
const KEYS = new Set([
  ...['x-api-key', 'authorization', 'api-key', 'apikey', 'x-goog-api-key', 'anthropic-api-key', 'openai-api-key'],
  ...['ocp-apim-subscription-key', 'x-auth-token', 'x-access-token', 'x-authorization'],
  ...['x-litellm-api-key', 'x-litellm-key', 'x-portkey-api-key', 'cf-aig-authorization', 'x-api-token', 'helicone-auth'],
]);

/** A key as such: no blank, quote or comma, which readers understand in ways of their own. */
const KEY = /^[\x21\x23-\x26\x28-\x2b\x2d-\x7e]*$/;

export const HOP_BACK = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'trailer', 'proxy-authenticate']);

/** The one key a request carries; null when it carries several, for then the account decided about need not be the one the upstream takes. */
export function keyOf(req: IncomingMessage, keyHeader: string): string | null {
  const names = keyHeader ? [keyHeader.toLowerCase()] : ['x-api-key', 'authorization'];
  const found = new Set<string>();
  let times = 0;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = (req.rawHeaders[i] as string).toLowerCase();
    // Many readers take `_` for `-`.
    if (!KEYS.has(name.replaceAll('_', '-')) && !names.includes(name.replaceAll('_', '-')) && !names.includes(name)) continue;
    times += 1;
    // A key under a name that is not looked at might be the one the upstream looks at.
    if (!names.includes(name)) return null;
    const value = (req.rawHeaders[i + 1] as string).trim();
    const key = name === 'authorization' ? value.replace(/^Bearer +/i, '') : value;
    // Another scheme, or another spelling, may hold a key that the upstream would find in it.
    if (!KEY.test(key) || /^Bearer:?$/i.test(key)) return null;
    found.add(key);
  }
  if (found.size > 1 || times > 2) return null;
  return [...found][0] ?? '';
}

/** Names under which an address line carries a key. */
const QUERY_KEYS = new Set([
  'key',
  'api-key',
  'apikey',
  'x-api-key',
  'x-goog-api-key',
  'subscription-key',
  'access-token',
  'auth-token',
  'token',
]);

/** Whether the address line carries a key that is not the one of the header: the upstream may take either. */
export function otherKey(url: string, key: string): boolean {
  const at = url.indexOf('?');
  if (at < 0) return false;
  // Some readers part at `;` as well.
  for (const part of url.slice(at + 1).split(/[&;]/))
    for (const [name, value] of new URLSearchParams(part))
      if (QUERY_KEYS.has(name.trim().toLowerCase().replaceAll('_', '-')) && value !== key) return true;
  return false;
}
