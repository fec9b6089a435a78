import type { Graph, GraphNode } from '../model/graph.ts';
import type { Tied } from '../store/queries/ties.ts';

export interface GraphView {
  readonly kind: string;
  readonly bitsMin: number;
  /** Groups that stand open: their accounts are drawn one by one. */
  readonly open: readonly string[];
  readonly bitsOf: (t: Tied) => number;
  /** Accounts the picture is of. */
  readonly accounts: number;
}

export const GRAPH = { nodesMax: 500, openMax: 80, rounds: 160 } as const;

/**
 * The picture of what accounts share: values, and accounts that show the same values as one node, so that 25,000 accounts draw as few as they differ. It is
 * laid out here, in the process that owns the store, and never on the page.
 */
export function graphOf(all: readonly Tied[], view: GraphView): Graph {
  const kinds = [...new Set(all.filter((t) => t.accounts.length > 0).map((t) => t.kind))];
  const ties = all.filter((t) => t.accounts.length > 0 && (view.kind === '' || t.kind === view.kind) && view.bitsOf(t) >= view.bitsMin);
  const of = new Map<string, number[]>();
  ties.forEach((t, i) => {
    for (const a of t.accounts) {
      const list = of.get(a);
      if (list) list.push(i);
      else of.set(a, [i]);
    }
  });
  const groups = new Map<string, { ties: readonly number[]; accounts: string[] }>();
  for (const [a, list] of of) {
    const key = list.map((i) => `${ties[i]?.kind} ${ties[i]?.value}`).join('|');
    const g = groups.get(key);
    if (g) g.accounts.push(a);
    else groups.set(key, { ties: list, accounts: [a] });
  }
  const sorted = [...groups].sort((x, y) => y[1].accounts.length - x[1].accounts.length || (x[0] < y[0] ? -1 : 1));
  const nodes: Omit<GraphNode, 'x' | 'y'>[] = ties.map((t, i) => ({
    id: `v${i}`,
    kind: 'value',
    label: `${t.kind} ${t.value}`,
    accounts: t.accounts.length,
    bits: view.bitsOf(t),
  }));
  const values = nodes.length;
  const edges: [number, number][] = [];
  // Where each group was opened: its accounts are drawn around the place it had.
  const home: string[] = nodes.map((n) => n.id);
  let leftOut = 0;
  const put = (n: Omit<GraphNode, 'x' | 'y'>, to: readonly number[], of = n.id): void => {
    if (nodes.length >= GRAPH.nodesMax) {
      leftOut += 1;
      return;
    }
    for (const t of to) edges.push([nodes.length, t]);
    nodes.push(n);
    home.push(of);
  };
  // `id.from` opens a large group from that account on.
  const open = new Map(view.open.map((o) => [o.split('.')[0] ?? '', Number(o.split('.')[1] ?? 0) || 0]));
  const opened: { id: string; accounts: number; from: number; shown: number }[] = [];
  for (const [key, g] of sorted) {
    const id = groupId(key);
    if (g.accounts.length === 1)
      put({ id: `a:${g.accounts[0]}`, kind: 'account', label: g.accounts[0] ?? '', accounts: 1, bits: 0 }, g.ties);
    else if (open.has(id)) {
      const from = Math.min(open.get(id) ?? 0, Math.max(0, g.accounts.length - 1));
      const shown = g.accounts.slice(from, from + GRAPH.openMax);
      opened.push({ id, accounts: g.accounts.length, from, shown: shown.length });
      for (const a of shown) put({ id: `a:${a}`, kind: 'account', label: a, accounts: 1, bits: 0 }, g.ties, id);
      const rest = g.accounts.length - shown.length;
      if (rest > 0)
        put(
          {
            id: `${id}.${(from + shown.length) % g.accounts.length}`,
            kind: 'group',
            label: `${rest} more accounts`,
            accounts: rest,
            bits: 0,
          },
          g.ties,
          id,
        );
    } else put({ id, kind: 'group', label: `${g.accounts.length} accounts`, accounts: g.accounts.length, bits: 0 }, g.ties);
  }
  const at = places(nodes, edges, home, sorted, values);
  return {
    nodes: nodes.map((n, i) => ({ ...n, x: at[2 * i] as number, y: at[2 * i + 1] as number })),
    edges,
    kinds,
    opened,
    untied: Math.max(0, view.accounts - of.size),
    leftOut,
  };
}

/** Accounts of an opened group stand on a spiral around its place, this far apart. */
const APART = 0.022;

/** Places of the nodes: those that the picture has with everything closed, so that opening a group moves nothing else. */
function places(
  nodes: readonly Pick<GraphNode, 'id'>[],
  edges: readonly (readonly [number, number])[],
  home: readonly string[],
  groups: readonly (readonly [string, { readonly ties: readonly number[]; readonly accounts: readonly string[] }])[],
  values: number,
): Float64Array {
  if (nodes.every((n, i) => n.id === home[i])) return layout(nodes.length, edges);
  const ids = nodes.slice(0, values).map((n) => n.id);
  const closed: [number, number][] = [];
  for (const [key, g] of groups.slice(0, GRAPH.nodesMax - values)) {
    for (const t of g.ties) closed.push([ids.length, t]);
    ids.push(g.accounts.length === 1 ? `a:${g.accounts[0]}` : groupId(key));
  }
  const whole = layout(ids.length, closed);
  const place = new Map(ids.map((id, i) => [id, i]));
  const around = new Map<string, number>();
  const out = new Float64Array(2 * nodes.length);
  nodes.forEach((n, i) => {
    const of = home[i] as string;
    const p = place.get(of) ?? 0;
    const k = n.id === of ? 0 : (around.get(of) ?? 0) + 1;
    if (k > 0) around.set(of, k);
    out[2 * i] = (whole[2 * p] as number) + APART * Math.sqrt(k) * Math.cos(2.399963 * k);
    out[2 * i + 1] = (whole[2 * p + 1] as number) + APART * Math.sqrt(k) * Math.sin(2.399963 * k);
  });
  return out;
}

/** A short name for a set of ties (FNV-1a), the same in every look that finds it. */
function groupId(key: string): string {
  let h = 2166136261;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 16777619) >>> 0;
  return `g${h.toString(36)}`;
}

/**
 * Force-directed placement (Fruchterman and Reingold, 1991) of at most 500 nodes from a fixed spiral: repulsion between all, springs along edges, a pull to the middle, and a
 * step that cools. The same graph gives the same picture. Coordinates lie within [-1, 1].
 */
function layout(n: number, edges: readonly (readonly [number, number])[]): Float64Array {
  const at = new Float64Array(2 * n);
  for (let i = 0; i < n; i++) {
    const r = Math.sqrt((i + 0.5) / Math.max(1, n));
    at[2 * i] = r * Math.cos(2.399963 * i);
    at[2 * i + 1] = r * Math.sin(2.399963 * i);
  }
  const k = Math.sqrt(3 / Math.max(1, n));
  const move = new Float64Array(2 * n);
  for (let round = 0; round < GRAPH.rounds; round++) {
    move.fill(0);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < i; j++) {
        const dx = (at[2 * i] as number) - (at[2 * j] as number);
        const dy = (at[2 * i + 1] as number) - (at[2 * j + 1] as number);
        const f = (k * k) / Math.max(1e-6, dx * dx + dy * dy);
        push(move, i, dx * f, dy * f);
        push(move, j, -dx * f, -dy * f);
      }
    for (const [i, j] of edges) {
      const dx = (at[2 * i] as number) - (at[2 * j] as number);
      const dy = (at[2 * i + 1] as number) - (at[2 * j + 1] as number);
      const f = Math.hypot(dx, dy) / k;
      push(move, i, -dx * f, -dy * f);
      push(move, j, dx * f, dy * f);
    }
    const step = 0.12 * (1 - round / GRAPH.rounds) + 0.002;
    for (let i = 0; i < n; i++) {
      push(move, i, -0.6 * (at[2 * i] as number), -0.6 * (at[2 * i + 1] as number));
      const length = Math.hypot(move[2 * i] as number, move[2 * i + 1] as number) || 1;
      const part = Math.min(length, step) / length;
      push(at, i, (move[2 * i] as number) * part, (move[2 * i + 1] as number) * part);
    }
  }
  const most = at.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-9);
  return at.map((x) => x / most);
}

function push(v: Float64Array, i: number, x: number, y: number): void {
  v[2 * i] = (v[2 * i] as number) + x;
  v[2 * i + 1] = (v[2 * i + 1] as number) + y;
}
