import { type ChildProcess, execSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { keyHash } from '../gateway/lookup.ts';
import { median } from './cost.ts';
import { flags } from './flags.ts';

/**
 * `npm run bench:proxy [-- --rounds 5 --seconds 4 --portkey DIR --soak MINUTES]`: the proxy with everything on (accounts, budgets, usage, records to the spool, detection
 * beside it) against a bare undici proxy, nginx, ours with Redis, and Portkey's gateway where it was installed in DIR; one run, in turn, on loopback. Ratios count.
 */
const args = flags('bench:proxy', {
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '4' },
  connections: { type: 'string', default: '32' },
  portkey: { type: 'string', default: '' },
  soak: { type: 'string', default: '0' },
  rate: { type: 'string', default: '200' },
});

const dir = mkdtempSync(join(tmpdir(), 'stillwatch-proxy-'));
const children: ChildProcess[] = [];
const here = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const start = (command: string, argv: readonly string[]): ChildProcess => {
  const c = spawn(command, [...argv], { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir });
  c.stderr?.on('data', (d: Buffer) => process.env['STILLWATCH_VERBOSE'] === '1' && process.stderr.write(d));
  children.push(c);
  return c;
};
const has = (command: string): boolean => {
  try {
    execSync(`command -v ${command}`, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** A process and all that descend from it. */
function tree(pid: number): number[] {
  const out = [pid];
  for (const p of readdirSync('/proc').filter((x) => /^\d+$/.test(x))) {
    try {
      const parent = Number(readFileSync(`/proc/${p}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
      if (parent === pid) out.push(...tree(Number(p)));
    } catch {
      // It has ended.
    }
  }
  return out;
}

/** Empty for one that has ended since it was seen. */
const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
};

/** CPU seconds and resident MB of the given processes. */
function costs(pids: readonly number[]): { cpu: number; rss: number } {
  let cpu = 0;
  let rss = 0;
  for (const p of pids) {
    try {
      const f = readFileSync(`/proc/${p}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      cpu += (Number(f[11]) + Number(f[12])) / 100;
      rss += (Number(f[21]) * 4096) / 1e6;
    } catch {
      // It has ended.
    }
  }
  return { cpu, rss };
}

interface Contestant {
  readonly name: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Record<string, string>;
  /** Processes on the data path. */
  readonly pids: () => number[];
}

const UP = 19_100;
const ADMIN = { memory: 19_190, redis: 19_191 };

const yaml = (proxy: number, decide: number, admin: number, extra: string): string => `store: ./store-${proxy}
state: ./state-${proxy}
policy: policy.yaml
proxy: {listen: "127.0.0.1:${proxy}", upstream: "http://127.0.0.1:${UP}"}
decisions: {listen: "127.0.0.1:${decide}"}
accounts: {file: keys.csv}
admin: {listen: "127.0.0.1:${admin}"}
detection: {every_seconds: 3600}
log_level: error
${extra}`;

function ours(name: string, proxy: number, decide: number, admin: number, extra: string): Contestant {
  writeFileSync(join(dir, `${proxy}.yaml`), yaml(proxy, decide, admin, extra));
  const c = start(process.execPath, [fileURLToPath(new URL('../cli/main.js', import.meta.url)), 'serve', '--config', `${proxy}.yaml`]);
  return {
    name,
    port: proxy,
    path: '/v1/chat/completions',
    headers: { authorization: 'Bearer sk-1' },
    pids: () => tree(c.pid as number).filter((p) => commandOf(p).includes('worker.js')),
  };
}

function contestants(): Contestant[] {
  writeFileSync(join(dir, 'keys.csv'), `key_sha256,account,tier\n${keyHash('sk-1')},bench,scale\n`);
  writeFileSync(
    join(dir, 'policy.yaml'),
    'version: 1\nlimits: {default: {requests_per_minute: 100000000, tokens_per_minute: 100000000000}}\n',
  );
  start(process.execPath, [here('upstream'), String(UP)]);
  const bare = start(process.execPath, [here('bare'), '19101', `http://127.0.0.1:${UP}`]);
  const list: Contestant[] = [
    { name: 'bare undici', port: 19_101, path: '/v1/chat/completions', headers: {}, pids: () => [bare.pid as number] },
    ours('stillwatch, memory', 19_102, 19_112, ADMIN.memory, ''),
  ];
  if (has('redis-server')) {
    start('redis-server', ['--port', '19106', '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']);
    list.push(ours('stillwatch, Redis', 19_103, 19_113, ADMIN.redis, 'redis: {url: "redis://127.0.0.1:19106"}\n'));
  }
  if (has('nginx')) {
    writeFileSync(
      join(dir, 'nginx.conf'),
      `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
upstream up { server 127.0.0.1:${UP}; keepalive 64; }
server { listen 127.0.0.1:19104; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }`,
    );
    const c = start('nginx', ['-c', join(dir, 'nginx.conf'), '-e', '/dev/null']);
    list.push({ name: 'nginx', port: 19_104, path: '/v1/chat/completions', headers: {}, pids: () => tree(c.pid as number) });
  }
  const program = join(args.portkey, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  if (args.portkey !== '' && existsSync(program)) {
    const c = start(process.execPath, [program, '--port=19105', '--headless']);
    list.push({
      name: 'Portkey gateway',
      port: 19_105,
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer x', 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `http://127.0.0.1:${UP}/v1` },
      pids: () => tree(c.pid as number),
    });
  }
  return list;
}

const body = (stream: boolean): string =>
  JSON.stringify({
    model: 'm',
    ...(stream ? { stream: true } : {}),
    max_tokens: 300,
    messages: [{ role: 'user', content: 'word '.repeat(400) }],
  });

interface Load {
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  readonly cpu: number;
  readonly delays: number[];
  readonly took: number[];
}

async function load(c: Contestant, seconds: number, stream: boolean, path = c.path, payload = body(stream)): Promise<Load> {
  const pool = new Pool(`http://127.0.0.1:${c.port}`, { connections: Number(args.connections) });
  const end = performance.now() + seconds * 1000;
  const pids = c.pids();
  const before = costs(pids).cpu;
  const began = performance.now();
  let requests = 0;
  let failed = 0;
  const delays: number[] = [];
  const took: number[] = [];
  const one = async () => {
    while (performance.now() < end) {
      const at = performance.now();
      const r = await pool.request({ path, method: 'POST', headers: { 'content-type': 'application/json', ...c.headers }, body: payload });
      if (stream) {
        for await (const part of r.body) {
          const now = performance.timeOrigin + performance.now();
          for (const m of (part as Buffer).toString('latin1').matchAll(/"at":([0-9.]+)/g)) delays.push(now - Number(m[1]));
        }
      } else await r.body.text();
      if (r.statusCode === 200) requests += 1;
      else failed += 1;
      took.push(performance.now() - at);
    }
  };
  await Promise.all(
    Array.from({ length: Number(args.connections) }, () =>
      one().catch(() => {
        failed += 1;
      }),
    ),
  );
  const wall = (performance.now() - began) / 1000;
  const cpu = costs(pids).cpu - before;
  await pool.close();
  return { requests, failed, seconds: wall, cpu, delays, took };
}

const at = (xs: readonly number[], q: number): number =>
  [...xs].sort((a, b) => a - b)[Math.min(xs.length - 1, Math.floor(xs.length * q))] ?? Number.NaN;

async function compare(list: readonly Contestant[]): Promise<void> {
  const rps = new Map<string, number[]>();
  const cpu = new Map<string, number[]>();
  const p50 = new Map<string, number[]>();
  const p99 = new Map<string, number[]>();
  const put = (m: Map<string, number[]>, k: string, v: number) => m.set(k, [...(m.get(k) ?? []), v]);
  let failed = 0;
  for (const c of list) await load(c, 1, false);
  for (let i = 0; i < Number(args.rounds); i++) {
    process.stderr.write(`round ${i + 1} of ${args.rounds}\n`);
    for (const c of list) {
      const plain = await load(c, Number(args.seconds), false);
      const stream = await load(c, Number(args.seconds), true);
      failed += plain.failed + stream.failed;
      put(rps, c.name, plain.requests / plain.seconds);
      put(cpu, c.name, plain.cpu / Math.max(1, plain.requests));
      put(p50, c.name, at(stream.delays, 0.5));
      put(p99, c.name, at(stream.delays, 0.99));
    }
  }
  const m = (x: Map<string, number[]>, k: string) => median(x.get(k) ?? []);
  const bare = 'bare undici';
  process.stdout.write(
    `${args.rounds} rounds of ${args.seconds} s, ${args.connections} connections, ${(body(false).length / 1024).toFixed(1)} KB requests; medians; ${failed} failed\n\n| | requests/s | CPU per request, x bare | chunk delay p50, ms | p99, ms | p99, x bare |\n|---|---|---|---|---|---|\n`,
  );
  for (const c of list)
    process.stdout.write(
      `| ${c.name} | ${m(rps, c.name).toFixed(0)} | ${(m(cpu, c.name) / m(cpu, bare)).toFixed(2)} | ${m(p50, c.name).toFixed(2)} | ${m(p99, c.name).toFixed(1)} | ${(m(p99, c.name) / m(p99, bare)).toFixed(2)} |\n`,
    );
  const portkey = rps.get('Portkey gateway');
  if (portkey)
    process.stdout.write(
      `\nthroughput, stillwatch in memory over Portkey: ${(m(rps, 'stillwatch, memory') / median(portkey)).toFixed(1)}\n`,
    );
  const decide = { ...(list[1] as Contestant), port: 19_112 };
  const d = await load(decide, Number(args.seconds), false, '/v1/decide', JSON.stringify({ account: 'bench', model: 'm', tokens: 500 }));
  process.stdout.write(
    `POST /v1/decide: ${(d.requests / d.seconds).toFixed(0)} requests/s, p99 ${at(d.took, 0.99).toFixed(1)} ms at ${args.connections} connections\n`,
  );
}

/** Steady traffic for a time: memory must stay flat. */
async function soak(c: Contestant, minutes: number): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${c.port}`, { connections: 16 });
  const end = Date.now() + minutes * 60_000;
  const samples: number[] = [];
  let sent = 0;
  let next = Date.now() + 60_000;
  while (Date.now() < end) {
    await Promise.all(
      Array.from({ length: Number(args.rate) / 10 }, async () => {
        const r = await pool.request({ path: c.path, method: 'POST', headers: c.headers, body: body(false) });
        await r.body.text();
        sent += 1;
      }),
    );
    await pause(100);
    if (Date.now() > next) {
      samples.push(costs(c.pids()).rss);
      next += 60_000;
      process.stderr.write(`${samples.length} min: ${samples.at(-1)?.toFixed(0)} MB\n`);
    }
  }
  await pool.close();
  const third = Math.max(1, Math.floor(samples.length / 3));
  const mean = (x: readonly number[]) => x.reduce((a, b) => a + b, 0) / x.length;
  process.stdout.write(
    `soak of ${minutes} min, ${sent} requests: worker memory, mean of the second third ${mean(samples.slice(third, 2 * third)).toFixed(0)} MB, of the last third ${mean(samples.slice(2 * third)).toFixed(0)} MB\n`,
  );
}

try {
  mkdirSync(dir, { recursive: true });
  const list = contestants();
  await pause(6000);
  const minutes = Number(args.soak);
  if (minutes > 0) await soak(list[1] as Contestant, minutes);
  else await compare(list);
} finally {
  for (const c of children) c.kill('SIGTERM');
  await pause(3000);
  for (const c of children) c.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
}
