import type { Dialect } from './dialects.ts';
import { byLine, unmarked, without } from './fields.ts';

type Json = Record<string, unknown>;
const object = (x: unknown): Json => (typeof x === 'object' && x !== null && !Array.isArray(x) ? (x as Json) : {});
const list = (x: unknown): unknown[] => (Array.isArray(x) ? x : []);
const type = (x: unknown): string => String(object(x)['type'] ?? '');

/** Where answers in the shape of chat completions carry thoughts. */
const THOUGHTS = ['reasoning_content', 'reasoning', 'reasoning_details', 'thinking'];
const THINKING = new Set(['thinking', 'redacted_thinking']);
const JSON_MAX = 64 << 20;
const EVENT_MAX = 8 << 20;

function stripped(message: unknown): { message: unknown; had: boolean } {
  const m = { ...object(message) };
  let had = false;
  for (const f of THOUGHTS) {
    had ||= m[f] !== undefined && m[f] !== null;
    delete m[f];
  }
  if (Array.isArray(m['content'])) m['content'] = m['content'].filter((b) => !THINKING.has(type(b)) && type(b) !== 'reasoning');
  return { message: m, had };
}

/** A whole answer without its reasoning. */
export function answerWithout(d: Dialect, body: Json, thoughts?: readonly string[]): Json {
  if (thoughts) return without(body, thoughts);
  if (d === 'anthropic') return { ...body, content: list(body['content']).filter((b) => !THINKING.has(type(b))) };
  if (d === 'openai-responses') return { ...body, output: list(body['output']).filter((o) => type(o) !== 'reasoning') };
  return {
    ...body,
    ...(Array.isArray(body['choices'])
      ? { choices: body['choices'].map((c) => ({ ...object(c), message: stripped(object(c)['message']).message })) }
      : {}),
  };
}

/**
 * Takes the reasoning out of an answer as it comes through, whatever the upstream sends: the notice that it is withheld must be true. Events of a
 * stream are passed on whole; what stands after a hidden block takes its number, since clients count blocks.
 */
export class Withheld {
  private readonly dialect: Dialect;
  private readonly stream: boolean;
  private readonly rows: boolean;
  private readonly thoughts: readonly string[] | undefined;
  private readonly json: boolean;
  private rest: Buffer = Buffer.alloc(0);
  /** A whole answer, in parts until its end. */
  private readonly parts: Buffer[] = [];
  private bytes = 0;
  private readonly hidden = new Set<number>();

  /** `thoughts`: where an API with field names of its own holds them. */
  constructor(dialect: Dialect, contentType: string, thoughts?: readonly string[]) {
    this.dialect = dialect;
    this.thoughts = thoughts;
    this.rows = byLine(contentType);
    this.stream = this.rows || /^text\/event-stream/i.test(contentType);
    this.json = !this.rows && /^application\/([\w.]+\+)?json/i.test(contentType);
  }

  /** What may go out now. */
  take(chunk: Buffer): Buffer {
    if (!this.stream && !this.json) return chunk;
    if (this.json) {
      this.bytes += chunk.length;
      if (this.bytes > JSON_MAX) throw new Error('an answer whose reasoning is withheld is too large');
      this.parts.push(chunk);
      return Buffer.alloc(0);
    }
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    if (this.rest.length > EVENT_MAX) throw new Error('an event of an answer whose reasoning is withheld is too large');
    const out: Buffer[] = [];
    for (;;) {
      const n = this.rest.indexOf('\n\n');
      const r = this.rest.indexOf('\r\n\r\n');
      const at = this.rows ? this.rest.indexOf('\n') + 1 || -1 : r >= 0 && (n < 0 || r < n) ? r + 4 : n >= 0 ? n + 2 : -1;
      if (at < 0) break;
      const e = this.event(this.rest.subarray(0, at));
      if (e) out.push(e);
      this.rest = this.rest.subarray(at);
    }
    return Buffer.concat(out);
  }

  end(): Buffer {
    const rest = this.json ? Buffer.concat(this.parts) : this.rest;
    this.rest = Buffer.alloc(0);
    if (rest.length === 0) return rest;
    if (this.stream) return this.event(rest) ?? Buffer.alloc(0);
    try {
      return Buffer.from(JSON.stringify(answerWithout(this.dialect, JSON.parse(rest.toString('utf8')) as Json, this.thoughts)));
    } catch {
      // No JSON: an error page holds no thoughts.
      return rest;
    }
  }

  private event(raw: Buffer): Buffer | null {
    if (this.rows) return this.row(raw);
    const lines = raw.toString('utf8').split(/\r?\n/);
    const data = lines
      .filter((l) => l.startsWith('data:'))
      .map((l) => l.slice(5).trimStart())
      .join('\n');
    let j: Json;
    try {
      j = JSON.parse(data) as Json;
    } catch {
      return raw;
    }
    const kept = this.thoughts
      ? without(j, this.thoughts)
      : this.dialect === 'anthropic'
        ? this.anthropic(j)
        : this.dialect === 'openai-responses'
          ? this.responses(j)
          : this.chat(j);
    if (kept === null) return null;
    const head = lines.filter((l) => l !== '' && !l.startsWith('data:'));
    return Buffer.from(`${[...head, `data: ${JSON.stringify(kept)}`].join('\n')}\n\n`);
  }

  private row(raw: Buffer): Buffer {
    const line = raw.toString('utf8');
    const text = unmarked(line);
    try {
      const kept = JSON.stringify(answerWithout(this.dialect, JSON.parse(text) as Json, this.thoughts));
      return Buffer.from(`${line.slice(0, line.length - text.length)}${kept}\n`);
    } catch {
      return raw;
    }
  }

  private chat(j: Json): Json | null {
    let had = false;
    let other = j['usage'] !== undefined && j['usage'] !== null;
    const choices = list(j['choices']).map((c) => {
      const s = stripped(object(c)['delta']);
      had ||= s.had;
      // The role opens a message, and clients wait for it.
      const left = Object.values(object(s.message)).some((v) => v !== null && v !== '');
      other ||= left || (object(c)['finish_reason'] ?? null) !== null;
      return { ...object(c), delta: s.message };
    });
    if (had && !other) return null;
    return { ...j, ...(Array.isArray(j['choices']) ? { choices } : {}) };
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
    return this.renumbered(j, 'index');
  }

  private responses(j: Json): Json | null {
    const t = String(j['type'] ?? '');
    const i = Number(j['output_index'] ?? -1);
    if (t.startsWith('response.reasoning')) return null;
    if (t === 'response.output_item.added' && type(j['item']) === 'reasoning') {
      this.hidden.add(i);
      return null;
    }
    if (this.hidden.has(i)) return null;
    const whole = object(j['response']);
    return this.renumbered(
      Array.isArray(whole['output']) ? { ...j, response: answerWithout('openai-responses', whole) } : j,
      'output_index',
    );
  }
}
