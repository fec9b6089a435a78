import type { Actor } from './honest.ts';
import { address, builder, DAY, type Scene } from './persona.ts';
import type { Item, TextSource } from './texts.ts';
import { interests } from './texts.ts';
import { reworded, scaffold } from './voice.ts';

/** What an operator can turn to be harder to find. Each lever costs something; `src/lab/price.ts` counts it. */
export interface Levers {
  readonly accounts: number;
  /** Campaign exchanges of an account and day; cover comes on top. */
  readonly perDay: number;
  /** Part of an account's traffic that is ordinary work of its own. */
  readonly cover: number;
  /** No fixed instruction: every request is worded anew. */
  readonly paraphrase: boolean;
  /** Part of an account's items that come from a corner of the pool of its own. */
  readonly personas: number;
  /** Rates and hours drawn for each account like an honest customer's, instead of one budget round the clock. */
  readonly randomSchedule: boolean;
  readonly uniqueNetworks: boolean;
  readonly uniqueCards: boolean;
}

/** A campaign with these levers, from one shuffled pool: no item goes to two accounts. Log records only. */
export function operate(l: Levers, s: Scene, t: TextSource, id: string): Actor[] {
  const r = s.random;
  const pool = t.pool(Math.ceil(l.accounts * s.days * l.perDay * 1.3), r);
  // Corners of the pool: items in the order of their wording lie near their like.
  const sorted = [...pool].sort((x, y) => (x.text < y.text ? -1 : 1));
  const used = new Set<Item>();
  let next = 0;
  const dealt = (): Item => {
    while (next < pool.length && used.has(pool[next] as Item)) next += 1;
    return pool[next++ % pool.length] as Item;
  };
  const line = scaffold(r);
  const networks = Array.from({ length: Math.max(3, Math.ceil(l.accounts / 12)) }, () => address(r));
  const cards = Array.from({ length: Math.max(2, Math.ceil(l.accounts / 8)) }, () => `card-${r.hex(12)}`);
  const start = s.start + DAY;
  return Array.from({ length: l.accounts }, (_, i) => {
    const total = l.perDay / (1 - l.cover);
    const who = builder(s, {
      rhythm: l.randomSchedule ? 'human' : 'flat',
      perDay: l.randomSchedule ? r.lognormal(total, 0.7) : r.lognormal(total, 0.1),
      from: l.randomSchedule ? start + r.unit() * 2 * DAY : start,
      addresses: l.uniqueNetworks ? Array.from({ length: 4 }, () => address(r)) : [r.pick(networks), r.pick(networks)],
      record: { payment: l.uniqueCards ? `card-${r.hex(12)}` : r.pick(cards) },
    });
    const own = interests(r, 0.15);
    let corner = Math.floor((i / l.accounts) * sorted.length);
    return {
      persona: who,
      cls: 'operator',
      campaign: id,
      next: () => {
        if (r.chance(l.cover)) return t.honest(own, r);
        let item: Item;
        if (r.chance(l.personas)) {
          item = sorted[corner++ % sorted.length] as Item;
          used.add(item);
        } else item = dealt();
        const text = l.paraphrase
          ? r.chance(0.5)
            ? `${reworded(r)} ${item.text}`
            : `${item.text} ${reworded(r)}`
          : `${line}\n${item.text}`;
        return { ...item, text, taken: true };
      },
    };
  });
}
