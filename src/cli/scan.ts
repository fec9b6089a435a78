import { accessSync, constants, existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { utc } from '../formats/accounts.ts';
import { COLUMNS } from '../formats/format.ts';
import { formatById, logInputs } from '../formats/index.ts';
import type { Dossier } from '../model/dossier.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { render } from '../report/index.ts';
import { scan } from '../scan.ts';
import { openStore } from '../store/open.ts';
import { pullTable } from '../store/pull.ts';
import { sameFile } from './files.ts';
import { plan } from './plan.ts';
import { askAdmin, type Where } from './served.ts';
import { spoolPlace } from './supervise.ts';
import type { Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

export interface ScanFlags {
  accounts?: string;
  format: string;
  out?: string;
  /** The HTML report, beside the result. */
  report?: string;
  store: string;
  from?: string;
  map?: string;
  plan?: boolean;
  until?: string;
  failOn?: string;
  inputFormat?: string;
  field?: string[];
  accountBy?: string;
  retention: string;
  keepDays?: string;
  identifiers?: string;
  confidence: string;
  fdr?: string;
  honestPerMonth?: string;
  seed: string;
  program: string;
}

export const EXIT = { done: 0, found: 1, wrong: 2, nothing: 3, interrupted: 130 } as const;

export function number(text: string, name: string, low: number, high: number): number {
  const n = Number(text);
  if (!Number.isFinite(n) || n < low || n > high)
    throw new StillwatchError(
      'E_USAGE',
      `${name} ${JSON.stringify(text)} is not a number from ${low} to ${high}`,
      `for example ${name} ${low <= 0.5 && high >= 0.5 && high <= 1 ? 0.5 : Math.max(low, Math.min(high, 10))}`,
    );
  return n;
}

export function moment(text: string): number {
  const t = utc(text);
  if (!Number.isFinite(t))
    throw new StillwatchError('E_USAGE', `--until ${JSON.stringify(text)} is no time`, 'write it as 2026-05-04 or 2026-05-04T12:00:00Z');
  return t;
}

function fields(list: readonly string[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const item of list) {
    const at = item.indexOf('=');
    const name = item.slice(0, at);
    if (at < 1 || !(name in COLUMNS))
      throw new StillwatchError(
        'E_USAGE',
        `--field ${JSON.stringify(item)} is not name=path`,
        `names: ${Object.keys(COLUMNS).join(', ')}; a path looks like metadata.user or attributes["user.id"]`,
      );
    out[name] = item.slice(at + 1);
  }
  return out;
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Hours of work must not end at a place that cannot be written. */
function writablePlace(flag: string, path: string): void {
  try {
    if (existsSync(path) && statSync(path).isDirectory()) throw new Error('it is a directory');
    accessSync(existsSync(path) ? path : dirname(resolve(path)), constants.W_OK);
  } catch (cause) {
    throw new StillwatchError(
      'E_OUT',
      `${flag} ${path} cannot be written: ${messageOf(cause)}`,
      'choose another place: nothing was done yet',
      { cause },
    );
  }
}

/** A file that a scan writes, by the flag that names it. */
type Written = readonly [flag: string, path: string];

const writtenBy = (flags: ScanFlags): Written[] => [
  ...(flags.out === undefined ? [] : [['--out', flags.out] as const]),
  ...(flags.report === undefined ? [] : [['--report', flags.report] as const]),
];

/** A report must not take the place of what it was made from. */
function apartFrom(written: readonly Written[], inputs: readonly string[]): void {
  for (const [flag, out] of written.filter(([, o]) => inputs.some((i) => sameFile(i, o))))
    throw new StillwatchError(
      'E_OUT',
      `${flag} ${out} is read by this scan`,
      'name another file: it would be overwritten. Nothing was written',
    );
}

/** Whole or not at all: half a report is none. */
function write([flag, path]: Written, text: string): void {
  const special = existsSync(path) && !statSync(path).isFile();
  try {
    writeFileSync(special ? path : `${path}.part`, text);
    if (!special) renameSync(`${path}.part`, path);
  } catch (cause) {
    if (!special) rmSync(`${path}.part`, { force: true });
    throw new StillwatchError(
      'E_OUT',
      `${flag} ${path} could not be written: ${messageOf(cause)}`,
      'the scan is kept: free space or name another place, and run the same command again',
      { cause },
    );
  }
}

/** Looks at the places of all that will be written before anything is read. */
function placesOf(flags: ScanFlags, inputs: readonly string[]): void {
  const written = writtenBy(flags);
  if (flags.out !== undefined && flags.report !== undefined && sameFile(flags.out, flags.report))
    throw new StillwatchError('E_OUT', `--out and --report both name ${flags.out}`, 'name two files: nothing was done yet');
  for (const [flag, path] of written) writablePlace(flag, path);
  apartFrom(written, inputs);
}

/** `stillwatch scan`. Returns the exit code of the contract. */
export async function scanCommand(args: readonly string[], flags: ScanFlags, t: Terminal): Promise<number> {
  if (args.length === 0 && !flags.from)
    throw new StillwatchError(
      'E_USAGE',
      'nothing to scan',
      'give files, globs, directories, URLs or - for standard input, or --from clickhouse://host/database/table',
    );
  const confidenceMin = number(flags.confidence, '--confidence', 0, 1);
  const failOn = flags.failOn === undefined ? null : number(flags.failOn, '--fail-on', 0, 1);
  const until = flags.until === undefined ? undefined : moment(flags.until);
  const fieldMap = fields(flags.field ?? []);
  if (flags.accountBy && !(flags.accountBy in COLUMNS))
    throw new StillwatchError(
      'E_USAGE',
      `--account-by ${JSON.stringify(flags.accountBy)} is no field`,
      `fields: ${Object.keys(COLUMNS).join(', ')}`,
    );
  if (!['none', 'evidence', 'all'].includes(flags.retention))
    throw new StillwatchError('E_USAGE', `--retention ${JSON.stringify(flags.retention)} is unknown`, 'none, evidence (default) or all');
  if (flags.identifiers !== undefined && flags.identifiers !== 'plain' && flags.identifiers !== 'keyed')
    throw new StillwatchError('E_USAGE', `--identifiers ${JSON.stringify(flags.identifiers)} is unknown`, 'plain (default) or keyed');
  render(flags.format, EMPTY, { width: 80, color: false, program: '', store: '' });
  for (const [flag, path] of [
    ['--accounts', flags.accounts],
    ['--map', flags.map],
  ] as const)
    if (path !== undefined && !readable(path))
      throw new StillwatchError('E_FILE', `${flag} ${path} cannot be read`, 'check the path and its permissions: nothing was done yet');
  placesOf(
    flags,
    [flags.accounts, flags.map].filter((x): x is string => x !== undefined),
  );
  const spool = spoolPlace();
  const started = Date.now();
  try {
    if (flags.plan) {
      const planned = await plan(args, flags, spool, t);
      t.out(planned.text);
      return planned.complete ? EXIT.done : EXIT.wrong;
    }
    // Standard input is read before the engine is there, which would take it for data of its own.
    const named = args.includes('-') ? await logInputs(args, spool, () => process.stdin) : null;
    const store = await openStore({
      at: flags.store,
      ...(process.env['STILLWATCH_SECRET'] ? { secret: process.env['STILLWATCH_SECRET'] } : {}),
    });
    let dossier: Dossier;
    try {
      for (const l of store.lost) t.note(`W_LOST a part of the store was found broken and is lost: ${l}`);
      const pulled = flags.from
        ? await pullTable({
            from: flags.from,
            spool,
            progress: t.progress,
            ...(flags.map ? { map: flags.map } : {}),
            ...(until === undefined ? {} : { until }),
          })
        : [];
      const { inputs, unreadable: all, passedOver } = named ?? (await logInputs(args, spool, () => process.stdin));
      apartFrom(
        writtenBy(flags),
        inputs.map((i) => i.path),
      );
      // Rotated logs leave empty files: beside others they are no gap.
      const unreadable = inputs.length > 0 ? all.filter((u) => u.code !== 'E_EMPTY') : all;
      for (const u of all) t.note(`${u.code} ${u.name}: ${u.reason}`);
      if (passedOver.length > 0)
        t.note(
          `W_PASSED_OVER ${passedOver.length} ${passedOver.length === 1 ? 'file is' : 'files are'} not named like a log and ${passedOver.length === 1 ? 'was' : 'were'} not read; name ${passedOver.length === 1 ? 'it' : 'them'} to read ${passedOver.length === 1 ? 'it' : 'them'}: ${passedOver.slice(0, 5).join(', ')}${passedOver.length > 5 ? ', ...' : ''}`,
        );
      dossier = await scan(store, {
        inputs: [...pulled, ...inputs],
        unreadable,
        ...(flags.accounts ? { accounts: flags.accounts } : {}),
        ...(flags.inputFormat ? { inputFormat: flags.inputFormat } : {}),
        ...(until === undefined ? {} : { until }),
        fields: fieldMap,
        ...(flags.accountBy ? { accountBy: flags.accountBy } : {}),
        spool,
        retention: flags.retention as 'none' | 'evidence' | 'all',
        keepDays: number(flags.keepDays ?? '30', '--keep-days', 1, 3650),
        ...(flags.identifiers === undefined ? {} : { keyed: flags.identifiers === 'keyed' }),
        confidenceMin,
        alpha: number(flags.fdr ?? '0.1', '--fdr', 1e-6, 1),
        ...(flags.honestPerMonth === undefined ? {} : { honestPerMonth: number(flags.honestPerMonth, '--honest-per-month', 1e-6, 1e9) }),
        seed: number(flags.seed, '--seed', 0, 4294967295),
        now: new Date(),
        version: VERSION,
        progress: t.progress,
        warn: t.note,
      });
    } finally {
      await store.close();
    }
    t.clear();
    const where = flags.store === './.stillwatch' ? '' : ` --store ${flags.store.replace(/\/\/[^@/,]*@/g, '//')}`;
    give(dossier, flags, t, where);
    return finish(dossier, failOn, flags, t, started);
  } finally {
    rmSync(spool, { recursive: true, force: true });
  }
}

/** A scan through the admin API, while `stillwatch serve` holds the store. */
export async function scanServed(served: Where, args: readonly string[], flags: ScanFlags, t: Terminal, program: string): Promise<number> {
  const started = Date.now();
  t.note(`I_SERVED the store is held by stillwatch serve; it reads the files and answers (${served.url})`);
  if (args.includes('-'))
    throw new StillwatchError(
      'E_SERVED',
      'standard input cannot be scanned through a running service',
      'write it to a file, and give that',
    );
  // What the service would not do as asked must not be done another way in silence.
  const other = (
    [
      ['--from', flags.from !== undefined],
      ['--map', flags.map !== undefined],
      ['--accounts', flags.accounts !== undefined],
      ['--until', flags.until !== undefined],
      ['--field', flags.field !== undefined],
      ['--account-by', flags.accountBy !== undefined],
      ['--identifiers', flags.identifiers !== undefined],
      ['--honest-per-month', flags.honestPerMonth !== undefined],
      ['--confidence', Number(flags.confidence) !== 0.5],
      ['--fdr', Number(flags.fdr ?? 0.1) !== 0.1],
      ['--seed', Number(flags.seed) !== 1],
      ['--retention', flags.retention !== 'evidence'],
    ] as const
  ).filter(([, given]) => given);
  if (other.length > 0)
    throw new StillwatchError(
      'E_SERVED',
      `${other.map(([name]) => name).join(', ')} cannot be given to a scan through a running service`,
      'its configuration decides (detection, detection.accounts); or stop it, and scan the store alone',
    );
  const failOn = flags.failOn === undefined ? null : number(flags.failOn, '--fail-on', 0, 1);
  const paths = args.map((a) => (/^https?:/.test(a) ? a : resolve(a)));
  placesOf(flags, paths);
  const d = JSON.parse(
    await askAdmin(served, 'POST', '/v1/scan', { paths, ...(flags.inputFormat ? { format: flags.inputFormat } : {}) }),
  ) as Dossier;
  give(d, { ...flags, program }, t, ` --store ${flags.store}`);
  return finish(d, failOn, flags, t, started);
}

/** The result, on standard output or in a file, and the HTML report beside it. */
function give(d: Dossier, flags: ScanFlags, t: Terminal, store: string): void {
  const as = (format: string, color: boolean): string => render(format, d, { width: t.width, color, program: flags.program, store });
  // First what can fail.
  if (flags.report !== undefined) write(['--report', flags.report], as('html', false));
  const text = as(flags.format, t.color && flags.out === undefined);
  if (flags.out === undefined) t.out(text);
  else write(['--out', flags.out], text);
}

function finish(d: Dossier, failOn: number | null, flags: ScanFlags, t: Terminal, started: number): number {
  for (const f of d.coverage.files) {
    if (f.note !== '') t.note(`${f.state === 'read' || f.state === 'already_read' ? 'I_FILE' : 'W_FILE'} ${f.name}: ${f.note}`);
  }
  const again = d.coverage.files.reduce((n, f) => n + (f.state === 'read' ? f.duplicates : 0), 0);
  const written = writtenBy(flags);
  t.note(
    `${d.campaigns.length} ${d.campaigns.length === 1 ? 'campaign' : 'campaigns'}, ${d.undecided.length} undecided, ${d.look_alikes.length} cleared or of another kind; ${d.coverage.exchanges} exchanges, ${d.coverage.rejected} lines rejected${again > 0 ? `, ${again} with an id that was there before left out` : ''}; ${((Date.now() - started) / 1000).toFixed(1)} s${written.length > 0 ? `; written to ${written.map(([, path]) => path).join(' and ')}` : ''}`,
  );
  if (d.coverage.exchanges > 0 && d.coverage.with_text === 0)
    t.note('W_NO_TEXT no exchange holds text: content tests are not applicable (is it in another field? --field messages=path)');
  // Readable, and nothing in it was recognised: that is another thing than input that could not be read.
  const unread = d.coverage.files.filter((f) => f.state !== 'unrecognised' && f.state !== 'read' && f.state !== 'already_read');
  const nothing = d.coverage.exchanges === 0 && unread.length === 0 && d.coverage.lost.length === 0 && d.coverage.files.length > 0;
  if (!d.coverage.complete && !nothing) return EXIT.wrong;
  if (d.coverage.exchanges === 0) {
    t.note(`E_NOTHING no exchange was recognised; ${whyNothing(d)}`);
    return EXIT.nothing;
  }
  return failOn !== null && d.campaigns.some((c) => c.confidence >= failOn) ? EXIT.found : EXIT.done;
}

/** What to do where every record was refused: of most formats it is the account that stands elsewhere. */
function whyNothing(d: Dossier): string {
  const [most] = d.coverage.reasons;
  const read = d.coverage.files.find((f) => f.rejected > 0);
  if (most?.reason === 'no_account' && read)
    return `${most.lines} records name no account: in ${read.format} it is looked for in ${formatById(read.format).accountHint}; name its place with --field account=path`;
  return `${most ? `${most.lines} lines were rejected as ${most.reason} (stillwatch rejects shows them); ` : ''}check the format with --input-format, map fields with --field name=path, or look further than --until`;
}

const EMPTY: Dossier = {
  schema: 'stillwatch.dossier/1',
  generated: '1970-01-01T00:00:00.000Z',
  version: '',
  window: { from: null, to: null },
  coverage: { files: [], exchanges: 0, accounts: 0, rejected: 0, reasons: [], not_applicable: [], with_text: 0, lost: [], complete: true },
  campaigns: [],
  undecided: [],
  look_alikes: [],
  tested: { cohorts: 0, null_cohorts: 0, reference_accounts: 0 },
};
