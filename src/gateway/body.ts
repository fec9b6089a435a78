import type { IncomingMessage, ServerResponse } from 'node:http';

export class TooLarge extends Error {}
/** It comes too slowly to wait for. */
export class TooSlow extends Error {}
/** More bodies are held than there is room for. */
export class NoRoom extends Error {}

const PATIENCE_MS = 5000;

/**
 * A whole request body, bounded. Rejects with TooLarge as soon as the bound is passed, with NoRoom when `hold` has none for a part, and when the client goes away.
 * @param hold told of each part before it is kept; false when there is no room
 * @param least bytes a second that must come, looked at every few seconds; 0 waits however long it takes. Rejects with TooSlow
 */
export function readBody(req: IncomingMessage, max: number, hold: (bytes: number) => boolean = () => true, least = 0): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(req.headers['content-length'] ?? 0) > max) {
      reject(new TooLarge());
      return;
    }
    const parts: Buffer[] = [];
    let bytes = 0;
    let before = 0;
    const watch =
      least > 0
        ? setInterval(() => {
            if (bytes - before >= (least * PATIENCE_MS) / 1000) {
              before = bytes;
              return;
            }
            clearInterval(watch);
            req.pause();
            req.removeAllListeners('data');
            parts.length = 0;
            reject(new TooSlow());
          }, PATIENCE_MS)
        : undefined;
    watch?.unref();
    const over = () => clearInterval(watch);
    req.on('end', over);
    req.on('close', over);
    req.on('data', (part: Buffer) => {
      bytes += part.length;
      const fits = bytes <= max;
      if (fits && hold(part.length)) {
        parts.push(part);
        return;
      }
      req.pause();
      req.removeAllListeners('data');
      parts.length = 0;
      reject(fits ? new NoRoom() : new TooLarge());
    });
    req.on('end', () => resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)));
    req.on('error', reject);
    req.on('close', () => (req.complete ? undefined : reject(new Error('the client went away'))));
  });
}

/** Room for all the bodies that are held at once. */
export class Bodies {
  private held = 0;
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** Room for one of them, from its first byte to the end of its answer: for `readBody`. */
  room(res: ServerResponse): (bytes: number) => boolean {
    let mine = 0;
    res.on('close', () => {
      this.held -= mine;
      mine = 0;
    });
    return (bytes) => {
      if (res.destroyed || this.held + bytes > this.max) return false;
      this.held += bytes;
      mine += bytes;
      return true;
    };
  }
}
