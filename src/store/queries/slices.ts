import type { Store } from '../store.ts';

/** Exchanges that one statement over sorted accounts takes at a time: beyond, its tables outgrow the caches and cost more a row. */
const SLICE = 1_000_000;

/**
 * Conditions that split the accounts of a store into even parts, by their hash, which is the order of the table: each part reads its own rows only, in ascending order of accounts.
 * One empty condition where the store is small.
 */
export function slices(exchanges: number): string[] {
  const n = Math.ceil(exchanges / SLICE);
  if (n <= 1) return [''];
  const bound = (i: number): string => ((BigInt(i) * (1n << 64n)) / BigInt(n)).toString();
  return Array.from({ length: n }, (_, i) =>
    [i > 0 ? `AND acct >= ${bound(i)}` : '', i < n - 1 ? `AND acct < ${bound(i + 1)}` : ''].filter(Boolean).join(' '),
  );
}

/** Those parts for everything a store holds. */
export const slicesOf = async (store: Store): Promise<string[]> =>
  slices(Number((await store.first<{ n: string }>(`SELECT count() AS n FROM ${store.all('exchanges')} AS e`))?.n ?? 0));
