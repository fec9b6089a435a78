import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Budgets } from '../src/barriers/gcra.ts';
import { MemoryBudgets } from '../src/barriers/gcra.ts';
import { type Barrier, EMPTY_STATE, type Gate, type State } from '../src/barriers/model.ts';
import { NO_POLICY } from '../src/barriers/policy.ts';
import { snapshotOf } from '../src/barriers/snapshot.ts';
import { readConfig } from '../src/gateway/config.ts';
import { Guard } from '../src/gateway/guard.ts';
import { keyHash } from '../src/gateway/lookup.ts';
import { readSegment, ready, Spool } from '../src/gateway/spool.ts';
import { Withheld } from '../src/gateway/withhold.ts';
import { Worker } from '../src/gateway/worker.ts';
import { Intake } from '../src/serve/intake.ts';
import { barrier } from './support/barrier.ts';
import { jsonl, record, temp, withStore } from './support/tools.ts';
import { upstream } from './support/upstream.ts';

/** Ways round what stands, each of which was open once. */

const disk = vi.hoisted(() => ({ full: false }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return {
    ...fs,
    // A disk that fills up in the middle of a line.
    writeSync: (fd: number, data: Buffer, from = 0, length = data.length, at: number | null = null) => {
      if (!disk.full || !Buffer.isBuffer(data)) return fs.writeSync(fd, data, from, length, at);
      fs.writeSync(fd, data, from, Math.floor(length / 2), at);
      throw new Error('ENOSPC: no space left on device');
    },
  };
});

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  disk.full = false;
  vi.useRealTimers();
  for (const o of open.splice(0).reverse()) await o.close();
});

const gate = (over: Partial<Gate>): Gate => ({
  id: 'g',
  models: [],
  capabilities: [],
  countries: [],
  tiers: [],
  reason: 'r',
  author: 'ann',
  created: 0,
  expires: Date.now() + 60_000,
  state: 'closed',
  appeal: 'SW-G',
  ...over,
});
const state = (barriers: readonly Barrier[], gates: readonly Gate[] = []): State => ({
  ...EMPTY_STATE,
  enforcing: true,
  barriers: new Map(barriers.map((b) => [b.id, b])),
  gates: new Map(gates.map((g) => [g.id, g])),
});

const ROUTES = `  routes:
    /v1/chat/completions: openai
    /v1/responses: openai-responses
    /v1/messages: anthropic
    /v1beta/models/{model}:generateContent: {messages: contents, content: parts}
`;

async function serving(s: State, extra = '') {
  const up = await upstream();
  open.push(up);
  const dir = temp();
  writeFileSync(join(dir, 'keys.csv'), `key_sha256,account,tier\n${keyHash('sk-alice')},alice,free\n${keyHash('sk-bob')},bob,paid\n`);
  writeFileSync(
    join(dir, 's.yaml'),
    `state: ./state\nproxy:\n  listen: 127.0.0.1:0\n  upstream: ${up.url}\n${ROUTES}decisions: {listen: "127.0.0.1:0"${extra}}\naccounts: {file: keys.csv}\n`,
  );
  const { config } = readConfig(join(dir, 's.yaml'));
  const worker = new Worker(config, 'w0');
  worker.take({ type: 'snapshot', snapshot: snapshotOf(s, NO_POLICY.limits, 1, 0, Date.now()) });
  await worker.listen();
  open.push({ close: () => worker.drain(500) });
  const [proxy = 0, decide = 0] = worker.ports();
  const ask = (path: string, body: unknown, headers: Record<string, string> = { authorization: 'Bearer sk-alice' }) =>
    fetch(`http://127.0.0.1:${proxy}${path}`, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
  return { ask, decide: `http://127.0.0.1:${decide}`, up };
}
const hello = [{ role: 'user', content: 'Hello' }];

describe('a second key', () => {
  test('beside the one that is looked at passes no barrier, at the proxy, at Envoy, or at nginx', async () => {
    const { ask, decide } = await serving(state([barrier('hold')]));
    const both = { authorization: 'Bearer sk-alice', 'x-api-key': 'junk' };
    expect((await fetch(`${decide}/envoy/v1/chat/completions`, { method: 'POST', headers: both })).status).not.toBe(200);
    expect((await fetch(`${decide}/nginx/auth`, { headers: both })).status).toBe(403);
    expect((await fetch(`${decide}/nginx/auth`, { headers: { ...both, authorization: 'x', 'api-key': 'sk-alice' } })).status).toBe(403);
    expect((await ask('/v1/chat/completions', { model: 'm', messages: hello }, both)).status).toBe(400);
    const path = '/v1beta/models/m:generateContent';
    const body = { contents: [{ role: 'user', parts: [] }] };
    for (const name of ['key', 'API_KEY', 'access_token'])
      expect((await ask(`${path}?${name}=sk-alice`, body, { 'x-api-key': 'sk-bob' })).status).toBe(400);
    expect((await ask(`${path}?alt=sse&key=sk-bob`, body, { 'x-api-key': 'sk-bob' })).status).not.toBe(400);
  });
});

describe('a gate', () => {
  test('on a model holds however the model is named, and where it cannot be told', async () => {
    const { ask, decide, up } = await serving(state([], [gate({ models: ['large*'] })]));
    expect((await ask('/v1beta/models/%6carge:generateContent', { contents: [] })).status).toBe(403);
    expect((await ask('/v1/responses', { prompt: { id: 'p' }, input: 'x' })).status).toBe(403);
    expect((await ask('/v1/chat/completions', { model: 'small', models: ['small', 'large-2'], messages: hello })).status).toBe(403);
    expect((await ask('/v1/chat/completions', { model: 'small', messages: hello })).status).toBe(200);
    const envoy = (body: string, headers = {}) =>
      fetch(`${decide}/envoy/v1/chat/completions`, { method: 'POST', headers: { authorization: 'Bearer sk-bob', ...headers }, body });
    const small = JSON.stringify({ model: 'small', messages: hello });
    expect((await envoy(small)).status).toBe(200);
    for (const cut of [envoy(small, { 'x-envoy-auth-partial-body': 'true' }), envoy('{"model": "sma'), envoy('')])
      expect((await cut).status).toBe(403);
    const nginx = (headers: Record<string, string>) =>
      fetch(`${decide}/nginx/auth`, { headers: { authorization: 'Bearer sk-bob', ...headers } });
    expect((await nginx({})).status).toBe(403);
    expect((await nginx({ 'x-stillwatch-model': 'small' })).status).toBe(204);
    // What passes goes on to the letter: no long number loses its digits.
    await ask('/v1/chat/completions', '{"model":"small","seed":9007199254740993,"messages":[{"role":"user","content":"a \\" : b"}]}');
    expect(up.seen.at(-1)?.raw).toContain('9007199254740993');
  });

  test('on what is seen or thought sees it in every shape it has', async () => {
    const { ask } = await serving(state([], [gate({ capabilities: ['vision', 'reasoning'] })]));
    const chat = (x: object) => ask('/v1/chat/completions', { model: 'm', messages: hello, ...x }).then((r) => r.status);
    const file = { role: 'user', content: [{ type: 'file', file: { file_id: 'f' } }] };
    expect(await chat({ messages: [file] })).toBe(403);
    for (const x of [
      { include_reasoning: true },
      { enable_thinking: true },
      { reasoning_effort: 'high' },
      { output_config: { effort: 'high' } },
    ])
      expect(await chat(x)).toBe(403);
    for (const x of [{}, { reasoning_effort: 'none' }, { enable_thinking: false }]) expect(await chat(x)).toBe(200);
    const shot = { type: 'computer_call_output', call_id: 'c', output: { type: 'computer_screenshot', image_url: 'data:' } };
    expect((await ask('/v1/responses', { model: 'm', input: [shot] })).status).toBe(403);
  });

  test('on a country holds at Envoy and nginx, where the gateway says where a request comes from', async () => {
    const { decide } = await serving(state([], [gate({ countries: ['XX'] })]), ', country_header: x-country');
    const headers = { authorization: 'Bearer sk-bob', 'x-country': 'xx' };
    expect((await fetch(`${decide}/envoy/v1/chat/completions`, { method: 'POST', headers })).status).toBe(403);
    expect((await fetch(`${decide}/nginx/auth`, { headers })).status).toBe(403);
    expect((await fetch(`${decide}/nginx/auth`, { headers: { ...headers, 'x-country': 'yy' } })).status).toBe(204);
  });
});

describe('who somebody is', () => {
  test('is what the holder of the key is, whatever is said beside it', async () => {
    const { decide } = await serving(state([], [gate({ tiers: ['free'] })]));
    const post = (body: unknown) =>
      fetch(`${decide}/v1/decide`, { method: 'POST', body: JSON.stringify(body) }).then((r) => r.json() as Promise<{ action: string }>);
    expect((await post({ key: 'sk-alice', tier: 'paid' })).action).toBe('closed');
    expect((await post({ account: 'carol', tier: 'paid' })).action).toBe('allow');
  });
});

describe('a token budget', () => {
  const guarded = (budgets: Budgets, limits: object, barriers: readonly Barrier[] = []) => {
    const g = new Guard(budgets, { verify_url: '', appeal_url: '', name_the_policy: false, redis: undefined });
    g.set(snapshotOf(state(barriers), { ...NO_POLICY.limits, ...limits }, 1, 0, 0));
    return g;
  };
  const who = { account: 'alice', model: 'm', capabilities: [] };

  test('is not overspent by 200 requests at once that do not say how much they may use', async () => {
    const g = guarded(new MemoryBudgets(), { default: { tokens_per_minute: 100_000 } });
    const burst = async (now: number) =>
      (await Promise.all(Array.from({ length: 200 }, () => g.check('openai', who, 1100, now, { open: true })))).filter((x) => x.ok);
    const first = await burst(1000);
    expect(first).toHaveLength(3);
    for (const p of first) if (p.ok) await g.settle(p, 50_000, 2000);
    // 150,000 are spent, no more than three can use; the budget is in debt and lets nothing through.
    expect(await burst(3000)).toHaveLength(0);
    // Two minutes on, what such requests used of late is what one reserves.
    expect(await burst(123_000)).toHaveLength(1);
  });

  test('is not overspent after a small request either: one primes nothing for 200 large ones at once', async () => {
    const g = guarded(new MemoryBudgets(), { default: { tokens_per_minute: 100_000 } });
    const p = await g.check('openai', who, 20, 1000, { open: true });
    if (p.ok) await g.settle(p, 10, 1000);
    const many = await Promise.all(Array.from({ length: 200 }, () => g.check('openai', who, 20, 1001, { open: true })));
    expect(many.filter((x) => x.ok).length).toBeLessThanOrEqual(4);
    // Those that are over make room again, what they did not use comes back, and one after the other is small.
    for (const x of many) if (x.ok) await g.settle(x, 10, 1002);
    for (let i = 0; i < 50; i++) {
      const one = await g.check('openai', who, 20, 1003, { open: true });
      expect(one.ok).toBe(true);
      if (one.ok) await g.settle(one, 10, 1003);
    }
  });

  test('is not made to look small by requests that the service refuses', async () => {
    const g = guarded(new MemoryBudgets(), { default: { tokens_per_minute: 100_000 } });
    for (const used of [40_000, ...Array.from({ length: 30 }, () => 0)]) {
      const p = await g.check('openai', who, 20, 1000, { open: true });
      if (p.ok) await g.settle(p, used, 1000);
    }
    // What such requests use is still what one used: of the 60,000 that are left one fits.
    const p = await g.check('openai', who, 20, 1000, { open: true });
    expect(p.ok && p.asks.find((a) => a.key.endsWith(':t'))?.units).toBe(60_000);
  });

  test('is reserved whole by a request whose input lies elsewhere', async () => {
    const g = guarded(new MemoryBudgets(), { default: { tokens_per_minute: 100_000 } });
    const many = await Promise.all(Array.from({ length: 200 }, () => g.check('openai', who, 30, 1000, { far: true })));
    expect(many.filter((x) => x.ok)).toHaveLength(1);
  });

  test('gives back once, whatever goes wrong afterwards', async () => {
    const g = guarded(new MemoryBudgets(), { default: { tokens_per_minute: 10_000 } });
    const p = await g.check('openai', who, 10_000, 1000);
    if (p.ok) for (let i = 0; i < 3; i++) await g.settle(p, i === 0 ? 10_000 : null, 1000);
    expect((await g.check('openai', who, 1000, 1000)).ok).toBe(false);
  });

  test('may be set not to hold up small requests: they are known after the first', async () => {
    const g = guarded(new MemoryBudgets(), { default: { tokens_per_minute: 100_000 }, unbounded_requests: 'usual' });
    for (let i = 0; i < 3; i++) {
      const p = await g.check('openai', who, 300, 1000, { open: true });
      if (p.ok) await g.settle(p, 500, 1000);
    }
    const many = await Promise.all(Array.from({ length: 80 }, () => g.check('openai', who, 300, 1001, { open: true })));
    expect(many.every((x) => x.ok)).toBe(true);
  });

  test('of a slowed campaign is reserved for the worst that may come', async () => {
    const g = guarded(new MemoryBudgets(), {}, [barrier('slow', { case: 'k', budget: { tokens_per_minute: 5000 } })]);
    const p = await g.check('openai', who, 300, 1000, { open: true });
    if (p.ok) await g.settle(p, 100, 1000);
    expect((await Promise.all([1, 2, 3].map(() => g.check('openai', who, 300, 1001, { open: true })))).filter((x) => x.ok)).toHaveLength(0);
    expect((await g.check('openai', who, 300, 5000, { open: true })).ok).toBe(true);
  });
});

describe('reasoning that is withheld', () => {
  const chunk = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}`;
  const through = (type: string, parts: readonly string[]): string => {
    const w = new Withheld('openai', type);
    return Buffer.concat([...parts.map((p) => w.take(Buffer.from(p))), w.end()]).toString();
  };

  test('is found whatever the answer says it is, and whatever ends its lines', () => {
    const whole = JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'Hi', reasoning_content: 'SECRET' } }] });
    for (const type of ['text/plain', '', 'application/octet-stream', 'application/json']) {
      expect(through(type, [whole])).toContain('Hi');
      expect(through(type, [whole, ''])).not.toContain('SECRET');
      expect(through(type, [`[${whole}]`])).not.toContain('SECRET');
    }
    for (const end of ['\n\n', '\r\n\r\n', '\r\r', '\n\r\n'])
      for (const type of ['text/event-stream', 'text/plain']) {
        const out = through(type, [chunk({ reasoning_content: 'SECRET' }), end, chunk({ content: 'Hi' }), end, 'data: [DONE]', end]);
        expect(out).toContain('Hi');
        expect(out).toContain('[DONE]');
        expect(out).not.toContain('SECRET');
      }
    expect(() => through('text/plain', ['thinking out loud, SECRET'])).toThrow(/no JSON/);
    expect(through('text/html', [])).toBe('');
    const failed = new Withheld('openai', 'text/html', undefined, 502);
    expect(Buffer.concat([failed.take(Buffer.from('<html>bad gateway</html>')), failed.end()]).toString()).toContain('bad gateway');
  });

  test('is found between tags that an answer begins with, in one piece or in many; tags later on are the text itself', () => {
    const whole = (content: string) =>
      through('application/json', [JSON.stringify({ choices: [{ message: { role: 'assistant', content } }] })]);
    expect(whole('<think>SECRET</think>\n\nHi')).not.toContain('SECRET');
    expect(whole('<think>SECRET</think>\n\nHi')).toContain('"Hi"');
    expect(whole('Use <think>this</think> tag')).toContain('<think>this</think>');
    const said = (parts: readonly string[]) =>
      through('text/event-stream', [...parts.map((x) => `${chunk({ content: x })}\n\n`), `${chunk({}, 'stop')}\n\n`])
        .split('\n')
        .flatMap((l) =>
          l.startsWith('data: {')
            ? [(JSON.parse(l.slice(6)) as { choices: { delta: { content?: string } }[] }).choices[0]?.delta.content ?? '']
            : [],
        )
        .join('');
    expect(said(['<th', 'ink>SEC', 'RET</thi', 'nk>', ' Hi', ' there'])).toBe('Hi there');
    expect(said(['<b', '>bold</b>'])).toBe('<b>bold</b>');
    expect(said(['<'])).toBe('<');
    expect(said(['<think>never closed'])).toBe('');
  });
});

describe('reasoning that is summarised', () => {
  test("is the provider's own summary and nothing of what it summarises, and the caller is told which", async () => {
    const item = {
      type: 'reasoning',
      id: 'r',
      summary: [{ type: 'summary_text', text: 'In short.' }],
      content: [{ text: 'SECRET' }],
      encrypted_content: 'SECRET',
    };
    const message = { type: 'message', content: [{ type: 'output_text', text: 'Hi' }] };
    const whole = new Withheld('openai-responses', 'application/json', undefined, 200, true);
    whole.take(Buffer.from(JSON.stringify({ output: [item, message] })));
    const said = whole.end().toString();
    expect(said).toContain('In short.');
    expect(said).not.toContain('SECRET');
    const stream = new Withheld('openai-responses', 'text/event-stream', undefined, 200, true);
    const events = [
      { type: 'response.output_item.added', output_index: 0, item },
      { type: 'response.reasoning_text.delta', output_index: 0, delta: 'SECRET' },
      { type: 'response.reasoning_summary_text.delta', output_index: 0, delta: 'In short.' },
      { type: 'response.output_text.delta', output_index: 1, delta: 'Hi' },
      { type: 'response.completed', response: { output: [item, message] } },
    ];
    const out = events.map((e) => stream.take(Buffer.from(`data: ${JSON.stringify(e)}\n\n`)).toString()).join('');
    expect(out).toContain('"delta":"In short."');
    expect(out).toContain('"output_index":1');
    expect(out).not.toContain('SECRET');
    const { ask, up } = await serving(state([barrier('withhold', { summary: true })]));
    const r = await ask('/v1/responses', {
      model: 'm',
      input: 'x',
      max_output_tokens: 5,
      reasoning: { effort: 'high', summary: 'detailed' },
    });
    expect(r.headers.get('stillwatch-notice')).toMatch(/^reasoning summarised/);
    expect(up.seen.at(-1)?.body['reasoning']).toEqual({ effort: 'high', summary: 'auto' });
    const c = await ask('/v1/chat/completions', { model: 'm', max_tokens: 5, messages: hello });
    expect(c.headers.get('stillwatch-notice')).toMatch(/^reasoning withheld/);
    // Of two barriers the stricter holds.
    const both = await serving(state([barrier('withhold', { id: 'a', summary: true }), barrier('withhold', { id: 'b' })]));
    expect((await both.ask('/v1/responses', { model: 'm', input: 'x', max_output_tokens: 5 })).headers.get('stillwatch-notice')).toMatch(
      /^reasoning withheld/,
    );
  });
});

describe('an answered exchange', () => {
  test('is not lost to a disk that was full for a while', () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const dir = temp();
    const s = new Spool({ dir, worker: 'w0~canonical', bytesMax: 1e6, rotateMs: 1e9 });
    expect(s.putLine('{"id":"one"}')).toBe('kept');
    disk.full = true;
    expect(s.putLine('{"id":"two"}')).toBe('failed');
    // While it is full nothing more is promised.
    expect(s.room).toBe(false);
    disk.full = false;
    vi.setSystemTime(Date.now() + 2000);
    expect(s.room).toBe(true);
    expect(s.putLine('{"id":"three"}')).toBe('kept');
    s.close();
    const [segment] = ready(dir);
    expect(readSegment(readFileSync(segment?.path ?? ''))).toMatchObject({ records: ['{"id":"one"}', '{"id":"three"}'], bad: [] });
  });

  test('that is sent again with another time, or that says a time before its own, is in the store once', async () => {
    const dir = temp();
    mkdirSync(join(dir, 'spool'));
    await withStore(async (store) => {
      const i = new Intake(store, dir, join(dir, 'spool'), { spool: dir, keepRejects: true });
      const posted = async (line: string) => {
        const s = new Spool({ dir: join(dir, 'spool'), worker: 'w0i~canonical', bytesMax: 1e9, rotateMs: 1e9 });
        s.putLine(line);
        s.close();
        await i.segments();
      };
      const one = record({ id: 'q1', time: '2026-05-04T10:00:00Z' });
      await posted(JSON.stringify(one));
      await posted(JSON.stringify({ ...one, time: '2026-05-09T10:00:00Z' }));
      const odd = JSON.stringify({ params: { time: '2001-01-01T00:00:00Z' }, ...record({ id: 'q2' }) });
      await posted(odd);
      await posted(odd);
      expect(await store.rows('SELECT id, count() AS n FROM exchanges GROUP BY id ORDER BY id')).toMatchObject([
        { id: 'q1', n: '1' },
        { id: 'q2', n: '1' },
      ]);
      appendFileSync(join(dir, 'done'), jsonl([]));
    });
  });
});

describe('a configuration', () => {
  test('whose certificate is not there is told before anything is taken down', () => {
    const dir = temp();
    writeFileSync(join(dir, 's.yaml'), `decisions: {listen: "127.0.0.1:0", tls: {cert: none.pem, key: none.key}}\n`);
    expect(() => readConfig(join(dir, 's.yaml'))).toThrow(/decisions\.tls.*none\.pem/);
  });
});
