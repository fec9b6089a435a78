import { StillwatchError } from '../model/errors.ts';
import type { Store } from './store.ts';

/** A word of a person's on an account. */
export interface Said {
  readonly account: string;
  readonly label: string;
  readonly author: string;
  readonly reason: string;
  readonly revoke: boolean;
}

/**
 * Writes a label down, or that one was taken back.
 * @throws StillwatchError E_LABEL_NONE where one is taken back that no person has given: whoever misspells an account must not think it done
 */
export async function sayLabel(store: Store, x: Said): Promise<void> {
  if (x.revoke) await stands(store, x);
  const { account, label, author, reason } = x;
  await store.insert('labels', [{ account, label, author, reason, revoked: x.revoke, at: new Date().toISOString() }]);
}

/** For whoever wants a label gone and does not mind that it is. */
export const unlessNone = (error: unknown): void => {
  if (!(error instanceof StillwatchError && error.code === 'E_LABEL_NONE')) throw error;
};

async function stands(store: Store, { account, label }: Said): Promise<void> {
  const params = { a: account, l: label };
  const given = await store.first<{ gone: boolean }>(
    'SELECT argMax(revoked, at) AS gone FROM labels WHERE account = {a:String} AND label = {l:String} HAVING count() > 0',
    params,
  );
  if (given && !given.gone) return;
  const recorded = await store.first(
    'SELECT 1 AS one FROM accounts FINAL WHERE account = {a:String} AND has(labels, {l:String}) LIMIT 1',
    params,
  );
  throw new StillwatchError(
    'E_LABEL_NONE',
    recorded
      ? `the label ${JSON.stringify(label)} of ${JSON.stringify(account)} stands in the account records, and nobody has given it here`
      : `${JSON.stringify(account)} has no label ${JSON.stringify(label)} that could be taken back`,
    recorded
      ? 'take it out of the account file, and scan with that file again'
      : 'account and label are those of `stillwatch label`, letter by letter',
  );
}
