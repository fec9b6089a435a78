import { constants, gunzipSync } from 'node:zlib';

/** What the first bytes of a file tell: how it is packed, and whether it is something that is not read here. By content, never by name. */

export type Compression = 'none' | 'gzip' | 'zstd';

/** gzip named .jsonl is common. */
export function compressionOf(head: Buffer): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  return 'none';
}

const begins =
  (...bytes: readonly number[]) =>
  (head: Buffer): boolean =>
    bytes.every((byte, i) => head[i] === byte);

/** What is so is no log in an unknown format. */
const UNREAD: readonly { readonly told: (head: Buffer) => boolean; readonly is: string; readonly hint: string }[] = [
  { told: begins(0x42, 0x5a, 0x68), is: 'compressed with bzip2', hint: 'unpack it: bunzip2' },
  { told: begins(0xfd, 0x37, 0x7a, 0x58, 0x5a), is: 'compressed with xz', hint: 'unpack it: unxz' },
  { told: begins(0x50, 0x4b, 0x03, 0x04), is: 'a zip archive', hint: 'unpack it: unzip' },
  { told: tarIn, is: 'a tar archive', hint: 'unpack it: tar -xf' },
  { told: wideIn, is: 'UTF-16', hint: 'convert it: iconv -f UTF-16 -t UTF-8' },
];

/** What a file is that is not read here, and what to do with it. */
export const unread = (head: Buffer): { readonly is: string; readonly hint: string } | undefined => UNREAD.find((x) => x.told(head));

/** A tar archive, packed with gzip or not: its first header says so at byte 257. */
function tarIn(head: Buffer): boolean {
  const said = (b: Buffer): boolean => b.subarray(257, 262).toString('latin1') === 'ustar';
  if (compressionOf(head) !== 'gzip') return said(head);
  try {
    return said(gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH }));
  } catch {
    // What is damaged is told where it is read.
    return false;
  }
}

/** UTF-16, with its mark or without: every other byte of the beginning is nought. */
function wideIn(head: Buffer): boolean {
  if (begins(0xff, 0xfe)(head) || begins(0xfe, 0xff)(head)) return true;
  const start = head.subarray(0, 64);
  const nought = (odd: number): number => start.filter((b, i) => i % 2 === odd && b === 0).length;
  return start.length >= 4 && (nought(0) > 0.4 * start.length || nought(1) > 0.4 * start.length);
}
