import { mixOf } from '../campaigns/capability.ts';
import { BURST, densestSpan, sampled } from '../campaigns/facts.ts';
import type { Case } from '../campaigns/settle.ts';
import type { Table } from '../campaigns/table.ts';
import type { Indicator } from '../model/dossier.ts';
import type { ScanOptions } from '../scan.ts';
import { keepTold, type Mix, tell, toldOf, toldOfAll } from '../store/queries/capabilities.ts';
import {
  among,
  type Cohort,
  type Day,
  firsts,
  type Place,
  passedOn,
  rotating,
  sample,
  samples,
  type Taken,
  taken,
  timelines,
} from '../store/queries/cohorts.ts';
import { VALUE_SQL, type ValueKind } from '../store/queries/values.ts';
import type { Store } from '../store/store.ts';
import { keptExemplars, type Opened, openTexts } from '../store/texts.ts';
import { commonValues, indicators } from './indicators.ts';

/** What the store, and the inputs, tell of the findings that a dossier shows. */

const LIMITS = { texts: 150, population: 1200, exemplars: 4 } as const;
export const iso = (t: number): string => new Date(t).toISOString();

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
  'starts-together',
  'succession',
  'pivot',
  'even-rates',
  'even-sessions',
  'sleepless',
  'lockstep',
  'client',
]);

/** A replay of history shows no text; any other scan looks for it, in the store and in its inputs. */
const reads = (o: ScanOptions): boolean => o.inputs.length > 0 || o.record !== false;

/** The families of ties whose first exchanges are shown. */
const TIED = ['network', 'identity'] as const;

/** What the store tells of one finding. */
export interface Known {
  /** A sample of its exchanges. */
  readonly places: readonly Place[];
  /** Exchanges whose text is at hand: cited where that of the sample is gone. */
  readonly spare: readonly Place[];
  /** What its members ask for, as it was told while texts were there. */
  readonly told: Mix;
  readonly loot: Taken;
  readonly days: readonly Day[];
  /** First exchanges of members. */
  readonly begun: readonly Place[];
  readonly indicators: readonly Indicator[];
  /** First exchanges of those who share the commonest value of a family. */
  readonly tied: Partial<Record<(typeof TIED)[number], readonly Place[]>>;
  /** Exchanges of one member on one day from one address each. */
  readonly rotated: readonly Place[];
  /** First exchanges of members whose accounts were made in one week. */
  readonly burst: readonly Place[];
  /** Exchanges of conversations that members passed on, one of each member that holds a part. */
  readonly relayed: readonly Place[];
}

/** Exchanges that the evidence of a finding cites. */
const citedOf = (k: Known): Place[] => [
  ...k.places.slice(0, LIMITS.exemplars),
  ...k.begun,
  ...TIED.flatMap((family) => k.tied[family] ?? []),
  ...k.rotated,
  ...k.burst,
  ...k.relayed,
];

/** The exchanges of a finding that a row of its evidence rests on, as an example. */
export function shownBy(signal: string, k: Known): readonly Place[] {
  const exemplars = k.places.slice(0, LIMITS.exemplars);
  if (SHOWN_BY.has(signal)) return exemplars;
  if (BEGUN_BY.has(signal)) return k.begun;
  switch (signal) {
    case 'network':
    case 'identity':
      return k.tied[signal] ?? [];
    case 'held-apart':
      return exemplars.length > 0 ? exemplars : k.begun;
    case 'address-rotation':
      return k.rotated;
    case 'signup-burst':
      return k.burst;
    case 'relay':
      return k.relayed;
    default:
      return [];
  }
}

/** Part of an account's exchanges that is the campaign's; all of them where nothing tells. */
export const partOf = (m: Case['members'][number]): number => (Number.isNaN(m.share) ? 1 : m.share);

/** Texts that are known before a file is opened: what a live batch held while it was there, and what was cited before. */
export interface AtHand {
  readonly live: ReadonlyMap<string, Opened>;
  readonly kept: ReadonlyMap<string, { readonly text: string; readonly system: string }>;
}

/** What is at hand of the accounts that are shown. */
export async function atHand(store: Store, t: Table, shown: readonly Case[], o: ScanOptions): Promise<AtHand> {
  const live = o.live ?? new Map<string, Opened>();
  if (o.retention === 'none' || shown.length === 0) return { live: new Map(), kept: new Map() };
  const accounts = [...new Set(shown.flatMap((c) => c.members.map((m) => t.rows[m.account]?.account ?? '')))];
  return { live, kept: await keptExemplars(store, accounts) };
}

/** Asks the store about all that is shown, together. @param hand what is shown rather than an exchange whose text is gone */
export async function askAll(
  store: Store,
  t: Table,
  shown: readonly Case[],
  until: number | null,
  hand: AtHand,
): Promise<ReadonlyMap<Case, Known>> {
  const hash = (account: number): string => t.rows[account]?.acct ?? '';
  const cohorts = shown.map((c): Cohort => {
    const mixed = c.members.some((m) => m.share < 1);
    return { accts: c.members.map((m) => hash(m.account)), ...(mixed ? { shares: c.members.map(partOf) } : {}) };
  });
  const read = shown.map((c): Cohort => ({ accts: t.hasText ? sampled(c.members.map((m) => m.account)).map(hash) : [] }));
  const marks = shown.map((c) => c.candidate.scaffold.map((v) => t.values[v]?.value ?? ''));
  const places = await samples(store, LIMITS.texts, until, read, marks);
  const near = await among(store, cohorts, until, [...new Set([...hand.kept.keys(), ...hand.live.keys()])]);
  const spare = shown.map((_, i) => {
    // Of what carries a sentence, an exchange that does not is no example.
    const carried = marks[i] ?? [];
    const fitting = (p: Place): boolean => carried.length === 0 || carried.some((m) => hand.live.get(p.key)?.said[m] !== undefined);
    const old = (p: Place): boolean => hand.kept.has(p.key);
    // What was cited before first: nothing new is kept while that lasts.
    return [...(near[i] ?? []).filter(old), ...(near[i] ?? []).filter((p) => !old(p) && fitting(p))];
  });
  const told = await toldOf(store, cohorts, until);
  const loot = await taken(store, cohorts, until);
  const days = await timelines(store, cohorts, until);
  const begun = await firsts(
    store,
    LIMITS.exemplars,
    until,
    shown.map((c) => ({ accts: earliest(t, c).map(hash) })),
  );
  const burst = await firsts(
    store,
    LIMITS.exemplars,
    until,
    shown.map((c) => ({ accts: bornTogether(t, c).map(hash) })),
  );
  const rotated = await rotating(
    store,
    LIMITS.exemplars,
    until,
    shown.map((c) => ({ accts: mostRotating(t, c).map(hash) })),
  );
  const relayed = await passedOn(
    store,
    LIMITS.exemplars,
    until,
    shown.map((c) => ({ accts: [...c.facts.relay.members].map(hash) })),
  );
  const common = commonValues(t, shown);
  const tied = shown.map((): Known['tied'] => ({}));
  for (const family of TIED) {
    const values = shown.map((c) => t.values[c.facts.ties[family].values[0] ?? c.facts.ties[family].passing[0] ?? -1]);
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
        spare: spare[i] ?? [],
        told: told[i] ?? { n: 0, shares: {} },
        loot: loot[i] ?? { items: 0, begun: 0, output: 0, reasoning: 0, models: {} },
        days: days[i] ?? [],
        begun: begun[i] ?? [],
        tied: tied[i] ?? {},
        rotated: rotated[i] ?? [],
        burst: burst[i] ?? [],
        relayed: relayed[i] ?? [],
        indicators: indicators(t, c, common[i] ?? []),
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

/** The member with the most addresses for the days it was there. */
function mostRotating(t: Table, c: Case): number[] {
  const rate = (account: number): number => (t.rows[account]?.addresses ?? 0) / Math.max(1, t.rows[account]?.days ?? 1);
  const [first, ...rest] = c.members.map((m) => m.account);
  return first === undefined ? [] : [rest.reduce((x, a) => (rate(a) > rate(x) ? a : x), first)];
}

/** The members whose accounts were made in the week in which most were. */
function bornTogether(t: Table, c: Case): number[] {
  const made = c.members.flatMap((m) => {
    const at = t.records[m.account]?.created;
    return typeof at === 'number' ? [{ account: m.account, at }] : [];
  });
  const [from, to] = densestSpan(
    made.map((x) => x.at),
    BURST,
  );
  return made.filter((x) => x.at >= from && x.at <= to).map((x) => x.account);
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

export interface OpenedTexts {
  /** What everybody asks for. */
  readonly population: Record<string, number>;
  readonly texts: ReadonlyMap<string, Opened>;
  readonly sentences: ReadonlyMap<string, Sentence>;
  /** Keys of exchanges whose text comes from an earlier citation: kept for its time, which is not begun anew. */
  readonly kept: ReadonlySet<string>;
  /** Keys of exchanges whose text was at hand, and in no file. */
  readonly atHand: ReadonlySet<string>;
}

/** What a finding is after: of its texts where they were opened, else of what was told of its members while texts were there. */
export function mixOfFinding({ places, told }: Known, { texts, kept }: OpenedTexts): Record<string, number> {
  const read = places.flatMap((p) => (kept.has(p.key) ? [] : (texts.get(p.key) ?? [])));
  // A sample that could be read says the same at every look; what was told of members besides is of all that they sent.
  return read.length >= told.n || 2 * read.length >= places.length
    ? mixOf(read.map((x) => ({ text: x.text, tools: x.place.tools })))
    : told.shares;
}

/** What a sentence's hash stands for, and whose exchange it was read of. */
interface Sentence {
  readonly value: string;
  readonly text: string;
  readonly account: string;
}

/** Texts of all that is shown, and of a sample of everybody to compare with: the inputs are gone through once, however many findings there are. */
export async function openAll(store: Store, known: ReadonlyMap<Case, Known>, hand: AtHand, o: ScanOptions): Promise<OpenedTexts> {
  const places = [...known.values()].flatMap((x) => [...x.places, ...citedOf(x)]);
  if (places.length === 0 || !reads(o))
    return { population: {}, texts: new Map(), sentences: new Map(), kept: new Set(), atHand: new Set() };
  const everybody = await sample(store, LIMITS.population, o.until ?? null);
  const marks = [...known.values()].flatMap((x) => x.indicators.flatMap((i) => (i.kind === 'scaffold' ? [i.value] : [])));
  const texts = await openTexts(store, [...new Map([...everybody, ...places].map((p) => [p.key, p])).values()], o.inputs, o, [
    ...new Set(marks),
  ]);
  const asked = new Set(everybody.map((p) => p.key));
  // A later look may come when the files are gone.
  if (o.record !== false)
    await keepTold(
      store,
      [...texts.values()].map((x) => tell(x, asked.has(x.place.key))),
    );
  const population = everybody.flatMap((p) => texts.get(p.key) ?? []);
  const kept = new Set<string>();
  const near = new Set<string>();
  const spare = [...known.values()].flatMap((x) => (x.places.some((p) => texts.has(p.key)) ? [] : x.spare));
  for (const p of spare) {
    if (texts.has(p.key)) continue;
    const live = hand.live.get(p.key);
    const old = hand.kept.get(p.key);
    if (live || old) near.add(p.key);
    if (live) texts.set(p.key, live);
    else if (old) {
      texts.set(p.key, { place: p, ...old, said: {} });
      kept.add(p.key);
    }
  }
  // Of members alone: a sentence of theirs is not looked up in what others wrote.
  const sentences = new Map<string, Sentence>();
  if (o.retention !== 'none')
    for (const p of [...places, ...spare])
      for (const [value, text] of Object.entries(texts.get(p.key)?.said ?? {}))
        if (!sentences.has(value)) sentences.set(value, { value, text, account: p.account });
  const shares = population.length > 0 ? mixOf(population.map((x) => ({ text: x.text, tools: x.place.tools }))) : undefined;
  return { population: shares ?? (await toldOfAll(store, o.until ?? null)).shares, texts, sentences, kept, atHand: near };
}

/** The same with examples that can be read: where the text of the whole sample is gone, those that are at hand come first. */
export const readableFirst = (known: ReadonlyMap<Case, Known>, { texts, atHand }: OpenedTexts): ReadonlyMap<Case, Known> =>
  new Map(
    [...known].map(([c, k]) => [
      c,
      k.places.some((p) => texts.has(p.key) && !atHand.has(p.key))
        ? k
        : { ...k, places: [...new Map([...k.spare, ...k.places].map((p) => [p.key, p])).values()].slice(0, LIMITS.texts) },
    ]),
  );

/** Texts that findings cite, where retention allows them to be kept. */
export async function keepExemplars(store: Store, known: ReadonlyMap<Case, Known>, opened: OpenedTexts, o: ScanOptions): Promise<void> {
  if (o.retention === 'none') return;
  const at = o.now.toISOString();
  await store.insert(
    'exemplars',
    [...new Map([...known.values()].flatMap(citedOf).map((p) => [p.key, p])).values()].flatMap((p) => {
      const x = opened.texts.get(p.key);
      return x === undefined || opened.kept.has(p.key)
        ? []
        : [{ key: p.key, id: p.id, account: p.account, time: iso(p.time), text: x.text, system: x.system, at }];
    }),
  );
  await store.insert(
    'sentences',
    [...opened.sentences.values()].map((s) => ({ ...s, at })),
  );
}
