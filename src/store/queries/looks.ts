import type { Look } from '../../model/desk.ts';
import type { Store } from '../store.ts';

/** One signal as the dossiers hold it: a row a cohort, also where it stands in two ledgers. */
const SIGNAL = `arrayMap(f -> arrayFirst(e -> e.signal = {signal:String}, JSONExtract(f, 'evidence', 'Array(Tuple(signal String, outcome String, bits Float64))')),
      arrayConcat(JSONExtractArrayRaw(body, 'campaigns'), JSONExtractArrayRaw(body, 'undecided'), JSONExtractArrayRaw(body, 'look_alikes'))) AS here,
      arrayCount(e -> e.outcome = 'fired' AND e.bits > 0, here) AS fired, arrayCount(e -> e.outcome NOT IN ('', 'not applicable', 'failed'), here) AS applicable,
      arrayFirst(x -> x.signal = {signal:String}, JSONExtract(body, 'tested', 'signals', 'Array(Tuple(signal String, fired UInt32, applicable UInt32))')) AS nulls,
      nulls.fired AS null_fired, nulls.applicable AS null_applicable, JSONExtractFloat(body, 'timing', 'signals', {signal:String}) AS microseconds`;

/** The last looks at this store: when, over what, and what they named. A dossier of a large campaign is megabytes: the engine reads the figures out of it. */
export async function looks(store: Store, signal?: string): Promise<Look[]> {
  const int = (...path: string[]) => `JSONExtractInt(body, ${path.map((p) => `'${p}'`).join(', ')})`;
  const text = (...path: string[]) => `JSONExtractString(body, ${path.map((p) => `'${p}'`).join(', ')})`;
  const rows = await store.rows<Record<string, string | number>>(
    `SELECT ${text('generated')} AS generated, ${text('window', 'from')} AS from, ${text('window', 'to')} AS to, ${int('coverage', 'exchanges')} AS exchanges,
      ${int('coverage', 'accounts')} AS accounts, ${int('coverage', 'rejected')} AS rejected, JSONExtractBool(body, 'coverage', 'complete') AS complete, ${int('tested', 'cohorts')} AS cohorts,
      JSONLength(body, 'campaigns') AS campaigns, JSONLength(body, 'undecided') AS undecided,
      arraySum(x -> JSONExtractInt(x, 'ms'), JSONExtractArrayRaw(body, 'timing', 'stages')) AS ms${signal === undefined ? '' : `, ${SIGNAL}`}
      FROM (SELECT body, at FROM dossiers ORDER BY at DESC LIMIT 20) ORDER BY at DESC`,
    signal === undefined ? {} : { signal },
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
    ...(signal === undefined
      ? {}
      : {
          signal: {
            fired: Number(r['fired']),
            applicable: Number(r['applicable']),
            null_fired: Number(r['null_fired']),
            null_applicable: Number(r['null_applicable']),
            microseconds: Math.round(Number(r['microseconds'])),
          },
        }),
  }));
}
