import * as v from 'valibot';
import { type Asked, asked, type Dialect } from './dialects.ts';

/**
 * APIs of no dialect we know, by their field names. A path is names with dots between them; a number picks one of a list, `*` all of it, and `*[name]` at a
 * path's end those of a list that hold `name` (as `true`, or as anything else that is not empty).
 */
const path = v.pipe(
  v.string(),
  v.regex(/^[^.\s]+(\.[^.\s]+)*$/, 'is names with dots between them, for example generationConfig.maxOutputTokens'),
);

export const FIELDS = v.strictObject({
  /** The model's name in the body; a `{model}` in the route's path says it too. */
  model: v.optional(path),
  /** A list of messages, or a string. */
  messages: v.optional(path),
  /** Where a message says who speaks, and what; a message that is a string is the user's. */
  role: v.optional(path, 'role'),
  content: v.optional(path, 'content'),
  system: v.optional(path),
  tools: v.optional(path),
  output_max: v.optional(path),
  conversation: v.optional(path),
  /** Where the body asks for a stream; true for a path that always streams. */
  stream: v.optional(v.union([path, v.boolean()]), false),
  /** What asks for reasoning, and where answers hold it. A barrier that withholds takes both out; without `thoughts` it refuses, since what cannot be taken out must not be promised. */
  reasoning: v.optional(v.array(path), []),
  thoughts: v.optional(v.array(path)),
  usage: v.optional(
    v.strictObject({ input: v.optional(path), output: v.optional(path), reasoning: v.optional(path), stop: v.optional(path) }),
    {},
  ),
});
export type Fields = v.InferOutput<typeof FIELDS>;

type Json = Record<string, unknown>;
const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null;

/** What stands at a path; undefined where nothing does. Own properties only: a body has no say in what objects inherit. */
export function at(body: unknown, where: string | undefined): unknown {
  if (where === undefined) return undefined;
  let x = body;
  for (const name of where.split('.')) {
    if (!isObject(x) || !Object.hasOwn(x, name)) return undefined;
    x = x[name];
  }
  return x;
}

/** A body without what stands at some paths; the body itself is left alone. */
export function without(body: Json, paths: readonly string[]): Json {
  const out = structuredClone(body);
  for (const p of paths) take(out, p.split('.'));
  return out;
}

function take(x: unknown, [name = '', ...rest]: readonly string[]): void {
  if (!isObject(x)) return;
  const marked = /^\*\[(.+)\]$/.exec(name)?.[1];
  if (Array.isArray(x) && (name === '*' || marked !== undefined)) {
    if (rest.length > 0) for (const y of x) take(y, rest);
    else if (marked === undefined) x.length = 0;
    else x.splice(0, x.length, ...x.filter((y) => !isObject(y) || !Object.hasOwn(y, marked) || !y[marked]));
  } else if (Object.hasOwn(x, name)) {
    if (rest.length > 0) take(x[name], rest);
    else delete x[name];
  }
}

/** How protobuf's JSON may be written as well: all names with underscores, or the last one. */
const under = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const snake = (p: string): string => p.split('.').map(under).join('.');
const halfSnake = (p: string): string => p.replace(/[^.]+$/, under);

/** Names that gates go by, in any spelling. */
const SPELT = /^(model|models|tools|functions)$/i;

const VISION = ['inline_data', 'inlineData', 'file_data', 'fileData', 'image', 'images', 'image_url'];

/** What a body asks for, read by its own field names. `named` holds what the path of the route said. */
export function askedBy(f: Fields, body: Json, named: Readonly<Record<string, string>>): Asked {
  const given = at(body, f.messages);
  const items = Array.isArray(given) ? given : given === undefined ? [] : [given];
  const tools = at(body, f.tools);
  const plain = asked('json', {
    model: at(body, f.model) ?? named['model'] ?? '',
    stream: typeof f.stream === 'boolean' ? f.stream : at(body, f.stream) === true,
    messages: items.map((m) => (isObject(m) ? { role: at(m, f.role) ?? 'user', content: at(m, f.content) } : { role: 'user', content: m })),
    system: at(body, f.system),
    ...(Array.isArray(tools) ? { tools } : isObject(tools) ? { tools: [tools] } : {}),
    max_tokens: at(body, f.output_max),
    conversation: at(body, f.conversation),
    cached_content: body['cachedContent'] ?? body['cached_content'],
    // Names spelt with capitals, and other models, may be read as well as those of the map.
    ...Object.fromEntries(Object.entries(body).filter(([k]) => k === 'models' || (k !== k.toLowerCase() && SPELT.test(k)))),
    ...(typeof body['model'] === 'string' && body['model'] !== (at(body, f.model) ?? '')
      ? { models: [body['model'], ...(Array.isArray(body['models']) ? body['models'] : [])] }
      : {}),
  });
  const seen = items.some((m) => {
    const c = isObject(m) ? at(m, f.content) : undefined;
    return isObject(m) && [m, ...(Array.isArray(c) ? c : [])].some((b) => isObject(b) && VISION.some((k) => Object.hasOwn(b, k)));
  });
  const reasons = f.reasoning.some(
    (p) => at(body, p) !== undefined || at(body, snake(p)) !== undefined || at(body, halfSnake(p)) !== undefined,
  );
  return {
    ...plain,
    capabilities: [...new Set([...plain.capabilities, ...(seen ? ['vision'] : []), ...(reasons ? ['reasoning'] : [])])],
  };
}

/** Whether an answer is one JSON object a line. */
export const byLine = (contentType: string): boolean => /ndjson|jsonl|json-seq/i.test(contentType);

/** A line without the mark that a JSON text sequence begins it with (RFC 7464). */
export const unmarked = (line: string): string => (line.startsWith('\u001e') ? line.slice(1) : line);

/** How one path is read. */
export interface Reading {
  readonly dialect: Dialect;
  readonly fields?: Fields;
  readonly named: Readonly<Record<string, string>>;
  /** It counts tokens and asks no model for an answer: barriers and gates hold, nothing is used, and it is no exchange. */
  readonly counts?: true;
}

export type Routes = Readonly<Record<string, Dialect | Fields>>;

/** Finds how a path is read: as it is written first, then by patterns, in which `{name}` stands for anything but a slash. */
export class RouteTable {
  private readonly exact = new Map<string, Reading>();
  private readonly patterns: {
    readonly pattern: RegExp;
    readonly names: readonly string[];
    readonly dialect: Dialect;
    readonly fields?: Fields;
  }[] = [];

  constructor(routes: Routes) {
    for (const [route, how] of Object.entries(routes)) {
      const reading = typeof how === 'string' ? { dialect: how } : { dialect: 'json' as const, fields: how };
      if (!route.includes('{')) {
        this.exact.set(route, { ...reading, named: {} });
        // Part of the same API: coding agents ask it before every request.
        if (how === 'anthropic') this.exact.set(`${route}/count_tokens`, { ...reading, named: {}, counts: true });
        continue;
      }
      const names: string[] = [];
      const pattern = route
        .split(/(\{[a-z_]+\})/)
        .map((part) => {
          const name = /^\{([a-z_]+)\}$/.exec(part)?.[1];
          if (name === undefined) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
          names.push(name);
          return '([^/]+?)';
        })
        .join('');
      this.patterns.push({ pattern: new RegExp(`^${pattern}$`), names, ...reading });
    }
  }

  of(path: string): Reading | undefined {
    const known = this.exact.get(path);
    if (known || this.patterns.length === 0) return known;
    // What another reader may take for a slash or a step upwards is no name.
    if (/\.\.|%2e|%2f|%5c|\\/i.test(path)) return undefined;
    for (const { pattern, names, ...reading } of this.patterns) {
      const m = pattern.exec(path);
      if (m) {
        try {
          // As the upstream will read it: `%6carge` is no other model than `large`.
          return { ...reading, named: Object.fromEntries(names.map((n, i) => [n, decodeURIComponent(m[i + 1] ?? '')])) };
        } catch {
          return undefined;
        }
      }
    }
    return undefined;
  }
}
