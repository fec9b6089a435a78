import { lookOf, windowsSince } from './campaigns/discoveries.ts';
import { type Judgement, judge } from './campaigns/judge.ts';
import { cellsIn, NO_CELLS, profiles } from './campaigns/profile.ts';
import { handed } from './campaigns/relays.ts';
import { recordValues, type Table, table } from './campaigns/table.ts';
import { type AccountInput, hashed, readAccounts } from './formats/accounts.ts';
import { canonical, canonicalRow } from './formats/canonical.ts';
import type { Format } from './formats/format.ts';
import { formatById, formatIn, unrecognised } from './formats/index.ts';
import { type Input, isBlank, sampleRecords, type Unreadable } from './formats/input.ts';
import type { ReadOptions } from './formats/read.ts';
import type { Coverage, Dossier } from './model/dossier.ts';
import { StillwatchError } from './model/errors.ts';
import { maskedDossier } from './model/masked.ts';
import { assemble } from './report/assemble.ts';
import { ingest } from './store/ingest.ts';
import { asLines, packed } from './store/lines.ts';
import { otherSecret } from './store/open.ts';
import { anyErased, notErased } from './store/personal.ts';
import { accountRecords, accountRows, type Scope } from './store/queries/accounts.ts';
import { beatsOf } from './store/queries/beats.ts';
import { commonWords, profileCells } from './store/queries/profiles.ts';
import { recurringOf } from './store/queries/recurring.ts';
import { relaysOf } from './store/queries/relays.ts';
import { movedShares, releasesOf } from './store/queries/releases.ts';
import { repeatedShares } from './store/queries/repeats.ts';
import { spokenOf } from './store/queries/spoken.ts';
import { sharedColumns, sharedScaffolds } from './store/queries/values.ts';
import { alreadyRead, type FileCoverage } from './store/readings.ts';
import { HIDDEN, keyedAccount } from './store/sketch.ts';
import type { Store } from './store/store.ts';
import type { Opened } from './store/texts.ts';

export interface ScanOptions extends ReadOptions {
  readonly inputs: readonly Input[];
  readonly unreadable?: readonly Unreadable[];
  readonly accounts?: string;
  readonly inputFormat?: string;
  /** ms since 1970: nothing later is looked at. */
  readonly until?: number;
  readonly spool: string;
  readonly retention: 'none' | 'evidence' | 'all';
  /** Texts of live exchanges that are still in memory, by key: a look cites them, and what it does not cite is forgotten. */
  readonly live?: ReadonlyMap<string, Opened>;
  /** Days that `all` keeps texts. */
  readonly keepDays?: number;
  /** Store addresses, keys, end users, mail, payment and phone as keyed hashes. */
  readonly keyed?: boolean;
  readonly confidenceMin: number;
  /** False discovery rate over the cohorts tested, and over all looks at this store. */
  readonly alpha?: number;
  /** Honest accounts named a month at most, by the bound. */
  readonly honestPerMonth?: number;
  readonly seed: number;
  readonly now: Date;
  readonly version: string;
  readonly without?: readonly string[];
  /** False for replays, which must not become the store's last dossier. */
  readonly record?: boolean;
  readonly progress?: (said: string, done: number, all: number) => void;
  readonly warn?: (said: string) => void;
}

/** The main job: read, sketch, link, test, judge, report. */
export async function scan(store: Store, given: ScanOptions): Promise<Dossier> {
  const clock = stopwatch(given);
  const o = clock.options;
  const keyed = await identifiers(store, o);
  // First what is small: a file of accounts that cannot be read is told before hours of logs.
  await readAccountRecords(store, o, keyed);
  const { files, inputs } = await read(store, o, keyed);
  // Whoever was erased and has sent something since has a record again.
  if (o.accounts && (await anyErased(store))) await readAccountRecords(store, { ...o, warn: () => undefined }, keyed);
  const t = await sketches(store, o);
  if (t.strays > 0)
    o.warn?.(
      `W_CLOCK ${t.strays} ${t.strays === 1 ? 'account has' : 'accounts have'} a time farther from all others than those span together, and the log is taken to go from ${new Date(t.from).toISOString().slice(0, 10)} to ${new Date(t.to).toISOString().slice(0, 10)}: a clock may be wrong`,
    );
  const judgement = t.rows.length > 0 ? await test(store, t, o) : null;
  const dossier = await assemble(store, t, judgement, await coverage(store, t, files, judgement), { ...o, inputs }, clock.stages());
  if (o.record !== false)
    await store.insert('dossiers', [{ id: dossier.generated, at: o.now.toISOString(), body: JSON.stringify(maskedDossier(dossier)) }]);
  return dossier;
}

/** Notes how long each stage takes, by the words of its progress. */
function stopwatch(o: ScanOptions): { readonly options: ScanOptions; stages(): { stage: string; ms: number }[] } {
  const spent = new Map<string, number>();
  let now = { stage: 'reading logs', since: performance.now() };
  const turn = (stage: string): void => {
    const t = performance.now();
    spent.set(now.stage, (spent.get(now.stage) ?? 0) + t - now.since);
    now = { stage, since: t };
  };
  return {
    options: {
      ...o,
      progress: (said, done, all) => {
        // Progress of reading names each file: it is one stage, and no path belongs in a report.
        const stage = STAGES.has(said) ? said : 'reading logs';
        if (stage !== now.stage) turn(stage);
        o.progress?.(said, done, all);
      },
    },
    stages: () => {
      turn('reporting');
      return [...spent].map(([stage, ms]) => ({ stage, ms: Math.round(ms) }));
    },
  };
}

const STAGES: ReadonlySet<string> = new Set([
  'reading sketches',
  'profiling content',
  'finding shared values',
  'finding repeated items',
  'testing cohorts',
  'judging members',
]);

/** A file of which no line was read, and why: it stands in the coverage with the others. */
const unread = (name: string, state: FileCoverage['state'], note: string, format = ''): FileCoverage => ({
  name,
  format,
  state,
  lines: 0,
  accepted: 0,
  rejected: 0,
  duplicates: 0,
  note,
});

/** Reads what is new. Returns what was read of each file, and the inputs as they lie here. */
async function read(store: Store, o: ScanOptions, keyed: boolean): Promise<{ files: FileCoverage[]; inputs: Input[] }> {
  const out: FileCoverage[] = [];
  const inputs: Input[] = [];
  const all = await packed(o.inputs, o.spool);
  for (const [i, given] of all.entries()) {
    o.progress?.(`reading ${given.name}`, i, all.length);
    const before = await alreadyRead(store, given, readAs(o), o.inputFormat);
    // Where a part of the store was lost, what is given is read once more: what is there already is not added again.
    if (before && store.lost.length === 0) {
      out.push(before);
      inputs.push(await asLines(given, o.spool));
      continue;
    }
    let input = given;
    try {
      input = await asLines(given.fetch ? await given.fetch() : given, o.spool);
    } catch (error) {
      if (error instanceof StillwatchError) throw error;
      out.push(unread(given.name, 'failed', error instanceof Error ? error.message : 'unknown error'));
      continue;
    }
    inputs.push(input);
    const mapped = Object.keys(o.fields ?? {}).length > 0;
    const format = (await formatOf(input, o.inputFormat, mapped)) ?? (mapped ? canonical : null);
    // Rotated logs leave empty files, packed ones too: they are no gap.
    const blank = format ? false : isBlank(input);
    if (blank) {
      out.push(unread(input.name, 'read', 'it holds no line'));
      continue;
    }
    if (blank === null) {
      out.push(unread(input.name, 'failed', `the ${input.compression} stream is damaged, and nothing of it could be unpacked`));
      continue;
    }
    if (!format) {
      out.push(unread(input.name, 'unrecognised', await unrecognised(input)));
      continue;
    }
    try {
      out.push(
        await ingest(store, input, format, {
          spool: o.spool,
          // What was rejected was not read: nobody can tell an identifier in it from a word.
          keepRejects: o.retention !== 'none' && !keyed,
          keepTexts: o.retention === 'all' ? (o.keepDays ?? 30) : 0,
          keyed,
          ...readAs(o),
        }),
      );
    } catch (error) {
      // One unreadable file must not cost the others; what concerns the store does.
      if (error instanceof StillwatchError && error.code !== 'E_ENGINE') throw error;
      out.push(unread(input.name, 'failed', error instanceof Error ? error.message : 'unknown error', format.id));
    }
  }
  for (const u of o.unreadable ?? []) out.push(unread(u.name, 'failed', `${u.code}: ${u.reason}`));
  return { files: out, inputs };
}

/** How fields are read, of all that a scan is told. */
const readAs = (o: ScanOptions): ReadOptions => ({
  ...(o.fields ? { fields: o.fields } : {}),
  ...(o.accountBy ? { accountBy: o.accountBy } : {}),
});

async function formatOf(input: Input, named: string | undefined, mapped: boolean): Promise<Format | null> {
  if (named !== undefined && named !== canonical.id) return formatById(named);
  const seen = await formatIn(input);
  // A table keeps messages as text or as lists: both are read.
  if (input.parquet) {
    if (named !== undefined || seen === canonical) return canonicalRow;
    // Packed in a way that only the engine can open, or under names of its own that --field maps.
    return seen ?? (mapped || (await sampleRecords(input, 1)).length === 0 ? canonicalRow : null);
  }
  return named === undefined || seen === canonicalRow ? seen : canonical;
}

/** How identifiers stand in this store: the first scan decides, for hashes and plain values never meet. */
export async function identifiers(
  store: Store,
  o: Pick<ScanOptions, 'keyed' | 'accounts'> & { readonly inputs: readonly unknown[] },
): Promise<boolean> {
  const kept = (await store.first<{ value: string }>(`SELECT value FROM meta WHERE name = 'identifiers' ORDER BY at LIMIT 1`))?.value;
  const wanted = o.keyed === true ? 'keyed' : 'plain';
  if (kept === undefined) {
    if (o.inputs.length > 0 || o.accounts)
      await store.everywhere(`INSERT INTO meta SELECT 'identifiers', {v:String}, now64(3)`, { v: wanted });
    return o.keyed === true;
  }
  if (o.keyed !== undefined && kept !== wanted)
    throw new StillwatchError(
      'E_IDENTIFIERS',
      `this store holds ${kept} identifiers, and ${wanted} ones were asked for`,
      'leave --identifiers out, or use another --store',
    );
  return kept === 'keyed';
}

async function readAccountRecords(store: Store, o: ScanOptions, keyed: boolean): Promise<void> {
  if (!o.accounts) return;
  if (keyed && store.sealed) throw otherSecret(true);
  const faults = new Map<string, { lines: number; first: number }>();
  for await (const batch of readAccounts(o.accounts, o.now.toISOString(), ({ line, column = '' }) => {
    const known = faults.get(column);
    faults.set(column, { lines: (known?.lines ?? 0) + 1, first: known?.first ?? line });
  }))
    await store.insert(
      'accounts',
      await notErased(store, keyed ? (await calledAs(store, batch, o)).map((r) => hashed(r, store.secret)) : batch),
    );
  for (const [column, { lines, first }] of faults) {
    const one = lines === 1;
    const many = `W_ACCOUNTS ${lines} ${one ? 'line' : 'lines'} of the account file`;
    o.warn?.(
      column === ''
        ? `${many} ${one ? 'holds' : 'hold'} no account record, the first at line ${first}`
        : `${many} ${one ? 'says' : 'say'} nothing in ${column} that can be read, the first at line ${first}; ${column === 'verification' ? 'levels are none, email, phone, id and business, others count for nothing' : 'write times as 2026-05-04T10:00:00Z'}`,
    );
  }
}

/** Records under the names that their accounts have in this store: where a column that is kept as hashes names the account, the account is one. */
async function calledAs(store: Store, batch: readonly AccountInput[], o: ScanOptions): Promise<readonly AccountInput[]> {
  if (o.accountBy === undefined || !HIDDEN.includes(o.accountBy)) return batch;
  const names = await store.rows<{ h: string }>(
    `SELECT ${keyedAccount('a')} AS h FROM (SELECT arrayJoin(arrayEnumerate({names:Array(String)})) AS i, {names:Array(String)}[i] AS a) ORDER BY i`,
    { ...store.secret, names: batch.map((r) => r.account) },
  );
  return batch.map((r, i) => ({ ...r, account: names[i]?.h ?? r.account }));
}

async function sketches(store: Store, o: ScanOptions): Promise<Table> {
  const until = o.until ?? null;
  o.progress?.('reading sketches', 0, 4);
  const rows = await accountRows(store, until);
  const index = new Map(rows.map((r, i) => [r.acct, i]));
  const known = await accountRecords(store);
  // Records tell of closures to come; a replay must not know them.
  const records = rows.map((r) => {
    const k = known.get(r.account) ?? null;
    return k && until !== null && k.closed !== null && k.closed > until ? { ...k, closed: null, closed_reason: '' } : k;
  });
  const hasText = rows.some((r) => r.with_text > 0);
  const common = hasText ? await commonWords(store, until) : [];
  o.progress?.('profiling content', 1, 4);
  const cells = hasText ? await profileCells(store, index, common, until) : NO_CELLS;
  o.progress?.('finding shared values', 2, 4);
  const shared = [
    ...(await sharedColumns(store, index, until)),
    ...(hasText ? await sharedScaffolds(store, index, until) : []),
    ...recordValues(records),
  ];
  o.progress?.('finding repeated items', 3, 4);
  const repeated = hasText ? await repeatedShares(store, index, until) : new Float64Array(rows.length);
  const relays = handed(await relaysOf(store, index, until));
  const releases = await releasesOf(store, until);
  return table({
    rows,
    records,
    hasRecords: records.some((r) => r !== null),
    hasText,
    common,
    profiles: profiles(rows.length, cells),
    values: shared,
    relays,
    repeated,
    releases,
    moved: await movedShares(store, index, until, releases),
  });
}

async function test(store: Store, t: Table, o: ScanOptions): Promise<Judgement> {
  const until = o.until ?? null;
  const index = new Map(t.rows.map((r, i) => [r.acct, i]));
  const hashes = (accounts: readonly number[]): string[] => accounts.map((a) => t.rows[a]?.acct ?? '');
  const exchanges = t.rows.reduce((x, r) => x + r.n, 0);
  const first = async (name: string, now: number): Promise<number> => {
    const kept = await store.first<{ value: string }>('SELECT value FROM meta WHERE name = {name:String} ORDER BY at LIMIT 1', { name });
    if (!kept && o.record !== false)
      await store.command('INSERT INTO meta SELECT {name:String}, {v:String}, now64(3)', { name, v: String(now) });
    return Number(kept?.value ?? now);
  };
  const looked = { exchanges: await first('first_look', exchanges), to: await first('first_look_to', t.to) };
  return judge(t, {
    alpha: o.alpha ?? 0.1,
    look: lookOf(exchanges, looked.exchanges) + windowsSince(t.from, t.to, looked.to),
    ...(o.honestPerMonth === undefined ? {} : { honestPerMonth: o.honestPerMonth }),
    seed: o.seed,
    confidenceMin: o.confidenceMin,
    scoped: async (accounts, values) => {
      const scope: Scope = { accounts: hashes(accounts), scaffold: values.map((v) => t.values[v]?.value ?? '') };
      const rows = await accountRows(store, until, scope);
      return {
        cells: cellsIn(await profileCells(store, index, t.common, until, scope)),
        rows: new Map(rows.map((r) => [index.get(r.acct) ?? -1, r])),
      };
    },
    recurring: (accounts) => recurringOf(store, hashes(accounts), until),
    spoken: (accounts, values, stretches) =>
      spokenOf(
        store,
        hashes(accounts),
        values.map((v) => t.values[v]?.value ?? ''),
        { from: t.from, to: t.to, stretches },
        until,
      ),
    beats: (accounts) => beatsOf(store, hashes(accounts), t.from, t.to, until),
    ...(o.without ? { without: o.without } : {}),
    ...(o.progress ? { progress: o.progress } : {}),
  });
}

/** Part of all accounts without text from which on coverage tells it. */
const SILENT = 0.02;

async function coverage(store: Store, t: Table, files: readonly FileCoverage[], judgement: Judgement | null): Promise<Coverage> {
  const reasons = await store.rows<{ reason: string; n: string }>(
    `SELECT reason, count() AS n FROM ${store.all('rejects')} AS r GROUP BY reason ORDER BY n DESC, reason`,
  );
  const exchanges = t.rows.reduce((x, r) => x + r.n, 0);
  const withText = t.rows.reduce((x, r) => x + r.with_text, 0);
  const not: { signal: string; because: string }[] = [];
  const none = (signals: readonly string[], because: string) => {
    for (const signal of signals) not.push({ signal, because });
  };
  if (!t.hasText)
    none(
      ['deck', 'partition', 'scaffold', 'elicitation', 'breadth', 'fresh-items', 'kindred profiles'],
      'the log has no text: accounts that send the same work and share nothing else are not seen, and what others take cannot be told',
    );
  const silent = t.untold?.is.reduce((x, y) => x + y, 0) ?? 0;
  // A few that send files or results of tools alone are in every log.
  if (silent > SILENT * t.rows.length)
    none(
      ['content'],
      `the log has no text of ${silent} of ${t.rows.length} accounts: of them only what they share is seen, and a campaign may have more accounts than are named`,
    );
  if (!t.hasRecords) none(['signup-burst', 'identity'], 'no account records were given (--accounts FILE)');
  if (!t.values.some((v) => v.kind === 'address') && t.rows.every((r) => r.addresses === 0)) none(['network'], 'the log has no addresses');
  if (judgement && judgement.leftOut > 0)
    not.push({ signal: 'candidates', because: `${judgement.leftOut} smaller candidates were left out beyond the limit` });
  return {
    files,
    exchanges,
    accounts: t.rows.length,
    rejected: reasons.reduce((x, r) => x + Number(r.n), 0),
    reasons: reasons.map((r) => ({ reason: r.reason, lines: Number(r.n) })),
    not_applicable: not,
    with_text: exchanges > 0 ? withText / exchanges : 0,
    lost: store.lost,
    complete: files.every((f) => f.state === 'read' || f.state === 'already_read') && store.lost.length === 0,
  };
}
