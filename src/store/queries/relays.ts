import { SKETCH } from '../sketch.ts';
import type { Store } from '../store.ts';
import { hexOf, when } from './accounts.ts';

/** Conversations that one account began and another carried on, by pairs of accounts: indices into the account table. */
export interface Relays {
  /** Who began them, who carried them on, and how many there are of each pair. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly count: Uint32Array;
  /** Conversations of each account that can be told: with what was said before, or an id of its own. */
  readonly able: Uint32Array;
}

export const NO_RELAYS = (accounts: number): Relays => ({
  from: new Int32Array(0),
  to: new Int32Array(0),
  count: new Uint32Array(0),
  able: new Uint32Array(accounts),
});

/** Bounds of what is read: accounts of one conversation, partners of one account, and pairs in all. */
const MOST = { accounts: 200, partners: 50, pairs: 2_000_000 } as const;

/**
 * Who carries on whose conversations. A conversation that begins in one account only, and goes on in others that never began it, was handed over: between accounts of one hand that takes another with each request, and hardly anywhere else.
 * Where several began it, it is a text that many send; where its beginning is not in the log nobody can tell.
 */
export async function relaysOf(store: Store, index: ReadonlyMap<string, number>, until: number | null): Promise<Relays> {
  const e = store.all('exchanges');
  const params = until === null ? {} : { until: String(until) };
  const able = new Uint32Array(index.size);
  for (const r of await store.rows<{ a: string; n: string }>(
    `SELECT leftPad(hex(acct), 16, '0') AS a, uniq(thread) AS n FROM ${e} AS e WHERE thread != 0 ${when(until)} GROUP BY acct`,
    params,
  )) {
    const i = index.get(r.a);
    if (i !== undefined) able[i] = Number(r.n);
  }
  if (!able.some((n) => n > 0)) return NO_RELAYS(index.size);
  const data = await store.binary(
    `SELECT reinterpretAsUInt64(giver) AS g, reinterpretAsUInt64(taker) AS t, toUInt32(count()) AS n FROM (
      SELECT argMin(acct, (NOT opened, at)) AS giver, groupArrayIf(${MOST.accounts})(acct, NOT opened) AS takers FROM (
        SELECT v, acct, max(opens) AS opened, min(time) AS at FROM (
          SELECT thread AS v, acct, opening AS opens, time FROM ${e} AS e WHERE thread != 0 ${when(until)}
          UNION ALL
          SELECT prompt AS v, acct, opening AS opens, time FROM ${e} AS e
          WHERE opening AND thread = 0 AND prompt != 0 AND chars >= ${SKETCH.threadBytesMin} AND prompt GLOBAL IN (SELECT thread FROM ${e} AS e WHERE thread != 0 ${when(until)}) ${when(until)}
        ) GROUP BY v, acct
      ) GROUP BY v HAVING countIf(opened) = 1 AND count() > 1 AND count() <= ${MOST.accounts}
    ) ARRAY JOIN takers AS taker
    GROUP BY giver, taker
    ORDER BY n DESC, cityHash64(giver, taker) LIMIT ${MOST.partners} BY giver LIMIT ${MOST.pairs} FORMAT RowBinary`,
    params,
  );
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const from: number[] = [];
  const to: number[] = [];
  const count: number[] = [];
  const at = (i: number): number => index.get(hexOf(view.getBigUint64(i, true))) ?? -1;
  for (let i = 0; i + 20 <= data.length; i += 20) {
    const [a, b] = [at(i), at(i + 8)];
    if (a < 0 || b < 0) continue;
    from.push(a);
    to.push(b);
    count.push(view.getUint32(i + 16, true));
  }
  return { from: Int32Array.from(from), to: Int32Array.from(to), count: Uint32Array.from(count), able };
}
