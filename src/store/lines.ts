import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, statSync, type WriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';
import { Decompress } from 'fzstd';
import { splitterFor } from '../formats/framing.ts';
import { recognise } from '../formats/index.ts';
import { framing, type Input, sampleRecords } from '../formats/input.ts';
import { zstdWhole } from '../formats/zstd.ts';
import { StillwatchError } from '../model/errors.ts';
import { plainOf, unpack } from './unpack.ts';

/** The engine reads a record a line. Whatever else is given is made that first, in a file of the spool. */

async function written(
  spool: string,
  prefix: string,
  fill: (put: (line: string) => void, ready: () => Promise<void>) => Promise<void>,
): Promise<string> {
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  const path = join(mkdtempSync(join(spool, `${prefix}-`)), 'input');
  const out: WriteStream = createWriteStream(path, { mode: 0o600 });
  // Told to whoever waits for it; of one that was given up nobody does.
  out.on('error', () => undefined);
  try {
    await fill(
      (line) => void out.write(`${line}\n`),
      // Asked of the stream: a piece that tells no line would wait for what has happened already.
      async () => {
        if (out.writableNeedDrain) await once(out, 'drain');
      },
    );
    out.end();
    await finished(out);
  } catch (cause) {
    out.destroy();
    if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
    throw new StillwatchError('E_DISK_FULL', 'the disk for temporary files is full', 'free space, or name another place in TMPDIR', {
      cause,
    });
  }
  return path;
}

/** An input as one of a record a line: a list, a page of an API, or values that go over many lines are taken apart. */
export async function asLines(input: Input, spool: string): Promise<Input> {
  if (input.parquet || input.fetch) return input;
  const f = framing(input);
  if (f.as === 'lines') return input;
  const split = (parts: AsyncIterable<Buffer>): Promise<string> =>
    written(spool, 'lines', async (put, ready) => {
      const s = splitterFor(f, put);
      for await (const part of parts) {
        s.take(part);
        await ready();
      }
      s.end();
    });
  const made = (path: string): Input => ({ ...input, path, compression: 'none', bytes: statSync(path).size });
  // A zstd stream that ends early is taken for one that ends there.
  if (input.compression !== 'zstd' || zstdWhole(input.path))
    try {
      return made(await split(plainOf(input)));
    } catch (cause) {
      if (input.compression === 'none' || cause instanceof StillwatchError) throw cause;
    }
  const { path, reason } = await unpack(input, spool);
  const held = made(await split(plainOf({ path, compression: 'none' })));
  return reason === '' ? held : { ...held, damaged: reason };
}

/** Files of a bucket that are read as one: so many of a directory at least, each so small, and so many to a pack. */
const PACK = { files: 20, bytes: 262_144, most: 5_000 } as const;

/** All of a small file, unpacked; null where it is damaged, which is told of it alone. */
function whole(input: Input): Buffer | null {
  try {
    const raw = readFileSync(input.path);
    if (input.compression === 'none') return raw;
    if (input.compression === 'gzip') return gunzipSync(raw);
    const parts: Buffer[] = [];
    new Decompress((chunk) => parts.push(Buffer.from(chunk))).push(raw, true);
    return Buffer.concat(parts);
  } catch {
    return null;
  }
}

/**
 * Gateways that log to a bucket write a file a request: read one by one, each would cost seconds. Small files of one directory and one format are read as one input, in the order of their names; so that those of
 * yesterday are known again when today's are added, a pack is of one directory and holds so many. Everything else stays as it is.
 */
export async function packed(inputs: readonly Input[], spool: string): Promise<Input[]> {
  const small = (i: Input): boolean => !i.parquet && !i.fetch && i.damaged === undefined && i.bytes <= PACK.bytes && i.name === i.path;
  const directories = new Map<string, Input[]>();
  for (const i of inputs.filter(small)) {
    const at = dirname(i.path);
    const list = directories.get(at);
    if (list) list.push(i);
    else directories.set(at, [i]);
  }
  const inPack = new Map<Input, Input>();
  for (const [at, files] of directories) {
    if (files.length < PACK.files) continue;
    const byFormat = new Map<string, Input[]>();
    for (const i of files) {
      const format = recognise(await sampleRecords(i, 5));
      if (!format) continue;
      const list = byFormat.get(format.id);
      if (list) list.push(i);
      else byFormat.set(format.id, [i]);
    }
    for (const list of byFormat.values())
      for (let from = 0; from < list.length; from += PACK.most) {
        const part = list.slice(from, from + PACK.most);
        if (part.length >= PACK.files) await pack(at, part, spool, inPack);
      }
  }
  const seen = new Set<Input>();
  return inputs.map((i) => inPack.get(i) ?? i).filter((i) => !seen.has(i) && seen.add(i));
}

async function pack(at: string, files: readonly Input[], spool: string, inPack: Map<Input, Input>): Promise<void> {
  const held: Input[] = [];
  const path = await written(spool, 'pack', async (put, ready) => {
    for (const i of files) {
      const text = whole(i);
      if (text === null) continue;
      held.push(i);
      const f = framing(i);
      if (f.as === 'lines')
        for (const line of text
          .toString('utf8')
          .replace(/^\uFEFF/, '')
          .split('\n'))
          put(line);
      else {
        const s = splitterFor(f, put);
        s.take(text);
        s.end();
      }
      await ready();
    }
  });
  const hash = createHash('sha256');
  for (const i of held) hash.update(i.fingerprint);
  const one: Input = {
    name: `${at} (${held.length} small files)`,
    path,
    compression: 'none',
    parquet: false,
    bytes: statSync(path).size,
    fingerprint: hash.digest('hex').slice(0, 32),
  };
  for (const i of held) inPack.set(i, one);
}
