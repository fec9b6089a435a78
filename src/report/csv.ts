import type { Dossier } from '../model/dossier.ts';
import { csv as field } from './inert.ts';

const COLUMNS = [
  'campaign',
  'verdict',
  'confidence',
  'calibrated_on',
  'account',
  'membership',
  'exchanges',
  'share',
  'share_low',
  'share_high',
  'first_seen',
  'last_seen',
] as const;

/** One row an account named in a campaign or an undecided cohort. */
export function csv(d: Dossier): string {
  const rows: string[] = [COLUMNS.join(',')];
  const put = (verdict: string, list: readonly (typeof d.campaigns)[number][]) => {
    for (const c of list)
      for (const a of c.accounts)
        rows.push(
          [
            c.id,
            verdict,
            c.confidence,
            c.calibrated_on,
            a.account,
            a.membership,
            a.exchanges,
            a.share,
            a.share_low,
            a.share_high,
            a.first_seen,
            a.last_seen,
          ]
            .map(field)
            .join(','),
        );
  };
  put('campaign', d.campaigns);
  put('undecided', d.undecided as unknown as typeof d.campaigns);
  return `${rows.join('\r\n')}\r\n`;
}
