import type { Blast } from '../barriers/blast.ts';
import type { Appeal, Barrier, Case } from '../barriers/model.ts';
import type { Dossier, Finding, Undecided } from '../model/dossier.ts';

export type { Appeal, Barrier, Blast, Case, Dossier, Finding, Undecided };

export interface Opened {
  readonly case: Case;
  readonly finding: Finding | null;
  readonly barriers: readonly Barrier[];
}
