import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rng } from '../campaigns/stats.ts';
import { bareRead, type Cost, cost, median, ROOT } from './cost.ts';
import { flags } from './flags.ts';

/**
 * `npm run bench:link [-- --rows 1000000 --pairs 3]`: the whole process of `stillwatch link`, with and without a window, against the engine merely reading
 * the same file. One value is shared by 100,000 accounts. Ratios count; absolute figures are for orientation.
 */
const args = flags('bench:link', {
  rows: { type: 'string', default: '1000000' },
  pairs: { type: 'string', default: '3' },
  dir: { type: 'string', default: tmpdir() },
});

/** Accounts of 20 sightings on average, values of all popularities, a month of time; 200 crews of ten that share within the minute. */
async function make(path: string, rows: number): Promise<void> {
  const random = rng(20260701);
  const accounts = Math.max(100_000, Math.floor(rows / 20));
  const file = createWriteStream(path);
  file.write('account,kind,value,time\n');
  const kinds = ['card', 'address', 'device', 'link'];
  let chunk: string[] = [];
  const put = async (a: number, kind: number, value: number, time: number) => {
    chunk.push(`acct-${a},${kinds[kind]},v${value.toString(36)},${Math.floor(time)}`);
    if (chunk.length === 5000) {
      if (!file.write(`${chunk.join('\n')}\n`)) await once(file, 'drain');
      chunk = [];
    }
  };
  const start = 1_777_852_800;
  let n = 0;
  for (let a = 0; a < 100_000 && n < rows; a++, n++) await put(a, 3, 0, start + random() * 2_592_000);
  for (let crew = 0; crew < 200; crew++)
    for (let event = 0; event < 5; event++) {
      const t = start + random() * 2_592_000;
      for (let m = 0; m < 10 && n < rows; m++, n++) await put(crew * 10 + m, 3, 1 + crew * 5 + event, t + random() * 40);
    }
  for (; n < rows; n++)
    await put(
      Math.floor(random() * accounts),
      Math.floor(random() * 4),
      2000 + Math.floor(random() ** 3 * rows),
      start + random() * 2_592_000,
    );
  file.end(chunk.length > 0 ? `${chunk.join('\n')}\n` : '');
  await once(file, 'finish');
}

const bare = (path: string, db: string) =>
  bareRead(
    db,
    "SELECT * FROM file({p:String}, 'CSVWithNames', 'account String, kind String, value String, time UInt64') FORMAT Null",
    path,
  );
const ours = (path: string, window: number | null) => `
  const { link } = await import('${ROOT}dist/cli/link.js');
  await link([${JSON.stringify(path)}], { coShare: ${window}, participation: 2, edgeWeight: 0.5, fdr: 0.05, bits: null, seed: 1, fields: {}, valueColumns: [], format: 'table' })`;

const dir = mkdtempSync(join(args.dir, 'stillwatch-bench-'));
try {
  const rows = Number(args.rows);
  const path = join(dir, 'sightings.csv');
  process.stderr.write(`making ${rows} sightings\n`);
  await make(path, rows);
  const out: string[] = [
    `${rows} sightings, ${(statSync(path).size / 1e6).toFixed(0)} MB, one value shared by 100,000 accounts; ${args.pairs} runs, medians`,
  ];
  const reads: Cost[] = [];
  for (let i = 0; i < Number(args.pairs); i++) {
    const db = join(dir, `bare${i}`);
    mkdirSync(db);
    reads.push(cost(bare(path, db)));
  }
  for (const [name, window] of [
    ['--co-share 60s', 60_000],
    ['shared values', null],
  ] as const) {
    const runs = Array.from({ length: Number(args.pairs) }, () => cost(ours(path, window)));
    out.push(
      `${name}: ${median(runs.map((r) => r.wall)).toFixed(2)} s wall, ${median(runs.map((r) => r.cpu)).toFixed(2)} CPU s, peak ${(median(runs.map((r) => r.rss)) / 1024).toFixed(2)} GB; over a bare read: wall ${(median(runs.map((r) => r.wall)) / median(reads.map((r) => r.wall))).toFixed(1)}, CPU ${(median(runs.map((r) => r.cpu)) / median(reads.map((r) => r.cpu))).toFixed(1)}`,
    );
  }
  process.stdout.write(`${out.join('\n')}\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
