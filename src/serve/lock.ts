import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StillwatchError } from '../model/errors.ts';

/** One service a state directory: writes its process number, or names the one that is there. @throws StillwatchError E_STATE_LOCKED */
export function holdState(state: string): void {
  const path = join(state, 'pid');
  const pid = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  if (pid > 0 && pid !== process.pid && running(pid))
    throw new StillwatchError(
      'E_STATE_LOCKED',
      `the state ${state} is in use by process ${pid}`,
      'stop it, or give another state directory',
    );
  writeFileSync(path, String(process.pid), { mode: 0o600 });
}

function running(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
