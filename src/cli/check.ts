import { readFileSync } from 'node:fs';
import { median } from '../campaigns/stats.ts';
import { csvOf, utc } from '../formats/accounts.ts';
import type { Dossier } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import { odds, sure } from '../model/odds.ts';
import { inert } from '../report/inert.ts';
import { count } from '../report/words.ts';
import { scan } from '../scan.ts';
import type { Store } from '../store/store.ts';
import type { Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

interface Listed {
  readonly account: string;
  readonly group: string;
  readonly at: number | null;
}

const AS = 'one account a line, or CSV with the columns account, group, banned';

/** A list of accounts: one a line, CSV with `account[,group][,banned]`, or JSON Lines of the same names. */
export function readList(path: string): Listed[] {
  const text = readFileSync(path, 'utf8')
    .replace(/^\uFEFF/, '')
    .trim();
  if (text === '') throw new StillwatchError('E_LIST', `${path} names no account`, AS);
  let rows: Record<string, unknown>[];
  if (text.startsWith('{'))
    rows = text.split('\n').map((l, i) => {
      try {
        return JSON.parse(l) as Record<string, unknown>;
      } catch {
        throw new StillwatchError('E_LIST', `${path}, line ${i + 1} is not JSON`, 'one object a line: {"account": ...}');
      }
    });
  else {
    const first = text.slice(0, text.search(/\n|$/)).trim();
    const delimiter = [',', ';', '\t'].find((d) => first.includes(d)) ?? ',';
    const columns = first.split(delimiter).map((c) =>
      c
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .toLowerCase(),
    );
    if (columns.includes('account')) rows = csvOf(text, delimiter);
    else if (first.includes(delimiter)) throw new StillwatchError('E_LIST', `${path} has no column named account`, AS);
    else
      rows = text
        .split('\n')
        .filter((l) => l.trim() !== '')
        .map((l) => ({ account: l.trim() }));
  }
  const list = rows.map((r, i) => {
    const account = typeof r['account'] === 'string' || typeof r['account'] === 'number' ? String(r['account']).trim() : '';
    // A list that is passed over in part would be taken for one that was looked through.
    if (account === '') throw new StillwatchError('E_LIST', `${path}, entry ${i + 1} names no account`, AS);
    const banned = r['banned'] || r['closed'];
    const at = banned ? utc(String(banned)) : null;
    if (at !== null && !Number.isFinite(at))
      throw new StillwatchError(
        'E_LIST',
        `${path}, entry ${i + 1}: ${JSON.stringify(String(banned))} is no time`,
        'write it as 2026-05-04 or 2026-05-04T12:00:00Z',
      );
    return { account, group: String(r['group'] || r['campaign'] || 'all'), at };
  });
  if (list.length === 0) throw new StillwatchError('E_LIST', `${path} names no account`, AS);
  return list;
}

const STEPS = 10;

/**
 * `stillwatch check`: the buyer's own test. For each group banned in the past history is replayed in steps up to its ban: when would it have been found, and
 * how much had leaked by then. Then: which vouched-for accounts are named today.
 */
export async function check(
  store: Store,
  found: readonly Listed[],
  spare: readonly Listed[],
  confidenceMin: number,
  seed: number,
  t: Terminal,
): Promise<{ text: string; named: number }> {
  const out: string[] = [];
  const run = (until?: number): Promise<Dossier> =>
    scan(store, {
      inputs: [],
      spool: '',
      retention: 'none',
      record: false,
      confidenceMin,
      seed,
      now: new Date(),
      version: VERSION,
      ...(until === undefined ? {} : { until }),
    });
  const groups = new Map<string, Listed[]>();
  for (const f of found) groups.set(f.group, [...(groups.get(f.group) ?? []), f]);
  for (const [group, list] of groups) {
    const names = list.map((l) => l.account);
    const span = await store.first<{ a: string; b: string; n: string }>(
      `SELECT toUnixTimestamp64Milli(min(time)) AS a, toUnixTimestamp64Milli(max(time)) AS b, count() AS n FROM ${store.all('exchanges')} AS e WHERE account IN ({names:Array(String)})`,
      { names },
    );
    if (!span || span.n === '0') {
      out.push(`${group}: none of its ${names.length} accounts is in this store`);
      continue;
    }
    const bans = list.map((l) => l.at).filter((x): x is number => x !== null && Number.isFinite(x));
    const from = Number(span.a);
    // Bans come in waves, and a list may hold a slip: the middle account's is the group's.
    const end = bans.length > 0 ? Math.max(from, median(bans)) : Number(span.b);
    let hit = false;
    for (let i = 1; i <= STEPS; i++) {
      const until = Math.trunc(from + ((end - from) * i) / STEPS);
      t.progress(`replaying ${group}`, i, STEPS);
      const d = await run(until);
      const set = new Set(names);
      const best = Math.max(0, ...d.campaigns.map((c) => c.accounts.filter((a) => set.has(a.account)).length));
      if (best < 0.5 * names.length) continue;
      const before = Number(
        (
          await store.first<{ n: string }>(
            `SELECT count() AS n FROM ${store.all('exchanges')} AS e WHERE account IN ({names:Array(String)}) AND time <= fromUnixTimestamp64Milli(toInt64({u:String}), 'UTC')`,
            { names, u: String(Math.trunc(until)) },
          )
        )?.n ?? 0,
      );
      const total = Number(span.n);
      out.push(
        `${group}: found by ${new Date(until).toISOString().slice(0, 16)} (${best} of ${names.length} accounts), after ${count(before)} of ${count(total)} exchanges (${((100 * before) / total).toFixed(0)} %); ${count(total - before)} leaked later${bans.length > 0 ? `; the ban came at ${new Date(end).toISOString().slice(0, 16)}` : ''}`,
      );
      hit = true;
      break;
    }
    if (!hit)
      out.push(
        `${group}: not found by ${new Date(end).toISOString().slice(0, 16)} (${names.length} accounts, ${count(Number(span.n))} exchanges)`,
      );
  }
  const today = await run();
  t.clear();
  const vouched = new Set(spare.map((s) => s.account));
  const named = today.campaigns.flatMap((c) =>
    c.accounts
      .filter((a) => vouched.has(a.account))
      .map((a) => `${a.account} in ${c.id} (confidence ${sure(c.confidence)}, membership ${odds(a.membership)})`),
  );
  if (vouched.size > 0) {
    const here = Number(
      (
        await store.first<{ n: string }>(
          `SELECT uniqExact(account) AS n FROM ${store.all('exchanges')} AS e WHERE account IN ({names:Array(String)})`,
          { names: [...vouched] },
        )
      )?.n ?? 0,
    );
    out.push(
      `vouched-for accounts named: ${named.length} of ${here}${here < vouched.size ? ` (${vouched.size - here} more are not in this store)` : ''}`,
    );
    out.push(...named.map((n) => `  ${n}`));
  }
  return { text: `${out.map(inert).join('\n')}\n`, named: named.length };
}
