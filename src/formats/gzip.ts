import { constants, gunzipSync, inflateRawSync } from 'node:zlib';

/** Where the packed bytes of a gzip member begin (RFC 1952), counted from its start. */
function bodyAt(member: Buffer): number {
  const flags = member[3] as number;
  let at = 10;
  if (flags & 4) at += 2 + member.readUInt16LE(at);
  for (const named of [8, 16]) if (flags & named) at = member.indexOf(0, at) + 1;
  return flags & 2 ? at + 2 : at;
}

/** The members of gzip bytes that can be unpacked, one after the other, up to what is none. */
export function* gzipMembers(bytes: Buffer): Generator<Buffer> {
  let rest = bytes;
  while (rest.length > 18 && rest[0] === 0x1f && rest[1] === 0x8b) {
    const body = rest.subarray(bodyAt(rest));
    const { buffer, engine } = inflateRawSync(body, { info: true, finishFlush: constants.Z_SYNC_FLUSH }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    yield buffer;
    // Its checksum and length follow.
    rest = body.subarray(engine.bytesWritten + 8);
  }
}

/** What a gzip file begins with, unpacked; what follows and is no gzip costs nothing of that. */
export function gunzipped(head: Buffer): Buffer {
  try {
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    const [first] = gzipMembers(head);
    if (!first || first.length === 0) throw error;
    return first;
  }
}
