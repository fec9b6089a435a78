import type { InboxRow, Look } from '../model/desk.ts';
import { get } from './api.ts';
import {
  count,
  day,
  Export,
  Fold,
  figure,
  go,
  Heading,
  Link,
  Note,
  Numbers,
  percent,
  plain,
  useAddress,
  useAsked,
  useFresh,
  usePin,
} from './bits.tsx';
import { Enforcement } from './enforcement.tsx';
import type { Dossier } from './types.ts';

function Looks() {
  const asked = useAsked(() => get<{ looks: Look[] }>('/v1/looks'), []);
  const list = asked.value?.looks ?? [];
  return (
    <section aria-labelledby="looks">
      <h2 id="looks">The last looks</h2>
      <Note error={asked.error} />
      <Export name="looks" rows={() => list.map((l) => ({ ...l }))} />
      <div class="scroll">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Looked on</th>
              <Numbers names={['Exchanges', 'Accounts', 'Lines rejected', 'Cohorts tested', 'Campaigns', 'Undecided', 'Took', 'Behind']} />
            </tr>
          </thead>
          <tbody>
            {list.map((l) => (
              <tr key={l.generated}>
                <td data-name="Looked on">
                  {day(l.generated)}
                  {l.complete ? '' : ' (incomplete)'}
                </td>
                <td data-name="Exchanges" class="n">
                  {count(l.exchanges)}
                </td>
                <td data-name="Accounts" class="n">
                  {count(l.accounts)}
                </td>
                <td data-name="Lines rejected" class="n">
                  {count(l.rejected)}
                </td>
                <td data-name="Cohorts tested" class="n">
                  {count(l.cohorts)}
                </td>
                <td data-name="Campaigns" class="n">
                  {l.campaigns}
                </td>
                <td data-name="Undecided" class="n">
                  {l.undecided}
                </td>
                <td data-name="Took" class="n">
                  {l.ms > 0 ? `${(l.ms / 1000).toFixed(1)} s` : '-'}
                </td>
                <td data-name="Behind" class="n">
                  {l.to ? behind(l.generated, l.to) : '-'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="quiet">Behind: from the newest exchange of a look to the look. A scan of old logs is as far behind as they are old.</p>
    </section>
  );
}

/** From a campaign's first exchange to its case: what it had by then was taken. */
function Lag({ look }: { look: string }) {
  const asked = useAsked(() => get<{ rows: InboxRow[] }>(`/v1/inbox?${new URLSearchParams({ look })}`), [look]);
  const cases = (asked.value?.rows ?? [])
    .filter((r) => r.what === 'case' && r.first !== '')
    .map((r) => ({
      case: r.id,
      title: r.title,
      first: r.first,
      opened: r.opened,
      days: Math.max(0, Date.parse(r.opened) - Date.parse(r.first)) / 86_400_000,
      before: r.before,
    }))
    .sort((a, b) => (a.opened < b.opened ? 1 : -1));
  const days = cases.map((c) => c.days).sort((a, b) => a - b);
  return (
    <section aria-labelledby="lag">
      <h2 id="lag">From first exchange to case</h2>
      <Note error={asked.error} />
      {cases.length === 0 ? (
        <p>No case of this look has exchanges in it.</p>
      ) : (
        <>
          <Export name="detection-lag" rows={() => cases} />
          <p>
            {count(cases.length)} {cases.length === 1 ? 'case' : 'cases'}, the middle one opened {(days[days.length >> 1] ?? 0).toFixed(1)}{' '}
            days after the first exchange. A case on a log that was scanned long after it was written is as late as the scan.
          </p>
          <div class="scroll">
            <table class="stack">
              <thead>
                <tr>
                  <th scope="col">Case</th>
                  <th scope="col">First exchange</th>
                  <th scope="col">Opened</th>
                  <th scope="col" class="n">
                    Days
                  </th>
                  <th scope="col" class="n">
                    Sent before that day
                  </th>
                </tr>
              </thead>
              <tbody>
                {cases.slice(0, 50).map((c) => (
                  <tr key={c.case}>
                    <td data-name="Case">
                      <Link to={{ case: c.case }}>{plain(c.title)}</Link> <small>{c.case}</small>
                    </td>
                    <td data-name="First exchange">{day(c.first)}</td>
                    <td data-name="Opened">{day(c.opened)}</td>
                    <td data-name="Days" class="n">
                      {c.days.toFixed(1)}
                    </td>
                    <td data-name="Sent before that day" class="n">
                      {c.before === null ? '-' : percent(c.before)}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

function behind(at: string, newest: string): string {
  const s = Math.max(0, (Date.parse(at) - Date.parse(newest)) / 1000);
  return s < 600 ? `${s.toFixed(0)} s` : s < 86_400 ? `${(s / 3600).toFixed(1)} h` : `${(s / 86_400).toFixed(0)} d`;
}

function SignalTable({ d }: { d: Dossier }) {
  const all = [...d.campaigns, ...d.undecided, ...d.look_alikes];
  const known = new Map((d.tested.signals ?? []).map((s) => [s.signal, s]));
  const signals = [
    ...new Set([
      ...known.keys(),
      ...all.flatMap((f) => f.evidence.filter((e) => e.reference.from !== 'prior' && e.signal !== 'prior').map((e) => e.signal)),
    ]),
  ];
  const rows = signals.map((signal) => {
    // One row a cohort: a signal that stands in two ledgers is counted once.
    const here = all.flatMap((f) => f.evidence.find((e) => e.signal === signal) ?? []);
    const fired = here.filter((e) => e.outcome === 'fired' && e.bits > 0).length;
    const able = here.filter((e) => e.outcome !== 'not applicable' && e.outcome !== 'failed').length;
    const k = known.get(signal);
    const ref = here.find((e) => e.reference.low !== null)?.reference;
    return {
      signal,
      fired,
      applicable: able,
      not_applicable: here.filter((e) => e.outcome === 'not applicable').length,
      failed: here.filter((e) => e.outcome === 'failed').length,
      rate: able > 0 ? fired / able : null,
      null_rate: k && k.applicable > 0 ? k.fired / k.applicable : null,
      null_cohorts: k?.applicable ?? null,
      honest_low: k?.reference.low ?? ref?.low ?? null,
      honest_median: k?.reference.median ?? ref?.median ?? null,
      honest_high: k?.reference.high ?? ref?.high ?? null,
      microseconds: d.timing?.signals[signal] ?? null,
    };
  });
  const n = (x: number | null): string => (x === null ? '-' : figure(x));
  return (
    <>
      <h2>Signals over {count(all.length)} cohorts</h2>
      <p class="quiet">
        Firing rate: of the reported cohorts it can speak about, those it speaks for. On null cohorts, which are honest as far as anybody
        knows, it should fire hardly ever: that is its calibration on this store, measured on the cohorts it learned from; a dash where it
        can say nothing of any of them. Cost: of weighing one cohort once its figures are there; what gathering them takes stands below, by
        stage. The measured error rates are in docs/results.md.
      </p>
      <Export name="signals" rows={() => rows} />
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Signal</th>
              <Numbers
                names={[
                  'Fired',
                  'Of',
                  'Not applicable',
                  'Failed',
                  'Firing rate',
                  'On null cohorts',
                  'Honest 5 %',
                  'Median',
                  '95 %',
                  'Cost',
                ]}
              />
            </tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.signal}>
                <td>
                  <Link to={{ signal: r.signal }}>{r.signal}</Link>
                </td>
                <td class="n">{r.fired}</td>
                <td class="n">{r.applicable}</td>
                <td class="n">{r.not_applicable}</td>
                <td class="n">{r.failed}</td>
                <td class="n">{r.rate === null ? '-' : percent(r.rate)}</td>
                <td class="n">{r.null_rate === null ? '-' : `${percent(r.null_rate)} of ${r.null_cohorts}`}</td>
                <td class="n">{n(r.honest_low)}</td>
                <td class="n">{n(r.honest_median)}</td>
                <td class="n">{n(r.honest_high)}</td>
                <td class="n">{r.microseconds === null ? '-' : r.microseconds < 1 ? '< 1 µs' : `${count(r.microseconds)} µs`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {d.timing && (
        <>
          <h3>Where the last look spent its time</h3>
          <Export name="stages" rows={() => (d.timing?.stages ?? []).map((s) => ({ ...s }))} />
          <ul>
            {d.timing.stages.map((s) => (
              <li key={s.stage}>
                {s.stage}: {(s.ms / 1000).toFixed(2)} s
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

export function HealthPage() {
  const health = useAsked(() => get<Record<string, unknown>>('/readyz'), []);
  const p = useAddress();
  const look = p.get('look') ?? '';
  const d = useAsked(() => get<Dossier>(`/v1/dossier?${new URLSearchParams({ look })}`), [look]);
  useFresh(() => {
    health.again();
    d.again();
  });
  const c = d.value?.coverage;
  usePin(d.value?.generated ? { look: d.value.generated } : null);
  return (
    <section>
      <Heading text="Signals and health" />
      <Note error={health.error || d.error} />
      {health.value && <Export name="health" rows={() => [health.value ?? {}]} />}
      <dl>
        {Object.entries(health.value ?? {}).map(([k, v]) => (
          <>
            <dt>{k.replaceAll('_', ' ')}</dt>
            <dd>{v === null ? '-' : /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(String(v)) ? day(String(v)) : plain(String(v))}</dd>
          </>
        ))}
      </dl>
      <Enforcement />
      {c && (
        <>
          <h2>Coverage of {look ? 'this' : 'the last'} look</h2>
          <p class="bar">
            <span class="quiet">looked on {day(d.value?.generated ?? '')}</span>
            <button type="button" onClick={() => go({ look: look ? null : (d.value?.generated ?? null) })}>
              {look ? 'Show the last look' : 'Pin this look'}
            </button>
          </p>
          <p>
            {count(c.exchanges)} exchanges of {count(c.accounts)} accounts, {percent(c.with_text ?? 0)} with new text of a user;{' '}
            {count(c.rejected)} lines rejected
            {c.reasons.map((r) => `, ${r.reason} ${r.lines}`).join('')}.
          </p>
          <Export
            name="coverage"
            rows={() => [
              ...c.files.map((f) => ({ ...f })),
              ...c.reasons.map((r) => ({ name: `rejected: ${r.reason}`, lines: r.lines })),
              ...c.not_applicable.map((n) => ({ name: `not applicable: ${n.signal}`, note: n.because })),
            ]}
          />
          {(c.lost ?? []).length > 0 && (
            <p class="error">
              Parts of the store that were found broken, and what was in them is lost: {(c.lost ?? []).map(plain).join(', ')}.
            </p>
          )}
          {c.files.length > 0 && (
            <div class="scroll">
              <table class="stack">
                <thead>
                  <tr>
                    <th scope="col">File</th>
                    <th scope="col">Format</th>
                    <th scope="col">State</th>
                    <Numbers names={['Lines', 'Accepted', 'Rejected', 'Seen before']} />
                    <th scope="col">Note</th>
                  </tr>
                </thead>
                <tbody>
                  {c.files.map((f) => (
                    <tr key={f.name}>
                      <td data-name="File">{plain(f.name)}</td>
                      <td data-name="Format">{f.format}</td>
                      <td data-name="State">{f.state.replaceAll('_', ' ')}</td>
                      <td data-name="Lines" class="n">
                        {count(f.lines)}
                      </td>
                      <td data-name="Accepted" class="n">
                        {count(f.accepted)}
                      </td>
                      <td data-name="Rejected" class="n">
                        {count(f.rejected)}
                      </td>
                      <td data-name="Seen before" class="n">
                        {count(f.duplicates)}
                      </td>
                      <td data-name="Note">{plain(f.note ?? '')}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          <ul>
            {c.not_applicable.map((n) => (
              <li key={n.signal + n.because}>
                {n.signal}: not applicable, {n.because}
              </li>
            ))}
          </ul>
        </>
      )}
      {d.value?.false_discovery && (
        <>
          <p>
            False discoveries: at most {d.value.false_discovery.honest_campaigns_at_most.toFixed(3)} honest campaigns expected among those
            named, {d.value.false_discovery.honest_accounts_per_month_at_most.toFixed(2)} honest accounts a month, if null cohorts are
            honest. All cohorts of a look share one allowance, and later looks get less and less of it.
          </p>
          <Fold name="bound" summary="The rule, in formulas">
            <p class="quiet">{d.value.false_discovery.method}</p>
          </Fold>
        </>
      )}
      <Lag look={look} />
      <Looks />
      {d.value && <SignalTable d={d.value} />}
    </section>
  );
}
