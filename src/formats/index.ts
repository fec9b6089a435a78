import { StillwatchError } from '../model/errors.ts';
import { canonical, canonicalRow } from './canonical.ts';
import { type Format, object } from './format.ts';
import { helicone } from './helicone.ts';
import { type Input, resolveInputs, sampleRecords } from './input.ts';
import { langfuse } from './langfuse.ts';
import { litellm } from './litellm.ts';
import { openinference } from './openinference.ts';
import { otel } from './otel.ts';
import { provider } from './provider.ts';

export const FORMATS: readonly Format[] = [canonical, canonicalRow, otel, litellm, provider, langfuse, helicone, openinference];

export function formatById(id: string): Format {
  const found = FORMATS.find((f) => f.id === id);
  if (!found)
    throw new StillwatchError(
      'E_FORMAT',
      `there is no input format ${JSON.stringify(id)}`,
      `formats: ${FORMATS.map((f) => f.id).join(', ')}`,
    );
  return found;
}

/** Lines looked at where none of the first is a record. */
const BANNER = 20_000;

/** The format of an input, by some of its first records; where those are none, further in: a log may begin with what its program said. */
export async function formatIn(input: Input, first?: readonly string[]): Promise<Format | null> {
  return recognise(first ?? (await sampleRecords(input))) ?? recognise(await sampleRecords(input, BANNER));
}

/** The inputs of a scan: of the tables that lie in a directory those that are logs in a known format. */
export const logInputs = (args: readonly string[], spool: string, stdin: () => NodeJS.ReadableStream): ReturnType<typeof resolveInputs> =>
  resolveInputs(args, spool, stdin, async (table) => recognise(await sampleRecords(table)) !== null);

const OF_AN_ACCOUNT = ['created', 'closed', 'email', 'payment', 'verification', 'tier'];

/** Why an input is in no known format, and what can be done about it. */
export async function unrecognised(input: Input): Promise<string> {
  const rows = (await sampleRecords(input)).flatMap((l) => {
    try {
      return [object(JSON.parse(l))];
    } catch {
      return [];
    }
  });
  const told = rows.filter((r) => 'account' in r && !('model' in r) && OF_AN_ACCOUNT.some((k) => k in r));
  return rows.length > 0 && 2 * told.length > rows.length
    ? 'these look like account records: give them with --accounts'
    : 'no known log format; name one with --input-format, or map fields with --field name=path';
}

/** The format that most of the sample's readable records look like; null when none does. */
export function recognise(lines: readonly string[]): Format | null {
  const scores = new Map<Format, number>();
  for (const line of lines) {
    let record: Record<string, unknown>;
    try {
      record = object(JSON.parse(line));
    } catch {
      continue;
    }
    for (const f of FORMATS) scores.set(f, (scores.get(f) ?? 0) + f.detect(record));
  }
  let best: Format | null = null;
  for (const [f, score] of scores) if (score > 0 && score > (best ? (scores.get(best) ?? 0) : 0)) best = f;
  return best;
}
