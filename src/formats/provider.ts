import { askedIn, bodyOf } from './body.ts';
import { type Format, has, parsed, reasoningIn } from './format.ts';

const BODY = `if(r.request_body != '', r.request_body, if(r.request != '', r.request, r.body))`;
const ANSWER = `if(r.response_body != '', r.response_body, r.response)`;

/** Whether the answer is a stream kept as it came: events as text, or a list of chunks. What is in them is told by its last mention. */
const STREAMED = `(answer != '' AND NOT startsWith(answer, '{'))`;
const mentioned = (names: string): string =>
  `arrayMax(arrayMap(x -> toUInt64OrZero(x), arrayPushBack(extractAll(answer, '"(?:${names})"\\\\s*:\\\\s*([0-9]+)'), '0')))`;
const used = (plain: string, names: string): string => `if(${STREAMED}, ${mentioned(names)}, ${plain})`;
/** Anthropic counts what its cache held apart from the rest of the input. */
const CACHED = ['cache_read_input_tokens', 'cache_creation_input_tokens']
  .map((name) => used(`JSONExtractUInt(answer, 'usage', '${name}')`, name))
  .join(' + ');

/**
 * Provider bodies in the envelope of a gateway's own log: `{id, time, account, request: {...}, response: {...}}` around an Anthropic
 * Messages, OpenAI Chat Completions or OpenAI Responses body. The account is the authenticated key's, never what a client writes into
 * `metadata.user_id`, `user` or `safety_identifier`: that is the sender's word.
 */
export const provider: Format = {
  id: 'provider',
  title: 'Provider bodies (Anthropic Messages, OpenAI Chat and Responses) in an envelope',
  detect: (r) => {
    const body = parsed(r['request'] ?? r['request_body'] ?? r['body']);
    return has(body, 'model') === 1 && has(body, 'messages', 'input', 'contents', 'prompt') >= 1 && has(r, 'request_created_at') === 0
      ? 0.95
      : 0;
  },
  tuple: `Tuple(id String, request_id String, time String, timestamp String, created_at String, account String, account_id String, customer String, api_key String, api_key_hash String, key_hash String,
    organization String, workspace String, ip String, client_ip String, remote_addr String, user_agent String, ja4 String, asn String, endpoint String, path String, status UInt16,
    latency_ms Float64, conversation String, session_id String, request String, request_body String, body String, response String, response_body String)`,
  prepare: `${BODY} AS b, ${ANSWER} AS answer, ${bodyOf('b')} AS q`,
  columns: {
    id: `multiIf(r.id != '', r.id, r.request_id != '', r.request_id, JSONExtractString(answer, 'id'))`,
    time: `multiIf(r.time != '', r.time, r.timestamp != '', r.timestamp, r.created_at)`,
    account: `multiIf(r.account != '', r.account, r.account_id != '', r.account_id, r.customer != '', r.customer, r.api_key_hash != '', r.api_key_hash, r.key_hash != '', r.key_hash, r.api_key)`,
    model: 'q.model',
    ...askedIn('q'),
    organization: 'r.organization',
    workspace: 'r.workspace',
    ip: `multiIf(r.ip != '', r.ip, r.client_ip != '', r.client_ip, r.remote_addr)`,
    user_agent: 'r.user_agent',
    ja4: 'r.ja4',
    asn: 'r.asn',
    api_key: `multiIf(r.api_key_hash != '', r.api_key_hash, r.key_hash != '', r.key_hash, r.api_key)`,
    endpoint: `if(r.endpoint != '', r.endpoint, r.path)`,
    conversation: `multiIf(r.conversation != '', r.conversation, r.session_id != '', r.session_id, q.conversation != '', if(startsWith(q.conversation, '{'), JSONExtractString(q.conversation, 'id'), q.conversation), q.previous_response_id)`,
    // What it goes on from was sent before: it begins nothing.
    turn: `if(q.previous_response_id != '', 2, 0)`,
    input_tokens: `${used(`greatest(JSONExtractUInt(answer, 'usage', 'input_tokens'), JSONExtractUInt(answer, 'usage', 'prompt_tokens'))`, 'input_tokens|prompt_tokens')} + ${CACHED}`,
    output_tokens: used(
      `greatest(JSONExtractUInt(answer, 'usage', 'output_tokens'), JSONExtractUInt(answer, 'usage', 'completion_tokens'))`,
      'output_tokens|completion_tokens',
    ),
    reasoning_tokens: used(reasoningIn('answer'), 'reasoning_tokens'),
    stop_reason: `multiIf(${STREAMED}, arrayElement(extractAll(answer, '"(?:stop_reason|finish_reason)"\\\\s*:\\\\s*"([^"]+)"'), -1), JSONExtractString(answer, 'stop_reason') != '', JSONExtractString(answer, 'stop_reason'), JSONExtractString(answer, 'choices', 1, 'finish_reason'))`,
    status: 'r.status',
    latency_ms: 'r.latency_ms',
  },
  accountHint: 'account, account_id or api_key_hash beside the body (--field account=PATH for another place)',
};
