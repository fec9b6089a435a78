import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import * as v from 'valibot';
import { afterEach, expect, test } from 'vitest';
import { type Barrier, type Case, EMPTY_STATE, type State } from '../src/barriers/model.ts';
import { checkPolicy, NO_POLICY, type Policy } from '../src/barriers/policy.ts';
import { snapshotOf } from '../src/barriers/snapshot.ts';
import { readConfig } from '../src/gateway/config.ts';
import { FIELDS } from '../src/gateway/fields.ts';
import { indicatorsOf } from '../src/gateway/indicators.ts';
import { keyHash } from '../src/gateway/lookup.ts';
import { readSegment } from '../src/gateway/spool.ts';
import { UsageTap } from '../src/gateway/usage.ts';
import { Withheld } from '../src/gateway/withhold.ts';
import { spoolDir, Worker } from '../src/gateway/worker.ts';
import { barrier } from './support/barrier.ts';
import { temp } from './support/tools.ts';
import { type Upstream, upstream } from './support/upstream.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const o of open.splice(0).reverse()) await o.close();
});

interface Setup {
  readonly port: number;
  readonly decide: number;
  readonly worker: Worker;
  readonly up: Upstream;
  readonly records: () => Record<string, unknown>[];
}

/** A gate that stands. */
const closed = (over: { models: string[]; capabilities: string[] }) => ({
  id: 'g',
  countries: [],
  tiers: [],
  reason: 'x',
  author: 'ann',
  created: 0,
  expires: Date.now() + 1e6,
  state: 'closed' as const,
  appeal: 'SW-1',
  ...over,
});

const stateWith = (...barriers: Barrier[]): State => ({
  ...EMPTY_STATE,
  enforcing: true,
  barriers: new Map(barriers.map((b) => [b.id, b])),
});

async function setup(
  o: { state?: State; policy?: Policy; extra?: string; proxyExtra?: string; decisionsExtra?: string; delayMs?: number } = {},
): Promise<Setup> {
  const up = await upstream(o.delayMs);
  open.push(up);
  const dir = temp();
  writeFileSync(
    join(dir, 'keys.csv'),
    `key_sha256,account,tier,verification,created\n${keyHash('sk-alice')},alice,free,email,2020-01-01\n${keyHash('sk-bob')},bob,paid,business,2020-01-01\n`,
  );
  writeFileSync(
    join(dir, 'stillwatch.yaml'),
    `state: ./state\nproxy:\n  listen: 127.0.0.1:0\n  upstream: ${up.url}\n  trusted_proxies: [127.0.0.1]\n  body_bytes_max: 200000\n${o.proxyExtra ?? ''}decisions:\n  listen: 127.0.0.1:0\n${o.decisionsExtra ?? ''}accounts:\n  file: keys.csv\n  unknown_key: refuse\nverify_url: https://example.test/verify\n${o.extra ?? ''}`,
  );
  const { config } = readConfig(join(dir, 'stillwatch.yaml'));
  const worker = new Worker(config, 'w0');
  worker.take({ type: 'snapshot', snapshot: snapshotOf(o.state ?? stateWith(), (o.policy ?? NO_POLICY).limits, 1, 0, Date.now()) });
  await worker.listen();
  open.push({ close: () => worker.drain(500) });
  const [port = 0, decide = 0] = worker.ports();
  return {
    port,
    decide,
    worker,
    up,
    records: () => {
      worker.parts.spool.rotate();
      return readdirSync(spoolDir(config))
        .sort()
        .flatMap((f) => readSegment(readFileSync(join(spoolDir(config), f))).records)
        .map((r) => JSON.parse(r) as Record<string, unknown>);
    },
  };
}

const openai = (s: Setup, key = 'sk-alice') => new OpenAI({ apiKey: key, baseURL: `http://127.0.0.1:${s.port}/v1` });
const anthropic = (s: Setup, key = 'sk-alice') => new Anthropic({ apiKey: key, baseURL: `http://127.0.0.1:${s.port}` });
const hello = [{ role: 'user' as const, content: 'Hello' }];
const failure = async (p: Promise<unknown>): Promise<{ status: number; message: string; headers: Headers; name: string }> => {
  try {
    await p;
  } catch (e) {
    return e as never;
  }
  throw new Error('it was let through');
};

test('the providers own client libraries run through the proxy unchanged, streaming and not, and every exchange is recorded', async () => {
  const s = await setup();
  const a = anthropic(s);
  const o = openai(s);
  expect((await a.messages.create({ model: 'm-1', max_tokens: 100, messages: hello })).usage.output_tokens).toBe(34);
  const text: string[] = [];
  const stream = a.messages.stream({ model: 'm-1', max_tokens: 100, messages: hello });
  stream.on('text', (t) => text.push(t));
  expect((await stream.finalMessage()).stop_reason).toBe('end_turn');
  expect(text.join('')).toBe('Hello there');
  expect((await o.chat.completions.create({ model: 'm-1', messages: hello })).choices[0]?.message.content).toBe('Hello there');
  const parts: string[] = [];
  for await (const c of await o.chat.completions.create({ model: 'm-1', messages: hello, stream: true }))
    parts.push(c.choices[0]?.delta.content ?? '');
  expect(parts.join('')).toBe('Hello there');
  expect((await o.responses.create({ model: 'm-1', input: 'Hello' })).output_text).toBe('Hello there');
  let done = false;
  for await (const e of await o.responses.create({ model: 'm-1', input: 'Hello', stream: true })) done ||= e.type === 'response.completed';
  expect(done).toBe(true);
  expect((await o.models.list()).data[0]?.id).toBe('m-1');
  // Counting asks no model for an answer: it is no exchange.
  expect((await a.messages.countTokens({ model: 'm-1', messages: hello })).input_tokens).toBe(14);
  const records = s.records();
  expect(records).toHaveLength(6);
  for (const r of records)
    expect(r).toMatchObject({
      account: 'alice',
      model: 'm-1',
      input_tokens: 12,
      output_tokens: 34,
      status: 200,
      messages: [{ role: 'user', content: 'Hello' }],
    });
  expect(records.map((r) => r['stop_reason'])).toEqual(['end_turn', 'end_turn', 'stop', 'stop', 'completed', 'completed']);
  expect(JSON.stringify(records)).not.toContain('sk-alice');
});

test('verify and suspend look like a refusal of the provider, are not tried again, and carry the reference', async () => {
  for (const [action, status, said] of [
    ['verify', 403, /must be verified.*https:\/\/example\.test\/verify.*SW-AAAAA-BBBBB/],
    ['suspend', 403, /suspended.*SW-AAAAA-BBBBB/],
    ['hold', 403, /on hold.*SW-AAAAA-BBBBB/],
  ] as const) {
    const s = await setup({ state: stateWith(barrier(action)) });
    for (const p of [
      () => anthropic(s).messages.create({ model: 'm', max_tokens: 9, messages: hello }),
      () => openai(s).chat.completions.create({ model: 'm', messages: hello }),
    ]) {
      const e = await failure(p());
      expect(e.status, action).toBe(status);
      expect(e.message).toMatch(said);
      expect(e.headers.get('x-should-retry')).toBe('false');
    }
    // Two calls, no retries, none forwarded; another account is not touched.
    expect(s.up.seen).toHaveLength(0);
    await openai(s, 'sk-bob').chat.completions.create({ model: 'm', messages: hello });
    expect(s.up.seen).toHaveLength(1);
  }
});

test('a dry run changes no answer', async () => {
  const s = await setup({ state: stateWith(barrier('suspend', { dry_run: true })) });
  await openai(s).chat.completions.create({ model: 'm', messages: hello });
  expect(s.up.seen).toHaveLength(1);
  expect(await s.worker.parts.meters.registry.metrics()).toContain('stillwatch_rehearsed_total{action="suspend"} 1');
});

test('slow gives one budget to the whole campaign, and says when to come back', async () => {
  const s = await setup({ state: stateWith(barrier('slow', { accounts: ['alice', 'bob'], budget: { requests_per_minute: 2 } })) });
  const calm = { maxRetries: 0 };
  await openai(s).chat.completions.create({ model: 'm', messages: hello });
  await openai(s, 'sk-bob').chat.completions.create({ model: 'm', messages: hello });
  const e = await failure(anthropic(s).messages.create({ model: 'm', max_tokens: 5, messages: hello }, calm));
  expect(e.status).toBe(429);
  expect(Number(e.headers.get('retry-after'))).toBeGreaterThan(10);
  expect(e).toBeInstanceOf(Anthropic.RateLimitError);
  expect(s.up.seen).toHaveLength(2);
});

test('withheld reasoning is asked for no more, and the caller is told', async () => {
  const s = await setup({ state: stateWith(barrier('withhold')) });
  const { response } = await anthropic(s)
    .messages.create({ model: 'm', max_tokens: 2000, messages: hello, thinking: { type: 'enabled', budget_tokens: 1024 } })
    .withResponse();
  expect(response.headers.get('stillwatch-notice')).toContain('reasoning withheld');
  expect(s.up.seen[0]?.body).not.toHaveProperty('thinking');
  expect(s.up.seen[0]?.body['messages']).toEqual(hello);
});

test('200 parallel requests spend no more than the budget, tokens included', async () => {
  const policy = checkPolicy({ version: 1, limits: { default: { requests_per_minute: 1000, tokens_per_minute: 5000 } } }, 'test');
  const s = await setup({ policy, delayMs: 20 });
  const body = JSON.stringify({ model: 'm', max_tokens: 100, messages: hello });
  const started = Date.now();
  const answers = await Promise.all(
    Array.from({ length: 200 }, () =>
      fetch(`http://127.0.0.1:${s.port}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': 'sk-alice', 'content-type': 'application/json' },
        body,
      }).then((r) => r.status),
    ),
  );
  // Each reserves its input and the 100 tokens it allows itself; used are 46, and what was given back may be spent by a later one.
  const ok = answers.filter((x) => x === 200).length;
  expect(answers.filter((x) => x === 429)).toHaveLength(200 - ok);
  expect(ok).toBeGreaterThanOrEqual(Math.floor(5000 / (Math.ceil(Buffer.byteLength(body) / 4) + 100)));
  const refilled = ((Date.now() - started) * 5000) / 60_000;
  expect(ok * 46).toBeLessThanOrEqual(5000 + refilled);
  // Settled with what was used (46 tokens each), there is room again.
  const r = await fetch(`http://127.0.0.1:${s.port}/v1/messages`, { method: 'POST', headers: { 'x-api-key': 'sk-alice' }, body });
  // Time gives tokens back meanwhile: only where that cannot matter is the answer certain.
  const room = 5000 - ok * 46;
  if (room > 140) expect(r.status).toBe(200);
  else if (room + ((Date.now() - started) * 5000) / 60_000 < 140) expect(r.status).toBe(429);
  expect(Number(r.headers.get('anthropic-ratelimit-tokens-limit'))).toBe(5000);
});

const stream = async (s: Setup, chunks: number): Promise<void> => {
  const c = new AbortController();
  const r = await fetch(`http://127.0.0.1:${s.port}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'sk-alice' },
    signal: c.signal,
    body: JSON.stringify({ model: 'slow', stream: true, max_tokens: 2000, messages: hello, tools: [null] }),
  });
  if (r.status !== 200) throw new Error(String(r.status));
  const reader = r.body?.getReader();
  for (let i = 0; i < chunks; i++) await reader?.read();
  c.abort();
};

test('who hangs up before the last event has had what was reserved, is recorded, and brings nobody down', async () => {
  const policy = checkPolicy({ version: 1, limits: { default: { tokens_per_minute: 5000 } } }, 'test');
  const s = await setup({ policy });
  let ok = 0;
  for (let i = 0; i < 6; i++)
    await stream(s, 2).then(
      () => (ok += 1),
      () => undefined,
    );
  await new Promise((r) => setTimeout(r, 300));
  expect(ok).toBe(2);
  const records = s.records();
  expect(records).toHaveLength(2);
  for (const r of records) expect(r['output_tokens']).toBeGreaterThan(1);
});

test('an error of the upstream costs the caller nothing, and a budget of nothing lets nothing through', async () => {
  const policy = checkPolicy({ version: 1, limits: { default: { tokens_per_minute: 5000 } } }, 'test');
  const s = await setup({ policy });
  const ask = (model: string) =>
    fetch(`http://127.0.0.1:${s.port}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'sk-alice' },
      body: JSON.stringify({ model, max_tokens: 2000, messages: hello }),
    }).then((r) => r.status);
  for (let i = 0; i < 5; i++) expect(await ask('busy')).toBe(429);
  expect(s.up.seen).toHaveLength(5);
  expect(await ask('m')).toBe(200);
  const none = await setup({ policy: checkPolicy({ version: 1, limits: { default: { requests_per_minute: 0 } } }, 'test') });
  for (const [path, key] of [
    ['messages', 'x-api-key'],
    ['chat/completions', 'authorization'],
  ] as const)
    expect(
      await fetch(`http://127.0.0.1:${none.port}/v1/${path}`, {
        method: 'POST',
        headers: { [key]: 'sk-alice' },
        body: '{"model":"m"}',
      }).then((r) => [r.status, r.headers.get('x-should-retry')]),
    ).toEqual([429, 'false']);
});

test('a graver barrier does not lift a milder one, and reasoning is withheld on every API', async () => {
  const s = await setup({ state: stateWith(barrier('slow', { budget: { requests_per_minute: 1 } }), barrier('withhold')) });
  const ask = () =>
    fetch(`http://127.0.0.1:${s.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-alice' },
      body: JSON.stringify({ model: 'm', reasoning_effort: 'high', include_reasoning: true, messages: hello }),
    }).then((r) => r.status);
  expect([await ask(), await ask()]).toEqual([200, 429]);
  expect(Object.keys(s.up.seen[0]?.body ?? {})).toEqual(['model', 'messages']);
});

test('gates on capabilities see them wherever they stand', async () => {
  const gate = {
    id: 'g',
    models: [],
    capabilities: ['tools', 'vision'],
    countries: [],
    tiers: [],
    reason: 'r',
    author: 'a',
    created: 0,
    expires: Date.now() + 60_000,
    state: 'closed' as const,
    appeal: 'SW-G',
  };
  const s = await setup({ state: { ...stateWith(), gates: new Map([['g', gate]]) } });
  const ask = (body: object) =>
    fetch(`http://127.0.0.1:${s.port}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'sk-alice' },
      body: JSON.stringify({ model: 'm', messages: hello, ...body }),
    }).then((r) => r.status);
  const image = { role: 'user', content: [{ type: 'image', source: {} }] };
  expect(await ask({})).toBe(200);
  expect(await ask({ messages: [image, ...Array.from({ length: 6 }, () => hello[0])] })).toBe(403);
  expect(await ask({ messages: [{ role: 'user', content: [{ type: 'tool_result', content: [{ type: 'image' }] }] }] })).toBe(403);
  expect(await ask({ functions: [{ name: 'f' }] })).toBe(403);
  expect(await ask({ mcp_servers: [{ url: 'x' }] })).toBe(403);
});

test('gates close a model for a tier, and run out', async () => {
  const gate = {
    id: 'g',
    models: ['m-*'],
    capabilities: [],
    countries: [],
    tiers: ['free'],
    reason: 'r',
    author: 'a',
    created: 0,
    expires: Date.now() + 60_000,
    state: 'closed' as const,
    appeal: 'SW-G',
  };
  const s = await setup({ state: { ...stateWith(), gates: new Map([['g', gate]]) } });
  expect((await failure(openai(s).chat.completions.create({ model: 'm-1', messages: hello }))).status).toBe(403);
  await openai(s).chat.completions.create({ model: 'other', messages: hello });
  await openai(s, 'sk-bob').chat.completions.create({ model: 'm-1', messages: hello });
});

const raw = (port: number, text: string): Promise<string> =>
  new Promise((resolve) => {
    const c = connect(port, '127.0.0.1', () => c.write(text));
    let got = '';
    c.on('data', (d) => {
      got += d.toString();
    });
    c.on('close', () => resolve(got));
    c.on('error', () => resolve(got));
    setTimeout(() => c.destroy(), 1500);
  });

test('what is not understood is refused, and never forwarded', async () => {
  const s = await setup();
  const post = (path: string, headers: Record<string, string>, body: string | Buffer) =>
    fetch(`http://127.0.0.1:${s.port}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': 'sk-alice', ...headers },
      body: body as never,
    }).then((r) => r.status);
  expect(await post('/v1/messages', {}, '{"model":')).toBe(400);
  expect(await post('/v1/messages', {}, '[1]')).toBe(400);
  expect(await post('/v1/messages', {}, 'null')).toBe(400);
  expect(await post('/v1/messages', {}, '')).toBe(400);
  expect(await post('/v1/unknown', {}, '{}')).toBe(404);
  expect(await post('/v1/messages/../chat/completions', { 'x-api-key': 'nobody' }, '{}')).toBe(401);
  expect(await post('/v1/messages', { 'content-encoding': 'gzip' }, gzipSync('{}'))).toBe(415);
  expect(await post('/v1/messages', {}, `{"x":"${'a'.repeat(300_000)}"}`)).toBe(413);
  expect(await post('/__proto__', {}, '{}')).toBe(404);
  expect(await fetch(`http://127.0.0.1:${s.port}/v1/messages`, { method: 'POST', body: '{}' }).then((r) => r.status)).toBe(401);
  // The account decided about must be the one the upstream takes: two keys are none.
  expect(await post('/v1/messages', { authorization: 'Bearer sk-bob' }, '{"model":"m"}')).toBe(400);
  expect(await post('/v1/messages', { 'api-key': 'sk-bob' }, '{"model":"m"}')).toBe(400);
  expect(
    await raw(s.port, 'POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-alice\r\nx-api-key: sk-bob\r\ncontent-length: 2\r\n\r\n{}'),
  ).toMatch(/^HTTP\/1\.1 400/);
  expect(await fetch(`http://127.0.0.1:${s.port}/v1/models/%2e%2e/messages`).then((r) => r.status)).toBe(404);
  const body = '{"model":"m","messages":[]}';
  // Both lengths, a folded header, a bare line feed in the chunk size: each can hide a second request.
  for (const text of [
    `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-alice\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n`,
    `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-alice\r\ncontent-length: ${body.length}\r\ncontent-length: 1\r\n\r\n${body}`,
    `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-alice\r\ntransfer-encoding: xchunked\r\n\r\n${body}`,
    `POST /v1/messages HTTP/1.1\r\nx-api-key: sk-alice\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    `GET /v1/models HTTP/1.1\r\nhost: x\r\nx: ${'h'.repeat(40_000)}\r\n\r\n`,
    `\x00\x01\x02`,
  ])
    expect(await raw(s.port, text)).toMatch(/^HTTP\/1\.1 4\d\d|^$/);
  expect(s.up.seen).toHaveLength(0);
  // After all that it still serves.
  await openai(s).chat.completions.create({ model: 'm', messages: hello });
});

test('odd values in a body harm nothing', async () => {
  const s = await setup();
  for (const body of [
    '{"tools":[null,1,{"function":null}],"messages":[null,7,{"content":{"a":1}}],"model":{}}',
    '{"messages":"x","tools":{},"stream":1,"max_tokens":1e999}',
    `{"messages":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  ])
    expect(
      await fetch(`http://127.0.0.1:${s.port}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk-alice' },
        body,
      }).then((r) => r.status),
    ).toBe(200);
  expect(s.records()).toHaveLength(3);
});

test('a name that stands twice in a body does not get round a gate', async () => {
  const gate = {
    id: 'g',
    models: ['closed'],
    capabilities: [],
    countries: [],
    tiers: [],
    reason: 'r',
    author: 'a',
    created: 0,
    expires: Date.now() + 60_000,
    state: 'closed' as const,
    appeal: 'SW-G',
  };
  const s = await setup({ state: { ...stateWith(), gates: new Map([['g', gate]]) } });
  const seen: string[] = [];
  await fetch(`http://127.0.0.1:${s.port}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-alice' },
    body: '{"model":"closed","messages":[],"model":"open"}',
  }).then((r) => seen.push(String(r.status)));
  expect(seen).toEqual(['200']);
  expect(s.up.seen[0]?.raw).not.toContain('closed');
});

test('the address of a client is believed only through a trusted proxy, and hop headers stay here', async () => {
  const s = await setup();
  await fetch(`http://127.0.0.1:${s.port}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'sk-alice', 'x-forwarded-for': '6.6.6.6, 198.51.100.7', 'accept-encoding': 'br' },
    body: '{"model":"m","messages":[]}',
  });
  expect(s.records()[0]).toMatchObject({ ip: '198.51.100.7' });
  expect(s.up.seen[0]?.headers['accept-encoding']).toBe('identity');
  await raw(
    s.port,
    'POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: sk-alice\r\nconnection: x-secret-hop, close\r\nx-secret-hop: 1\r\nproxy-authorization: Basic x\r\nte: trailers\r\ncontent-length: 13\r\n\r\n{"model":"m"}',
  );
  expect(s.up.seen[1]?.headers).toMatchObject({ 'x-api-key': 'sk-alice' });
  for (const h of ['x-secret-hop', 'proxy-authorization', 'te']) expect(s.up.seen[1]?.headers).not.toHaveProperty(h);
});

test('history is kept as turns without text, and scopes come before any text', async () => {
  const s = await setup({
    extra: 'scopes:\n  - match: {models: [quiet]}\n    mode: metadata-only\n  - match: {accounts: [bob]}\n    mode: exclude\n',
  });
  const turns = [
    { role: 'user' as const, content: 'an old secret' },
    { role: 'assistant' as const, content: 'an old answer' },
    { role: 'user' as const, content: 'new words' },
  ];
  await openai(s).chat.completions.create({ model: 'm', messages: turns });
  await openai(s).chat.completions.create({ model: 'quiet', messages: hello });
  await openai(s, 'sk-bob').chat.completions.create({ model: 'm', messages: hello });
  const [first, second, third] = s.records();
  expect(first?.['messages']).toEqual([
    { role: 'user', content: '' },
    { role: 'assistant', content: '' },
    { role: 'user', content: 'new words' },
  ]);
  expect(first?.['turn']).toBe(2);
  expect(second).toMatchObject({ content_state: 'absent', model: 'quiet' });
  expect(second).not.toHaveProperty('messages');
  expect(third).toBeUndefined();
});

test('decisions for gateways: JSON, Envoy, nginx, LiteLLM', async () => {
  const s = await setup({ state: stateWith(barrier('suspend')) });
  const at = `http://127.0.0.1:${s.decide}`;
  const post = (path: string, body: unknown) =>
    fetch(at + path, { method: 'POST', body: JSON.stringify(body) }).then(
      async (r) => [r.status, (await r.json()) as Record<string, unknown>] as const,
    );
  expect((await post('/v1/decide', { account: 'alice', dialect: 'anthropic' }))[1]).toMatchObject({
    action: 'refuse',
    allow: false,
    status: 403,
    reference: 'SW-AAAAA-BBBBB',
    retry: false,
    body: { type: 'error', error: { type: 'permission_error' } },
  });
  expect((await post('/v1/decide', { key: 'sk-bob' }))[1]).toMatchObject({ action: 'allow', allow: true });
  expect((await post('/v1/decide', {}))[0]).toBe(400);
  const envoy = (key: string) => fetch(`${at}/envoy/v1/chat/completions`, { method: 'POST', headers: { authorization: `Bearer ${key}` } });
  expect((await envoy('sk-bob')).status).toBe(200);
  const stopped = await envoy('sk-alice');
  expect(stopped.status).toBe(403);
  expect(stopped.headers.get('x-should-retry')).toBe('false');
  expect((await envoy('nobody')).status).toBe(401);
  const nginx = (key: string) => fetch(`${at}/nginx/auth`, { headers: { authorization: `Bearer ${key}` } }).then((r) => r.status);
  expect([await nginx('sk-bob'), await nginx('sk-alice'), await nginx('nobody')]).toEqual([204, 403, 401]);
  // A caller's own word about the account counts for nothing beside a key.
  expect(
    await fetch(`${at}/nginx/auth`, { headers: { authorization: 'Bearer sk-alice', 'x-stillwatch-account': 'x' } }).then((r) => r.status),
  ).toBe(403);
  // Without a key it is the gateway's word where the configuration says that the gateway gives it, and nobody's otherwise.
  const named = { headers: { 'x-stillwatch-account': 'bob' } };
  expect((await fetch(`${at}/nginx/auth`, named)).status).toBe(401);
  const told = await setup({ state: stateWith(barrier('suspend')), decisionsExtra: '  account_header: X-Stillwatch-Account\n' });
  expect((await fetch(`http://127.0.0.1:${told.decide}/nginx/auth`, named)).status).toBe(204);
  const lite = (account: string, input_type = 'request') =>
    post('/beta/litellm_basic_guardrail_api', { texts: ['x'], input_type, request_data: { user_api_key_user_id: account } });
  expect((await lite('alice'))[1]).toMatchObject({ action: 'BLOCKED' });
  expect((await lite('bob'))[1]).toEqual({ action: 'NONE' });
  expect((await lite('alice', 'response'))[1]).toEqual({ action: 'NONE' });
});

test('intake takes JSON Lines, plain and gzip, and OTLP; a bomb is refused', async () => {
  const s = await setup();
  const at = `http://127.0.0.1:${s.decide}`;
  const lines = '{"id":"1"}\n{"id":"2"}\n';
  expect(await fetch(`${at}/v1/exchanges`, { method: 'POST', body: lines }).then((r) => r.json())).toEqual({ taken: 2 });
  expect(
    await fetch(`${at}/v1/exchanges`, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: gzipSync(lines) }).then((r) =>
      r.json(),
    ),
  ).toEqual({ taken: 2 });
  // Packed without saying so it is told by what it is; what is not taken is refused, and no heap of rejected lines.
  const send = (body: Buffer) => fetch(`${at}/v1/exchanges`, { method: 'POST', body: new Uint8Array(body) });
  expect(await send(gzipSync(lines)).then((r) => r.json())).toEqual({ taken: 2 });
  expect((await send(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 10, 3]))).status).toBe(415);
  expect(
    await fetch(`${at}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"resourceSpans":\n[]}',
    }).then((r) => r.status),
  ).toBe(200);
  const bomb = gzipSync(Buffer.alloc(100 * 1024 * 1024));
  expect(
    await fetch(`${at}/v1/exchanges`, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: bomb }).then((r) => r.status),
  ).toBe(413);
  expect(await fetch(`${at}/v1/exchanges?format=nonsense`, { method: 'POST', body: lines }).then((r) => r.status)).toBe(400);
  expect(
    await fetch(`${at}/v1/exchanges`, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: 'no gzip' }).then((r) => r.status),
  ).toBe(400);
});

test('when the spool is full, traffic is refused or logs are shed, as configured, and counted', async () => {
  const refusing = await setup({ extra: 'spool:\n  bytes_max: 1\n  when_full: refuse\n' });
  // The first fits no more than the bound allows; the second finds it full.
  await openai(refusing).chat.completions.create({ model: 'm', messages: hello });
  expect((await failure(openai(refusing).chat.completions.create({ model: 'm', messages: hello }, { maxRetries: 0 }))).status).toBe(503);
  const shedding = await setup({ extra: 'spool:\n  bytes_max: 1\n  when_full: shed\n' });
  for (let i = 0; i < 3; i++) await openai(shedding).chat.completions.create({ model: 'm', messages: hello });
  expect(await shedding.worker.parts.meters.registry.metrics()).toContain('stillwatch_records_total{state="shed"} 2');
});

test('what a model thinks all the same does not come through where reasoning is withheld, and the clients read the rest as ever', async () => {
  const s = await setup({ state: stateWith(barrier('withhold')) });
  const raw = async (path: string, stream: boolean) => {
    const r = await fetch(`http://127.0.0.1:${s.port}${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-alice' },
      body: JSON.stringify({ model: 'thinks', max_tokens: 50, stream, messages: hello, input: 'Hello' }),
    });
    expect(r.headers.get('stillwatch-notice')).toContain('reasoning withheld');
    return r.text();
  };
  for (const path of ['/v1/messages', '/v1/chat/completions', '/v1/responses'])
    for (const stream of [false, true]) {
      const text = await raw(path, stream);
      expect(text).toContain('Hello there');
      expect(text).not.toContain('secret thought');
    }
  const read = await anthropic(s).messages.stream({ model: 'thinks', max_tokens: 100, messages: hello }).finalMessage();
  expect(read.content).toEqual([{ type: 'text', text: 'Hello there' }]);
  const parts: string[] = [];
  for await (const c of await openai(s).chat.completions.create({ model: 'thinks', messages: hello, stream: true }))
    parts.push(c.choices[0]?.delta.content ?? '');
  expect(parts.join('')).toBe('Hello there');
  // The role, which opens a message, comes through though its event held a thought.
  expect(await raw('/v1/chat/completions', true)).toContain('"role":"assistant"');
  // The usage was read all the same.
  expect(s.records().every((r) => r['output_tokens'] === 34)).toBe(true);
});

test('callers who do not read hold no connection for good, and nobody waits behind them without a word', async () => {
  const s = await setup({ extra: '', proxyExtra: '  upstream_connections: 2\n  queue_timeout_ms: 300\n  stalled_timeout_ms: 900\n' });
  const ask =
    'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-alice\r\ncontent-length: 16\r\n\r\n{"model":"long"}';
  const idle = [0, 1].map(() => {
    const c = connect(s.port, '127.0.0.1');
    c.on('error', () => undefined);
    c.pause();
    c.write(ask);
    return c;
  });
  await new Promise((r) => setTimeout(r, 200));
  const body = JSON.stringify({ model: 'm-1', messages: hello });
  const try_ = () =>
    fetch(`http://127.0.0.1:${s.port}/v1/chat/completions`, { method: 'POST', headers: { authorization: 'Bearer sk-bob' }, body });
  const first = await try_();
  expect(first.status).toBe(503);
  expect(first.headers.get('retry-after')).toBe('1');
  await new Promise((r) => setTimeout(r, 1200));
  expect((await try_()).status).toBe(200);
  for (const c of idle) c.destroy();
});

test('requests wait for the upstream in a queue that is bounded and forgets who went away', async () => {
  const s = await setup({ delayMs: 700, proxyExtra: '  upstream_connections: 1\n  upstream_queue: 2\n' });
  const body = JSON.stringify({ model: 'm-1', messages: hello });
  const ask = (signal?: AbortSignal) =>
    fetch(`http://127.0.0.1:${s.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-bob' },
      body,
      ...(signal ? { signal } : {}),
    }).then(
      (r) => r.status,
      () => 0,
    );
  const first = ask();
  await new Promise((r) => setTimeout(r, 150));
  for (let i = 0; i < 3; i++) {
    const gone = new AbortController();
    const left = [ask(gone.signal), ask(gone.signal)];
    await new Promise((r) => setTimeout(r, 60));
    expect(await ask()).toBe(503);
    gone.abort();
    await Promise.all(left);
    await new Promise((r) => setTimeout(r, 20));
  }
  expect([await first, await ask()]).toEqual([200, 200]);
  // Nobody who went away while waiting was forwarded.
  expect(s.up.seen).toHaveLength(2);
});

test('a rehearsal changes no answer: limits, step-ups, unknown keys at a gateway', async () => {
  const policy = checkPolicy(
    { version: 1, limits: { default: { requests_per_minute: 1 }, verification_required: [{ tiers: ['free'], level: 'id' }] } },
    'p',
  );
  const decide = async (s: Setup, body: unknown) =>
    (await (await fetch(`http://127.0.0.1:${s.decide}/v1/decide`, { method: 'POST', body: JSON.stringify(body) })).json()) as Record<
      string,
      unknown
    >;
  const dry = await setup({ policy, state: EMPTY_STATE });
  for (let i = 0; i < 3; i++) expect((await decide(dry, { account: 'alice', tier: 'free' }))['action']).toBe('allow');
  expect(await dry.worker.parts.meters.registry.metrics()).toMatch(/stillwatch_rehearsed_total\{action="verify"\} 3/);
  const live = await setup({ policy });
  expect((await decide(live, { account: 'alice', tier: 'free' }))['message']).toContain('verified (id)');
  expect((await decide(live, { account: 'bob', tier: 'paid' }))['action']).toBe('allow');
  expect((await decide(live, { account: 'bob', tier: 'paid' }))['action']).toBe('limit');
});

test('two slow barriers on one case are one budget, and a reservation is settled with what was used', async () => {
  const slow = (id: string) => barrier('slow', { id, case: 'k', budget: { requests_per_minute: 2, tokens_per_minute: 1000 } });
  const s = await setup({ state: stateWith(slow('b1'), slow('b2')) });
  const post = async (path: string, body: unknown, to = s) =>
    (await (await fetch(`http://127.0.0.1:${to.decide}${path}`, { method: 'POST', body: JSON.stringify(body) })).json()) as Record<
      string,
      unknown
    >;
  const one = await post('/v1/decide', { account: 'alice', tokens: 900 });
  expect(one['action']).toBe('allow');
  expect((await post('/v1/decide', { account: 'alice', tokens: 900 }))['action']).toBe('slow');
  expect(await post('/v1/settle', { reservation: one['reservation'], tokens: 10 })).toEqual({ settled: true });
  // A call that is repeated gives nothing back twice, and a reservation that nobody gave gives nothing at all.
  expect(await post('/v1/settle', { reservation: one['reservation'], tokens: null })).toEqual({ settled: true });
  expect((await post('/v1/decide', { account: 'alice', tokens: 900 }))['action']).toBe('allow');
  expect((await post('/v1/decide', { account: 'alice', tokens: 1 }))['action']).toBe('slow');
  expect((await post('/v1/settle', { reservation: 'bm9uc2Vuc2U', tokens: 1 }))['error']).toBeDefined();
  // What used all it had reserved is settled too.
  const even = await setup({ state: stateWith(slow('b1')) });
  const all = await post('/v1/decide', { account: 'alice', tokens: 1000 }, even);
  for (const tokens of [1000, null]) await post('/v1/settle', { reservation: all['reservation'], tokens }, even);
  expect((await post('/v1/decide', { account: 'alice', tokens: 1 }, even))['action']).toBe('slow');
});

test('a new account behind a network of an open case gets the limits for new accounts, in a store of plain identifiers and of keyed ones', async () => {
  const key = { k0: '81985529216486895', k1: '18364758544493064720' };
  const policy = checkPolicy(
    { version: 1, limits: { new_accounts: { younger_than_days: 7, apply: 'matching', limits: { requests_per_minute: 1 } } } },
    'p',
  );
  const newcomer = async (indicator: string, of: typeof key | null, ip: string): Promise<unknown> => {
    const [kind = '', value = ''] = indicator.split('\0');
    const open = { id: 'k', status: 'open', accounts: [], indicators: [{ kind, value }] } as unknown as Case;
    const s = await setup({ policy, state: { ...stateWith(), cases: new Map([['k', open]]) } });
    s.worker.take({ type: 'identifiers', key: of });
    const body = JSON.stringify({ account: 'carol', created: new Date().toISOString(), ip });
    return ((await (await fetch(`http://127.0.0.1:${s.decide}/v1/decide`, { method: 'POST', body })).json()) as Record<string, unknown>)[
      'newcomer'
    ];
  };
  const [, plain = ''] = indicatorsOf('198.51.100.7', '', '', null);
  const [, keyed = ''] = indicatorsOf('198.51.100.7', '', '', key);
  expect(keyed).not.toContain('198.51');
  expect(await newcomer(plain, null, '198.51.100.9')).toBe(true);
  expect(await newcomer(keyed, key, '198.51.100.9')).toBe(true);
  expect(await newcomer(keyed, key, '198.51.101.9')).toBe(false);
  expect(await newcomer(keyed, { ...key, k0: '1' }, '198.51.100.9')).toBe(false);
});

test('Envoy with a body, and LiteLLM with a key and tools, are decided by what is asked for', async () => {
  const gate = closed({ models: ['closed-1'], capabilities: [] });
  const tools = { ...gate, id: 't', models: [], capabilities: ['tools'] };
  const s = await setup({
    state: {
      ...stateWith(),
      gates: new Map([
        ['g', gate],
        ['t', tools],
      ]),
    },
  });
  const envoy = (body: unknown, headers = {}) =>
    fetch(`http://127.0.0.1:${s.decide}/envoy/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-bob', ...headers },
      body: JSON.stringify(body),
    });
  expect((await envoy({ model: 'm-1', messages: hello })).status).toBe(200);
  expect((await envoy({ model: 'closed-1', messages: hello }, { 'x-stillwatch-model': 'm-1' })).status).toBe(403);
  const litellm = async (body: unknown) =>
    (
      (await (
        await fetch(`http://127.0.0.1:${s.decide}/beta/litellm_basic_guardrail_api`, { method: 'POST', body: JSON.stringify(body) })
      ).json()) as { action: string }
    ).action;
  expect(await litellm({ texts: ['x'], model: 'closed-1', request_data: { user_api_key_hash: keyHash('sk-bob') } })).toBe('BLOCKED');
  expect(await litellm({ texts: ['x'], tools: [{ type: 'function' }], request_data: { user_api_key_user_id: 'bob' } })).toBe('BLOCKED');
  expect(await litellm({ texts: ['x'], model: 'm-1', request_data: {} })).toBe('NONE');
  // Which model it asks for is not said: it may be the closed one.
  expect(await litellm({ texts: ['x'], request_data: {} })).toBe('BLOCKED');
});

test('a name that stands twice costs at Envoy what the request may use', async () => {
  const s = await setup({ policy: checkPolicy({ version: 1, limits: { default: { tokens_per_minute: 5000 } } }, 'test') });
  const ask = async () =>
    (
      await fetch(`http://127.0.0.1:${s.decide}/envoy/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk-bob' },
        body: '{"model":"a","messages":[],"model":"b","max_tokens":4000}',
      })
    ).status;
  expect([await ask(), await ask()]).toEqual([200, 429]);
});

test('counting tokens is decided like any request, and uses none', async () => {
  const gate = closed({ models: ['large-*'], capabilities: [] });
  const s = await setup({
    policy: checkPolicy({ version: 1, limits: { default: { tokens_per_minute: 5000 } } }, 'test'),
    state: { ...stateWith(), gates: new Map([['g', gate]]) },
  });
  const a = anthropic(s);
  for (let i = 0; i < 5; i++) await a.messages.countTokens({ model: 'm-1', messages: [{ role: 'user', content: 'x'.repeat(16_000) }] });
  expect((await failure(a.messages.countTokens({ model: 'large-1', messages: hello }))).status).toBe(403);
  expect((await a.messages.create({ model: 'm-1', max_tokens: 100, messages: hello })).usage.output_tokens).toBe(34);
});

test('a gate is not walked round by another spelling, a second name, a list of models, or what is not said', async () => {
  const reasoning = { ...closed({ models: [], capabilities: ['reasoning'] }), id: 'r' };
  const s = await setup({
    state: {
      ...stateWith(),
      gates: new Map([
        ['g', closed({ models: ['large-*'], capabilities: [] })],
        ['r', reasoning],
      ]),
    },
  });
  const envoy = async (body: unknown, path = 'chat/completions') =>
    (
      await fetch(`http://127.0.0.1:${s.decide}/envoy/v1/${path}`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk-bob' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })
    ).status;
  expect(await envoy({ model: 'small', messages: hello })).toBe(200);
  for (const body of [
    { model: 'Large-1', messages: hello },
    { model: 'small', models: ['large-1'], messages: hello },
    { model: 'small', Model: 'large-1', messages: hello },
    { messages: hello },
    '{"model":"large-1","messages":[],"model":"small"}',
  ])
    expect({ body, status: await envoy(body) }).toEqual({ body, status: 403 });
  // A prompt kept at the provider may ask for reasoning, whatever else is seen of it.
  expect(await envoy({ model: 'small', input: 'x', prompt: { id: 'pmpt_1' } }, 'responses')).toBe(403);
  expect(await envoy({ model: 'small', input: 'x' }, 'responses')).toBe(200);
  const list = await fetch(`http://127.0.0.1:${s.decide}/envoy/v1/models`, { headers: { authorization: 'Bearer sk-bob' } });
  expect(list.status).toBe(200);
  const litellm = await fetch(`http://127.0.0.1:${s.decide}/beta/litellm_basic_guardrail_api`, {
    method: 'POST',
    body: JSON.stringify({ texts: ['x'], model: 'small', request_data: { reasoning_effort: 'high' } }),
  });
  expect(await litellm.json()).toMatchObject({ action: 'BLOCKED' });
});

const PARTS = `
      messages: contents
      content: parts
      system: systemInstruction.parts
      tools: tools
      output_max: generationConfig.maxOutputTokens
      reasoning: [generationConfig.thinkingConfig]
      thoughts: ["candidates.*.content.parts.*[thought]"]
      usage: {input: usageMetadata.promptTokenCount, output: usageMetadata.candidatesTokenCount, reasoning: usageMetadata.thoughtsTokenCount, stop: candidates.0.finishReason}`;
const OWN_NAMES = `  routes:
    /v1beta/models/{model}:generateContent: ${PARTS}
    /v1beta/models/{model}:streamGenerateContent: ${PARTS}
      stream: true
    /api/chat:
      model: model
      messages: messages
      stream: stream
      thoughts: [message.thinking]
      usage: {input: prompt_eval_count, output: eval_count, stop: done_reason}
    /api/plain:
      messages: prompt
`;

const ask = {
  contents: [{ role: 'user', parts: [{ text: 'Name three rivers.' }] }],
  systemInstruction: { parts: [{ text: 'You are brief.' }] },
  generationConfig: { maxOutputTokens: 64, thinkingConfig: { thinkingBudget: 100 } },
};

test('an API with field names of its own is read by a map: who asks what of which model, what it used, and its thoughts', async () => {
  const s = await setup({ proxyExtra: OWN_NAMES });
  const post = (port: number, path: string, body: unknown, key = 'sk-bob') =>
    fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: JSON.stringify(body) });
  expect(await (await post(s.port, '/v1beta/models/m-9:generateContent', ask)).text()).toContain('Hello there');
  expect(await (await post(s.port, '/v1beta/models/m-9:streamGenerateContent?alt=sse', ask)).text()).toContain(' there');
  expect(await (await post(s.port, '/api/chat', { model: 'l-3', stream: true, messages: hello })).text()).toContain('"done":true');
  const records = s.records();
  expect(records.map((r) => r['model'])).toEqual(['m-9', 'm-9', 'l-3']);
  for (const r of records.slice(0, 2))
    expect(r).toMatchObject({
      account: 'bob',
      system: JSON.stringify(ask.systemInstruction.parts),
      messages: [{ role: 'user', content: JSON.stringify(ask.contents[0]?.parts) }],
      params: { max_tokens: 64 },
      input_tokens: 12,
      output_tokens: 34,
      reasoning_tokens: 20,
      stop_reason: 'STOP',
    });
  expect(records[2]).toMatchObject({ stream: true, input_tokens: 12, output_tokens: 34, stop_reason: 'stop' });
  // No path that merely looks like one, and no step upwards behind a name.
  for (const path of ['/v1beta/models/a/b:generateContent', '/v1beta/models/..%2fm:generateContent', '/v1beta/models/m:other'])
    expect((await post(s.port, path, ask)).status).toBe(404);
});

test('thoughts of an API with names of its own are withheld where a map says where they are; elsewhere it is refused and not promised', async () => {
  const s = await setup({ proxyExtra: OWN_NAMES, state: stateWith(barrier('withhold')) });
  const post = (path: string, body: unknown) =>
    fetch(`http://127.0.0.1:${s.port}${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-alice' },
      body: JSON.stringify(body),
    });
  for (const [path, body] of [
    ['/v1beta/models/m-9:generateContent', ask],
    ['/v1beta/models/m-9:streamGenerateContent', ask],
    ['/api/chat', { model: 'l-3', stream: true, messages: hello }],
  ] as const) {
    const r = await post(path, body);
    const text = await r.text();
    expect(r.headers.get('stillwatch-notice')).toContain('reasoning withheld');
    expect(text).toContain('Hello');
    expect(text).toContain('34');
    expect(text).not.toContain('secret thought');
  }
  expect(s.up.seen[0]?.body['generationConfig']).toEqual({ maxOutputTokens: 64 });
  const refused = await post('/api/plain', { prompt: 'Hello' });
  expect(refused.status).toBe(403);
  expect(await refused.text()).toContain('reasoning_withheld');
  expect(s.up.seen.some((x) => x.path === '/api/plain')).toBe(false);
});

test('thoughts are taken out of answers of one object a line, also where a mark begins each, and usage is read off them', () => {
  const body = (mark: string) =>
    [{ message: { content: '', thinking: 'the secret thought' } }, { message: { content: 'Hello' }, done: true, eval_count: 34 }]
      .map((j) => `${mark}${JSON.stringify(j)}\n`)
      .join('');
  for (const [type, mark] of [
    ['application/x-ndjson', ''],
    ['application/json-seq', '\u001e'],
  ] as const) {
    const filter = new Withheld('json', type, ['message.thinking']);
    const text = Buffer.concat([filter.take(Buffer.from(body(mark))), filter.end()]).toString();
    expect(text).toBe(body(mark).replace(',"thinking":"the secret thought"', ''));
    const tap = new UsageTap(type, v.parse(FIELDS, { usage: { output: 'eval_count' } }));
    tap.take(Buffer.from(body(mark)));
    expect(tap.end(true).output).toBe(34);
  }
});

test('a gate on a capability holds for an API with names of its own', async () => {
  const gate = closed({ models: [], capabilities: ['reasoning', 'vision', 'tools'] });
  const s = await setup({ proxyExtra: OWN_NAMES, state: { ...stateWith(), gates: new Map([['g', gate]]) } });
  const status = async (body: unknown) =>
    (
      await fetch(`http://127.0.0.1:${s.port}/v1beta/models/m-9:generateContent`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk-bob' },
        body: JSON.stringify(body),
      })
    ).status;
  const plain = { contents: ask.contents };
  expect(await status(plain)).toBe(200);
  expect(await status(ask)).toBe(403);
  expect(await status({ ...plain, tools: [{ functionDeclarations: [{ name: 'f' }] }] })).toBe(403);
  expect(await status({ contents: [{ role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: 'AA' } }] }] })).toBe(403);
});
