import { type ChildProcess, execSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { perMinute, RedisBudgets } from '../src/barriers/gcra.ts';
import type { Barrier, State } from '../src/barriers/model.ts';
import { EMPTY_STATE } from '../src/barriers/model.ts';
import { checkPolicy } from '../src/barriers/policy.ts';
import { snapshotOf } from '../src/barriers/snapshot.ts';
import { readConfig } from '../src/gateway/config.ts';
import { within } from '../src/gateway/patience.ts';
import { Worker } from '../src/gateway/worker.ts';
import { freePort } from './support/server.ts';
import { temp } from './support/tools.ts';
import { upstream } from './support/upstream.ts';

const here = (() => {
  try {
    execSync('command -v redis-server', { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
const open: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function redis(): Promise<{ port: number; child: ChildProcess }> {
  const port = await freePort();
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', temp()],
    { stdio: 'ignore' },
  );
  open.push(() => child.kill('SIGKILL'));
  for (let i = 0; i < 100; i++) {
    try {
      execSync(`redis-cli -p ${port} ping`, { stdio: 'ignore' });
      return { port, child };
    } catch {
      await pause(50);
    }
  }
  throw new Error('redis did not start');
}

test.skipIf(!here)('two workers on one Redis overspend nothing under 200 parallel requests, and what is settled comes back', async () => {
  const { port } = await redis();
  const clients = [new Redis(port), new Redis(port)];
  open.push(() => {
    for (const c of clients) c.disconnect();
  });
  const budgets = clients.map((c) => new RedisBudgets(c));
  const now = 1_780_000_000_000;
  const ask = (units: number) => [
    { key: 'a:x:r', rate: perMinute(1000), units: 1 },
    { key: 'a:x:t', rate: perMinute(5000), units },
  ];
  const got = await Promise.all(Array.from({ length: 200 }, (_, i) => budgets[i % 2]?.take(ask(100), now)));
  expect(got.filter((x) => x?.every((t) => t.ok))).toHaveLength(50);
  // Of the refused nothing was spent, not even the request.
  const rest = await budgets[0]?.take([{ key: 'a:x:r', rate: perMinute(1000), units: 950 }], now);
  expect(rest?.[0]?.ok).toBe(true);
  await budgets[1]?.settle([{ key: 'a:x:t', rate: perMinute(5000), units: 1000 }], now);
  expect((await budgets[0]?.take([{ key: 'a:x:t', rate: perMinute(5000), units: 1000 }], now))?.[0]?.ok).toBe(true);
  expect((await budgets[0]?.take([{ key: 'a:x:t', rate: perMinute(5000), units: 1 }], now))?.[0]).toMatchObject({ ok: false });
});

test.skipIf(!here)('a reservation is settled once, whichever worker is asked', async () => {
  const { port } = await redis();
  const clients = [new Redis(port), new Redis(port)];
  open.push(() => {
    for (const c of clients) c.disconnect();
  });
  const [one, other] = clients.map((c) => new RedisBudgets(c)) as [RedisBudgets, RedisBudgets];
  const now = 1_780_000_000_000;
  const ask = (units: number) => [{ key: 'a:y:t', rate: perMinute(1000), units }];
  expect((await one.take(ask(1000), now))[0]).toMatchObject({ ok: true });
  await one.settle(ask(400), now, 'r1');
  await other.settle(ask(1000), now, 'r1');
  expect((await other.take(ask(401), now))[0]).toMatchObject({ ok: false });
  expect((await other.take(ask(400), now))[0]).toMatchObject({ ok: true });
  // Settled even, it is settled.
  await other.settle([], now, 'r2');
  await one.settle(ask(1000), now, 'r2');
  expect((await one.take(ask(1), now))[0]).toMatchObject({ ok: false });
});

test.skipIf(!here)('with Redis away each barrier does what was configured for it', async () => {
  const { port, child } = await redis();
  const up = await upstream();
  open.push(() => up.close());
  const dir = temp();
  const slow: Barrier = {
    id: 'b',
    accounts: ['key:2e7d2c03a9507ae265ecf5b5'],
    action: 'slow',
    state: 'active',
    dry_run: false,
    reason: '',
    author: '',
    automatic: false,
    created: 0,
    expires: Date.now() + 1e6,
    appeal: 'SW-1',
    approvals: [],
    budget: { requests_per_minute: 100 },
  };
  const policy = checkPolicy({ version: 1, limits: { default: { requests_per_minute: 100 } } }, 'p');
  const start = async (away: string) => {
    const path = join(dir, `${away.length}.yaml`);
    writeFileSync(
      path,
      `state: ./s\nproxy: {listen: "127.0.0.1:0", upstream: "${up.url}"}\nredis: {url: "redis://127.0.0.1:${port}", when_away: ${away}}\n`,
    );
    const w = new Worker(readConfig(path).config, 'w0');
    const state: State = { ...EMPTY_STATE, enforcing: true, barriers: new Map([['b', slow]]) };
    w.take({ type: 'snapshot', snapshot: snapshotOf(state, policy.limits, 1, 0, Date.now()) });
    await w.listen();
    open.push(() => w.drain(100));
    await pause(200);
    return (key: string) =>
      fetch(`http://127.0.0.1:${w.ports()[0]}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': key },
        body: '{"model":"m","messages":[]}',
      }).then((r) => r.status);
  };
  // By default limits let through and a slowed campaign does not; both can be turned round.
  const usual = await start('{}');
  const strict = await start('{limits: closed, slow: open}');
  expect([await usual('free'), await usual('abc'), await strict('free')]).toEqual([200, 200, 200]);
  child.kill('SIGKILL');
  await pause(100);
  const began = Date.now();
  expect([await usual('free'), await usual('c'), await strict('free')]).toEqual([200, 503, 503]);
  expect(Date.now() - began).toBeLessThan(1500);
});

test.skipIf(!here)('what a Redis does that stood still, when nobody waits for it any more, comes back', async () => {
  const { port, child } = await redis();
  const client = new Redis(port);
  open.push(() => client.disconnect());
  const budgets = new RedisBudgets(client, (x) => within(x, 50));
  const now = 1_780_000_000_000;
  const ask = (units: number) => [{ key: 'a:x:t', rate: perMinute(5000), units }];
  expect((await budgets.take(ask(1), now))[0]?.ok).toBe(true);
  child.kill('SIGSTOP');
  const away = await Promise.allSettled(Array.from({ length: 20 }, () => budgets.take(ask(200), now)));
  child.kill('SIGCONT');
  expect(away.every((x) => x.status === 'rejected')).toBe(true);
  await pause(300);
  expect((await budgets.take(ask(4999), now))[0]?.ok).toBe(true);
});
