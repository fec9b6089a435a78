import type { Judgement } from '../campaigns/judge.ts';
import type { SignalRecord } from '../model/dossier.ts';
import { SIGNALS } from '../signals/index.ts';

/**
 * How each signal does on this scan's null cohorts: on how many it can speak, on how many it fires though they are honest as far as anybody knows, and what one
 * cohort costs. The models were learned from the same cohorts, so rates lean to the low side.
 */
export function calibration(j: Judgement | null): { signals: SignalRecord[]; cost: Record<string, number> } {
  const signals: SignalRecord[] = [];
  const cost: Record<string, number> = {};
  // Those it learned from: null cohorts that hold accounts of a suspect cohort are left out.
  const nulls = j?.learned.nulls ?? [];
  if (!j || nulls.length === 0) return { signals, cost };
  for (const s of SIGNALS) {
    const model = j.learned.models.get(s.id) as never;
    const began = performance.now();
    const firings = nulls.map((facts) => s.weigh(facts, model));
    cost[s.id] = Math.round((1000 * (performance.now() - began)) / nulls.length);
    const able = firings.filter((f) => f.outcome !== 'not applicable');
    // One that cannot speak on a null cohort still knows what such cohorts show.
    const { median = null, low = null, high = null } = firings.find((f) => f.reference.low !== null)?.reference ?? {};
    signals.push({
      signal: s.id,
      title: s.title,
      axis: s.axis,
      applicable: able.length,
      fired: able.filter((f) => f.bits >= 1).length,
      reference: { median, low, high },
    });
  }
  return { signals, cost };
}
