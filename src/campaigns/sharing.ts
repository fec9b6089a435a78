import { COHORT, type Kin } from './candidates.ts';
import { type Facts, sampled, type View } from './facts.ts';
import { CROWD, privatelyTied } from './hands.ts';
import type { Learned } from './ledger.ts';
import {
  carrierShares,
  HONEST_MIN,
  honestCarriers,
  type Judged,
  judgeCarriers,
  judgeMembers,
  longer,
  ofExchanges,
  ofSentence,
  Pool,
  shares,
  wordedOtherwise,
} from './membership.ts';
import { centreWithout } from './profile.ts';
import type { Honest } from './rivals.ts';
import { median } from './stats.ts';
import type { Table } from './table.ts';

/** What one cohort is judged with. */
export interface Bench {
  readonly t: Table;
  readonly k: Kin;
  /** Whom the population's centre is made of, and of how many items. */
  readonly heard: ReadonlySet<number>;
  readonly whole: number;
  readonly learned: Learned;
  readonly honest: Honest;
  /** Reference accounts. */
  readonly refs: readonly number[];
  /** Accounts that an earlier case settled. */
  readonly taken: ReadonlySet<number>;
  readonly without: readonly string[];
  readonly confidenceMin: number;
}

/** Honest accounts that members are held against, and how many items each has at least. */
const LIMITS = { honestSample: 150, honestItems: 4 } as const;

/** Accounts of a cohort and their nearest neighbours in content; of a crowd the accounts alone, since its community holds its neighbours already. */
export function around({ k, taken }: Bench, accounts: readonly number[]): Set<number> {
  const near = new Set(accounts);
  for (const a of accounts.length > CROWD ? [] : accounts) {
    for (let x = 0; x < k.near.k; x++) {
      const b = k.near.ids[a * k.near.k + x] as number;
      if (b >= 0 && !taken.has(b)) near.add(b);
    }
  }
  return near;
}

/**
 * What part of what they send each of some accounts draws from the pool that they make, and whether it is a member.
 * @param kin accounts the cohort began with and their neighbours, none of whom is a reference for it
 */
export function share(
  x: Bench,
  accounts: readonly number[],
  kin: ReadonlySet<number>,
  scope: View | null,
  carries: (a: number) => number,
  facts: Facts,
): Judged[] {
  const { t, k, refs } = x;
  const inside = new Set(accounts);
  const pool = new Pool(scope?.cells ?? sampled(accounts).flatMap((a) => t.profiles.cellsOf(a)));
  const near = around(x, accounts);
  const mu = centreWithout(
    t.profiles,
    k.mu,
    x.whole,
    accounts.filter((a) => x.heard.has(a)),
    COHORT.itemsMin,
  );
  const other = (a: number): boolean => !near.has(a) && !kin.has(a);
  let honest = refs.filter(other);
  // Where the cohort is nearly all there is to compare, accounts of few items are the honest ones.
  if (honest.length < HONEST_MIN)
    honest = t.rows.map((_, a) => a).filter((a) => other(a) && (t.profiles.items[a] as number) >= LIMITS.honestItems);
  const step = Math.max(1, Math.floor(honest.length / LIMITS.honestSample));
  const sample = honest.filter((_, i) => i % step === 0);
  const shown = privatelyTied(t, facts);
  const tied = (a: number): boolean => inside.has(a) && shown(a);
  const held = shares(t, pool, mu, sample);
  const judged = judgeMembers(
    shares(
      t,
      pool,
      mu,
      [...near].sort((x, y) => x - y),
    ),
    held,
    tied,
    carries,
  );
  if (!scope) {
    const f = longer(t, judged);
    return ofSentence(ofExchanges(t, judged), (a) => f(a) * carries(a));
  }
  // Accounts that carry the sentence in part of their traffic are judged on that part.
  const part = (a: number): number => (scope.rows.get(a)?.n ?? 0) / (t.rows[a]?.n ?? 1);
  const every = Math.max(2, Math.round(1 / Math.max(0.02, median(accounts.map(part).filter((x) => x > 0)))));
  const carriers = new Map(
    judgeCarriers(carrierShares(t, pool, mu, part), honestCarriers(t, pool, mu, sample, every), part).map((j) => [j.account, j]),
  );
  // In a cohort of mixed accounts the sentence is what sets the campaign's part apart: content alone makes nobody a member who carries none of it.
  const worded = wordedOtherwise(judged, carriers, held);
  return judged.flatMap((j) => {
    const c = carriers.get(j.account);
    if (!c) return tied(j.account) ? j : [];
    return worded && j.low > c.high ? { ...c, share: j.share, low: j.low, high: j.high, said: { share: c.share, high: c.high } } : c;
  });
}
