import { logInputs } from '../formats/index.ts';
import { scan } from '../scan.ts';
import type { Answers } from '../serve/detector.ts';
import { accountFile, explain, rejects } from './look.ts';
import { simulate } from './simulate.ts';
import { terminal } from './terminal.ts';

/** How the process that owns a store answers in text, as the commands do. */
export const answers = (): Answers => ({
  explain: (what, store, look) => explain(what, async () => store, { ...terminal(true), width: 110 }, look),
  account: accountFile,
  rejects,
  simulate: (store, policy, steps, confidence) => simulate(store, policy, steps, confidence, terminal(true)),
  scan: async (store, paths, format, base) => {
    const { inputs, unreadable } = await logInputs(paths, base.spool, () => process.stdin);
    return scan(store, { ...base, inputs, unreadable, ...(format ? { inputFormat: format } : {}) });
  },
});
