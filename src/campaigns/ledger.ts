import type { Evidence, Family } from '../model/dossier.ts';
import { SIGNALS } from '../signals/index.ts';
import type { Firing, Signal } from '../signals/signal.ts';
import type { Source } from './candidates.ts';
import type { Facts } from './facts.ts';
import { probability } from './stats.ts';

/** Prior odds in bits: one cohort in a thousand is one hand; of those, one in four takes answers to train on. */
export const PRIOR = { coordination: Math.log2(1 / 999), extraction: Math.log2(1 / 3) } as const;

export interface Learned {
  readonly models: ReadonlyMap<string, unknown>;
  readonly nulls: readonly Facts[];
  /** ln-mean of 2^bits over null cohorts, in bits: what the families count twice between them. */
  readonly overlap: { readonly coordination: number; readonly extraction: number };
}

const weigh = (s: Signal<never>, f: Facts, model: unknown): Firing => {
  try {
    return s.weigh(f, model as never);
  } catch (error) {
    // A failing signal must not end the scan: it shows as failed and earns nothing.
    return {
      outcome: 'failed',
      bits: 0,
      figure: null,
      reference: { median: null, low: null, high: null, values: [] },
      reason: `the signal failed: ${error instanceof Error ? error.message : 'unknown error'}`,
    };
  }
};

/** The family that made the cohort earns no bits again. Found by content as well, it is judged against null cohorts found by content. */
export function selecting(sources: readonly Source[]): Family | null {
  if (sources.includes('kindred')) return null;
  return sources.includes('scaffold') ? 'scaffold' : null;
}

interface Row {
  readonly signal: Signal<never>;
  readonly firing: Firing;
  readonly counted: number;
}

function rows(f: Facts, models: ReadonlyMap<string, unknown>, mute: ReadonlySet<Family>): Row[] {
  const fired = SIGNALS.map((signal) => ({ signal, firing: weigh(signal, f, models.get(signal.id)) }));
  // In a family the strongest for and the strongest against count; the others are shown with nothing.
  const best = new Map<string, { up: string; down: string; high: number; low: number }>();
  for (const { signal, firing } of fired) {
    if (mute.has(signal.family)) continue;
    const key = `${signal.axis}/${signal.family}`;
    const b = best.get(key) ?? { up: '', down: '', high: 0, low: 0 };
    if (firing.bits > b.high) [b.up, b.high] = [signal.id, firing.bits];
    if (firing.bits < b.low) [b.down, b.low] = [signal.id, firing.bits];
    best.set(key, b);
  }
  // An operator that hides one tie hides all: what is merely absent counts once, by the costliest absence.
  const absences = [...best.entries()]
    .filter(([key, b]) => TIES.has(key) && b.down !== '' && b.low > ABSENCE_BITS)
    .sort((x, y) => x[1].low - y[1].low);
  const spared = new Set(absences.slice(1).map(([, b]) => b.down));
  return fired.map(({ signal, firing }) => {
    const b = best.get(`${signal.axis}/${signal.family}`);
    return { signal, firing, counted: b && (b.up === signal.id || b.down === signal.id) && !spared.has(signal.id) ? firing.bits : 0 };
  });
}

/** Families whose absence says only that the operator hides. */
const TIES = new Set(['coordination/scaffold', 'coordination/network', 'coordination/identity', 'coordination/timing']);
const ABSENCE_BITS = -2;

const total = (list: readonly Row[], axis: string): number => list.reduce((x, r) => x + (r.signal.axis === axis ? r.counted : 0), 0);

/** What every signal learns from the null cohorts, and how much the families overlap on them. */
export function learn(nulls: readonly Facts[], unexplained = 0): Learned {
  const models = new Map<string, unknown>();
  for (const s of SIGNALS) models.set(s.id, s.learn(nulls, unexplained));
  const books = nulls.length < 20 ? [] : nulls.map((f) => rows(f, models, new Set()));
  const overlap = (axis: string): number => {
    if (books.length === 0) return 0;
    // A sum of bits is an e-value only if 2^sum averages to at most one under the null; what is above is taken off again.
    // Robust: the highest 3 % of null cohorts may be a campaign's own fragments and are left out (references are trimmed).
    const logs = books
      .map((book) => Math.min(12, total(book, axis)))
      .sort((x, y) => x - y)
      .slice(0, -Math.ceil(0.03 * books.length));
    const top = Math.max(...logs);
    const avg = top + Math.log2(logs.reduce((x, l) => x + 2 ** (l - top), 0) / logs.length);
    return Math.max(0, avg);
  };
  return { models, nulls, overlap: { coordination: Math.min(4, overlap('coordination')), extraction: Math.min(3, overlap('extraction')) } };
}

export interface Ledger {
  readonly evidence: Evidence[];
  readonly coordinationBits: number;
  readonly extractionBits: number;
  readonly coordination: number;
  readonly extraction: number;
}

const plain = (signal: string, axis: Evidence['axis'], family: Family, bits: number, reason: string): Evidence => ({
  signal,
  axis,
  family,
  bits,
  outcome: 'fired',
  figure: null,
  unit: '',
  reference: { median: null, low: null, high: null, from: 'prior' },
  reason,
  kind: 'inference',
  exemplars: [],
});

/** Both ledgers of a cohort: prior, every signal, and what rivals take; the sum of the bits is the confidence. */
export function ledger(
  f: Facts,
  learned: Learned,
  sources: readonly Source[],
  rivals: readonly { readonly axis: 'coordination' | 'extraction'; readonly bits: number; readonly reason: string; readonly id: string }[],
  looks = sources.length,
): Ledger {
  const mute = new Set<Family>();
  const own = selecting(sources);
  if (own) mute.add(own);
  // A community of links was picked for its addresses and identities.
  if (sources.length === 1 && sources[0] === 'links') for (const x of ['network', 'identity', 'scaffold'] as const) mute.add(x);
  const list = rows(f, learned.models, mute);
  const evidence: Evidence[] = [plain('prior', 'coordination', 'prior', PRIOR.coordination, 'one cohort in a thousand is one hand')];
  for (const r of list.filter((x) => x.signal.axis === 'coordination')) evidence.push(asEvidence(r, mute));
  if (looks > 1) evidence.push(plain('search', 'coordination', 'joint', -Math.log2(looks), `the cohort was looked for in ${looks} ways`));
  if (learned.overlap.coordination > 0.01)
    evidence.push(
      plain(
        'joint',
        'coordination',
        'joint',
        -learned.overlap.coordination,
        'what these families count twice between them, measured on null cohorts',
      ),
    );
  evidence.push(
    plain('prior', 'extraction', 'prior', PRIOR.extraction, 'of cohorts that are one hand, one in four takes answers to train on'),
  );
  for (const r of list.filter((x) => x.signal.axis === 'extraction')) evidence.push(asEvidence(r, mute));
  if (learned.overlap.extraction > 0.01)
    evidence.push(
      plain(
        'joint',
        'extraction',
        'joint',
        -learned.overlap.extraction,
        'what these families count twice between them, measured on null cohorts',
      ),
    );
  for (const r of rivals) evidence.push(plain(r.id, r.axis, 'rival', r.bits, r.reason));
  const sum = (axis: string) => evidence.reduce((x, e) => x + (e.axis === axis ? e.bits : 0), 0);
  const coordinationBits = sum('coordination');
  const extractionBits = sum('extraction');
  return {
    evidence,
    coordinationBits,
    extractionBits,
    coordination: probability(coordinationBits),
    extraction: probability(extractionBits),
  };
}

function asEvidence(r: Row, mute: ReadonlySet<Family>): Evidence {
  const { signal, firing } = r;
  const muted = mute.has(signal.family) && firing.bits !== 0;
  const idle = !muted && r.counted === 0 && firing.bits !== 0;
  return {
    signal: signal.id,
    axis: signal.axis,
    family: signal.family,
    bits: r.counted,
    outcome: firing.outcome,
    figure: firing.figure,
    unit: signal.unit,
    reference: { ...firing.reference, from: 'null cohorts of the same builder' },
    reason:
      firing.reason +
      (muted
        ? firing.bits > 0
          ? ' (this is what formed the cohort; it earns nothing again)'
          : ' (the cohort was formed by such ties: they count neither for nor against)'
        : idle
          ? ' (a stronger signal of its family counts instead)'
          : ''),
    kind: firing.outcome === 'not applicable' ? 'inference' : 'fact',
    exemplars: [],
  };
}
