import { createHash } from 'node:crypto';
import type { Facts } from '../campaigns/facts.ts';
import type { Judgement } from '../campaigns/judge.ts';
import { plainest } from '../campaigns/rivals.ts';
import type { Case } from '../campaigns/settle.ts';
import { probability } from '../campaigns/stats.ts';
import type { Table } from '../campaigns/table.ts';
import type { Beside, Coverage, Dossier, Evidence, Exemplar, Finding, LookAlike, Undecided } from '../model/dossier.ts';
import type { ScanOptions } from '../scan.ts';
import type { AccountRow } from '../store/queries/accounts.ts';
import type { Place, Taken } from '../store/queries/cohorts.ts';
import type { Store } from '../store/store.ts';
import { calibration } from './calibration.ts';
import { concealment, usualRotation } from './concealment.ts';
import {
  askAll,
  atHand,
  iso,
  type Known,
  keepExemplars,
  mixOfFinding,
  type OpenedTexts,
  openAll,
  partOf,
  readableFirst,
  shownBy,
} from './known.ts';
import { summary, title } from './words.ts';

const LIMITS = { lookAlikes: 300, undecided: 30, releases: 20 } as const;
const CALIBRATED = 'simulated worlds (see docs/results.md); not a frequency measured on real campaigns';

const UNCALIBRATED =
  'nothing: what keeps a question from being named is not in its figure, and of made questions above 0.6 most were campaigns in some worlds and honest crowds in others (docs/results.md)';

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
    .concat(
      cases
        .filter((c) => c.verdict === 'undecided')
        .sort((x, y) => y.confidence - x.confidence)
        .slice(0, LIMITS.undecided),
    );
  const hand = await atHand(store, t, shown, o);
  const asked = await askAll(store, t, shown, o.until ?? null, hand);
  const opened = await openAll(store, asked, hand, o);
  const known = readableFirst(asked, opened);
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
    if (own && c.verdict === 'campaign') campaigns.push(finding(t, c, own, opened, honest, besideOf(t, c, cases), o));
    else if (own) undecided.push({ ...finding(t, c, own, opened, honest, besideOf(t, c, cases), o), missing: c.missing });
    else if (cleared(c) && !named(cases, c)) lookAlikes.push(lookAlike(t, c));
  }
  lookAlikes.sort((x, y) => y.confidence - x.confidence || y.exchanges - x.exchanges);
  campaigns.sort((x, y) => y.confidence - x.confidence || y.exchanges - x.exchanges);
  // Of questions the one that most may hang on goes first: how sure it is says little where a rule keeps it from being named.
  const atStake = (u: Undecided): number => u.confidence * (u.loot.output_tokens + u.exchanges);
  undecided.sort((x, y) => atStake(y) - atStake(x));
  const ids = new Set<string>();
  return {
    schema: 'stillwatch.dossier/1',
    generated: o.now.toISOString(),
    version: o.version,
    window: { from: t.rows.length > 0 ? iso(t.from) : null, to: t.rows.length > 0 ? iso(t.to) : null },
    coverage: cutOff(coverage, cases),
    campaigns: apart(campaigns, ids),
    undecided: apart(undecided, ids),
    look_alikes: apart(lookAlikes.slice(0, LIMITS.lookAlikes), ids),
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

/** Whether nearly all of a cohort's accounts are named in one campaign: what their other traffic would be cleared as is no second answer about them. */
const named = (cases: readonly Case[], c: Case): boolean =>
  cases.some((x) => {
    if (x.verdict !== 'campaign') return false;
    const members = new Set(x.members.map((m) => m.account));
    return c.members.filter((m) => members.has(m.account)).length >= NAMED * c.members.length;
  });
const NAMED = 0.8;

/** Findings that begin with the same accounts are told apart by all of them: an id names one. Of the same accounts in two ways the first is told. */
const apart = <T extends { readonly id: string; readonly accounts: readonly (string | { readonly account: string })[] }>(
  list: readonly T[],
  taken: Set<string>,
): T[] =>
  list.flatMap((x) => {
    const all = x.accounts.map((a) => (typeof a === 'string' ? a : a.account)).sort();
    const id = taken.has(x.id) ? idOf([`${all.length}\n${all.join('\n')}`]) : x.id;
    if (taken.has(id)) return [];
    taken.add(id);
    return [{ ...x, id }];
  });

const cleared = (c: Case): boolean => c.verdict === 'look-alike' || c.verdict === 'other kind';

/** Says how many cohorts are beyond what is shown: nobody should take a list for all there is. */
function cutOff(coverage: Coverage, cases: readonly Case[]): Coverage {
  const beyond = [
    { signal: 'undecided', what: 'undecided cohorts', more: cases.filter((c) => c.verdict === 'undecided').length - LIMITS.undecided },
    {
      signal: 'look_alikes',
      what: 'cohorts that were cleared or are of another kind',
      more: cases.filter(cleared).length - LIMITS.lookAlikes,
    },
  ].filter((x) => x.more > 0);
  if (beyond.length === 0) return coverage;
  return {
    ...coverage,
    not_applicable: [
      ...coverage.not_applicable,
      ...beyond.map(({ signal, what, more }) => ({
        signal,
        because: `${more} more ${what} are not shown, of less confidence than those that are`,
      })),
    ],
  };
}

/** What concealment is held against. */
interface Usual {
  readonly nulls: readonly Facts[];
  /** Addresses a day that most accounts stay under. */
  readonly rotation: number;
}

const rounded = (mix: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(mix).map(([k, v]) => [k, round(v, 3)]));

/** Of the rows as they are printed: the ledger a reader adds up is the probability they are shown. */
const oddsOf = (evidence: readonly Pick<Evidence, 'axis' | 'bits'>[], axis: Evidence['axis']): number =>
  probability(evidence.reduce((x, e) => x + (e.axis === axis ? e.bits : 0), 0));

function finding(t: Table, c: Case, known: Known, opened: OpenedTexts, honest: Usual, beside: readonly Beside[], o: ScanOptions): Finding {
  const members = c.members.map((m) => ({ m, row: t.rows[m.account] })).filter((x) => x.row !== undefined);
  const { loot, days } = known;
  const { population, texts } = opened;
  const asExemplar = (p: Place): Exemplar => {
    const x = o.retention === 'none' ? undefined : texts.get(p.key);
    const system = x?.system ? { system: x.system } : {};
    return { exchange: p.id, account: p.account, time: iso(p.time), ...(x === undefined ? {} : { text: x.text, ...system }) };
  };
  const first = Math.min(...members.map((x) => x.row?.first ?? 0));
  const last = Math.max(...members.map((x) => x.row?.last ?? 0));
  const exchanges = members.reduce((x, m) => x + (m.row?.n ?? 0) * partOf(m.m), 0);
  const whole = members.reduce((x, m) => x + (m.row?.n ?? 0), 0);
  // Cover traffic is not loot: what was taken is scaled to the campaign's part of its members' exchanges.
  const part = whole > 0 ? exchanges / whole : 1;
  const took = takenBy(t, c, loot, part);
  const hidden = concealment(c, honest.nulls, honest.rotation);
  const mix = rounded(mixOfFinding(known, opened));
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
      exemplars: shownBy(e.signal, known).map(asExemplar),
    })),
    ...hidden.evidence.map((e) => ({ ...e, exemplars: shownBy(e.signal, known).map(asExemplar) })),
  ];
  const coordination = oddsOf(evidence, 'coordination');
  const extraction = oddsOf(evidence, 'extraction');
  const base: Omit<Finding, 'title' | 'summary'> = {
    id: idOf(members.map((x) => x.row?.account ?? '')),
    kind: c.kind,
    confidence: round(coordination * extraction),
    calibrated_on: c.verdict === 'campaign' ? CALIBRATED : UNCALIBRATED,
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
    ...(beside.length > 0 ? { beside } : {}),
    capabilities: mix,
    population_capabilities: rounded(population),
    models: loot.models,
    loot: {
      exchanges: Math.round(exchanges),
      distinct_items: Math.round(took.items),
      output_tokens: Math.round(took.output),
      reasoning_tokens: Math.round(took.reasoning),
      days: days.length,
    },
    evidence,
    indicators: known.indicators.map((i) => {
      const said = i.kind === 'scaffold' ? opened.sentences.get(i.value) : undefined;
      return said ? { ...i, text: said.text } : i;
    }),
    timeline: days.map((d) => ({ ...d, joined: joined.get(d.day) ?? 0, closed: closed.get(d.day) ?? 0 })),
    explanations: c.rivals.map((r) => ({ kind: r.kind, fits: r.fits, reason: r.reason })),
    recommended: {
      action: adviceOn(c),
      blast_radius: {
        accounts: members.length,
        exchanges: whole,
        // Of a question all may be innocent: what is expected, at its odds.
        innocent_exchanges_estimated: Math.round(whole - (c.verdict === 'campaign' ? 1 : c.confidence) * exchanges),
      },
    },
  };
  return { ...base, title: title(base), summary: summary(base, c, Math.round(took.begun)) };
}

/**
 * What a cohort took. Where what carries its sentence was counted by itself, it is that, scaled to the share that is told: other customers of its accounts have conversations and answers of another length. Else all that its accounts
 * sent, in proportion.
 */
function takenBy(t: Table, c: Case, loot: Taken, part: number): Pick<Taken, 'items' | 'begun' | 'output' | 'reasoning'> {
  const own = c.members.flatMap((m) => {
    const r = c.view?.rows.get(m.account);
    const all = t.rows[m.account];
    return r && all && r.n > 0 ? [{ r, all, told: partOf(m) * all.n }] : [];
  });
  const told = own.reduce((x, o) => x + o.told, 0);
  const said = own.reduce((x, o) => x + o.r.n, 0);
  // Where much more is told than carries it, what carries it is one wording of several, or in passing.
  if (own.length < c.members.length || told > WORDED * said)
    return {
      items: loot.items * part,
      begun: (loot.begun || loot.items) * part,
      output: loot.output * part,
      reasoning: loot.reasoning * part,
    };
  const sum = (f: (r: AccountRow) => number): number => own.reduce((x, o) => x + (f(o.r) * o.told) / o.r.n, 0);
  // An item that several of them sent is one.
  const once = Math.min(
    1,
    loot.begun /
      Math.max(
        1,
        own.reduce((x, o) => x + o.all.items, 0),
      ),
  );
  const items = once * sum((r) => r.items);
  return { items, begun: items, output: sum((r) => r.out_tokens), reasoning: sum((r) => r.reasoning_tokens) };
}

const WORDED = 1.25;

/** What would settle it, for a person to do. */
function adviceOn(c: Case): string {
  if (c.verdict === 'campaign') return 'open a case; verify identity of all accounts together after a person has read the evidence';
  return c.ledger.coordination >= 0.5
    ? 'watch; verify the identity of ten of them, drawn at random, or ask whoever pays for them, and act on nobody before'
    : 'watch';
}

/** Part of a campaign's members that hold a sentence of theirs, and exchanges with it, for whoever sends it besides to be told. */
const CARRIED = { members: 0.5, exchanges: 3 } as const;

/**
 * Accounts that send a campaign's own sentence and are no members of anything that is shown: their keys may be used by it. Counted, not estimated.
 * @param taken accounts that are told elsewhere
 */
function carriersOf(t: Table, c: Case, taken: ReadonlySet<number>): Beside[] {
  const members = new Set(c.members.map((m) => m.account));
  const most = new Map<number, number>();
  for (const v of c.facts.ties.scaffold.values) {
    const value = t.values[v];
    if (!value || [...value.accounts].filter((a) => members.has(a)).length < CARRIED.members * members.size) continue;
    value.accounts.forEach((a, i) => {
      const sent = value.counts[i] ?? 0;
      if (!members.has(a) && !taken.has(a) && sent >= CARRIED.exchanges) most.set(a, Math.max(most.get(a) ?? 0, sent));
    });
  }
  return [...most].map(([a, sent]) => {
    const exchanges = t.rows[a]?.n ?? 0;
    const share = round(Math.min(1, sent / Math.max(1, exchanges)), 3);
    return { account: t.rows[a]?.account ?? '', exchanges, share, share_low: share, share_high: share };
  });
}

/** Who is not named, and whom somebody may want to ask: who draws on the pool, and of a campaign who sends its sentence. */
function besideOf(t: Table, c: Case, cases: readonly Case[]): Beside[] {
  const drawn = c.beside.map((m) => ({
    account: t.rows[m.account]?.account ?? '',
    exchanges: t.rows[m.account]?.n ?? 0,
    share: round(m.share, 3),
    share_low: round(m.low, 3),
    share_high: round(m.high, 3),
  }));
  const open = cases.filter((x) => x.verdict === 'campaign' || x.verdict === 'undecided');
  const taken = new Set([...open.flatMap((x) => x.members), ...c.beside].map((m) => m.account));
  const carrying = c.verdict === 'campaign' ? carriersOf(t, c, taken) : [];
  return [...drawn, ...carrying].sort((x, y) => y.share_low - x.share_low || (x.account < y.account ? -1 : 1));
}

function lookAlike(t: Table, c: Case): LookAlike {
  const accounts = c.members.map((m) => t.rows[m.account]?.account ?? '');
  const fits = c.rivals.filter((r) => r.fits);
  const fit = c.verdict === 'other kind' ? fits[0] : plainest(fits, c.facts);
  const kind = c.verdict === 'other kind' ? (fit?.becomes ?? c.kind) : (fit?.kind ?? c.kind);
  // Of honest cohorts the range is kept: hundreds of cleared cohorts would repeat the same figures, one by one.
  const evidence = c.ledger.evidence.map(({ reference: { values: _, ...reference }, ...e }) => ({
    ...e,
    bits: round(e.bits, 2),
    reference,
  }));
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
