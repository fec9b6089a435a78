import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Act } from './act.tsx';
import { get, post } from './api.ts';
import { ask } from './asking.tsx';
import {
  BESIDE,
  count,
  day,
  Export,
  Fold,
  go,
  Heading,
  Link,
  Note,
  nameOf,
  pairOf,
  percent,
  plain,
  said,
  sure,
  useAddress,
  useAsked,
  useFresh,
  useLook,
} from './bits.tsx';
import { Waterfall } from './evidence.tsx';
import { useMe } from './me.ts';
import { Accounts } from './members.tsx';
import { Explanations, Indicators, Mix, Timeline, Took } from './parts.tsx';
import { Ties } from './ties.tsx';
import type { Case, Dossier, Held, Opened, Quotes, Related } from './types.ts';

function Looked({ shown, latest }: { shown: string | null; latest: string | null }) {
  if (!shown) return null;
  return (
    <p class="quiet">
      As looked at on {day(shown)}.{' '}
      {latest && latest !== shown && (
        <button type="button" onClick={() => go({ look: latest })}>
          A later look is there: {day(latest)}
        </button>
      )}
    </p>
  );
}

/** Why it is not named although its confidence may be high. */
function Missing({ f }: { f: Held }) {
  if (!f.missing || f.missing.length === 0) return null;
  return (
    <section aria-labelledby="missing">
      <h2 id="missing">Why it is undecided</h2>
      <Export name={`${f.id}-missing`} rows={() => (f.missing ?? []).map((missing) => ({ missing }))} />
      <ul>
        {f.missing.map((m) => (
          <li key={m}>{plain(m)}</li>
        ))}
      </ul>
    </section>
  );
}

function Body({
  f,
  releases,
  texts,
  reveal,
  hide,
  middle,
  ties,
  apart,
}: {
  f: Held;
  releases: Dossier['releases'];
  texts: Quotes | null;
  reveal: (() => void) | null;
  hide: () => void;
  /** What people do about it, between the evidence and the lists. */
  middle?: ComponentChildren;
  ties?: ComponentChildren;
  apart?: (accounts: string[]) => void;
}) {
  const p = useAddress();
  return (
    <>
      <p class="summary">{plain(f.summary)}</p>
      <Missing f={f} />
      <section aria-labelledby="evidence">
        <h2 id="evidence">Evidence</h2>
        <p class="quiet">
          Confidence {sure(f.confidence)} = coordination x extraction, calibrated on {f.calibrated_on}. Open a bar for its figure and the
          honest cohorts it was held against.
        </p>
        <Export name={`${f.id}-evidence`} rows={() => f.evidence.map(({ exemplars: _, ...e }) => ({ ...e }))} />
        <Waterfall evidence={f.evidence} axes={f.axes} texts={texts} reveal={reveal} hide={hide} />
      </section>
      <section aria-labelledby="innocent">
        <h2 id="innocent">Innocent explanations tested</h2>
        <Explanations f={f} />
      </section>
      <div class="columns">
        <section aria-labelledby="took">
          <h2 id="took">What it took</h2>
          <Took f={f} />
        </section>
        <section aria-labelledby="mix">
          <h2 id="mix">What it is after</h2>
          <Mix f={f} />
        </section>
      </div>
      <section aria-labelledby="time">
        <h2 id="time">Timeline</h2>
        <Timeline f={f} releases={releases} />
      </section>
      {middle}
      <section aria-labelledby="ind">
        <h2 id="ind">Indicators</h2>
        <Indicators f={f} sentences={texts?.sentences ?? null} />
      </section>
      <div class={ties ? 'beside' : undefined}>
        {ties}
        <Accounts list={f.accounts} name={f.id} marked={pairOf(p).filter(Boolean)} {...(apart ? { apart } : {})} />
      </div>
      {f.beside && (
        <Fold
          name="beside"
          summary={`${count(f.beside.length)} ${f.beside.length === 1 ? 'account draws' : 'accounts draw'} on the pool, and ${f.beside.length === 1 ? 'is' : 'are'} not named`}
        >
          <p>{BESIDE}</p>
          <Export name={`${f.id}-not-named`} rows={() => (f.beside ?? []).map((a) => ({ ...a }))} />
          <ul>
            {f.beside.map((a) => (
              <li key={a.account}>
                <Link to={{ account: a.account }}>{plain(a.account)}</Link>: {percent(a.share_low)} to {percent(a.share_high)} of{' '}
                {count(a.exchanges)} exchanges
              </li>
            ))}
          </ul>
        </Fold>
      )}
    </>
  );
}

/** Other cases and undecided cohorts that share a value or an account. */
function RelatedList({ list, id }: { list: readonly Related[]; id: string }) {
  if (list.length === 0) return null;
  return (
    <section aria-labelledby="rel">
      <h2 id="rel">Related: perhaps the same operator</h2>
      <Export name={`${id}-related`} rows={() => list.map((r) => ({ ...r }))} />
      <ul>
        {list.map((r) => (
          <li key={r.id}>
            <Link to={r.what === 'case' ? { case: r.id } : { undecided: r.id }}>{plain(r.title)}</Link> ({r.state}):{' '}
            {[
              ...r.values.map((v) => `${v.kind} ${plain(v.value)}`),
              ...(r.accounts > 0 ? [`${count(r.accounts)} ${r.accounts === 1 ? 'account' : 'accounts'} in common`] : []),
            ].join(', ')}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** A look that is gone leaves more than a dead end. */
function Gone({ error }: { error: string }) {
  const p = useAddress();
  return (
    <>
      <Note error={error} />
      {error && p.has('look') && (
        <button type="button" onClick={() => go({ look: null })}>
          Show the last look
        </button>
      )}
    </>
  );
}

export function CasePage({ id }: { id: string }) {
  const me = useMe();
  const p = useAddress();
  const at = `/v1/cases/${encodeURIComponent(id)}`;
  // A page that keeps itself up to date is not read by anybody: only opening it, or doing something on it, is.
  const kept = useRef(false);
  const opened = useAsked(
    () => {
      const q = new URLSearchParams({ ...(p.get('look') ? { look: p.get('look') ?? '' } : {}), ...(kept.current ? { kept: '1' } : {}) });
      kept.current = false;
      return get<Opened>(`${at}?${q}`);
    },
    [id, p.get('look') ?? ''],
    (o) => [id, o.generated ?? ''],
  );
  useFresh(() => {
    kept.current = true;
    opened.again();
  });
  const [texts, setTexts] = useState<Quotes | null>(null);
  const [error, fail] = useState('');
  useEffect(() => setTexts(null), [id]);
  useLook(opened.value?.generated);
  const may = me !== null && me.role !== 'viewer';
  const reveal = async () => {
    const reason = await ask('Why do you read these texts? The reason is logged.');
    if (!reason) return;
    try {
      setTexts(await get<Quotes>(`${at}/texts?${new URLSearchParams({ reason, look: p.get('look') ?? '' })}`));
    } catch (e) {
      fail(said(e));
    }
  };
  const splitOff = async (accounts: string[]): Promise<void> => {
    const reason = await ask(`Move ${count(accounts.length)} accounts into a case of their own. Say why.`);
    if (!reason) return;
    post<{ made: Case }>(`${at}/split`, { accounts, reason }).then(
      ({ made }) => go({ case: made.id }, 'fresh'),
      (e: unknown) => fail(said(e)),
    );
  };
  const o = opened.value;
  if (!o || o.case.id !== id)
    return (
      <article>
        <Heading text={`Case ${id}`} />
        <Gone error={opened.error || error} />
      </article>
    );
  const act = <Act opened={o} again={opened.again} may={may} />;
  return (
    <article>
      <Gone error={opened.error || error} />
      <header class="bar">
        <Heading text={plain(o.finding?.title ?? o.case.title)} />
        <span class={`tag ${o.case.status}`}>{o.case.status}</span>
        {o.case.disposition && (
          <span class="tag">
            {o.case.disposition.is}
            {o.case.disposition.seconded ? ', seconded' : ''}
          </span>
        )}
        {o.finding?.verdict === 'undecided' && <span class="tag undecided">undecided</span>}
        <span>
          {o.case.id}, {o.case.kind}, confidence {sure(o.case.confidence)}, opened {day(o.case.opened)}
          {o.case.assignee ? `, with ${plain(o.case.assignee)}` : ''}
        </span>
        <a href="#act">Act</a>
        <Link to={{ compare: o.case.id, ...(o.generated ? { look: o.generated } : {}) }}>Compare with a look-alike</Link>
      </header>
      <Looked shown={o.generated} latest={o.latest} />
      {o.unread && may && (
        <p class="banner" role="status">
          This case has changed since you opened it: what follows is as it now is. A barrier on it takes somebody who has read that.{' '}
          <button type="button" onClick={opened.again}>
            I have read it
          </button>
        </p>
      )}
      {o.finding ? (
        <Body
          f={o.finding}
          releases={o.releases}
          texts={texts}
          reveal={may ? () => void reveal() : null}
          hide={() => setTexts(null)}
          middle={
            <>
              {act}
              <RelatedList list={o.related} id={o.case.id} />
            </>
          }
          ties={<Ties id={o.case.id} look={o.generated ?? ''} of={nameOf(o.case.accounts)} />}
          {...(o.case.status === 'open' && may ? { apart: (a: string[]) => void splitOff(a) } : {})}
        />
      ) : (
        <>
          <p class="quiet">This look does not find these accounts together; what was decided about them stands.</p>
          {act}
          <RelatedList list={o.related} id={o.case.id} />
        </>
      )}
    </article>
  );
}

interface Found {
  readonly finding: Held | null;
  readonly generated: string | null;
  readonly latest: string | null;
  readonly releases: Dossier['releases'];
  readonly related: readonly Related[];
}

export function UndecidedPage({ id }: { id: string }) {
  const me = useMe();
  const p = useAddress();
  const asked = useAsked(
    () => get<Found>(`/v1/findings/${encodeURIComponent(id)}${p.get('look') ? `?look=${encodeURIComponent(p.get('look') ?? '')}` : ''}`),
    [id, p.get('look') ?? ''],
    (o) => [id, o.generated ?? ''],
  );
  useFresh(asked.again);
  const [error, fail] = useState('');
  useLook(asked.value?.generated);
  const f = asked.value?.finding;
  const open = (): void => {
    post<{ case: Case }>('/v1/cases', { finding: id }).then(
      (r) => go({ case: r.case.id }, 'fresh'),
      (e: unknown) => fail(said(e)),
    );
  };
  return (
    <article>
      <Gone error={asked.error || error} />
      <header class="bar">
        <Heading text={f ? plain(f.title) : `Cohort ${id}`} />
        <span class="tag undecided">undecided</span>
        {f && (
          <span>
            {f.id}, {f.kind}, confidence {sure(f.confidence)}
          </span>
        )}
        {f && (
          <button type="button" disabled={me?.role === 'viewer'} onClick={open}>
            Open a case on it
          </button>
        )}
        {f && (
          <Link to={{ compare: f.id, ...(asked.value?.generated ? { look: asked.value.generated } : {}) }}>Compare with a look-alike</Link>
        )}
      </header>
      {asked.value && <Looked shown={asked.value.generated} latest={asked.value.latest} />}
      {asked.value && !f && <p class="quiet">This look does not hold the cohort.</p>}
      {f && (
        <>
          <p class="quiet">
            Nobody is accused. A case lets people assign it, comment, look at what the accounts share, and read texts with a reason.
          </p>
          <Body
            f={f}
            releases={asked.value?.releases}
            texts={null}
            reveal={null}
            hide={() => undefined}
            middle={<RelatedList list={asked.value?.related ?? []} id={f.id} />}
          />
        </>
      )}
    </article>
  );
}
