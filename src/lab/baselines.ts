import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * Three detectors a provider has today, run on the same worlds. Each gives an account a score by what that account sends, or by the infrastructure
 * it shares; none looks at what accounts do together.
 */
export const BASELINES = ['rate', 'infrastructure', 'text'] as const;
export type Baseline = (typeof BASELINES)[number];

export interface Seen {
  readonly account: string;
  /** Exchanges per active day. */
  readonly rate: number;
  /** Other accounts that share an address, a key or a payment instrument with it. */
  readonly shared: number;
  /** Counts of hashed words of its requests. */
  readonly words: Map<number, number>;
}

const FEATURES = 1 << 14;

function hash(word: string): number {
  let h = 2166136261;
  for (let i = 0; i < word.length; i++) h = Math.imul(h ^ word.charCodeAt(i), 16777619);
  return (h >>> 0) % FEATURES;
}

/** What the baselines see of a world's log. */
export async function observe(exchanges: string, payment: ReadonlyMap<string, string>): Promise<Seen[]> {
  const of = new Map<string, { n: number; days: Set<string>; values: Set<string>; words: Map<number, number> }>();
  for await (const line of createInterface({ input: createReadStream(exchanges) })) {
    const e = JSON.parse(line) as { account: string; time: string; ip: string; api_key: string; messages: { content: string }[] };
    let s = of.get(e.account);
    if (!s) {
      s = { n: 0, days: new Set(), values: new Set(), words: new Map() };
      of.set(e.account, s);
    }
    s.n += 1;
    s.days.add(e.time.slice(0, 10));
    s.values.add(`i${e.ip}`);
    s.values.add(`k${e.api_key}`);
    if (s.n <= 200)
      for (const w of (e.messages.at(-1)?.content ?? '').toLowerCase().match(/[a-z]{3,}/g) ?? []) {
        const h = hash(w);
        s.words.set(h, (s.words.get(h) ?? 0) + 1);
      }
  }
  const holders = new Map<string, Set<string>>();
  for (const [account, s] of of) {
    const card = payment.get(account);
    if (card) s.values.add(`p${card}`);
    for (const v of s.values) holders.set(v, (holders.get(v) ?? new Set()).add(account));
  }
  return [...of].map(([account, s]) => {
    const others = new Set<string>();
    for (const v of s.values) for (const a of holders.get(v) ?? []) if (a !== account) others.add(a);
    return { account, rate: s.n / s.days.size, shared: others.size, words: s.words };
  });
}

/** Multinomial naive Bayes over hashed words, trained on accounts of other worlds: log odds of campaign against honest, per word. */
export class TextModel {
  private readonly counts = { yes: new Float64Array(FEATURES), no: new Float64Array(FEATURES) };
  private totals = { yes: 0, no: 0 };

  learn(seen: readonly Seen[], campaign: (account: string) => boolean): void {
    for (const s of seen) {
      const side = campaign(s.account) ? 'yes' : 'no';
      let n = 0;
      for (const c of s.words.values()) n += c;
      for (const [h, c] of s.words) this.counts[side][h] = (this.counts[side][h] as number) + c / Math.max(1, n);
      this.totals[side] += 1;
    }
  }

  score(s: Seen): number {
    let odds = 0;
    let n = 0;
    for (const [h, c] of s.words) {
      const p = ((this.counts.yes[h] as number) + 0.01) / (this.totals.yes + 0.01 * FEATURES);
      const q = ((this.counts.no[h] as number) + 0.01) / (this.totals.no + 0.01 * FEATURES);
      odds += c * Math.log(p / q);
      n += c;
    }
    return odds / Math.max(1, n);
  }
}

/**
 * Accounts a baseline flags. Rate and text are given the threshold that flags one honest account in a thousand of this very world (they are allowed to
 * know the truth); shared infrastructure flags whoever shares with five others or more, as such rules are written.
 */
export function flagged(baseline: Baseline, seen: readonly Seen[], honest: (account: string) => boolean, text: TextModel): Set<string> {
  if (baseline === 'infrastructure') return new Set(seen.filter((s) => s.shared >= 5).map((s) => s.account));
  const score = (s: Seen): number => (baseline === 'rate' ? s.rate : text.score(s));
  const clean = seen
    .filter((s) => honest(s.account))
    .map(score)
    .sort((x, y) => y - x);
  const limit = clean[Math.floor(clean.length / 1000)] ?? Number.POSITIVE_INFINITY;
  return new Set(seen.filter((s) => score(s) > limit).map((s) => s.account));
}
