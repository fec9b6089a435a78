import { defineConfig } from 'vitest/config';

// The embedded engine crashes in worker threads and holds one directory a process: forks, one file at a time.
export default defineConfig({
  test: { include: ['test/**/*.test.ts'], pool: 'forks', fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 },
});
