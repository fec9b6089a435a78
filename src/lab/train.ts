import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { FEATURES, scores, type Told, toldOfText, type Weights } from '../campaigns/capability.ts';
import { CAPABILITIES, leanings } from '../campaigns/cues.ts';
import { rng } from '../campaigns/stats.ts';

/**
 * `npm run train -- DIR`: fits the capability model on labelled public prompts, judges it on sources it never saw (each source left out in
 * turn), and writes the weights into the repo. Multinomial logistic regression by stochastic gradient descent, seeded; what cues weigh is drawn towards what they lean to (a normal prior around it), what hashed
 * words weigh towards nought.
 */
const LEAN = 2;
const PULL = 0.01;

const LABEL: Readonly<Record<string, (typeof CAPABILITIES)[number]>> = {
  coding: 'software engineering',
  'agentic-tool': 'agentic and tool use',
  'long-horizon': 'long-horizon tasks',
  'reasoning-math': 'reasoning and mathematics',
  grading: 'grading and reward modelling',
  translation: 'translation',
  roleplay: 'role-play',
  chat: 'general chat',
};

interface Row {
  source: string;
  y: number;
  x: Told;
}

function load(dir: string): Row[] {
  const rows: Row[] = [];
  for (const name of ['benign-prompts.jsonl.gz', 'extraction-prompts.jsonl.gz']) {
    for (const line of gunzipSync(readFileSync(join(dir, name)))
      .toString('utf8')
      .split('\n')) {
      if (!line) continue;
      const r = JSON.parse(line) as { text: string; source: string; capability: string };
      const label = LABEL[r.capability];
      if (label) rows.push({ source: r.source, y: CAPABILITIES.indexOf(label), x: toldOfText(r.text) });
    }
  }
  return rows;
}

function train(rows: readonly Row[], random: () => number): { cues: Float64Array; hashed: Float64Array } {
  const k = CAPABILITIES.length;
  const lean = leanings(LEAN);
  const cues = lean.slice();
  const hashed = new Float64Array(FEATURES * k);
  const w: Weights = { cues, hashed };
  // A class, and inside it a source, weighs the same however many rows it has.
  const per = new Map<string, number>();
  const sources = new Map<number, Set<string>>();
  for (const r of rows) {
    per.set(`${r.y}/${r.source}`, (per.get(`${r.y}/${r.source}`) ?? 0) + 1);
    const set = sources.get(r.y) ?? new Set();
    set.add(r.source);
    sources.set(r.y, set);
  }
  const scale = rows.length / k;
  const order = rows.map((_, i) => i);
  for (let epoch = 0; epoch < 6; epoch++) {
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    const rate = 0.3 / (1 + epoch);
    for (const i of order) {
      const r = rows[i] as Row;
      const weight = Math.min(4, scale / ((sources.get(r.y)?.size ?? 1) * (per.get(`${r.y}/${r.source}`) ?? 1)));
      const s = scores(r.x, w);
      const top = Math.max(...s);
      const e = s.map((v) => Math.exp(v - top));
      const sum = e.reduce((p, q) => p + q, 0);
      const norm = 1 / Math.sqrt(Math.max(1, r.x.features.length));
      for (let c = 0; c < k; c++) {
        const g = rate * weight * ((e[c] as number) / sum - (c === r.y ? 1 : 0));
        r.x.cues.forEach((x, f) => {
          const at = f * k + c;
          const from = lean[at] as number;
          cues[at] = from + ((cues[at] as number) - from) * (1 - rate * PULL) - g * x;
        });
        for (const f of r.x.features) hashed[f * k + c] = (hashed[f * k + c] as number) * (1 - 1e-4) - 0.3 * g * norm;
      }
    }
  }
  return { cues, hashed };
}

const best = (s: readonly number[]): number => s.indexOf(Math.max(...s));

const dir = process.argv[2] ?? '../shared/data';
const rows = load(dir);
const sources = [...new Set(rows.map((r) => r.source))];
/** What a report would say of a source as a whole. */
const commonest = (list: readonly number[]): number => best(CAPABILITIES.map((_, c) => list.filter((y) => y === c).length));
let right = 0;
let mostly = 0;
let all = 0;
const bySource: string[] = [];
for (const source of sources) {
  const inside = rows.filter((r) => r.source !== source);
  const outside = rows.filter((r) => r.source === source).slice(0, 400);
  const classes = new Set(inside.map((r) => r.y));
  const fair = outside.filter((r) => classes.has(r.y));
  if (fair.length === 0) continue;
  const m = train(
    inside.filter((_, i) => i % 2 === 0),
    rng(7),
  );
  const said = fair.map((r) => best(scores(r.x, m)));
  const ok = fair.filter((r, i) => said[i] === r.y).length;
  if (commonest(said) === commonest(fair.map((r) => r.y))) mostly += 1;
  right += ok / fair.length;
  all += 1;
  bySource.push(`${source.padEnd(28)} ${(ok / fair.length).toFixed(2)}  (${fair.length})`);
  process.stderr.write(`\r${all} of ${sources.length} sources left out in turn`);
}
process.stderr.write('\n');
const m = train(rows, rng(7));
const scale = Math.max(...m.hashed.map(Math.abs)) / 127;
const packed = Buffer.from(Int8Array.from(m.hashed, (x) => Math.round(x / scale)).buffer).toString('base64');
writeFileSync(
  new URL('../../src/campaigns/capability-weights.ts', import.meta.url),
  `/** Made by \`npm run train\` from labelled public prompts; seed 7. Int8 weights, FEATURES x CAPABILITIES, row by row. */\nexport const CAPABILITY_SCALE = ${scale};\nexport const CUE_WEIGHTS: readonly number[] = [${[...m.cues].map((x) => x.toFixed(3)).join(', ')}];\nexport const CAPABILITY_WEIGHTS =\n  '${packed}';\n`,
);
process.stdout.write(
  `${bySource.join('\n')}\nmean accuracy on a source never seen: ${(right / all).toFixed(3)} over ${all} sources, ${CAPABILITIES.length} classes, ${rows.length} rows, seed 7; what most of a source is, told right for ${mostly}\n`,
);
