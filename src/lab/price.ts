import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flags } from '../bench/flags.ts';
import { inspect } from '../formats/input.ts';
import type { Dossier } from '../model/dossier.ts';
import { scan } from '../scan.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { makeWorld } from '../world/make.ts';
import type { Levers } from '../world/operator.ts';
import { Random } from '../world/random.ts';

/**
 * `npm run price [-- --points 200 --seed 1 --accounts 400 --days 10 --goal 20]`: the price of evasion. An operator who knows the code turns its levers; for
 * each combination a world is made and replayed day by day, until at least half of the accounts stand in one named campaign and are barred. What it took until then,
 * and what that cost, tells what a goal of distinct useful output tokens costs when the operator starts again with new accounts as often as it must. The first
 * half of the points is drawn at random, the second half varies the cheapest found so far.
 */
const args = flags('price', {
  points: { type: 'string', default: '200' },
  seed: { type: 'string', default: '1' },
  accounts: { type: 'string', default: '400' },
  days: { type: 'string', default: '10' },
  /** Millions of output tokens over distinct items. */
  goal: { type: 'string', default: '20' },
  /** Unit prices, in one currency: an account that passes sign-up, a card of its own, an address a day of its own, a million output tokens, a day of waiting. */
  prices: { type: 'string', default: 'account=5,card=3,address=0.1,tokens=10,day=25' },
});

const prices = Object.fromEntries(args.prices.split(',').map((p) => [p.split('=')[0], Number(p.split('=')[1])])) as Record<string, number>;
const DAYS = Number(args.days);
const GOAL = Number(args.goal) * 1e6;
const SECRET = '5ca1ab1e'.repeat(8);
const dir = mkdtempSync(join(tmpdir(), 'stillwatch-price-'));

interface Outcome {
  readonly levers: Levers;
  /** Days of campaign until it was barred; the whole window when it never was. */
  readonly until: number;
  readonly found: boolean;
  /** Output tokens over distinct items, and all output tokens paid for, until then. */
  readonly taken: number;
  readonly paid: number;
  readonly honestNamed: number;
  readonly cost: Cost;
}

interface Cost {
  readonly money: number;
  readonly accounts: number;
  readonly cards: number;
  readonly tokens: number;
  readonly days: number;
  readonly entries: number;
}

/** What the goal costs when every entry goes as this one did. A campaign that is never barred goes on with the accounts it has. */
function costOf(l: Levers, o: { until: number; found: boolean; taken: number; paid: number }): Cost {
  if (o.taken <= 0) return { money: Number.POSITIVE_INFINITY, accounts: 0, cards: 0, tokens: 0, days: 0, entries: 0 };
  const times = GOAL / o.taken;
  const entries = o.found ? Math.ceil(times) : 1;
  const accounts = entries * l.accounts;
  const cards = entries * (l.uniqueCards ? l.accounts : Math.max(2, Math.ceil(l.accounts / 8)));
  const days = times * o.until;
  const addresses = (l.uniqueNetworks ? 4 * l.accounts : Math.max(3, Math.ceil(l.accounts / 12))) * days;
  const tokens = times * o.paid;
  const p = (k: string): number => prices[k] ?? 0;
  return {
    money: accounts * p('account') + cards * p('card') + addresses * p('address') + (tokens / 1e6) * p('tokens') + days * p('day'),
    accounts,
    cards,
    tokens,
    days,
    entries,
  };
}

const look = (store: Store, files: { exchanges: string; accounts: string } | null, until?: number): Promise<Dossier> =>
  scan(store, {
    inputs: files ? [inspect(files.exchanges, files.exchanges)] : [],
    ...(files ? { accounts: files.accounts } : {}),
    spool: join(dir, 'spool'),
    retention: 'none',
    confidenceMin: 0.5,
    seed: 1,
    now: new Date(0),
    version: 'price',
    record: false,
    ...(until === undefined ? {} : { until }),
  });

async function play(levers: Levers, seed: number): Promise<Outcome> {
  const out = join(dir, `p${seed}`);
  const w = await makeWorld({ out, seed, accounts: Number(args.accounts), days: DAYS, campaigns: [], operator: levers });
  const mine = new Set(
    readFileSync(w.files.truth, 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { account: string; campaign: string | null })
      .filter((t) => t.campaign !== null)
      .map((t) => t.account),
  );
  const store = await openStore({ at: join(out, 'store'), secret: SECRET });
  try {
    const whole = await look(store, w.files);
    const from = Date.parse(whole.window.from ?? '');
    const barred = (d: Dossier): boolean =>
      Math.max(0, ...d.campaigns.map((c) => c.accounts.filter((a) => mine.has(a.account)).length)) >= 0.5 * mine.size;
    const at = (day: number): number => from + day * 86_400_000;
    let until = DAYS;
    const found = barred(whole);
    if (found) {
      // The first day at whose end it is barred; evidence grows, so halving finds it.
      let low = 1;
      let high = DAYS;
      while (low < high) {
        const mid = Math.floor((low + high) / 2);
        if (barred(await look(store, null, at(mid)))) high = mid;
        else low = mid + 1;
      }
      until = high;
    }
    const names = [...mine];
    const sums = await store.first<{ paid: string; distinct: string; n: string }>(
      `SELECT sum(output_tokens) AS paid, uniqExact(prompt) AS distinct, count() AS n FROM exchanges
       WHERE account IN ({names:Array(String)}) AND time <= fromUnixTimestamp64Milli(toInt64({u:String}), 'UTC')`,
      { names, u: String(at(until)) },
    );
    const paid = Number(sums?.paid ?? 0);
    const taken = paid * (1 - levers.cover) * Math.min(1, Number(sums?.distinct ?? 0) / Math.max(1, Number(sums?.n ?? 1)));
    const honestNamed = whole.campaigns.flatMap((c) => c.accounts).filter((a) => !mine.has(a.account)).length;
    return { levers, until, found, taken, paid, honestNamed, cost: costOf(levers, { until, found, taken, paid }) };
  } finally {
    await store.close();
    rmSync(out, { recursive: true, force: true });
  }
}

/** Everything as cheap as it gets: what the goal costs where nobody looks. */
const NAIVE: Levers = {
  accounts: 40,
  perDay: 120,
  cover: 0,
  paraphrase: false,
  personas: 0,
  randomSchedule: false,
  uniqueNetworks: false,
  uniqueCards: false,
};

const random = new Random(Number(args.seed));
const drawn = (): Levers => ({
  accounts: random.pick([20, 40, 80, 160]),
  perDay: random.pick([10, 26, 60, 120]),
  cover: random.pick([0, 0.25, 0.5]),
  paraphrase: random.chance(0.5),
  personas: random.pick([0, 0.5, 1]),
  randomSchedule: random.chance(0.5),
  uniqueNetworks: random.chance(0.5),
  uniqueCards: random.chance(0.5),
});

/** One or two levers of a point drawn anew. */
function varied(l: Levers): Levers {
  const other = drawn();
  const keys = Object.keys(l) as (keyof Levers)[];
  const some = new Set([random.pick(keys), random.pick(keys)]);
  return { ...l, ...Object.fromEntries([...some].map((k) => [k, other[k]])) };
}

const naive = await play(NAIVE, Number(args.seed) * 10_000);
const unwatched = costOf(NAIVE, { ...naive, found: false });
const all: Outcome[] = [naive];
const points = Number(args.points);
for (let i = 1; i < points; i++) {
  const best = [...all].sort((x, y) => x.cost.money - y.cost.money).slice(0, 5);
  const levers = i < points / 2 ? drawn() : varied(random.pick(best).levers);
  all.push(await play(levers, Number(args.seed) * 10_000 + i));
  process.stderr.write(
    `point ${i + 1} of ${points}: cheapest so far ${Math.min(...all.map((o) => o.cost.money / unwatched.money)).toFixed(1)} x\n`,
  );
}

const row = (name: string, o: Outcome): string => {
  const l = o.levers;
  const set = [
    `${l.accounts} accounts`,
    `${l.perDay} a day`,
    l.cover > 0 ? `${100 * l.cover} % cover` : '',
    l.paraphrase ? 'reworded' : '',
    l.personas > 0 ? `personas ${l.personas}` : '',
    l.randomSchedule ? 'own schedules' : '',
    l.uniqueNetworks ? 'own networks' : '',
    l.uniqueCards ? 'own cards' : '',
  ].filter(Boolean);
  return `| ${name} | ${set.join(', ')} | ${o.found ? `day ${o.until}` : 'never'} | ${(o.taken / 1e6).toFixed(1)} | ${o.cost.entries} | ${o.cost.accounts} | ${o.cost.cards} | ${(o.cost.tokens / 1e6).toFixed(0)} | ${o.cost.days.toFixed(0)} | ${(o.cost.money / unwatched.money).toFixed(1)} |`;
};
const cheapest = (list: readonly Outcome[]): Outcome | undefined => [...list].sort((x, y) => x.cost.money - y.cost.money)[0];
const groups: [string, (o: Outcome) => boolean][] = [
  ['no lever', (o) => o === naive],
  ['any', () => true],
  ['found in the end', (o) => o.found],
  ['never found', (o) => !o.found],
  ['reworded', (o) => o.levers.paraphrase],
  ['one instruction', (o) => !o.levers.paraphrase],
  ['no cover', (o) => o.levers.cover === 0],
  ['cover', (o) => o.levers.cover > 0],
  ['no personas', (o) => o.levers.personas === 0],
  ['full personas', (o) => o.levers.personas === 1],
  ['one budget', (o) => !o.levers.randomSchedule],
  ['own schedules', (o) => o.levers.randomSchedule],
  ['shared networks', (o) => !o.levers.uniqueNetworks],
  ['shared cards', (o) => !o.levers.uniqueCards],
];
const out = [
  `${points} points, seed ${args.seed}; ${args.accounts} honest accounts over ${DAYS} days; goal ${args.goal} million output tokens over distinct items; prices ${args.prices}; false discovery rate 0.1, a look a day`,
  `unwatched, the goal costs 1.0: ${unwatched.accounts} accounts, ${unwatched.cards} cards, ${(unwatched.tokens / 1e6).toFixed(0)} million output tokens, ${unwatched.days.toFixed(1)} days`,
  '',
  '| cheapest with | levers | barred | tokens until then, millions | entries | accounts | cards | output tokens, millions | days | price, x unwatched |',
  '|---|---|---|---|---|---|---|---|---|---|',
  ...groups.flatMap(([name, f]) => {
    const c = cheapest(all.filter(f));
    return c ? [row(name, c)] : [];
  }),
  '',
  `found in the end: ${all.filter((o) => o.found).length} of ${points}; honest accounts named: ${all.reduce((x, o) => x + o.honestNamed, 0)}`,
];
process.stdout.write(`${out.join('\n')}\n`);
rmSync(dir, { recursive: true, force: true });
