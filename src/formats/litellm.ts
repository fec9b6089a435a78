import { asMessages, between, type Format, has, object, reasoningIn } from './format.ts';

/** Seconds since 1970, or thousandths and smaller parts of them; what is no time of ours stays absurd instead of overflowing into one. */
const epoch = (v: string): string => {
  const x = `toFloat64OrZero(${v})`;
  const seconds = `multiIf(${x} < 1e11, ${x}, ${x} < 1e14, ${x} / 1e3, ${x} < 1e17, ${x} / 1e6, ${x} / 1e9)`;
  return `if(match(${v}, '^[0-9]+(\\\\.[0-9]+)?$'), if(${seconds} > 7e9, '2190-01-01', toString(fromUnixTimestamp64Milli(toInt64(least(${seconds}, 7e9) * 1000), 'UTC'))), ${v})`;
};

/** Messages as a list, one of them, or plain text. */
const MESSAGES = `multiIf(startsWith(r.messages, '{') AND JSONHas(r.messages, 'messages'), JSONExtract(r.messages, 'messages', 'Array(Tuple(role String, content String))'),
  startsWith(r.messages, '{') AND JSONHas(r.messages, 'content'), [(JSONExtractString(r.messages, 'role'), if(JSONExtractString(r.messages, 'content') != '', JSONExtractString(r.messages, 'content'), JSONExtractRaw(r.messages, 'content')))],
  ${asMessages('r.messages')})`;

/** LiteLLM's StandardLoggingPayload. */
export const litellm: Format = {
  id: 'litellm',
  title: 'LiteLLM StandardLoggingPayload',
  detect: (r) =>
    has(r, 'startTime', 'model', 'call_type') === 3 || (has(r, 'startTime') === 1 && 'user_api_key_hash' in object(r['metadata'])) ? 1 : 0,
  tuple: `Tuple(id String, trace_id String, call_type String, stream Bool, status String, prompt_tokens UInt64, completion_tokens UInt64, startTime String, endTime String, model String,
    model_group String, end_user String, requester_ip_address String, user_agent String, messages String, response String, model_parameters String, response_time Float64,
    metadata Tuple(user_api_key_hash String, user_api_key_user_id String, user_api_key_team_id String, user_api_key_org_id String))`,
  columns: {
    id: `if(r.id != '', r.id, r.trace_id)`,
    time: epoch('r.startTime'),
    account: `if(r.metadata.user_api_key_user_id != '', r.metadata.user_api_key_user_id, r.metadata.user_api_key_hash)`,
    model: `if(r.model != '', r.model, r.model_group)`,
    messages: MESSAGES,
    organization: 'r.metadata.user_api_key_org_id',
    workspace: 'r.metadata.user_api_key_team_id',
    end_user: 'r.end_user',
    ip: 'r.requester_ip_address',
    user_agent: 'r.user_agent',
    api_key: 'r.metadata.user_api_key_hash',
    endpoint: 'r.call_type',
    params: 'r.model_parameters',
    tools: `JSONExtractRaw(r.model_parameters, 'tools')`,
    conversation: `if(r.trace_id = r.id, '', r.trace_id)`,
    input_tokens: 'r.prompt_tokens',
    output_tokens: 'r.completion_tokens',
    reasoning_tokens: reasoningIn('r.response'),
    stop_reason: `if(JSONExtractString(r.response, 'choices', 1, 'finish_reason') != '', JSONExtractString(r.response, 'choices', 1, 'finish_reason'), JSONExtractString(r.response, 'stop_reason'))`,
    status: `multiIf(r.status = 'success', 200, r.status = 'failure', 500, 0)`,
    latency_ms: `if(r.response_time > 0, r.response_time * 1000, ${between(epoch('r.startTime'), epoch('r.endTime'))})`,
  },
  accountHint: 'metadata.user_api_key_user_id or metadata.user_api_key_hash',
};
