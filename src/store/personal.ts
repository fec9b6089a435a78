import type { Dossier, Finding } from '../model/dossier.ts';
import type { Store } from './store.ts';

/** Everything the store holds of one account, for the person it is about. Sketches are personal data: they are part of it. */
export async function exportOf(store: Store, account: string): Promise<Record<string, unknown>> {
  const params = { a: account };
  const own = 'acct = cityHash64({a:String}) AND account = {a:String}';
  return {
    account,
    record: await store.rows('SELECT * FROM accounts FINAL WHERE account = {a:String}', params),
    labels: await store.rows('SELECT * FROM labels WHERE account = {a:String} ORDER BY at', params),
    exchanges: await store.rowsEverywhere(`SELECT * FROM exchanges WHERE ${own} ORDER BY time`, params),
    texts: await store.rowsEverywhere('SELECT * FROM texts WHERE acct = cityHash64({a:String})', params),
    exemplars: await store.rows('SELECT * FROM exemplars FINAL WHERE account = {a:String}', params),
  };
}

function without(d: Dossier, account: string): Dossier {
  const finding = <T extends Pick<Finding, 'accounts' | 'evidence' | 'indicators'>>(f: T): T => ({
    ...f,
    accounts: f.accounts.filter((a) => a.account !== account),
    evidence: f.evidence.map((e) => ({ ...e, exemplars: e.exemplars.filter((x) => x.account !== account) })),
    indicators: f.indicators.filter((i) => i.value !== account),
  });
  return {
    ...d,
    campaigns: d.campaigns.map(finding),
    undecided: d.undecided.map(finding),
    look_alikes: d.look_alikes.map((l) => ({ ...l, accounts: l.accounts.filter((a) => a !== account) })),
  };
}

/** Removes an account from sketches, texts, exemplars, records and dossiers. @returns exchanges removed */
export async function erase(store: Store, account: string): Promise<number> {
  const params = { a: account };
  const own = 'acct = cityHash64({a:String}) AND account = {a:String}';
  const n = (await store.rowsEverywhere<{ n: string }>(`SELECT count() AS n FROM exchanges WHERE ${own}`, params)).reduce(
    (x, r) => x + Number(r.n),
    0,
  );
  const gone = async (table: string, where: string) =>
    store.everywhere(`ALTER TABLE ${table} DELETE WHERE ${where} SETTINGS mutations_sync = 1`, params);
  await gone('texts', 'acct = cityHash64({a:String})');
  await gone('exchanges', own);
  await gone('accounts', 'account = {a:String}');
  await gone('labels', 'account = {a:String}');
  await gone('exemplars', 'account = {a:String}');
  const held = await store.rows<{ id: string; at: string; body: string }>(
    'SELECT id, at, body FROM dossiers WHERE position(body, {q:String}) > 0',
    {
      q: JSON.stringify(account),
    },
  );
  for (const d of held) {
    await store.everywhere(
      `ALTER TABLE dossiers DELETE WHERE id = {id:String} AND at = parseDateTime64BestEffort({at:String}, 3, 'UTC') SETTINGS mutations_sync = 1`,
      {
        id: d.id,
        at: d.at,
      },
    );
    await store.insert('dossiers', [{ id: d.id, at: d.at, body: JSON.stringify(without(JSON.parse(d.body) as Dossier, account)) }]);
  }
  return n;
}
