import { between, type Column, type Format, first, has, inTrace, object } from './format.ts';

/** Messages of one request at most: what lies beyond is no conversation. */
const MESSAGES_MAX = 2000;

/** How many there are of `llm.input_messages.N`, `llm.tools.N`, by the names in a map. */
export const several = (map: string, of: string): string =>
  `range(toUInt32(least(${MESSAGES_MAX}, arrayMax(arrayMap(k -> if(startsWith(k, '${of}.'), toUInt32OrZero(splitByChar('.', k)[${of.split('.').length + 1}]) + 1, 0), arrayPushBack(mapKeys(${map}), ''))))))`;

/** Names that a list of messages, kept as one value, has for each of them: flat ones as a data frame has, or nested ones. */
const LISTED = 'Array(Tuple(`message.role` String, `message.content` String, message Tuple(role String, content String)))';
const listed = (json: string): string =>
  `arrayMap(m -> (if(m.1 != '', m.1, m.3.1), if(m.2 != '', m.2, m.3.2)), JSONExtract(${json}, '${LISTED}'))`;

/** Canonical columns out of flattened OpenInference attributes, by the alias of the map that holds them. */
export function flattened(map: string): Partial<Record<Column, string>> {
  const at = (prefix: string, part: string): string => `${map}[concat('${prefix}.', toString(i), '.${part}')]`;
  const message = (part: string): string => at('llm.input_messages', `message.${part}`);
  // A message of several parts numbers them; so few are text that the first sixteen will do.
  const parts = `arrayStringConcat(arrayFilter(t -> t != '', arrayMap(p -> ${map}[concat('llm.input_messages.', toString(i), '.message.contents.', toString(p), '.message_content.text')], range(16))), '\\n')`;
  return {
    account: `${map}['user.id']`,
    model: `${map}['llm.model_name']`,
    messages: `if(startsWith(${map}['llm.input_messages'], '['), ${listed(`${map}['llm.input_messages']`)}, arrayFilter(m -> m.1 != '', arrayMap(i -> (${message('role')}, if(${message('content')} != '', ${message('content')}, ${parts})), ${several(map, 'llm.input_messages')})))`,
    params: `${map}['llm.invocation_parameters']`,
    tools: `if(${map}['llm.tools'] != '', ${map}['llm.tools'], if(${map}['llm.tools.0.tool.json_schema'] = '', '', concat('[', arrayStringConcat(arrayMap(i -> ${at('llm.tools', 'tool.json_schema')}, ${several(map, 'llm.tools')}), ','), ']')))`,
    conversation: `${map}['session.id']`,
    input_tokens: `toUInt64OrZero(${map}['llm.token_count.prompt'])`,
    output_tokens: `toUInt64OrZero(${map}['llm.token_count.completion'])`,
    reasoning_tokens: `toUInt64OrZero(${map}['llm.token_count.completion_details.reasoning'])`,
    stop_reason: `${map}['llm.finish_reason']`,
  };
}

/** A span of OpenInference says what it is; chains, tools and retrievers hold the calls that are spans of their own. */
export const isLlm = (map: string): string => `${map}['openinference.span.kind'] IN ('', 'LLM')`;

/** Names that attributes kept as objects within objects are read from: the flat name is the way to it. */
const NESTED = [
  'openinference.span.kind',
  'user.id',
  'session.id',
  ...[
    'model_name',
    'provider',
    'invocation_parameters',
    'input_messages',
    'tools',
    'finish_reason',
    'token_count.prompt',
    'token_count.completion',
  ].map((name) => `llm.${name}`),
  'llm.token_count.completion_details.reasoning',
] as const;
const NAMES = `[${NESTED.map((n) => `'${n}'`).join(', ')}]`;
const VALUES = `[${NESTED.map(
  (n) =>
    `JSONExtractRaw(record, 'attributes', ${n
      .split('.')
      .map((x) => `'${x}'`)
      .join(', ')})`,
).join(', ')}]`;
const text = (raw: string): string =>
  `multiIf(startsWith(${raw}, '"'), JSONExtractString(concat('[', ${raw}, ']'), 1), ${raw} = 'null', '', ${raw})`;

/** The columns of a data frame say whose attributes they are (`attributes.llm.model_name`). */
const PREFIX = 'attributes.';
const plain = (name: string): string => `if(startsWith(${name}, '${PREFIX}'), substring(${name}, ${PREFIX.length + 1}), ${name})`;

/** What names a span by the id given, in each way that records name their trace. */
const within = (context: string, flat: string, otlp: string, frame: string): string =>
  first(
    inTrace('r.context.trace_id', context),
    inTrace('r.trace_id', flat),
    inTrace('r.traceId', otlp),
    inTrace(`attributes_map['context.trace_id']`, frame),
  );

/**
 * OpenInference 2.12 spans, one a line: attributes flattened (`llm.input_messages.N.message.content`), as objects within objects, or as the columns of a data frame (`attributes.llm.model_name`, also as Parquet). As OTLP they come
 * in with `otel`.
 */
export const openinference: Format = {
  id: 'openinference',
  title: 'OpenInference spans',
  detect: (r) => {
    const attributes = r['attributes'];
    const names = Array.isArray(attributes)
      ? attributes.map((a) => String(object(a)['key']))
      : [...Object.keys(object(attributes)), ...Object.keys(r).map((k) => k.replace(/^attributes\./, ''))];
    const own =
      names.some((n) => n.startsWith('llm.') || n.startsWith('openinference.')) || has(object(attributes), 'llm', 'openinference') > 0;
    return own && has(r, 'resourceSpans') === 0 ? 0.97 : 0;
  },
  tuple: `Tuple(context Tuple(trace_id String, span_id String), trace_id String, span_id String, parent_id String, traceId String, spanId String, parentSpanId String, start_time String, startTimeUnixNano String, end_time String, endTimeUnixNano String,
    attributes Array(Tuple(key String, value Tuple(stringValue String, intValue String, doubleValue Float64))))`,
  prepare: `JSONHas(record, 'attributes') AS apart, JSONType(record, 'attributes', 'llm') = 'Object' AS nested, mapFromArrays(
    multiIf(notEmpty(r.attributes), arrayMap(x -> x.key, r.attributes), nested, ${NAMES}, apart, JSONExtractKeys(record, 'attributes'), arrayMap(k -> ${plain('k')}, JSONExtractKeys(record))),
    multiIf(notEmpty(r.attributes), arrayMap(x -> if(x.value.stringValue != '', x.value.stringValue, if(x.value.intValue != '', x.value.intValue, toString(x.value.doubleValue))), r.attributes),
      nested, arrayMap(v -> ${text('v')}, ${VALUES}),
      arrayMap(kv -> ${text('kv.2')}, if(apart, JSONExtractKeysAndValuesRaw(record, 'attributes'), JSONExtractKeysAndValuesRaw(record))))) AS attributes_map`,
  columns: {
    ...flattened('attributes_map'),
    id: `multiIf(r.context.span_id != '', concat(r.context.trace_id, r.context.span_id), r.span_id != '', concat(r.trace_id, r.span_id), r.spanId != '', concat(r.traceId, r.spanId), concat(attributes_map['context.trace_id'], attributes_map['context.span_id']))`,
    time: `if(r.start_time != '', r.start_time, toString(fromUnixTimestamp64Milli(intDiv(toInt64OrZero(r.startTimeUnixNano), 1000000), 'UTC')))`,
    latency_ms: `if(r.endTimeUnixNano != '', greatest(0, (toInt64OrZero(r.endTimeUnixNano) - toInt64OrZero(r.startTimeUnixNano)) / 1000000), ${between('r.start_time', 'r.end_time')})`,
  },
  isCall: `${isLlm('attributes_map')} AND JSONExtractString(record, 'span_kind') IN ('', 'LLM')`,
  nesting: {
    own: within('r.context.span_id', 'r.span_id', 'r.spanId', `attributes_map['context.span_id']`),
    outer: within('r.parent_id', 'r.parent_id', 'r.parentSpanId', 'r.parent_id'),
  },
  attributes: 'attributes_map',
  accountHint: 'user.id among the attributes',
};
