import type { Dossier } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import type { House } from './house.ts';

/** The look that is asked for, as it was; without a time the last one. */
export async function lookAt(h: House, at: string | null): Promise<Dossier | null> {
  const last = h.last().dossier;
  if (!at || at === last?.generated) return last;
  const body = (await h.ask({ ask: 'dossier', at })) as string | null;
  if (body === null)
    throw new StillwatchError('E_LOOK', `the look of ${at} is not kept any more`, 'leave look= out: the last one is shown');
  return JSON.parse(body) as Dossier;
}
