import { isPrivate, plain, prefixOf } from './address.ts';
import { type IdentifierKey, keyedAddress } from './keyed.ts';

/** The network of an address as the store groups them: /24, or /64 of IPv6. */
const networkOf = (ip: string): string => prefixOf(ip) + (ip.includes(':') ? '::/64' : '.0/24');

/**
 * What a request shows that a campaign's indicators may hold: `kind\0value`, as the store writes them.
 *
 * @param key of a store of keyed identifiers, whose addresses are hashes; null where they stand as they are
 */
export function indicatorsOf(ip: string, userAgent: string, ja4: string, key: IdentifierKey | null): string[] {
  const shown = plain(ip);
  const address = isPrivate(shown) ? '' : shown && key ? (keyedAddress(key, shown) ?? '') : shown;
  return [...(address ? [`address\0${address}`, `network\0${networkOf(address)}`] : []), `client\0${userAgent} ${ja4}`];
}
