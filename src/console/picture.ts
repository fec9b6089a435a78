import type { Graph, GraphNode } from '../model/graph.ts';
import { plain } from './bits.tsx';

export type { Graph, GraphNode } from '../model/graph.ts';

const LABELS = 30;

/** A graph on a canvas: at most 500 nodes at places the server computed, moved and zoomed without laying anything out. */
export class Picture {
  readonly canvas: HTMLCanvasElement;
  private graph: Graph = { nodes: [], edges: [], kinds: [], opened: [], leftOut: 0 };
  private marked: readonly string[] = [];
  private x = 0;
  private y = 0;
  private zoom = 1;
  private frame = 0;
  private readonly stop = new AbortController();

  constructor(canvas: HTMLCanvasElement, choose: (n: GraphNode) => void) {
    this.canvas = canvas;
    canvas.tabIndex = 0;
    const { signal } = this.stop;
    let from: { x: number; y: number; moved: boolean } | null = null;
    canvas.addEventListener(
      'pointerdown',
      (e) => {
        from = { x: e.clientX, y: e.clientY, moved: false };
        canvas.setPointerCapture(e.pointerId);
      },
      { signal },
    );
    canvas.addEventListener(
      'pointermove',
      (e) => {
        if (!from) return;
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
        const still = from !== null && !from.moved;
        from = null;
        if (!still) return;
        const n = this.at(e.offsetX * this.scale(), e.offsetY * this.scale());
        if (n) choose(n);
      },
      { signal },
    );
    canvas.addEventListener(
      'wheel',
      (e) => {
        e.preventDefault();
        this.zoomBy(Math.exp(-e.deltaY / 500));
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

  show(graph: Graph, marked: readonly string[]): void {
    this.graph = graph;
    this.marked = marked.filter(Boolean);
    this.draw();
  }

  close(): void {
    this.stop.abort();
    cancelAnimationFrame(this.frame);
  }

  /** Pixels of the canvas for one of the page. */
  private scale(): number {
    return this.canvas.width / Math.max(1, this.canvas.clientWidth);
  }

  private move(dx: number, dy: number): void {
    this.x += dx;
    this.y += dy;
    this.draw();
  }

  private zoomBy(f: number): void {
    this.zoom = Math.min(20, Math.max(0.3, this.zoom * f));
    this.draw();
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
    c.strokeStyle = color('--line');
    c.lineWidth = 1;
    c.beginPath();
    for (const [a, b] of edges) {
      c.moveTo(...this.place(nodes[a] as GraphNode));
      c.lineTo(...this.place(nodes[b] as GraphNode));
    }
    c.stroke();
    c.font = '20px system-ui, sans-serif';
    let labels = 0;
    for (const n of nodes) {
      const [x, y] = this.place(n);
      const r = this.radius(n);
      c.fillStyle = n.kind === 'value' ? color('--against') : this.marked.includes(n.label) ? color('--grave') : color('--for');
      c.beginPath();
      if (n.kind === 'value') c.rect(x - r, y - r, 2 * r, 2 * r);
      else c.arc(x, y, r, 0, 7);
      c.fill();
      if (n.kind === 'account' && this.zoom < 2 && !this.marked.includes(n.label)) continue;
      if (n.kind !== 'value' && labels++ > LABELS) continue;
      c.fillStyle = color('--ink');
      const text = plain(n.label);
      const right = x < 0.68 * this.canvas.width;
      c.textAlign = right ? 'left' : 'right';
      c.fillText(text.length > 34 ? `${text.slice(0, 31)}...` : text, right ? x + r + 4 : x - r - 4, y + 6);
    }
  }
}
