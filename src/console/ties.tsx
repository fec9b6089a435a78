import { useMemo, useState } from 'preact/hooks';
import { get } from './api.ts';
import { count, go, Link, Note, plain, useAddress, useAsked } from './bits.tsx';
import type { Finding } from './types.ts';

interface Tied {
  readonly kind: string;
  readonly value: string;
  readonly accounts: readonly string[];
}

interface Group {
  readonly key: string;
  readonly ties: readonly number[];
  readonly accounts: readonly string[];
}

const GROUPS = 40;
const STEP = 26;
const short = (s: string): string => (s.length > 34 ? `${s.slice(0, 31)}...` : s);

/** Accounts that show the same values are one node: 25,000 accounts draw as few as they differ. */
function grouped(ties: readonly Tied[]): Group[] {
  const of = new Map<string, number[]>();
  for (const [i, t] of ties.entries())
    for (const a of t.accounts) {
      const list = of.get(a);
      if (list) list.push(i);
      else of.set(a, [i]);
    }
  const groups = new Map<string, { ties: readonly number[]; accounts: string[] }>();
  for (const [a, list] of of) {
    const key = list.join();
    const g = groups.get(key);
    if (g) g.accounts.push(a);
    else groups.set(key, { ties: list, accounts: [a] });
  }
  return [...groups].map(([key, g]) => ({ key, ...g })).sort((a, b) => b.accounts.length - a.accounts.length);
}

/** What accounts share: values on the left, accounts on the right, those with the same values as one node that opens. */
export function Ties({ id, f }: { id: string; f: Pick<Finding, 'indicators' | 'accounts'> }) {
  const p = useAddress();
  const asked = useAsked(() => get<{ ties: Tied[] }>(`/v1/cases/${encodeURIComponent(id)}/ties`), [id]);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [one, two] = [p.get('a') ?? '', p.get('b') ?? ''];
  const kind = p.get('kind') ?? '';
  const bitsMin = Number(p.get('bits') ?? 0) || 0;
  const bits = useMemo(() => new Map(f.indicators.map((i) => [`${i.kind}\0${i.value}`, i.bits])), [f]);
  const worth = (t: Tied) => bits.get(`${t.kind}\0${t.value}`) ?? 0;
  const all = asked.value?.ties ?? [];
  const ties = all.filter((t) => (kind === '' || t.kind === kind) && worth(t) >= bitsMin && t.accounts.length > 0);
  const groups = useMemo(() => grouped(ties), [asked.value, kind, bitsMin]);
  const shown = groups.slice(0, GROUPS);
  const height = STEP * Math.max(ties.length, shown.length, 1) + 20;
  const y = (i: number, n: number) => 16 + (i + 0.5) * ((height - 20) / Math.max(1, n));
  // Names are copied as they are shown.
  const holds = (t: Tied, name: string) => t.accounts.some((a) => a === name || plain(a) === name);
  const shared = all.filter((t) => holds(t, one) && holds(t, two));
  if (asked.value && all.every((t) => t.accounts.length === 0))
    return (
      <p class="quiet">No value ties these accounts: content and timing do, which the evidence above shows for the cohort as a whole.</p>
    );
  return (
    <section aria-labelledby="ties">
      <h2 id="ties">What they share</h2>
      <Note error={asked.error} />
      <p class="bar">
        <label>
          Kind{' '}
          <select value={kind} onChange={(e) => go({ kind: e.currentTarget.value })}>
            <option value="">all</option>
            {[...new Set(all.map((t) => t.kind))].map((k) => (
              <option key={k}>{k}</option>
            ))}
          </select>
        </label>
        <label>
          Bits at least <input type="number" min="0" value={bitsMin} onInput={(e) => go({ bits: e.currentTarget.value })} />
        </label>
      </p>
      <svg
        class="ties"
        viewBox={`0 0 760 ${height}`}
        role="img"
        aria-label={`${ties.length} values shared by ${groups.length} groups of accounts`}
      >
        {shown.map((g, gi) =>
          g.ties.map((t) => (
            <path
              key={`${g.key}-${t}`}
              class="tie"
              stroke-width={Math.min(8, 0.8 + Math.log2(g.accounts.length + 1))}
              d={`M 300 ${y(t, ties.length)} C 400 ${y(t, ties.length)}, 400 ${y(gi, shown.length)}, 500 ${y(gi, shown.length)}`}
            />
          )),
        )}
        {ties.map((t, i) => (
          <text key={t.kind + t.value} class="value" x="294" y={y(i, ties.length) + 4} text-anchor="end">
            {short(`${t.kind} ${plain(t.value)}`)} ({worth(t)} bits)
          </text>
        ))}
        {shown.map((g, i) => (
          <text key={g.key} class="group" x="506" y={y(i, shown.length) + 4}>
            {g.accounts.length === 1 ? short(plain(g.accounts[0] ?? '')) : `${count(g.accounts.length)} accounts`}
          </text>
        ))}
      </svg>
      {groups.length > GROUPS && <p class="quiet">And {count(groups.length - GROUPS)} smaller groups; narrow by kind or bits.</p>}
      <ul class="groups">
        {shown.slice(0, 12).map((g) => (
          <li key={g.key}>
            <button
              type="button"
              aria-expanded={open.has(g.key)}
              onClick={() => {
                const next = new Set(open);
                if (!next.delete(g.key)) next.add(g.key);
                setOpen(next);
              }}
            >
              {count(g.accounts.length)} accounts
            </button>{' '}
            share {g.ties.map((t) => `${ties[t]?.kind} ${short(plain(ties[t]?.value ?? ''))}`).join(', ')}
            {open.has(g.key) && (
              <p>
                {g.accounts.slice(0, 200).map((a) => (
                  <>
                    <Link to={{ account: a }}>{plain(a)}</Link>{' '}
                  </>
                ))}
                {g.accounts.length > 200 ? `and ${count(g.accounts.length - 200)} more` : ''}
              </p>
            )}
          </li>
        ))}
      </ul>
      <h3>Why are these two linked?</h3>
      <form
        class="bar"
        key={`${one} ${two}`}
        onSubmit={(e) => {
          e.preventDefault();
          const value = (name: string) => (e.currentTarget.elements.namedItem(name) as HTMLInputElement).value.trim();
          go({ a: value('one'), b: value('other') });
        }}
      >
        <label>
          One <input name="one" defaultValue={one} required />
        </label>
        <label>
          Other <input name="other" defaultValue={two} required />
        </label>
        <button type="submit">Why?</button>
      </form>
      {one && two && (
        <p role="status">
          {shared.length > 0
            ? `They share ${shared.map((t) => `${t.kind} ${plain(t.value)} (${worth(t)} bits)`).join(', ')}.`
            : 'No value ties these two by themselves: each belongs by its content, judged against the cohort as a whole.'}
        </p>
      )}
    </section>
  );
}
