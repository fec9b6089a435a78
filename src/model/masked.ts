import type { Dossier, Finding, LookAlike } from './dossier.ts';

type Quoting = Pick<Finding, 'evidence' | 'indicators'>;

/** A finding without a word of what anybody sent: texts are asked for with a reason, which is logged. */
export function masked<T extends Partial<Quoting>>(f: T): T {
  return {
    ...f,
    ...(f.evidence
      ? { evidence: f.evidence.map((e) => ({ ...e, exemplars: e.exemplars.map(({ text: _, system: __, ...x }) => x) })) }
      : {}),
    ...(f.indicators ? { indicators: f.indicators.map(({ text: _, ...i }) => i) } : {}),
  };
}

/** What is kept of a dossier, and sent unasked: texts have a place and a time to live of their own. */
export const maskedDossier = (d: Dossier): Dossier => ({
  ...d,
  campaigns: d.campaigns.map(masked),
  undecided: d.undecided.map(masked),
  look_alikes: d.look_alikes.map((l: LookAlike) => masked(l)),
});
