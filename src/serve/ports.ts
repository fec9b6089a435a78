import { createServer } from 'node:net';
import { hostPort, type ServeConfig } from '../gateway/config.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';

/** Addresses that workers listen on. */
export const portsOf = (c: ServeConfig): string[] => [c.proxy?.listen, c.decisions?.listen].filter((x): x is string => x !== undefined);

/** @throws StillwatchError E_LISTEN where nobody could listen there: told before anything is changed for it */
export async function canListen(listen: string): Promise<void> {
  const { host, port } = hostPort(listen);
  await new Promise<void>((yes, no) => {
    const probe = createServer();
    probe.once('error', (cause: NodeJS.ErrnoException) =>
      no(
        new StillwatchError(
          'E_LISTEN',
          `${listen} cannot be listened on: ${cause.code === 'EADDRINUSE' ? 'another program listens there' : messageOf(cause)}`,
          'choose another address, or stop what is there',
          { cause },
        ),
      ),
    );
    probe.listen(port, host, () => probe.close(() => yes()));
  });
}
