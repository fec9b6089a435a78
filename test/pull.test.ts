import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseFrom, pullTable } from '../src/store/pull.ts';
import { canServe, type Server, startServer } from './support/server.ts';
import { file, scanned, temp, withStore } from './support/tools.ts';

let server: Server | null = null;

beforeAll(async () => {
  if (!canServe()) return;
  server = await startServer();
  const client = createClient({ url: `http://127.0.0.1:${server.http}` });
  await client.command({ query: 'CREATE DATABASE logs' });
  await client.command({
    query: `CREATE TABLE logs.calls (call_id String, at DateTime64(3), customer String, model String, prompt String) ENGINE = MergeTree ORDER BY at`,
  });
  await client.command({
    query: `INSERT INTO logs.calls SELECT concat('c', toString(number)), toDateTime64('2026-05-04 00:00:00', 3) + number * 60, concat('acct-', toString(number % 40)), 'm', concat('question ', toString(number), ' about rivers and bridges') FROM numbers(4000)`,
  });
  await client.close();
});

afterAll(async () => server?.stop());

it.skipIf(!canServe())('a ClickHouse table is read a day at a time through one SELECT, and a second pull adds nothing', async () => {
  const map = file(
    'map.sql',
    `SELECT call_id AS id, at AS time, customer AS account, model, [map('role', 'user', 'content', prompt)] AS messages FROM logs.calls;`,
  );
  const from = `clickhouse://default@127.0.0.1:${server?.http}/logs/calls`;
  await withStore(async (store) => {
    const pull = () => pullTable({ from, map, spool: temp() });
    const first = await pull();
    expect(first.map((i) => i.name.split('#')[1])).toEqual(['2026-05-04', '2026-05-05', '2026-05-06']);
    const d = await scanned(store, map, { inputs: first });
    expect(d.coverage).toMatchObject({ exchanges: 4000, accounts: 40, rejected: 0, complete: true, with_text: 1 });
    const again = await scanned(store, map, { inputs: await pull() });
    expect(again.coverage.exchanges).toBe(4000);
    expect(again.coverage.files.map((f) => f.state)).toEqual(['already_read', 'already_read', 'already_read']);
  });
});

it.skipIf(!canServe())('a table that is not there, a map that is no SELECT, and a wrong address are clear errors', async () => {
  const at = (path: string) => `clickhouse://default@127.0.0.1:${server?.http}/${path}`;
  await expect(pullTable({ from: at('logs/none'), spool: temp() })).rejects.toMatchObject({ code: 'E_FROM' });
  await expect(pullTable({ from: at('logs/calls'), map: file('m.sql', 'DROP TABLE logs.calls'), spool: temp() })).rejects.toMatchObject({
    code: 'E_MAP',
  });
  for (const wrong of ['http://x/db/t', 'clickhouse://host/db', 'nonsense'])
    expect(() => parseFrom(wrong)).toThrow(expect.objectContaining({ code: 'E_FROM' }));
});

it.skipIf(!canServe())(
  'rows without a time are counted, and a table that was read wrongly is read again when somebody says how',
  async () => {
    const url = `http://127.0.0.1:${server?.http}`;
    const client = createClient({ url });
    await client.command({
      query: `CREATE TABLE logs.gaps (id String, time Nullable(DateTime), tenant String, model String) ENGINE = MergeTree ORDER BY id`,
    });
    await client.command({
      query: `INSERT INTO logs.gaps SELECT toString(number), if(number % 20 = 0, NULL, toDateTime('2026-05-04 10:00:00') + number), concat('a', toString(number % 2)), 'm' FROM numbers(60)`,
    });
    await client.close();
    await withStore(async (store) => {
      const from = `clickhouse://default@127.0.0.1:${server?.http}/logs/gaps`;
      const none = file('unused', 'x');
      const read = async (over: object) =>
        (await scanned(store, none, { inputs: await pullTable({ from, spool: temp() }), record: false, ...over })).coverage;
      expect(await read({ fields: { account: 'model' } })).toMatchObject({ exchanges: 57, accounts: 1 });
      const right = { fields: { account: 'tenant' } };
      expect(await read(right)).toMatchObject({
        exchanges: 57,
        accounts: 2,
        rejected: 3,
        reasons: [{ reason: 'no_time', lines: 3 }],
        complete: true,
      });
      expect(await read(right)).toMatchObject({
        exchanges: 57,
        rejected: 3,
        files: [{ state: 'already_read' }, { state: 'already_read' }],
      });
    });
  },
);
