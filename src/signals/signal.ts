import type { Facts } from '../campaigns/facts.ts';
import { clamp, fitBeta, LOG2E, logBetaBinomial, logNormalPdf, logSumExp, median, quantile, spread } from '../campaigns/stats.ts';
import type { Axis, Family, Outcome } from '../model/dossier.ts';

export type Need = 'text' | 'accounts' | 'addresses' | 'clients';

/** What a signal found on one cohort. `bits` is a log2 likelihood ratio, capped by the null cohorts it was judged against. */
export interface Firing {
  readonly outcome: Outcome;
  readonly bits: number;
  readonly figure: number | null;
  readonly reference: {
    readonly median: number | null;
    readonly low: number | null;
    readonly high: number | null;
    readonly values: readonly number[];
  };
  readonly reason: string;
}

/** One measurement: metadata, what it learns from null cohorts, and a pure evaluation. One file each; `docs/signals/<id>.md` explains it. */
export interface Signal<M = unknown> {
  readonly id: string;
  readonly title: string;
  readonly axis: Axis;
  readonly family: Family;
  readonly unit: string;
  readonly needs: readonly Need[];
  /** The honest side, from null cohorts; `unexplained` other cohorts of this store look as this one does and may be honest. */
  learn(nulls: readonly Facts[], unexplained: number): M;
  weigh(facts: Facts, model: M): Firing;
}

export const NOTHING = { median: null, low: null, high: null, values: [] } as const;

/** Bits from m null cohorts never exceed log2(m + 1): a rarer event than one in m + 1 was never looked for. */
export const cap = (bits: number, m: number): number => clamp(bits, -12, Math.log2(m + 1));

const quantiles = new WeakMap<readonly number[], Firing['reference']>();

/** Median and 5 % to 95 % of null figures; one sort a list, however often it is asked. */
export function reference(values: readonly number[]): Firing['reference'] {
  const known = quantiles.get(values);
  if (known) return known;
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return NOTHING;
  const made = { median: quantile(finite, 0.5), low: quantile(finite, 0.05), high: quantile(finite, 0.95), values: finite.slice(0, 200) };
  quantiles.set(values, made);
  return made;
}

export const notApplicable = (reason: string): Firing => ({ outcome: 'not applicable', bits: 0, figure: null, reference: NOTHING, reason });

export const outcomeOf = (bits: number): Outcome => (bits >= 1 ? 'fired' : 'quiet');

export const percent = (x: number): string => `${(100 * x).toFixed(x < 0.1 && x > 0 ? 1 : 0)} %`;

export interface LogModel {
  readonly mean: number;
  readonly sd: number;
  readonly m: number;
  readonly values: readonly number[];
}

/** A robust normal over the logarithm of positive null figures; `typical` and a spread of 0.5 stand in where there are too few. */
export function learnLogs(values: readonly number[], typical: number, sdMin: number): LogModel {
  const logs = values.map(Math.log);
  return {
    mean: logs.length ? median(logs) : Math.log(typical),
    sd: Math.max(sdMin, logs.length > 4 ? spread(logs) : 0.5),
    m: values.length,
    values,
  };
}

/**
 * A signal on how evenly members do something: the evener, the likelier one program decides. Honest: a robust normal over the logarithm of the spread in null
 * cohorts; campaign: a normal around `scripted`, mixed with the honest one by `absent`, so that unevenness costs little.
 */
export function spreadSignal(s: {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly scripted: { readonly mean: number; readonly sd: number };
  readonly absent: number;
  readonly typical: number;
  readonly sdMin: number;
  readonly missing: string;
  spread(facts: Facts): number;
  say(spread: number, facts: Facts, typical: number): string;
}): Signal<LogModel> {
  return {
    id: s.id,
    title: s.title,
    axis: 'coordination',
    family: 'timing',
    unit: s.unit,
    needs: [],
    learn: (nulls) =>
      learnLogs(
        nulls.map(s.spread).filter((x) => Number.isFinite(x) && x > 0),
        s.typical,
        s.sdMin,
      ),
    weigh: (facts, model) => {
      const figure = s.spread(facts);
      if (!Number.isFinite(figure)) return notApplicable(s.missing);
      if (model.m < 5) return notApplicable('fewer than five null cohorts have what this needs');
      // More even than a script is no less suspicious.
      const x = Math.max(s.scripted.mean, Math.log(Math.max(0.02, figure)));
      // A spread of many accounts is measured better than one of twelve; the honest side must not be taken as that sharp.
      const honest = Math.max(logNormalPdf(x, model.mean, model.sd), logNormalPdf(x, model.mean, model.sd * 2) + Math.log(0.1));
      const campaign = Math.log((1 - s.absent) * Math.exp(logNormalPdf(x, s.scripted.mean, s.scripted.sd)) + s.absent * Math.exp(honest));
      const bits = cap((campaign - honest) * LOG2E, model.m);
      const ref = reference(model.values);
      return { outcome: outcomeOf(bits), bits, figure, reference: ref, reason: s.say(figure, facts, ref.median ?? s.typical) };
    },
  };
}

/** Members of a cohort that show a trait. */
export interface Count {
  readonly k: number;
  readonly n: number;
}

interface CountModel {
  readonly a: number;
  readonly b: number;
  readonly m: number;
  readonly rates: readonly number[];
}

/**
 * A signal on how many members show a trait. Honest: beta-binomial fitted to null cohorts, so that cohorts whose members share a trait for one
 * innocent cause (a campus network) are expected. Campaign: a beta-binomial leaning to all of them, mixed with the honest one by
 * `absent`, the chance that a campaign does not show the trait at all; absence therefore costs little.
 */
export function countSignal(s: {
  readonly id: string;
  readonly title: string;
  readonly axis: Axis;
  readonly family: Family;
  readonly needs: readonly Need[];
  readonly absent: number;
  readonly lean: readonly [number, number];
  /** Beta pseudo-counts that stand for honest cohorts not seen in this store. */
  readonly prior?: readonly number[];
  readonly least?: number;
  /** The trait is as common among coordinated honest kinds (a pipeline, an app): it earns no more than this. */
  readonly most?: number;
  /** What is missing where nobody carries what this needs. */
  readonly missing?: string;
  count(facts: Facts): Count;
  say(c: Count, facts: Facts, typical: number): string;
}): Signal<CountModel> {
  return {
    ...s,
    unit: 'share of members',
    learn: (nulls) => {
      const counts = nulls.map(s.count).filter((c) => c.n >= (s.least ?? 3));
      const rates = counts.map((c) => c.k / c.n);
      const { a, b } = fitBeta([...rates, ...(s.prior ?? [])], 1);
      return { a, b, m: rates.length, rates };
    },
    weigh: (facts, model) => {
      const c = s.count(facts);
      if (c.n < (s.least ?? 3))
        return notApplicable(c.n === 0 && s.missing !== undefined ? s.missing : 'too few members carry what this needs');
      if (model.m < 5) return notApplicable('fewer than five null cohorts carry what this needs');
      const honest = logBetaBinomial(c.k, c.n, model.a, model.b);
      const campaign = logSumExp([Math.log(1 - s.absent) + logBetaBinomial(c.k, c.n, s.lean[0], s.lean[1]), Math.log(s.absent) + honest]);
      const raw = cap((campaign - honest) * LOG2E, model.m);
      // Fewer members than honest cohorts have is never a reason to suspect, however rare; more never one to clear.
      const typical = model.a / (model.a + model.b);
      const bits = Math.min(s.most ?? Number.POSITIVE_INFINITY, c.k / c.n <= typical ? Math.min(0, raw) : Math.max(0, raw));
      const ref = reference(model.rates);
      return { outcome: outcomeOf(bits), bits, figure: c.k / c.n, reference: ref, reason: s.say(c, facts, ref.median ?? 0) };
    },
  };
}
