import { leiden } from '../campaigns/leiden.ts';
import { rng } from '../campaigns/stats.ts';
import type { Edge } from './edges.ts';

export interface LinkedCohort {
  readonly id: string;
  /** Median over the members of what ties each to the others, in bits. */
  readonly bits: number;
  readonly accounts: readonly number[];
}

/** A tie this strong leaves no doubt at any number of pairs one can meet: such accounts are never split, by connected components. */
const CERTAIN_BITS = 60;

function components(n: number, edges: readonly { a: number; b: number }[]): Int32Array {
  const up = Int32Array.from({ length: n }, (_, i) => i);
  const root = (x: number): number => {
    let r = x;
    while (up[r] !== r) {
      up[r] = up[up[r] as number] as number;
      r = up[r] as number;
    }
    return r;
  };
  for (const e of edges) up[root(e.a)] = root(e.b);
  return Int32Array.from({ length: n }, (_, i) => root(i));
}

/** Joins communities that near-certain ties run between, then lists those of at least `least` members, the largest first. */
function list(part: Int32Array, accounts: number, edges: readonly Edge[], tie: Float64Array, least: number): LinkedCohort[] {
  const certain = components(
    part.reduce((m, x) => Math.max(m, x), 0) + 1,
    edges.filter((e) => e.bits >= CERTAIN_BITS).map((e) => ({ a: part[e.a] as number, b: part[e.b] as number })),
  );
  const groups = new Map<number, number[]>();
  for (let a = 0; a < accounts; a++) {
    if ((tie[a] as number) <= 0) continue;
    const c = certain[part[a] as number] as number;
    const g = groups.get(c);
    if (g) g.push(a);
    else groups.set(c, [a]);
  }
  return [...groups.values()]
    .filter((g) => g.length >= least)
    .map((g) => {
      const ties = g.map((a) => tie[a] as number).sort((x, y) => x - y);
      return { bits: ties[Math.floor(ties.length / 2)] as number, accounts: g };
    })
    .sort((x, y) => y.accounts.length - x.accounts.length || y.bits - x.bits || (x.accounts[0] as number) - (y.accounts[0] as number))
    .map((g, i) => ({ id: `l-${i + 1}`, ...g }));
}

/** Cohorts of accounts by their edges: Leiden, seeded; every cohort is connected. */
export function cohortsOfEdges(accounts: number, edges: readonly Edge[], seed: number): LinkedCohort[] {
  const tie = new Float64Array(accounts);
  for (const e of edges) {
    tie[e.a] = (tie[e.a] as number) + e.bits;
    tie[e.b] = (tie[e.b] as number) + e.bits;
  }
  const part = leiden(
    {
      nodes: accounts,
      from: Int32Array.from(edges, (e) => e.a),
      to: Int32Array.from(edges, (e) => e.b),
      weight: Float64Array.from(edges, (e) => Math.min(CERTAIN_BITS, e.bits)),
    },
    { random: rng(seed) },
  );
  // Moves between communities can leave one in two parts that no tie connects (Traag, 2019): each is one by itself.
  const whole = components(
    accounts,
    edges.filter((e) => part[e.a] === part[e.b]),
  );
  return list(whole, accounts, edges, tie, 2);
}
