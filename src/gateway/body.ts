import type { IncomingMessage } from 'node:http';

export class TooLarge extends Error {}

/** A whole request body, bounded. Rejects with TooLarge as soon as the bound is passed, and when the client goes away. */
export function readBody(req: IncomingMessage, max: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(req.headers['content-length'] ?? 0) > max) {
      reject(new TooLarge());
      return;
    }
    const parts: Buffer[] = [];
    let bytes = 0;
    req.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > max) {
        req.pause();
        req.removeAllListeners('data');
        reject(new TooLarge());
      } else parts.push(part);
    });
    req.on('end', () => resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)));
    req.on('error', reject);
    req.on('close', () => (req.complete ? undefined : reject(new Error('the client went away'))));
  });
}
