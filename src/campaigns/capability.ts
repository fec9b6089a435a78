import { CAPABILITY_SCALE, CAPABILITY_WEIGHTS, CUE_WEIGHTS } from './capability-weights.ts';
import { CAPABILITIES, type Capability, cuesOf, ends } from './cues.ts';

export const FEATURES = 4096;

/** Hashed words and word pairs of the start and the end of a text; each feature counts once. */
export function featuresOf(text: string): number[] {
  const words =
    ends(text)
      .toLowerCase()
      .match(/[\p{L}]+|\p{N}|[^\s\p{L}\p{N}]/gu) ?? [];
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

/** Weights of the linear model, each of its figures x CAPABILITIES. */
export interface Weights {
  readonly cues: ArrayLike<number>;
  readonly hashed: ArrayLike<number>;
}

/** What it is told of a text. */
export interface Told {
  readonly cues: readonly number[];
  readonly features: readonly number[];
}

/** A score for each capability. */
export function scores({ cues, features }: Told, w: Weights): number[] {
  const k = CAPABILITIES.length;
  const out = new Array<number>(k).fill(0);
  cues.forEach((x, f) => {
    if (x !== 0) for (let c = 0; c < k; c++) out[c] = (out[c] as number) + x * (w.cues[f * k + c] as number);
  });
  // Normalised over the features present: a long text is no surer than a short one.
  const norm = 1 / Math.sqrt(Math.max(1, features.length));
  for (const f of features) for (let c = 0; c < k; c++) out[c] = (out[c] as number) + norm * (w.hashed[f * k + c] as number);
  return out;
}

export const toldOfText = (text: string): Told => ({ cues: cuesOf(text), features: featuresOf(text) });

/** The capability of one request: tools say agentic use first, the text decides otherwise. */
export function capabilityOf(text: string, tools: number): Capability {
  if (tools > 0) return 'agentic and tool use';
  const s = scores(toldOfText(text), { cues: CUE_WEIGHTS, hashed: load() });
  let best = 0;
  for (let c = 1; c < s.length; c++) if ((s[c] as number) > (s[best] as number)) best = c;
  return CAPABILITIES[best] as Capability;
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
