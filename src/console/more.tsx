import { useState } from 'preact/hooks';
import type { Entry } from '../barriers/events.ts';
import { get, post, text } from './api.ts';
import { count, day, Export, go, Link, Note, percent, plain, said, useAddress, useAsked } from './bits.tsx';
import type { Appeal, Barrier, Case, Dossier } from './types.ts';

export function AccountPage({ id }: { id: string }) {
  const file = useAsked(() => text(`/v1/accounts/${encodeURIComponent(id)}`), [id]);
  const more = useAsked(async () => {
    const [b, a, c] = await Promise.all([
      get<{ barriers: Barrier[] }>('/v1/barriers'),
      get<{ appeals: Appeal[] }>('/v1/appeals'),
      get<{ cases: Case[] }>('/v1/cases'),
    ]);
    return {
      barriers: b.barriers.filter((x) => x.accounts.includes(id)),
      appeals: a.appeals.filter((x) => x.account === id),
      cases: c.cases.filter((x) => x.accounts.includes(id)),
    };
  }, [id]);
  return (
    <article>
      <h1>{plain(id)}</h1>
      <Note error={file.error || more.error} />
      {file.value && <pre class="file">{plain(file.value)}</pre>}
      <h2>Cases</h2>
      <ul>
        {(more.value?.cases ?? []).map((c) => (
          <li key={c.id}>
            <Link to={{ case: c.id }}>{plain(c.title)}</Link>, {c.status}
          </li>
        ))}
      </ul>
      <h2>Barriers and appeals</h2>
      <ul>
        {(more.value?.barriers ?? []).map((b) => (
          <li key={b.id}>
            {b.action}: {b.state}, until {day(b.expires)}, reference {b.appeal}
          </li>
        ))}
        {(more.value?.appeals ?? []).map((a) => (
          <li key={a.reference}>
            Appeal {a.reference}, {day(a.at)}: {plain(a.text)}
          </li>
        ))}
      </ul>
    </article>
  );
}

export function AppealsPage() {
  const asked = useAsked(() => get<{ appeals: Appeal[] }>('/v1/appeals'), []);
  const [error, fail] = useState('');
  const decide = (a: Appeal, lift: boolean) => {
    const reason = prompt(lift ? 'Lift the barrier: say why' : 'Keep the barrier: say why');
    if (!reason) return;
    post(`/v1/appeals/${a.reference}/decide`, { lift, reason }).then(asked.again, (e: unknown) => fail(said(e)));
  };
  return (
    <section aria-labelledby="h">
      <h1 id="h">Appeals</h1>
      <Note error={asked.error || error} />
      {asked.value?.appeals.length === 0 && <p class="quiet">Nobody objects to a barrier.</p>}
      <ul>
        {(asked.value?.appeals ?? []).map((a) => (
          <li key={a.reference}>
            <p>
              {a.reference}, {plain(a.account)}, {day(a.at)}: {plain(a.text)}
            </p>
            {a.decided ? (
              <p>
                {a.decided.lifted ? 'Lifted' : 'Kept'} by {plain(a.decided.by)}: {plain(a.decided.reason)}
              </p>
            ) : (
              <p class="bar">
                <button type="button" onClick={() => decide(a, true)}>
                  Lift the barrier
                </button>
                <button type="button" onClick={() => decide(a, false)}>
                  Keep it
                </button>
              </p>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function ComparePage({ id }: { id: string }) {
  const p = useAddress();
  const asked = useAsked(async () => {
    const [c, d] = await Promise.all([get<{ cases: Case[] }>('/v1/cases'), get<Dossier>('/v1/dossier')]);
    return { f: d.campaigns.find((x) => x.id === c.cases.find((y) => y.id === id)?.campaign), d };
  }, [id]);
  const others = asked.value?.d.look_alikes ?? [];
  const other = others.find((x) => x.id === p.get('with')) ?? others[0];
  const f = asked.value?.f;
  const signals = [...new Set([...(f?.evidence ?? []), ...(other?.evidence ?? [])].map((e) => e.signal))];
  const cell = (list: NonNullable<typeof f>['evidence'] | undefined, s: string) => {
    const e = list?.find((x) => x.signal === s);
    return e ? `${e.bits > 0 ? '+' : ''}${e.bits.toFixed(1)} bits: ${plain(e.reason)}` : '';
  };
  return (
    <section aria-labelledby="h">
      <h1 id="h">Compare</h1>
      <Note error={asked.error} />
      <label>
        With{' '}
        <select value={other?.id ?? ''} onChange={(e) => go({ with: e.currentTarget.value })}>
          {others.map((o) => (
            <option key={o.id} value={o.id}>
              {plain(o.title)}
            </option>
          ))}
        </select>
      </label>
      {f && other && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Test</th>
                <th scope="col">{plain(f.title)}</th>
                <th scope="col">
                  {plain(other.title)}: {plain(other.explanation)}
                </th>
              </tr>
            </thead>
            <tbody>
              {signals.map((s) => (
                <tr key={s}>
                  <th scope="row">{s}</th>
                  <td>{cell(f.evidence, s)}</td>
                  <td>{cell(other.evidence, s)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function HealthPage() {
  const health = useAsked(() => get<Record<string, unknown>>('/readyz'), []);
  const d = useAsked(() => get<Dossier>('/v1/dossier'), []);
  const all = d.value ? [...(d.value.campaigns ?? []), ...(d.value.undecided ?? []), ...(d.value.look_alikes ?? [])] : [];
  const signals = [...new Set(all.flatMap((f) => f.evidence.map((e) => e.signal)))].filter((s) => s !== 'prior');
  const rows = signals.map((signal) => {
    const here = all.flatMap((f) => f.evidence.filter((e) => e.signal === signal));
    return {
      signal,
      fired: here.filter((e) => e.outcome === 'fired').length,
      quiet: here.filter((e) => e.outcome === 'quiet').length,
      not_applicable: here.filter((e) => e.outcome === 'not applicable').length,
      failed: here.filter((e) => e.outcome === 'failed').length,
    };
  });
  const c = d.value?.coverage;
  return (
    <section aria-labelledby="h">
      <h1 id="h">Signals and health</h1>
      <Note error={health.error || d.error} />
      <dl>
        {Object.entries(health.value ?? {}).map(([k, v]) => (
          <>
            <dt>{k.replaceAll('_', ' ')}</dt>
            <dd>{plain(String(v))}</dd>
          </>
        ))}
      </dl>
      {c && (
        <>
          <h2>Coverage of the last look</h2>
          <p>
            {count(c.exchanges)} exchanges of {count(c.accounts)} accounts, {percent(c.with_text ?? 0)} with text; {count(c.rejected)} lines
            rejected
            {c.reasons.map((r) => `, ${r.reason} ${r.lines}`).join('')}.
          </p>
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
        <p>
          False discoveries: at most {d.value.false_discovery.honest_campaigns_at_most.toFixed(3)} honest campaigns expected among those
          named, {d.value.false_discovery.honest_accounts_per_month_at_most.toFixed(2)} honest accounts a month (
          {d.value.false_discovery.method}).
        </p>
      )}
      <h2>Signals over {count(all.length)} cohorts</h2>
      <Export name="signals" rows={() => rows} />
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Signal</th>
              <th scope="col">Fired</th>
              <th scope="col">Quiet</th>
              <th scope="col">Not applicable</th>
              <th scope="col">Failed</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.signal}>
                <td>{r.signal}</td>
                <td class="n">{r.fired}</td>
                <td class="n">{r.quiet}</td>
                <td class="n">{r.not_applicable}</td>
                <td class="n">{r.failed}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function AuditPage() {
  const asked = useAsked(() => get<{ head: string; entries: Entry[] }>('/v1/audit'), []);
  const rows = [...(asked.value?.entries ?? [])].reverse();
  return (
    <section aria-labelledby="h">
      <h1 id="h">Audit</h1>
      <Note error={asked.error} />
      <p class="quiet">
        Head <code>{asked.value?.head}</code>. Note it elsewhere: <code>stillwatch audit verify --head</code> then also tells a log that was
        cut short.
      </p>
      <Export
        name="audit"
        rows={() => rows.map((e) => ({ seq: e.seq, at: day(e.at), by: e.by, type: e.what.type, what: e.what, hash: e.hash }))}
      />
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((e) => {
              const w = e.what as unknown as Record<string, unknown>;
              return (
                <tr key={e.seq}>
                  <td>{day(e.at)}</td>
                  <td>{plain(e.by)}</td>
                  <td>
                    {e.what.type} {plain(String(w['id'] ?? w['account'] ?? w['what'] ?? ''))}
                  </td>
                  <td>{plain(String(w['reason'] ?? w['text'] ?? w['said'] ?? ''))}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
