import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readList } from '../src/cli/check.ts';
import { plan } from '../src/cli/plan.ts';
import { moment, type ScanFlags } from '../src/cli/scan.ts';
import type { Terminal } from '../src/cli/terminal.ts';
import { recognise } from '../src/formats/index.ts';
import { resolveInputs } from '../src/formats/input.ts';
import { file, jsonl, record, scanned, temp, withStore } from './support/tools.ts';

// What a hostile reader of logs found: each of these lost exchanges, counted a line twice or never, or gave an all-clear that was none.

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const when = '2026-05-04T10:00:00Z';
const kept = <T>(lines: readonly unknown[], columns: string, over: object = {}): Promise<T[]> =>
  withStore(async (store) => {
    await scanned(store, file('log.jsonl', jsonl(lines)), { record: false, ...over });
    return store.rows<T>(`SELECT ${columns} FROM exchanges ORDER BY id`);
  });

describe('what is in a body beside the fields of a record', () => {
  it('is read, whatever else the envelope names', async () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'Explain the tides to a sailor.' }] };
    const line = {
      id: 'x',
      time: when,
      account: 'a',
      model: 'm',
      request: body,
      response: { usage: { input_tokens: 7, output_tokens: 9 } },
    };
    expect(recognise([JSON.stringify(line)])?.id).toBe('provider');
    expect(await kept([line], 'chars, input_tokens, output_tokens')).toEqual([{ chars: 30, input_tokens: 7, output_tokens: 9 }]);
  });

  it('calls, their outcomes and thoughts of the Responses API are not what the user said, and what goes on from an answer begins nothing', async () => {
    const said = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Find the bug in the tide table.' }] };
    const step = (i: number) => [
      { type: 'reasoning', summary: [] },
      { type: 'function_call', name: 'run', arguments: `{"n":${i}}`, call_id: `c${i}` },
      { type: 'function_call_output', call_id: `c${i}`, output: 'done' },
    ];
    const line = (id: string, body: object, more: object = {}) => ({
      id,
      time: when,
      account: 'a',
      request: { model: 'm', ...body },
      ...more,
    });
    const loop = [0, 1, 2].map((n) => line(`l${n}`, { input: [said, ...Array.from({ length: n }, (_, i) => step(i)).flat()] }));
    const chain = [0, 1, 2].map((n) =>
      line(`m${n}`, { input: `turn ${n} of it`, ...(n > 0 ? { previous_response_id: `r${n - 1}` } : {}) }, { response: { id: `r${n}` } }),
    );
    const rows = await kept<{ id: string; opening: boolean; chars: number }>([...loop, ...chain], 'id, opening, chars');
    expect(rows.filter((r) => r.opening).map((r) => r.id)).toEqual(['l0', 'm0']);
    expect(rows.map((r) => r.chars)).toEqual([31, 0, 0, 12, 12, 12]);
  });

  it('a cache that was written counts in a streamed answer as well', async () => {
    const stream = [
      '{"type":"message_start","message":{"usage":{"input_tokens":5,"cache_creation_input_tokens":6,"cache_read_input_tokens":10}}}',
    ];
    const line = {
      id: 'x',
      time: when,
      account: 'a',
      request: { model: 'm', messages: [{ role: 'user', content: 'hello' }] },
      response: `data: ${stream}`,
    };
    expect(await kept([line], 'input_tokens')).toEqual([{ input_tokens: 21 }]);
  });

  it('instructions and tools told as values of the protocol, an object of Langfuse, thoughts of Helicone, and how long each took', async () => {
    const text = (stringValue: string) => ({ stringValue });
    const list = (values: unknown[]) => ({ arrayValue: { values } });
    const kv = (o: Record<string, unknown>) => ({ kvlistValue: { values: Object.entries(o).map(([key, value]) => ({ key, value })) } });
    const span = {
      traceId: 't',
      spanId: 's',
      startTimeUnixNano: '1777888800000000000',
      attributes: [
        { key: 'gen_ai.request.model', value: text('m') },
        { key: 'user.id', value: text('a') },
        {
          key: 'gen_ai.input.messages',
          value: list([kv({ role: text('user'), parts: list([kv({ type: text('text'), content: text('Explain the tides.') })]) })]),
        },
        {
          key: 'gen_ai.system_instructions',
          value: list([kv({ type: text('text'), content: text('Answer as an old harbour master would.') })]),
        },
        { key: 'gen_ai.tool.definitions', value: list([kv({ name: text('one') }), kv({ name: text('two') })]) },
      ],
    };
    const [otel] = await kept<{ tool_count: number; n: number }>(
      [{ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }],
      'tool_count, length(scaffold) AS n',
    );
    expect(otel).toEqual({ tool_count: 2, n: '3' });
    const observation = {
      trace_id: 't',
      span_id: 's',
      start_time: when,
      end_time: '2026-05-04T10:00:02Z',
      user_id: 'a',
      provided_model_name: 'm',
      type: 'GENERATION',
    };
    const langfuse = { ...observation, input: JSON.stringify({ instructions: 'Be brief.', input: 'Explain the tides.' }) };
    expect(await kept([langfuse], 'chars, latency_ms')).toEqual([{ chars: 18, latency_ms: 2000 }]);
    const helicone = {
      request_id: 'x',
      request_created_at: when,
      user_id: 'a',
      model: 'm',
      request_body: '{}',
      response_body: '{"usage":{"completion_tokens_details":{"reasoning_tokens":7}}}',
    };
    expect(await kept([helicone], 'reasoning_tokens')).toEqual([{ reasoning_tokens: 7 }]);
    const litellm = {
      id: 'x',
      call_type: 'completion',
      startTime: 1777888800,
      endTime: 1777888801.5,
      model: 'm',
      metadata: { user_api_key_hash: 'k' },
    };
    expect(await kept([litellm], 'latency_ms')).toEqual([{ latency_ms: 1500 }]);
  });
});

describe('what was rejected', () => {
  const torn = '# started';

  it('counts again where other content stands in the same name, and once wherever the same content lies', () =>
    withStore(async (store) => {
      const path = join(temp(), 'app.log');
      const rejected = async (at: string) => (await scanned(store, at, { record: false })).coverage.rejected;
      writeFileSync(path, jsonl([torn, record()]));
      expect(await rejected(path)).toBe(1);
      writeFileSync(path, jsonl([torn, record({ id: 'x2' })]));
      expect(await rejected(path)).toBe(2);
      copyFileSync(path, join(temp(), 'copy.log'));
      expect(await rejected(file('packed.log.gz', gzipSync(readFileSync(path))))).toBe(2);
    }));

  it('a log that begins with what its program said is read, and that is counted', () =>
    withStore(async (store) => {
      const lines = [
        ...Array.from({ length: 60 }, (_, i) => `INFO starting ${i}`),
        ...Array.from({ length: 20 }, (_, i) => record({ id: `x${i}` })),
      ];
      expect((await scanned(store, file('b.jsonl', jsonl(lines)), { record: false })).coverage).toMatchObject({
        exchanges: 20,
        rejected: 60,
      });
    }));

  it('moments that are none are told as such; small letters of RFC 3339 are letters', async () => {
    const times = ['0000-00-00 00:00:00', '0000-01-01T00:00:00Z', '12', 'May', '2026-05-04T10:61:00Z', '2026-05-04t10:00:00z'];
    await withStore(async (store) => {
      const d = await scanned(store, file('t.jsonl', jsonl(times.map((time, i) => record({ id: `x${i}`, time })))), { record: false });
      expect(d.coverage).toMatchObject({ exchanges: 1, rejected: 5, reasons: [{ reason: 'bad_time', lines: 5 }] });
    });
  });

  it('is not kept where identifiers are not, and an account that is one of them is hashed as they are', () =>
    withStore(async (store) => {
      const lines = [
        record({ account: undefined, api_key: 'sk-live-SECRET', ip: '203.0.113.7' }),
        record({ end_user: 'alice@example.com' }),
      ];
      const accounts = file('a.jsonl', jsonl([{ account: 'alice@example.com', tier: 'scale' }]));
      const d = await scanned(store, file('k.jsonl', jsonl(lines)), { keyed: true, accountBy: 'end_user', accounts });
      expect(d.coverage).toMatchObject({ exchanges: 1, rejected: 1 });
      const [account] = await store.rows<{ account: string }>('SELECT account FROM exchanges');
      expect(account?.account).toMatch(/^k[0-9A-F]{16}$/);
      expect(await store.rows('SELECT account, tier FROM accounts')).toEqual([{ account: account?.account, tier: 'scale' }]);
      for (const table of ['exchanges', 'accounts', 'rejects', 'dossiers'])
        expect(JSON.stringify(await store.rows(`SELECT * FROM ${table}`))).not.toMatch(/alice|SECRET|203\.0\.113/);
    }));
});

describe('reading once more', () => {
  it('what another file held as duplicates comes back with it when the first is read in another way', () =>
    withStore(async (store) => {
      const lines = ['w1', 'w2', 'w3'].map((id) => record({ id }));
      const [a, b] = [file('a.jsonl', jsonl(lines)), file('b.jsonl', jsonl([...lines, record({ id: 'w4' })]))];
      await scanned(store, a, { record: false });
      await scanned(store, b, { record: false });
      const d = await scanned(store, a, { record: false, fields: { account: 'id' } });
      expect(d.coverage.files[0]?.note).toContain(`scan them again: ${b}`);
      expect((await scanned(store, b, { record: false })).coverage).toMatchObject({ exchanges: 7 });
      expect((await scanned(store, b, { record: false })).coverage.files[0]).toMatchObject({ state: 'already_read' });
    }));

  it('rows whose messages are text are read once, also by the name of canonical records', () =>
    withStore(async (store) => {
      const path = file('rows.jsonl', jsonl([record({ messages: JSON.stringify([{ role: 'user', content: 'Explain the tides.' }]) })]));
      const states = [];
      for (let i = 0; i < 2; i++) states.push((await scanned(store, path, { record: false, inputFormat: 'canonical' })).coverage.files[0]);
      expect(states).toMatchObject([{ state: 'read', note: '' }, { state: 'already_read' }]);
    }));

  it('a link in a directory that leads nowhere is told of', async () => {
    const dir = temp();
    writeFileSync(join(dir, 'a.jsonl'), jsonl([record()]));
    symlinkSync(join(dir, 'gone'), join(dir, 'b.jsonl'));
    const { inputs, unreadable } = await resolveInputs([dir], temp(), () => process.stdin);
    expect([inputs.length, unreadable.map((u) => u.name)]).toEqual([1, [join(dir, 'b.jsonl')]]);
  });

  it('two colons in a name are letters', () =>
    withStore(async (store) => {
      expect((await scanned(store, file('foo.zip::x.jsonl', jsonl([record()])), { record: false })).coverage.exchanges).toBe(1);
    }));
});

describe('a list of accounts for check', () => {
  const listed = (text: string) => readList(file('list.txt', text)).map((l) => `${l.account} ${l.group} ${l.at ?? ''}`.trim());

  it('is read whole: names that hold the word account, semicolons, blanks after commas', () => {
    expect(listed('account-1\naccount-2\n')).toEqual(['account-1 all', 'account-2 all']);
    const at = Date.UTC(2026, 4, 5);
    for (const text of [
      'account;group;banned\na;g;2026-05-05\n',
      'Account, Group, Banned\na, g, 2026-05-05\n',
      '{"account":"a","group":"g","banned":"2026-05-05"}\n',
    ])
      expect(listed(text)).toEqual([`a g ${at}`]);
  });

  it('or refused: an all-clear over a part of it would be none', () => {
    for (const text of ['a;b\n', 'account,group\n,g\n', '{"name":"a"}\n', 'account,banned\na,soon\n'])
      expect(() => listed(text)).toThrow(expect.objectContaining({ code: 'E_LIST' }));
  });

  it('a time without a zone is in UTC wherever the program runs, and a number is none', () => {
    expect(moment('2026-05-04T10:30:00')).toBe(Date.UTC(2026, 4, 4, 10, 30));
    expect(() => moment('5')).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  });
});

it('a plan sees the text of every format, and none where there is none', async () => {
  const flags = { accounts: 'x' } as unknown as ScanFlags;
  const quiet = { clear: () => undefined, progress: () => undefined } as unknown as Terminal;
  const share = async (lines: readonly unknown[]) =>
    /with text +about (\d+) %/.exec((await plan([file('p.jsonl', jsonl(lines))], flags, temp(), quiet)).text)?.[1];
  const messages = [{ role: 'user', content: 'Explain the tides.' }];
  const attributes = [
    { key: 'gen_ai.request.model', value: { stringValue: 'm' } },
    {
      key: 'gen_ai.input.messages',
      value: { stringValue: JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'Explain.' }] }]) },
    },
  ];
  const lines = {
    canonical: record(),
    otel: { resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 't', spanId: 's', startTimeUnixNano: '1', attributes }] }] }] },
    litellm: { id: 'x', call_type: 'completion', startTime: 1, model: 'm', messages, metadata: {} },
    provider: { id: 'x', time: when, account: 'a', request: { model: 'm', messages } },
    langfuse: { start_time: when, provided_model_name: 'm', input: JSON.stringify({ messages }) },
    helicone: { request_id: 'x', request_created_at: when, request_body: JSON.stringify({ model: 'm', messages }) },
    openinference: { start_time: when, attributes: { 'llm.model_name': 'm', 'llm.input_messages.0.message.content': 'Explain.' } },
  };
  for (const [name, line] of Object.entries(lines)) expect(`${name} ${await share([line])}`).toBe(`${name} 100`);
  expect(await share([record({ messages: undefined, response: 'an answer', tools: [{ name: 'f', input: 'schema' }] })])).toBe('0');
});

it('a report does not take the place of what it was made from', () => {
  const log = file('mine.jsonl', jsonl([record()]));
  const link = join(temp(), 'link.jsonl');
  symlinkSync(log, link);
  for (const [flag, out] of [
    ['--out', log],
    ['--out', link],
    ['--report', log],
  ] as const) {
    const r = spawnSync(process.execPath, [MAIN, 'scan', log, '--store', join(temp(), 's'), flag, out], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect([r.status, r.stderr]).toEqual([2, expect.stringContaining('E_OUT')]);
  }
  expect(readFileSync(log, 'utf8')).toBe(jsonl([record()]));
});
