import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from './replace.ts';

/**
 * Lines of the spool that became no exchange and wait for a person: those whose checksum fails, and segments that the engine refused. They hold what people wrote, and so are bounded, have a time to live,
 * and are reached by an erasure and an export, as rejected lines in the store are.
 */

const ENDING = '.bad';
/** Part of the spool's bound that they may take. */
const PART = 0.1;

interface Aside {
  readonly path: string;
  readonly bytes: number;
  /** When it was last in use, ms since 1970: the lines in it are no younger. */
  readonly at: number;
}

/** What was set aside, oldest first. */
function list(dir: string): Aside[] {
  let names: string[] = [];
  try {
    names = readdirSync(dir).filter((f) => f.endsWith(ENDING));
  } catch {
    // No spool, nothing aside.
  }
  return names
    .flatMap((name) => {
      const path = join(dir, name);
      try {
        const s = statSync(path);
        return [{ path, bytes: s.size, at: s.mtimeMs }];
      } catch {
        return [];
      }
    })
    .sort((x, y) => x.at - y.at);
}

export const bytesAside = (dir: string): number => list(dir).reduce((n, a) => n + a.bytes, 0);

/** Keeps lines of a segment, which goes by itself; the oldest make room for them. @returns bytes that were given up for room */
export function setAside(segment: string, lines: string | Uint8Array, dir: string, bytesMax: number): number {
  writeFileSync(`${segment}${ENDING}`, lines, { mode: 0o600 });
  const all = list(dir);
  let over = all.reduce((n, a) => n + a.bytes, 0) - PART * bytesMax;
  let gone = 0;
  for (const a of all) {
    if (over <= 0) break;
    rmSync(a.path, { force: true });
    over -= a.bytes;
    gone += a.bytes;
  }
  return gone;
}

/** Whether a line names an account: by its record's field or, where it is no record any more, by the account's name in quotes anywhere in it. */
function names(line: string, account: string): boolean {
  try {
    const said = (JSON.parse(line.slice(9)) as { account?: unknown }).account;
    if (typeof said === 'string') return said === account;
  } catch {
    // Torn: what is left of it is looked through.
  }
  // An account that is a number may stand without quotes.
  return line.includes(JSON.stringify(account)) || (/^\d+$/.test(account) && new RegExp(`[:\\s]${account}[,}\\s]`).test(line));
}

const linesOf = (path: string): string[] => readFileSync(path, 'utf8').split('\n').filter(Boolean);

/** Lines set aside that name an account. */
export const asideOf = (dir: string, account: string): string[] =>
  list(dir).flatMap((a) => linesOf(a.path).filter((l) => names(l, account)));

/** Keeps of a file the lines that some test passes. @returns lines that went */
function keepOnly(path: string, keep: (line: string) => boolean): number {
  const all = linesOf(path);
  const left = all.filter(keep);
  if (left.length === 0) rmSync(path, { force: true });
  else if (left.length < all.length) {
    const { atime, mtime } = statSync(path);
    replaceFile(path, `${left.join('\n')}\n`);
    // What is left is as old as it was.
    utimesSync(path, atime, mtime);
  }
  return all.length - left.length;
}

/** Removes what names an account. @returns lines removed */
export const eraseAside = (dir: string, account: string): number =>
  list(dir).reduce((n, a) => n + keepOnly(a.path, (l) => !names(l, account)), 0);

/** Removes what was set aside before a moment, but for lines that name somebody under a legal hold. @returns lines removed */
export const expireAside = (dir: string, before: number, held: readonly string[]): number =>
  list(dir)
    .filter((a) => a.at < before)
    .reduce((n, a) => n + keepOnly(a.path, (l) => held.some((h) => names(l, h))), 0);
