#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { inert } from '../report/inert.ts';
import { sayLabel } from '../store/labels.ts';
import { openStore } from '../store/open.ts';
import { erase, exportOf, lift, purge } from '../store/personal.ts';
import type { Store } from '../store/store.ts';
import { RUNGS } from '../world/campaigns.ts';
import { makeWorld, parseCampaign } from '../world/make.ts';
import { check, readList } from './check.ts';
import { demo } from './demo.ts';
import { duration, link, sightingFields } from './link.ts';
import { accountFile, explain, rejects } from './look.ts';
import { EXIT, number, type ScanFlags, scanCommand, scanServed } from './scan.ts';
import { askAdmin, servedBy } from './served.ts';
import { serviceCommands } from './service.ts';
import { endWithParent, isLong, isOrphan, isSupervised, supervise } from './supervise.ts';
import { terminal } from './terminal.ts';
import { VERSION } from './version.ts';

// How the program was called, so that the next command can be typed as it is printed.
const PROGRAM = process.env['npm_command'] === 'exec' || process.env['npm_lifecycle_event'] ? 'npx stillwatch' : 'stillwatch';

/** A file of the user's that is not there, may not be touched or does not fit. */
const fileFault = (error: unknown): boolean =>
  error instanceof Error &&
  'path' in error &&
  ['ENOENT', 'EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'ENOSPC', 'EROFS'].includes(String((error as NodeJS.ErrnoException).code));

const t = terminal(process.env['STILLWATCH_QUIET'] === '1');
const collect = (value: string, list: string[] = []): string[] => [...list, value];

/** @param look nothing is written */
async function withStore<T>(at: string, f: (s: Store) => Promise<T>, look = false): Promise<T> {
  const store = await openStore({ at, create: false, look });
  try {
    return await f(store);
  } finally {
    await store.close();
  }
}

function program(): Command {
  const p = new Command('stillwatch')
    .description('Finds coordinated distillation campaigns in the traffic of an LLM API.')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(stillwatch --help lists the commands)');
  const set = (code: number) => {
    process.exitCode = code;
  };
  p.command('scan')
    .description('read exchange logs, and report the campaigns in them')
    .argument('[files...]', 'files, globs, directories, http(s) URLs, or - for standard input')
    .option('--accounts <file>', 'account records: JSON Lines, CSV or Parquet')
    .option('--format <format>', 'table, json, ndjson, csv, html or stix', 'table')
    .option('--out <file>', 'write the report here instead of standard output')
    .option('--store <path|url>', 'a directory, a ClickHouse URL, or one URL per shard separated by commas', './.stillwatch')
    .option('--from <url>', 'read a ClickHouse table: clickhouse://user:password@host:8123/database/table')
    .option('--map <file>', 'one SELECT that gives --from the canonical columns')
    .option('--report <file>', 'write the HTML report there as well, beside the result')
    .option('--plan', 'print what a scan would read and cost; write nothing')
    .option('--until <time>', 'look at nothing later than this')
    .option('--fail-on <score>', 'exit 1 when a campaign has at least this confidence')
    .option('--input-format <id>', 'canonical, otel, litellm, provider, langfuse, helicone or openinference')
    .option('--field <name=path>', 'take a field from another place, for example account=metadata.tenant', collect)
    .option('--account-by <field>', 'the field that names the billed party', undefined)
    .option('--retention <what>', 'text to keep: none, evidence or all', 'evidence')
    .option('--keep-days <n>', 'days that --retention all keeps texts', '30')
    .option('--identifiers <how>', 'plain, or keyed: store addresses, keys, end users, mail, payment and phone as keyed hashes')
    .option('--confidence <score>', 'name a campaign from this confidence on', '0.5')
    .option('--fdr <rate>', 'false discovery rate over the cohorts tested and all looks at this store', '0.1')
    .option('--honest-per-month <n>', 'honest accounts named a month at most, by the bound the dossier states')
    .option('--seed <n>', 'seed of the sampling', '1')
    .action(async (files: string[], flags: ScanFlags) => {
      const served = flags.plan ? null : servedBy(flags.store);
      set(await (served ? scanServed(served, files, flags, t, PROGRAM) : scanCommand(files, { ...flags, program: PROGRAM }, t)));
    });
  p.command('explain')
    .description('what a signal measures and shows here, or the whole ledger of a campaign')
    .argument('<what>', 'a signal or a campaign id')
    .option('--store <path|url>', 'the store', './.stillwatch')
    .action(async (what: string, flags: { store: string }) => {
      const served = servedBy(flags.store);
      if (served) return t.out(await askAdmin(served, 'GET', `/v1/explain/${encodeURIComponent(what)}`));
      let opened: Store | null = null;
      try {
        t.out(await explain(what, async () => (opened = await openStore({ at: flags.store, create: false, look: true })), t));
      } finally {
        await (opened as Store | null)?.close();
      }
    });
  p.command('accounts')
    .description("one account's file")
    .argument('<id>')
    .option('--store <path|url>', 'the store', './.stillwatch')
    .action(async (id: string, flags: { store: string }) => {
      const served = servedBy(flags.store);
      t.out(
        served
          ? await askAdmin(served, 'GET', `/v1/accounts/${encodeURIComponent(id)}`)
          : await withStore(flags.store, (s) => accountFile(id, s), true),
      );
    });
  p.command('rejects')
    .description('lines that became no exchange, with their places')
    .option('--store <path|url>', 'the store', './.stillwatch')
    .option('--limit <n>', 'at most this many', '200')
    .action(async (flags: { store: string; limit: string }) => {
      const most = number(flags.limit, '--limit', 1, 1e6);
      const served = servedBy(flags.store);
      t.out(
        served
          ? await askAdmin(served, 'GET', `/v1/rejects?most=${most}&reason=${encodeURIComponent('stillwatch rejects, on the host')}`)
          : await withStore(flags.store, (s) => rejects(s, most), true),
      );
    });
  p.command('label')
    .description('give an account a label, with author and reason; or revoke one')
    .argument('<account>')
    .argument('<label>', 'for example approved:synthetic-data; on a served store what speaks an account free takes two persons')
    .requiredOption('--author <name>')
    .requiredOption('--reason <text>')
    .option('--revoke', 'take the label back')
    .option('--store <path|url>', 'the store', './.stillwatch')
    .action(async (account: string, label: string, flags: { author: string; reason: string; revoke?: boolean; store: string }) => {
      const served = servedBy(flags.store);
      const reason = `${flags.author}: ${flags.reason}`;
      if (served) {
        const said = await askAdmin(served, 'POST', '/v1/labels', { account, label, reason, revoke: flags.revoke === true });
        if (!(JSON.parse(said) as { stands: boolean }).stands) {
          t.note(
            `asked for ${label} on ${account}: it waits for a second person, who gives the same label with a token of their own (POST /v1/labels)`,
          );
          return;
        }
      } else
        await withStore(flags.store, async (s) => {
          await sayLabel(s, { account, label, author: flags.author, reason: flags.reason, revoke: flags.revoke === true });
          // It may be sent yet, and it may be a slip.
          if (!(await s.first(`SELECT 1 AS one FROM ${s.all('exchanges')} AS e WHERE account = {account:String} LIMIT 1`, { account })))
            t.note(`W_ACCOUNT this store holds no exchange of ${account}: check how it is written`);
        });
      t.note(`${flags.revoke ? 'revoked' : 'labelled'} ${account}: ${label}`);
    });
  const ofAccount = (name: string, said: string): Command =>
    p
      .command(name)
      .description(said)
      .requiredOption('--account <id>', 'the account, letter by letter')
      .option('--store <path|url>', 'the store', './.stillwatch');
  const at = (account: string): string => `/v1/accounts/${encodeURIComponent(account)}`;
  ofAccount('export', 'everything the store holds of one account, as JSON').action(
    async ({ account, store }: { account: string; store: string }) => {
      const served = servedBy(store);
      t.out(
        served
          ? await askAdmin(served, 'GET', `${at(account)}/export`)
          : `${JSON.stringify(await withStore(store, (s) => exportOf(s, account)), null, 2)}\n`,
      );
    },
  );
  ofAccount(
    'erase',
    'remove one account from sketches, texts, exemplars, records, rejected lines and dossiers; what it sent before stays away',
  )
    .option('--lift', 'let logs bring back an account that was erased')
    .action(async ({ account, store, lift: lifted }: { account: string; store: string; lift?: boolean }) => {
      const served = servedBy(store);
      if (lifted) {
        if (served)
          throw new StillwatchError(
            'E_SERVED',
            'an erasure is not lifted while serve holds the store',
            'stop the service, lift it, start again',
          );
        const known = await withStore(store, (s) => lift(s, account));
        t.note(
          known ? 'lifted: logs that are scanned from now on bring the account back' : 'nobody of that name was erased from this store',
        );
        return;
      }
      const n = served
        ? (JSON.parse(await askAdmin(served, 'DELETE', at(account))) as { exchanges: number }).exchanges
        : await withStore(store, async (s) => {
            const erased = await erase(s, account);
            if (!(await purge(s)))
              t.note('W_ERASE what the engine wrote anew is still on disk in its earlier form; it goes the next time the store is opened');
            return erased;
          });
      t.note(
        n > 0
          ? `erased ${n} exchanges of this account, and what was kept beside them; a log that still holds them does not bring them back (--lift lets it)`
          : 'there is no exchange of this account; whatever else was kept of one of that name is gone. Identifiers are those of the log, letter by letter',
      );
    });
  p.command('check')
    .description('test on your own history: groups you banned, and accounts you vouch for')
    .option('--found <file>', 'accounts banned in the past: CSV with account, group, banned')
    .option('--spare <file>', 'accounts you vouch for, one a line')
    .option('--store <path|url>', 'the store', './.stillwatch')
    .option('--confidence <score>', 'name a campaign from this confidence on', '0.5')
    .option('--seed <n>', 'seed of the sampling', '1')
    .action(async (flags: { found?: string; spare?: string; store: string; confidence: string; seed: string }) => {
      if (!flags.found && !flags.spare) throw new StillwatchError('E_USAGE', 'nothing to check', 'give --found FILE, --spare FILE or both');
      const r = await withStore(flags.store, (s) =>
        check(
          s,
          flags.found ? readList(flags.found) : [],
          flags.spare ? readList(flags.spare) : [],
          number(flags.confidence, '--confidence', 0, 1),
          number(flags.seed, '--seed', 0, 4294967295),
          t,
        ),
      );
      t.out(r.text);
      set(r.named > 0 ? EXIT.found : EXIT.done);
    });
  p.command('link')
    .description('link accounts by the values they share, from a table of sightings')
    .argument('<sightings...>', 'CSV, JSON Lines or Parquet with account, value, and perhaps kind, time, count, record')
    .option('--co-share <window>', 'link accounts that share one value within this time: 60s, 5m, 1h')
    .option('--participation <n>', 'with --co-share: sightings and co-shared records an account must have', '2')
    .option('--edge-weight <quantile>', 'with --co-share: edges above this quantile of co-shares are marked strong', '0.5')
    .option('--fdr <rate>', 'false discovery rate of the links that form cohorts and are counted as holding', '0.05')
    .option(
      '--bits <n>',
      'list links of at least this many bits; as many as choosing one of all accounts takes, unless given (without --co-share)',
    )
    .option('--field <name=column>', 'take account, kind, value, time, count or record from another column', collect)
    .option('--values <columns>', 'columns, separated by commas, that each hold values of a kind of their own')
    .option('--edges <file>', 'write the links to this CSV or .parquet file')
    .option('--format <format>', 'table or json', 'table')
    .option('--seed <n>', 'seed of the communities', '1')
    .action(async (paths: string[], flags: Record<string, string | undefined> & { field?: string[] }) => {
      if (flags['format'] !== 'table' && flags['format'] !== 'json')
        throw new StillwatchError('E_USAGE', `--format ${JSON.stringify(flags['format'])} is not known here`, 'table or json');
      const one = (name: string, flag: string, low: number, high: number) => number(flags[name] as string, flag, low, high);
      t.out(
        await link(paths, {
          coShare: flags['coShare'] === undefined ? null : duration(flags['coShare']),
          participation: Math.ceil(one('participation', '--participation', 1, 1e6)),
          edgeWeight: one('edgeWeight', '--edge-weight', 0, 1),
          fdr: one('fdr', '--fdr', 0, 1),
          bits: flags['bits'] === undefined ? null : one('bits', '--bits', 0, 1000),
          seed: one('seed', '--seed', 0, 4294967295),
          fields: sightingFields(flags.field ?? []),
          valueColumns: (flags['values'] ?? '').split(',').filter(Boolean),
          format: flags['format'],
          ...(flags['edges'] ? { edges: flags['edges'] } : {}),
        }),
      );
    });
  p.command('world')
    .description('make simulated log records with ground truth')
    .requiredOption('--out <dir>')
    .option('--seed <n>', '', '1')
    .option('--accounts <n>', 'honest accounts', '1000')
    .option('--days <n>', '', '14')
    .option('--campaign <kind:accounts>', `plant a campaign; kinds: ${RUNGS.join(', ')}`, collect)
    .option('--texts <dir>', 'a pack of prompts (benign*.jsonl.gz, extraction*.jsonl.gz)')
    .action(async (flags: { out: string; seed: string; accounts: string; days: string; campaign?: string[]; texts?: string }) => {
      let campaigns: ReturnType<typeof parseCampaign>[];
      try {
        campaigns = (flags.campaign ?? []).map(parseCampaign);
      } catch (error) {
        throw new StillwatchError('E_USAGE', messageOf(error), 'for example --campaign slow:80');
      }
      const w = await makeWorld({
        out: flags.out,
        seed: number(flags.seed, '--seed', 0, 4294967295),
        accounts: number(flags.accounts, '--accounts', 1, 1e6),
        days: number(flags.days, '--days', 1, 400),
        campaigns,
        ...(flags.texts ? { texts: flags.texts } : {}),
        progress: (d, a) => t.progress('making a simulated world', d, a),
      });
      t.clear();
      t.out(`${JSON.stringify(w, null, 2)}\n`);
    });
  p.command('demo')
    .description('a simulated world, scanned, with its report')
    .option('--out <dir>', '', './.stillwatch-demo')
    .action(async (flags: { out: string }) => set(await demo(flags.out, t, PROGRAM)));
  serviceCommands(p, t, set);
  return p;
}

const interrupted = (): void => {
  t.clear();
  process.stderr.write(
    process.argv[2] === 'link'
      ? '\nInterrupted. Nothing is kept of it.\n'
      : '\nInterrupted. The store is consistent; run the same command again to complete it.\n',
  );
};
// A reader that has seen enough (`| head`) is no fault; a result that could not be written is.
let unwritten = '';
process.stdout.on('error', (e: NodeJS.ErrnoException) => {
  if (e.code !== 'EPIPE') unwritten = messageOf(e);
});
process.on('exit', () => {
  if (unwritten === '') return;
  process.stderr.write(`E_OUT the result could not be written: ${inert(unwritten)}\n  hint: free space, or send it elsewhere\n`);
  process.exitCode = EXIT.wrong;
});

try {
  if (isOrphan()) process.exitCode = EXIT.interrupted;
  else if (isLong(process.argv[2]) && !isSupervised()) process.exitCode = await supervise(EXIT.interrupted, interrupted);
  else {
    if (isSupervised()) endWithParent();
    await program().parseAsync();
  }
} catch (error) {
  t.clear();
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT.wrong;
  else if (error instanceof StillwatchError) {
    process.stderr.write(`${error.code} ${inert(error.message)}\n  hint: ${inert(error.hint)}\n`);
    if (process.env['STILLWATCH_VERBOSE'] === '1' && error.cause) process.stderr.write(`${inert(messageOf(error.cause))}\n`);
    process.exitCode = error.exit;
  } else if (fileFault(error)) {
    process.stderr.write(`E_FILE ${inert(messageOf(error))}\n  hint: check the path, its permissions and the space on that disk\n`);
    process.exitCode = EXIT.wrong;
  } else {
    process.stderr.write(
      `E_INTERNAL ${inert(messageOf(error))}\n  hint: this is a fault of ours; run with STILLWATCH_VERBOSE=1 and report it\n`,
    );
    if (process.env['STILLWATCH_VERBOSE'] === '1' && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
    process.exitCode = EXIT.wrong;
  }
}
