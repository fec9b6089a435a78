import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { rng } from '../campaigns/stats.ts';
import { SIGNALS } from '../signals/index.ts';
import { openStore } from '../store/open.ts';
import { CHROMIUM, openBrowser, openConsole } from './browser.ts';
import { ROOT } from './cost.ts';
import { flags } from './flags.ts';

/**
 * `npm run bench:console [-- --accounts 25000 --runs 5]`: the console in a real browser (Debian's chromium) over a store with one made campaign of that many accounts:
 * what is sent for the first view, its time, the time to open the campaign, and frame times while its picture, at its limit of 500 nodes, is dragged.
 */
const args = flags('bench:console', { accounts: { type: 'string', default: '25000' }, runs: { type: 'string', default: '5' } });

const HOUSE = fileURLToPath(ROOT);
if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is not there: apt-get install chromium`);
const dir = mkdtempSync(join(tmpdir(), 'stillwatch-console-'));
const accounts = Number(args.accounts);
const random = rng(20261124);

/** A store as a scan leaves it: exchanges of the accounts, and a dossier that names them. Made for this figure, not found. */
async function make(at: string): Promise<void> {
  const store = await openStore({ at });
  const log = join(dir, 'log.jsonl');
  const addresses = Array.from({ length: 400 }, (_, i) => `198.51.${i >> 8}.${i & 255}`);
  const names = Array.from({ length: accounts }, (_, i) => `acct-${i.toString().padStart(6, '0')}`);
  const used = new Map(addresses.map((a) => [a, new Set<string>()]));
  const lines = names.flatMap((account, i) =>
    [0, 1, 2, 3].map((n) => {
      const ip = addresses[Math.floor(random() * random() * addresses.length)] as string;
      used.get(ip)?.add(account);
      return JSON.stringify({
        id: `x${i}-${n}`,
        time: new Date(1777852800000 + i * 7000 + n).toISOString(),
        account,
        model: 'm',
        ip,
        messages: [],
      });
    }),
  );
  writeFileSync(log, `${lines.join('\n')}\n`);
  const { scan } = await import('../scan.ts');
  const { inspect } = await import('../formats/input.ts');
  const dossier = await scan(store, {
    inputs: [inspect(log, log)],
    spool: join(dir, 'spool'),
    retention: 'none',
    confidenceMin: 0.5,
    seed: 1,
    now: new Date(),
    version: 'bench',
    record: false,
  });
  const shared = [...used].sort((x, y) => y[1].size - x[1].size).slice(0, 30);
  const made = {
    ...dossier,
    campaigns: [
      {
        id: 'c-bench',
        title: `${accounts} accounts`,
        summary: 'made for a figure, not found',
        kind: 'extraction campaign',
        confidence: 0.9,
        calibrated_on: 'nothing: made for a figure',
        axes: { coordination: 0.95, extraction: 0.95, concealment: 0.5 },
        first_seen: dossier.window.from,
        last_seen: dossier.window.to,
        exchanges: 4 * accounts,
        accounts: names.map((account) => ({
          account,
          membership: 0.99,
          exchanges: 2,
          share: 1,
          share_low: 0.9,
          share_high: 1,
          first_seen: dossier.window.from,
          last_seen: dossier.window.to,
        })),
        capabilities: {},
        population_capabilities: {},
        models: { m: 2 * accounts },
        loot: { exchanges: 2 * accounts, distinct_items: 0, output_tokens: 0, reasoning_tokens: 0, days: 2 },
        // As much as a scan writes: a row for every signal, each with the figures of 40 honest cohorts, and exemplars.
        evidence: SIGNALS.map((x) => ({
          signal: x.id,
          axis: x.axis,
          family: x.family,
          bits: 4 * random() - 1,
          outcome: 'fired',
          figure: random(),
          unit: x.unit,
          reference: { median: 0.5, low: 0.1, high: 0.9, from: 'made for a figure', values: Array.from({ length: 40 }, () => random()) },
          reason: 'a sentence of the length that reasons have, with a figure in it, and what honest cohorts show beside it',
          kind: 'fact',
          exemplars: names.slice(0, 4).map((account, i) => ({ exchange: `x${i}-0`, account, time: dossier.window.from })),
        })),
        indicators: shared.map(([value, set]) => ({ kind: 'address', value, accounts: set.size, others: 0, bits: 8 })),
        timeline: Array.from({ length: 45 }, (_, i) => ({
          day: new Date(1777852800000 + i * 86_400_000).toISOString().slice(0, 10),
          exchanges: Math.round(accounts * random()),
          accounts: Math.round(accounts * random()),
          joined: i,
          closed: i % 7,
        })),
        explanations: [],
        recommended: { action: 'watch', blast_radius: { accounts, exchanges: 2 * accounts, innocent_exchanges_estimated: 0 } },
      },
    ],
  };
  await store.insert('dossiers', [{ id: made.generated, at: new Date().toISOString(), body: JSON.stringify(made) }]);
  await store.close();
}

const quantile = (xs: readonly number[], q: number): number =>
  [...xs].sort((a, b) => a - b)[Math.min(xs.length - 1, Math.floor(q * xs.length))] ?? 0;

/** Bytes of everything the console consists of, as it is sent. */
function bundle(): number {
  let sum = 0;
  for (const e of readdirSync(join(HOUSE, 'dist/web'), { recursive: true, withFileTypes: true }))
    if (e.isFile() && e.name.endsWith('.gz')) sum += statSync(join(e.parentPath, e.name)).size;
  return sum;
}

async function measure(
  browser: Browser,
  url: string,
): Promise<{ first: number; bytes: number; open: number; frames: number[]; nodes: number }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  // What came over the wire, as it came: packed bodies and headers.
  let bytes = 0;
  const wire = await page.context().newCDPSession(page);
  await wire.send('Network.enable');
  wire.on('Network.loadingFinished', (e) => {
    bytes += e.encodedDataLength;
  });
  const began = performance.now();
  await page.goto(url);
  await page.waitForSelector('tbody tr');
  const first = performance.now() - began;
  const firstBytes = bytes;
  const opening = performance.now();
  await page.locator('tbody tr a').first().click();
  await page.waitForSelector('.picture canvas');
  await page.waitForSelector('.groups li');
  // Once it is there the label says how much it draws.
  const [values = 0, groups = 0] =
    ((await page.locator('.picture canvas').getAttribute('aria-label')) ?? '').match(/\d+/g)?.map(Number) ?? [];
  const open = performance.now() - opening;
  await page.locator('.picture canvas').scrollIntoViewIfNeeded();
  const box = await page.locator('.picture canvas').boundingBox();
  if (!box) throw new Error('no picture');
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.evaluate(`
    window.frames_ = [];
    window.last_ = performance.now();
    const tick = (t) => {
      window.frames_.push(t - window.last_);
      window.last_ = t;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  `);
  await page.mouse.move(x, y);
  await page.mouse.down();
  for (let i = 0; i < 60; i++) await page.mouse.move(x + 120 * Math.sin(i / 6), y + 80 * Math.cos(i / 5));
  await page.mouse.up();
  const frames = (await page.evaluate('window.frames_.slice(2)')) as number[];
  await page.close();
  return { first, bytes: firstBytes, open, frames, nodes: values + groups };
}

const at = join(dir, 'store');
process.stderr.write(`making a campaign of ${accounts} accounts\n`);
await make(at);
const served = await openConsole(at);
try {
  const { url } = served;
  const browser = await openBrowser();
  const runs: Awaited<ReturnType<typeof measure>>[] = [];
  for (let i = 0; i < Number(args.runs); i++) runs.push(await measure(browser, url));
  await browser.close();
  const frames = runs.flatMap((r) => r.frames);
  const middle = (f: (r: (typeof runs)[number]) => number): string => quantile(runs.map(f), 0.5).toFixed(0);
  process.stdout.write(
    `campaign of ${accounts} accounts, ${args.runs} runs, medians\n` +
      `bundle: ${(bundle() / 1024).toFixed(1)} KB compressed\n` +
      `first view, all that is sent for it: ${(
        quantile(
          runs.map((r) => r.bytes),
          0.5,
        ) / 1024
      ).toFixed(1)} KB\n` +
      `first view: ${middle((r) => r.first)} ms; campaign opened with its picture: ${middle((r) => r.open)} ms\n` +
      `frames while the picture (${middle((r) => r.nodes)} nodes) is dragged: p50 ${quantile(frames, 0.5).toFixed(1)} ms, p95 ${quantile(frames, 0.95).toFixed(1)} ms (${frames.length} frames)\n`,
  );
} finally {
  served.stop();
  rmSync(dir, { recursive: true, force: true });
}
