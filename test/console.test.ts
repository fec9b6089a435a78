import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CHROMIUM, openBrowser, openConsole } from '../src/bench/browser.ts';
import { makeWorld } from '../src/world/make.ts';
import { temp } from './support/tools.ts';

const HOSTILE = '<img src=x onerror="window.owned=1">\u202egnp';

// One store with a campaign in it, one member of which has a name that tries to be a page; one console over it.
describe.skipIf(!existsSync(CHROMIUM))('console', () => {
  let browser: Browser;
  let url = '';
  let stop: () => void = () => undefined;
  beforeAll(async () => {
    const dir = temp();
    const store = join(dir, 'store');
    const w = await makeWorld({ out: dir, seed: 9, accounts: 160, days: 8, campaigns: [{ kind: 'sharded', accounts: 30 }] });
    const member = readFileSync(w.files.truth, 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { account: string; campaign: string | null })
      .find((t) => t.campaign !== null)?.account as string;
    for (const path of [w.files.exchanges, w.files.accounts])
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll(JSON.stringify(member), JSON.stringify(HOSTILE)));
    execFileSync(process.execPath, ['dist/cli/main.js', 'scan', w.files.exchanges, '--accounts', w.files.accounts, '--store', store], {
      stdio: 'pipe',
      env: { ...process.env, STILLWATCH_QUIET: '1' },
    });
    ({ url, stop } = await openConsole(store));
    browser = await openBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    stop();
  });

  const open = async (o: { width?: number; dark?: boolean } = {}): Promise<{ page: Page; faults: string[] }> => {
    const page = await browser.newPage({
      viewport: { width: o.width ?? 1280, height: 900 },
      colorScheme: o.dark ? 'dark' : 'light',
      acceptDownloads: true,
    });
    const faults: string[] = [];
    page.setDefaultTimeout(10_000);
    page.on('pageerror', (e) => faults.push(e.message));
    page.on('console', (m) => m.type() === 'error' && faults.push(m.text()));
    await page.goto(url);
    await page.waitForSelector('h1');
    return { page, faults };
  };
  const apiOf = (page: Page, token: string) => (path: string, data: object) =>
    page.request.post(new URL(path, url).href, { headers: { authorization: `Bearer ${token}` }, data });
  /** Answers the question the page asks. */
  const answer = async (page: Page, text: string) => {
    await page.fill('dialog input', text);
    await page.click('dialog button:has-text("Go on")');
  };

  test('triage and investigation by keyboard alone: the inbox, a case, its evidence, back', async () => {
    const { page, faults } = await open();
    expect(page.url()).not.toContain('token');
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('?');
    expect(await page.textContent('.keys')).toContain('next');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.waterfall');
    expect(page.url()).toMatch(/\?case=k-/);
    expect(await page.textContent('.summary')).toMatch(/^30 accounts/);
    const deck = page.locator('.waterfall button.row', { hasText: 'deck' });
    await deck.focus();
    await page.keyboard.press('Enter');
    expect(await page.getAttribute('.detail svg.strip', 'aria-label')).toMatch(/cohort .* honest cohorts/);
    await page.goBack();
    await page.waitForSelector('tbody tr');
    expect(faults).toEqual([]);
    await page.close();
  });

  test('text from logs stays text, under a policy that would not run it either', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#accounts');
    const names = await page.locator('table td a').allTextContents();
    expect(names.some((n) => n.includes('<img src=x') && n.includes('\\u202e'))).toBe(true);
    await page.locator('a', { hasText: '<img src=x' }).first().click();
    await page.waitForSelector('svg.bars');
    expect(await page.textContent('article')).toMatch(/Identity.*Campaigns.*Activity.*Sentences.*Indicators.*Barriers and appeals/s);
    expect(await page.evaluate('window.owned')).toBeUndefined();
    expect(await page.locator('img').count()).toBe(0);
    const policy = (await page.request.get(new URL('/', url).href)).headers()['content-security-policy'] ?? '';
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(faults).toEqual([]);
    await page.close();
  });

  test('act: propose, see the blast radius, accept as a rehearsal, lift; dispose and second; all of it in the audit', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.act');
    await page.click('.act button:has-text("Whom would it touch?")');
    expect(await page.textContent('.blast')).toMatch(/30 accounts/);
    await page.fill('.act form >> nth=0 >> label.wide input', 'one source, one hand');
    await page.click('.act button[type=submit]:has-text("Propose")');
    await page.click('.act button:has-text("Blast radius")');
    expect(await page.textContent('.blast')).toMatch(/30 accounts.*exchanges of the campaign/);
    await page.click('.act button:has-text("Accept as a rehearsal")');
    await page.waitForSelector('.barriers li:has-text("active as a rehearsal")');
    await page.click('.act button:has-text("Lift")');
    await answer(page, 'they showed a contract');
    await page.waitForSelector('.barriers li:has-text("lifted by")');
    await page.click('button:has-text("Undo lifting the barrier")');
    await page.waitForSelector('.barriers li:has-text("active as a rehearsal")');
    await page.click('.act button:has-text("Lift")');
    await answer(page, 'they showed a contract');
    await page.waitForSelector('.barriers li:has-text("lifted by")');
    await page.click('button:has-text("Close as false positive")');
    await answer(page, 'a class');
    await page.waitForSelector('button:has-text("Second false positive")');
    await page.goto(new URL('/?page=audit', url).href);
    await page.waitForSelector('tbody tr');
    const audit = await page.textContent('tbody');
    for (const said of ['case.read', 'barrier.proposed', 'barrier.approved', 'barrier.lifted', 'they showed a contract', 'case.disposed'])
      expect(audit).toContain(said);
    expect(faults).toEqual([]);
    await page.close();
  });

  test('why two accounts are linked is answered, and the answer stands in the address', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.picture canvas');
    // The picture is drawn: it holds pixels of more than one colour.
    await page.waitForFunction(() => {
      const c = document.querySelector('.picture canvas') as HTMLCanvasElement;
      const data = c.getContext('2d')?.getImageData(0, 0, c.width, c.height).data ?? [];
      return data.some((x, i) => i % 4 === 3 && x > 0);
    });
    await page.click('.groups button >> nth=0');
    await page.waitForFunction(() => document.querySelectorAll('.groups a').length >= 2);
    expect(page.url()).toContain('open=g');
    const names = (await page.locator('.groups a').allTextContents()).filter((x) => !x.includes('...')).slice(0, 2);
    expect(names).toHaveLength(2);
    await page.fill('input[name=one]', names[0] ?? '');
    await page.fill('input[name=other]', names[1] ?? '');
    await page.click('button:has-text("Why?")');
    await page.waitForSelector('[role=status]:has-text("They share")');
    expect(await page.textContent('[role=status]:has-text("They share")')).toMatch(
      /(scaffold|network|address|email_domain|payment) .* bits/,
    );
    const copied = page.url();
    const other = await open();
    await other.page.goto(copied);
    await other.page.waitForSelector('[role=status]:has-text("They share")');
    expect([...faults, ...other.faults]).toEqual([]);
    await page.close();
    await other.page.close();
  });

  test('a case is split and the split taken back, all of it in its history', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.act button:has-text("Assign")');
    if (await page.locator('button:has-text("Open again")').count()) {
      await page.click('button:has-text("Open again")');
      await answer(page, 'not done');
      await page.waitForSelector('button:has-text("Close as confirmed")');
    }
    await page.waitForSelector('input[type=checkbox]');
    for (const i of [0, 1, 2]) await page.locator('input[type=checkbox]').nth(i).check();
    // What is chosen, and what stands open, is in the address: the same page again, as a colleague would open it.
    await page.click('summary:has-text("The days as a table")');
    await page.waitForFunction(() => location.search.includes('fold=days'));
    await page.reload();
    await page.waitForSelector('input[type=checkbox]');
    expect(await page.locator('input[type=checkbox]:checked').count()).toBe(3);
    expect(await page.locator('details[open] summary:has-text("The days as a table")').count()).toBe(1);
    await page.click('button:has-text("Split 3 off")');
    await answer(page, 'two tools in one');
    await page.waitForSelector('h2:has-text("Accounts (3)")');
    expect(await page.textContent('.summary')).toMatch(/^3 accounts that a person put together/);
    await page.click('button:has-text("Undo the split")');
    // The part is no more: the page goes back to the whole.
    await page.waitForSelector('h2:has-text("Accounts (30)")');
    await page.click('summary:has-text("History")');
    const history = (await page.textContent('.act details')) ?? '';
    for (const x of ['case.split', 'case.restored', 'two tools in one']) expect(history).toContain(x);
    expect(faults).toEqual([]);
    await page.close();
  });

  test('who was chosen stays chosen when a colleague changes the case, and a link to another list chooses nobody', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.members input[type=checkbox]');
    const id = new URL(page.url()).searchParams.get('case') ?? '';
    const api = apiOf(page, (await page.evaluate("sessionStorage.getItem('stillwatch.token')")) as string);
    if (await page.locator('button:has-text("Open again")').count()) await api(`/v1/cases/${id}/reopen`, { reason: 'not done' });
    const rows = () =>
      page
        .locator('.members tbody tr')
        .evaluateAll((list) =>
          list.map((r) => ({ name: r.querySelector('td[data-name=Account] a')?.textContent, on: r.querySelector('input')?.checked })),
        );
    const before = await rows();
    await page.locator('.members input[type=checkbox]').nth(4).check();
    await page.locator('.members input[type=checkbox]').nth(5).check();
    const mine = before.slice(4, 6).map((r) => r.name);
    const asked = page.url();
    const others = before.slice(0, 3).map((r) => (r.name?.startsWith('<img') ? HOSTILE : (r.name as string)));
    expect((await api(`/v1/cases/${id}/split`, { accounts: others, reason: 'a test bench' })).status()).toBe(200);
    await page.waitForSelector('h2:has-text("Accounts (27)")', { timeout: 20_000 });
    expect((await rows()).filter((r) => r.on).map((r) => r.name)).toEqual(mine);
    // A colleague opens the link that was made on the longer list.
    await page.goto(asked);
    await page.waitForSelector('[role=status]:has-text("nobody is chosen")');
    expect((await rows()).filter((r) => r.on)).toEqual([]);
    // Neither what to merge with nor what to mark it as is chosen for anybody.
    for (const name of ['from', 'found']) expect(await page.inputValue(`select[name=${name}]`)).toBe('');
    expect((await api(`/v1/cases/${id}/undo`, {})).status()).toBe(200);
    expect(faults).toEqual([]);
    await page.close();
  });

  test('a picture of nothing is empty, and says so', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.groups li');
    const drawn = () =>
      page.evaluate(() => {
        const c = document.querySelector<HTMLCanvasElement>('.picture canvas');
        return c
          ?.getContext('2d')
          ?.getImageData(0, 0, c.width, c.height)
          .data.some((x) => x > 0);
      });
    await page.waitForFunction(() => {
      const c = document.querySelector<HTMLCanvasElement>('.picture canvas');
      return c
        ?.getContext('2d')
        ?.getImageData(0, 0, c.width, c.height)
        .data.some((x) => x > 0);
    });
    await page.fill('label:has-text("Bits for a pair") input', '60');
    await page.waitForSelector('text=Nothing is worth as many bits');
    await page.waitForTimeout(100);
    expect(await drawn()).toBe(false);
    expect(faults).toEqual([]);
    await page.close();
  });

  test('a number can be taken out and written anew; nobody is linked who is not in the case', async () => {
    const { page } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.act form input[type=number]');
    const hours = page.locator('.act label:has-text("Hours") input');
    await hours.press('End');
    await hours.press('Backspace');
    await hours.press('Backspace');
    expect(await hours.inputValue()).toBe('');
    await hours.press('8');
    expect(await hours.inputValue()).toBe('8');
    expect(page.url()).toContain('hours=8');
    await page.selectOption('.act select >> nth=0', 'slow');
    const rate = page.locator('.act label:has-text("Requests a minute") input');
    await rate.fill('');
    await page.fill('.act label:has-text("Tokens a minute") input', '9000');
    await page.reload();
    await page.waitForSelector('.act label:has-text("Requests a minute") input');
    expect(await rate.inputValue()).toBe('');
    const token = (await page.evaluate("sessionStorage.getItem('stillwatch.token')")) as string;
    const id = new URL(page.url()).searchParams.get('case') ?? '';
    const r = await page.request.get(new URL(`/v1/cases/${id}/why?a=somebody&b=${id}`, url).href, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(r.status()).toBe(404);
    expect(await r.text()).toContain('no account of this case');
    // A box that is ticked takes no letters: keys go on working.
    await page.locator('.members input[type=checkbox]').first().focus();
    await page.keyboard.press('e');
    expect(await page.evaluate('document.activeElement.id')).toBe('evidence');
    await page.close();
  });

  test('on a tablet lists are put in order too, and no heading that is out of sight takes the keyboard', async () => {
    const { page } = await open({ width: 820 });
    await page.waitForSelector('tbody tr');
    expect(await page.locator('.inbox thead button').first().isVisible()).toBe(false);
    await page.selectOption('.order select', 'accounts');
    await page.click('.order button');
    expect(page.url()).toMatch(/sort=accounts.*up=1/);
    await page.close();
  });

  test('two people on one case: the page notices what the other did, and its undo takes back nothing else', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.act');
    const id = new URL(page.url()).searchParams.get('case') ?? '';
    const token = (await page.evaluate("sessionStorage.getItem('stillwatch.token')")) as string;
    const post = (path: string, data: object) =>
      page.request.post(new URL(`/v1/cases/${id}/${path}`, url).href, { headers: { authorization: `Bearer ${token}` }, data });
    await page.fill('input[name=comment]', 'see #coordination-deck');
    await page.click('.act button:has-text("Add")');
    await page.waitForSelector('button:has-text("Undo the comment")');
    // A comment that names a test leads to its bar, opened.
    await page.click('.act > .comments a:has-text("#coordination-deck")');
    await page.waitForSelector('#bar-coordination-deck .detail svg.strip');
    // Somebody else assigns it meanwhile: the old page's undo is refused, and the page is new.
    expect((await post('assign', { to: 'bea' })).status()).toBe(200);
    await page.click('button:has-text("Undo the comment")');
    await page.waitForSelector('.act [role=alert]:has-text("something else was done since")');
    await page.waitForSelector('header:has-text("with bea")');
    await page.waitForSelector('button:has-text("Undo the assignment")');
    // And without a click, within a few seconds.
    expect((await post('comment', { text: 'from elsewhere' })).status()).toBe(200);
    await page.waitForSelector('.act > .comments li:has-text("from elsewhere")', { timeout: 20_000 });
    expect((await post('assign', { to: '' })).status()).toBe(200);
    expect(faults.filter((f) => !f.includes('409'))).toEqual([]);
    await page.close();
  });

  test('accounts are put in order, the keyboard stays where a group opened, and a look is pinned', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.click('button:has-text("Pin this look")');
    await page.waitForFunction(() => location.search.includes('look='));
    await page.waitForSelector('tbody tr');
    await page.locator('tbody td a').first().click();
    await page.waitForSelector('#accounts');
    const column = async () =>
      (await page.locator('table.stack tbody tr td[data-name=Exchanges]').allTextContents()).map((x) => Number(x.replaceAll(',', '')));
    await page.click('table.stack th button:has-text("Exchanges")');
    await page.waitForFunction(() => location.search.includes('by=exchanges'));
    const down = await column();
    expect(down).toEqual([...down].sort((a, b) => b - a));
    await page.click('table.stack th button:has-text("Exchanges")');
    await page.waitForFunction(() => location.search.includes('byup=1'));
    expect(await column()).toEqual([...down].sort((a, b) => a - b));
    await page.locator('.groups button[aria-expanded=false]').first().focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('.groups button:has-text("Collapse")');
    await page.waitForFunction(() => document.activeElement?.closest('.groups') !== null);
    // The wheel scrolls the page, and the buttons zoom.
    await page.locator('.picture canvas').hover();
    const before = (await page.evaluate('scrollY')) as number;
    await page.mouse.wheel(0, 300);
    await page.waitForFunction((y) => scrollY > y, before);
    await page.click('button[aria-label="zoom in"]');
    await page.waitForFunction(() => location.search.includes('view='));
    expect(faults).toEqual([]);
    await page.close();
  });

  test('every list is handed out as CSV that starts no formula', async () => {
    const { page } = await open();
    await page.waitForSelector('tbody tr');
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('.export button:has-text("CSV")')]);
    const csv = readFileSync(await file.path(), 'utf8');
    expect(csv).toMatch(/^"id","what","title"/);
    expect(csv.split('\r\n')[1]).toContain('30 accounts');
    await page.close();
  });

  test('without a token nothing is shown, and a wrong one is told', async () => {
    const page = await browser.newPage();
    await page.goto(new URL('/', url).href);
    await page.waitForSelector('input[type=password]');
    await page.fill('input[type=password]', 'nonsense');
    await page.keyboard.press('Enter');
    expect(await page.textContent('[role=alert]')).toContain('token is missing or wrong');
    expect((await page.request.get(new URL('/v1/cases', url).href)).status()).toBe(401);
    await page.close();
  });

  test('no fault that axe finds, light and dark, wide and on a tablet', async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const o of [{}, { dark: true, width: 768 }]) {
      const { page } = await open(o);
      await page.waitForSelector('tbody tr');
      const check = async (where: string) => {
        await page.evaluate(axe);
        const { violations, passes } = (await page.evaluate('axe.run()')) as {
          violations: { id: string; nodes: { html: string }[] }[];
          passes: unknown[];
        };
        expect(passes.length).toBeGreaterThan(10);
        expect(violations.map((v) => `${where}: ${v.id} ${v.nodes[0]?.html}`)).toEqual([]);
      };
      await check('inbox');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.waterfall');
      await page.locator('.waterfall button.row').nth(1).click();
      await check('case');
      // Nothing is wider than the window but tables, which scroll by themselves.
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      const at = new URL(page.url());
      await page.locator('table.stack a').first().click();
      await page.waitForSelector('svg.bars');
      await check('account');
      for (const to of ['page=health', 'page=audit', 'page=appeals', `compare=${at.searchParams.get('case')}`, 'signal=deck']) {
        await page.goto(new URL(`/?${to}`, url).href);
        await page.waitForSelector('h1');
        await page.waitForTimeout(300);
        await check(to);
        expect({ to, width: await page.evaluate('Math.max(0, document.documentElement.scrollWidth - innerWidth)') }).toEqual({
          to,
          width: 0,
        });
      }
      await page.close();
    }
  });

  test('texts are masked on the wire too, shown for a reason that is logged, and hidden again', async () => {
    const { page } = await open();
    await page.waitForSelector('tbody tr');
    const token = (await page.evaluate("sessionStorage.getItem('stillwatch.token')")) as string;
    const api = async (path: string) =>
      (await page.request.get(new URL(path, url).href, { headers: { authorization: `Bearer ${token}` } })).text();
    const { rows } = JSON.parse(await api('/v1/inbox')) as { rows: { id: string }[] };
    for (const path of ['/v1/dossier', `/v1/cases/${rows[0]?.id}`]) {
      const x = JSON.parse(await api(path)) as { finding?: unknown };
      expect(JSON.stringify(x.finding ?? x)).not.toMatch(/"text":/);
    }
    await page.keyboard.press('Enter');
    await page.waitForSelector('.waterfall');
    await page.locator('.waterfall button.row', { hasText: 'deck' }).click();
    await page.click('button:has-text("Show texts")');
    await answer(page, 'is it homework');
    await page.waitForSelector('.exemplars pre');
    expect(page.url()).toContain('bar=coordination-deck');
    // What is shared is told in words, with the texts and not before.
    const words = page.locator('section[aria-labelledby="ind"] pre');
    expect((await words.allTextContents()).some((x) => x.includes(' '))).toBe(true);
    await page.locator('button:has-text("Hide texts")').first().click();
    expect(await page.locator('.exemplars pre').count()).toBe(0);
    expect(await words.count()).toBe(0);
    expect(await api('/v1/audit?q=homework')).toContain('is it homework');
    // So is what one account sends again and again.
    await page.locator('td[data-name=Account] a').first().click();
    await page.waitForSelector('#sent');
    expect(await page.locator('section[aria-labelledby="sent"] pre').count()).toBe(0);
    await page.click('button:has-text("Show words")');
    await answer(page, 'is it one brief');
    await page.waitForSelector('section[aria-labelledby="sent"] pre');
    expect(
      (await page.locator('section[aria-labelledby="sent"] pre').allTextContents()).some((x) => x.includes(' ') && !x.includes('not kept')),
    ).toBe(true);
    expect(await api('/v1/audit?q=one%20brief')).toContain('sentences that');
    await page.close();
  });

  test('how late a case came stands with what was sent before it, and a signal is followed over the looks', async () => {
    const { page, faults } = await open();
    await page.goto(new URL('/?page=health', url).href);
    const row = page.locator('section[aria-labelledby="lag"] tbody tr').first();
    await row.waitFor();
    // The log is older than its scan: all of it was sent before.
    expect(await row.locator('td').last().textContent()).toBe('100 %');
    expect(Number(await row.locator('td').nth(3).textContent())).toBeGreaterThan(1);
    await page.goto(new URL('/?signal=deck', url).href);
    const look = page.locator('section[aria-labelledby="history"] tbody tr').first();
    await look.waitFor();
    expect(await look.locator('td').nth(1).textContent()).toMatch(/^[\d.]+ % of \d+$/);
    expect(await look.locator('td').nth(2).textContent()).toMatch(/^[\d.]+ % of [1-9]\d*$/);
    expect(faults).toEqual([]);
    await page.close();
  });

  test('an appeal is decided, lifts its barrier, and the decision can be taken back', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.act');
    if (await page.locator('button:has-text("Open again")').count()) {
      await page.click('button:has-text("Open again")');
      await answer(page, 'not done');
      await page.waitForSelector('button:has-text("Close as confirmed")');
    }
    await page.fill('.act form >> nth=0 >> label.wide input', 'to be objected to');
    await page.click('.act button[type=submit]:has-text("Propose")');
    const mine = page.locator('.barriers li', { hasText: 'to be objected to' });
    await mine.locator('button:has-text("Blast radius")').click();
    await mine.locator('button:has-text("Accept as a rehearsal")').click();
    await page.waitForSelector('.barriers li:has-text("to be objected to"):has-text("active as a rehearsal")');
    const reference = /SW-\w+-\w+/.exec((await mine.textContent()) ?? '')?.[0] ?? '';
    const token = (await page.evaluate("sessionStorage.getItem('stillwatch.token')")) as string;
    const filed = await page.request.post(new URL('/v1/appeals', url).href, {
      headers: { authorization: `Bearer ${token}` },
      data: { reference, text: 'we are a class' },
    });
    expect(filed.status()).toBe(200);
    await page.goto(new URL('/?page=appeals', url).href);
    const appeal = page.locator('li', { hasText: reference });
    // Whoever decides has before them what it objects to, and what that rests on.
    await appeal.locator('summary').click();
    expect(await appeal.textContent()).toMatch(/to be objected to[\s\S]*coordination, [\s\S]*bits/);
    expect(await appeal.locator('a[href*="case="]').count()).toBe(1);
    await appeal.locator('button:has-text("Lift the barrier")').click();
    await answer(page, 'they are');
    await page.waitForSelector('text=Lifted by');
    await appeal.locator('button:has-text("Undo: lifted")').click();
    await answer(page, 'too soon');
    await appeal.locator('button:has-text("Keep it")').waitFor();
    expect(faults).toEqual([]);
    await page.close();
  });

  test('a page that keeps itself up to date has read nothing; what a budget would refuse is told; a stale page accepts nothing', async () => {
    const api = async (method: string, path: string, body?: unknown) => {
      const r = await fetch(new URL(path, url), {
        method,
        headers: { authorization: `Bearer ${/token=([\w-]+)/.exec(url)?.[1]}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return (await r.json()) as Record<string, unknown> & { error?: { code: string; message?: string } };
    };
    const reads = async (): Promise<number> => ((await api('GET', '/v1/audit?q=case.read'))['entries'] as unknown[]).length;
    const [c] = ((await api('GET', '/v1/cases'))['cases'] as { id: string; accounts: string[] }[]).filter((x) => x.accounts.length > 20);
    const at = `/v1/cases/${c?.id}`;
    if ((await api('GET', at))['case'] && ((await api('GET', at))['case'] as { status: string }).status !== 'open')
      await api('POST', `${at}/reopen`, { reason: 'to look at it again' });
    await api('GET', at);
    await api('POST', `${at}/split`, { accounts: c?.accounts.slice(0, 6), reason: 'these look apart' });
    const before = await reads();
    expect((await api('GET', `${at}?kept=1`))['unread']).toBe(true);
    expect(await reads()).toBe(before);
    expect((await api('GET', at))['unread']).toBe(false);
    expect(await reads()).toBe(before + 1);
    const refused = async (rate: number): Promise<number> => Number((await api('GET', `${at}/blast?rate=${rate}`))['refused']);
    const sent = ((await api('GET', `${at}/blast`))['blast'] as { exchanges: number }).exchanges;
    expect(await refused(1)).toBeGreaterThan(0);
    expect(await refused(1)).toBeLessThan(sent);
    expect(await refused(1_000_000)).toBe(0);
    const made = await api('POST', '/v1/barriers', { case: c?.id, action: 'watch', hours: 24, reason: 'to see what it does' });
    const b = (made['barrier'] as { id: string }).id;
    expect((await api('POST', `/v1/barriers/${b}/approve`, { dry_run: 'yes', enforcing: false })).error?.message).toContain(
      'dry_run is true or false',
    );
    expect((await api('POST', `/v1/barriers/${b}/approve`, { dry_run: true, enforcing: true })).error?.code).toBe('E_STALE');
    expect((await api('POST', `/v1/barriers/${b}/approve`, { dry_run: true, enforcing: false })).error).toBeUndefined();
    expect(Number((await api('GET', `/v1/barriers/${b}`))['since'])).toBe(0);
    await api('POST', `/v1/barriers/${b}/lift`, { reason: 'it was a test' });
    await api('POST', `${at}/undo`, {});
  });

  test('the timeline is read and narrowed, its days in the address; a copied link holds the look; a new tab needs no token', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.keyboard.press('Enter');
    await page.waitForSelector('svg.timeline');
    const look = new URL(page.url()).searchParams.get('look');
    expect(look).toMatch(/^\d{4}-/);
    await page.hover('svg.timeline', { position: { x: 300, y: 80 } });
    expect(await page.textContent('.read')).toMatch(/^\d{4}-\d\d-\d\d: [\d,]+ exchanges/);
    const days = await page.locator('svg.timeline rect.fill').count();
    const box = (await page.locator('svg.timeline').boundingBox()) as { x: number; y: number; width: number };
    await page.mouse.move(box.x + box.width * 0.35, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.55, box.y + 60);
    await page.mouse.up();
    await page.waitForURL(/span=\d{4}/);
    expect(await page.locator('svg.timeline rect.fill').count()).toBeLessThan(days);
    await page.click('button:has-text("The whole time")');
    expect(await page.locator('svg.timeline rect.fill').count()).toBe(days);
    // From a pinned look to an account and back stays in that look.
    await page.locator('#accounts ~ * td a, td[data-name=Account] a').first().click();
    await page.waitForSelector('svg.bars');
    expect(new URL(page.url()).searchParams.get('look')).toBe(look);
    await page.click('nav a:has-text("Inbox")');
    await page.waitForSelector('tbody tr');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.click('button:has-text("Copy link")');
    await page.waitForSelector('text=copied');
    const link = (await page.evaluate('navigator.clipboard.readText()')) as string;
    expect(new URL(link).searchParams.get('look')).toBe(look);
    expect(faults).toEqual([]);
    await page.close();
    const person = await browser.newContext();
    const first = await person.newPage();
    await first.goto(url);
    await first.waitForSelector('tbody tr');
    const tab = await person.newPage();
    await tab.goto(link);
    await tab.waitForSelector('tbody tr');
    // Nobody else has it.
    const stranger = await browser.newContext();
    const theirs = await stranger.newPage();
    await theirs.goto(link);
    await theirs.waitForSelector('input[type=password]');
    // Who leaves in one tab has left in all of them: none hands the token on.
    await tab.click('button:has-text("Leave")');
    await first.waitForSelector('input[type=password]');
    await tab.reload();
    await tab.waitForSelector('input[type=password]');
    await person.close();
    await stranger.close();
  });

  test('views are saved and deleted; the keys follow the row; a look that is gone is told', async () => {
    const { page, faults } = await open();
    await page.waitForSelector('tbody tr');
    await page.goto(new URL('/?least=0.1', url).href);
    await page.waitForSelector('tbody tr');
    await page.click('button:has-text("Save view")');
    await answer(page, 'mine');
    await page.waitForSelector('button:has-text("Delete view mine")');
    // A view is everybody's: another person's page has it.
    const other = await open();
    await other.page.waitForSelector('option[value="mine"]', { state: 'attached' });
    await other.page.close();
    await page.click('button:has-text("Delete view mine")');
    await page.waitForSelector('button:has-text("Put view mine back")');
    expect(await page.locator('button:has-text("Delete view")').count()).toBe(0);
    await page.click('button:has-text("Put view mine back")');
    await page.waitForSelector('button:has-text("Delete view mine")');
    await page.click('button:has-text("Delete view mine")');
    await page.waitForSelector('option[value="mine"]', { state: 'detached' });
    await page.keyboard.press('J');
    await page.keyboard.press('k');
    await page.waitForFunction(() => document.activeElement?.closest('tr')?.id === document.querySelector('tr.at')?.id);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.search.includes('look='));
    expect(await page.title()).toMatch(/accounts.* - Stillwatch/);
    const opened = page.url();
    // Back from a case the queue is as it was left; pressed there, the link shows all of it.
    await page.keyboard.press('i');
    await page.waitForFunction(() => location.search.includes('least=0.1'));
    await page.click('nav a:has-text("Inbox")');
    await page.waitForFunction(() => !location.search.includes('least'));
    await page.goto(opened);
    await page.goto(`${page.url().replace(/look=[^&]+/, 'look=2020-01-01T00%3A00%3A00.000Z')}`);
    expect(await page.textContent('[role=alert]')).toContain('not kept any more');
    expect(faults.filter((f) => !f.includes('404'))).toEqual([]);
    await page.close();
  });
});
