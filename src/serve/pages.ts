import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Page {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
}

/** The console's files, read once and compressed when it was built. */
export class Pages {
  private readonly files = new Map<string, Page>();

  constructor(dir = fileURLToPath(new URL('../web/', import.meta.url))) {
    if (!existsSync(dir)) return;
    for (const e of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (!e.isFile() || e.name.endsWith('.gz')) continue;
      const path = join(e.parentPath, e.name);
      const name = relative(dir, path).split('\\').join('/');
      const page = {
        type: TYPES[name.split('.').pop() ?? ''] ?? 'application/octet-stream',
        plain: readFileSync(path),
        gzip: readFileSync(`${path}.gz`),
      };
      this.files.set(name === 'index.html' ? '/' : `/assets/${name}`, page);
    }
  }

  /** Answers a request for a file of the console; false when it is for none. */
  serve(req: IncomingMessage, res: ServerResponse, path: string): boolean {
    const page = this.files.get(path);
    if (!page || (req.method !== 'GET' && req.method !== 'HEAD')) return false;
    const gzip = (req.headers['accept-encoding'] ?? '').includes('gzip');
    const body = gzip ? page.gzip : page.plain;
    res.writeHead(200, {
      'content-type': page.type,
      'content-length': body.length,
      ...(gzip ? { 'content-encoding': 'gzip' } : {}),
      vary: 'accept-encoding',
      'cache-control': 'no-cache',
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
    res.end(req.method === 'HEAD' ? undefined : body);
    return true;
  }
}
