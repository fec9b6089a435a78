import { type Format, has, object } from './format.ts';

const KEY = (part: string): string =>
  `arrayMap(i -> (attributes_map[concat('llm.input_messages.', toString(i), '.message.role')], attributes_map[concat('llm.input_messages.', toString(i), '.message.${part}')]), range(64))`;

/** OpenInference 2.12: spans whose attributes are flattened (`llm.input_messages.N.message.content`). */
export const openinference: Format = {
  id: 'openinference',
  title: 'OpenInference spans',
  detect: (r) => {
    const attributes = r['attributes'];
    const names = Array.isArray(attributes)
      ? attributes.map((a) => String(object(a)['key']))
      : [...Object.keys(object(attributes)), ...Object.keys(r)];
    return names.some((n) => n.startsWith('llm.')) && has(r, 'resourceSpans') === 0 ? 0.97 : 0;
  },
  tuple: `Tuple(context Tuple(trace_id String, span_id String), trace_id String, span_id String, traceId String, spanId String, start_time String, startTimeUnixNano String, end_time String,
    attributes Array(Tuple(key String, value Tuple(stringValue String, intValue String, doubleValue Float64))))`,
  prepare: `mapFromArrays(
    multiIf(notEmpty(r.attributes), arrayMap(x -> x.key, r.attributes), JSONHas(record, 'attributes'), JSONExtractKeys(record, 'attributes'), JSONExtractKeys(record)),
    multiIf(notEmpty(r.attributes), arrayMap(x -> if(x.value.stringValue != '', x.value.stringValue, if(x.value.intValue != '', x.value.intValue, toString(x.value.doubleValue))), r.attributes),
      arrayMap(kv -> if(startsWith(kv.2, '"'), JSONExtractString(concat('[', kv.2, ']'), 1), kv.2), if(JSONHas(record, 'attributes'), JSONExtractKeysAndValuesRaw(record, 'attributes'), JSONExtractKeysAndValuesRaw(record))))) AS attributes_map`,
  columns: {
    id: `multiIf(r.context.span_id != '', concat(r.context.trace_id, r.context.span_id), r.span_id != '', concat(r.trace_id, r.span_id), concat(r.traceId, r.spanId))`,
    time: `if(r.start_time != '', r.start_time, toString(fromUnixTimestamp64Milli(intDiv(toInt64OrZero(r.startTimeUnixNano), 1000000), 'UTC')))`,
    account: `attributes_map['user.id']`,
    model: `attributes_map['llm.model_name']`,
    messages: `arrayFilter(m -> m.1 != '', ${KEY('content')})`,
    params: `attributes_map['llm.invocation_parameters']`,
    tools: `attributes_map['llm.tools']`,
    conversation: `attributes_map['session.id']`,
    input_tokens: `toUInt64OrZero(attributes_map['llm.token_count.prompt'])`,
    output_tokens: `toUInt64OrZero(attributes_map['llm.token_count.completion'])`,
    stop_reason: `attributes_map['llm.finish_reason']`,
  },
  accountHint: 'user.id among the attributes',
};
