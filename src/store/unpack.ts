import { once } from 'node:events';
import { appendFileSync, createReadStream, createWriteStream, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { gzipMembers } from '../formats/gzip.ts';
import type { Input } from '../formats/input.ts';
import { messageOf } from '../model/errors.ts';

/** What a file holds, unpacked, as it comes; of a damaged one what could be unpacked before the fault. @throws what is wrong with its stream */
export async function* plainOf(input: Pick<Input, 'path' | 'compression'>): AsyncGenerator<Buffer> {
  if (input.compression === 'none') yield* createReadStream(input.path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
  else if (input.compression === 'gzip') yield* createReadStream(input.path).pipe(createGunzip()) as AsyncIterable<Buffer>;
  else {
    const out: Buffer[] = [];
    const d = new Decompress((chunk) => out.push(Buffer.from(chunk)));
    for await (const part of createReadStream(input.path)) {
      let fault: { readonly cause: unknown } | null = null;
      try {
        d.push(part as Buffer);
      } catch (cause) {
        fault = { cause };
      }
      yield* out.splice(0);
      if (fault) throw fault.cause;
    }
  }
}

/** Lines of a file that are not blank, counted without the engine. */
export async function countIn(input: Input): Promise<number> {
  let lines = 0;
  let width = 0;
  for await (const chunk of plainOf(input)) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const length = width + at - from;
      if (length > 1 || (length === 1 && chunk[at - 1] !== 13)) lines += 1;
      width = 0;
      from = at + 1;
    }
    width += chunk.length - from;
  }
  return lines + (width > 0 ? 1 : 0);
}

/** Bytes of a gzip file that are gone through member by member. */
const MEMBERS_MAX = 256e6;

/** What can be unpacked of a damaged file, and what was wrong with it: '' where nothing but padding was. */
export async function unpack(input: Input, spool: string): Promise<{ path: string; reason: string }> {
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  const path = join(mkdtempSync(join(spool, 'unpacked-')), 'input');
  const out = createWriteStream(path, { mode: 0o600 });
  let reason = input.compression === 'gzip' ? '' : 'it ends early';
  try {
    for await (const part of plainOf(input)) if (!out.write(part)) await once(out, 'drain');
  } catch (error) {
    reason = messageOf(error);
    // The step that met the fault gave nothing of what it had: of a file that fits, whole members are taken one by one.
    if (/header check/.test(reason) && input.bytes <= MEMBERS_MAX) {
      reason = 'what follows its last whole part cannot be unpacked';
      out.end();
      await finished(out);
      writeFileSync(path, '');
      for (const member of gzipMembers(readFileSync(input.path))) appendFileSync(path, member);
      return { path, reason };
    }
  }
  out.end();
  await finished(out);
  return { path, reason };
}
