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
