import { setSession, setUser } from '@arizeai/openinference-core';
import { OpenAIInstrumentation as OpenInference } from '@arizeai/openinference-instrumentation-openai';
import { observeOpenAI } from '@langfuse/openai';
import { LangfuseSpanProcessor } from '@langfuse/otel';
import { propagateAttributes, setLangfuseTracerProvider, startActiveObservation } from '@langfuse/tracing';
import { context, trace } from '@opentelemetry/api';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import { InMemorySpanExporter, NodeTracerProvider, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { OpenAIInstrumentation as OpenLLMetry } from '@traceloop/instrumentation-openai';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatById } from '../src/formats/index.ts';
import { inspect } from '../src/formats/input.ts';
import { ingest } from '../src/store/ingest.ts';
import { file, take, temp, withStore } from './support/tools.ts';
import { upstream as start, type Upstream } from './support/upstream.ts';

/** Logs as the libraries that write them do: a real client, instrumented, against an upstream that answers from nowhere. */
let upstream: Upstream;
const kept = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(kept)] });

beforeAll(async () => {
  provider.register();
  upstream = await start();
});
afterAll(async () => {
  await provider.shutdown();
  await upstream.close();
});
beforeEach(() => kept.reset());

const QUESTION = 'What is the tallest mountain on the moon?';
const TOOL = { type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } } as const;

/** A plain question, a question in parts with a tool, and a conversation that goes on for longer than a few messages. */
async function ask(client: OpenAI): Promise<void> {
  const turns = Array.from({ length: 40 }, (_, i) => [
    { role: 'user' as const, content: `Question ${i} about glaciers` },
    { role: 'assistant' as const, content: `Answer ${i}` },
  ]).flat();
  await client.chat.completions.create({
    model: 'm-1',
    temperature: 0.5,
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: QUESTION },
    ],
  });
  await client.chat.completions.create({
    model: 'm-1',
    messages: [{ role: 'user', content: [{ type: 'text', text: QUESTION }] }],
    tools: [TOOL],
  });
  await client.chat.completions.create({ model: 'm-1', messages: [...turns, { role: 'user', content: QUESTION }] });
}

/** The first of them as it must be read. */
const CALL = { model: 'm-1', chars: QUESTION.length, tools: 0, input: 12, output: 34, stop: 'stop', turn: 1, opening: true };

/** A client of its own that one writer alone watches. */
function watched(writer: OpenInference | OpenLLMetry): OpenAI {
  class Client extends OpenAI {}
  writer.setTracerProvider(provider);
  writer.manuallyInstrument(Client as never);
  return new Client({ apiKey: 'k', baseURL: `${upstream.url}/v1` });
}

const otlp = (spans: readonly ReadableSpan[]): string => `${new TextDecoder().decode(JsonTraceSerializer.serializeRequest([...spans]))}\n`;

const EXCHANGES = `SELECT account, toString(model) AS model, toUInt32(chars) AS chars, toUInt32(tool_count) AS tools, toUInt32(input_tokens) AS input, toUInt32(output_tokens) AS output,
  toString(stop_reason) AS stop, toUInt32(turn) AS turn, opening FROM exchanges ORDER BY time, tools, turn`;

describe('spans as they are written', () => {
  it('OpenInference, over OTLP: text, tools and tokens of a call; chains and tools around it are no exchanges, and are counted', async () => {
    const client = watched(new OpenInference());
    await context.with(setUser(setSession(context.active(), { sessionId: 's-1' }), { userId: 'user-7' }), async () => {
      const chain = trace
        .getTracer('app')
        .startSpan('chain', { attributes: { 'openinference.span.kind': 'CHAIN', 'user.id': 'user-7', 'input.value': QUESTION } });
      await context.with(trace.setSpan(context.active(), chain), () => ask(client));
      chain.end();
    });
    const log = file('spans.jsonl', otlp(kept.getFinishedSpans()));
    await withStore(async (store) => {
      expect(await take(store, log)).toMatchObject({ format: 'otel', lines: 4, accepted: 3, rejected: 1 });
      const call = { account: 'user-7', ...CALL };
      // The writer drops what is beyond 128 attributes, the token counts among them; the text is in the request it kept.
      const long = { ...call, turn: 41, opening: false, input: 0, output: 0, stop: '' };
      expect(await store.rows(EXCHANGES)).toEqual([call, { ...call, tools: 1 }, long]);
      expect(await store.rows('SELECT reason FROM rejects')).toEqual([{ reason: 'not_a_call' }]);
    });
  });

  it('OpenLLMetry, in the GenAI conventions; the account is an attribute of the user, by its name', async () => {
    await ask(watched(new OpenLLMetry()));
    const spans = kept.getFinishedSpans();
    // The upstream gives every answer the same id.
    for (const [i, s] of spans.entries()) Object.assign(s.attributes, { "app.tenant's id": 'tenant-3', 'gen_ai.response.id': `r-${i}` });
    const log = file('spans.jsonl', otlp(spans));
    await withStore(async (store) => {
      expect(
        await ingest(store, inspect('spans', log), formatById('otel'), {
          spool: temp(),
          keepRejects: false,
          fields: { account: `attributes["app.tenant's id"]` },
        }),
      ).toMatchObject({ accepted: spans.length, rejected: 0 });
      const rows = await store.rows<Record<string, unknown>>(EXCHANGES);
      expect(rows[0]).toEqual({ account: 'tenant-3', ...CALL });
      expect(rows.map((r) => [r['tools'], r['turn']])).toEqual([
        [0, 1],
        [1, 1],
        [0, 41],
      ]);
    });
  });

  it('Langfuse: usage whose buckets leave each other out, tools inside the input, and observations that are no calls', async () => {
    const observed = new NodeTracerProvider({
      spanProcessors: [new LangfuseSpanProcessor({ exporter: kept, exportMode: 'immediate', publicKey: 'pk', secretKey: 'sk' })],
    });
    setLangfuseTracerProvider(observed);
    const client = observeOpenAI(new OpenAI({ apiKey: 'k', baseURL: `${upstream.url}/v1` }));
    await propagateAttributes({ userId: 'user-7', sessionId: 's-1' }, () => startActiveObservation('agent', () => ask(client)));
    await observed.forceFlush();
    // Writers of the tests above still watch what all clients share.
    const log = file('spans.jsonl', otlp(kept.getFinishedSpans().filter((s) => 'langfuse.observation.type' in s.attributes)));
    await withStore(async (store) => {
      expect(await take(store, log)).toMatchObject({ format: 'otel', lines: 4, accepted: 3, rejected: 1 });
      // Langfuse keeps no reason of the stop.
      const call = { account: 'user-7', ...CALL, stop: '' };
      expect(await store.rows(EXCHANGES)).toEqual([call, { ...call, tools: 1 }, { ...call, turn: 41, opening: false }]);
      expect(await store.rows('SELECT DISTINCT toUInt32(reasoning_tokens) AS reasoning FROM exchanges')).toEqual([{ reasoning: 20 }]);
      expect(await store.rows('SELECT reason FROM rejects')).toEqual([{ reason: 'not_a_call' }]);
    });
  });
});
