import { writeFileSync } from 'node:fs';
import { createServer, type Server as HttpServer } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { carriedPart } from '../src/campaigns/table.ts';
import { rejects } from '../src/cli/look.ts';
import { readAccounts } from '../src/formats/accounts.ts';
import { recognise } from '../src/formats/index.ts';
import { resolveInputs } from '../src/formats/input.ts';
import { absentFields, dateOrder } from '../src/formats/read.ts';
import { openStore } from '../src/store/open.ts';
import { momentOf, pullTable } from '../src/store/pull.ts';
import { accountRows } from '../src/store/queries/accounts.ts';
import type { Store } from '../src/store/store.ts';
import { canServe, type Server, startServer } from './support/server.ts';
import { file, jsonl, record, SECRET, scanned, take, temp, withStore } from './support/tools.ts';

// What real logs and people's second tries are like: each of these was once lost, doubled or read wrongly without a word.

const when = '2026-05-04T10:00:00Z';
const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } });
const span = (n: number, attributes: unknown[], more: object = {}) => ({
  traceId: 't',
  spanId: `s${n}`,
  startTimeUnixNano: '1777888800000000000',
  attributes: [attribute('gen_ai.request.model', 'm'), ...attributes],
  ...more,
});
const batch = (spans: unknown[], resource: unknown[] = []) => ({
  resourceSpans: [{ resource: { attributes: resource }, scopeSpans: [{ spans }] }],
});
const rowsOf = (store: Store) =>
  store.rows<{
    account: string;
    chars: number;
    turn: number;
    input_tokens: string;
    output_tokens: string;
    stop_reason: string;
    time: string;
    model: string;
  }>('SELECT account, chars, turn, input_tokens, output_tokens, stop_reason, toString(time) AS time, model FROM exchanges ORDER BY id');

/** What one log becomes. */
const read = (lines: readonly unknown[], over: object = {}) =>
  withStore(async (store) => {
    const d = await scanned(store, file('log.jsonl', jsonl(lines)), { record: false, ...over });
    return { coverage: d.coverage, rows: await rowsOf(store) };
  });

describe('a file that was read wrongly', () => {
  const log = () => file('o.jsonl', jsonl([batch([span(1, [attribute('app.tenant', 'a')]), span(2, [attribute('app.tenant', 'b')])])]));

  it('is read again when somebody says how, and what was made of it before is taken out', () =>
    withStore(async (store) => {
      const path = log();
      expect((await scanned(store, path, { record: false })).coverage).toMatchObject({ exchanges: 0, rejected: 2 });
      const fields = { account: 'attributes["app.tenant"]' };
      expect((await scanned(store, path, { record: false, fields })).coverage).toMatchObject({ exchanges: 2, rejected: 0, accounts: 2 });
      expect((await scanned(store, path, { record: false, fields })).coverage.files[0]).toMatchObject({ state: 'already_read' });
    }));

  it('and rows that were accepted with no text get it', () =>
    withStore(async (store) => {
      const path = file('p.jsonl', jsonl([{ id: 'x', time: when, account: 'a', model: 'm', prompt: 'Explain the tides.' }]));
      await scanned(store, path, { record: false });
      expect((await rowsOf(store)).map((r) => r.chars)).toEqual([0]);
      await scanned(store, path, { record: false, fields: { messages: 'prompt' } });
      expect((await rowsOf(store)).map((r) => r.chars)).toEqual(['Explain the tides.'.length]);
    }));

  it('says where a rejected record stands in its line, and what to do', () =>
    withStore(async (store) => {
      await scanned(store, log(), { record: false });
      const said = await rejects(store, 10);
      expect(said).toMatch(/o\.jsonl:1 {2}.*\n.*o\.jsonl:1, record 2 {2}/);
      expect(said).toMatch(/no_account \(otel\): .*--field account=PATH/);
    }));

  it('rejected lines of a file that has grown are not counted again', () =>
    withStore(async (store) => {
      const path = join(temp(), 'grows.jsonl');
      const lines = [record(), '{"torn', 'nonsense'];
      writeFileSync(path, jsonl(lines));
      expect((await scanned(store, path, { record: false })).coverage.rejected).toBe(2);
      writeFileSync(path, jsonl([...lines, record({ id: 'x2' })]));
      expect((await scanned(store, path, { record: false })).coverage).toMatchObject({ rejected: 2, exchanges: 2 });
    }));

  it('a stream that was cut short is told every time', () =>
    withStore(async (store) => {
      const packed = gzipSync(jsonl(Array.from({ length: 4000 }, (_, i) => record({ id: `x${i}` }))));
      const path = file('cut.jsonl.gz', packed.subarray(0, packed.length / 2));
      for (let i = 0; i < 2; i++)
        expect((await scanned(store, path, { record: false })).coverage).toMatchObject({
          complete: false,
          files: [{ state: 'truncated' }],
        });
    }));

  it('what follows the end of a gzip costs nothing of what is in it, and padding is no damage', () =>
    withStore(async (store) => {
      const lines = jsonl([record(), record({ id: 'x2' })]);
      const odd = await scanned(store, file('odd.gz', Buffer.concat([gzipSync(lines), Buffer.from('trailing')])), { record: false });
      expect(odd.coverage).toMatchObject({ exchanges: 2, files: [{ state: 'truncated' }] });
      const padded = Buffer.concat([gzipSync(jsonl([record({ id: 'x3' })])), Buffer.alloc(512)]);
      expect((await scanned(store, file('pad.gz', padded), { record: false })).coverage).toMatchObject({ exchanges: 3, complete: true });
    }));

  it('braces in a name are letters', () =>
    withStore(async (store) => {
      for (const [i, name] of ['p{x}.jsonl', 'n{a,b}.jsonl'].entries())
        expect(await take(store, file(name, jsonl([record({ id: `x${i}` })])))).toMatchObject({ accepted: 1, lines: 1, duplicates: 0 });
    }));
});

describe('which files are read', () => {
  it('rotated logs are, a store of ours is not, and what is passed over is named', async () => {
    const dir = temp();
    for (const name of ['app.log.1', 'app.log.2026-05-03.gz', 'a.jsonl-20260503', 'notes.txt']) writeFileSync(join(dir, name), 'x');
    await (await openStore({ at: join(dir, 'store'), secret: SECRET })).close();
    const { inputs, passedOver } = await resolveInputs([dir], temp(), () => process.stdin);
    expect(inputs.map((i) => i.name.slice(dir.length + 1)).sort()).toEqual(['a.jsonl-20260503', 'app.log.1', 'app.log.2026-05-03.gz']);
    expect(passedOver.map((f) => f.slice(dir.length + 1))).toEqual(['notes.txt']);
  });

  it('what is packed or written in a way that is not read is called by its name', async () => {
    const tar = Buffer.alloc(1024);
    tar.write('log.jsonl', 0);
    tar.write('ustar', 257);
    tar.write('{"a":1}', 512);
    const files = {
      'a.jsonl': Buffer.from('BZh91AY'),
      'b.jsonl': Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
      'c.jsonl': Buffer.from('{"a":1}', 'utf16le'),
      'd.jsonl': Buffer.from('{"a":1}', 'utf16le').swap16(),
      'e.jsonl': tar,
      'f.jsonl': gzipSync(tar),
    };
    const paths = Object.entries(files).map(([name, bytes]) => file(name, bytes));
    const { unreadable } = await resolveInputs(paths, temp(), () => process.stdin);
    expect(unreadable.map((u) => u.reason)).toEqual([
      expect.stringContaining('bzip2'),
      expect.stringContaining('xz'),
      expect.stringContaining('UTF-16'),
      expect.stringContaining('UTF-16'),
      expect.stringContaining('tar archive'),
      expect.stringContaining('tar archive'),
    ]);
  });

  describe('at an address', () => {
    let http: HttpServer;
    let port = 0;
    beforeAll(async () => {
      http = createServer((q, r) => {
        const told = Buffer.from((q.headers.authorization ?? '').replace('Basic ', ''), 'base64').toString();
        r.statusCode = told === 'ann:s3cret' ? 200 : 401;
        r.end(jsonl([record()]));
      });
      await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
      port = (http.address() as { port: number }).port;
    });
    afterAll(() => void http.close());

    it('user and password go in a header, and never into what is said', async () => {
      const good = await resolveInputs([`http://ann:s3cret@127.0.0.1:${port}/log.jsonl`], temp(), () => process.stdin);
      expect(good.inputs.map((i) => i.name)).toEqual([`http://127.0.0.1:${port}/log.jsonl`]);
      const bad = await resolveInputs(
        [`http://ann:wr0ng@127.0.0.1:${port}/log.jsonl`, 'http://ann:wr0ng@[bad/x'],
        temp(),
        () => process.stdin,
      );
      expect(bad.unreadable).toHaveLength(2);
      expect(JSON.stringify(bad)).not.toMatch(/wr0ng/);
    });
  });

  it('a store is a directory or a URL that is known; a secret in it is not told', async () => {
    for (const at of ['clickhouse://u:s3cret@h/db', 'postgres://u:s3cret@h/db', 'http://u:s3cret@[bad/db'])
      await expect(openStore({ at })).rejects.toMatchObject({ code: 'E_STORE_URL', message: expect.not.stringContaining('s3cret') });
  });
});

describe('records of many makes', () => {
  const provider = (body: unknown, answer?: unknown) => ({
    id: 'p',
    time: when,
    account: 'a',
    request_body: body,
    ...(answer ? { response_body: answer } : {}),
  });
  const body = { model: 'm-1', messages: [{ role: 'user', content: 'Explain the tides.' }] };

  it('a body that is JSON text is a body', async () => {
    const line = provider(JSON.stringify(body));
    expect(recognise([JSON.stringify(line)])?.id).toBe('provider');
    expect((await read([line])).rows).toMatchObject([{ model: 'm-1', chars: 18 }]);
  });

  it('an answer that was streamed tells its usage, and what a cache held counts', async () => {
    const events = [
      '{"choices":[{"delta":{"content":"hi"}}]}',
      '{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":9}}',
    ]
      .map((x) => `data: ${x}\n\n`)
      .join('');
    expect((await read([provider(body, events)])).rows).toMatchObject([{ input_tokens: 7, output_tokens: 9, stop_reason: 'stop' }]);
    const cached = { usage: { input_tokens: 3, output_tokens: 5, cache_read_input_tokens: 1000, cache_creation_input_tokens: 200 } };
    expect((await read([provider(body, cached)])).rows).toMatchObject([{ input_tokens: 1203, output_tokens: 5 }]);
  });

  it('OpenTelemetry as it was: numbered prompts, an event a message, and a user on the resource', async () => {
    const numbered = [
      attribute('user.id', 'u'),
      attribute('gen_ai.prompt.0.role', 'user'),
      attribute('gen_ai.prompt.0.content', 'Explain the tides.'),
    ];
    const events = [{ name: 'gen_ai.user.message', attributes: [attribute('content', 'Explain the tides.')] }];
    const prompt = [{ name: 'gen_ai.content.prompt', attributes: [attribute('gen_ai.prompt', 'Explain the tides.')] }];
    const { rows } = await read([
      batch(
        [span(1, numbered), span(2, [attribute('user.id', 'u')], { events }), span(3, [], { events: prompt })],
        [attribute('user.id', 'r')],
      ),
    ]);
    expect(rows.map((r) => [r.account, r.chars])).toEqual([
      ['u', 18],
      ['u', 18],
      ['r', 18],
    ]);
  });

  it('no account is called null', async () => {
    const line = {
      context: { trace_id: 't', span_id: 's' },
      start_time: when,
      attributes: { 'llm.model_name': 'm', 'openinference.span.kind': 'LLM', 'user.id': null },
    };
    expect((await read([line])).coverage).toMatchObject({ exchanges: 0, reasons: [{ reason: 'no_account' }] });
  });

  it('steps of a Langfuse trace that are no generation are no calls', async () => {
    const row = (type: string) => ({
      trace_id: 't',
      span_id: type,
      start_time: when,
      user_id: 'u',
      provided_model_name: '',
      type,
      input: 'x',
    });
    expect((await read([row('GENERATION'), row('SPAN'), row('TOOL'), row('EVENT')])).coverage).toMatchObject({
      exchanges: 1,
      reasons: [{ reason: 'not_a_call', lines: 3 }],
    });
  });

  it('a list of the Responses API in Helicone is its messages', async () => {
    const input = [
      { role: 'developer', content: 'Be kind.' },
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'an answer' },
      { role: 'user', content: 'second question' },
    ];
    const line = {
      request_id: 'h',
      request_created_at: when,
      user_id: 'u',
      model: 'm',
      request_body: JSON.stringify({ model: 'm', input }),
    };
    expect((await read([line])).rows).toMatchObject([{ chars: 'second question'.length, turn: 2 }]);
  });

  it('LiteLLM: messages of any shape, why an answer ended, and a time that overflows is absurd', async () => {
    const line = (over: object) => ({
      id: 'l',
      call_type: 'acompletion',
      startTime: 1777888800,
      model: 'm',
      metadata: { user_api_key_hash: 'k' },
      ...over,
    });
    const message = { role: 'user', content: 'Explain the tides.' };
    const shapes = [[message], message, 'Explain the tides.', JSON.stringify([message])];
    const response = { choices: [{ finish_reason: 'length' }] };
    const { rows } = await read(shapes.map((messages, i) => line({ id: `l${i}`, messages, response })));
    expect(rows).toMatchObject(shapes.map(() => ({ chars: 18, stop_reason: 'length', time: '2026-05-04 10:00:00.000' })));
    expect((await read([line({ startTime: 1e19 })])).coverage.reasons).toMatchObject([{ reason: 'absurd_time' }]);
  });

  it('rows of another product in Parquet are told by their columns', () =>
    withStore(async (store) => {
      const path = join(temp(), 'rows.parquet');
      await store.command(
        `INSERT INTO FUNCTION file('${path}', 'Parquet') SELECT 't' AS trace_id, toString(number) AS span_id, toDateTime64('2026-05-04 10:00:00', 3, 'UTC') AS start_time, 'u' AS user_id, 'm-7' AS provided_model_name, '[{"role":"user","content":"Explain the tides."}]' AS input FROM numbers(3)`,
      );
      expect((await scanned(store, path, { record: false })).coverage.files[0]).toMatchObject({ format: 'langfuse', accepted: 3 });
      expect((await rowsOf(store))[0]).toMatchObject({ account: 'u', model: 'm-7', chars: 18 });
    }));

  it('a clock without a day, and an hour no day has, are no times; a line may begin with a tab', async () => {
    const { coverage } = await read([
      record({ time: '12:00' }),
      record({ id: 'x2', time: '2026-05-04T25:00:00Z' }),
      `\t${JSON.stringify(record({ id: 'x3' }))}`,
    ]);
    expect(coverage).toMatchObject({ exchanges: 1, reasons: [{ reason: 'bad_time', lines: 2 }] });
  });
});

describe('dates between slashes', () => {
  const seen = (times: readonly string[]) =>
    withStore(async (store) => {
      const c = await take(store, file('t.jsonl', jsonl(times.map((time, i) => record({ id: `x${i}`, time })))));
      const rows = await store.rows<{ t: string }>("SELECT formatDateTime(time, '%F %R') AS t FROM exchanges ORDER BY id");
      return [...rows.map((r) => r.t), c.rejected];
    });

  it('are read in one order a file, which those tell that can be read one way only; where nothing tells, nobody guesses', async () => {
    expect(await seen(['10/12/2026 10:00:00', '10/13/2026 11:00:00'])).toEqual(['2026-10-12 10:00', '2026-10-13 11:00', 0]);
    expect(await seen(['10/12/2026 10:00:00', '13/12/2026 11:00:00'])).toEqual(['2026-12-10 10:00', '2026-12-13 11:00', 0]);
    expect(await seen(['10/12/2026 10:00:00', '10/11/2026 11:00:00', '05/05/2026 12:00:00'])).toEqual(['2026-05-05 12:00', 2]);
    // What neither order of the file reads is no time of another.
    expect(await seen(['13/12/2026 10:00:00', '14/12/2026 11:00:00', '12/31/2026 12:00:00'])).toEqual([
      '2026-12-13 10:00',
      '2026-12-14 11:00',
      '2026-12-31 12:00',
      0,
    ]);
    // A date in what people say tells nothing.
    expect(dateOrder(['{"time":"10/12/2026","text":"on 25/12/2026 we rest"}'])).toBe('unknown');
    expect(dateOrder(['{"time":"2026-12-10T00:00:00Z"}'])).toBeUndefined();
  });
});

describe('a field that was named', () => {
  it('and stands in no record is told', () => {
    const records = ['{"who":{"id":"a"},"rows":[1]}', '{"who":null}', 'torn'];
    expect(absentFields(records, { account: 'who.id', ip: 'IP', model: 'who.name', id: 'rows.1' })).toEqual(['ip=IP', 'model=who.name']);
    expect(absentFields([], { ip: 'IP' })).toEqual([]);
  });
});

describe('a rejected line', () => {
  it('is kept without what lets somebody in', () =>
    withStore(async (store) => {
      await take(
        store,
        file(
          'r.jsonl',
          `{"id":"1","account":"a","api_key":"sk-live-VERYSECRET1","time":"nope"}\n{"id":"2","account":"a","time":"no","h":"Authorization: Bearer abcdefgh12345678","u":"https://ann:hunter2@host/x"}\n`,
        ),
      );
      const said = await rejects(store, 10);
      expect(said).not.toMatch(/VERYSECRET|abcdefgh1234|hunter2/);
      expect(said).toMatch(/"account":"a","api_key":"\[masked\]","time":"nope"/);
      expect(said).toMatch(/Bearer \[masked\].*:\/\/\[masked\]@host/);
    }));
});

describe('account records', () => {
  const all = async (name: string, content: string | Buffer, faults: unknown[] = []) => {
    const out = [];
    for await (const part of readAccounts(file(name, content), when, (f) => faults.push(f))) out.push(...part);
    return out;
  };

  it('say where a time or a level means nothing here, and count without it', async () => {
    const faults: unknown[] = [];
    const csv = 'account,created,closed,verification\na,03/04/2026,,Business\nb,12,soon,KYC\n,2026-05-04,,\nc,"May 4, 2026",NULL,\n';
    const zone = process.env['TZ'];
    process.env['TZ'] = 'America/New_York';
    try {
      expect((await all('f.csv', csv, faults)).map((r) => [r.account, r.created, r.closed, r.verification])).toEqual([
        ['a', null, null, 'business'],
        ['b', null, null, 'kyc'],
        ['c', '2026-05-04T00:00:00.000Z', null, ''],
      ]);
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
    expect(faults).toEqual([
      { line: 2, column: 'created' },
      { line: 3, column: 'created' },
      { line: 3, column: 'closed' },
      { line: 3, column: 'verification' },
      { line: 4 },
    ]);
    const warned: string[] = [];
    await withStore((store) =>
      scanned(store, file('l.jsonl', jsonl([record()])), { accounts: file('g.csv', csv), warn: (w) => warned.push(w), record: false }),
    );
    expect(warned.filter((w) => w.startsWith('W_ACCOUNTS'))).toEqual([
      expect.stringMatching(
        /^W_ACCOUNTS 2 lines of the account file say nothing in created that can be read, the first at line 2; write times as/,
      ),
      expect.stringContaining('closed'),
      expect.stringContaining('verification'),
      expect.stringMatching(/1 line of the account file holds no account record, the first at line 4/),
    ]);
  });

  it('keep accounts of nineteen digits, read times in UTC and as numbers, whatever divides them', async () => {
    const zone = process.env['TZ'];
    process.env['TZ'] = 'America/New_York';
    try {
      const json = '{"account": 1234567890123456789, "created": "2026-01-01 00:00:00"}';
      const expected = [{ account: '1234567890123456789', created: '2026-01-01T00:00:00.000Z' }];
      expect(await all('a.jsonl', json)).toMatchObject(expected);
      expect(await all('a.json', `[${json}]`)).toMatchObject(expected);
      expect(await all('a.csv.gz', gzipSync('account;created\n1234567890123456789;1767225600\n'))).toMatchObject(expected);
      expect(await all('a.tsv', 'account\tcreated\n1234567890123456789\t1767225600000\n')).toMatchObject(expected);
      expect(await all('b.csv', 'account\na1\n')).toMatchObject([{ account: 'a1' }]);
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
  });
});

describe.skipIf(!canServe())('a server', () => {
  const servers: Server[] = [];
  beforeAll(async () => {
    for (let i = 0; i < 2; i++) servers.push(await startServer());
  });
  afterAll(async () => {
    for (const s of servers) await s.stop();
  });
  const at = (i: number) => `http://default@127.0.0.1:${servers[i]?.http}/stillwatch?tcp=${servers[i]?.tcp}`;

  it('holds its place among shards: in another order, or alone, it is another store', async () => {
    const store = await openStore({ at: `${at(0)},${at(1)}`, secret: SECRET });
    await store.close();
    for (const other of [`${at(1)},${at(0)}`, at(0), at(1)])
      await expect(openStore({ at: other, secret: SECRET })).rejects.toMatchObject({ code: 'E_STORE_SHARDS' });
    await (await openStore({ at: `${at(0)},${at(1)}`, secret: SECRET })).close();
  });

  it('times of a column in a zone are those moments, a day reads its own part, and one bad time costs one row', async () => {
    const client = createClient({ url: `http://127.0.0.1:${servers[0]?.http}` });
    await client.command({ query: 'CREATE DATABASE logs' });
    await client.command({
      query: `CREATE TABLE logs.z (id String, time DateTime('Asia/Tokyo'), account String, model String) ENGINE = MergeTree PARTITION BY toYYYYMMDD(time, 'UTC') ORDER BY id`,
    });
    await client.command({
      query: `INSERT INTO logs.z SELECT toString(number), toDateTime('2026-05-03 23:00:00', 'UTC') + number * 3600, 'a', 'm' FROM numbers(72)`,
    });
    await client.command({
      query: `CREATE TABLE logs.s (id String, time String, account String, model String) ENGINE = MergeTree ORDER BY id`,
    });
    await client.command({ query: `INSERT INTO logs.s VALUES ('1', '2026-05-04 10:00:00', 'a', 'm'), ('2', 'soon', 'a', 'm')` });
    const from = (table: string) => `clickhouse://default@127.0.0.1:${servers[0]?.http}/logs/${table}`;
    const map = file('m.sql', '-- what we keep\nSELECT * FROM logs.s -- all of it');
    await withStore(async (store) => {
      const inputs = await pullTable({ from: from('z'), spool: temp() });
      expect(inputs.map((i) => i.name.split('#')[1])).toEqual(['2026-05-03', '2026-05-04', '2026-05-05', '2026-05-06']);
      await scanned(store, map, { inputs, record: false });
      expect((await rowsOf(store))[0]?.time).toBe('2026-05-03 23:00:00.000');
      expect(await store.first('SELECT count() AS n FROM exchanges')).toEqual({ n: '72' });
    });
    await withStore(async (store) => {
      const until = Date.parse('2026-05-05T00:00:00Z');
      const inputs = await pullTable({ from: from('s'), map, until, spool: temp() });
      expect((await scanned(store, map, { inputs, record: false })).coverage).toMatchObject({ exchanges: 1, rejected: 1 });
    });
    const on = momentOf([{ name: 'time', type: "DateTime('Asia/Tokyo')" }]).on('2026-05-04');
    const plan = await (
      await client.query({ query: `EXPLAIN indexes = 1 SELECT * FROM logs.z WHERE ${on}`, format: 'TabSeparatedRaw' })
    ).text();
    expect(plan).toMatch(/Parts: [12]\/4/);
    await client.close();
  });
});

describe('a log without ids of conversations', () => {
  const BRIEF = 'You are one of the hands of a house that mends programs. Say what you change and why before you change it.';
  /** An agent's task in steps, each of which sends what was said before. */
  const steps = (account: string, task: number, system: string, n: number) =>
    Array.from({ length: n }, (_, i) =>
      record({
        id: `${account}-${system.length}-${task}-${i}`,
        account,
        time: new Date(Date.parse('2026-05-04T10:00:00Z') + task * 3_600_000 + i * 10_000).toISOString(),
        system,
        output_tokens: 30,
        messages: [
          { role: 'user', content: `Mend the fault number ${task} of the ${account} house` },
          ...Array.from({ length: i }, (_, k) => [
            { role: 'assistant', content: `step ${k}` },
            { role: 'user', content: [{ type: 'tool_result', tool_use_id: `t${k}`, content: 'done' }] },
          ]).flat(),
        ],
      }),
    );

  it('still tells its conversations apart: what follows an opening that carries a brief carries it as well', async () => {
    await withStore(async (store) => {
      const all = ['a', 'b', 'c'].flatMap((account) =>
        Array.from({ length: 12 }, (_, task) =>
          steps(account, task, task < 9 ? BRIEF : 'Another house altogether, with a brief of its own.', 8),
        ).flat(),
      );
      await take(store, file('agents.jsonl', jsonl(all)));
      const whole = await accountRows(store, null);
      expect(whole.map((r) => [r.n, r.openings, r.conversations])).toEqual([
        [96, 12, 12],
        [96, 12, 12],
        [96, 12, 12],
      ]);
      // A sentence of the brief stands where conversations begin, and in no step.
      const mark = await store.first<{ v: string; n: string }>(
        `SELECT leftPad(hex(h), 16, '0') AS v, count() AS n FROM exchanges ARRAY JOIN scaffold AS h WHERE account = 'a' GROUP BY h HAVING n = 9 LIMIT 1`,
      );
      const part = await accountRows(store, null, { accounts: whole.map((r) => r.acct), scaffold: [mark?.v ?? ''] });
      expect(part.map((r) => [r.n, r.openings, r.out_tokens])).toEqual([
        [72, 9, 2160],
        [72, 9, 2160],
        [72, 9, 2160],
      ]);
      // What one step of eight says in passing is said of that step alone.
      const passing = steps('d', 1, 'A house of its own.', 8).map((r, i) =>
        i === 5 ? { ...r, messages: [...(r['messages'] as object[]).slice(0, -1), { role: 'user', content: BRIEF }] } : r,
      );
      await take(store, file('passing.jsonl', jsonl(passing)));
      const all4 = await accountRows(store, null);
      const d = await accountRows(store, null, { accounts: all4.map((r) => r.acct), scaffold: [mark?.v ?? ''] });
      expect(d.find((r) => r.account === 'd')?.n).toBe(1);
      expect(d).toHaveLength(4);
      expect(carriedPart({ rows: whole }, 0, 9)).toBe(0.75);
      // What stands in more exchanges than conversations begin is a part of exchanges.
      expect(carriedPart({ rows: whole }, 0, 48)).toBe(0.5);
    });
  });
});
