import type { Dialect } from './dialects.ts';
import { byLine, unmarked, without } from './fields.ts';

type Json = Record<string, unknown>;
const object = (x: unknown): Json => (typeof x === 'object' && x !== null && !Array.isArray(x) ? (x as Json) : {});
const list = (x: unknown): unknown[] => (Array.isArray(x) ? x : []);
const type = (x: unknown): string => String(object(x)['type'] ?? '');

/** Where answers in the shape of chat completions carry thoughts. */
const THOUGHTS = ['reasoning_content', 'reasoning', 'reasoning_details', 'reasoning_text', 'thinking', 'thinking_blocks'];
const THINKING = new Set(['thinking', 'redacted_thinking']);
/** Parts of a message that are thoughts, whatever the API. */
const thought = (part: unknown): boolean => THINKING.has(type(part)) || /^reasoning/.test(type(part));
const JSON_MAX = 64 << 20;
const EVENT_MAX = 8 << 20;

/** Tags in which a model that thinks aloud begins its answer. */
const OPENS = /^\s*<(think|thinking|thought|reasoning)>/i;
const MAY_OPEN = /^\s*(<[a-z]{0,9}>?)?$/i;

/** Takes thoughts that an answer begins with, between tags, out of its text as it comes; tags later in a text are the text's own. */
class Aloud {
  private state: 'start' | 'inside' | 'blank' | 'after' = 'start';
  private held = '';
  private close = '';

  take(text: string): string {
    if (this.state === 'after') return text;
    if (this.state === 'blank') return this.begun(text);
    this.held += text;
    if (this.state === 'start') {
      const m = OPENS.exec(this.held);
      if (!m) {
        // It may yet begin with a tag.
        if (MAY_OPEN.test(this.held) && this.held.length < 64) return '';
        this.state = 'after';
        return this.end();
      }
      this.state = 'inside';
      this.close = `</${(m[1] as string).toLowerCase()}>`;
      this.held = this.held.slice(m[0].length);
    }
    const at = this.held.toLowerCase().indexOf(this.close);
    if (at < 0) {
      this.held = this.held.slice(-this.close.length);
      return '';
    }
    const rest = this.held.slice(at + this.close.length);
    this.held = '';
    this.state = 'blank';
    return this.begun(rest);
  }

  /** What follows the thoughts, without the empty lines between. */
  private begun(text: string): string {
    const said = text.trimStart();
    if (said !== '') this.state = 'after';
    return said;
  }

  /** What was held back and is no thought. */
  end(): string {
    const left = this.state === 'inside' ? '' : this.held;
    this.held = '';
    return left;
  }
}

/** Where thoughts end that began with the answer: some templates open them before it. */
const CLOSES = /<\/(think|thinking|thought|reasoning)>\s*/i;

const OPENED = /<(think|thinking|thought|reasoning)>/i;

/** A whole text without the thoughts it begins with. */
function unsaid(text: string): string {
  const aloud = new Aloud();
  const kept = aloud.take(text) + aloud.end();
  const closed = kept === text ? CLOSES.exec(text) : null;
  // One that is opened in the text is the text's own.
  return closed && !OPENED.test(text.slice(0, closed.index)) ? text.slice(closed.index + closed[0].length) : kept;
}

/** A block, item or part of one, with its text as it is without thoughts. */
const quiet = (block: unknown): unknown => {
  const { logprobs: _, ...b } = object(block);
  if (typeof block !== 'object' || block === null) return block;
  return {
    ...b,
    ...(typeof b['text'] === 'string' ? { text: unsaid(b['text']) } : {}),
    ...(Array.isArray(b['content']) ? { content: b['content'].filter((p) => !thought(p)).map(quiet) } : {}),
  };
};

/** A choice of a chat or a completion, whole. What each token was likely to be tells the tokens of the thoughts as well. */
function choiceWithout(choice: unknown): Json {
  const c = object(choice);
  return {
    ...c,
    ...(c['message'] === undefined ? {} : { message: stripped(c['message'], true).message }),
    ...(typeof c['text'] === 'string' ? { text: unsaid(c['text']) } : {}),
    ...('logprobs' in c ? { logprobs: null } : {}),
  };
}

function stripped(message: unknown, whole = false): { message: unknown; had: boolean } {
  const m = { ...object(message) };
  let had = false;
  for (const f of THOUGHTS) {
    had ||= m[f] !== undefined && m[f] !== null;
    delete m[f];
  }
  if (whole && typeof m['content'] === 'string') {
    const kept = unsaid(m['content']);
    had ||= kept !== m['content'];
    m['content'] = kept;
  }
  // A gateway's own fields beside the provider's hold the same once more.
  const specific = m['provider_specific_fields'];
  if (typeof specific === 'object' && specific !== null) {
    const rest = stripped(specific);
    had ||= rest.had;
    m['provider_specific_fields'] = rest.message;
  }
  if (Array.isArray(m['content'])) m['content'] = m['content'].filter((b) => !thought(b)).map(quiet);
  return { message: m, had };
}

/** An item of an answer: of a reasoning one the provider's own summary and nothing of what it summarises, of any other its text without thoughts. */
function heard(item: unknown): unknown {
  if (type(item) !== 'reasoning') return quiet(item);
  const { content: _, encrypted_content: _e, ...rest } = object(item);
  return rest;
}

/** A whole answer without its reasoning; with `summary`, with the provider's own summary of it where the API makes one. */
export function answerWithout(d: Dialect, body: Json, thoughts?: readonly string[], summary = false): Json {
  if (thoughts) return without(body, thoughts);
  if (d === 'anthropic')
    return {
      ...object(stripped(Object.fromEntries(Object.entries(body).filter(([k]) => k !== 'content'))).message),
      ...(Array.isArray(body['content']) ? { content: body['content'].filter((b) => !thought(b)).map(quiet) } : {}),
    };
  if (d === 'openai-responses')
    return {
      ...body,
      ...(typeof body['output_text'] === 'string' ? { output_text: unsaid(body['output_text']) } : {}),
      ...(Array.isArray(body['output']) ? { output: body['output'].filter((o) => summary || type(o) !== 'reasoning').map(heard) } : {}),
    };
  return { ...body, ...(Array.isArray(body['choices']) ? { choices: body['choices'].map(choiceWithout) } : {}) };
}

/** Where an event of a stream ends: after an empty line, whatever ends its lines (server-sent events, 9.2.6). */
const EVENT_END = /\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n|\r\n\r|\n\r|\r\r\n/g;
const FIELD = /^(data|event|id|retry)?:|^(data|event|id|retry)$/;
/** How a stream of events begins, empty lines before it or not. */
const EVENTS = /^\s*(?:(?:data|event|id|retry)?:|(?:data|event|id|retry)[\r\n]|$)/;
const BOM = Buffer.from('\uFEFF');

/**
 * Takes the reasoning out of an answer as it comes through, whatever the upstream sends: the notice that it is withheld must be true. Events of a
 * stream are passed on whole; what stands after a hidden block takes its number, since clients count blocks. What cannot be read cannot be searched, and does not pass.
 */
export class Withheld {
  private readonly dialect: Dialect;
  private readonly rows: boolean;
  private readonly thoughts: readonly string[] | undefined;
  private readonly failed: boolean;
  private readonly summary: boolean;
  /** What the answer is: told by what it says it is, or by how it begins. */
  private form: 'json' | 'stream' | 'unknown';
  private rest: Buffer = Buffer.alloc(0);
  /** A whole answer, in parts until its end. */
  private readonly parts: Buffer[] = [];
  private bytes = 0;
  private readonly hidden = new Set<number>();
  private readonly aloud = new Map<string, Aloud>();
  private begun = false;
  /** An event that goes before the one at hand. */
  private before: Json | null = null;

  /** `thoughts`: where an API with field names of its own holds them. `status`: an error holds none. `summary`: the provider's own summary goes through. */
  constructor(dialect: Dialect, contentType: string, thoughts?: readonly string[], status = 200, summary = false) {
    this.dialect = dialect;
    this.summary = summary;
    this.thoughts = thoughts;
    this.rows = byLine(contentType);
    this.failed = status >= 400;
    // What calls itself a stream of events may be a whole answer all the same: how it begins tells.
    this.form = this.rows ? 'stream' : /^application\/([\w.]+\+)?json/i.test(contentType) ? 'json' : 'unknown';
  }

  /** What may go out now. @throws Error when it cannot be searched for reasoning */
  take(chunk: Buffer): Buffer {
    if (!this.begun) {
      this.rest = Buffer.concat([this.rest, chunk]);
      if (this.rest.length < 8) return Buffer.alloc(0);
      chunk = this.begin();
    }
    if (this.form === 'json') {
      this.bytes += chunk.length;
      if (this.bytes > JSON_MAX) throw new Error('an answer whose reasoning is withheld is too large');
      this.parts.push(chunk);
      return Buffer.alloc(0);
    }
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    if (this.rest.length > EVENT_MAX) throw new Error('an event of an answer whose reasoning is withheld is too large');
    const out: Buffer[] = [];
    // Ends of lines are ASCII: in latin1 every byte is one character.
    const text = this.rest.toString('latin1');
    let from = 0;
    for (const m of text.matchAll(this.rows ? /\n/g : EVENT_END)) {
      const to = m.index + m[0].length;
      const e = this.event(this.rest.subarray(from, to));
      if (e) out.push(e);
      from = to;
    }
    this.rest = this.rest.subarray(from);
    return Buffer.concat(out);
  }

  /** What the answer is, when enough of it is there or no more comes. @returns what was held back for it, without a byte order mark */
  private begin(): Buffer {
    this.begun = true;
    let first = this.rest;
    this.rest = Buffer.alloc(0);
    if (first.subarray(0, BOM.length).equals(BOM)) first = first.subarray(BOM.length);
    if (this.form === 'unknown') this.form = EVENTS.test(first.toString('latin1', 0, 64)) ? 'stream' : 'json';
    return first;
  }

  end(): Buffer {
    if (!this.begun) this.rest = this.begin();
    const rest = this.form === 'stream' ? this.rest : Buffer.concat([...this.parts, this.rest]);
    this.rest = Buffer.alloc(0);
    if (rest.length === 0) return rest;
    if (this.form === 'stream') return this.event(rest) ?? Buffer.alloc(0);
    let body: unknown;
    try {
      body = JSON.parse(rest.toString('utf8'));
    } catch {
      if (this.failed) return rest;
      throw new Error('an answer whose reasoning is withheld is no JSON');
    }
    const one = (x: unknown): unknown =>
      Array.isArray(x)
        ? x.map(one)
        : typeof x === 'object' && x !== null
          ? answerWithout(this.dialect, x as Json, this.thoughts, this.summary)
          : x;
    return Buffer.from(JSON.stringify(one(body)));
  }

  private event(raw: Buffer): Buffer | null {
    if (this.rows) return this.row(raw);
    const lines = raw.toString('utf8').split(/\r\n|\r|\n/);
    const data = lines
      .filter((l) => l.startsWith('data:'))
      .map((l) => l.slice(5).trimStart())
      .join('\n')
      .trim();
    // Lines that are none of a stream's are passed over by its readers, and would say anything.
    const known = lines.filter((l) => FIELD.test(l));
    // A comment that keeps the connection alive, and the word that ends a stream.
    if (data === '' || data === '[DONE]')
      return lines.every((l) => l === '' || FIELD.test(l)) ? raw : Buffer.from(`${known.join('\n')}\n\n`);
    let j: unknown;
    try {
      j = JSON.parse(data);
    } catch {
      throw new Error('an event of an answer whose reasoning is withheld is no JSON');
    }
    const kept = Array.isArray(j) ? j.map((x) => this.kept(object(x))).filter((x) => x !== null) : this.kept(object(j));
    if (kept === null) return null;
    const head = known.filter((l) => !l.startsWith('data'));
    const { before } = this;
    this.before = null;
    const ahead = before
      ? `${head.some((l) => l.startsWith('event')) ? `event: ${String(before['type'])}\n` : ''}data: ${JSON.stringify(before)}\n\n`
      : '';
    return Buffer.from(`${ahead}${[...head, `data: ${JSON.stringify(kept)}`].join('\n')}\n\n`);
  }

  private kept(j: Json): Json | null {
    return this.thoughts
      ? without(j, this.thoughts)
      : this.dialect === 'anthropic'
        ? this.anthropic(j)
        : this.dialect === 'openai-responses'
          ? this.responses(j)
          : this.chat(j);
  }

  private row(raw: Buffer): Buffer {
    const line = raw.toString('utf8');
    const text = unmarked(line);
    if (text.trim() === '') return raw;
    let j: unknown;
    try {
      j = JSON.parse(text);
    } catch {
      throw new Error('a line of an answer whose reasoning is withheld is no JSON');
    }
    return Buffer.from(
      `${line.slice(0, line.length - text.length)}${JSON.stringify(answerWithout(this.dialect, object(j), this.thoughts))}\n`,
    );
  }

  private chat(j: Json): Json | null {
    let had = false;
    let other = j['usage'] !== undefined && j['usage'] !== null;
    const choices = list(j['choices']).map((c) => {
      const choice = { ...object(c) };
      const s = stripped(choice['delta']);
      had ||= s.had;
      if (choice['message'] !== undefined) choice['message'] = stripped(choice['message'], true).message;
      this.speak(choice, object(s.message), 'content');
      if (choice['text'] !== undefined) this.speak(choice, choice, 'text');
      // The role opens a message, and clients wait for it.
      const left = Object.values(object(s.message)).some((v) => v !== null && v !== '');
      other ||= left || (choice['finish_reason'] ?? null) !== null || (choice['text'] ?? '') !== '';
      return {
        ...choice,
        ...(choice['delta'] === undefined ? {} : { delta: s.message }),
        ...(choice['logprobs'] === undefined ? {} : { logprobs: null }),
      };
    });
    if (had && !other) return null;
    return { ...j, ...(Array.isArray(j['choices']) ? { choices } : {}) };
  }

  private speaker(key: string): Aloud {
    const held = this.aloud.get(key) ?? new Aloud();
    this.aloud.set(key, held);
    return held;
  }

  /** The text of one choice, without the thoughts it begins with. */
  private speak(choice: Json, delta: Json, field: 'content' | 'text'): void {
    const aloud = this.speaker(String(choice['index'] ?? 0));
    const said = typeof delta[field] === 'string' ? aloud.take(delta[field]) : '';
    const rest = (choice['finish_reason'] ?? null) !== null ? aloud.end() : '';
    if (typeof delta[field] === 'string' || rest !== '') delta[field] = said + rest;
  }

  private renumbered(j: Json, field: string): Json {
    const i = j[field];
    return typeof i === 'number' ? { ...j, [field]: i - [...this.hidden].filter((h) => h < i).length } : j;
  }

  private anthropic(j: Json): Json | null {
    const i = Number(j['index'] ?? -1);
    if (j['type'] === 'content_block_start' && THINKING.has(type(j['content_block']))) {
      this.hidden.add(i);
      return null;
    }
    if (String(j['type']).startsWith('content_block_') && this.hidden.has(i)) return null;
    const delta = object(j['delta']);
    // Thoughts in a block that was begun as another one.
    if (j['type'] === 'content_block_delta' && /^(thinking|signature|reasoning)/.test(type(delta))) return null;
    if (j['type'] === 'message_start') return { ...j, message: answerWithout('anthropic', object(j['message'])) };
    if (j['type'] === 'content_block_start' && typeof object(j['content_block'])['text'] === 'string') {
      const block = object(j['content_block']);
      return this.renumbered({ ...j, content_block: { ...block, text: this.speaker(String(i)).take(String(block['text'])) } }, 'index');
    }
    if (j['type'] === 'content_block_delta' && typeof delta['text'] === 'string') {
      const text = this.speaker(String(i)).take(delta['text']);
      return this.renumbered({ ...j, delta: { ...delta, text } }, 'index');
    }
    if (j['type'] === 'content_block_stop') {
      // What was held back for the look of a tag, and is none.
      const left = this.speaker(String(i)).end();
      if (left !== '')
        this.before = this.renumbered({ type: 'content_block_delta', index: i, delta: { type: 'text_delta', text: left } }, 'index');
    }
    return this.renumbered(j, 'index');
  }

  private responses(j: Json): Json | null {
    const t = String(j['type'] ?? '');
    const i = Number(j['output_index'] ?? -1);
    // Events of the provider's own summary pass where it was asked for; those of the reasoning itself do not.
    if (t.startsWith('response.reasoning') && !(this.summary && t.startsWith('response.reasoning_summary'))) return null;
    if (!this.summary && t.startsWith('response.output_item.') && type(j['item']) === 'reasoning') {
      this.hidden.add(i);
      return null;
    }
    if (this.hidden.has(i) || thought(j['part'])) return this.summary && /^reasoning_summary|^summary/.test(type(j['part'])) ? j : null;
    const whole = object(j['response']);
    const out: Json = { ...j, ...('logprobs' in j ? { logprobs: [] } : {}) };
    if (Array.isArray(whole['output'])) out['response'] = answerWithout('openai-responses', whole, undefined, this.summary);
    for (const f of ['item', 'part']) if (out[f] !== undefined) out[f] = heard(out[f]);
    const key = `${i}/${String(j['content_index'] ?? 0)}`;
    if (t === 'response.output_text.delta' && typeof out['delta'] === 'string') out['delta'] = this.speaker(key).take(out['delta']);
    if (t === 'response.output_text.done') {
      if (typeof out['text'] === 'string') out['text'] = unsaid(out['text']);
      const left = this.speaker(key).end();
      if (left !== '') {
        const { text: _t, ...rest } = out;
        this.before = this.renumbered({ ...rest, type: 'response.output_text.delta', delta: left }, 'output_index');
      }
    }
    return this.renumbered(out, 'output_index');
  }
}
