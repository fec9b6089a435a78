import type { Dossier } from '../model/dossier.ts';

/**
 * False discoveries over all cohorts tested and over repeated looks.
 *
 * A cohort's evidence of coordination, without its prior, is an e-value: under the null its mean is at most one, because it is a likelihood ratio
 * judged against null cohorts of the same builder and what families count twice is taken off ("joint"). The e-BH procedure (Wang and Ramdas, 2022)
 * holds the false discovery rate at alpha whatever ties cohorts to one another; looks at doubling volumes, and at each window of new exchanges, share alpha out as 6 / (pi^2 j^2), which sums to one.
 * Cohorts weigh by their size, weights adding up to their number (weighted e-BH): most of what the builder puts forward are handfuls of accounts, a campaign is not.
 * A weight is fixed by the size alone, before any evidence is weighed, and the bound holds for any weights of that kind.
 */

export type Discoveries = NonNullable<Dossier['false_discovery']>;

/** Level of the j-th look. */
export const levelOf = (alpha: number, look: number): number => (alpha * 6) / (Math.PI ** 2 * look ** 2);

/** The j-th look at a store that was first looked at with `first` exchanges: looks count when the volume has doubled. */
export const lookOf = (exchanges: number, first: number): number =>
  first > 0 && exchanges > first ? 1 + Math.floor(Math.log2(exchanges / first) + 1e-9) : 1;

/**
 * Whole windows that have passed since the first look ended: where old exchanges leave the window as new ones come, its volume never doubles, and yet after each window's length all that is
 * looked at is new. Looks in between see mostly the same exchanges and share one level.
 * @param from, to the window of this look, ms since 1970; @param first where that of the first look ended
 */
export const windowsSince = (from: number, to: number, first: number): number =>
  to > from && to > first ? Math.floor((to - first) / (to - from)) : 0;

/** Accounts beyond which a cohort weighs no more: a community of half the population is no likelier a campaign than one of a hundred. */
const WEIGHT_MOST = 100;

/** log2 of a cohort's weight, by its accounts, among the cohorts tested, whose weights average to one. */
export function weights(tested: readonly number[]): (accounts: number) => number {
  const capped = (n: number): number => Math.min(n, WEIGHT_MOST);
  const mean = tested.reduce((x, n) => x + capped(n), 0) / Math.max(1, tested.length);
  return (accounts) => (mean > 0 ? Math.log2(Math.max(1, capped(accounts)) / mean) : 0);
}

/**
 * Bits a cohort must reach under e-BH, its weight's included: the smallest threshold log2(K / (level k)) that k cohorts reach; the one asked of a single cohort when
 * none do. `bits` are log2 of weighted e-values of the cohorts that may be named, `tested` is K, all that were looked at.
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

/** What may be named: log2 of its e-value, and how many accounts the cohort was put forward with. */
export interface Nameable {
  readonly bits: number;
  readonly accounts: number;
}

/**
 * What must be reached, and what it bounds.
 * @param all log2 e-values of every cohort no mechanism explains, for the table that the lab checks the bound with.
 * @param nameable of those that nothing but their bits keeps from being named: what the bound is applied to.
 * @param tested accounts of each cohort that was looked at.
 */
export function discoveries(
  named: readonly Nameable[],
  all: readonly number[],
  nameable: readonly number[],
  tested: readonly number[],
  days: number,
  o: DiscoveryOptions,
): Discoveries {
  const months = Math.max(days, 1) / 30;
  const level = levelOf(o.alpha, o.look);
  // By Markov's inequality a cohort of weight w and n honest accounts passes a threshold of T with probability w / T at most, and then names n.
  const weight = weights(tested);
  const exposed = tested.reduce((x, n) => x + n * 2 ** weight(n), 0);
  // Looks share what the dial allows as they share alpha: asked anew at each, the sum of all looks would pass it.
  const dial =
    o.honestPerMonth !== undefined
      ? Math.log2(exposed / (Math.max(1e-9, levelOf(o.honestPerMonth, o.look)) * months))
      : Number.NEGATIVE_INFINITY;
  const weighted = named.map((c) => c.bits + weight(c.accounts));
  const rate = thresholdOf(weighted, tested.length, level);
  const threshold = Math.max(rate, dial);
  const any = weighted.some((b) => b >= threshold);
  return {
    method:
      'e-BH over the cohorts of a look, each weighted by its accounts (at most 100), level alpha 6/(pi^2 j^2) at look j (volume doubled, or a whole window new; looks between see mostly the same exchanges and share a level); conditional on null cohorts of the same builder being honest',
    alpha: o.alpha,
    look: o.look,
    tested: tested.length,
    threshold_bits: threshold,
    binding: dial > rate ? 'honest accounts a month' : 'false discovery rate',
    honest_campaigns_at_most: any ? tested.length / 2 ** threshold : 0,
    honest_accounts_per_month_at_most: any ? exposed / 2 ** threshold / months : 0,
    at_least: reached(all),
    nameable_at_least: reached(nameable),
  };
}

/** How many reach 0, 1, 2, ... 20 bits. */
const reached = (bits: readonly number[]): number[] => Array.from({ length: 21 }, (_, x) => bits.filter((b) => b >= x).length);
