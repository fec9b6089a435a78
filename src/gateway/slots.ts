import type { ServerResponse } from 'node:http';

type Got = 'taken' | 'full' | 'late' | 'gone';

/**
 * Places at the upstream, and a queue for them that holds no more than it may: a request is dispatched when a connection is free for it, so that nothing
 * waits where it can be neither counted nor taken out again.
 */
export class Slots {
  private free: number;
  private readonly queueMax: number;
  private readonly queue: Set<() => void> = new Set();

  constructor(places: number, queueMax: number) {
    this.free = places;
    this.queueMax = queueMax;
  }

  /** A place at once; false when there is none. */
  now(): boolean {
    if (this.free === 0) return false;
    this.free -= 1;
    return true;
  }

  /** A place when one is given back, unless that takes too long or the caller goes away. */
  soon(res: ServerResponse, ms: number): Promise<Got> {
    if (this.queue.size >= this.queueMax) return Promise.resolve('full');
    return new Promise((resolve) => {
      const end = (got: Got) => {
        clearTimeout(late);
        res.off('close', gone);
        this.queue.delete(mine);
        resolve(got);
      };
      const mine = () => end('taken');
      const gone = () => end('gone');
      const late = setTimeout(() => end('late'), ms);
      res.on('close', gone);
      this.queue.add(mine);
    });
  }

  give(): void {
    const next = this.queue.values().next().value;
    if (next) next();
    else this.free += 1;
  }
}
