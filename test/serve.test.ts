import { execSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import OpenAI from 'openai';
import { afterEach, expect, test } from 'vitest';
import { rng } from '../src/campaigns/stats.ts';
import { verifyFile } from '../src/serve/audit.ts';
import { openStore } from '../src/store/open.ts';
import { makeWorld } from '../src/world/make.ts';
import { canServe, startServer } from './support/server.ts';
import { pids, type Service, service } from './support/service.ts';
import { file, jsonl, record, SECRET, temp, withStore } from './support/tools.ts';
import { upstream } from './support/upstream.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const started = async (s: Promise<Service>): Promise<Service> => {
  const x = await s;
  open.push(() => x.stop());
  return x;
};

const POLICY = `version: 1
training_on_outputs: {"*": forbidden}
rules:
  - {name: extraction, when: {confidence: 0.5}, propose: suspend, automatic: watch, hours: 24}
`;
const TOKENS = `  tokens:\n${[
  ['ann', 'analyst'],
  ['bert', 'analyst'],
  ['vera', 'viewer'],
]
  .map(([n, role]) => `    - {name: ${n}, role: ${role}, token_sha256: ${createHash('sha256').update(`${n}-token`).digest('hex')}}`)
  .join('\n')}\n`;

test('a campaign in the traffic becomes a case, a proposal, a barrier once two people have read it, and is lifted on appeal', async () => {
  const dir = temp();
  await makeWorld({ out: dir, seed: 5, accounts: 150, days: 8, campaigns: [{ kind: 'sharded', accounts: 30 }] });
  const truth = readFileSync(join(dir, 'truth.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as { account: string; campaign: string | null });
  const planted = truth.filter((t) => t.campaign !== null).map((t) => t.account);
  const [member = ''] = planted;
  const honest = truth.find((t) => t.campaign === null)?.account ?? '';
  writeFileSync(join(dir, 'keys.csv'), `key,account\nsk-member,${member}\nsk-honest,${honest}\n`);
  const up = await upstream();
  open.push(() => up.close());
  const calls: { signature: string; key: string; body: string }[] = [];
  let failing = 1;
  const hook = createServer((req, res) => {
    let body = '';
    req.on('data', (d: Buffer) => {
      body += d.toString();
    });
    req.on('end', () => {
      const bad = failing > 0;
      failing -= 1;
      res.writeHead(bad ? 500 : 200).end();
      if (!bad) calls.push({ signature: String(req.headers['stillwatch-signature']), key: String(req.headers['idempotency-key']), body });
    });
  });
  await new Promise<void>((r) => hook.listen(0, '127.0.0.1', r));
  open.push(() => new Promise((r) => hook.close(r)));
  const { port } = hook.address() as { port: number };
  const s = await started(
    service(
      (p) => `store: ./store
proxy: {listen: "127.0.0.1:${p.proxy}", upstream: "${up.url}"}
decisions: {listen: "127.0.0.1:${p.decide}"}
accounts: {file: keys.csv}
detection: {every_seconds: 1, accounts: accounts.jsonl}
webhooks: [{url: "http://127.0.0.1:${port}/", secret: hush}]
`,
      POLICY,
      dir,
      TOKENS,
    ),
  );
  const lines = readFileSync(join(dir, 'exchanges.jsonl'), 'utf8');
  expect((await fetch(`${s.decide}/v1/exchanges`, { method: 'POST', body: lines })).status).toBe(200);
  const ann = (m: string, p: string, b?: unknown) => s.admin(m, p, b, 'ann-token');
  const bert = (m: string, p: string, b?: unknown) => s.admin(m, p, b, 'bert-token');
  // A look may come while the last of them are on their way in: the case is whole at the one after.
  const [found] = await s.until('a case of all of them', async () => {
    const { cases } = (await ann('GET', '/v1/cases')).body as unknown as { cases: { id: string; accounts: string[] }[] };
    return (cases[0]?.accounts.length ?? 0) >= planted.length ? cases : null;
  });
  expect(found?.accounts.sort()).toEqual(planted.sort());
  const { barriers } = (await ann('GET', '/v1/barriers')).body as unknown as {
    barriers: { id: string; action: string; state: string; appeal: string }[];
  };
  const b = barriers.find((x) => x.action === 'suspend');
  expect(barriers.find((x) => x.action === 'watch')).toMatchObject({ state: 'active' });
  expect(b).toMatchObject({ state: 'proposed' });
  const approve = `/v1/barriers/${b?.id}/approve`;
  expect((await s.admin('POST', approve, {}, 'vera-token')).status).toBe(403);
  expect((await s.admin('POST', approve, {}, 'nobody')).status).toBe(401);
  expect((await ann('POST', approve, {})).body.error?.code).toBe('E_EVIDENCE');
  expect((await ann('POST', '/v1/mode', { enforcing: true, reason: 'x' })).status).toBe(403);
  expect((await s.admin('POST', '/v1/mode', { enforcing: true, reason: 'reviewed' })).status).toBe(200);
  for (const who of [ann, bert]) {
    const { finding } = (await who('GET', `/v1/cases/${found?.id}`)).body as { finding?: { evidence: unknown[] } };
    expect(finding?.evidence.length).toBeGreaterThan(5);
    expect((await who('POST', approve, {})).status).toBe(200);
  }
  const api = (apiKey: string) =>
    new OpenAI({ apiKey, baseURL: `${s.proxy}/v1` }).chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] });
  const refused = await s.until(
    'the barrier',
    async () =>
      api('sk-member').then(
        () => null,
        (e: { status: number; message: string }) => e,
      ),
    2000,
  );
  expect(refused.status).toBe(403);
  expect(refused.message).toContain(b?.appeal);
  await api('sk-honest');
  // Of a customer whom no finding names it is told who that is, and what they sent.
  const customer = readFileSync(join(dir, 'accounts.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as { account: string; tier: string; verification: string })
    .find((r) => !planted.includes(r.account) && r.verification === 'business');
  const sent = lines.split('\n').filter((l) => l.includes(`"account":"${customer?.account}"`)).length;
  const asked = (
    await ann('POST', '/v1/barriers', { accounts: [customer?.account], action: 'hold', hours: 1, reason: 'to see whom it would touch' })
  ).body;

  expect(asked['blast']).toMatchObject({
    exchanges: sent,
    campaign_exchanges: 0,
    innocent_exchanges: sent,
    verified: [customer?.account],
    by_class: { [`${customer?.tier}, verification business`]: { accounts: 1, exchanges: sent } },
  });
  expect(sent).toBeGreaterThan(0);
  // The emergency stop reaches everyone within two seconds, and its undo too.
  const gate = (await ann('POST', '/v1/gates', { models: ['m'], reason: 'emergency', hours: 1 })).body as unknown as {
    gate: { id: string };
  };
  await s.until(
    'the gate',
    async () =>
      api('sk-honest').then(
        () => null,
        () => true,
      ),
    2000,
  );
  await ann('POST', `/v1/gates/${gate.gate.id}/open`, { reason: 'over' });
  await s.until(
    'the undo',
    async () =>
      api('sk-honest').then(
        () => true,
        () => null,
      ),
    2000,
  );
  expect((await ann('POST', '/v1/gates', { reason: 'all' })).status).toBe(400);
  // A slip in a name would close to everybody what was meant for some.
  const slip = await ann('POST', '/v1/gates', { models: ['m'], tier: ['trial'], reason: 'not for trials' });
  expect(slip).toMatchObject({ status: 400, body: { error: { code: 'E_BODY', message: expect.stringContaining('"tier" is no field') } } });
  // The caller's reference finds the barrier, its evidence and who decided.
  const ref = (await s.admin('GET', `/v1/references/${b?.appeal}`, undefined, 'vera-token')).body as unknown as {
    decided_by: { by: string }[];
    evidence: unknown[];
  };
  expect(ref.decided_by.map((x) => x.by)).toEqual(['ann', 'bert']);
  expect(ref.evidence.length).toBeGreaterThan(5);
  await s.admin('POST', '/v1/appeals', { reference: b?.appeal, account: member, text: 'We are a class.' }, 'vera-token');
  expect((await ann('POST', `/v1/appeals/${b?.appeal}/decide`, { lift: true, reason: 'they showed it' })).status).toBe(200);
  await s.until(
    'the lifting',
    async () =>
      api('sk-member').then(
        () => true,
        () => null,
      ),
    2000,
  );
  // Webhooks came in order, signed, each once, although the first call failed.
  await s.until('webhooks', async () => calls.some((c) => c.body.includes('appeal.decided')));
  const types = calls.map((c) => (JSON.parse(c.body) as { type: string }).type);
  expect(types[0]).toBe('case.opened');
  expect(new Set(calls.map((c) => c.key)).size).toBe(calls.length);
  for (const c of calls) {
    const [, at, v1] = /^t=(\d+),v1=([0-9a-f]+)$/.exec(c.signature) ?? [];
    expect(createHmac('sha256', 'hush').update(`${at}.${c.body}`).digest('hex')).toBe(v1);
  }
  // Personal data: exported, held, erased.
  expect(
    ((await s.admin('GET', `/v1/accounts/${member}/export`)).body as unknown as { exchanges: unknown[] }).exchanges.length,
  ).toBeGreaterThan(10);
  await s.admin('POST', '/v1/holds', { account: member, reason: 'proceedings' });
  expect((await s.admin('DELETE', `/v1/accounts/${member}`)).body.error?.code).toBe('E_LEGAL_HOLD');
  await s.admin('POST', '/v1/holds', { account: member, clear: true, reason: 'closed' });
  expect((await s.admin('DELETE', `/v1/accounts/${member}`)).body['exchanges']).toBeGreaterThan(10);
  expect(((await s.admin('GET', `/v1/accounts/${member}/export`)).body as unknown as { exchanges: unknown[] }).exchanges).toEqual([]);
  const metrics = String((await s.admin('GET', '/metrics')).body['text']);
  expect(metrics).toMatch(/stillwatch_decisions_total\{outcome="refuse"\} [1-9]/);
  expect(metrics).toMatch(/stillwatch_open_cases 1/);
  // Logs hold neither prompts nor keys.
  expect(s.log()).not.toMatch(/sk-member|sk-honest|Hi"/);
  await s.stop();
  expect(verifyFile(join(dir, '.stillwatch-serve', 'audit.jsonl')).ok).toBe(true);
}, 120_000);

const killAll = (dir: string, name: string): void => {
  for (const pid of pids(dir, name)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It had ended by itself.
    }
  }
};

test('killed at random, every exchange that got an answer is in the store exactly once', async () => {
  const dir = temp();
  const up = await upstream();
  open.push(() => up.close());
  const config = (p: { proxy: number; decide: number }) => `store: ./store
workers: 2
proxy: {listen: "127.0.0.1:${p.proxy}", upstream: "${up.url}"}
decisions: {listen: "127.0.0.1:${p.decide}"}
detection: {every_seconds: 2}
spool: {rotate_ms: 200}
`;
  const s = await started(service((p) => config(p), undefined, dir));
  const random = rng(20261124);
  const answered: string[] = [];
  const posted: string[] = [];
  let ending = false;
  const client = async (k: number) => {
    for (let i = 0; !ending; i++) {
      try {
        const r = await fetch(`${s.proxy}/v1/${i % 2 === 0 ? 'messages' : 'chat/completions'}`, {
          method: 'POST',
          headers: { 'x-api-key': `sk-${k}` },
          body: JSON.stringify({ model: 'm', stream: i % 3 === 0, messages: [{ role: 'user', content: `question ${k} ${i}` }] }),
        });
        const text = await r.text();
        if (r.status === 200 && (text.includes('[DONE]') || text.includes('message_stop') || text.endsWith('}')))
          answered.push(r.headers.get('stillwatch-exchange') ?? '');
        const id = `p-${k}-${i}`;
        const line = jsonl([record({ id, account: `posted-${k}` })]);
        // A client of the intake that got no answer sends again.
        if ((await fetch(`${s.decide}/v1/exchanges`, { method: 'POST', body: i % 5 === 0 ? line + line : line })).status === 200)
          posted.push(id);
      } catch {
        await pause(30);
      }
    }
  };
  const clients = Array.from({ length: 6 }, (_, k) => client(k));
  for (let i = 0; i < 8; i++) {
    await pause(400 + 500 * random());
    const target = pids(dir, random() < 0.5 ? 'detector' : 'worker');
    const pid = target[Math.floor(random() * target.length)];
    try {
      if (pid) process.kill(pid, 'SIGKILL');
    } catch {
      // It had ended by itself.
    }
  }
  // And the parent of all, with requests on their way: its children end by themselves, and what they spooled waits for the next start.
  // On a slow machine workers are killed before they are up, and the waits between their starts grow: what is compared below must be enough all the same.
  await s.until('answers enough', async () => Math.min(answered.length, posted.length) > 100);
  s.process.kill('SIGKILL');
  await pause(600);
  ending = true;
  await Promise.all(clients);
  expect(answered.length).toBeGreaterThan(100);
  expect(posted.length).toBeGreaterThan(100);
  const again = await started(service((p) => config(p), undefined, dir));
  await again.until('an empty spool', async () => {
    const h = (await again.admin('GET', '/readyz')).body;
    return h['spool_bytes'] === 0 && h['detection'] === 'up';
  });
  await pause(1500);
  await again.stop();
  await withStore(
    async (store) => {
      const rows = await store.rows<{ id: string; n: string }>('SELECT id, count() AS n FROM exchanges GROUP BY id');
      const held = new Map(rows.map((r) => [r.id, Number(r.n)]));
      expect([...held.values()].filter((n) => n !== 1)).toEqual([]);
      expect([...answered, ...posted].filter((id) => !held.has(id))).toEqual([]);
    },
    join(dir, 'store'),
  );
}, 120_000);

test('detection killed while it is asked brings nobody down; a token that was taken away is refused after a reload; a child starts with what was accepted', async () => {
  const dir = temp();
  const s = await started(service((p) => `store: ./store\ndecisions: {listen: "127.0.0.1:${p.decide}"}\n`, undefined, dir, TOKENS));
  for (let i = 0; i < 3; i++) {
    await s.until('detection', async () => (await s.admin('GET', '/readyz')).body['detection'] === 'up');
    const asked = Array.from({ length: 8 }, () => s.admin('GET', '/v1/explain/deck'));
    killAll(dir, 'detector');
    for (const r of await Promise.all([...asked, s.admin('GET', '/v1/explain/deck')])) expect([200, 503]).toContain(r.status);
  }
  expect((await s.admin('GET', '/v1/cases', undefined, 'ann-token')).status).toBe(200);
  const path = join(dir, 'stillwatch.yaml');
  const good = readFileSync(path, 'utf8');
  writeFileSync(path, good.replace(/ {4}- \{name: ann.*\n/, ''));
  s.process.kill('SIGHUP');
  await s.until('the refusal', async () => (await s.admin('GET', '/v1/cases', undefined, 'ann-token')).status === 401);
  writeFileSync(path, 'workers: 0\n');
  s.process.kill('SIGHUP');
  await s.until('the word on it', async () => s.log().includes('the old configuration stays'));
  killAll(dir, 'worker');
  await s.until('the port', async () => (await fetch(`${s.decide}/healthz`)).status === 200);
}, 120_000);

test.skipIf(!canServe())(
  'a store that is away costs nothing: traffic goes on, and all of it arrives when the store is back',
  async () => {
    const dir = temp();
    const up = await upstream();
    open.push(() => up.close());
    const first = await startServer();
    const s = await started(
      service(
        (p) => `store: http://default@127.0.0.1:${first.http}/away?tcp=${first.tcp}
proxy: {listen: "127.0.0.1:${p.proxy}", upstream: "${up.url}"}
detection: {every_seconds: 1}
spool: {rotate_ms: 200}
`,
        undefined,
        dir,
      ),
    );
    const ask = async (i: number) => {
      const r = await fetch(`${s.proxy}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': 'k' },
        body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: `q ${i}` }] }),
      });
      await r.text();
      return r.headers.get('stillwatch-exchange') ?? '';
    };
    const ids = [await ask(0)];
    await s.until(
      'the first in the store',
      async () =>
        (await s.admin('GET', '/readyz')).body['spool_bytes'] === 0 &&
        String((await s.admin('GET', '/metrics')).body['text']).includes('stillwatch_ingested_exchanges 1'),
    );
    await first.stop(true);
    for (let i = 1; i <= 20; i++) ids.push(await ask(i));
    await pause(2500);
    expect((await s.admin('GET', '/readyz')).status).toBe(200);
    expect((await s.admin('GET', '/readyz')).body['spool_bytes']).toBeGreaterThan(1000);
    const back = await startServer(first);
    open.push(() => back.stop());
    await s.until('an empty spool', async () => (await s.admin('GET', '/readyz')).body['spool_bytes'] === 0, 40_000);
    const store = await openStore({ at: `http://default@127.0.0.1:${back.http}/away?tcp=${back.tcp}`, secret: SECRET });
    const rows = await store.rows<{ id: string }>('SELECT id FROM exchanges');
    await store.close();
    expect(ids.filter((id) => !rows.some((r) => r.id === id))).toEqual([]);
    expect(new Set(rows.map((r) => r.id)).size).toBe(rows.length);
  },
  120_000,
);

test('a faulty configuration or policy is told with its place, and reloading one changes nothing', async () => {
  const dir = temp();
  const bad = file('bad.yaml', 'proxy: {listen: nowhere, upstream: "http://x"}\nworkers: 0\n');
  const run = (args: string) => {
    try {
      execSync(`node dist/cli/main.js ${args}`, { stdio: 'pipe' });
      return '';
    } catch (e) {
      return String((e as { stderr: Buffer }).stderr);
    }
  };
  expect(run(`serve --check --config ${bad}`)).toMatch(/E_CONFIG .*workers: is at least 1.*proxy\.listen: is HOST:PORT/);
  expect(run(`serve --check --config ${file('b.yaml', 'a: [')}`)).toMatch(/E_CONFIG .*no YAML/);
  const several =
    'proxy: {listen: "127.0.0.1:81", upstream: "http://127.0.0.1:81"}\naccounts: {file: nowhere.csv}\ndetection: {accounts: none.csv}\n';
  expect(run(`serve --check --config ${file('c.yaml', several)}`)).toMatch(
    /the proxy itself; detection\.accounts .*not there; accounts\.file .*not there/,
  );
  expect(run(`serve --check --config ${file('b.yaml', 'admin: {listen: "0.0.0.0:1"}\ntail: [x]\n')}`)).toMatch(
    /reachable from other hosts/,
  );
  for (const [given, told] of [
    ['decisions: {listen: "127.0.0.1:99999"}', /decisions\.listen: has a port of at most 65535/],
    ['decisions: {listen: "127.0.0.1:8090"}', /admin\.listen and decisions\.listen are one port/],
    ['proxy: {listen: "127.0.0.1:81", upstream: "ftp://x"}', /proxy\.upstream: is an http or https URL/],
    ['proxy: {listen: "127.0.0.1:81", upstream: "http://localhost:81"}', /proxy\.upstream is the proxy itself/],
    [
      'proxy: {listen: "127.0.0.1:81", upstream: "http://x", trusted_proxies: ["10.0.0.0/99"]}',
      /trusted_proxies\.0: is an address or a range/,
    ],
    ['proxy: {listen: "127.0.0.1:81", upstream: "http://x", ja4_header: "x ja4"}', /ja4_header: is the name of a header/],
    ['tail: [x]\nredis: {url: "localhost:6379"}', /redis\.url: is a URL of Redis/],
    ['tail: [x]\nverify_url: example.com/verify', /verify_url: is an http or https URL/],
    ['tail: [x]\ndetection: {accounts: nowhere.jsonl}', /detection\.accounts .*nowhere\.jsonl is not there/],
  ] as const)
    expect(run(`serve --check --config ${file('b.yaml', `${given}\n`)}`)).toMatch(told);
  const s = await started(
    service(
      (p) => `store: ./store\ndecisions: {listen: "127.0.0.1:${p.decide}"}\n`,
      'version: 1\nlimits: {default: {requests_per_minute: 1}}\n',
      dir,
    ),
  );
  const decide = async () =>
    ((await (await fetch(`${s.decide}/v1/decide`, { method: 'POST', body: '{"account":"a"}' })).json()) as { action: string }).action;
  // Until somebody switches it on, a limit changes no answer either.
  expect(await decide()).toBe('allow');
  expect(await decide()).toBe('allow');
  await s.admin('POST', '/v1/mode', { enforcing: true, reason: 'reviewed' });
  await s.until('the limit', async () => (await decide()) === 'limit');
  writeFileSync(join(dir, 'policy.yaml'), 'version: 7\n');
  s.process.kill('SIGHUP');
  await s.until('the word on it', async () => s.log().includes('E_POLICY'));
  expect(await decide()).toBe('limit');
  // A new worker begins where the old one stood: what is spent stays spent.
  const workers = () => JSON.stringify(s.log().match(/configuration read again/g) ?? []).length;
  const before = workers();
  writeFileSync(
    join(dir, 'policy.yaml'),
    'version: 1\nlimits: {default: {requests_per_minute: 1}, tiers: {free: {requests_per_minute: 9}}}\n',
  );
  s.process.kill('SIGHUP');
  await s.until('the reload', async () => workers() > before);
  for (let i = 0; i < 20; i++) {
    expect(await decide()).toBe('limit');
    await new Promise((r) => setTimeout(r, 100));
  }
  // A port that somebody else has: nothing of what was read beside it acts, and it is said why.
  const busy = createServer();
  await new Promise<void>((r) => busy.listen(0, '127.0.0.1', () => r()));
  const config = join(dir, 'stillwatch.yaml');
  const good = readFileSync(config, 'utf8');
  const { port } = busy.address() as AddressInfo;
  writeFileSync(config, good.replace(/(decisions: \{listen: "127\.0\.0\.1:)\d+/, `$1${port}`));
  writeFileSync(join(dir, 'policy.yaml'), 'version: 1\n');
  s.process.kill('SIGHUP');
  await s.until('the word on the port', async () =>
    s.log().includes(`127.0.0.1:${port} cannot be listened on: another program listens there`),
  );
  expect(await decide()).toBe('limit');
  busy.close();
  writeFileSync(config, good);
  s.process.kill('SIGHUP');
  await s.until('the new policy', async () => (await decide()) === 'allow' && (await decide()) === 'allow');
  // What no worker can serve with, though nothing shows it before: the old ones go on, and what was accepted for it is taken back, to the reload before, which is still under way.
  const accepted = join(dir, '.stillwatch-serve', 'config.json');
  const held = readFileSync(accepted, 'utf8');
  writeFileSync(config, `${good.trimEnd()}\naccounts: {clickhouse: {url: "http://%zz@127.0.0.1:9", query: "SELECT 1"}}\n`);
  s.process.kill('SIGHUP');
  await s.until('the word on it', async () => s.log().includes('no worker could serve with the new configuration'));
  expect(readFileSync(accepted, 'utf8')).toBe(held);
  expect(await decide()).toBe('allow');
  expect(run(`serve --config ${join(dir, 'stillwatch.yaml')}`)).toMatch(/E_STATE_LOCKED .*in use by process/);
  // With nothing to serve any more the old workers go, and a later configuration finds their ports free.
  writeFileSync(config, good.replace(/decisions: .*/, 'tail: [nothing.jsonl]'));
  s.process.kill('SIGHUP');
  const gone = () =>
    decide().then(
      () => false,
      () => true,
    );
  await s.until('the ports to close', async () => (await gone()) && (await gone()) && (await gone()) && (await gone()));
  writeFileSync(config, good);
  s.process.kill('SIGHUP');
  await s.until('decisions again', async () =>
    decide().then(
      (x) => x === 'allow',
      () => null,
    ),
  );
});

test('the state of a port nobody listens on is told plainly', async () => {
  const s = await started(service((p) => `store: ./store\nproxy: {listen: "127.0.0.1:${p.proxy}", upstream: "http://127.0.0.1:1"}\n`));
  const r = await fetch(`${s.proxy}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer k' },
    body: '{"model":"m","messages":[]}',
  });
  expect(r.status).toBe(502);
  expect(await r.json()).toMatchObject({ error: { code: 'upstream_error' } });
});
