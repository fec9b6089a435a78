import { type Format, has } from './format.ts';

/** Langfuse's `events_full` rows. Inputs are a message list, an object with `messages`, or plain text. */
export const langfuse: Format = {
  id: 'langfuse',
  title: 'Langfuse events_full',
  detect: (r) => (has(r, 'provided_model_name', 'start_time') === 2 ? 1 : has(r, 'usage_details', 'span_id', 'trace_id') === 3 ? 0.8 : 0),
  tuple: `Tuple(trace_id String, span_id String, start_time String, end_time String, user_id String, session_id String, provided_model_name String, model_parameters String, usage_details String,
    tool_definitions String, input String, output String, level String, metadata_names Array(String), metadata_values Array(String))`,
  prepare: `mapFromArrays(arrayResize(r.metadata_names, least(length(r.metadata_names), length(r.metadata_values))), arrayResize(r.metadata_values, least(length(r.metadata_names), length(r.metadata_values)))) AS meta,
    if(startsWith(r.input, '{'), JSONExtractRaw(r.input, 'messages'), r.input) AS given`,
  columns: {
    id: `concat(r.trace_id, '/', r.span_id)`,
    time: 'r.start_time',
    account: 'r.user_id',
    model: 'r.provided_model_name',
    messages: `if(startsWith(given, '['), JSONExtract(given, 'Array(Tuple(role String, content String))'), if(r.input != '', [('user', r.input)], CAST([], 'Array(Tuple(String, String))')))`,
    system: `if(startsWith(r.input, '{'), JSONExtractString(r.input, 'system'), '')`,
    ip: `meta['ip']`,
    user_agent: `meta['user_agent']`,
    params: 'r.model_parameters',
    tools: 'r.tool_definitions',
    conversation: 'r.session_id',
    input_tokens: `JSONExtractUInt(r.usage_details, 'input')`,
    output_tokens: `JSONExtractUInt(r.usage_details, 'output')`,
    reasoning_tokens: `JSONExtractUInt(r.usage_details, 'output_reasoning_tokens')`,
    latency_ms: `greatest(0, dateDiff('millisecond', parseDateTime64BestEffortOrZero(r.start_time, 3, 'UTC'), if(r.end_time = '', parseDateTime64BestEffortOrZero(r.start_time, 3, 'UTC'), parseDateTime64BestEffortOrZero(r.end_time, 3, 'UTC'))))`,
  },
  accountHint: 'user_id',
};
