import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { formatById, recognise } from '../../src/formats/index.ts';
import { inspect, sampleLines } from '../../src/formats/input.ts';
import type { Dossier } from '../../src/model/dossier.ts';
import { type ScanOptions, scan } from '../../src/scan.ts';
import { ingest } from '../../src/store/ingest.ts';
import { openStore } from '../../src/store/open.ts';
import { alreadyRead, type FileCoverage } from '../../src/store/readings.ts';
import type { Store } from '../../src/store/store.ts';

const made: string[] = [];

export function temp(): string {
  const dir = mkdtempSync(join(tmpdir(), 'stillwatch-test-'));
  made.push(dir);
  return dir;
}

afterAll(() => {
  for (const d of made.splice(0)) rmSync(d, { recursive: true, force: true });
});

export const SECRET = '00112233445566778899aabbccddeeff'.repeat(2);

export async function withStore<T>(f: (s: Store) => Promise<T>, at = join(temp(), 'store')): Promise<T> {
  const store = await openStore({ at, secret: SECRET });
  try {
    return await f(store);
  } finally {
    await store.close();
  }
}

export function file(name: string, content: string | Buffer): string {
  const path = join(temp(), name);
  writeFileSync(path, content);
  return path;
}

export const record = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: 'x1',
  time: '2026-05-04T10:00:00.000Z',
  account: 'a1',
  model: 'm',
  messages: [{ role: 'user', content: 'Explain the tides to a sailor. Use plain words.' }],
  output_tokens: 10,
  ...over,
});

export const jsonl = (rows: readonly unknown[]): string =>
  `${rows.map((r) => (typeof r === 'string' ? r : JSON.stringify(r))).join('\n')}\n`;

/** Reads one file into a store the way a scan does. */
export async function take(store: Store, path: string, format?: string): Promise<FileCoverage> {
  const input = inspect(path, path);
  const before = await alreadyRead(store, input);
  if (before) return before;
  const f = format ? formatById(format) : recognise(sampleLines(input));
  if (!f) throw new Error('unrecognised');
  return ingest(store, input, f, { spool: temp(), keepRejects: true });
}

export async function scanned(store: Store, path: string, over: Partial<ScanOptions> = {}): Promise<Dossier> {
  return scan(store, {
    inputs: [inspect(path, path)],
    spool: temp(),
    retention: 'evidence',
    confidenceMin: 0.5,
    seed: 1,
    now: new Date('2026-06-01T00:00:00Z'),
    version: 'test',
    ...over,
  });
}
