import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openStore } from '../src/store/open.ts';
import { SCHEMA_VERSION } from '../src/store/schema.ts';
import { file, jsonl, record, SECRET, take, temp, withStore } from './support/tools.ts';

it('a second process is refused, and told which one holds the store', async () => {
  const at = join(temp(), 'store');
  await withStore(async () => undefined, at);
  const holder = spawn(process.execPath, [
    '--input-type=module',
    '-e',
    `const { openStore } = await import(${JSON.stringify(new URL('../dist/store/open.js', import.meta.url).href)}); await openStore({ at: ${JSON.stringify(at)} }); console.log('open'); setInterval(() => {}, 1000);`,
  ]);
  await once(holder.stdout, 'data');
  try {
    await expect(openStore({ at })).rejects.toMatchObject({ code: 'E_STORE_LOCKED', message: expect.stringContaining(String(holder.pid)) });
    // What a person sees is that and nothing else: no line of the engine's own.
    const main = new URL('../dist/cli/main.js', import.meta.url).pathname;
    const { stderr } = spawnSync(process.execPath, [main, 'rejects', '--store', at], { encoding: 'utf8' });
    expect(stderr).toMatch(/^E_STORE_LOCKED/);
    expect(stderr).not.toMatch(/Code: \d+|chdb/i);
  } finally {
    holder.kill('SIGKILL');
    await once(holder, 'exit');
  }
  await withStore(async (s) => expect(s.lost).toEqual([]), at);
});

it('a store that may only be read can be looked at, and is left as it was', async () => {
  const at = join(temp(), 'store');
  await withStore(async (s) => {
    await take(s, file('l.jsonl', `${jsonl([record({ id: 'x' })])}no record\n`));
  }, at);
  const entries = (dir: string): string[] =>
    readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? entries(join(dir, e.name)) : [join(dir, e.name)]));
  const state = (): string[] => entries(at).map((f) => `${f} ${statSync(f).mtimeMs} ${statSync(f).size}`);
  const before = state();
  const mode = (d: number, f: number): void => {
    for (const name of readdirSync(at, { recursive: true, withFileTypes: true }))
      chmodSync(join(name.parentPath, name.name), name.isDirectory() ? d : f);
    chmodSync(at, d);
  };
  mode(0o555, 0o444);
  // Root may write anywhere: somebody else is asked then.
  const root = process.getuid?.() === 0;
  if (root) for (let d = at; d !== tmpdir() && d !== '/'; d = join(d, '..')) chmodSync(d, 0o755);
  const main = new URL('../dist/cli/main.js', import.meta.url).pathname;
  const ask = (...args: string[]) =>
    spawnSync(process.execPath, [main, ...args, '--store', at], { encoding: 'utf8', ...(root ? { uid: 65534, gid: 65534 } : {}) });
  try {
    const told = ask('rejects');
    expect(told).toMatchObject({ status: 0, stderr: '' });
    expect(told.stdout).toMatch(/not_json .*:2/);
    expect(ask('accounts', 'a1').stdout).toMatch(/exchanges +1 in 1/);
    expect(ask('label', 'a', 'x', '--author', 'b', '--reason', 'c').stderr).toMatch(/^E_STORE_PERMISSION/);
    expect(state()).toEqual(before);
    expect(readdirSync(tmpdir()).filter((f) => f.startsWith('stillwatch-look-'))).toEqual([]);
  } finally {
    mode(0o755, 0o644);
  }
});

it('an interrupted scan resumes: what was kept stays, nothing comes twice', async () => {
  const at = join(temp(), 'store');
  const path = file('l.jsonl', jsonl(Array.from({ length: 400 }, (_, i) => record({ id: `x${i}` }))));
  await withStore(async (s) => {
    await take(s, path);
    // As a kill leaves it: some rows in, the file begun and not done.
    await s.command('DELETE FROM exchanges WHERE row % 3 = 0');
    await s.command(`ALTER TABLE files DELETE WHERE state = 'done' SETTINGS mutations_sync = 2`);
  }, at);
  await withStore(async (s) => {
    const c = await take(s, path);
    expect(c).toMatchObject({ state: 'read', accepted: 134, duplicates: 0 });
    expect(c.note).toMatch(/interrupted/);
    expect(await s.first('SELECT count() AS n, uniqExact(key) AS k FROM exchanges')).toEqual({ n: '400', k: '400' });
  }, at);
});

it('kill -9 while a scan reads leaves a store that opens and completes', async () => {
  const dir = temp();
  const at = join(dir, 'store');
  const rows = Array.from({ length: 150_000 }, (_, i) =>
    record({
      id: `x${i}`,
      account: `a${i % 900}`,
      messages: [{ role: 'user', content: `topic ${i % 5000} number ${i} with some more words here` }],
    }),
  );
  const path = file('big.jsonl', jsonl(rows));
  const child = spawn(
    process.execPath,
    [new URL('../dist/cli/main.js', import.meta.url).pathname, 'scan', path, '--store', at, '--format', 'json'],
    { stdio: 'ignore', env: { ...process.env, STILLWATCH_SECRET: SECRET } },
  );
  const exited = once(child, 'exit');
  const deadline = Date.now() + 20_000;
  while (!existsSync(join(at, 'data', 'status')) && Date.now() < deadline) await new Promise((r) => setTimeout(r, 20));
  await new Promise((r) => setTimeout(r, 900));
  child.kill('SIGKILL');
  await exited;
  await withStore(async (s) => {
    await take(s, path);
    expect(await s.first('SELECT count() AS n, uniqExact(key) AS k FROM exchanges')).toEqual({ n: '150000', k: '150000' });
  }, at);
});

it('a store of a newer schema is refused', async () => {
  const at = join(temp(), 'store');
  await withStore((s) => s.command(`INSERT INTO meta SELECT 'schema', '${SCHEMA_VERSION + 5}', now64(3)`), at);
  await expect(openStore({ at, secret: SECRET })).rejects.toMatchObject({ code: 'E_STORE_NEWER' });
});

it('a part found broken on opening is reported as lost', async () => {
  const at = join(temp(), 'store');
  await withStore((s) => take(s, file('l.jsonl', jsonl([record()]))), at);
  // The engine sets a broken part aside under this name.
  const table =
    (
      await withStore(
        (s) =>
          s.first<{ p: string }>(
            `SELECT arrayElement(data_paths, 1) AS p FROM system.tables WHERE database = 'stillwatch' AND name = 'exchanges'`,
          ),
        at,
      )
    )?.p ?? '';
  const detached = join(table.startsWith('/') ? table : join(at, 'data', table), 'detached');
  mkdirSync(join(detached, 'broken-on-start_all_9_9_0'), { recursive: true });
  writeFileSync(join(detached, 'broken-on-start_all_9_9_0', 'checksums.txt'), 'x');
  await withStore(async (s) => expect(s.lost).toEqual(['exchanges/broken-on-start_all_9_9_0']), at);
});

it('the secret decides the hashes, and a wrong one is refused', async () => {
  const path = file('l.jsonl', jsonl([record()]));
  const prompt = (secret: string) =>
    (async () => {
      const s = await openStore({ at: join(temp(), 's'), secret });
      try {
        await take(s, path);
        return (await s.first<{ p: string }>('SELECT prompt AS p FROM exchanges'))?.p;
      } finally {
        await s.close();
      }
    })();
  expect(await prompt(SECRET)).toBe(await prompt(SECRET));
  expect(await prompt(SECRET)).not.toBe(await prompt('ab'.repeat(32)));
  await expect(prompt('short')).rejects.toMatchObject({ code: 'E_SECRET' });
});

it('a store path that is a file, one that is not there, and a server that does not answer', async () => {
  await expect(openStore({ at: file('f', 'x') })).rejects.toMatchObject({ code: 'E_STORE_PATH' });
  await expect(openStore({ at: join(temp(), 'none'), create: false })).rejects.toMatchObject({ code: 'E_STORE_NONE' });
  await expect(openStore({ at: 'http://127.0.0.1:9/db' })).rejects.toMatchObject({ code: 'E_STORE_REACH' });
  await expect(openStore({ at: '/dev/null/place' })).rejects.toMatchObject({ code: 'E_STORE_PERMISSION' });
});
