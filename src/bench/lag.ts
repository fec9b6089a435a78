import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { scan } from '../scan.ts';
import { openStore } from '../store/open.ts';
import { makeWorld } from '../world/make.ts';
import { flags } from './flags.ts';

/**
 * `npm run bench:lag [-- --rate 300 --minutes 10 --accounts 700 --campaign slow:60]`: a simulated world sent to a running service at a steady rate, in the order of its times.
 * Afterwards the exchange that tipped the campaign is found by halving the history; the lag is from its sending to the proposal of a barrier.
 */
const args = flags('bench:lag', {
  rate: { type: 'string', default: '300' },
  minutes: { type: 'string', default: '10' },
  accounts: { type: 'string', default: '700' },
  days: { type: 'string', default: '10' },
  campaign: { type: 'string', default: 'sharded:60' },
  seed: { type: 'string', default: '901' },
  every: { type: 'string', default: '60' },
});
const SECRET = '5c'.repeat(32);
const dir = mkdtempSync(join(tmpdir(), 'stillwatch-lag-'));
const [kind = '', size = ''] = args.campaign.split(':');
const [DECIDE, ADMIN] = ['127.0.0.1:19211', '127.0.0.1:19290'];

await makeWorld({
  out: dir,
  seed: Number(args.seed),
  accounts: Number(args.accounts),
  days: Number(args.days),
  campaigns: [{ kind: kind as 'sharded', accounts: Number(size) }],
});
const lines = readFileSync(join(dir, 'exchanges.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((l) => ({ l, t: Date.parse((JSON.parse(l) as { time: string }).time) }))
  .sort((a, b) => a.t - b.t)
  .slice(0, Number(args.rate) * 60 * Number(args.minutes));
writeFileSync(
  join(dir, 'policy.yaml'),
  'version: 1\ntraining_on_outputs: {"*": forbidden}\nrules: [{name: r, when: {confidence: 0.5}, propose: suspend}]\n',
);
writeFileSync(
  join(dir, 'c.yaml'),
  `store: ./store\nstate: ./state\npolicy: policy.yaml\ndecisions: {listen: "${DECIDE}"}\nadmin: {listen: "${ADMIN}"}\ndetection: {every_seconds: ${args.every}, accounts: accounts.jsonl}\nlog_level: error\n`,
);
const child = spawn(
  process.execPath,
  [fileURLToPath(new URL('../cli/main.js', import.meta.url)), 'serve', '--config', join(dir, 'c.yaml')],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, STILLWATCH_SECRET: SECRET },
  },
);
await pause(3000);
const token = readFileSync(join(dir, 'state', 'admin.token'), 'utf8');
const proposals = async (): Promise<{ created: number }[]> => {
  const r = await request(`http://${ADMIN}/v1/barriers`, { headers: { authorization: `Bearer ${token}` } });
  return ((await r.body.json()) as { barriers: { created: number }[] }).barriers;
};
const sent = new Float64Array(lines.length);
const began = Date.now();
let i = 0;
let took = 0;
while (i < lines.length) {
  const due = Math.min(lines.length, Math.floor(((Date.now() - began) / 1000) * Number(args.rate)));
  if (due > i) {
    const part = lines.slice(i, due);
    const r = await request(`http://${DECIDE}/v1/exchanges`, { method: 'POST', body: part.map((x) => x.l).join('\n') });
    await r.body.dump();
    if (r.statusCode === 200) {
      sent.fill(Date.now(), i, due);
      i = due;
      took += part.length;
    }
  }
  if (i % 3000 < 60) process.stderr.write(`\r${took} of ${lines.length}`);
  await pause(100);
}
const end = Date.now() + 180_000;
let found = await proposals();
while (found.length === 0 && Date.now() < end) {
  await pause(1000);
  found = await proposals();
}
child.kill('SIGTERM');
await new Promise((r) => child.once('exit', r));
const store = await openStore({ at: join(dir, 'store'), secret: SECRET });
const at = async (n: number): Promise<boolean> => {
  const d = await scan(store, {
    inputs: [],
    spool: '',
    retention: 'none',
    record: false,
    confidenceMin: 0.5,
    seed: 1,
    now: new Date(),
    version: 'bench',
    until: lines[n]?.t ?? 0,
  });
  return d.campaigns.length > 0;
};
let [low, high] = [0, lines.length - 1];
if (found.length > 0) {
  while (high - low > Number(args.rate)) {
    const mid = (low + high) >> 1;
    if (await at(mid)) high = mid;
    else low = mid;
  }
}
await store.close();
rmSync(dir, { recursive: true, force: true });
process.stdout.write(
  found.length === 0
    ? `\n${took} exchanges at ${args.rate}/s: no proposal\n`
    : `\n${took} exchanges at ${args.rate}/s, ${args.campaign}, a look every ${args.every} s: tipped by exchange ${high} (to within a second of traffic), proposed ${(((found[0]?.created ?? 0) - (sent[high] ?? 0)) / 1000).toFixed(0)} s later\n`,
);
