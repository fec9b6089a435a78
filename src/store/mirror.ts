import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether whoever runs this may write into a directory. */
export function writable(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Of the engine's own for a running process: another one makes its own. */
const PASSING: ReadonlySet<string> = new Set(['status', 'tmp', 'user_scripts']);

/**
 * A data directory that may only be read, as one the engine can open: its directories made anew in a temporary place, its files as links to where they lie. The engine
 * writes a part once and never changes it, and what it writes on opening goes into the new directories; nothing reaches the store.
 * @returns the new directory, and what removes it
 */
export function mirrored(data: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'stillwatch-look-'));
  const copy = (from: string, to: string): void => {
    mkdirSync(to, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(from)) {
      const at = join(from, name);
      if (from === data && PASSING.has(name)) continue;
      if (lstatSync(at).isDirectory()) copy(at, join(to, name));
      else symlinkSync(at, join(to, name));
    }
  };
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  try {
    copy(data, path);
  } catch (error) {
    remove();
    throw error;
  }
  return { path, remove };
}
