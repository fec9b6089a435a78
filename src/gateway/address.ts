import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { PRIVATE } from '../model/ranges.ts';

/** Addresses whose word about the client's address is believed. */
export function trustList(entries: readonly string[]): BlockList | null {
  if (entries.length === 0) return null;
  const list = new BlockList();
  for (const e of entries) {
    const [address = '', bits] = e.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/**
 * An address as the store compares it (`store/sketch.ts`): without a port, brackets or a zone, version 6 in its one form (RFC 5952), and version 4 as such also where a socket of version 6 tells it. What is no address stays as it is.
 */
export function plain(a: string): string {
  if (!a.includes(':')) return a;
  const bare = /^([0-9.]+):[0-9]+$/.exec(a)?.[1] ?? (/^\[([^\]]*)/.exec(a)?.[1] ?? a).replace(/%.*$/, '');
  if (isIP(bare) !== 6) return isIP(bare) === 4 ? bare : a;
  const groups = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const old = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(groups);
  if (!old) return groups;
  const [high, low] = [Number.parseInt(old[1] as string, 16), Number.parseInt(old[2] as string, 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

const SHARED = new RegExp(PRIVATE);

/** Whether the store ties nobody by an address. @param ip as `plain` gives it */
export const isPrivate = (ip: string): boolean => SHARED.test(ip);

/** What addresses of one network begin with: /24, or /64 of version 6, as the store has it. @param ip as `plain` gives it */
export function prefixOf(ip: string): string {
  if (!ip.includes(':')) return ip.split('.').slice(0, 3).join('.');
  if (isIP(ip) !== 6) return ip.split(':').slice(0, 4).join(':');
  const [front = '', back] = ip.split('::');
  const before = front === '' ? [] : front.split(':');
  const after = back === undefined || back === '' ? [] : back.split(':');
  const all =
    back === undefined ? before : [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after];
  const network = all.slice(0, 4);
  while (network.at(-1) === '0') network.pop();
  return network.join(':');
}

/** The client's address: the peer's own, unless the peer is a trusted proxy; then the last address in its header that is no trusted proxy. */
export function clientAddress(req: IncomingMessage, header: string, trusted: BlockList | null): string {
  const peer = plain(req.socket.remoteAddress ?? '');
  if (!trusted) return peer;
  const believed = (a: string) => isIP(a) !== 0 && trusted.check(a, isIP(a) === 6 ? 'ipv6' : 'ipv4');
  if (!believed(peer)) return peer;
  const said = req.headers[header];
  const chain = (Array.isArray(said) ? said.join(',') : (said ?? '')).split(',').map((a) => plain(a.trim()));
  for (const a of chain.reverse()) {
    if (isIP(a) === 0) break;
    if (!believed(a)) return a;
  }
  return peer;
}

/** A header's value only from a trusted proxy. */
export function trustedHeader(req: IncomingMessage, header: string, trusted: BlockList | null): string {
  if (header === '' || !trusted) return '';
  const peer = plain(req.socket.remoteAddress ?? '');
  if (isIP(peer) === 0 || !trusted.check(peer, isIP(peer) === 6 ? 'ipv6' : 'ipv4')) return '';
  const v = req.headers[header];
  return (Array.isArray(v) ? v[0] : v) ?? '';
}
