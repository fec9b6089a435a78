import { existsSync, readFileSync } from 'node:fs';
import { FORMATS } from '../formats/index.ts';
import { RECORDS_MAX } from '../formats/read.ts';
import type { Dossier, Finding, LookAlike } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import { odds, sure } from '../model/odds.ts';
import { inert } from '../report/inert.ts';
import { wrap } from '../report/table.ts';
import { BESIDE, count } from '../report/words.ts';
import { bodyOf } from '../serve/desk.ts';
import { SIGNALS } from '../signals/index.ts';
import { shownBy, valueKey } from '../store/queries/account.ts';
import { accountRecords } from '../store/queries/accounts.ts';
import { likelyOf, type Side, sidesOf } from '../store/queries/likely.ts';
import type { Store } from '../store/store.ts';
import type { Terminal } from './terminal.ts';
import { ROOT } from './version.ts';

/** @param look the time of an earlier one */
export async function lastDossier(store: Store, look?: string): Promise<Dossier | null> {
  const body = await bodyOf(store, look);
  return body === null ? null : (JSON.parse(body) as Dossier);
}

/** What stands in a ledger besides signals. */
const ROWS = ['prior', 'search', 'joint', 'other-kinds', 'rival', 'held-apart', 'address-rotation'] as const;

/** `stillwatch explain <signal|campaign>`: the docs page of a signal with its figures on this store, or a campaign's whole ledger. */
export async function explain(what: string, store: () => Promise<Store>, t: Terminal, look?: string): Promise<string> {
  // Rows of a ledger that no signal gives have pages too; every explanation has the one of explanations.
  const id = what.startsWith('rival:') ? 'rival' : what;
  const signal = SIGNALS.find((s) => s.id === id) ?? ROWS.find((r) => r === id);
  if (signal) {
    const page = new URL(`docs/signals/${id}.md`, ROOT);
    const text = existsSync(page) ? readFileSync(page, 'utf8') : `# ${typeof signal === 'string' ? signal : signal.title}\n`;
    let here = 'no store here yet: run a scan first';
    try {
      const opened = await store();
      const d = await lastDossier(opened, look);
      if (d) {
        const rows = [...d.campaigns, ...d.undecided, ...d.look_alikes]
          .map((f) => ({ id: f.id, e: f.evidence.find((x) => x.signal === what || (what === 'rival' && x.family === 'rival')) }))
          .filter((x) => x.e !== undefined);
        const fired = rows.filter((x) => x.e?.outcome === 'fired');
        const ref = rows.find((x) => x.e?.reference.median !== null)?.e?.reference;
        here = [
          `fired on ${fired.length} of ${rows.length} cohorts reported${fired.some((x) => x.e?.bits === 0) ? ' (with 0 bits where it formed the cohort, or a stronger signal of its family counts instead)' : ''}; honest null cohorts: 5 % ${ref?.low?.toFixed(4) ?? '-'}, median ${ref?.median?.toFixed(4) ?? '-'}, 95 % ${ref?.high?.toFixed(4) ?? '-'}`,
          ...rows
            .slice(0, 12)
            .map(
              (x) =>
                `  ${x.id}  ${(x.e?.bits ?? 0).toFixed(1).padStart(6)} bits  ${x.e?.figure === null ? x.e?.outcome : x.e?.figure?.toFixed(4)}`,
            ),
        ].join('\n');
      }
    } catch (error) {
      if (!(error instanceof StillwatchError) || error.code !== 'E_STORE_NONE') throw error;
    }
    return `${text.trim()}\n\n## On this store\n${here}\n`;
  }
  const d = await lastDossier(await store(), look);
  const found = d && ([...d.campaigns, ...d.undecided].find((f) => f.id === what) as Finding | undefined);
  if (found) return ledgerText(found, t);
  const cleared = d?.look_alikes.find((f) => f.id === what);
  if (cleared) return clearedText(cleared, t);
  throw new StillwatchError(
    'E_UNKNOWN',
    `${JSON.stringify(what)} is neither a signal nor a campaign of the last scan`,
    `signals: ${SIGNALS.map((s) => s.id).join(', ')}; other rows: ${ROWS.join(', ')}`,
  );
}

/** Evidence by axis, with what it adds up to. */
function axesText(f: Pick<Finding, 'evidence' | 'axes'>, t: Terminal): string[] {
  const out: string[] = [];
  for (const axis of ['coordination', 'extraction', 'concealment'] as const) {
    const rows = f.evidence.filter((e) => e.axis === axis);
    if (rows.length === 0) continue;
    const sum = rows.reduce((x, e) => x + e.bits, 0);
    out.push(
      `${axis}: ${sum.toFixed(2)} bits, probability ${odds(f.axes[axis], 3)}${axis === 'concealment' ? ' (enters no confidence)' : ''}`,
    );
    for (const e of rows) {
      const lines = wrap(e.reason, Math.max(40, t.width - 30));
      out.push(
        `  ${e.signal.padEnd(20)} ${(e.bits > 0 ? `+${e.bits.toFixed(2)}` : e.bits.toFixed(2)).padStart(6)}  ${lines[0] ?? ''}`,
        ...lines.slice(1).map((l) => `${' '.repeat(30)}${l.trim()}`),
      );
    }
    out.push('');
  }
  return out;
}

const tried = (f: Pick<Finding, 'explanations'>): string[] => [
  'Innocent explanations tested',
  ...f.explanations.map((x) => `  ${x.fits ? 'FITS    ' : 'no      '} ${x.kind}: ${x.reason}`),
];

/** A cohort that was cleared, or is of another kind: why, its evidence, and whose accounts these are. */
function clearedText(l: LookAlike, t: Terminal): string {
  const said = l.explanation.startsWith(`${l.kind}: `) ? l.explanation : `${l.kind}: ${l.explanation}`;
  const out = [
    `${l.id}: ${l.title}`,
    '',
    ...wrap(`Cleared, or of another kind. ${said}`, t.width),
    '',
    ...axesText(l, t),
    ...tried(l),
    '',
    `Accounts (${l.accounts.length}; an account may be in several cohorts)`,
    ...l.accounts.slice(0, 15).map((a) => `  ${a}`),
    ...(l.accounts.length > 15 ? [`  and ${l.accounts.length - 15} more (scan --format json lists all)`] : []),
  ];
  return `${out.map(inert).join('\n')}\n`;
}

/** What an undecided cohort lacks; nothing for a campaign. */
const lackingText = (missing: readonly string[], t: Terminal): string[] =>
  missing.length === 0 ? [] : ['Undecided. What is missing:', ...missing.flatMap((m) => wrap(`  - ${m}`, t.width)), ''];

function ledgerText(f: Finding & { readonly missing?: readonly string[] }, t: Terminal): string {
  const out = [`${f.id}: ${f.title}`, '', ...wrap(f.summary, t.width), '', ...lackingText(f.missing ?? [], t), ...axesText(f, t)];
  out.push(`confidence ${odds(f.confidence, 3)} = coordination x extraction, calibrated on ${f.calibrated_on}`, '', ...tried(f));
  out.push(
    '',
    `Loot, by each account's share: ${count(f.loot.exchanges)} exchanges, ${count(f.loot.distinct_items)} distinct items, ${count(f.loot.output_tokens)} output tokens over ${f.loot.days} days`,
  );
  out.push(
    `After: ${
      Object.entries(f.capabilities)
        .slice(0, 4)
        .map(([k, v]) => `${k} ${Math.round(100 * v)} % (population ${Math.round(100 * (f.population_capabilities[k] ?? 0))} %)`)
        .join(', ') || 'no text at hand'
    }`,
  );
  out.push(
    '',
    'Accounts',
    ...f.accounts
      .slice(0, 15)
      .map(
        (a) =>
          `  ${a.account}  membership ${odds(a.membership, 3)}  ${a.exchanges} exchanges, share ${a.share.toFixed(2)} (${a.share_low.toFixed(2)}-${a.share_high.toFixed(2)})`,
      ),
  );
  if (f.accounts.length > 15) out.push(`  and ${f.accounts.length - 15} more (scan --format csv lists all)`);
  if (f.beside)
    out.push(
      '',
      `Not named: accounts that draw on the pool or send its sentence, beside work of their own or with nothing that ties them. ${BESIDE}`,
      ...f.beside
        .slice(0, 15)
        .map(
          (a) =>
            `  ${a.account}  ${a.exchanges} exchanges, share ${a.share.toFixed(2)} (${a.share_low.toFixed(2)}-${a.share_high.toFixed(2)})`,
        ),
    );
  return `${out.map(inert).join('\n')}\n`;
}

/** Part of what an account sends, below which it is told which of it is likely the finding's. */
const MIXED = 0.9;
const LIKELY_SHOWN = 12;

function likelyIn(store: Store, f: Pick<Finding, 'accounts' | 'indicators'>, id: string, share: number): ReturnType<typeof likelyOf> {
  const others = f.accounts.map((a) => a.account).filter((a) => a !== id);
  const sentences = f.indicators.filter((i) => i.kind === 'scaffold' && i.accounts >= 0.5 * f.accounts.length).map((i) => i.value);
  return likelyOf(store, id, others, sentences, share);
}

const CLIENTS_SHOWN = 3;

function sideText({ clients, addresses }: Side): string {
  const by = clients.slice(0, CLIENTS_SHOWN).map((c) => `${c.client} (${c.conversations})`);
  const more = clients.length > CLIENTS_SHOWN ? ` and ${clients.length - CLIENTS_SHOWN} more` : '';
  return [
    by.length > 0 ? `with ${by.join(', ')}${more}` : '',
    addresses > 0 ? `from ${addresses} ${addresses === 1 ? 'address' : 'addresses'}` : '',
  ]
    .filter(Boolean)
    .join(', ');
}

/** Which of a mixed account's conversations are likely a finding's, and where they come from against where the others do. */
async function likelyLines(store: Store, f: Pick<Finding, 'accounts' | 'indicators'>, id: string, share: number): Promise<string[]> {
  const { conversations, likely } = await likelyIn(store, f, id, share);
  if (likely.length === 0) return [];
  const by =
    likely[0]?.bits === null ? 'they carry its sentence' : "their words are more the other members' than everybody's; the likeliest first";
  const at = (text: string): string => `                 ${text}`;
  const sides = await sidesOf(
    store,
    id,
    likely.map((x) => x.id),
  );
  const [theirs, others] = [sideText(sides.likely), sideText(sides.others)];
  return [
    at(`likely the finding's are ${likely.length} of ${conversations} conversations (${by})`),
    ...(theirs === '' && others === ''
      ? []
      : [
          at(
            `  those come ${theirs || 'from nowhere the log names'}; the others ${others || 'from nowhere the log names'}${sides.addressesInBoth > 0 ? `; ${sides.addressesInBoth} of the addresses are in both` : sides.likely.addresses > 0 && sides.others.addresses > 0 ? '; no address is in both' : ''}`,
          ),
        ]),
    at('  they begin with:'),
    ...likely.slice(0, LIKELY_SHOWN).map((x) => at(`  ${x.time}  ${x.id}${x.bits === null ? '' : `  ${x.bits.toFixed(1)} bits`}`)),
    ...(likely.length > LIKELY_SHOWN ? [at(`  and ${likely.length - LIKELY_SHOWN} more`)] : []),
  ];
}

/** Findings that an account is no part of, and of whose indicators it shows some: whoever looks it up learns that, and that nobody named it for that. */
async function sharesWith(store: Store, d: Dossier, id: string, exchanges: string): Promise<string[]> {
  const apart = [...d.campaigns, ...d.undecided].filter(
    (f) => f.indicators.length > 0 && ![...f.accounts, ...(f.beside ?? [])].some((a) => a.account === id),
  );
  if (apart.length === 0) return [];
  const shown = await shownBy(store, id);
  return apart.flatMap((f) => {
    const most = new Map<string, number>();
    for (const i of f.indicators) {
      const held = shown.get(valueKey(i));
      if (held) most.set(i.kind, Math.max(most.get(i.kind) ?? 0, held.exchanges));
    }
    const kinds = [...most].map(([kind, n]) => (n > 0 ? `${kind} (in ${n} of its ${exchanges} exchanges)` : kind)).join(', ');
    const what = d.campaigns.includes(f as Finding) ? 'campaign' : 'undecided';
    return kinds === '' ? [] : [`  shares with    ${f.id} (${what}, in which it is not named): ${kinds}`];
  });
}

/** `stillwatch accounts <id>`: one account's file. */
export async function accountFile(id: string, store: Store): Promise<string> {
  const row = await store.first<Record<string, string>>(
    `SELECT count() AS n, uniqExact(conversation) AS conversations, uniqExactIf(prompt, opening) AS items, toString(min(time)) AS first, toString(max(time)) AS last, uniqExact(toDate(time)) AS days,
      sum(output_tokens) AS output, arrayStringConcat(topK(3)(toString(model)), ', ') AS models, arrayStringConcat(topK(3)(user_agent), ', ') AS clients, uniqExactIf(ip, ip != '') AS addresses,
      arrayStringConcat(arrayMap(x -> toString(x), sumForEach(arrayMap(h -> toUInt32(h = toHour(time)), range(24)))), ' ') AS hours FROM ${store.all('exchanges')} AS e WHERE acct = cityHash64({id:String}) AND account = {id:String}`,
    { id },
  );
  if (!row || row['n'] === '0')
    throw new StillwatchError(
      'E_UNKNOWN',
      `there is no account ${JSON.stringify(id)} in this store`,
      'identifiers are those of the log, letter by letter',
    );
  const record = (await accountRecords(store)).get(id);
  const d = await lastDossier(store);
  const out = [
    `account ${id}`,
    `  exchanges      ${row['n']} in ${row['conversations']} conversations, ${row['items']} distinct opening items, ${row['days']} days`,
    `  seen           ${row['first']} to ${row['last']}`,
    `  output tokens  ${row['output']}`,
    `  models         ${row['models']}`,
    `  clients        ${row['clients']}`,
    `  addresses      ${row['addresses']}`,
    `  by hour (UTC)  ${row['hours']}`,
  ];
  if (record)
    out.push(
      `  record         ${[record.tier, record.verification && `verification ${record.verification}`, record.organization && `organisation ${record.organization}`, record.created && `created ${new Date(record.created).toISOString().slice(0, 10)}`, record.closed && `closed ${new Date(record.closed).toISOString().slice(0, 10)} (${record.closed_reason})`, record.labels.length > 0 && `labels ${record.labels.join(', ')}`].filter(Boolean).join('; ')}`,
    );
  for (const f of [...(d?.campaigns ?? []), ...(d?.undecided ?? [])]) {
    const m = f.accounts.find((a) => a.account === id);
    if (!m) continue;
    out.push(
      `  ${d?.campaigns.includes(f as Finding) ? 'campaign ' : 'undecided'}      ${f.id}: membership ${odds(m.membership, 3)}, share ${m.share.toFixed(2)} (${m.share_low.toFixed(2)}-${m.share_high.toFixed(2)}), confidence ${sure(f.confidence)}`,
      ...(m.share < MIXED ? await likelyLines(store, f, id, m.share) : []),
    );
  }
  for (const f of [...(d?.campaigns ?? []), ...(d?.undecided ?? [])]) {
    const b = f.beside?.find((a) => a.account === id);
    if (b)
      out.push(
        `  not named      ${f.id} its pool is drawn on, or its sentence sent, by this account: share ${b.share.toFixed(2)} (${b.share_low.toFixed(2)}-${b.share_high.toFixed(2)}). ${BESIDE}`,
        ...(await likelyLines(store, f, id, b.share)),
      );
  }
  if (d) out.push(...(await sharesWith(store, d, id, row['n'] ?? '')));
  // What a cohort was cleared as is said of it, and not of whatever else one of its accounts does.
  for (const l of d?.look_alikes ?? [])
    if (l.accounts.includes(id)) out.push(`  in a cohort    ${l.id}, cleared as a whole: ${l.title.replace(/^\S+ accounts: /, '')}`);
  return `${out.map(inert).join('\n')}\n`;
}

/** What to do about a reason. */
const HINTS: Readonly<Record<string, string>> = {
  absurd_time: 'the time is before 2015 or after 2100; name another place with --field time=PATH',
  bad_time:
    'the time could not be read: ISO 8601, or seconds, milliseconds or smaller parts since 1970; of dates like 10/12/2026 nothing may tell which is the month',
  no_time: 'name where the time stands with --field time=PATH',
  no_id: 'name where the id of a request stands with --field id=PATH',
  not_a_call: 'a step that is no call of a model, or a call around another one of the same account: nothing to do',
  not_json: 'the line is cut off or no JSON: look at whoever writes it',
  not_an_object: 'the line is JSON, and no object: one record a line is read',
};

/** `stillwatch rejects`: the lines that became no exchange, by reason, with their places. */
export async function rejects(store: Store, most: number): Promise<string> {
  const rows = await store.rowsEverywhere<{ reason: string; path: string; format: string; row: string; head: string }>(
    `SELECT reason, path, format, row, head FROM rejects LEFT JOIN (SELECT path_id, any(path) AS path, any(format) AS format FROM files GROUP BY path_id) AS f USING (path_id) ORDER BY path_id, row LIMIT {most:UInt32}`,
    { most },
  );
  if (rows.length === 0) return 'No line was rejected.\n';
  const formats = new Map(FORMATS.map((f) => [f.id, f]));
  // Of a format that puts many records in one line, a place is the line and the record in it.
  const place = (row: number, several: boolean): string => {
    const [line, n] = several ? [Math.floor(row / RECORDS_MAX), row % RECORDS_MAX] : [row, 1];
    return n > 1 ? `${line + 1}, record ${n}` : String(line + 1);
  };
  const hint = (reason: string, format: string): string =>
    reason === 'no_account'
      ? `an account was looked for in ${formats.get(format)?.accountHint ?? 'account'}; name its place with --field account=PATH and scan again`
      : (HINTS[reason] ?? 'see the line');
  const met = [...new Map(rows.map((r) => [`${r.reason} ${r.format}`, r])).values()];
  return `${rows
    .map((r) =>
      inert(
        `${r.reason.padEnd(14)} ${r.path}:${place(Number(r.row), formats.get(r.format)?.explode !== undefined)}  ${r.head.slice(0, 120)}`,
      ),
    )
    .concat('', ...met.map((r) => inert(`${r.reason} (${r.format || 'unknown format'}): ${hint(r.reason, r.format)}`)))
    .join('\n')}\n`;
}
