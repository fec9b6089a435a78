import type { Action, Barrier } from '../../src/barriers/model.ts';

/** A barrier that stands on one account. */
export const barrier = (action: Action, over: Partial<Barrier> = {}): Barrier => ({
  id: `b-${action}`,
  accounts: ['alice'],
  action,
  state: 'active',
  dry_run: false,
  reason: 'test',
  author: 'ann',
  automatic: false,
  created: 0,
  expires: Date.now() + 3_600_000,
  appeal: 'SW-AAAAA-BBBBB',
  approvals: [],
  ...over,
});
