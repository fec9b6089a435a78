/** The network of an address as the store groups them: /24, or /64 of IPv6. */
const networkOf = (ip: string): string =>
  ip.includes(':') ? `${ip.split(':').slice(0, 4).join(':')}::/64` : `${ip.split('.').slice(0, 3).join('.')}.0/24`;

/** What a request shows that a campaign's indicators may hold: `kind\0value`, as the store writes them. A store of keyed identifiers knows hashes, and nothing matches. */
export const indicatorsOf = (ip: string, userAgent: string, ja4: string): string[] => [
  ...(ip ? [`address\0${ip}`, `network\0${networkOf(ip)}`] : []),
  `client\0${userAgent} ${ja4}`,
];
