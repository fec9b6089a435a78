import { expect, it } from 'vitest';
import { accountFile } from '../src/cli/look.ts';
import { likelyOf } from '../src/store/queries/likely.ts';
import { makeWorld } from '../src/world/make.ts';
import { scanned, temp, withStore } from './support/tools.ts';

it('tells which of the exchanges of a mixed account are likely the campaign’s, by its sentence and, without it, by their words', async () => {
  const world = await makeWorld({ out: temp(), seed: 77, accounts: 400, days: 12, campaigns: [{ kind: 'residential', accounts: 60 }] });
  await withStore(async (store) => {
    const d = await scanned(store, world.files.exchanges, { accounts: world.files.accounts });
    const [c] = d.campaigns;
    const members = (c?.accounts ?? []).map((a) => a.account);
    const sentences = (c?.indicators ?? []).filter((i) => i.kind === 'scaffold').map((i) => i.value);
    expect([members.length > 20, sentences.length > 0]).toEqual([true, true]);
    let right = 0;
    let listed = 0;
    for (const a of c?.accounts.slice(0, 8) ?? []) {
      const others = members.filter((m) => m !== a.account);
      const said = await likelyOf(store, a.account, others, sentences, a.share);
      const worded = await likelyOf(store, a.account, others, [], a.share);
      expect(said.likely.every((x) => x.bits === null)).toBe(true);
      // About as many as the share says.
      expect(Math.abs(said.likely.reduce((n, x) => n + x.exchanges, 0) / a.exchanges - a.share)).toBeLessThan(0.05);
      expect(Math.abs(worded.likely.reduce((n, x) => n + x.exchanges, 0) / a.exchanges - a.share)).toBeLessThan(0.05);
      // Where each lends a small part, what the others send is their customers'.
      expect((await likelyOf(store, a.account, others, [], 0.2)).likely).toEqual([]);
      const truth = new Set(said.likely.map((x) => x.id));
      right += worded.likely.filter((x) => truth.has(x.id)).length;
      listed += worded.likely.length;
    }
    // The words alone find nearly the same ones.
    expect([listed > 100, right / listed > 0.8, right / listed]).toEqual([true, true, expect.any(Number)]);
    const shown = await accountFile(members[0] as string, store);
    expect(shown).toMatch(/likely its own are \d+ of \d+ conversations \(they carry its sentence\)/);
    // Who sends for the campaign alone has no such list.
    expect(await accountFile(d.look_alikes[0]?.accounts[0] ?? '', store)).not.toContain('likely its own');
  });
});
