import type { Evidence } from '../model/dossier.ts';
import { get } from './api.ts';
import { count, Export, go, Heading, Link, measured, Note, odds, plain, signed, useAddress, useAsked, useLook } from './bits.tsx';
import { Strip } from './evidence.tsx';
import type { Dossier, LookAlike, Opened } from './types.ts';

interface Side {
  readonly id: string;
  readonly title: string;
  readonly accounts: number;
  readonly exchanges: number;
  readonly axes: { readonly coordination: number; readonly extraction: number };
  readonly evidence: readonly Evidence[];
}

const sideOf = (f: {
  id: string;
  title: string;
  accounts: readonly unknown[];
  exchanges: number;
  axes: Side['axes'];
  evidence: readonly Evidence[];
}): Side => ({
  id: f.id,
  title: f.title,
  accounts: f.accounts.length,
  exchanges: f.exchanges,
  axes: f.axes,
  evidence: f.evidence,
});

/** What a side shows of a test, as columns of an export. */
const columns = (side: string, e: Evidence | undefined): Record<string, unknown> => ({
  [`${side}_bits`]: e?.bits,
  [`${side}_figure`]: e?.figure,
  [`${side}_honest_low`]: e?.reference.low,
  [`${side}_honest_median`]: e?.reference.median,
  [`${side}_honest_high`]: e?.reference.high,
  [`${side}_reason`]: e?.reason,
});

function Cell({ e, other }: { e: Evidence | undefined; other: Evidence | undefined }) {
  if (!e) return <span class="quiet">not tested</span>;
  return (
    <>
      <strong>{`${signed(e.bits)} bits`}</strong>
      {e.figure === null ? '' : `, ${measured(e.figure, e.unit)}`}
      <br />
      <Strip e={e} {...(other ? { with: [other] } : {})} wide={false} />
      <small>{plain(e.reason)}</small>
    </>
  );
}

/** A campaign, or an undecided cohort, beside a cohort that was cleared: every test with both figures on one scale. */
export function ComparePage({ id }: { id: string }) {
  const p = useAddress();
  const look = p.get('look') ?? '';
  const asked = useAsked(
    async () => {
      const at = new URLSearchParams({ look });
      const d = await get<Dossier>(`/v1/dossier?${at}`);
      const own = id.startsWith('k-')
        ? (await get<Opened>(`/v1/cases/${encodeURIComponent(id)}?${at}`)).finding
        : [...d.campaigns, ...d.undecided].find((f) => f.id === id);
      return { own: own ? sideOf(own) : null, others: d.look_alikes, generated: d.generated ?? '' };
    },
    [id, look],
    (o) => [id, o.generated],
  );
  useLook(asked.value?.generated);
  const others = asked.value?.others ?? [];
  const kinds = [...new Set(others.map((o) => o.kind))].sort();
  const kind = p.get('kind') ?? '';
  const offered = others.filter((o) => kind === '' || o.kind === kind);
  const other: LookAlike | undefined = offered.find((x) => x.id === p.get('with')) ?? offered[0];
  const own = asked.value?.own;
  const signals = [...new Set([...(own?.evidence ?? []), ...(other?.evidence ?? [])].map((e) => e.signal))];
  const of = (list: readonly Evidence[] | undefined, s: string) => list?.find((x) => x.signal === s);
  return (
    <section>
      <Heading text={own ? `Compare ${plain(own.title)}` : 'Compare'}>Compare</Heading>
      <Note error={asked.error} />
      {asked.value && !own && <p class="quiet">The last look does not hold it.</p>}
      {asked.value && p.has('with') && other && other.id !== p.get('with') && (
        <p class="error" role="alert">
          This look cleared no cohort {plain(p.get('with') ?? '')}: another is shown.
        </p>
      )}
      {asked.value && others.length === 0 && <p class="quiet">The last look cleared no cohort to compare with.</p>}
      <p class="bar">
        <label>
          Kind{' '}
          <select value={kind} onChange={(e) => go({ kind: e.currentTarget.value, with: null })}>
            <option value="">all kinds</option>
            {kinds.map((k) => (
              <option key={k}>{k}</option>
            ))}
          </select>
        </label>
        <label>
          With{' '}
          <select value={other?.id ?? ''} onChange={(e) => go({ with: e.currentTarget.value })}>
            {offered.map((o) => (
              <option key={o.id} value={o.id}>
                {o.id}: {plain(o.title)}
              </option>
            ))}
          </select>
        </label>
        {own && other && (
          <Export
            name={`compare-${own.id}-${other.id}`}
            rows={() =>
              signals.map((s) => ({
                signal: s,
                unit: of(own.evidence, s)?.unit ?? of(other.evidence, s)?.unit,
                ...columns('here', of(own.evidence, s)),
                ...columns('there', of(other.evidence, s)),
              }))
            }
          />
        )}
      </p>
      {own && other && (
        <table class="compare">
          <thead>
            <tr>
              <th scope="col">Test</th>
              <th scope="col">
                <Link to={id.startsWith('k-') ? { case: id } : { undecided: id }}>{plain(own.title)}</Link>
                <small>{id}</small>
              </th>
              <th scope="col">
                {plain(other.title)}
                <small>
                  {other.id}: {plain(other.explanation)}
                </small>
              </th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">accounts, exchanges</th>
              <td>
                {count(own.accounts)}, {count(own.exchanges)}
              </td>
              <td>
                {count(other.accounts.length)}, {count(other.exchanges)}
              </td>
            </tr>
            <tr>
              <th scope="row">coordination, extraction</th>
              <td>
                {odds(own.axes.coordination)}, {odds(own.axes.extraction)}
              </td>
              <td>
                {odds(other.axes.coordination)}, {odds(other.axes.extraction)}
              </td>
            </tr>
            {signals.map((s) => (
              <tr key={s}>
                <th scope="row">
                  <Link to={{ signal: s }}>{s}</Link>
                </th>
                <td data-name="here">
                  <Cell e={of(own.evidence, s)} other={of(other.evidence, s)} />
                </td>
                <td data-name="there">
                  <Cell e={of(other.evidence, s)} other={of(own.evidence, s)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
