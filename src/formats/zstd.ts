import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/**
 * Whether a zstd file is whole: goes from block to block by their sizes, without unpacking (RFC 8878, section 3.1). The engine takes a stream that ends early for
 * one that ends there, so half of a file would be missing without a word.
 */
export function zstdWhole(path: string): boolean {
  const fd = openSync(path, 'r');
  try {
    const size = fstatSync(fd).size;
    const bytes = Buffer.alloc(18);
    let at = 0;
    /** The next bytes without moving on; null where the file ends before. */
    const peek = (n: number): Buffer | null => (readSync(fd, bytes, 0, n, at) === n ? bytes : null);
    while (at < size) {
      const magic = peek(4)?.readUInt32LE(0);
      if (magic === undefined) return false;
      if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
        at += 4;
        const length = peek(4)?.readUInt32LE(0);
        if (length === undefined) return false;
        at += 4 + length;
        continue;
      }
      if (magic !== FRAME) return false;
      at += 4;
      const descriptor = peek(1)?.[0];
      if (descriptor === undefined) return false;
      const single = (descriptor & 0x20) !== 0;
      const dictionary = [0, 1, 2, 4][descriptor & 3] as number;
      const content = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
      at += 1 + (single ? 0 : 1) + dictionary + content;
      for (let last = false; !last; ) {
        const head = peek(3)?.readUIntLE(0, 3);
        if (head === undefined) return false;
        last = (head & 1) === 1;
        const type = (head >> 1) & 3;
        if (type === 3) return false;
        at += 3 + (type === 1 ? 1 : head >> 3);
      }
      if ((descriptor & 4) !== 0) at += 4;
    }
    return at === size;
  } finally {
    closeSync(fd);
  }
}
