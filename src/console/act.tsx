import { useState } from 'preact/hooks';
import { get, post } from './api.ts';
import { BlastTable, ranOut, Standing } from './barrier.tsx';
import { ask, count, day, Export, Fold, go, iso, Link, Note, plain, said, useAsked } from './bits.tsx';
import type { Blast, InboxRow, Opened } from './types.ts';

const ACTIONS = ['watch', 'slow', 'withhold', 'verify', 'hold', 'suspend'];
const DISPOSITIONS = ['confirmed', 'suspicious', 'false positive', 'duplicate'];

interface Line {
  readonly seq: number;
  readonly at: number;
  readonly by: string;
  readonly type: string;
  readonly reason: string;
}

/** Who did what to this case, when and why. */
function History({ id, of }: { id: string; of: unknown }) {
  const asked = useAsked(() => get<{ entries: Line[] }>(`/v1/cases/${encodeURIComponent(id)}/history`), [id, of]);
  const list = asked.value?.entries ?? [];
  return (
    <Fold name="history" summary={`History (${list.length})`}>
      <Note error={asked.error} />
      <Export name={`${id}-history`} rows={() => list.map((e) => ({ ...e, at: iso(e.at) }))} />
      <ul class="comments">
        {[...list].reverse().map((e) => (
          <li key={e.seq}>
            {day(e.at)} <strong>{plain(e.by)}</strong> {e.type}
            {e.reason ? `: ${plain(e.reason)}` : ''}
          </li>
        ))}
      </ul>
    </Fold>
  );
}

/** A comment, in which `#deck` leads to the bar of that test. */
function Said({ text, evidence }: { text: string; evidence: readonly string[] }) {
  return (
    <>
      {text.split(/(#[\w-]+)/).map((part, i) =>
        part.startsWith('#') && evidence.includes(part.slice(1)) ? (
          <a key={i} href={`#bar-${part.slice(1)}`}>
            {part}
          </a>
        ) : (
          plain(part)
        ),
      )}
    </>
  );
}

const WORDS: Readonly<Record<string, string>> = {
  'case.opened': 'opening the case',
  'case.commented': 'the comment',
  'case.assigned': 'the assignment',
  'case.disposed': 'the disposition',
  'case.reopened': 'opening it again',
  'case.merged': 'the merge',
  'case.split': 'the split',
  'barrier.proposed': 'the proposal',
  'barrier.approved': 'the acceptance',
  'barrier.refused': 'the refusal',
  'barrier.lifted': 'lifting the barrier',
  'barrier.extended': 'the extension',
};

/** What people do about a case: barriers with their blast radius first, status apart from disposition, comments, assignment; each of it can be taken back. */
export function Act({ opened, again, may }: { opened: Opened; again: () => void; may: boolean }) {
  const { case: c, barriers } = opened;
  const [error, fail] = useState('');
  const [action, setAction] = useState('verify');
  const [hours, setHours] = useState('24');
  const [reason, setReason] = useState('');
  const [rate, setRate] = useState('60');
  const [tokens, setTokens] = useState('');
  const [level, setLevel] = useState('');
  const [preview, show] = useState<Blast | null>(null);
  const at = `/v1/cases/${encodeURIComponent(c.id)}`;
  const others = useAsked(() => get<{ rows: InboxRow[] }>('/v1/inbox'), [c.id, c.status, c.accounts.length]);
  const mergeable = (others.value?.rows ?? []).filter(
    (x) => x.what === 'case' && x.id !== c.id && (x.state === 'open' || x.state === 'undecided'),
  );
  const run = async (f: () => Promise<unknown>) => {
    try {
      fail('');
      await f();
      again();
    } catch (e) {
      fail(said(e));
    }
  };
  const because = async (what: string, then: (reason: string) => Promise<unknown>) => {
    const why = await ask(what);
    if (why) void run(() => then(why));
  };
  const assign = async () => {
    const to = await ask('Assign to whom?', 'Name', c.assignee ?? '');
    if (to) void run(() => post(`${at}/assign`, { to }));
  };
  const propose = () =>
    run(async () => {
      await post('/v1/barriers', {
        case: c.id,
        action,
        hours: Number(hours),
        reason,
        ...(action === 'verify' && level ? { level } : {}),
        ...(action === 'slow'
          ? { budget: { ...(rate ? { requests_per_minute: Number(rate) } : {}), ...(tokens ? { tokens_per_minute: Number(tokens) } : {}) } }
          : {}),
      });
      setReason('');
      show(null);
    });
  const signals = (opened.finding?.evidence ?? []).map((e) => e.signal);
  return (
    <section class="act" aria-labelledby="act">
      <h2 id="act">Act</h2>
      <Note error={error} />
      {barriers.length > 0 && (
        <Export
          name={`${c.id}-barriers`}
          rows={() =>
            barriers.map((b) => ({
              id: b.id,
              action: b.action,
              state: ranOut(b) ? 'run out' : b.state,
              dry_run: b.dry_run,
              accounts: b.accounts.length,
              author: b.author,
              reason: b.reason,
              created: iso(b.created),
              expires: iso(b.expires),
              reference: b.appeal,
              accepted_by: b.approvals.map((a) => a.by).join(', '),
            }))
          }
        />
      )}
      <ul class="barriers">
        {barriers.map((b) => (
          <Standing
            key={b.id + b.state}
            b={b}
            run={run}
            may={may}
            enforcing={opened.enforcing}
            again={(old) => {
              setAction(old.action);
              setReason(old.reason);
              setHours(String(Math.max(1, Math.round((old.expires - old.created) / 3_600_000))));
            }}
          />
        ))}
      </ul>
      {may && (
        <>
          <form
            class="bar"
            onSubmit={(e) => {
              e.preventDefault();
              void propose();
            }}
          >
            <label>
              Barrier{' '}
              <select value={action} onChange={(e) => setAction(e.currentTarget.value)}>
                {ACTIONS.map((a) => (
                  <option key={a}>{a}</option>
                ))}
              </select>
            </label>
            <label>
              Hours{' '}
              <input
                type="number"
                min="1"
                max={action === 'hold' ? '24' : '8784'}
                value={hours}
                onInput={(e) => setHours(e.currentTarget.value)}
              />
            </label>
            {action === 'slow' && (
              <>
                <label>
                  Requests a minute, all accounts together{' '}
                  <input type="number" min="1" value={rate} onInput={(e) => setRate(e.currentTarget.value)} />
                </label>
                <label>
                  Tokens a minute <input type="number" min="4096" value={tokens} onInput={(e) => setTokens(e.currentTarget.value)} />
                </label>
              </>
            )}
            {action === 'verify' && (
              <label>
                Level{' '}
                <select value={level} onChange={(e) => setLevel(e.currentTarget.value)}>
                  <option value="">any, from now on</option>
                  {['email', 'phone', 'id', 'business'].map((l) => (
                    <option key={l}>{l}</option>
                  ))}
                </select>
              </label>
            )}
            <label class="wide">
              Reason <input required value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
            </label>
            <button type="button" onClick={() => void run(async () => show((await get<{ blast: Blast }>(`${at}/blast`)).blast))}>
              Whom would it touch?
            </button>
            <button type="submit">Propose</button>
          </form>
          {preview && <BlastTable b={preview} />}
          <p class="bar">
            <button type="button" onClick={() => void assign()}>
              Assign
            </button>
            {c.status === 'open' ? (
              DISPOSITIONS.map((d) => (
                <button
                  key={d}
                  type="button"
                  onClick={() =>
                    void because(
                      d === 'duplicate'
                        ? 'Close as a duplicate. Name the other case and say why; merging takes its accounts along.'
                        : `Close as ${d}. Say why.`,
                      (why) => post(`${at}/dispose`, { disposition: d, reason: why }),
                    )
                  }
                >
                  Close as {d}
                </button>
              ))
            ) : (
              <>
                {c.disposition && !c.disposition.seconded && (
                  <button
                    type="button"
                    onClick={() =>
                      void because(`Second ${c.disposition?.is}. Say why.`, (why) =>
                        post(`${at}/dispose`, { disposition: c.disposition?.is, reason: why }),
                      )
                    }
                  >
                    Second {c.disposition.is}
                  </button>
                )}
                <button
                  type="button"
                  onClick={() => void because('Open it again. Say why.', (why) => post(`${at}/reopen`, { reason: why }))}
                >
                  Open again
                </button>
              </>
            )}
          </p>
        </>
      )}
      {c.merged_into && (
        <p>
          Merged into <Link to={{ case: c.merged_into }}>{c.merged_into}</Link>.
        </p>
      )}
      {c.split_from && (
        <p>
          Split from <Link to={{ case: c.split_from }}>{c.split_from}</Link>.
        </p>
      )}
      {may && c.status === 'open' && mergeable.length > 0 && (
        <form
          class="bar"
          onSubmit={(e) => {
            e.preventDefault();
            const from = (e.currentTarget.elements.namedItem('from') as HTMLSelectElement).value;
            const other = mergeable.find((x) => x.id === from);
            void because(
              `Take ${count(other?.accounts ?? 0)} accounts of ${from} into this case, and close that one as its duplicate. Say why.`,
              (why) => post(`${at}/merge`, { from, reason: why }),
            );
          }}
        >
          <label>
            Merge with{' '}
            <select name="from">
              {mergeable.map((x) => (
                <option key={x.id} value={x.id}>
                  {x.id}: {plain(x.title)}
                </option>
              ))}
            </select>
          </label>
          <button type="submit">Merge</button>
        </form>
      )}
      {may && opened.undo && (
        <p class="bar">
          <button
            type="button"
            onClick={() => {
              const gone = opened.undo?.what === 'case.split' && c.split_from !== undefined;
              const back = gone ? c.split_from : opened.undo?.what === 'case.opened' ? '' : null;
              void run(async () => {
                await post(`${at}/undo`, {});
                // The page of a case that is no more would be a dead end.
                if (back !== null && back !== undefined) go(back === '' ? {} : { case: back }, 'fresh');
              });
            }}
          >
            Undo {WORDS[opened.undo.what] ?? opened.undo.what} (by {plain(opened.undo.by)}, {day(opened.undo.at)})
          </button>
        </p>
      )}
      <History id={c.id} of={opened} />
      {c.comments.length > 0 && <Export name={`${c.id}-comments`} rows={() => c.comments.map((x) => ({ ...x, at: iso(x.at) }))} />}
      <ul class="comments">
        {c.comments.map((x) => (
          <li key={x.at}>
            <strong>{plain(x.by)}</strong> {day(x.at)}: <Said text={x.text} evidence={signals} />
          </li>
        ))}
      </ul>
      {may && (
        <form
          class="bar"
          onSubmit={(e) => {
            e.preventDefault();
            const field = e.currentTarget.elements.namedItem('comment') as HTMLInputElement;
            void run(() => post(`${at}/comment`, { text: field.value })).then(() => {
              field.value = '';
            });
          }}
        >
          <label class="wide">
            Comment <input name="comment" required placeholder="#deck and the like lead to that evidence" />
          </label>
          <button type="submit">Add</button>
        </form>
      )}
    </section>
  );
}
