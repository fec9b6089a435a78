import type { Dossier } from '../model/dossier.ts';

/** What is invisible in a terminal or turns the direction of writing is written as its code: it means the same to a program. */
export const visible = (text: string): string =>
  text.replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

export const json = (d: Dossier): string => visible(`${JSON.stringify(d, null, 2)}\n`);

/** One line each: the scan, then every campaign, undecided cohort and look-alike. */
export function ndjson(d: Dossier): string {
  const { campaigns, undecided, look_alikes, ...head } = d;
  const lines = [
    { type: 'scan', ...head },
    ...campaigns.map((c) => ({ type: 'campaign', ...c })),
    ...undecided.map((c) => ({ type: 'undecided', ...c })),
    ...look_alikes.map((c) => ({ type: 'look_alike', ...c })),
  ];
  return visible(`${lines.map((l) => JSON.stringify(l)).join('\n')}\n`);
}
