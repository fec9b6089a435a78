import { hash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { canonical } from '../formats/canonical.ts';
import { formatById, recognise } from '../formats/index.ts';
import { inspect } from '../formats/input.ts';
import { readSegment, ready, remove, type Segment } from '../gateway/spool.ts';
import { StillwatchError } from '../model/errors.ts';
import { type IngestOptions, ingest } from '../store/ingest.ts';
import type { Store } from '../store/store.ts';
import { setAside } from './aside.ts';
import type { Notice } from './notice.ts';
import { replaceFile } from './replace.ts';

export interface Took {
  readonly accepted: number;
  readonly rejected: number;
  readonly torn: number;
  /** When the newest of it arrived here, ms since 1970; 0 when nothing did. */
  readonly newest: number;
}

const NONE = { accepted: 0, rejected: 0 };
const BATCH_BYTES = 32 << 20;
const TAIL_BYTES = 16 << 20;

/** How the proxy's own records begin: what callers say comes after it. */
const OWN = /^\{"id":"[0-9a-f-]{36}","time":"([0-9TZ:.-]{20,30})"/;

/** Times of the proxy's records, for the span in which duplicates can be; null when one of them cannot be told. */
function span(lines: readonly string[]): readonly [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const l of lines) {
    const t = Date.parse(OWN.exec(l)?.[1] ?? '');
    if (!Number.isFinite(t)) return null;
    low = Math.min(low, t);
    high = Math.max(high, t);
  }
  return lines.length > 0 ? [low - 1000, high + 1000] : null;
}

export interface IntakeOptions extends IngestOptions {
  /** Bound on the spool, of which what is set aside may take a part. */
  readonly spoolBytes?: number;
}

/** How far a followed file was read, what it holds, and how it begins. */
interface Mark {
  readonly ino: number;
  readonly offset: number;
  readonly format?: string;
  readonly head?: string;
}

const HEAD_BYTES = 512;

/** What tells a file from one that was written over it: a hash of how it begins, as far as it was read. */
function headOf(path: string, offset: number): string {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(Math.min(HEAD_BYTES, offset));
    const n = readSync(fd, buffer, 0, buffer.length, 0);
    return hash('sha256', buffer.subarray(0, n), 'hex').slice(0, 32);
  } finally {
    closeSync(fd);
  }
}

/** Lines that tell the format of a batch. */
const SAMPLED = 5_000;

/**
 * The format of some lines: what they show, else what the file was so far. Lines without one record among them are no log, and are rejected, counted and kept like any other bad line: what comes
 * after must not wait for them.
 * @throws StillwatchError E_FORMAT where there are records, of no known format
 */
function formatOf(lines: readonly string[], before: string | undefined, path: string): string {
  if (before) return before;
  const sample = lines.slice(0, SAMPLED);
  const f = recognise(sample);
  if (f) return f.id;
  if (sample.some((l) => l.trimStart().startsWith('{')))
    throw new StillwatchError('E_FORMAT', `${path} is in no known log format`, 'its lines were left where they are');
  return canonical.id;
}

/**
 * Brings what workers spooled, and what tailed files gained, into the store. A segment is removed only after the store has it: a kill in between repeats it,
 * and the store leaves out what it has.
 */
export class Intake {
  private readonly store: Store;
  private readonly dir: string;
  private readonly spool: string;
  private readonly options: IntakeOptions;
  private readonly notice: Notice | null;
  private readonly unnoticed: (error: unknown) => void;
  private n = 0;
  private careful = 0;
  private readonly tries = new Map<string, number>();

  /**
   * @param notice looks at a batch that was taken in, while its text is there
   * @param failed told when that went wrong
   */
  constructor(
    store: Store,
    state: string,
    spool: string,
    options: IntakeOptions,
    notice: Notice | null = null,
    failed: (error: unknown) => void = () => undefined,
  ) {
    this.notice = notice;
    this.unnoticed = failed;
    this.store = store;
    this.dir = join(state, 'batches');
    this.spool = spool;
    this.options = options;
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
  }

  /** @param own records that the proxy wrote: sent again they are the same to the letter. What others send may come again with another time. */
  private async load(lines: readonly string[], format: string, name: string, own = false): Promise<{ accepted: number; rejected: number }> {
    this.n += 1;
    const path = join(this.dir, `${process.pid}-${Date.now().toString(36)}-${this.n}.jsonl`);
    writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
    try {
      const input = inspect(name, path);
      const f = formatById(format);
      const s = own ? span(lines) : null;
      const c = await ingest(this.store, input, f, { ...this.options, ...(s ? { span: s } : {}) });
      // The batch is in the store, whatever becomes of what is noticed besides.
      if (c.accepted > 0) await this.notice?.batch(input, f).catch((e: unknown) => this.unnoticed(e));
      return { accepted: c.accepted, rejected: c.rejected };
    } finally {
      rmSync(path, { force: true });
    }
  }

  /** Sets lines aside; told when older ones had to make room. */
  private aside(segment: string, lines: string | Uint8Array): void {
    const gone = setAside(segment, lines, this.spool, this.options.spoolBytes ?? Number.POSITIVE_INFINITY);
    if (gone > 0)
      this.unnoticed(
        new StillwatchError(
          'E_SPOOL',
          `${gone} bytes of older lines that became no exchange were removed to make room`,
          'raise spool.bytes_max',
        ),
      );
  }

  /** One round over the spool. */
  async segments(): Promise<Took> {
    let took: Took = { accepted: 0, rejected: 0, torn: 0, newest: 0 };
    const byFormat = new Map<string, Segment[]>();
    for (const s of ready(this.spool)) {
      const [, posted = '', format = 'canonical'] = /(i?)~([a-z]+)-/.exec(s.path.slice(this.spool.length)) ?? [];
      const key = `${posted}~${format}`;
      byFormat.set(key, [...(byFormat.get(key) ?? []), s]);
    }
    for (const [key, all] of byFormat) {
      const [posted, format] = key.split('~') as [string, string];
      for (let from = 0; from < all.length; ) {
        const most = this.careful > 0 ? 1 : Number.POSITIVE_INFINITY;
        const lines: string[] = [];
        const damaged = new Map<string, readonly string[]>();
        let bytes = 0;
        let torn = 0;
        let to = from;
        for (; to < all.length && (to === from || (bytes < BATCH_BYTES && to - from < most)); to++) {
          const s = all[to] as Segment;
          const r = readSegment(readFileSync(s.path));
          for (const x of r.records) lines.push(x);
          torn += r.bad.length;
          if (r.bad.length > 0) damaged.set(s.path, r.bad);
          bytes += s.bytes;
        }
        const part = all.slice(from, to);
        const done =
          lines.length > 0
            ? await this.load(lines, format, `live ${format}`, posted === '').catch((e: unknown) => this.failed(e, part))
            : NONE;

        // Lines whose checksum fails are no exchange any more, but stay for a person to look at, where rejected lines do.
        for (const s of part) {
          const lines = damaged.get(s.path);
          if (lines && this.options.keepRejects) this.aside(s.path, `${lines.join('\n')}\n`);
          remove(s.path);
        }
        this.careful = Math.max(0, this.careful - 1);
        from = to;
        took = {
          accepted: took.accepted + done.accepted,
          rejected: took.rejected + done.rejected,
          torn: took.torn + torn,
          newest: Math.max(took.newest, ...part.map((x) => x.at)),
        };
      }
    }
    return took;
  }

  /**
   * What the engine refuses although it is there and has room: segments are tried one by one, and the one at fault is set aside as `.bad`, where it
   * stays. Any other failure leaves everything for the next round.
   */
  private async failed(error: unknown, part: readonly Segment[]): Promise<never> {
    if (!(error instanceof StillwatchError) || (error.code !== 'E_ENGINE' && error.code !== 'E_MEMORY')) throw error;
    // A store that has lost its tables refuses everything: that is no fault of a segment.
    await this.store.rows('SELECT key, time FROM exchanges LIMIT 1');
    await this.store.rows('SELECT key FROM rejects LIMIT 1');
    this.careful = Math.max(this.careful, 20);
    const only = part.length === 1 ? part[0] : undefined;
    if (!only) throw error;
    const tries = (this.tries.get(only.path) ?? 0) + 1;
    this.tries.set(only.path, tries);
    // Memory may be short for a while: a segment that is too large for it is so each time.
    if (tries < (error.code === 'E_MEMORY' ? 10 : 3)) throw error;
    this.aside(only.path, readFileSync(only.path));
    remove(only.path);
    throw new StillwatchError(
      'E_SPOOL',
      `${only.path}.bad: the engine refused this segment ${tries} times; it is set aside: ${error.message}`,
      'send it to us; scan it by hand',
    );
  }

  /** Whole lines that a file gained since the last round. A file that was replaced or cut short is read from its start. */
  async tail(path: string): Promise<Took> {
    const nothing: Took = { accepted: 0, rejected: 0, torn: 0, newest: 0 };
    if (!existsSync(path)) return nothing;
    const mark = join(this.dir, `tail-${Buffer.from(path).toString('base64url').slice(-80)}.json`);
    const held: Mark = { ino: 0, offset: 0, ...(existsSync(mark) ? (JSON.parse(readFileSync(mark, 'utf8')) as Partial<Mark>) : {}) };
    const s = statSync(path);
    let format = held.format;
    const keep = (offset: number, ino = s.ino) => {
      const at: Mark = {
        ino,
        offset,
        ...(format ? { format } : {}),
        ...(ino === s.ino ? { head: headOf(path, offset) } : held.head ? { head: held.head } : {}),
      };
      replaceFile(mark, JSON.stringify(at));
    };
    if (held.ino !== 0 && s.ino !== held.ino) {
      // Rotated by renaming: what the old file gained since the last round is read before the new one.
      const rest = await this.rest(path, held);
      if (rest) {
        keep(rest.offset, held.ino);
        if (rest.took) return rest.took;
      }
    }
    // Copied and cut short, it may have grown beyond its old place by now: how it begins tells.
    const same = s.ino === held.ino && s.size >= held.offset && (held.head === undefined || headOf(path, held.offset) === held.head);
    const from = same ? held.offset : 0;
    if (s.size === from) return nothing;
    const fd = openSync(path, 'r');
    const buffer = Buffer.alloc(Math.min(TAIL_BYTES, fstatSync(fd).size - from));
    const read = readSync(fd, buffer, 0, buffer.length, from);
    closeSync(fd);
    const end = buffer.subarray(0, read).lastIndexOf(10) + 1;
    if (end === 0 && buffer.length < TAIL_BYTES) return nothing;
    // A line longer than the bound is no exchange: it is left out and counted.
    if (end === 0) {
      keep(from + buffer.length);
      return { ...nothing, torn: 1 };
    }
    const lines = buffer.toString('utf8', 0, end).split(/\r?\n/).filter(Boolean);
    const named = lines.length > 0 ? formatOf(lines, format, path) : '';
    const done = lines.length > 0 ? await this.load(lines, named, path) : { accepted: 0, rejected: 0 };
    // What gave no exchange may have been another format: the next lines are looked at anew.
    if (done.accepted > 0) format = named;
    else if (done.rejected > 0) format = undefined;
    keep(from + end);
    return { ...nothing, ...done, newest: s.mtimeMs };
  }

  /** What a file that was renamed holds beyond where it was read to; null when it is gone or compressed away. */
  private async rest(path: string, held: Mark): Promise<{ offset: number; took: Took | null } | null> {
    const dir = dirname(path);
    const old = readdirSync(dir)
      .map((name) => join(dir, name))
      .find((p) => {
        try {
          return statSync(p).ino === held.ino;
        } catch {
          return false;
        }
      });
    if (!old) return null;
    const fd = openSync(old, 'r');
    const buffer = Buffer.alloc(Math.min(TAIL_BYTES, Math.max(0, fstatSync(fd).size - held.offset)));
    const read = readSync(fd, buffer, 0, buffer.length, held.offset);
    closeSync(fd);
    // Nobody writes to it any more: a last line without an end is a line.
    const whole = read < TAIL_BYTES ? read : buffer.subarray(0, read).lastIndexOf(10) + 1;
    const lines = buffer.toString('utf8', 0, whole).split(/\r?\n/).filter(Boolean);
    if (lines.length === 0) return { offset: held.offset + read, took: null };
    const newest = statSync(old).mtimeMs;
    const format = recognise(lines);
    // A line torn by the rotation, or another file under the old number: counted, and the new file is read.
    if (!format) return { offset: held.offset + read, took: { accepted: 0, rejected: 0, torn: lines.length, newest } };
    return { offset: held.offset + whole, took: { torn: 0, ...(await this.load(lines, format.id, path)), newest } };
  }
}
