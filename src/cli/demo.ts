import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StillwatchError } from '../model/errors.ts';
import { makeWorld } from '../world/make.ts';
import { scanCommand } from './scan.ts';
import type { Terminal } from './terminal.ts';

/** What a demo leaves behind, and nobody else does. */
const OWN = { world: ['accounts.jsonl', 'exchanges.jsonl', 'truth.jsonl'], store: ['README', 'data'] } as const;
const REPORT = 'report.html';

/** A new directory, or that of an earlier demo without what it held. @throws StillwatchError E_OUT where anything else lies there */
function emptied(dir: string): void {
  const refuse = (what: string): never => {
    throw new StillwatchError(
      'E_OUT',
      `${dir} ${what}`,
      'give --out a new directory: a demo removes what an earlier one left, and nothing else',
    );
  };
  if (existsSync(dir) && !statSync(dir).isDirectory()) refuse('is a file');
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    if (name === REPORT) continue;
    const own: readonly string[] = OWN[name as keyof typeof OWN] ?? refuse(`holds ${JSON.stringify(name)}, which no demo made`);
    const inside = statSync(join(dir, name)).isDirectory()
      ? readdirSync(join(dir, name))
      : refuse(`holds a file ${JSON.stringify(name)}, which no demo made`);
    const other = inside.find((x) => (name === 'world' ? !own.includes(x) : false));
    if (other !== undefined) refuse(`holds ${JSON.stringify(`${name}/${other}`)}, which no demo made`);
    if (name === 'store' && inside.length > 0 && !own.every((x) => inside.includes(x))) refuse('holds a directory store that is no store');
  }
  for (const name of [...Object.keys(OWN), REPORT]) rmSync(join(dir, name), { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
}

/** `npm run demo`: a simulated world of about 200,000 exchanges with three campaigns in it, scanned, with the HTML report beside it. */
export async function demo(dir: string, t: Terminal, program: string): Promise<number> {
  emptied(dir);
  t.note('SIMULATED: this demo makes a world of log records and scans it; no real customer is in it.');
  const world = await makeWorld({
    out: join(dir, 'world'),
    seed: 11,
    accounts: 500,
    days: 14,
    campaigns: [
      { kind: 'sharded', accounts: 40 },
      { kind: 'residential', accounts: 60 },
      { kind: 'slow', accounts: 80 },
    ],
    progress: (done, all) => t.progress('making a simulated world', done, all),
  });
  t.note(
    `${world.exchanges} simulated exchanges of ${world.accounts} accounts, with ${world.campaigns.map((c) => `${c.kind} (${c.accounts})`).join(', ')} planted`,
  );
  const report = join(dir, REPORT);
  const flags = { store: join(dir, 'store'), accounts: world.files.accounts, retention: 'evidence', confidence: '0.5', seed: '1', program };
  const code = await scanCommand([world.files.exchanges], { ...flags, format: 'table', report }, t);
  if (code !== 0) return code;
  const planted = readFileSync(world.files.truth, 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as { campaign: string | null })
    .filter((x) => x.campaign !== null).length;
  t.note(`SIMULATED. ${planted} accounts were planted; the truth is in ${world.files.truth}`);
  return code;
}
