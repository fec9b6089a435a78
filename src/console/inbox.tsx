import { useEffect, useMemo, useState } from 'preact/hooks';
import { get, post } from './api.ts';
import { ask, cameThrough } from './asking.tsx';
import {
  count,
  day,
  Export,
  go,
  Heading,
  Link,
  Meter,
  Note,
  Order,
  plain,
  said,
  useAddress,
  useAsked,
  useFresh,
  usePin,
  writes,
} from './bits.tsx';
import { useMe } from './me.ts';
import type { InboxRow, View } from './types.ts';

const COLUMNS = [
  'confidence',
  'accounts',
  'exchanges',
  'first',
  'last',
  'trend',
  'capabilities',
  'state',
  'disposition',
  'assignee',
] as const;
const NAMES: Partial<Record<(typeof COLUMNS)[number], string>> = {
  first: 'first seen',
  last: 'last seen',
  assignee: 'assigned',
  disposition: 'found to be',
};
const NUMBERS: readonly string[] = ['accounts', 'exchanges'];

/** Where a row leads: in the look that the inbox was pinned to. */
const target = (r: InboxRow, look = ''): Record<string, string> => ({
  ...(r.what === 'case' ? { case: r.id } : { undecided: r.id }),
  ...(look ? { look } : {}),
});
const trend = (x: number | null): string => (x === null ? '' : x > 1.25 ? '↑ growing' : x < 0.8 ? '↓ fading' : '→ steady');
/** What the arrow says. */
const TREND = 'Exchanges a day in the last third of its days, against all days before: growing above 1.25 times, fading below 0.8';
const cell = (r: InboxRow, c: (typeof COLUMNS)[number]): string | number =>
  c === 'capabilities' ? r.capabilities.join(' ') : (r[c] ?? -1);

/** The saved views of everybody who works this queue, and what deletes, saves and puts one back. */
function Views({ rows }: { rows: readonly InboxRow[] }) {
  const p = useAddress();
  const me = useMe();
  const may = me !== null && me.role !== 'viewer';
  const asked = useAsked(() => get<{ views: View[] }>('/v1/views'), []);
  const [gone, setGone] = useState<View | null>(null);
  const [error, setError] = useState('');
  const views = asked.value?.views ?? [];
  // A view is a way to look at the queue, not at one look, which will be gone one day.
  const address = new URLSearchParams([...p].filter(([k]) => k !== 'row' && k !== 'look')).toString();
  // What was just deleted is not offered again while the list is fetched anew.
  const current = views.find((v) => v.address === address && !(v.name === gone?.name && v.address === gone.address));
  const say = async (body: object, taken: View | null): Promise<void> => {
    try {
      await post('/v1/views', body);
      cameThrough();
      setError('');
      setGone(taken);
      asked.again();
    } catch (e) {
      setError(said(e));
    }
  };
  const save = async (): Promise<void> => {
    const name = await ask('Name of this view, which everybody here will see; one of the same name is replaced', 'Name');
    const old = views.find((v) => v.name === name);
    if (name) await say({ name, address }, old ?? null);
  };
  return (
    <>
      <p class="bar">
        <label>
          View{' '}
          <select
            value={current?.name ?? ''}
            onChange={(e) => {
              const v = views.find((x) => x.name === e.currentTarget.value);
              if (v) go(Object.fromEntries(new URLSearchParams(v.address)), 'fresh');
            }}
          >
            <option value="">saved views</option>
            {views.map((v) => (
              <option key={v.name} value={v.name}>
                {plain(v.name)} ({plain(v.by)})
              </option>
            ))}
          </select>
        </label>
        <button type="button" disabled={!may} onClick={() => void save()}>
          Save view
        </button>
        {current && (
          <button type="button" disabled={!may} onClick={() => void say({ name: current.name, delete: true }, current)}>
            Delete view {plain(current.name)}
          </button>
        )}
        {gone && (
          <button type="button" onClick={() => void say({ name: gone.name, address: gone.address }, null)}>
            Put view {plain(gone.name)} back
          </button>
        )}
        {views.length > 0 && <Export name="views" label="Views" rows={() => views.map((v) => ({ ...v }))} />}
        <Export name="inbox" label="Queue" rows={() => rows.map((r) => ({ ...r, capabilities: r.capabilities.join(', ') }))} />
      </p>
      <Note error={asked.error || error} />
    </>
  );
}

function Choice({ name, label, values }: { name: string; label: string; values: readonly string[] }) {
  const p = useAddress();
  return (
    <label>
      {label}{' '}
      <select value={p.get(name) ?? ''} onChange={(e) => go({ [name]: e.currentTarget.value })}>
        <option value="">all</option>
        {[...new Set([...values, p.get(name) ?? ''])].filter(Boolean).map((s) => (
          <option key={s}>{s}</option>
        ))}
      </select>
    </label>
  );
}

/** The address of the inbox as it was last seen in this tab: back from a case, the queue is as it was left. */
let left = '';
export const lastInbox = (): Record<string, string> => Object.fromEntries(new URLSearchParams(left));

export function Inbox() {
  const p = useAddress();
  left = p.toString();
  const look = p.get('look') ?? '';
  const asked = useAsked(
    () => get<{ generated: string | null; latest: string | null; rows: InboxRow[] }>(`/v1/inbox?${new URLSearchParams({ look })}`),
    [look],
  );
  useFresh(asked.again);
  usePin(asked.value?.generated ? { look: asked.value.generated } : null);
  const is = p.get('is') ?? '';
  const state = p.get('state') ?? '';
  const who = p.get('who') ?? '';
  const after = p.get('after') ?? '';
  const least = Number(p.get('least') ?? 0) || 0;
  const words = (p.get('q') ?? '').toLowerCase();
  const sort = (COLUMNS as readonly string[]).includes(p.get('sort') ?? '') ? (p.get('sort') as (typeof COLUMNS)[number]) : 'confidence';
  const up = p.get('up') === '1';
  const all = asked.value?.rows ?? [];
  const rows = useMemo(() => {
    const kept = all.filter(
      (r) =>
        (state === '' || r.state === state) &&
        (is === '' || r.disposition === (is === 'not said' ? '' : is)) &&
        (who === '' || (who === 'nobody' ? r.assignee === '' : r.assignee === who)) &&
        (after === '' || r.capabilities.includes(after)) &&
        r.confidence >= least &&
        (words === '' || `${r.id} ${r.title} ${r.kind} ${r.capabilities.join(' ')} ${r.assignee}`.toLowerCase().includes(words)),
    );
    const sign = up ? 1 : -1;
    return kept.sort((a, b) => (cell(a, sort) < cell(b, sort) ? -sign : cell(a, sort) > cell(b, sort) ? sign : 0));
  }, [asked.value, state, is, who, after, least, words, sort, up]);
  // The row the keys stand on is in the address by its id: it stays with what it was, whatever is filtered or sorted.
  const at = Math.max(
    0,
    rows.findIndex((r) => r.id === p.get('row')),
  );
  useEffect(() => {
    const on = (e: KeyboardEvent) => {
      const t = e.target;
      if (writes(t) || e.metaKey || e.ctrlKey || e.altKey) return;
      const key = e.key.toLowerCase();
      if (key === 'j' || key === 'k') {
        const next = rows[Math.max(0, Math.min(rows.length - 1, at + (key === 'j' ? 1 : -1)))];
        if (!next) return;
        go({ row: next.id }, 'replace');
        // Focus goes along: Enter opens what is marked and nothing else.
        requestAnimationFrame(() => document.getElementById(`row-${next.id}`)?.querySelector('a')?.focus());
      } else if (e.key === 'Enter' && !(t instanceof HTMLAnchorElement || t instanceof HTMLButtonElement)) {
        const row = rows[at];
        if (row) go(target(row, look), 'fresh');
      } else if (e.key === '/') {
        e.preventDefault();
        document.getElementById('q')?.focus();
      }
    };
    addEventListener('keydown', on);
    return () => removeEventListener('keydown', on);
  });
  return (
    <section>
      <header class="bar">
        <Heading text="Inbox" />
        {asked.value?.generated && <span class="quiet">looked on {day(asked.value.generated)}</span>}
        {asked.value?.generated && look === '' && (
          <button type="button" onClick={() => go({ look: asked.value?.generated ?? null })}>
            Pin this look
          </button>
        )}
        {look !== '' && (
          <button type="button" onClick={() => go({ look: null })}>
            Show the last look
          </button>
        )}
      </header>
      <p class="bar">
        <label>
          Find{' '}
          <input
            id="q"
            type="search"
            value={p.get('q') ?? ''}
            onInput={(e) => go({ q: e.currentTarget.value }, 'replace')}
            onKeyDown={(e) => {
              const row = rows[at];
              if (e.key === 'Enter' && row) go(target(row, look), 'fresh');
            }}
          />
        </label>
        <Choice name="state" label="State" values={[...new Set(all.map((r) => r.state))]} />
        <Choice name="is" label="Found to be" values={['not said', ...new Set(all.map((r) => r.disposition).filter(Boolean))]} />
        <Choice name="who" label="Assigned" values={['nobody', ...new Set(all.map((r) => r.assignee).filter(Boolean))]} />
        <Choice name="after" label="Capability" values={[...new Set(all.flatMap((r) => r.capabilities))].sort()} />
        <label>
          Confidence at least{' '}
          <input
            type="number"
            min="0"
            max="1"
            step="0.1"
            value={p.get('least') ?? ''}
            onInput={(e) => go({ least: e.currentTarget.value }, 'replace')}
          />
        </label>
      </p>
      <Views rows={rows} />
      <Note error={asked.error} />
      {asked.value && rows.length === 0 && (
        <p class="quiet">
          {all.length > 0
            ? `None of ${count(all.length)} fits these filters. `
            : 'Nothing here. Campaigns and undecided cohorts of the last scan would stand in this list.'}
          {all.length > 0 && <Link to={{}}>Show all</Link>}
        </p>
      )}
      {rows.length > 0 && (
        <>
          <Order
            names={Object.fromEntries(COLUMNS.map((c) => [c, NAMES[c] ?? c]))}
            by={sort}
            up={up}
            put={(by, rises) => go({ sort: by, up: rises ? '1' : null })}
          />
          <p class="quiet">Trend: {TREND.charAt(0).toLowerCase() + TREND.slice(1)}. Days in UTC.</p>
          <div class="scroll">
            <table class="stack inbox">
              <thead>
                <tr>
                  <th scope="col">What</th>
                  {COLUMNS.map((c) => (
                    <th
                      key={c}
                      scope="col"
                      class={NUMBERS.includes(c) ? 'n' : undefined}
                      aria-sort={c === sort ? (up ? 'ascending' : 'descending') : 'none'}
                    >
                      <button type="button" class="plain" onClick={() => go(c === sort ? { up: up ? null : '1' } : { sort: c, up: null })}>
                        {NAMES[c] ?? c}
                        {c === sort ? (up ? ' ↑' : ' ↓') : ''}
                      </button>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((r, i) => (
                  <tr key={r.id} id={`row-${r.id}`} class={i === at ? 'at' : ''} aria-current={i === at ? 'true' : undefined}>
                    <td data-name="What">
                      <Link to={target(r)}>{plain(r.title)}</Link>
                      <small>
                        {r.id}, {r.kind}
                      </small>
                    </td>
                    <td data-name="Confidence">
                      <Meter value={r.confidence} label="confidence" />
                    </td>
                    <td data-name="Accounts" class="n">
                      {count(r.accounts)}
                    </td>
                    <td data-name="Exchanges" class="n">
                      {count(r.exchanges)}
                    </td>
                    <td data-name="First seen" class="word" title={r.first && day(r.first)}>
                      {r.first.slice(0, 10)}
                    </td>
                    <td data-name="Last seen" class="word" title={r.last && day(r.last)}>
                      {r.last.slice(0, 10)}
                    </td>
                    <td data-name="Trend" title={r.trend === null ? undefined : `${r.trend.toFixed(2)} times. ${TREND}`} class="word">
                      {trend(r.trend)}
                    </td>
                    <td data-name="Capabilities">{r.capabilities.map(plain).join(', ')}</td>
                    <td data-name="State">
                      <span class={`tag ${r.state.replaceAll(' ', '-')}`}>{r.state}</span>
                    </td>
                    <td data-name="Found to be">{r.disposition}</td>
                    <td data-name="Assigned">{plain(r.assignee)}</td>
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
