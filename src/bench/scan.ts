import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip, gunzipSync } from 'node:zlib';
import { rng } from '../campaigns/stats.ts';
import { bareRead, type Cost, cost, median, ROOT } from './cost.ts';
import { flags } from './flags.ts';

/**
 * `npm run bench:scan [-- --rows 1000000 --pairs 3 --gzip --agentic]`: the whole process of a scan against ClickHouse merely reading the same columns of the
 * same file, in turn. Ratios count; absolute figures are for orientation.
 */
const args = flags('bench:scan', {
  rows: { type: 'string', default: '1000000' },
  pairs: { type: 'string', default: '3' },
  gzip: { type: 'boolean', default: false },
  agentic: { type: 'boolean', default: false },
  data: { type: 'string', default: '../shared/data' },
  dir: { type: 'string', default: tmpdir() },
});

const COLUMNS =
  'id String, time String, account String, model String, messages Array(Tuple(role String, content String)), ip String, user_agent String, ja4 String, asn UInt32, api_key String, endpoint String, params String, conversation String, turn UInt32, input_tokens UInt32, output_tokens UInt32, stop_reason String, status UInt16, latency_ms Float64';

const WORDS = Array.from(
  { length: 4000 },
  (_, i) => `${'bcdfghklmnprstvw'[i % 16]}${'aeiou'[i % 5]}${'lmnrst'[i % 6]}${'aeiou'[(i >> 3) % 5]}${'kdgtpn'[(i >> 5) % 6]}${i % 97}`,
);

/** Sizes of real coding-agent requests in characters (history sent again with every call), where the trace is at hand. */
function agenticSizes(): number[] {
  const path = join(args.data, 'traces', 'claude_code_agentic_requests.csv.gz');
  if (!existsSync(path)) throw new Error(`--agentic needs ${path}`);
  const lines = gunzipSync(readFileSync(path)).toString('utf8').split('\n').slice(1);
  return lines.map((l) => Number(l.split(',')[5]) * 4).filter((n) => n > 0);
}

async function make(path: string, rows: number): Promise<void> {
  const random = rng(20260504);
  const file = createWriteStream(path);
  const sizes = args.agentic ? agenticSizes() : null;
  const text = (chars: number) => {
    let s = '';
    while (s.length < chars) s += `${WORDS[Math.floor(random() * random() * WORDS.length)]}${random() < 0.1 ? '. ' : ' '}`;
    return s;
  };
  const history = sizes ? text(1 << 20) : '';
  const accounts = Math.max(50, Math.floor(rows / 33));
  let chunk: string[] = [];
  for (let i = 0; i < rows; i++) {
    const a = Math.floor(random() * accounts);
    const messages: { role: string; content: string }[] = [];
    if (sizes) {
      const size = Math.min(history.length, sizes[Math.floor(random() * sizes.length)] as number);
      // 96 % of the blocks of a coding agent's request were sent before.
      messages.push(
        { role: 'user', content: history.slice(0, Math.floor(size * 0.5)) },
        { role: 'assistant', content: history.slice(0, Math.floor(size * 0.46)) },
      );
    }
    messages.push({ role: 'user', content: text(sizes ? 300 : 520) });
    chunk.push(
      JSON.stringify({
        id: `x-${i.toString(36)}`,
        time: new Date(1777852800000 + i * 1200).toISOString(),
        account: `acct-${a}`,
        model: 'm-large',
        messages,
        ip: `2001:db8::${(a % 65536).toString(16)}`,
        user_agent: 'sdk/1.2',
        ja4: 't13d',
        asn: 64512 + (a % 100),
        api_key: `k-${a}`,
        endpoint: '/v1/messages',
        params: { temperature: 0.7 },
        conversation: `c${i}`,
        turn: sizes ? 2 : 1,
        input_tokens: 150,
        output_tokens: 300,
        stop_reason: 'end_turn',
        status: 200,
        latency_ms: 2500,
      }),
    );
    if (chunk.length === 1000) {
      if (!file.write(`${chunk.join('\n')}\n`)) await once(file, 'drain');
      chunk = [];
    }
  }
  file.end(chunk.length > 0 ? `${chunk.join('\n')}\n` : '');
  await once(file, 'finish');
}

const bare = (path: string, db: string) =>
  bareRead(db, `SELECT * FROM file({p:String}, 'JSONEachRow', '${COLUMNS}', '${args.gzip ? 'gzip' : 'none'}') FORMAT Null`, path);
const ours = (path: string, store: string) => `
  const { openStore } = await import('${ROOT}dist/store/open.js');
  const { scan } = await import('${ROOT}dist/scan.js');
  const { inspect } = await import('${ROOT}dist/formats/input.js');
  const s = await openStore({ at: ${JSON.stringify(store)} });
  const d = await scan(s, { inputs: [inspect('bench', ${JSON.stringify(path)})], spool: ${JSON.stringify(`${store}-spool`)}, retention: 'none', confidenceMin: 0.5, seed: 1, now: new Date(), version: 'bench' });
  if (d.coverage.exchanges !== ${Number(args.rows)}) throw new Error('read ' + d.coverage.exchanges);
  await s.close()`;

const dir = mkdtempSync(join(args.dir, 'stillwatch-bench-'));
try {
  const rows = Number(args.rows);
  let path = join(dir, 'log.jsonl');
  process.stderr.write(`making ${rows} exchanges\n`);
  await make(path, rows);
  const bytes = statSync(path).size;
  if (args.gzip) {
    await pipeline(createReadStream(path), createGzip({ level: 4 }), createWriteStream(`${path}.gz`));
    path = `${path}.gz`;
  }
  const pairs: { a: Cost; b: Cost; disk: number }[] = [];
  for (let i = 0; i < Number(args.pairs); i++) {
    process.stderr.write(`pair ${i + 1} of ${args.pairs}\n`);
    const db = join(dir, `bare${i}`);
    const store = join(dir, `store${i}`);
    mkdirSync(db);
    const b = cost(bare(path, db));
    const a = cost(ours(path, store));
    const disk = Number(spawnSync('du', ['-sb', store], { encoding: 'utf8' }).stdout.split('\t')[0]);
    rmSync(store, { recursive: true, force: true });
    pairs.push({ a, b, disk });
  }
  const ratio = (f: (c: Cost) => number) => median(pairs.map((p) => f(p.a) / f(p.b)));
  process.stdout.write(
    `${rows} exchanges, ${(bytes / rows / 1024).toFixed(2)} KB each${args.gzip ? ', gzip' : ''}${args.agentic ? ', coding-agent sizes' : ''}; ${args.pairs} pairs, medians\n` +
      `scan / bare read of the same columns: CPU ${ratio((c) => c.cpu).toFixed(2)}, wall ${ratio((c) => c.wall).toFixed(2)}\n` +
      `scan: ${median(pairs.map((p) => p.a.cpu)).toFixed(1)} CPU s, ${median(pairs.map((p) => p.a.wall)).toFixed(1)} s wall, peak ${(median(pairs.map((p) => p.a.rss)) / 1024).toFixed(2)} GB\n` +
      `bare: ${median(pairs.map((p) => p.b.cpu)).toFixed(1)} CPU s, ${median(pairs.map((p) => p.b.wall)).toFixed(1)} s wall, peak ${(median(pairs.map((p) => p.b.rss)) / 1024).toFixed(2)} GB\n` +
      `store: ${(median(pairs.map((p) => p.disk)) / rows).toFixed(0)} bytes an exchange\n`,
  );
} finally {
  rmSync(dir, { recursive: true, force: true });
}
