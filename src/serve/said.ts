import type { Entry } from '../barriers/chain.ts';

/** What an entry of the audit log is about, in words: no code of ours needs to be known to read it. */
export function wordsOf({ what: w }: Entry): string {
  switch (w.type) {
    case 'case.opened':
      return `case ${w.case.id}: ${w.case.title}, ${w.case.accounts.length} accounts`;
    case 'barrier.proposed':
      return `${w.barrier.action} on ${w.barrier.accounts.length} accounts${w.barrier.case ? ` of case ${w.barrier.case}` : ''} (barrier ${w.barrier.id}): ${w.barrier.reason}`;
    case 'case.restored':
      return `takes back ${w.what} (entry ${w.undoes})`;
    case 'barrier.restored':
      return `barrier ${w.id}: takes back ${w.what} (entry ${w.undoes})`;
    case 'gate.closed':
      return `gate ${w.gate.id}: ${w.gate.reason}`;
    case 'appeal.filed':
      return `appeal ${w.appeal.reference} by ${w.appeal.account || 'a caller'}: ${w.appeal.text}`;
    case 'verification.recorded':
      return `${w.verification.account}: ${w.verification.level}`;
    default: {
      const x = w as unknown as Record<string, unknown>;
      return ['id', 'reference', 'account', 'what', 'from', 'to', 'disposition', 'made', 'text', 'said', 'reason']
        .flatMap((k) =>
          typeof x[k] === 'string' && x[k] !== ''
            ? [k === 'id' || k === 'reason' || k === 'text' || k === 'said' ? x[k] : `${k} ${x[k]}`]
            : [],
        )
        .join(', ');
    }
  }
}
