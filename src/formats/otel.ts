import { between, type Column, type Format, first, has, inTrace, object } from './format.ts';
import { observed, usageOf } from './langfuse.ts';
import { flattened, isLlm, several } from './openinference.ts';

const attr = (name: string): string => `a['${name}']`;
const firstOf = (...names: string[]): string => first(...names.map(attr));

/** What LiteLLM says of the key it let in; newer versions say whose word it is. */
const metadata = (name: string): string[] => [`metadata.${name}`, `litellm.metadata.${name}`];
const ACCOUNT = firstOf(
  ...['user.id', 'langfuse.user.id', 'enduser.id', 'user.hash', 'enduser.pseudo.id'],
  ...metadata('user_api_key_user_id'),
  ...metadata('user_api_key_hash'),
  'traceloop.association.properties.user_id',
);

/** A message of the GenAI conventions carries parts; the text parts are its content. */
const messages = (json: string): string =>
  `arrayMap(m -> (m.role, if(m.content != '', m.content, arrayStringConcat(arrayMap(p -> if(p.content != '', p.content, p.text), arrayFilter(p -> p.type IN ('text', ''), m.parts)), '\\n'))),
    JSONExtract(${json}, 'Array(Tuple(role String, content String, parts Array(Tuple(type String, content String, text String))))'))`;

/** The same as values of the protocol itself: lists of keys and values. */
const KEYS = 'kvlistValue Tuple(values Array(Tuple(key String, value Tuple(stringValue String, arrayValue String))))';
const keyOf = (m: string, key: string): string => `arrayFirst(e -> e.key = '${key}', ${m}.kvlistValue.values).value`;
const structured = (json: string): string =>
  `arrayMap(m -> (${keyOf('m', 'role')}.stringValue, if(${keyOf('m', 'content')}.stringValue != '', ${keyOf('m', 'content')}.stringValue,
    arrayStringConcat(arrayMap(p -> if(${keyOf('p', 'content')}.stringValue != '', ${keyOf('p', 'content')}.stringValue, ${keyOf('p', 'text')}.stringValue), arrayFilter(p -> ${keyOf('p', 'type')}.stringValue IN ('', 'text'), JSONExtract(${keyOf('m', 'parts')}.arrayValue, 'values', 'Array(Tuple(${KEYS}))'))), '\\n'))),
    JSONExtract(${json}, 'values', 'Array(Tuple(${KEYS}))'))`;

const TEXTS = (json: string): string =>
  `arrayStringConcat(arrayMap(p -> ${keyOf('p', 'content')}.stringValue, JSONExtract(${json}, 'values', 'Array(Tuple(${KEYS}))')), '\\n')`;
const TOOLS = attr('gen_ai.tool.definitions');

const MODEL = firstOf('gen_ai.request.model', 'gen_ai.response.model', 'llm.model_name', 'langfuse.observation.model.name');
const FINISH = attr('gen_ai.response.finish_reasons');

/** Spans of OpenInference come over the same protocol, in attributes of their own. */
const FLAT = flattened('a');
const flatIs = `a['llm.model_name'] != ''`;
/** Those of Langfuse too; theirs say what kind of observation they are, and only a generation is a call. */
const OBSERVED = observed(attr('langfuse.observation.input'), 'usage', `''`);
const KIND = attr('langfuse.observation.type');
const either = (name: Column, own: string): string =>
  `multiIf(${flatIs}, ${FLAT[name]}, ${OBSERVED[name] ? `${KIND} != '', ${OBSERVED[name]}, ` : ''}${own})`;

/** Writers keep 128 attributes a span unless told otherwise, so that of a long conversation the last messages are lost: the request as it was sent has them. */
const CUT = `${flatIs} AND r.droppedAttributesCount > 0 AND JSONHas(a['input.value'], 'messages')`;
const ASKED = `JSONExtract(a['input.value'], 'messages', 'Array(Tuple(role String, content String))')`;

/** Steps of an agent that hold calls, or are none; an agent asked over the network is a call. */
const STEPS = `match(a['gen_ai.operation.name'], '^(execute_tool|create_agent|embeddings|retrieval|invoke_workflow)$|memory') OR (a['gen_ai.operation.name'] = 'invoke_agent' AND r.kind IN ('1', 'SPAN_KIND_INTERNAL'))`;

/** Records of a batch, two levels down, each with the resource it came from: some writers say there whose it is. */
const inside = (outer: string, middle: string, records: string): string =>
  `arrayFlatten(arrayMap(rs -> arrayFlatten(arrayMap(ss -> arrayMap(x -> if(length(x) > 2 AND JSONHas(rs, 'resource'), concat(substring(x, 1, length(x) - 1), ',"resource":', JSONExtractRaw(rs, 'resource'), '}'), x), JSONExtractArrayRaw(ss, '${records}')), JSONExtractArrayRaw(rs, '${middle}'))), JSONExtractArrayRaw(line, '${outer}')))`;

/** A value of the protocol as text. */
const VALUE = `multiIf(x.value.stringValue != '', x.value.stringValue, x.value.intValue != '', x.value.intValue, x.value.arrayValue != '', x.value.arrayValue, x.value.doubleValue != 0, toString(x.value.doubleValue), '')`;
const ATTRIBUTES =
  'Array(Tuple(key String, value Tuple(stringValue String, intValue String, doubleValue Float64, boolValue Bool, arrayValue String)))';

/** Before messages were one attribute they were numbered ones (`gen_ai.prompt.0.content`), or an event each (`gen_ai.user.message`). */
const NUMBERED = `arrayFilter(m -> m.2 != '', arrayMap(i -> (a[concat('gen_ai.prompt.', toString(i), '.role')], a[concat('gen_ai.prompt.', toString(i), '.content')]), ${several('a', 'gen_ai.prompt')}))`;
const SAID = `arrayMap(e -> (splitByChar('.', e.name)[2], arrayFirst(x -> x.key IN ('content', 'gen_ai.event.content'), e.attributes).value.stringValue), arrayFilter(e -> e.name IN ('gen_ai.system.message', 'gen_ai.user.message', 'gen_ai.assistant.message'), r.events))`;

/** A span has a start, an event a time. */
const NANO = `multiIf(r.startTimeUnixNano != '', r.startTimeUnixNano, r.timeUnixNano NOT IN ('', '0'), r.timeUnixNano, r.observedTimeUnixNano)`;

/** OpenTelemetry GenAI spans and events: OTLP/JSON (`resourceSpans`, `resourceLogs`) or one a line. */
export const otel: Format = {
  id: 'otel',
  title: 'OpenTelemetry GenAI spans (OTLP/JSON or one span a line)',
  detect: (r) => {
    if (has(r, 'resourceSpans') || has(r, 'resourceLogs')) return 1;
    const attributes = r['attributes'];
    const names = Array.isArray(attributes) ? attributes.map((a) => String(object(a)['key'])) : Object.keys(object(attributes));
    return names.some((n) => n.startsWith('gen_ai.') || n.startsWith('langfuse.')) ? 1 : 0;
  },
  explode: `arrayConcat(${inside('resourceSpans', 'scopeSpans', 'spans')}, ${inside('resourceLogs', 'scopeLogs', 'logRecords')})`,
  tuple: `Tuple(traceId String, spanId String, startTimeUnixNano String, endTimeUnixNano String, timeUnixNano String, observedTimeUnixNano String, start_time String, end_time String, context Tuple(trace_id String, span_id String), parentSpanId String, parent_id String, name String, kind String, droppedAttributesCount UInt32, status Tuple(code String),
    attributes ${ATTRIBUTES}, events Array(Tuple(name String, attributes ${ATTRIBUTES})), resource Tuple(attributes ${ATTRIBUTES}))`,
  columns: {
    id: `if(a['gen_ai.response.id'] != '', a['gen_ai.response.id'], multiIf(r.spanId != '', concat(r.traceId, r.spanId), r.context.span_id != '', concat(r.context.trace_id, r.context.span_id), ''))`,
    time: `if(${NANO} != '', toString(fromUnixTimestamp64Milli(intDiv(toInt64OrZero(${NANO}), 1000000), 'UTC')), r.start_time)`,
    account: `if(${ACCOUNT} != 'default_user_id', ${ACCOUNT}, ${firstOf(...metadata('user_api_key_hash'))})`,
    organization: firstOf(...metadata('user_api_key_org_id')),
    workspace: firstOf(...metadata('user_api_key_team_id')),
    api_key: firstOf(...metadata('user_api_key_hash')),
    model: MODEL,
    messages: `if(${CUT}, ${ASKED}, ${either(
      'messages',
      `if(a['gen_ai.input.messages'] != '', if(startsWith(a['gen_ai.input.messages'], '{'), ${structured(`a['gen_ai.input.messages']`)}, ${messages(`a['gen_ai.input.messages']`)}), multiIf(a['gen_ai.prompt'] != '', if(startsWith(a['gen_ai.prompt'], '['), ${messages(`a['gen_ai.prompt']`)}, [('user', a['gen_ai.prompt'])]), a['gen_ai.prompt.0.role'] != '' OR a['gen_ai.prompt.0.content'] != '', ${NUMBERED}, ${SAID}))`,
    )})`,
    system: `multiIf(${KIND} != '', ${OBSERVED.system}, startsWith(a['gen_ai.system_instructions'], '['), arrayStringConcat(arrayMap(p -> p.content, JSONExtract(a['gen_ai.system_instructions'], 'Array(Tuple(type String, content String))')), '\\n'), startsWith(a['gen_ai.system_instructions'], '{'), ${TEXTS(`a['gen_ai.system_instructions']`)}, a['gen_ai.system_instructions'])`,
    ip: firstOf('client.address', ...metadata('requester_ip_address')),
    user_agent: firstOf('user_agent.original', ...metadata('user_agent')),
    endpoint: firstOf('gen_ai.operation.name'),
    params: either(
      'params',
      `concat(a['gen_ai.request.temperature'], '|', a['gen_ai.request.top_p'], '|', a['gen_ai.request.max_tokens'], '|', a['gen_ai.request.reasoning.level'], a['langfuse.observation.model.parameters'])`,
    ),
    tools: either('tools', `if(startsWith(${TOOLS}, '{'), JSONExtractRaw(${TOOLS}, 'values'), ${TOOLS})`),
    conversation: firstOf('gen_ai.conversation.id', 'session.id', 'langfuse.session.id'),
    input_tokens: either('input_tokens', `toUInt64OrZero(${firstOf('gen_ai.usage.input_tokens', 'gen_ai.usage.prompt_tokens')})`),
    output_tokens: either('output_tokens', `toUInt64OrZero(${firstOf('gen_ai.usage.output_tokens', 'gen_ai.usage.completion_tokens')})`),
    reasoning_tokens: either('reasoning_tokens', `toUInt64OrZero(${attr('gen_ai.usage.reasoning.output_tokens')})`),
    stop_reason: either(
      'stop_reason',
      `multiIf(startsWith(${FINISH}, '{'), JSONExtractString(${FINISH}, 'values', 1, 'stringValue'), startsWith(${FINISH}, '['), JSONExtractString(${FINISH}, 1), ${FINISH})`,
    ),
    latency_ms: `if(r.end_time != '', ${between('r.start_time', 'r.end_time')}, greatest(0, (toInt64OrZero(r.endTimeUnixNano) - toInt64OrZero(r.startTimeUnixNano)) / 1000000))`,
  },
  // What an event of the span says, and last what its resource says, stands where the span itself says nothing.
  prepare: `arrayConcat(arrayFlatten(arrayMap(e -> e.attributes, r.events)), r.resource.attributes) AS beside, mapFromArrays(
    arrayConcat(if(empty(r.attributes), JSONExtractKeys(record, 'attributes'), arrayMap(x -> x.key, r.attributes)), arrayMap(x -> x.key, beside)),
    arrayConcat(if(empty(r.attributes), arrayMap(kv -> multiIf(startsWith(kv.2, '"'), JSONExtractString(concat('[', kv.2, ']'), 1), kv.2 = 'null', '', kv.2), JSONExtractKeysAndValuesRaw(record, 'attributes')),
      arrayMap(x -> ${VALUE}, r.attributes)), arrayMap(x -> ${VALUE}, beside))) AS a, ${usageOf(attr('langfuse.observation.usage_details'))} AS usage`,
  isCall: `${isLlm('a')} AND ${KIND} IN ('', 'generation') AND (${MODEL} != '' OR a['gen_ai.input.messages'] != '' OR a['gen_ai.prompt'] != '' OR a['gen_ai.prompt.0.content'] != '') AND NOT (${STEPS})`,
  nesting: {
    own: first(inTrace('r.traceId', 'r.spanId'), inTrace('r.context.trace_id', 'r.context.span_id')),
    outer: first(inTrace('r.traceId', 'r.parentSpanId'), inTrace('r.context.trace_id', 'r.parent_id')),
  },
  attributes: 'a',
  accountHint: 'user.id or enduser.id among the span attributes, or --field account=attributes["its.name"]',
};
