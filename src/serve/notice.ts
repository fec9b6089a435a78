import type { Format } from '../formats/format.ts';
import type { Input } from '../formats/input.ts';
import type { Dossier } from '../model/dossier.ts';
import { keepTold, tell } from '../store/queries/capabilities.ts';
import { inFile } from '../store/queries/cohorts.ts';
import type { Store } from '../store/store.ts';
import { type Opened, openIn } from '../store/texts.ts';

/** How much of a batch is looked at. */
const NOTICED = {
  /** One exchange of so many, by its hash: everybody's alike. */
  every: 16,
  /** And so many of a batch at most, of everybody's and of findings' accounts each. */
  batch: 64,
  /** Accounts of findings that are looked for. */
  accounts: 5_000,
  /** Texts in memory between two looks, of one account and in all. */
  each: 4,
  texts: 2_000,
} as const;

/**
 * What is noticed of live exchanges while their text is there: looks come when it is gone. What some of them ask for is written down, as one word each. Texts are held in memory alone, of accounts that
 * the last look reported, until the next look has cited a few of them: those are kept as exemplars, and all others are forgotten.
 */
export class Notice {
  private readonly store: Store;
  private readonly texts: boolean;
  private accounts: readonly string[] = [];
  private marks: readonly string[] = [];
  private held = new Map<string, Opened>();

  /** @param texts whether exemplars may be kept */
  constructor(store: Store, texts: boolean) {
    this.store = store;
    this.texts = texts;
  }

  /** From now on these findings' accounts are looked at. */
  follow(d: Dossier): void {
    const found = [...d.campaigns, ...d.undecided];
    this.accounts = [...new Set(found.flatMap((f) => f.accounts.map((m) => m.account)))].slice(0, NOTICED.accounts);
    this.marks = [...new Set(found.flatMap((f) => f.indicators.filter((i) => i.kind === 'scaffold').map((i) => i.value)))];
  }

  /** What is in memory, and is from here on the caller's. */
  take(): ReadonlyMap<string, Opened> {
    const out = this.held;
    this.held = new Map();
    return out;
  }

  async batch(input: Input, format: Format): Promise<void> {
    const file = await this.store.first<{ n: number }>(
      'SELECT path_id AS n FROM files WHERE fingerprint = {f:String} ORDER BY at DESC LIMIT 1',
      { f: input.fingerprint },
    );
    if (!file) return;
    const drawn = await inFile(this.store, Number(file.n), NOTICED.batch, NOTICED.every, this.accounts);
    if (drawn.length === 0) return;
    const everybody = new Set(drawn.flatMap((x) => (x.everybody ? [x.place.key] : [])));
    const opened = await openIn(
      this.store,
      drawn.map((x) => x.place),
      input,
      format,
      {},
      this.marks,
    );
    await keepTold(
      this.store,
      opened.map((x) => tell(x, everybody.has(x.place.key))),
    );
    if (this.texts) this.hold(opened);
  }

  private hold(opened: readonly Opened[]): void {
    const followed = new Set(this.accounts);
    const each = new Map<string, number>();
    for (const x of this.held.values()) each.set(x.place.account, (each.get(x.place.account) ?? 0) + 1);
    for (const x of opened) {
      const { account, key } = x.place;
      const n = each.get(account) ?? 0;
      if (!followed.has(account) || n >= NOTICED.each || this.held.size >= NOTICED.texts) continue;
      each.set(account, n + 1);
      this.held.set(key, x);
    }
  }

  /** Somebody was erased. */
  forget(account: string): void {
    for (const [key, x] of this.held) if (x.place.account === account) this.held.delete(key);
  }
}
