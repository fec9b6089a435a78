import type { Store } from '../store.ts';
import type { Cohort } from './cohorts.ts';

/** What one exchange asks for, told while its text was there. The text itself is not kept. */
export interface Told {
  readonly key: string;
  readonly acct: string;
  readonly account: string;
  /** ms since 1970. */
  readonly time: number;
  readonly capability: string;
  /** It was drawn by its hash from everybody's, and not because somebody asked about its account. */
  readonly everybody: boolean;
}

export const keepTold = (store: Store, rows: readonly Told[]): Promise<void> =>
  store.insert(
    'capabilities',
    rows.map((r) => ({ ...r, acct: BigInt(`0x${r.acct}`).toString(), time: new Date(r.time).toISOString() })),
  );

/** How many exchanges each mix rests on, and the share of each capability, the largest first. */
export interface Mix {
  readonly n: number;
  readonly shares: Record<string, number>;
}

const mix = (rows: readonly { readonly capability: string; readonly n: string | number }[]): Mix => {
  const n = rows.reduce((x, r) => x + Number(r.n), 0);
  return { n, shares: Object.fromEntries(rows.map((r) => [r.capability, Number(r.n) / n])) };
};

const when = (until: number | null): string => (until === null ? '' : `AND time <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')`);

/** What everybody asks for, of what was told of live exchanges. */
export async function toldOfAll(store: Store, until: number | null): Promise<Mix> {
  return mix(
    await store.rows<{ capability: string; n: string }>(
      `SELECT toString(capability) AS capability, uniqExact(key) AS n FROM capabilities WHERE everybody ${when(until)} GROUP BY capability ORDER BY n DESC, capability`,
      until === null ? {} : { until: String(until) },
    ),
  );
}

/** The same of the accounts of each cohort. */
export async function toldOf(store: Store, cohorts: readonly Cohort[], until: number | null): Promise<Mix[]> {
  const rows = await store.rows<{ c: number; capability: string; n: string }>(
    `SELECT c, toString(capability) AS capability, uniqExact(key) AS n FROM capabilities INNER JOIN (
        SELECT m.1 AS acct, m.2 AS c FROM (SELECT arrayJoin(arrayZip(arrayMap(x -> reinterpretAsUInt64(reverse(unhex(x))), {accts:Array(String)}), {cohorts:Array(UInt16)})) AS m)
      ) AS members USING (acct)
      WHERE acct IN (SELECT reinterpretAsUInt64(reverse(unhex(arrayJoin({accts:Array(String)}))))) ${when(until)}
      GROUP BY c, capability ORDER BY c, n DESC, capability`,
    {
      accts: cohorts.flatMap((x) => x.accts),
      cohorts: cohorts.flatMap((x, c) => x.accts.map(() => c)),
      ...(until === null ? {} : { until: String(until) }),
    },
  );
  return cohorts.map((_, c) => mix(rows.filter((r) => Number(r.c) === c)));
}
