/** The canonical columns every format maps to, with the ClickHouse type each expression must have. */
export const COLUMNS = {
  id: 'String',
  time: 'String',
  account: 'String',
  model: 'String',
  messages: 'Array(Tuple(String, String))',
  content_state: 'String',
  organization: 'String',
  workspace: 'String',
  end_user: 'String',
  end_user_source: 'String',
  channel: 'String',
  ip: 'String',
  user_agent: 'String',
  ja4: 'String',
  asn: 'String',
  api_key: 'String',
  endpoint: 'String',
  params: 'String',
  system: 'String',
  tools: 'String',
  conversation: 'String',
  turn: 'UInt64',
  input_tokens: 'UInt64',
  output_tokens: 'UInt64',
  reasoning_tokens: 'UInt64',
  stop_reason: 'String',
  status: 'UInt64',
  latency_ms: 'Float64',
} as const;

export type Column = keyof typeof COLUMNS;

/**
 * How one log format becomes exchanges. One file a format: the engine parses each line once into `tuple`, named `r`,
 * and `columns` are SQL expressions over `r` (and `line` where a value needs a path of its own).
 */
export interface Format {
  readonly id: string;
  readonly title: string;
  /** How sure this is the format of a parsed sample record, 0 to 1. */
  detect(record: Record<string, unknown>): number;
  /** SQL that turns `line` into an Array(String) of records, for formats that put several in one line. */
  readonly explode?: string;
  readonly tuple: string;
  /** SQL over `r` that is true when the parser made something of the line: cheaper than comparing every element. */
  readonly holds?: string;
  /** SQL aliases over `r` and `record` that several columns share, separated by commas. */
  readonly prepare?: string;
  readonly columns: Partial<Record<Column, string>>;
  /** SQL over `r` and the aliases that is true for a call of a model: a trace holds other steps too, which are no exchanges. */
  readonly isCall?: string;
  /**
   * SQL over `r` that names a record and the one it lies in, '' where there is none. Where a call lies in another of one account, the outer one is a wrapper of it (a framework's span around that of the client it uses), and no exchange of its own.
   */
  readonly nesting?: { readonly own: string; readonly outer: string };
  /** An alias of `prepare` that maps names of attributes to values, for `--field name=attributes["its.name"]` where the record keeps them as a list. */
  readonly attributes?: string;
  /** Where the account is when the default place is empty; offered in the hint. */
  readonly accountHint: string;
}

/** Items of a list that are no messages name no role: what a tool gave back is the tool's, calls and thoughts are the model's, and neither is what the user said. */
const ROLE = `multiIf(i.role != '', i.role, i.type IN ('', 'message', 'input_text'), '', endsWith(i.type, '_output'), 'tool', 'assistant')`;

/** Messages wherever they are kept: a list, the same as JSON text, or one text, which is what the user said. */
export const asMessages = (text: string): string =>
  `multiIf(startsWith(${text}, '['), arrayMap(i -> (${ROLE}, i.content), JSONExtract(${text}, 'Array(Tuple(type String, role String, content String))')), ${text} != '', [('user', ${text})], [])`;

/** Tokens that a model thought in, as any of these APIs says so in the JSON text of its answer. */
export const reasoningIn = (answer: string): string =>
  `greatest(JSONExtractUInt(${answer}, 'usage', 'completion_tokens_details', 'reasoning_tokens'), JSONExtractUInt(${answer}, 'usage', 'output_tokens_details', 'reasoning_tokens'))`;

/** SQL of what names a record within its trace; '' where either is not told: ids of records are their trace's own. */
export const inTrace = (trace: string, id: string): string => `if(${trace} = '' OR ${id} = '', '', concat(${trace}, ' ', ${id}))`;

/** SQL of the first of some texts that says something. */
export const first = (...texts: string[]): string => texts.reduceRight((rest, t) => `if(${t} != '', ${t}, ${rest})`);

/** ms between two moments as text; 0 where the second is not told, or earlier. */
export const between = (from: string, to: string): string =>
  `if(${to} = '', 0, greatest(0, dateDiff('millisecond', parseDateTime64BestEffortOrZero(${from}, 3, 'UTC'), parseDateTime64BestEffortOrZero(${to}, 3, 'UTC'))))`;

export function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** The same of a value that may be the JSON text of an object. */
export function parsed(value: unknown): Record<string, unknown> {
  if (typeof value !== 'string') return object(value);
  try {
    return object(JSON.parse(value));
  } catch {
    return {};
  }
}

export function has(record: Record<string, unknown>, ...keys: string[]): number {
  return keys.filter((k) => record[k] !== undefined).length;
}
