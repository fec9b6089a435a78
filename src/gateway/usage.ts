import { at, byLine, type Fields, unmarked } from './fields.ts';

/** What an answer used, read off it as it passes. */
export interface Usage {
  input: number;
  output: number;
  reasoning: number;
  stop: string;
}

type Json = Record<string, unknown>;
const object = (x: unknown): Json => (typeof x === 'object' && x !== null ? (x as Json) : {});
const count = (x: unknown): number => (typeof x === 'number' && Number.isFinite(x) ? Math.max(0, Math.trunc(x)) : 0);

/** Types of events that end a stream. */
const LAST = ['message_stop', 'response.completed', 'response.incomplete', 'response.failed'] as const;

/** What a line must hold to matter; most lines of a stream say `"finish_reason":null` and are let by unread. */
const MARKS = [
  ...['"usage":{', '"usage": {', '"stop_reason":"', '"stop_reason": "', '"finish_reason":"', '"finish_reason": "'],
  ...['[DONE]', ...LAST],
].map((m) => Buffer.from(m));

function read(into: Usage, j: Json): void {
  const r = object(j['response']);
  const m = object(j['message']);
  for (const holder of [j, r, m, object(j['delta'])]) {
    const u = object(holder['usage']);
    into.input = Math.max(
      into.input,
      count(u['input_tokens']) + count(u['cache_read_input_tokens']) + count(u['cache_creation_input_tokens']),
      count(u['prompt_tokens']),
    );
    into.output = Math.max(into.output, count(u['output_tokens']), count(u['completion_tokens']));
    into.reasoning = Math.max(
      into.reasoning,
      count(object(u['output_tokens_details'])['reasoning_tokens']),
      count(object(u['completion_tokens_details'])['reasoning_tokens']),
    );
    if (typeof holder['stop_reason'] === 'string') into.stop = holder['stop_reason'];
  }
  const choices = Array.isArray(j['choices']) ? j['choices'] : [];
  for (const c of choices) if (typeof object(c)['finish_reason'] === 'string') into.stop = object(c)['finish_reason'] as string;
  // The Responses API says how it ended in the status of the response.
  for (const x of [r, j['object'] === 'response' ? j : {}]) if (typeof x['status'] === 'string') into.stop = x['status'];
}

/** Adds what an answer, or an event of one, says it used. Counts grow over a stream, so the largest holds. */
function usedBy(f: Fields, into: Usage, answer: unknown): void {
  const n = (p: string | undefined): number => {
    const x = at(answer, p);
    return typeof x === 'number' && Number.isFinite(x) && x > 0 ? Math.trunc(x) : 0;
  };
  into.input = Math.max(into.input, n(f.usage.input));
  into.output = Math.max(into.output, n(f.usage.output));
  into.reasoning = Math.max(into.reasoning, n(f.usage.reasoning));
  const stop = at(answer, f.usage.stop);
  if (typeof stop === 'string') into.stop = stop;
}

/** What an event of a stream holds besides its text, at most. */
const EVENT_BYTES = 400;
/** Longer lines of a stream, and longer answers, are told by their beginning and their end. */
const WHOLE_MAX = 8 << 20;
const HEAD_BYTES = 1024;
const TAIL_BYTES = 64 << 10;

const isLast = (type: unknown): boolean => (LAST as readonly unknown[]).includes(type);

/** What is kept of a line or an answer while it comes: all of it, or of a very long one its beginning and its end. A quote inside of a text stands behind a backslash, so that names in it are not taken for the answer's own. */
class Held {
  private parts: Buffer[] = [];
  private head: Buffer | null = null;
  bytes = 0;

  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.parts.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes <= WHOLE_MAX && this.head === null) return;
    this.head ??= Buffer.concat(this.parts).subarray(0, HEAD_BYTES);
    if (this.parts.length < 2 && chunk.length <= TAIL_BYTES) return;
    this.parts = [Buffer.concat(this.parts.slice(-64)).subarray(-TAIL_BYTES)];
  }

  get long(): boolean {
    return this.head !== null;
  }

  /** All of it. */
  whole(): Buffer {
    return this.parts.length === 1 ? (this.parts[0] as Buffer) : Buffer.concat(this.parts);
  }

  /** What a long one says at its beginning and its end. */
  skimmed(): Json {
    const text = `${this.head?.toString('latin1') ?? ''}\n${this.whole().subarray(-TAIL_BYTES).toString('latin1')}`;
    const last = (name: string): number =>
      Number([...text.matchAll(new RegExp(`(?<!\\\\)"${name}"\\s*:\\s*(\\d+)`, 'g'))].at(-1)?.[1] ?? 0);
    const usage = Object.fromEntries(
      ['input_tokens', 'prompt_tokens', 'output_tokens', 'completion_tokens'].map((name) => [name, last(name)]),
    );
    const type = LAST.find((t) => new RegExp(`(?<!\\\\)"type"\\s*:\\s*"${t.replace('.', '\\.')}"`).test(text));
    return { usage: { ...usage, output_tokens_details: { reasoning_tokens: last('reasoning_tokens') } }, ...(type ? { type } : {}) };
  }

  clear(): void {
    this.parts = [];
    this.head = null;
    this.bytes = 0;
  }
}

/**
 * Reads usage from an answer without holding it up. Streams are read by line and only where a line can matter; other answers are
 * parsed once at their end. Lines and answers of more than 8 MB are told by their beginning and their end.
 */
export class UsageTap {
  readonly usage: Usage = { input: 0, output: 0, reasoning: 0, stop: '' };
  private readonly sse: boolean;
  /** A stream of one JSON object a line. */
  private readonly rows: boolean;
  private readonly fields: Fields | undefined;
  private readonly held = new Held();
  private bytes = 0;
  /** Line ends of a stream that passed: what is said in how many pieces. */
  private pieces = 0;
  /** Whether the answer said itself that it was over. */
  ended = false;

  /** Whether the answer says what it used. */
  told = false;

  constructor(contentType: string, fields?: Fields) {
    this.rows = byLine(contentType);
    this.sse = this.rows || contentType.includes('text/event-stream');
    this.fields = fields;
  }

  /** Takes a chunk; true when it ends the answer as the client's library sees it. */
  take(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (!this.sse) {
      this.held.add(chunk);
      return false;
    }
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) this.pieces += 1;
    const end = chunk.lastIndexOf(10);
    if (end < 0) {
      this.held.add(chunk);
      return false;
    }
    const last = this.through(chunk.subarray(0, end));
    this.held.add(chunk.subarray(end + 1));
    if (last) this.ended = true;
    return last;
  }

  /** Reads what came up to the end of a line, with what was held of its beginning. */
  private through(part: Buffer): boolean {
    if (this.held.bytes === 0) return this.lines(part);
    const at = part.indexOf(10);
    this.held.add(at < 0 ? part : part.subarray(0, at));
    let last: boolean;
    if (this.held.long) {
      const said = this.held.skimmed();
      this.read(said);
      last = isLast(said['type']);
    } else last = this.lines(this.held.whole());
    this.held.clear();
    const later = at >= 0 && this.lines(part.subarray(at + 1));
    return last || later;
  }

  private lines(part: Buffer): boolean {
    if (!this.fields && !this.rows && !MARKS.some((m) => part.includes(m))) return false;
    let last = false;
    for (const line of part.toString('utf8').split('\n')) {
      if (!this.rows && !line.startsWith('data:')) continue;
      const data = (this.rows ? unmarked(line) : line.slice(5)).trim();
      if (data === '[DONE]') {
        last = true;
        continue;
      }
      try {
        const j = object(JSON.parse(data));
        this.read(j);
        if (isLast(j['type'])) last = true;
      } catch {
        // A line that is no JSON tells no usage; it passes as it is.
      }
    }
    return last;
  }

  private read(j: Json): void {
    read(this.usage, j);
    if (this.fields) usedBy(this.fields, this.usage, j);
  }

  /**
   * The upstream is done: for an API whose streams have no last word of their own that is the end.
   * @param input tokens the request was taken to have, which holds where the answer does not say (a stream without `include_usage` says nothing)
   */
  end(whole = false, input = 0): Usage {
    // A last line without its line end.
    if (this.rows && this.held.bytes > 0 && !this.held.long) this.lines(this.held.whole());
    if (whole && (this.fields || this.rows)) this.ended = true;
    if (!this.sse && this.held.bytes > 0) {
      try {
        const said: unknown = this.held.long ? this.held.skimmed() : JSON.parse(this.held.whole().toString('utf8'));
        // Some APIs answer a stream as one list of its parts.
        for (const part of Array.isArray(said) ? said : [said]) this.read(object(part));
        this.ended = true;
      } catch {
        // Not JSON: nothing to read.
      }
    }
    this.held.clear();
    this.told = this.usage.output > 0;
    if (this.usage.input === 0) this.usage.input = input;
    // An answer that was broken off, or does not say what it used, took what passed: some 120 bytes an event of one token, four bytes a token where an event holds many.
    if (!this.ended || this.usage.output === 0) {
      const passed = this.sse
        ? Math.max(this.bytes / 120, (this.bytes - EVENT_BYTES * (this.pieces / (this.rows ? 1 : 2))) / 4)
        : this.bytes / 4;
      this.usage.output = Math.max(this.usage.output, Math.ceil(passed));
    }
    return this.usage;
  }
}
