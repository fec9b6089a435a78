import type { IncomingMessage, ServerResponse } from 'node:http';
import { createGunzip } from 'node:zlib';
import { messageOf } from '../model/errors.ts';
import { readBody, TooLarge } from './body.ts';

/** What callers of the decision API send, and how they are answered. */

export type Json = Record<string, unknown>;

export class Bad extends Error {
  readonly status: 400 | 413 | 415 | 503;
  constructor(status: 400 | 413 | 415 | 503, said: string) {
    super(said);
    this.status = status;
  }
}

export function json(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  if (res.headersSent || res.destroyed) return;
  const out = JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(out), ...headers });
  res.end(out);
}

/** No request uses as many. */
const AMOUNT_MAX = 1e9;

/** An amount of tokens as a caller tells it; one that is written wrongly must not be taken for none. */
export function amount(r: Json, name: string): number {
  const x = r[name];
  if (typeof x !== 'number' || !Number.isFinite(x) || x < 0 || x > AMOUNT_MAX)
    throw new Bad(400, `${name} is no number from 0 to ${AMOUNT_MAX}`);
  return x;
}

/** Words as a caller lists them. */
export function words(r: Json, name: string): string[] {
  const x = r[name] ?? [];
  if (!Array.isArray(x) || !x.every((y) => typeof y === 'string')) throw new Bad(400, `${name} is no list of words`);
  return x as string[];
}

/** A time as a caller tells it, in ms since 1970; nothing where none is told. */
export function moment(r: Json, name: string): number | undefined {
  const x = r[name] ?? undefined;
  if (x === undefined) return undefined;
  const at = typeof x === 'string' ? Date.parse(x) : Number.NaN;
  if (!Number.isFinite(at)) throw new Bad(400, `${name} is no time: write it as 2026-05-04T12:00:00Z`);
  return at;
}

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** A bounded body, unpacked when it is gzip, by what it says or is: the bound holds for what comes out. Taken for lines, a packed file would be a heap of rejected ones. */
export async function bodyOf(req: IncomingMessage, max: number): Promise<Buffer> {
  const raw = await readBody(req, max).catch((e: unknown) => {
    throw e instanceof TooLarge ? new Bad(413, `the body is larger than ${max} bytes (body_bytes_max): send it in parts`) : e;
  });
  const encoding = req.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'gzip' && encoding !== 'identity') throw new Bad(415, 'content-encoding is gzip or none');
  if (raw.subarray(0, 4).equals(ZSTD)) throw new Bad(415, 'zstd is not taken here: send gzip, or none');
  if (encoding === 'identity' && !raw.subarray(0, 2).equals(GZIP)) return raw;
  const parts: Buffer[] = [];
  let bytes = 0;
  const unzip = createGunzip();
  unzip.end(raw);
  try {
    for await (const part of unzip) {
      bytes += (part as Buffer).length;
      if (bytes > max) throw new Bad(413, `the body unpacks to more than ${max} bytes`);
      parts.push(part as Buffer);
    }
  } catch (error) {
    throw error instanceof Bad ? error : new Bad(400, `the gzip stream is damaged: ${messageOf(error)}`);
  }
  return Buffer.concat(parts);
}

/** Lines of one call at most: each is written down before it is acknowledged, and everybody else waits. */
const LINES_MAX = 50_000;

/** Lines that are not blank. */
export function linesOf(body: Buffer): string[] {
  const out: string[] = [];
  for (let from = 0; from < body.length; ) {
    const end = body.indexOf(10, from);
    const to = end < 0 ? body.length : end;
    if (to > from) {
      const l = body
        .toString('utf8', from, to)
        .replace(/^\ufeff/, '')
        .trim();
      if (l !== '' && out.push(l) > LINES_MAX) throw new Bad(413, `the body has more than ${LINES_MAX} lines: send them in parts`);
    }
    from = to + 1;
  }
  return out;
}

export function parsed(body: Buffer): Json {
  try {
    const j = JSON.parse(body.toString('utf8')) as unknown;
    if (typeof j === 'object' && j !== null && !Array.isArray(j)) return j as Json;
  } catch {
    // Said below.
  }
  throw new Bad(400, 'the body is no JSON object');
}
