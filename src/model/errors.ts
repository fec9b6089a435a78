/** Every failure a user can meet has a code, a sentence, a hint and the exit code of the contract. */
export class StillwatchError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly exit: number;

  constructor(code: string, message: string, hint: string, options: { exit?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StillwatchError';
    this.code = code;
    this.hint = hint;
    this.exit = options.exit ?? 2;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A text without users and passwords of the addresses in it: they come with errors of libraries, which quote what they were given. */
export const withoutCredentials = (text: string): string => text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1');
