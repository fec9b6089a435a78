import { createHash } from 'node:crypto';
import { mixOf } from '../campaigns/capability.ts';
import { type Facts, sampled } from '../campaigns/facts.ts';
import type { Judgement } from '../campaigns/judge.ts';
import type { Case } from '../campaigns/settle.ts';
import { probability } from '../campaigns/stats.ts';
import type { Table } from '../campaigns/table.ts';
import type { Beside, Coverage, Dossier, Evidence, Exemplar, Finding, LookAlike, Undecided } from '../model/dossier.ts';
import type { ScanOptions } from '../scan.ts';
import { type Cohort, type Day, firsts, type Place, sample, samples, type Taken, taken, timelines } from '../store/queries/cohorts.ts';
import { VALUE_SQL, type ValueKind } from '../store/queries/values.ts';
import type { Store } from '../store/store.ts';
import { type Opened, openTexts } from '../store/texts.ts';
import { calibration } from './calibration.ts';
import { concealment, usualRotation } from './concealment.ts';
import { commonValues, indicators } from './indicators.ts';
import { summary, title } from './words.ts';

const LIMITS = { lookAlikes: 60, undecided: 30, texts: 150, population: 1200, exemplars: 4, releases: 20 } as const;
/** Signals that a member's exchange shows by itself. */
const SHOWN_BY: ReadonlySet<string> = new Set([
  'deck',
  'partition',
  'scaffold',
  'one-form',
  'elicitation',
  'single-use',
  'useful-output',
  'haul',
  'breadth',
  'fresh-items',
]);
/** Signals that the first exchange of members shows: when they were there, and of what account. */
const BEGUN_BY: ReadonlySet<string> = new Set([
  'signup-burst',
  'starts-together',
  'succession',
  'pivot',
  'even-rates',
  'even-sessions',
  'sleepless',
  'lockstep',
  'client',
]);
const CALIBRATED = 'simulated worlds (see docs/results.md); not a frequency measured on real campaigns';

const iso = (t: number): string => new Date(t).toISOString();
const round = (x: number, digits = 4): number => (Number.isFinite(x) ? Number(x.toFixed(digits)) : 0);

/** Short and stable: the same accounts found again get the same id. */
export function idOf(accounts: readonly string[]): string {
  return `c-${createHash('sha256')
    .update([...accounts].sort().slice(0, 12).join('\n'))
    .digest('hex')
    .slice(0, 8)}`;
}

/** One document from a judgement: what every renderer shows. */
export async function assemble(
  store: Store,
  t: Table,
  judgement: Judgement | null,
  coverage: Coverage,
  o: ScanOptions,
  stages: readonly { readonly stage: string; readonly ms: number }[],
): Promise<Dossier> {
  const calibrated = calibration(judgement);
  const cases = judgement?.cases ?? [];
  const shown = cases
    .filter((c) => c.verdict === 'campaign')
    .concat(cases.filter((c) => c.verdict === 'undecided').slice(0, LIMITS.undecided));
  const known = await askAll(store, t, shown, o.until ?? null);
  const opened = await openAll(store, known, o);
  await keepExemplars(store, known, opened, o);
  const honest: Usual = {
    nulls: judgement?.learned.nulls ?? [],
    rotation: shown.length > 0 ? usualRotation(t, judgement?.references ?? []) : 0,
  };
  const campaigns: Finding[] = [];
  const undecided: Undecided[] = [];
  const lookAlikes: LookAlike[] = [];
  for (const c of cases) {
    const own = known.get(c);
    if (own && c.verdict === 'campaign') campaigns.push(finding(t, c, own, opened, honest, o));
    else if (own) undecided.push({ ...finding(t, c, own, opened, honest, o), missing: c.missing });
    else if ((c.verdict === 'look-alike' || c.verdict === 'other kind') && lookAlikes.length < LIMITS.lookAlikes)
      lookAlikes.push(lookAlike(t, c));
  }
  campaigns.sort((x, y) => y.confidence - x.confidence || y.exchanges - x.exchanges);
  return {
    schema: 'stillwatch.dossier/1',
    generated: o.now.toISOString(),
    version: o.version,
    window: { from: t.rows.length > 0 ? iso(t.from) : null, to: t.rows.length > 0 ? iso(t.to) : null },
    coverage: cutOff(coverage, cases),
    campaigns,
    undecided,
    look_alikes: lookAlikes,
    tested: {
      cohorts: judgement?.tested ?? 0,
      null_cohorts: judgement?.nulls.length ?? 0,
      reference_accounts: judgement?.references.length ?? 0,
      signals: calibrated.signals,
    },
    releases: t.releases.slice(0, LIMITS.releases).map((r) => ({ model: r.model, at: iso(r.at) })),
    timing: { stages, signals: calibrated.cost },
    ...(judgement ? { false_discovery: judgement.discoveries } : {}),
  };
}

/** Says how many undecided cohorts are beyond what is shown: nobody should take the list for all there is. */
function cutOff(coverage: Coverage, cases: readonly Case[]): Coverage {
  const more = cases.filter((c) => c.verdict === 'undecided').length - LIMITS.undecided;
  if (more <= 0) return coverage;
  return {
    ...coverage,
    not_applicable: [
      ...coverage.not_applicable,
      { signal: 'undecided', because: `${more} more undecided cohorts are not shown, of less confidence than those that are` },
    ],
  };
}

/** What concealment is held against. */
interface Usual {
  readonly nulls: readonly Facts[];
  /** Addresses a day that most accounts stay under. */
  readonly rotation: number;
}

/** A replay of history shows no text; any other scan looks for it, in the store and in its inputs. */
const reads = (o: ScanOptions): boolean => o.inputs.length > 0 || o.record !== false;

/** The families of ties whose first exchanges are shown. */
const TIED = ['network', 'identity'] as const;

/** What the store tells of one finding. */
interface Known {
  /** A sample of its exchanges. */
  readonly places: readonly Place[];
  readonly loot: Taken;
  readonly days: readonly Day[];
  /** First exchanges of members. */
  readonly begun: readonly Place[];
  /** Values that another finding's members show too. */
  readonly common: readonly number[];
  /** First exchanges of those who share the commonest value of a family. */
  readonly tied: Partial<Record<(typeof TIED)[number], readonly Place[]>>;
}

/** Part of an account's exchanges that is the campaign's; all of them where nothing tells. */
const partOf = (m: Case['members'][number]): number => (Number.isNaN(m.share) ? 1 : m.share);

/** Asks the store about all that is shown, together. */
async function askAll(store: Store, t: Table, shown: readonly Case[], until: number | null): Promise<ReadonlyMap<Case, Known>> {
  const hash = (account: number): string => t.rows[account]?.acct ?? '';
  const cohorts = shown.map((c): Cohort => {
    const mixed = c.members.some((m) => m.share < 1);
    return { accts: c.members.map((m) => hash(m.account)), ...(mixed ? { shares: c.members.map(partOf) } : {}) };
  });
  const read = shown.map((c): Cohort => ({ accts: t.hasText ? sampled(c.members.map((m) => m.account)).map(hash) : [] }));
  const marks = shown.map((c) => c.candidate.scaffold.map((v) => t.values[v]?.value ?? ''));
  const places = await samples(store, LIMITS.texts, until, read, marks);
  const loot = await taken(store, cohorts, until);
  const days = await timelines(store, cohorts, until);
  const begun = await firsts(
    store,
    LIMITS.exemplars,
    until,
    shown.map((c) => ({ accts: earliest(t, c).map(hash) })),
  );
  const common = commonValues(t, shown);
  const tied = shown.map((): Known['tied'] => ({}));
  for (const family of TIED) {
    const values = shown.map((c) => t.values[c.facts.ties[family].values[0] ?? -1]);
    for (const kind of new Set(values.flatMap((v) => (v ? [v.kind] : [])))) {
      const firstOf = await shownFirst(store, t, shown, values, kind, until);
      firstOf.forEach((list, i) => {
        const own = tied[i];
        if (own && values[i]?.kind === kind) own[family] = list;
      });
    }
  }
  return new Map(
    shown.map((c, i) => [
      c,
      {
        places: places[i] ?? [],
        loot: loot[i] ?? { items: 0, output: 0, reasoning: 0, models: {} },
        days: days[i] ?? [],
        begun: begun[i] ?? [],
        tied: tied[i] ?? {},
        common: common[i] ?? [],
      },
    ]),
  );
}

/** The members that were there first, as many as are shown: those of one moment all. */
function earliest(t: Table, c: Case): number[] {
  const first = (account: number): number => t.rows[account]?.first ?? 0;
  const members = c.members.map((m) => m.account).sort((x, y) => first(x) - first(y));
  const last = first(members[Math.min(LIMITS.exemplars, members.length) - 1] ?? -1);
  return members.filter((a) => first(a) <= last);
}

/** First exchanges of the members who share a value of one kind, by finding. A card or a mail address stands in the account's record: any exchange of theirs will do. */
function shownFirst(
  store: Store,
  t: Table,
  shown: readonly Case[],
  values: readonly (Table['values'][number] | undefined)[],
  kind: ValueKind,
  until: number | null,
): Promise<Place[][]> {
  const cohorts = shown.map((c, i): Cohort => {
    const v = values[i];
    const own = new Set(c.members.map((m) => m.account));
    return { accts: v?.kind === kind ? [...v.accounts].filter((a) => own.has(a)).map((a) => t.rows[a]?.acct ?? '') : [] };
  });
  const sql = VALUE_SQL[kind];
  return firsts(store, LIMITS.exemplars, until, cohorts, sql ? { sql, is: values.map((v) => v?.value ?? '') } : undefined);
}

interface OpenedTexts {
  readonly population: Record<string, number>;
  readonly texts: ReadonlyMap<string, Opened>;
}

/** Texts of all that is shown, and of a sample of everybody to compare with: the inputs are gone through once, however many findings there are. */
async function openAll(store: Store, known: ReadonlyMap<Case, Known>, o: ScanOptions): Promise<OpenedTexts> {
  const places = [...known.values()].flatMap((x) => x.places);
  if (places.length === 0 || !reads(o)) return { population: {}, texts: new Map() };
  const everybody = await sample(store, LIMITS.population, o.until ?? null);
  const texts = await openTexts(store, [...new Map([...everybody, ...places].map((p) => [p.key, p])).values()], o.inputs, o);
  const population = everybody.flatMap((p) => texts.get(p.key) ?? []);
  return { population: rounded(mixOf(population.map((x) => ({ text: x.text, tools: x.place.tools })))), texts };
}

/** Texts that findings cite, where retention allows them to be kept. */
async function keepExemplars(store: Store, known: ReadonlyMap<Case, Known>, opened: OpenedTexts, o: ScanOptions): Promise<void> {
  if (o.retention === 'none') return;
  const at = o.now.toISOString();
  await store.insert(
    'exemplars',
    [...known.values()]
      .flatMap((x) => x.places.slice(0, LIMITS.exemplars))
      .flatMap((p) => {
        const text = opened.texts.get(p.key)?.text;
        return text === undefined ? [] : [{ key: p.key, id: p.id, account: p.account, time: iso(p.time), text, at }];
      }),
  );
}

const rounded = (mix: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(mix).map(([k, v]) => [k, round(v, 3)]));

/** Of the rows as they are printed: the ledger a reader adds up is the probability they are shown. */
const oddsOf = (evidence: readonly Pick<Evidence, 'axis' | 'bits'>[], axis: Evidence['axis']): number =>
  probability(evidence.reduce((x, e) => x + (e.axis === axis ? e.bits : 0), 0));

function finding(t: Table, c: Case, known: Known, opened: OpenedTexts, honest: Usual, o: ScanOptions): Finding {
  const members = c.members.map((m) => ({ m, row: t.rows[m.account] })).filter((x) => x.row !== undefined);
  const { places, loot, days } = known;
  const { population, texts } = opened;
  const exemplars = places.slice(0, LIMITS.exemplars).map((p): Exemplar => {
    const text = o.retention === 'none' ? undefined : texts.get(p.key)?.text;
    return { exchange: p.id, account: p.account, time: iso(p.time), ...(text === undefined ? {} : { text }) };
  });
  const first = Math.min(...members.map((x) => x.row?.first ?? 0));
  const last = Math.max(...members.map((x) => x.row?.last ?? 0));
  const exchanges = members.reduce((x, m) => x + (m.row?.n ?? 0) * partOf(m.m), 0);
  const whole = members.reduce((x, m) => x + (m.row?.n ?? 0), 0);
  // Cover traffic is not loot: what was taken is scaled to the campaign's part of its members' exchanges.
  const part = whole > 0 ? exchanges / whole : 1;
  const asExemplar = (p: Place): Exemplar => ({ exchange: p.id, account: p.account, time: iso(p.time) });
  const hidden = concealment(c, honest.nulls, honest.rotation);
  const mix = rounded(mixOf(places.flatMap((p) => texts.get(p.key) ?? []).map((x) => ({ text: x.text, tools: x.place.tools }))));
  const joined = new Map<string, number>();
  const closed = new Map<string, number>();
  for (const { m, row } of members) {
    const d = iso(row?.first ?? 0).slice(0, 10);
    joined.set(d, (joined.get(d) ?? 0) + 1);
    const end = t.records[m.account]?.closed;
    if (end) closed.set(iso(end).slice(0, 10), (closed.get(iso(end).slice(0, 10)) ?? 0) + 1);
  }
  const evidence: Evidence[] = [
    ...c.ledger.evidence.map((e) => ({
      ...e,
      bits: round(e.bits, 2),
      exemplars: SHOWN_BY.has(e.signal)
        ? exemplars
        : BEGUN_BY.has(e.signal)
          ? known.begun.map(asExemplar)
          : e.signal === 'network' || e.signal === 'identity'
            ? (known.tied[e.signal] ?? []).map(asExemplar)
            : [],
    })),
    ...hidden.evidence,
  ];
  const coordination = oddsOf(evidence, 'coordination');
  const extraction = oddsOf(evidence, 'extraction');
  const base: Omit<Finding, 'title' | 'summary'> = {
    id: idOf(members.map((x) => x.row?.account ?? '')),
    kind: c.kind,
    confidence: round(coordination * extraction),
    calibrated_on: CALIBRATED,
    axes: { coordination: round(coordination), extraction: round(extraction), concealment: round(hidden.confidence) },
    first_seen: iso(first),
    last_seen: iso(last),
    exchanges: Math.round(exchanges),
    accounts: members
      .map(({ m, row }) => ({
        account: row?.account ?? '',
        membership: round(m.membership),
        exchanges: row?.n ?? 0,
        // Digits enough for what others add up from them to be what is told.
        share: round(partOf(m), 5),
        share_low: round(m.low, 5),
        share_high: round(m.high, 5),
        first_seen: iso(row?.first ?? 0),
        last_seen: iso(row?.last ?? 0),
      }))
      .sort((x, y) => y.membership - x.membership || y.exchanges - x.exchanges),
    ...(c.beside.length > 0 ? { beside: besideOf(t, c) } : {}),
    capabilities: mix,
    population_capabilities: population,
    models: loot.models,
    loot: {
      exchanges: Math.round(exchanges),
      distinct_items: Math.round(loot.items * part),
      output_tokens: Math.round(loot.output * part),
      reasoning_tokens: Math.round(loot.reasoning * part),
      days: days.length,
    },
    evidence,
    indicators: indicators(t, c, known.common),
    timeline: days.map((d) => ({ ...d, joined: joined.get(d.day) ?? 0, closed: closed.get(d.day) ?? 0 })),
    explanations: c.rivals.map((r) => ({ kind: r.kind, fits: r.fits, reason: r.reason })),
    recommended: {
      action:
        c.verdict === 'campaign' ? 'open a case; verify identity of all accounts together after a person has read the evidence' : 'watch',
      blast_radius: { accounts: members.length, exchanges: whole, innocent_exchanges_estimated: Math.round(whole - exchanges) },
    },
  };
  return { ...base, title: title(base), summary: summary(base, c) };
}

function besideOf(t: Table, c: Case): Beside[] {
  return c.beside
    .map((m) => ({
      account: t.rows[m.account]?.account ?? '',
      exchanges: t.rows[m.account]?.n ?? 0,
      share: round(m.share, 3),
      share_low: round(m.low, 3),
      share_high: round(m.high, 3),
    }))
    .sort((x, y) => y.share_low - x.share_low || (x.account < y.account ? -1 : 1));
}

function lookAlike(t: Table, c: Case): LookAlike {
  const accounts = c.members.map((m) => t.rows[m.account]?.account ?? '');
  const fit = c.rivals.find((r) => r.fits);
  const kind = c.verdict === 'other kind' ? (fit?.becomes ?? c.kind) : (fit?.kind ?? c.kind);
  const evidence = c.ledger.evidence.map((e) => ({ ...e, bits: round(e.bits, 2) }));
  const explanation = fit ? fit.reason : `${c.kind}: coordinated, and what it takes does not look fit to train a model`;
  return {
    id: idOf(accounts),
    title: `${accounts.length} accounts: ${fit?.kind ?? c.kind}`,
    kind,
    explanation,
    confidence: round(oddsOf(evidence, 'coordination') * oddsOf(evidence, 'extraction')),
    axes: { coordination: round(oddsOf(evidence, 'coordination')), extraction: round(oddsOf(evidence, 'extraction')), concealment: 0 },
    accounts,
    exchanges: c.facts.exchanges,
    evidence,
    explanations: c.rivals.map((r) => ({ kind: r.kind, fits: r.fits, reason: r.reason })),
  };
}
