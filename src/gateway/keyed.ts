import { prefixOf } from './address.ts';
/**
 * The keyed hash of an address as the store computes it in SQL (`store/sketch.ts`): SipHash-2-4 (Aumasson and Bernstein, 2012) under the store's secret over CityHash64 of the text, version
 * 1.0.2, which is the one the engine has (Pike and Alakuijala, 2011). A worker holds no store and cannot ask it on the way of a request.
 */

/** The two halves of the store's secret for identifiers, as decimal numbers. */
export interface IdentifierKey {
  readonly k0: string;
  readonly k1: string;
}

const M = (1n << 64n) - 1n;
const K0 = 0xc3a5c85c97cb3127n;
const K1 = 0xb492b66fbe98f273n;
const K2 = 0x9ae16a3b2f90404fn;
const K3 = 0xc949d7c7509e6557n;
const MUL = 0x9ddfea08eb382d69n;

const rotate = (x: bigint, by: bigint): bigint => (by === 0n ? x : ((x >> by) | (x << (64n - by))) & M);
const mix = (x: bigint): bigint => x ^ (x >> 47n);

function hash16(u: bigint, v: bigint): bigint {
  let a = ((u ^ v) * MUL) & M;
  a ^= a >> 47n;
  let b = ((v ^ a) * MUL) & M;
  b ^= b >> 47n;
  return (b * MUL) & M;
}

/** CityHash64 of up to 64 bytes: no address is longer. Null of more. */
export function cityHash64(b: Buffer): bigint | null {
  const n = b.length;
  const len = BigInt(n);
  const at = (i: number): bigint => b.readBigUInt64LE(i);
  if (n > 64) return null;
  if (n > 32) {
    const tail = (from: number, a0: bigint, z: bigint): [bigint, bigint] => {
      let a = a0 & M;
      const x = rotate((a + z) & M, 52n);
      let c = rotate(a, 37n);
      a = (a + at(from + 8)) & M;
      c = (c + rotate(a, 7n)) & M;
      a = (a + at(from + 16)) & M;
      return [(a + z) & M, (x + rotate(a, 31n) + c) & M];
    };
    const [vf, vs] = tail(0, at(0) + (len + at(n - 16)) * K0, at(24));
    const [wf, ws] = tail(n - 32, at(16) + at(n - 32), at(n - 8));
    const r = mix(((vf + ws) * K2 + (wf + vs) * K0) & M);
    return (mix((r * K0 + vs) & M) * K2) & M;
  }
  if (n > 16) {
    const a = (at(0) * K1) & M;
    const x = at(8);
    const c = (at(n - 8) * K2) & M;
    const d = (at(n - 16) * K0) & M;
    return hash16((rotate((a - x) & M, 43n) + rotate(c, 30n) + d) & M, (a + rotate(x ^ K3, 20n) - c + len) & M);
  }
  if (n > 8) {
    const last = at(n - 8);
    return hash16(at(0), rotate((last + len) & M, len)) ^ last;
  }
  if (n >= 4) return hash16((len + (BigInt(b.readUInt32LE(0)) << 3n)) & M, BigInt(b.readUInt32LE(n - 4)));
  if (n === 0) return K2;
  const y = BigInt(b[0] as number) + (BigInt(b[n >> 1] as number) << 8n);
  const z = len + (BigInt(b[n - 1] as number) << 2n);
  return (mix(((y * K2) ^ (z * K3)) & M) * K2) & M;
}

/** SipHash-2-4 of one 64-bit number, as eight bytes from the lowest. */
export function sipHash64(key: IdentifierKey, x: bigint): bigint {
  const [k0, k1] = [BigInt(key.k0), BigInt(key.k1)];
  let v0 = 0x736f6d6570736575n ^ k0;
  let v1 = 0x646f72616e646f6dn ^ k1;
  let v2 = 0x6c7967656e657261n ^ k0;
  let v3 = 0x7465646279746573n ^ k1;
  const rounds = (n: number): void => {
    for (let i = 0; i < n; i++) {
      v0 = (v0 + v1) & M;
      v1 = rotate(v1, 51n) ^ v0;
      v0 = rotate(v0, 32n);
      v2 = (v2 + v3) & M;
      v3 = rotate(v3, 48n) ^ v2;
      v0 = (v0 + v3) & M;
      v3 = rotate(v3, 43n) ^ v0;
      v2 = (v2 + v1) & M;
      v1 = rotate(v1, 47n) ^ v2;
      v2 = rotate(v2, 32n);
    }
  };
  // The message, then its length in the highest byte of a block of its own.
  for (const block of [x, 8n << 56n]) {
    v3 ^= block;
    rounds(2);
    v0 ^= block;
  }
  v2 ^= 0xffn;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

const hex = (key: IdentifierKey, text: string): string | null => {
  const h = cityHash64(Buffer.from(text, 'utf8'));
  return h === null ? null : sipHash64(key, h).toString(16).toUpperCase().padStart(16, '0');
};

/** An address as a store of keyed identifiers holds it: its network stays a part of it. Null of what is no address. */
export function keyedAddress(key: IdentifierKey, ip: string): string | null {
  const network = hex(key, prefixOf(ip));
  const whole = hex(key, ip);
  return network && whole ? `k${network}.0.0.${whole}` : null;
}
