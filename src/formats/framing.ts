import { type TableShape, tableOf, Untabler } from './csv.ts';

/** How records stand in a file: one a line, one a line of a list (`[`, `{...},`, `]`), as values of JSON wherever they begin and end, or as rows of a table under a header. */
export interface Framing {
  readonly as: 'lines' | 'list' | 'values' | 'table';
  /** Of a table. */
  readonly table?: TableShape;
  /** Of values that hold records in a list of theirs: its name. */
  readonly within?: string;
}

/** Lists of a page that an API answers with, or of a trace. */
const PAGES = new Set(['data', 'observations', 'spans', 'traces', 'items', 'results', 'records', 'requests', 'logs', 'rows']);
/** Parts of a batch of the OpenTelemetry protocol: each is one by itself, under the name that our reader knows. */
const BATCHES: Readonly<Record<string, string>> = {
  resourceSpans: 'resourceSpans',
  resourceLogs: 'resourceLogs',
  batches: 'resourceSpans',
};

const object = (text: string): Record<string, unknown> | null => {
  try {
    const x: unknown = JSON.parse(text);
    return typeof x === 'object' && x !== null && !Array.isArray(x) ? (x as Record<string, unknown>) : null;
  } catch {
    return null;
  }
};

const unlisted = (line: string): string =>
  line
    .trim()
    .replace(/^\[\s*(?=\{|$)/, '')
    .replace(/^,\s*/, '')
    .replace(/(\})\s*\]$/, '$1')
    .replace(/^\]$/, '')
    .replace(/,$/, '');

/** What a record says of itself, and a page of records does not. */
const OWN = ['time', 'timestamp', 'start_time', 'startTime', 'created_at', 'createdAt', 'request_created_at', 'account', 'model'] as const;

/** The list that a page's records stand in; undefined where a value is a record itself. */
function pageOf(text: string): string | undefined {
  const whole = object(text);
  if (whole) {
    const holds = (x: unknown): boolean => Array.isArray(x) && typeof x[0] === 'object';
    const page = Object.keys(whole).find((k) => (k in BATCHES || PAGES.has(k)) && holds(whole[k]));
    // A trace has a time of its own, and is none of our records.
    return page === 'spans' || page === 'observations' || !OWN.some((k) => k in whole) ? page : undefined;
  }
  // Too large to be seen whole: by what it begins with.
  const found = /"(\w+)"\s*:\s*\[\s*\{/.exec(text.slice(0, 4096));
  const named = found?.[1];
  if (!found || named === undefined || !(PAGES.has(named) || named in BATCHES)) return undefined;
  return OWN.some((k) => text.slice(0, found.index).includes(`"${k}"`)) ? undefined : named;
}

/**
 * How the records of a file stand in it, by what it begins with.
 * @param head text; cut off anywhere unless `whole`
 */
export function framingOf(head: string, whole: boolean): Framing {
  const begin = head.replace(/^\uFEFF/, '').trimStart();
  if (begin[0] !== '{' && begin[0] !== '[') {
    const table = tableOf(head.replace(/^\uFEFF/, ''), whole);
    return table === undefined ? { as: 'lines' } : { as: 'table', table };
  }
  const lines = begin.split('\n').map((l) => l.trim());
  if (!whole) lines.pop();
  const held = lines.filter((l) => l !== '').slice(0, 40);
  const open = held.filter((l) => l[0] === '{' || l[0] === '[');
  const records = open.filter((l) => object(l) !== null);
  if (records.length > 0 && 2 * records.length >= open.length) {
    // A page on each line. A batch on a line is a record to us.
    const page = pageOf(records[0] as string);
    return page === undefined || page === 'resourceSpans' || page === 'resourceLogs' ? { as: 'lines' } : { as: 'values', within: page };
  }
  const items = held.map(unlisted).filter((l) => l !== '');
  if (begin[0] === '[' && items.length > 0 && 2 * items.filter((l) => object(l) !== null).length >= items.length) return { as: 'list' };
  const values: string[] = [];
  const s = new Splitter(undefined, (v) => values.push(v));
  s.take(Buffer.from(begin.slice(0, 1 << 20)));
  if (whole) s.end();
  const page = begin[0] === '{' ? pageOf(values[0] ?? begin) : undefined;
  if (page !== undefined) return { as: 'values', within: page };
  return values.slice(0, 40).some((v) => object(v) !== null) ? { as: 'values' } : { as: 'lines' };
}

/** Bytes of one record at most: what does not end is given up, and counted as what it is. */
const RECORD_MAX = 256 << 20;

const QUOTE = 34;
const BACKSLASH = 92;
const NEWLINE = 10;
/** Of its encoding, at the beginning of a file. */
const MARK: readonly number[] = [0xef, 0xbb, 0xbf];

/**
 * Splits JSON into records: values end to end, elements of a list, or of lists named `within` of the values. Each comes out as one line; what is no JSON comes out too, to be counted as rejected.
 * A string that goes over the end of a line, which none of JSON does, was torn: its record ends there.
 */
export class Splitter {
  private readonly within: string | undefined;
  private readonly out: (line: string) => void;
  /** Brackets that are open. */
  private readonly stack: number[] = [];
  /** How many are open where records stand. */
  private level = 0;
  private inside = false;
  private escaped = false;
  /** Parts of the record under way from earlier chunks; null between records. */
  private parts: Buffer[] | null = null;
  private bytes = 0;
  /** Of a page: its last string at its own depth, which may be the name of a list. */
  private name = '';
  private naming = false;
  private begun = false;

  constructor(within: string | undefined, out: (line: string) => void) {
    this.within = within;
    this.out = out;
  }

  take(chunk: Buffer): void {
    // Where the record under way begins in this chunk.
    let from = 0;
    const begin = (at: number): void => {
      this.parts = [];
      this.bytes = 0;
      from = at;
    };
    const close = (to: number): void => this.emit(chunk.subarray(from, to));
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i] as number;
      if (!this.begun) {
        if (MARK.includes(c)) continue;
        this.begun = true;
      }
      if (this.inside) {
        if (this.escaped) this.escaped = false;
        else if (c === BACKSLASH) this.escaped = true;
        else if (c === QUOTE) {
          this.inside = false;
          this.naming = false;
        } else if (c === NEWLINE) {
          this.inside = false;
          if (this.parts) {
            close(i);
            this.stack.length = this.level;
          }
        } else if (this.naming && this.name.length < 64) this.name += String.fromCharCode(c);
        continue;
      }
      const blank = c <= 32 || c === 44;
      const closing = c === 125 || c === 93;
      const here = this.stack.length === this.level;
      // A number or a word ends where the next thing begins.
      if (this.parts && here && (blank || closing)) close(i);
      if (blank) continue;
      if (closing) {
        this.stack.pop();
        if (this.parts && this.stack.length === this.level) close(i + 1);
        else if (this.stack.length < this.level) this.level = 0;
        continue;
      }
      const opening = c === 123 || c === 91;
      if (!this.parts && here) {
        if (this.level === 0 && c === 91) {
          this.stack.push(c);
          this.level = 1;
          continue;
        }
        if (this.level > 0 || this.within === undefined || c !== 123) begin(i);
      } else if (!this.parts && this.level === 0 && this.stack.length === 1) {
        // In a page, beside its list.
        if (c === QUOTE) {
          this.name = '';
          this.naming = true;
        } else if (c === 91 && this.name === this.within) this.level = 2;
      }
      if (opening) this.stack.push(c);
      else if (c === QUOTE) this.inside = true;
    }
    if (!this.parts) return;
    const rest = chunk.subarray(from);
    this.parts.push(Buffer.from(rest));
    this.bytes += rest.length;
    if (this.bytes > RECORD_MAX) {
      this.emit(null);
      this.stack.length = this.level;
      this.inside = false;
    }
  }

  end(): void {
    if (this.parts) this.emit(null);
  }

  private emit(last: Buffer | null): void {
    const all = [...(this.parts ?? []), ...(last ? [last] : [])];
    this.parts = null;
    const text = Buffer.concat(all)
      .toString('utf8')
      .replace(/[\r\n]+/g, ' ');
    const batch = this.level === 2 && this.within !== undefined ? BATCHES[this.within] : undefined;
    this.out(batch ? `{"${batch}":[${text}]}` : text);
  }
}

/** Lines of a list of one record a line. */
export class Unlister {
  private readonly out: (line: string) => void;
  private rest = '';
  private readonly decoder = new TextDecoder();

  constructor(out: (line: string) => void) {
    this.out = out;
  }

  take(chunk: Buffer): void {
    const lines = (this.rest + this.decoder.decode(chunk, { stream: true })).split('\n');
    this.rest = lines.pop() ?? '';
    for (const l of lines) this.say(l);
  }

  end(): void {
    this.say(this.rest + this.decoder.decode());
    this.rest = '';
  }

  private say(line: string): void {
    const text = unlisted(line);
    if (text !== '') this.out(text);
  }
}

export function splitterFor(f: Framing, out: (line: string) => void): Splitter | Unlister | Untabler {
  if (f.table) return new Untabler(f.table, out);
  return f.as === 'list' ? new Unlister(out) : new Splitter(f.within, out);
}
