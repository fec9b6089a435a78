import { PRIVATE } from '../model/ranges.ts';

/**
 * The sketch, in SQL: what is kept of an exchange once its text has been read (DESIGN section 4).
 *
 * Every expression here runs in the engine, once a row, at ingest. Costs over a bare read of the file are measured by
 * `npm run bench:scan`; that is why words are hashed with cityHash64 first and keyed after (a keyed hash over strings
 * is dear, one over 64-bit numbers is cheap), and why text beyond a bound is sampled from its two ends.
 */

/** Bounds of one exchange's sketch. What lies beyond them is not sketched. */
export const SKETCH = {
  textBytes: 16_384,
  tailBytes: 4_096,
  systemBytes: 16_384,
  instructionBytes: 1_000,
  begunBytes: 1_000,
  segments: 40,
  segmentBytesMin: 14,
  /** Of what a conversation began with, from which on it is told by that. */
  threadBytesMin: 40,
  wordBytesMin: 4,
  wordBytesMax: 24,
} as const;

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const DIGITS = '0123456789';
const ENDS = '.!?;:\r';
const BLANK = '\t';

const sqlString = (s: string): string =>
  `'${s.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('\r', '\\r').replaceAll('\t', '\\t').replaceAll('\n', '\\n')}'`;

/** Scripts without blanks: pairs of characters stand for words. */
const bigrams = (norm: string): string =>
  `concat(replaceRegexpAll(substringUTF8(${norm}, 1, 512), '(..)', '\\\\1 '), ' ', replaceRegexpAll(substringUTF8(${norm}, 2, 512), '(..)', '\\\\1 '))`;

const ASCII_FROM = UPPER + DIGITS + ENDS + BLANK;
const ASCII_TO = UPPER.toLowerCase() + '0'.repeat(DIGITS.length) + '\n'.repeat(ENDS.length) + ' '.repeat(BLANK.length);

/** Lower case, digits alike, sentence ends as line ends: so that a fixed sentence hashes alike wherever it stands. */
const ascii = (text: string): string => `translate(${text}, ${sqlString(ASCII_FROM)}, ${sqlString(ASCII_TO)})`;

/** The same for scripts with letters and full stops of their own. */
const wide = (ascii: string, script: string): string =>
  `if(${script} >= 2, replaceRegexpAll(lowerUTF8(${ascii}), '[。！？؟।]', '\\n'), ${ascii})`;

const keyed = (x: string): string => `sipHash64Keyed(({k0:UInt64}, {k1:UInt64}), ${x})`;
const cut = (text: string, head: number, tail: number): string =>
  `if(length(${text}) > ${head + tail}, concat(substring(${text}, 1, ${head}), '\\n', substring(${text}, -${tail})), ${text})`;

/** Text of a message whose content is a string or a list of provider blocks; results of tools are not the user's text. */
const blockText = (c: string): string => {
  const blocks = `JSONExtract(if(startsWith(${c}, '{'), concat('[', ${c}, ']'), ${c}), 'Array(Tuple(type String, text String, content String))')`;
  return `if(startsWith(${c}, '[') OR startsWith(${c}, '{'),
     if(empty(${blocks}), if(isValidJSON(${c}), '', ${c}),
        arrayStringConcat(arrayMap(b -> if(b.text != '', b.text, b.content), arrayFilter(b -> b.type IN ('', 'text', 'input_text'), ${blocks})), '\\n')),
     ${c})`;
};

/** A text as long as a sketch reads: its beginning and its end. */
const bounded = (text: string): string => cut(text, SKETCH.textBytes - SKETCH.tailBytes, SKETCH.tailBytes);

/** What the user says in the messages at some places `i`. */
const saidWhere = (places: string): string =>
  `arrayStringConcat(arrayFilter(t -> t != '', arrayMap(c -> ${blockText('c')}, arrayFilter((c, r, i) -> ${places} AND r IN ('user', 'human', ''), contents, roles, arrayEnumerate(roles)))), '\n')`;

const segments = (norm: string): string =>
  `arrayFilter(s -> length(s) >= ${SKETCH.segmentBytesMin}, arrayMap(s -> trimBoth(s), splitByChar('\\n', ${norm})))`;
const segmentHashes = (norm: string): string => `arrayMap(s -> cityHash64(s), ${segments(norm)})`;

/** Without sentences that hold a placeholder of redaction; where nothing else was said there is no text. */
const kept = (norm: string): string =>
  `arrayStringConcat(arrayFilter(s -> position(s, 'redacted') = 0, splitByChar('\\n', ${norm})), '\\n')`;

/** Normalised text. Plain text takes one pass: only other scripts and redacted text pay for theirs. */
const normalise = (plain: string, script = 'script'): string =>
  `if(${script} < 2 AND position(${plain}, 'redacted') = 0, ${plain}, ${kept(wide(plain, script))})`;

const hashes = (tokens: string): string =>
  `arrayFilter((h, w) -> h <= bound AND length(w) >= ${SKETCH.wordBytesMin} AND length(w) <= ${SKETCH.wordBytesMax}, arrayMap(w -> cityHash64(w), ${tokens}), ${tokens})`;

/** Elicitation marks, one bit each; their weight comes from how rare they are in the population, not from the list. */
const MARKS = { reasoning: 1, rubric: 2, obfuscated: 4 } as const;

const STEMS = {
  reasoning: [
    'step by step',
    'chain of thought',
    'show your work',
    'reasoning',
    'intermediate',
    'derivation',
    'think through',
    'schritt f',
    'paso a paso',
    'par étape',
    'по шагам',
    '一步',
    'scratch',
  ],
  rubric: ['rubric', 'score from', 'on a scale', 'impartial judge', 'criteria', 'grade the', 'rate the'],
} as const;

const NEEDLES = `[${[...STEMS.reasoning, ...STEMS.rubric].map((x) => `'${x}'`).join(',')}]`;

// One search for both lists: the needle found tells which mark it is. Text in code words or base64 has hardly any words for its length: cheaper
// than a pattern, and the same for every alphabet with blanks.
const marks = `bitOr(multiIf(needle = 0, 0, needle <= ${STEMS.reasoning.length}, ${MARKS.reasoning}, ${MARKS.rubric}),
    if(script < 2 AND length(text) > 200 AND length(tokens) * 20 < length(text), ${MARKS.obfuscated}, 0))`;

/** 0: ASCII, 1: a few letters of its own, 2: another alphabet, 3: a script without blanks. */
const scriptOf = (text: string, name: string): string =>
  `multiIf(${text} = '', 0, (length(${text}) - lengthUTF8(${text})) / length(${text}) AS ${name}_wide < 0.004, 0, ${name}_wide < 0.2, 1, ${name}_wide < 0.58, 2, 3) AS ${name}`;
const SCRIPT = scriptOf('text', 'script');

/** Ids of conversations that nobody makes twice by chance: a UUID, a dozen hexadecimal digits of which some are letters (a date, or a count, has none), and ours of what a conversation began with (`gateway/record.ts`). A number, or a word, is one account's own. */
const OWN_ID = `length(conversation) >= 12 AND (match(extract(conversation, '[0-9a-fA-F]{12,}'), '[a-fA-F].*[0-9]|[0-9].*[a-fA-F]') OR match(conversation, '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|^~[0-9A-Za-z_-]{27}$')) AND NOT match(conversation, '0{8}-?0{4}|[fF]{8}-?[fF]{4}|1{8}-?1{4}|12345678-?1234')`;

/**
 * Of a relation with columns `text` and `system`: `said`, the sentences whose hashes (in hex) are among `{marks:Array(String)}`, as they are compared:
 * in lower case, with digits alike. A sketch holds hashes only; whoever asks which sentence it was needs the text once more.
 */
export const quoted = (source: string): string => `
  SELECT *, arrayDistinct(arrayFilter(x -> has({marks:Array(String)}, x.1), arrayMap(s -> (leftPad(hex(${keyed('cityHash64(s)')}), 16, '0'), s),
    arrayConcat(${segments('norm')}, if(system = '', [], arrayConcat([system], ${segments(normalise(ascii('system')))})))))) AS said
  FROM (SELECT *, ${normalise('plain')} AS norm FROM (SELECT *, ${ascii('text')} AS plain, ${SCRIPT} FROM (${source})))`;

/** Whether an address, or a network, is one that many have. SQL over it as it is compared. */
export const isPrivate = (ip: string): string => `match(${ip}, '${PRIVATE}')`;

/**
 * An address as it is compared, of one as logs write it: of a list of forwarders the first that is a public address, without a port, brackets or a zone, version 6 in its one form (RFC 5952) and version 4 as such also where a socket of version 6 told it. What is no
 * address stays as it is. The gateway's twin is `plain` in `gateway/address.ts`.
 */
const addressOf = (ip: string): string => {
  const listed = `arrayMap(x -> trimBoth(x), splitByChar(',', ${ip}))`;
  // In a list a client's own network comes first where its proxy says so, and words stand for what is not known.
  const first = `if(position(${ip}, ',') = 0, trimBoth(${ip}), arrayConcat(arrayFilter(x -> match(x, '^\\\\[?[0-9a-fA-F]*[.:]') AND NOT ${isPrivate('x')}, ${listed}), ${listed})[1])`;
  const bare = `if(match(${first}, '^[0-9.]+:[0-9]+$'), splitByChar(':', ${first})[1], splitByChar('%', if(startsWith(${first}, '['), extract(${first}, '^.([^]]*)'), ${first}))[1])`;
  // What needs nothing, or only its one form, is told first: most addresses.
  return `multiIf(NOT multiSearchAny(${ip}, [':', ',', ' ']), ${ip}, NOT multiSearchAnyCaseInsensitive(${ip}, ['.', ',', '[', '%', ' ', ':ffff:']), ifNull(toString(toIPv6OrNull(${ip})), ${ip}), replaceRegexpOne(ifNull(toString(toIPv6OrNull(if(position(${bare}, ':') > 0, ${bare}, ''))), if(toIPv4OrNull(${bare}) IS NULL, ${ip}, ${bare})), '^::ffff:([0-9.]+)$', '\\\\1'))`;
};

/** What addresses of one network begin with: /24, or /64 of version 6. */
const prefixOf = (ip: string): string =>
  `if(position(${ip}, ':') > 0, ifNull(replaceRegexpOne(cutIPv6(toIPv6OrNull(${ip}), 8, 0), '::$', ''), arrayStringConcat(arraySlice(splitByChar(':', ${ip}), 1, 4), ':')), arrayStringConcat(arraySlice(splitByChar('.', ${ip}), 1, 3), '.'))`;

/** The network of an address, as it is compared and shown. SQL over a column of addresses. */
export const networkOf = (ip: string): string => `concat(${prefixOf(ip)}, if(position(${ip}, ':') > 0, '::/64', '.0/24'))`;

/** Columns that a store of keyed identifiers keeps as hashes, and by which an account may be called. */
export const HIDDEN: readonly string[] = ['end_user', 'api_key', 'ip'];

/** How an account is called that is itself one of the identifiers that are kept as hashes. SQL over a text. */
export const keyedAccount = (name: string): string => `concat('k', leftPad(hex(${keyed(`cityHash64(${name})`)}), 16, '0'))`;

/** Accounts that are told by an address, a key or an end user would put into words what those columns hide. */
const veiled = (source: string): string =>
  `SELECT * REPLACE (if(account != '' AND account IN (${HIDDEN.join(', ')}), ${keyedAccount('account')}, account) AS account) FROM (${source})`;

/** Steps are run one after the other, each once: merged, the engine parses the line again wherever a branch is taken late. */
export const SKETCH_SETTINGS = 'query_plan_merge_expressions = 0, compile_expressions = 0';

/**
 * The SELECT that turns canonical columns into sketched rows. `source` yields the canonical columns of
 * `formats/format.ts` plus `path_id`, `row` and `reason` ('' for a readable record).
 */
export function sketchSelect(
  source: string,
  o: { readonly keyed?: boolean; readonly text?: boolean; readonly system?: boolean } = {},
): string {
  const hidden = (column: string): string =>
    o.keyed ? `if(${column} = '', '', leftPad(hex(${keyed(`cityHash64(${column})`)}), 16, '0')) AS ${column}` : column;
  // The network of a keyed address stays a part of it, so that accounts behind one network still meet.
  const address = o.keyed
    ? `if(address = '' OR ${isPrivate('address')}, '', concat('k', leftPad(hex(${keyed(`cityHash64(${prefixOf('address')})`)}), 16, '0'), '.0.0.', leftPad(hex(${keyed('cityHash64(address)')}), 16, '0'))) AS ip`
    : 'address AS ip';
  return `
SELECT
  sipHash64Keyed(({i0:UInt64}, {i1:UInt64}), cityHash64(account, '\\0', id)) AS key,
  id, account, cityHash64(account) AS acct, assumeNotNull(at) AS time, model, organization, workspace, ${hidden('end_user')}, end_user_source, channel,
  ${address}, user_agent, ja4, asn, ${hidden('api_key')}, endpoint, tool_count,
  cityHash64(params, endpoint) AS shape,
  if(tools = '' OR tools = '[]', 0, cityHash64(tools)) AS tools_hash,
  multiIf(conversation != '', cityHash64(account, conversation), begun = '', key, cityHash64(account, begun, 'begun')) AS conversation,
  toUInt16(least(if(turn > 0, turn, user_messages), 65535)) AS turn,
  fresh AND turn <= 1 AS opening,
  toUInt32(least(input_tokens, 4000000000)) AS input_tokens,
  toUInt32(least(output_tokens, 4000000000)) AS output_tokens,
  toUInt32(least(reasoning_tokens, 4000000000)) AS reasoning_tokens,
  stop_reason, status, toUInt32(least(latency_ms, 4000000000)) AS latency_ms,
  toUInt32(if(norm = '', 0, length(text))) AS chars, script,
  multiIf(content_state != '', content_state, text = '', 'absent', norm = '', 'redacted', 'full') AS content_state,
  if(norm = '', 0, ${keyed('cityHash64(norm)')}) AS prompt,
  arrayMap(h -> ${keyed('h')}, arrayDistinct(if(length(found) <= ${SKETCH.segments}, found,
    arrayConcat(arraySlice(found, 1, 12), arraySlice(found, -12), arraySlice(arraySort(arraySlice(found, 13, -12)), 1, ${SKETCH.segments - 24}))))) AS scaffold,
  arrayMap(h -> toUInt32(${keyed('h')}), arrayDistinct(arrayConcat(${hashes('tokens')}, ${hashes('pairs')}))) AS words,
  toUInt8(${marks}) AS marks,
  path_id, row,
  /* What a conversation is known by in every account that holds a part of it. One that begins here is known by its text, which is the prompt. */
  multiIf(ownId != '', ${keyed(`cityHash64(ownId, 'thread')`)}, length(beginning) < ${SKETCH.threadBytesMin} OR begunNorm = '', 0, ${keyed('cityHash64(begunNorm)')}) AS thread,
  reason${o.text ? ', text' : ''}${o.system ? ', system' : ''}
FROM (
  SELECT *,
    /* Where a short system text says how to answer, it says so for the request. A long one is a product's own: it holds any word. */
    multiMatchAnyIndex(if(system != '' AND length(system) <= ${SKETCH.instructionBytes}, concat(norm, '\\n', ${ascii('system')}), norm), ${NEEDLES}) AS needle,
    arrayConcat(${segmentHashes('norm')}, if(system = '', [], arrayConcat([cityHash64(system)], if(fresh, ${segmentHashes(normalise(ascii('system')))}, [])))) AS found,
    /* Of longer texts the words whose hash is small. The part kept is one of few, so that a word of an account's own sentence is kept in all of its texts or in
       none: kept in some, it would look like a subject of its own in one account and be dropped as a habit in the next. */
    tokens(norm) AS tokens,
    if(script = 3, tokens(${bigrams('norm')}), []) AS pairs,
    length(tokens) + length(pairs) AS held,
    multiIf(held <= 16, 18446744073709551615, held <= 128, intDiv(18446744073709551615, 2), held <= 512, intDiv(18446744073709551615, 8), intDiv(18446744073709551615, 32)) AS bound
  FROM (
    SELECT *, ${normalise('plain')} AS norm, if(beginning = '', '', ${normalise(ascii('beginning'), 'begunScript')}) AS begunNorm
    FROM (
      SELECT * EXCEPT (messages, system, roles, contents), ${ascii('text')} AS plain, ${scriptOf('beginning', 'begunScript')},
        answered = 0 AS fresh,
        substring(if(systemGiven != '', systemGiven, systemInline), 1, ${SKETCH.systemBytes}) AS system,
        ${SCRIPT}
      FROM (
        SELECT *,
          /* What one plain user message needs is done at once; lists, blocks and long texts take the long way. */
          if(content_state IN ('redacted', 'absent'), '', if(length(roles) = 1 AND roles[1] IN ('user', 'human', '') AND length(contents[1]) <= ${SKETCH.textBytes} AND NOT startsWith(contents[1], '[') AND NOT startsWith(contents[1], '{'),
            contents[1], ${bounded('newText')})) AS text,
          /* A log without ids of conversations sends what was said before with each request: what it began with tells them apart. */
          if(conversation != '' OR length(roles) = 0, '', substring(${blockText('first')}, 1, ${SKETCH.begunBytes})) AS begun,
          if(${OWN_ID}, conversation, '') AS ownId,
          /* A client that lets go of what was said first shows a later message in its place. */
          if(answered = 0 OR turn > user_messages OR content_state IN ('redacted', 'absent'), '', if(spoken = 2 AND NOT startsWith(first, '[') AND NOT startsWith(first, '{'), ${bounded('first')}, ${bounded('firstText')})) AS beginning,
          ${blockText('system')} AS systemGiven,
          if(length(roles) < 2, '', arrayStringConcat(arrayMap(c -> ${blockText('c')}, arrayFilter((c, r) -> r IN ('system', 'developer'), contents, roles)), '\n')) AS systemInline,
          ${saidWhere('i > answered')} AS newText,
          if(answered = 0, '', ${saidWhere('i < toInt64(spoken)')}) AS firstText
        FROM (
          SELECT *, ${addressOf('ip')} AS address, messages.1 AS roles, messages.2 AS contents,
            /* The last answer that something follows. Many logs keep the answer itself as the last message: it is what was taken, not what was sent before. */
            if(length(roles) < 2, 0, arrayLastIndex(r -> r IN ('assistant', 'model', 'ai'),
              arraySlice(roles, 1, arrayLastIndex(r -> r NOT IN ('assistant', 'model', 'ai'), roles)))) AS answered,
            if(answered = 0, 0, arrayFirstIndex(r -> r IN ('assistant', 'model', 'ai'), roles)) AS spoken,
            if(length(roles) < 2, contents[1], contents[indexOf(arrayMap(r -> r IN ('user', 'human', ''), roles), 1)]) AS first,
            if(length(roles) < 2, length(roles), arrayCount(r -> r IN ('user', 'human'), roles)) AS user_messages
          FROM (${o.keyed ? veiled(source) : source})
        )
      )
    )
  )
)`;
}
