import { CONTENTS, contents } from './body.ts';
import { asMessages, between, type Column, type Format, first, has, inTrace } from './format.ts';

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
  // A list of lists: several prompts of one call, of which the first is told.
  const list = `if(startsWith(${given}, '[['), JSONExtractRaw(${given}, 1), ${given})`;
  return {
    messages: `if(startsWith(${input}, '{') AND JSONHas(${input}, 'contents'), ${contents(`JSONExtract(${input}, 'contents', '${CONTENTS}')`)}, ${asMessages(list)})`,
    system: `multiIf(NOT startsWith(${input}, '{'), '', JSONHas(${input}, 'system'), ${inside('system')}, JSONExtractString(${input}, 'instructions'))`,
    tools: `if(${tools} NOT IN ('', '{}', '[]') OR NOT startsWith(${input}, '{'), ${tools}, JSONExtractRaw(${input}, 'tools'))`,
    input_tokens: tokens(usage, 'input'),
    output_tokens: tokens(usage, 'output'),
    reasoning_tokens: `toUInt64(greatest(0, ${usage}['output_reasoning_tokens']))`,
  };
}

const said = (name: string): string => `if(meta['${name}'] != '', meta['${name}'], JSONExtractString(r.metadata, '${name}'))`;

/** Usage as JSON text, as a map. */
export const usageOf = (json: string): string => `JSONExtract(${json}, 'Map(String, Float64)')`;

const TRACE = first('r.trace_id', 'r.traceId');

/** Langfuse's `events_full` rows; its enriched export of observations, whose id is plain and whose metadata are an object; and observations as its API and its pages give them. Inputs are a message list, an object with `messages`, or plain text. */
export const langfuse: Format = {
  id: 'langfuse',
  title: 'Langfuse events_full, and its exports of observations',
  detect: (r) => {
    if (has(r, 'provided_model_name', 'start_time') === 2) return 1;
    const names = has(r, 'usage_details', 'trace_id') === 2 || has(r, 'usageDetails', 'traceId', 'startTime') === 3;
    return names && has(r, 'span_id', 'id') > 0 ? 0.8 : 0;
  },
  tuple: `Tuple(trace_id String, traceId String, span_id String, id String, parent_span_id String, parentObservationId String, parent_observation_id String, start_time String, startTime String, end_time String, endTime String, user_id String, userId String, session_id String, sessionId String, provided_model_name String,
    model String, model_parameters String, modelParameters String, usage_details String, usageDetails String, tool_definitions String, input String, output String, level String, type String, metadata String, metadata_names Array(String), metadata_values Array(String))`,
  prepare: `mapFromArrays(arrayResize(r.metadata_names, least(length(r.metadata_names), length(r.metadata_values))), arrayResize(r.metadata_values, least(length(r.metadata_names), length(r.metadata_values)))) AS meta, ${usageOf(first('r.usage_details', 'r.usageDetails'))} AS usage,
    ${first('r.start_time', 'r.startTime')} AS started, ${first('r.end_time', 'r.endTime')} AS finished`,
  columns: {
    ...observed('r.input', 'usage', 'r.tool_definitions'),
    id: `concat(${TRACE}, '/', ${first('r.span_id', 'r.id')})`,
    time: 'started',
    account: first('r.user_id', 'r.userId'),
    model: first('r.provided_model_name', 'r.model'),
    ip: said('ip'),
    user_agent: said('user_agent'),
    params: first('r.model_parameters', 'r.modelParameters'),
    conversation: first('r.session_id', 'r.sessionId'),
    latency_ms: between('started', 'finished'),
  },
  // A trace holds spans, tools and events too, which repeat what the call in them was.
  isCall: `upper(r.type) IN ('', 'GENERATION')`,
  nesting: {
    own: inTrace(TRACE, first('r.span_id', 'r.id')),
    outer: inTrace(TRACE, first('r.parent_span_id', 'r.parentObservationId', 'r.parent_observation_id')),
  },
  accountHint: 'user_id (the older export of observations has none: take the enriched one)',
};
