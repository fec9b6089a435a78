import type { Graph, GraphNode } from '../model/graph.ts';
import { plain } from './bits.tsx';

export type { Graph, GraphNode } from '../model/graph.ts';

const LABELS = 30;

/** A graph on a canvas: at most 500 nodes at places the server computed, moved and zoomed without laying anything out. */
export class Picture {
  readonly canvas: HTMLCanvasElement;
  private graph: Graph = { nodes: [], edges: [], kinds: [], opened: [], untied: 0, leftOut: 0 };
  private marked: readonly string[] = [];
  /** Nodes in the order in which they are named. */
  private order: readonly GraphNode[] = [];
  private readonly widths = new Map<string, number>();
  /** The value whose accounts stand out. */
  private value = '';
  /** What the pointer is over: it and what it is tied to stand out. */
  private under: GraphNode | undefined;
  private x = 0;
  private y = 0;
  private zoom = 1;
  private frame = 0;
  private readonly stop = new AbortController();

  private readonly moved: (view: string) => void;
  private told: ReturnType<typeof setTimeout> | undefined;

  /** @param moved told where the picture stands, once it stands still; @param view where it stood */
  constructor(canvas: HTMLCanvasElement, choose: (n: GraphNode) => void, moved: (view: string) => void, view: string) {
    this.canvas = canvas;
    this.moved = moved;
    const at = view.split(',').map(Number);
    if (at.length === 3 && at.every(Number.isFinite)) [this.x, this.y, this.zoom] = at as [number, number, number];
    canvas.tabIndex = 0;
    const { signal } = this.stop;
    let from: { x: number; y: number; moved: boolean } | null = null;
    const fingers = new Map<number, { x: number; y: number }>();
    const apart = (): number => {
      const [a, b] = [...fingers.values()];
      return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
    };
    canvas.addEventListener(
      'pointerdown',
      (e) => {
        fingers.set(e.pointerId, { x: e.clientX, y: e.clientY });
        from = { x: e.clientX, y: e.clientY, moved: false };
        canvas.setPointerCapture(e.pointerId);
      },
      { signal },
    );
    canvas.addEventListener(
      'pointermove',
      (e) => {
        if (!from) {
          // What is under the pointer is said in full.
          const n = this.at(e.offsetX * this.scale(), e.offsetY * this.scale());
          if (n !== this.under) {
            this.under = n;
            this.draw();
          }
          canvas.title = n
            ? `${plain(n.label)}${n.kind === 'value' ? `, ${n.accounts} accounts, ${n.bits.toFixed(1)} bits for a pair` : ''}`
            : '';
          return;
        }
        if (fingers.size === 2) {
          const before = apart();
          fingers.set(e.pointerId, { x: e.clientX, y: e.clientY });
          const [p, q] = [...fingers.values()];
          const box = canvas.getBoundingClientRect();
          if (before > 0 && p && q)
            this.zoomBy(apart() / before, ((p.x + q.x) / 2 - box.left) * this.scale(), ((p.y + q.y) / 2 - box.top) * this.scale());
          from.moved = true;
          return;
        }
        const [dx, dy] = [e.clientX - from.x, e.clientY - from.y];
        if (Math.hypot(dx, dy) < 3 && !from.moved) return;
        this.move(dx * this.scale(), dy * this.scale());
        from = { x: e.clientX, y: e.clientY, moved: true };
      },
      { signal },
    );
    canvas.addEventListener(
      'pointerup',
      (e) => {
        fingers.delete(e.pointerId);
        const still = from !== null && !from.moved;
        from = null;
        if (!still) return;
        const n = this.at(e.offsetX * this.scale(), e.offsetY * this.scale());
        if (n) choose(n);
      },
      { signal },
    );
    canvas.addEventListener('pointercancel', (e) => void fingers.delete(e.pointerId), { signal });
    canvas.addEventListener(
      'wheel',
      (e) => {
        // The wheel alone scrolls the page: nobody is caught in the picture.
        if (!e.ctrlKey && !e.metaKey) return;
        e.preventDefault();
        this.zoomBy(Math.exp(-e.deltaY / 500), e.offsetX * this.scale(), e.offsetY * this.scale());
      },
      { signal, passive: false },
    );
    canvas.addEventListener(
      'keydown',
      (e) => {
        const step = 40;
        const moves: Record<string, [number, number]> = {
          ArrowLeft: [step, 0],
          ArrowRight: [-step, 0],
          ArrowUp: [0, step],
          ArrowDown: [0, -step],
        };
        const m = moves[e.key];
        if (m) this.move(...m);
        else if (e.key === '+' || e.key === '=') this.zoomBy(1.25);
        else if (e.key === '-') this.zoomBy(0.8);
        else return;
        e.preventDefault();
      },
      { signal },
    );
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw(), { signal });
  }

  show(graph: Graph, marked: readonly string[], value: string): void {
    this.graph = graph;
    this.marked = marked.filter(Boolean);
    this.value = value;
    this.under = undefined;
    const first = (n: GraphNode): number => (this.marked.includes(n.label) ? 1 : 0);
    this.order = [...graph.nodes].sort((p, q) => first(q) - first(p) || q.accounts - p.accounts);
    this.draw();
  }

  close(): void {
    this.stop.abort();
    clearTimeout(this.told);
    cancelAnimationFrame(this.frame);
  }

  /** Pixels of the canvas for one of the page. */
  private scale(): number {
    return this.canvas.width / Math.max(1, this.canvas.clientWidth);
  }

  private move(dx: number, dy: number): void {
    this.x += dx;
    this.y += dy;
    this.say();
    this.draw();
  }

  /** @param x, y the pixel of the canvas that stays where it is; the middle unless said */
  zoomBy(f: number, x = this.canvas.width / 2, y = this.canvas.height / 2): void {
    const zoom = Math.min(20, Math.max(0.3, this.zoom * f));
    const by = zoom / this.zoom;
    const [px, py] = [x - this.canvas.width / 2, y - this.canvas.height / 2];
    this.x = px + (this.x - px) * by;
    this.y = py + (this.y - py) * by;
    this.zoom = zoom;
    this.say();
    this.draw();
  }

  /** Back to where all of it is seen. */
  whole(): void {
    [this.x, this.y, this.zoom] = [0, 0, 1];
    this.say();
    this.draw();
  }

  private say(): void {
    clearTimeout(this.told);
    this.told = setTimeout(
      () =>
        this.moved(
          this.x === 0 && this.y === 0 && this.zoom === 1 ? '' : `${Math.round(this.x)},${Math.round(this.y)},${this.zoom.toFixed(2)}`,
        ),
      400,
    );
  }

  private place(n: GraphNode): [number, number] {
    const { width, height } = this.canvas;
    return [width / 2 + this.x + n.x * this.zoom * width * 0.42, height / 2 + this.y + n.y * this.zoom * height * 0.42];
  }

  private radius(n: GraphNode): number {
    return n.kind === 'value' ? 7 : 4 + Math.min(18, 2 * Math.log2(n.accounts));
  }

  private at(x: number, y: number): GraphNode | undefined {
    return this.graph.nodes.find((n) => {
      const [nx, ny] = this.place(n);
      return Math.hypot(nx - x, ny - y) <= this.radius(n) + 4;
    });
  }

  /** Draws with the next frame, once however often it is asked. */
  private draw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  private paint(): void {
    const c = this.canvas.getContext('2d');
    if (!c) return;
    const style = getComputedStyle(this.canvas);
    const color = (name: string): string => style.getPropertyValue(name).trim();
    const { nodes, edges } = this.graph;
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    // What is pointed at, or the value that was chosen, with all it is tied to; everything else steps back.
    const chosen = this.under ?? nodes.find((n) => n.kind === 'value' && n.label === this.value);
    const near = new Set<GraphNode>(chosen ? [chosen] : []);
    for (const [a, b] of chosen ? edges : [])
      for (const [i, j] of [
        [a, b],
        [b, a],
      ] as const)
        if (nodes[i] === chosen) near.add(nodes[j] as GraphNode);
    const lines = (strong: boolean): void => {
      c.globalAlpha = chosen ? (strong ? 0.95 : 0.15) : 0.55;
      c.lineWidth = strong && chosen ? 2.5 : 1.5;
      c.strokeStyle = color(strong && chosen ? '--ink' : '--soft');
      c.beginPath();
      for (const [a, b] of edges) {
        if ((chosen !== undefined && (nodes[a] === chosen || nodes[b] === chosen)) !== strong) continue;
        c.moveTo(...this.place(nodes[a] as GraphNode));
        c.lineTo(...this.place(nodes[b] as GraphNode));
      }
      c.stroke();
    };
    lines(false);
    if (chosen) lines(true);
    c.font = '20px system-ui, sans-serif';
    for (const n of nodes) {
      const [x, y] = this.place(n);
      const r = this.radius(n);
      c.globalAlpha = chosen && !near.has(n) ? 0.25 : 1;
      c.fillStyle = n.kind === 'value' ? color('--against') : this.marked.includes(n.label) ? color('--grave') : color('--for');
      c.beginPath();
      if (n.kind === 'value') c.rect(x - r, y - r, 2 * r, 2 * r);
      else c.arc(x, y, r, 0, 7);
      c.fill();
    }
    c.globalAlpha = 1;
    this.names(c, color);
  }

  /** Names beside their nodes, those of the pair and of the largest first, and none over another or cut off by the frame. */
  private names(c: CanvasRenderingContext2D, color: (name: string) => string): void {
    c.fillStyle = color('--ink');
    const taken: [number, number, number, number][] = [];
    const free = (box: [number, number, number, number]): boolean =>
      box[0] >= 2 &&
      box[2] <= this.canvas.width - 2 &&
      !taken.some((t) => box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3]);
    const marked = (n: GraphNode): boolean => this.marked.includes(n.label);
    let labels = 0;
    for (const n of this.order) {
      if (labels >= LABELS) return;
      if (n.kind === 'account' && this.zoom < 2 && !marked(n)) continue;
      const [x, y] = this.place(n);
      if (x < 0 || y < 0 || x > this.canvas.width || y > this.canvas.height) continue;
      const r = this.radius(n);
      const name = plain(n.label);
      const text = name.length > 34 ? `${name.slice(0, 31)}...` : name;
      const width = this.widths.get(text) ?? c.measureText(text).width;
      this.widths.set(text, width);
      const right: [number, number, number, number] = [x + r + 4, y - 14, x + r + 4 + width, y + 12];
      const left: [number, number, number, number] = [x - r - 4 - width, y - 14, x - r - 4, y + 12];
      const box = free(right) ? right : free(left) ? left : null;
      if (!box) continue;
      taken.push(box);
      labels += 1;
      c.textAlign = 'left';
      c.fillText(text, box[0], y + 6);
    }
  }
}
