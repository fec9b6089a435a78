import { expect, it } from 'vitest';
import { accountFile } from '../src/cli/look.ts';
import { likelyOf, sidesOf } from '../src/store/queries/likely.ts';
import { makeWorld } from '../src/world/make.ts';
import { file, jsonl, record, scanned, temp, withStore } from './support/tools.ts';

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
    expect(shown).toMatch(/likely the finding's are \d+ of \d+ conversations \(they carry its sentence\)/);
    // One hand sends both from the same places.
    expect(shown).toMatch(/those come with .+, from \d+ address(es)?; the others with .+; \d+ of the addresses are in both/);
    // Who sends for the campaign alone has no such list.
    expect(await accountFile(d.look_alikes[0]?.accounts[0] ?? '', store)).not.toContain('likely the finding');
  });
});

it('tells where a part of an account’s conversations comes from, and where the others do', () =>
  withStore(async (store) => {
    const sent = (id: string, conversation: string, user_agent: string, ip: string) =>
      record({ id, account: 'owner', conversation, user_agent, ip, messages: [{ role: 'user', content: `Ask ${id}` }] });
    const path = file(
      'two.jsonl',
      jsonl([
        sent('a1', 'c1', 'thief/1', '198.51.100.1'),
        sent('a2', 'c2', 'thief/1', '198.51.100.2'),
        sent('b1', 'c3', 'own/2', '203.0.113.5'),
        sent('b2', 'c3', 'own/2', '198.51.100.2'),
        { ...sent('x', 'c4', 'thief/1', '198.51.100.9'), account: 'other' },
      ]),
    );
    await scanned(store, path, { record: false });
    expect(await sidesOf(store, 'owner', ['a1', 'a2'])).toEqual({
      likely: { conversations: 2, clients: [{ client: 'thief/1', conversations: 2 }], addresses: 2 },
      others: { conversations: 1, clients: [{ client: 'own/2', conversations: 1 }], addresses: 2 },
      addressesInBoth: 1,
    });
  }));
