/**
 * Addresses that many hosts have, each in a network of its own (RFC 1918, 6598, 3927 and 4193; loopback): where they stand in a log they are a forwarder's, or a home's, and who shares one shares nothing. A pattern that the engine and
 * JavaScript read alike, over an address, or a network, as it is compared.
 */
export const PRIVATE =
  '^(10|127|0)[.]|^192[.]168[.]|^172[.](1[6-9]|2[0-9]|3[01])[.]|^100[.](6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])[.]|^169[.]254[.]|^::1?($|/)|^f[cd][0-9a-f]{2}:|^fe[89ab][0-9a-f]:';
