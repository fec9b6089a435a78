import { createHash } from 'node:crypto';
import type { Entry, Event } from './events.ts';

export type { Entry };

export const GENESIS = '0'.repeat(64);

const digest = (seq: number, prev: string, e: Event): string =>
  createHash('sha256')
    .update(JSON.stringify([seq, prev, e.at, e.by, e.what]))
    .digest('hex');

export const entry = (e: Event, seq: number, prev: string): Entry => ({
  seq,
  at: e.at,
  by: e.by,
  what: e.what,
  prev,
  hash: digest(seq, prev, e),
});

export interface Fault {
  readonly line: number;
  readonly said: string;
}

/** The first fault of a log, or null. `head` is the hash last seen elsewhere, which also tells a log cut short at its end. */
export function verifyChain(lines: readonly string[], head?: string): { fault: Fault | null; entries: number; last: string } {
  let prev = GENESIS;
  let seen = head === undefined || head === GENESIS;
  for (const [i, line] of lines.entries()) {
    const bad = (said: string) => ({ fault: { line: i + 1, said }, entries: i, last: prev });
    let e: Entry;
    try {
      e = JSON.parse(line) as Entry;
    } catch {
      return bad('the line is no JSON');
    }
    if (e.seq !== i) return bad(`it is numbered ${e.seq} and should be ${i}`);
    if (e.prev !== prev) return bad('it does not follow on the line before');
    const written = entry(e, e.seq, e.prev);
    if (e.hash !== written.hash) return bad('its content does not match its hash');
    // To the letter: nothing put beside what is hashed, nothing said twice.
    if (line !== JSON.stringify(written)) return bad('it holds something besides what was written');
    prev = e.hash;
    if (prev === head) seen = true;
  }
  return seen
    ? { fault: null, entries: lines.length, last: prev }
    : { fault: { line: lines.length, said: 'the log ends before the head that was noted' }, entries: lines.length, last: prev };
}
