import { overlap } from '../barriers/cases.ts';
import type { Case } from '../barriers/model.ts';
import type { Held, InboxRow, Related } from '../model/desk.ts';
import type { Dossier, Finding, Member, Undecided } from '../model/dossier.ts';

/** What a case shows of a look: findings by id, by accounts where ids changed, and put together where a person cut the case. */

export function heldIn(d: Dossier | null): Held[] {
  return [
    ...(d?.campaigns ?? []).map((f): Held => ({ ...f, verdict: 'campaign' })),
    ...(d?.undecided ?? []).map(
      (f): Held => ({ ...f, kind: (f as Undecided & { kind?: Finding['kind'] }).kind ?? 'purpose unclear', verdict: 'undecided' }),
    ),
  ];
}

const SAME = 0.5;

/** The finding a case stands for in a look: the one of its id, else the one that shares most of its accounts. */
export function findingOf(d: Dossier | null, c: Pick<Case, 'campaign' | 'accounts'>): Held | null {
  const all = heldIn(d);
  const own = all.find((f) => f.id === c.campaign);
  if (own) return own;
  let best: Held | null = null;
  let most = SAME;
  for (const f of all) {
    const o = overlap(
      f.accounts.map((m) => m.account),
      c.accounts,
    );
    if (o > most) [best, most] = [f, o];
  }
  return best;
}

/** Findings of a look and the accounts of a case that each of them is surest of: a case that a person cut may hold accounts of several. */
export function partsOf(d: Dossier | null, c: Pick<Case, 'accounts'>): { readonly finding: Held; readonly members: Member[] }[] {
  const own = new Set(c.accounts);
  const known = new Map<string, { f: Held; m: Member }>();
  for (const f of heldIn(d))
    for (const m of f.accounts)
      if (own.has(m.account) && (known.get(m.account)?.m.membership ?? -1) < m.membership) known.set(m.account, { f, m });
  const parts = new Map<Held, Member[]>();
  for (const { f, m } of known.values()) {
    const list = parts.get(f);
    if (list) list.push(m);
    else parts.set(f, [m]);
  }
  return [...parts].map(([finding, members]) => ({ finding, members }));
}

/** Members of a case, as the findings of a look have them; each account once. */
export const membersOf = (d: Dossier | null, c: Pick<Case, 'accounts'>): Member[] => partsOf(d, c).flatMap((p) => p.members);

/** What the findings hold that the accounts of a case came from, each value once. */
export const valuesOf = (parts: readonly { readonly finding: Held }[]): Finding['indicators'] => [
  ...new Map(parts.flatMap((p) => p.finding.indicators).map((i) => [`${i.kind}\0${i.value}`, i])).values(),
];

/** What is asked for in a case put together of several findings: the mix of each, by how much of the case it is. */
function mixed(parts: readonly { readonly finding: Held; readonly members: readonly Member[] }[]): Record<string, number> {
  const out: Record<string, number> = {};
  const weight = (members: readonly Member[]): number => members.reduce((x, m) => x + m.exchanges * m.share, 0);
  const all = parts.reduce((x, p) => x + weight(p.members), 0);
  for (const p of parts)
    for (const [k, v] of Object.entries(p.finding.capabilities)) out[k] = (out[k] ?? 0) + (v * weight(p.members)) / Math.max(1, all);
  return Object.fromEntries(Object.entries(out).map(([k, v]) => [k, Number(v.toFixed(3))]));
}

const earliest = (xs: readonly string[]): string => [...xs].sort()[0] ?? '';
const latest = (xs: readonly string[]): string => [...xs].sort().at(-1) ?? '';

/** What exchanges of the accounts of a cut case add up to, asked of the store. */
export type Cut = Pick<Finding, 'timeline' | 'models' | 'loot'> & { readonly shown: readonly number[] };

/** A title that says another number of accounts. */
const retitled = (title: string, accounts: number): string =>
  title.replace(/^[\d,]+ accounts?\b/, `${accounts.toLocaleString('en-US')} accounts`);

/** How a cut case came to be what it is. */
function lineage(c: Case, cases: readonly Case[]): string {
  const parts = cases.filter((x) => x.split_from === c.id).map((x) => x.id);
  const merged = cases.filter((x) => x.merged_into === c.id).map((x) => x.id);
  const said = [
    ...(c.split_from ? [`split from ${c.split_from}`] : []),
    ...(merged.length > 0 ? [`${merged.join(' and ')} merged in`] : []),
    ...(parts.length > 0 ? [`${parts.join(' and ')} split off`] : []),
  ];
  return said.length > 0 ? ` (${said.join('; ')})` : '';
}

/** A finding as a person cut it: accounts and figures are those of the case, evidence is that of the cohort the machine judged. */
export function cutTo(f: Held, c: Case, parts: ReturnType<typeof partsOf>, cut: Cut | null, cases: readonly Case[] = []): Held {
  const members = parts.flatMap((p) => p.members);
  const exchanges = Math.round(members.reduce((x, m) => x + m.exchanges * m.share, 0));
  const said = `${members.length} accounts that a person put together${lineage(c, cases)}, with ${exchanges.toLocaleString('en-US')} exchanges. The confidence, the evidence and the explanations below are of the ${f.accounts.length} accounts that were judged as one cohort; what is asked for is ${parts.length > 1 ? `that of the ${parts.length} findings its accounts came from, by their part of it` : 'theirs too'}.`;
  const { shown, ...figures } = cut ?? { shown: [] };
  return {
    ...f,
    title: retitled(c.title, members.length),
    summary: said,
    accounts: members,
    exchanges,
    ...(parts.length > 1 ? { capabilities: mixed(parts) } : {}),
    first_seen: earliest(members.map((m) => m.first_seen)),
    last_seen: latest(members.map((m) => m.last_seen)),
    ...(cut
      ? {
          ...(figures as Omit<Cut, 'shown'>),
          timeline: cut.timeline.map((d) => ({ ...d, joined: members.filter((m) => m.first_seen.startsWith(d.day)).length })),
          // Whoever of the cohort is not of this case is one of the others.
          indicators: valuesOf(parts)
            .map((i, at) => ({ ...i, accounts: shown[at] ?? i.accounts, others: i.others + i.accounts - (shown[at] ?? i.accounts) }))
            .filter((i) => i.accounts > 0),
        }
      : {}),
  };
}

/** Exchanges a day in the last third of the days, over those of all days before: a dip of a day or two makes nothing grow. */
const trend = (days: readonly { exchanges: number }[]): number => {
  const n = Math.max(1, Math.floor(days.length / 3));
  const mean = (x: readonly { exchanges: number }[]) => x.reduce((a, d) => a + d.exchanges, 0) / Math.max(1, x.length);
  return days.length < 2 ? 1 : mean(days.slice(-n)) / Math.max(1e-9, mean(days.slice(0, -n)));
};

const figures = (f: Held | null): Pick<InboxRow, 'exchanges' | 'first' | 'last' | 'trend' | 'capabilities'> => ({
  exchanges: f?.exchanges ?? 0,
  first: f?.first_seen ?? '',
  last: f?.last_seen ?? '',
  trend: f ? trend(f.timeline) : null,
  capabilities: Object.entries(f?.capabilities ?? {})
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([k]) => k),
});

/** Part of a finding's exchanges that were sent before a day. */
function sentBefore(f: Held | null, at: number): number | null {
  const all = f?.timeline.reduce((x, d) => x + d.exchanges, 0) ?? 0;
  if (!f || all === 0) return null;
  const day = new Date(at).toISOString().slice(0, 10);
  return f.timeline.reduce((x, d) => x + (d.day < day ? d.exchanges : 0), 0) / all;
}

export function inbox(d: Dossier | null, cases: readonly Case[]): InboxRow[] {
  const shown = new Set<string>();
  const rows = cases.map((c): InboxRow => {
    const f = findingOf(d, c);
    if (f) shown.add(f.id);
    const cut = f && c.by_hand ? cutTo(f, c, partsOf(d, c), null) : f;
    return {
      id: c.id,
      what: 'case',
      title: c.by_hand ? retitled(c.title, c.accounts.length) : c.title,
      kind: c.kind,
      state: c.status === 'closed' ? 'closed' : f?.verdict === 'undecided' ? 'undecided' : 'open',
      disposition: c.disposition?.is ?? '',
      confidence: c.confidence,
      accounts: c.accounts.length,
      ...figures(cut),
      // Days are those of the cohort that was judged: of a case that a person cut they tell nothing.
      ...(c.by_hand ? { trend: null } : {}),
      assignee: c.assignee ?? '',
      opened: new Date(c.opened).toISOString(),
      before: c.by_hand ? null : sentBefore(cut, c.opened),
    };
  });
  for (const f of heldIn(d))
    if (f.verdict === 'undecided' && !shown.has(f.id))
      rows.push({
        id: f.id,
        what: 'undecided',
        title: f.title,
        kind: f.kind,
        state: 'undecided',
        disposition: '',
        confidence: f.confidence,
        accounts: f.accounts.length,
        ...figures(f),
        assignee: '',
        opened: '',
        before: null,
      });
  return rows;
}

const VALUES_MAX = 12;

/** Of those who show a value and are in neither of two cohorts, so many for each that is in one of them, before it ties the two no more. */
const STRANGERS = 0.5;

/** Values that two findings show and hardly anybody in neither of them: each alone may have seen the other's accounts as strangers. */
function between(a: Finding | null, b: Pick<Finding, 'indicators'> | null): Finding['indicators'] {
  const there = new Map((b?.indicators ?? []).map((i) => [`${i.kind}\0${i.value}`, i.accounts]));
  return (a?.indicators ?? []).filter((i) => {
    const n = there.get(`${i.kind}\0${i.value}`);
    return n !== undefined && i.others - n <= STRANGERS * (i.accounts + n);
  });
}

/** Other cases and undecided cohorts that share an indicator or an account: perhaps of the same operator. */
export function related(
  d: Dossier | null,
  c: Pick<Case, 'id' | 'campaign' | 'accounts' | 'indicators'>,
  cases: readonly Case[],
): Related[] {
  const own = new Set(c.indicators.map((i) => `${i.kind}\0${i.value}`));
  const found = findingOf(d, c);
  for (const i of found?.indicators ?? []) own.add(`${i.kind}\0${i.value}`);
  const accounts = new Set(c.accounts);
  const taken = new Set(cases.map((x) => findingOf(d, x)?.id));
  const others = [
    ...cases
      .filter((x) => x.id !== c.id)
      .map((x) => ({
        what: 'case' as const,
        id: x.id,
        title: x.title,
        state: x.disposition?.is ?? x.status,
        indicators: [...x.indicators, ...between(found, findingOf(d, x))],
        members: x.accounts,
      })),
    ...heldIn(d)
      .filter((f) => f.verdict === 'undecided' && !taken.has(f.id) && f.id !== c.id)
      .map((f) => ({
        what: 'undecided' as const,
        id: f.id,
        title: f.title,
        state: 'undecided',
        indicators: f.indicators,
        members: f.accounts.map((m) => m.account),
      })),
  ];
  return others
    .map(({ indicators, members, ...x }) => ({
      ...x,
      values: [...new Map(indicators.map(({ kind, value }) => [`${kind}\0${value}`, { kind, value }]))]
        .filter(([key]) => own.has(key))
        .slice(0, VALUES_MAX)
        .map(([, v]) => v),
      accounts: members.filter((a) => accounts.has(a)).length,
    }))
    .filter((x) => x.values.length + x.accounts > 0)
    .sort((a, b) => b.values.length - a.values.length || b.accounts - a.accounts);
}
