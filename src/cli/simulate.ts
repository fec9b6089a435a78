import { blast, className } from '../barriers/blast.ts';
import { type Policy, planned, type Subject } from '../barriers/policy.ts';
import type { Dossier, Finding } from '../model/dossier.ts';
import { inert } from '../report/inert.ts';
import { count } from '../report/words.ts';
import { scan } from '../scan.ts';
import { accountRecords } from '../store/queries/accounts.ts';
import { type Excess, exchangesBetween, overLimit } from '../store/queries/limits.ts';
import type { Store } from '../store/store.ts';
import type { Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

interface Stand {
  readonly finding: Finding;
  readonly rule: string;
  readonly action: string;
  readonly from: number;
  readonly until: number;
  readonly accounts: readonly string[];
}

/**
 * `stillwatch policy simulate`: history replayed in steps. At each step the campaigns found so far get the barriers the policy would propose, as if a
 * person had accepted them at once; then it is counted what those would have stopped, and whom they and the limits would have touched.
 */
export async function simulate(store: Store, policy: Policy, steps: number, confidence: number, t: Terminal): Promise<string> {
  const range = await store.first<{ a: string; b: string; n: string }>(
    `SELECT toUnixTimestamp64Milli(min(time)) AS a, toUnixTimestamp64Milli(max(time)) AS b, count() AS n FROM ${store.all('exchanges')} AS e`,
  );
  if (!range || range.n === '0') return 'The store holds no exchange.\n';
  const [from, to] = [Number(range.a), Number(range.b)];
  const records = await accountRecords(store);
  const subject = (a: string): Subject => records.get(a) ?? {};
  const stands: Stand[] = [];
  let last: Dossier | null = null;
  const because = new Set<string>();
  for (let i = 1; i <= steps; i++) {
    const at = i === steps ? to : Math.round(from + ((to - from) * i) / steps);
    t.progress('replaying history', i, steps);
    last = await scan(store, {
      inputs: [],
      spool: '',
      retention: 'none',
      record: false,
      confidenceMin: confidence,
      seed: 1,
      now: new Date(at),
      version: VERSION,
      until: at,
    });
    for (const f of last.campaigns) {
      const { plans, because: why } = planned(policy, f, subject);
      if (why) because.add(`${f.id}: ${why}`);
      for (const p of plans) {
        const had = new Set(stands.filter((s) => s.action === p.action && s.until > at).flatMap((s) => s.accounts));
        const accounts = p.accounts.filter((a) => !had.has(a));
        if (accounts.length > 0)
          stands.push({ finding: f, rule: p.rule.name, action: p.action, from: at, until: at + p.rule.hours * 3_600_000, accounts });
      }
    }
  }
  t.clear();
  const out = [
    `History of ${((to - from) / 86_400_000).toFixed(1)} days, ${count(Number(range.n))} exchanges, replayed in ${steps} steps`,
    '',
  ];
  if (stands.length === 0) out.push(`No barrier would have been proposed.${because.size > 0 ? ` ${[...because].join('; ')}` : ''}`);
  // What the whole history shows of an account at its end is the best word there is on whose exchanges those were.
  const members = new Map((last?.campaigns ?? []).flatMap((f) => f.accounts.map((m) => [m.account, m] as const)));
  for (const s of stands) {
    const rows = await exchangesBetween(store, s.accounts, s.from, s.until);
    const stopped = rows.reduce((x, r) => x + r.n * (members.get(r.account)?.share ?? 0), 0);
    const all = rows.reduce((x, r) => x + r.n, 0);
    const strangers = rows.filter((r) => (members.get(r.account)?.membership ?? 0) < 0.5);
    const b = blast(s.finding.accounts, s.accounts, subject);
    out.push(
      `${new Date(s.from).toISOString().slice(0, 16)}  rule ${s.rule}: ${s.action} on ${s.accounts.length} accounts of ${s.finding.id}, until ${new Date(s.until).toISOString().slice(0, 16)}`,
      `  ${count(Math.round(stopped))} campaign exchanges touched, ${count(Math.round(all - stopped))} of others; ${strangers.length} accounts that the whole history does not name`,
      ...byClass(rows, members, subject),
      ...(b.verified.length > 0
        ? [
            `    verified customers: ${b.verified.slice(0, 20).join(', ')}${b.verified.length > 20 ? ` and ${b.verified.length - 20} more` : ''}`,
          ]
        : []),
    );
  }
  const limits = await overLimit(store, policy.limits, records);
  if (limits.length > 0) out.push('', 'Limits, as if they had held all the time (exchanges beyond the minute rate):');
  const named = new Set(members.keys());
  for (const c of group(limits, named)) out.push(`  ${c.name}: ${c.accounts} accounts, ${count(c.excess)} exchanges beyond`);
  return `${out.map(inert).join('\n')}\n`;
}

/** Accounts and exchanges a barrier touched, class by class: the campaign's and, beside them, whom the whole history does not name. */
function byClass(
  rows: readonly { readonly account: string; readonly n: number }[],
  members: ReadonlyMap<string, { readonly membership: number; readonly share: number }>,
  subject: (a: string) => Subject,
): string[] {
  const by = new Map<string, { named: number; others: number; innocent: number }>();
  for (const r of rows) {
    const s = subject(r.account);
    const m = members.get(r.account);
    const name = className(s);
    const c = by.get(name) ?? { named: 0, others: 0, innocent: 0 };
    if ((m?.membership ?? 0) >= 0.5) c.named += 1;
    else c.others += 1;
    c.innocent += r.n * (1 - (m?.share ?? 0));
    by.set(name, c);
  }
  return [...by].map(
    ([k, c]) =>
      `    ${k}: ${c.named} accounts of the campaign, ${c.others} of nobody's naming, ${count(Math.round(c.innocent))} exchanges of others`,
  );
}

function group(list: readonly Excess[], named: ReadonlySet<string>): { name: string; accounts: number; excess: number }[] {
  const by = new Map<string, { accounts: number; excess: number }>();
  for (const e of list) {
    const name = `${named.has(e.account) ? 'named in a campaign' : 'everyone else'}, ${e.tier || 'tier not known'}`;
    const had = by.get(name) ?? { accounts: 0, excess: 0 };
    by.set(name, { accounts: had.accounts + 1, excess: had.excess + e.excess });
  }
  return [...by].map(([name, v]) => ({ name, ...v })).sort((a, b) => b.excess - a.excess);
}
