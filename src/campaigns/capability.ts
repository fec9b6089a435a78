import { CAPABILITY_BIAS, CAPABILITY_SCALE, CAPABILITY_WEIGHTS } from './capability-weights.ts';

/** Capabilities a campaign can be after, as the small model tells them from text. */
export const CAPABILITIES = [
  'software engineering',
  'agentic and tool use',
  'long-horizon tasks',
  'reasoning and mathematics',
  'grading and reward modelling',
  'translation',
  'role-play',
  'general chat',
] as const;

export const FEATURES = 4096;

/** Hashed words and word pairs of the start and the end of a text; each feature counts once. */
export function featuresOf(text: string): number[] {
  const cut = text.length > 3000 ? `${text.slice(0, 2000)} ${text.slice(-1000)}` : text;
  const words = cut.toLowerCase().match(/[\p{L}]+|\p{N}|[^\s\p{L}\p{N}]/gu) ?? [];
  const out = new Set<number>();
  let before = 0;
  for (const w of words) {
    let h = 2166136261;
    for (let i = 0; i < w.length; i++) h = Math.imul(h ^ w.charCodeAt(i), 16777619) >>> 0;
    out.add(h % FEATURES);
    out.add(((Math.imul(before, 2654435761) ^ h) >>> 0) % FEATURES);
    before = h;
  }
  return [...out];
}

let weights: Float32Array | null = null;

function load(): Float32Array {
  if (!weights) {
    const raw = Buffer.from(CAPABILITY_WEIGHTS, 'base64');
    weights = Float32Array.from(new Int8Array(raw.buffer, raw.byteOffset, raw.length), (x) => x * CAPABILITY_SCALE);
  }
  return weights;
}

/** Scores of a linear model with these weights (FEATURES x CAPABILITIES), normalised over the features present. */
export function scores(features: readonly number[], w: ArrayLike<number>, bias: ArrayLike<number>): number[] {
  const k = CAPABILITIES.length;
  const out = Array.from({ length: k }, (_, c) => bias[c] as number);
  const norm = 1 / Math.sqrt(Math.max(1, features.length));
  for (const f of features) for (let c = 0; c < k; c++) out[c] = (out[c] as number) + norm * (w[f * k + c] as number);
  return out;
}

/** The capability of one request: tools say agentic use first, the text decides otherwise. */
export function capabilityOf(text: string, tools: number): (typeof CAPABILITIES)[number] {
  if (tools > 0) return 'agentic and tool use';
  const s = scores(featuresOf(text), load(), CAPABILITY_BIAS);
  let best = 0;
  for (let c = 1; c < s.length; c++) if ((s[c] as number) > (s[best] as number)) best = c;
  return CAPABILITIES[best] as (typeof CAPABILITIES)[number];
}

/** Shares of capabilities over some requests. */
export function mixOf(requests: readonly { readonly text: string; readonly tools: number }[]): Record<string, number> {
  const out: Record<string, number> = {};
  for (const r of requests) {
    const c = capabilityOf(r.text, r.tools);
    out[c] = (out[c] ?? 0) + 1 / requests.length;
  }
  return Object.fromEntries(Object.entries(out).sort((x, y) => y[1] - x[1]));
}
