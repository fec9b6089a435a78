import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

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

/** An address of version 4 as it is written, also where a socket of version 6 tells it. */
export const plain = (a: string): string => (a.startsWith('::ffff:') ? a.slice(7) : a);

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
