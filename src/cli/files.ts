import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';

const real = (path: string): string => {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
};

/** Whether two paths lead to one file, through links or not: what is read must not be written over. */
export const sameFile = (a: string, b: string): boolean => real(a) === real(b);
