import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { accountFile } from '../src/cli/look.ts';
import { framingOf, splitterFor } from '../src/formats/framing.ts';
import { logInputs } from '../src/formats/index.ts';
import { inspect, resolveInputs } from '../src/formats/input.ts';
import { scan } from '../src/scan.ts';
import { asLines } from '../src/store/lines.ts';
import { file, jsonl, record, scanned, temp, withStore } from './support/tools.ts';

/** Records that do not stand a line each: lists, pages of an API, values over many lines, and a file for each. */
const rows = [1, 2, 3].map((n) =>
  record({ id: `x${n}`, account: `a${n}`, messages: [{ role: 'user', content: `Say "{[" ${n} times, and a \\ after.` }] }),
);
const pretty = rows.map((r) => JSON.stringify(r, null, 2));

const split = (text: string, step = 3): string[] => {
  const bytes = Buffer.from(text);
  const out: string[] = [];
  const s = splitterFor(framingOf(text, true), (l) => out.push(l));
  for (let i = 0; i < bytes.length; i += step) s.take(bytes.subarray(i, i + step));
  s.end();
  return out;
};

it.each([
  ['a list on one line', JSON.stringify(rows), 'values'],
  ['a list over many lines', JSON.stringify(rows, null, 2), 'values'],
  ['a list that ends with a comma', `[\n${pretty.join(',\n')},\n]`, 'values'],
  ['a list of a record a line', `[\n${rows.map((r) => JSON.stringify(r)).join(',\n')}\n]\n`, 'list'],
  ['records one after the other', pretty.join('\n'), 'values'],
  ['records with nothing between them', rows.map((r) => JSON.stringify(r)).join(''), 'values'],
  ['a page', JSON.stringify({ object: 'list', data: rows, has_more: false }), 'values'],
  ['pages', `${JSON.stringify({ data: rows.slice(0, 2) })}\n${JSON.stringify({ data: rows.slice(2) })}\n`, 'values'],
  [
    'a page over many lines, after a mark of its encoding',
    `\uFEFF${JSON.stringify({ meta: { data: [9] }, data: rows }, null, 1)}`,
    'values',
  ],
])('takes %s apart', (_name, text, as) => {
  expect(framingOf(text, true).as).toBe(as);
  for (const step of [1, 7, 100_000]) expect(split(text, step).map((l) => JSON.parse(l) as unknown)).toEqual(rows);
});

/** Rows of a table with a header, as a database exports them. */
const cell = (x: unknown): string => {
  const text = typeof x === 'object' ? JSON.stringify(x) : String(x ?? '');
  return /[",;|\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const table = (records: readonly Record<string, unknown>[], by = ',', end = '\n'): string => {
  const names = [...new Set(records.flatMap((r) => Object.keys(r)))];
  return [names.map(cell), ...records.map((r) => names.map((n) => cell(r[n])))].map((r) => r.join(by) + end).join('');
};

it.each([',', ';', '\t', '|'])('takes a table apart whose fields stand between %j', (by) => {
  const hard = rows.map((r, i) => ({
    ...r,
    note: ['a "quote", and\nanother line;', 'tab\there', '5" disk'][i],
    account: ['007', '12345678901234567890', '1e3'][i],
    turn: i + 1,
    latency_ms: 0.5 + i,
    system: ['{not JSON', '', ' [1'][i] || undefined,
  }));
  for (const end of ['\n', '\r\n'])
    for (const text of [table(hard, by, end), `\uFEFF${table(hard, by, end).replace(/\r?\n$/, '')}`]) {
      expect(framingOf(text, true)).toEqual({ as: 'table', table: { delimiter: by, titles: 0 } });
      for (const step of [1, 7, 100_000])
        expect(split(text, step).map((l) => JSON.parse(l) as unknown)).toEqual(hard.map((r) => JSON.parse(JSON.stringify(r)) as unknown));
    }
  expect(framingOf(table(hard, by).slice(0, -40), false).as).toBe('table');
});

it('a row of a table that is torn costs itself, and is counted', () => {
  const good = table(rows);
  const [header, first, second, third] = good.split('\n') as [string, string, string, string];
  const torn = [header, first, 'x9,a9', second, '"an open quote, and what follows', third, ''].join('\n');
  for (const step of [1, 11, 100_000]) {
    const out = split(torn, step);
    expect(out.filter((l) => l.startsWith('{')).map((l) => (JSON.parse(l) as { id: string }).id)).toEqual(['x1', 'x2', 'x3']);
    expect(out.filter((l) => !l.startsWith('{'))).toEqual(['x9,a9', '"an open quote, and what follows']);
  }
});

it('a table of several megabytes is read to its end, and so is a packed list of long records', async () => {
  const many = Array.from({ length: 20_000 }, (_, i) =>
    record({ id: `m${i}`, account: `a${i % 50}`, messages: 'Describe the tides of a small harbour in plain words.'.repeat(3) }),
  );
  const long = Array.from({ length: 60 }, (_, i) => record({ id: `l${i}`, messages: [{ role: 'user', content: `${i} `.repeat(9_000) }] }));
  for (const [name, content, n] of [
    ['many.csv', table(many), 20_000],
    ['long.json.gz', gzipSync(JSON.stringify(long, null, 1)), 60],
  ] as const) {
    const path = file(name, content);
    const made = await asLines(inspect(path, path), temp());
    expect(readFileSync(made.path, 'utf8').trim().split('\n')).toHaveLength(n);
  }
}, 20_000);

it('torn quotes cost their own rows, digits are kept, and what begins like a table and is none stays lines', () => {
  const line = (i: number, prompt: string) => `r${i},2026-05-04T10:00:00Z,a${i},m,${prompt}`;
  const torn = ['id,time,account,model,prompt', line(1, '"q 1"'), line(2, '"torn'), line(3, '"q 3"'), line(4, '"q 4"'), ''].join('\n');
  for (const step of [1, 100_000]) {
    const out = split(torn, step);
    expect(out.filter((l) => l.startsWith('{')).map((l) => (JSON.parse(l) as { account: string }).account)).toEqual(['a1', 'a3', 'a4']);
    expect(out.filter((l) => !l.startsWith('{'))).toEqual([line(2, '"torn')]);
  }
  const cells = split('id,time,meta,account,note\n1,2,"{""user"":1234567890123456739}",NULL,\\N\n');
  expect(cells).toEqual(['{"id":1,"time":2,"meta":{"user":1234567890123456739}}']);
  // An index without a name, and one that a search engine writes.
  expect(split(',@timestamp,id,account\n0,2026-05-04,x,a\n').map((l) => JSON.parse(l) as unknown)).toEqual([
    { '@timestamp': '2026-05-04', id: 'x', account: 'a' },
  ]);
  for (const text of [`"hello world, this\n${jsonl(rows)}`, `id,"time\n${jsonl(rows)}`]) expect(framingOf(text, true).as).toBe('lines');
  // Row after row whose quote is not closed: each costs itself, in no more time than reading them takes.
  const began = Date.now();
  const bad = split(`id,time,account\n${'1,2,a\n'.repeat(10)}${'x","y\n'.repeat(8_000)}2,2,b\n`, 65_536);
  expect(bad.filter((l) => l.startsWith('{'))).toHaveLength(11);
  expect(Date.now() - began).toBeLessThan(10_000);
});

it('prose, and names alone, are no table', () => {
  for (const text of [
    'Hello, this is fine, really\nIt is.\nAnd this, too\n',
    'time,account,model\n',
    '2026-05-04,up,1\n2026-05-04,up,2\n',
    'a,b\n1,2\n',
    'Report of the day\nof nothing, at all\n1,2,3\n',
  ])
    expect(framingOf(text, true)).toEqual({ as: 'lines' });
});

it('a table may have a title above it, or a name of a column twice, of which the first counts', () => {
  const bare = table(rows.map((r) => ({ ...r, note: 'x' })));
  for (const title of ['Requests of May\n', 'sep=,\n', '\nRequests, May\r\nmade by a program\n\n'])
    for (const step of [1, 7, 100_000]) expect(split(title + bare, step)).toEqual(split(bare));
  expect(framingOf(`one\ntwo\nthree\nfour\nfive\nsix\n${bare}`, true).as).toBe('lines');
  expect(split('id,time,account,account\n1,2,mine,theirs\n')).toEqual(['{"id":1,"time":2,"account":"mine","account (2)":"theirs"}']);
});

it('of the tables in a directory those that are logs are read, the others named', async () => {
  const dir = temp();
  writeFileSync(join(dir, 'log.csv'), table(rows));
  writeFileSync(join(dir, 'prices.csv'), 'model,tier,price\na,b,1\n');
  writeFileSync(join(dir, 'accounts.csv'), 'account,created,tier\na1,2026-05-01,free\n');
  writeFileSync(join(dir, 'accounts.jsonl'), '{"account":"a1","created":"2026-05-01"}\n');
  const { inputs, passedOver } = await logInputs([dir], temp(), () => process.stdin);
  expect(inputs.map((i) => i.name.slice(dir.length + 1))).toEqual(['accounts.jsonl', 'log.csv']);
  expect(passedOver.map((f) => f.slice(dir.length + 1))).toEqual(['accounts.csv', 'prices.csv']);
  await withStore(async (store) => {
    const { coverage } = await scanned(store, join(dir, 'log.csv'), { inputs, record: false });
    expect(coverage).toMatchObject({ exchanges: 3 });
    expect(coverage.files[0]).toMatchObject({ state: 'unrecognised', note: 'these look like account records: give them with --accounts' });
  });
});

it('a table is scanned as its records are, packed or not, under names of its own too', async () => {
  const more = rows.map((r, i) => ({ ...r, input_tokens: 40 + i, params: { temperature: 0.2 } }));
  const path = file('log.csv', table(more));
  await withStore(async (store) => {
    const d = await scanned(store, path);
    expect(d.coverage).toMatchObject({ exchanges: 3, rejected: 0, complete: true });
    expect((await scanned(store, path)).coverage.files).toMatchObject([{ state: 'already_read', lines: 3 }]);
    expect((await scanned(store, file('log.csv.gz', gzipSync(table(more, ';', '\r\n'))))).coverage.files).toMatchObject([
      { accepted: 0, duplicates: 3 },
    ]);
    expect(await store.rows('SELECT account, input_tokens, content_state FROM exchanges ORDER BY id')).toEqual(
      [0, 1, 2].map((i) => ({ account: `a${i + 1}`, input_tokens: 40 + i, content_state: 'full' })),
    );
    // The same exchanges line by line are the same.
    expect((await scanned(store, file('lines.jsonl', jsonl(more)))).coverage.files).toMatchObject([{ accepted: 0, duplicates: 3 }]);
  });
  // What a row holds is what a line holds.
  const held = (path: string) =>
    withStore(async (store) => {
      await scanned(store, path);
      return store.rows('SELECT * EXCEPT (path_id, row) FROM exchanges ORDER BY id');
    });
  expect(await held(path)).toEqual(await held(file('lines.jsonl', jsonl(more))));
  const own = more.map((r) => {
    const row = r as Record<string, unknown>;
    return { 'User Id': row['account'], asked_at: row['time'], 'prompt.text': 'Name a bird,\nplease.', uid: row['id'] };
  });
  await withStore(async (store) => {
    const d = await scanned(store, file('own.csv', `${table(own)}a,b\n`), {
      inputFormat: 'canonical',
      fields: { account: '["User Id"]', time: 'asked_at', messages: '["prompt.text"]', id: 'uid' },
    });
    expect(d.coverage).toMatchObject({ exchanges: 3, rejected: 1, complete: true });
    expect(await store.rows('SELECT reason, head FROM rejects')).toEqual([{ reason: 'not_json', head: 'a,b' }]);
    expect(await store.rows('SELECT DISTINCT content_state, chars FROM exchanges')).toEqual([{ content_state: 'full', chars: 20 }]);
  });
});

it('leaves lines as they are, torn ones and banners too', () => {
  const lines = rows.map((r) => JSON.stringify(r));
  for (const text of [
    jsonl(rows),
    `${lines[0]}\n${lines[1]?.slice(0, 40)}\n${lines[2]}\n`,
    `[2026-05-04 10:00] the service is up\n${jsonl(rows)}`,
    `${JSON.stringify({ ...rows[0], data: [{ x: 1 }] })}\n`,
    JSON.stringify({ resourceSpans: [{ scopeSpans: [] }] }),
  ])
    expect(framingOf(text, true)).toEqual({ as: 'lines' });
  // The beginning of a record that is larger than what is looked at.
  expect(framingOf(JSON.stringify(record({ data: 'x'.repeat(5000) })).slice(0, 3000), false)).toEqual({ as: 'lines' });
});

it('what is torn costs itself, and is counted', () => {
  const [first, second, third] = rows.map((r) => JSON.stringify(r));
  // Inside of a string, in a list of a line each and in one that goes over many.
  expect(split(`[\n${first},\n${second?.slice(0, 60)}\n${third}\n]`)).toHaveLength(3);
  const torn = split(`[${pretty[0]},\n{"id": "x2", "model": "m\n,${pretty[2]}]`);
  expect(torn.map((l) => l.length > 20)).toEqual([true, true, true]);
  expect([JSON.parse(torn[0] as string), JSON.parse(torn[2] as string)]).toEqual([rows[0], rows[2]]);
  expect(split('[1, "two", null, {"id": 3}]')).toEqual(['1', '"two"', 'null', '{"id": 3}']);
});

it('a batch over many lines is read part by part', () => {
  const batch = { resourceSpans: [{ resource: { a: 1 } }, { resource: { a: 2 } }] };
  expect(split(JSON.stringify(batch, null, 2)).map((l) => JSON.parse(l) as unknown)).toEqual(
    batch.resourceSpans.map((x) => ({ resourceSpans: [x] })),
  );
  // Another name for the same.
  expect(split(JSON.stringify({ batches: batch.resourceSpans })).map((l) => JSON.parse(l) as unknown)).toHaveLength(2);
});

/** A frame of one block that is not compressed (RFC 8878, section 3.1.1). */
function zstdOf(text: string): Buffer {
  const content = Buffer.from(text);
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(content.length, 5);
  head.writeUIntLE((content.length << 3) | 1, 9, 3);
  return Buffer.concat([head, content]);
}

it('a list is scanned as its records are, packed or not, and known again', async () => {
  for (const [name, content] of [
    ['log.json', JSON.stringify(rows)],
    ['log.json.gz', gzipSync(JSON.stringify(rows, null, 2))],
    ['log.json.zst', zstdOf(JSON.stringify(rows, null, 2))],
  ] as const) {
    const path = file(name, content);
    await withStore(async (store) => {
      const d = await scanned(store, path);
      expect(d.coverage).toMatchObject({ exchanges: 3, rejected: 0, complete: true });
      expect(d.coverage.files).toMatchObject([{ name: path, state: 'read', lines: 3, accepted: 3 }]);
      expect((await scanned(store, path)).coverage.files).toMatchObject([{ state: 'already_read', lines: 3 }]);
      expect((await scanned(store, file('again.jsonl', jsonl(rows)))).coverage.files).toMatchObject([{ accepted: 0, duplicates: 3 }]);
    });
  }
  // Half of a packed list is told, and what there is of it is read.
  const cut = gzipSync(
    JSON.stringify(
      Array.from({ length: 3000 }, (_, i) => record({ id: `y${i}`, account: `a${(i * 7919) % 977}` })),
      null,
      1,
    ),
  );
  await withStore(async (store) => {
    const d = await scanned(store, file('cut.json.gz', cut.subarray(0, cut.length >> 1)));
    expect(d.coverage.files[0]?.state).toBe('truncated');
    expect(d.coverage.exchanges).toBeGreaterThan(100);
    expect(d.coverage.complete).toBe(false);
  });
});

it('a bucket with a file for each request is read as one', async () => {
  const dir = join(temp(), 'bucket');
  const day = (name: string, from: number, n: number) => {
    mkdirSync(join(dir, name), { recursive: true });
    for (let i = from; i < from + n; i++)
      writeFileSync(
        // As buckets name them: without a suffix.
        join(dir, name, `chatcmpl-${String(i).padStart(4, '0')}`),
        JSON.stringify(record({ id: `x${i}`, account: `a${i % 5}` }), null, i % 2),
      );
  };
  day('2026-05-01', 0, 30);
  day('2026-05-02', 30, 25);
  writeFileSync(join(dir, '2026-05-02', 'notes.txt'), 'no log');
  writeFileSync(join(dir, '2026-05-02', 'zz.json'), '{"what": "no format of ours"}');
  await withStore(async (store) => {
    const look = async () => {
      const { inputs, unreadable, passedOver } = await resolveInputs([dir], temp(), () => process.stdin);
      expect([unreadable.length, passedOver.length]).toEqual([0, 1]);
      return scan(store, {
        inputs,
        spool: temp(),
        retention: 'evidence',
        confidenceMin: 0.5,
        seed: 1,
        now: new Date('2026-06-01T00:00:00Z'),
        version: 't',
      });
    };
    const d = await look();
    expect(d.coverage.exchanges).toBe(55);
    expect(d.coverage.files.map((f) => [f.name.replace(dir, ''), f.state, f.accepted])).toEqual([
      ['/2026-05-01 (30 small files)', 'read', 30],
      ['/2026-05-02 (25 small files)', 'read', 25],
      ['/2026-05-02/zz.json', 'unrecognised', 0],
    ]);
    // Today's are added, yesterday's are known.
    day('2026-05-02', 55, 3);
    const again = await look();
    expect(again.coverage.files.map((f) => [f.state, f.accepted, f.duplicates])).toEqual([
      ['already_read', 0, 0],
      ['read', 3, 25],
      ['unrecognised', 0, 0],
    ]);
    expect(await accountFile('a3', store)).toContain('a3');
  });
});
