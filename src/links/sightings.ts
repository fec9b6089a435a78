/** Sightings in columns: which account was seen with which value, when, how often, and in which record. Indices are dense, from 0. */
export interface Sightings {
  readonly rows: number;
  readonly accounts: number;
  readonly values: number;
  readonly records: number;
  readonly kinds: readonly string[];
  readonly account: Int32Array;
  readonly value: Int32Array;
  readonly record: Int32Array;
  /** ms since 1970; NaN where none is given. */
  readonly time: Float64Array;
  readonly count: Float32Array;
  /** 1 where the record is itself the value (a post that shares itself). */
  readonly self: Uint8Array;
  /** Kind of each value. */
  readonly kindOf: Uint8Array;
}

/** Dense numbers for 64-bit hashes given in halves: open addressing in typed arrays, at most half full. */
export class Interner {
  size = 0;
  private lo = new Uint32Array(1 << 12);
  private hi = new Uint32Array(1 << 12);
  private id = new Int32Array(1 << 12).fill(-1);
  private keys = new Uint32Array(1 << 12);

  of(lo: number, hi: number): number {
    if (this.size * 2 >= this.id.length) this.grow();
    const mask = this.id.length - 1;
    let at = (lo ^ Math.imul(hi, 0x9e3779b1)) & mask;
    for (;;) {
      const found = this.id[at] as number;
      if (found < 0) break;
      if (this.lo[at] === lo && this.hi[at] === hi) return found;
      at = (at + 1) & mask;
    }
    this.lo[at] = lo;
    this.hi[at] = hi;
    this.id[at] = this.size;
    if (this.size * 2 + 2 > this.keys.length) {
      const more = new Uint32Array(this.keys.length * 2);
      more.set(this.keys);
      this.keys = more;
    }
    this.keys[this.size * 2] = lo;
    this.keys[this.size * 2 + 1] = hi;
    return this.size++;
  }

  /** The hash behind a number, as the engine prints it. */
  hash(index: number): string {
    return ((BigInt(this.keys[index * 2 + 1] as number) << 32n) | BigInt(this.keys[index * 2] as number)).toString();
  }

  /**
   * Numbers everything anew by its hash, so that what comes out does not depend on the order in which things were met.
   * @returns the new number of each old one
   */
  ranked(): Int32Array {
    const n = this.size;
    // Halves stand as the parts of one number do.
    const sorted = new BigUint64Array(this.keys.slice(0, 2 * n).buffer).sort();
    const keys = new Uint32Array(sorted.buffer);
    const rank = new Int32Array(n);
    for (let i = 0; i < n; i++) rank[this.of(keys[i * 2] as number, keys[i * 2 + 1] as number)] = i;
    for (let at = 0; at < this.id.length; at++) if ((this.id[at] as number) >= 0) this.id[at] = rank[this.id[at] as number] as number;
    this.keys.set(keys);
    return rank;
  }

  private grow(): void {
    const { lo, hi, id } = this;
    const n = id.length * 2;
    this.lo = new Uint32Array(n);
    this.hi = new Uint32Array(n);
    this.id = new Int32Array(n).fill(-1);
    for (let i = 0; i < id.length; i++) {
      if ((id[i] as number) < 0) continue;
      let at = ((lo[i] as number) ^ Math.imul(hi[i] as number, 0x9e3779b1)) & (n - 1);
      while ((this.id[at] as number) >= 0) at = (at + 1) & (n - 1);
      this.lo[at] = lo[i] as number;
      this.hi[at] = hi[i] as number;
      this.id[at] = id[i] as number;
    }
  }
}

/** A growing list of 32-bit integers. */
export class Ints {
  length = 0;
  list: Int32Array;
  constructor(size = 1024) {
    this.list = new Int32Array(size);
  }
  push(x: number): void {
    if (this.length === this.list.length) {
      const more = new Int32Array(this.list.length * 2);
      more.set(this.list);
      this.list = more;
    }
    this.list[this.length++] = x;
  }
}

/** Starts of the rows of each key when rows are put in key order: a counting sort. `order` holds row numbers. */
export function grouped(keys: Int32Array, rows: number, groups: number): { order: Int32Array; starts: Int32Array } {
  const starts = new Int32Array(groups + 1);
  for (let i = 0; i < rows; i++) {
    const k = (keys[i] as number) + 1;
    starts[k] = (starts[k] as number) + 1;
  }
  for (let g = 0; g < groups; g++) starts[g + 1] = (starts[g + 1] as number) + (starts[g] as number);
  const next = starts.slice();
  const order = new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    const k = keys[i] as number;
    order[next[k] as number] = i;
    next[k] = (next[k] as number) + 1;
  }
  return { order, starts };
}

/** Sorts a stretch of row numbers by a figure of theirs; ties keep the order of the rows. */
export function sortStretch(order: Int32Array, from: number, to: number, by: Float64Array | Int32Array): void {
  if (to - from > 24) {
    order.subarray(from, to).sort((x, y) => (by[x] as number) - (by[y] as number) || x - y);
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const row = order[i] as number;
    const key = by[row] as number;
    let j = i - 1;
    while (j >= from && (by[order[j] as number] as number) > key) {
      order[j + 1] = order[j] as number;
      j -= 1;
    }
    order[j + 1] = row;
  }
}
