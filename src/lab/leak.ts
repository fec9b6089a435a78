import { createReadStream, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { rng } from '../campaigns/stats.ts';
import { RUNGS, type Rung } from '../world/campaigns.ts';
import { makeWorld } from '../world/make.ts';

/**
 * Leak test: can a per-account classifier that sees no ties to others tell campaign accounts from the nearest honest class? Trained on other seeds. If it
 * can, the world teaches shortcuts. Logistic regression on age, verification, tier, model, turns, parameters, rate, lengths and repeat share, with squares.
 */
interface Row {
  readonly x: number[];
  readonly y: number;
  readonly cls: string;
}

/** Honest classes a campaign may hide among; the one it is hardest to tell from counts. */
const NEAREST = ['builder', 'developer', 'automation', 'batch', 'agent'];

/** Accounts that lend a part of their traffic are resellers: other resellers are who they are nearest to. */
const nearest = (kind: string): readonly string[] => (kind.startsWith('reseller') ? ['reseller'] : NEAREST);

const FIRST: Rung = 'residential';

/** One campaign has one pool, whose wordiness says nothing of the next: three in each world, so that a figure is a mean over eighteen of them. */
const CAMPAIGNS = 3;
const SEEDS = [7001, 7002, 7003, 7004, 7005, 7006];

async function featuresOf(out: string, kind: string): Promise<Row[]> {
  const truth = new Map(
    readFileSync(join(out, 'truth.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { account: string; class: string; campaign: string | null })
      .map((t) => [t.account, t]),
  );
  const records = new Map(
    readFileSync(join(out, 'accounts.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as Record<string, unknown>)
      .map((r) => [String(r['account']), r]),
  );
  const stats = new Map<
    string,
    {
      n: number;
      turns: number;
      out: number;
      chars: number;
      first: number;
      last: number;
      prompts: Set<string>;
      model: string;
      params: Record<string, unknown>;
    }
  >();
  for await (const line of createInterface({ input: createReadStream(join(out, 'exchanges.jsonl')) })) {
    const e = JSON.parse(line) as {
      account: string;
      time: string;
      turn: number;
      output_tokens: number;
      model: string;
      params: Record<string, unknown>;
      messages: { content: string }[];
    };
    const t = truth.get(e.account);
    if (!t || (t.class !== kind && !nearest(kind).includes(t.class))) continue;
    const s = stats.get(e.account) ?? {
      n: 0,
      turns: 0,
      out: 0,
      chars: 0,
      first: Date.parse(e.time),
      last: 0,
      prompts: new Set<string>(),
      model: e.model,
      params: e.params,
    };
    const text = e.messages.at(-1)?.content ?? '';
    s.n += 1;
    s.turns += e.turn > 1 ? 1 : 0;
    s.out += e.output_tokens;
    s.chars += text.length;
    s.last = Date.parse(e.time);
    s.prompts.add(text);
    stats.set(e.account, s);
  }
  return [...stats].map(([account, s]) => {
    const r = records.get(account) ?? {};
    const days = Math.max(0.5, (s.last - s.first) / 86_400_000);
    const base = [
      Math.log(1 + Math.max(0, (s.first - Date.parse(String(r['created']))) / 86_400_000)),
      ['none', 'email', 'phone', 'id', 'business'].indexOf(String(r['verification'])),
      r['tier'] === 'free' ? 1 : 0,
      r['tier'] === 'scale' ? 1 : 0,
      s.model.endsWith('large') ? 1 : 0,
      s.turns / s.n,
      Number(s.params['temperature'] ?? -1),
      Math.log(Number(s.params['max_tokens'] ?? 1)),
      Math.log(s.n / days),
      Math.log(s.out / s.n),
      Math.log(1 + s.chars / s.n),
      1 - s.prompts.size / s.n,
    ];
    const cls = truth.get(account)?.class ?? '';
    return { cls, y: cls === kind ? 1 : 0, x: [...base, ...base.map((v) => v * v)] };
  });
}

/** AUC on the second set of a logistic regression trained on the first. */
export function auc(train: readonly Row[], held: readonly Row[], random: () => number): number {
  const d = train[0]?.x.length ?? 0;
  const mean = Array.from({ length: d }, (_, j) => train.reduce((s, r) => s + (r.x[j] as number), 0) / train.length);
  const sd = Array.from(
    { length: d },
    (_, j) => Math.sqrt(train.reduce((s, r) => s + ((r.x[j] as number) - (mean[j] as number)) ** 2, 0) / train.length) || 1,
  );
  const norm = (x: readonly number[]) => x.map((v, j) => Math.max(-4, Math.min(4, (v - (mean[j] as number)) / (sd[j] as number))));
  const w = new Float64Array(d + 1);
  const rows = train.map((r) => ({ x: norm(r.x), y: r.y }));
  const positive = rows.filter((r) => r.y === 1).length / rows.length;
  for (let step = 0; step < 30_000; step++) {
    const r = rows[Math.floor(random() * rows.length)] as (typeof rows)[number];
    let z = w[d] as number;
    for (let j = 0; j < d; j++) z += (w[j] as number) * (r.x[j] as number);
    const g = ((1 / (1 + Math.exp(-z)) - r.y) * (r.y === 1 ? 0.5 / positive : 0.5 / (1 - positive)) * 0.1) / (1 + step / 5000);
    for (let j = 0; j < d; j++) w[j] = (w[j] as number) * (1 - 1e-5) - g * (r.x[j] as number);
    w[d] = (w[d] as number) - g;
  }
  const score = held.map((r) => norm(r.x).reduce((s, v, j) => s + v * (w[j] as number), 0));
  let wins = 0;
  let pairs = 0;
  held.forEach((a, i) => {
    if (a.y !== 1) return;
    held.forEach((b, j) => {
      if (b.y !== 0) return;
      pairs += 1;
      wins += (score[i] as number) > (score[j] as number) ? 1 : (score[i] as number) === (score[j] as number) ? 0.5 : 0;
    });
  });
  return pairs > 0 ? wins / pairs : 0.5;
}

export async function leakTest(o: {
  dir: string;
  accounts: number;
  days: number;
  size: number;
  seeds: readonly number[];
  texts?: string;
}): Promise<string[]> {
  const out = [
    `| leak test: campaign kind against the nearest honest class | mean AUC over ${SEEDS.length} seeds of ${CAMPAIGNS} campaigns, each seed judged by a model of the others (class) |`,
    '|---|---|',
  ];
  for (const kind of RUNGS.slice(RUNGS.indexOf(FIRST))) {
    process.stderr.write(`leak test: ${kind}\n`);
    const sets: Row[][] = [];
    for (const seed of SEEDS) {
      const path = join(o.dir, `leak-${kind}-${seed}`);
      await makeWorld({
        out: path,
        seed,
        accounts: o.accounts,
        days: o.days,
        campaigns: Array.from({ length: CAMPAIGNS }, () => ({ kind, accounts: Math.max(5, Math.round(o.size / CAMPAIGNS)) })),
        without: ['casual', 'company', 'classroom', 'viral', 'vpn'],
        ...(o.texts ? { texts: o.texts } : {}),
      });
      sets.push(await featuresOf(path, kind));
      rmSync(path, { recursive: true, force: true });
    }
    // Each seed held out in turn: one campaign has one instruction, whose length means nothing for the next.
    const tries = nearest(kind)
      .map((cls) => {
        const only = sets.map((rows) => rows.filter((r) => r.y === 1 || r.cls === cls));
        const each = only.map((held, i) =>
          auc(
            only.flatMap((rows, j) => (j === i ? [] : rows)),
            held,
            rng(1),
          ),
        );
        return { cls, a: each.reduce((x, y) => x + y, 0) / each.length };
      })
      .sort((x, y) => x.a - y.a);
    out.push(`| ${kind} | ${tries[0]?.a.toFixed(3)} (${tries[0]?.cls}) |`);
  }
  return out;
}
