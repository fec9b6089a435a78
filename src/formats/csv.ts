import { parse } from 'csv-parse/sync';

/** The character between the fields of a table, by its header: whichever of some it holds most of outside of quotes. */
export function delimiterOf(header: string, some: readonly string[] = [',', ';', '\t', '|']): string {
  const bare = header.replace(/"(?:[^"]|"")*"/g, '');
  const times = (c: string): number => bare.split(c).length - 1;
  return some.reduce((best, c) => (times(c) > times(best) ? c : best));
}

/** Fields of a header. */
export const namesOf = (header: string): string[] =>
  (parse(header, { delimiter: delimiterOf(header), bom: true, relax_quotes: true }) as string[][])[0] ?? [];

/** Fewest columns of a log: who sent what, and when. */
const COLUMNS_MIN = 3;
/** Rows by which a table is told from prose with commas. */
const ROWS = 8;
const HEADER_MAX = 20_000;

/** A name of a column, as exports and databases write them. */
const NAME = /^[\p{L}_$@][\p{L}\p{N} _.$:/()[\]"'-]{0,99}$/u;

/** Lines above a header at most: what a program or a person called the table. */
const TITLES_MAX = 5;

export interface TableShape {
  readonly delimiter: string;
  /** Lines that stand above its header. */
  readonly titles: number;
}

/**
 * How a log that is a table with a header is divided, undefined where the text is none: names, and rows of as many fields. A title may stand above it, in lines of fewer fields than a table has columns.
 * @param text its beginning, cut off anywhere unless `whole`
 */
export function tableOf(text: string, whole: boolean): TableShape | undefined {
  let from = 0;
  for (let titles = 0; titles <= TITLES_MAX; titles++) {
    const rest = text.slice(from);
    const end = rest.search(/[\r\n]|$/);
    const delimiter = dividedBy(rest, rest.slice(0, end), whole);
    if (delimiter !== undefined) return { delimiter, titles };
    const title = rest.slice(0, end);
    if (end === rest.length || title.split(/[,;\t|]/).length >= COLUMNS_MIN) return undefined;
    from += end + (rest.startsWith('\r\n', end) ? 2 : 1);
  }
  return undefined;
}

function dividedBy(text: string, header: string, whole: boolean): string | undefined {
  const delimiter = delimiterOf(header);
  const names = header.length > HEADER_MAX ? [] : (parsed(header, delimiter)?.[0]?.record ?? []).map((n) => n.trim());
  // An index that a program wrote beside its table has no name.
  const named = names[0] === '' ? names.slice(1) : names;
  if (names.length < COLUMNS_MIN || !named.every((n) => NAME.test(n))) return undefined;
  const held: boolean[] = [];
  const rows = new Rows(delimiter, (fields) => held.push(fields !== null));
  rows.take(Buffer.from(text));
  if (whole) rows.end();
  else rows.flush();
  const first = held.slice(1, 1 + ROWS);
  return 2 * first.filter(Boolean).length > first.length ? delimiter : undefined;
}

const QUOTE = 34;
const RETURN = 13;
const NEWLINE = 10;
/** Bytes of a table that are parsed at once. */
const PIECE = 1 << 20;
/** A file that is mostly such rows would be read anew for each of them. */
const GIVE_UP = 50;
/** Bytes of one row at most: a quote that is never closed would make one field of the rest of the file. */
const ROW_MAX = 64 << 20;

interface Row {
  readonly record: readonly string[];
  readonly raw: string;
}

/** Rows of a text; null where a quote stands that opens and closes nothing. */
function parsed(text: string, delimiter: string): Row[] | null {
  try {
    return parse(text, {
      delimiter,
      bom: true,
      relax_quotes: true,
      relax_column_count: true,
      skip_empty_lines: true,
      record_delimiter: ['\r\n', '\n'],
      raw: true,
    }) as unknown as Row[];
  } catch {
    return null;
  }
}

/** Rows of a table, however it is cut into chunks. */
class Rows {
  private readonly out: (fields: readonly string[] | null, text: string) => void;
  private readonly delimiter: string;
  private readonly mark: number;
  private whole: Buffer[] = [];
  private wholeBytes = 0;
  /** Of the row that goes on. */
  private part: Buffer[] = [];
  private partBytes = 0;
  private quoted = false;
  /** Where a field begins a quote opens it; elsewhere it is a character. */
  private begins = true;
  /** After a quote that closed a field: one more opens it again, as the second of two. */
  private closed = false;
  /** Something else came after it: a quote stands where none may. */
  private odd = false;
  /** Rows given up because a quote of theirs is not closed. From so many on no quote goes beyond its line. */
  private gaveUp = 0;

  /** Where rows end in what is whole, and whether their quotes are odd. */
  private ends: { readonly at: number; readonly odd: boolean }[] = [];
  /** Fields of the header, and so of each row. */
  private width: number | undefined;

  /** @param out takes the fields of a row, or null and its text where it is none: as many fields as the header has */
  constructor(delimiter: string, out: (fields: readonly string[] | null, text: string) => void) {
    this.out = out;
    this.delimiter = delimiter;
    this.mark = delimiter.charCodeAt(0);
  }

  take(chunk: Buffer): void {
    let upTo = 0;
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i];
      if (c === NEWLINE && this.quoted && this.gaveUp > GIVE_UP) this.quoted = false;
      if (c === QUOTE) {
        const opens = !this.quoted && (this.begins || this.closed);
        this.closed = this.quoted;
        this.quoted = opens;
        this.begins = false;
      } else if (!this.quoted) {
        if (this.closed && c !== NEWLINE && c !== RETURN && c !== this.mark) this.odd = true;
        this.closed = false;
        if (c === NEWLINE) {
          upTo = i + 1;
          this.ends.push({ at: this.wholeBytes + this.partBytes + upTo, odd: this.odd });
          this.odd = false;
        }
        this.begins = c === NEWLINE || c === this.mark || (this.begins && c === RETURN);
      }
    }
    if (upTo > 0) {
      const bytes = this.partBytes + upTo;
      this.whole.push(...this.part, Buffer.from(chunk.subarray(0, upTo)));
      this.part = [];
      this.partBytes = 0;
      this.wholeBytes += bytes;
      if (this.wholeBytes >= PIECE) this.flush();
    }
    if (upTo === chunk.length) return;
    this.part.push(Buffer.from(chunk.subarray(upTo)));
    this.partBytes += chunk.length - upTo;
    if (this.quoted && this.partBytes > ROW_MAX) this.giveUp();
  }

  end(): void {
    while (this.quoted) this.giveUp();
    this.whole.push(...this.part);
    this.part = [];
    this.partBytes = 0;
    this.flush();
  }

  /** Tells what stands whole so far. */
  flush(): void {
    const all = Buffer.concat(this.whole);
    const ends = this.ends;
    this.whole = [];
    this.wholeBytes = 0;
    this.ends = [];
    const rows = ends.some((e) => e.odd) ? null : parsed(all.toString('utf8'), this.delimiter);
    if (rows) {
      for (const r of rows) this.tell(r.record, r.raw);
      return;
    }
    // Quotes stand somewhere where the parser allows none: row by row, so that this costs one.
    let from = 0;
    for (const end of [...ends, { at: all.length, odd: this.odd }]) {
      const text = all.subarray(from, end.at).toString('utf8');
      from = end.at;
      if (text.trim() === '') continue;
      // A row whose quotes are odd may be several: it has as many fields as one where the last of the first was torn.
      const several = end.odd && text.trimEnd().includes('\n');
      this.tell(several ? null : (parsed(text, this.delimiter)?.[0]?.record ?? null), text);
    }
  }

  private tell(fields: readonly string[] | null, text: string): void {
    this.width ??= fields?.length;
    if (fields && fields.length === this.width) {
      this.out(fields, text);
      return;
    }
    // A quote too many joins rows that are none: what is one by itself is told.
    for (const line of text.split('\n')) {
      if (line.trim() === '') continue;
      const r = parsed(line, this.delimiter)?.[0];
      this.out(r && r.record.length === this.width ? r.record : null, line);
    }
  }

  /** A quote that nothing closes costs the line in which it opens. What follows is read anew. */
  private giveUp(): void {
    this.flush();
    const all = Buffer.concat(this.part);
    this.part = [];
    this.partBytes = 0;
    this.quoted = false;
    this.closed = false;
    this.begins = true;
    this.odd = false;
    this.gaveUp += 1;
    const end = all.indexOf(NEWLINE);
    this.out(null, all.subarray(0, end < 0 ? all.length : end).toString('utf8'));
    if (end >= 0) this.take(all.subarray(end + 1));
  }
}

/** A number, written as JSON writes it: with a nought before it, or more digits than a number holds, it is a name. */
const isNumber = (cell: string): boolean => cell.length <= 15 && /^-?\d/.test(cell) && String(Number(cell)) === cell;

/** A field as JSON: lists and objects stay as they are written, since digits beyond what a number holds would be lost. */
function cellOf(cell: string): string {
  if (isNumber(cell)) return cell;
  if (cell[0] === '{' || cell[0] === '[')
    try {
      JSON.parse(cell);
      return cell.replace(/[\r\n]+/g, ' ');
    } catch {
      // Text that only begins like JSON.
    }
  return JSON.stringify(cell);
}

/** What databases write for a field that holds nothing. */
export const NOTHING: ReadonlySet<string | undefined> = new Set(['', 'NULL', '\\N']);

/** Names of columns, each once: two tables joined hold one name twice, of which the first counts. */
function apart(names: readonly string[]): string[] {
  const times = new Map<string, number>();
  return names.map((n) => {
    const before = times.get(n) ?? 0;
    times.set(n, before + 1);
    return before === 0 ? n : `${n} (${before + 1})`;
  });
}

/**
 * Rows of a table with a header as records: fields that hold nothing left out, lists and objects as what they are. A row of too many or too few fields comes out as it stands, to be counted as rejected;
 * lines above the header are left out.
 */
export class Untabler {
  private readonly rows: Rows;
  private names: readonly string[] | undefined;
  private titles: number;

  constructor({ delimiter, titles }: TableShape, out: (line: string) => void) {
    this.titles = titles;
    this.rows = new Rows(delimiter, (fields, text) => {
      if (!fields) {
        out(text.replace(/[\r\n]+/g, ' ').trim());
        return;
      }
      if (!this.names) {
        this.names = apart(fields.map((n) => n.trim()));
        return;
      }
      const held = this.names.flatMap((name, i) =>
        name === '' || NOTHING.has(fields[i]) ? [] : `${JSON.stringify(name)}:${cellOf(fields[i] as string)}`,
      );
      out(`{${held.join(',')}}`);
    });
  }

  take(chunk: Buffer): void {
    let rest = chunk;
    while (this.titles > 0 && rest.length > 0) {
      const end = rest.indexOf(NEWLINE);
      if (end >= 0) this.titles -= 1;
      rest = rest.subarray(end < 0 ? rest.length : end + 1);
    }
    this.rows.take(rest);
  }

  end(): void {
    this.rows.end();
  }
}
