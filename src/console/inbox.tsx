import { useEffect, useMemo, useState } from 'preact/hooks';
import { get } from './api.ts';
import { count, day, Export, go, Link, Meter, Note, plain, useAddress, useAsked } from './bits.tsx';
import type { Case, Dossier } from './types.ts';

interface Row {
  readonly id: string;
  readonly to: Record<string, string>;
  readonly what: string;
  readonly kind: string;
  readonly state: string;
  readonly confidence: number;
  readonly accounts: number;
  readonly exchanges: number;
  readonly first: string;
  readonly last: string;
  readonly trend: number;
  readonly after: string;
  readonly assignee: string;
}

/** Exchanges of the last third of its days over the third before: above 1 it grows. */
const trend = (days: readonly { exchanges: number }[]): number => {
  const n = Math.max(1, Math.floor(days.length / 3));
  const sum = (x: readonly { exchanges: number }[]) => x.reduce((a, d) => a + d.exchanges, 0);
  return sum(days.slice(-n)) / Math.max(1, sum(days.slice(-2 * n, -n)));
};

function rowsOf(cases: readonly Case[], d: Dossier): Row[] {
  const found = new Map((d.campaigns ?? []).map((f) => [f.id, f]));
  const out = cases.map((c): Row => {
    const f = found.get(c.campaign);
    return {
      id: c.id,
      to: { case: c.id },
      what: c.title,
      kind: c.kind,
      state: c.status === 'closed' ? (c.disposition?.is ?? 'closed') : 'open',
      confidence: c.confidence,
      accounts: c.accounts.length,
      exchanges: f?.exchanges ?? 0,
      first: f?.first_seen ?? '',
      last: f?.last_seen ?? '',
      trend: f ? trend(f.timeline) : 1,
      after: Object.keys(f?.capabilities ?? {})[0] ?? '',
      assignee: c.assignee ?? '',
    };
  });
  for (const f of d.undecided ?? [])
    out.push({
      id: f.id,
      to: { undecided: f.id },
      what: f.title,
      kind: 'undecided',
      state: 'undecided',
      confidence: f.confidence,
      accounts: f.accounts.length,
      exchanges: f.exchanges,
      first: f.first_seen,
      last: f.last_seen,
      trend: trend(f.timeline),
      after: Object.keys(f.capabilities)[0] ?? '',
      assignee: '',
    });
  return out;
}

const COLUMNS = ['confidence', 'accounts', 'exchanges', 'first', 'last', 'trend'] as const;
const VIEWS = 'stillwatch.views';

export function Inbox() {
  const p = useAddress();
  const asked = useAsked(async () => {
    const [cases, dossier] = await Promise.all([get<{ cases: Case[] }>('/v1/cases'), get<Dossier>('/v1/dossier')]);
    return rowsOf(cases.cases, dossier);
  }, []);
  const [at, move] = useState(0);
  const [keys, showKeys] = useState(false);
  const [views, setViews] = useState<Record<string, string>>(
    () => JSON.parse(localStorage.getItem(VIEWS) ?? '{}') as Record<string, string>,
  );
  const state = p.get('state') ?? '';
  const words = (p.get('q') ?? '').toLowerCase();
  const sort = (COLUMNS as readonly string[]).includes(p.get('sort') ?? '') ? (p.get('sort') as (typeof COLUMNS)[number]) : 'confidence';
  const up = p.get('up') === '1';
  const rows = useMemo(() => {
    const kept = (asked.value ?? []).filter(
      (r) =>
        (state === '' || r.state === state) &&
        (words === '' || `${r.id} ${r.what} ${r.kind} ${r.after} ${r.assignee}`.toLowerCase().includes(words)),
    );
    const sign = up ? 1 : -1;
    return kept.sort((a, b) => (a[sort] < b[sort] ? -sign : a[sort] > b[sort] ? sign : 0));
  }, [asked.value, state, words, sort, up]);
  useEffect(() => {
    const on = (e: KeyboardEvent) => {
      if (e.target instanceof HTMLInputElement || e.target instanceof HTMLSelectElement || e.metaKey || e.ctrlKey) return;
      const row = rows[at];
      if (e.key === 'j') move(Math.min(rows.length - 1, at + 1));
      else if (e.key === 'k') move(Math.max(0, at - 1));
      else if (e.key === 'Enter' && row && !(e.target instanceof HTMLAnchorElement || e.target instanceof HTMLButtonElement))
        go(row.to, true);
      else if (e.key === '?') showKeys(!keys);
      else if (e.key === '/') {
        e.preventDefault();
        document.getElementById('q')?.focus();
      }
    };
    addEventListener('keydown', on);
    return () => removeEventListener('keydown', on);
  });
  const states = [...new Set((asked.value ?? []).map((r) => r.state))];
  const save = (all: Record<string, string>) => {
    localStorage.setItem(VIEWS, JSON.stringify(all));
    setViews(all);
  };
  return (
    <section aria-labelledby="h">
      <header class="bar">
        <h1 id="h">Inbox</h1>
        <label>
          Find <input id="q" type="search" value={p.get('q') ?? ''} onInput={(e) => go({ q: e.currentTarget.value })} />
        </label>
        <label>
          State{' '}
          <select value={state} onChange={(e) => go({ state: e.currentTarget.value })}>
            <option value="">all</option>
            {states.map((s) => (
              <option key={s}>{s}</option>
            ))}
          </select>
        </label>
        <label>
          View{' '}
          <select
            value=""
            onChange={(e) =>
              views[e.currentTarget.value] !== undefined && go(Object.fromEntries(new URLSearchParams(views[e.currentTarget.value])), true)
            }
          >
            <option value="">saved views</option>
            {Object.keys(views).map((v) => (
              <option key={v}>{v}</option>
            ))}
          </select>
        </label>
        <button
          type="button"
          onClick={() => {
            const name = prompt('Name of this view');
            if (name) save({ ...views, [name]: p.toString() });
          }}
        >
          Save view
        </button>
        <Export name="inbox" rows={() => rows.map(({ to: _, ...r }) => r)} />
        <button type="button" aria-expanded={keys} onClick={() => showKeys(!keys)}>
          Keys (?)
        </button>
      </header>
      {keys && (
        <p class="keys">
          <kbd>j</kbd> next, <kbd>k</kbd> previous, <kbd>Enter</kbd> open, <kbd>/</kbd> find, <kbd>?</kbd> these keys
        </p>
      )}
      <Note error={asked.error} />
      {asked.value && rows.length === 0 && (
        <p class="quiet">Nothing here. Campaigns and undecided cohorts of the last scan would stand in this list.</p>
      )}
      {rows.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col">State</th>
                {COLUMNS.map((c) => (
                  <th key={c} scope="col" aria-sort={c === sort ? (up ? 'ascending' : 'descending') : 'none'}>
                    <button type="button" class="plain" onClick={() => go(c === sort ? { up: up ? null : '1' } : { sort: c, up: null })}>
                      {c === 'first' ? 'first seen' : c === 'last' ? 'last seen' : c}
                      {c === sort ? (up ? ' ↑' : ' ↓') : ''}
                    </button>
                  </th>
                ))}
                <th scope="col">After</th>
                <th scope="col">Assigned</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((r, i) => (
                <tr key={r.id} class={i === at ? 'at' : ''} aria-current={i === at ? 'true' : undefined}>
                  <td>
                    <Link to={r.to}>{plain(r.what)}</Link>
                    <small>
                      {r.id}, {r.kind}
                    </small>
                  </td>
                  <td>
                    <span class={`tag ${r.state.replaceAll(' ', '-')}`}>{r.state}</span>
                  </td>
                  <td>
                    <Meter value={r.confidence} label="confidence" />
                  </td>
                  <td class="n">{count(r.accounts)}</td>
                  <td class="n">{count(r.exchanges)}</td>
                  <td>{r.first && day(r.first)}</td>
                  <td>{r.last && day(r.last)}</td>
                  <td>{r.trend > 1.25 ? '↑ growing' : r.trend < 0.8 ? '↓ fading' : '→ steady'}</td>
                  <td>{plain(r.after)}</td>
                  <td>{plain(r.assignee)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
