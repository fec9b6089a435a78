import { useState } from 'preact/hooks';
import { get, post } from './api.ts';
import { ask, cameThrough } from './asking.tsx';
import { BlastTable, barrierRow, ranOut, Standing } from './barrier.tsx';
import { count, day, Export, go, iso, Link, Note, plain, said, useAddress, useAsked } from './bits.tsx';
import { History, Said } from './history.tsx';
import { useMe } from './me.ts';
import type { Blast, InboxRow, Opened } from './types.ts';

/** What stands in the address for a field that holds nothing. */
const EMPTIED = '-';
const ACTIONS = ['watch', 'slow', 'withhold', 'verify', 'hold', 'suspend'];
const DISPOSITIONS = ['confirmed', 'suspicious', 'false positive', 'duplicate'];

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
  const p = useAddress();
  const [error, fail] = useState('');
  const [busy, work] = useState(false);
  // What is chosen in the form is in the address; what is written as a reason is not.
  const action = ACTIONS.includes(p.get('do') ?? '') ? (p.get('do') as string) : 'verify';
  const setAction = (x: string): void => go({ do: x }, 'replace');
  // A field that was emptied says so in the address, where nothing at all stands for what is usual.
  const field = (name: string, usual: string): string => (p.get(name) === EMPTIED ? '' : (p.get(name) ?? usual));
  const fill = (name: string, x: string): void => go({ [name]: x === '' ? EMPTIED : x }, 'replace');
  const hours = field('hours', '24');
  const setHours = (x: string): void => fill('hours', x);
  const [reason, setReason] = useState('');
  const rate = field('rate', '60');
  const tokens = field('tokens', '');
  const level = p.get('level') ?? '';
  const at = `/v1/cases/${encodeURIComponent(c.id)}`;
  const budget = new URLSearchParams(action === 'slow' ? { rate, tokens } : action === 'verify' ? { level } : {}).toString();
  const blast = useAsked(
    async () =>
      p.has('blast')
        ? get<{ blast: Blast; refused?: number }>(`${at}/blast?${budget}&${new URLSearchParams({ look: p.get('look') ?? '' })}`)
        : null,
    [c.id, p.get('blast') ?? '', p.get('look') ?? '', c.accounts.length, budget],
  );
  const me = useMe();
  const others = useAsked(() => get<{ rows: InboxRow[] }>('/v1/inbox'), [c.id, c.status, c.accounts.length]);
  const mergeable = (others.value?.rows ?? []).filter(
    (x) => x.what === 'case' && x.id !== c.id && (x.state === 'open' || x.state === 'undecided'),
  );
  const refused = c.disposition?.is === 'false positive' || c.disposition?.is === 'duplicate';
  const run = async (f: () => Promise<unknown>): Promise<boolean> => {
    if (busy) return false;
    try {
      work(true);
      fail('');
      await f();
      cameThrough();
      again();
      return true;
    } catch (e) {
      fail(said(e));
      // What was refused may be refused because the page is old.
      again();
      return false;
    } finally {
      work(false);
    }
  };
  const because = async (what: string, then: (reason: string) => Promise<unknown>) => {
    const why = await ask(what);
    if (why) void run(() => then(why));
  };
  const assign = async () => {
    const to = await ask('Assign to whom?', 'Name', c.assignee || me?.name || '', me?.people ?? []);
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
        ...(action === 'withhold' && p.has('summary') ? { summary: true } : {}),
        ...(action === 'slow'
          ? { budget: { ...(rate ? { requests_per_minute: Number(rate) } : {}), ...(tokens ? { tokens_per_minute: Number(tokens) } : {}) } }
          : {}),
      });
      setReason('');
      go({ blast: null }, 'replace');
    });
  const signals = (opened.finding?.evidence ?? []).map(({ axis, signal }) => ({ axis, signal }));
  return (
    <section class="act" aria-labelledby="act">
      <h2 id="act">Act</h2>
      <Note error={error} />
      {barriers.length > 0 && <Export name={`${c.id}-barriers`} rows={() => barriers.map((b) => barrierRow(b, opened.enforcing))} />}
      <ul class="barriers">
        {barriers.map((b) => (
          <Standing
            key={b.id + b.state}
            b={b}
            run={run}
            may={may}
            busy={busy}
            enforcing={opened.enforcing}
            again={(old) => {
              setAction(old.action);
              setReason(old.reason);
              setHours(String(Math.max(1, Math.round((old.expires - old.created) / 3_600_000))));
            }}
          />
        ))}
      </ul>
      {!may && (
        <button type="button" onClick={() => go({ blast: p.has('blast') ? null : '1' }, 'replace')}>
          Whom would a barrier touch?
        </button>
      )}
      <Note error={blast.error} />
      {blast.value && (
        <BlastTable
          b={blast.value.blast}
          {...(blast.value.refused === undefined ? {} : { refused: blast.value.refused })}
          action={action}
          name={c.id}
          budget={{ ...(rate ? { requests_per_minute: Number(rate) } : {}), ...(tokens ? { tokens_per_minute: Number(tokens) } : {}) }}
        />
      )}
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
                required
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
                  <input type="number" min="1" value={rate} required={tokens === ''} onInput={(e) => fill('rate', e.currentTarget.value)} />
                </label>
                <label>
                  Tokens a minute <input type="number" min="4096" value={tokens} onInput={(e) => fill('tokens', e.currentTarget.value)} />
                </label>
              </>
            )}
            {action === 'withhold' && (
              <label>
                <input
                  type="checkbox"
                  checked={p.has('summary')}
                  onChange={(e) => go({ summary: e.currentTarget.checked ? '1' : null }, 'replace')}
                />{' '}
                the provider's own summary goes through
              </label>
            )}
            {action === 'verify' && (
              <label>
                Level{' '}
                <select value={level} onChange={(e) => go({ level: e.currentTarget.value }, 'replace')}>
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
            <button type="button" onClick={() => go({ blast: p.has('blast') ? null : '1' }, 'replace')}>
              Whom would it touch?
            </button>
            <button type="submit" disabled={busy || refused}>
              Propose
            </button>
          </form>
          {refused && (
            <p class="quiet">
              It was found to be a {c.disposition?.is}: nothing is proposed or accepted on it until it is opened again.
              {barriers.some((b) => b.state === 'active' && !ranOut(b)) ? ' Barriers that stand on it still stand: lift them.' : ''}
            </p>
          )}
          <p class="bar">
            <button type="button" onClick={() => void assign()}>
              Assign
            </button>
            {c.assignee && (
              <button type="button" onClick={() => void run(() => post(`${at}/assign`, { to: '' }))}>
                Assign to nobody
              </button>
            )}
            {c.status === 'open' && (
              <form
                class="bar"
                onSubmit={(e) => {
                  e.preventDefault();
                  const is = (e.currentTarget.elements.namedItem('found') as HTMLSelectElement).value;
                  void because(`Mark as ${is}; the case stays open. Say why.`, (why) =>
                    post(`${at}/dispose`, { disposition: is, reason: why, open: true }),
                  );
                }}
              >
                <label>
                  Mark, and leave it open{' '}
                  <select name="found" required>
                    <option value="" disabled selected>
                      as what?
                    </option>
                    {DISPOSITIONS.map((d) => (
                      <option key={d}>{d}</option>
                    ))}
                  </select>
                </label>
                <button type="submit">Mark</button>
              </form>
            )}
            {c.disposition && !c.disposition.seconded && (
              <button
                type="button"
                onClick={() =>
                  void because(`Second ${c.disposition?.is}. Say why.`, (why) =>
                    post(`${at}/dispose`, { disposition: c.disposition?.is, reason: why, open: c.status === 'open' }),
                  )
                }
              >
                Second {c.disposition.is}
              </button>
            )}
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
              <button type="button" onClick={() => void because('Open it again. Say why.', (why) => post(`${at}/reopen`, { reason: why }))}>
                Open again
              </button>
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
            <select name="from" required>
              <option value="" disabled selected>
                which case?
              </option>
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
            disabled={busy}
            onClick={() => {
              const gone = opened.undo?.what === 'case.split' && c.split_from !== undefined;
              const back = gone ? c.split_from : opened.undo?.what === 'case.opened' ? '' : null;
              void run(async () => {
                await post(`${at}/undo`, { seq: opened.undo?.seq });
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
            void run(() => post(`${at}/comment`, { text: field.value })).then((done) => {
              if (done) field.value = '';
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
