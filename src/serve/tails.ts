import { hash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { canonical } from '../formats/canonical.ts';
import { recognise } from '../formats/index.ts';
import { StillwatchError } from '../model/errors.ts';
import { replaceFile } from './replace.ts';

export interface Took {
  readonly accepted: number;
  readonly rejected: number;
  readonly torn: number;
  /** When the newest of it arrived here, ms since 1970; 0 when nothing did. */
  readonly newest: number;
}

/** How far a file was read, and how it begins. */
interface Place {
  readonly ino: number;
  readonly offset: number;
  readonly head?: string;
}

/** Of a followed file: its place, what it holds, and the places of those that had its name before and may still be written to. */
interface Mark extends Place {
  readonly format?: string;
  readonly earlier?: readonly Place[];
}

const NOTHING: Took = { accepted: 0, rejected: 0, torn: 0, newest: 0 };
const TAIL_BYTES = 16 << 20;
const HEAD_BYTES = 512;
/** Whoever writes a log opens its new file within so long of a rotation. */
const QUIET_MS = 60_000;
const EARLIER_MAX = 4;

/** Lines that tell the format of a batch. */
const SAMPLED = 5_000;

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

/** Whether what lies at a path is the file of a place, and not another under its number, nor one that was cut short: copied and cut, it may have grown beyond its old place by now. */
function stillAt(path: string, p: Place): boolean {
  const s = statSync(path);
  return s.ino === p.ino && s.size >= p.offset && (p.head === undefined || headOf(path, p.offset) === p.head);
}

function readFrom(path: string, offset: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(Math.min(TAIL_BYTES, Math.max(0, fstatSync(fd).size - offset)));
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, offset));
  } finally {
    closeSync(fd);
  }
}

const linesOf = (b: Buffer): string[] => b.toString('utf8').split(/\r?\n/).filter(Boolean);
const wholeLines = (b: Buffer): number => b.lastIndexOf(10) + 1;

/** The file of a place, wherever in the directory it lies now; null when it is gone, or compressed away. */
function whereIs(dir: string, p: Place): string | null {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    try {
      if (stillAt(path, p)) return path;
    } catch {
      // It went, or is not ours to read.
    }
  }
  return null;
}

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

/** Follows files that others write, through rotations of either kind. */
export class Tails {
  private readonly dir: string;
  private readonly load: (lines: readonly string[], format: string, path: string) => Promise<{ accepted: number; rejected: number }>;

  /** @param dir where the places are kept */
  constructor(dir: string, load: Tails['load']) {
    this.dir = dir;
    this.load = load;
  }

  /** Whole lines that a file gained since the last round. A file that was replaced or cut short is read from its start. */
  async read(path: string): Promise<Took> {
    if (!existsSync(path)) return NOTHING;
    const mark = join(this.dir, `tail-${Buffer.from(path).toString('base64url').slice(-80)}.json`);
    const keep = (m: Mark) => replaceFile(mark, JSON.stringify(m));
    const stored: Mark = { ino: 0, offset: 0, ...(existsSync(mark) ? (JSON.parse(readFileSync(mark, 'utf8')) as Partial<Mark>) : {}) };
    const { ino } = statSync(path);
    // Rotated by renaming: what the old file gains until its writer opens the new one is read too.
    const rotated = stored.ino !== 0 && ino !== stored.ino;
    const { format: before, earlier: known = [], ...place } = stored;
    const held = { ...(rotated ? { ino, offset: 0 } : place), ...(before ? { format: before } : {}) };
    let earlier = rotated ? [...known, place].slice(-EARLIER_MAX) : known;
    for (const p of earlier) {
      const { took, more } = await this.rest(path, p);
      earlier = earlier.flatMap((x) => (x !== p ? [x] : more ? [more] : []));
      if (!took) continue;
      keep({ ...held, earlier });
      return took;
    }
    const from = stillAt(path, held) ? held.offset : 0;
    const gained = readFrom(path, from);
    if (gained.length === 0) return NOTHING;
    const end = wholeLines(gained);
    let format = before;
    const goOn = (to: number) => keep({ ino, offset: to, head: headOf(path, to), ...(format ? { format } : {}), earlier });
    if (end === 0) {
      if (gained.length < TAIL_BYTES) return NOTHING;
      // A line longer than the bound is no exchange: it is left out and counted.
      goOn(from + gained.length);
      return { ...NOTHING, torn: 1 };
    }
    const lines = linesOf(gained.subarray(0, end));
    const named = lines.length > 0 ? formatOf(lines, format, path) : '';
    const done = lines.length > 0 ? await this.load(lines, named, path) : NOTHING;
    // What gave no exchange may have been another format: the next lines are looked at anew.
    if (done.accepted > 0) format = named;
    else if (done.rejected > 0) format = undefined;
    goOn(from + end);
    return { ...NOTHING, accepted: done.accepted, rejected: done.rejected, newest: statSync(path).mtimeMs };
  }

  /** What a file that was renamed holds beyond where it was read to, and where to look on; nowhere when it is gone, or nobody has written to it for a while. */
  private async rest(path: string, p: Place): Promise<{ took: Took | null; more: Place | null }> {
    const at = whereIs(dirname(path), p);
    if (!at) return { took: null, more: null };
    const newest = statSync(at).mtimeMs;
    const quiet = Date.now() - newest > QUIET_MS;
    const gained = readFrom(at, p.offset);
    // When nobody writes to it any more a last line without an end is a line.
    const whole = quiet && gained.length < TAIL_BYTES ? gained.length : wholeLines(gained);
    const to = p.offset + whole;
    const lines = linesOf(gained.subarray(0, whole));
    const more = quiet && whole === gained.length ? null : { ...p, offset: to, head: headOf(at, to) };
    if (lines.length === 0) return { took: null, more };
    const format = recognise(lines);
    // A line torn by the rotation: counted.
    if (!format) return { took: { ...NOTHING, torn: lines.length, newest }, more };
    return { took: { ...NOTHING, ...(await this.load(lines, format.id, path)), newest }, more };
  }
}
