import { BUCKETINGS, BUCKETS, type Cell } from './deck.ts';
import { median } from './stats.ts';

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

/** What it takes to tell rounds of a deck: items that stand in so many members, how many fewer than chance stand in one more, by how many errors (chance itself taken low by so many), and how few accounts those are of all. */
const ROUNDS = {
  items: 20,
  ratio: 0.3,
  errors: 5,
  sure: 3,
  accounts: 4,
  beyond: 0.2,
  at: 0.3,
  uneven: 0.5,
  pairs: 50,
  pairAccounts: 60,
} as const;

/** How often a deck goes round. */
export interface Rounds {
  /** So many members an item stands in, at most. */
  readonly times: number;
  /** Part of the items sent that stand in so many, or in one fewer. */
  readonly part: number;
}

/**
 * Whether items are dealt in rounds: each stands in as many members as there were rounds, and in no more. Nobody who picks for themselves does that. Were each account to take each item or leave it, whatever the items' popularity, then the number of
 * accounts an item stands in would be a mixture of binomials, for which E[odds | k] = (k + 1) / (n - k) P(k + 1) / P(k) cannot fall with k (the posterior mean of Robbins, 1956); accounts of unequal appetite count as fewer equal ones. It falls where somebody sees to
 * it that an item goes out so many times and no more. Accounts that do the same sheets together look so too, in groups: members must share about as much with one as with another.
 *
 * Items are told as in `itemsShared`. An item that is told apart by chance stands in fewer, which takes from the figure and adds nothing to it. Null where there are none.
 */
export function dealtInRounds(cells: readonly Cell[]): Rounds | null {
  const each = new Map<number, number>();
  for (const c of cells) each.set(c.account, (each.get(c.account) ?? 0) + c.buckets.length / BUCKETINGS);
  const sent = [...each.values()].reduce((x, n) => x + n, 0);
  const alike = sent ** 2 / [...each.values()].reduce((x, n) => x + n * n, 0);
  const seen = met(cells);
  const stand: number[] = [];
  for (const s of seen.values()) if (!s.twice) stand[s.accounts] = (stand[s.accounts] ?? 0) + 1;
  const at = (k: number): number => stand[k] ?? 0;
  const sentAt = (k: number): number => k * at(k);
  for (let k = 2; ROUNDS.accounts * k <= alike; k++) {
    if (at(k) < ROUNDS.items) continue;
    const chance = (at(k) ** 2 / (at(k - 1) + 0.5)) * ((k * (alike - k)) / ((k + 1) * (alike - k + 1)));
    // What is counted below is counted with an error; a count of its own is told from its mean by its square root (Anscombe, 1948).
    const least = chance * Math.exp(-ROUNDS.sure * Math.sqrt(4 / at(k) + 1 / (at(k - 1) + 0.5)));
    if (at(k + 1) > ROUNDS.ratio * chance || 2 * (Math.sqrt(at(k + 1) + 0.375) - Math.sqrt(least + 0.375)) > -ROUNDS.errors) continue;
    let beyond = 0;
    for (let c = k + 1; c < stand.length; c++) beyond += sentAt(c);
    const part = (sentAt(k - 1) + sentAt(k)) / sent;
    if (beyond > ROUNDS.beyond * sent || part < ROUNDS.at || !evenly(cells, each, k)) continue;
    return { times: k, part };
  }
  return null;
}

/** Of the usual part of items at the rounds' end an account shows so much at least, and of what it shows there so little beyond. */
const DEALT = { at: 0.5, beyond: 0.2 } as const;

/**
 * Accounts whose items were dealt in these rounds: as many of them as others' stand in the last round or the one before, and hardly any in more. Who takes from the same public set by themselves makes an item of the rounds stand in one
 * account too many.
 */
export function dealtTo(cells: readonly Cell[], rounds: Rounds): Set<number> {
  const seen = met(cells);
  const of = new Map<number, { at: number; beyond: number; all: number }>();
  for (const c of cells) {
    const x = of.get(c.account) ?? { at: 0, beyond: 0, all: 0 };
    of.set(c.account, x);
    for (let i = 0; i < c.buckets.length; i += BUCKETINGS) {
      const s = seen.get(itemAt(c, i)) as Met;
      x.all += 1;
      if (s.twice) continue;
      if (s.accounts > rounds.times) x.beyond += 1;
      else if (s.accounts >= rounds.times - 1 && s.accounts > 1) x.at += 1;
    }
  }
  const usual = median([...of.values()].map((x) => x.at / Math.max(1, x.all)));
  return new Set(
    [...of].filter(([, x]) => x.at > 0 && x.at >= DEALT.at * usual * x.all && x.beyond <= DEALT.beyond * (x.at + x.beyond)).map(([a]) => a),
  );
}

/** Whether members share about as many items with one as with another: the squared deviations of what two of them share from what their volumes lead to expect, beyond chance, in parts of that. Sixty accounts tell. */
function evenly(cells: readonly Cell[], each: ReadonlyMap<number, number>, times: number): boolean {
  const place = new Map([...each.keys()].slice(0, ROUNDS.pairAccounts).map((a, i) => [a, i]));
  const holders = new Map<number, Set<number>>();
  for (const c of cells) {
    const i = place.get(c.account);
    if (i === undefined) continue;
    for (let at = 0; at < c.buckets.length; at += BUCKETINGS) {
      const item = itemAt(c, at);
      const who = holders.get(item);
      if (who) who.add(i);
      else holders.set(item, new Set([i]));
    }
  }
  const n = place.size;
  const both = new Float64Array(n * n);
  let all = 0;
  for (const who of holders.values()) {
    // What stands in far more was not dealt in these rounds.
    if (who.size < 2 || who.size > times + 1) continue;
    for (const i of who)
      for (const j of who)
        if (i < j) {
          both[i * n + j] = (both[i * n + j] as number) + 1;
          all += 1;
        }
  }
  if (all < ROUNDS.pairs) return false;
  const size = [...place.keys()].map((a) => each.get(a) as number);
  let products = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) products += (size[i] as number) * (size[j] as number);
  let off = 0;
  let squares = 0;
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++) {
      const e = (all * (size[i] as number) * (size[j] as number)) / products;
      off += ((both[i * n + j] as number) - e) ** 2 - e;
      squares += e * e;
    }
  return off <= ROUNDS.uneven * squares;
}
