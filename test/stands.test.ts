import { appendFileSync, mkdirSync, readFileSync, renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { detect, subjectOf } from '../src/barriers/cases.ts';
import { closeGate, giveLabel } from '../src/barriers/commands.ts';
import { apply, type Event } from '../src/barriers/events.ts';
import { type Actor, EMPTY_STATE, type State } from '../src/barriers/model.ts';
import { checkPolicy, NO_POLICY } from '../src/barriers/policy.ts';
import { snapshotOf } from '../src/barriers/snapshot.ts';
import { readConfig } from '../src/gateway/config.ts';
import { keyHash, Lookup, readHolders } from '../src/gateway/lookup.ts';
import { within } from '../src/gateway/patience.ts';
import { tokensOf } from '../src/gateway/proxy.ts';
import { UsageTap } from '../src/gateway/usage.ts';
import { Worker } from '../src/gateway/worker.ts';
import type { Dossier, Finding } from '../src/model/dossier.ts';
import { Audit, verifyFile } from '../src/serve/audit.ts';
import { Control } from '../src/serve/control.ts';
import { Intake } from '../src/serve/intake.ts';
import { barrier } from './support/barrier.ts';
import { pids, service } from './support/service.ts';
import { jsonl, record, temp, withStore } from './support/tools.ts';
import { upstream } from './support/upstream.ts';

/** What was thought to stand, and did not: each of these was open once. */

const NOW = 1_780_000_000_000;
const ann: Actor = { name: 'ann', role: 'analyst' };
const bert: Actor = { name: 'bert', role: 'analyst' };
const run = (s: State, events: readonly Event[]): State => events.reduce(apply, s);
let n = 0;
const ids = { id: (p: string) => `${p}-${++n}`, reference: () => `SW-${++n}` };

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const o of open.splice(0).reverse()) await o.close();
});

const found = {
  id: 'c-1',
  title: '2 accounts',
  kind: 'extraction campaign',
  confidence: 0.9,
  accounts: ['a', 'b'].map((account) => ({ account, membership: 0.99, exchanges: 100, share: 1, first_seen: '', last_seen: '' })),
  models: { 'm-1': 200 },
  indicators: [],
  evidence: [],
} as unknown as Finding;
const seen = {
  dossier: { campaigns: [found], undecided: [], look_alikes: [], coverage: { exchanges: 100_000 } } as unknown as Dossier,
  subjects: {},
};
const POLICY = checkPolicy(
  {
    version: 1,
    training_on_outputs: { '*': 'forbidden' },
    rules: [{ name: 'r', when: { confidence: 0.8 }, propose: 'suspend', automatic: 'hold', hours: 24 }],
    automatic: { traffic_share_max: 0.01 },
  },
  'test',
);

describe('what policy does by itself', () => {
  test('acts once enforcement is on, though it was rehearsed before', () => {
    let s = run(EMPTY_STATE, detect(EMPTY_STATE, seen, POLICY, ids, NOW));
    const holds = () => [...s.barriers.values()].filter((b) => b.action === 'hold' && b.state === 'active');
    expect(holds().map((b) => b.dry_run)).toEqual([true]);
    s = run(s, detect(s, seen, POLICY, ids, NOW + 1));
    expect(holds()).toHaveLength(1);
    s = run({ ...s, enforcing: true }, detect({ ...s, enforcing: true }, seen, POLICY, ids, NOW + 2));
    expect(holds().map((b) => b.dry_run)).toEqual([true, false]);
    // And once only.
    s = run(s, detect(s, seen, POLICY, ids, NOW + 3));
    expect(holds()).toHaveLength(2);
  });

  test('spares verified customers whoever recorded that they are', () => {
    const verification = { account: 'a', level: 'business', by: 'ann', at: NOW };
    const s = run(EMPTY_STATE, [{ at: NOW, by: 'ann', what: { type: 'verification.recorded', verification } }]);
    expect(subjectOf(s, {}, 'a')).toEqual({ verification: 'business' });
    const after = run(s, detect(s, seen, POLICY, ids, NOW));
    expect([...after.barriers.values()].every((b) => b.state === 'proposed')).toBe(true);
  });
});

describe('a label', () => {
  const given = (by: Actor, label: string, s = EMPTY_STATE, revoke = false) =>
    giveLabel(s, by, { account: 'a', label, reason: 'because', revoke }, NOW);
  test('that speaks an account free takes two persons, and `cleared` comes from a case alone', () => {
    expect(() => given(ann, 'cleared')).toThrow(/no label that is given/);
    const asked = given(ann, 'approved:synthetic-data');
    expect(asked[0]?.what.type).toBe('label.asked');
    const s = run(EMPTY_STATE, asked);
    expect(() => given(ann, 'approved:synthetic-data', s)).toThrow(/given it already/);
    expect(() => given({ name: 'local', role: 'admin' }, 'approved:synthetic-data', s)).toThrow(/no person/);
    expect(given(bert, 'approved:synthetic-data', s)[0]?.what.type).toBe('label.given');
    // Asked for with the host's own token, nobody has asked yet.
    const host = run(EMPTY_STATE, given({ name: 'local', role: 'admin' }, 'approved:synthetic-data'));
    const first = given(ann, 'approved:synthetic-data', host);
    expect(first[0]?.what.type).toBe('label.asked');
    expect(given(bert, 'approved:synthetic-data', run(host, first))[0]?.what.type).toBe('label.given');
    // Taken back, it needs two again.
    const back = run(s, given(ann, 'approved:synthetic-data', s, true));
    expect(given(bert, 'approved:synthetic-data', back)[0]?.what.type).toBe('label.asked');
    expect(given(ann, 'watched')[0]?.what.type).toBe('label.given');
    expect(() => given({ name: 'vera', role: 'viewer' }, 'watched')).toThrow(/may not/);
  });
});

describe('a gate', () => {
  test('that would close nothing, or stand for a year by one person, is refused, in the file too', () => {
    const gate = { id: 'g', models: [], capabilities: [], countries: [], tiers: [], reason: 'r', appeal: 'x' };
    for (const [over, said] of [
      [{ models: ['*-large'] }, /matches nothing/],
      [{ models: [''] }, /matches nothing/],
      [{ capabilities: ['image'] }, /none of tools, vision, reasoning/],
      [{ countries: ['Germany'] }, /no code of two letters/],
    ] as const) {
      expect(() => closeGate(ann, { ...gate, ...over }, 4, NOW)).toThrow(said);
      const file = { version: 1, gates: [{ name: 'g', ...over, reason: 'r', expires: '2030-01-01T00:00:00Z' }] };
      expect(() => checkPolicy(file, 'p')).toThrow(said);
    }
    expect(() => closeGate(ann, { ...gate, tiers: ['pro'] }, 24 * 366, NOW)).toThrow(/at most a month/);
    expect(closeGate(ann, { ...gate, models: ['large-*'], countries: ['de'] }, 4, NOW)).toHaveLength(1);
  });

  test('and a budget that lets nothing through is told when the file is checked, not when it is needed', () => {
    const rule = { name: 'x', when: { confidence: 0.5 }, propose: 'slow', budget: { requests_per_minute: 0 } };
    expect(() => checkPolicy({ version: 1, rules: [rule] }, 'p')).toThrow(
      /rules\.0\.budget\.requests_per_minute: 0 lets too little through/,
    );
  });
});

describe('the audit log', () => {
  test('that lost its end is told, by verify and when it is opened', () => {
    const path = join(temp(), 'audit.jsonl');
    const log = new Audit(path);
    log.append(['one', 'two', 'three'].map((said) => ({ at: NOW, by: 'ann', what: { type: 'service' as const, said } })));
    log.close();
    expect(verifyFile(path)).toMatchObject({ ok: true });
    expect(new Audit(path).gone).toBeNull();
    const [first = ''] = readFileSync(path, 'utf8').split('\n');
    truncateSync(path, first.length + 1);
    expect(verifyFile(path)).toMatchObject({ ok: false, said: expect.stringContaining('its last 2 of 3 entries are gone') });
    // Nor does it help to take away what shows it.
    renameSync(`${path}.head`, `${path}.away`);
    expect(verifyFile(path)).toMatchObject({ ok: false, said: expect.stringContaining('cannot be told') });
    renameSync(`${path}.away`, `${path}.head`);
    const again = new Audit(path);
    expect(again.gone).toContain('last 2 of 3');
    again.close();
  });
});

describe('the policy file', () => {
  test('is in the audit log whenever it is another one, with what it closes, and a cut of the log is said in it', () => {
    const dir = temp();
    const closing = checkPolicy(
      { version: 1, gates: [{ name: 'big', models: ['large-*'], reason: 'r', expires: '2030-01-01T00:00:00Z' }] },
      'p',
    );
    const said = (c: Control) => c.audit.entries.map((e) => (e.what.type === 'policy.read' ? e.what.gates.join() : e.what.type));
    let c = new Control(dir, NO_POLICY, () => NOW);
    expect(said(c)).toEqual([]);
    c.setPolicy(closing);
    c.setPolicy(closing);
    expect(said(c)).toEqual(['big']);
    c.close();
    c = new Control(dir, closing, () => NOW);
    expect(said(c)).toEqual(['big']);
    c.setPolicy(NO_POLICY);
    expect(said(c)).toEqual(['big', '']);
    c.close();
    truncateSync(join(dir, 'audit.jsonl'), 0);
    c = new Control(dir, NO_POLICY, () => NOW);
    expect(said(c)).toEqual(['service', '']);
    c.close();
  });
});

describe('an answer that does not say what it used', () => {
  const sse = (chunks: number) =>
    Array.from({ length: chunks }, (_, i) => `data: {"choices":[{"delta":{"content":"w${i}"}}]}\n\n`).join('');
  test('used what the request held, and about what passed, in however many pieces', () => {
    const tap = new UsageTap('text/event-stream');
    tap.take(Buffer.from(`${sse(500)}data: [DONE]\n\n`));
    const small = tap.end(true, 20_000);
    expect(small.input).toBe(20_000);
    expect(small.output).toBeGreaterThan(100);
    const whole = new UsageTap('text/event-stream');
    whole.take(Buffer.from(`data: {"choices":[{"delta":{"content":"${'word '.repeat(4000)}"}}]}\n\ndata: [DONE]\n\n`));
    expect(whole.end(true, 10).output).toBeGreaterThan(4000);
    const told = new UsageTap('application/json');
    told.take(Buffer.from('{"usage":{"prompt_tokens":7,"completion_tokens":3}}'));
    expect(told.end(true, 20_000)).toMatchObject({ input: 7, output: 3 });
  });
});

describe('what an answer does not say', () => {
  const chat = (key: string, max: Record<string, unknown>) => ({
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'untold', stream: true, messages: [{ role: 'user', content: 'Hello' }], ...max }),
  });
  const spent = async (untold_usage: 'passed' | 'reserved', max: Record<string, unknown>): Promise<number> => {
    const limits = { ...NO_POLICY.limits, default: { tokens_per_minute: 40_000 }, untold_usage };
    const { port } = await serving('', '', limits, { ...EMPTY_STATE, enforcing: true });
    let passed = 0;
    for (let i = 0; i < 8; i++) {
      const r = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, chat('sk-alice', max));
      await r.text();
      if (r.status === 200) passed += 1;
    }
    return passed;
  };

  test('is held to what it reserved where the request sets a maximum or asks for reasoning', async () => {
    expect(await spent('passed', { max_tokens: 15_000 })).toBe(2);
    expect(await spent('passed', { reasoning_effort: 'high' })).toBeLessThan(8);
    // Of one that sets none what passed is seen; all of it is held where the policy says so.
    expect(await spent('passed', {})).toBe(8);
    expect(await spent('reserved', {})).toBe(1);
  });

  test('letters of other alphabets are a token each', () => {
    expect(tokensOf(400, 400)).toBe(100);
    expect(tokensOf(Buffer.byteLength('\u6f22'.repeat(100)), 100)).toBe(100);
  });
});

describe('keys', () => {
  test('in another scheme or spelling are refused, and so is a second one in the address line or beside it', async () => {
    const { port, up } = await serving();
    const ask = async (headers: Record<string, string>, query = '') =>
      (
        await fetch(`http://127.0.0.1:${port}/v1/chat/completions${query}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ model: 'm-1', messages: [{ role: 'user', content: 'Hello' }] }),
        })
      ).status;
    for (const said of [
      `Basic ${Buffer.from(':sk-alice').toString('base64')}`,
      ...['Token sk-alice', 'Key sk-alice', 'Bearer: sk-alice', 'Bearer "sk-alice"', 'Bearer Bearer sk-alice', 'sk-a,sk-alice'],
    ])
      expect([said, await ask({ authorization: said })]).toEqual([said, 400]);
    const good = { authorization: 'Bearer sk-alice' };
    for (const query of ['?x-api-key=sk-b', '?a=1;key=sk-b', '?subscription_key=sk-b'])
      expect([query, await ask(good, query)]).toEqual([query, 400]);
    for (const name of ['ocp-apim-subscription-key', 'anthropic-api-key'])
      expect([name, await ask({ ...good, [name]: 'sk-b' })]).toEqual([name, 400]);
    expect(up.seen).toHaveLength(0);
    expect(await ask(good)).toBe(200);
  });

  test('of an account on hold open no other path either', async () => {
    const held = {
      ...EMPTY_STATE,
      enforcing: true,
      barriers: new Map([['b1', barrier('hold', { id: 'b1' })]]),
    } as State;
    const { port, up } = await serving('', '', NO_POLICY.limits, held);
    const get = (key: string) => fetch(`http://127.0.0.1:${port}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    expect((await get('sk-alice')).status).toBe(403);
    expect(up.seen).toHaveLength(0);
    expect((await get('sk-other')).status).toBe(200);
  });

  test('of a file with a bad row are told by its line and never by its words; one that goes bad takes none away', async () => {
    const dir = temp();
    const file = join(dir, 'keys.csv');
    writeFileSync(file, `key_sha256,account\n${keyHash('sk-1')},alice\n`);
    const said: string[] = [];
    let at = Date.now();
    const look = new Lookup({ file, cache_seconds: 0, cache_entries: 10, unknown_key: 'refuse' }, (x) => said.push(x));
    writeFileSync(file, `key_sha256,account\n${keyHash('sk-1')},alice\nsk-secret-in-the-wrong-place\n`);
    await pause(5);
    at += 10;
    expect(await look.ask(keyHash('sk-1'), at)).toMatchObject({ account: 'alice' });
    expect(said).toEqual([expect.stringMatching(/keys\.csv: line \d+ is not like the others; keys are those read before/)]);
    for (const content of ['key_sha256,account\nsk-secret-in-the-wrong-place\n', '{"key":"sk-secret-in-the-wrong-place"\n']) {
      writeFileSync(file, content);
      let error: unknown;
      try {
        readHolders(file);
      } catch (e) {
        error = e;
      }
      expect(error).toBeInstanceOf(Error);
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).cause)).not.toContain('sk-secret');
    }
    // What goes by a field passes over nobody for a slip in it.
    const one = keyHash('sk-1');
    for (const [content, told] of [
      ['', /it holds no key/],
      ['key_sha256,account\n', /it holds no key/],
      ['key_sha256,account\nsk-1,alice\n', /row 1: key_sha256 is no SHA-256/],
      [`key_sha256,account\n${one},alice\n${one},bob\n`, /row 2: the key of another account/],
      [`key_sha256,account,verify\n${one},alice,id\n`, /a column is called "verify"/],
      [`key_sha256,account,verification\n${one},alice,gold\n`, /row 1: verification is one of/],
      [`key_sha256,account,created\n${one},alice,25.11.2026\n`, /row 1: created is no date/],
      [`key_sha256,account,country\n${one},alice,China\n`, /row 1: country is no code of two letters/],
    ] as const) {
      writeFileSync(file, content);
      expect(() => readHolders(file)).toThrow(told);
    }
    writeFileSync(join(dir, 's.yaml'), 'decisions: {listen: "127.0.0.1:0"}\naccounts: {file: keys.csv}\n');
    expect(() => readConfig(join(dir, 's.yaml'))).toThrow(/accounts\.file/);
  });
});

test('a worker that goes answers what comes on a connection that was idle, and ends it with that answer', async () => {
  const { port, worker } = await serving();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = () =>
    new Promise<{ status: number; connection: string }>((resolve, reject) => {
      const req = request({ host: '127.0.0.1', port, path: '/v1/models', agent, headers: { authorization: 'Bearer sk-alice' } }, (res) => {
        res.resume();
        res.on('end', () => resolve({ status: res.statusCode ?? 0, connection: res.headers.connection ?? '' }));
      });
      req.on('error', reject);
      req.end();
    });
  expect(await ask()).toMatchObject({ status: 200, connection: 'keep-alive' });
  await pause(20);
  const gone = worker.drain(5000);
  expect(await ask()).toEqual({ status: 200, connection: 'close' });
  await gone;
  // It takes no other.
  await expect(ask()).rejects.toThrow(/ECONNREFUSED/);
  agent.destroy();
});

test('a worker that may take its time to go, and is then asked to stop, stops in the shorter time', async () => {
  const { port, worker } = await serving();
  const cut = new Promise<Error>((resolve) => {
    const headers = { authorization: 'Bearer sk-alice', 'content-length': 100 };
    const req = request({ host: '127.0.0.1', port, path: '/v1/messages', method: 'POST', headers });
    req.on('error', resolve);
    req.write('half');
  });
  await pause(100);
  const gone = worker.drain(3_600_000);
  await pause(50);
  void worker.drain(100);
  await gone;
  expect(await cut).toMatchObject({ code: 'ECONNRESET' });
});

test('a file of keys that is cut to a few takes nobody’s key away', async () => {
  const file = join(temp(), 'keys.csv');
  const rows = (n: number) => `key_sha256,account\n${Array.from({ length: n }, (_, i) => `${keyHash(`sk-${i}`)},a${i}\n`).join('')}`;
  writeFileSync(file, rows(9));
  const said: string[] = [];
  const look = new Lookup({ file, cache_seconds: 0, cache_entries: 1, unknown_key: 'refuse' }, (x) => said.push(x));
  const whose = async (i: number, at: number) => (await look.ask(keyHash(`sk-${i}`), at))?.account;
  for (const [content, kept] of [
    [rows(3), 'a8'],
    ['', 'a8'],
    [rows(7), undefined],
  ] as const) {
    writeFileSync(file, content);
    utimesSync(file, said.length + 10, said.length + 10);
    await pause(5);
    expect(await whose(8, Date.now())).toBe(kept);
  }
  expect(said).toEqual([expect.stringMatching(/holds 3 keys where it held 9/), expect.stringMatching(/it holds no key/)]);
});

/** A worker before an upstream that answers from nowhere. */
async function serving(proxy = '', accounts = '', limits = NO_POLICY.limits, state = EMPTY_STATE) {
  const up = await upstream();
  open.push(up);
  const dir = temp();
  writeFileSync(join(dir, 'keys.csv'), `key_sha256,account\n${keyHash('sk-alice')},alice\n`);
  writeFileSync(
    join(dir, 's.yaml'),
    `state: ./state\nproxy:\n  listen: 127.0.0.1:0\n  upstream: ${up.url}\n${proxy}accounts: {file: keys.csv${accounts}}\n`,
  );
  const worker = new Worker(readConfig(join(dir, 's.yaml')).config, 'w0');
  worker.take({ type: 'snapshot', snapshot: snapshotOf(state, limits, 1, 0, Date.now()) });
  await worker.listen();
  open.push({ close: () => worker.drain(200) });
  const [port = 0] = worker.ports();
  const metrics = () => worker.parts.meters.registry.metrics();
  return { port, up, metrics, worker };
}

const HEAD = (key: string, length: number) =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

/** What a raw connection hears until it is closed, or for so long. */
async function raw(port: number, sent: string, ms = 2000): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.on('data', (d) => (heard += d.toString()));
  socket.on('error', () => undefined);
  socket.write(sent);
  await Promise.race([new Promise((r) => socket.once('close', r)), pause(ms)]);
  socket.destroy();
  return heard;
}

describe('the way in', () => {
  test('refuses a body of more parts than anybody writes, at once, and goes on', async () => {
    const { port } = await serving();
    const send = (body: string) =>
      fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: 'Bearer sk-alice', 'content-type': 'application/json' },
        body,
      });
    const zeros = `{"model":"m-1","messages":[${'0,'.repeat(4_000_000)}0]}`;
    const blocks = JSON.stringify({ model: 'm-1', messages: [{ role: 'user', content: new Array(30_000).fill({ type: 'text' }) }] });
    const began = Date.now();
    const all = await Promise.all([zeros, zeros, zeros, blocks].map(send));
    expect(all.map((r) => r.status)).toEqual([400, 400, 400, 400]);
    expect(await all[0]?.text()).toContain('too many messages');
    expect(Date.now() - began).toBeLessThan(8000);
    expect((await send('{"model":"m-1","messages":[{"role":"user","content":"Hello"}]}')).status).toBe(200);
  });

  test('does not wait for a body that hardly comes', async () => {
    const { port } = await serving();
    expect(await raw(port, `${HEAD('sk-alice', 1000)}{`, 9000)).toMatch(/^HTTP\/1\.1 408/);
  }, 15_000);

  test('refuses a key that is not known before its body has come', async () => {
    const { port } = await serving('', ', unknown_key: refuse');
    expect(await raw(port, HEAD('sk-unknown', 31_000_000))).toMatch(/^HTTP\/1\.1 401/);
  });

  test('holds bodies up to a bound, asks the others to come again, and has room again when they are gone', async () => {
    const { port } = await serving('  bodies_bytes_max: 100000\n');
    const big = `${HEAD('sk-alice', 90_001)}${' '.repeat(90_000)}`;
    const waiting = connect(port, '127.0.0.1');
    waiting.on('error', () => undefined);
    waiting.write(big);
    await pause(100);
    expect(await raw(port, big)).toMatch(/^HTTP\/1\.1 503/);
    waiting.destroy();
    await pause(100);
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(80_000) }] });
    expect(await raw(port, `${HEAD('sk-alice', body.length)}${body}`, 1000)).toMatch(/^HTTP\/1\.1 200/);
  });

  test('is not shut by one address, and who is kept out is counted', async () => {
    const { port, metrics } = await serving('  connections: 8\n  connections_per_address: 3\n');
    const idle = Array.from({ length: 5 }, () => connect(port, '127.0.0.1'));
    for (const s of idle) s.on('error', () => undefined);
    await pause(200);
    expect(idle.filter((s) => !s.destroyed && s.readyState === 'open').length).toBe(3);
    expect(await metrics()).toMatch(/stillwatch_connections_dropped_total 2/);
    for (const s of idle) s.destroy();
  });

  test('makes room for who asks where all places are kept by those who do not', async () => {
    const { port } = await serving('  connections: 3\n  connections_per_address: 3\n');
    const idle = Array.from({ length: 3 }, () => connect(port, '127.0.0.1'));
    for (const s of idle) {
      s.on('error', () => undefined);
      s.write('GET /none HTTP/1.1\r\nhost: x\r\n\r\n');
    }
    await pause(200);
    const ask = () => raw(port, 'GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 1000);
    // The first finds no place, and makes one.
    await ask();
    await pause(100);
    expect(await ask()).toMatch(/^HTTP\/1\.1 404/);
    for (const s of idle) s.destroy();
  });

  test('takes a body that is nested beyond reading for a fault of the caller, which is not tried again', async () => {
    const { port } = await serving();
    const content = '['.repeat(200_000) + ']'.repeat(200_000);
    const body = `{"model":"m","messages":[{"role":"user","content":${content}}]}`;
    const heard = await raw(port, `${HEAD('sk-alice', body.length)}${body}`);
    expect(heard).toMatch(/^HTTP\/1\.1 400/);
    expect(heard).toMatch(/x-should-retry: false/);
  });

  test('takes a key under a name that others read as the same for a second key', async () => {
    const { port } = await serving();
    const r = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-alice', x_api_key: 'sk-other' },
      body: '{"model":"m","messages":[]}',
    });
    expect(r.status).toBe(400);
  });
});

test('who is asked has not kept anybody waiting that was busy: an answer that has come is read first', async () => {
  const answer = new Promise<string>((r) => setTimeout(() => r('there'), 5));
  const asked = within(answer, 20);
  // Busy for longer than the answer may take; when it looks up both timers are due.
  const until = Date.now() + 60;
  while (Date.now() < until);
  expect(await asked).toBe('there');
  await expect(within(new Promise(() => undefined), 10)).rejects.toThrow(/no answer in 10 ms/);
});

describe('a followed file', () => {
  test('goes on after lines that are no log, and is read from its start when it was written over', async () => {
    const dir = temp();
    mkdirSync(join(dir, 'spool'));
    const path = join(dir, 'log.jsonl');
    await withStore(async (store) => {
      const i = new Intake(store, dir, join(dir, 'spool'), { spool: dir, keepRejects: true });
      const ids = async () => (await store.rows<{ id: string }>('SELECT id FROM exchanges ORDER BY id')).map((r) => r.id);
      writeFileSync(path, 'starting up\n'.repeat(200));
      expect(await i.tail(path)).toMatchObject({ accepted: 0, rejected: 200 });
      appendFileSync(path, `${'warning: x\n'.repeat(100)}${jsonl([record({ id: 'a1' })])}`);
      expect(await i.tail(path)).toMatchObject({ accepted: 1, rejected: 100 });
      appendFileSync(path, 'warning: y\n'.repeat(100));
      expect(await i.tail(path)).toMatchObject({ accepted: 0, rejected: 100 });
      // Copied, cut short, and grown beyond its old place within one round.
      truncateSync(path, 0);
      appendFileSync(path, jsonl(Array.from({ length: 60 }, (_, k) => record({ id: `b${k}` }))));
      await i.tail(path);
      expect((await ids()).length).toBe(61);
    });
  });
});

test('a worker ends what it began when the process that started it is killed', async () => {
  let asked = 0;
  const up = createServer((req, res) => {
    req.resume();
    asked += 1;
    setTimeout(() => res.end('{"usage":{"prompt_tokens":1,"completion_tokens":1}}'), 1500);
  });
  await new Promise<void>((r) => up.listen(0, '127.0.0.1', () => r()));
  open.push({ close: () => new Promise((r) => up.close(r)) });
  const { port } = up.address() as AddressInfo;
  const s = await service((p) => `store: ./store\nproxy: {listen: "127.0.0.1:${p.proxy}", upstream: "http://127.0.0.1:${port}"}\n`);
  open.push({ close: () => s.stop() });
  const under = Array.from({ length: 5 }, () =>
    fetch(`${s.proxy}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-1' },
      body: '{"model":"m","messages":[]}',
    }).then((r) => r.status),
  );
  await s.until('the requests', async () => asked === 5);
  s.process.kill('SIGKILL');
  expect(await Promise.all(under)).toEqual([200, 200, 200, 200, 200]);
  // And then they go, detection too.
  await s.until('their end', async () => pids(s.dir, 'worker').length === 0 && pids(s.dir, 'detector').length === 0);
}, 60_000);
