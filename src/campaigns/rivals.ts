import type { Explanation } from '../model/dossier.ts';
import { DATA_SET_TOKENS } from '../signals/haul.ts';
import type { Candidate } from './candidates.ts';
import { type Facts, human, ofOneDomain, ofOneOwner } from './facts.ts';
import type { Span } from './span.ts';
import { median } from './stats.ts';
import { DAY, type Table } from './table.ts';

export interface Rival extends Explanation {
  readonly id: string;
  /** What the cohort is if this explanation holds; null for one that only speaks against. */
  readonly becomes: 'look-alike' | 'declared multi-account use' | 'reselling' | 'trial farming';
  readonly axis: 'coordination' | 'extraction';
  readonly bits: number;
}

/** Small figures that are compared need their digits, and nought no sign. */
const plain = (x: number): string => (Math.abs(x) < 0.00005 ? '0.0000' : x.toFixed(4));

const pc = (x: number): string => `${Math.round(100 * x)} %`;

/** The middle of what honest null cohorts show, for explanations that say "as heterogeneous as anyone". */
export interface Honest {
  readonly rhoLow: number;
  readonly rhoMedian: number;
  /** Chance that two items of one account fall together, median. */
  readonly withinMedian: number;
  readonly distanceLow: number;
  /** Output tokens of a conversation, median; 0 where too few cohorts tell. */
  readonly outMedian: number;
  /** What honest communities ask for. */
  readonly span: Span;
}

/** An explanation that cannot be told from a small campaign: where it fits nobody is named, and nothing is cleared either. */
export const ONE_TASK = 'one-task';

/** A public benchmark that teams run in part, under wrappers of their own, shows 0.15 and more; dealt pools 0.03 at most (docs/signals/partition.md). */
const SAME_ITEMS = 0.1;

/** Nearly all verified as businesses, under owners of their own, and hardly any tied by what one hand would share. */
const BUSINESSES = { verified: 0.8, owner: 0.2, tied: 0.2 } as const;

/** Part of the accounts that must serve users of their own for all to be called a reseller's. */
const SERVE = 0.1;

/** Part of a member's items that others send too, where that is what a cohort is. */
const MOSTLY = 0.3;

/** Part of a member's items from which on it is worth saying that others send them too. */
const SEEN = 0.05;

/** Where accounts do different things, this part of them must share a card or an address to be farmed by one hand. */
const FARMED = 0.3;

/** Requests of a member that are more than a term's work. */
const TERM_REQUESTS = 300;

/** Whether half of the members share cards, keys, mail or numbers: who does is no crowd of people who each came by themselves. A mail domain is no purse: a school has one. */
function onePayer(f: Facts, t: Table): boolean {
  const purses = new Set(f.ties.identity.values.filter((v) => t.values[v]?.kind !== 'email_domain'));
  if (purses.size === 0) return false;
  return f.accounts.filter((a) => (t.valuesOf[a] ?? []).some(({ v }) => purses.has(v))).length >= 0.5 * f.accounts.length;
}

/** Part of the members behind the network that most of them share. */
function onOneNetwork(f: Facts, t: Table): number {
  const v = t.values[f.ties.network.values[0] ?? -1];
  if (!v) return 0;
  const own = new Set(f.accounts);
  return [...v.accounts].filter((a) => own.has(a)).length / Math.max(1, f.accounts.length);
}

/** So many accounts on one panel of addresses, or on cards they share, are no teams that each run the same benchmark; people on one campus are on one network. */
const HOUSE = 30;
const ofOneHouse = (f: Facts, t: Table): boolean =>
  f.accounts.length >= HOUSE && (onePayer(f, t) || (f.ties.network.tied >= 0.5 * f.accounts.length && onOneNetwork(f, t) < 0.5));

/** That items are dealt in rounds, where they are: raters and judges who answer each item several times over, or peers who review one another's work, are dealt to so as well as an operator's accounts. */
const dealt = (f: Facts): string => (f.rounds ? `, dealt in rounds, each to ${f.rounds.times} at most` : '');

type Test = (f: Facts, c: Candidate, t: Table, h: Honest) => Omit<Rival, 'id' | 'becomes'>;

/** As different as honest accounts are, and measured well enough to say so. */
const heterogeneous = (f: Facts, h: Honest): boolean =>
  f.deck !== null && 3 * f.deck.se <= Math.max(h.rhoLow, f.deck.rho) && f.deck.rho >= h.rhoLow;

const subjects = (f: Facts, h: Honest): string =>
  heterogeneous(f, h)
    ? (f.deck?.rho ?? 0) >= h.rhoMedian
      ? "as different as honest accounts'"
      : "as different as some honest accounts'"
    : f.deck && f.deck.rho + 2 * f.deck.se < h.rhoLow
      ? "more alike than honest accounts'"
      : 'measured too loosely to tell';

/** From so many starts on, this part of them within the hour after an account was closed, where such hours are this rare, and on more days than one, accounts are replaced as they are closed. */
const REPLACED = { starts: 10, part: 0.5, chance: 0.1, events: 1.2 } as const;

/** Whether new accounts take over within the hour as others are closed, by their records. */
const replaced = (f: Facts): boolean =>
  [f.succession, f.signUps].some(
    (s) =>
      s.recorded &&
      s.n >= REPLACED.starts &&
      s.within.some((w) => w.hours === 1 && w.k >= REPLACED.part * s.n && w.chance <= REPLACED.chance && w.events >= REPLACED.events),
  );

/** A task that people were given, done by hand: by day, under so many requests each, and under so many output tokens in all. */
export const TASK = { requestsEach: 100, outputTokens: 1e6 } as const;

/**
 * Innocent explanations, each with a mechanism of its own to look for. What an account says of itself never clears it alone: a declared owner
 * counts with the provider's verification, a grant with the provider's label.
 */
const TESTS: readonly { readonly id: string; readonly becomes: Rival['becomes']; readonly test: Test }[] = [
  {
    id: 'licensed',
    becomes: 'look-alike',
    test: (f) => ({
      kind: 'licensed synthetic-data customer',
      fits: f.licensed >= 0.5 || (f.licensed > 0 && f.topOwner.share >= 0.8),
      axis: 'extraction',
      bits: -12,
      reason:
        f.licensed > 0
          ? `${pc(f.licensed)} of the accounts hold the label approved:synthetic-data, or were cleared by a person`
          : 'no account holds a grant for synthetic data',
    }),
  },
  {
    id: 'one-organisation',
    becomes: 'declared multi-account use',
    test: (f) => {
      const domain = ofOneDomain(f);
      const named = ofOneOwner(f) || domain;
      // An organisation that resells declares itself and not its customers: what one of those does is not explained by it.
      const fits = named && f.verified >= 0.5 && f.resale < 0.5;
      return {
        kind: 'one declared organisation (seats, or one pipeline over several accounts)',
        fits,
        axis: 'extraction',
        bits: fits ? -10 : named ? -3 : 0,
        reason: named
          ? `${f.resale >= 0.5 ? 'the organisation resells, and its customers are not declared: ' : ''}${pc(Math.max(f.topOwner.share, domain ? f.topDomain.share : 0))} of the accounts are declared by one organisation or mail domain of its own, ${pc(f.verified)} of them verified${f.verified < 0.5 ? ', and it takes half' : ''}`
          : 'no organisation declares most of the accounts',
      };
    },
  },
  {
    id: 'businesses',
    becomes: 'look-alike',
    test: (f) => {
      const n = f.accounts.length;
      const tied = Math.max(f.ties.identity.tied, f.ties.network.tied);
      // Customers of one product, branches of one franchise: a template and an hour are what they have in common. Whoever verified them knows that they are many.
      // What passes through a part of what they send, or through those who resell, is not theirs.
      const own = !f.scoped && f.resale < 0.5;
      const fits = own && f.businesses >= BUSINESSES.verified && f.topOwner.share < BUSINESSES.owner && tied < BUSINESSES.tied * n;
      return {
        kind: 'businesses of their own, each verified as one (customers of one product, a franchise)',
        fits,
        axis: 'coordination',
        bits: -8,
        reason: `${pc(f.businesses)} of the accounts are verified as a business, ${f.topOwner.share > 0 ? `${pc(f.topOwner.share)} of them name the same owner` : 'no two of them name the same owner'}, and ${tied} of ${n} share payment, contact data or addresses that are mostly theirs${own ? '' : '; they serve others, or it is a part of what they send, and of that it says nothing'}`,
      };
    },
  },
  {
    id: 'classroom',
    becomes: 'look-alike',
    test: (f, _c, t) => {
      const each = median(f.accounts.map((a) => t.rows[a]?.n ?? 0));
      const campus = onOneNetwork(f, t);
      // A class's items recur across most of it (a tenth that collides by chance, or on purpose, is no class), it sits behind one network and not behind a panel of them, pays for itself,
      // and a term's work is no data set.
      // Work that a class reviews among itself is dealt in rounds as well.
      const shared = f.repeatedMedian >= 0.2 || f.itemsShared >= 0.5 * SAME_ITEMS;
      const has: readonly (readonly [boolean, string])[] = [
        [shared, 'the same items'],
        [campus >= 0.5, 'one network'],
        [!onePayer(f, t), 'members who each pay alone'],
        [each <= TERM_REQUESTS, `${TERM_REQUESTS} requests each at most`],
        [human(f), 'human days'],
      ];
      const not = has.filter(([there]) => !there).map(([, what]) => what);
      return {
        kind: 'classroom',
        fits: not.length === 0,
        axis: 'coordination',
        bits: -8,
        reason: `${pc(f.repeatedMedian)} of items shared${dealt(f)}, ${pc(campus)} of members on one network, ${onePayer(f, t) ? 'identities shared, ' : ''}${Math.round(each)} requests each, ${human(f) ? 'human days' : 'no human days'}${not.length > 0 ? `; a class has ${not.join(', ')}` : ''}`,
      };
    },
  },
  {
    id: 'benchmark',
    becomes: 'look-alike',
    test: (f, _c, t) => ({
      kind: 'one set of items that many run: a benchmark, homework, a prompt of the day',
      // Who samples each item several times repeats too: what is run by all is in many, not in a few, and its runners do not share their cards.
      fits:
        !ofOneHouse(f, t) &&
        (f.itemsShared >= SAME_ITEMS || (f.repeatedMedian >= MOSTLY && f.itemsShared >= 0.5 * SAME_ITEMS && !onePayer(f, t))),
      axis: 'coordination',
      bits: -10,
      reason: `${f.repeatedMedian >= SEEN ? `${pc(f.repeatedMedian)} of a member's distinct items are sent by other accounts too, word for word but for figures in them; ` : ''}an item stands, however wrapped, in ${pc(f.itemsShared)} of the other members${f.rounds ? dealt(f) : '; a dealt pool hardly repeats'}`,
    }),
  },
  {
    id: 'reseller',
    becomes: 'reselling',
    test: (f, _c, _t, h) => {
      // Without text nobody knows how mixed it is.
      const told = f.deck !== null;
      const mixed = told && f.distance <= h.distanceLow;
      const used = f.singleUse.k <= 0.5 * f.singleUse.n;
      const failover = replaced(f);
      return {
        kind:
          f.resale >= SERVE
            ? 'reseller or app that spreads its users over accounts'
            : 'as mixed as everybody: unrelated, or an app with users behind it',
        fits: (f.resale >= 0.6 && (mixed || used)) || (mixed && used && !heterogeneous(f, h) && !failover),
        axis: 'extraction',
        bits: -6,
        reason: `${f.resale > 0 ? `${pc(f.resale)} of the accounts serve end users of their own` : 'no account names end users or a reseller'}; content ${!told ? 'is not known' : mixed ? 'is as mixed as the population' : 'stands apart from the population'}, answers ${used ? 'are followed up' : 'are not followed up'}${failover ? '; new accounts take over within the hour as others are closed, which no app whose users stay needs' : ''}`,
      };
    },
  },
  {
    id: 'trial-farming',
    becomes: 'trial farming',
    test: (f, _c, t, h) => {
      const free = f.free >= 0.7;
      const burst = f.born.n > 0 && f.born.k >= 0.5 * f.born.n;
      const brief = f.lifetimeDays <= 0.5 * ((t.to - t.from) / DAY);
      const little = f.haulTokens < DATA_SET_TOKENS;
      // Farming is one hand's: newcomers on a free tier who each do something else, and share nothing of their own, are newcomers.
      const untied = f.ties.identity.tied + f.ties.network.tied < FARMED * f.accounts.length;
      const strangers = heterogeneous(f, h) && untied;
      return {
        // Who says it of people whom a promotion brought has accused them.
        kind: untied ? 'newcomers on a free tier, by a promotion or to farm trials' : 'trial farming',
        fits: free && little && (burst || brief) && !strangers,
        axis: 'extraction',
        bits: -4,
        reason: `${f.recorded > 0 ? `${pc(f.free)} of the accounts are on a free tier` : 'no account record says what tier they are on'}, ${f.born.n === 0 ? 'created nobody knows when' : burst ? `${f.born.k} of ${f.born.n} created within a week` : 'created at different times'}, active for ${f.lifetimeDays.toFixed(1)} days, ${(f.haulTokens / 1e6).toFixed(2)} million output tokens in ${f.scoped ? 'what carries their sentence' : 'all'}`,
      };
    },
  },
  {
    id: 'agent',
    becomes: 'look-alike',
    test: (f, c, _t, h) => ({
      kind: 'popular agent, app or template with work of its users own',
      fits: c.sources.includes('scaffold') && heterogeneous(f, h),
      axis: 'coordination',
      bits: 0,
      reason: !f.deck
        ? 'content too thin to compare'
        : !c.sources.includes('scaffold')
          ? 'no shared sentence brought them together'
          : `a shared sentence; subjects ${subjects(f, h)} (rho ${plain(f.deck.rho)}, honest cohorts from ${plain(h.rhoLow)})`,
    }),
  },
  {
    id: 'network',
    becomes: 'look-alike',
    test: (f, c, _t, h) => ({
      kind: 'people behind one network or VPN',
      fits: c.sources.length === 1 && c.sources[0] === 'links' && f.ties.network.tied >= 0.3 * f.accounts.length && heterogeneous(f, h),
      axis: 'coordination',
      bits: 0,
      reason: `${f.ties.network.tied} of ${f.accounts.length} members share addresses; subjects ${subjects(f, h)}`,
    }),
  },
  {
    id: 'hackathon',
    becomes: 'look-alike',
    test: (f, _c, t, h) => ({
      kind: 'hackathon or workshop',
      fits: f.lifetimeDays <= 4 && (t.to - t.from) / DAY > 8 && human(f) && heterogeneous(f, h),
      axis: 'coordination',
      bits: 0,
      reason: `members are active for ${f.lifetimeDays.toFixed(1)} days, ${human(f) ? 'by day' : 'round the clock'}`,
    }),
  },
  {
    id: ONE_TASK,
    becomes: 'look-alike',
    test: (f, _c, t) => {
      const each = median(f.accounts.map((a) => t.rows[a]?.n ?? 0));
      const fits = human(f) && each <= TASK.requestsEach && f.haulTokens < TASK.outputTokens;
      return {
        kind: 'people who were given one task (a class, annotators, a workshop)',
        fits,
        axis: 'coordination',
        // It tells nothing for or against; it says that as much is too little to name anybody on.
        bits: 0,
        reason: `${Math.round(each)} requests each, ${(f.haulTokens / 1e6).toFixed(2)} million output tokens in ${f.scoped ? 'what carries their sentence' : 'all'}, ${human(f) ? 'by day' : 'round the clock'}: ${fits ? 'so little, at human hours, is what one task done by many hands looks like' : 'more than a task done by hand'}`,
      };
    },
  },
  {
    id: 'own-subjects',
    becomes: 'look-alike',
    test: (f, _c, _t, h) => ({
      kind: 'unrelated accounts with like interests',
      fits: heterogeneous(f, h),
      axis: 'coordination',
      bits: 0,
      reason: f.deck ? `subjects ${subjects(f, h)} (rho ${plain(f.deck.rho)} ± ${plain(f.deck.se)})` : 'content too thin to compare',
    }),
  },
];

/** Ids of all explanations. */
export const EXPLANATIONS: readonly string[] = TESTS.map((x) => x.id);

/** Explanations with a mechanism that shows; the others only say that a cohort is as honest cohorts are. */
const MECHANISMS = new Set(['licensed', 'one-organisation', 'benchmark', 'classroom', 'reseller']);

/** Whether an explanation shows a mechanism of its own, which settles what the cohort is. */
export const mechanism = (r: Rival): boolean => MECHANISMS.has(r.id);

/** Whether an explanation says only that content differs as honest content does: it has nothing to say of what ties the accounts themselves. */
export const contentOnly = (r: Rival): boolean => r.id === 'own-subjects' || r.id === 'agent';

/** Whether a known honest kind explains a null cohort: such kinds are tested as rivals, and the null stands for what is not on the list. */
export function explained(f: Facts, t: Table, h: Honest): boolean {
  const c: Candidate = { accounts: f.accounts, sources: ['kindred'], scaffold: [] };
  return TESTS.some((x) => MECHANISMS.has(x.id) && x.test(f, c, t, h).fits);
}

/**
 * What a cleared cohort is said to be, of the explanations that fit: a mechanism that shows before one that says only what content is like, strangers before people with one task, which fits any few requests sent by day, and an app that
 * nobody declares last: everybody's content is as mixed as everybody's.
 */
export function plainest(fits: readonly Rival[], f: Facts): Rival | undefined {
  const declared = (r: Rival): boolean => mechanism(r) && (r.id !== 'reseller' || f.resale > 0);
  return (
    fits.find(declared) ?? fits.find((r) => r.id !== ONE_TASK && r.id !== 'reseller') ?? fits.find((r) => r.id === 'reseller') ?? fits[0]
  );
}

/** Members of whom what clears most of a cohort says nothing: nobody else sends any of their items, where it is that the others' are everybody's; nobody verified them, where it is that the others were. */
export function unexplained(id: string, t: Table, f: Facts): number[] {
  if (id === 'businesses') return f.accounts.filter((a) => t.records[a]?.verification !== 'business');
  const byItems = (id === 'benchmark' || id === 'classroom') && f.repeatedMedian >= MOSTLY;
  return byItems ? f.accounts.filter((a) => (t.repeated[a] ?? 0) < SEEN) : [];
}

/** Every innocent explanation, tested; those that fit take their bits. `without` leaves clearers out, as the lab does in turn. */
export function rivals(f: Facts, c: Candidate, t: Table, h: Honest, without: readonly string[] = []): Rival[] {
  return TESTS.filter((x) => !without.includes(x.id)).map((x) => {
    const r = x.test(f, c, t, h);
    return { ...r, id: x.id, becomes: x.becomes, bits: r.fits ? r.bits : x.id === 'one-organisation' ? r.bits : 0 };
  });
}
