import type { Store } from '../store.ts';

/** A conversation of an account that is likely a finding's: by its first exchange. */
export interface Likely {
  readonly id: string;
  readonly time: string;
  readonly exchanges: number;
  /** Bits by which its words are more the other members' than everybody's; null where a sentence of theirs tells it. */
  readonly bits: number | null;
}

interface Row {
  readonly begun: string;
  readonly at: string;
  readonly exchanges: number;
  readonly bits?: number;
}

const told = (r: Row): Likely => ({
  id: r.begun,
  time: r.at,
  exchanges: Number(r.exchanges),
  bits: r.bits === undefined ? null : Number(r.bits),
});

/** Part of what an account sends from which on what the others send is mostly the finding's. */
const MOSTLY = 0.5;

/** Accounts of either side whose words are counted, and conversations told. */
const LIMITS = { accounts: 400, told: 500 } as const;

/**
 * Conversations of an account that are likely a finding's, the likeliest first, as many as its share of them says: those that carry one of the sentences that tie the finding, else those whose words are more the other members' than
 * everybody's (the sum of the words' log likelihood ratios, as naive Bayes adds them).
 * @param members the finding's other accounts
 * @param sentences that tie it, hashes in hex
 */
export async function likelyOf(
  store: Store,
  account: string,
  members: readonly string[],
  sentences: readonly string[],
  share: number,
): Promise<{ readonly conversations: number; readonly likely: readonly Likely[] }> {
  const e = store.all('exchanges');
  const acct = 'acct = cityHash64({id:String})';
  const said = 'hasAny(scaffold, arrayMap(x -> reinterpretAsUInt64(reverse(unhex(x))), {said:Array(String)}))';
  const all = await store.first<{ n: string; sent: number; said: string }>(
    `SELECT uniqExact(conversation) AS n, toUInt32(count()) AS sent, countIf(${said}) AS said FROM ${e} AS e WHERE ${acct}`,
    { id: account, said: sentences },
  );
  const conversations = Number(all?.n ?? 0);
  const carrying = Number(all?.said ?? 0);
  // A share is one of exchanges.
  const wanted = Math.round(share * Number(all?.sent ?? 0));
  if (conversations === 0 || wanted === 0) return { conversations, likely: [] };
  const first = 'argMin(e.id, e.time) AS begun, toString(min(e.time)) AS at, toUInt32(count()) AS exchanges';
  // A sentence tells them where it stands in about as many as are the finding's.
  if (carrying > 0 && carrying >= 0.5 * wanted)
    return {
      conversations,
      likely: (
        await store.rows<Row>(
          `SELECT ${first} FROM ${e} AS e WHERE ${acct} GROUP BY conversation HAVING max(${said}) ORDER BY at, begun LIMIT ${LIMITS.told}`,
          { id: account, said: sentences },
        )
      ).map(told),
    };
  // What members send is hardly the finding's where each lends a small part: their words are their customers'.
  if (share < MOSTLY) return { conversations, likely: [] };
  const side = (name: string, where: string): string =>
    `${name} AS (SELECT w, count() AS n FROM (SELECT arrayJoin(words) AS w FROM ${e} AS e WHERE opening AND ${where}) WHERE w IN (SELECT w FROM own) GROUP BY w)`;
  const theirs = 'acct IN (SELECT cityHash64(arrayJoin({members:Array(String)})))';
  const everybody = `acct IN (SELECT DISTINCT acct FROM ${e} AS e WHERE NOT ${theirs} AND NOT ${acct} ORDER BY cityHash64(acct) LIMIT ${LIMITS.accounts})`;
  const rows = await store.rows<Row>(
    `WITH own AS (SELECT DISTINCT arrayJoin(words) AS w FROM ${e} AS e WHERE ${acct}),
      ${side('q', theirs)}, ${side('p', everybody)},
      (SELECT count() FROM ${e} AS e WHERE opening AND ${theirs}) AS nq, (SELECT count() FROM ${e} AS e WHERE opening AND ${everybody}) AS np,
      weights AS (SELECT own.w AS w, log2((q.n + 0.5) / (nq + 1)) - log2((p.n + 0.5) / (np + 1)) AS b FROM own LEFT JOIN q ON q.w = own.w LEFT JOIN p ON p.w = own.w)
    SELECT begun, at, exchanges, bits FROM (
      SELECT conversation, ${first} FROM ${e} AS e WHERE ${acct} GROUP BY conversation
    ) AS c INNER JOIN (
      SELECT conversation, sum(b) AS bits FROM (SELECT conversation, arrayJoin(words) AS w FROM ${e} AS e WHERE ${acct} AND opening) AS x INNER JOIN weights ON weights.w = x.w GROUP BY conversation
    ) AS s ON s.conversation = c.conversation
    ORDER BY bits DESC, begun LIMIT {most:UInt32}`,
    { id: account, members: members.slice(0, LIMITS.accounts), most: Math.min(LIMITS.told, wanted) },
  );
  const likely: Likely[] = [];
  let sent = 0;
  for (const x of rows.map(told)) {
    if (sent >= wanted) break;
    likely.push(x);
    sent += x.exchanges;
  }
  return { conversations, likely };
}

/** Where conversations of an account come from: those that are likely a finding's, and the others. */
export interface Side {
  readonly conversations: number;
  /** Clients, the commonest first, with their conversations. */
  readonly clients: readonly { readonly client: string; readonly conversations: number }[];
  readonly addresses: number;
}

/**
 * Clients and addresses of an account's conversations on either side. Somebody who uses a stolen key has a client and addresses of their own; whoever sends all of it by one hand has the same for both.
 * @param begun first exchanges of the conversations on one side
 */
export async function sidesOf(
  store: Store,
  account: string,
  begun: readonly string[],
): Promise<{ readonly likely: Side; readonly others: Side; readonly addressesInBoth: number }> {
  const rows = await store.rows<{ inside: number; client: string; addresses: readonly string[]; n: string }>(
    `SELECT begun IN (SELECT arrayJoin({begun:Array(String)})) AS inside, client, groupUniqArrayArray(addresses) AS addresses, count() AS n FROM (
      SELECT argMin(e.id, e.time) AS begun, any(e.user_agent) AS client, groupUniqArrayIf(e.ip, e.ip != '') AS addresses FROM ${store.all('exchanges')} AS e WHERE acct = cityHash64({id:String}) GROUP BY conversation
    ) AS c GROUP BY inside, client ORDER BY n DESC, client`,
    { id: account, begun },
  );
  const addresses = (inside: boolean): Set<string> =>
    new Set(rows.filter((r) => (Number(r.inside) === 1) === inside).flatMap((r) => r.addresses));
  const side = (inside: boolean): Side => {
    const own = rows.filter((r) => (Number(r.inside) === 1) === inside);
    return {
      conversations: own.reduce((n, r) => n + Number(r.n), 0),
      clients: own.filter((r) => r.client !== '').map((r) => ({ client: r.client, conversations: Number(r.n) })),
      addresses: addresses(inside).size,
    };
  };
  const others = addresses(false);
  return { likely: side(true), others: side(false), addressesInBoth: [...addresses(true)].filter((a) => others.has(a)).length };
}
