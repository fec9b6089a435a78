import type { Entry } from '../barriers/chain.ts';
import type { Barrier } from '../barriers/model.ts';

/** What an entry of the audit log is about, in words: no code of ours needs to be known to read it. */
export function wordsOf({ what: w }: Entry): string {
  switch (w.type) {
    case 'case.opened':
      return `case ${w.case.id}: ${w.case.title}, ${w.case.accounts.length} accounts`;
    case 'barrier.proposed':
      return `${w.barrier.action} on ${w.barrier.accounts.length} accounts${w.barrier.case ? ` of case ${w.barrier.case}` : ''} (barrier ${w.barrier.id})`;
    case 'barrier.approved':
      return `barrier ${w.id}: ${w.activates ? (w.dry_run ? 'stands as a rehearsal' : 'stands') : 'waits for a second person'}`;
    case 'barrier.extended':
      return `barrier ${w.id}: until ${new Date(w.expires).toISOString()}`;
    case 'barrier.spared':
      return `barrier ${w.id}: not for ${w.accounts.length === 1 ? w.accounts[0] : `${w.accounts.length} accounts`}`;
    case 'barrier.refused':
    case 'barrier.lifted':
      return `barrier ${w.id}`;
    case 'mode.changed':
      return w.enforcing ? 'enforcement on' : 'enforcement off: a rehearsal';
    case 'case.merged':
      return `case ${w.id}: took in case ${w.from}`;
    case 'case.split':
      return `case ${w.id}: ${w.accounts.length} accounts became case ${w.made}`;
    case 'case.disposed':
      return `case ${w.id}: ${w.disposition}`;
    case 'case.assigned':
      return `case ${w.id}: ${w.to === '' ? 'to nobody' : `to ${w.to}`}`;
    case 'case.commented':
      return `case ${w.id}: ${w.text}`;
    case 'case.restored':
      return `takes back ${w.what} (entry ${w.undoes})`;
    case 'barrier.restored':
      return `barrier ${w.id}: takes back ${w.what} (entry ${w.undoes})`;
    case 'gate.closed':
      return `gate ${w.gate.id}: ${[...w.gate.models, ...w.gate.capabilities, ...w.gate.countries, ...w.gate.tiers].join(', ') || 'everything'}`;
    case 'appeal.filed':
      return `appeal ${w.appeal.reference} by ${w.appeal.account || 'a caller'}: ${w.appeal.text}`;
    case 'view.saved':
    case 'view.deleted':
      return `view ${w.name}`;
    case 'policy.read':
      return `policy ${w.digest}: ${w.gates.length > 0 ? `closes ${w.gates.join(', ')}` : 'closes nothing'}; rules ${w.rules.join(', ') || 'none'}`;
    case 'label.asked':
      return `${w.account}: ${w.label}, which waits for a second person`;
    case 'label.given':
      return `${w.account}: ${w.label}`;
    case 'label.revoked':
      return `${w.account}: ${w.label} taken back`;
    case 'data.read':
      return `reads ${w.what}`;
    case 'verification.recorded':
      return `${w.verification.account}: ${w.verification.level}`;
    default: {
      const x = w as unknown as Record<string, unknown>;
      return ['id', 'reference', 'account', 'what', 'said']
        .flatMap((k) => (typeof x[k] === 'string' && x[k] !== '' ? [k === 'id' || k === 'said' ? x[k] : `${k} ${x[k]}`] : []))
        .join(', ');
    }
  }
}

/** Why it was done, as the person said. */
export function whyOf({ what: w }: Entry): string {
  if (w.type === 'barrier.proposed') return w.barrier.reason;
  if (w.type === 'gate.closed') return w.gate.reason;
  return 'reason' in w ? w.reason : '';
}

/** Barriers by their id, also those that were taken back: the log knows them, the state does not any more. */
export const barriersIn = (entries: readonly Entry[]): Map<string, Barrier> =>
  new Map(entries.flatMap(({ what }) => (what.type === 'barrier.proposed' ? [[what.barrier.id, what.barrier] as const] : [])));

/** The case it is about: its own, or that of its barrier. */
export function caseIn({ what: w }: Entry, barriers: ReadonlyMap<string, Barrier>): string {
  if (w.type === 'case.opened') return w.case.id;
  if (w.type === 'data.read') return w.case ?? '';
  if (w.type === 'barrier.proposed') return w.barrier.case ?? '';
  if (w.type === 'case.restored') return w.cases[0]?.id ?? '';
  if (!('id' in w)) return '';
  return w.type.startsWith('case.') ? w.id : w.type.startsWith('barrier.') ? (barriers.get(w.id)?.case ?? '') : '';
}
