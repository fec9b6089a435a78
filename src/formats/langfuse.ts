import { asMessages, between, type Column, type Format, has } from './format.ts';

/** Tokens of one side. Langfuse's buckets leave each other out (`output` is without `output_reasoning_tokens`), unless the plain two are all of the total. */
const tokens = (usage: string, side: 'input' | 'output'): string =>
  `toUInt64(greatest(0, if(${usage}['total'] > 0 AND ${usage}['input'] + ${usage}['output'] = ${usage}['total'], ${usage}['${side}'], arraySum(mapValues(mapFilter((k, v) -> position(k, '${side}') > 0, ${usage}))))))`;

/**
 * Canonical columns out of what Langfuse keeps of an observation: its input (a message list, an object with `messages`, or plain text), and its usage.
 * @param input, usage, tools SQL of JSON text, of a Map(String, Float64), and of JSON text
 */
export function observed(input: string, usage: string, tools: string): Partial<Record<Column, string>> {
  const inside = (name: string): string =>
    `if(JSONType(${input}, '${name}') = 'String', JSONExtractString(${input}, '${name}'), JSONExtractRaw(${input}, '${name}'))`;
  const given = `multiIf(NOT startsWith(${input}, '{'), ${input}, JSONHas(${input}, 'messages'), JSONExtractRaw(${input}, 'messages'), JSONHas(${input}, 'input'), ${inside('input')}, JSONHas(${input}, 'prompt'), ${inside('prompt')}, ${input})`;
  return {
    messages: asMessages(given),
    system: `multiIf(NOT startsWith(${input}, '{'), '', JSONHas(${input}, 'system'), ${inside('system')}, JSONExtractString(${input}, 'instructions'))`,
    tools: `if(${tools} NOT IN ('', '{}', '[]') OR NOT startsWith(${input}, '{'), ${tools}, JSONExtractRaw(${input}, 'tools'))`,
    input_tokens: tokens(usage, 'input'),
    output_tokens: tokens(usage, 'output'),
    reasoning_tokens: `toUInt64(greatest(0, ${usage}['output_reasoning_tokens']))`,
  };
}

/** Usage as JSON text, as a map. */
export const usageOf = (json: string): string => `JSONExtract(${json}, 'Map(String, Float64)')`;

/** Langfuse's `events_full` rows. Inputs are a message list, an object with `messages`, or plain text. */
export const langfuse: Format = {
  id: 'langfuse',
  title: 'Langfuse events_full',
  detect: (r) => (has(r, 'provided_model_name', 'start_time') === 2 ? 1 : has(r, 'usage_details', 'span_id', 'trace_id') === 3 ? 0.8 : 0),
  tuple: `Tuple(trace_id String, span_id String, start_time String, end_time String, user_id String, session_id String, provided_model_name String, model_parameters String, usage_details String,
    tool_definitions String, input String, output String, level String, type String, metadata_names Array(String), metadata_values Array(String))`,
  prepare: `mapFromArrays(arrayResize(r.metadata_names, least(length(r.metadata_names), length(r.metadata_values))), arrayResize(r.metadata_values, least(length(r.metadata_names), length(r.metadata_values)))) AS meta, ${usageOf('r.usage_details')} AS usage`,
  columns: {
    ...observed('r.input', 'usage', 'r.tool_definitions'),
    id: `concat(r.trace_id, '/', r.span_id)`,
    time: 'r.start_time',
    account: 'r.user_id',
    model: 'r.provided_model_name',
    ip: `meta['ip']`,
    user_agent: `meta['user_agent']`,
    params: 'r.model_parameters',
    conversation: 'r.session_id',
    latency_ms: between('r.start_time', 'r.end_time'),
  },
  // A trace holds spans, tools and events too, which repeat what the call in them was.
  isCall: `upper(r.type) IN ('', 'GENERATION')`,
  accountHint: 'user_id',
};
