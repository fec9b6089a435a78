import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { messageOf, StillwatchError } from '../model/errors.ts';

/** Where the admin API of this host answers. */
export interface Where {
  readonly url: string;
  readonly token: string;
}

/** The admin API that serves this store, if one does. */
export function servedBy(store: string): Where | null {
  const path = join(store, 'serve.json');
  if (/^https?:/.test(store) || !existsSync(path)) return null;
  try {
    const { url, token_file, pid } = JSON.parse(readFileSync(path, 'utf8')) as { url: string; token_file: string; pid: number };
    process.kill(pid, 0);
    return { url, token: readFileSync(token_file, 'utf8').trim() };
  } catch {
    return null;
  }
}

/** Asks the admin API of this host. @throws StillwatchError with the API's own code, sentence and hint */
export async function askAdmin(w: Where, method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<string> {
  let r: Awaited<ReturnType<typeof request>>;
  try {
    r = await ask(w, method, path, body);
  } catch (cause) {
    throw new StillwatchError(
      'E_ADMIN',
      `the running service does not answer at ${w.url}: ${messageOf(cause)}`,
      'where admin.tls has a certificate of your own making, name its authority in NODE_EXTRA_CA_CERTS',
      { cause },
    );
  }
  const text = await r.body.text();
  if (r.statusCode === 200) return text;
  const e = (JSON.parse(text) as { error: { code: string; message: string; hint: string } }).error;
  throw new StillwatchError(e.code, e.message, e.hint);
}

const ask = (w: Where, method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) =>
  request(`${w.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${w.token}`, 'content-type': 'application/json' },
    headersTimeout: 600_000,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
