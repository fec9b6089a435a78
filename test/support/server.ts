import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** A real ClickHouse server out of the library in the npm package: HTTP and native TCP on free ports of the loopback. */
export interface Server {
  readonly http: number;
  readonly tcp: number;
  readonly dir: string;
  /** `keep` leaves its data for one that starts on them again. */
  stop(keep?: boolean): Promise<void>;
}

const BOOT =
  'import ctypes,sys; l,*a=sys.argv[1:]; v=(ctypes.c_char_p*len(a))(*[x.encode() for x in a]); ctypes.CDLL(l).chdb_query_cmdline(len(a),v)';

export function canServe(): boolean {
  try {
    execFileSync('python3', ['-c', 'import ctypes'], { stdio: 'ignore' });
    library();
    return true;
  } catch {
    return false;
  }
}

function library(): string {
  const require = createRequire(import.meta.url);
  return require.resolve(`@chdb/lib-${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}/libchdb.so`);
}

export async function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const s = createServer();
    s.once('error', fail);
    s.listen(0, '127.0.0.1', () => {
      const a = s.address();
      s.close(() => done(typeof a === 'object' && a ? a.port : 0));
    });
  });
}

/** `at`: ports of a server that was there before. `settings`: what stands in its configuration. */
export async function startServer(
  at?: { readonly http: number; readonly tcp: number; readonly dir: string },
  settings = '',
): Promise<Server> {
  const dir = at?.dir ?? mkdtempSync(join(tmpdir(), 'stillwatch-server-'));
  const [http, tcp] = at ? [at.http, at.tcp] : [await freePort(), await freePort()];
  const config = join(dir, 'config.xml');
  writeFileSync(config, `<clickhouse>${settings}</clickhouse>`);
  const query =
    'SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT sleepEachRow(1) FROM system.numbers FORMAT Null SETTINGS max_block_size = 1, max_execution_time = 0';
  const child: ChildProcess = spawn(
    'python3',
    [
      '-c',
      BOOT,
      library(),
      'clickhouse-local',
      `--path=${dir}/data`,
      `--config-file=${config}`,
      `--http_port=${http}`,
      `--tcp_port=${tcp}`,
      '--listen_host=127.0.0.1',
      '--query',
      query,
    ],
    { stdio: 'ignore' },
  );
  for (let i = 0; i < 150; i++) {
    try {
      const r = await fetch(`http://127.0.0.1:${http}/ping`);
      if (r.ok) break;
    } catch {
      await pause(100);
    }
    if (i === 149) throw new Error('the test server did not start');
  }
  return {
    http,
    tcp,
    dir,
    stop: async (keep = false) => {
      const gone = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      const killed = setTimeout(() => child.kill('SIGKILL'), 1500);
      await gone;
      clearTimeout(killed);
      if (!keep) rmSync(dir, { recursive: true, force: true });
    },
  };
}
