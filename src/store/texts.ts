import { createReadStream, existsSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import type { Format } from '../formats/format.ts';
import { formatById } from '../formats/index.ts';
import type { Input } from '../formats/input.ts';
import { RECORDS_MAX, type ReadOptions, readSelect } from '../formats/read.ts';
import type { Place } from './queries/cohorts.ts';
import { quoted, SKETCH_SETTINGS, sketchSelect } from './sketch.ts';
import type { Params, Store } from './store.ts';

/** Longest text handed on for one exchange. */
export const TEXT_MAX = 4_000;
/** Longest system text, and longest sentence, handed on. */
const SYSTEM_MAX = 1_000;

export interface Opened {
  readonly place: Place;
  /** What the user says that is new in the request. */
  readonly text: string;
  readonly system: string;
  /** Sentences that were asked for, by their hash in hex. */
  readonly said: Readonly<Record<string, string>>;
}

interface Row {
  readonly row: string;
  readonly text: string;
  readonly system: string;
  readonly said: readonly (readonly [string, string])[];
}

const opened = (place: Place, r: Row): Opened => ({
  place,
  text: r.text.slice(0, TEXT_MAX),
  system: r.system.slice(0, SYSTEM_MAX),
  said: Object.fromEntries(r.said.map(([hash, sentence]) => [hash, sentence.slice(0, SYSTEM_MAX)])),
});

/**
 * Opens the raw text of a few exchanges in the inputs of this scan: sketches hold none. Exchanges whose file is not among the inputs
 * (read by an earlier scan) are left out.
 * @param marks sentences (hashes in hex) that are to be told in words
 */
export async function openTexts(
  store: Store,
  places: readonly Place[],
  inputs: readonly Input[],
  options: ReadOptions,
  marks: readonly string[] = [],
): Promise<Map<string, Opened>> {
  const files = await store.rows<{ path_id: number; fingerprint: string; format: string }>(
    `SELECT path_id, any(splitByChar('#', fingerprint)[1]) AS fingerprint, any(format) AS format FROM files GROUP BY path_id HAVING countIf(state = 'replaced') = 0`,
  );
  const out = await keptTexts(store, places, marks);
  for (const f of files) {
    const input = inputs.find((i) => i.fingerprint === f.fingerprint);
    if (!input || !existsSync(input.path)) continue;
    const mine = places.filter((p) => p.path === Number(f.path_id) && !out.has(p.key));
    if (mine.length > 0) for (const x of await openIn(store, mine, input, formatById(f.format), options, marks)) out.set(x.place.key, x);
  }
  return out;
}

/** The same of exchanges that all stand in one file. */
export async function openIn(
  store: Store,
  places: readonly Place[],
  input: Input,
  format: Format,
  options: ReadOptions,
  marks: readonly string[],
): Promise<Opened[]> {
  const out: Opened[] = [];
  const take = async (source: string, params: Params): Promise<void> => {
    const rows = await store.rows<Row>(textOf(format, source, options), { ...store.secret, ...params, marks });
    const byRow = new Map(rows.map((r) => [Number(r.row), r]));
    for (const p of places) {
      const r = byRow.get(p.row);
      if (r !== undefined) out.push(opened(p, r));
    }
  };
  if (input.parquet) {
    // Only the engine in this process can see the file.
    if (store.kind === 'embedded')
      await take(
        `SELECT _row_number AS row, formatRowNoNewline('JSONEachRow', *) AS line FROM file({path:String}, 'Parquet') WHERE _path = {path:String} AND _row_number IN ({rows:Array(UInt64)})`,
        { path: input.path, rows: places.map((p) => p.row) },
      );
    return out;
  }
  const lineOf = (row: number) => (format.explode ? Math.floor(row / RECORDS_MAX) : row);
  const lines = await pickLines(input, new Set(places.map((p) => lineOf(p.row))));
  const wanted = [...lines.keys()];
  for (let i = 0; i < wanted.length; i += 500) {
    const part = wanted.slice(i, i + 500);
    await take(
      `SELECT toUInt64(x.1) AS row, x.2 AS line FROM (SELECT arrayJoin(arrayZip({rows:Array(UInt64)}, {lines:Array(String)})) AS x)`,
      { rows: part, lines: part.map((n) => lines.get(n) ?? '') },
    );
  }
  return out;
}

/** Exemplars of some accounts whose text is kept, by key: what was cited once is cited again rather than an exchange whose text is gone. */
export async function keptExemplars(store: Store, accounts: readonly string[]): Promise<Map<string, { text: string; system: string }>> {
  const rows = await store.rows<{ k: string; text: string; system: string }>(
    'SELECT toString(key) AS k, text, system FROM exemplars FINAL WHERE account IN ({accounts:Array(String)}) ORDER BY time DESC, key LIMIT 4 BY account LIMIT 2000',
    { accounts },
  );
  return new Map(rows.map((r) => [r.k, r]));
}

/** What the sketch of each record of a relation was made of. */
const textOf = (format: Format, source: string, options: ReadOptions): string =>
  `SELECT row, text, system, said FROM (${quoted(
    `SELECT row, text, system FROM (${sketchSelect(`SELECT * EXCEPT line, toUInt32(0) AS path_id FROM (${readSelect(format, source, options)})`, { text: true, system: true })})`,
  )}) SETTINGS ${SKETCH_SETTINGS}`;

/** Texts that retention has kept and whose time is not up. */
async function keptTexts(store: Store, places: readonly Place[], marks: readonly string[]): Promise<Map<string, Opened>> {
  const out = new Map<string, Opened>();
  for (let i = 0; i < places.length; i += 2000) {
    const part = places.slice(i, i + 2000);
    const rows = await store.rows<Row>(
      `SELECT toString(key) AS row, text, system, said FROM (${quoted(
        `SELECT key, any(text) AS text, '' AS system FROM ${store.all('texts')} AS x WHERE key IN ({keys:Array(UInt64)}) AND acct IN (SELECT reinterpretAsUInt64(reverse(unhex(arrayJoin({accts:Array(String)}))))) AND at + toIntervalDay(days) > now('UTC') GROUP BY key`,
      )})`,
      { ...store.secret, marks, keys: part.map((p) => p.key), accts: [...new Set(part.map((p) => p.acct))] },
    );
    const byKey = new Map(rows.map((r) => [r.row, r]));
    for (const p of part) {
      const r = byKey.get(p.key);
      if (r !== undefined) out.set(p.key, opened(p, r));
    }
  }
  return out;
}

async function pickLines(input: Input, rows: ReadonlySet<number>): Promise<Map<number, string>> {
  const out = new Map<number, string>();
  const last = Math.max(...rows);
  let row = 0;
  let held: Buffer[] = [];
  const take = (chunk: Buffer): boolean => {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      if (rows.has(row))
        out.set(
          row,
          Buffer.concat([...held, chunk.subarray(from, at)])
            .toString('utf8')
            .replace(/^\uFEFF/, ''),
        );
      held = [];
      row += 1;
      from = at + 1;
    }
    if (rows.has(row)) held.push(Buffer.from(chunk.subarray(from)));
    return row <= last;
  };
  if (input.compression === 'zstd') {
    const d = new Decompress((chunk) => take(Buffer.from(chunk)));
    for await (const part of createReadStream(input.path)) d.push(part as Buffer);
  } else {
    const stream = createReadStream(input.path, { highWaterMark: 1 << 20 });
    for await (const part of input.compression === 'gzip' ? stream.pipe(createGunzip()) : stream) if (!take(part as Buffer)) break;
  }
  if (held.length > 0 && rows.has(row)) out.set(row, Buffer.concat(held).toString('utf8'));
  return out;
}
