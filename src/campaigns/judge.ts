import type { Kind } from '../model/dossier.ts';
import { deckSignal } from '../signals/deck.ts';
import { successionSignal } from '../signals/succession.ts';
import { type Candidate, COHORT, candidates, type Kin, kin } from './candidates.ts';
import { type Discoveries, discoveries } from './discoveries.ts';
import { DAY, type Facts, factsOf, sampled, succession, type View } from './facts.ts';
import { type Learned, type Ledger, learn, ledger, PRIOR } from './ledger.ts';
import { carrierShares, honestCarriers, type Judged, judgeCarriers, judgeMembers, Pool, shares } from './membership.ts';
import { type NullCohort, nullCohorts, references } from './nulls.ts';
import { explained, type Honest, mechanism, ONE_TASK, type Rival, rivals, TASK } from './rivals.ts';
import { median, quantile } from './stats.ts';
import type { Table } from './table.ts';

export type Verdict = 'campaign' | 'other kind' | 'look-alike' | 'undecided' | 'nothing';

/** One cohort, judged. */
export interface Case {
  readonly candidate: Candidate;
  readonly facts: Facts;
  readonly ledger: Ledger;
  readonly rivals: readonly Rival[];
  readonly members: readonly Judged[];
  readonly verdict: Verdict;
  readonly kind: Kind;
  readonly missing: readonly string[];
  readonly confidence: number;
}

export interface Judgement {
  readonly cases: readonly Case[];
  readonly tested: number;
  readonly leftOut: number;
  readonly nulls: readonly NullCohort[];
  readonly references: readonly number[];
  readonly tenured: boolean;
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
  readonly without?: readonly string[];
  readonly progress?: (said: string, done: number, all: number) => void;
}

const LIMITS = {
  look: 120,
  crowd: 3_000,
  honestSample: 150,
  membersMin: 5,
  suspectBits: -4,
  crispBits: -6,
  worthBits: -7,
  farShare: 0.8,
  openExtraction: 0.25,
} as const;

/** Link -> cohort -> test -> membership -> verdict. Seeded; no I/O of its own but the scoped cells it is given. */
export async function judge(t: Table, o: JudgeOptions): Promise<Judgement> {
  const k = kin(t, o.seed);
  const found = candidates(t, k, o.seed);
  const refs = references(t, k);
  const drawn = nullCohorts(t, k, refs.accounts, o.seed);
  const rough = honestFrom(learn(drawn.map((n) => n.facts)), drawn);
  const nulls = drawn.filter((n) => !explained(n.facts, t, rough));
  let learned = learn(nulls.map((n) => n.facts));
  let honest = honestFrom(learned, nulls);
  const scopes = new Map<Candidate, View>();
  let first: { c: Candidate; f: Facts; bits: number }[] = [];
  for (const [i, c] of found.candidates.entries()) {
    o.progress?.('testing cohorts', i, found.candidates.length);
    const f = await look(t, k, c, o, scopes);
    if (f) first.push({ c, f, bits: ledger(f, learned, c.sources, []).coordinationBits });
  }
  first.sort(order);
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
    honest = honestFrom(learned, clean);
    first = first.map((x) => ({ ...x, bits: ledger(x.f, learned, x.c.sources, []).coordinationBits })).sort(order);
  }
  const cases: Case[] = [];
  const taken = new Set<number>();
  for (const [i, x] of first.slice(0, LIMITS.look).entries()) {
    o.progress?.('judging members', i, Math.min(LIMITS.look, first.length));
    const fresh = x.c.accounts.filter((a) => !taken.has(a)).length;
    if (fresh < COHORT.accountsMin || fresh < 0.5 * x.c.accounts.length) continue;
    const own = apart(k, x.c, clean, learned, honest, suspects.length);
    const one = settle(t, k, x, scopes.get(x.c) ?? null, own.learned, own.honest, refs.accounts, taken, o);
    cases.push(one);
    // A cohort that is merely as different as others are settles nothing for other cohorts its accounts are in.
    const settled = one.verdict === 'look-alike' ? one.rivals.some((r) => r.fits && mechanism(r)) : one.verdict !== 'nothing';
    if (settled) for (const m of one.members) taken.add(m.account);
  }
  joinSuccessors(cases, t, k, learned, (c, f) =>
    settle(t, k, { c, f, bits: 0 }, null, learned, honest, refs.accounts, others(c, taken), o),
  );
  const open = first.map((x) =>
    rivals(x.f, x.c, t, honest, o.without).some((r) => r.fits && mechanism(r)) ? Number.NEGATIVE_INFINITY : x.bits - PRIOR.coordination,
  );
  const bound = discoveries(
    cases.filter((x) => x.verdict === 'campaign').map((x) => ({ bits: evidenceBits(x), accounts: x.members.length })),
    open,
    found.candidates.length,
    (t.to - t.from) / DAY,
    o,
  );
  for (const [i, x] of cases.entries()) {
    if (x.verdict !== 'campaign' || evidenceBits(x) >= bound.threshold_bits) continue;
    const short = bound.threshold_bits - evidenceBits(x);
    cases[i] = {
      ...x,
      verdict: 'undecided',
      missing: [
        `coordination lacks ${short.toFixed(1)} bits for the false discovery rate of ${o.alpha} over ${bound.tested} cohorts at look ${o.look}: about ${Math.ceil((100 * short) / Math.max(1, evidenceBits(x)))} % more evidence, from more exchanges of these accounts or a second tie`,
        ...lacking(x.facts, x.ledger, honest),
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
  };
}

/** Evidence of coordination without the prior: log2 of the cohort's e-value. */
const evidenceBits = (x: Case): number => x.ledger.coordinationBits - PRIOR.coordination;

const JOIN = { successionBits: 3, deckBits: 2, most: 40 } as const;

/**
 * Joins two cohorts into one case where the accounts of one take over from the other's within the hour and both are dealt from one deck: same deck alone is
 * not same hand. The pair is judged again as one cohort.
 */
function joinSuccessors(cases: Case[], t: Table, k: Kin, learned: Learned, again: (c: Candidate, f: Facts) => Case): void {
  const deckModel = learned.models.get(deckSignal.id) as never;
  const open = (x: Case): boolean => x.verdict === 'campaign' || x.verdict === 'undecided' || x.verdict === 'other kind';
  for (let i = 0; i < Math.min(cases.length, JOIN.most); i++) {
    for (let j = i + 1; j < Math.min(cases.length, JOIN.most); j++) {
      const [a, b] = [cases[i] as Case, cases[j] as Case];
      if (!open(a) || !open(b) || (a.verdict !== 'campaign' && b.verdict !== 'campaign')) continue;
      const [x, y] = [a.members.map((m) => m.account), b.members.map((m) => m.account)];
      const bits = (from: readonly number[], to: readonly number[]): number =>
        successionSignal.weigh({ ...a.facts, succession: succession(t, from, to) }, learned.models.get(successionSignal.id) as never).bits;
      if (Math.max(bits(x, y), bits(y, x)) < JOIN.successionBits) continue;
      const accounts = [...new Set([...x, ...y])].sort((p, q) => p - q);
      const facts = factsOf(t, accounts, k.mu);
      if (deckSignal.weigh(facts, deckModel).bits < JOIN.deckBits) continue;
      const candidate: Candidate = {
        accounts,
        sources: [...new Set([...a.candidate.sources, ...b.candidate.sources])],
        scaffold: [...new Set([...a.candidate.scaffold, ...b.candidate.scaffold])],
      };
      const one = again(candidate, facts);
      // Joined, they must hold as one campaign: otherwise they stay what they were.
      if (one.verdict !== 'campaign') continue;
      cases[i] = one;
      cases.splice(j, 1);
      j = i;
    }
  }
}

/** Accounts settled elsewhere: what is taken, without the members of the cohort itself. */
function others(c: Candidate, taken: ReadonlySet<number>): Set<number> {
  const own = new Set(c.accounts);
  return new Set([...taken].filter((a) => !own.has(a)));
}

/**
 * Cohorts that share a sentence before diffuse ones: two campaigns after the same kind of task are neighbours in content, and the
 * sentence tells them apart. Then the likeliest first; of a cohort and its fragments the whole one, which a fragment may pass by luck.
 */
const order = (x: { c: Candidate; bits: number }, y: { c: Candidate; bits: number }): number => {
  const crisp = (z: typeof x) => (z.c.sources.includes('scaffold') && z.bits > LIMITS.crispBits ? 1 : 0);
  const weight = (z: typeof x) => z.bits + 1.5 * Math.log2(z.c.accounts.length);
  return crisp(y) - crisp(x) || weight(y) - weight(x) || (y.c.accounts[0] ?? 0) - (x.c.accounts[0] ?? 0);
};

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
  nulls: readonly NullCohort[],
  learned: Learned,
  honest: Honest,
  suspects: number,
): { learned: Learned; honest: Honest } {
  const near = new Set(c.accounts);
  for (const a of c.accounts) for (let x = 0; x < k.near.k; x++) near.add(k.near.ids[a * k.near.k + x] as number);
  const far = nulls.filter((n) => n.facts.accounts.filter((a) => near.has(a)).length < 0.3 * n.facts.accounts.length);
  // A handful of neighbours more or less changes no robust fit.
  if (far.length >= LIMITS.farShare * nulls.length) return { learned, honest };
  const own = learn(
    far.map((n) => n.facts),
    Math.max(0, suspects - 1),
  );
  return { learned: own, honest: honestFrom(own, far) };
}

function honestFrom(learned: Learned, nulls: readonly NullCohort[]): Honest {
  const model = learned.models.get('deck') as { low: number; logMedian: number };
  const d = nulls.map((n) => n.facts.distance).filter(Number.isFinite);
  return { rhoLow: model.low, rhoMedian: Math.exp(model.logMedian), distanceLow: d.length >= 10 ? 0.5 * quantile(d, 0.05) : 0 };
}

const granted = (t: Table, a: number): boolean => {
  const labels = t.records[a]?.labels ?? [];
  return labels.includes('approved:synthetic-data') || labels.includes('cleared');
};

function narrowed(scope: View | null, accounts: readonly number[]): View | undefined {
  if (!scope) return undefined;
  const set = new Set(accounts);
  return { rows: scope.rows, cells: scope.cells.filter((x) => set.has(x.account)) };
}

/** Part of an account's exchanges that carry one of the candidate's sentences. */
function carried(t: Table, c: Candidate): (a: number) => number {
  const set = new Set(c.scaffold);
  return (a) => {
    let best = 0;
    for (const { v, count } of t.valuesOf[a] ?? []) if (set.has(v)) best = Math.max(best, count / (t.rows[a]?.n ?? 1));
    return best;
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
      scopes.set(c, view);
      return factsOf(t, c.accounts, k.mu, view);
    }
  }
  return factsOf(t, c.accounts, k.mu);
}

function settle(
  t: Table,
  k: Kin,
  { c, f: before, bits }: { readonly c: Candidate; readonly f: Facts; readonly bits: number },
  scope: View | null,
  learned: Learned,
  honest: Honest,
  refs: readonly number[],
  taken: ReadonlySet<number>,
  o: JudgeOptions,
): Case {
  let accounts: readonly number[] = c.accounts.filter((a) => !taken.has(a));
  // A grant of the provider's, or a person's word, clears an account: it may be part of what a case is about, never of who is named. Where most hold one, that explains the cohort.
  const free = accounts.filter((a) => !granted(t, a));
  if (free.length >= LIMITS.membersMin && free.length > 0.5 * accounts.length) accounts = free;
  let few = false;
  let members: Judged[] = accounts.map((account) => ({ account, membership: 0.5, share: Number.NaN, low: 0, high: 1 }));
  let facts = accounts.length === c.accounts.length ? before : factsOf(t, accounts, k.mu, narrowed(scope, accounts));
  const carries = carried(t, c);
  // Only cohorts that something speaks for, and that are not plainly heterogeneous, are worth the work of sharing out members.
  const half = 0.5 * accounts.length;
  if (
    bits > LIMITS.worthBits &&
    t.hasText &&
    ((facts.deck?.rho ?? 1) < honest.rhoMedian || facts.ties.scaffold.tied > half || facts.ties.network.tied > half)
  ) {
    for (let round = 0; round < (accounts.length > LIMITS.crowd ? 2 : 4); round++) {
      const judged = share(t, k, accounts, scope, carries, refs, taken, facts);
      const kept = judged.filter((j) => j.membership >= 0.5 && !granted(t, j.account));
      few = kept.length < LIMITS.membersMin;
      if (few) break;
      const same = kept.length === accounts.length;
      members = kept;
      accounts = kept.map((j) => j.account);
      facts = factsOf(t, accounts, k.mu, narrowed(scope, accounts));
      if (same) break;
    }
  }
  const tried = rivals(facts, c, t, honest, o.without);
  const book = ledger(
    facts,
    learned,
    c.sources,
    tried.filter((r) => r.bits !== 0).map((r) => ({ axis: r.axis, bits: r.bits, reason: r.reason, id: `rival:${r.id}` })),
  );
  const confidence = book.coordination * book.extraction;
  const fitting = tried.find((r) => r.fits && r.id !== ONE_TASK);
  const task = tried.find((r) => r.fits && r.id === ONE_TASK);
  const decided = decide(book, facts, fitting, confidence, o.confidenceMin);
  // A cohort in which hardly anyone is a member names nobody.
  const unmembered = decided.verdict === 'campaign' && (few || members.some((m) => granted(t, m.account)));
  // One task done by many hands looks like a small campaign: until more is taken nobody is named.
  const small = decided.verdict === 'campaign' && task !== undefined;
  const verdict = unmembered || small ? 'undecided' : decided.verdict;
  const kind = unmembered || small ? 'purpose unclear' : decided.kind;
  return {
    candidate: c,
    facts,
    ledger: book,
    rivals: tried,
    members,
    verdict,
    kind,
    missing:
      verdict === 'undecided'
        ? [
            ...(unmembered
              ? [
                  `membership: fewer than ${LIMITS.membersMin} accounts stand the test of belonging to the pool, without those that hold a grant`,
                ]
              : []),
            ...(small
              ? [`volume: ${task.reason}; more than ${TASK.requestsEach} requests an account, or a million output tokens, would decide`]
              : []),
            ...lacking(facts, book, honest),
          ]
        : [],
    confidence,
  };
}

function share(
  t: Table,
  k: Kin,
  accounts: readonly number[],
  scope: View | null,
  carries: (a: number) => number,
  refs: readonly number[],
  taken: ReadonlySet<number>,
  facts: Facts,
): Judged[] {
  const inside = new Set(accounts);
  const pool = new Pool(scope?.cells ?? sampled(accounts).flatMap((a) => t.profiles.cellsOf(a)));
  const near = new Set(accounts);
  // A crowd needs no neighbours: its community holds them already.
  for (const a of accounts.length > LIMITS.crowd ? [] : accounts) {
    for (let x = 0; x < k.near.k; x++) {
      const b = k.near.ids[a * k.near.k + x] as number;
      if (b >= 0 && !taken.has(b)) near.add(b);
    }
  }
  const honest = refs.filter((a) => !near.has(a));
  const step = Math.max(1, Math.floor(honest.length / LIMITS.honestSample));
  const sample = honest.filter((_, i) => i % step === 0);
  const tied = new Set<number>();
  const values = new Set([...facts.ties.identity.values, ...facts.ties.network.values]);
  for (const a of near) if ((t.valuesOf[a] ?? []).some((x) => values.has(x.v))) tied.add(a);
  const judged = judgeMembers(
    shares(
      t,
      pool,
      k.mu,
      [...near].sort((x, y) => x - y),
    ),
    shares(t, pool, k.mu, sample),
    (a) => inside.has(a) && tied.has(a),
    carries,
  );
  if (!scope) return judged;
  // Accounts that carry the sentence in part of their traffic are judged on that part.
  const part = (a: number): number => (scope.rows.get(a)?.n ?? 0) / (t.rows[a]?.n ?? 1);
  const every = Math.max(2, Math.round(1 / Math.max(0.02, median(accounts.map(part).filter((x) => x > 0)))));
  const carriers = new Map(
    judgeCarriers(carrierShares(t, pool, k.mu, part), honestCarriers(t, pool, k.mu, sample, every), part).map((j) => [j.account, j]),
  );
  // In a cohort of mixed accounts the sentence is what sets the campaign's part apart: content alone makes nobody a member who carries none of it.
  return judged.flatMap((j) => carriers.get(j.account) ?? (inside.has(j.account) && tied.has(j.account) ? j : []));
}

function decide(
  book: Ledger,
  f: Facts,
  fitting: Rival | undefined,
  confidence: number,
  confidenceMin: number,
): { verdict: Verdict; kind: Kind } {
  const oneHand = book.coordination >= 0.5;
  if (fitting) {
    if (fitting.becomes === 'look-alike' || !oneHand)
      return { verdict: 'look-alike', kind: fitting.becomes === 'look-alike' ? 'look-alike' : fitting.becomes };
    return { verdict: 'other kind', kind: fitting.becomes };
  }
  if (confidence >= confidenceMin) return { verdict: 'campaign', kind: 'extraction campaign' };
  if (oneHand && book.extraction < 0.5) {
    const farming = f.singleUse.k < 0.5 * f.singleUse.n && f.born.k >= 0.5 * f.born.n && f.born.n > 0;
    // One hand, and what it takes may or may not train a model: a question for a person, not an answer.
    if (!farming && book.extraction >= LIMITS.openExtraction) return { verdict: 'undecided', kind: 'purpose unclear' };
    return { verdict: 'other kind', kind: farming ? 'trial farming' : 'purpose unclear' };
  }
  const deck = book.evidence.find((e) => e.signal === 'deck');
  // Dealt from one deck and nothing else known: a source, and a question, that an analyst should see.
  const oneSource = deck !== undefined && deck.bits > 3 && book.extraction >= 0.1;
  if (oneSource || (book.coordination >= 0.02 && book.extraction >= 0.2))
    return { verdict: 'undecided', kind: oneSource ? 'one source, hands unresolved' : 'purpose unclear' };
  return { verdict: 'nothing', kind: 'purpose unclear' };
}

/** What would decide: said for each test that could not speak. */
function lacking(f: Facts, book: Ledger, honest: Honest): string[] {
  const out: string[] = [];
  if (f.deck && 3 * f.deck.se > honest.rhoLow) {
    const more = Math.ceil(f.deck.items * ((3 * f.deck.se) / honest.rhoLow) ** 2 - f.deck.items);
    out.push(
      `deck: about ${more} more distinct items over these ${f.deck.accounts} accounts (three standard errors are ${(3 * f.deck.se).toFixed(4)}, the honest 5 % quantile ${honest.rhoLow.toFixed(4)})`,
    );
  }
  if (!f.deck) out.push('deck: text of at least two opening requests from three members or more');
  const short = 3.3 - book.coordinationBits;
  if (short > 0)
    out.push(
      `coordination lacks ${short.toFixed(1)} bits for nine in ten: a second tie of another kind (identity, network, timing) or more reference accounts to judge against`,
    );
  const purpose = -Math.log2(1 / Math.max(1e-9, book.extraction) - 1);
  if (purpose < 0)
    out.push(
      `extraction lacks ${(-purpose).toFixed(1)} bits for one in two: text of more of their requests, or a person's look at what they ask for`,
    );
  for (const e of book.evidence) if (e.outcome === 'not applicable' && e.signal !== 'deck') out.push(`${e.signal}: ${e.reason}`);
  return out;
}
