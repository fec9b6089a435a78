import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Member } from '../model/dossier.ts';
import { count, day, Export, go, Link, Meter, marking, nameOf, Order, percent, plain, useAddress } from './bits.tsx';

const PAGE = 50;
/** Characters of an address that say who is chosen. */
const CHOSEN_MAX = 1500;

/** Ascending places as ranges: `0-3.7.9-11`. */
function toRanges(at: readonly number[]): string {
  const out: [number, number][] = [];
  for (const i of at) {
    const last = out.at(-1);
    if (last && last[1] === i - 1) last[1] = i;
    else out.push([i, i]);
  }
  return out.map(([a, b]) => (a === b ? String(a) : `${a}-${b}`)).join('.');
}

function fromRanges(said: string): number[] {
  return said.split('.').flatMap((r) => {
    const m = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(r);
    if (!m) return [];
    const [a, b] = [Number(m[1]), Number(m[2] ?? m[1])];
    return b < a || b - a > 200_000 ? [] : Array.from({ length: b - a + 1 }, (_, i) => a + i);
  });
}

/** Columns of the accounts of a case, by which they can be put in order. */
const ORDER = {
  account: 'Account',
  membership: 'Membership',
  exchanges: 'Exchanges',
  share: 'Its share',
  first_seen: 'First seen',
  last_seen: 'Last seen',
} as const;

/** Accounts of a case; those chosen can be split off into a case of their own, their number said first. */
export function Accounts({
  list,
  name,
  marked,
  apart,
}: {
  list: readonly Member[];
  name: string;
  /** Accounts the picture asks about. */
  marked: readonly string[];
  apart?: (accounts: string[]) => void;
}) {
  const p = useAddress();
  // Who is chosen is in the address, by place in this list and with the list's name, in ranges; a choice of many scattered ones would not fit.
  // The list may change under the page: those who were chosen on it stay chosen, and an address of another list chooses nobody.
  const [kept, keep] = useState<ReadonlySet<string>>(new Set());
  const address = p.get('chosen') ?? '';
  const [of = '', places = ''] = address.split('~');
  const listed = useMemo(() => nameOf(list.map((m) => m.account)), [list]);
  const same = address !== '' && of === listed;
  const chosen: ReadonlySet<string> = same ? new Set(fromRanges(places).flatMap((i) => list[i]?.account ?? [])) : kept;
  const stale = address !== '' && !same && kept.size === 0;
  useEffect(() => {
    if (same) keep(chosen);
  }, [address, same]);
  const choose = (next: ReadonlySet<string>): void => {
    const said = toRanges(list.flatMap((m, i) => (next.has(m.account) ? [i] : [])));
    keep(next);
    go({ chosen: said !== '' && said.length <= CHOSEN_MAX ? `${listed}~${said}` : null }, 'replace');
  };
  const here = new Set(list.map((m) => m.account));
  const picked = [...chosen].filter((a) => here.has(a));
  const flip = (a: string): void => {
    const next = new Set(picked);
    if (!next.delete(a)) next.add(a);
    choose(next);
  };
  const words = (p.get('find') ?? '').toLowerCase();
  const by = (p.get('by') ?? '') in ORDER ? (p.get('by') as keyof typeof ORDER) : null;
  const sign = p.get('byup') === '1' ? 1 : -1;
  const found = words ? list.filter((m) => m.account.toLowerCase().includes(words)) : list;
  const shown = by ? [...found].sort((x, y) => (x[by] < y[by] ? -sign : x[by] > y[by] ? sign : 0)) : found;
  const page = Math.max(0, Math.min(Math.ceil(shown.length / PAGE) - 1, Math.trunc(Number(p.get('rows') ?? 0)) || 0));
  return (
    <section aria-labelledby="accounts">
      <h2 id="accounts">Accounts ({count(list.length)})</h2>
      <p class="quiet">Its share: the part of an account's exchanges that is the campaign's, and its interval. Days in UTC.</p>
      <p class="bar">
        <label>
          Find{' '}
          <input type="search" value={p.get('find') ?? ''} onInput={(e) => go({ find: e.currentTarget.value, rows: null }, 'replace')} />
        </label>
        <Export name={`${name}-accounts`} rows={() => shown.map((m) => ({ ...m }))} />
        {apart && words && (
          <button type="button" onClick={() => choose(new Set(shown.map((m) => m.account)))}>
            Choose all {count(shown.length)} found
          </button>
        )}
        {apart && picked.length > 0 && (
          <button type="button" onClick={() => apart(picked)}>
            Split {count(picked.length)} off
          </button>
        )}
        {shown.length > PAGE && (
          <>
            <button type="button" disabled={page === 0} onClick={() => go({ rows: String(page - 1) })}>
              Previous
            </button>
            <span>
              {count(page * PAGE + 1)} to {count(Math.min(shown.length, (page + 1) * PAGE))} of {count(shown.length)}
            </span>
            <button type="button" disabled={(page + 1) * PAGE >= shown.length} onClick={() => go({ rows: String(page + 1) })}>
              Next
            </button>
          </>
        )}
      </p>
      {stale && apart && (
        <p class="quiet" role="status">
          The accounts of this case have changed since the link to this page was made: nobody is chosen.
        </p>
      )}
      <Order
        names={ORDER}
        by={by ?? ''}
        up={sign > 0}
        none="as found"
        put={(k, rises) => go({ by: k, byup: rises ? '1' : null, rows: null }, 'replace')}
      />
      <div class="scroll">
        <table class="stack members">
          <thead>
            <tr>
              {apart && <th scope="col">Choose</th>}
              {Object.entries(ORDER).map(([k, name]) => (
                <th
                  key={k}
                  scope="col"
                  class={k === 'exchanges' ? 'n' : undefined}
                  aria-sort={by === k ? (sign > 0 ? 'ascending' : 'descending') : 'none'}
                >
                  <button
                    type="button"
                    class="plain"
                    onClick={() =>
                      go(by === k ? { byup: sign > 0 ? null : '1', rows: null } : { by: k, byup: null, rows: null }, 'replace')
                    }
                  >
                    {name}
                    {by === k ? (sign > 0 ? ' ↑' : ' ↓') : ''}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.slice(page * PAGE, (page + 1) * PAGE).map((m) => (
              <tr key={m.account} class={marked.includes(m.account) ? 'at' : ''}>
                {apart && (
                  <td data-name="Choose">
                    <input
                      type="checkbox"
                      aria-label={`choose ${plain(m.account)}`}
                      checked={picked.includes(m.account)}
                      onChange={() => flip(m.account)}
                    />
                  </td>
                )}
                <td data-name="Account">
                  <Link to={{ account: m.account }}>{plain(m.account)}</Link>{' '}
                  <button
                    type="button"
                    class="mini"
                    aria-label={`mark ${plain(m.account)} in the picture, to ask why it is linked`}
                    onClick={() => go(marking(p, m.account))}
                  >
                    mark
                  </button>
                </td>
                <td data-name="Membership">
                  <Meter value={Math.min(0.999, m.membership)} label="membership" />
                </td>
                <td data-name="Exchanges" class="n">
                  {count(m.exchanges)}
                </td>
                <td data-name="Share">
                  {percent(m.share)}{' '}
                  <small>
                    ({percent(m.share_low)} to {percent(m.share_high)})
                  </small>
                </td>
                <td data-name="First seen" title={day(m.first_seen)}>
                  {m.first_seen.slice(0, 10)}
                </td>
                <td data-name="Last seen" title={day(m.last_seen)}>
                  {m.last_seen.slice(0, 10)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
