// The console has the same in a file of its own: its pages are served without anything beside them.
/** A confidence with two digits, never rounded up to certainty. */
export const sure = (confidence: number): string => Math.min(0.99, confidence).toFixed(2);

/** A probability with so many digits, never rounded up to certainty. */
export const odds = (p: number, digits = 2): string =>
  p >= 1 - 0.5 * 10 ** -digits ? `> ${(1 - 10 ** -digits).toFixed(digits)}` : p.toFixed(digits);
