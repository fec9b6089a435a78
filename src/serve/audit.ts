import { isUtf8 } from 'node:buffer';
import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Entry, entry, GENESIS, verifyChain } from '../barriers/chain.ts';
import type { Event } from '../barriers/events.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { replaceFile } from './replace.ts';

const linesOf = (path: string): { lines: string[]; torn: number; blank: number } => {
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const content = bytes.toString('utf8');
  // Bytes that are no text are read as the character that stands for them, and would be taken for it. A last line that was cut may end in half a character.
  if (!isUtf8(bytes.subarray(0, bytes.lastIndexOf(10) + 1)))
    throw new StillwatchError(
      'E_AUDIT',
      `${path} holds bytes that are no UTF-8: it was changed after it was written`,
      'compare it with a copy',
    );
  const end = content.lastIndexOf('\n') + 1;
  const all = content.slice(0, Math.max(0, end - 1)).split('\n');
  const lines = all.filter(Boolean);
  return { lines, torn: Buffer.byteLength(content.slice(end)), blank: lines.length > 0 ? all.length - lines.length : 0 };
};

/** How far a log had come when it was last written, beside it. */
const headPath = (path: string): string => `${path}.head`;

function headKept(path: string): { readonly seq: number; readonly hash: string } | null {
  try {
    const [seq = '', hash = ''] = readFileSync(headPath(path), 'utf8').trim().split(' ');
    return /^\d+$/.test(seq) && /^[0-9a-f]{64}$/.test(hash) ? { seq: Number(seq), hash } : null;
  } catch {
    return null;
  }
}

/** What is missing at a log's end, by what is kept beside it; null where nothing is. */
function cut(path: string, entries: readonly Pick<Entry, 'hash'>[]): string | null {
  const kept = headKept(path);
  if (!kept || entries[kept.seq - 1]?.hash === kept.hash) return null;
  return entries.length < kept.seq
    ? `its last ${kept.seq - entries.length} of ${kept.seq} entries are gone, as ${headPath(path)} shows`
    : `entry ${kept.seq} is not the one that was written, as ${headPath(path)} shows: it was written anew`;
}

/** Checks a log file. @returns a sentence for a person, and whether it holds */
export function verifyFile(path: string, head?: string): { ok: boolean; said: string } {
  if (!existsSync(path))
    throw new StillwatchError('E_AUDIT', `there is no audit log at ${path}`, 'give the state directory of serve, or the file');
  let read: ReturnType<typeof linesOf>;
  try {
    read = linesOf(path);
  } catch (error) {
    return { ok: false, said: messageOf(error) };
  }
  const { lines, torn, blank } = read;
  const { fault, entries, last } = verifyChain(lines, head);
  if (fault) return { ok: false, said: `${path}:${fault.line}: ${fault.said}` };
  const gone = cut(
    path,
    lines.map((l) => JSON.parse(l) as Entry),
  );
  if (gone) return { ok: false, said: `${path}: ${gone}` };
  if (blank > 0) return { ok: false, said: `${path}: ${blank} empty lines were put in` };
  if (torn > 0)
    return {
      ok: false,
      said: `${path}: ${torn} bytes of an unfinished line at the end: the service was ended while it wrote, or something was added. It is taken out when the service starts again`,
    };
  if (head === undefined && headKept(path) === null)
    return {
      ok: false,
      said: `${path}: ${entries} entries, each follows on the one before, but ${headPath(path)} is not there: whether the end was cut off cannot be told. Give the head that was noted, with --head`,
    };
  return { ok: true, said: `${entries} entries, each follows on the one before; head ${last}` };
}

/** The append-only audit log: every decision is a line, on disk before it takes effect. */
export class Audit {
  private readonly fd: number;
  private seq = 0;
  private last = GENESIS;
  private size = 0;
  private broken = false;
  private readonly path: string;
  readonly entries: Entry[] = [];
  /** What was found missing at its end when it was opened. */
  readonly gone: string | null;

  /** @throws StillwatchError E_AUDIT when an earlier line was changed: nothing is decided on a log that cannot be trusted. */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const { lines, torn } = linesOf(path);
    const { fault } = verifyChain(lines);
    if (fault)
      throw new StillwatchError(
        'E_AUDIT',
        `${path}:${fault.line}: ${fault.said}`,
        'the log was changed; keep it, find out by whom, and start with another state directory',
      );
    for (const l of lines) this.entries.push(JSON.parse(l) as Entry);
    this.path = path;
    this.gone = cut(path, this.entries);
    this.seq = lines.length;
    this.last = this.entries.at(-1)?.hash ?? GENESIS;
    this.fd = openSync(path, 'a', 0o600);
    this.size = Buffer.byteLength(lines.map((l) => `${l}\n`).join(''));
    // A line that a crash cut off took no effect: it goes.
    if (torn > 0) ftruncateSync(this.fd, this.size);
  }

  get head(): string {
    return this.last;
  }

  append(events: readonly Event[]): Entry[] {
    const made: Entry[] = [];
    for (const e of events) {
      const x = entry(e, this.seq + made.length, made.at(-1)?.hash ?? this.last);
      made.push(x);
    }
    const data = Buffer.from(made.map((x) => `${JSON.stringify(x)}\n`).join(''));
    try {
      if (this.broken) throw new Error('an earlier line could not be taken back');
      for (let done = 0; done < data.length; ) done += writeSync(this.fd, data, done);
      fsyncSync(this.fd);
    } catch (cause) {
      // What was not wholly written did not happen: it is cut off again, or nothing is written any more.
      try {
        ftruncateSync(this.fd, this.size);
      } catch {
        this.broken = true;
      }
      throw new StillwatchError(
        'E_AUDIT',
        `the audit log cannot be written: ${messageOf(cause)}`,
        'free space; nothing is decided that is not written down',
        { cause },
      );
    }
    this.size += data.length;
    this.entries.push(...made);
    this.seq += made.length;
    this.last = made.at(-1)?.hash ?? this.last;
    this.keepHead();
    return made;
  }

  /** After the lines: a crash in between leaves a head that is behind, which nothing contradicts. */
  private keepHead(): void {
    try {
      replaceFile(headPath(this.path), `${this.seq} ${this.last}\n`);
    } catch {
      // It only helps to find what is gone; what was decided is written down.
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}
