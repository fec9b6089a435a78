import { renameSync, writeFileSync } from 'node:fs';

/** Puts a text in the place of a file, whole or not at all: whoever reads it meanwhile, or after a crash, finds the one or the other. Its owner's alone. */
export function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
