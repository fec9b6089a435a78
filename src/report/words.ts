import type { Case } from '../campaigns/settle.ts';
import type { Dossier, Finding, Indicator } from '../model/dossier.ts';

export const count = (n: number): string => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} million` : n.toLocaleString('en-US'));

export function targets(f: Pick<Finding, 'capabilities' | 'population_capabilities'>): string[] {
  return Object.entries(f.capabilities)
    .filter(([k, v]) => v >= 0.15 && v >= 1.3 * (f.population_capabilities[k] ?? 0))
    .map(([k]) => k);
}

export function title(f: Omit<Finding, 'title' | 'summary'>): string {
  const after = targets(f);
  // Two cohorts of one size are told apart by what they are after, or else by when they began.
  return `${count(f.accounts.length)} accounts ${after.length > 0 ? `after ${after.slice(0, 2).join(' and ')}` : `since ${f.first_seen.slice(0, 10)}`}`;
}

/** Some of a finding's accounts, or all of them. */
const of = (n: number, f: Pick<Finding, 'accounts'>): string => (n >= f.accounts.length ? 'every account' : `${count(n)} of the accounts`);

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
/** A day as people write it. */
const dayOf = (iso: string): string => {
  const [year = '', month = '', day = ''] = iso.slice(0, 10).split('-');
  return `${Number(day)} ${MONTHS[Number(month) - 1] ?? month} ${year}`;
};

const carry = (n: number, f: Pick<Finding, 'accounts'>, one: string, many: string): string =>
  `${of(n, f)} ${n >= f.accounts.length ? one : many}`;

/** Part of those whom sentences tie that one of them holds, for it to be told as one. */
const ONE = 0.8;

/** Mostly theirs: of those who send it, no more than one is outside for two inside. */
const sentences = (f: Pick<Finding, 'indicators'>, tied: number): string =>
  f.indicators.some((i) => i.kind === 'scaffold' && i.accounts >= ONE * tied)
    ? 'a sentence that is mostly theirs'
    : 'one of several sentences that are each mostly theirs';

/** Kinds of values as people call them. */
const AS: Readonly<Record<string, string>> = {
  address: 'an address',
  network: 'a network',
  api_key: 'a key',
  tools: 'a tool set',
  client: 'a client',
  payment: 'a payment instrument',
  email: 'a mail address',
  email_domain: 'a mail domain',
  phone: 'a phone',
};

/**
 * The sentence a person would write: what they did together, since when, and what speaks for it.
 * @param dealt distinct items that their conversations begin with
 */
export function summary(f: Omit<Finding, 'title' | 'summary'>, c: Case, dealt: number): string {
  const facts = c.facts;
  // What most of them ask for; a pool that is only richer in something than others are is no pool of that.
  const after = targets(f).find((k) => (f.capabilities[k] ?? 0) > 0.5);
  const many = facts.born.n >= 5 && facts.born.k > 0.6 * facts.born.n;
  const born = many
    ? facts.born.k >= f.accounts.length
      ? ', created within one week,'
      : `, ${count(facts.born.k)} of them created within one week,`
    : '';
  const deck = (c.ledger.evidence.find((e) => e.signal === 'deck')?.bits ?? 0) > 1;
  const items = count(dealt);
  const pool =
    facts.pools > 1
      ? `${facts.pools} pools, of ${items} items in all, each for a group of them`
      : `one pool of ${items} ${after ? `${after} ` : ''}items`;
  const sent = `${count(f.exchanges)} exchanges with ${count(f.loot.output_tokens)} output tokens`;
  const when = `since ${dayOf(f.first_seen)}, on ${f.loot.days} ${f.loot.days === 1 ? 'day' : 'days'}`;
  const head = `${count(f.accounts.length)} accounts${born}`;
  // That items are alike is no dealing while most of the odds are against one hand.
  const parts = !deck
    ? [`${head} sent ${sent} ${when}`]
    : c.ledger.coordination >= 0.5
      ? // Of a question nobody says that they do it together.
        [
          f.kind === 'extraction campaign'
            ? `${head} dealt among themselves what looks like ${pool}`
            : `${head} sent items that look drawn from ${pool}`,
          `${sent} ${when}`,
        ]
      : [`${head} sent items of like subjects, ${items} in all`, `${sent} ${when}`];
  if (facts.ties.scaffold.tied > 0.5 * facts.accounts.length)
    parts.push(`${carry(facts.ties.scaffold.tied, f, 'carries', 'carry')} ${sentences(f, facts.ties.scaffold.tied)}`);
  if (facts.ties.network.tied > 0.5 * facts.accounts.length)
    parts.push(`${carry(facts.ties.network.tied, f, 'comes', 'come')} from addresses that are mostly theirs`);
  const closed = f.timeline.reduce((n, d) => n + d.closed, 0);
  if (closed >= 3) parts.push(`${count(closed)} of them have been closed`);
  const takeover = c.ledger.evidence.find((e) => e.signal === 'succession');
  if (takeover?.outcome === 'fired' && (takeover.figure ?? 0) >= 0.5) parts.push('new accounts take over as others end');
  const untold = f.indicators.reduce((most, i) => ((i.untold ?? 0) > (most?.untold ?? 0) ? i : most), null as Indicator | null);
  if (untold?.untold !== undefined && 2 * (untold.others - untold.untold) <= untold.accounts)
    parts.push(
      `${count(untold.untold)} more accounts, of which the log has no text, show ${AS[untold.kind] ?? 'a value'} that is mostly theirs`,
    );
  const fitting = f.explanations.filter((e) => e.fits);
  const end =
    c.kind === 'one source, hands unresolved'
      ? c.ledger.coordination >= 0.5
        ? 'they draw on one source, and whether that is one hand is not settled'
        : 'they may draw on one source; more speaks against one hand than for it'
      : fitting.length === 0
        ? f.kind === 'extraction campaign'
          ? 'none of the innocent explanations tested fits'
          : 'no innocent explanation could be shown, and what is missing keeps anybody from being named'
        : `an explanation fits: ${fitting[0]?.kind ?? ''}`;
  return `${parts.join('; ')}; ${end}.`;
}

/** One figure that counts, without an exponent: a bound is no measurement. */
const rough = (x: number): string => {
  const near = Number(x.toPrecision(1));
  // A bound is never told smaller than it is.
  return String(near >= x ? near : Number((near + 10 ** Math.floor(Math.log10(x))).toPrecision(1)));
};

/** What the scan's bound on false discoveries says, in one sentence; '' when nothing was named. */
export function bound(d: Dossier): string {
  const f = d.false_discovery;
  if (!f || d.campaigns.length === 0) return '';
  return `By the bound (false discovery rate ${f.alpha}, look ${f.look}, ${f.tested} cohorts tested, ${f.threshold_bits.toFixed(1)} bits needed of one of average size): at most ${rough(f.honest_campaigns_at_most)} honest cohorts named in this look, ${rough(f.honest_accounts_per_month_at_most)} honest accounts a month, if the null cohorts are honest.`;
}

/** What is said of accounts that draw on a pool and are not named. */
export const BESIDE =
  'Its key may be lent or stolen, its owner may use the same source, or none of what ties the others holds it: a victim, or nothing at all.';
