import { answered, type Blast, blast } from '../barriers/blast.ts';
import { subjectOf } from '../barriers/cases.ts';
import type { Barrier } from '../barriers/model.ts';
import type { Subject } from '../barriers/policy.ts';
import type { Seen } from './desk.ts';
import { membersOf } from './findings.ts';
import type { House } from './house.ts';

const NO_MEMBER = { membership: 0, share: 0, share_low: 0, share_high: 0, first_seen: '', last_seen: '' } as const;

/** What a barrier touches. Accounts that nobody found are looked up: a barrier on a customer is none on nobody. Without detection it is not known what they sent. */
export async function reachOf(h: House, b: Barrier): Promise<Blast> {
  const { dossier, subjects } = h.last();
  const members = membersOf(dossier, b);
  const found = new Set(members.map((m) => m.account));
  const others = b.accounts.filter((a) => !found.has(a));
  const asked = others.length > 0 ? h.ask({ ask: 'seen', accounts: others, from: dossier?.window.from ?? '' }) : [];
  const seen = (await Promise.resolve(asked).catch(() => [])) as Seen[];
  const records = new Map(seen.map((x) => [x.account, x]));
  const held: Record<string, Subject> = Object.assign(Object.create(null), subjects);
  for (const account of others) {
    const { tier, verification } = records.get(account) ?? {};
    const record: Subject = { ...(tier ? { tier } : {}), ...(verification ? { verification } : {}), ...subjects[account] };
    held[account] = h.holder?.(account, record) ?? record;
  }
  const { state } = h.control;
  return blast(
    [...members, ...seen.map(({ account, exchanges }) => ({ ...NO_MEMBER, account, exchanges }))],
    b.accounts,
    (a) => subjectOf(state, held, a),
    b.action === 'verify' ? (a) => answered(state, a, b) : undefined,
  );
}
