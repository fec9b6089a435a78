import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Whole judgements of simulated worlds and files: nothing in them waits for a clock or a browser. The longest first, so that neither of two workers is left alone with it at the end. */
const WORLDS = [
  'hard',
  'cli',
  'framing',
  'engines',
  'relays',
  'reading',
  'retention',
  'misread',
  'keeping',
  'formats',
  'input',
  'link',
  'shapes',
  'store',
  'pull',
  'likely',
  'repeats',
  'writers',
  'campaigns',
  'signals',
  'barriers',
  'content',
  'discoveries',
  'hands',
].map((name) => `test/${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = (f: TestSpecification): number => WORLDS.findIndex((w) => f.moduleId.endsWith(w));
    return [...files].sort((a, b) => place(a) - place(b));
  }
}

// The embedded engine crashes in worker threads and holds one directory a process: forks.
const common = { pool: 'forks' as const, testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { ...common, name: 'worlds', include: WORLDS, maxWorkers: 2, sequence: { groupOrder: 0 } } },
      // What runs services, servers or a browser is timed, and has the machine to itself.
      {
        test: {
          ...common,
          name: 'services',
          include: ['test/**/*.test.ts'],
          exclude: WORLDS,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
