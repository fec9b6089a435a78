import { useState } from 'preact/hooks';
import type { Entry } from '../barriers/events.ts';
import { get, post } from './api.ts';
import { ask, cameThrough } from './asking.tsx';
import {
  count,
  day,
  Export,
  Fold,
  go,
  Heading,
  iso,
  Link,
  moment,
  Note,
  plain,
  said,
  signed,
  useAddress,
  useAsked,
  useFresh,
  usePin,
} from './bits.tsx';
import { useMe } from './me.ts';
import type { Appeal, Barrier } from './types.ts';

/** An appeal as a row of an export. */
export const appealRow = ({ decided, ...a }: Appeal): Record<string, unknown> => ({
  ...a,
  at: iso(a.at),
  ...(decided
    ? { decided: decided.lifted ? 'upheld' : 'refused', by: decided.by, decided_at: iso(decided.at), reason: decided.reason }
    : {}),
});

/** What an appeal objects to, and what that rested on: whoever decides has it before them. */
function Objected({ to: b }: { to: AppealsData['about'][string] | undefined }) {
  if (!b) return <p class="quiet">What it objects to stands no more, or is a gate.</p>;
  return (
    <Fold
      name={b.id}
      summary={`Against: ${b.action} on ${count(b.accounts)} ${b.accounts === 1 ? 'account' : 'accounts'}, ${b.state}. What it rests on`}
    >
      <p>
        {plain(b.reason)}
        {b.case && (
          <>
            {' '}
            Case <Link to={{ case: b.case }}>{b.case}</Link>.
          </>
        )}
      </p>
      {b.evidence.length === 0 ? (
        <p class="quiet">No evidence was kept with it.</p>
      ) : (
        <ul>
          {b.evidence.map((e) => (
            <li key={`${e.axis} ${e.signal}`}>
              {e.axis}, {e.signal}: {signed(e.bits)} bits. {plain(e.reason)}
            </li>
          ))}
        </ul>
      )}
    </Fold>
  );
}

interface AppealsData {
  readonly appeals: readonly Appeal[];
  /** Barriers they are against, by id. */
  readonly about: Readonly<
    Record<
      string,
      Pick<Barrier, 'id' | 'action' | 'reason' | 'state'> & {
        readonly case: string;
        readonly accounts: number;
        readonly evidence: NonNullable<Barrier['evidence']>;
      }
    >
  >;
}

export function AppealsPage() {
  const me = useMe();
  const p = useAddress();
  const asked = useAsked(() => get<AppealsData>('/v1/appeals'), []);
  useFresh(asked.again);
  // A copied link shows what there was when it was copied.
  const until = Date.parse(p.get('until') ?? '') || Number.POSITIVE_INFINITY;
  const [error, fail] = useState('');
  const run = (path: string, body: unknown) =>
    post(path, body).then(
      () => {
        cameThrough();
        asked.again();
      },
      (e: unknown) => fail(said(e)),
    );
  const decide = async (a: Appeal, lift: boolean) => {
    const reason = await ask(
      lift
        ? `Uphold ${a.reference} and lift the barrier${a.account ? ` for ${plain(a.account)}` : ' for everybody it stands on'}. Say why.`
        : `Keep the barrier of ${a.reference}. Say why.`,
    );
    if (reason) void run(`/v1/appeals/${encodeURIComponent(a.reference)}/decide`, { lift, reason });
  };
  const undo = async (a: Appeal) => {
    const reason = await ask(
      `Take back what was decided on ${a.reference}: the appeal is open again${a.decided?.lifted ? ', and the barrier is as it was; one that takes two people comes back as a proposal' : ''}. Say why.`,
    );
    if (reason) void run(`/v1/appeals/${encodeURIComponent(a.reference)}/undo`, { reason });
  };
  const list = (asked.value?.appeals ?? []).flatMap(({ decided, ...a }): Appeal[] =>
    a.at > until ? [] : [decided && decided.at <= until ? { ...a, decided } : a],
  );
  const newest = Math.max(0, ...list.flatMap((a) => [a.at, a.decided?.at ?? 0]));
  usePin(newest > 0 ? { until: iso(newest) } : null);
  const past = Number.isFinite(until);
  const may = !past && me !== null && me.role !== 'viewer';
  return (
    <section>
      <Heading text="Appeals" />
      <Note error={asked.error || error} />
      {past && (
        <p class="bar">
          <span class="quiet">As of {day(until)}.</span>
          <button type="button" onClick={() => go({ until: null })}>
            As it is now
          </button>
        </p>
      )}
      {asked.value && list.length === 0 && <p class="quiet">Nobody objects to a barrier.</p>}
      {list.length > 0 && <Export name="appeals" rows={() => list.map(appealRow)} />}
      <ul>
        {list.map((a) => (
          <li key={a.reference}>
            <p>
              {a.reference}, {a.account ? <Link to={{ account: a.account }}>{plain(a.account)}</Link> : 'a caller'}, {day(a.at)}:{' '}
              {plain(a.text)}
            </p>
            <Objected to={asked.value?.about[a.barrier]} />
            {a.decided ? (
              <p class="bar">
                {a.decided.lifted ? 'Lifted' : 'Kept'} by {plain(a.decided.by)}: {plain(a.decided.reason)}
                {may && (
                  <button type="button" onClick={() => void undo(a)}>
                    Undo: {a.decided.lifted ? 'lifted' : 'kept'} by {plain(a.decided.by)}
                  </button>
                )}
              </p>
            ) : (
              may && (
                <p class="bar">
                  <button type="button" onClick={() => void decide(a, true)}>
                    Lift the barrier
                  </button>
                  <button type="button" onClick={() => void decide(a, false)}>
                    Keep it
                  </button>
                </p>
              )
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

interface AuditPageData {
  readonly head: string;
  readonly all: number;
  readonly before: number;
  readonly entries: readonly (Entry & { readonly said: string; readonly why: string; readonly case: string })[];
}

export function AuditPage() {
  const p = useAddress();
  const q = p.get('q') ?? '';
  const before = p.get('before') ?? '';
  const asked = useAsked(() => get<AuditPageData>(`/v1/audit?${new URLSearchParams({ q, ...(before ? { before } : {}) })}`), [q, before]);
  const a = asked.value;
  // A search goes on being asked; a page of the log that was turned to stays.
  useFresh(() => before === '' && asked.again());
  const rows = [...(a?.entries ?? [])].reverse();
  const last = a?.before ?? 0;
  usePin(a ? { before: String(last) } : null);
  return (
    <section>
      <Heading text="Audit" />
      <Note error={asked.error} />
      <p class="quiet">
        Head <code>{a?.head}</code>. Note it elsewhere: <code>stillwatch audit verify --head</code> then also tells a log that was cut
        short.
      </p>
      <p class="bar">
        <label>
          Find <input type="search" value={q} onInput={(e) => go({ q: e.currentTarget.value, before: null }, 'replace')} />
        </label>
        <Export
          name="audit"
          rows={() =>
            rows.map((e) => ({
              seq: e.seq,
              at: iso(e.at),
              by: e.by,
              type: e.what.type,
              said: e.said,
              reason: e.why,
              what: e.what,
              hash: e.hash,
            }))
          }
        />
        <button
          type="button"
          disabled={last >= (a?.all ?? 0)}
          onClick={() => go({ before: last + 200 >= (a?.all ?? 0) ? null : String(last + 200) })}
        >
          Newer
        </button>
        {before === '' && (
          <button type="button" disabled={last === 0} onClick={() => go({ before: String(last) })}>
            Pin this page
          </button>
        )}
        <button type="button" disabled={last - rows.length <= 0} onClick={() => go({ before: String(last - rows.length) })}>
          Older
        </button>
        {a && (
          <span>
            {last - rows.length + 1} to {last} of {count(a.all)}
          </span>
        )}
      </p>
      <div class="scroll">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((e) => (
              <tr key={e.seq}>
                <td data-name="When">{moment(e.at)}</td>
                <td data-name="Who">{plain(e.by)}</td>
                <td data-name="What">
                  {e.what.type} {plain(e.said)}
                  {e.case && (
                    <small>
                      <Link to={{ case: e.case }}>{e.case}</Link>
                    </small>
                  )}
                </td>
                <td data-name="Why">{plain(e.why)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
