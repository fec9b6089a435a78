import type { Facts } from '../campaigns/facts.ts';
import type { Case } from '../campaigns/settle.ts';
import { probability, quantile } from '../campaigns/stats.ts';
import type { Table } from '../campaigns/table.ts';
import type { Evidence } from '../model/dossier.ts';
import { reference } from '../signals/signal.ts';

const row = (
  signal: string,
  bits: number,
  figure: number | null,
  unit: string,
  reason: string,
  honest: readonly number[] = [],
): Evidence => ({
  signal,
  axis: 'concealment',
  family: 'identity',
  bits: Number(bits.toFixed(2)),
  outcome: bits >= 1 ? 'fired' : 'quiet',
  figure,
  unit,
  reference:
    honest.length > 0
      ? { ...reference(honest), from: 'null cohorts of the same builder' }
      : { median: null, low: null, high: null, from: 'prior' },
  reason,
  kind: 'fact',
  exemplars: [],
});

/** So many references tell what is usual. */
const REFERENCES = 20;

/** Addresses a day that 95 % of the reference accounts stay under: of all accounts a large campaign would be part of what is usual. */
export const usualRotation = (t: Table, references: readonly number[]): number => {
  const of = references.length >= REFERENCES ? references.flatMap((a) => t.rows[a] ?? []) : t.rows;
  return quantile(
    of.map((r) => r.addresses / Math.max(1, r.days)),
    0.95,
  );
};

/**
 * Do the accounts hide that they are one? A third axis: it never suffices and enters no confidence. A VPN, a virtual card or a private mail
 * address is not looked at; only what content ties together and identity holds apart.
 * @param usual addresses a day that 95 % of reference accounts stay under
 */
export function concealment(c: Case, nulls: readonly Facts[], usual: number): { confidence: number; evidence: Evidence[] } {
  const f = c.facts;
  // Passing through a panel of addresses, each another one, is how one hides.
  const tied = (x: Facts): number =>
    Math.max(x.ties.identity.tied, x.ties.network.tied - x.ties.network.panel.size) / Math.max(1, x.accounts.length);
  const born = (x: Facts): number => (x.born.n >= 5 ? x.born.k / x.born.n : 0);
  const tiedByIdentity = tied(f);
  const evidence: Evidence[] = [row('prior', -3, null, '', 'one cohort in nine hides')];
  // What is not in the log holds nobody apart: without records nobody knows how they pay, and without addresses nobody knows from where.
  const [paying, addressed] = [f.paying, f.addressed].map((n) => n >= 0.5 * f.accounts.length);
  const ways = [...(paying ? ['payment'] : []), ...(addressed ? ['addresses'] : [])];
  const known = f.recorded > 0 && ways.length > 0;
  const apart = known && c.ledger.coordination >= 0.5 && f.topOwner.share < 0.2 && tiedByIdentity < 0.2;
  evidence.push(
    row(
      'held-apart',
      apart ? ways.length * (2 - tiedByIdentity) : known || tiedByIdentity >= 0.2 ? -1 : 0,
      tiedByIdentity,
      'share of members tied by identity or address',
      apart
        ? `content ties them together; ${tiedByIdentity > 0 ? `${ways.join(' or ')} tie only ${Math.round(tiedByIdentity * f.accounts.length)} of ${f.accounts.length}` : `no owner says so, nor ${ways.join(' or ')}`}`
        : tiedByIdentity >= 0.2
          ? 'addresses or identities tie them: they are not held apart'
          : f.topOwner.share >= 0.2
            ? `${Math.round(100 * f.topOwner.share)} % of them name one owner`
            : known
              ? 'they are not known to be one hand'
              : `${f.recorded > 0 ? 'neither how they pay nor their addresses are in the log' : 'no account record says who owns them or how they pay'}: whether identity holds them apart is not known`,
      nulls.map(tied),
    ),
  );
  const others = nulls.map((x) => x.addressesPerDay).filter(Number.isFinite);
  // A campaign that is a good part of the references would be usual; of null cohorts those that it is in are left out.
  const most = others.length >= REFERENCES ? Math.min(usual, 2 * quantile(others, 0.95)) : usual;
  const seen = Number.isFinite(f.addressesPerDay);
  const rotates = f.addressesPerDay > Math.max(1.5, most);
  evidence.push(
    row(
      'address-rotation',
      rotates ? 3 : 0,
      seen ? f.addressesPerDay : null,
      'new addresses a member and day (median)',
      rotates
        ? `members show ${f.addressesPerDay.toFixed(1)} addresses a day that they had not shown before; 95 % of reference accounts stay under ${most.toFixed(1)}`
        : !seen
          ? 'the log has no addresses of these accounts'
          : `members show ${f.addressesPerDay.toFixed(1)} addresses a day that they had not shown before, and it takes more than ${Math.max(1.5, most).toFixed(1)}, under which 95 % of reference accounts stay`,
      others,
    ),
  );
  const burst = born(f);
  evidence.push(
    row(
      'signup-burst',
      burst > 0.6 ? 2 : 0,
      burst,
      'share created within one week',
      burst > 0.6
        ? 'most members were created within one week'
        : f.born.n < 5
          ? 'when they were created is not known'
          : `${f.born.k} of ${f.born.n} members were created within one week, and it takes six in ten`,
      nulls.map(born),
    ),
  );
  return { confidence: probability(evidence.reduce((x, e) => x + e.bits, 0)), evidence };
}
