import { askedIn, bodyOf, NO_ANSWER } from './body.ts';
import { asMessages, between, type Format, first, has, object, reasoningIn } from './format.ts';

/** Seconds since 1970, or thousandths and smaller parts of them; what is no time of ours stays absurd instead of overflowing into one. */
const epoch = (v: string): string => {
  const x = `toFloat64OrZero(${v})`;
  const seconds = `multiIf(${x} < 1e11, ${x}, ${x} < 1e14, ${x} / 1e3, ${x} < 1e17, ${x} / 1e6, ${x} / 1e9)`;
  return `if(match(${v}, '^[0-9]+(\\\\.[0-9]+)?$'), if(${seconds} > 7e9, '2190-01-01', toString(fromUnixTimestamp64Milli(toInt64(least(${seconds}, 7e9) * 1000), 'UTC'))), ${v})`;
};

/** Texts are cut with a note in their middle, which is nobody's words. */
const CUT = 'litellm_truncated';

/** Messages as a list, one of them, or plain text. Where they say nothing a row of the spend table has the request as it came in; a request that was only passed through stands as JSON text in one message. */
const MESSAGES = `multiIf(passed OR said IN ('', '{}', '[]'), ${askedIn('q').messages},
  startsWith(said, '{') AND JSONHas(said, 'messages'), JSONExtract(said, 'messages', 'Array(Tuple(role String, content String))'),
  startsWith(said, '{') AND JSONHas(said, 'content'), [(JSONExtractString(said, 'role'), if(JSONExtractString(said, 'content') != '', JSONExtractString(said, 'content'), JSONExtractRaw(said, 'content')))],
  ${asMessages('said')})`;

/** Keys that an administrator makes for themselves name this user: it is nobody, and two keys are two accounts. */
const NOBODY = `('', 'default_user_id')`;

/** LiteLLM's StandardLoggingPayload, and rows of its spend table (`LiteLLM_SpendLogs`), whose metadata, messages and request are JSON text or objects. */
export const litellm: Format = {
  id: 'litellm',
  title: 'LiteLLM StandardLoggingPayload and spend logs',
  detect: (r) =>
    has(r, 'startTime', 'model', 'call_type') === 3 || (has(r, 'startTime') === 1 && 'user_api_key_hash' in object(r['metadata'])) ? 1 : 0,
  tuple: `Tuple(id String, request_id String, trace_id String, session_id String, call_type String, stream Bool, status String, prompt_tokens UInt64, completion_tokens UInt64, startTime String, endTime String, model String,
    model_group String, user String, api_key String, team_id String, organization_id String, end_user String, requester_ip_address String, user_agent String, messages String, response String, model_parameters String,
    response_time Float64, proxy_server_request String, error_information Tuple(error_code String), metadata String)`,
  prepare: `JSONExtract(r.metadata, 'Tuple(user_api_key_hash String, user_api_key String, user_api_key_user_id String, user_api_key_team_id String, user_api_key_org_id String, requester_ip_address String, user_agent String)') AS m,
    if(position(r.messages, '${CUT}') = 0, r.messages, replaceRegexpAll(r.messages, '(\\.\\.\\.)? ?\\(${CUT} [^)]*\\) ?(\\.\\.\\.)?', ' ')) AS said,
    if(position(r.call_type, 'pass') > 0, JSONExtractString(said, 1, 'content'), '') AS through, startsWith(through, '{') AS passed,
    ${bodyOf(`if(passed, through, r.proxy_server_request)`)} AS q,
    ${first('m.user_api_key_hash', 'm.user_api_key', 'r.api_key')} AS key, ${first('m.user_api_key_user_id', 'r.user')} AS person`,
  columns: {
    id: first('r.id', 'r.request_id', 'r.trace_id'),
    time: epoch('r.startTime'),
    account: `if(person NOT IN ${NOBODY}, person, key)`,
    model: `multiIf(passed AND q.model != '', q.model, r.model_group != '', r.model_group, r.model)`,
    messages: MESSAGES,
    content_state: `if(position(r.messages, '${CUT}') > 0, 'truncated', '')`,
    system: askedIn('q').system,
    organization: first('m.user_api_key_org_id', 'r.organization_id'),
    workspace: first('m.user_api_key_team_id', 'r.team_id'),
    end_user: 'r.end_user',
    ip: first('r.requester_ip_address', 'm.requester_ip_address'),
    user_agent: first('r.user_agent', 'm.user_agent'),
    api_key: 'key',
    endpoint: 'r.call_type',
    params: `if(r.model_parameters != '', r.model_parameters, ${askedIn('q').params})`,
    tools: `if(q.tools != '', q.tools, JSONExtractRaw(r.model_parameters, 'tools'))`,
    // A trace is one call with its repetitions, unless the client named a session; where there is text, what a conversation began with tells more.
    conversation: `multiIf(r.session_id != '', r.session_id, r.trace_id = r.id OR startsWith(said, '['), '', r.trace_id)`,
    input_tokens: 'r.prompt_tokens',
    output_tokens: 'r.completion_tokens',
    reasoning_tokens: reasoningIn('r.response'),
    stop_reason: `if(JSONExtractString(r.response, 'choices', 1, 'finish_reason') != '', JSONExtractString(r.response, 'choices', 1, 'finish_reason'), JSONExtractString(r.response, 'stop_reason'))`,
    status: `multiIf(r.status = 'success', 200, r.status = 'failure', if(toUInt16OrZero(r.error_information.error_code) > 0, toUInt16OrZero(r.error_information.error_code), 500), 0)`,
    // Of a stream its response time is that of the first token.
    latency_ms: `if(r.endTime != '', ${between(epoch('r.startTime'), epoch('r.endTime'))}, r.response_time * 1000)`,
  },
  // The proxy logs all that goes through it.
  isCall: `NOT match(r.call_type, '${NO_ANSWER}|batch|file|realtime|mcp|search|vector|ocr|video|fine_tun')`,
  accountHint: 'metadata.user_api_key_user_id or metadata.user_api_key_hash (user or api_key in spend logs)',
};
