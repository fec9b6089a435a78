import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, it } from 'vitest';
import { accountFile } from '../src/cli/look.ts';
import type { Dossier, Finding } from '../src/model/dossier.ts';
import { odds, sure } from '../src/model/odds.ts';
import { render } from '../src/report/index.ts';
import { commonValues } from '../src/report/indicators.ts';
import { csv, html as esc, inert } from '../src/report/inert.ts';
import { makeWorld } from '../src/world/make.ts';
import { file, jsonl, scanned, take, temp, withStore } from './support/tools.ts';

const HOSTILE = [
  '=cmd|calc!A1',
  '+1+1',
  '-2',
  '@SUM(A1)',
  '\u001b[2J\u001b]0;x\u0007',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'; DROP TABLE exchanges; --",
  'a\u202eb',
  'x\r\ny,z',
];

describe('text of logs comes out inert', () => {
  it.each(HOSTILE)('%j', (text) => {
    expect(inert(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(esc(text)).not.toMatch(/[<>]/);
    const [[field] = []] = parse(csv(text)) as string[][];
    expect(field).not.toMatch(/^[=+\-@\t\r]/);
  });
});

let dossier: Dossier;
let visitor = '';
let memberFile = '';
const OPTIONS = { width: 100, color: false, program: 'stillwatch', store: '' };

beforeAll(async () => {
  const world = await makeWorld({ out: temp(), seed: 21, accounts: 240, days: 8, campaigns: [{ kind: 'sharded', accounts: 30 }] });
  const real = await withStore(async (s) => {
    const d = await scanned(s, world.files.exchanges, { accounts: world.files.accounts });
    const member = d.campaigns[0]?.accounts[0]?.account ?? '';
    const own = readFileSync(world.files.exchanges, 'utf8')
      .split('\n')
      .filter((l) => l.includes(`"${member}"`))
      .slice(0, 5)
      .map((l, i) => ({ ...(JSON.parse(l) as Record<string, unknown>), id: `v${i}`, account: 'visitor', ip: '2001:db8:77::1' }));
    await take(s, file('visitor.jsonl', jsonl(own)));
    visitor = await accountFile('visitor', s);
    memberFile = await accountFile(member, s);
    return d;
  });
  // Every string an attacker can choose, chosen badly.
  const poison = (f: Finding): Finding => ({
    ...f,
    accounts: f.accounts.map((a, i) => ({ ...a, account: HOSTILE[i % HOSTILE.length] as string })),
    models: { '<b>m</b>': 3 },
    indicators: f.indicators.map((x) => ({ ...x, value: '<script>alert(2)</script>' })),
    evidence: f.evidence.map((e) => ({
      ...e,
      exemplars: [{ exchange: '"><svg onload=alert(3)>', account: '=1', time: 't', text: '</pre><script>alert(4)</script>\u001b[31m' }],
    })),
  });
  dossier = {
    ...real,
    campaigns: real.campaigns.map(poison),
    coverage: { ...real.coverage, files: real.coverage.files.map((f) => ({ ...f, name: '<i>\u001b[1mfile' })) },
  };
});

it('the world has a campaign to report', () => expect(dossier.campaigns).toHaveLength(1));

describe('what findings have in common', () => {
  const value = (kind: string, accounts: readonly number[]) => ({
    kind,
    value: kind,
    accounts: Int32Array.from(accounts),
    counts: new Float64Array(accounts.length).fill(9),
  });
  const cases = [
    { members: [0, 1, 2, 3, 4].map((account) => ({ account })) },
    { members: [5, 6, 7, 8, 9].map((account) => ({ account })) },
  ] as unknown as Parameters<typeof commonValues>[1];
  const table = (v: ReturnType<typeof value>) =>
    ({
      values: [v],
      valuesOf: Array.from({ length: 40 }, (_, a) => (v.accounts.includes(a) ? [{ v: 0, count: 9 }] : [])),
    }) as unknown as Parameters<typeof commonValues>[0];

  it('is a card of both, not one that strangers show as well, nor a client, nor what one of them hardly shows', () => {
    expect(commonValues(table(value('payment', [0, 1, 2, 5, 6, 7])), cases)).toEqual([[0], [0]]);
    expect(commonValues(table(value('payment', [0, 1, 2, 5, 6, 7, 20, 21, 22, 23])), cases)).toEqual([[], []]);
    expect(commonValues(table(value('client', [0, 1, 2, 5, 6, 7])), cases)).toEqual([[], []]);
    expect(commonValues(table(value('payment', [0, 1, 2, 3, 4, 5])), cases)).toEqual([[], []]);
  });
});

describe('renderers', () => {
  it.each(['table', 'html', 'csv'])('%s carries no escape, tag or formula out of the log', (format) => {
    const text = render(format, dossier, OPTIONS);
    expect(text).not.toContain('\u001b');
    // Tags mean nothing to a spreadsheet or a terminal; formulas and escapes do.
    if (format === 'html') expect(text).not.toMatch(/<script|<svg onload|<img src=x|<i>|<b>m/);
    if (format === 'csv') for (const row of parse(text) as string[][]) for (const f of row) expect(f).not.toMatch(/^[=+@]|^-\D/);
  });

  it.each(['json', 'ndjson', 'stix'])('%s shows no control code or turned direction to a terminal, and means the same', (format) => {
    const name = 'a\u009b31m\u202eb';
    const c = dossier.campaigns[0];
    const text = render(format, { ...dossier, campaigns: c ? [{ ...c, summary: name, title: name }] : [] }, OPTIONS);
    expect(text).not.toMatch(/[\u007f-\u009f\u202a-\u202e]/);
    if (format === 'json') expect((JSON.parse(text) as Dossier).campaigns[0]?.summary).toBe(name);
  });

  it('json and ndjson carry the contract', () => {
    const j = JSON.parse(render('json', dossier, OPTIONS)) as Dossier;
    expect(j.schema).toBe('stillwatch.dossier/1');
    const c = j.campaigns[0];
    for (const k of [
      'id',
      'title',
      'kind',
      'confidence',
      'calibrated_on',
      'axes',
      'first_seen',
      'last_seen',
      'exchanges',
      'accounts',
      'capabilities',
      'models',
      'loot',
      'evidence',
      'indicators',
      'recommended',
    ])
      expect(c).toHaveProperty(k);
    for (const k of ['signal', 'axis', 'family', 'bits', 'figure', 'reference', 'reason', 'kind', 'exemplars'])
      expect(c?.evidence[0]).toHaveProperty(k);
    for (const k of ['account', 'membership', 'exchanges', 'share', 'share_low', 'share_high']) expect(c?.accounts[0]).toHaveProperty(k);
    for (const k of ['files', 'exchanges', 'accounts', 'rejected', 'reasons', 'not_applicable']) expect(j.coverage).toHaveProperty(k);
    const lines = render('ndjson', dossier, OPTIONS)
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { type: string });
    expect(lines.filter((l) => l.type === 'campaign')).toHaveLength(1);
  });

  it('the printed ledger adds up to the printed confidence', () => {
    for (const c of dossier.campaigns) {
      const sum = (axis: string) => c.evidence.reduce((x, e) => x + (e.axis === axis ? e.bits : 0), 0);
      const p = (b: number) => 1 / (1 + 2 ** -b);
      expect(c.axes.coordination).toBeCloseTo(p(sum('coordination')), 3);
      expect(c.confidence).toBeCloseTo(p(sum('coordination')) * p(sum('extraction')), 3);
    }
  });

  it('stix is a bundle that names no account and holds no text', () => {
    const text = render('stix', dossier, OPTIONS);
    const b = JSON.parse(text) as { type: string; objects: { type: string; id: string }[] };
    expect(b.type).toBe('bundle');
    for (const o of b.objects)
      expect(o.id).toMatch(new RegExp(`^${o.type}--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`));
    expect(text).not.toContain('acct-');
  });

  it('an unknown format is an error that names the known ones', () =>
    expect(() => render('pdf', dossier, OPTIONS)).toThrow(expect.objectContaining({ code: 'E_OUTPUT_FORMAT' })));
});

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => existsSync(p));

// Needs a browser on the machine; `.ci/run` installs one.
it.skipIf(!CHROMIUM)('the page opens from disk, runs nothing from the log, loads nothing, and masks text until clicked', async () => {
  const { chromium } = await import('playwright-core');
  const path = join(temp(), 'report.html');
  writeFileSync(path, render('html', dossier, OPTIONS));
  const browser = await chromium.launch({
    executablePath: CHROMIUM as string,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  try {
    const page = await browser.newPage();
    const asked: string[] = [];
    const faults: string[] = [];
    page.on('request', (r) => asked.push(r.url()));
    page.on('dialog', (d) => {
      faults.push(d.message());
      void d.dismiss();
    });
    page.on('pageerror', (e) => faults.push(e.message));
    await page.goto(`file://${path}`);
    expect(asked).toEqual([`file://${path}`]);
    expect(faults).toEqual([]);
    expect(await page.locator('svg rect').count()).toBeGreaterThan(10);
    const mask = page.locator('details.mask').first();
    expect(await mask.locator('pre').isVisible()).toBe(false);
    await mask.locator('summary').click();
    expect(await mask.locator('pre').isVisible()).toBe(true);
  } finally {
    await browser.close();
  }
});

it('rounds no probability up to certainty', () => {
  expect([odds(0.5), odds(0.994), odds(0.995), odds(1), odds(0.9994, 3), odds(0.9996, 3)]).toEqual([
    '0.50',
    '0.99',
    '> 0.99',
    '> 0.99',
    '0.999',
    '> 0.999',
  ]);
  expect([sure(0.123), sure(0.999)]).toEqual(['0.12', '0.99']);
});

describe('the file of an account', () => {
  it('says whose indicators it shows where nobody named it, and of a member that it is one', () => {
    expect(visitor).toMatch(/shares with +c-[0-9a-f]{8} \(campaign, in which it is not named\): scaffold \(in 5 of its 5 exchanges\)/);
    expect(memberFile).toMatch(/campaign +c-[0-9a-f]{8}: membership/);
    expect(memberFile).not.toMatch(/shares with +\S+ \(campaign/);
  });
});
