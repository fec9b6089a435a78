import type { Relays } from '../store/queries/relays.ts';

/** Pairs of accounts, by who began. */
export interface Handed extends Relays {
  /** Where the pairs of each account begin. */
  readonly start: Int32Array;
}

/** The same pairs in the order of who began them, so that those of one account are looked up at once. */
export function handed(r: Relays): Handed {
  const n = r.able.length;
  const start = new Int32Array(n + 1);
  for (const a of r.from) start[a + 1] = (start[a + 1] as number) + 1;
  for (let a = 0; a < n; a++) start[a + 1] = (start[a + 1] as number) + (start[a] as number);
  const at = start.slice(0, n);
  const from = new Int32Array(r.from.length);
  const to = new Int32Array(r.from.length);
  const count = new Uint32Array(r.from.length);
  for (let i = 0; i < r.from.length; i++) {
    const a = r.from[i] as number;
    const x = at[a] as number;
    at[a] = x + 1;
    from[x] = a;
    to[x] = r.to[i] as number;
    count[x] = r.count[i] as number;
  }
  return { from, to, count, able: r.able, start };
}

/**
 * Conversations that an account gives away, and takes, at least: one may be pasted from somewhere. And of what it takes: so much of all it holds, up to a number; and so many times the part of what it begins that others begin too. Whoever runs a public set of
 * conversations, of which a log holds a sample, seems to carry on what others began as often as others begin the same as they do.
 */
const EACH = { least: 2, part: 0.05, enough: 20, common: 5 } as const;

export interface Relay {
  /** Members that carry on conversations which other members began, and whose own are carried on by others. */
  readonly k: number;
  /** Members whose conversations can be told. */
  readonly n: number;
  readonly members: ReadonlySet<number>;
}

export const NO_RELAY: Relay = { k: 0, n: 0, members: new Set() };

/**
 * How conversations pass from member to member. `repeated`: part of what each account begins that others begin too. Both ways: whoever publishes a conversation has it carried on by strangers, and whoever copies published ones carries on those of strangers, and neither is one hand with them. A stranger
 * who wants others to look like this would have to know what they ask, and to make them ask what he does.
 */
export function relayOf(
  { able, start, to, count }: Handed,
  accounts: readonly number[],
  repeated: { readonly [account: number]: number },
): Relay {
  const n = accounts.reduce((x, a) => x + ((able[a] ?? 0) > 0 ? 1 : 0), 0);
  if (to.length === 0 || n === 0) return { ...NO_RELAY, n };
  const inside = new Set(accounts);
  const gives = new Map<number, number>();
  const takes = new Map<number, number>();
  for (const a of inside)
    for (let e = start[a] as number; e < (start[a + 1] as number); e++) {
      const b = to[e] as number;
      if (b === a || !inside.has(b)) continue;
      const c = count[e] as number;
      gives.set(a, (gives.get(a) ?? 0) + c);
      takes.set(b, (takes.get(b) ?? 0) + c);
    }
  const enough = (a: number): boolean => {
    const held = able[a] ?? 0;
    const taken = takes.get(a) ?? 0;
    return taken >= Math.max(EACH.least, Math.min(EACH.enough, EACH.part * held)) && taken >= EACH.common * (repeated[a] ?? 0) * held;
  };
  const members = new Set([...gives].filter(([a, g]) => g >= EACH.least && enough(a)).map(([a]) => a));
  return { k: members.size, n: Math.max(n, members.size), members };
}
