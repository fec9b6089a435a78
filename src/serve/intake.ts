import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatById } from '../formats/index.ts';
import { inspect } from '../formats/input.ts';
import { readSegment, ready, remove, type Segment } from '../gateway/spool.ts';
import { StillwatchError } from '../model/errors.ts';
import { type IngestOptions, ingest } from '../store/ingest.ts';
import type { Store } from '../store/store.ts';
import { setAside } from './aside.ts';
import type { Notice } from './notice.ts';
import { Tails, type Took } from './tails.ts';

const NONE = { accepted: 0, rejected: 0 };
const BATCH_BYTES = 32 << 20;

/** How the proxy's own records begin: what callers say comes after it. */
const OWN = /^\{"id":"[0-9a-f-]{36}","time":"([0-9TZ:.-]{20,30})"/;

/** Times of the proxy's records, for the span in which duplicates can be; null when one of them cannot be told. */
function span(lines: readonly string[]): readonly [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const l of lines) {
    const t = Date.parse(OWN.exec(l)?.[1] ?? '');
    if (!Number.isFinite(t)) return null;
    low = Math.min(low, t);
    high = Math.max(high, t);
  }
  return lines.length > 0 ? [low - 1000, high + 1000] : null;
}

export interface IntakeOptions extends IngestOptions {
  /** Bound on the spool, of which what is set aside may take a part. */
  readonly spoolBytes?: number;
}

/**
 * Brings what workers spooled, and what tailed files gained, into the store. A segment is removed only after the store has it: a kill in between repeats it,
 * and the store leaves out what it has.
 */
export class Intake {
  private readonly store: Store;
  private readonly dir: string;
  private readonly spool: string;
  private readonly options: IntakeOptions;
  private readonly notice: Notice | null;
  private readonly unnoticed: (error: unknown) => void;
  private readonly tails: Tails;
  private n = 0;
  private careful = 0;
  private readonly tries = new Map<string, number>();

  /**
   * @param notice looks at a batch that was taken in, while its text is there
   * @param failed told when that went wrong
   */
  constructor(
    store: Store,
    state: string,
    spool: string,
    options: IntakeOptions,
    notice: Notice | null = null,
    failed: (error: unknown) => void = () => undefined,
  ) {
    this.notice = notice;
    this.unnoticed = failed;
    this.store = store;
    this.dir = join(state, 'batches');
    this.spool = spool;
    this.options = options;
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    this.tails = new Tails(this.dir, (lines, format, path) => this.load(lines, format, path));
  }

  /** @param own records that the proxy wrote: sent again they are the same to the letter. What others send may come again with another time. */
  private async load(lines: readonly string[], format: string, name: string, own = false): Promise<{ accepted: number; rejected: number }> {
    this.n += 1;
    const path = join(this.dir, `${process.pid}-${Date.now().toString(36)}-${this.n}.jsonl`);
    writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
    try {
      const input = inspect(name, path);
      const f = formatById(format);
      const s = own ? span(lines) : null;
      const c = await ingest(this.store, input, f, { ...this.options, ...(s ? { span: s } : {}) });
      // The batch is in the store, whatever becomes of what is noticed besides.
      if (c.accepted > 0) await this.notice?.batch(input, f).catch((e: unknown) => this.unnoticed(e));
      return { accepted: c.accepted, rejected: c.rejected };
    } finally {
      rmSync(path, { force: true });
    }
  }

  /** Sets lines aside; told when older ones had to make room. */
  private aside(segment: string, lines: string | Uint8Array): void {
    const gone = setAside(segment, lines, this.spool, this.options.spoolBytes ?? Number.POSITIVE_INFINITY);
    if (gone > 0)
      this.unnoticed(
        new StillwatchError(
          'E_SPOOL',
          `${gone} bytes of older lines that became no exchange were removed to make room`,
          'raise spool.bytes_max',
        ),
      );
  }

  /** One round over the spool. */
  async segments(): Promise<Took> {
    let took: Took = { accepted: 0, rejected: 0, torn: 0, newest: 0 };
    const byFormat = new Map<string, Segment[]>();
    for (const s of ready(this.spool)) {
      const [, posted = '', format = 'canonical'] = /(i?)~([a-z]+)-/.exec(s.path.slice(this.spool.length)) ?? [];
      const key = `${posted}~${format}`;
      byFormat.set(key, [...(byFormat.get(key) ?? []), s]);
    }
    for (const [key, all] of byFormat) {
      const [posted, format] = key.split('~') as [string, string];
      for (let from = 0; from < all.length; ) {
        const most = this.careful > 0 ? 1 : Number.POSITIVE_INFINITY;
        const lines: string[] = [];
        const damaged = new Map<string, readonly string[]>();
        let bytes = 0;
        let torn = 0;
        let to = from;
        for (; to < all.length && (to === from || (bytes < BATCH_BYTES && to - from < most)); to++) {
          const s = all[to] as Segment;
          const r = readSegment(readFileSync(s.path));
          for (const x of r.records) lines.push(x);
          torn += r.bad.length;
          if (r.bad.length > 0) damaged.set(s.path, r.bad);
          bytes += s.bytes;
        }
        const part = all.slice(from, to);
        const done =
          lines.length > 0
            ? await this.load(lines, format, `live ${format}`, posted === '').catch((e: unknown) => this.failed(e, part))
            : NONE;

        // Lines whose checksum fails are no exchange any more, but stay for a person to look at, where rejected lines do.
        for (const s of part) {
          const lines = damaged.get(s.path);
          if (lines && this.options.keepRejects) this.aside(s.path, `${lines.join('\n')}\n`);
          remove(s.path);
        }
        this.careful = Math.max(0, this.careful - 1);
        from = to;
        took = {
          accepted: took.accepted + done.accepted,
          rejected: took.rejected + done.rejected,
          torn: took.torn + torn,
          newest: Math.max(took.newest, ...part.map((x) => x.at)),
        };
      }
    }
    return took;
  }

  /**
   * What the engine refuses although it is there and has room: segments are tried one by one, and the one at fault is set aside as `.bad`, where it
   * stays. Any other failure leaves everything for the next round.
   */
  private async failed(error: unknown, part: readonly Segment[]): Promise<never> {
    if (!(error instanceof StillwatchError) || (error.code !== 'E_ENGINE' && error.code !== 'E_MEMORY')) throw error;
    // A store that has lost its tables refuses everything: that is no fault of a segment.
    await this.store.rows('SELECT key, time FROM exchanges LIMIT 1');
    await this.store.rows('SELECT key FROM rejects LIMIT 1');
    this.careful = Math.max(this.careful, 20);
    const only = part.length === 1 ? part[0] : undefined;
    if (!only) throw error;
    const tries = (this.tries.get(only.path) ?? 0) + 1;
    this.tries.set(only.path, tries);
    // Memory may be short for a while: a segment that is too large for it is so each time.
    if (tries < (error.code === 'E_MEMORY' ? 10 : 3)) throw error;
    this.aside(only.path, readFileSync(only.path));
    remove(only.path);
    throw new StillwatchError(
      'E_SPOOL',
      `${only.path}.bad: the engine refused this segment ${tries} times; it is set aside: ${error.message}`,
      'send it to us; scan it by hand',
    );
  }

  /** Whole lines that a followed file gained since the last round. */
  tail(path: string): Promise<Took> {
    return this.tails.read(path);
  }
}
