import { type Format, has, parsed } from './format.ts';

/** A record whose text is in a provider's body beside these fields: its envelope names the account and the model too. */
const wrapped = (r: Record<string, unknown>): boolean =>
  r['messages'] === undefined && ['request', 'request_body', 'body'].some((k) => has(parsed(r[k]), 'messages', 'input') > 0);

export const canonical: Format = {
  id: 'canonical',
  title: 'Stillwatch exchange records (JSON Lines)',
  detect: (r) =>
    typeof r['messages'] === 'string' || wrapped(r)
      ? 0
      : has(r, 'id', 'time', 'account', 'model') === 4
        ? 1
        : has(r, 'time', 'account') === 2
          ? 0.6
          : 0,
  tuple: `Tuple(id String, time String, account String, model String, messages Array(Tuple(role String, content String)), content_state String,
    organization String, workspace String, end_user String, end_user_source String, channel String, ip String, user_agent String, ja4 String, asn String,
    api_key String, endpoint String, params String, system String, tools String, conversation String, turn UInt32, input_tokens UInt64, output_tokens UInt64,
    reasoning_tokens UInt64, stop_reason String, status UInt16, latency_ms Float64)`,
  holds: `notEmpty(concat(r.id, r.account, r.time))`,
  columns: {
    id: 'r.id',
    time: 'r.time',
    account: 'r.account',
    model: 'r.model',
    messages: 'r.messages',
    content_state: 'r.content_state',
    organization: 'r.organization',
    workspace: 'r.workspace',
    end_user: 'r.end_user',
    end_user_source: 'r.end_user_source',
    channel: 'r.channel',
    ip: 'r.ip',
    user_agent: 'r.user_agent',
    ja4: 'r.ja4',
    asn: 'r.asn',
    api_key: 'r.api_key',
    endpoint: 'r.endpoint',
    params: 'r.params',
    system: 'r.system',
    tools: 'r.tools',
    conversation: 'r.conversation',
    turn: 'r.turn',
    input_tokens: 'r.input_tokens',
    output_tokens: 'r.output_tokens',
    reasoning_tokens: 'r.reasoning_tokens',
    stop_reason: 'r.stop_reason',
    status: 'r.status',
    latency_ms: 'r.latency_ms',
  },
  accountHint: 'account',
};

/** The same record as a table or a Parquet file often holds it: `messages` as JSON text in a column. */
export const canonicalRow: Format = {
  ...canonical,
  id: 'canonical-row',
  title: 'Stillwatch exchange records whose messages are JSON text (rows of a table, Parquet)',
  detect: (r) => (typeof r['messages'] === 'string' && has(r, 'time', 'account') === 2 ? 1 : 0),
  tuple: canonical.tuple.replace('messages Array(Tuple(role String, content String))', 'messages String'),
  columns: { ...canonical.columns, messages: `JSONExtract(r.messages, 'Array(Tuple(role String, content String))')` },
};
