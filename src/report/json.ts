import type { Dossier } from '../model/dossier.ts';

export const json = (d: Dossier): string => `${JSON.stringify(d, null, 2)}\n`;

/** One line each: the scan, then every campaign, undecided cohort and look-alike. */
export function ndjson(d: Dossier): string {
  const { campaigns, undecided, look_alikes, ...head } = d;
  const lines = [
    { type: 'scan', ...head },
    ...campaigns.map((c) => ({ type: 'campaign', ...c })),
    ...undecided.map((c) => ({ type: 'undecided', ...c })),
    ...look_alikes.map((c) => ({ type: 'look_alike', ...c })),
  ];
  return `${lines.map((l) => JSON.stringify(l)).join('\n')}\n`;
}
