import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Subject } from '../barriers/policy.ts';
import { NO_POLICY } from '../barriers/policy.ts';
import { parseConfig, readPolicy } from '../gateway/config.ts';
import type { Dossier } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import { Admin } from '../serve/admin.ts';
import { Control } from '../serve/control.ts';
import { Detector } from '../serve/detector.ts';
import type { FromDetector, Question } from '../serve/questions.ts';
import { routes } from '../serve/routes.ts';
import { answers } from './answers.ts';
import { servedBy } from './served.ts';
import type { Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

export interface ConsoleFlags {
  readonly store: string;
  readonly listen: string;
  readonly policy?: string;
  readonly state?: string;
}

const DEMO = '.stillwatch-demo/store';

/** Where nothing was scanned yet but the demo was run, its store is what there is to see. */
function storeOf(store: string, t: Terminal): string {
  if (/^https?:/.test(store) || existsSync(join(store, 'data')) || resolve(store) !== resolve('.stillwatch')) return store;
  if (!existsSync(join(DEMO, 'data'))) return store;
  t.note(`there is no store at ${store}: this shows that of the demo (SIMULATED), ${DEMO}`);
  return DEMO;
}

/**
 * `stillwatch console`: the pages over any store, without a service beside it. Decisions are written to an audit log of its own; barriers are kept and shown, and
 * nobody enforces them until a service does.
 */
export async function consoleCommand(given: ConsoleFlags, t: Terminal): Promise<number> {
  const flags = { ...given, store: storeOf(given.store, t) };
  const served = servedBy(flags.store);
  if (served) {
    t.out(`The store is held by stillwatch serve, which has the console: ${served.url}/#token=${served.token}\n`);
    return 0;
  }
  const remote = /^https?:/.test(flags.store);
  if (!remote && !existsSync(join(flags.store, 'data')))
    throw new StillwatchError(
      'E_STORE_NONE',
      `there is no store at ${resolve(flags.store)}`,
      'run a scan first: stillwatch scan <files>; or npm run demo, which leaves a store in .stillwatch-demo/store',
    );
  const state = flags.state ?? (remote ? join(tmpdir(), 'stillwatch-console') : join(flags.store, 'console'));
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const config = parseConfig(
    { store: flags.store, state: resolve(state), tail: ['-'], admin: { listen: flags.listen } },
    'the command line',
  );
  const control = new Control(state, flags.policy ? readPolicy(flags.policy) : NO_POLICY);
  let last: { dossier: Dossier | null; subjects: Readonly<Record<string, Subject>> } = { dossier: null, subjects: {} };
  let asked = 0;
  const waiting = new Map<number, { yes: (v: unknown) => void; no: (e: Error) => void }>();
  const heard = (m: FromDetector): void => {
    if (m.type === 'said') t.note(m.said);
    if (m.type === 'detected') {
      last = { dossier: m.detected.dossier, subjects: m.detected.subjects };
      control.take(m.detected);
    }
    if (m.type === 'answer') {
      const w = waiting.get(m.id);
      waiting.delete(m.id);
      if (m.error) w?.no(new StillwatchError(m.error.code, m.error.message, m.error.hint));
      else w?.yes(m.value);
    }
  };
  const detector = new Detector({ ...config, tail: [] }, answers(), VERSION, heard);
  await detector.open(process.env['STILLWATCH_SECRET']);
  const ask = (q: Question): Promise<unknown> =>
    new Promise((yes, no) => {
      asked += 1;
      waiting.set(asked, { yes, no });
      void detector.answer(asked, q);
    });
  // The last dossier of the store, as it is: looking again is a button away.
  const body = (await ask({ ask: 'dossier' })) as string | null;
  if (body) await detector.hand(JSON.parse(body) as Dossier);
  const token = randomBytes(24).toString('base64url');
  // Who sits here is the person who decides.
  const name = process.env['USER'] || 'analyst';
  const admin = new Admin(
    config.admin,
    [{ name, role: 'admin', token }],
    routes({
      control,
      now: Date.now,
      ask,
      last: () => last,
      health: () => ({ ready: true, detection: 'at rest: this is a console over a store', enforcing: control.state.enforcing }),
      metrics: async () => '',
    }),
  );
  const port = await admin.listen();
  t.out(`Console: http://${flags.listen.replace(/:\d+$/, '')}:${port}/#token=${token}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeAllListeners(signal);
  return new Promise((done) => {
    const end = () =>
      void admin
        .close()
        .then(() => detector.close())
        .then(() => {
          control.close();
          done(0);
        });
    process.on('SIGINT', end);
    process.on('SIGTERM', end);
  });
}
