import { defineConfig } from 'vitest/config';

/** Whole judgements of simulated worlds and files: nothing in them waits for a clock, a port or a browser. */
const WORLDS = ['barriers', 'campaigns', 'content', 'discoveries', 'formats', 'framing', 'hands', 'hard', 'input', 'link', 'signals'].map(
  (name) => `test/${name}.test.ts`,
);

// The embedded engine crashes in worker threads and holds one directory a process: forks.
const common = { pool: 'forks' as const, testTimeout: 120_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
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
