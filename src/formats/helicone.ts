import { asMessages, type Format, has, reasoningIn } from './format.ts';

/** Helicone's `request_response_rmt` rows: bodies are JSON text. */
export const helicone: Format = {
  id: 'helicone',
  title: 'Helicone request_response_rmt',
  detect: (r) => (has(r, 'request_id', 'request_created_at') === 2 ? 1 : 0),
  tuple: `Tuple(request_id String, request_created_at String, latency Float64, status UInt16, prompt_tokens UInt64, completion_tokens UInt64, model String, provider String, user_id String,
    organization_id String, proxy_key_id String, country_code String, properties String, request_body String, response_body String)`,
  prepare: `JSONExtract(r.request_body, 'Tuple(model String, system String, instructions String, tools String, temperature Nullable(Float64), max_tokens Nullable(UInt64), messages Array(Tuple(role String, content String)), input String)') AS q`,
  columns: {
    id: 'r.request_id',
    time: 'r.request_created_at',
    account: `multiIf(r.user_id != '', r.user_id, r.proxy_key_id)`,
    model: `if(r.model != '', r.model, q.model)`,
    messages: `if(notEmpty(q.messages), q.messages, ${asMessages('q.input')})`,
    system: `if(q.system != '', q.system, q.instructions)`,
    organization: `''`,
    workspace: 'r.organization_id',
    api_key: 'r.proxy_key_id',
    params: `concat(ifNull(toString(q.temperature), ''), '|', ifNull(toString(q.max_tokens), ''))`,
    tools: 'q.tools',
    conversation: `JSONExtractString(r.properties, 'Helicone-Session-Id')`,
    input_tokens: 'r.prompt_tokens',
    output_tokens: 'r.completion_tokens',
    reasoning_tokens: reasoningIn('r.response_body'),
    stop_reason: `if(JSONExtractString(r.response_body, 'stop_reason') != '', JSONExtractString(r.response_body, 'stop_reason'), JSONExtractString(r.response_body, 'choices', 1, 'finish_reason'))`,
    status: 'r.status',
    latency_ms: 'r.latency',
  },
  accountHint: 'user_id or proxy_key_id',
};
