import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Member } from '../model/dossier.ts';
import { Act } from './act.tsx';
import { get, post } from './api.ts';
import { count, day, Export, go, Link, Meter, Note, percent, plain, said, useAddress, useAsked } from './bits.tsx';
import { Waterfall } from './evidence.tsx';
import { Ties } from './ties.tsx';
import type { Case, Dossier, Finding, Opened, Undecided } from './types.ts';

const PAGE = 100;

function Timeline({ f }: { f: Pick<Finding, 'timeline'> }) {
  const most = Math.max(1, ...f.timeline.map((d) => d.exchanges));
  const w = 700 / Math.max(1, f.timeline.length);
  return (
    <figure>
      <svg
        class="timeline"
        viewBox="0 0 720 130"
        role="img"
        aria-label={`${f.timeline.length} days, at most ${count(most)} exchanges a day`}
      >
        {f.timeline.map((d, i) => {
          const h = (100 * d.exchanges) / most;
          return (
            <g key={d.day}>
              <rect class="fill" x={10 + i * w} width={Math.max(1, w - 1)} y={105 - h} height={h}>
                <title>
                  {d.day}: {count(d.exchanges)} exchanges, {d.accounts} accounts, {d.joined} joined, {d.closed} closed
                </title>
              </rect>
              {d.joined > 0 && <circle class="joined" cx={10 + (i + 0.5) * w} cy="114" r={Math.min(5, 1.5 + Math.sqrt(d.joined))} />}
              {d.closed > 0 && <rect class="closed" x={8 + (i + 0.5) * w} y="122" width="5" height="5" />}
            </g>
          );
        })}
      </svg>
      <figcaption>
        Exchanges a day, from {f.timeline[0]?.day} to {f.timeline.at(-1)?.day}; dots: accounts first seen, squares: accounts closed.
      </figcaption>
    </figure>
  );
}

function Mix({ f }: { f: Pick<Finding, 'capabilities' | 'population_capabilities'> }) {
  const names = Object.keys(f.capabilities);
  if (names.length === 0) return <p class="quiet">No text was at hand to classify.</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Capability</th>
          <th scope="col">Here</th>
          <th scope="col">Everybody</th>
        </tr>
      </thead>
      <tbody>
        {names.map((n) => (
          <tr key={n}>
            <td>{n}</td>
            <td>
              <Meter value={f.capabilities[n] ?? 0} label={n} />
            </td>
            <td>
              <Meter value={f.population_capabilities[n] ?? 0} label={`${n} of everybody`} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Accounts of a case; those chosen can be split off into a case of their own, their number said first. */
function Accounts({ list, name, apart }: { list: readonly Member[]; name: string; apart?: (accounts: string[]) => void }) {
  const p = useAddress();
  const [chosen, choose] = useState<ReadonlySet<string>>(new Set());
  const flip = (a: string): void => {
    const next = new Set(chosen);
    if (!next.delete(a)) next.add(a);
    choose(next);
  };
  const page = Math.max(0, Number(p.get('page') ?? 0) || 0);
  const words = (p.get('find') ?? '').toLowerCase();
  const kept = words ? list.filter((m) => m.account.toLowerCase().includes(words)) : list;
  return (
    <section aria-labelledby="accounts">
      <h2 id="accounts">Accounts ({count(list.length)})</h2>
      <p class="bar">
        <label>
          Find <input type="search" value={p.get('find') ?? ''} onInput={(e) => go({ find: e.currentTarget.value, page: null })} />
        </label>
        <Export name={`${name}-accounts`} rows={() => kept.map((m) => ({ ...m }))} />
        {apart && words && (
          <button type="button" onClick={() => choose(new Set(kept.map((m) => m.account)))}>
            Choose all {count(kept.length)} found
          </button>
        )}
        {apart && chosen.size > 0 && (
          <button type="button" onClick={() => apart([...chosen])}>
            Split {count(chosen.size)} off
          </button>
        )}
        {kept.length > PAGE && (
          <>
            <button type="button" disabled={page === 0} onClick={() => go({ page: String(page - 1) })}>
              Previous
            </button>
            <span>
              {page * PAGE + 1} to {Math.min(kept.length, (page + 1) * PAGE)} of {count(kept.length)}
            </span>
            <button type="button" disabled={(page + 1) * PAGE >= kept.length} onClick={() => go({ page: String(page + 1) })}>
              Next
            </button>
          </>
        )}
      </p>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              {apart && <th scope="col">Choose</th>}
              <th scope="col">Account</th>
              <th scope="col">Membership</th>
              <th scope="col">Exchanges</th>
              <th scope="col">Share that is the campaign's</th>
              <th scope="col">First seen</th>
              <th scope="col">Last seen</th>
            </tr>
          </thead>
          <tbody>
            {kept.slice(page * PAGE, (page + 1) * PAGE).map((m) => (
              <tr key={m.account}>
                {apart && (
                  <td>
                    <input
                      type="checkbox"
                      aria-label={`choose ${plain(m.account)}`}
                      checked={chosen.has(m.account)}
                      onChange={() => flip(m.account)}
                    />
                  </td>
                )}
                <td>
                  <Link to={{ account: m.account }}>{plain(m.account)}</Link>
                </td>
                <td>
                  <Meter value={m.membership} label="membership" />
                </td>
                <td class="n">{count(m.exchanges)}</td>
                <td>
                  {percent(m.share)}{' '}
                  <small>
                    ({percent(m.share_low)} to {percent(m.share_high)})
                  </small>
                </td>
                <td>{day(m.first_seen)}</td>
                <td>{day(m.last_seen)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Body({
  f,
  texts,
  reveal,
  ties,
  apart,
}: {
  f: Finding | Undecided;
  texts: Record<string, string> | null;
  reveal: (() => void) | null;
  ties?: ComponentChildren;
  apart?: (accounts: string[]) => void;
}) {
  return (
    <>
      <p class="summary">{plain(f.summary)}</p>
      {'missing' in f && f.missing.length > 0 && (
        <section aria-labelledby="missing">
          <h2 id="missing">What is missing to decide</h2>
          <ul>
            {f.missing.map((m) => (
              <li key={m}>{plain(m)}</li>
            ))}
          </ul>
        </section>
      )}
      <section aria-labelledby="evidence">
        <h2 id="evidence">Evidence</h2>
        <p class="quiet">
          Confidence {f.confidence.toFixed(3)} = coordination x extraction, calibrated on {f.calibrated_on}. Open a bar for its figure and
          the honest cohorts it was held against.
        </p>
        <Waterfall evidence={f.evidence} axes={f.axes} texts={texts} reveal={reveal} />
      </section>
      <section aria-labelledby="innocent">
        <h2 id="innocent">Innocent explanations tested</h2>
        <ul>
          {f.explanations.map((x) => (
            <li key={x.kind}>
              <strong>{x.fits ? 'fits' : 'does not fit'}</strong>: {plain(x.kind)}, {plain(x.reason)}
            </li>
          ))}
        </ul>
      </section>
      <div class="columns">
        <section aria-labelledby="took">
          <h2 id="took">What it took</h2>
          <dl>
            <dt>Exchanges</dt>
            <dd>{count(f.loot.exchanges)}</dd>
            <dt>Distinct items</dt>
            <dd>{count(f.loot.distinct_items)}</dd>
            <dt>Output tokens</dt>
            <dd>{count(f.loot.output_tokens)}</dd>
            <dt>Reasoning tokens</dt>
            <dd>{count(f.loot.reasoning_tokens)}</dd>
            <dt>Days</dt>
            <dd>{f.loot.days}</dd>
            <dt>Models</dt>
            <dd>
              {Object.entries(f.models)
                .map(([m, n]) => `${plain(m)} ${count(n)}`)
                .join(', ')}
            </dd>
          </dl>
        </section>
        <section aria-labelledby="mix">
          <h2 id="mix">What it is after</h2>
          <Mix f={f} />
        </section>
      </div>
      <section aria-labelledby="time">
        <h2 id="time">Timeline</h2>
        <Timeline f={f} />
      </section>
      <section aria-labelledby="ind">
        <h2 id="ind">Indicators</h2>
        <Export name={`${f.id}-indicators`} rows={() => f.indicators.map((i) => ({ ...i }))} />
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Kind</th>
                <th scope="col">Value</th>
                <th scope="col">Accounts here</th>
                <th scope="col">Others</th>
                <th scope="col">Bits</th>
              </tr>
            </thead>
            <tbody>
              {f.indicators.map((i) => (
                <tr key={i.kind + i.value}>
                  <td>{i.kind}</td>
                  <td>
                    <code>{plain(i.value)}</code>
                  </td>
                  <td class="n">{i.accounts}</td>
                  <td class="n">{i.others}</td>
                  <td class="n">{i.bits}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      {ties}
      <Accounts list={f.accounts} name={f.id} {...(apart ? { apart } : {})} />
    </>
  );
}

/** Other cases that share an indicator or an account. */
function Related({ c, all }: { c: Case; all: readonly Case[] }) {
  const values = new Set(c.indicators.map((i) => `${i.kind} ${i.value}`));
  const accounts = new Set(c.accounts);
  const near = all
    .filter((x) => x.id !== c.id)
    .map((x) => ({
      x,
      values: x.indicators.filter((i) => values.has(`${i.kind} ${i.value}`)).length,
      accounts: x.accounts.filter((a) => accounts.has(a)).length,
    }))
    .filter((x) => x.values + x.accounts > 0);
  if (near.length === 0) return null;
  return (
    <section aria-labelledby="rel">
      <h2 id="rel">Related cases</h2>
      <ul>
        {near.map(({ x, values: v, accounts: a }) => (
          <li key={x.id}>
            <Link to={{ case: x.id }}>{plain(x.title)}</Link>: {v} indicators and {a} accounts in common
          </li>
        ))}
      </ul>
    </section>
  );
}

export function CasePage({ id }: { id: string }) {
  const opened = useAsked(() => get<Opened>(`/v1/cases/${encodeURIComponent(id)}`), [id]);
  const all = useAsked(() => get<{ cases: Case[] }>('/v1/cases'), [id]);
  const [texts, setTexts] = useState<Record<string, string> | null>(null);
  const [error, fail] = useState('');
  useEffect(() => setTexts(null), [id]);
  const reveal = async () => {
    const reason = prompt('Why do you read these texts? The reason is logged.');
    if (!reason) return;
    try {
      setTexts(
        (await get<{ texts: Record<string, string> }>(`/v1/cases/${encodeURIComponent(id)}/texts?reason=${encodeURIComponent(reason)}`))
          .texts,
      );
    } catch (e) {
      fail(said(e));
    }
  };
  const o = opened.value;
  const splitOff = (accounts: string[]): void => {
    const reason = prompt(`Move ${count(accounts.length)} accounts into a case of their own: say why`);
    if (!reason) return;
    post<{ made: Case }>(`/v1/cases/${encodeURIComponent(id)}/split`, { accounts, reason }).then(
      ({ made }) => go({ case: made.id }, true),
      (e: unknown) => fail(said(e)),
    );
  };
  return (
    <article>
      <Note error={opened.error || error} />
      {o && (
        <>
          <header class="bar">
            <h1>{plain(o.case.title)}</h1>
            <span class={`tag ${o.case.status}`}>{o.case.disposition?.is ?? o.case.status}</span>
            <span>
              {o.case.id}, {o.case.kind}, confidence {o.case.confidence.toFixed(2)}, opened {day(o.case.opened)}
              {o.case.assignee ? `, with ${plain(o.case.assignee)}` : ''}
            </span>
            <a href="#act">Act</a>
            <Link to={{ compare: o.case.id }}>Compare with a look-alike</Link>
          </header>
          {o.finding ? (
            <Body
              f={o.finding}
              texts={texts}
              reveal={() => void reveal()}
              ties={<Ties id={o.case.id} />}
              {...(o.case.status === 'open' ? { apart: splitOff } : {})}
            />
          ) : (
            <p class="quiet">The last look no longer names this campaign; what was decided about it stands.</p>
          )}
          <Act
            opened={o}
            all={all.value?.cases ?? []}
            again={() => {
              opened.again();
              all.again();
            }}
          />
          <Related c={o.case} all={all.value?.cases ?? []} />
        </>
      )}
    </article>
  );
}

export function UndecidedPage({ id }: { id: string }) {
  const d = useAsked(() => get<Dossier>('/v1/dossier'), [id]);
  const f = d.value?.undecided.find((x) => x.id === id);
  return (
    <article>
      <Note error={d.error} />
      {d.value && !f && <p class="quiet">The last look no longer holds this cohort.</p>}
      {f && (
        <>
          <header class="bar">
            <h1>{plain(f.title)}</h1>
            <span class="tag undecided">undecided</span>
          </header>
          <Body f={f} texts={null} reveal={null} />
        </>
      )}
    </article>
  );
}
