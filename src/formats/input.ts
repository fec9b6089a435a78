import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, gunzipSync } from 'node:zlib';
import { Decompress } from 'fzstd';
import { glob, isDynamicPattern } from 'tinyglobby';
import { messageOf, StillwatchError, withoutCredentials } from '../model/errors.ts';
import { type Compression, compressionOf, unread } from './bytes.ts';
import { type Framing, framingOf, splitterFor } from './framing.ts';
import { gunzipped } from './gzip.ts';
import { COMPRESSORS } from './parquet.ts';
import { zstdWhole } from './zstd.ts';

/** One input the engine can read: always a local file, whatever it came from. */
export interface Input {
  /** What the user called it. */
  readonly name: string;
  readonly path: string;
  readonly compression: Compression;
  readonly parquet: boolean;
  readonly bytes: number;
  /** Tells a file that was already read from one that was not, whatever its name. */
  readonly fingerprint: string;
  /** Its lines come in another order each time: a table's. */
  readonly unordered?: boolean;
  /** What was wrong with the stream it was unpacked from. */
  readonly damaged?: string;
  /** Fetches what is to be read, once it is its turn: a table is taken a day at a time. */
  readonly fetch?: () => Promise<Input>;
}

/** An input that could not be read at all; the scan goes on without it and says so. */
export interface Unreadable {
  readonly name: string;
  readonly code: string;
  readonly reason: string;
}

/** Names of logs, rotated ones too (`app.log.1`, `app.log.2026-05-03.gz`). */
const SUFFIX = /\.(?:(?:jsonl|ndjson|json|log)(?:[.-]\d[\w.-]*)?(?:\.gz|\.zst)?|parquet|gz|zst)$/i;

/** Names of tables, which a directory may hold of anything. */
const TABLE = /\.(?:csv|tsv)$/i;

/**
 * Files, globs, directories, http(s) URLs and `-` (standard input) as inputs, in a stable order. URLs and standard input are written to `spool` first.
 * @param isLog tells of a table in a directory whether it is read; without it none is
 */
export async function resolveInputs(
  args: readonly string[],
  spool: string,
  stdin: () => NodeJS.ReadableStream,
  isLog: (table: Input) => Promise<boolean> = async () => false,
): Promise<{ inputs: Input[]; unreadable: Unreadable[]; passedOver: string[] }> {
  const inputs: Input[] = [];
  const unreadable: Unreadable[] = [];
  const passedOver: string[] = [];
  const take = (name: string, path: string) => {
    try {
      inputs.push(inspect(name, path));
    } catch (error) {
      unreadable.push({ name, code: error instanceof StillwatchError ? error.code : 'E_READ', reason: reasonOf(error) });
    }
  };
  for (const arg of args) {
    if (arg === '-') {
      take('standard input', await spoolStream(stdin(), spool, 'stdin'));
    } else if (/^https?:\/\//i.test(arg)) {
      try {
        const { url, headers } = asked(arg);
        const response = await fetch(url, { headers });
        if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}`);
        take(safeUrl(arg), await spoolStream(Readable.fromWeb(response.body as never), spool, 'url'));
      } catch (error) {
        unreadable.push({ name: safeUrl(arg), code: 'E_READ', reason: whyOf(error) });
      }
    } else if (existsSync(arg) && statSync(arg).isDirectory()) {
      const closed = closedIn(resolve(arg));
      for (const dir of closed)
        unreadable.push({ name: dir, code: 'E_READ', reason: 'this directory cannot be read: check its permissions' });
      if (closed.includes(resolve(arg))) continue;
      for (const link of danglingIn(resolve(arg))) unreadable.push({ name: link, code: 'E_NOT_FOUND', reason: 'this link leads nowhere' });
      const all = outsideStores(byOneName(await glob('**/*', { cwd: resolve(arg), absolute: true, dot: false })));
      const taken = new Set(all.filter((f) => SUFFIX.test(f) || bare(f)));
      for (const f of all) if (TABLE.test(f) && (await readable(f, isLog))) taken.add(f);
      const found = all.filter((f) => taken.has(f));
      passedOver.push(...all.filter((f) => !taken.has(f)));
      if (found.length === 0)
        unreadable.push({
          name: arg,
          code: 'E_EMPTY',
          reason: 'no log files (jsonl, ndjson, json, log, csv, parquet; gzip or zstd) in this directory',
        });
      for (const f of found) take(f, f);
    } else if (existsSync(arg) && !statSync(arg).isFile()) {
      // A pipe, as a shell makes it of another command's output.
      take(arg, await spoolStream(createReadStream(arg), spool, 'pipe'));
    } else if (existsSync(arg)) {
      take(arg, resolve(arg));
    } else if (isDynamicPattern(arg)) {
      const found = byOneName(await glob(arg, { absolute: true }));
      for (const dir of arg.includes('**') ? closedIn(resolve(arg.slice(0, arg.indexOf('**')).replace(/[^/]*$/, '') || '.')) : [])
        unreadable.push({ name: dir, code: 'E_READ', reason: 'this directory cannot be read: check its permissions' });
      if (found.length === 0) unreadable.push({ name: arg, code: 'E_NOT_FOUND', reason: 'no file matches' });
      for (const f of found) take(f, f);
    } else {
      unreadable.push({ name: arg, code: 'E_NOT_FOUND', reason: 'there is no such file' });
    }
  }
  const seen = new Set<string>();
  return { inputs: inputs.filter((i) => !seen.has(i.path) && seen.add(i.path)), unreadable, passedOver };
}

async function readable(path: string, isLog: (table: Input) => Promise<boolean>): Promise<boolean> {
  try {
    return await isLog(inspect(path, path));
  } catch {
    // Told with the others that were passed over.
    return false;
  }
}

/** Whether a file without a suffix, as gateways name what they write into a bucket, begins like JSON. */
function bare(path: string): boolean {
  if (basename(path).includes('.')) return false;
  try {
    return /^\s*[[{]/.test(slice(path, 0, 64).toString('utf8'));
  } catch {
    return false;
  }
}

/** Files in order, each by its shortest name: links that lead back into a tree show what is in it again and again. */
function byOneName(files: readonly string[]): string[] {
  const real = (f: string): string => {
    try {
      return realpathSync(f);
    } catch {
      // It went away meanwhile.
      return f;
    }
  };
  const names = new Map<string, string>();
  for (const f of [...files].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))) {
    const at = real(f);
    if (!names.has(at)) names.set(at, f);
  }
  return [...names.values()].sort();
}

/** Files that are not part of a store of ours: what an engine keeps is no log. */
function outsideStores(files: readonly string[]): string[] {
  const roots = files
    .filter((f) => basename(f) === 'README' && statSync(f).size < 1000 && readFileSync(f, 'utf8').startsWith(STORE_README))
    .map((f) => `${dirname(f)}/`);
  return files.filter((f) => !roots.some((r) => f.startsWith(r)));
}

/** How the note begins that lies in every store. */
export const STORE_README = 'A Stillwatch store.';

/** Directories in a tree that may not be read: what is in them would be missing without a word. */
function closedIn(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
      e.isDirectory() && !e.name.startsWith('.') ? closedIn(join(dir, e.name)) : [],
    );
  } catch {
    return [dir];
  }
}

/** Links named like a log that lead nowhere: a search of the tree passes over them. */
function danglingIn(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
      const path = join(dir, e.name);
      if (e.isDirectory()) return e.name.startsWith('.') ? [] : danglingIn(path);
      return e.isSymbolicLink() && SUFFIX.test(e.name) && !existsSync(path) ? [path] : [];
    });
  } catch {
    // Told of with the directories that may not be read.
    return [];
  }
}

/** A URL without user, password and query, fit for a report. */
function safeUrl(url: string): string {
  try {
    const u = new URL(url);
    return `${u.protocol}//${u.host}${u.pathname}`;
  } catch {
    return withoutCredentials(url).replace(/[?#].*$/, '');
  }
}

/** What is asked of the server: user and password go where such things go, which is not the address. */
function asked(given: string): { url: URL; headers: Record<string, string> } {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new Error('this is no address: check how it is written');
  }
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  url.username = '';
  url.password = '';
  return {
    url,
    headers: user === '' && password === '' ? {} : { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
  };
}

/** Why something could not be fetched: the error beneath says more than "fetch failed". */
function whyOf(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause;
  const beneath = cause instanceof Error ? (cause as Error & { code?: string }) : null;
  const said = messageOf(error);
  return withoutCredentials(beneath ? `${said}: ${beneath.message || beneath.code || ''}` : said);
}

export async function spoolStream(stream: NodeJS.ReadableStream, spool: string, prefix: string): Promise<string> {
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  const path = join(mkdtempSync(join(spool, `${prefix}-`)), 'input');
  try {
    await pipeline(stream, createWriteStream(path, { mode: 0o600 }));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
    throw new StillwatchError('E_DISK_FULL', 'the disk for temporary files is full', 'free space, or name another place in TMPDIR', {
      cause,
    });
  }
  return path;
}

const HEAD = 262_144;

function slice(path: string, from: number, length: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, from));
  } finally {
    closeSync(fd);
  }
}

export function inspect(name: string, path: string): Input {
  let stat: Stats;
  let head: Buffer;
  try {
    stat = statSync(path);
    head = slice(path, 0, Math.min(HEAD, stat.size));
  } catch (cause) {
    const gone = (cause as { code?: string }).code === 'ENOENT';
    throw new StillwatchError(
      gone ? 'E_NOT_FOUND' : 'E_READ',
      gone ? `there is no file ${name}` : `${name} cannot be read: ${messageOf(cause)}`,
      gone ? 'check the path' : 'check its permissions',
      { cause },
    );
  }
  if (head.length === 0) throw new StillwatchError('E_EMPTY', `${name} is empty`, 'nothing to do');
  const odd = unread(head);
  if (odd) throw new StillwatchError('E_ENCODING', `the file is ${odd.is}`, odd.hint);
  const hash = createHash('sha256').update(`${stat.size}:`).update(head);
  if (stat.size > HEAD) hash.update(slice(path, Math.max(0, stat.size - HEAD), HEAD));
  // Of a large file not all is looked at: who changes its middle changes its time. To read one again that was merely touched adds nothing twice.
  if (stat.size > 2 * HEAD) hash.update(`${Math.trunc(stat.mtimeMs)}`);
  return {
    name,
    path,
    compression: compressionOf(head),
    parquet: head.subarray(0, 4).toString('latin1') === 'PAR1',
    bytes: stat.size,
    fingerprint: hash.digest('hex').slice(0, 32),
  };
}

/** What is wrong, and for a file that is to be unpacked or converted, how. */
const reasonOf = (error: unknown): string =>
  error instanceof StillwatchError && error.code === 'E_ENCODING' ? `${error.message}; ${error.hint}` : messageOf(error);

/** The first complete lines of an input, for recognising its format. */
export function sampleLines(input: Input, most = 40): string[] {
  for (const size of [2 * HEAD, 16 * HEAD, 256 * HEAD]) {
    const lines = linesOf(input, size, most);
    if (lines.length > 0 || size >= input.bytes) return lines;
  }
  return [];
}

/** The beginning of an input, unpacked; null where nothing of it can be. */
function opened(input: Input, size: number): Buffer | null {
  const head = slice(input.path, 0, Math.min(size, input.bytes));
  try {
    if (input.compression === 'gzip') return gunzipped(head);
    return input.compression === 'zstd' ? unzstd(head) : head;
  } catch {
    return null;
  }
}

/** Whether an input, unpacked, holds no line at all (true), or cannot be unpacked (null). */
export function isBlank(input: Input): boolean | null {
  const head = opened(input, 16 * HEAD);
  // Cut off in its first block a stream gives nothing, and no error.
  const cut = input.compression === 'zstd' && head?.length === 0 && !zstdWhole(input.path);
  return head === null || cut ? null : head.toString('utf8').trim() === '';
}

function linesOf(input: Input, size: number, most: number): string[] {
  const head = opened(input, size);
  if (head === null) return [];
  const lines = head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split('\n');
  // The last one is whole only where the file was read to its end.
  if (size < input.bytes) lines.pop();
  return lines
    .map((l) => l.trim())
    .filter((l) => l !== '')
    .slice(0, most);
}

/** How the records of an input stand in it. */
export function framing(input: Input): Framing {
  const head = opened(input, 2 * HEAD);
  return head === null ? { as: 'lines' } : framingOf(head.toString('utf8'), 2 * HEAD >= input.bytes);
}

/** Some records of an input as lines of JSON, however they stand in it, of a Parquet file too: what its format is recognised by. */
export async function sampleRecords(input: Input, most = 40): Promise<string[]> {
  if (!input.parquet) {
    const f = framing(input);
    if (f.as === 'lines') return sampleLines(input, most);
    const found: string[] = [];
    const s = splitterFor(f, (l) => found.push(l));
    s.take(opened(input, 16 * HEAD) ?? Buffer.alloc(0));
    if (16 * HEAD >= input.bytes) s.end();
    return found.slice(0, most);
  }
  const { asyncBufferFromFile, parquetReadObjects } = await import('hyparquet');
  try {
    const rows = await parquetReadObjects({
      file: await asyncBufferFromFile(input.path),
      compressors: COMPRESSORS,
      rowStart: 0,
      rowEnd: most,
    });
    return rows.map((r) => JSON.stringify(r, (_, v: unknown) => (typeof v === 'bigint' ? v.toString() : v)));
  } catch {
    // Packed in a way that only the engine knows.
    return [];
  }
}

/** How many bytes one of an input stands for, unpacked: measured on its beginning. */
export function expansion(input: Input): number {
  if (input.compression === 'none') return 1;
  const head = slice(input.path, 0, Math.min(16 * HEAD, input.bytes));
  try {
    return (input.compression === 'gzip' ? gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH }) : unzstd(head)).length / head.length;
  } catch {
    return 1;
  }
}

function unzstd(head: Buffer): Buffer {
  const parts: Buffer[] = [];
  try {
    const d = new Decompress((chunk) => parts.push(Buffer.from(chunk)));
    d.push(head);
  } catch (error) {
    if (parts.length === 0) throw error;
  }
  return Buffer.concat(parts);
}
