import { BUCKETINGS, BUCKETS, type Cell } from './deck.ts';

/** Items looked at in one cohort: whole accounts are left out beyond. */
const ITEMS_MAX = 8_000;

/** An item by the buckets of its eight drawn words, 48 bits: exact in a double. */
function itemAt(c: Cell, at: number): number {
  let item = 0;
  for (let b = 0; b < BUCKETINGS; b++) item = item * BUCKETS + (c.buckets[at + b] as number);
  return item;
}

/** Part of each account's items that another account of the cohort sends too, however each wraps them; items that one account sends twice do not count. */
export function repeatedWithOthers(cells: readonly Cell[]): Map<number, number> {
  const seen = met(cells);
  const out = new Map<number, number>();
  const items = new Map<number, number>();
  for (const c of cells)
    for (let at = 0; at < c.buckets.length; at += BUCKETINGS) {
      const s = seen.get(itemAt(c, at)) as Met;
      items.set(c.account, (items.get(c.account) ?? 0) + 1);
      if (s.accounts > 1 && !s.twice) out.set(c.account, (out.get(c.account) ?? 0) + 1);
    }
  return new Map([...items].map(([a, n]) => [a, (out.get(a) ?? 0) / n]));
}

/** Whether most of what some accounts send is one and the same item, however they wrap it. */
export function oneItem(cells: readonly Cell[]): boolean {
  const times = new Map<number, number>();
  let all = 0;
  let most = 0;
  for (const c of cells)
    for (let at = 0; at < c.buckets.length; at += BUCKETINGS) {
      const item = itemAt(c, at);
      const n = (times.get(item) ?? 0) + 1;
      times.set(item, n);
      all += 1;
      most = Math.max(most, n);
    }
  return most > 0.5 * all;
}

interface Met {
  /** Accounts an item was met in, the last of them, and whether one of them sent it twice. */
  accounts: number;
  last: number;
  twice: boolean;
}

function met(cells: readonly Cell[]): Map<number, Met> {
  const seen = new Map<number, Met>();
  // One account's cells side by side.
  for (const c of [...cells].sort((x, y) => x.account - y.account))
    for (let at = 0; at < c.buckets.length; at += BUCKETINGS) {
      const item = itemAt(c, at);
      const had = seen.get(item);
      if (!had) seen.set(item, { accounts: 1, last: c.account, twice: false });
      else if (had.last === c.account) had.twice = true;
      else {
        had.accounts += 1;
        had.last = c.account;
      }
    }
  return seen;
}

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
  const seen = met(cells.filter((c) => kept.has(c.account)));
  let shared = 0;
  for (const s of seen.values()) if (!s.twice) shared += (s.accounts * (s.accounts - 1)) / (kept.size - 1);
  return shared / total;
}
