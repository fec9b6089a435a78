import { DAY } from './table.ts';

/** How items of a set of accounts come back among them. */
export interface Recurring {
  /** Distinct opening prompts of all of them together. */
  readonly items: number;
  /** Of those, sent by more than one of them, and of these within a day from first to last. */
  readonly repeated: number;
  readonly sameDay: number;
}

/** So many items that came back, this part of all, nearly all of them within a day, in a log of at least so many days. */
const FEED = { repeated: 20, part: 0.05, sameDay: 0.9, days: 5 } as const;

/**
 * What a set of accounts draws on when items that come back do so within a day: a stream that everybody can read (a feed, the day's posts, a ticker), whose items are of a date. A pool has no date: two draws from it at random lie
 * within a day of one another about twice in as many times as the log has days. Users of one published bot that reads a feed are dealt from one deck, carry one sentence, never sleep, and are no one's hand. An operator
 * who asks each item several times at once looks the same: it takes a tie of the accounts themselves.
 * @returns what to say of it, or null
 */
export function publicFeed(r: Recurring, from: number, to: number): string | null {
  if (
    (to - from) / DAY < FEED.days ||
    r.repeated < FEED.repeated ||
    r.repeated < FEED.part * r.items ||
    r.sameDay < FEED.sameDay * r.repeated
  )
    return null;
  return `hands: ${r.repeated} of their ${r.items} items come back in another member, ${r.sameDay} of those within a day: what they draw on is of a date, as a public feed is that any number of people may have a tool read; a tie of identity, network or succession would decide`;
}
