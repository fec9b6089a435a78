import { shuffled } from './stats.ts';

/**
 * Leiden communities (Traag, Waltman and van Eck, "From Louvain to Leiden", 2019) for weighted modularity: local moving
 * with a queue, refinement inside each community, aggregation by the refined partition. Communities come out connected;
 * the same seed gives the same communities.
 */
export interface Graph {
  readonly nodes: number;
  /** Undirected edges, each once; loops allowed. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** Above nought. */
  readonly weight: Float64Array;
}

interface Csr {
  readonly n: number;
  readonly start: Int32Array;
  readonly next: Int32Array;
  readonly w: Float64Array;
  /** Weight of the loop of each node, counted once. */
  readonly loop: Float64Array;
  readonly strength: Float64Array;
}

function csr(g: Graph): Csr {
  const degree = new Int32Array(g.nodes + 1);
  const loop = new Float64Array(g.nodes);
  const strength = new Float64Array(g.nodes);
  for (let e = 0; e < g.from.length; e++) {
    const a = g.from[e] as number;
    const b = g.to[e] as number;
    const w = g.weight[e] as number;
    strength[a] = (strength[a] as number) + w;
    strength[b] = (strength[b] as number) + w;
    if (a === b) loop[a] = (loop[a] as number) + w;
    else {
      degree[a + 1] = (degree[a + 1] as number) + 1;
      degree[b + 1] = (degree[b + 1] as number) + 1;
    }
  }
  for (let i = 0; i < g.nodes; i++) degree[i + 1] = (degree[i + 1] as number) + (degree[i] as number);
  const start = degree.slice();
  const next = new Int32Array(start[g.nodes] as number);
  const w = new Float64Array(next.length);
  const at = start.slice();
  const put = (a: number, b: number, x: number) => {
    const i = at[a] as number;
    next[i] = b;
    w[i] = x;
    at[a] = i + 1;
  };
  for (let e = 0; e < g.from.length; e++) {
    const a = g.from[e] as number;
    const b = g.to[e] as number;
    if (a === b) continue;
    put(a, b, g.weight[e] as number);
    put(b, a, g.weight[e] as number);
  }
  return { n: g.nodes, start, next, w, loop, strength };
}

/** Moves nodes while modularity rises; only neighbours of a moved node are looked at again. */
function move(g: Csr, part: Int32Array, total: number, resolution: number, random: () => number): boolean {
  const strength = new Float64Array(g.n);
  for (let i = 0; i < g.n; i++) strength[part[i] as number] = (strength[part[i] as number] as number) + (g.strength[i] as number);
  // No node stands in it twice: a ring with a place for each is enough.
  const queue = shuffled(g.n, random);
  const queued = new Uint8Array(g.n).fill(1);
  const link = new Float64Array(g.n);
  const near = new Int32Array(g.n);
  let moved = false;
  let head = 0;
  let tail = 0;
  for (let waiting = g.n; waiting > 0; waiting--) {
    const i = queue[head] as number;
    head = head + 1 === g.n ? 0 : head + 1;
    queued[i] = 0;
    const own = part[i] as number;
    const k = g.strength[i] as number;
    let met = 0;
    for (let e = g.start[i] as number; e < (g.start[i + 1] as number); e++) {
      const c = part[g.next[e] as number] as number;
      if (link[c] === 0) near[met++] = c;
      link[c] = (link[c] as number) + (g.w[e] as number);
    }
    strength[own] = (strength[own] as number) - k;
    let best = own;
    let gain = (link[own] as number) - (resolution * k * (strength[own] as number)) / total;
    for (let x = 0; x < met; x++) {
      const c = near[x] as number;
      const more = (link[c] as number) - (resolution * k * (strength[c] as number)) / total;
      if (more > gain + 1e-12) {
        gain = more;
        best = c;
      }
    }
    strength[best] = (strength[best] as number) + k;
    for (let x = 0; x < met; x++) link[near[x] as number] = 0;
    if (best !== own) {
      part[i] = best;
      moved = true;
      for (let e = g.start[i] as number; e < (g.start[i + 1] as number); e++) {
        const j = g.next[e] as number;
        if (part[j] !== best && !queued[j]) {
          queued[j] = 1;
          queue[tail] = j;
          tail = tail + 1 === g.n ? 0 : tail + 1;
          waiting += 1;
        }
      }
    }
  }
  return moved;
}

/** Splits each community into well-connected parts: single nodes merge only with parts of their own community they are linked to. */
function refine(g: Csr, part: Int32Array, total: number, resolution: number, random: () => number): Int32Array {
  const sub = Int32Array.from({ length: g.n }, (_, i) => i);
  const strength = g.strength.slice();
  const single = new Uint8Array(g.n).fill(1);
  const link = new Float64Array(g.n);
  const near = new Int32Array(g.n);
  for (const i of shuffled(g.n, random)) {
    if (!single[i]) continue;
    let met = 0;
    for (let e = g.start[i] as number; e < (g.start[i + 1] as number); e++) {
      const j = g.next[e] as number;
      if (part[j] !== part[i]) continue;
      const c = sub[j] as number;
      if (link[c] === 0) near[met++] = c;
      link[c] = (link[c] as number) + (g.w[e] as number);
    }
    const k = g.strength[i] as number;
    let best = -1;
    let gain = 0;
    for (let x = 0; x < met; x++) {
      const c = near[x] as number;
      if (c === sub[i]) continue;
      const more = (link[c] as number) - (resolution * k * (strength[c] as number)) / total;
      if (more > gain) {
        gain = more;
        best = c;
      }
    }
    for (let x = 0; x < met; x++) link[near[x] as number] = 0;
    if (best >= 0) {
      strength[best] = (strength[best] as number) + k;
      strength[sub[i] as number] = (strength[sub[i] as number] as number) - k;
      sub[i] = best;
      single[best] = 0;
      single[i] = 0;
    }
  }
  return sub;
}

function renumber(part: Int32Array): number {
  const seen = new Map<number, number>();
  for (let i = 0; i < part.length; i++) {
    const c = part[i] as number;
    let id = seen.get(c);
    if (id === undefined) {
      id = seen.size;
      seen.set(c, id);
    }
    part[i] = id;
  }
  return seen.size;
}

/** Edges between parts, each once, with loops for what runs inside: part by part, sums in one array. */
function aggregate(g: Csr, sub: Int32Array, parts: number): { from: Int32Array; to: Int32Array; weight: Float64Array } {
  const starts = new Int32Array(parts + 1);
  for (let i = 0; i < g.n; i++) {
    const c = (sub[i] as number) + 1;
    starts[c] = (starts[c] as number) + 1;
  }
  for (let c = 0; c < parts; c++) starts[c + 1] = (starts[c + 1] as number) + (starts[c] as number);
  const next = starts.slice();
  const order = new Int32Array(g.n);
  for (let i = 0; i < g.n; i++) {
    const c = sub[i] as number;
    order[next[c] as number] = i;
    next[c] = (next[c] as number) + 1;
  }
  const most = (g.next.length >> 1) + parts;
  const from = new Int32Array(most);
  const to = new Int32Array(most);
  const weight = new Float64Array(most);
  const sum = new Float64Array(parts);
  const met = new Uint8Array(parts);
  const touched = new Int32Array(parts);
  let at = 0;
  for (let c = 0; c < parts; c++) {
    let n = 0;
    for (let x = starts[c] as number; x < (starts[c + 1] as number); x++) {
      const i = order[x] as number;
      const put = (d: number, w: number) => {
        if (met[d] === 0) {
          met[d] = 1;
          touched[n++] = d;
        }
        sum[d] = (sum[d] as number) + w;
      };
      if (g.loop[i]) put(c, g.loop[i] as number);
      for (let e = g.start[i] as number; e < (g.start[i + 1] as number); e++) {
        const j = g.next[e] as number;
        const d = sub[j] as number;
        if (d > c || (d === c && i < j)) put(d, g.w[e] as number);
      }
    }
    for (let x = 0; x < n; x++) {
      const d = touched[x] as number;
      from[at] = c;
      to[at] = d;
      weight[at++] = sum[d] as number;
      sum[d] = 0;
      met[d] = 0;
    }
  }
  return { from: from.slice(0, at), to: to.slice(0, at), weight: weight.slice(0, at) };
}

/** Community of each node, numbered from 0. */
export function leiden(
  graph: Graph,
  options: { readonly random: () => number; readonly resolution?: number; readonly rounds?: number },
): Int32Array {
  const resolution = options.resolution ?? 1;
  let g = csr(graph);
  let total = 0;
  for (let i = 0; i < g.n; i++) total += g.strength[i] as number;
  const result = Int32Array.from({ length: g.n }, (_, i) => i);
  if (total === 0) return result;
  let part = Int32Array.from({ length: g.n }, (_, i) => i);
  // Node of the current graph that each original node has become.
  let node = result.slice();
  for (let round = 0; round < (options.rounds ?? 20); round++) {
    const moved = move(g, part, total, resolution, options.random);
    const communities = renumber(part);
    for (let i = 0; i < result.length; i++) result[i] = part[node[i] as number] as number;
    if (!moved || communities === g.n) break;
    const sub = refine(g, part, total, resolution, options.random);
    const parts = renumber(sub);
    const up = new Int32Array(parts);
    for (let i = 0; i < g.n; i++) up[sub[i] as number] = part[i] as number;
    const { from, to, weight } = aggregate(g, sub, parts);
    node = node.map((x) => sub[x] as number);
    g = csr({ nodes: parts, from, to, weight });
    part = up;
  }
  renumber(result);
  return result;
}
