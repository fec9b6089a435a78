import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { MemoryBudgets, perMinute } from '../src/barriers/gcra.ts';
import { EMPTY_STATE, type Gate, type State } from '../src/barriers/model.ts';
import { NO_POLICY } from '../src/barriers/policy.ts';
import { snapshotOf } from '../src/barriers/snapshot.ts';
import { readConfig } from '../src/gateway/config.ts';
import { asked, crowded } from '../src/gateway/dialects.ts';
import { keyHash } from '../src/gateway/lookup.ts';
import { UsageTap } from '../src/gateway/usage.ts';
import { Withheld } from '../src/gateway/withhold.ts';
import { Worker } from '../src/gateway/worker.ts';
import { Holders } from '../src/serve/holders.ts';
import { temp } from './support/tools.ts';

// What requests take for free, say two ways, or are told is withheld: found by an audit that tried.

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const o of open.splice(0).reverse()) await o.close();
});

const hello = [{ role: 'user', content: 'Hello' }];
const NOW = Date.now();
const gate = (over: Partial<Gate>): Gate => ({
  ...{ id: 'g', models: [], capabilities: [], countries: [], tiers: [], reason: 'r', author: 'ann', created: 0, appeal: 'SW-G' },
  ...{ expires: NOW + 600_000, state: 'closed' as const },
  ...over,
});

/** A worker in front of an upstream that answers as it is told; a budget of so many tokens a minute. */
async function serving(
  tokens: number,
  answer: (raw: string) => { status?: number; body: string; after?: number },
  gates: readonly Gate[] = [],
  requests = 1e6,
) {
  const seen: string[] = [];
  const up = createServer((req, res) => {
    const parts: Buffer[] = [];
    req.on('data', (d: Buffer) => parts.push(d));
    req.on('end', () => {
      const raw = Buffer.concat(parts).toString();
      seen.push(raw);
      const a = answer(raw);
      setTimeout(() => {
        res.writeHead(a.status ?? 200, { 'content-type': 'application/json' });
        res.end(a.body);
      }, a.after ?? 0);
    });
  });
  await new Promise<void>((r) => up.listen(0, '127.0.0.1', () => r()));
  open.push({ close: () => new Promise((r) => up.close(r)) });
  const dir = temp();
  writeFileSync(join(dir, 'keys.csv'), `key_sha256,account\n${keyHash('sk-a')},a\n`);
  writeFileSync(
    join(dir, 's.yaml'),
    `state: ./state\nproxy: {listen: "127.0.0.1:0", upstream: "http://127.0.0.1:${(up.address() as AddressInfo).port}", forward: [/v1/models]}\ndecisions: {listen: "127.0.0.1:0"}\naccounts: {file: keys.csv}\n`,
  );
  const { config } = readConfig(join(dir, 's.yaml'));
  const worker = new Worker(config, 'w0');
  const s: State = { ...EMPTY_STATE, enforcing: true, gates: new Map(gates.map((g) => [g.id, g])) };
  const limits = { ...NO_POLICY.limits, default: { tokens_per_minute: tokens, requests_per_minute: requests } };
  worker.take({ type: 'snapshot', snapshot: snapshotOf(s, limits, 1, 0, Date.now()) });
  await worker.listen();
  open.push({ close: () => worker.drain(500) });
  const [proxy = 0, decide = 0] = worker.ports();
  const post =
    (port: number) =>
    async (path: string, body: unknown, headers: Record<string, string> = { authorization: 'Bearer sk-a' }) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers,
        body: typeof body === 'string' || Buffer.isBuffer(body) ? (body as string) : JSON.stringify(body),
      });
  const through = async (n: number, path: string, body: unknown, ask = post(proxy)): Promise<number> =>
    (await Promise.all(Array.from({ length: n }, () => ask(path, body).then((r) => r.status)))).filter((x) => x === 200).length;
  return { ask: post(proxy), decide: post(decide), through, seen, proxy };
}
const used = (output: number) => () => ({ body: JSON.stringify({ choices: [], usage: { prompt_tokens: 5, completion_tokens: output } }) });

describe('a token budget', () => {
  it('is reserved by the name its API has for it, and not by one of another API', async () => {
    const max = (d: 'anthropic' | 'openai' | 'openai-responses', body: object) =>
      asked(d, { model: 'm', messages: hello, ...body }).outputMax;
    expect([
      max('openai', { max_output_tokens: 1 }),
      max('openai-responses', { max_tokens: 1 }),
      max('anthropic', { max_completion_tokens: 1 }),
    ]).toEqual([0, 0, 0]);
    expect([max('openai', { max_tokens: 5, Max_Completion_Tokens: 90 }), max('openai', { max_tokens: 5, n: 3 })]).toEqual([90, 15]);
    const { through } = await serving(1_000_000, used(60_000));
    expect(await through(120, '/v1/chat/completions', { model: 'm', messages: hello, max_output_tokens: 1 })).toBeLessThanOrEqual(31);
  });

  it('is reserved for each of the answers that are asked for at once', async () => {
    const { through } = await serving(1_000_000, used(128_000));
    expect(await through(60, '/v1/chat/completions', { model: 'm', messages: hello, n: 128 })).toBe(1);
  });

  it('a bound that is said twice goes on as it was understood', async () => {
    const { ask, seen } = await serving(1e9, used(1));
    for (const body of [
      '{"model":"m","max_tokens":60000,"max_tokens":1}',
      '{"model":"m","n":9,"n":1}',
      '{"model":"m","max_tokens":9,"m\\u0061x_tokens":1}',
    ])
      await ask('/v1/chat/completions', body);
    expect(seen.map((x) => JSON.parse(x))).toEqual([
      { model: 'm', max_tokens: 1 },
      { model: 'm', n: 1 },
      { model: 'm', max_tokens: 1 },
    ]);
    expect(seen.every((x) => (x.match(/:/g) ?? []).length === 2)).toBe(true);
  });

  it('an answer that is made later, or is very long, is charged what is known of it', async () => {
    const later = await serving(100_000, () => ({ body: '{"status":"queued","usage":null}' }));
    expect(await later.through(60, '/v1/responses', { model: 'm', input: 'x', background: true })).toBeLessThanOrEqual(3);
    const t = new UsageTap('application/json');
    for (let i = 0; i < 9; i++) t.take(Buffer.alloc(1 << 20, 120));
    t.take(Buffer.from('"},"usage":{"input_tokens": 7,"output_tokens": 4000,"output_tokens_details":{"reasoning_tokens":9}}}'));
    expect(t.end(true)).toMatchObject({ input: 7, output: 4000, reasoning: 9 });
  });

  it('a closing event of any length ends a stream, wherever it is cut', () => {
    for (const size of [1_500_000, 9_000_000]) {
      const t = new UsageTap('text/event-stream');
      const event = Buffer.from(
        `event: response.completed\ndata: {"type":"response.completed","response":{"output":[{"result":"${'x'.repeat(size)}"}],"usage":{"input_tokens":3,"output_tokens":44}}}\n\n`,
      );
      const ends: boolean[] = [];
      for (let at = 0; at < event.length; at += 65_536) ends.push(t.take(event.subarray(at, at + 65_536)));
      expect([ends.filter(Boolean).length, ends.at(-1), t.end(true).output]).toEqual([1, true, 44]);
    }
  });

  it('a request at fault counts as one, a fault of the service does not', async () => {
    for (const [status, passed] of [
      [400, 5],
      [500, 20],
    ] as const) {
      const { ask } = await serving(1e9, () => ({ status, body: '{}' }), [], 5);
      const got = [];
      for (let i = 0; i < 20; i++) got.push((await ask('/v1/chat/completions', { model: 'm', messages: hello, max_tokens: 1 })).status);
      expect(got.filter((x) => x === status)).toHaveLength(passed);
    }
  });

  it('input that lies elsewhere is seen whatever it is called', () => {
    const far = (d: 'anthropic' | 'openai' | 'openai-responses', body: object) =>
      asked(d, { model: 'm', max_tokens: 1, messages: [], ...body }).refersBack === true;
    const part = (p: object) => ({ messages: [{ role: 'user', content: [p] }] });
    for (const p of [
      { type: 'image_url', image_url: { url: 'gs://b/x' } },
      { type: 'audio_url', audio_url: { url: 'https://x' } },
      { fileData: { fileUri: 'gs://x' } },
    ])
      expect(far('openai', part(p))).toBe(true);
    expect(far('openai-responses', { input: [{ type: 'item_reference', id: 'i' }] })).toBe(true);
    expect(far('anthropic', { container: { skills: [{}] } })).toBe(true);
    for (const p of [
      { type: 'image_url', image_url: { url: 'data:x' } },
      { type: 'tool_use', input: { url: 'https://x' } },
      { type: 'text', text: 'x', citations: [{ url: 'https://x' }] },
    ])
      expect(far('openai', part(p))).toBe(false);
  });
});

describe('a decision', () => {
  it('takes no amount that is written wrongly for none, in asking and in settling', async () => {
    const { decide } = await serving(40_000, used(1));
    for (const r of [{ tokens: '39000' }, { tokens: -1 }, { tokens: 1, created: 5 }, { tokens: 1, capabilities: 'tools' }])
      expect((await decide('/v1/decide', { account: 'a', ...r })).status).toBe(400);
    const { reservation } = (await (await decide('/v1/decide', { account: 'a', tokens: 39_000 })).json()) as { reservation: string };
    for (const r of [{ used: 5 }, { tokens: '5' }]) expect((await decide('/v1/settle', { reservation, ...r })).status).toBe(400);
    expect((await decide('/v1/settle', { reservation, tokens: 5 })).status).toBe(200);
  });

  it('of a body that could not be read spends what is usual, and of LiteLLM what the newer name asks for', async () => {
    const envoy = await serving(5000, used(1));
    const cut = { authorization: 'Bearer sk-a', 'x-envoy-auth-partial-body': 'true' };
    const sent = async (body: string) =>
      (await Promise.all(Array.from({ length: 30 }, () => envoy.decide('/envoy/v1/chat/completions', body, cut)))).filter(
        (r) => r.status === 200,
      ).length;
    expect(await sent(`{"model":"m","max_tokens":4000,"x":"${'y'.repeat(400)}`)).toBeLessThan(6);
    const lite = await serving(5000, used(1));
    const ask = () =>
      lite
        .decide('/beta/litellm_basic_guardrail_api', {
          texts: ['x'],
          request_data: { user_api_key_user_id: 'u', max_completion_tokens: 4000 },
        })
        .then((r) => r.json() as Promise<{ action: string }>);
    expect([(await ask()).action, (await ask()).action]).toEqual(['NONE', 'BLOCKED']);
  });

  it('small bodies that are many things are refused before they are gone through', async () => {
    expect(crowded(Buffer.from(`[${'{},'.repeat(300_000)}{}]`))).toBe(true);
    // A table in a prompt is a text.
    expect(crowded(Buffer.from(JSON.stringify('1,2,3,4,5,6\n'.repeat(60_000))))).toBe(false);
    const { ask, decide } = await serving(1e9, used(1));
    expect((await ask('/v1/chat/completions', `{"messages":[],"x":[${'{},'.repeat(300_000)}{}]}`)).status).toBe(400);
    const packed = { 'content-encoding': 'gzip' };
    expect((await decide('/v1/exchanges', gzipSync('x\n'.repeat(60_000)), packed)).status).toBe(413);
    expect(await (await decide('/v1/exchanges', gzipSync('\n'.repeat(900_000)), packed)).json()).toEqual({ taken: 0 });
  });
});

describe('a gate', () => {
  it('on a capability is not opened by capitals, nor by a part that does not say what it is', async () => {
    const { ask } = await serving(1e9, used(1), [gate({ capabilities: ['tools', 'reasoning', 'vision'] })]);
    const status = async (x: object) => (await ask('/v1/chat/completions', { model: 'm', messages: hello, ...x })).status;
    const image = { image_url: { url: 'data:' } };
    for (const x of [
      { Tools: [{}] },
      { Functions: [{}] },
      { Thinking: { type: 'enabled' } },
      { Reasoning_Effort: 'high' },
      { thinking: { budget_tokens: 5 } },
      { messages: [{ role: 'user', Content: [{ type: 'image_url', ...image }] }] },
      { messages: [{ role: 'user', content: [{ type: 'IMAGE_URL' }] }] },
      { messages: [{ role: 'user', content: [image] }] },
    ])
      expect(await status(x)).toBe(403);
    for (const x of [{}, { thinking: null }, { thinking: { type: 'disabled' } }, { responseFormat: 'x' }])
      expect(await status(x)).toBe(200);
  });

  it('on everything is closed to those who send no key', async () => {
    const { proxy } = await serving(1e9, used(1), [gate({ models: ['*'] })]);
    const open = await serving(1e9, used(1));
    const models = async (port: number) => (await fetch(`http://127.0.0.1:${port}/v1/models`)).status;
    expect([await models(open.proxy), await open.seen.length]).toEqual([200, 1]);
    expect(await models(proxy)).toBe(200);
    const all = await serving(1e9, used(1), [gate({ everything: true } as Partial<Gate>)]);
    expect(await models(all.proxy)).toBe(403);
  });
});

describe('reasoning that is withheld', () => {
  const through = (d: 'openai' | 'openai-responses' | 'anthropic', type: string, text: string, summary = false): string => {
    const w = new Withheld(d, type, undefined, 200, summary);
    const bytes = Buffer.from(text);
    const out: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 7) out.push(w.take(bytes.subarray(at, at + 7)));
    return Buffer.concat([...out, w.end()]).toString();
  };
  const events = (list: readonly object[]) => list.map((e) => `data: ${JSON.stringify(e)}\n\n`).join('');
  const SECRET = /secret/;

  it('is not told by what its tokens were likely to be', () => {
    const logprobs = { content: [{ token: 'secret' }] };
    const whole = { choices: [{ index: 0, message: { content: '<think>secret</think>Hi' }, logprobs, finish_reason: 'stop' }] };
    expect(JSON.parse(through('openai', 'application/json', JSON.stringify(whole)))).toMatchObject({
      choices: [{ message: { content: 'Hi' }, logprobs: null }],
    });
    const chunk = (content: string, finish_reason: string | null = null) => ({
      choices: [{ index: 0, delta: { content }, logprobs, finish_reason }],
    });
    expect(through('openai', 'text/event-stream', events([chunk('<think>secret'), chunk('</think>Hi'), chunk('', 'stop')]))).not.toMatch(
      SECRET,
    );
  });

  it('is found in an answer that says it is a stream and is none, and after a byte order mark', () => {
    const body = JSON.stringify({ choices: [{ message: { reasoning_content: 'secret', content: 'Hi' } }] });
    expect(JSON.parse(through('openai', 'text/event-stream', body))).toEqual({ choices: [{ message: { content: 'Hi' } }] });
    const first = `\uFEFF${events([{ choices: [{ index: 0, delta: { reasoning_content: 'secret', content: 'Hi' } }] }])}`;
    expect(through('openai', 'text/event-stream', first)).toContain('Hi');
    expect(through('openai', 'text/event-stream', first)).not.toMatch(SECRET);
    expect(through('openai', 'text/event-stream', `: hi\n{"reasoning_content":"secret"}\n\n${events([{ choices: [] }])}`)).not.toMatch(
      SECRET,
    );
    expect(through('openai', 'text/event-stream', ': ping\n\ndata: [DONE]\n\n')).toBe(': ping\n\ndata: [DONE]\n\n');
  });

  it('is cut out of the texts of every API that says them aloud, and what merely looks like a tag is not', () => {
    const said = (text: string) => ({
      'openai-responses': { output: [{ type: 'message', content: [{ type: 'output_text', text, logprobs: [{ token: 'secret' }] }] }] },
      openai: { choices: [{ index: 0, text, finish_reason: 'stop' }] },
      anthropic: { content: [{ type: 'text', text }] },
    });
    for (const [d, body] of Object.entries(said('<think>secret</think>Hi'))) {
      const out = through(d as 'openai', 'application/json', JSON.stringify(body));
      expect(out).toContain('Hi');
      expect(out).not.toMatch(SECRET);
    }
    const responses = (a: string, b: string) => [
      { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: a },
      { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: b },
      { type: 'response.output_text.done', output_index: 0, content_index: 0, text: a + b },
      { type: 'response.output_item.done', output_index: 0, item: { type: 'message', content: [{ type: 'output_text', text: a + b }] } },
      { type: 'response.completed', response: { output: [{ type: 'message', content: [{ type: 'output_text', text: a + b }] }] } },
    ];
    for (const summary of [false, true]) {
      const out = through('openai-responses', 'text/event-stream', events(responses('<think>sec', 'ret</think>Hi')), summary);
      expect(out).not.toMatch(/sec|ret</);
      expect(out.match(/"Hi"/g)).toHaveLength(4);
    }
    const deltas = (out: string) => [...out.matchAll(/"(?:delta|text)":"([^"]*)"/g)].map((m) => m[1]).join('');
    expect(deltas(through('openai-responses', 'text/event-stream', events(responses('<b', '>').slice(0, 2))))).toBe('');
    expect(deltas(through('openai-responses', 'text/event-stream', events(responses('<b', '>').slice(0, 3))))).toContain('<b>');
    const block = (text: string) => [
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
      { type: 'content_block_stop', index: 0 },
    ];
    expect(deltas(through('anthropic', 'text/event-stream', events(block('<b'))))).toBe('<b');
    expect(through('anthropic', 'text/event-stream', events(block('<think>secret</think>Hi')))).not.toMatch(SECRET);
  });
});

describe('who is verified where keys are looked up', () => {
  it('is known beside what records say, outlives a restart, and takes nothing away', () => {
    const dir = temp();
    const keys = join(dir, 'keys.csv');
    writeFileSync(keys, 'key,account,verification\nk1,a,business\nk2,b,none\nk3,c,id\n');
    const f = { accounts: ['a', 'b', 'c', 'd'].map((account) => ({ account })) };
    const d = {
      dossier: { campaigns: [f], undecided: [] },
      subjects: { b: { verification: 'id' }, c: { verification: 'business' } },
    } as never;
    const first = new Holders(join(dir, 'h.json'));
    first.hear('d', { verification: 'business', tier: 'scale' }, 1);
    first.save();
    const again = new Holders(join(dir, 'h.json'));
    expect({ ...again.with(d, keys).subjects }).toEqual({
      a: { verification: 'business' },
      b: { verification: 'id' },
      c: { verification: 'business' },
      d: { verification: 'business', tier: 'scale' },
    });
    // Whoever is erased is forgotten here too.
    again.forget('d');
    expect(readFileSync(join(dir, 'h.json'), 'utf8')).toBe('[]');
  });
});

it('names that the service writes for what no person did, and one name for two, are nobody', () => {
  const dir = temp();
  const tokens = (...names: string[]) => {
    const list = names.map((name, i) => `    - {name: "${name}", role: admin, token_sha256: ${'abcdef'.charAt(i).repeat(64)}}`).join('\n');
    writeFileSync(join(dir, 's.yaml'), `decisions: {listen: "127.0.0.1:0"}\nadmin:\n  tokens:\n${list}\n`);
    return () => readConfig(join(dir, 's.yaml'));
  };
  for (const names of [
    ['local'],
    ['Policy'],
    ['two analysts'],
    ['ann', 'Ann'],
    [''],
    ['policy file'],
    ['Jos\u00e9', 'Jose\u0301'],
    ['ann', 'a\u200bnn'],
    ['ann', '\uff41nn'],
  ])
    expect(tokens(...names)).toThrow(/admin.tokens/);
  expect(tokens('ann', 'bert')).not.toThrow();
});

describe('who goes away', () => {
  it('before the answer begins has spent the request and a quarter of what it reserved', async () => {
    const { proxy, seen } = await serving(100_000, () => ({ body: '{}', after: 400 }));
    const hangUp = async (): Promise<number> => {
      const c = new AbortController();
      setTimeout(() => c.abort(), 60);
      return fetch(`http://127.0.0.1:${proxy}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk-a' },
        body: JSON.stringify({ model: 'm', messages: hello, max_tokens: 90_000 }),
        signal: c.signal,
      }).then(
        (r) => r.status,
        () => 0,
      );
    };
    const got: number[] = [];
    for (let i = 0; i < 12; i++) got.push(await hangUp());
    expect(seen.length).toBeLessThanOrEqual(2);
    expect(got.filter((x) => x === 429).length).toBeGreaterThanOrEqual(10);
  });

  it('from requests sent ahead of their answers holds no place at the upstream', async () => {
    const { proxy, ask, seen } = await serving(1e9, (raw) => ({ body: '{}', after: raw.includes('"slow"') ? 5000 : 0 }));
    const body = JSON.stringify({ model: 'slow', messages: hello });
    const one = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-a\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    const socket = connect(proxy, '127.0.0.1');
    socket.on('error', () => undefined);
    const gone = new Promise((r) => socket.once('close', r));
    socket.write(one.repeat(150));
    await gone;
    // What was sent ahead was not let through, and others are served.
    expect(seen.length).toBeLessThanOrEqual(1);
    expect((await ask('/v1/chat/completions', { model: 'm', messages: hello })).status).toBe(200);
    // One after the other on one connection is how clients work.
    for (let i = 0; i < 5; i++) expect((await ask('/v1/chat/completions', { model: 'm', messages: hello })).status).toBe(200);
  });
});

it('amounts are amounts however they are written', () => {
  const max = (body: object): number => asked('openai', { model: 'm', messages: hello, ...body }).outputMax;
  expect([max({ max_tokens: 1, max_completion_tokens: '8000' }), max({ max_tokens: 1000, n: '8' }), max({ max_tokens: 'all' })]).toEqual([
    8000, 8000, 0,
  ]);
});

it('what is asked of a path that is not known is not known', async () => {
  const closed = gate({ id: 'v', capabilities: ['vision'] });
  const { decide } = await serving(1e9, used(1), [closed, gate({ id: 'm', models: ['large*'] })]);
  const body = { model: 'small', input: 'Hello' };
  expect((await decide('/envoy/v1/responses', body)).status).toBe(200);
  for (const path of ['//v1/responses', '/V1/responses', '/openai/v1/responses', '/v1/messages/batches', '/v1/threads/runs'])
    expect([path, (await decide(`/envoy${path}`, body)).status]).toEqual([path, 403]);
});

it('a gate on a model holds whatever else its name is written with', async () => {
  const { ask } = await serving(1e9, used(1), [gate({ models: ['large*'] })]);
  const status = async (model: string) => (await ask('/v1/chat/completions', { model, messages: hello })).status;
  for (const model of ['large-1', ' large-1', 'models/large-1', 'provider/Large-1', '\uff4carge-1', '\u200blarge-1'])
    expect([model, await status(model)]).toEqual([model, 403]);
  expect(await status('enlarge-1')).toBe(200);
});

it('what switches thinking on in the template of a chat, or a provider’s own tools, is seen', () => {
  const can = (body: object) => asked('openai', { model: 'm', messages: hello, ...body }).capabilities;
  for (const body of [{ chat_template_kwargs: { thinking: true } }, { enable_thinking: 'true' }, { thinking_budget: 500 }])
    expect(can(body)).toEqual(['reasoning']);
  for (const body of [{ plugins: [{ id: 'web' }] }, { search_parameters: {} }, { tools: { name: 'f' } }])
    expect(can(body)).toEqual(['tools']);
  for (const body of [{ chat_template_kwargs: { thinking: false } }, { enable_thinking: 'false' }, { thinking_budget: 0 }])
    expect(can(body)).toEqual([]);
});

describe('reasoning that is withheld, in odd places', () => {
  const stream = (d: 'openai' | 'openai-responses' | 'anthropic', events: readonly object[], summary = false): string => {
    const w = new Withheld(d, 'text/event-stream', undefined, 200, summary);
    return Buffer.concat([...events.map((e) => w.take(Buffer.from(`data: ${JSON.stringify(e)}\n\n`))), w.end()]).toString();
  };
  const whole = (d: 'openai' | 'anthropic' | 'openai-responses', body: object): string => {
    const w = new Withheld(d, 'application/json');
    return Buffer.concat([w.take(Buffer.from(JSON.stringify(body))), w.end()]).toString();
  };

  it.each([
    [
      'a part of reasoning that is told whole',
      'openai-responses',
      [{ type: 'response.content_part.done', output_index: 0, item_id: 'x', part: { type: 'reasoning_text', text: 'SECRET' } }],
    ],
    [
      'an item that is done and was never begun',
      'openai-responses',
      [{ type: 'response.output_item.done', output_index: 0, item: { type: 'reasoning', summary: [{ text: 'SECRET' }] } }],
    ],
    [
      'a message beside a delta',
      'openai',
      [{ choices: [{ index: 0, delta: { content: 'ok' }, message: { reasoning_content: 'SECRET', content: '<think>SECRET</think>ok' } }] }],
    ],
    [
      'fields of a gateway',
      'openai',
      [
        {
          choices: [
            {
              index: 0,
              delta: {
                content: 'ok',
                thinking_blocks: [{ thinking: 'SECRET' }],
                provider_specific_fields: { reasoning_content: 'SECRET', thinking_blocks: ['SECRET'] },
              },
            },
          ],
        },
      ],
    ],
    [
      'thoughts in a block that was begun as text',
      'anthropic',
      [
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'SECRET' } },
      ],
    ],
    [
      'thoughts in the message that begins',
      'anthropic',
      [{ type: 'message_start', message: { content: [{ type: 'thinking', thinking: 'SECRET' }], role: 'assistant' } }],
    ],
  ] as const)('is not in %s', (name, d, events) => {
    // The provider's own summary of an item passes where it was asked for.
    for (const summary of name.includes('never begun') ? [false] : [false, true])
      expect(stream(d, events, summary)).not.toContain('SECRET');
  });

  it('is not in whole answers of those shapes, and what is said is', () => {
    expect(whole('openai', { choices: [{ message: { role: 'assistant', content: 'SECRET</think>\n\nThe answer.' } }] })).toMatch(
      /^(?!.*SECRET).*The answer/,
    );
    expect(whole('openai', { choices: [{ message: { content: [{ type: 'text', text: '<think>SECRET</think>The answer.' }] } }] })).toMatch(
      /^(?!.*SECRET).*The answer/,
    );
    expect(whole('anthropic', { content: [{ type: 'text', text: 'The answer.' }], reasoning_content: 'SECRET' })).toMatch(
      /^(?!.*SECRET).*The answer/,
    );
    expect(
      whole('openai-responses', {
        output_text: '<think>SECRET</think>The answer.',
        output: [
          {
            type: 'message',
            content: [
              { type: 'reasoning_text', text: 'SECRET' },
              { type: 'output_text', text: 'The answer.' },
            ],
          },
        ],
      }),
    ).toMatch(/^(?!.*SECRET).*The answer.*The answer/);
  });
});

describe('clocks and amounts', () => {
  it('a clock that is put back takes what was spent with it', () => {
    const b = new MemoryBudgets();
    const ask = [{ key: 'a:x:r', rate: perMinute(60), units: 6 }];
    expect(b.take(ask, NOW)[0]?.ok).toBe(true);
    const later = b.take(ask, NOW - 3_600_000)[0];
    expect([later?.ok, later?.remaining]).toEqual([true, 48]);
    // A hair's breadth between two processes is no clock put back.
    expect(b.take([{ key: 'a:x:r', rate: perMinute(60), units: 40 }], NOW - 3_600_500)[0]?.ok).toBe(true);
    expect(b.take([{ key: 'a:x:r', rate: perMinute(60), units: 20 }], NOW - 3_600_500)[0]?.ok).toBe(false);
  });

  it('an answer that is one list of its parts says what it used', () => {
    const tap = new UsageTap('application/json');
    tap.take(Buffer.from(JSON.stringify([{ usage: { prompt_tokens: 3 } }, { usage: { prompt_tokens: 3, completion_tokens: 5000 } }])));
    expect(tap.end()).toMatchObject({ input: 3, output: 5000 });
  });

  it('settles no amount that no request has', async () => {
    const { decide } = await serving(1e6, used(1));
    const r = (await (await decide('/v1/decide', { account: 'a', model: 'm', tokens: 10 })).json()) as { reservation?: string };
    expect((await decide('/v1/settle', { reservation: r.reservation ?? 'x', tokens: 1e300 })).status).toBe(400);
  });
});
