import { askedIn, bodyOf, NO_ANSWER } from './body.ts';
import { type Format, first, has, reasoningIn } from './format.ts';

/** Helicone's `request_response_rmt` rows, whose bodies are JSON text, and what its export tool and API write (`HeliconeRequest`), where columns have other names and bodies are objects. */
export const helicone: Format = {
  id: 'helicone',
  title: 'Helicone request_response_rmt, and its export',
  detect: (r) => (has(r, 'request_id', 'request_created_at') === 2 ? 1 : 0),
  tuple: `Tuple(request_id String, request_created_at String, latency Float64, delay_ms Float64, status UInt16, response_status UInt16, prompt_tokens UInt64, completion_tokens UInt64, model String, request_model String, provider String,
    user_id String, request_user_id String, organization_id String, proxy_key_id String, country_code String, properties String, request_properties String, request_path String, target_url String, request_body String, response_body String)`,
  prepare: `${bodyOf('r.request_body')} AS q, if(r.properties NOT IN ('', '{}'), r.properties, r.request_properties) AS properties, ${first('r.request_model', 'r.model', 'q.model')} AS model`,
  columns: {
    ...askedIn('q'),
    id: 'r.request_id',
    time: 'r.request_created_at',
    account: first('r.user_id', 'r.request_user_id', 'r.proxy_key_id'),
    model: 'model',
    organization: `''`,
    workspace: 'r.organization_id',
    api_key: 'r.proxy_key_id',
    endpoint: 'r.request_path',
    conversation: `JSONExtractString(properties, 'Helicone-Session-Id')`,
    input_tokens: 'r.prompt_tokens',
    output_tokens: 'r.completion_tokens',
    reasoning_tokens: reasoningIn('r.response_body'),
    stop_reason: `if(JSONExtractString(r.response_body, 'stop_reason') != '', JSONExtractString(r.response_body, 'stop_reason'), JSONExtractString(r.response_body, 'choices', 1, 'finish_reason'))`,
    status: 'greatest(r.status, r.response_status)',
    latency_ms: 'greatest(r.latency, r.delay_ms)',
  },
  // Tools and searches that are logged beside calls say their kind in the body.
  isCall: `NOT match(concat(r.request_path, ' ', r.target_url, ' ', model), '${NO_ANSWER}') AND JSONExtractString(r.request_body, '_type') = ''`,
  accountHint: 'user_id (request_user_id in exports) or proxy_key_id',
};
