import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { endedGates, policyDiff } from '../barriers/policy.ts';
import { readConfig, readDocument, readPolicy } from '../gateway/config.ts';
import { verifyFile } from '../serve/audit.ts';
import { Primary } from '../serve/primary.ts';

const program = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

/** `stillwatch serve`. Runs until it is told to stop. */
export async function serve(configPath: string): Promise<number> {
  const path = resolve(configPath);
  const { config } = readConfig(path);
  const log = pino({ level: config.log_level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
  const primary = new Primary({ worker: program('worker'), detector: program('detector'), configPath: path }, log);
  await primary.start();
  // From here on a signal means a graceful end, or to read the configuration again.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeAllListeners(signal);
  process.on('SIGHUP', () => void primary.reload());
  return new Promise((done) => {
    const end = () => void primary.stop().then(() => done(0));
    process.on('SIGINT', end);
    process.on('SIGTERM', end);
  });
}

/** `stillwatch policy check|diff`. */
export function policyCommand(what: string, files: readonly string[]): string {
  if (what === 'check') {
    const p = readPolicy(files[0] ?? '');
    const of = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
    const ended = endedGates(p, Date.now()).map((e) => `${files[0]}: ${e}\n`);
    return `${files[0]}: ${of(p.rules.length, 'rule')}, ${of(p.gates.length, 'gate')}, ${of(Object.keys(p.training_on_outputs).length, 'statement')} on training; it holds\n${ended.join('')}`;
  }
  const [a, b] = files;
  readPolicy(b ?? '');
  const lines = policyDiff(readDocument(a ?? ''), readDocument(b ?? ''));
  return lines.length === 0 ? 'no difference\n' : `${lines.join('\n')}\n`;
}

/** `stillwatch audit verify`. */
export function auditVerify(path: string, head: string | undefined): { text: string; ok: boolean } {
  const file = path.endsWith('.jsonl') ? path : join(path, 'audit.jsonl');
  const { ok, said } = verifyFile(file, head);
  return { text: `${said}\n`, ok };
}
