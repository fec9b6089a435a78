import { AggregatorRegistry } from 'prom-client';
import { readAccepted } from '../gateway/config.ts';
import { type ToWorker, Worker } from '../gateway/worker.ts';

/** The process of one gateway worker, started by `stillwatch serve`. */
const config = readAccepted(process.argv[2] ?? 'config.json');
const worker = new Worker(config, process.env['STILLWATCH_WORKER'] ?? 'w0');
// The parent gathers the counts of all workers.
AggregatorRegistry.setRegistries([worker.parts.meters.registry]);
new AggregatorRegistry();
let draining = false;

async function drain(ms = config.drain_seconds * 1000): Promise<void> {
  if (draining) return;
  draining = true;
  await worker.drain(ms);
  process.exit(0);
}

process.on('message', (m: ToWorker) => {
  // Other libraries use this channel too.
  if (typeof m !== 'object' || m === null || !['snapshot', 'delta', 'spent', 'hand', 'drain'].includes(m.type)) return;
  if (m.type === 'drain') void drain(m.ms);
  const answer = worker.take(m);
  if (answer) process.send?.(answer);
});
// The parent decides when to stop; it asks first.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => void drain());
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
