import { recognise } from '../formats/index.ts';
import { resolveInputs, sampleLines } from '../formats/input.ts';
import { inert } from '../report/inert.ts';
import { count } from '../report/words.ts';
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

/** `--plan`: what a scan would read, could not tell, and cost. Writes nothing. */
export async function plan(args: readonly string[], flags: ScanFlags, spool: string, t: Terminal): Promise<string> {
  const { inputs, unreadable } = await resolveInputs(args, spool, process.stdin);
  const out: string[] = ['Plan (nothing was written; figures are estimated from a sample of each file)', ''];
  let rows = 0;
  let seconds = 0;
  let texted = 0;
  let sampled = 0;
  const accounts = new Set<string>();
  const has = { ip: 0, client: 0 };
  for (const input of inputs) {
    const lines = sampleLines(input, 200);
    const format = flags.inputFormat ?? recognise(lines)?.id ?? (input.parquet ? 'canonical (parquet)' : 'unrecognised');
    const mean = lines.reduce((x, l) => x + Buffer.byteLength(l) + 1, 0) / Math.max(1, lines.length) || 1;
    const ratio = input.compression === 'none' ? 1 : 6;
    const n = Math.round((input.bytes * ratio) / mean);
    rows += n;
    seconds += input.compression === 'none' ? input.bytes / RATES.plainBytesPerSecond : input.bytes / RATES.gzipBytesPerSecond;
    for (const l of lines) {
      sampled += 1;
      if (/"(content|input|prompt|messages)"\s*:\s*("[^"]|\[\s*\{)/.test(l)) texted += 1;
      if (/"(ip|client\.address|requester_ip_address|client_ip)"/.test(l)) has.ip += 1;
      if (/"(user_agent|ja4|user_agent\.original)"/.test(l)) has.client += 1;
      const a = /"(?:account|user_id|user_api_key_hash|user_api_key_user_id|account_id)"\s*:\s*"([^"]+)"/.exec(l)?.[1];
      if (a) accounts.add(a);
    }
    out.push(`  ${inert(input.name)}: ${format}, ${input.compression}, ${(input.bytes / 1e6).toFixed(1)} MB, about ${count(n)} rows`);
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
    `  time              about ${seconds < 5400 ? `${Math.max(1, Math.round(seconds / 60))} minutes` : `${(seconds / 3600).toFixed(1)} hours`} (${(seconds / 3600).toFixed(2)} hours)`,
    `  disk              about ${((rows * RATES.storeBytesPerExchange) / 1e9).toFixed(2)} GB`,
    `  memory            about ${((RATES.memoryBase + accounts.size * RATES.memoryPerAccount) / 1e9).toFixed(1)} GB`,
    `  not applicable    ${not.length > 0 ? not.join('; ') : 'nothing'}`,
    '',
  );
  t.clear();
  return `${out.join('\n')}\n`;
}
