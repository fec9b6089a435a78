import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readAccounts } from '../src/formats/accounts.ts';
import { canonical } from '../src/formats/canonical.ts';
import { recognise } from '../src/formats/index.ts';
import { inspect } from '../src/formats/input.ts';
import { jsonPath } from '../src/formats/read.ts';
import { ingest } from '../src/store/ingest.ts';
import { file, jsonl, take, temp, withStore } from './support/tools.ts';

/** One record a format, written by hand from the field names its project publishes, and the exchange it must become. */
const TEXT = 'Compare two ferry routes across the strait';
const when = '2026-05-04T10:00:00.000Z';
const nano = `${Date.parse(when)}000000`;
const attribute = (key: string, value: string | number) => ({
  key,
  value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
});

const SAMPLES: readonly { format: string; name: string; line: object; expected: Record<string, unknown> }[] = [
  {
    format: 'otel',
    name: 'OTLP/JSON with semantic conventions for GenAI',
    line: {
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: [
                {
                  traceId: 't1',
                  spanId: 's1',
                  name: 'chat m-1',
                  startTimeUnixNano: nano,
                  endTimeUnixNano: `${Date.parse(when) + 250}000000`,
                  attributes: [
                    attribute('gen_ai.operation.name', 'chat'),
                    attribute('gen_ai.request.model', 'm-1'),
                    attribute('gen_ai.usage.input_tokens', 12),
                    attribute('gen_ai.usage.output_tokens', 34),
                    attribute('gen_ai.usage.reasoning.output_tokens', 5),
                    attribute('gen_ai.conversation.id', 'conv'),
                    attribute('user.id', 'acct-7'),
                    attribute('client.address', '192.0.2.7'),
                    attribute('user_agent.original', 'sdk/1'),
                    attribute('gen_ai.system_instructions', '[{"type":"text","content":"Be brief."}]'),
                    attribute('gen_ai.input.messages', JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: TEXT }] }])),
                  ],
                },
              ],
            },
          ],
        },
      ],
    },
    expected: {
      account: 'acct-7',
      model: 'm-1',
      ip: '192.0.2.7',
      user_agent: 'sdk/1',
      input_tokens: 12,
      output_tokens: 34,
      reasoning_tokens: 5,
      latency_ms: 250,
    },
  },
  {
    format: 'otel',
    name: 'one span a line with the older names',
    line: {
      traceId: 't2',
      spanId: 's2',
      startTimeUnixNano: nano,
      attributes: {
        'gen_ai.system': 'x',
        'gen_ai.request.model': 'm-2',
        'gen_ai.prompt': TEXT,
        'gen_ai.usage.prompt_tokens': 3,
        'gen_ai.usage.completion_tokens': 4,
        'enduser.id': 'acct-8',
      },
    },
    expected: { account: 'acct-8', model: 'm-2', input_tokens: 3, output_tokens: 4 },
  },
  {
    format: 'litellm',
    name: 'StandardLoggingPayload',
    line: {
      id: 'chatcmpl-1',
      trace_id: 'tr',
      call_type: 'acompletion',
      stream: false,
      status: 'success',
      prompt_tokens: 5,
      completion_tokens: 6,
      startTime: Date.parse(when) / 1000,
      endTime: Date.parse(when) / 1000 + 1,
      model: 'm-3',
      model_group: 'g',
      end_user: 'u9',
      requester_ip_address: '192.0.2.9',
      user_agent: 'py/2',
      messages: [{ role: 'user', content: TEXT }],
      response: {},
      model_parameters: { temperature: 0 },
      request_tags: [],
      metadata: { user_api_key_hash: 'hash-1', user_api_key_user_id: 'acct-9', user_api_key_team_id: 'team' },
    },
    expected: {
      account: 'acct-9',
      api_key: 'hash-1',
      workspace: 'team',
      // What was asked for; `model` is the deployment that answered.
      model: 'g',
      ip: '192.0.2.9',
      output_tokens: 6,
      status: 200,
      end_user: 'u9',
    },
  },
  {
    format: 'provider',
    name: 'Anthropic Messages in an envelope',
    line: {
      id: 'req-1',
      time: when,
      api_key_hash: 'k-1',
      client_ip: '192.0.2.1',
      user_agent: 'a/1',
      request: {
        model: 'm-4',
        system: [{ type: 'text', text: 'Be kind.' }],
        max_tokens: 5,
        metadata: { user_id: 'claimed' },
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: TEXT },
              { type: 'tool_result', tool_use_id: 't', content: 'ignored output of a tool' },
            ],
          },
        ],
      },
      response: { id: 'msg', stop_reason: 'end_turn', usage: { input_tokens: 8, output_tokens: 9 } },
    },
    expected: { account: 'k-1', model: 'm-4', ip: '192.0.2.1', output_tokens: 9, stop_reason: 'end_turn' },
  },
  {
    format: 'provider',
    name: 'OpenAI Chat in an envelope',
    line: {
      id: 'req-2',
      time: when,
      account: 'acct-2',
      request: {
        model: 'm-5',
        user: 'claimed',
        messages: [
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: TEXT },
        ],
      },
      response: {
        choices: [{ finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 2, completion_tokens_details: { reasoning_tokens: 1 } },
      },
    },
    expected: { account: 'acct-2', model: 'm-5', output_tokens: 2, reasoning_tokens: 1, stop_reason: 'stop' },
  },
  {
    format: 'provider',
    name: 'OpenAI Responses in an envelope',
    line: {
      id: 'req-3',
      time: when,
      account: 'acct-3',
      request: { model: 'm-6', instructions: 'Be kind.', input: TEXT },
      response: { usage: { input_tokens: 1, output_tokens: 7 } },
    },
    expected: { account: 'acct-3', model: 'm-6', output_tokens: 7 },
  },
  {
    format: 'langfuse',
    name: 'events_full',
    line: {
      trace_id: 't',
      span_id: 's',
      start_time: when,
      end_time: '2026-05-04T10:00:01.500Z',
      user_id: 'acct-4',
      session_id: 'se',
      provided_model_name: 'm-7',
      model_parameters: '{}',
      // Buckets leave each other out; where the plain two are all of the total they do not.
      usage_details: { input: 4, input_cached_tokens: 2, output: 5, output_reasoning_tokens: 3, total: 14 },
      input: JSON.stringify({ messages: [{ role: 'user', content: TEXT }] }),
      output: 'x',
      metadata_names: ['ip'],
      metadata_values: ['192.0.2.4'],
    },
    expected: {
      account: 'acct-4',
      model: 'm-7',
      ip: '192.0.2.4',
      input_tokens: 6,
      output_tokens: 8,
      reasoning_tokens: 3,
      latency_ms: 1500,
    },
  },
  {
    format: 'helicone',
    name: 'request_response_rmt',
    line: {
      request_id: 'r',
      request_created_at: '2026-05-04 10:00:00.000',
      latency: 90,
      status: 200,
      prompt_tokens: 1,
      completion_tokens: 2,
      model: 'm-8',
      provider: 'p',
      user_id: 'acct-5',
      organization_id: 'o',
      proxy_key_id: 'pk',
      country_code: 'XX',
      properties: {},
      request_body: JSON.stringify({ model: 'm-8', messages: [{ role: 'user', content: TEXT }] }),
      response_body: '{}',
    },
    expected: { account: 'acct-5', api_key: 'pk', model: 'm-8', output_tokens: 2, latency_ms: 90 },
  },
  {
    format: 'litellm',
    name: 'a row of the spend table',
    line: {
      request_id: 'chatcmpl-2',
      session_id: 'ses',
      call_type: 'acompletion',
      api_key: 'hash-2',
      startTime: '2026-05-04 10:00:00.000000',
      endTime: '2026-05-04 10:00:02.000000',
      model: 'm-3',
      user: 'acct-2',
      team_id: 'team',
      metadata: JSON.stringify({ user_api_key: 'hash-2', user_api_key_user_id: 'acct-2', user_agent: 'py/3', status: null }),
      spend: 0.1,
      prompt_tokens: 5,
      completion_tokens: 6,
      requester_ip_address: '192.0.2.12',
      messages: '{}',
      response: '{}',
      proxy_server_request: JSON.stringify({ model: 'm-3', messages: [{ role: 'user', content: TEXT }] }),
      status: 'failure',
      error_information: { error_code: '429' },
    },
    expected: {
      account: 'acct-2',
      api_key: 'hash-2',
      workspace: 'team',
      ip: '192.0.2.12',
      user_agent: 'py/3',
      status: 429,
      latency_ms: 2000,
    },
  },
  {
    format: 'litellm',
    name: 'a request that was only passed through, of a key that an administrator made',
    line: {
      id: 'chatcmpl-3',
      call_type: 'pass_through_endpoint',
      startTime: Date.parse(when) / 1000,
      model: 'unknown',
      messages: [{ role: 'user', content: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: TEXT }] }] }) }],
      metadata: { user_api_key_hash: 'hash-3', user_api_key_user_id: 'default_user_id' },
    },
    expected: { account: 'hash-3', api_key: 'hash-3' },
  },
  {
    format: 'helicone',
    name: 'its export',
    line: {
      request_id: 'r',
      request_created_at: '2026-05-04 10:00:00.000',
      response_status: 429,
      delay_ms: 90,
      request_user_id: 'acct-6',
      request_model: 'm-8',
      request_path: '/v1/chat/completions',
      request_properties: { 'Helicone-Session-Id': 'se' },
      prompt_tokens: 1,
      completion_tokens: 2,
      request_body: { model: 'm-8', messages: [{ role: 'user', content: TEXT }] },
      response_body: { choices: [{ finish_reason: 'stop' }] },
    },
    expected: { account: 'acct-6', model: 'm-8', status: 429, latency_ms: 90, stop_reason: 'stop' },
  },
  {
    format: 'langfuse',
    name: 'its export of observations',
    line: {
      id: 'o1',
      trace_id: 't',
      type: 'GENERATION',
      start_time: when,
      end_time: '2026-05-04T10:00:01.500Z',
      user_id: 'acct-4',
      provided_model_name: 'm-7',
      usage_details: { input: 4, output: 5, total: 9 },
      metadata: { ip: '192.0.2.4' },
      input: JSON.stringify({ contents: [{ parts: [{ text: TEXT }] }] }),
    },
    expected: { id: 't/o1', account: 'acct-4', ip: '192.0.2.4', input_tokens: 4, latency_ms: 1500 },
  },
  {
    format: 'langfuse',
    name: 'an observation as its API gives it',
    line: {
      id: 'o2',
      traceId: 't',
      type: 'GENERATION',
      startTime: when,
      endTime: '2026-05-04T10:00:01.500Z',
      userId: 'acct-4',
      sessionId: 'se',
      model: 'm-7',
      usageDetails: { input: 4, output: 5, total: 9 },
      input: [[{ role: 'user', content: TEXT }]],
    },
    expected: { id: 't/o2', account: 'acct-4', model: 'm-7', output_tokens: 5 },
  },
  {
    format: 'openinference',
    name: 'a row of a data frame',
    line: {
      'context.span_id': 's',
      'context.trace_id': 't',
      span_kind: 'LLM',
      start_time: Date.parse(when),
      end_time: Date.parse(when) + 1500,
      'attributes.llm.model_name': 'm-9',
      'attributes.llm.input_messages': [{ 'message.role': 'user', 'message.content': TEXT }],
      'attributes.llm.token_count.completion': 4,
      'attributes.user.id': 'acct-6',
    },
    expected: { id: 'ts', account: 'acct-6', model: 'm-9', output_tokens: 4, latency_ms: 1500 },
  },
  {
    format: 'openinference',
    name: 'objects within objects',
    line: {
      context: { trace_id: 't', span_id: 's' },
      start_time: when,
      attributes: {
        openinference: { span: { kind: 'LLM' } },
        llm: { model_name: 'm-9', token_count: { completion: 4 }, input_messages: [{ message: { role: 'user', content: TEXT } }] },
        user: { id: 'acct-6' },
      },
    },
    expected: { id: 'ts', account: 'acct-6', model: 'm-9', output_tokens: 4 },
  },
  {
    format: 'otel',
    name: 'a span as Python prints it, with what a gateway says of the key',
    line: {
      name: 'chat m-1',
      context: { trace_id: '0xt', span_id: '0xs' },
      kind: 'SpanKind.CLIENT',
      start_time: when,
      end_time: '2026-05-04T10:00:01.500Z',
      attributes: {
        'gen_ai.request.model': 'm-1',
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: TEXT }] }]),
        'metadata.user_api_key_user_id': 'default_user_id',
        'metadata.user_api_key_hash': 'hash-4',
        'metadata.requester_ip_address': '192.0.2.14',
      },
    },
    expected: { id: '0xt0xs', account: 'hash-4', ip: '192.0.2.14', stop_reason: 'stop', latency_ms: 1500 },
  },
  {
    format: 'openinference',
    name: 'flattened attributes',
    line: {
      context: { trace_id: 't', span_id: 's' },
      start_time: when,
      attributes: {
        'llm.model_name': 'm-9',
        'llm.invocation_parameters': '{"temperature":0}',
        'llm.input_messages.0.message.role': 'system',
        'llm.input_messages.0.message.content': 'Be kind.',
        'llm.input_messages.1.message.role': 'user',
        'llm.input_messages.1.message.content': TEXT,
        'llm.token_count.prompt': 3,
        'llm.token_count.completion': 4,
        'user.id': 'acct-6',
        'session.id': 'se',
      },
    },
    expected: { account: 'acct-6', model: 'm-9', input_tokens: 3, output_tokens: 4 },
  },
  {
    format: 'canonical',
    name: 'exchange record',
    line: {
      id: 'c1',
      time: when,
      account: 'acct-1',
      model: 'm-0',
      messages: [{ role: 'user', content: TEXT }],
      asn: 64500,
      api_key: 'k',
      output_tokens: 3,
      turn: 1,
      conversation: 'c',
    },
    expected: { account: 'acct-1', model: 'm-0', asn: '64500', output_tokens: 3, api_key: 'k' },
  },
];

describe('every log format becomes the same exchange', () => {
  it.each(SAMPLES)('$format: $name', async ({ format, line, expected }) => {
    expect(recognise([JSON.stringify(line)])?.id).toBe(format);
    await withStore(async (store) => {
      expect(await take(store, file('log.json', jsonl([line])))).toMatchObject({
        format,
        accepted: 1,
        rejected: 0,
        lines: 1,
        duplicates: 0,
      });
      const [row] = await store.rows<Record<string, unknown>>('SELECT * FROM exchanges');
      for (const [k, v] of Object.entries(expected)) expect([k, typeof v === 'number' ? Number(row?.[k]) : row?.[k]]).toEqual([k, v]);
      // Only the user's new text is sketched, and it is the same text in each format.
      expect([Number(row?.['chars']), String(row?.['time']).slice(0, 19), row?.['opening']]).toEqual([
        TEXT.length,
        '2026-05-04T10:00:00',
        true,
      ]);
      expect(((row?.['words'] ?? []) as unknown[]).length).toBe(5);
    });
  });

  it('reads many spans of one line, each once', async () => {
    const span = (n: number) => ({
      traceId: 't',
      spanId: `s${n}`,
      startTimeUnixNano: nano,
      attributes: [attribute('gen_ai.request.model', 'm'), attribute('user.id', 'u'), attribute('gen_ai.prompt', `${TEXT} ${n}`)],
    });
    await withStore(async (store) => {
      const c = await take(
        store,
        file('o.jsonl', gzipSync(jsonl([{ resourceSpans: [{ scopeSpans: [{ spans: [span(1), span(2)] }, { spans: [span(3)] }] }] }]))),
      );
      expect(c).toMatchObject({ accepted: 3, lines: 3, rejected: 0 });
    });
  });
});

describe('OpenTelemetry', () => {
  const list = (o: Record<string, unknown>) => ({ kvlistValue: { values: Object.entries(o).map(([key, value]) => ({ key, value })) } });
  const text = (stringValue: string) => ({ stringValue });
  const messages = {
    arrayValue: {
      values: [list({ role: text('user'), parts: { arrayValue: { values: [list({ type: text('text'), content: text(TEXT) })] } } })],
    },
  };
  const attributes = [attribute('gen_ai.request.model', 'm'), attribute('user.id', 'u'), { key: 'gen_ai.input.messages', value: messages }];

  it.each([
    ['spans', { resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 't', spanId: 's', startTimeUnixNano: nano, attributes }] }] }] }],
    ['events', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ traceId: 't', spanId: 's', timeUnixNano: nano, attributes }] }] }] }],
  ])('messages as values of the protocol, in %s', async (_, line) => {
    expect(recognise([JSON.stringify(line)])?.id).toBe('otel');
    await withStore(async (store) => {
      expect(await take(store, file('o.json', jsonl([line])))).toMatchObject({ accepted: 1, rejected: 0 });
      const row = await store.first<{ n: number; t: string }>('SELECT chars AS n, toString(time) AS t FROM exchanges');
      expect([Number(row?.n), row?.t.slice(0, 10)]).toEqual([TEXT.length, '2026-05-04']);
    });
  });
});

it('parameters of a provider body make its form, whichever of them are given', async () => {
  const body = (id: string, over: object) => ({
    id,
    time: when,
    account: 'a',
    request: { model: 'm', messages: [{ role: 'user', content: TEXT }], ...over },
  });
  await withStore(async (store) => {
    const path = file(
      'p.jsonl',
      jsonl([
        body('1', { temperature: 0.2 }),
        body('2', { temperature: 0.9 }),
        body('3', { temperature: 0.9 }),
        body('4', { max_tokens: 9 }),
      ]),
    );
    expect(await take(store, path, 'provider')).toMatchObject({ accepted: 4 });
    expect(Number((await store.first<{ n: string }>('SELECT uniqExact(shape) AS n FROM exchanges'))?.n)).toBe(3);
  });
});

it('--field and --account-by choose other places', async () => {
  await withStore(async (store) => {
    const path = file(
      'x.jsonl',
      jsonl([{ uuid: 'q1', ts: when, tenant: { 'org.id': 'acme' }, model: 'm', workspace: 'w1', messages: [] }]),
    );
    const c = await ingest(store, inspect(path, path), canonical, {
      spool: temp(),
      keepRejects: true,
      fields: { id: 'uuid', time: 'ts', account: 'tenant["org.id"]' },
    });
    expect(c.accepted).toBe(1);
    expect((await store.first<{ a: string }>('SELECT account AS a FROM exchanges'))?.a).toBe('acme');
  });
  expect(jsonPath('a["b.c"].d')).toEqual(['a', 'b.c', 'd']);
});

describe('account records', () => {
  const all = async (
    path: string,
  ): Promise<{ rows: { account: string; created: string | null; email_domain: string; labels: string[] }[]; bad: number[] }> => {
    const bad: number[] = [];
    const rows = [];
    for await (const b of readAccounts(path, when, (f) => bad.push(f.line))) rows.push(...b);
    return { rows, bad };
  };
  it('JSON Lines with faults: what is no record is reported by line', async () => {
    const r = await all(
      file(
        'a.jsonl',
        `\uFEFF{"account":"a","created":"2026-01-01T00:00:00Z","labels":["approved:synthetic-data"]}\n{broken\n{"nope":1}\n{"account":"b","email":"x@Mail.Example"}\n`,
      ),
    );
    expect(r.rows.map((x) => [x.account, x.email_domain, x.labels])).toEqual([
      ['a', '', ['approved:synthetic-data']],
      ['b', 'mail.example', []],
    ]);
    expect(r.bad).toEqual([2, 3]);
  });
  it('CSV with a header', async () => {
    const r = await all(file('a.csv', 'account,created,labels\nx,2026-01-01,"cleared;reseller"\n'));
    expect(r.rows[0]).toMatchObject({ account: 'x', created: '2026-01-01T00:00:00.000Z', labels: ['cleared', 'reseller'] });
  });
  it('a file without any account is an error', async () => {
    await expect(all(file('a.jsonl', '{"user":1}\n'))).rejects.toMatchObject({ code: 'E_ACCOUNTS' });
  });
});

it('how to answer is said in a short system text as well as in the request; a long one is a product of its own', async () => {
  const line = (id: string, system: string, text = TEXT) =>
    JSON.stringify({
      id,
      time: when,
      account: 'a',
      model: 'm',
      messages: [...(system ? [{ role: 'system', content: system }] : []), { role: 'user', content: text }],
    });
  const brief = `You are the assistant of a shop. ${'It sells lamps and chairs. '.repeat(60)} Think step by step.`;
  const log = file(
    'marks.jsonl',
    [line('m1', ''), line('m2', 'Think step by step.'), line('m3', '', `Think step by step. ${TEXT}`), line('m4', brief)].join('\n'),
  );
  await withStore(async (store) => {
    await take(store, log);
    const rows = await store.rows<{ id: string; asked: number }>('SELECT id, bitAnd(marks, 1) AS asked FROM exchanges ORDER BY id');
    expect(rows.map((r) => Number(r.asked))).toEqual([0, 1, 1, 0]);
  });
});

it('spans of no trace lie in no other: ids of spans are their trace’s own', async () => {
  const span = (id: string, over: Record<string, unknown>) => ({
    span_id: id,
    start_time: '2026-05-04T10:00:00Z',
    attributes: { 'openinference.span.kind': 'LLM', 'llm.model_name': 'm', 'user.id': 'u' },
    ...over,
  });
  const read = (trace: string) =>
    withStore((store) =>
      take(store, file('spans.jsonl', jsonl([span('1', { trace_id: trace }), span('2', { trace_id: trace, parent_id: '1' })]))),
    );
  expect(await read('t')).toMatchObject({ accepted: 1, rejected: 1 });
  expect(await read('')).toMatchObject({ accepted: 2, rejected: 0 });
});
