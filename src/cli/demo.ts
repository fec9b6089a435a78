import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StillwatchError } from '../model/errors.ts';
import { makeWorld } from '../world/make.ts';
import { scanCommand } from './scan.ts';
import type { Terminal } from './terminal.ts';

/** What a demo leaves behind, and nobody else does. */
const REPORT = 'report.html';
const WORLD = ['accounts.jsonl', 'exchanges.jsonl', 'truth.jsonl'];
const STORE = ['README', 'data'];

/** What is in the way of a demo that is to have a directory for itself; null where it is new, or an earlier demo's. */
function inTheWay(dir: string): string | null {
  if (!existsSync(dir)) return null;
  if (!statSync(dir).isDirectory()) return 'is a file';
  for (const name of readdirSync(dir)) {
    if (name === REPORT) continue;
    const own = (name === 'world' || name === 'store') && statSync(join(dir, name)).isDirectory();
    const inside = own ? readdirSync(join(dir, name)) : [];
    const other = name === 'world' ? inside.find((x) => !WORLD.includes(x)) : undefined;
    if (!own || other !== undefined) return `holds ${JSON.stringify(other === undefined ? name : `${name}/${other}`)}, which no demo made`;
    if (name === 'store' && inside.length > 0 && !STORE.every((x) => inside.includes(x))) return 'holds a directory store that is no store';
  }
  return null;
}

/** `npm run demo`: a simulated world of about 200,000 exchanges with three campaigns in it, scanned, with the HTML report beside it. */
export async function demo(dir: string, t: Terminal, program: string): Promise<number> {
  const other = inTheWay(dir);
  if (other !== null)
    throw new StillwatchError(
      'E_OUT',
      `${dir} ${other}`,
      'give --out a new directory: a demo removes what an earlier one left, and nothing else',
    );
  for (const name of ['world', 'store', REPORT]) rmSync(join(dir, name), { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
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
