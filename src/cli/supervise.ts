import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Long work runs in a child: the engine cannot be stopped from inside, and a process that ends under it crashes. The parent takes the signals, ends the child at once (the store
 * is consistent after that, as after any kill), removes what was spooled of raw logs, and leaves with the code of the contract.
 */
const OF = 'STILLWATCH_PARENT';
const SPOOL = 'STILLWATCH_SPOOL';
const NAME = 'stillwatch-';

/** Commands that hold an engine for long. */
const LONG: ReadonlySet<string> = new Set(['scan', 'check', 'link', 'demo']);

export const isSupervised = (): boolean => process.env[OF] === String(process.ppid);
/** Its parent was gone before it had begun: it has another parent now, and the channel of the old one. */
export const isOrphan = (): boolean => process.env[OF] !== undefined && process.send !== undefined && !isSupervised();
export const isLong = (command: string | undefined): boolean => command !== undefined && LONG.has(command);

/** A place for what is written down only while it is read. */
export const spoolPlace = (): string => mkdtempSync(join((isSupervised() ? process.env[SPOOL] : undefined) ?? tmpdir(), NAME));

/** What a run that was killed outright has left: raw logs stay nowhere longer than until the next run. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^stillwatch-(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    try {
      process.kill(Number(pid), 0);
    } catch (error) {
      if ((error as { code?: string }).code === 'ESRCH') rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

/** The parent is gone without a word: nobody waits for this any more. */
export function endWithParent(): void {
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  if (!process.connected) process.kill(process.pid, 'SIGKILL');
  // Ctrl-C reaches the whole group; it is for the parent.
  process.on('SIGINT', () => undefined);
  process.channel?.unref();
}

/** Runs this same command line in a child. Returns its exit code, `interrupted` after a signal. */
export function supervise(interrupted: number, said: () => void): Promise<number> {
  sweep();
  const spool = mkdtempSync(join(tmpdir(), `${NAME}${process.pid}-`));
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [OF]: String(process.pid), [SPOOL]: spool },
  });
  let stopped = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      stopped = true;
      child.kill('SIGKILL');
    });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code, signal) => {
      rmSync(spool, { recursive: true, force: true });
      if (stopped) said();
      done(stopped ? interrupted : (code ?? 128 + (signal === 'SIGKILL' ? 9 : 6)));
    });
  });
}
