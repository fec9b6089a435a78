import { createHash } from 'node:crypto';
import type { Input } from '../formats/input.ts';
import type { ReadOptions } from '../formats/read.ts';
import type { Store } from './store.ts';

/** What a store knows of the files it was made from: which were read, how, and to which end. */

/** What was read of one file. */
export interface FileCoverage {
  readonly name: string;
  readonly format: string;
  readonly state: 'read' | 'already_read' | 'truncated' | 'failed' | 'unrecognised';
  readonly lines: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly duplicates: number;
  readonly note: string;
}

export interface Known {
  readonly path_id: number;
  readonly state: string;
  readonly lines: string;
  readonly format: string;
  readonly note: string;
  readonly path: string;
  /** By its content and how its fields were read. */
  readonly key: string;
}

/** A file by its content and by how its fields are read: who corrects where the account stands has it read again. */
export function keyOf(input: Input, o: ReadOptions): string {
  const fields = Object.entries(o.fields ?? {}).sort();
  if (fields.length === 0 && o.accountBy === undefined) return input.fingerprint;
  const how = createHash('sha256').update(JSON.stringify([fields, o.accountBy ?? '']));
  return `${input.fingerprint}#${how.digest('hex').slice(0, 12)}`;
}

/** Every reading of the same content that still stands, the latest first. */
export const readings = (store: Store, { fingerprint }: Input): Promise<Known[]> =>
  store.rows<Known>(
    `SELECT path_id, any(path) AS path, any(fingerprint) AS key, last.1 AS state, last.2 AS lines, last.3 AS format, last.4 AS note FROM (
      SELECT path_id, path, fingerprint, at, argMax((state, lines, format, note), (at, state != 'started')) OVER (PARTITION BY path_id) AS last
      FROM files WHERE fingerprint = {f:String} OR startsWith(fingerprint, concat({f:String}, '#'))
    ) GROUP BY path_id, last HAVING state != 'replaced' ORDER BY max(at) DESC`,
    { f: fingerprint },
  );

/** Rows whose messages are text are found to be so when canonical records are asked for. */
const sameFormat = (kept: string, asked: string): boolean => kept === asked || (asked === 'canonical' && kept === 'canonical-row');

/**
 * What is known of an input that an earlier scan of this store read to its end in the same way; null when there is something to read.
 * @param format the format asked for by name, if any
 */
export async function alreadyRead(store: Store, input: Input, o: ReadOptions = {}, format?: string): Promise<FileCoverage | null> {
  const key = keyOf(input, o);
  const before = (await readings(store, input)).find((r) => r.key === key);
  if (!before || before.state === 'started' || before.state === 'reopened' || (format !== undefined && !sameFormat(before.format, format)))
    return null;
  // What was cut short then still is.
  const cut = before.state === 'truncated';
  return {
    name: input.name,
    format: before.format,
    state: cut ? 'truncated' : 'already_read',
    lines: Number(before.lines),
    accepted: 0,
    rejected: 0,
    duplicates: 0,
    note: `${cut ? `${before.note}; ` : ''}its content was read before, by an earlier scan of this store or under another name`,
  };
}

/**
 * Takes out what earlier readings of the same content made of it, when it is read in another way: rows read wrongly would keep their keys, and the right ones stay out.
 * @returns names of other files that may have held some of it as duplicates: they count as not read to their end, and are read again when they are given
 */
export async function withdraw(store: Store, old: readonly Known[]): Promise<string[]> {
  if (old.length === 0) return [];
  const ids = old.map((x) => x.path_id);
  const note = async (state: string, at: number): Promise<void> =>
    store.insert(
      'files',
      old.map(({ path_id, path, key, format }) => ({
        path_id,
        path,
        fingerprint: key,
        format,
        compression: '',
        state,
        lines: 0,
        note: 'read again in another way',
        at: new Date(at).toISOString(),
      })),
    );
  // Killed in between, what is half gone counts as not read to its end.
  const began = Date.now();
  await note('started', began);
  for (const table of ['texts', 'exchanges', 'rejects'])
    await store.everywhere(
      table === 'texts'
        ? `ALTER TABLE texts DELETE WHERE key IN (SELECT key FROM exchanges WHERE path_id IN ({ids:Array(UInt32)})) SETTINGS mutations_sync = 2`
        : `ALTER TABLE ${table} DELETE WHERE path_id IN ({ids:Array(UInt32)}) SETTINGS mutations_sync = 2`,
      { ids },
    );
  await note('replaced', Math.max(began + 1, Date.now()));
  return reopen(store, ids);
}

/** Files of which some lines were left out as duplicates, of whatever: among them may be those that were just taken out elsewhere. */
async function reopen(store: Store, but: readonly number[]): Promise<string[]> {
  const files = await store.rows<{ path_id: number; path: string; fingerprint: string; format: string; lines: string }>(
    `SELECT path_id, last.1 AS path, last.2 AS fingerprint, last.3 AS format, toString(last.4) AS lines FROM (
      SELECT path_id, argMax((path, fingerprint, format, lines, state), (at, state != 'started')) AS last FROM files GROUP BY path_id
    ) WHERE last.5 IN ('done', 'truncated') AND path_id NOT IN ({but:Array(UInt32)})`,
    { but },
  );
  const kept = new Map<number, number>();
  for (const table of ['exchanges', 'rejects'])
    for (const r of await store.rowsEverywhere<{ path_id: number; n: string }>(
      `SELECT path_id, toString(count()) AS n FROM ${table} GROUP BY path_id`,
    ))
      kept.set(r.path_id, (kept.get(r.path_id) ?? 0) + Number(r.n));
  const short = files.filter((f) => Number(f.lines) > (kept.get(f.path_id) ?? 0));
  if (short.length > 0)
    await store.insert(
      'files',
      short.map((f) => ({
        ...f,
        lines: Number(f.lines),
        compression: '',
        state: 'reopened',
        note: 'some of it may have been taken out with another file',
        at: new Date(Date.now() + 1).toISOString(),
      })),
    );
  return short.map((f) => f.path);
}
