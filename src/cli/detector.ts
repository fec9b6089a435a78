import { readAccepted } from '../gateway/config.ts';
import { messageOf, StillwatchError } from '../model/errors.ts';
import { Detector } from '../serve/detector.ts';
import type { FromDetector, Question } from '../serve/questions.ts';
import { answers } from './answers.ts';
import { VERSION } from './version.ts';

/** The process that owns the store, started by `stillwatch serve`. */
const config = readAccepted(process.argv[2] ?? 'config.json');
const tell = (m: FromDetector): void => void (process.connected && process.send?.(m));
const detector = new Detector(config, answers(), VERSION, tell);

let opening: Promise<void> | null = null;

async function stop(): Promise<void> {
  // The engine does not bear being left while it opens.
  await opening?.catch(() => undefined);
  await detector.close();
  process.exit(0);
}

process.on('message', (m: { id?: number; q?: Question; stop?: boolean }) => {
  if (m.stop) void stop();
  else if (m.q && m.id !== undefined) void detector.answer(m.id, m.q);
});
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => void stop());
process.on('disconnect', () => void stop());

try {
  opening = detector.open(process.env['STILLWATCH_SECRET']);
  await opening;
} catch (error) {
  const e = error instanceof StillwatchError ? `${error.code} ${error.message}; ${error.hint}` : messageOf(error);
  tell({ type: 'said', level: 'error', said: e });
  await new Promise((r) => setTimeout(r, 200));
  process.exit(2);
}
await detector.run();
