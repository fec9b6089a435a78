import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dossier } from '../src/model/dossier.ts';
import { makeWorld, type WorldSummary } from '../src/world/make.ts';
import { file, jsonl, record, temp } from './support/tools.ts';

const MAIN = new URL('../dist/cli/main.js', import.meta.url).pathname;

function run(args: readonly string[], options: { input?: string; cwd?: string; env?: Record<string, string> } = {}) {
  const r = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    cwd: options.cwd ?? temp(),
    env: { ...process.env, ...options.env },
    ...(options.input === undefined ? {} : { input: options.input }),
    maxBuffer: 1 << 28,
  });
  return { code: r.status, out: r.stdout, err: r.stderr };
}

let world: WorldSummary;
let store: string;
let first: ReturnType<typeof run>;
let truth: { account: string; class: string; campaign: string | null }[];

beforeAll(async () => {
  world = await makeWorld({ out: temp(), seed: 33, accounts: 260, days: 8, campaigns: [{ kind: 'sharded', accounts: 30 }] });
  truth = readFileSync(world.files.truth, 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as (typeof truth)[number]);
  store = join(temp(), 'store');
  first = run(['scan', world.files.exchanges, '--accounts', world.files.accounts, '--store', store, '--format', 'json']);
});

describe('scan', () => {
  it('puts the result on standard output, everything else on standard error, and exits 0', () => {
    expect(first.code).toBe(0);
    const d = JSON.parse(first.out) as Dossier;
    expect(d.campaigns).toHaveLength(1);
    expect(first.err).toMatch(/1 campaign,/);
    expect(first.err).not.toContain('\u001b');
  });

  it('does its work where standard input belongs to somebody else, as in a loop over a list or behind a pipe', () => {
    const log = file('l.jsonl', jsonl([record({ id: 'x' })]));
    const accounts = file('a.jsonl', jsonl([{ account: 'a1' }]));
    const r = run(['scan', log, '--accounts', accounts], { input: 'the next file\nand one more\n' });
    expect(r).toMatchObject({ code: 0, err: expect.stringMatching(/1 exchange/) });
    const own = run(['scan', '-', '--accounts', accounts], { input: jsonl([record({ id: 'x' })]) });
    expect(own).toMatchObject({ code: 0, err: expect.stringMatching(/1 exchange/) });
  });

  it('exits 1 at --fail-on, 2 on wrong usage or an incomplete scan, 3 when nothing is recognised', () => {
    expect(run(['scan', world.files.exchanges, '--store', store, '--fail-on', '0.3']).code).toBe(1);
    const cases: readonly [readonly string[], number, RegExp][] = [
      [['scan'], 2, /E_USAGE/],
      [['scan', 'x', '--fail-on', 'much'], 2, /E_USAGE/],
      [['scan', 'x', '--format', 'pdf'], 2, /E_OUTPUT_FORMAT/],
      [['scan', 'x', '--field', 'nope'], 2, /E_USAGE/],
      [['scan', 'x', '--until', 'tomorrow-ish'], 2, /E_USAGE/],
      [['scan', '/no/such/file.jsonl'], 2, /E_NOT_FOUND/],
      [['scan', file('junk.jsonl', 'nothing\nhere\n'), '--input-format', 'canonical'], 3, /E_NOTHING/],
      [['scan', file('x.jsonl', jsonl([record()])), '--input-format', 'mystery'], 2, /E_FORMAT/],
      [['frobnicate'], 2, /unknown command/],
      [['explain', 'nothing-like-this', '--store', store], 2, /E_UNKNOWN/],
      [['accounts', "x'; DROP TABLE exchanges; --", '--store', store], 2, /E_UNKNOWN/],
      [['rejects', '--store', join(temp(), 'none')], 2, /E_STORE_NONE/],
    ];
    for (const [args, code, said] of cases) {
      const r = run(args);
      expect([args.join(' '), r.code]).toEqual([args.join(' '), code]);
      expect(r.err).toMatch(said);
    }
  });

  it('a file in no known format is nothing recognised (3), and --field reads it', () => {
    const odd = file('odd.jsonl', jsonl([{ uuid: 'q1', when: '2026-05-04T10:00:00Z', who: 'acme', engine: 'm' }]));
    const at = ['--store', join(temp(), 's')];
    const bare = run(['scan', odd, ...at]);
    expect([bare.code, /E_NOTHING/.test(bare.err)]).toEqual([3, true]);
    const mapped = ['id=uuid', 'time=when', 'account=who', 'model=engine'].flatMap((f) => ['--field', f]);
    const r = run(['scan', odd, ...at, ...mapped, '--format', 'json']);
    expect([r.code, (JSON.parse(r.out) as Dossier).coverage.exchanges]).toEqual([0, 1]);
  });

  it('a signal ends it at once with 130, leaves no raw log behind, and the next run completes it', async () => {
    const tmp = temp();
    const at = join(temp(), 's');
    const child = spawn(process.execPath, [MAIN, 'scan', '-', '--store', at], {
      env: { ...process.env, TMPDIR: tmp },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    child.stdin.on('error', () => undefined);
    child.stdin.write(readFileSync(world.files.exchanges, 'utf8').slice(0, 1_000_000));
    await new Promise((r) => setTimeout(r, 1500));
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number];
    expect([code, readdirSync(tmp)]).toEqual([130, []]);
    const again = spawn(process.execPath, [MAIN, 'scan', world.files.exchanges, '--store', at], { stdio: ['ignore', 'ignore', 'pipe'] });
    await once(again.stderr, 'data');
    await new Promise((r) => setTimeout(r, 900));
    again.kill('SIGTERM');
    expect(((await once(again, 'exit')) as [number])[0]).toBe(130);
    const whole = run(['scan', world.files.exchanges, '--store', at, '--format', 'json']);
    expect([whole.code, (JSON.parse(whole.out) as Dossier).coverage.exchanges]).toEqual([0, world.exchanges]);
  });

  it('says before it begins that a place cannot be written or a file cannot be read', () => {
    const dir = temp();
    for (const [args, code] of [
      [['--out', join(dir, 'no', 'r.json')], /E_OUT/],
      [['--out', dir], /E_OUT/],
      [['--report', join(dir, 'no', 'r.html')], /E_OUT --report/],
      [['--out', join(dir, 'r'), '--report', join(dir, 'r')], /E_OUT/],
      [['--accounts', join(dir, 'no.csv')], /E_FILE/],
    ] as const) {
      const r = run(['scan', world.files.exchanges, '--store', join(dir, 'never'), ...args]);
      expect([r.code, code.test(r.err), existsSync(join(dir, 'never'))]).toEqual([2, true, false]);
    }
    expect(run(['check', '--found', join(dir, 'no'), '--store', store]).err).toMatch(/E_FILE/);
    expect(run(['check', '--found', file('b.csv', 'name,banned\nx,2026-05-05\n'), '--store', store]).err).toMatch(/E_LIST/);
    expect(run(['check', '--found', file('b.csv', 'account,banned\nx,some day\n'), '--store', store]).err).toMatch(/no time/);
  });

  it('a reader that has seen enough is no fault', async () => {
    const child = spawn(process.execPath, [MAIN, 'scan', world.files.exchanges, '--store', store, '--format', 'json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let err = '';
    child.stderr.on('data', (x: Buffer) => {
      err += String(x);
    });
    child.stdout.once('data', () => child.stdout.destroy());
    expect(((await once(child, 'exit')) as [number])[0]).toBe(0);
    expect(err).not.toContain('EPIPE');
  });

  it('one store has one secret', () => {
    const at = join(temp(), 's');
    const log = file('x.jsonl', jsonl([record()]));
    expect(run(['scan', log, '--store', at], { env: { STILLWATCH_SECRET: '5c'.repeat(32) } }).code).toBe(0);
    for (const env of [{}, { STILLWATCH_SECRET: '5d'.repeat(32) }]) {
      const r = run(['scan', file('y.jsonl', jsonl([record({ id: 'y' })])), '--store', at], { env });
      expect([r.code, /E_SECRET_OTHER/.test(r.err)]).toEqual([2, true]);
    }
    // It can be looked at without.
    expect(run(['accounts', 'a1', '--store', at]).code).toBe(0);
    expect(run(['scan', log, '--store', at], { env: { STILLWATCH_SECRET: '5c'.repeat(32) } }).code).toBe(0);
  });

  it('reads standard input, and --out takes the report', () => {
    const out = join(temp(), 'r.ndjson');
    const r = run(['scan', '-', '--store', join(temp(), 's'), '--format', 'ndjson', '--out', out], {
      input: jsonl([record(), record({ id: 'x2' })]),
    });
    expect([r.code, r.out]).toEqual([0, '']);
    expect(JSON.parse(readFileSync(out, 'utf8').split('\n')[0] ?? '')).toMatchObject({ type: 'scan', coverage: { exchanges: 2 } });
  });

  it('--report writes the page beside the result', () => {
    const page = join(temp(), 'r.html');
    const r = run(['scan', file('x.jsonl', jsonl([record()])), '--store', join(temp(), 's'), '--report', page]);
    expect([r.code, /campaign/i.test(r.out), r.err.includes(`written to ${page}`)]).toEqual([0, true, true]);
    expect(readFileSync(page, 'utf8')).toContain('<!doctype html>');
  });

  it('--until looks at nothing later', () => {
    const d = JSON.parse(
      run(['scan', world.files.exchanges, '--store', join(temp(), 's'), '--format', 'json', '--until', '2026-05-05T00:00:00Z']).out,
    ) as Dossier;
    expect(d.window.to && d.window.to <= '2026-05-05T00:00:00Z').toBe(true);
    expect(d.coverage.exchanges).toBeLessThan(world.exchanges / 2);
  });

  it('--plan writes nothing and says what it would cost', () => {
    const cwd = temp();
    const r = run(['scan', world.files.exchanges, '--plan'], { cwd });
    expect(r.code).toBe(0);
    for (const word of ['rows', 'with text', 'hours', 'disk', 'memory', 'not applicable']) expect(r.out).toContain(word);
    expect(existsSync(join(cwd, '.stillwatch'))).toBe(false);
    // A compressed file is as many rows as it holds, by the measure of its own beginning.
    const rows = (out: string): number => Number(/rows\s+about ([\d,]+)/.exec(out)?.[1]?.replaceAll(',', ''));
    const zipped = file('w.jsonl.gz', gzipSync(readFileSync(world.files.exchanges)));
    expect(rows(run(['scan', zipped, '--plan']).out) / world.exchanges).toBeCloseTo(1, 0);
    expect(run(['scan', '/no/such.jsonl', '--plan']).code).toBe(2);
  });

  it('--retention none keeps no text, in the report or in the store', () => {
    const at = join(temp(), 's');
    const r = run([
      'scan',
      world.files.exchanges,
      '--accounts',
      world.files.accounts,
      '--store',
      at,
      '--format',
      'json',
      '--retention',
      'none',
    ]);
    const d = JSON.parse(r.out) as Dossier;
    expect(d.campaigns[0]?.evidence.flatMap((e) => e.exemplars).every((x) => x.text === undefined)).toBe(true);
    expect(run(['rejects', '--store', at]).out).toContain('No line was rejected');
  });

  it('secrets and prompts reach neither errors nor progress', () => {
    const r = run([
      'scan',
      file(
        'x.jsonl',
        jsonl([record({ messages: [{ role: 'user', content: 'TOPSECRETPROMPT' }], api_key: 'sk-TOPSECRETKEY' }), '{"TOPSECRETPROMPT']),
      ),
      '--store',
      'http://user:TOPSECRETPASS@127.0.0.1:9/db',
    ]);
    expect(r.code).toBe(2);
    expect(r.err + r.out).not.toContain('TOPSECRET');
  });

  it('a log without text, addresses or account records is scanned, and says what was not applicable', () => {
    const bare = readFileSync(world.files.exchanges, 'utf8')
      .trim()
      .split('\n')
      .slice(0, 20_000)
      .map((l) => {
        const { messages, system, ip, user_agent, ja4, ...rest } = JSON.parse(l) as Record<string, unknown>;
        return rest;
      });
    const d = JSON.parse(run(['scan', file('bare.jsonl', jsonl(bare)), '--store', join(temp(), 's'), '--format', 'json']).out) as Dossier;
    expect(d.coverage.exchanges).toBe(20_000);
    expect(d.coverage.not_applicable.map((x) => x.signal)).toEqual(
      expect.arrayContaining(['deck', 'scaffold', 'identity', 'signup-burst']),
    );
    expect(d.campaigns).toEqual([]);
    // What nobody read clears nobody.
    for (const l of d.look_alikes) expect(l.explanation).not.toMatch(/as mixed as the population/);
  });

  it('a log whose texts were redacted holds no text', () => {
    const gone = readFileSync(world.files.exchanges, 'utf8')
      .trim()
      .split('\n')
      .slice(0, 5_000)
      .map((l, i) => ({
        ...(JSON.parse(l) as Record<string, unknown>),
        system: '',
        messages: [{ role: 'user', content: i % 2 === 0 ? 'redacted-by-litellm' : '***' }],
        ...(i % 2 === 0 ? {} : { content_state: 'redacted' }),
      }));
    const d = JSON.parse(run(['scan', file('gone.jsonl', jsonl(gone)), '--store', join(temp(), 's'), '--format', 'json']).out) as Dossier;
    expect([d.coverage.exchanges, d.coverage.with_text]).toEqual([5_000, 0]);
    expect(d.coverage.not_applicable.map((x) => x.signal)).toContain('deck');
    expect(d.look_alikes.filter((l) => /classroom|harness/.test(l.kind))).toEqual([]);
  });
});

describe('a demo', () => {
  it('takes nothing away that no demo made', () => {
    const dir = temp();
    mkdirSync(join(dir, 'world'));
    writeFileSync(join(dir, 'world', 'mine.txt'), 'mine');
    expect(run(['demo', '--out', dir])).toMatchObject({ code: 2, err: expect.stringMatching(/E_OUT .*world\/mine\.txt/) });
    expect(existsSync(join(dir, 'world', 'mine.txt'))).toBe(true);
    expect(run(['demo', '--out', join(dir, 'world', 'mine.txt')]).err).toMatch(/E_OUT .* is a file/);
  });
});

describe('after a scan', () => {
  it('explain shows a signal with its figures here, and a campaign with a ledger that adds up', () => {
    expect(run(['explain', 'deck', '--store', store]).out).toMatch(/What it cannot see[\s\S]*On this store[\s\S]*median/);
    // Whatever stands in a ledger is explained.
    for (const e of (JSON.parse(first.out) as Dossier).campaigns.flatMap((c) => c.evidence))
      expect(existsSync(new URL(`../docs/signals/${e.signal.replace(/^rival:.*/, 'rival')}.md`, import.meta.url)), e.signal).toBe(true);
    for (const row of ['address-rotation', 'rival:benchmark'])
      expect(run(['explain', row, '--store', store]).out).toMatch(/What it cannot see[\s\S]*On this store/);
    const id = (JSON.parse(first.out) as Dossier).campaigns[0]?.id ?? '';
    const r = run(['explain', id, '--store', store]);
    expect(r.out).toMatch(/coordination: .* bits/);
    expect(r.out).toMatch(/Innocent explanations tested/);
  });

  it("accounts shows one account's file", () => {
    const member = truth.find((t) => t.campaign)?.account ?? '';
    expect(run(['accounts', member, '--store', store]).out).toMatch(/campaign .*membership/);
  });

  it('check replays history: when a banned group would have been found, and which vouched-for accounts are named', () => {
    const found = file(
      'found.csv',
      `account,group\n${truth
        .filter((t) => t.campaign)
        .map((t) => `${t.account},spring`)
        .join('\n')}\n`,
    );
    const spare = file(
      'spare.txt',
      truth
        .filter((t) => !t.campaign)
        .map((t) => t.account)
        .join('\n'),
    );
    const r = run(['check', '--found', found, '--spare', spare, '--store', store]);
    expect(r.out).toMatch(/spring: found by 2026-05-\d\dT.* after .* exchanges/);
    expect(r.out).toMatch(/vouched-for accounts named: 0 of/);
    expect(r.code).toBe(0);
  });

  it('labels carry author and reason, clear an account, and can be revoked', () => {
    const id = truth.find((t) => t.campaign)?.account ?? '';
    const named = () =>
      (JSON.parse(run(['scan', world.files.exchanges, '--store', store, '--format', 'json']).out) as Dossier).campaigns.some((c) =>
        c.accounts.some((a) => a.account === id),
      );
    expect(run(['label', id, 'cleared', '--author', 'ana', '--store', store]).code).toBe(2);
    expect(run(['label', id, 'cleared', '--author', 'ana', '--reason', 'spoke with them', '--store', store]).code).toBe(0);
    expect(named()).toBe(false);
    run(['label', id, 'cleared', '--author', 'ben', '--reason', 'mistake', '--revoke', '--store', store]);
    expect(named()).toBe(true);
    // Whoever misspells it must not think that it is done.
    for (const [account, label] of [
      [id, 'cleared'],
      [id, 'clear'],
      ['nobody', 'cleared'],
    ] as const) {
      const r = run(['label', account, label, '--author', 'ben', '--reason', 'mistake', '--revoke', '--store', store]);
      expect([r.code, r.err]).toEqual([2, expect.stringContaining('E_LABEL_NONE')]);
    }
  });
});

it('world: the same seed gives the same bytes, and an unknown kind is an error', () => {
  const [a, b] = [temp(), temp()];
  for (const out of [a, b])
    expect(run(['world', '--out', out, '--seed', '4', '--accounts', '60', '--days', '3', '--campaign', 'slow:5']).code).toBe(0);
  for (const f of ['exchanges.jsonl', 'accounts.jsonl', 'truth.jsonl'])
    expect(readFileSync(join(a, f)).equals(readFileSync(join(b, f)))).toBe(true);
  expect(run(['world', '--out', a, '--campaign', 'loud:5'])).toMatchObject({ code: 2 });
});

it('a world file that another program wrote half is still read', () => {
  const path = join(temp(), 'half.jsonl');
  writeFileSync(path, readFileSync(world.files.exchanges).subarray(0, 500_001));
  const d = JSON.parse(run(['scan', path, '--store', join(temp(), 's'), '--format', 'json']).out) as Dossier;
  expect(d.coverage.rejected).toBe(1);
  expect(d.coverage.exchanges).toBeGreaterThan(400);
});
