import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { ROOT } from './cost.ts';

/** The real browser that the console is tested and measured in: Debian's. */
export const CHROMIUM = '/usr/bin/chromium';

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

/** `stillwatch console` over a store, as a person starts it; its address holds the token. */
export async function openConsole(store: string): Promise<{ url: string; stop(): void }> {
  const main = join(fileURLToPath(ROOT), 'dist/cli/main.js');
  const child = spawn(process.execPath, [main, 'console', '--store', store, '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((done) => {
    let said = '';
    child.stdout.on('data', (d: Buffer) => {
      said += d.toString();
      const m = /http\S+/.exec(said);
      if (m) done(m[0]);
    });
  });
  return { url, stop: () => void child.kill('SIGTERM') };
}
