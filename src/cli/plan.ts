import { formatIn, logInputs, unrecognised } from '../formats/index.ts';
import { expansion, sampleRecords } from '../formats/input.ts';
import { inert } from '../report/inert.ts';
import { count } from '../report/words.ts';
import { sampleTable } from '../store/pull.ts';
import type { ScanFlags } from './scan.ts';
import type { Terminal } from './terminal.ts';

/** Measured on the machine of docs/performance.md; a plan is an estimate and says so. */
const RATES = {
  plainBytesPerSecond: 55e6,
  gzipBytesPerSecond: 12e6,
  storeBytesPerExchange: 220,
  memoryBase: 0.9e9,
  memoryPerAccount: 2.4e4,
} as const;

/** Spans and events of one line: each says which trace it is of. */
const recordsIn = (line: string): number => Math.max(1, line.match(/"traceId"\s*:/g)?.length ?? 1);

/** Names under which formats keep what was asked, at the end of a dotted name; and what is no part of it. */
const ASKED = /(?:^|[._])(?:content|input|prompt|messages?|text|instructions)$/i;
const ANSWERED = /^(?:.*[._])?(?:response|output|answer|completion|choices|tools?|tool_definitions|output_messages)(?:[._].*)?$/i;

/** Whether a record holds text of a request, wherever its format keeps it: in fields, in JSON text, or in lists of keys and values. */
function saysText(line: string): boolean {
  const within = (value: unknown, name: string, depth: number): boolean => {
    if (depth > 24 || ANSWERED.test(name)) return false;
    if (typeof value === 'string') {
      if (/^\s*[[{]/.test(value))
        try {
          return within(JSON.parse(value), name, depth + 1);
        } catch {
          // Text that only begins like JSON.
        }
      return ASKED.test(name) && value.trim() !== '' && !/^\W*redacted\W*$/i.test(value);
    }
    if (Array.isArray(value)) return value.some((v) => within(v, name, depth + 1));
    if (typeof value !== 'object' || value === null) return false;
    const { key } = value as { key?: unknown };
    const pair = typeof key === 'string' && 'value' in value;
    return Object.entries(value).some(([k, v]) =>
      pair ? k === 'value' && within(v, key, depth + 1) : within(v, /Value$|^values$/.test(k) ? name : k, depth + 1),
    );
  };
  try {
    return within(JSON.parse(line), '', 0);
  } catch {
    return false;
  }
}

async function parquetRows(path: string): Promise<number> {
  const { asyncBufferFromFile, parquetMetadataAsync } = await import('hyparquet');
  return Number((await parquetMetadataAsync(await asyncBufferFromFile(path))).num_rows);
}

/** `--plan`: what a scan would read, could not tell, and cost. Writes nothing. */
export async function plan(
  args: readonly string[],
  flags: ScanFlags,
  spool: string,
  t: Terminal,
): Promise<{ readonly text: string; readonly complete: boolean }> {
  const { inputs, unreadable } = await logInputs(args, spool, () => process.stdin);
  const out: string[] = ['Plan (nothing was written; figures are estimated from a sample of each file)', ''];
  let rows = 0;
  let seconds = 0;
  let texted = 0;
  let sampled = 0;
  const accounts = new Set<string>();
  const has = { ip: 0, client: 0 };
  const look = (lines: readonly string[]): void => {
    for (const l of lines) {
      sampled += 1;
      if (saysText(l)) texted += 1;
      if (/"(ip|client\.address|requester_ip_address|client_ip)"/.test(l)) has.ip += 1;
      if (/"(user_agent|ja4|user_agent\.original)"/.test(l)) has.client += 1;
      const a = /"(?:account|user_id|user_api_key_hash|user_api_key_user_id|account_id)"\s*:\s*"([^"]+)"/.exec(l)?.[1];
      if (a) accounts.add(a);
    }
  };
  if (flags.from) {
    const table = await sampleTable({ from: flags.from, ...(flags.map ? { map: flags.map } : {}) });
    const mean = table.lines.reduce((x, l) => x + Buffer.byteLength(l) + 1, 0) / Math.max(1, table.lines.length);
    rows += table.rows;
    // A table in use is rested for as long as it is read.
    seconds += (2 * table.rows * mean) / RATES.plainBytesPerSecond;
    look(table.lines);
    out.push(`  ${inert(table.name)}: ${count(table.rows)} rows on ${count(table.days)} days`);
  }
  for (const input of inputs) {
    const lines = await sampleRecords(input, 200);
    const format = flags.inputFormat ?? (await formatIn(input, lines))?.id ?? (input.parquet ? 'canonical (parquet)' : 'unrecognised');
    const mean = lines.reduce((x, l) => x + Buffer.byteLength(l) + 1, 0) / Math.max(1, lines.length) || 1;
    // A line of some formats is a batch.
    const each = lines.length > 0 && format === 'otel' ? lines.reduce((x, l) => x + recordsIn(l), 0) / lines.length : 1;
    const n = input.parquet ? await parquetRows(input.path) : Math.round(((input.bytes * expansion(input)) / mean) * each);
    if (format === 'unrecognised') {
      out.push(`  ${inert(input.name)}: ${await unrecognised(input)}; it would not be read`);
      continue;
    }
    rows += n;
    seconds += input.compression === 'none' ? input.bytes / RATES.plainBytesPerSecond : input.bytes / RATES.gzipBytesPerSecond;
    look(lines);
    out.push(
      `  ${inert(input.name)}: ${format}, ${input.compression}, ${(input.bytes / 1e6).toFixed(1)} MB, ${input.parquet ? '' : 'about '}${count(n)} ${format === 'otel' ? 'spans' : 'rows'}`,
    );
  }
  for (const u of unreadable) out.push(`  ${inert(u.name)}: ${u.code} ${inert(u.reason)}`);
  const share = sampled > 0 ? texted / sampled : 0;
  const not: string[] = [];
  if (share === 0) not.push('content signals (no text in the sample)');
  if (has.ip === 0) not.push('network (no addresses in the sample)');
  if (has.client === 0) not.push('client (no user agents in the sample)');
  if (!flags.accounts) not.push('identity and signup-burst (no --accounts)');
  out.push(
    '',
    `  rows              about ${count(rows)}`,
    `  with text         about ${Math.round(100 * share)} %`,
    `  time              ${seconds < 60 ? 'under a minute' : seconds < 5400 ? `about ${Math.round(seconds / 60)} minutes` : `about ${(seconds / 3600).toFixed(1)} hours`} (${(seconds / 3600).toFixed(3)} hours)`,
    `  disk              about ${((rows * RATES.storeBytesPerExchange) / 1e9).toFixed(2)} GB`,
    `  memory            about ${((RATES.memoryBase + accounts.size * RATES.memoryPerAccount) / 1e9).toFixed(1)} GB`,
    `  not applicable    ${not.length > 0 ? not.join('; ') : 'nothing'}`,
    '',
  );
  t.clear();
  // Rotated logs leave empty files: beside others they are no gap.
  return { text: `${out.join('\n')}\n`, complete: unreadable.every((u) => u.code === 'E_EMPTY' && inputs.length > 0) };
}
