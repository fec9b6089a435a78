import { withoutReasoning } from './dialects.ts';
import { type Reading, without } from './fields.ts';
import type { Pass } from './guard.ts';

/** The body as it is sent on; null when it cannot be written down again. @param wary whether it matters which of two of a name is taken */
export function sentOn(
  outcome: Pass['outcome'],
  { dialect, fields }: Reading,
  body: Record<string, unknown>,
  raw: Buffer,
  wary: boolean,
  summary = false,
): Buffer | null {
  try {
    if (outcome === 'withhold')
      return Buffer.from(JSON.stringify(fields ? without(body, fields.reasoning) : withoutReasoning(dialect, body, summary)));
    // Where it matters what is asked for, what was understood is sent; anything else goes on byte by byte, since long numbers would lose digits.
    return wary && namedTwice(raw, body) ? Buffer.from(JSON.stringify(body)) : raw;
  } catch {
    return null;
  }
}

const BOUNDS = ['max', '"n"'].map((x) => Buffer.from(x));
const ESCAPED = Buffer.from('\\u00');

/**
 * Whether a request may say twice how much it may use, of which its reader may take the other one. A look at the bytes, before all names are counted: few requests say `max` twice, in any name or text, or write plain
 * letters in numbers.
 */
export function mayBoundTwice(raw: Buffer): boolean {
  return (
    raw.includes(ESCAPED) ||
    BOUNDS.some((b) => {
      const first = raw.indexOf(b);
      return first >= 0 && raw.indexOf(b, first + 1) >= 0;
    })
  );
}

/** Names in an object and in all that is in it. */
function names(x: unknown): number {
  if (Array.isArray(x)) return x.reduce((n: number, y) => n + names(y), 0);
  if (typeof x !== 'object' || x === null) return 0;
  return Object.values(x).reduce((n: number, y) => n + 1 + names(y), 0);
}

/**
 * Whether a name stands twice in an object of a JSON text: readers differ in which of the two they take. `parsed` is what we read of it. The text counts its colons outside of strings,
 * one a name; what was read has fewer where one was dropped.
 */
export function namedTwice(raw: Buffer, parsed: unknown): boolean {
  let colons = 0;
  for (let i = 0, inside = false; i < raw.length; i++) {
    const c = raw[i];
    if (inside) {
      if (c === 92) i++;
      else if (c === 34) inside = false;
    } else if (c === 34) inside = true;
    else if (c === 58) colons++;
  }
  return colons !== names(parsed);
}
