import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Candidate } from '../src/campaigns/candidates.ts';
import { type Facts, panelled, tiesOf } from '../src/campaigns/facts.ts';
import { joinPieces, joinTied } from '../src/campaigns/join.ts';
import { type Found, ordered } from '../src/campaigns/judge.ts';
import { learn, ledger } from '../src/campaigns/ledger.ts';
import { oneHouse, onePayer, oneQueue, queueLacks, tiedAccounts, withoutUntied } from '../src/campaigns/queue.ts';
import { plainest, rivals, unexplained } from '../src/campaigns/rivals.ts';
import type { Case } from '../src/campaigns/settle.ts';
import { Span } from '../src/campaigns/span.ts';
import { probability, rng } from '../src/campaigns/stats.ts';
import type { Table } from '../src/campaigns/table.ts';
import { breadthSignal } from '../src/signals/breadth.ts';
import { deckSignal } from '../src/signals/deck.ts';
import { freshSignal } from '../src/signals/fresh.ts';
import { SIGNALS } from '../src/signals/index.ts';
import { networkSignal } from '../src/signals/network.ts';
import { outputSignal } from '../src/signals/output.ts';
import { partitionSignal } from '../src/signals/partition.ts';
import { successionSignal } from '../src/signals/succession.ts';

const tie = (tied: number, of: number) => ({ tied, of, values: [], panel: new Set<number>(), passing: [] });

const following = (k: number, n: number, chance: number, events = 1) => ({
  n,
  recorded: true,
  within: [1, 4, 12].map((hours) => ({ hours, k, chance, events })),
});

/** An honest cohort of twelve, unless told otherwise. */
const facts = (over: Partial<Facts> = {}): Facts => ({
  accounts: Array.from({ length: 12 }, (_, i) => i),
  exchanges: 1200,
  deck: { rho: 0.04, se: 0.004, within: 0.08, between: 0.04, accounts: 12, items: 900 },
  pools: 1,
  distance: 0.5,
  pooled: null,
  itemsShared: 0.002,
  rounds: null,
  scoped: false,
  ties: { identity: tie(0, 12), network: tie(0, 12), client: tie(0, 12), scaffold: tie(0, 12) },
  rateSpread: 0.9,
  rated: 12,
  sessionSpread: 0.5,
  lockstep: { together: 0.01, se: 0.02, accounts: 12 },
  form: { k: 4, n: 12 },
  succession: following(0, 5, 0.03),
  signUps: following(0, 5, 0.03),
  relay: { k: 0, n: 12, members: new Set() },
  pivot: { k: 1, n: 12 },
  sleepless: { k: 3, n: 12 },
  week: { quiet: 0.5, attendance: 0.7 },
  together: { k: 2, n: 6 },
  born: { k: 2, n: 12 },
  singleUse: { k: 4, n: 12 },
  elicited: { k: 0, n: 12 },
  fresh: { k: 12, n: 12 },
  outTokensMedian: 300,
  haulTokens: 300_000,
  repeatedMedian: 0,
  topOwner: { owner: '', share: 0 },
  topDomain: { domain: 'mail.example', share: 0.2, others: 300 },
  verified: 0.1,
  businesses: 0,
  free: 0.3,
  recorded: 12,
  licensed: 0,
  resale: 0,
  lifetimeDays: 14,
  addressesPerDay: 1,
  addressed: 12,
  paying: 12,
  ...over,
});

/** Honest cohorts as varied as a store has them, some of them whole companies and campuses. */
function honest(n: number, seed = 1): Facts[] {
  const r = rng(seed);
  return Array.from({ length: n }, (_, i) => {
    const company = i % 12 === 0;
    const t = (p: number) => tie(r() < p ? 12 : 0, 12);
    return facts({
      deck: {
        rho: 0.04 * Math.exp(0.7 * (r() + r() + r() - 1.5)),
        se: 0.004,
        within: 0.08 * Math.exp(0.5 * (r() - 0.5)),
        between: 0.04,
        accounts: 12,
        items: 900,
      },
      ties: { identity: t(company ? 1 : 0.02), network: t(company ? 1 : 0.05), client: t(0.05), scaffold: t(company ? 0.8 : 0.08) },
      rateSpread: 0.6 + 0.7 * r(),
      sleepless: { k: Math.floor(r() * 7), n: 12 },
      sessionSpread: 0.3 + 0.6 * r(),
      lockstep: { together: 0.01 + 0.04 * (r() - 0.5), se: 0.02, accounts: 12 },
      form: { k: 2 + Math.floor(r() * 6), n: 12 },
      pivot: { k: Math.floor(r() * 4), n: 12 },
      succession: following(r() < 0.1 ? 1 : 0, 5, 0.03),
      born: { k: 1 + Math.floor(r() * 4), n: 12 },
      singleUse: { k: Math.floor(r() * 13), n: 12 },
      elicited: { k: r() < 0.1 ? 8 : 0, n: 12 },
      outTokensMedian: 150 + 400 * r(),
    });
  });
}

const campaign = facts({
  accounts: Array.from({ length: 100 }, (_, i) => i),
  deck: { rho: 0.0001, se: 0.0002, within: 0.045, between: 0.045, accounts: 100, items: 20_000 },
  ties: { identity: tie(0, 100), network: tie(100, 100), client: tie(0, 100), scaffold: tie(100, 100) },
  rateSpread: 0.12,
  sessionSpread: 0.03,
  lockstep: { together: 0.3, se: 0.003, accounts: 100 },
  form: { k: 100, n: 100 },
  succession: following(30, 40, 0.05),
  pivot: { k: 90, n: 100 },
  sleepless: { k: 100, n: 100 },
  born: { k: 95, n: 100 },
  singleUse: { k: 100, n: 100 },
  elicited: { k: 100, n: 100 },
  fresh: { k: 100, n: 100 },
  outTokensMedian: 600,
  haulTokens: 20e6,
});

/** For each signal, a cohort on which it fires and a look-alike on which it stays quiet. */
const TABLE: Readonly<Record<string, { fires: Facts; quiet: Facts; against?: Facts }>> = {
  partition: { fires: campaign, quiet: facts({ itemsShared: 0.02 }), against: facts({ itemsShared: 0.08 }) },
  deck: { fires: campaign, quiet: facts({ deck: { rho: 0.03, se: 0.003, within: 0.07, between: 0.04, accounts: 12, items: 900 } }) },
  scaffold: { fires: campaign, quiet: facts() },
  network: { fires: campaign, quiet: facts({ ties: { ...facts().ties, network: tie(2, 12) } }) },
  client: { fires: facts({ accounts: campaign.accounts, ties: { ...campaign.ties, client: tie(100, 100) } }), quiet: facts() },
  identity: { fires: facts({ ties: { ...facts().ties, identity: tie(60, 60) } }), quiet: facts() },
  relay: { fires: facts({ relay: { k: 55, n: 60, members: new Set() } }), quiet: facts({ relay: { k: 0, n: 12, members: new Set() } }) },
  'signup-burst': { fires: campaign, quiet: facts({ born: { k: 3, n: 12 } }) },
  'even-rates': { fires: campaign, quiet: facts({ rateSpread: 1 }) },
  sleepless: { fires: campaign, quiet: facts({ sleepless: { k: 4, n: 12 } }) },
  lockstep: { fires: campaign, quiet: facts({ lockstep: { together: 0.02, se: 0.01, accounts: 12 } }) },
  'one-form': { fires: campaign, quiet: facts({ form: { k: 5, n: 12 } }) },
  'starts-together': { fires: facts({ together: { k: 60, n: 60 } }), quiet: facts({ together: { k: 2, n: 8 } }) },
  'even-sessions': { fires: campaign, quiet: facts({ sessionSpread: 0.6 }) },
  succession: { fires: campaign, quiet: facts({ succession: following(1, 30, 0.05) }) },
  pivot: { fires: campaign, quiet: facts({ pivot: { k: 2, n: 12 } }) },
  elicitation: { fires: campaign, quiet: facts({ elicited: { k: 1, n: 12 } }) },
  'single-use': { fires: campaign, quiet: facts({ singleUse: { k: 2, n: 12 } }) },
  'useful-output': { fires: campaign, quiet: facts({ outTokensMedian: 12 }) },
  haul: { fires: campaign, quiet: facts({ haulTokens: 100_000 }) },
  breadth: {
    fires: facts({ deck: { rho: 0.001, se: 0.001, within: 0.045, between: 0.045, accounts: 12, items: 900 } }),
    quiet: facts({ deck: { rho: 0.05, se: 0.004, within: 0.1, between: 0.05, accounts: 12, items: 900 } }),
  },
  'fresh-items': {
    fires: facts({ fresh: { k: 400, n: 400 } }),
    quiet: facts({ fresh: { k: 0, n: 12 }, itemsShared: 0.2 }),
  },
};

describe('succession', () => {
  const model = successionSignal.learn(nulls, 0);
  const bits = (events: number, of: 'succession' | 'signUps') =>
    successionSignal.weigh(facts({ succession: following(0, 0, 0), [of]: following(28, 59, 0.08, events) }), model as never).bits;

  it('takes one crew for a launch, and replacements one by one for none', () => {
    for (const of of ['succession', 'signUps'] as const) {
      // No more than how rare such hours are.
      expect(bits(1, of)).toBeLessThan(-Math.log2(0.08));
      expect(bits(6, of)).toBeGreaterThan(bits(1, of) + 1);
      expect(bits(6, of)).toBeGreaterThan(3);
    }
  });
});

describe('what is judged first', () => {
  const learned = learn(nulls, 0);
  const put = (from: number, to: number, sources: ('scaffold' | 'kindred')[], bits: number): Found => {
    const accounts = Array.from({ length: to - from }, (_, i) => from + i);
    return { c: { accounts, sources, scaffold: [] }, f: { ...campaign, accounts }, bits };
  };
  const sizes = (list: Found[]): number[] => ordered(list, learned).map((x) => x.c.accounts.length);

  it('is the whole of one deck before the many wordings of its operator, each of which a small part sends', () => {
    const whole = put(0, 60, ['kindred'], 3);
    expect(sizes([put(0, 15, ['scaffold'], 4), put(15, 28, ['scaffold'], 4), put(40, 48, ['scaffold'], 5), whole])).toEqual([
      60, 15, 13, 8,
    ]);
    // Sentences beside many accounts that carry none are other crowds' briefs.
    expect(sizes([put(0, 15, ['scaffold'], 4), put(20, 28, ['scaffold'], 5), whole])[0]).toBe(15);
    expect(sizes([put(0, 18, ['scaffold'], 4), whole])[0]).toBe(18);
  });

  it('is a sentence that a good part of it sends before the whole: it may be another hand on the same kind of task', () => {
    const whole = put(0, 60, ['kindred'], 12);
    expect(sizes([whole, put(0, 30, ['scaffold'], 4), put(30, 45, ['scaffold'], 4)])[0]).toBe(30);
  });

  it('is a crisp sentence before a community that it has nothing to do with', () => {
    expect(sizes([put(0, 60, ['kindred'], 12), put(100, 110, ['scaffold'], 2)])).toEqual([10, 60]);
  });
});

describe('the deck, measured', () => {
  const deck = (rho: number, se: number, accounts = 40) => ({ rho, se, within: 0.05, between: 0.05 - rho, accounts, items: 3000 });
  const model = deckSignal.learn(honest(160), 0);
  const bits = (rho: number, se: number, accounts = 40): number =>
    deckSignal.weigh(facts({ accounts: Array.from({ length: accounts }, (_, i) => i), deck: deck(rho, se, accounts) }), model as never)
      .bits;

  it('says less the more loosely it is measured, and nothing where it could be either', () => {
    const told = [0.002, 0.006, 0.02, 0.2].map((se) => bits(0, se));
    expect(told).toEqual([...told].sort((x, y) => y - x));
    expect(told[0]).toBeGreaterThan(8);
    expect(told[1]).toBeGreaterThan(2);
    expect(Math.abs(told.at(-1) as number)).toBeLessThan(1);
  });

  it('takes a figure far below nought for a poor measurement: a jackknife over few accounts has wide tails', () => {
    expect(bits(-0.03, 0.004, 5)).toBeLessThan(5);
    expect(bits(-0.03, 0.004, 5)).toBeLessThan(bits(-0.03, 0.004, 200) - 1);
  });

  it('costs no more than two bits, however unlike the accounts: an operator may give each a subject of its own', () => {
    expect(bits(0.04, 0.001)).toBeLessThan(-1);
    expect(bits(0.3, 0.001)).toBeGreaterThanOrEqual(-2);
  });

  it('does not take the noise of small null cohorts for honest cohorts that are dealt from one deck', () => {
    const r = rng(7);
    const normal = (): number => r() + r() + r() + r() + r() + r() + r() + r() + r() + r() + r() + r() - 6;
    const noisy = Array.from({ length: 200 }, () => facts({ deck: deck(0.01 * Math.exp(0.4 * normal()) + 0.008 * normal(), 0.008) }));
    const { low, logMedian } = deckSignal.learn(noisy, 0) as unknown as { low: number; logMedian: number };
    expect(Math.exp(logMedian)).toBeGreaterThan(0.008);
    expect(Math.exp(logMedian)).toBeLessThan(0.014);
    expect(low).toBeGreaterThan(0.002);
  });
});

const SPEAKS_AGAINST = new Set(['partition', 'fresh-items']);

const nulls = honest(160);

describe.each(SIGNALS.map((s) => [s.id, s] as const))('%s', (id, signal) => {
  const model = signal.learn(nulls, 0);
  const t = TABLE[id];
  it('fires on a campaign and stays quiet on its look-alike', () => {
    if (!t) throw new Error(`no table entry for ${id}`);
    const fired = signal.weigh(t.fires, model);
    const quiet = signal.weigh(t.quiet, model);
    expect(quiet.bits).toBeLessThan(1);
    // Nearly all honest accounts send fresh items, and no bound on a pool is known: those signals speak only against.
    if (t.against) expect(signal.weigh(t.against, model).bits).toBeLessThan(-2);
    if (SPEAKS_AGAINST.has(id)) return;
    expect(fired.outcome).toBe('fired');
    expect(fired.bits).toBeGreaterThan(quiet.bits);
  });
  it('never earns more than the null cohorts allow, and says when it cannot speak', () => {
    const few = signal.learn(honest(9), 0);
    const bits = signal.weigh(campaign, few).bits;
    // The deck test leans on a shipped prior in small stores; everything else has its own nulls only.
    expect(bits).toBeLessThanOrEqual(id === 'deck' ? Math.log2(810) : Math.log2(10) + 1e-9);
    for (const f of [signal.weigh(campaign, model), signal.weigh(facts({ deck: null, rateSpread: Number.NaN }), model)]) {
      expect(Number.isFinite(f.bits)).toBe(true);
      expect(f.reason.length).toBeGreaterThan(10);
    }
  });
  it('has a page that says what it measures, how, and what it cannot see', () => {
    const page = new URL(`../docs/signals/${id}.md`, import.meta.url);
    expect(existsSync(page)).toBe(true);
    for (const heading of ['## What it measures', '## How', '## What it cannot see']) expect(readFileSync(page, 'utf8')).toContain(heading);
  });
});

describe('breadth', () => {
  const model = breadthSignal.learn(nulls, 0);
  const broad = { deck: { rho: 0.001, se: 0.001, within: 0.045, between: 0.045, accounts: 12, items: 900 } };
  const bits = (over: Partial<Facts>) => breadthSignal.weigh(facts({ ...broad, ...over }), model).bits;
  it('tells nothing of accounts that pass on what everybody asks, and does of a pool or of what nobody follows up', () => {
    const used = { singleUse: { k: 1, n: 12 } };
    expect(bits({ distance: 0.1, ...used })).toBe(0);
    expect(bits({ distance: 0.4, ...used })).toBeGreaterThan(1);
    expect(bits({ distance: 0.1, singleUse: { k: 12, n: 12 } })).toBeGreaterThan(1);
  });
});

describe('the ledger', () => {
  const learned = learn(nulls);
  it('adds up: each confidence is the sum of its rows', () => {
    for (const f of [campaign, ...honest(20, 7)]) {
      const l = ledger(f, learned, ['kindred', 'scaffold'], [{ axis: 'extraction', bits: -3, reason: 'x', id: 'rival:x' }]);
      for (const axis of ['coordination', 'extraction'] as const) {
        const sum = l.evidence.reduce((x, e) => x + (e.axis === axis ? e.bits : 0), 0);
        expect(l[axis]).toBeCloseTo(probability(sum), 12);
      }
    }
  });
  it('counts the strongest of a family once, and what formed a cohort not at all', () => {
    const l = ledger(campaign, learned, ['scaffold'], []);
    expect(l.evidence.find((e) => e.signal === 'scaffold')?.bits).toBe(0);
    const timing = l.evidence.filter((e) => e.family === 'timing' && e.bits > 0);
    expect(timing).toHaveLength(1);
  });
  it('names a campaign, and of 400 honest cohorts not one', () => {
    expect(ledger(campaign, learned, ['kindred', 'scaffold'], []).coordination).toBeGreaterThan(0.9);
    const high = honest(400, 99)
      .map((f) => ledger(f, learned, ['kindred'], []))
      .filter((l) => l.coordination * l.extraction >= 0.5);
    expect(high).toHaveLength(0);
  });
  it('a failing signal shows as failed and earns nothing', () => {
    const broken = facts({ ties: undefined as never });
    const l = ledger(broken, learned, ['kindred'], []);
    expect(l.evidence.find((e) => e.signal === 'scaffold')).toMatchObject({ outcome: 'failed', bits: 0 });
  });
});

describe('innocent explanations', () => {
  const of = 60;
  const accounts = Array.from({ length: of }, (_, i) => i);
  const campus = { kind: 'address', value: '10.0.0.1', accounts: Int32Array.from(accounts), counts: new Float64Array(of).fill(9) };
  const panel = Array.from({ length: 20 }, (_, v) => ({
    kind: 'address',
    value: `10.0.${v}.1`,
    accounts: Int32Array.from([3 * v, 3 * v + 1, 3 * v + 2]),
    counts: new Float64Array(3).fill(9),
  }));
  const shared = (kind: string) => ({ ...campus, kind, value: 'x' });
  const table = (values: readonly (typeof campus)[], each: number) =>
    ({
      rows: accounts.map(() => ({ n: each })),
      values,
      valuesOf: accounts.map((a) => values.flatMap((x, v) => (x.accounts.includes(a) ? [{ v, count: 9 }] : []))),
      records: accounts.map(() => null),
      from: 0,
      to: 14 * 86_400_000,
    }) as unknown as Table;
  const honestModel = {
    rhoLow: 0.01,
    rhoMedian: 0.03,
    withinMedian: 0.08,
    distanceLow: 0,
    outMedian: 0,
    span: new Span([], new Float64Array(0)),
  };
  const fits = (f: Partial<Facts>, t: Table): string[] =>
    rivals(
      facts({ accounts, ties: { ...facts().ties, network: { ...tie(of, of), values: [0] } }, ...f }),
      { accounts, sources: ['kindred'], scaffold: [] },
      t,
      honestModel,
    )
      .filter((r) => r.fits)
      .map((r) => r.id);

  it('of a class: its items, one network, human days, and no more than a term of work that each pays alone', () => {
    const items = { repeatedMedian: 0.6, itemsShared: 0.08, deck: null, sleepless: { k: 0, n: of } };
    expect(fits(items, table([campus], 80))).toContain('classroom');
    // A panel of proxies is no campus, and who samples each prompt several times on shared cards, hundreds of requests each, is no class.
    expect(fits(items, table(panel, 80))).not.toContain('classroom');
    expect(fits(items, table([campus], 450))).not.toContain('classroom');
    const same = { ties: { ...facts().ties, network: { ...tie(of, of), values: [0] }, identity: { ...tie(of, of), values: [1] } } };
    expect(fits({ ...items, ...same }, table([campus, shared('payment')], 80))).not.toContain('classroom');
    // A class whose members review one another's work is dealt it in rounds, and so are the judges of an evaluation.
    expect(fits({ ...items, rounds: { times: 3, part: 0.9 } }, table([campus], 80))).toContain('classroom');
    const run = { repeatedMedian: 0.6, itemsShared: 0.2, ties: facts().ties };
    expect(fits(run, table([], 80))).toContain('benchmark');
    expect(fits({ ...run, rounds: { times: 3, part: 0.9 } }, table([], 80))).toContain('benchmark');
    // A school's mail domain is no purse.
    expect(fits({ ...items, ...same }, table([campus, shared('email_domain')], 80))).toContain('classroom');
  });

  it('of a reseller: not without text, for nobody knows how mixed it is', () => {
    const used = { distance: 0, singleUse: { k: 0, n: of }, resale: 0 };
    expect(fits({ ...used, deck: { rho: 0.002, se: 0.001 } as Facts['deck'] }, table([campus], 80))).toContain('reseller');
    expect(fits({ ...used, deck: null }, table([campus], 80))).not.toContain('reseller');
    // Nor of accounts that are replaced within the hour as they are closed, which says nothing where few are, at any hour, or all in one lump.
    const replaced = { n: 40, recorded: true, within: [{ hours: 1, k: 38, chance: 0.02, events: 2 }] };
    const all = { ...used, deck: { rho: 0.002, se: 0.001 } as Facts['deck'] };
    expect(fits({ ...all, signUps: replaced }, table([campus], 80))).not.toContain('reseller');
    for (const over of [
      { n: 5 },
      { recorded: false },
      { within: [{ hours: 1, k: 38, chance: 0.4, events: 2 }] },
      { within: [{ hours: 1, k: 38, chance: 0.02, events: 1 }] },
    ])
      expect(fits({ ...all, signUps: { ...replaced, ...over } }, table([campus], 80))).toContain('reseller');
  });

  it('of customers of one product: each verified as a business, under an owner of its own, and not tied', () => {
    const untied = { identity: tie(0, of), network: tie(0, of), client: tie(0, of), scaffold: tie(of, of) };
    const each = { businesses: 0.9, topOwner: { owner: 'a', share: 1 / of }, ties: untied };
    expect(fits(each, table([], 80))).toContain('businesses');
    expect(fits({ ...each, businesses: 0.6 }, table([], 80))).not.toContain('businesses');
    for (const through of [{ resale: 0.7 }, { scoped: true }])
      expect(fits({ ...each, ...through }, table([], 80))).not.toContain('businesses');
    expect(fits({ ...each, topOwner: { owner: 'a', share: 0.4 } }, table([], 80))).not.toContain('businesses');
    expect(fits({ ...each, ties: { ...untied, network: tie(of, of) } }, table([], 80))).not.toContain('businesses');
  });

  it('of a benchmark: items that many run, not items that a few sent twice', () => {
    expect(fits({ repeatedMedian: 0.9, itemsShared: 0.3 }, table([campus], 80))).toContain('benchmark');
    expect(fits({ repeatedMedian: 1, itemsShared: 0.02 }, table(panel, 80))).not.toContain('benchmark');
    // Teams are each on a network of their own: dozens of accounts on one panel of proxies are one hand, whatever they run.
    expect(fits({ repeatedMedian: 0.9, itemsShared: 0.3 }, table(panel, 80))).not.toContain('benchmark');
    const cards = { ties: { ...facts().ties, identity: { ...tie(of, of), values: [20] } } };
    expect(fits({ repeatedMedian: 1, itemsShared: 0.06, ...cards }, table([...panel, shared('payment')], 80))).not.toContain('benchmark');
  });
});

describe('what cleared a cohort', () => {
  const rival = (id: string) => ({
    id,
    kind: id,
    fits: true,
    reason: '',
    becomes: 'look-alike' as const,
    axis: 'coordination' as const,
    bits: 0,
  });

  it('is told by a mechanism that shows, then as strangers, and as an app that nobody declares last', () => {
    const told = (ids: readonly string[], over: Partial<Facts> = {}) => plainest(ids.map(rival), facts(over))?.id;
    expect(told(['reseller', 'one-task', 'own-subjects'])).toBe('own-subjects');
    expect(told(['reseller', 'one-task', 'own-subjects'], { resale: 0.7 })).toBe('reseller');
    expect(told(['benchmark', 'own-subjects'])).toBe('benchmark');
    expect(told(['reseller', 'one-task'])).toBe('reseller');
    expect(told(['one-task'])).toBe('one-task');
    expect(told([])).toBeUndefined();
  });

  it('says nothing of members whose items nobody else sends, where it is that the others’ are everybody’s', () => {
    const t = { repeated: Float64Array.from([1, 0.9, 0, 0.02, 0.3]) } as unknown as Table;
    const of = (repeatedMedian: number) => unexplained('benchmark', t, facts({ accounts: [0, 1, 2, 3, 4], repeatedMedian }));
    expect(of(0.3)).toEqual([2, 3]);
    // Items told alike under wrappers of each one's own are not seen word for word.
    expect(of(0.02)).toEqual([]);
    // Of businesses, of those that nobody verified as one.
    const records = ['business', 'business', 'email', null].map((verification) => verification && { verification });
    const some = facts({ accounts: [0, 1, 2, 3] });
    expect(unexplained('businesses', { records } as unknown as Table, some)).toEqual([2, 3]);
    expect(unexplained('own-subjects', { records } as unknown as Table, some)).toEqual([]);
  });
});

describe('what the log does not hold', () => {
  it('is no sign of anything: where there are no addresses none are said to be nobody’s', () => {
    const model = networkSignal.learn(honest(40), 0);
    expect(networkSignal.weigh(facts(), model)).toMatchObject({ outcome: 'quiet' });
    expect(networkSignal.weigh(facts({ addressed: 0 }), model)).toMatchObject({
      outcome: 'not applicable',
      bits: 0,
      reason: 'the log has no addresses of these accounts',
    });
  });
});

describe('a value that accounts without text hold as well', () => {
  /** Twenty accounts with text hold a card, and so do `quiet` without and `others` with it; of each ten accounts `mute` have no text. */
  const held = (quiet: number, others: number, mute: number) => {
    const crew = Array.from({ length: 20 }, (_, i) => i);
    const holders = [...crew, ...Array.from({ length: quiet }, (_, i) => 100 + i), ...Array.from({ length: others }, (_, i) => 20 + i)];
    const rows = Array.from({ length: 200 }, (_, i) => ({ n: 50, with_text: i < 100 ? 50 : 0 }));
    const is = Uint8Array.from(rows, (r) => (r.with_text > 0 ? 0 : 1));
    const t = {
      rows,
      values: [{ kind: 'payment', value: 'c', accounts: Int32Array.from(holders), counts: new Float64Array(holders.length).fill(1) }],
      valuesOf: rows.map((_, a) => (holders.includes(a) ? [{ v: 0, count: 1 }] : [])),
      untold: { is, each: mute / (10 - mute), holders: Uint32Array.from([quiet]), domains: new Map() },
    } as unknown as Table;
    return tiesOf(t, crew).identity.tied;
  };

  it("is the cohort's own as far as so many of its own would stand there, and no farther", () => {
    expect(held(20, 0, 5)).toBe(20);
    expect(held(30, 0, 5)).toBe(20);
    // Most of them are strangers, whatever they ask.
    expect(held(60, 0, 5)).toBe(0);
    expect(held(20, 0, 1)).toBe(0);
    // Of those with text nobody is left out.
    expect(held(20, 11, 5)).toBe(0);
  });
});

describe('a panel of addresses', () => {
  /** Ten accounts that send from each of twenty addresses in turn, once a round, and whoever else is there. */
  const panelOf = (rounds: number, others: number, besides: number) => {
    const addresses = Array.from({ length: 20 }, (_, i) => i);
    const crew = Array.from({ length: 10 }, (_, i) => i);
    const strangers = Array.from({ length: others }, (_, i) => 10 + i);
    const t = {
      rows: [...crew.map(() => ({ n: 20 * rounds + besides })), ...strangers.map(() => ({ n: 400 }))],
      values: addresses.map(() => ({ kind: 'address', value: '', accounts: Int32Array.from([...crew, ...strangers]) })),
      valuesOf: [...crew, ...strangers].map((a) => addresses.map((v) => ({ v, count: a < 10 ? rounds : 1 }))),
    } as unknown as Table;
    return panelled(t, crew, new Map(addresses.map((v) => [v, 10])));
  };

  it('ties those who send through it, though hardly anything comes from any one address', () => {
    expect(panelOf(3, 0, 0)).toMatchObject({ panel: new Set(Array.from({ length: 10 }, (_, i) => i)) });
    expect(panelOf(3, 0, 0).passing).toHaveLength(20);
  });

  it('ties nobody where others use it as well, or where most of what they send comes from elsewhere', () => {
    expect(panelOf(3, 40, 0)).toMatchObject({ panel: new Set(), passing: [] });
    expect(panelOf(3, 0, 100)).toMatchObject({ panel: new Set(), passing: [] });
  });
});

describe('items that come back', () => {
  const weighed = (itemsShared: number) =>
    freshSignal.weigh(
      facts({ accounts: campaign.accounts, fresh: { k: 5, n: 100 }, itemsShared }),
      freshSignal.learn(
        nulls.map((f, i) => ({ ...f, fresh: { k: 12 - (i % 7), n: 12 } })),
        0,
      ),
    );

  it('speak against where everybody was given them, and not where each is asked two or three times', () => {
    expect(weighed(0.2).bits).toBeLessThan(-2);
    expect(weighed(0.015)).toMatchObject({ bits: 0, outcome: 'quiet' });
    expect(weighed(0.015).reason).toContain('1.5 % of the other members');
    // Dealt in rounds, they are neither a benchmark's nor a class's, however often they come back; that is no reason to name anybody.
    const dealt = { accounts: campaign.accounts, fresh: { k: 5, n: 100 }, itemsShared: 0.2, rounds: { times: 8, part: 0.6 } };
    expect(freshSignal.weigh(facts(dealt), freshSignal.learn(nulls, 0))).toMatchObject({ bits: 0 });
    const partition = (over: Partial<Facts>) => partitionSignal.weigh(facts({ ...dealt, ...over }), partitionSignal.learn(nulls, 0));
    expect(partition({ rounds: null }).bits).toBeLessThan(-3);
    expect(partition({})).toMatchObject({ bits: 0, outcome: 'not applicable' });
    expect(partition({}).reason).toContain('dealt in rounds');
    // Accounts that cards and addresses both tie picked nothing for themselves: an operator that samples its pool again and again is rare, and no more.
    const twice = { identity: tie(90, 100), network: tie(90, 100) };
    const tied = (over: Partial<Facts['ties']>) => partition({ rounds: null, ties: { ...facts({}).ties, ...twice, ...over } }).bits;
    expect(tied({})).toBeGreaterThan(-3.4);
    expect(tied({})).toBeLessThan(-3);
    for (const one of [{ identity: tie(50, 100) }, { network: tie(50, 100) }]) expect(tied(one)).toBeLessThan(-6);
    // No step from all to nothing between what dealt pools show and what benchmarks do.
    expect(weighed(0.0301).bits).toBeGreaterThan(-0.1);
    const part = weighed(0.055).bits / weighed(0.2).bits;
    expect(part).toBeGreaterThan(0.4);
    expect(part).toBeLessThan(0.6);
  });
});

describe('answers', () => {
  it('are labels by what is usual in the log, where everybody has short ones', () => {
    const of = (usual: number) =>
      outputSignal.learn(
        nulls.map((f, i) => ({ ...f, outTokensMedian: usual * (0.8 + 0.02 * (i % 21)) })),
        0,
      );
    const bits = (tokens: number, usual: number) => outputSignal.weigh(facts({ outTokensMedian: tokens }), of(usual)).bits;
    expect(bits(120, 600)).toBeLessThan(-1.5);
    expect(bits(120, 110)).toBeGreaterThanOrEqual(0);
    expect(bits(15, 110)).toBeLessThan(-7);
    // A log of labels alone makes no material of them.
    expect(bits(30, 30)).toBeLessThan(-4);
  });
});

describe('people on one queue', () => {
  const learned = learn(nulls, 0);
  const untied = { succession: following(0, 5, 0.03), signUps: following(0, 5, 0.03), pivot: { k: 0, n: 0 } };
  const queued = (over: Partial<Facts>) => oneQueue({} as Table, learned, [], { ...campaign, ...untied, ...over });
  const days = { k: 0, n: 100 };
  const nights = { k: 95, n: 100 };

  it('rest often and sleep: behind one network they may be one workplace, and who works at all hours is none', () => {
    expect(queued({ week: { quiet: 0.9, attendance: 0.4 }, sleepless: days })).toBe(true);
    expect(queued({ week: { quiet: 0.9, attendance: 0.4 }, sleepless: nights })).toBe(false);
  });

  it('and sleep, if they hardly rest: a network alone is what neighbours behind a few gateways share, with a little of another tie it is not', () => {
    const week = { quiet: 0.9, attendance: 0.8 };
    const cards = (k: number) => ({ ties: { ...campaign.ties, identity: tie(k, 60) } });
    expect(queued({ week, sleepless: days, ...cards(0) })).toBe(true);
    expect(queued({ week, sleepless: nights, ...cards(0) })).toBe(false);
    expect(queued({ week, sleepless: days, ...cards(30) })).toBe(false);
    // Nobody of those whom a network alone ties is set apart from the others by it.
    expect(tiedAccounts(learned, { ...campaign, ...untied, sleepless: days, ...cards(0) })).toBe(false);
  });

  it('without a tie: people are told by what they do, bots by how many they are', () => {
    const one = (accounts: number, n: number, sleepless: Facts['sleepless'], attendance = 0.95): boolean => {
      const members = Array.from({ length: accounts }, (_, account) => ({ account, membership: 1, share: Number.NaN, low: 0, high: 1 }));
      const t = { rows: members.map(() => ({ n, days: 14 })) } as unknown as Table;
      const ties = { ...campaign.ties, network: tie(0, 100) };
      return oneQueue(t, learned, members, {
        ...campaign,
        ties,
        form: { k: 0, n: 100 },
        ...untied,
        week: { quiet: 0.9, attendance },
        sleepless,
      });
    };
    expect(one(300, 120, days)).toBe(true);
    expect(one(300, 300, days)).toBe(false);
    expect(one(300, 120, nights)).toBe(false);
    expect(one(60, 300, nights)).toBe(false);
    // Who works in waves but never sleeps is no crowd of people with days off.
    expect(one(60, 300, nights, 0.6)).toBe(false);
    expect(one(300, 300, days, 0.8)).toBe(true);
    expect(one(60, 120, nights)).toBe(true);
    expect(one(45, 300, nights)).toBe(true);
  });

  it('that share a tool are scripts of one tutorial, also where few null cohorts are left to say so', () => {
    const few = learn(honest(5), 0);
    const members = Array.from({ length: 100 }, (_, account) => ({ account, membership: 1, share: Number.NaN, low: 0, high: 1 }));
    const t = { rows: members.map(() => ({ n: 400, days: 14 })) } as unknown as Table;
    const bots = {
      ...campaign,
      ...untied,
      ties: { ...campaign.ties, network: tie(0, 100) },
      week: { quiet: 0.9, attendance: 0.95 },
      sleepless: nights,
    };
    expect(oneQueue(t, few, members, bots)).toBe(true);
    expect(queueLacks(t, few, members, bots)).toMatch(/they share a tool/);
    expect(oneQueue(t, few, members, { ...bots, form: { k: 0, n: 100 } })).toBe(false);
  });

  it('that one card pays for hide nothing: a vendor with an account for each customer is asked, and nobody is named', () => {
    const members = Array.from({ length: 20 }, (_, account) => ({ account, membership: 1, share: 1, low: 1, high: 1 }));
    const paid = (cards: number): Table =>
      ({
        values: Array.from({ length: cards }, () => ({ kind: 'payment' })),
        valuesOf: members.map((m) => [{ v: m.account % cards, count: 1 }]),
      }) as unknown as Table;
    expect(onePayer(paid(1), learned, members, { ...campaign, ...untied })).toMatch(/one card pays for 20 of 20/);
    // Five accounts a card are an operator's, and so is one card whose accounts take over from those that were closed.
    expect(onePayer(paid(4), learned, members, { ...campaign, ...untied })).toBeNull();
    expect(onePayer(paid(1), learned, members, campaign)).toBeNull();
    // An employer has a card for each site: people who sleep, and whom no addresses of their own tie.
    const sleeping = { ...campaign, ...untied, sleepless: { k: 0, n: 20 }, ties: { ...campaign.ties, network: tie(0, 20) } };
    expect(onePayer(paid(2), learned, members, sleeping)).toMatch(/2 cards pay for 20 of 20 of them, who work by day/);
    expect(onePayer(paid(3), learned, members, sleeping)).toMatch(/3 cards/);
    expect(onePayer(paid(6), learned, members, sleeping)).toBeNull();
    expect(onePayer(paid(2), learned, members, { ...sleeping, sleepless: { k: 20, n: 20 } })).toBeNull();
    expect(onePayer(paid(2), learned, members, { ...sleeping, ties: campaign.ties })).toBeNull();
  });

  it('of one house hide nothing: behind one network, by day, under one name they are asked, and nobody is named', () => {
    const members = Array.from({ length: 22 }, (_, account) => ({ account, membership: 1, share: 1, low: 1, high: 1 }));
    const behind = (networks: number): Table =>
      ({
        values: Array.from({ length: networks }, () => ({ kind: 'network' })),
        valuesOf: members.map((m) => [{ v: m.account % networks, count: 1 }]),
      }) as unknown as Table;
    const school = { ...campaign, ...untied, accounts: members.map((m) => m.account), sleepless: { k: 0, n: 22 } };
    const mail = { topDomain: { domain: 'school.example', share: 1, others: 0 } };
    expect(oneHouse(behind(1), learned, members, { ...school, ...mail })).toMatch(
      /22 of 22 of them work behind one network, by day, under one mail domain/,
    );
    expect(oneHouse(behind(1), learned, members, { ...school, topOwner: { owner: 'a firm', share: 0.9 } })).toMatch(/one organisation/);
    // A domain that half the town uses is no house; a relay in many networks, machines that never sleep, and accounts that take over from closed ones are none either.
    expect(oneHouse(behind(1), learned, members, { ...school, topDomain: { ...mail.topDomain, others: 300 } })).toBeNull();
    expect(oneHouse(behind(2), learned, members, { ...school, ...mail })).toBeNull();
    expect(oneHouse(behind(1), learned, members, { ...school, ...mail, sleepless: { k: 22, n: 22 } })).toBeNull();
    expect(oneHouse(behind(1), learned, members, { ...school, ...mail, succession: campaign.succession })).toBeNull();
  });

  it('rest, and card after card pays for a handful each: who pays for all of them and does not say so is no crowd', () => {
    const members = Array.from({ length: 60 }, (_, account) => ({ account, membership: 1, share: 1, low: 1, high: 1 }));
    const resting = { ...campaign, ...untied, accounts: members.map((m) => m.account), week: { quiet: 0.1, attendance: 0.7 } };
    const cards = { ...campaign.ties, network: tie(0, 60), identity: tie(60, 60) };
    const paid = (card: (account: number) => number, owner = '', others = 0): Table => {
      return {
        owner: members.map(() => owner),
        rows: members.map(() => ({ n: 300, days: 20 })),
        values: Array.from({ length: 1 + Math.max(...members.map((m) => card(m.account))) }, (_, v) => ({
          kind: 'payment',
          accounts: [
            ...members.filter((m) => card(m.account) === v).map((m) => m.account),
            ...Array.from({ length: others }, (_, i) => 900 + i),
          ],
        })),
        valuesOf: members.map((m) => [{ v: card(m.account), count: 1 }]),
      } as unknown as Table;
    };
    const asked = (t: Table, ties = cards): boolean => oneQueue(t, learned, members, { ...resting, ties });
    expect(asked(paid((a) => a % 10))).toBe(false);
    // By day they may be freelancers whom one start-up pays.
    expect(
      oneQueue(
        paid((a) => a % 10),
        learned,
        members,
        { ...resting, ties: cards, sleepless: { k: 0, n: 60 } },
      ),
    ).toBe(true);
    // Each pays alone, a household shares a card, one card or few pay for all, an organisation is named, or half the town uses the cards.
    expect(asked(paid((a) => a))).toBe(true);
    expect(asked(paid((a) => a >> 1))).toBe(true);
    expect(asked(paid(() => 0))).toBe(true);
    expect(asked(paid((a) => a % 3))).toBe(true);
    expect(asked(paid((a) => a % 10, 'a firm'))).toBe(true);
    expect(asked(paid((a) => a % 10, '', 30))).toBe(true);
    // And the cards have to say something by themselves: where honest cohorts share as much they do not.
    expect(
      asked(
        paid((a) => a % 10),
        { ...cards, identity: tie(0, 60) },
      ),
    ).toBe(true);
  });

  it("that hold no tie, beside those that do, are no part of what ties set apart from a queue, unless what they do is no queue's", () => {
    const members = Array.from({ length: 60 }, (_, account) => ({ account, membership: 1, share: 1, low: 1, high: 1 }));
    const t = {
      rows: members.map(() => ({ n: 400, days: 20 })),
      values: [{ kind: 'address' }],
      valuesOf: members.map((m) => (m.account < 45 ? [{ v: 0, count: 400 }] : [])),
    } as unknown as Table;
    const whole = {
      ...campaign,
      ...untied,
      accounts: members.map((m) => m.account),
      ties: { ...campaign.ties, network: { ...tie(45, 60), values: [0] }, identity: { ...tie(45, 60), values: [0] } },
    };
    const stays = (week: Facts['week'], asleep: boolean, ties = whole.ties): number =>
      withoutUntied(t, learned, members, { ...whole, ties }, (accounts) => ({
        ...whole,
        accounts,
        week,
        sleepless: { k: asleep ? 0 : 15, n: 15 },
        ties: { network: tie(0, 15), identity: tie(0, 15), client: tie(0, 15), scaffold: tie(15, 15) },
        form: { k: 1, n: 15 },
      })).length;
    expect(stays({ quiet: 0.1, attendance: 0.7 }, true)).toBe(45);
    expect(stays({ quiet: Number.NaN, attendance: Number.NaN }, false)).toBe(45);
    expect(stays({ quiet: 0.9, attendance: 1 }, false)).toBe(60);
    // Where no tie sets any of them apart there is nothing to hold.
    expect(stays({ quiet: 0.1, attendance: 0.7 }, true, { ...whole.ties, network: tie(2, 60), identity: tie(0, 60) })).toBe(60);
  });

  it('rest on the same two days, whatever their hours: a workplace has shifts', () => {
    expect(queued({ week: { quiet: 0.1, attendance: 0.7 }, sleepless: nights })).toBe(true);
  });
});

describe('one source under several wordings', () => {
  const learned = learn(honest(60));
  const even = (accounts: number[]) =>
    facts({ accounts, deck: { rho: 0, se: 0.0005, within: 0.05, between: 0.05, accounts: 40, items: 4000 } });
  const from = (first: number): number[] => Array.from({ length: 40 }, (_, i) => first + i);
  const piece = (accounts: number[], sentence: number[], f = even(accounts)): Case =>
    ({
      candidate: { accounts, sources: ['scaffold'], scaffold: sentence },
      facts: f,
      ledger: ledger(f, learned, ['scaffold'], []),
      members: accounts.map((account) => ({ account, membership: 0.9, share: 1, low: 1, high: 1 })),
      verdict: 'undecided',
      confidence: 0.3,
    }) as unknown as Case;
  const again = (c: Candidate, f: Facts): Case => ({ ...piece([...c.accounts], [...c.scaffold], f), candidate: c });

  it('is one question, over what carries either sentence; what is dealt from another is not put to it', async () => {
    const asked: Candidate[] = [];
    const look = async (c: Candidate): Promise<Facts> => {
      asked.push(c);
      // The third draws on subjects of its own: together with any other it is no deck.
      return c.accounts.some((a) => a >= 200) ? facts({ accounts: [...c.accounts] }) : even([...c.accounts]);
    };
    const cases = [piece(from(0), [7]), piece(from(100), [8]), piece(from(200), [9])];
    await joinPieces(cases, learned, look, again);
    expect(cases.map((c) => c.members.length)).toEqual([80, 40]);
    expect(cases[0]?.candidate.scaffold).toEqual([7, 8]);
    expect(asked.length).toBeGreaterThan(1);
  });

  it('names nobody: two sentences that would come to a campaign together stay two questions, found by content they do not', async () => {
    const named = (c: Candidate, f: Facts): Case => ({ ...again(c, f), verdict: 'campaign' });
    const look = async (c: Candidate): Promise<Facts> => even([...c.accounts]);
    const cases = [piece(from(0), [7]), piece(from(100), [8])];
    await joinPieces(cases, learned, look, named);
    expect(cases.map((c) => [c.verdict, c.members.length])).toEqual([
      ['undecided', 40],
      ['undecided', 40],
    ]);
    const kindred = cases.map((c): Case => ({ ...c, candidate: { ...c.candidate, sources: ['kindred'] } }));
    await joinPieces(kindred, learned, look, named);
    expect(kindred.map((c) => [c.verdict, c.members.length])).toEqual([['campaign', 80]]);
  });

  it('cases tied across by addresses are one where the whole keeps the accounts of each; where it would lose those of one they stay two', () => {
    const shared = { kind: 'address', accounts: Int32Array.from([...from(0), ...from(100)]), counts: new Int32Array(80).fill(9) };
    const table = { values: [shared], valuesOf: Array.from({ length: 140 }, () => [{ v: 0, count: 9 }]) } as never;
    const whole = (members: number[]) => () => ({ ...piece(members, []), verdict: 'campaign' as const, confidence: 0.54 });
    const both = () => [{ ...piece(from(0), [7]), verdict: 'campaign' as const }, piece(from(100), [8])];
    const kept = both();
    joinTied(kept, table, learned, whole(from(0).slice(0, 32)));
    expect(kept.map((c) => [c.verdict, c.members.length])).toEqual([
      ['campaign', 40],
      ['undecided', 40],
    ]);
    const one = both();
    joinTied(one, table, learned, whole([...from(0), ...from(100).slice(0, 36)]));
    expect(one.map((c) => [c.verdict, c.members.length])).toEqual([['campaign', 76]]);
  });

  it('a named campaign, and a piece whose source is not sure, are left as they are', async () => {
    const cases = [
      piece(from(0), [7]),
      { ...piece(from(100), [8]), verdict: 'campaign' as const },
      piece(from(200), [9], facts({ accounts: from(200) })),
    ];
    await joinPieces(cases, learned, async (c) => even([...c.accounts]), again);
    expect(cases.map((c) => c.members.length)).toEqual([40, 40, 40]);
  });
});
