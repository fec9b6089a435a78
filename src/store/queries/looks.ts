import type { Look } from '../../model/desk.ts';
import type { Store } from '../store.ts';

/** The last looks at this store: when, over what, and what they named. A dossier of a large campaign is megabytes: the engine reads the figures out of it. */
export async function looks(store: Store): Promise<Look[]> {
  const int = (...path: string[]) => `JSONExtractInt(body, ${path.map((p) => `'${p}'`).join(', ')})`;
  const text = (...path: string[]) => `JSONExtractString(body, ${path.map((p) => `'${p}'`).join(', ')})`;
  const rows = await store.rows<Record<string, string | number>>(
    `SELECT ${text('generated')} AS generated, ${text('window', 'from')} AS from, ${text('window', 'to')} AS to, ${int('coverage', 'exchanges')} AS exchanges,
      ${int('coverage', 'accounts')} AS accounts, ${int('coverage', 'rejected')} AS rejected, JSONExtractBool(body, 'coverage', 'complete') AS complete, ${int('tested', 'cohorts')} AS cohorts,
      JSONLength(body, 'campaigns') AS campaigns, JSONLength(body, 'undecided') AS undecided,
      arraySum(x -> JSONExtractInt(x, 'ms'), JSONExtractArrayRaw(body, 'timing', 'stages')) AS ms
      FROM (SELECT body, at FROM dossiers ORDER BY at DESC LIMIT 20) ORDER BY at DESC`,
  );
  return rows.map((r) => ({
    generated: String(r['generated']),
    from: String(r['from']) || null,
    to: String(r['to']) || null,
    exchanges: Number(r['exchanges']),
    accounts: Number(r['accounts']),
    rejected: Number(r['rejected']),
    complete: String(r['complete']) === '1' || String(r['complete']) === 'true',
    cohorts: Number(r['cohorts']),
    campaigns: Number(r['campaigns']),
    undecided: Number(r['undecided']),
    ms: Number(r['ms']),
  }));
}
