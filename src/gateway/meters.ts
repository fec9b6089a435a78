import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Outcome } from './guard.ts';

/** What a worker counts. */
export class Meters {
  readonly registry = new Registry();
  private readonly decisions = this.counter('stillwatch_decisions_total', 'Requests decided, by outcome', ['outcome']);
  readonly stalled = this.counter('stillwatch_stalled_total', 'Answers ended because their caller did not read');
  private readonly rehearsals = this.counter('stillwatch_rehearsed_total', 'Requests a dry run would have touched, by action', ['action']);
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
  private readonly records = this.counter('stillwatch_records_total', 'Exchange records, by what became of them', ['state']);
  readonly upstreamErrors = this.counter('stillwatch_upstream_errors_total', 'Requests the upstream failed');
  readonly dropped = this.counter(
    'stillwatch_connections_dropped_total',
    'Connections not taken: all places were held, or too many by one address',
  );
  readonly lookupFailed = this.counter(
    'stillwatch_lookup_failed_total',
    'Times accounts could not be asked, or their file not be read again',
  );
  readonly abandoned = this.counter('stillwatch_abandoned_total', 'Requests whose caller went away before the answer began');
  readonly failed = this.counter('stillwatch_failed_total', 'Requests that failed in the proxy itself');
  readonly budgetsAway = this.counter(
    'stillwatch_budgets_away_total',
    'Times a budget could not be asked or settled: what happens then is redis.when_away',
  );
  readonly snapshotAge = new Gauge({
    name: 'stillwatch_snapshot_version',
    help: 'Version of the standing snapshot',
    registers: [this.registry],
  });

  // Looking a label up costs more than counting it.
  private readonly outcomes = new Map<string, Counter.Internal>();
  private readonly states = new Map<string, Counter.Internal>();

  private counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

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
