import { appendFileSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { blast } from '../src/barriers/blast.ts';
import { type Detected, detect } from '../src/barriers/cases.ts';
import { entry, GENESIS, verifyChain } from '../src/barriers/chain.ts';
import {
  approve,
  automatic,
  clearedAccounts,
  closeGate,
  decideAppeal,
  extend,
  fileAppeal,
  lift,
  liftRefuted,
  type Proposal,
  propose,
} from '../src/barriers/commands.ts';
import { Decider } from '../src/barriers/decide.ts';
import { apply, type Event } from '../src/barriers/events.ts';
import { MemoryBudgets, perMinute } from '../src/barriers/gcra.ts';
import { type Actor, EMPTY_STATE, type State } from '../src/barriers/model.ts';
import { checkPolicy, endedGates, limitsFor, NO_POLICY, type Policy, planned, policyDiff, training } from '../src/barriers/policy.ts';
import { applied, deltaOf, snapshotOf } from '../src/barriers/snapshot.ts';
import type { Dossier, Finding } from '../src/model/dossier.ts';
import { Audit, verifyFile } from '../src/serve/audit.ts';
import { temp } from './support/tools.ts';

const ann: Actor = { name: 'ann', role: 'analyst' };
const bert: Actor = { name: 'bert', role: 'admin' };
const vera: Actor = { name: 'vera', role: 'viewer' };
const NOW = 1_780_000_000_000;
const HOUR = 3_600_000;
const run = (s: State, events: readonly Event[]): State => events.reduce(apply, s);
let n = 0;
const ids = { id: (p: string) => `${p}-${++n}`, reference: () => `SW-${++n}` };

const finding = (over: Partial<Finding> = {}): Finding =>
  ({
    id: 'c-1',
    title: '4 accounts',
    kind: 'extraction campaign',
    confidence: 0.9,
    accounts: ['a', 'b', 'c', 'd'].map((account) => ({
      account,
      membership: 0.99,
      exchanges: 100,
      share: 1,
      share_low: 0.9,
      share_high: 1,
      first_seen: '',
      last_seen: '',
    })),
    models: { 'm-1': 400 },
    indicators: [{ kind: 'address', value: '192.0.2.1', accounts: 4, others: 0, bits: 9 }],
    evidence: [],
    ...over,
  }) as unknown as Finding;

const detected = (f: Finding[], subjects: Detected['subjects'] = {}): Detected => ({
  dossier: { campaigns: f, undecided: [], look_alikes: [], coverage: { exchanges: 100_000 } } as unknown as Dossier,
  subjects,
});

const POLICY = checkPolicy(
  {
    version: 1,
    training_on_outputs: { 'm-*': 'forbidden' },
    rules: [{ name: 'r', when: { confidence: 0.8 }, propose: 'suspend', automatic: 'hold', hours: 24 }],
    automatic: { traffic_share_max: 0.01 },
  },
  'test',
);

const proposal = (over: Partial<Proposal> = {}): Proposal => ({
  id: 'b',
  appeal: 'SW-1',
  accounts: ['a'],
  action: 'verify',
  reason: 'why',
  hours: 24,
  ...over,
});

test('a suspension stands only after two different persons have opened its evidence and accepted it', () => {
  let s = run(EMPTY_STATE, detect(EMPTY_STATE, detected([finding()]), POLICY, ids, NOW));
  s = run(s, [{ at: NOW, by: 'ann', what: { type: 'mode.changed', enforcing: true, reason: 'x' } }]);
  const b = [...s.barriers.values()].find((x) => x.action === 'suspend');
  const id = b?.id ?? '';
  expect(b?.state).toBe('proposed');
  expect(() => approve(s, vera, id, NOW)).toThrow(/may not decide/);
  expect(() => approve(s, ann, id, NOW)).toThrow(/has not opened the evidence/);
  expect(() => approve(s, { name: 'policy', role: 'policy' }, id, NOW)).toThrow(/may not decide/);
  for (const by of ['ann', 'bert']) s = run(s, [{ at: NOW, by, what: { type: 'case.read', id: b?.case ?? '' } }]);
  s = run(s, approve(s, ann, id, NOW));
  expect(s.barriers.get(id)?.state).toBe('proposed');
  expect(() => approve(s, ann, id, NOW)).toThrow(/accepted it already/);
  s = run(s, approve(s, bert, id, NOW));
  expect(s.barriers.get(id)).toMatchObject({ state: 'active', dry_run: false });
});

test('until somebody switches enforcement on, what stands is a rehearsal', () => {
  let s = run(EMPTY_STATE, propose(EMPTY_STATE, ann, proposal({ action: 'verify' }), NOW));
  s = run(s, approve(s, bert, 'b', NOW));
  const v = new Decider(snapshotOf(s, {} as never, 1, 0, NOW)).decide({ account: 'a', model: 'm', capabilities: [] }, NOW);
  expect(v.action).toBe('allow');
  expect(v.rehearsed?.action).toBe('verify');
});

test('policy alone never suspends, never holds longer than a day, and waits above its cap', () => {
  const opened = run(EMPTY_STATE, detect(EMPTY_STATE, detected([finding()]), NO_POLICY, ids, NOW));
  const of = [...opened.cases.keys()][0] ?? '';
  const s = run(opened, propose(opened, ann, proposal({ action: 'suspend', case: of }), NOW));
  expect(() => automatic(s, 'b', NOW)).toThrow(/never automatic/);
  // A suspension rests on a case, and a case lends its evidence to its own accounts only.
  expect(() => propose(opened, ann, proposal({ action: 'suspend' }), NOW)).toThrow(/rests on a case/);
  expect(() => propose(opened, ann, proposal({ case: of, accounts: ['victim'] }), NOW)).toThrow(/not all of these accounts/);
  expect(() => propose(EMPTY_STATE, ann, proposal({ action: 'hold', hours: 25 }), NOW)).toThrow(/at most 24/);
  expect(() =>
    checkPolicy({ version: 1, rules: [{ name: 'x', when: { confidence: 0.5 }, propose: 'suspend', automatic: 'suspend' }] }, 'p'),
  ).toThrow(/never automatic/);
  expect(() =>
    checkPolicy({ version: 1, rules: [{ name: 'x', when: { confidence: 0.5 }, propose: 'watch', automatic: 'hold', hours: 48 }] }, 'p'),
  ).toThrow(/24 hours/);
  const within = run(EMPTY_STATE, detect(EMPTY_STATE, detected([finding()]), POLICY, ids, NOW));
  expect([...within.barriers.values()].find((b) => b.action === 'hold')).toMatchObject({ state: 'active', automatic: true });
  const many = finding({ accounts: finding().accounts.map((a) => ({ ...a, exchanges: 10_000 })) });
  const events = detect(EMPTY_STATE, detected([many]), POLICY, ids, NOW);
  expect([...run(EMPTY_STATE, events).barriers.values()].every((b) => b.state === 'proposed')).toBe(true);
  expect(events.some((e) => e.what.type === 'service' && e.what.said.includes('waits for a person'))).toBe(true);
  const verified = detect(EMPTY_STATE, detected([finding()], { a: { verification: 'business' } }), POLICY, ids, NOW);
  expect([...run(EMPTY_STATE, verified).barriers.values()].every((b) => b.state === 'proposed')).toBe(true);
  // A share of verified customers, in place of a number: one of three hundred is below one in a hundred, one of thirty is not.
  const shared: Policy = { ...POLICY, automatic: { ...POLICY.automatic, verified_share_max: 0.01 } };
  for (const [known, held] of [
    [300, true],
    [30, false],
    [undefined, false],
  ] as const) {
    const look = { ...detected([finding()], { a: { verification: 'business' } }), ...(known ? { verified: known } : {}) };
    const out = run(EMPTY_STATE, detect(EMPTY_STATE, look, shared, ids, NOW));
    expect([...out.barriers.values()].some((b) => b.state === 'active')).toBe(held);
  }
});

test('what policy does by itself it does once: a hold that ran out is not set again', () => {
  let s = EMPTY_STATE;
  let held = 0;
  for (let hour = 0; hour < 120; hour++) {
    const now = NOW + hour * HOUR;
    s = run(s, detect(s, detected([finding()]), POLICY, ids, now));
    if ([...s.barriers.values()].some((b) => b.action === 'hold' && b.state === 'active' && b.expires > now)) held += 1;
  }
  expect(held).toBe(24);
});

test('a rule that watches by itself for longer than a day is cut to a day, and a rule at fault costs no other case', () => {
  const p = checkPolicy(
    {
      version: 1,
      training_on_outputs: { '*': 'forbidden' },
      rules: [{ name: 'w', when: { confidence: 0.5 }, propose: 'watch', automatic: 'watch' }],
    },
    'p',
  );
  const s = run(EMPTY_STATE, detect(EMPTY_STATE, detected([finding()]), p, ids, NOW));
  expect(s.cases.size).toBe(1);
  expect([...s.barriers.values()]).toMatchObject([{ action: 'watch', state: 'active' }]);
});

test('a changed case must be read again, the host itself is no person, and what has run out is proposed anew', () => {
  let s = run(EMPTY_STATE, detect(EMPTY_STATE, detected([finding()]), POLICY, ids, NOW));
  const b = [...s.barriers.values()].find((x) => x.action === 'suspend');
  s = run(s, [{ at: NOW, by: 'ann', what: { type: 'case.read', id: b?.case ?? '' } }]);
  const grown = finding({ id: 'c-2', accounts: [...finding().accounts, { ...finding().accounts[0], account: 'e' } as never] });
  s = run(s, detect(s, detected([grown]), POLICY, ids, NOW + 2));
  expect(() => approve(s, ann, b?.id ?? '', NOW)).toThrow(/has not opened the evidence/);
  expect(() => approve(s, { name: 'local', role: 'admin' }, b?.id ?? '', NOW)).toThrow(/no person/);
  let v = run(EMPTY_STATE, propose(EMPTY_STATE, ann, proposal(), NOW));
  v = run(v, approve(v, bert, 'b', NOW));
  expect(() => extend(v, ann, 'b', 5, 'x', NOW + 25 * HOUR)).toThrow(/has run out/);
  expect(run(v, extend(v, ann, 'b', 5, 'x', NOW)).barriers.get('b')?.expires).toBe(NOW + 29 * HOUR);
});

test('the same finding again changes nothing; what people closed stays closed; newcomers are proposed', () => {
  let s = run(EMPTY_STATE, detect(EMPTY_STATE, detected([finding()]), POLICY, ids, NOW));
  expect(detect(s, detected([finding()]), POLICY, ids, NOW + 1)).toEqual([]);
  const grown = finding({ id: 'c-2', accounts: [...finding().accounts, { ...finding().accounts[0], account: 'e' } as never] });
  const next = detect(s, detected([grown]), POLICY, ids, NOW + 2);
  expect(next.map((e) => e.what.type)).toEqual(['case.updated', 'barrier.proposed', 'barrier.proposed', 'barrier.approved']);
  expect(next[1]?.what).toMatchObject({ barrier: { accounts: ['e'] } });
  const id = [...s.cases.keys()][0] ?? '';
  s = run(s, [{ at: NOW, by: 'ann', what: { type: 'case.disposed', id, disposition: 'false positive', reason: 'r' } }]);
  expect(detect(s, detected([grown]), POLICY, ids, NOW + 3)).toEqual([]);
  // One person's word teaches nothing, the same person's twice neither.
  expect(clearedAccounts(s)).toEqual([]);
  s = run(s, [{ at: NOW, by: 'ann', what: { type: 'case.disposed', id, disposition: 'false positive', reason: 'r' } }]);
  expect(clearedAccounts(s)).toEqual([]);
  s = run(s, [{ at: NOW, by: 'bert', what: { type: 'case.disposed', id, disposition: 'false positive', reason: 'r' } }]);
  expect(clearedAccounts(s)).toEqual(['a', 'b', 'c', 'd']);
  // What two called a false positive leaves nothing standing on them, and nothing proposed.
  const before = [...s.barriers.values()].filter((b) => b.case === id).map((b) => b.state);
  expect(before).toContain('active');
  s = run(s, liftRefuted(s, { name: 'bert', role: 'analyst' }, id, NOW + 1));
  expect([...s.barriers.values()].filter((b) => b.case === id && ['active', 'proposed'].includes(b.state))).toEqual([]);
  expect(liftRefuted(s, { name: 'bert', role: 'analyst' }, id, NOW + 2)).toEqual([]);
});

test('the token of the host is nobody: it seconds nothing, and nothing of its own is seconded by one person', () => {
  const opened = run(EMPTY_STATE, detect(EMPTY_STATE, detected([finding()]), POLICY, ids, NOW));
  const id = [...opened.cases.keys()][0] ?? '';
  const disposed = (...by: string[]): State =>
    by.reduce(
      (s, x) => run(s, [{ at: NOW, by: x, what: { type: 'case.disposed', id, disposition: 'false positive', reason: 'r' } }]),
      opened,
    );
  for (const by of [
    ['local', 'ann'],
    ['ann', 'local'],
    ['ann', 'local', 'ann'],
  ])
    expect(clearedAccounts(disposed(...by))).toEqual([]);
  expect(clearedAccounts(disposed('ann', 'local', 'bert'))).toHaveLength(4);
  const b = propose(EMPTY_STATE, { name: 'local', role: 'admin' }, proposal(), NOW);
  const once = run(run(EMPTY_STATE, b), approve(run(EMPTY_STATE, b), ann, 'b', NOW));
  expect(once.barriers.get('b')?.state).toBe('proposed');
  expect(run(once, approve(once, bert, 'b', NOW)).barriers.get('b')?.state).toBe('active');
});

test('unless training on outputs is forbidden for the models concerned, nothing is proposed for extraction', () => {
  for (const said of [{}, { 'm-1': 'allowed' as const }, { 'm-*': 'forbidden' as const, 'm-1': 'unknown' as const }]) {
    const p = checkPolicy({ ...JSON.parse(JSON.stringify(POLICY)), training_on_outputs: said }, 'p');
    expect(planned(p, finding(), () => ({})).plans).toEqual([]);
  }
  expect(training(POLICY, 'm-9')).toBe('forbidden');
  expect(training(POLICY, 'other')).toBe('unknown');
});

test('what is to last longer than a month takes two people as a suspension does, and is not extended past it by one', () => {
  const case_: State = run(EMPTY_STATE, detect(EMPTY_STATE, detected([finding()]), POLICY, ids, NOW));
  const on = [...case_.cases.values()][0];
  let s = case_;
  for (const by of ['ann', 'bert']) s = run(s, [{ at: NOW, by, what: { type: 'case.read', id: on?.id ?? '' } }]);
  const of = { case: on?.id ?? '', accounts: on?.accounts.slice(0, 1) ?? [] };
  s = run(s, propose(s, ann, proposal({ ...of, id: 'year', level: 'business', hours: 8784 }), NOW));
  s = run(s, approve(s, ann, 'year', NOW, { dryRun: false }));
  expect(s.barriers.get('year')?.state).toBe('proposed');
  s = run(s, approve(s, bert, 'year', NOW, { dryRun: false }));
  expect(s.barriers.get('year')?.state).toBe('active');
  s = run(s, propose(s, ann, proposal({ ...of, id: 'week', hours: 168 }), NOW));
  s = run(s, approve(s, ann, 'week', NOW, { dryRun: false }));
  expect(s.barriers.get('week')?.state).toBe('active');
  s = run(s, extend(s, ann, 'week', 168, 'x', NOW));
  expect(() => extend(s, ann, 'week', 720, 'x', NOW)).toThrow(/longer than a month/);
});

test('an appeal finds its barrier by reference, and upheld it lifts it', () => {
  let s = run(EMPTY_STATE, propose(EMPTY_STATE, ann, proposal({ action: 'verify' }), NOW));
  s = run(s, approve(s, bert, 'b', NOW, { dryRun: false }));
  expect(() => fileAppeal(s, 'desk', 'SW-none', '', 'please', NOW)).toThrow(/no barrier/);
  expect(() => fileAppeal(s, 'desk', 'SW-1', 'stranger', 'please', NOW)).toThrow(/no barrier/);
  s = run(s, fileAppeal(s, 'desk', 'SW-1', 'a', 'please', NOW));
  expect(() => fileAppeal(s, 'desk', 'SW-1', 'a', 'again', NOW)).toThrow(/open already/);
  s = run(s, decideAppeal(s, ann, 'SW-1', true, 'they are right', NOW));
  expect(s.barriers.get('b')).toMatchObject({ state: 'lifted', lifted: { by: 'ann' } });
  expect(() => decideAppeal(s, ann, 'SW-1', true, 'x', NOW)).toThrow(/has been decided/);
  expect(() => lift(s, ann, 'b', 'x', NOW)).toThrow(/is lifted/);
  expect(() => extend(s, ann, 'b', 5, 'x', NOW)).toThrow(/is lifted/);
  expect(() => propose(s, ann, proposal({ id: 'b2', reason: ' ' }), NOW)).toThrow(/needs a reason/);
});

test('the strongest standing barrier decides, what has run out is gone, and a verified account is asked no more', () => {
  let s: State = { ...EMPTY_STATE, enforcing: true };
  for (const [id, action, hours] of [
    ['w', 'watch', 24],
    ['v', 'verify', 24],
    ['h', 'hold', 1],
  ] as const) {
    s = run(s, propose(s, ann, proposal({ id, action, hours }), NOW));
    s = run(s, approve(s, bert, id, NOW));
  }
  const ask = (at: number) =>
    new Decider(snapshotOf(s, {} as never, 1, 0, NOW)).decide({ account: 'a', model: 'm', capabilities: [] }, at).action;
  expect(ask(NOW)).toBe('refuse');
  expect(ask(NOW + HOUR)).toBe('verify');
  expect(ask(NOW + 25 * HOUR)).toBe('allow');
  s = run(s, [
    { at: NOW, by: 'ann', what: { type: 'verification.recorded', verification: { account: 'a', level: 'id', by: 'ann', at: NOW } } },
  ]);
  expect(ask(NOW + HOUR)).toBe('allow');
  expect(ask(NOW)).toBe('refuse');
});

test('a worker follows changes one by one, and notices when it missed one', () => {
  let s: State = { ...EMPTY_STATE, enforcing: true };
  const one = snapshotOf(s, NO_POLICY.limits, 1, 0, NOW);
  s = run(s, propose(s, ann, proposal({ action: 'verify' }), NOW));
  s = run(s, approve(s, bert, 'b', NOW));
  const two = snapshotOf(s, NO_POLICY.limits, 2, 0, NOW);
  s = run(s, lift(s, ann, 'b', 'x', NOW));
  const three = snapshotOf(s, NO_POLICY.limits, 3, 0, NOW);
  expect(applied(one, deltaOf(one, two))).toEqual(two);
  expect(applied(two, deltaOf(two, three))).toEqual(three);
  expect(applied(one, deltaOf(two, three))).toBeNull();
});

test('limits go by verification, tier and age; newcomers get what is published, never more', () => {
  const { limits } = checkPolicy(
    {
      version: 1,
      limits: {
        default: { requests_per_minute: 100 },
        tiers: { free: { requests_per_minute: 20 } },
        verification: { business: { requests_per_minute: 500 } },
        new_accounts: { younger_than_days: 7, limits: { requests_per_minute: 50 }, apply: 'matching' },
      },
    },
    'p',
  );
  const rate = (who: Parameters<typeof limitsFor>[1], matches = false) => limitsFor(limits, who, matches, NOW).limits.requests_per_minute;
  expect(rate({})).toBe(100);
  expect(rate({ tier: 'free' })).toBe(20);
  expect(rate({ tier: 'free', verification: 'business' })).toBe(500);
  expect(rate({ created: NOW - HOUR })).toBe(100);
  expect(rate({ created: NOW - HOUR }, true)).toBe(50);
  expect(rate({ created: NOW - HOUR, tier: 'free' }, true)).toBe(20);
  expect(rate({ created: NOW - 30 * 24 * HOUR }, true)).toBe(100);
});

test('budgets: a burst, then the rate; all asks or none; what is settled comes back', () => {
  const b = new MemoryBudgets();
  const ask = (key: string, units: number) => ({ key, rate: perMinute(60), units });
  for (let i = 0; i < 60; i++) expect(b.take([ask('r', 1)], NOW)[0]?.ok).toBe(true);
  expect(b.take([ask('r', 1)], NOW)[0]).toMatchObject({ ok: false, retryMs: 1000, remaining: 0 });
  expect(b.take([ask('r', 1)], NOW + 1000)[0]?.ok).toBe(true);
  // The second cannot pass, so the first is not spent.
  expect(b.take([ask('fresh', 10), ask('r', 1)], NOW + 1000).map((x) => x.ok)).toEqual([true, false]);
  expect(b.take([ask('fresh', 60)], NOW + 1000)[0]?.ok).toBe(true);
  expect(b.take([ask('huge', 61)], NOW)[0]).toMatchObject({ ok: false, retryMs: Number.POSITIVE_INFINITY });
  const none = { key: 'none', rate: perMinute(0), units: 1 };
  expect(b.take([none], NOW)[0]).toMatchObject({ ok: false, limit: 0, resetMs: 0 });
  b.settle([ask('fresh', 30)], NOW + 1000);
  expect(b.take([ask('fresh', 30)], NOW + 1000)[0]?.ok).toBe(true);
  expect(b.take([ask('fresh', 1)], NOW + 1000)[0]?.ok).toBe(false);
  // Another process takes over: what is spent stays so, what has come back is not handed on, and nothing is forgotten that it spent itself.
  const next = new MemoryBudgets();
  next.take([ask('own', 60)], NOW + 1000);
  next.heed(b.spent(NOW + 1000));
  for (const key of ['r', 'fresh', 'own']) expect(next.take([ask(key, 1)], NOW + 1000)[0]?.ok).toBe(false);
  expect(b.spent(NOW + 3_600_000)).toEqual([]);
});

test('any change of the audit log is found: a letter, a line left out, put in, swapped, or cut off', () => {
  const lines: string[] = [];
  let prev = GENESIS;
  for (let i = 0; i < 12; i++) {
    const e = entry({ at: NOW + i, by: 'ann', what: { type: 'service', said: `x${i}` } }, i, prev);
    prev = e.hash;
    lines.push(JSON.stringify(e));
  }
  expect(verifyChain(lines, prev).fault).toBeNull();
  for (let i = 0; i < lines.length; i++) {
    const at = (f: (l: string[]) => void): string[] => {
      const copy = [...lines];
      f(copy);
      return copy;
    };
    expect(
      verifyChain(
        at((l) => l.splice(i, 1, (l[i] ?? '').replace('ann', 'bob'))),
        prev,
      ).fault,
      `changed ${i}`,
    ).not.toBeNull();
    expect(
      verifyChain(
        at((l) => l.splice(i, 1)),
        prev,
      ).fault,
      `left out ${i}`,
    ).not.toBeNull();
    expect(
      verifyChain(
        at((l) => l.splice(i, 0, l[i] ?? '')),
        prev,
      ).fault,
      `put in ${i}`,
    ).not.toBeNull();
    if (i > 0)
      expect(
        verifyChain(
          at((l) => l.splice(i - 1, 2, l[i] ?? '', l[i - 1] ?? '')),
          prev,
        ).fault,
        `swapped ${i}`,
      ).not.toBeNull();
    expect(verifyChain(lines.slice(0, i), prev).fault, `cut at ${i}`).not.toBeNull();
  }
});

test('a decision that cannot be written down wholly is not taken, and leaves the log as it was', () => {
  const path = join(temp(), 'audit.jsonl');
  const a = new Audit(path);
  a.append([{ at: NOW, by: 'x', what: { type: 'service', said: '1' } }]);
  const held = readFileSync(path, 'utf8');
  // A file descriptor that is closed stands for a disk that fails.
  const fd = (a as unknown as { fd: number }).fd;
  Object.assign(a, { fd: openSync('/dev/full', 'w') });
  expect(() => a.append([{ at: NOW, by: 'x', what: { type: 'service', said: '2' } }])).toThrow(/cannot be written/);
  Object.assign(a, { fd });
  expect(readFileSync(path, 'utf8')).toBe(held);
  expect(a.entries).toHaveLength(1);
});

test('a log with an unfinished last line starts again; a changed one does not', () => {
  const path = join(temp(), 'audit.jsonl');
  let a = new Audit(path);
  a.append([{ at: NOW, by: 'x', what: { type: 'service', said: '1' } }]);
  a.close();
  appendFileSync(path, '{"seq":1,"at":');
  expect(verifyFile(path).said).toContain('unfinished line');
  a = new Audit(path);
  a.append([{ at: NOW, by: 'x', what: { type: 'service', said: '2' } }]);
  a.close();
  expect(verifyFile(path)).toMatchObject({ ok: true });
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
  // Nothing stands beside what was written, not even where the hash does not reach.
  const whole = readFileSync(path, 'utf8');
  for (const [from, to] of [
    ['{"seq":1,', '{"seq":1,"note":"forged",'],
    ['"by":"x"', '"by":"evil","by":"x"'],
    ['{"seq":1,', '{ "seq":1,'],
    ['\n{"seq":1,', '\n\n{"seq":1,'],
  ] as const) {
    writeFileSync(path, whole.replace(from, to));
    expect([to, verifyFile(path).ok]).toEqual([to, false]);
  }
  writeFileSync(path, whole);
  const other = join(temp(), 'audit.jsonl');
  const odd = new Audit(other);
  odd.append([{ at: NOW, by: 'x', what: { type: 'service', said: 'a \uFFFD' } }]);
  odd.close();
  const bytes = readFileSync(other);
  const at = bytes.indexOf(Buffer.from('\uFFFD'));
  writeFileSync(other, Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at + 3)]));
  expect(verifyFile(other).ok).toBe(false);
  // Half a character at the end of a last line that was cut is no change.
  writeFileSync(other, Buffer.concat([bytes, Buffer.from('{"at":"é').subarray(0, -1)]));
  expect(verifyFile(other)).toMatchObject({ said: expect.stringContaining('unfinished line') });
  writeFileSync(path, readFileSync(path, 'utf8').replace('"said":"1"', '"said":"one"'));
  expect(() => new Audit(path)).toThrow(/does not match its hash/);
});

test('the blast radius tells whose exchanges a barrier would touch', () => {
  const f = finding({ accounts: finding().accounts.map((a, i) => ({ ...a, share: i === 0 ? 0.25 : 1, membership: i === 3 ? 0.2 : 1 })) });
  const b = blast(f.accounts, ['a', 'b', 'c', 'd', 'stranger'], (a) =>
    a === 'a' ? { tier: 'scale', verification: 'business' } : { tier: 'free' },
  );
  expect(b).toMatchObject({
    accounts: 5,
    exchanges: 400,
    campaign_exchanges: 325,
    innocent_exchanges: 75,
    doubtful_accounts: 2,
    honest_accounts: 1.8,
    verified: ['a'],
  });
  expect(b.by_class['scale, verification business']).toEqual({
    accounts: 1,
    doubtful: 0,
    honest: 0,
    exchanges: 100,
    innocent_exchanges: 75,
  });
});

test('a gate of the file that has ended is told', () => {
  const gate = (name: string, expires: string) => ({ name, models: ['a*'], reason: 'r', expires });
  const p = checkPolicy({ version: 1, gates: [gate('slip', '2025-06-01T00:00:00Z'), gate('on', '2027-06-01T00:00:00Z')] }, 'p');
  expect(endedGates(p, Date.parse('2026-06-01T00:00:00Z'))).toEqual([expect.stringContaining('"slip" ended at 2025-06-01')]);
});

test('a policy says what is wrong and where, and two are compared line by line', () => {
  expect(() => checkPolicy({ version: 2 }, 'p.yaml')).toThrow(/p\.yaml: version/);
  expect(() => checkPolicy({ version: 1, ruels: [] }, 'p.yaml')).toThrow(/ruels/);
  expect(() => checkPolicy({ version: 1, rules: [{ name: 'x', when: { confidence: 2 }, propose: 'watch' }] }, 'p')).toThrow(
    /rules\.0\.when\.confidence/,
  );
  expect(() => checkPolicy({ version: 1, rules: [{ name: 'x', when: { confidence: 0.5 }, propose: 'slow' }] }, 'p')).toThrow(
    /needs a budget/,
  );
  expect(policyDiff({ a: { b: 1 } }, { a: { b: 2 }, c: 3 })).toEqual(['a.b: 1 -> 2', 'c: (absent) -> 3']);
});

test('a campaign that grows is followed: newcomers join the case and are proposed, and one more account asks nobody to read again', () => {
  const many = (k: number) =>
    finding({
      accounts: Array.from({ length: k }, (_, i) => ({ ...finding().accounts[0], account: `m${100 + i}` })) as never,
      confidence: 0.9,
    });
  let s = run(EMPTY_STATE, detect(EMPTY_STATE, detected([many(20)]), POLICY, ids, NOW));
  const [id] = [...s.cases.keys()];
  s = run(s, [{ at: NOW, by: 'ann', what: { type: 'case.read', id: id ?? '' } }]);
  s = run(s, detect(s, detected([many(21)]), POLICY, ids, NOW + 1));
  expect(s.cases.get(id ?? '')).toMatchObject({ read_by: ['ann'] });
  expect(s.cases.get(id ?? '')?.accounts).toHaveLength(21);
  expect([...s.barriers.values()].some((b) => b.accounts.length === 1 && b.accounts[0] === 'm120')).toBe(true);
  s = run(s, detect(s, detected([many(40)]), POLICY, ids, NOW + 2));
  expect(s.cases.get(id ?? '')?.read_by).toEqual([]);
});

test('no one person shuts an account out: no budget of nothing, no barrier of their own without a case, no second hold', () => {
  const slow = (requests_per_minute: number) => proposal({ action: 'slow', budget: { requests_per_minute } });
  expect(() => propose(EMPTY_STATE, ann, slow(0), NOW)).toThrow(/lets too little through/);
  let s = run(EMPTY_STATE, propose(EMPTY_STATE, ann, slow(5), NOW));
  expect(() => approve(s, ann, 'b', NOW)).toThrow(/rests on no case/);
  s = run(s, approve(s, bert, 'b', NOW));
  for (const id of ['h1', 'h2']) s = run(s, propose(s, bert, proposal({ id, action: 'hold', hours: 24 }), NOW));
  s = run(s, approve(s, ann, 'h1', NOW));
  expect(() => approve(s, ann, 'h2', NOW)).toThrow(/held some of these accounts before/);
});

test('a step up is answered by what it asked for, not by no verification and not by an old weak one', () => {
  const verified = (level: string, at: number, asked?: string) => {
    let s: State = { ...EMPTY_STATE, enforcing: true };
    s = run(s, propose(s, ann, proposal({ action: 'verify', ...(asked ? { level: asked } : {}) }), NOW));
    s = run(s, approve(s, bert, 'b', NOW));
    s = run(s, [{ at, by: 'ann', what: { type: 'verification.recorded', verification: { account: 'a', level, by: 'ann', at } } }]);
    return new Decider(snapshotOf(s, {} as never, 1, 0, NOW)).decide({ account: 'a', model: 'm', capabilities: [] }, NOW + 1).action;
  };
  expect(verified('none', NOW + 1)).toBe('verify');
  expect(verified('email', NOW - 1)).toBe('verify');
  expect(verified('email', NOW + 1)).toBe('allow');
  expect(verified('id', NOW - 1)).toBe('allow');
  expect(verified('phone', NOW + 1, 'business')).toBe('verify');
  expect(verified('business', NOW - 1, 'business')).toBe('allow');
});

test('a gate to a country holds for where the account is registered and for where it calls from', () => {
  const by = { name: 'ann', role: 'analyst' } as const;
  const g = { id: 'g', models: [], capabilities: [], countries: ['xx'], tiers: [], reason: 'law', appeal: 'SW-9' };
  const s = run({ ...EMPTY_STATE, enforcing: true }, closeGate(by, g, 4, NOW));
  const ask = (...countries: string[]) =>
    new Decider(snapshotOf(s, {} as never, 1, 0, NOW)).decide({ account: 'a', model: 'm', capabilities: [], countries }, NOW).action;
  expect([ask('US', 'XX'), ask('xx'), ask('US'), ask()]).toEqual(['closed', 'closed', 'allow', 'allow']);
  // Its reference is appealed like a barrier's, and upheld the gate opens.
  let t = run(s, fileAppeal(s, 'desk', 'SW-9', '', 'please', NOW));
  // Another caller may object to it too.
  t = run(t, fileAppeal(t, 'desk', 'SW-9', 'other', 'please', NOW));
  t = run(t, decideAppeal(t, bert, 'SW-9~caller', true, 'right', NOW));
  expect(t.gates.get('g')?.state).toBe('opened');
});
