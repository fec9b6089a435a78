import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../src/barriers/chain.ts';
import { EMPTY_STATE } from '../src/barriers/model.ts';
import { canonical } from '../src/formats/canonical.ts';
import { inspect } from '../src/formats/input.ts';
import { scopeOf } from '../src/gateway/record.ts';
import { readSegment, ready, Spool } from '../src/gateway/spool.ts';
import type { Dossier } from '../src/model/dossier.ts';
import { identifiers, scan } from '../src/scan.ts';
import { asideOf, bytesAside, eraseAside, expireAside } from '../src/serve/aside.ts';
import { Intake } from '../src/serve/intake.ts';
import { Notice } from '../src/serve/notice.ts';
import { Outbox, signature } from '../src/serve/outbox.ts';
import { ingest } from '../src/store/ingest.ts';
import { erase, eraseLate, expire, exportOf, purge } from '../src/store/personal.ts';
import type { Store } from '../src/store/store.ts';
import { makeWorld } from '../src/world/make.ts';
import { file, jsonl, record, scanned, temp, withStore } from './support/tools.ts';

const intake = (store: Store, dir: string, over = {}) =>
  new Intake(store, dir, join(dir, 'spool'), { spool: dir, keepRejects: true, ...over });
const ids = async (store: Store): Promise<string[]> =>
  (await store.rows<{ id: string }>('SELECT id FROM exchanges ORDER BY id')).map((r) => r.id);

describe('tailed files', () => {
  it('that are rotated by renaming lose nothing written before', async () => {
    const dir = temp();
    const log = join(dir, 'gateway.jsonl');
    await withStore(async (store) => {
      const i = intake(store, dir);
      writeFileSync(log, jsonl([record({ id: 'x1' })]));
      expect(await i.tail(log)).toMatchObject({ accepted: 1 });
      appendFileSync(log, jsonl([record({ id: 'x2' })]));
      renameSync(log, `${log}.1`);
      writeFileSync(log, jsonl([record({ id: 'x3' })]));
      await i.tail(log);
      await i.tail(log);
      expect(await ids(store)).toEqual(['x1', 'x2', 'x3']);
      expect(await i.tail(log)).toMatchObject({ accepted: 0, rejected: 0 });
      // Who writes it opens the new one a while after: until then the old one gains lines, which come in pieces too.
      appendFileSync(`${log}.1`, jsonl([record({ id: 'x4' })]).slice(0, 30));
      expect(await i.tail(log)).toMatchObject({ accepted: 0, torn: 0 });
      appendFileSync(`${log}.1`, jsonl([record({ id: 'x4' })]).slice(30));
      expect(await i.tail(log)).toMatchObject({ accepted: 1 });
      // A rotation in the middle of a line loses that line, counted, and no other.
      appendFileSync(log, '{"id": "torn", "acc');
      renameSync(log, `${log}.2`);
      writeFileSync(log, jsonl([record({ id: 'x5' })]));
      appendFileSync(`${log}.1`, jsonl([record({ id: 'x6' })]));
      for (let n = 0; n < 3; n++) expect(await i.tail(log)).toMatchObject({ torn: 0 });
      expect(await ids(store)).toEqual(['x1', 'x2', 'x3', 'x4', 'x5', 'x6']);
      for (const n of [1, 2]) utimesSync(`${log}.${n}`, 1, 1);
      expect(await i.tail(log)).toMatchObject({ accepted: 0, torn: 1 });
      expect(await i.tail(log)).toMatchObject({ accepted: 0, torn: 0 });
      // One that nobody writes to any more is left alone.
      appendFileSync(log, jsonl([record({ id: 'x7' })]));
      await i.tail(log);
      appendFileSync(`${log}.1`, jsonl([record({ id: 'x8' })]));
      await i.tail(log);
      expect(await ids(store)).toEqual(['x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7']);
    });
  });
});

describe('what was erased', () => {
  it('is on the disk in no form once the store is purged, nor is the name in what removed it', async () => {
    const at = join(temp(), 'store');
    const line = { account: 'ERASEME-77', ip: '198.51.100.77' };
    const log = file(
      'e.jsonl',
      `${jsonl([record({ id: 'x1', ...line }), record({ id: 'x2' })])}{"id":"x3","account":"ERASEME-77","time":"never"}\n`,
    );
    await withStore(async (s) => {
      await scanned(s, log);
      expect(await erase(s, 'ERASEME-77')).toBe(1);
      expect(await purge(s)).toBe(true);
      expect(await ids(s)).toEqual(['x2']);
    }, at);
    const holding = readdirSync(at, { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => join(f.parentPath, f.name))
      .filter((f) => /ERASEME-77|198\.51\.100\.77/.test(readFileSync(f, 'latin1')));
    expect(holding).toEqual([]);
  });
});

describe('a record of whoever was erased', () => {
  it('does not come back with the file of accounts, unless they have sent something since; in an export nothing is left', () =>
    withStore(async (store) => {
      const accounts = file('a.jsonl', jsonl(['gone', 'back', 'stays'].map((account) => ({ account, email: `${account}@mail.example` }))));
      const log = (name: string, more: readonly object[]) =>
        file(name, jsonl([...['gone', 'back', 'stays'].map((account) => record({ id: `1-${account}`, account })), ...more]));
      await scanned(store, log('l.jsonl', []), { accounts, record: false });
      await erase(store, 'gone');
      await erase(store, 'back');
      const later = record({ id: '2-back', account: 'back', time: new Date(Date.now() + 60_000).toISOString() });
      await scanned(store, log('l.jsonl', [later]), { accounts, record: false });
      expect((await store.rows<{ account: string }>('SELECT account FROM accounts FINAL ORDER BY account')).map((r) => r.account)).toEqual([
        'back',
        'stays',
      ]);
      expect(await ids(store)).toEqual(['1-stays', '2-back']);
      expect(JSON.stringify(await store.rows('SELECT * FROM erased'))).not.toContain('gone');
      expect(await exportOf(store, 'gone')).toMatchObject({ exchanges: [], record: [] });
    }));
});

describe('scopes', () => {
  it('on a workspace hold nothing of what comes through the proxy, where none is known, rather than everything', () => {
    const scope = [{ match: { workspaces: ['w'] }, mode: 'exclude' as const }];
    expect(scopeOf(scope, { account: 'a' }, 'm', '')).toBeNull();
    expect(scopeOf([{ match: { accounts: ['a'] }, mode: 'exclude' as const }], { account: 'a' }, 'm', '')).toBe('exclude');
  });

  it('hold for logs that are taken in: nothing of an excluded account, no text of one that keeps metadata only', async () => {
    const dir = temp();
    const log = file(
      'l.jsonl',
      jsonl([record({ id: 'x1' }), record({ id: 'x2', account: "o'brien" }), record({ id: 'x3', model: 'quiet' })]),
    );
    await withStore(async (store) => {
      const scopes = [
        { match: { accounts: ["o'brien"] }, mode: 'exclude' },
        { match: { models: ['quiet'] }, mode: 'metadata-only' },
      ];
      await intake(store, dir, { scopes, keepTexts: 5 }).tail(log);
      expect(await ids(store)).toEqual(['x1', 'x3']);
      const rows = await store.rows<{ id: string; chars: number; content_state: string }>(
        'SELECT id, chars, content_state FROM exchanges ORDER BY id',
      );
      expect(rows[0]).toMatchObject({ content_state: 'full' });
      expect(rows[1]).toMatchObject({ chars: 0, content_state: 'absent' });
      expect((await store.rows('SELECT * FROM texts')).length).toBe(1);
    });
  });
});

describe('identifiers', () => {
  it('are decided by whoever fills a store first, live intake too, and the other way is refused', async () => {
    await withStore(async (store) => {
      expect(await identifiers(store, { inputs: [] })).toBe(false);
      expect(await identifiers(store, { inputs: ['live'], keyed: true })).toBe(true);
      expect(await identifiers(store, { inputs: ['live'] })).toBe(true);
      await expect(identifiers(store, { inputs: ['live'], keyed: false })).rejects.toMatchObject({ code: 'E_IDENTIFIERS' });
    });
  });
});

describe('erasing and expiry', () => {
  it('reach rejected lines, leave what came later, and stop at a legal hold', async () => {
    const dir = temp();
    const log = file(
      'l.jsonl',
      jsonl([
        record({ id: 'x1' }),
        record({ id: 'x2', account: 'a2' }),
        record({ id: 'x3', time: 'never' }),
        record({ id: 'x4', time: '2026-06-04T10:00:00.000Z' }),
      ]),
    );
    await withStore(async (store) => {
      await intake(store, dir, { keepTexts: 5 }).tail(log);
      // Both accounts are old enough; one is held.
      expect(await expire(store, { exchanges: 1, texts: 5 }, ['a1', 'a2'])).toBe(0);
      expect((await store.rows<{ days: number }>('SELECT DISTINCT days FROM texts')).map((r) => r.days)).toEqual([20000]);
      // What came in late goes by its time, and nothing newer with it.
      expect(await eraseLate(store, 'a1', Date.parse('2026-05-20'))).toBe(1);
      expect(await ids(store)).toEqual(['x2', 'x4']);
      expect(await store.rows('SELECT * FROM rejects')).toHaveLength(1);
      // An account whose name is a word of every record takes no other's lines along.
      await erase(store, 'user');
      expect(await store.rows('SELECT * FROM rejects')).toHaveLength(1);
      const finding = {
        accounts: [{ account: 'a2' }],
        beside: [
          { account: 'a1', share: 0.2 },
          { account: 'a3', share: 0.3 },
        ],
        evidence: [],
        indicators: [],
      };
      const body = JSON.stringify({ campaigns: [finding], undecided: [], look_alikes: [] });
      await store.insert('dossiers', [{ id: 'd', at: '2026-05-04T00:00:00.000Z', body }]);
      expect(await exportOf(store, 'a1')).toMatchObject({
        findings: [{ what: 'not named, beside a finding', account: 'a1', share: 0.2 }],
        rejects: [{ reason: 'bad_time' }],
      });
      expect(await erase(store, 'a1')).toBe(1);
      const left = (await store.first<{ body: string }>('SELECT body FROM dossiers'))?.body ?? '';
      expect(left).not.toContain('a1');
      expect(left).toContain('a3');
      expect(await store.rows('SELECT * FROM rejects')).toEqual([]);
      // Whoever stands behind long text, or in a line that is torn, is in it too.
      const long = 'x'.repeat(6000);
      const more = [
        `{"id":"r1","time":"never","system":"${long}","\\u0061ccount":"j\\u0061ne"}`,
        `{"id":"r2","system":"${long}","account": "jane","torn`,
      ];
      await scanned(store, file('more.jsonl', jsonl([record({ id: 'x9', account: 'a2' }), ...more])), { record: false });
      expect(await store.rows('SELECT * FROM rejects')).toHaveLength(2);
      await erase(store, 'jane');
      expect(await store.rows('SELECT * FROM rejects')).toEqual([]);
      expect(await expire(store, { exchanges: 1, texts: 5 }, ['a2'])).toBe(0);
      expect(await ids(store)).toEqual(['x2', 'x9']);
    });
  });
});

describe('lines of the spool that became no exchange', () => {
  const kept = (dir: string): string[] =>
    readdirSync(dir)
      .filter((f) => f.endsWith('.bad'))
      .flatMap((f) => readFileSync(join(dir, f), 'utf8').split('\n').filter(Boolean));
  /** A segment of one whole line and of lines whose checksum fails. */
  const segment = (dir: string, name: string, lines: readonly string[]): void => {
    const s = new Spool({ dir, worker: `${name}~canonical`, bytesMax: 1e9, rotateMs: 1e9 });
    s.putLine(JSON.stringify(record({ id: name })));
    s.close();
    const path = ready(dir)[0]?.path ?? '';
    appendFileSync(path, lines.map((l) => `00000000 ${l}\n`).join(''));
  };

  it('stay by themselves where rejected lines are kept, and are reached by an export, an erasure, a hold and their time to live', async () => {
    const dir = temp();
    const spool = join(dir, 'spool');
    const jane = JSON.stringify(record({ id: 'x1', account: 'jane' }));
    await withStore(async (store) => {
      segment(spool, 'w0', [
        jane,
        JSON.stringify(record({ id: 'x2', account: 'joe' })),
        '{"id":"x3","account":"jane","to',
        '{"id":4,"account": 17,"to',
      ]);
      expect(await intake(store, dir).segments()).toMatchObject({ accepted: 1, torn: 4 });
      // What is in the store is not kept beside it.
      expect(kept(spool)).toHaveLength(4);
      expect(ready(spool)).toEqual([]);
      expect(bytesAside(spool)).toBeGreaterThan(100);
      expect(asideOf(spool, 'jane')).toEqual([`00000000 ${jane}`, '00000000 {"id":"x3","account":"jane","to']);
      expect(asideOf(spool, 'jan')).toEqual([]);
      expect(eraseAside(spool, 'jane')).toBe(2);
      expect(eraseAside(spool, '17')).toBe(1);
      expect(kept(spool).join()).toContain('joe');
      expect(expireAside(spool, Date.now() - 60_000, [])).toBe(0);
      expect(expireAside(spool, Date.now() + 60_000, ['joe'])).toBe(0);
      expect(expireAside(spool, Date.now() + 60_000, ['jane'])).toBe(1);
      expect(bytesAside(spool)).toBe(0);
    });
  });

  it('are not kept where rejected lines are not, and the oldest make room for others', async () => {
    const dir = temp();
    const spool = join(dir, 'spool');
    await withStore(async (store) => {
      segment(spool, 'w0', ['{"id":"x3","account":"jane","to']);
      expect(await intake(store, dir, { keepRejects: false }).segments()).toMatchObject({ accepted: 1, torn: 1 });
      expect(kept(spool)).toEqual([]);
      const said: unknown[] = [];
      const i = new Intake(store, dir, spool, { spool: dir, keepRejects: true, spoolBytes: 10_000 }, null, (e) => said.push(e));
      for (const [n, name] of ['w1', 'w2', 'w3'].entries()) {
        segment(spool, name, [`{"id":"${name}${'x'.repeat(400)}`]);
        await i.segments();
        for (const f of readdirSync(spool)) utimesSync(join(spool, f), n + 1, n + 1);
      }
      expect(kept(spool).map((l) => l.slice(16, 18))).toEqual(['w2', 'w3']);
      expect(said).toMatchObject([{ code: 'E_SPOOL' }]);
    });
  });
});

describe('webhooks', () => {
  const entry = (i: number, what: Record<string, unknown>): Entry =>
    ({ at: i, by: 'ann', seq: i, prev: '', hash: `h${i}`, what }) as unknown as Entry;
  it('owe what happened before they ever answered, each hook by itself, and tell enforcement of nothing rehearsed', async () => {
    const got: { path: string; type: string; rehearsed: boolean }[] = [];
    const server = createServer((req, res) => {
      let body = '';
      req.on('data', (d) => (body += String(d)));
      req.on('end', () => {
        const j = JSON.parse(body) as { type: string; dry_run?: boolean };
        got.push({ path: req.url ?? '', type: j.type, rehearsed: j.dry_run === true });
        res.end();
      });
    });
    const path = join(temp(), 'hooks.json');
    const log: Entry[] = [];
    const port = await new Promise<number>((r) => server.listen(0, '127.0.0.1', () => r((server.address() as { port: number }).port)));
    const url = `http://127.0.0.1:${port}/x`;
    const hooks = [
      { url, events: ['gate.closed'] },
      { url, events: ['barrier.approved'], standing: true },
    ];
    const away = new Outbox(
      hooks.map((h) => ({ ...h, url: 'http://127.0.0.1:1/x' })),
      path,
      () => log,
      () => EMPTY_STATE,
      () => undefined,
    );
    log.push(entry(0, { type: 'gate.closed', gate: { id: 'g' } }));
    await away.tick(0);
    const later = new Outbox(
      hooks.map((h) => ({ ...h, url: 'http://127.0.0.1:1/x' })),
      path,
      () => log,
      () => EMPTY_STATE,
      () => undefined,
    );
    expect(readFileSync(path, 'utf8')).toContain(':0');
    await later.tick(0);
    const up = new Outbox(
      hooks,
      path,
      () => log,
      () => EMPTY_STATE,
      () => undefined,
    );
    log.push(
      entry(1, { type: 'gate.closed', gate: { id: 'g2' } }),
      entry(2, { type: 'barrier.approved', id: 'b', activates: true, dry_run: true }),
    );
    log.push(
      entry(3, { type: 'barrier.approved', id: 'b', activates: false, dry_run: false }),
      entry(4, { type: 'barrier.approved', id: 'b', activates: true, dry_run: false }),
    );
    await up.tick(0);
    expect(got.map((g) => g.type).sort()).toEqual(['barrier.approved', 'gate.closed']);
    expect(got.some((g) => g.rehearsed)).toBe(false);
    server.close();
  });
});

describe('the relay of the recipes', () => {
  it('takes signed calls only, passes each on once, and asks to be called again where one place failed', async () => {
    const got: { path: string; body: string }[] = [];
    let jiraDown = true;
    const server = createServer((req, res) => {
      let body = '';
      req.on('data', (d) => (body += String(d)));
      req.on('end', () => {
        if (req.url?.startsWith('/rest') && jiraDown) return void res.writeHead(500).end();
        got.push({ path: req.url ?? '', body });
        res.end();
      });
    });
    const port = await new Promise<number>((r) => server.listen(0, '127.0.0.1', () => r((server.address() as { port: number }).port)));
    const siem = join(temp(), 'siem.ndjson');
    const url = `http://127.0.0.1:${port}`;
    const relay = spawn(process.execPath, ['docs/recipes/relay.mjs'], {
      env: { ...process.env, PORT: '0', STILLWATCH_HOOK_SECRET: 's', SLACK_URL: `${url}/slack`, JIRA_URL: url, SIEM_FILE: siem },
    });
    const at = await new Promise<string>((r) => relay.stderr.on('data', (d: Buffer) => r(/127\.0\.0\.1:\d+/.exec(String(d))?.[0] ?? '')));
    const body = JSON.stringify({
      id: 'h1',
      type: 'case.opened',
      by: 'detection',
      case: { id: 'k-1', title: '5 accounts <!channel>', confidence: 0.9 },
    });
    const post = async (secret: string) =>
      (await fetch(`http://${at}/`, { method: 'POST', headers: { 'stillwatch-signature': signature(secret, Date.now(), body) }, body }))
        .status;
    try {
      expect(await post('wrong')).toBe(401);
      expect(await post('s')).toBe(502);
      jiraDown = false;
      expect(await post('s')).toBe(200);
      expect(got.map((g) => g.path)).toEqual(['/slack', '/rest/api/3/issue']);
      expect(got[0]?.body).toContain('5 accounts &lt;!channel&gt; (case k-1, confidence 0.90)');
      expect(readFileSync(siem, 'utf8').trim().split('\n')).toHaveLength(1);
    } finally {
      relay.kill();
      server.close();
    }
  });
});

describe('a look at live traffic', () => {
  it('sees the store as it was when it began, while intake and questions go on beside it', async () => {
    const lines = (from: number, n: number, day: number) =>
      jsonl(
        Array.from({ length: n }, (_, i) =>
          record({
            id: `e${from + i}`,
            account: `a${i % 40}`,
            time: `2026-05-${String(day).padStart(2, '0')}T10:${String(i % 60).padStart(2, '0')}:00Z`,
          }),
        ),
      );
    await withStore(async (store) => {
      await scanned(store, file('one.jsonl', lines(0, 300, 4)), { record: false });
      await scanned(store, file('old.jsonl', lines(1000, 50, 1)), { record: false });
      const view = await store.asItIs(Date.parse('2026-05-03T00:00:00Z'));
      const order: string[] = [];
      const look = scan(view, {
        inputs: [],
        spool: temp(),
        retention: 'none',
        confidenceMin: 0.5,
        seed: 1,
        now: new Date('2026-06-01T00:00:00Z'),
        version: 'test',
      }).then((d) => {
        order.push('looked');
        return d;
      });
      const input = inspect('two', file('two.jsonl', lines(2000, 500, 5)));
      const took = ingest(store, input, canonical, { spool: temp(), keepRejects: true }).then((c) => {
        order.push('took');
        return c;
      });
      const asked = store.first<{ n: string }>('SELECT count() AS n FROM files').then(() => order.push('answered'));
      const [d, c] = await Promise.all([look, took, asked]);
      expect(c.accepted).toBe(500);
      // Nothing that came in meanwhile, and nothing older than was asked for.
      expect(d.coverage.exchanges).toBe(300);
      expect(d.window.to?.slice(0, 10)).toBe('2026-05-04');
      expect(order.indexOf('answered')).toBeLessThan(order.indexOf('looked'));
      expect(order.indexOf('took')).toBeLessThan(order.indexOf('looked'));
      expect((await store.first<{ n: string }>('SELECT count() AS n FROM exchanges'))?.n).toBe('850');
      expect((await scanned(store, input.path)).coverage.exchanges).toBe(850);
    });
  });
});

describe('the spool', () => {
  it('is bounded as a whole, whoever wrote what waits in it', () => {
    const dir = temp();
    const spool = (worker: string) => new Spool({ dir, worker, bytesMax: 1000, rotateMs: 60_000 });
    const a = spool('a');
    while (a.putLine('x'.repeat(200)) === 'kept');
    a.rotate();
    const b = spool('b');
    expect(b.putLine('x')).toBe('full');
    b.close();
    a.close();
  });
});

describe('what live exchanges ask for', () => {
  it('is told while their text is there, and findings are shown in words that nothing else is kept of', async () => {
    const dir = temp();
    const w = await makeWorld({ out: dir, seed: 9, accounts: 160, days: 8, campaigns: [{ kind: 'sharded', accounts: 30 }] });
    const lines = readFileSync(w.files.exchanges, 'utf8').trim().split('\n');
    const members = new Set(
      readFileSync(w.files.truth, 'utf8')
        .trim()
        .split('\n')
        .map((l) => JSON.parse(l) as { account: string; campaign: string | null })
        .flatMap((x) => (x.campaign ? [x.account] : [])),
    );
    await withStore(async (store) => {
      const notice = new Notice(store, true);
      const faults: unknown[] = [];
      const spool = join(dir, 'live');
      const intake = new Intake(store, dir, spool, { spool: dir, keepRejects: true }, notice, (e) => faults.push(e));
      const writer = new Spool({ dir: spool, worker: 'w0~canonical', bytesMax: 1e9, rotateMs: 60_000 });
      const come = async (some: readonly string[]) => {
        for (const l of some) writer.putLine(l);
        writer.rotate();
        expect((await intake.segments()).accepted).toBe(some.length);
      };
      const looked = (now: string) =>
        scan(store, {
          inputs: [],
          live: notice.take(),
          accounts: w.files.accounts,
          spool: dir,
          retention: 'evidence',
          confidenceMin: 0.5,
          seed: 1,
          now: new Date(now),
          version: 'test',
        });
      const half = Math.floor(lines.length * 0.7);
      for (let i = 0; i < half; i += 2000) await come(lines.slice(i, Math.min(half, i + 2000)));
      const first = await looked('2026-06-01T00:00:00Z');
      expect(first.campaigns).toHaveLength(1);
      expect(Object.values(first.campaigns[0]?.capabilities ?? {}).reduce((x, y) => x + y, 0)).toBeCloseTo(1, 1);
      expect(Object.keys(first.campaigns[0]?.population_capabilities ?? {}).length).toBeGreaterThan(2);
      expect(first.campaigns[0]?.title).toMatch(/after/);
      notice.follow(first);
      await come(lines.slice(half));
      const second = await looked('2026-06-01T00:01:00Z');
      const shown = (d: Dossier) => d.campaigns.flatMap((c) => c.evidence.find((e) => e.signal === 'deck')?.exemplars ?? []);
      expect(shown(second).map((x) => typeof x.text)).toEqual(['string', 'string', 'string', 'string']);
      for (const x of shown(second)) expect(members.has(x.account)).toBe(true);
      expect(second.campaigns[0]?.indicators.some((i) => i.kind === 'scaffold' && i.text)).toBe(true);
      // Cited once, they are cited again; nothing else of what came is kept.
      expect(shown(await looked('2026-06-01T00:02:00Z')).map((x) => x.exchange)).toEqual(shown(second).map((x) => x.exchange));
      const kept = await store.rows<{ account: string }>('SELECT DISTINCT account FROM exemplars FINAL');
      expect(kept.length).toBeGreaterThan(0);
      const found = new Set(
        [first, second].flatMap((d) => [...d.campaigns, ...d.undecided].flatMap((f) => f.accounts.map((m) => m.account))),
      );
      for (const x of kept) expect(found.has(x.account)).toBe(true);
      expect((await store.first<{ n: string }>('SELECT count() AS n FROM texts'))?.n).toBe('0');
      const one = kept.find((x) => members.has(x.account))?.account ?? '';
      const told = async () =>
        (await store.first<{ n: string }>('SELECT count() AS n FROM capabilities FINAL WHERE account = {a:String}', { a: one }))?.n;
      expect(await told()).not.toBe('0');
      expect((await exportOf(store, one))['capabilities']).toHaveLength(Number(await told()));
      await erase(store, one);
      expect(await told()).toBe('0');
      expect(faults).toEqual([]);
    });
  });
});

describe('segments', () => {
  it('of a writer that lives are left to it, of whatever run it is; those that nobody writes to are taken', () => {
    const dir = temp();
    const path = join(dir, `w0~canonical-earlier-${process.pid}-abc-1.open`);
    writeFileSync(path, '');
    expect(ready(dir)).toEqual([]);
    const old = new Date(Date.now() - 120_000);
    utimesSync(path, old, old);
    expect(ready(dir)).toHaveLength(1);
  });

  it('that are more together than one string can hold are written in parts', async () => {
    const dir = temp();
    const spool = new Spool({ dir, worker: 'a', bytesMax: 1e9, rotateMs: 60_000 });
    const text = 'x'.repeat(9_000_000);
    const told = await Promise.all(Array.from({ length: 4 }, () => new Promise((r) => spool.soon(text, r))));
    spool.close();
    expect(told).toEqual(['kept', 'kept', 'kept', 'kept']);
    expect(ready(dir).reduce((n, s) => n + readSegment(readFileSync(s.path)).records.length, 0)).toBe(4);
  });
});

describe('policy simulate', () => {
  it('replays history in steps that divide nothing evenly', async () => {
    const dir = temp();
    const w = await makeWorld({ out: dir, seed: 7, accounts: 60, days: 5, campaigns: [{ kind: 'sharded', accounts: 20 }] });
    const at = join(dir, 'store');
    await withStore((s) => scanned(s, w.files.exchanges, { accounts: w.files.accounts }), at);
    const policy = file(
      'p.yaml',
      'version: 1\ntraining_on_outputs: {"*": forbidden}\nrules: [{name: r, when: {confidence: 0.5}, propose: verify}]\n',
    );
    const out = execFileSync(process.execPath, ['dist/cli/main.js', 'policy', 'simulate', policy, '--store', at, '--steps', '3'], {
      encoding: 'utf8',
    });
    expect(out).toMatch(/replayed in 3 steps/);
  });
});
