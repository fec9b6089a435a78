import type { Command } from 'commander';
import { readDocument, readPolicy } from '../gateway/config.ts';
import { StillwatchError } from '../model/errors.ts';
import { openStore } from '../store/open.ts';
import { type ConsoleFlags, consoleCommand } from './console.ts';
import { EXIT, number } from './scan.ts';
import { auditVerify, policyCommand, serve } from './serve.ts';
import { askAdmin, servedBy } from './served.ts';
import { simulate } from './simulate.ts';
import type { Terminal } from './terminal.ts';

/** Commands around the running service. */
export function serviceCommands(p: Command, t: Terminal, set: (code: number) => void): void {
  p.command('serve')
    .description('watch live traffic beside or in front of a model API, decide inline, and enforce')
    .option('--config <file>', 'see docs/serve.md', 'stillwatch.yaml')
    .option('--check', 'only check the configuration and the policy it names')
    .action(async (flags: { config: string; check?: boolean }) => {
      if (flags.check) {
        const { readConfig } = await import('../gateway/config.ts');
        readConfig(flags.config);
        t.out(`${flags.config}: it holds\n`);
        return;
      }
      set(await serve(flags.config));
    });
  p.command('console')
    .description('the pages for analysts over any store')
    .option('--store <path|url>', 'the store', './.stillwatch')
    .option('--listen <host:port>', 'where', '127.0.0.1:8090')
    .option('--policy <file>', 'proposals by this policy')
    .action(async (flags: ConsoleFlags) => set(await consoleCommand(flags, t)));
  const policy = p.command('policy').description('check, compare or simulate a policy file');
  policy
    .command('check')
    .argument('<file>')
    .action((file: string) => t.out(policyCommand('check', [file])));
  policy
    .command('diff')
    .argument('<old>')
    .argument('<new>')
    .action((a: string, b: string) => t.out(policyCommand('diff', [a, b])));
  policy
    .command('simulate')
    .description('replay history: what the policy would have stopped, and whom it would have touched')
    .argument('<file>')
    .option('--store <path|url>', 'the store', './.stillwatch')
    .option('--steps <n>', 'looks at the history', '6')
    .option('--confidence <score>', 'name a campaign from this confidence on', '0.5')
    .action(async (file: string, flags: { store: string; steps: string; confidence: string }) => {
      const rules = readPolicy(file);
      const [steps, confidence] = [number(flags.steps, '--steps', 1, 100), number(flags.confidence, '--confidence', 0, 1)];
      const served = servedBy(flags.store);
      if (served) {
        t.note('the store is served: the service replays it, and takes nothing in meanwhile');
        t.out(await askAdmin(served, 'POST', '/v1/policy/simulate', { policy: readDocument(file), steps, confidence }));
        return;
      }
      const store = await openStore({ at: flags.store, create: false });
      try {
        t.out(await simulate(store, rules, steps, confidence, t));
      } finally {
        await store.close();
      }
    });
  const audit = p.command('audit').description('the audit log of serve');
  audit
    .command('verify')
    .description('find any change of the log')
    .argument('[path]', 'the state directory of serve, or the log itself', './.stillwatch-serve')
    .option('--head <hash>', 'a head noted earlier: also tells a log cut short')
    .action((path: string, flags: { head?: string }) => {
      if (flags.head !== undefined && !/^[0-9a-f]{64}$/.test(flags.head))
        throw new StillwatchError('E_USAGE', '--head is no hash', 'it has 64 hexadecimal digits, as printed by audit verify');
      const { text, ok } = auditVerify(path, flags.head);
      t.out(text);
      set(ok ? EXIT.done : EXIT.found);
    });
}
