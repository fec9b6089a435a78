import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Outcome } from './guard.ts';

/** What a worker counts. */
export class Meters {
  readonly registry = new Registry();
  private readonly decisions = new Counter({
    name: 'stillwatch_decisions_total',
    help: 'Requests decided, by outcome',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly stalled = new Counter({
    name: 'stillwatch_stalled_total',
    help: 'Answers ended because their caller did not read',
    registers: [this.registry],
  });
  private readonly rehearsals = new Counter({
    name: 'stillwatch_rehearsed_total',
    help: 'Requests a dry run would have touched, by action',
    labelNames: ['action'],
    registers: [this.registry],
  });
  private readonly deciding = new Histogram({
    name: 'stillwatch_decision_seconds',
    help: 'From the start of a request to its decision, its body included',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
    registers: [this.registry],
  });
  readonly latency = new Histogram({
    name: 'stillwatch_request_seconds',
    help: 'From forwarding to the end of the answer',
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    registers: [this.registry],
  });
  private readonly records = new Counter({
    name: 'stillwatch_records_total',
    help: 'Exchange records, by what became of them',
    labelNames: ['state'],
    registers: [this.registry],
  });
  readonly upstreamErrors = new Counter({
    name: 'stillwatch_upstream_errors_total',
    help: 'Requests the upstream failed',
    registers: [this.registry],
  });
  readonly dropped = new Counter({
    name: 'stillwatch_connections_dropped_total',
    help: 'Connections not taken: all places were held, or too many by one address',
    registers: [this.registry],
  });
  readonly lookupFailed = new Counter({
    name: 'stillwatch_lookup_failed_total',
    help: 'Times accounts could not be asked, or their file not be read again',
    registers: [this.registry],
  });
  readonly abandoned = new Counter({
    name: 'stillwatch_abandoned_total',
    help: 'Requests whose caller went away before the answer began',
    registers: [this.registry],
  });
  readonly failed = new Counter({
    name: 'stillwatch_failed_total',
    help: 'Requests that failed in the proxy itself',
    registers: [this.registry],
  });
  readonly budgetsAway = new Counter({
    name: 'stillwatch_budgets_away_total',
    help: 'Times a budget could not be asked or settled: what happens then is redis.when_away',
    registers: [this.registry],
  });
  readonly snapshotAge = new Gauge({
    name: 'stillwatch_snapshot_version',
    help: 'Version of the standing snapshot',
    registers: [this.registry],
  });

  // Looking a label up costs more than counting it.
  private readonly outcomes = new Map<string, Counter.Internal>();
  private readonly states = new Map<string, Counter.Internal>();

  decided(outcome: Outcome, rehearsed: string | undefined, ms: number): void {
    let child = this.outcomes.get(outcome);
    if (!child) {
      child = this.decisions.labels({ outcome });
      this.outcomes.set(outcome, child);
    }
    child.inc();
    if (rehearsed) this.rehearsals.inc({ action: rehearsed });
    this.deciding.observe(ms / 1000);
  }

  spooled(state: 'kept' | 'shed' | 'refused' | 'failed'): void {
    let child = this.states.get(state);
    if (!child) {
      child = this.records.labels({ state });
      this.states.set(state, child);
    }
    child.inc();
  }
}
