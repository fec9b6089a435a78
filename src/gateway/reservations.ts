import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { type Ask, RESERVED_MS } from '../barriers/gcra.ts';

const signed = (key: Buffer, said: string): string => createHmac('sha256', key).update(said).digest('base64url');

/** A reservation travels with the gateway that asked for it, signed: any worker can settle it, and nobody can make one. */
export function reservation(key: Buffer, asks: readonly Ask[], now: number): string {
  const said = Buffer.from(JSON.stringify({ id: randomUUID(), at: now, asks })).toString('base64url');
  return `${said}.${signed(key, said)}`;
}

export function reserved(key: Buffer, given: string, now: number): { id: string; asks: Ask[] } | null {
  const [said = '', by = ''] = given.split('.');
  const own = Buffer.from(signed(key, said));
  if (own.length !== by.length || !timingSafeEqual(own, Buffer.from(by))) return null;
  try {
    const { id, at, asks } = JSON.parse(Buffer.from(said, 'base64url').toString('utf8')) as { id: string; at: number; asks: Ask[] };
    return now - at <= RESERVED_MS ? { id, asks } : null;
  } catch {
    return null;
  }
}
