import { readFileSync } from 'node:fs';

export const ROOT = new URL('../../', import.meta.url);
export const VERSION = (JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as { version: string }).version;
