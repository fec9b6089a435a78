import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { hostPort, type ServeConfig } from '../gateway/config.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';

/** Addresses that workers listen on. */
export const portsOf = (c: ServeConfig): string[] => [c.proxy?.listen, c.decisions?.listen].filter((x): x is string => x !== undefined);

const AGAIN_MS = 200;

/**
 * @param wait ms for which a port may still be another program's
 * @throws StillwatchError E_LISTEN where nobody could listen there: told before anything is changed for it
 */
export async function canListen(listen: string, wait = 0): Promise<void> {
  const { host, port } = hostPort(listen);
  const fault = await new Promise<NodeJS.ErrnoException | null>((told) => {
    const probe = createServer();
    probe.once('error', told);
    probe.listen(port, host, () => probe.close(() => told(null)));
  });
  if (!fault) return;
  if (fault.code === 'EADDRINUSE' && wait > 0) {
    await pause(AGAIN_MS);
    return canListen(listen, wait - AGAIN_MS);
  }
  throw new StillwatchError(
    'E_LISTEN',
    `${listen} cannot be listened on: ${fault.code === 'EADDRINUSE' ? 'another program listens there' : messageOf(fault)}`,
    'choose another address, or stop what is there',
    { cause: fault },
  );
}
