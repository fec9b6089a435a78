import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readAccounts } from '../src/formats/accounts.ts';
import { inspect, isBlank, resolveInputs } from '../src/formats/input.ts';
import { zstdWhole } from '../src/formats/zstd.ts';
import { file, jsonl, record, scanned, take, temp, withStore } from './support/tools.ts';

const many = (n: number): unknown[] => Array.from({ length: n }, (_, i) => record({ id: `x${i}`, account: `a${i % 7}` }));

interface Row {
  id: string;
  account: string;
  n: string;
}

describe('lines that are no exchange', () => {
  const cases: readonly [name: string, line: string, reason: string][] = [
    ['truncated', '{"id":"t","time":"2026-05-04T10:00:00Z","acco', 'not_json'],
    ['not JSON', 'hello \u001b[31m world', 'not_json'],
    ['an array', '[1,2]', 'not_an_object'],
    ['a number', '42', 'not_an_object'],
    ['no id', JSON.stringify(record({ id: undefined })), 'no_id'],
    ['no time', JSON.stringify(record({ time: undefined })), 'no_time'],
    ['a word for a time', JSON.stringify(record({ time: 'yesterday' })), 'bad_time'],
    ['the year 1970', JSON.stringify(record({ time: '1970-01-01T00:00:00Z' })), 'absurd_time'],
    ['the year 2999', JSON.stringify(record({ time: '2999-01-01T00:00:00Z' })), 'absurd_time'],
    ['no account', JSON.stringify(record({ account: undefined })), 'no_account'],
    ['a blank account', JSON.stringify(record({ account: '  ' })), 'no_account'],
  ];
  it.each(cases)('%s: rejected with a reason, kept with its place, and its neighbours read', async (_name, line, reason) => {
    await withStore(async (store) => {
      const c = await take(store, file('log.jsonl', jsonl([record({ id: 'before' }), line, record({ id: 'after' })])));
      expect(c).toMatchObject({ lines: 3, accepted: 2, rejected: 1, duplicates: 0 });
      const [r] = await store.rows<{ reason: string; row: string }>('SELECT reason, row FROM rejects');
      expect([r?.reason, Number(r?.row)]).toEqual([reason, 1]);
    });
  });
});

describe('lines that are odd and still exchanges', () => {
  const accepted: readonly [name: string, line: string][] = [
    [
      'a lone surrogate',
      '{"id":"s","time":"2026-05-04T10:00:00Z","account":"a","model":"m","messages":[{"role":"user","content":"cut \\ud83d here"}]}',
    ],
    [
      'invalid UTF-8',
      '{"id":"u","time":"2026-05-04T10:00:00Z","account":"a","model":"m","messages":[{"role":"user","content":"cut \\u0000 here"}]}',
    ],
    ['unknown fields', JSON.stringify(record({ id: 'f', future: { a: [1] } }))],
    ['an empty prompt', JSON.stringify(record({ id: 'e', messages: [{ role: 'user', content: '' }] }))],
    ['no messages at all', JSON.stringify(record({ id: 'n', messages: undefined }))],
    ['a null prompt', JSON.stringify(record({ id: 'l', messages: null }))],
    [
      'content blocks',
      JSON.stringify(record({ id: 'b', messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi there you' }] }] })),
    ],
    ['wrong types', JSON.stringify(record({ id: 7, turn: 'three', output_tokens: 'many' }))],
    ['a time with an offset', JSON.stringify(record({ id: 'o', time: '2026-05-04T12:00:00+02:00' }))],
    ['a time in milliseconds', JSON.stringify(record({ id: 'ms', time: 1777888800000 }))],
  ];
  it.each(accepted)('%s', async (_name, line) => {
    await withStore(async (store) => {
      expect(await take(store, file('log.jsonl', jsonl([record({ id: 'first' }), line])))).toMatchObject({ accepted: 2, rejected: 0 });
    });
  });

  it('keeps the text of a record whose surrogate is broken', async () => {
    await withStore(async (store) => {
      await take(
        store,
        file(
          'log.jsonl',
          jsonl([
            record(),
            '{"id":"s","time":"2026-05-04T10:00:00Z","account":"a","model":"m","messages":[{"role":"user","content":"the harbour \\ud83d bridges"}]}',
          ]),
        ),
      );
      const [r] = await store.rows<{ chars: number; w: string }>(`SELECT chars, length(words) AS w FROM exchanges WHERE id = 's'`);
      expect([Number(r?.chars) > 20, Number(r?.w)]).toEqual([true, 2]);
    });
  });

  it('reads a 10 MB prompt, bounded in the sketch', async () => {
    await withStore(async (store) => {
      const text = 'sailing across the northern harbour towards quiet islands. '.repeat(180_000);
      expect(
        await take(store, file('big.jsonl', jsonl([record({ messages: [{ role: 'user', content: text }] }), record({ id: 'x2' })]))),
      ).toMatchObject({ accepted: 2, rejected: 0 });
      const [r] = await store.rows<{ c: number; s: string }>(`SELECT chars AS c, length(scaffold) AS s FROM exchanges WHERE id = 'x1'`);
      expect(Number(r?.c)).toBeLessThan(20_000);
      expect(Number(r?.s)).toBeLessThan(60);
    });
  });

  it('sketches only what is new in a request: history counts once', async () => {
    await withStore(async (store) => {
      const history = [
        { role: 'user', content: 'Describe the lighthouse keeper of the western cape.' },
        { role: 'assistant', content: 'Gladly.' },
        { role: 'user', content: 'Shorter please, friend.' },
      ];
      await take(
        store,
        file('log.jsonl', jsonl([record({ id: 'one', messages: history.slice(0, 1) }), record({ id: 'two', messages: history })])),
      );
      const rows = await store.rows<{ id: string; chars: number; opening: boolean }>(
        'SELECT id, chars, opening FROM exchanges ORDER BY id',
      );
      expect(rows.map((r) => [r.id, Number(r.chars), r.opening])).toEqual([
        ['one', 51, true],
        ['two', 23, false],
      ]);
    });
  });
});

describe('files', () => {
  const read = async (content: Buffer | string, name = 'log.jsonl') => withStore((store) => take(store, file(name, content)));

  it.each([
    ['a byte order mark', () => Buffer.from(`\uFEFF${jsonl(many(5))}`)],
    ['CRLF', () => Buffer.from(jsonl(many(5)).replaceAll('\n', '\r\n'))],
    ['blank lines', () => Buffer.from(`\n\r\n${jsonl(many(5)).replaceAll('\n', '\n\n')}`)],
    ['no newline at the end', () => Buffer.from(jsonl(many(5)).trimEnd())],
    ['gzip under the wrong name', () => gzipSync(jsonl(many(5)))],
  ] as const)('%s', async (_name, content) => {
    expect(await read(content())).toMatchObject({ accepted: 5, rejected: 0, duplicates: 0, lines: 5 });
  });

  it('zstd, written by the engine', async () => {
    await withStore(async (store) => {
      const path = join(temp(), 'log.jsonl.zst');
      await store.command(
        `INSERT INTO FUNCTION file('${path}', 'LineAsString', 'line String', 'zstd') SELECT arrayJoin([${many(5).map((r) => `'${JSON.stringify(r).replaceAll("'", "\\'")}'`)}])`,
      );
      expect(await take(store, path)).toMatchObject({ accepted: 5, rejected: 0, lines: 5 });
    });
  });

  it('parquet', async () => {
    await withStore(async (store) => {
      const path = join(temp(), 'log.parquet');
      await store.command(
        `INSERT INTO FUNCTION file('${path}', 'Parquet') SELECT toString(number) AS id, '2026-05-04T10:00:00Z' AS time, 'a' AS account, 'm' AS model, '[{"role":"user","content":"Name five rivers of the north"}]' AS messages FROM numbers(9)`,
      );
      expect(await take(store, path, 'canonical-row')).toMatchObject({ accepted: 9, rejected: 0, lines: 9 });
      expect(Number((await store.first<{ n: string }>('SELECT countIf(chars > 0) AS n FROM exchanges'))?.n)).toBe(9);
    });
  });

  it('a gzip that ends early: what is whole is read, and the file is said to be truncated', async () => {
    const whole = gzipSync(jsonl(many(20_000)));
    const c = await read(whole.subarray(0, Math.floor(whole.length * 0.6)));
    expect(c.state).toBe('truncated');
    expect(c.accepted).toBeGreaterThan(5_000);
    expect(c.note).toMatch(/damaged/);
  });

  it('a zstd that ends early is said to be truncated, wherever it ends; one of several frames is whole', async () => {
    await withStore(async (store) => {
      const path = join(temp(), 'z.zst');
      await store.command(
        `INSERT INTO FUNCTION file({to:String}, 'LineAsString', 'line String', 'zstd') SELECT arrayJoin({lines:Array(String)})`,
        {
          to: path,
          lines: many(20_000).map((r) => JSON.stringify(r)),
        },
      );
      const whole = readFileSync(path);
      expect(zstdWhole(path)).toBe(true);
      expect(zstdWhole(file('two.zst', Buffer.concat([whole, whole])))).toBe(true);
      for (const part of [0.02, 0.5, 0.999]) {
        const cut = file('cut.zst', whole.subarray(0, Math.floor(whole.length * part)));
        expect(zstdWhole(cut)).toBe(false);
        expect(await take(store, cut, 'canonical')).toMatchObject({ state: 'truncated', note: expect.stringMatching(/damaged/) });
      }
      // Cut in its first block nothing comes out, which an empty file does as well.
      const nothing = file('nothing.zst', whole.subarray(0, 200));
      expect(isBlank(inspect(nothing, nothing))).toBe(null);
    });
  });

  it('counts duplicates inside a file and across files', async () => {
    await withStore(async (store) => {
      expect(await take(store, file('a.jsonl', jsonl([...many(4), ...many(4)])))).toMatchObject({ accepted: 4, duplicates: 4, lines: 8 });
      expect(await take(store, file('b.jsonl', jsonl([...many(6)])))).toMatchObject({ accepted: 2, duplicates: 4, lines: 6 });
      expect(await take(store, file('b2.jsonl', jsonl([...many(6)])))).toMatchObject({ state: 'already_read', accepted: 0 });
    });
  });

  it('mixed formats in one directory, an unreadable file, an empty one and one of another kind', async () => {
    const dir = temp();
    writeFileSync(join(dir, 'a.jsonl'), jsonl(many(3)));
    writeFileSync(
      join(dir, 'b.jsonl'),
      jsonl([
        {
          request_id: 'h1',
          request_created_at: '2026-05-04T10:00:00Z',
          user_id: 'u',
          model: 'm',
          request_body: '{"messages":[{"role":"user","content":"Hello dear world"}]}',
        },
      ]),
    );
    writeFileSync(join(dir, 'empty.jsonl'), '');
    writeFileSync(join(dir, 'notes.json'), '{"shopping":["milk"]}\n');
    mkdirSync(join(dir, 'sub'));
    symlinkSync(join(dir, 'nowhere'), join(dir, 'sub', 'gone.jsonl'));
    // Back into the tree: what is in it is there once.
    symlinkSync(dir, join(dir, 'sub', 'again'));
    const { inputs, unreadable } = await resolveInputs([dir], temp(), () => process.stdin);
    await withStore(async (store) => {
      const d = await scanned(store, join(dir, 'a.jsonl'), { inputs, unreadable });
      expect(d.coverage.exchanges).toBe(4);
      expect(d.coverage.files.map((f) => [f.name.split('/').at(-1), f.format, f.state]).sort()).toEqual([
        ['a.jsonl', 'canonical', 'read'],
        ['b.jsonl', 'helicone', 'read'],
        ['empty.jsonl', '', 'failed'],
        ['gone.jsonl', '', 'failed'],
        ['notes.json', '', 'unrecognised'],
      ]);
      expect(d.coverage.complete).toBe(false);
    });
  });

  it('a file name with glob characters and quotes reads that file and no other', async () => {
    const dir = temp();
    writeFileSync(join(dir, "we[i]rd' name*.jsonl"), jsonl(many(2)));
    writeFileSync(join(dir, "weird' name2.jsonl"), jsonl([record({ id: 'other' })]));
    await withStore(async (store) => {
      expect(await take(store, join(dir, "we[i]rd' name*.jsonl"))).toMatchObject({ accepted: 2 });
    });
  });

  it('UTF-16 and an empty file have errors of their own', () => {
    expect(() => inspect('x', file('u.jsonl', Buffer.from('\ufeffhello', 'utf16le')))).toThrow(
      expect.objectContaining({ code: 'E_ENCODING' }),
    );
    expect(() => inspect('x', file('e.jsonl', ''))).toThrow(expect.objectContaining({ code: 'E_EMPTY' }));
  });

  it('a full disk is a clear error, and the store goes on when there is room', async () => {
    // A small file system of its own: needs the right to mount one.
    const dir = temp();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir], { stdio: 'ignore' });
    } catch {
      return;
    }
    try {
      const rows = Array.from({ length: 60_000 }, (_, i) =>
        record({
          id: `id-${i}-${(i * 7919) % 65_537}`,
          account: `a${i % 3000}`,
          messages: [{ role: 'user', content: `subject ${i} ${(i * 104_729).toString(36)} river${i % 977} stone${i % 1013}` }],
        }),
      );
      const path = file('log.jsonl', jsonl(rows));
      writeFileSync(join(dir, 'ballast'), Buffer.alloc(18 << 20));
      const failed = await withStore(
        (store) =>
          take(store, path).then(
            () => null,
            (e: unknown) => e,
          ),
        join(dir, 'store'),
      ).catch((e: unknown) => e);
      expect(failed).toMatchObject({ code: 'E_DISK_FULL' });
      writeFileSync(join(dir, 'ballast'), '');
      const c = await withStore(
        async (store) => ({
          c: await take(store, path),
          n: Number((await store.first<{ n: string }>('SELECT count() AS n FROM exchanges'))?.n),
        }),
        join(dir, 'store'),
      );
      expect(c.n).toBe(60_000);
      expect(c.c.note).toMatch(/interrupted/);
    } finally {
      execFileSync('umount', ['-l', dir], { stdio: 'ignore' });
    }
  });
});

it('exchanges are told apart by account and id together', async () => {
  await withStore(async (store) => {
    await take(store, file('l.jsonl', jsonl([record({ account: 'p' }), record({ account: 'q' })])));
    const rows = await store.rows<Row>('SELECT id, account, count() AS n FROM exchanges GROUP BY id, account ORDER BY account');
    expect(rows.map((r) => r.account)).toEqual(['p', 'q']);
  });
});

it('account records come from Parquet in any compression', async () => {
  await withStore(async (store) => {
    for (const codec of ['zstd', 'snappy', 'gzip', 'brotli', 'none']) {
      const path = join(temp(), `accounts-${codec}.parquet`);
      await store.command(
        `INSERT INTO FUNCTION file('${path}', 'Parquet') SELECT concat('a', toString(number)) AS account, 'mail.example' AS email_domain FROM numbers(50) SETTINGS output_format_parquet_compression_method = '${codec}'`,
      );
      const found: string[] = [];
      for await (const batch of readAccounts(path, new Date(0).toISOString(), () => undefined)) found.push(...batch.map((a) => a.account));
      expect(found).toHaveLength(50);
    }
  });
});
