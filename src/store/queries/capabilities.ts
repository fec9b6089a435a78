import { capabilityOf } from '../../campaigns/capability.ts';
import type { Store } from '../store.ts';
import type { Opened } from '../texts.ts';
import { when } from './accounts.ts';
import { asked, type Cohort, of } from './cohorts.ts';

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

/** @param everybody see `Told` */
export const tell = ({ place: { key, acct, account, time, tools }, text }: Opened, everybody: boolean): Told => ({
  key,
  acct,
  account,
  time,
  capability: capabilityOf(text, tools),
  everybody,
});

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
  const rows = await asked(
    store,
    cohorts,
    until,
    `SELECT c, toString(capability) AS capability, uniqExact(key) AS n FROM (${of(store, 'capability, key', until, 'capabilities')}) GROUP BY c, capability ORDER BY c, n DESC, capability`,
    (r: { c: number; capability: string; n: string }) => r,
  );
  return rows.map(mix);
}
