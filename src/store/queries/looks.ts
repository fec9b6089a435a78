import type { Look } from '../../model/desk.ts';
import type { Dossier } from '../../model/dossier.ts';
import type { Store } from '../store.ts';

/** The last looks at this store: when, over what, and what they named. */
export async function looks(store: Store): Promise<Look[]> {
  const rows = await store.rows<{ body: string }>('SELECT body FROM dossiers ORDER BY at DESC LIMIT 20');
  return rows.map(({ body }) => {
    const d = JSON.parse(body) as Dossier;
    return {
      generated: d.generated,
      from: d.window.from,
      to: d.window.to,
      exchanges: d.coverage.exchanges,
      accounts: d.coverage.accounts,
      rejected: d.coverage.rejected,
      complete: d.coverage.complete,
      cohorts: d.tested.cohorts,
      campaigns: d.campaigns.length,
      undecided: d.undecided.length,
      ms: (d.timing?.stages ?? []).reduce((x, s) => x + s.ms, 0),
    };
  });
}
