import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request as secure } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from '@clickhouse/client';
import { afterEach, describe, expect, test } from 'vitest';
import { EMPTY_STATE, type State } from '../src/barriers/model.ts';
import { NO_POLICY } from '../src/barriers/policy.ts';
import { snapshotOf } from '../src/barriers/snapshot.ts';
import { readConfig } from '../src/gateway/config.ts';
import { keyHash, Lookup } from '../src/gateway/lookup.ts';
import { Worker } from '../src/gateway/worker.ts';
import { barrier } from './support/barrier.ts';
import { canServe, freePort, startServer } from './support/server.ts';
import { temp } from './support/tools.ts';
import { upstream } from './support/upstream.ts';

/** What stands in front of the gateway, or beside it, as it really is: nginx, TLS, and a provider's own account service. */

const has = (command: string, ...args: string[]): boolean => {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const x of open.splice(0).reverse()) await x.close();
});

const hold = barrier('hold', { id: 'b1' });
const held: State = { ...EMPTY_STATE, enforcing: true, barriers: new Map([['b1', hold]]) };

async function gateway(dir: string, config: string): Promise<number[]> {
  writeFileSync(join(dir, 'keys.csv'), `key_sha256,account\n${keyHash('sk-alice')},alice\n${keyHash('sk-bob')},bob\n`);
  writeFileSync(join(dir, 's.yaml'), `state: ./state\naccounts: {file: keys.csv, unknown_key: refuse}\n${config}`);
  const worker = new Worker(readConfig(join(dir, 's.yaml')).config, 'w0');
  worker.take({ type: 'snapshot', snapshot: snapshotOf(held, NO_POLICY.limits, 1, 0, Date.now()) });
  await worker.listen();
  open.push({ close: () => worker.drain(200) });
  return worker.ports();
}

const chat = JSON.stringify({ model: 'm-1', messages: [{ role: 'user', content: 'Hello' }] });

describe.skipIf(!has('nginx', '-v'))('nginx', () => {
  test('asks whether a caller may pass: who is on hold does not, a name in a header lets nobody in, and the page of the refusal has the reference', async () => {
    const up = await upstream();
    open.push(up);
    const dir = temp();
    const [decide] = await gateway(dir, 'decisions: {listen: "127.0.0.1:0"}\n');
    const port = await freePort();
    writeFileSync(
      join(dir, 'nginx.conf'),
      `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log /dev/null;
events { worker_connections 64; }
http { access_log off; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
server { listen 127.0.0.1:${port};
  location / { auth_request /ask; auth_request_set $ref $upstream_http_x_stillwatch_reference; error_page 403 @held; proxy_pass ${up.url}; }
  location @held { internal; default_type application/json; return 403 '{"reference":"$ref"}'; }
  location = /ask { internal; proxy_pass http://127.0.0.1:${decide}/nginx/auth; proxy_pass_request_body off; proxy_set_header Content-Length ""; } } }`,
    );
    const nginx = spawn('nginx', ['-c', join(dir, 'nginx.conf'), '-e', '/dev/null'], { stdio: 'ignore' });
    open.push({ close: () => nginx.kill('SIGTERM') });
    const ask = (headers: Record<string, string>) =>
      fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: chat,
      });
    for (let i = 0; i < 50 && !(await ask({}).catch(() => null)); i++) await pause(50);
    expect((await ask({ authorization: 'Bearer sk-bob' })).status).toBe(200);
    const refused = await ask({ authorization: 'Bearer sk-alice' });
    expect([refused.status, await refused.json()]).toEqual([403, { reference: 'SW-AAAAA-BBBBB' }]);
    expect((await ask({ 'x-stillwatch-account': 'bob' })).status).toBe(401);
    expect((await ask({ authorization: 'Bearer sk-bob', 'x-api-key': 'sk-alice' })).status).toBe(403);
    expect(up.seen).toHaveLength(1);
  });
});

describe.skipIf(!has('openssl', 'version'))('TLS', () => {
  test('is served from files, to callers who know the certificate', async () => {
    const up = await upstream();
    open.push(up);
    const dir = temp();
    execFileSync(
      'openssl',
      'req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost'.split(
        ' ',
      ),
      { cwd: dir, stdio: 'ignore' },
    );
    const [port] = await gateway(
      dir,
      `proxy: {listen: "127.0.0.1:0", upstream: "${up.url}", tls: {cert: ${join(dir, 'cert.pem')}, key: ${join(dir, 'key.pem')}}}\n`,
    );
    const status = (ca: Buffer | undefined) =>
      new Promise<number | string>((done) => {
        const q = secure(
          {
            port,
            host: '127.0.0.1',
            servername: 'localhost',
            method: 'POST',
            path: '/v1/chat/completions',
            headers: { authorization: 'Bearer sk-bob' },
            ...(ca ? { ca } : {}),
          },
          (res) => {
            res.resume();
            res.on('end', () => done(res.statusCode ?? 0));
          },
        );
        q.on('error', (e) => done((e as NodeJS.ErrnoException).code ?? 'error'));
        q.end(chat);
      });
    expect(await status(readFileSync(join(dir, 'cert.pem')))).toBe(200);
    expect(await status(undefined)).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(await fetch(`http://127.0.0.1:${port}/v1/models`).catch(() => 'refused')).toBe('refused');
  });
});

describe('accounts', () => {
  const of = { cache_seconds: 60, cache_entries: 10, unknown_key: 'allow' as const };

  test('are asked of an HTTP service, once for many callers, and its trouble takes nobody for unknown', async () => {
    let asked = 0;
    let fails = false;
    const server = createServer((req, res) => {
      let body = '';
      req.on('data', (d: Buffer) => (body += d.toString()));
      req.on('end', () => {
        asked += 1;
        const known = (JSON.parse(body) as { key_sha256: string }).key_sha256 === keyHash('sk-bob');
        if (fails) res.writeHead(500).end();
        else if (!known) res.writeHead(404).end();
        else res.writeHead(200, { 'content-type': 'application/json' }).end('{"account":"bob","tier":"scale"}');
      });
    });
    await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
    open.push(server);
    const look = new Lookup({ ...of, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
    const now = Date.now();
    const many = await Promise.all(Array.from({ length: 20 }, () => look.ask(keyHash('sk-bob'), now)));
    expect(many.every((h) => h?.account === 'bob' && h.tier === 'scale')).toBe(true);
    expect(asked).toBe(1);
    expect(await look.ask(keyHash('sk-none'), now)).toBeNull();
    fails = true;
    await expect(look.ask(keyHash('sk-new'), now)).rejects.toThrow(/500/);
  });

  test.skipIf(!canServe())('are asked of a ClickHouse server by a query that may only read', async () => {
    const server = await startServer();
    open.push({ close: () => server.stop() });
    const at = `http://default@127.0.0.1:${server.http}`;
    const client = createClient({ url: at });
    await client.command({ query: 'CREATE TABLE default.keys (h String, account String) ENGINE = MergeTree ORDER BY h' });
    await client.command({ query: `INSERT INTO default.keys VALUES ('${keyHash('sk-bob')}', 'bob')` });
    await client.close();
    const query = 'SELECT account FROM default.keys WHERE h = {key_sha256:String}';
    const look = new Lookup({ ...of, clickhouse: { url: `${at}/default`, query } });
    const now = Date.now();
    expect(await look.ask(keyHash('sk-bob'), now)).toMatchObject({ account: 'bob' });
    expect(await look.ask(keyHash("' OR 1 = 1 --"), now)).toBeNull();
    const writes = new Lookup({ ...of, clickhouse: { url: `${at}/default`, query: 'DROP TABLE default.keys' } });
    await expect(writes.ask(keyHash('sk-bob'), now)).rejects.toThrow();
    expect(await new Lookup({ ...of, clickhouse: { url: `${at}/default`, query } }).ask(keyHash('sk-bob'), now)).toMatchObject({
      account: 'bob',
    });
  });
});
