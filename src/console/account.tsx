import { useEffect, useState } from 'preact/hooks';
import { get } from './api.ts';
import { ask, cameThrough } from './asking.tsx';
import { barrierRow, standing } from './barrier.tsx';
import {
  BESIDE,
  count,
  day,
  Export,
  Fold,
  Heading,
  iso,
  Link,
  Meter,
  modelsOf,
  Note,
  percent,
  plain,
  prose,
  said,
  sure,
  useAddress,
  useAsked,
  useFresh,
  useLook,
} from './bits.tsx';
import { useMe } from './me.ts';
import { appealRow } from './records.tsx';
import type { AccountFile, AccountPageData, Quotes } from './types.ts';

/** A row of bars with its ends and its largest value said; the numbers are in the label of each. */
function Bars({ values, names, what }: { values: readonly number[]; names: readonly string[]; what: string }) {
  const most = Math.max(1, ...values);
  const step = 600 / Math.max(1, values.length);
  const name = what.toLowerCase().replaceAll(/[^a-z]+/g, '-');
  return (
    <figure>
      <svg class="bars" viewBox="0 0 640 96" role="img" aria-label={`${what}: at most ${count(most)}; the table below has the numbers`}>
        <text x="34" y="18" text-anchor="end">
          {count(most)}
        </text>
        <text x="34" y="74" text-anchor="end">
          0
        </text>
        {values.map((v, i) => (
          <rect
            key={names[i]}
            class="fill"
            x={38 + i * step}
            width={Math.max(1, step - 1)}
            y={10 + 62 * (1 - v / most)}
            height={(62 * v) / most}
          />
        ))}
        {names.map((n, i) =>
          i % Math.ceil(names.length / 8) === 0 ? (
            <text key={n} x={38 + (i + 0.5) * step} y="90" text-anchor="middle">
              {n}
            </text>
          ) : null,
        )}
      </svg>
      <figcaption>{what}</figcaption>
      <Fold name={name} summary="As a table">
        <Export name={name} rows={() => values.map((v, i) => ({ when: names[i], exchanges: v }))} />
        <table>
          <tbody>
            {values.map((v, i) => (
              <tr key={names[i]}>
                <th scope="row">{names[i]}</th>
                <td class="n">{count(v)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Fold>
    </figure>
  );
}

function Shown({
  list,
  name,
  empty,
  words = null,
}: {
  list: AccountFile['indicators'];
  name: string;
  empty: string;
  /** What sentences say, once somebody has given a reason to read. */
  words?: Quotes['sentences'] | null;
}) {
  if (list.length === 0) return <p class="quiet">{empty}</p>;
  return (
    <>
      <Export name={name} rows={() => list.map((x) => ({ ...x, ...(words ? { words: words[x.value] ?? '' } : {}) }))} />
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Kind</th>
              <th scope="col">Value</th>
              <th scope="col" class="n">
                In exchanges
              </th>
              <th scope="col" class="n">
                Accounts that show it
              </th>
            </tr>
          </thead>
          <tbody>
            {list.map((x) => (
              <tr key={x.kind + x.value}>
                <td>{x.kind}</td>
                <td>
                  <code>{plain(x.value)}</code>
                  {words && <pre>{words[x.value] === undefined ? 'its words are not kept' : prose(words[x.value] ?? '')}</pre>}
                </td>
                <td class="n">{x.exchanges > 0 ? count(x.exchanges) : 'its record'}</td>
                <td class="n">{count(x.accounts)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Identity({ d }: { d: AccountPageData }) {
  const f = d.file;
  const record = Object.entries(f.record ?? {}).filter(([, v]) => v !== '');
  return (
    <>
      <Export
        name="account-identity"
        rows={() => [
          {
            account: f.account,
            exchanges: f.exchanges,
            conversations: f.conversations,
            items: f.items,
            first_seen: f.first_seen,
            last_seen: f.last_seen,
            output_tokens: f.output_tokens,
            reasoning_tokens: f.reasoning_tokens,
            models: f.models,
            addresses: f.addresses,
            ...Object.fromEntries(record),
            labels: f.labels.join(', '),
          },
        ]}
      />
      <dl>
        <dt>Exchanges</dt>
        <dd>
          {count(f.exchanges)} in {count(f.conversations)} conversations, {count(f.items)} distinct opening items
        </dd>
        <dt>Seen</dt>
        <dd>
          {day(f.first_seen)} to {day(f.last_seen)}
        </dd>
        <dt>Output tokens</dt>
        <dd>
          {count(f.output_tokens)}, reasoning {count(f.reasoning_tokens)}
        </dd>
        <dt>Models</dt>
        <dd>{modelsOf(f.models)}</dd>
        <dt>Addresses</dt>
        <dd>{count(f.addresses)}</dd>
        {record.map(([k, v]) => (
          <>
            <dt>{k}</dt>
            <dd>{/^\d{4}-\d\d-\d\dT[\d:.]+Z?$/.test(v) ? day(v.endsWith('Z') ? v : `${v}Z`) : plain(v)}</dd>
          </>
        ))}
        {record.length === 0 && (
          <>
            <dt>Record</dt>
            <dd>no account record was given</dd>
          </>
        )}
        {f.labels.length > 0 && (
          <>
            <dt>Labels</dt>
            <dd>{f.labels.map(plain).join(', ')}</dd>
          </>
        )}
        {d.verification && (
          <>
            <dt>Verified</dt>
            <dd>
              {d.verification.level}, recorded {day(d.verification.at)} by {plain(d.verification.by)}
            </dd>
          </>
        )}
        {d.legal_hold && (
          <>
            <dt>Legal hold</dt>
            <dd>
              by {plain(d.legal_hold.by)}: {plain(d.legal_hold.reason)}
            </dd>
          </>
        )}
      </dl>
    </>
  );
}

/** The case that stands for a campaign; the inbox where none was opened yet. */
function caseFor(d: AccountPageData, campaign: string): Record<string, string> {
  const c = d.cases.find((x) => x.campaign === campaign) ?? (d.cases.length === 1 ? d.cases[0] : undefined);
  return c ? { case: c.id } : {};
}

export function AccountPage({ id }: { id: string }) {
  const p = useAddress();
  const look = p.get('look') ?? '';
  const asked = useAsked(
    () => get<AccountPageData>(`/v1/accounts/${encodeURIComponent(id)}/file?${new URLSearchParams({ look })}`),
    [id, look],
    (o) => [id, o.generated ?? ''],
  );
  const d = asked.value;
  const me = useMe();
  const [words, setWords] = useState<Quotes['sentences'] | null>(null);
  const [error, fail] = useState('');
  useEffect(() => setWords(null), [id]);
  const reveal = async (): Promise<void> => {
    const reason = await ask('Why do you read what it sends? The reason is logged.');
    if (!reason) return;
    get<Pick<Quotes, 'sentences'>>(`/v1/accounts/${encodeURIComponent(id)}/sentences?${new URLSearchParams({ reason })}`).then(
      (x) => {
        cameThrough();
        fail('');
        setWords(x.sentences);
      },
      (e: unknown) => fail(said(e)),
    );
  };
  useFresh(asked.again);
  useLook(d?.generated);
  return (
    <article>
      <Heading text={`Account ${plain(id)}`}>{plain(id)}</Heading>
      <Note error={asked.error} />
      {d && (
        <>
          <section aria-labelledby="who">
            <h2 id="who">Identity</h2>
            <Identity d={d} />
          </section>
          <section aria-labelledby="camp">
            <h2 id="camp">Campaigns</h2>
            {d.findings.length + d.cases.length + d.beside.length + d.look_alikes.length === 0 && (
              <p class="quiet">The last look names it nowhere.</p>
            )}
            {d.findings.length + d.cases.length + d.beside.length + d.look_alikes.length > 0 && (
              <Export
                name="account-campaigns"
                rows={() => [
                  ...d.findings.map(({ member, ...f }) => ({ what: 'finding', ...f, ...member })),
                  ...d.cases.map((c) => ({ what: 'case', ...c })),
                  ...d.beside.map((b) => ({ what: 'not named', ...b })),
                  ...d.look_alikes.map((l) => ({ what: 'look-alike', ...l })),
                ]}
              />
            )}
            <ul>
              {d.findings.map((f) => (
                <li key={f.id}>
                  <Link to={f.verdict === 'campaign' ? caseFor(d, f.id) : { undecided: f.id }}>{plain(f.title)}</Link> ({f.verdict},
                  confidence {sure(f.confidence)}): membership{' '}
                  <Meter value={Math.min(0.999, f.member?.membership ?? 0)} label="membership" />, share of its exchanges{' '}
                  {percent(f.member?.share ?? 0)} ({percent(f.member?.share_low ?? 0)} to {percent(f.member?.share_high ?? 0)})
                </li>
              ))}
              {d.cases.map((c) => (
                <li key={c.id}>
                  Case <Link to={{ case: c.id }}>{c.id}</Link>: {plain(c.title)}, {c.status}
                </li>
              ))}
              {d.beside.map((f) => (
                <li key={f.id}>
                  Not named in {plain(f.title)} ({f.id}): it draws on the same pool in {percent(f.share_low)} to {percent(f.share_high)} of
                  its exchanges. {BESIDE}
                </li>
              ))}
              {d.look_alikes.map((l) => (
                <li key={l.id}>
                  Cleared with {l.id}: {plain(l.title)}
                </li>
              ))}
            </ul>
          </section>
          <section aria-labelledby="act">
            <h2 id="act">Activity</h2>
            <div class="columns">
              <Bars
                values={d.file.hours}
                names={d.file.hours.map((_, i) => String(i).padStart(2, '0'))}
                what="Exchanges by hour of the day, UTC"
              />
              <Bars
                values={d.file.days.map((x) => x.exchanges)}
                names={d.file.days.map((x) => x.day.slice(5))}
                what="Exchanges by day, UTC"
              />
            </div>
          </section>
          <section aria-labelledby="sent">
            <h2 id="sent">Sentences it sends again and again</h2>
            <p class="bar">
              <span class="quiet">By their keyed hash; what those say that members of a finding share is kept, and read for a reason.</span>
              {d.file.scaffolds.length > 0 && me !== null && me.role !== 'viewer' && (
                <button type="button" onClick={() => void (words ? setWords(null) : reveal())}>
                  {words ? 'Hide words' : 'Show words (asks for a reason, which is logged)'}
                </button>
              )}
            </p>
            <Note error={error} />
            <Shown list={d.file.scaffolds} name="account-scaffolds" empty="None stands in three exchanges." words={words} />
          </section>
          <section aria-labelledby="ind">
            <h2 id="ind">Indicators</h2>
            <Shown
              list={d.file.indicators}
              name="account-indicators"
              empty="The log and its record hold no value that others could share."
            />
          </section>
          <section aria-labelledby="bar">
            <h2 id="bar">Barriers and appeals</h2>
            {d.barriers.length + d.appeals.length + d.spared.length === 0 && <p class="quiet">None has stood against it.</p>}
            {d.barriers.length > 0 && (
              <Export name="account-barriers" label="Barriers" rows={() => d.barriers.map((b) => barrierRow(b, d.enforcing))} />
            )}
            {d.spared.length > 0 && (
              <Export name="account-spared" label="Lifted for it alone" rows={() => d.spared.map((b) => ({ ...b, at: iso(b.at) }))} />
            )}
            {d.appeals.length > 0 && <Export name="account-appeals" label="Appeals" rows={() => d.appeals.map(appealRow)} />}
            <ul>
              {d.barriers.map((b) => (
                <li key={b.id}>
                  {b.action}: {standing(b, d.enforcing)}, until {day(b.expires)}, reference {b.appeal}
                  {b.case && (
                    <>
                      , case <Link to={{ case: b.case }}>{b.case}</Link>
                    </>
                  )}
                </li>
              ))}
              {d.spared.map((b) => (
                <li key={`${b.id} ${b.at}`}>
                  {b.action}: not for this account since {day(b.at)}, by {plain(b.by)}: {plain(b.reason)}; reference {b.appeal}
                  {b.case && (
                    <>
                      , case <Link to={{ case: b.case }}>{b.case}</Link>
                    </>
                  )}
                </li>
              ))}
              {d.appeals.map((a) => (
                <li key={a.reference}>
                  Appeal {a.reference}, {day(a.at)}: {plain(a.text)}
                  {a.decided ? ` (${a.decided.lifted ? 'upheld' : 'refused'} by ${plain(a.decided.by)})` : ' (open)'}
                </li>
              ))}
            </ul>
          </section>
        </>
      )}
    </article>
  );
}
