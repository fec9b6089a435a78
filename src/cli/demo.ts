import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeWorld } from '../world/make.ts';
import { scanCommand } from './scan.ts';
import type { Terminal } from './terminal.ts';

/** `npm run demo`: a simulated world of about 200,000 exchanges with three campaigns in it, scanned, with the HTML report beside it. */
export async function demo(dir: string, t: Terminal, program: string): Promise<number> {
  rmSync(dir, { recursive: true, force: true });
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
  const report = join(dir, 'report.html');
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
