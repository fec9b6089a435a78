import { describe, expect, test } from 'vitest';
import { blast } from '../src/barriers/blast.ts';
import { type Detected, detect } from '../src/barriers/cases.ts';
import { approve, decideAppeal, fileAppeal, lift, propose } from '../src/barriers/commands.ts';
import { lastDone, merge, openOn, split, undo, undoAppeal } from '../src/barriers/curate.ts';
import { apply, type Event } from '../src/barriers/events.ts';
import { type Actor, type Case, EMPTY_STATE, type State } from '../src/barriers/model.ts';
import { NO_POLICY } from '../src/barriers/policy.ts';
import type { Dossier, Finding } from '../src/model/dossier.ts';
import { maskedDossier } from '../src/model/masked.ts';
import { cutTo, findingOf, inbox, membersOf, partsOf, related } from '../src/serve/findings.ts';
import { GRAPH, graphOf } from '../src/serve/graph.ts';

const ann: Actor = { name: 'ann', role: 'analyst' };
const vera: Actor = { name: 'vera', role: 'viewer' };

/** A log and what it adds up to. */
class Desk {
  readonly log: Event[] = [];
  state: State = EMPTY_STATE;
  private n = 0;
  run(events: readonly Event[]): void {
    for (const e of events) {
      this.log.push(e);
      this.state = apply(this.state, e);
    }
  }
  undecided: unknown[] = [];
  look(...campaigns: { id: string; accounts: string[]; confidence?: number }[]): void {
    const found = {
      dossier: {
        campaigns: campaigns.map((c) => ({
          id: c.id,
          title: c.id,
          kind: 'extraction campaign',
          confidence: c.confidence ?? 0.9,
          accounts: c.accounts.map((account) => ({ account, exchanges: 10 })),
          indicators: [{ kind: 'address', value: c.id, accounts: 3, others: 0, bits: 9 }],
          models: {},
          evidence: [],
        })),
        undecided: this.undecided,
        coverage: { exchanges: 1000 },
      } as unknown as Dossier,
      subjects: {},
    } satisfies Detected;
    const ids = { id: (p: string) => `${p}${++this.n}`, reference: () => `SW-${++this.n}` };
    this.run(detect(this.state, found, NO_POLICY, ids, 1));
  }
  accounts(id: string): string {
    return [...(this.state.cases.get(id)?.accounts ?? [])].join('');
  }
}

describe('cases cut by hand', () => {
  test('merged, both campaigns stay one case at every later look, and the merge can be taken back', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c'] }, { id: 'y', accounts: ['d', 'e', 'f'] });
    d.run(merge(d.state, ann, 'k1', 'k2', 'one hand', 2));
    expect(d.accounts('k1')).toBe('abcdef');
    expect(d.state.cases.get('k2')).toMatchObject({ status: 'closed', merged_into: 'k1', disposition: { is: 'duplicate' } });
    d.look({ id: 'x', accounts: ['a', 'b', 'c'], confidence: 0.7 }, { id: 'y', accounts: ['d', 'e', 'f'], confidence: 0.6 });
    expect(d.state.cases.size).toBe(2);
    expect(d.accounts('k1')).toBe('abcdef');
    // Both are found again at every look, and nothing new is said about it.
    const said = d.log.length;
    for (let i = 0; i < 2; i++)
      d.look({ id: 'x', accounts: ['a', 'b', 'c'], confidence: 0.7 }, { id: 'y', accounts: ['d', 'e', 'f'], confidence: 0.6 });
    expect(d.log.length).toBe(said);
    d.run(undo(d.log, d.state, ann, 'k1', 3));
    expect([d.accounts('k1'), d.accounts('k2')]).toEqual(['abc', 'def']);
    expect(d.state.cases.get('k2')).toMatchObject({ status: 'open' });
    expect(d.state.cases.get('k2')?.merged_into).toBeUndefined();
    // What detection found since stays.
    expect(d.state.cases.get('k1')?.confidence).toBeLessThan(0.9);
  });

  test('split, nobody is in both; who had read the whole has not read the parts; detection does not cut it anew', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c', 'd', 'e'] });
    d.run([{ at: 1, by: 'ann', what: { type: 'case.read', id: 'k1' } }]);
    d.run(split(d.state, ann, 'k1', ['d', 'e'], 'k9', 'another tool', 2));
    expect([d.accounts('k1'), d.accounts('k9')]).toEqual(['abc', 'de']);
    expect(d.state.cases.get('k1')?.read_by).toEqual([]);
    d.look({ id: 'x', accounts: ['a', 'b', 'c', 'd', 'e'], confidence: 0.5 });
    expect([d.accounts('k1'), d.accounts('k9'), d.state.cases.size]).toEqual(['abc', 'de', 2]);
    d.run(undo(d.log, d.state, ann, 'k9', 3));
    expect(d.accounts('k1')).toBe('abcde');
    expect(d.state.cases.has('k9')).toBe(false);
  });

  test('each undo takes back one more thing, the last first, and says when there is none left', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c'] });
    d.run([{ at: 1, by: 'ann', what: { type: 'case.assigned', id: 'k1', to: 'bert' } }]);
    d.run([{ at: 2, by: 'ann', what: { type: 'case.disposed', id: 'k1', disposition: 'false positive', reason: 'r' } }]);
    d.run(undo(d.log, d.state, ann, 'k1', 3));
    expect(d.state.cases.get('k1')).toMatchObject({ status: 'open', assignee: 'bert' });
    d.run(undo(d.log, d.state, ann, 'k1', 4));
    expect(d.state.cases.get('k1')?.assignee).toBeUndefined();
    expect(() => undo(d.log, d.state, ann, 'k1', 5)).toThrow(/nothing has been done/);
  });

  test('a viewer cuts nothing; a case of one account, a stranger and a case with itself are refused', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c'] });
    expect(() => split(d.state, vera, 'k1', ['a', 'b'], 'k9', 'r', 2)).toThrow(/may not decide/);
    expect(() => split(d.state, ann, 'k1', ['a'], 'k9', 'r', 2)).toThrow(/at least two/);
    expect(() => split(d.state, ann, 'k1', ['a', 'z'], 'k9', 'r', 2)).toThrow(/not all/);
    expect(() => merge(d.state, ann, 'k1', 'k1', 'r', 2)).toThrow(/itself/);
    expect(() => merge(d.state, ann, 'k1', 'k7', 'r', 2)).toThrow(/no case/);
  });

  test('an undo that would leave a standing barrier without its case is refused', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c', 'd'] });
    d.run(split(d.state, ann, 'k1', ['c', 'd'], 'k9', 'r', 2));
    d.run([
      {
        at: 3,
        by: 'policy',
        what: {
          type: 'barrier.proposed',
          barrier: { id: 'b1', case: 'k9', accounts: ['c'], action: 'verify', state: 'proposed' } as never,
        },
      },
    ]);
    expect(() => undo(d.log, d.state, ann, 'k9', 4)).toThrow(/barrier b1 stands on case k9/);
  });

  test('barriers are taken back one step at a time; a suspension that was lifted comes back as a proposal; an appeal takes its barrier along', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c'] });
    for (const by of ['ann', 'bert']) d.run([{ at: 1, by, what: { type: 'case.read', id: 'k1' } }]);
    const b = () => d.state.barriers.get('b1');
    const put = (action: 'verify' | 'suspend', id: string) =>
      d.run(propose(d.state, ann, { id, appeal: `SW-${id}`, case: 'k1', accounts: ['a'], action, reason: 'r', hours: 24 }, 1));
    put('verify', 'b1');
    d.run(approve(d.state, ann, 'b1', 2, { dryRun: false }));
    d.run(lift(d.state, ann, 'b1', 'sorry', 3));
    d.run(undo(d.log, d.state, ann, 'k1', 4));
    expect(b()).toMatchObject({ state: 'active', dry_run: false });
    d.run(fileAppeal(d.state, 'desk', 'SW-b1', 'a', 'please', 5));
    d.run(decideAppeal(d.state, ann, 'SW-b1', true, 'right', 6));
    expect(() => undo(d.log, d.state, ann, 'k1', 7)).toThrow(/lifted on an appeal/);
    d.run(undoAppeal(d.log, d.state, ann, 'SW-b1', 'too soon', 7));
    expect(b()?.state).toBe('active');
    expect(d.state.appeals.get('SW-b1')?.decided).toBeUndefined();
    d.run(undo(d.log, d.state, ann, 'k1', 8));
    expect(b()).toMatchObject({ state: 'proposed', approvals: [] });
    d.run(undo(d.log, d.state, ann, 'k1', 9));
    expect(b()).toBeUndefined();
    put('suspend', 'b2');
    const bert = { name: 'bert', role: 'admin' } as const;
    d.run(approve(d.state, ann, 'b2', 2));
    d.run(approve(d.state, bert, 'b2', 2, { dryRun: false }));
    d.run(lift(d.state, ann, 'b2', 'sorry', 3));
    d.run(undo(d.log, d.state, ann, 'k1', 4));
    expect(d.state.barriers.get('b2')).toMatchObject({ state: 'proposed', approvals: [], dry_run: true });
  });

  test('an undo is no way round the second person: who held once holds no second time, and who did not lift it brings it back as a proposal only', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c'] });
    d.run([{ at: 1, by: 'ann', what: { type: 'case.read', id: 'k1' } }]);
    d.run([{ at: 1, by: 'bert', what: { type: 'case.read', id: 'k1' } }]);
    const hold = (id: string) =>
      d.run(propose(d.state, ann, { id, appeal: id, case: 'k1', accounts: ['a'], action: 'hold', reason: 'r', hours: 24 }, 1));
    hold('h1');
    d.run(approve(d.state, ann, 'h1', 2, { dryRun: false }));
    d.run(undo(d.log, d.state, ann, 'k1', 3));
    expect(() => approve(d.state, ann, 'h1', 4)).toThrow(/held some of these accounts before/);
    hold('h2');
    expect(() => approve(d.state, ann, 'h2', 4)).toThrow(/held some of these accounts before/);
    const bert = { name: 'bert', role: 'admin' } as const;
    d.run(approve(d.state, bert, 'h2', 5, { dryRun: false }));
    d.run(lift(d.state, bert, 'h2', 'r', 6));
    d.run(undo(d.log, d.state, ann, 'k1', 7));
    expect(d.state.barriers.get('h2')).toMatchObject({ state: 'proposed', held_by: ['bert'] });
  });

  test('an undo takes back what the page showed, and nothing that somebody else did since', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c'] });
    d.run([{ at: 1, by: 'ann', what: { type: 'case.commented', id: 'k1', text: 'mine' } }]);
    const shown = lastDone(d.log, d.state, 'k1');
    d.run([{ at: 2, by: 'bert', what: { type: 'case.disposed', id: 'k1', disposition: 'confirmed', reason: 'r' } }]);
    expect(() => undo(d.log, d.state, ann, 'k1', 3, shown)).toThrow(/something else was done since, by bert/);
    expect(d.state.cases.get('k1')?.status).toBe('closed');
    d.run(undo(d.log, d.state, ann, 'k1', 3, lastDone(d.log, d.state, 'k1')));
    expect(d.state.cases.get('k1')).toMatchObject({ status: 'open', comments: [{ text: 'mine' }] });
  });

  test('what was found to be no campaign bears no barrier, closed or not, until it is opened again', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c'] });
    d.run([{ at: 1, by: 'ann', what: { type: 'case.read', id: 'k1' } }]);
    const put = (id: string) =>
      propose(d.state, ann, { id, appeal: id, case: 'k1', accounts: ['a'], action: 'verify', reason: 'r', hours: 24 }, 1);
    d.run(put('b1'));
    d.run([{ at: 2, by: 'bert', what: { type: 'case.disposed', id: 'k1', disposition: 'false positive', reason: 'r', open: true } }]);
    expect(d.state.cases.get('k1')).toMatchObject({ status: 'open', disposition: { is: 'false positive', by: 'bert' } });
    expect(() => approve(d.state, ann, 'b1', 3)).toThrow(/is a false positive, as bert found/);
    expect(() => put('b2')).toThrow(/is a false positive/);
    d.run([{ at: 4, by: 'ann', what: { type: 'case.reopened', id: 'k1', reason: 'r' } }]);
    expect(approve(d.state, ann, 'b1', 5)).toHaveLength(1);
  });

  test('each account of a campaign appeals for itself and goes free by itself; what one person freed another does not put back', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c'] });
    for (const by of ['ann', 'bert']) d.run([{ at: 1, by, what: { type: 'case.read', id: 'k1' } }]);
    d.run(
      propose(
        d.state,
        ann,
        { id: 'b1', appeal: 'SW-1', case: 'k1', accounts: ['a', 'b', 'c'], action: 'verify', reason: 'r', hours: 24 },
        1,
      ),
    );
    d.run(approve(d.state, ann, 'b1', 2, { dryRun: false }));
    d.run(fileAppeal(d.state, 'desk', 'SW-1', 'a', 'please', 3));
    d.run(fileAppeal(d.state, 'desk', 'SW-1', 'b', 'me too', 3));
    expect(() => decideAppeal(d.state, ann, 'SW-1', true, 'which?', 4)).toThrow(/no such appeal/);
    d.run(decideAppeal(d.state, ann, 'SW-1~b', false, 'no', 4));
    d.run(decideAppeal(d.state, ann, 'SW-1~a', true, 'right', 5));
    expect(d.state.barriers.get('b1')).toMatchObject({ state: 'active', accounts: ['b', 'c'] });
    const bert = { name: 'bert', role: 'analyst' } as const;
    expect(() => undoAppeal(d.log, d.state, bert, 'SW-1~a', 'r', 6)).toThrow(/does not put an account back/);
    d.run(undoAppeal(d.log, d.state, ann, 'SW-1~a', 'too soon', 6));
    expect(d.state.barriers.get('b1')?.accounts).toEqual(['b', 'c', 'a']);
    d.run(lift(d.state, bert, 'b1', 'r', 7, ['c']));
    expect(d.state.barriers.get('b1')?.accounts).toEqual(['b', 'a']);
    expect(() => lift(d.state, bert, 'b1', 'r', 7, ['c'])).toThrow(/not all of these accounts/);
    d.run(lift(d.state, bert, 'b1', 'r', 8, ['a', 'b']));
    expect(d.state.barriers.get('b1')?.state).toBe('lifted');
  });

  test('a case that grows a little at each look is read anew once it has grown by a tenth since it was read', () => {
    const d = new Desk();
    const names = (n: number) => Array.from({ length: n }, (_, i) => `m${100 + i}`);
    d.look({ id: 'x', accounts: names(40) });
    d.run([{ at: 1, by: 'ann', what: { type: 'case.read', id: 'k1' } }]);
    for (const n of [42, 44]) d.look({ id: 'x', accounts: names(n) });
    expect(d.state.cases.get('k1')?.read_by).toEqual(['ann']);
    d.look({ id: 'x', accounts: names(46) });
    expect(d.state.cases.get('k1')?.read_by).toEqual([]);
  });

  test('a fragment that is undecided takes over no case of the whole, nor one a person cut', () => {
    const d = new Desk();
    d.look({ id: 'x', accounts: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] });
    d.undecided = [{ id: 'u', title: 't', confidence: 0.3, accounts: ['a', 'b', 'z'].map((account) => ({ account })), indicators: [] }];
    d.look();
    expect(d.accounts('k1')).toBe('abcdefg');
  });

  test('a person opens a case on an undecided cohort once; looks follow it, and the opening can be taken back', () => {
    const d = new Desk();
    const f = (accounts: string[]) =>
      ({
        id: `u-${accounts.length}`,
        kind: 'purpose unclear',
        title: 't',
        confidence: 0.4,
        accounts: accounts.map((account) => ({ account })),
        indicators: [],
      }) as never;
    d.run(openOn(d.state, ann, f(['a', 'b', 'c']), 'k1', 1));
    expect(() => openOn(d.state, ann, f(['a', 'b']), 'k2', 1)).toThrow(/case k1 is about these/);
    d.undecided = [f(['a', 'b', 'c', 'd'])];
    d.look();
    expect(d.accounts('k1')).toBe('abcd');
    expect(d.state.cases.get('k1')?.campaign).toBe('u-4');
    d.run(undo(d.log, d.state, ann, 'k1', 2));
    expect(d.state.cases.size).toBe(0);
  });
});

describe('what a case shows of a look', () => {
  const member = (account: string, over = {}) => ({
    account,
    membership: 0.9,
    exchanges: 10,
    share: 1,
    share_low: 1,
    share_high: 1,
    first_seen: '2026-05-01T00:00:00Z',
    last_seen: '2026-05-02T00:00:00Z',
    ...over,
  });
  const found = (id: string, accounts: string[]) =>
    ({
      id,
      title: id,
      kind: 'extraction campaign',
      confidence: 0.9,
      exchanges: 10 * accounts.length,
      accounts: accounts.map((a) => member(a)),
      indicators: [{ kind: 'address', value: 'v', accounts: 2, others: 0, bits: 9 }],
      timeline: [],
      capabilities: {},
      evidence: [{ signal: 'deck', exemplars: [{ exchange: 'x', account: 'a', time: 't', text: 'SECRET' }] }],
    }) as unknown as Finding;
  const d = {
    campaigns: [found('c1', ['a', 'b']), found('c2', ['d', 'e', 'f'])],
    undecided: [{ ...found('u1', ['g', 'h']), missing: [] }],
    look_alikes: [],
  } as unknown as Dossier;
  const of = (over: object) =>
    ({ id: 'k1', campaign: 'c1', accounts: ['a', 'b'], indicators: [], title: 't', status: 'open', opened: 0, ...over }) as never;

  test('is found by id, or by its accounts when the id changed, also where it is undecided', () => {
    expect(findingOf(d, of({}))?.id).toBe('c1');
    expect(findingOf(d, of({ campaign: 'gone', accounts: ['d', 'e', 'f', 'z'] }))?.id).toBe('c2');
    expect(findingOf(d, of({ campaign: 'gone', accounts: ['g', 'h'] }))).toMatchObject({ id: 'u1', verdict: 'undecided' });
    expect(findingOf(d, of({ campaign: 'gone', accounts: ['z'] }))).toBeNull();
  });

  test('merged, it has the figures and the blast radius of all its accounts, not of the first cohort', () => {
    const merged = of({ accounts: ['a', 'b', 'd', 'e', 'f'], by_hand: true });
    const whole = cutTo(findingOf(d, merged) as never, merged, partsOf(d, merged), null);
    expect(whole).toMatchObject({ exchanges: 50 });
    expect(whole.summary).toMatch(/^5 accounts that a person put together/);
    expect(blast(membersOf(d, merged), ['a', 'd'], () => ({}))).toMatchObject({ campaign_exchanges: 20, doubtful_accounts: 0 });
    // Days are those of the cohort that was judged: of the whole they tell no trend.
    expect(inbox(d, [merged])[0]).toMatchObject({ accounts: 5, exchanges: 50, trend: null, before: null });
  });

  test('merged, it shows what both cohorts shared and asked for', () => {
    const [one, two] = d.campaigns as [Finding, Finding];
    const both = {
      ...d,
      campaigns: [
        { ...one, capabilities: { coding: 1 } },
        { ...two, capabilities: { grading: 1 }, indicators: [...one.indicators, { kind: 'scaffold', value: 's', accounts: 3, others: 1 }] },
      ],
    } as unknown as Dossier;
    const merged = of({ accounts: ['a', 'b', 'd', 'e', 'f'], by_hand: true });
    const cut = { timeline: [], models: {}, loot: {}, shown: [4, 3] } as never;
    const whole = cutTo(findingOf(both, merged) as never, merged, partsOf(both, merged), cut);
    expect(whole.capabilities).toEqual({ coding: 0.4, grading: 0.6 });
    expect(whole.indicators.map(({ value, accounts }) => [value, accounts])).toEqual([
      ['v', 4],
      ['s', 3],
    ]);
  });

  test('a blast radius counts nobody who has shown what is asked for, and its classes add up', () => {
    const known = ['a', 'b', 'c'].map((a) => member(a, { exchanges: 7, share: 0.93 }));
    const tiers: Record<string, string> = { a: 'free', b: 'paid' };
    const b = blast(
      known,
      ['a', 'b', 'c'],
      (a) => ({ tier: tiers[a] ?? '' }) as never,
      (a) => a === 'c',
    );
    expect(b).toMatchObject({ accounts: 2, answered: 1, exchanges: 14, campaign_exchanges: 13, innocent_exchanges: 1 });
    expect(Object.values(b.by_class).reduce((x, c) => x + c.innocent_exchanges, 0)).toBe(b.innocent_exchanges);
    expect(Object.keys(blast(known, ['c'], () => ({})).by_class)).toEqual(['tier not known, verification not known']);
  });

  test('says what part was sent before the day its case was opened', () => {
    const timeline = [
      { day: '2026-05-04', exchanges: 30 },
      { day: '2026-05-05', exchanges: 10 },
      { day: '2026-05-06', exchanges: 60 },
    ];
    const seen = { ...d, campaigns: [{ ...d.campaigns[0], timeline }] } as unknown as Dossier;
    const at = of({ opened: Date.parse('2026-05-06T09:00:00Z') });
    expect(inbox(seen, [at])[0]).toMatchObject({ opened: '2026-05-06T09:00:00.000Z', before: 0.4 });
    // Of exchanges nothing is known of there is no part.
    expect(inbox(d, [of({ opened: 0 })]).map((r) => r.before)).toEqual([null, null]);
  });

  test('holds no text of anybody, and related cases name what they share', () => {
    expect(JSON.stringify(maskedDossier(d))).not.toContain('SECRET');
    expect(inbox(d, [of({})]).map((r) => r.id)).toEqual(['k1', 'u1']);
    expect(
      related(d, of({}), [of({}), of({ id: 'k2', campaign: 'c2', accounts: ['d'], indicators: [{ kind: 'address', value: 'v' }] })]),
    ).toMatchObject([
      { id: 'k2', values: [{ kind: 'address', value: 'v' }], accounts: 0 },
      { id: 'u1', what: 'undecided' },
    ]);
  });
});

test('two cases that share a card are related, though each alone saw the other as strangers; a value of many others ties nobody', () => {
  const card = (others: number) => [{ kind: 'payment', value: 'card', accounts: 4, others, bits: 6.7 }];
  const d = (others: number) =>
    ({
      generated: 't',
      campaigns: [
        { id: 'c1', accounts: [{ account: 'a' }], indicators: card(others) },
        { id: 'c2', accounts: [{ account: 'b' }], indicators: card(others) },
      ],
      undecided: [],
    }) as unknown as Dossier;
  const a = { id: 'k1', campaign: 'c1', accounts: ['a'], indicators: [] } as unknown as Case;
  const b = { id: 'k2', campaign: 'c2', accounts: ['b'], indicators: [], status: 'open', title: 't' } as unknown as Case;
  expect(related(d(4), a, [a, b])).toMatchObject([{ id: 'k2', values: [{ kind: 'payment', value: 'card' }], accounts: 0 }]);
  expect(related(d(40), a, [a, b])).toEqual([]);
});

describe('the picture', () => {
  const name = (i: number) => `acct-${i}`;
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => name(from + i));
  const view = { kind: '', bitsMin: 0, open: [], bitsOf: () => 5, accounts: 25_000 };

  test('draws 25,000 accounts as few as they differ, and opens a group on demand', () => {
    const ties = [
      { kind: 'address', value: 'x', accounts: range(0, 20_000) },
      { kind: 'payment', value: 'y', accounts: range(15_000, 25_000) },
    ];
    const g = graphOf(ties, view);
    expect(g.nodes.map((n) => n.accounts)).toEqual([20_000, 10_000, 15_000, 5_000, 5_000]);
    expect(g.edges).toHaveLength(4);
    const group = g.nodes.find((n) => n.kind === 'group')?.id ?? '';
    const opened = graphOf(ties, { ...view, open: [group] });
    expect(opened.nodes.filter((n) => n.kind === 'account')).toHaveLength(GRAPH.openMax);
    // What was there before stays where it was.
    const was = new Map(graphOf(ties, view).nodes.map((n) => [n.id, [n.x, n.y]]));
    const stayed = opened.nodes.filter((n) => was.has(n.id));
    expect(stayed.length).toBeGreaterThan(2);
    for (const n of stayed) expect([n.x, n.y]).toEqual(was.get(n.id));
    const more = opened.nodes.find((n) => n.id === `${group}.${GRAPH.openMax}`);
    expect(more?.label).toBe(`${15_000 - GRAPH.openMax} more accounts`);
    // And from there the next of them, until all have been seen.
    const next = graphOf(ties, { ...view, open: [more?.id ?? ''] });
    expect(next.opened).toEqual([{ id: group, accounts: 15_000, from: GRAPH.openMax, shown: GRAPH.openMax }]);
    expect(next.nodes.find((n) => n.kind === 'account')?.label).toBe(name(GRAPH.openMax));
    expect(graphOf(ties, { ...view, kind: 'payment' }).nodes.map((n) => n.accounts)).toEqual([10_000, 10_000]);
  });

  test('never draws more than its limit, says how many it left out, and is the same each time', () => {
    const ties = Array.from({ length: 40 }, (_, t) => ({
      kind: 'address',
      value: `v${t}`,
      accounts: range(0, 900).filter((_, i) => (Math.imul((i + 3) * (t + 7), 2654435761) >>> 13) % 2 === 1),
    }));
    const g = graphOf(ties, view);
    expect(g.nodes).toHaveLength(GRAPH.nodesMax);
    expect(g.leftOut).toBeGreaterThan(0);
    expect(g.nodes.every((n) => Math.abs(n.x) <= 1 && Math.abs(n.y) <= 1)).toBe(true);
    expect(graphOf(ties, view)).toEqual(g);
  });
});
