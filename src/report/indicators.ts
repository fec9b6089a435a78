import type { Case } from '../campaigns/settle.ts';
import type { Table } from '../campaigns/table.ts';
import type { Indicator } from '../model/dossier.ts';

const INDICATORS_MAX = 30;

/** Values of the accounts themselves, or sentences, that at least so many members of two findings show. */
const COMMON = {
  members: 3,
  strangers: 0.5,
  kinds: new Set<string>(['scaffold', 'address', 'network', 'api_key', 'payment', 'email', 'email_domain', 'phone']),
} as const;

/** What findings have in common, by finding: a card that two cohorts share is mostly nobody's own, and ties the two. Values that others show as well tie nobody. */
export function commonValues(t: Table, shown: readonly Case[]): number[][] {
  const by = new Map<number, number[]>();
  shown.forEach((c, i) => {
    for (const m of c.members)
      for (const { v } of t.valuesOf[m.account] ?? []) {
        if (!COMMON.kinds.has(t.values[v]?.kind ?? '')) continue;
        const counts = by.get(v) ?? new Array<number>(shown.length).fill(0);
        counts[i] = (counts[i] as number) + 1;
        by.set(v, counts);
      }
  });
  const out: number[][] = shown.map(() => []);
  for (const [v, counts] of by) {
    const those = counts.filter((n) => n >= COMMON.members);
    const members = those.reduce((x, n) => x + n, 0);
    if (those.length < 2 || (t.values[v]?.accounts.length ?? 0) - members > COMMON.strangers * members) continue;
    counts.forEach((n, i) => {
      if (n >= COMMON.members) (out[i] as number[]).push(v);
    });
  }
  return out;
}

/** Values that tie the accounts of a finding, with how rare each is among all others. @param common what it has in common with other findings */
export function indicators(t: Table, c: Case, common: readonly number[]): Indicator[] {
  const inside = new Set(c.members.map((m) => m.account));
  const seen = Object.values(c.facts.ties).flatMap((tie) => [...new Set([...tie.values, ...tie.passing])].slice(0, 12));
  return (
    [...new Set([...seen, ...c.candidate.scaffold.slice(0, 4), ...common])]
      .flatMap((at) => {
        const v = t.values[at];
        return v ? [{ v, both: common.includes(at) }] : [];
      })
      .map(({ v, both }) => {
        const k = [...v.accounts].filter((a) => inside.has(a)).length;
        const others = v.accounts.length - k;
        const untold = t.untold ? [...v.accounts].filter((a) => !inside.has(a) && t.untold?.is[a] === 1).length : 0;
        return {
          kind: v.kind,
          value: v.value,
          accounts: k,
          others,
          ...(untold > 0 ? { untold } : {}),
          bits: Number(Math.log2((t.rows.length - inside.size + 1) / (others + 1)).toFixed(1)),
          both,
        };
      })
      .sort((x, y) => y.accounts - x.accounts)
      // What two findings share is told, however few members show it.
      .sort((x, y) => Number(y.both) - Number(x.both))
      .slice(0, INDICATORS_MAX)
      .sort((x, y) => y.accounts - x.accounts)
      .map(({ both: _, ...i }) => i)
  );
}
