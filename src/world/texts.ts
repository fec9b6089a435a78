import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { coin, FIELDS, type Field } from './lexicon.ts';
import type { Random } from './random.ts';

/** What one account writes about: a mix over fields, and words of its own that nobody else uses. */
export interface Interests {
  readonly mix: readonly number[];
  readonly own: readonly string[];
  /** The slice of real texts this account works in, where a text pack is used. */
  readonly lane: number;
  /** Clauses this account's requests run to, on average. */
  readonly verbosity: number;
}

export interface Item {
  readonly text: string;
  readonly capability: string;
}

export interface TextSource {
  /** One honest request of an account with these interests. */
  honest(who: Interests, random: Random): Item;
  /** A pool of distinct extraction items on a kind of work. */
  pool(size: number, random: Random): Item[];
  /** A public benchmark: the same items for everybody. */
  benchmark(name: string, size: number): Item[];
}

export function interests(random: Random, breadth: number): Interests {
  return {
    mix: random.dirichlet(FIELDS.length, breadth),
    own: Array.from({ length: random.int(6, 14) }, () => coin((l) => random.pick(l), random.int(1, 3))),
    lane: random.unit(),
    verbosity: Math.min(7, random.lognormal(2.2, 0.45)),
  };
}

const OPENERS = [
  'can you',
  'please',
  'help me',
  'how do i',
  'i want to',
  'what is the best way to',
  'we need to',
  'could you',
  'show me how to',
  'is it possible to',
];
const JOINERS = ['with', 'for', 'without', 'using', 'before', 'around', 'inside', 'between', 'after', 'near'];
const TAILS = [
  'it keeps failing since yesterday',
  'keep it short',
  'i am new to this',
  'there must be a simpler way',
  'we ship on friday',
  'the last answer was wrong',
  'make it nicer',
  'my manager wants it today',
  'it has to stay cheap',
  'be honest',
];

function clause(f: Field, own: readonly string[], random: Random): string {
  const noun = () => (own.length > 0 && random.chance(0.3) ? random.pick(own) : random.pick(f.nouns));
  return `${random.pick(f.verbs)} the ${noun()} ${random.pick(JOINERS)} the ${noun()} and ${noun()}`;
}

/** Sentences put together from the lexicon: no two items alike, topics as sharp as the interests are. */
export class BuiltInTexts implements TextSource {
  honest(who: Interests, random: Random): Item {
    const f = FIELDS[random.weighted(who.mix)] ?? (FIELDS[0] as Field);
    const parts = [`${random.pick(OPENERS)} ${clause(f, who.own, random)}`];
    for (let n = Math.round(random.unit() * 2 * (who.verbosity - 1)); n > 0; n--) parts.push(clause(f, who.own, random));
    if (random.chance(0.25)) parts.push(random.pick(TAILS));
    return { text: `${parts.join(random.chance(0.5) ? ', then ' : '. Also ')}${random.pick(['.', '?', ''])}`, capability: f.capability };
  }

  pool(size: number, random: Random): Item[] {
    const wanted = random.pick([
      ['coding', 'agentic'],
      ['math', 'analysis'],
      ['coding', 'math'],
      ['grading', 'analysis'],
    ]);
    const fields = FIELDS.filter((f) => wanted.includes(f.capability));
    // As long-winded as one honest account or another: length must not give a campaign away.
    const verbosity = Math.min(7, random.lognormal(2.2, 0.45));
    return Array.from({ length: size }, () => {
      const f = random.pick(fields);
      // A task is about something of its own, as an honest account's work is: from a few nouns alone thousands of items come out twice.
      const own = Array.from({ length: 2 }, () => coin((l) => random.pick(l), random.int(1, 3)));
      const parts = Array.from({ length: 1 + Math.round(random.unit() * 2 * (verbosity - 1)) }, () => clause(f, own, random));
      return {
        text: `${random.pick(['Write', 'Work out', 'Design', 'Explain', 'Derive', 'Produce'])} a way to ${parts.join('; ')}.`,
        capability: f.capability,
      };
    });
  }

  benchmark(name: string, size: number): Item[] {
    let seed = 7;
    for (const ch of name) seed = (seed * 31 + ch.charCodeAt(0)) >>> 0;
    const pick = (n: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 4294967296) * n);
    };
    const fields = FIELDS.filter((f) => f.capability === 'math' || f.capability === 'coding');
    return Array.from({ length: size }, () => {
      const f = fields[pick(fields.length)] as Field;
      const w = () => f.nouns[pick(f.nouns.length)];
      return {
        text: `Given ${w()}, ${w()} and ${w()} with ${2 + pick(90)} units of ${w()}, ${f.verbs[pick(f.verbs.length)]} the ${w()} to reach ${2 + pick(900)}.`,
        capability: f.capability,
      };
    });
  }
}

interface Row {
  text: string;
  source: string;
  capability: string;
}

function load(dir: string, prefix: string): Row[] {
  const out: Row[] = [];
  for (const name of readdirSync(dir)) {
    if (!name.startsWith(prefix) || !/\.jsonl(\.gz)?$/.test(name)) continue;
    const raw = readFileSync(join(dir, name));
    const text = (name.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8');
    for (const line of text.split('\n')) if (line) out.push(JSON.parse(line) as Row);
  }
  return out;
}

/** Real prompts: honest accounts each work in a narrow lane of one or two sources; a campaign deals one source. */
export class PackTexts implements TextSource {
  private readonly benign = new Map<string, Row[]>();
  private readonly taken = new Map<string, Row[]>();
  private readonly used = new Set<string>();
  private readonly names: string[];
  private readonly extraction: string[];

  constructor(dir: string) {
    for (const row of load(dir, 'benign')) this.put(this.benign, row);
    for (const row of load(dir, 'extraction')) this.put(this.taken, row);
    if (this.benign.size === 0) throw new Error(`no benign*.jsonl(.gz) texts in ${dir}`);
    // Neighbours in the alphabet of the text are neighbours in subject often enough to make lanes of.
    for (const rows of this.benign.values()) rows.sort((a, b) => (a.text < b.text ? -1 : 1));
    this.names = [...this.benign.keys()];
    this.extraction = [...this.taken.keys()].filter((k) => (this.taken.get(k)?.length ?? 0) >= 500);
  }

  private put(map: Map<string, Row[]>, row: Row): void {
    const rows = map.get(row.source);
    if (rows) rows.push(row);
    else map.set(row.source, [row]);
  }

  honest(who: Interests, random: Random): Item {
    const name = this.names[Math.floor(who.lane * this.names.length)] as string;
    const rows = this.benign.get(name) as Row[];
    const at = ((who.lane * 7919) % 1) * rows.length;
    const row = rows[Math.floor(at + Math.abs(random.normal(0, 12))) % rows.length] as Row;
    // Real users write about things of their own; without that every lane would repeat a few public texts.
    const own = who.own.length > 0 && random.chance(0.6) ? ` (${random.pick(who.own)} ${random.int(1, 400)})` : ` ${random.hex(5)}`;
    return { text: row.text + own, capability: row.capability };
  }

  pool(size: number, random: Random): Item[] {
    const free = this.extraction.filter((k) => !this.used.has(k));
    const name = random.pick(free.length > 0 ? free : this.extraction);
    this.used.add(name);
    const rows = random.shuffle([...(this.taken.get(name) as Row[])]);
    return Array.from({ length: size }, (_, i) => {
      const row = rows[i % rows.length] as Row;
      return { text: i < rows.length ? row.text : `${row.text} ${random.hex(5)}`, capability: row.capability };
    });
  }

  benchmark(name: string, size: number): Item[] {
    const source = ['gsm8k-test', 'humaneval', 'bbh', 'mt-bench'].filter((k) => this.benign.has(k));
    const rows = this.benign.get(source[name.length % Math.max(1, source.length)] ?? (this.names[0] as string)) as Row[];
    return rows.slice(0, size).map((r) => ({ text: r.text, capability: r.capability }));
  }
}
