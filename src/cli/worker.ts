import cluster from 'node:cluster';
import { AggregatorRegistry } from 'prom-client';
import { readAccepted } from '../gateway/config.ts';
import { type FromWorker, TO_WORKER, type ToWorker, Worker } from '../gateway/worker.ts';
import { messageOf } from '../model/errors.ts';

/** The process of one gateway worker, started by `stillwatch serve`. */
const config = readAccepted(process.argv[2] ?? 'config.json');
const worker = await begin();
worker.tell = (m) => process.send?.(m);
// The parent gathers the counts of all workers.
AggregatorRegistry.setRegistries([worker.parts.meters.registry]);
new AggregatorRegistry();

/** What keeps it from starting is said by the parent, in its own words: an error printed whole could hold a line of a file of keys. */
async function begin(): Promise<Worker> {
  try {
    return new Worker(config, process.env['STILLWATCH_WORKER'] ?? 'w0');
  } catch (error) {
    await new Promise<void>((resolve) => {
      if (process.send) process.send({ type: 'said', said: messageOf(error) } satisfies FromWorker, () => resolve());
      else resolve();
    });
    process.exit(1);
  }
}

async function drain(ms = config.drain_seconds * 1000): Promise<void> {
  await worker.drain(ms);
  process.exit(0);
}

process.on('message', (m: ToWorker) => {
  // Other libraries use this channel too.
  if (typeof m !== 'object' || m === null || !TO_WORKER.includes(m.type)) return;
  if (m.type === 'drain') void drain(m.ms);
  const answer = worker.take(m);
  if (answer) process.send?.(answer);
});
// The parent decides when to stop; it asks first.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => void drain());
// A parent that was killed takes no answer with it: without this word a worker of a cluster ends at once when its channel does.
if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
process.on('disconnect', () => void drain());
// Verdicts first, then traffic.
process.send?.({ type: 'ready' });
await new Promise<void>((resolve) => {
  const wait = setInterval(() => {
    if (worker.parts.guard.snapshot.version === 0) return;
    clearInterval(wait);
    resolve();
  }, 5);
});
await worker.listen();
process.send?.({ type: 'listening' });
