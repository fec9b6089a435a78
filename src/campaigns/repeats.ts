import { BUCKETINGS, BUCKETS, type Cell } from './deck.ts';

/** Items looked at in one cohort: whole accounts are left out beyond. */
const ITEMS_MAX = 8_000;

/**
 * How far the accounts of a cohort send the same items, each once: the mean, over items, of the part of the other accounts that send it too, however each wraps it.
 *
 * Everybody who runs a benchmark, does a class's work or reads one question bank goes through the same items, so an item stands in a good part of the accounts and
 * in each of them once (it is under-dispersed). A pool that is dealt does not come back; where it is made from few templates its items are alike within accounts as well as
 * between them, and do not count. An item is told by the eight words drawn of it, in which the words of a wrapper weigh little. Zero where fewer than three accounts have items.
 */
export function itemsShared(cells: readonly Cell[]): number {
  const items = new Map<number, number>();
  for (const c of cells) items.set(c.account, (items.get(c.account) ?? 0) + c.buckets.length / BUCKETINGS);
  const kept = new Set<number>();
  let total = 0;
  for (const [a, n] of items) {
    if (kept.size >= 3 && total + n > ITEMS_MAX) continue;
    kept.add(a);
    total += n;
  }
  if (kept.size < 3) return 0;
  /** Accounts an item was met in, the last of them, and whether one of them sent it twice. Cells of one account stand side by side. */
  const seen = new Map<number, { accounts: number; last: number; twice: boolean }>();
  const ordered = cells.filter((c) => kept.has(c.account)).sort((x, y) => x.account - y.account);
  for (const c of ordered)
    for (let at = 0; at < c.buckets.length; at += BUCKETINGS) {
      // 48 bits: exact in a double.
      let item = 0;
      for (let b = 0; b < BUCKETINGS; b++) item = item * BUCKETS + (c.buckets[at + b] as number);
      const had = seen.get(item);
      if (!had) seen.set(item, { accounts: 1, last: c.account, twice: false });
      else if (had.last === c.account) had.twice = true;
      else {
        had.accounts += 1;
        had.last = c.account;
      }
    }
  let shared = 0;
  for (const s of seen.values()) if (!s.twice) shared += (s.accounts * (s.accounts - 1)) / (kept.size - 1);
  return shared / total;
}
