import { fstatSync, writeSync } from 'node:fs';
import { StillwatchError } from '../model/errors.ts';
import { inert } from '../report/inert.ts';

const fileOut = (): boolean => {
  try {
    return fstatSync(1).isFile();
  } catch {
    return false;
  }
};

/** Writes all of a text to standard output. @throws StillwatchError E_OUT when not all of it could be written */
function whole(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    let wrote = 0;
    let cause: unknown;
    try {
      wrote = writeSync(1, bytes, at);
    } catch (error) {
      cause = error;
    }
    if (wrote === 0)
      throw new StillwatchError(
        'E_OUT',
        `standard output took ${at} of ${bytes.length} bytes: ${cause instanceof Error ? cause.message : 'no space is left'}`,
        'the scan is kept: free space, and run the same command again',
        cause === undefined ? {} : { cause },
      );
    at += wrote;
  }
}

/** The only hands on the process: streams, width, colour. */
export interface Terminal {
  out(text: string): void;
  note(text: string): void;
  progress(said: string, done: number, all: number): void;
  clear(): void;
  readonly width: number;
  readonly color: boolean;
}

export function terminal(quiet: boolean): Terminal {
  const bar = process.stderr.isTTY === true && !quiet;
  let stage = '';
  let last = 0;
  let shown = false;
  const clear = () => {
    if (shown) process.stderr.write('\r\u001b[K');
    shown = false;
  };
  return {
    out: (text) => {
      // A stream to a file writes what fits on a full disk and is silent about the rest.
      if (fileOut()) whole(text);
      else process.stdout.write(text);
    },
    note: (text) => {
      clear();
      process.stderr.write(`${inert(text)}\n`);
    },
    progress: (said, done, all) => {
      if (quiet) return;
      if (!bar) {
        // Off a terminal a line a stage, no bar.
        if (said !== stage) process.stderr.write(`${inert(said)} ...\n`);
        stage = said;
        return;
      }
      const now = Date.now();
      if (said === stage && now - last < 100) return;
      stage = said;
      last = now;
      const part = all > 0 ? Math.min(1, done / all) : 0;
      process.stderr.write(`\r\u001b[K[${'='.repeat(Math.round(part * 20)).padEnd(20)}] ${inert(said).slice(0, 60)} ${done}/${all}`);
      shown = true;
    },
    clear,
    width: Math.min(120, Math.max(60, process.stdout.columns ?? 110)),
    color: process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined,
  };
}
