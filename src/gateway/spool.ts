import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/**
 * The way of an exchange from a worker to the store: checksummed lines in segment files. A line is written before the end of its answer goes out, and a
 * segment is removed only when the store has it; the store leaves out what it has already. So a kill at any point loses nothing and doubles nothing.
 */

/** Names this run of the service: the parent gives it to all its children. */
const RUN = process.env['STILLWATCH_RUN'] ?? 'alone';

const line = (text: string): string => `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;

/** Records of a segment, the bytes up to the last whole line, and the lines whose checksum fails. */
export function readSegment(content: Buffer): { records: string[]; good: number; bad: string[] } {
  const records: string[] = [];
  const bad: string[] = [];
  let good = 0;
  let from = 0;
  for (let at = content.indexOf(10); at >= 0; at = content.indexOf(10, from)) {
    const text = content.toString('utf8', from, at);
    from = at + 1;
    if (text.length > 9 && crc32(text.slice(9)).toString(16).padStart(8, '0') === text.slice(0, 8)) {
      records.push(text.slice(9));
      good = from;
    } else bad.push(text);
  }
  return { records, good, bad };
}

export type Put = 'kept' | 'full' | 'failed';

export interface SpoolOptions {
  readonly dir: string;
  readonly worker: string;
  /** Bound on the whole spool: what other workers, also those of an earlier configuration, have waiting counts. */
  readonly bytesMax: number;
  readonly rotateMs: number;
  readonly rotateBytes?: number;
}

/** Characters written in one go. */
const WRITE_MAX = 16 << 20;

/** After a write that failed nothing more is promised for so long: a disk that is full is so for a while. */
const FAILED_MS = 1000;

export class Spool {
  private fd = -1;
  private path = '';
  private bytes = 0;
  private opened = 0;
  private n = 0;
  private queue: { readonly text: string; readonly told: (p: Put) => void }[] = [];
  private waiting = 0;
  private measured = 0;
  private failedAt = 0;
  private readonly o: SpoolOptions;
  private readonly timer: NodeJS.Timeout;

  constructor(o: SpoolOptions) {
    this.o = o;
    mkdirSync(o.dir, { recursive: true, mode: 0o700 });
    // What an earlier writer left counts from the first line on.
    this.measure(Date.now());
    this.timer = setInterval(() => this.tick(Date.now()), Math.max(50, o.rotateMs / 2));
    this.timer.unref();
  }

  /** Bytes not yet in the store, of everybody who writes here: measured each second, and exact for what this one has written since. */
  get depth(): number {
    return this.waiting + this.bytes;
  }

  /** Whether another record would be taken. */
  get room(): boolean {
    return this.depth < this.o.bytesMax && Math.abs(Date.now() - this.failedAt) >= FAILED_MS;
  }

  /** Kept with all others of this turn of the event loop, in one write; then told. */
  soon(text: string, told: (p: Put) => void): void {
    this.queue.push({ text, told });
    if (this.queue.length === 1) setImmediate(() => this.flush());
  }

  private flush(): void {
    const list = this.queue;
    this.queue = [];
    if (list.length === 0) return;
    // In parts: all that waits together may be more than one string can hold.
    for (let from = 0; from < list.length; ) {
      let to = from;
      let size = 0;
      while (to < list.length && (to === from || size + (list[to]?.text.length ?? 0) <= WRITE_MAX)) {
        size += list[to]?.text.length ?? 0;
        to += 1;
      }
      const part = list.slice(from, to);
      from = to;
      const got = this.write(part.map((x) => line(x.text)).join(''));
      for (const x of part) {
        try {
          x.told(got);
        } catch {
          // One caller's trouble is not the others'.
        }
      }
    }
  }

  /** A line as it came, without its line end. */
  putLine(text: string): Put {
    return this.write(line(text));
  }

  private write(lines: string): Put {
    if (this.depth >= this.o.bytesMax) {
      this.measure(Date.now());
      if (this.depth >= this.o.bytesMax) return 'full';
    }
    try {
      if (this.fd < 0) {
        this.n += 1;
        this.path = join(this.o.dir, `${this.o.worker}-${RUN}-${process.pid}-${Date.now().toString(36)}-${this.n}`);
        this.fd = openSync(`${this.path}.open`, 'wx', 0o600);
        this.opened = Date.now();
        this.bytes = 0;
      }
      const data = Buffer.from(lines);
      // At its own place: after a write that was cut back the file's own position would leave a hole, and the next line with it.
      const written = writeSync(this.fd, data, 0, data.length, this.bytes);
      if (written < data.length) throw new Error('short write');
      this.bytes += data.length;
      if (this.bytes >= (this.o.rotateBytes ?? 4 << 20)) this.rotate();
      return 'kept';
    } catch {
      this.failedAt = Date.now();
      // A torn line would hide the ones after it.
      if (this.fd >= 0)
        try {
          ftruncateSync(this.fd, this.bytes);
        } catch {
          this.rotate();
        }
      return 'failed';
    }
  }

  private tick(now: number): void {
    // A clock that was put back must not keep a segment open until it has caught up.
    if (this.fd >= 0 && Math.abs(now - this.opened) >= this.o.rotateMs) this.rotate();
    if (Math.abs(now - this.measured) > 1000) this.measure(now);
  }

  rotate(): void {
    if (this.fd < 0) return;
    try {
      closeSync(this.fd);
      renameSync(`${this.path}.open`, `${this.path}.seg`);
    } catch {
      // The reader adopts what a writer could not close.
    }
    this.waiting += this.bytes;
    this.fd = -1;
    this.bytes = 0;
  }

  private measure(now: number): void {
    this.measured = now;
    this.waiting = segments(this.o.dir)
      .filter((s) => join(this.o.dir, s) !== `${this.path}.open`)
      .reduce((x, s) => x + sizeOf(join(this.o.dir, s)), 0);
  }

  close(): void {
    clearInterval(this.timer);
    this.flush();
    this.rotate();
  }
}

const sizeOf = (path: string): number => {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
};

function segments(dir: string): string[] {
  try {
    return readdirSync(dir).filter((f) => f.endsWith('.seg') || f.endsWith('.open'));
  } catch {
    return [];
  }
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** After so long a segment that nobody wrote to belongs to nobody. */
const LEFT_MS = 60_000;

export interface Segment {
  readonly path: string;
  readonly bytes: number;
  /** When it was last written, ms since 1970. */
  readonly at: number;
}

/** Closed segments, oldest first, with those that a killed writer left open: cut back to their last whole line. */
export function ready(dir: string): Segment[] {
  const out: Segment[] = [];
  for (const name of segments(dir)) {
    let path = join(dir, name);
    try {
      if (name.endsWith('.open')) {
        // One of this run that lives may still be writing. So may one of a run before, whose parent was killed and which ends what it began; but process numbers come again, and whoever writes changes its
        // segment every second: one that nobody has touched for long was left.
        const living = alive(Number(name.split('-').at(-3)));
        if (living && (name.includes(`-${RUN}-`) || Date.now() - statSync(path).mtimeMs < LEFT_MS)) continue;
        const fd = openSync(path, 'r+');
        if (fstatSync(fd).size > 0) ftruncateSync(fd, readSegment(readFileSync(path)).good);
        closeSync(fd);
        const closed = path.replace(/\.open$/, '.seg');
        renameSync(path, closed);
        path = closed;
      }
      const s = statSync(path);
      out.push({ path, bytes: s.size, at: s.mtimeMs });
    } catch {
      // Gone or being renamed: the next round has it.
    }
  }
  return out.sort((a, b) => a.at - b.at);
}

/** Seconds since the oldest closed segment was written; 0 where none waits. What grows while detection is up is an intake that does not get on. */
export const oldest = (dir: string, now: number): number =>
  segments(dir)
    .filter((s) => s.endsWith('.seg'))
    .reduce((x, s) => {
      try {
        return Math.max(x, (now - statSync(join(dir, s)).mtimeMs) / 1000);
      } catch {
        return x;
      }
    }, 0);

export const depth = (dir: string): number => segments(dir).reduce((x, s) => x + sizeOf(join(dir, s)), 0);
export const remove = (path: string): void => unlinkSync(path);
