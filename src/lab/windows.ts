import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { flags } from '../bench/flags.ts';
import { rng } from '../campaigns/stats.ts';
import { clopperPearson } from './intervals.ts';

/**
 * `npm run windows -- --data DIR`: pooled content of a cohort as one window against the population, a two-sample test on hashed features without any
 * model. The statistic is the unbiased squared distance between the means of a window and of the population, each feature scaled by its spread in the population (a
 * maximum mean discrepancy with a linear kernel: Gretton et al., 2012). Extraction sources take no part in making the test. Benign windows are drawn from rows the
 * population never held; a second line draws them from benign sources it never held, which is drift, not extraction.
 */
const args = flags('windows', {
  data: { type: 'string', default: '../shared/data' },
  seed: { type: 'string', default: '1' },
  trials: { type: 'string', default: '1000' },
});

interface Prompt {
  readonly text: string;
  readonly source: string;
}
const FEATURES = 2048;
const FALSE_ALARMS = 0.003;

function features(text: string): Uint16Array {
  const out = new Set<number>();
  const put = (s: string) => {
    let h = 2166136261;
    for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 16777619);
    out.add((h >>> 0) % FEATURES);
  };
  const words =
    text
      .toLowerCase()
      .slice(0, 4000)
      .match(/[\p{L}]+|\d+|[^\s\p{L}\d]/gu) ?? [];
  words.forEach((w, i) => {
    put(/^\d/.test(w) ? '0' : w);
    if (i > 0) put(`${words[i - 1]} ${w}`);
  });
  put(`length ${Math.round(2 * Math.log2(1 + text.length))}`);
  return Uint16Array.from(out);
}

const read = (name: string): { source: string; f: Uint16Array }[] =>
  gunzipSync(readFileSync(join(args.data, name)))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Prompt)
    .map((p) => ({ source: p.source, f: features(p.text) }));
if (!existsSync(join(args.data, 'benign-prompts.jsonl.gz'))) {
  process.stderr.write(
    `${args.data} holds no prompts (benign-prompts.jsonl.gz, extraction-prompts.jsonl.gz): name their place with --data DIR\n`,
  );
  process.exit(2);
}
const random = rng(Number(args.seed));
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
function shuffled<T>(list: readonly T[]): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

const benign = read('benign-prompts.jsonl.gz');
const extraction = read('extraction-prompts.jsonl.gz');
// A fifth of the benign sources is kept for the drift line; of the rest, a third of the rows is held for the test.
const sources = shuffled([...new Set(benign.map((p) => p.source))].sort());
const unseen = new Set(sources.slice(0, Math.ceil(sources.length / 5)));
const seen = shuffled(benign.filter((p) => !unseen.has(p.source))).map((p) => p.f);
const drift = benign.filter((p) => unseen.has(p.source)).map((p) => p.f);
const third = Math.floor(seen.length / 3);
const population = seen.slice(0, 2 * third);
const held = seen.slice(2 * third);
const bySource = new Map<string, Uint16Array[]>();
for (const p of extraction) bySource.set(p.source, [...(bySource.get(p.source) ?? []), p.f]);
const attacks = [...bySource.values()].filter((l) => l.length >= 60);

const total = new Float64Array(FEATURES);
for (const f of population) for (const d of f) total[d] = (total[d] as number) + 1;
const scale = Float64Array.from(total, (c) => {
  const p = c / population.length;
  return 1 / (p * (1 - p) + 0.005);
});

/** Unbiased squared distance of a window's mean from the population's, without the window where it is a part: what sampling alone gives is taken off. */
function distance(window: readonly Uint16Array[], part: boolean): number {
  const sum = new Float64Array(FEATURES);
  for (const f of window) for (const d of f) sum[d] = (sum[d] as number) + 1;
  const n = window.length;
  const rest = population.length - (part ? n : 0);
  let out = 0;
  for (let d = 0; d < FEATURES; d++) {
    const p = (sum[d] as number) / n;
    const m = ((total[d] as number) - (part ? (sum[d] as number) : 0)) / rest;
    out += (scale[d] as number) * ((p - m) ** 2 - (p * (1 - p)) / (n - 1) - (m * (1 - m)) / (rest - 1));
  }
  return out;
}

const trials = Number(args.trials);
/** Rows of a list, each once at most. */
function some(list: readonly Uint16Array[], n: number): Uint16Array[] {
  const at = new Set<number>();
  while (at.size < Math.min(n, list.length)) at.add(Math.floor(random() * list.length));
  return [...at].map((i) => list[i] as Uint16Array);
}
function window(n: number, from: readonly Uint16Array[], attack: readonly Uint16Array[] | null, share: number): Uint16Array[] {
  const bad = attack ? Array.from({ length: n }, () => random() < share).filter(Boolean).length : 0;
  return [...some(from, n - bad), ...Array.from({ length: bad }, () => pick(attack as readonly Uint16Array[]))];
}
const out: string[] = [
  `seed ${args.seed}; population ${population.length} benign prompts, ${attacks.length} extraction sources, none used to make the test; ${trials} windows a cell, threshold at ${100 * FALSE_ALARMS} % of ${trials * 5} windows of the population itself; 95 % Clopper-Pearson`,
  '',
  '| exchanges in the window | false alarms, benign | benign sources never seen | 100 % extraction | 50 % | 25 % | 10 % | 5 % |',
  '|---|---|---|---|---|---|---|---|',
];
const cell = (k: number, n: number): string => {
  const [low, high] = clopperPearson(k, n);
  return `${(k / n).toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`;
};
for (const n of [200, 500, 1500]) {
  process.stderr.write(`windows of ${n}\n`);
  const nulls = Array.from({ length: trials * 5 }, () => distance(some(population, n), true)).sort((x, y) => y - x);
  // Null windows are parts of the population held against the rest of it. The threshold leaves room for its own error: half of the allowed alarms.
  const limit = nulls[Math.floor((FALSE_ALARMS / 2) * nulls.length)] as number;
  const alarms = (from: readonly Uint16Array[], share: number): number => {
    let k = 0;
    for (let i = 0; i < trials; i++) if (distance(window(n, from, share > 0 ? pick(attacks) : null, share), false) > limit) k += 1;
    return k;
  };
  out.push(
    `| ${n} | ${cell(alarms(held, 0), trials)} | ${cell(alarms(drift, 0), trials)} | ${[1, 0.5, 0.25, 0.1, 0.05].map((s) => cell(alarms(held, s), trials)).join(' | ')} |`,
  );
}
process.stdout.write(`${out.join('\n')}\n`);
