import { type ChildProcess, execSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './server.ts';
import { SECRET, temp } from './tools.ts';

/** Processes of a service that runs in a directory. */
export const pids = (dir: string, name: string): number[] =>
  // The shell that asks has these words in its own line: in brackets they are not the same.
  execSync(`pgrep -f "[${name[0]}]${name.slice(1)}.js ${dir}/" || true`)
    .toString()
    .split('\n')
    .filter(Boolean)
    .map(Number);

/** `stillwatch serve` as a person starts it, in processes of its own. */
export interface Service {
  readonly dir: string;
  readonly proxy: string;
  readonly decide: string;
  readonly process: ChildProcess;
  readonly log: () => string;
  admin(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
  ): Promise<{ status: number; body: Record<string, unknown> & { error?: { code: string } } }>;
  until<T>(what: string, f: () => Promise<T | null | undefined | false>, ms?: number): Promise<T>;
  stop(): Promise<void>;
}

export async function service(
  config: (ports: { proxy: number; decide: number; admin: number }) => string,
  policy = 'version: 1\n',
  at?: string,
  tokens = '',
): Promise<Service> {
  const dir = at ?? temp();
  const ports = { proxy: await freePort(), decide: await freePort(), admin: await freePort() };
  writeFileSync(join(dir, 'policy.yaml'), policy);
  writeFileSync(join(dir, 'stillwatch.yaml'), `policy: policy.yaml\nadmin:\n  listen: 127.0.0.1:${ports.admin}\n${tokens}${config(ports)}`);
  let log = '';
  const child = spawn(process.execPath, ['dist/cli/main.js', 'serve', '--config', join(dir, 'stillwatch.yaml')], {
    env: { ...process.env, STILLWATCH_SECRET: SECRET },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const s of [child.stdout, child.stderr]) s?.on('data', (d: Buffer) => (log += d.toString()));
  const token = () => readFileSync(join(dir, '.stillwatch-serve', 'admin.token'), 'utf8');
  const self: Service = {
    dir,
    proxy: `http://127.0.0.1:${ports.proxy}`,
    decide: `http://127.0.0.1:${ports.decide}`,
    process: child,
    log: () => log,
    admin: async (method, path, body, as) => {
      const r = await fetch(`http://127.0.0.1:${ports.admin}${path}`, {
        method,
        headers: { authorization: `Bearer ${as ?? token()}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await r.text();
      return { status: r.status, body: (text.startsWith('{') ? JSON.parse(text) : { text }) as Record<string, unknown> };
    },
    until: async (what, f, ms = 30_000) => {
      const end = Date.now() + ms;
      for (;;) {
        const got = await f().catch(() => null);
        if (got) return got;
        if (Date.now() > end) throw new Error(`waited in vain for ${what}\n${log.slice(-2000)}`);
        await pause(50);
      }
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise<void>((r) => child.once('exit', () => r()));
      child.kill('SIGTERM');
      await gone;
    },
  };
  await self.until(
    'the service',
    async () => existsSync(join(dir, '.stillwatch-serve', 'admin.json')) && (await self.admin('GET', '/readyz')).status === 200,
  );
  return self;
}
