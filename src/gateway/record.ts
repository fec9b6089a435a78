import { hash } from 'node:crypto';
import type { Scope } from '../store/scopes.ts';
import type { Asked } from './dialects.ts';
import type { Holder } from './lookup.ts';
import type { Usage } from './usage.ts';

export interface Seen {
  readonly id: string;
  readonly at: number;
  readonly holder: Holder;
  readonly keyHash: string;
  readonly asked: Asked;
  readonly endpoint: string;
  readonly ip: string;
  readonly userAgent: string;
  readonly ja4: string;
  readonly country: string;
}

const has = (list: readonly string[] | undefined, x: string | undefined): boolean =>
  list === undefined || (x !== undefined && list.includes(x));

/** The first scope that covers a request: all of its lists must hold it. Applied before any text is looked at. */
export function scopeOf(scopes: readonly Scope[], h: Holder, model: string, country: string): Scope['mode'] | null {
  const hit = scopes.find(
    ({ match: m }) =>
      has(m.accounts, h.account) &&
      has(m.organizations, h.organization) &&
      has(m.countries, h.country ?? country) &&
      has(m.models, model) &&
      // A holder of a key has no workspace that is known here: such a scope holds nothing of what comes this way.
      has(m.workspaces, undefined),
  );
  return hit?.mode ?? null;
}

function toolName(t: unknown): string {
  const { name, function: f } = (t ?? {}) as { name?: unknown; function?: { name?: unknown } | null };
  const given = name ?? f?.name;
  return typeof given === 'string' ? given.slice(0, 200) : 'tool';
}

/** Characters of its first message by which a conversation is known. */
const BEGUN_MAX = 1_000;
const SYSTEM_MAX = 16_384;
const TEXT_MAX = 65_536;
/** Of all messages together, and of one where that is used up. */
const ALL_MAX = 524_288;
const TAIL_MAX = 512;
const TOOLS_MAX = 512;

/** Head and tail of a long text: the sketch looks at no more. */
const bounded = (s: string, max: number): string =>
  s.length <= max ? s : `${s.slice(0, max - Math.min(8192, max >> 1))}\n${s.slice(-Math.min(8192, max >> 1))}`;

/**
 * What is known of an exchange before it is answered, as JSON. What was sent before is kept as turns without their text: only text new in a request is
 * sketched, and an agent sends its whole history with every call. Made before anything is forwarded: what cannot be written down is not let through.
 */
export function recordHead(s: Seen, textless: boolean): string {
  let answered = -1;
  for (const [i, m] of s.asked.messages.entries()) if (m.role === 'assistant') answered = i;
  let room = ALL_MAX;
  const messages = textless
    ? []
    : s.asked.messages.map((m, i) => {
        const told = i > answered || m.role === 'system' || m.role === 'developer';
        const content = told ? bounded(m.content, Math.min(TEXT_MAX, Math.max(room, TAIL_MAX))) : '';
        // A request of thousands of long messages at once is told by its first ones and the ends of the others.
        room -= content.length;
        return { role: m.role, content: room > -ALL_MAX ? content : '' };
      });
  // Most callers send no id of the conversation: what it began with, whose text is not kept with later requests, tells it from others.
  const begun = textless ? '' : (s.asked.messages.find((m) => m.role === 'user')?.content ?? '');
  const conversation = s.asked.conversation || (begun && `~${hash('sha1', begun.slice(0, BEGUN_MAX), 'base64url')}`);
  return JSON.stringify({
    id: s.id,
    time: new Date(s.at).toISOString(),
    account: s.holder.account,
    model: s.asked.model,
    ...(messages.length > 0 ? { messages } : {}),
    ...(textless ? { content_state: 'absent' } : {}),
    ...(s.asked.system !== '' && !textless ? { system: bounded(s.asked.system, SYSTEM_MAX) } : {}),
    ...(s.asked.tools.length > 0 ? { tools: s.asked.tools.slice(0, TOOLS_MAX).map(toolName) } : {}),
    ...(s.holder.organization ? { organization: s.holder.organization } : {}),
    ip: s.ip,
    user_agent: s.userAgent.slice(0, 512),
    ...(s.ja4 ? { ja4: s.ja4 } : {}),
    api_key: s.keyHash.slice(0, 32),
    endpoint: s.endpoint,
    params: s.asked.params,
    ...(conversation ? { conversation: conversation.slice(0, 256) } : {}),
    turn: Math.max(1, s.asked.messages.filter((m) => m.role === 'user').length),
    stream: s.asked.stream,
  });
}

/** The whole record, once it is answered. */
export const recordLine = (head: string, u: Usage, status: number, latencyMs: number): string =>
  `${head.slice(0, -1)},"input_tokens":${u.input},"output_tokens":${u.output},"reasoning_tokens":${u.reasoning},"stop_reason":${JSON.stringify(u.stop)},"status":${status},"latency_ms":${Math.round(latencyMs)}}`;
