import type { Dossier } from '../model/dossier.ts';

/**
 * False discoveries over all cohorts tested and over repeated looks.
 *
 * A cohort's evidence of coordination, without its prior, is an e-value: under the null its mean is at most one, because it is a likelihood ratio
 * judged against null cohorts of the same builder and what families count twice is taken off ("joint"). The e-BH procedure (Wang and Ramdas, 2022)
 * holds the false discovery rate at alpha whatever ties cohorts to one another; looks at doubling volumes share alpha out as 6 / (pi^2 j^2), which sums to one.
 */

export type Discoveries = NonNullable<Dossier['false_discovery']>;

/** Level of the j-th look. */
export const levelOf = (alpha: number, look: number): number => (alpha * 6) / (Math.PI ** 2 * look ** 2);

/** The j-th look at a store that was first looked at with `first` exchanges: looks count when the volume has doubled. */
export const lookOf = (exchanges: number, first: number): number =>
  first > 0 && exchanges > first ? 1 + Math.floor(Math.log2(exchanges / first) + 1e-9) : 1;

/**
 * Bits a cohort must reach under e-BH: the smallest threshold log2(K / (level k)) that k cohorts reach; infinite when none do. `bits` are log2 e-values of
 * the cohorts that may be named, `tested` is K, all that were looked at.
 */
export function thresholdOf(bits: readonly number[], tested: number, level: number): number {
  const sorted = [...bits].sort((x, y) => y - x);
  let best = Math.log2(Math.max(1, tested) / level);
  sorted.forEach((x, i) => {
    const need = Math.log2(Math.max(1, tested) / (level * (i + 1)));
    if (x >= need) best = Math.min(best, need);
  });
  return best;
}

export interface DiscoveryOptions {
  readonly alpha: number;
  readonly look: number;
  /** The user's dial: honest accounts named a month at most, by the bound; no bound of its own when undefined. */
  readonly honestPerMonth?: number;
}

/** What must be reached, and what it bounds, for cohorts of these bits and sizes in a window of some days. */
export function discoveries(
  named: readonly { readonly bits: number; readonly accounts: number }[],
  all: readonly number[],
  tested: number,
  days: number,
  o: DiscoveryOptions,
): Discoveries {
  const size = named.length > 0 ? named.reduce((x, c) => x + c.accounts, 0) / named.length : 0;
  const months = Math.max(days, 1) / 30;
  const level = levelOf(o.alpha, o.look);
  const dial =
    o.honestPerMonth !== undefined && size > 0
      ? Math.log2((tested * size) / (Math.max(1e-9, o.honestPerMonth) * months))
      : Number.NEGATIVE_INFINITY;
  const threshold = Math.max(
    thresholdOf(
      named.map((c) => c.bits),
      tested,
      level,
    ),
    dial,
  );
  const honest = named.some((c) => c.bits >= threshold) ? tested / 2 ** threshold : 0;
  return {
    method:
      'e-BH over the cohorts of a look, level alpha 6/(pi^2 j^2) at look j; conditional on null cohorts of the same builder being honest',
    alpha: o.alpha,
    look: o.look,
    tested,
    threshold_bits: threshold,
    honest_campaigns_at_most: honest,
    honest_accounts_per_month_at_most: (honest * size) / months,
    at_least: Array.from({ length: 21 }, (_, x) => all.filter((b) => b >= x).length),
  };
}
