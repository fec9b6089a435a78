import { deckSignal } from '../signals/deck.ts';
import { type Beats, commonBeat } from './beats.ts';
import { type Candidate, COHORT, candidates, type Kin, kin, marked, neighboursIn } from './candidates.ts';
import { lacking } from './decide.ts';
import { type Discoveries, discoveries, weights } from './discoveries.ts';
import { type Facts, factsOf, inStepSample, privateHolders, type View } from './facts.ts';
import { publicFeed, type Recurring } from './feed.ts';
import { accountsOf, joinPieces, joinSuccessors, joinTied } from './join.ts';
import { type Learned, learn, ledger, PRIOR } from './ledger.ts';
import { type NullCohort, nullCohorts, nullMembers, nullMembersOfLinks, references } from './nulls.ts';
import { tiedAccounts } from './queue.ts';
import { oneItem } from './repeats.ts';
import { contentOnly, explained, type Honest, mechanism, ONE_TASK, rivals } from './rivals.ts';
import { asOne, type Case, carried, settle } from './settle.ts';
import type { Bench } from './sharing.ts';
import { Span } from './span.ts';
import { median, quantile } from './stats.ts';
import { DAY, type Table } from './table.ts';
import { settleBoth } from './views.ts';
import { ownVoices, type Spoken } from './voices.ts';

export interface Judgement {
  readonly cases: readonly Case[];
  readonly tested: number;
  readonly leftOut: number;
  readonly nulls: readonly NullCohort[];
  readonly references: readonly number[];
  readonly tenured: boolean;
  /** What signals learned from the null cohorts. */
  readonly learned: Learned;
  readonly discoveries: Discoveries;
}

export interface JudgeOptions {
  readonly alpha: number;
  readonly look: number;
  readonly honestPerMonth?: number;
  readonly seed: number;
  /** A cohort is named a campaign from this confidence on. */
  readonly confidenceMin: number;
  /** Cells of some accounts, of the exchanges that carry one of these values only. */
  readonly scoped: (accounts: readonly number[], values: readonly number[]) => Promise<View>;
  /** Activity of some accounts over time. */
  readonly beats: (accounts: readonly number[]) => Promise<Beats>;
  /** How items of some accounts come back among them. */
  readonly recurring: (accounts: readonly number[]) => Promise<Recurring>;
  /** How often some accounts begin with each of some values, over so many stretches of the log's time. */
  readonly spoken: (accounts: readonly number[], values: readonly number[], stretches: number) => Promise<Spoken>;
  readonly without?: readonly string[];
  readonly progress?: (said: string, done: number, all: number) => void;
}

const LIMITS = {
  look: 120,
  /** Accounts whose activity over time is loaded. */
  beats: 40_000,
  suspectBits: -4,
  crispBits: -6,
  farShare: 0.8,
  apartBits: -8,
  /** A cohort whose like is more than this part of the null cohorts is looked at without them from the first. */
  ownNulls: 0.5,
  /** Null cohorts that are left at least, for what was asked to be asked again without those of what was named. */
  pureNulls: 5,
} as const;

/** Link -> cohort -> test -> membership -> verdict. Seeded; no I/O of its own but the scoped cells it is given. */
export async function judge(whole: Table, o: JudgeOptions): Promise<Judgement> {
  const k = kin(whole, o.seed);
  const found = candidates(whole, k, o.seed);
  const refs = references(whole, k);
  const nullSets = whole.hasText ? nullMembers(k, refs.accounts, o.seed) : nullMembersOfLinks(whole, refs.accounts, o.seed);
  const t = await withBeats(whole, nullSets, found.candidates, refs.accounts, o);
  const drawn = nullCohorts(t, k, nullSets);
  const rough = honestFrom(learn(drawn.map((n) => n.facts)), drawn, k.mu);
  const nulls = drawn.filter((n) => !explained(n.facts, t, rough));
  let learned = learn(nulls.map((n) => n.facts));
  let honest = honestFrom(learned, nulls, k.mu);
  const scopes = new Map<Candidate, View>();
  let first: Found[] = [];
  for (const [i, c] of found.candidates.entries()) {
    o.progress?.('testing cohorts', i, found.candidates.length);
    const f = await look(t, k, c, o, scopes);
    const x = f && !t.hasText ? tiedOnly(t, k, c, f) : f && { c, f };
    if (x) first.push({ ...x, bits: firstBits(k, x.c, x.f, nulls, learned) });
  }
  first = ordered(first, learned);
  // A cohort and its like are no reference for one another: null cohorts leave out every cohort that no explanation clears. How many there
  // are raises the chance that such cohorts are honest for a reason not on our list.
  const suspects = distinct(
    first.filter(
      (x) =>
        x.bits + learned.overlap.coordination > LIMITS.suspectBits &&
        !rivals(x.f, x.c, t, honest, o.without).some((r) => r.fits && r.id !== ONE_TASK),
    ),
  );
  let clean = nulls;
  if (suspects.length > 0) {
    const held = new Set(suspects.flatMap((x) => x.c.accounts));
    clean = nulls.filter((n) => n.facts.accounts.filter((a) => held.has(a)).length < 0.3 * n.facts.accounts.length);
    learned = learn(
      clean.map((n) => n.facts),
      suspects.length - 1,
    );
    honest = honestFrom(learned, clean, k.mu);
    first = ordered(
      first.map((x) => ({ ...x, bits: firstBits(k, x.c, x.f, clean, learned) })),
      learned,
    );
  }
  const heard = new Set(k.heard);
  const heardItems = k.heard.reduce((x, a) => x + Math.min(t.profiles.items[a] as number, COHORT.itemsMin), 0);
  const bench = (l: Learned, h: Honest, without: ReadonlySet<number>): Bench => ({
    t,
    k,
    heard,
    whole: heardItems,
    learned: l,
    honest: h,
    refs: refs.accounts,
    taken: without,
    without: o.without ?? [],
    confidenceMin: o.confidenceMin,
  });
  const cases: Case[] = [];
  const asked: Found[] = [];
  // Questions asked besides the first ones: they are tested too, and count.
  const besides: number[] = [];
  const taken = new Set<number>();
  const queue = first.slice(0, LIMITS.look);
  for (let i = 0; i < queue.length; i++) {
    const x = queue[i] as Found;
    o.progress?.('judging members', i, queue.length);
    const fresh = x.c.accounts.filter((a) => !taken.has(a)).length;
    if (fresh < COHORT.accountsMin || fresh < 0.5 * x.c.accounts.length) continue;
    const own = apart(k, x.c, x.bits, clean, learned, honest, suspects.length);
    if (scopes.has(x.c) && x.c.sources.includes('kindred')) besides.push(x.c.accounts.length);
    const one = settleBoth(bench(own.learned, own.honest, taken), x, scopes.get(x.c) ?? null);
    cases.push(one);
    asked.push(x);
    // Another hand on the same source is asked about next, by itself; each such group is smaller than what it came from.
    if (one.apart.length >= COHORT.accountsMin && one.apart.length < x.c.accounts.length) {
      const c: Candidate = { accounts: [...new Set(one.apart)].sort((p, q) => p - q), sources: x.c.sources, scaffold: [] };
      const f = await look(t, k, c, o, scopes);
      besides.push(c.accounts.length);
      if (f) queue.splice(i + 1, 0, { c, f, bits: ledger(f, learned, c.sources, []).coordinationBits });
    }
    // A cohort that is merely as different as others are settles nothing for other cohorts its accounts are in.
    // Nor does reselling: what a part of a reseller's traffic carries is a question of its own.
    const settled =
      one.verdict === 'look-alike'
        ? one.rivals.some((r) => r.fits && mechanism(r) && r.id !== 'reseller')
        : one.verdict !== 'nothing' && one.kind !== 'reselling';
    if (settled) for (const m of one.members) taken.add(m.account);
  }
  // What was named since is no reference for what was asked beside it: of two campaigns in one log the second looked like the first, which passed for honest.
  const named = new Set(cases.filter((x) => x.verdict === 'campaign').flatMap((x) => x.members.map((m) => m.account)));
  const pure = clean.filter((n) => n.facts.accounts.filter((a) => named.has(a)).length < 0.3 * n.facts.accounts.length);
  if (pure.length < clean.length && pure.length >= LIMITS.pureNulls) {
    clean = pure;
    learned = learn(
      clean.map((n) => n.facts),
      Math.max(0, suspects.length - 1),
    );
    honest = honestFrom(learned, clean, k.mu);
    for (const [i, x] of cases.entries()) {
      const unsettled = x.verdict === 'undecided' || (x.verdict === 'look-alike' && x.rivals.filter((r) => r.fits).every(contentOnly));
      const of = asked[i];
      if (!of || !unsettled) continue;
      const own = apart(k, of.c, of.bits, clean, learned, honest, suspects.length);
      besides.push(of.c.accounts.length);
      const elsewhere = new Set(taken);
      for (const m of x.members) if (!named.has(m.account)) elsewhere.delete(m.account);
      const one = settleBoth(bench(own.learned, own.honest, elsewhere), of, scopes.get(of.c) ?? null);
      cases[i] = one;
      if (one.verdict === 'campaign' || one.verdict === 'undecided') for (const m of one.members) taken.add(m.account);
    }
  }
  const again = (c: Candidate, f: Facts): Case => {
    besides.push(c.accounts.length);
    return settle(bench(learned, honest, others(c, taken)), { c, f }, scopes.get(c) ?? null);
  };
  const together = (parts: readonly Case[], looks: number): Case | null => {
    const one = asOne(bench(learned, honest, taken), parts, looks);
    if (one) besides.push(one.candidate.accounts.length);
    return one;
  };
  joinSuccessors(cases, t, k, learned, again);
  // What ties accounts goes before what they send: a queue on the same kind of task would take a group of workers to itself. Pieces that are put together by their deck may be tied to others as a whole.
  joinTied(cases, t, learned, together);
  await joinPieces(cases, learned, (c) => look(t, k, c, o, scopes), again);
  joinTied(cases, t, learned, together);
  for (const [i, x] of cases.entries()) {
    if (x.verdict !== 'campaign' || tiedAccounts(learned, x.facts)) continue;
    const feed = publicFeed(await o.recurring(accountsOf(x)), t.from, t.to);
    const said = feed ?? (await ownVoices(t, x.facts, honest, o.scoped, o.spoken));
    if (said)
      cases[i] = {
        ...x,
        verdict: 'undecided',
        kind: feed ? 'one source, hands unresolved' : 'purpose unclear',
        barred: true,
        missing: [said, ...lacking(x.facts, x.ledger, honest, o.confidenceMin)],
      };
  }
  const open = first.map((x) =>
    rivals(x.f, x.c, t, honest, o.without).some((r) => r.fits && mechanism(r)) ? Number.NEGATIVE_INFINITY : x.bits - PRIOR.coordination,
  );
  const sizes = [...found.candidates.map((c) => c.accounts.length), ...besides];
  const bound = discoveries(
    cases.filter((x) => x.verdict === 'campaign').map((x) => ({ bits: evidenceBits(x), accounts: x.candidate.accounts.length })),
    open,
    cases.filter((x) => !x.barred).map(evidenceBits),
    sizes,
    (t.to - t.from) / DAY,
    o,
  );
  const weight = weights(sizes);
  for (const [i, x] of cases.entries()) {
    const short = bound.threshold_bits - weight(x.candidate.accounts.length) - evidenceBits(x);
    if (x.verdict !== 'campaign' || short <= 0) continue;
    cases[i] = {
      ...x,
      verdict: 'undecided',
      missing: [
        `coordination lacks ${short.toFixed(1)} bits for ${bound.binding === 'honest accounts a month' ? `at most ${o.honestPerMonth} honest accounts named a month` : `the false discovery rate of ${o.alpha}`} over ${bound.tested} cohorts at look ${o.look}: ${more(x, short, clean.length)}`,
        ...lacking(x.facts, x.ledger, honest, o.confidenceMin),
      ],
    };
  }
  return {
    discoveries: bound,
    cases,
    tested: found.candidates.length,
    leftOut: found.leftOut,
    nulls,
    references: refs.accounts,
    tenured: refs.tenured,
    learned,
  };
}

/** The table with the activity over time of all accounts that cohorts and null cohorts are made of. */
async function withBeats(
  t: Table,
  nullSets: readonly (readonly number[])[],
  found: readonly Candidate[],
  refs: readonly number[],
  o: JudgeOptions,
): Promise<Table> {
  const asked = new Set<number>(nullSets.flat());
  for (const c of found) {
    if (asked.size >= LIMITS.beats) break;
    for (const a of inStepSample(c.accounts)) asked.add(a);
  }
  const accounts = [...asked].sort((x, y) => x - y);
  const beats = await o.beats(accounts);
  const rowOf = new Int32Array(t.rows.length).fill(-1);
  accounts.forEach((a, i) => {
    rowOf[a] = i;
  });
  const common = commonBeat(
    beats,
    refs.map((a) => rowOf[a] as number).filter((r) => r >= 0),
  );
  return { ...t, beats: { ...beats, rowOf, common } };
}

/** Bits below what null cohorts can show at most, within which a figure is as high as it can be. */
const FULL = 0.5;

/** What would bring some bits more. What so many null cohorts can show is bounded, and figures that are there gain nothing by more exchanges. */
function more(x: Case, short: number, nulls: number): string {
  const most = Math.log2(nulls + 1);
  const rows = x.ledger.evidence.filter((e) => e.axis === 'coordination' && e.bits > 0.5);
  const full = rows.filter((e) => e.bits >= most - FULL).length;
  const tie = 'a tie of another kind would give them';
  if (rows.length === 0 || full === rows.length)
    return `${tie}; more exchanges would not, for each figure says as much as ${nulls} null cohorts let it (${most.toFixed(1)} bits), and more reference accounts would let it say more`;
  return `${tie}, or about ${roughly((x.facts.exchanges * short) / Math.max(1, evidenceBits(x)))} more exchanges of these accounts, if what they show grows as it has${full > 0 ? ` (${full} of ${rows.length} figures cannot: ${nulls} null cohorts let none say more than ${most.toFixed(1)} bits)` : ''}`;
}

/** Two figures of a number are as much as such an estimate is worth. */
const roughly = (n: number): string => Number(Math.ceil(n).toPrecision(2)).toLocaleString('en-US');

/** Evidence of coordination without the prior: log2 of the cohort's e-value. */
const evidenceBits = (x: Case): number => x.ledger.coordinationBits - PRIOR.coordination;

/** Accounts settled elsewhere: what is taken, without the members of the cohort itself. */
function others(c: Candidate, taken: ReadonlySet<number>): Set<number> {
  const own = new Set(c.accounts);
  return new Set([...taken].filter((a) => !own.has(a)));
}

export interface Found {
  readonly c: Candidate;
  readonly f: Facts;
  readonly bits: number;
}

/**
 * Cohorts that share a sentence before diffuse ones: two campaigns after the same kind of task are neighbours in content, and the
 * sentence tells them apart. Then the likeliest first; of a cohort and its fragments the whole one: the search cuts a large cohort at random, and of many pieces
 * one always looks more even than the whole. A whole that is dealt from one deck therefore goes before its pieces, and before sentences that each a small part of it sends.
 */
export function ordered(list: readonly Found[], learned: Learned): Found[] {
  const deckModel = learned.models.get(deckSignal.id) as never;
  const weight = new Map(list.map((x) => [x, x.bits + 1.5 * Math.log2(x.c.accounts.length)]));
  const sentenced = (x: Found): boolean => x.c.sources.includes('scaffold') && x.bits > LIMITS.crispBits;
  const first = new Set(list.filter(sentenced));
  const wholes = list
    .filter((x) => x.c.sources.includes('kindred') && deckSignal.weigh(x.f, deckModel).bits >= WHOLE.deckBits)
    .sort((x, y) => x.c.accounts.length - y.c.accounts.length);
  const last = wholes.reduce((most, y) => y.c.accounts.reduce((m, a) => Math.max(m, a), most), 0);
  const inside = new Uint8Array(last + 1);
  for (const y of wholes) {
    for (const a of y.c.accounts) inside[a] = 1;
    const within = (x: Found): number => x.c.accounts.reduce((n, a) => n + (inside[a] ?? 0), 0);
    const pieces = list.filter(
      (x) => x !== y && x.c.accounts.length * WHOLE.larger <= y.c.accounts.length && within(x) >= WHOLE.inside * x.c.accounts.length,
    );
    for (const a of y.c.accounts) inside[a] = 0;
    for (const x of pieces) weight.set(y, Math.max(weight.get(y) as number, (weight.get(x) as number) + 1e-6));
    // One operator's many wordings are each a small part of the whole; a sentence that a good part of it sends may be another hand's.
    const told = pieces.filter(sentenced);
    // Sentences beside many accounts that carry none are other crowds' briefs: their carriers are asked about first.
    const spoken = new Set(told.flatMap((x) => x.c.accounts)).size;
    if (
      told.length > 1 &&
      spoken >= WHOLE.spoken * y.c.accounts.length &&
      told.every((x) => x.c.accounts.length * WHOLE.wordings <= y.c.accounts.length)
    )
      first.add(y);
  }
  const crisp = (x: Found) => (first.has(x) ? 1 : 0);
  return [...list].sort(
    (x, y) =>
      crisp(y) - crisp(x) || (weight.get(y) as number) - (weight.get(x) as number) || (y.c.accounts[0] ?? 0) - (x.c.accounts[0] ?? 0),
  );
}

const WHOLE = { deckBits: 4, larger: 1.2, inside: 0.8, wordings: 3, spoken: 0.5 } as const;

/** Cohorts that mostly overlap are one. */
function distinct<T extends { readonly c: Candidate }>(list: readonly T[]): T[] {
  const held = new Set<number>();
  return list.filter((x) => {
    const fresh = x.c.accounts.filter((a) => !held.has(a)).length;
    for (const a of x.c.accounts) held.add(a);
    return fresh >= 0.5 * x.c.accounts.length;
  });
}

/**
 * Null cohorts for one cohort leave out the cohort and its neighbours in content: where a campaign is most of the accounts there is hardly
 * another reference, and the shipped prior has to do.
 */
function apart(
  k: Kin,
  c: Candidate,
  bits: number,
  nulls: readonly NullCohort[],
  learned: Learned,
  honest: Honest,
  suspects: number,
): { learned: Learned; honest: Honest } {
  const far = farFrom(k, c, nulls);
  // A handful of neighbours more or less changes no robust fit; what families count twice is a mean, and one null cohort of the campaign's own would set it.
  if (far.length === nulls.length || (far.length >= LIMITS.farShare * nulls.length && bits < LIMITS.apartBits)) return { learned, honest };
  const own = learn(
    far.map((n) => n.facts),
    Math.max(0, suspects - 1),
  );
  return { learned: own, honest: honestFrom(own, far, k.mu) };
}

/** Whose own nearest neighbours are in a cohort by this part, and by so many times as often as chance would have it, is near it. */
const NEAR = { part: 0.25, chance: 2 } as const;

/**
 * Null cohorts that hold hardly anybody of a cohort and of those who are near it in content. Who is near is asked of the account and not of the cohort: its own nearest neighbours are there. Of a large cohort somebody
 * points at nearly everybody, and no null cohort would be left.
 */
function farFrom(k: Kin, c: Candidate, nulls: readonly NullCohort[]): NullCohort[] {
  const inside = marked(c.accounts, k.near);
  // Whether an account is near, once asked.
  const asked = new Int8Array(inside.length);
  const least = k.near.k * Math.min(0.9, Math.max(NEAR.part, (NEAR.chance * c.accounts.length) / Math.max(1, k.active.length)));
  const near = (a: number): boolean => {
    if (asked[a] === 0) asked[a] = inside[a] === 1 || neighboursIn(inside, k.near, a) >= least ? 1 : -1;
    return asked[a] === 1;
  };
  return nulls.filter((n) => n.facts.accounts.filter(near).length < 0.3 * n.facts.accounts.length);
}

/** What speaks for a cohort before its members are told. Held against itself, a campaign that is most of the accounts would look like everybody. */
function firstBits(k: Kin, c: Candidate, f: Facts, nulls: readonly NullCohort[], learned: Learned): number {
  const far = farFrom(k, c, nulls);
  const own = far.length < LIMITS.ownNulls * nulls.length ? learn(far.map((n) => n.facts)) : learned;
  return ledger(f, own, c.sources, []).coordinationBits;
}

/** Without text it is their ties that put accounts together: whoever holds none of those that are mostly the cohort's own is in it for a value that many strangers show. */
function tiedOnly(t: Table, k: Kin, c: Candidate, f: Facts): { readonly c: Candidate; readonly f: Facts } {
  const accounts = privateHolders(t, f);
  if (accounts.length < COHORT.accountsMin || accounts.length === c.accounts.length) return { c, f };
  return { c: { ...c, accounts }, f: factsOf(t, accounts, k.mu) };
}

function honestFrom(learned: Learned, nulls: readonly NullCohort[], mu: Float64Array): Honest {
  const model = learned.models.get('deck') as { low: number; logMedian: number };
  const d = nulls.map((n) => n.facts.distance).filter(Number.isFinite);
  const out = nulls.map((n) => n.facts.outTokensMedian).filter((x) => x > 0);
  const w = nulls.map((n) => n.facts.deck?.within ?? Number.NaN).filter(Number.isFinite);
  return {
    rhoLow: model.low,
    rhoMedian: Math.exp(model.logMedian),
    withinMedian: w.length >= 5 ? quantile(w, 0.5) : 0,
    distanceLow: d.length >= 10 ? 0.5 * quantile(d, 0.05) : 0,
    outMedian: out.length >= 5 ? quantile(out, 0.5) : 0,
    span: new Span(
      nulls.flatMap((n) => (n.facts.pooled ? [n.facts.pooled] : [])),
      mu,
    ),
  };
}

async function look(t: Table, k: Kin, c: Candidate, o: JudgeOptions, scopes: Map<Candidate, View>): Promise<Facts | null> {
  if (c.accounts.length < COHORT.accountsMin) return null;
  if (c.scaffold.length > 0 && t.hasText) {
    // Accounts that carry the sentence in part of their traffic are tested on that part.
    const part = median(c.accounts.map(carried(t, c)).filter((x) => x > 0));
    const spread = Math.max(...c.scaffold.map((v) => t.values[v]?.accounts.length ?? 0));
    if (part < 0.85 && spread <= 2 * c.accounts.length) {
      const view = await o.scoped(c.accounts, c.scaffold);
      // What all of it says is one thing: that is an item that several of them ask, and no instruction about items.
      if (oneItem(view.cells)) return factsOf(t, c.accounts, k.mu);
      scopes.set(c, view);
      return factsOf(t, c.accounts, k.mu, view);
    }
  }
  return factsOf(t, c.accounts, k.mu);
}
