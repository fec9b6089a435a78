import { spawnSync } from 'node:child_process';

/** What one process took: seconds of wall and processor time, peak memory in MB. */
export interface Cost {
  readonly wall: number;
  readonly cpu: number;
  readonly rss: number;
}

/** The package's own files, for scripts that run in a process of their own. */
export const ROOT = new URL('../../', import.meta.url).href;

/** Runs a script in a process of its own and reads its costs from the operating system's account of it. */
export function cost(script: string): Cost {
  const started = process.hrtime.bigint();
  const r = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `${script}; const u = process.resourceUsage(); process.stderr.write('COST ' + JSON.stringify({ cpu: (u.userCPUTime + u.systemCPUTime) / 1e6, rss: u.maxRSS / 1024 }) + '\\n');`,
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, STILLWATCH_QUIET: '1' } },
  );
  const line = /COST (\{.*\})/.exec(r.stderr)?.[1];
  if (r.status !== 0 || !line) throw new Error(r.stderr.slice(0, 2000));
  return { wall: Number(process.hrtime.bigint() - started) / 1e9, ...(JSON.parse(line) as { cpu: number; rss: number }) };
}

/** The engine merely reading a query's rows, in a process of its own. */
export const bareRead = (db: string, query: string, path: string): string => `
  const { createClient } = await import('@clickhouse/client');
  const { createChdbConnection } = await import('chdb/connection');
  const c = createClient({ connection: createChdbConnection({ path: ${JSON.stringify(db)} }) });
  const r = await c.exec({ query: ${JSON.stringify(query)}, query_params: { p: ${JSON.stringify(path)} }, clickhouse_settings: { storage_file_read_method: 'pread' } });
  for await (const x of r.stream) void x;
  await c.close()`;

export const median = (xs: readonly number[]): number => [...xs].sort((a, b) => a - b)[Math.floor(xs.length / 2)] as number;
