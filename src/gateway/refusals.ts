import type { Refusal } from './dialects.ts';

export const BUSY: Refusal = {
  status: 503,
  code: 'overloaded',
  message: 'The model service is busy.',
  retry: true,
  retryMs: 1000,
};

export const REASONED: Refusal = {
  status: 403,
  code: 'reasoning_withheld',
  message: 'Reasoning is withheld from this account, and answers of this path cannot be sent without it.',
  retry: false,
};

export const BAD = (message: string, status: Refusal['status'] = 400): Refusal => ({
  status,
  code: 'invalid_request',
  message,
  retry: false,
});

export const TOO_MANY = BAD('The body has too many messages, blocks or tools.');
export const NO_KEY: Refusal = { status: 401, code: 'invalid_api_key', message: 'No API key was given.', retry: false };
export const UNKNOWN_KEY: Refusal = { status: 401, code: 'invalid_api_key', message: 'The API key is not known.', retry: false };
export const ACCOUNTS_AWAY: Refusal = {
  status: 503,
  code: 'accounts_unavailable',
  message: 'The account cannot be looked up at the moment.',
  retry: true,
  retryMs: 1000,
};
export const LOG_FULL: Refusal = {
  status: 503,
  code: 'log_full',
  message: 'The service cannot record requests at the moment.',
  retry: true,
  retryMs: 5000,
};
