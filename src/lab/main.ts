import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flags } from '../bench/flags.ts';
import { EXPLANATIONS } from '../campaigns/rivals.ts';
import { inspect } from '../formats/input.ts';
import type { Dossier } from '../model/dossier.ts';
import { scan } from '../scan.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { RUNGS, type Rung } from '../world/campaigns.ts';
import { makeWorld } from '../world/make.ts';
import { BASELINES, type Baseline, flagged, observe, TextModel } from './baselines.ts';
import { clopperPearson, wilson } from './intervals.ts';
import { leakTest } from './leak.ts';
import { hear, nothingTold, shareTold, type Told, type Truth } from './told.ts';

/**
 * `npm run lab [-- --seeds 101,102,103 --accounts 800 --days 12 --size 60 --texts DIR --replay 1]`: worlds with ground truth, scanned, and what came out, by
 * campaign kind and by look-alike class. Every figure is printed as it came.
 */
const args = flags('lab', {
  seeds: { type: 'string', default: '101,102,103' },
  accounts: { type: 'string', default: '800' },
  days: { type: 'string', default: '12' },
  size: { type: 'string', default: '60' },
  kinds: { type: 'string', default: RUNGS.join(',') },
  texts: { type: 'string' },
  null: { type: 'string', default: '0' },
  'null-accounts': { type: 'string', default: '300' },
  'null-days': { type: 'string', default: '10' },
  'no-leak': { type: 'boolean', default: false },
  'no-baselines': { type: 'boolean', default: false },
  clearers: { type: 'boolean', default: false },
  replay: { type: 'string', default: '0' },
});

interface Tally {
  accounts: number;
  named: number;
  pieces: number[];
  undecided: number;
  precisionWrong: number;
  leaked: number[];
  asked: number[];
  confidence: number[];
  readonly told: Told;
}

const truthOf = (path: string): Truth[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as Truth);

const SECRET = '5ca1ab1e'.repeat(8);
const dir = mkdtempSync(join(tmpdir(), 'stillwatch-lab-'));
const kinds = args.kinds.split(',').filter((k): k is Rung => (RUNGS as readonly string[]).includes(k));
const byKind = new Map<string, Tally>();
const byClass = new Map<string, { accounts: number; named: number; cohorts: number }>();
let falseCampaigns = 0;
let merged = 0;
let worlds = 0;
const reliability: { confidence: number; right: boolean }[] = [];

const run = (
  store: Store,
  files: { exchanges: string; accounts: string } | null,
  until?: number,
  without?: readonly string[],
): Promise<Dossier> =>
  scan(store, {
    inputs: files ? [inspect(files.exchanges, files.exchanges)] : [],
    ...(files ? { accounts: files.accounts } : {}),
    spool: join(dir, 'spool'),
    retention: 'none',
    confidenceMin: 0.5,
    seed: 1,
    now: new Date(0),
    version: 'lab',
    record: false,
    ...(until === undefined ? {} : { until }),
    ...(without ? { without } : {}),
  });

/** Account recall by campaign kind, and honest accounts flagged, of each baseline. */
const baseline = new Map<Baseline, { kinds: Map<string, { k: number; n: number }>; honest: { k: number; n: number } }>();
const text = new TextModel();

const cards = (path: string): Map<string, string> =>
  new Map(
    readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { account: string; payment?: string })
      .map((r) => [r.account, r.payment ?? '']),
  );

/** The text baseline learns from worlds of other seeds, with campaigns of every kind. */
async function teach(): Promise<void> {
  for (const [i, part] of parts().entries()) {
    const out = join(dir, `teach${i}`);
    const w = await makeWorld({
      out,
      seed: 880_000 + i,
      accounts: Number(args.accounts),
      days: Number(args.days),
      campaigns: part,
      ...(args.texts ? { texts: args.texts } : {}),
    });
    const truth = new Map(truthOf(w.files.truth).map((t) => [t.account, t]));
    text.learn(await observe(w.files.exchanges, cards(w.files.accounts)), (a) => (truth.get(a)?.campaign ?? null) !== null);
    rmSync(out, { recursive: true, force: true });
  }
}

async function compare(files: { exchanges: string; accounts: string }, truth: readonly Truth[]): Promise<void> {
  const of = new Map(truth.map((t) => [t.account, t]));
  const seen = await observe(files.exchanges, cards(files.accounts));
  for (const b of BASELINES) {
    const hit = flagged(b, seen, (a) => (of.get(a)?.campaign ?? null) === null, text);
    const row = baseline.get(b) ?? { kinds: new Map(), honest: { k: 0, n: 0 } };
    baseline.set(b, row);
    for (const t of truth) {
      const cell = t.campaign === null ? row.honest : (row.kinds.get(t.class) ?? { k: 0, n: 0 });
      if (t.campaign !== null) row.kinds.set(t.class, cell);
      cell.n += 1;
      if (hit.has(t.account)) cell.k += 1;
    }
  }
}

/** Tested cohorts of worlds without a campaign that no mechanism explains, with at least 0, 1, 2, ... bits of coordination. */
const nullAtLeast = Array.from({ length: 21 }, () => 0);
/** Of those, that nothing but their bits keeps from being named. */
const nameable = Array.from({ length: 21 }, () => 0);
let nullTested = 0;

async function world(seed: number, campaigns: readonly { kind: Rung; accounts: number }[]): Promise<void> {
  const out = join(dir, `w${seed}-${campaigns.map((c) => c.kind).join('-') || 'null'}`);
  const w = await makeWorld({
    out,
    seed,
    accounts: Number(campaigns.length > 0 ? args.accounts : args['null-accounts']),
    days: Number(campaigns.length > 0 ? args.days : args['null-days']),
    campaigns,
    ...(args.texts ? { texts: args.texts } : {}),
  });
  const truth = truthOf(w.files.truth);
  if (campaigns.length > 0 && !args['no-baselines']) await compare(w.files, truth);
  const store = await openStore({ at: join(out, 'store'), secret: SECRET });
  try {
    const d = await run(store, w.files);
    worlds += 1;
    tally(d, truth, campaigns);
    if (campaigns.length === 0 && d.false_discovery) {
      nullTested += d.false_discovery.tested;
      d.false_discovery.at_least.forEach((n, x) => {
        nullAtLeast[x] = (nullAtLeast[x] as number) + n;
        nameable[x] = (nameable[x] as number) + (d.false_discovery?.nameable_at_least?.[x] ?? 0);
      });
    }
    if (args.clearers) await withoutEach(store, truth);
    if (Number(args.replay) > 0) for (const c of campaigns) await leaked(store, d, truth, c.kind);
  } finally {
    await store.close();
    rmSync(out, { recursive: true, force: true });
  }
}

/** Honest accounts named when an innocent explanation is left out, by explanation and class. */
const leftOut = new Map<string, Map<string, number>>();

async function withoutEach(store: Store, truth: readonly Truth[]): Promise<void> {
  const of = new Map(truth.map((t) => [t.account, t]));
  for (const id of EXPLANATIONS) {
    const d = await run(store, null, undefined, [id]);
    const row = leftOut.get(id) ?? new Map<string, number>();
    leftOut.set(id, row);
    for (const a of d.campaigns.flatMap((c) => c.accounts)) {
      const t = of.get(a.account);
      if (t && t.campaign === null) row.set(t.class, (row.get(t.class) ?? 0) + 1);
    }
  }
}

function tally(d: Dossier, truth: readonly Truth[], campaigns: readonly { kind: Rung }[]): void {
  const of = new Map(truth.map((t) => [t.account, t]));
  const named = new Map<string, string>();
  for (const c of d.campaigns) {
    const kindsIn = new Map<string, number>();
    for (const a of c.accounts) {
      named.set(a.account, c.id);
      const t = of.get(a.account);
      const k = t?.campaign ?? `honest`;
      kindsIn.set(k, (kindsIn.get(k) ?? 0) + 1);
    }
    const [top] = [...kindsIn].sort((x, y) => y[1] - x[1]);
    reliability.push({ confidence: c.confidence, right: top?.[0] !== 'honest' });
    if (top?.[0] === 'honest') falseCampaigns += 1;
    if ([...kindsIn].filter(([k, n]) => k !== 'honest' && n >= 3).length > 1) merged += 1;
  }
  for (const { kind } of campaigns) {
    const k = byKind.get(kind) ?? {
      accounts: 0,
      named: 0,
      pieces: [],
      undecided: 0,
      precisionWrong: 0,
      leaked: [],
      asked: [],
      confidence: [],
      told: nothingTold(),
    };
    byKind.set(kind, k);
    const mine = truth.filter((t) => t.class === kind);
    k.accounts += mine.length;
    k.named += mine.filter((t) => named.has(t.account)).length;
    const pieces = d.campaigns.filter((c) => c.accounts.filter((a) => of.get(a.account)?.class === kind).length >= 3);
    k.pieces.push(pieces.length);
    k.confidence.push(...pieces.map((c) => c.confidence));
    k.precisionWrong += pieces.reduce((x, c) => x + c.accounts.filter((a) => of.get(a.account)?.campaign === null).length, 0);
    for (const c of pieces) hear(k.told, c, of);
    const und = new Set(d.undecided.flatMap((u) => u.accounts.map((a) => a.account)));
    k.undecided += mine.filter((t) => und.has(t.account)).length;
  }
  const hit = new Map<string, Set<string>>();
  for (const t of truth) {
    if (t.campaign) continue;
    const c = byClass.get(t.class) ?? { accounts: 0, named: 0, cohorts: 0 };
    byClass.set(t.class, c);
    c.accounts += 1;
    const id = named.get(t.account);
    if (id) {
      c.named += 1;
      const set = hit.get(t.class) ?? new Set();
      set.add(id);
      hit.set(t.class, set);
    }
  }
  for (const [cls, set] of hit) (byClass.get(cls) as { cohorts: number }).cohorts += set.size;
}

/** Parts of the window that a replay looks at: finely where a campaign should be found. */
const STEPS = [0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** A question of at least this confidence is one that an analyst looks at. */
const ASKED = 0.5;

/** Exchanges of a campaign before the first step at which half its accounts are named, and before the first at which they are named or a question, as shares of all of them. */
async function leaked(store: Store, whole: Dossier, truth: readonly Truth[], kind: Rung): Promise<void> {
  const mine = new Set(truth.filter((t) => t.class === kind).map((t) => t.account));
  const holds = (list: readonly { readonly accounts: readonly { readonly account: string }[] }[]): boolean =>
    list.some((c) => c.accounts.filter((a) => mine.has(a.account)).length >= 0.5 * mine.size);
  const found = (d: Dossier): boolean => holds(d.campaigns);
  const asked = (d: Dossier): boolean => found(d) || holds(d.undecided.filter((u) => u.confidence >= ASKED));
  const k = byKind.get(kind) as Tally;
  const names = [...mine];
  const count = async (until: number) =>
    Number(
      (
        await store.first<{ n: string }>(
          `SELECT count() AS n FROM exchanges WHERE account IN ({names:Array(String)}) AND time <= fromUnixTimestamp64Milli(toInt64({u:String}), 'UTC')`,
          { names, u: String(until) },
        )
      )?.n ?? 0,
    );
  const from = Date.parse(whole.window.from ?? '');
  const to = Date.parse(whole.window.to ?? '');
  const all = await count(to);
  // What is never named, or asked about, leaks whole.
  const first = { named: 1, asked: 1 };
  const open = { named: found(whole), asked: asked(whole) };
  for (const part of STEPS) {
    if (!open.named && !open.asked) break;
    const until = Math.trunc(from + (to - from) * part);
    const d = part === 1 ? whole : await run(store, null, until);
    for (const [what, is] of [
      ['named', found],
      ['asked', asked],
    ] as const)
      if (open[what] && is(d)) {
        open[what] = false;
        first[what] = (await count(until)) / all;
      }
  }
  k.leaked.push(first.named);
  k.asked.push(first.asked);
}

const middle = (xs: readonly number[], q: number): string => {
  const s = [...xs].sort((a, b) => a - b);
  return s.length === 0 ? '-' : (s[Math.min(s.length - 1, Math.floor(q * s.length))] ?? 0).toFixed(2);
};

const seeds = args.seeds.split(',').filter(Boolean).map(Number);
const size = Number(args.size);
// Three campaigns a world, so that each rung meets others; each rung once a seed.
function parts(): { kind: Rung; accounts: number }[][] {
  return Array.from({ length: Math.ceil(kinds.length / 3) }, (_, i) =>
    kinds
      .slice(3 * i, 3 * i + 3)
      .map((kind) => ({ kind, accounts: kind === 'single' ? 1 : kind.startsWith('reseller') ? Math.ceil(size / 2) : size })),
  );
}
if (seeds.length > 0 && !args['no-baselines']) await teach();
for (const seed of seeds) {
  for (const [i, part] of parts().entries()) {
    process.stderr.write(`seed ${seed}: ${part.map((p) => p.kind).join(', ')}\n`);
    await world(seed * 10 + 3 * i, part);
  }
}
for (let i = 0; i < Number(args.null); i++) {
  process.stderr.write(`null world ${i + 1}\n`);
  await world(900_000 + i, []);
}

const out: string[] = [];
out.push(
  `seeds ${args.seeds}; ${args.accounts} honest accounts, ${args.days} days, campaigns of ${size} (resold: ${Math.ceil(size / 2)}), texts ${args.texts ? 'pack' : 'built in'}; ${worlds} worlds, ${args.null} of them without a campaign (of ${args['null-accounts']} accounts over ${args['null-days']} days)`,
  '',
);
out.push(
  '| campaign kind | account recall (95 % Wilson) | undecided | bystanders named | pieces | confidence | leaked before found: median, p90 | before it was a question at 0.5 or found: median, p90 | share of exchanges told: mean, error in points (mean, worst) | accounts within the interval told |',
  '|---|---|---|---|---|---|---|---|---|---|',
);
for (const [kind, k] of byKind) {
  const [low, high] = wilson(k.named, k.accounts);
  out.push(
    `| ${kind} | ${(k.named / k.accounts).toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)}), n = ${k.accounts} | ${(k.undecided / k.accounts).toFixed(2)} | ${k.precisionWrong} | ${k.pieces.join(' ')} | ${k.confidence.map((c) => c.toFixed(2)).join(' ') || '-'} | ${middle(k.leaked, 0.5)}, ${middle(k.leaked, 0.9)} | ${middle(k.asked, 0.5)}, ${middle(k.asked, 0.9)} | ${shareTold(k.told)} |`,
  );
}
out.push(
  '',
  '| honest class | accounts | named | upper 95 % bound by account (Clopper-Pearson) | campaigns that named them | upper 95 % bound by world |',
  '|---|---|---|---|---|---|',
);
for (const [cls, c] of [...byClass].sort())
  out.push(
    `| ${cls} | ${c.accounts} | ${c.named} | ${(100 * clopperPearson(c.named, c.accounts)[1]).toFixed(2)} % | ${c.cohorts} | ${(100 * clopperPearson(Math.min(worlds, c.cohorts), worlds)[1]).toFixed(1)} % |`,
  );
if (baseline.size > 0) {
  out.push(
    '',
    '| account recall of what providers have today | rate | shared infrastructure | text alone | Stillwatch |',
    '|---|---|---|---|---|',
  );
  const of = (b: Baseline, kind: string): string => {
    const c = baseline.get(b)?.kinds.get(kind);
    return c ? (c.k / c.n).toFixed(3) : '-';
  };
  for (const [kind, k] of byKind)
    out.push(`| ${kind} | ${BASELINES.map((b) => of(b, kind)).join(' | ')} | ${(k.named / k.accounts).toFixed(3)} |`);
  const honest = [...byClass.values()].reduce((x, c) => ({ k: x.k + c.named, n: x.n + c.accounts }), { k: 0, n: 0 });
  const share = (h: { k: number; n: number }): string => `${((100 * h.k) / Math.max(1, h.n)).toFixed(2)} %`;
  out.push(
    `| honest accounts flagged | ${BASELINES.map((b) => share(baseline.get(b)?.honest ?? { k: 0, n: 0 })).join(' | ')} | ${share(honest)} |`,
  );
}
out.push('', `false campaigns: ${falseCampaigns} in ${worlds} worlds; campaigns that merged two operators: ${merged}`);
for (const [low, high] of [
  [0.5, 0.7],
  [0.7, 0.9],
  [0.9, 1.01],
] as const) {
  const inside = reliability.filter((r) => r.confidence >= low && r.confidence < high);
  out.push(`confidence ${low} to ${Math.min(1, high)}: ${inside.filter((r) => r.right).length} right of ${inside.length}`);
}
if (leftOut.size > 0) {
  out.push('', '| innocent explanation left out | honest accounts named, by class |', '|---|---|');
  for (const [id, row] of leftOut) out.push(`| ${id} | ${[...row].map(([c, n]) => `${c} ${n}`).join(', ') || 'none'} |`);
}
if (nullTested > 0) {
  out.push(
    '',
    `| evidence of coordination, worlds without a campaign | cohorts with at least as much, of ${nullTested} tested | share (95 % Clopper-Pearson) | of those that nothing but their bits keeps from being named | share (95 %) | the bound |`,
    '|---|---|---|---|---|---|',
  );
  for (const x of [1, 2, 3, 4, 5, 6, 7, 8, 10, 12]) {
    const share = (n: number): string => {
      const [low, high] = clopperPearson(n, nullTested);
      return `${n} | ${(n / nullTested).toFixed(5)} (${low.toFixed(5)}-${high.toFixed(5)})`;
    };
    out.push(`| ${x} bits | ${share(nullAtLeast[x] as number)} | ${share(nameable[x] as number)} | ${(2 ** -x).toFixed(5)} |`);
  }
}
if (!args['no-leak'] && seeds.length > 0)
  out.push(
    '',
    ...(await leakTest({
      dir,
      accounts: Number(args.accounts),
      days: Number(args.days),
      size,
      seeds,
      ...(args.texts ? { texts: args.texts } : {}),
    })),
  );
process.stdout.write(`${out.join('\n')}\n`);
rmSync(dir, { recursive: true, force: true });
