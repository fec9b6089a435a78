import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from './api.ts';
import { count, Export, go, Link, marking, Note, pairOf, params, plain, useAddress, useAsked } from './bits.tsx';
import { type Graph, type GraphNode, Picture } from './picture.ts';

const short = (s: string): string => (s.length > 40 ? `${s.slice(0, 37)}...` : s);
const LISTED = 80;
/** What of the address is the picture's. */
const VIEW = ['kind', 'bits', 'open', 'a', 'b', 'value', 'list'] as const;

/** A group opens, closes, or (`group.from`) shows the next of its accounts; it stands in the list once. */
const flip = (list: readonly string[], id: string): string => {
  const others = list.filter((x) => x.split('.')[0] !== id.split('.')[0]);
  return (list.includes(id) ? others : [...others, id]).join(',');
};

/** What accounts share: the picture, the same as a list beside it, and why two of them are linked. Kind, bits, what stands open and the pair are in the address. */
/** @param of what accounts the case holds, in short: the picture is asked for again when they change */
export function Ties({ id, look, of }: { id: string; look: string; of: string }) {
  const p = useAddress();
  const kind = p.get('kind') ?? '';
  const bits = p.get('bits') ?? '';
  const open = (p.get('open') ?? '').split(',').filter(Boolean);
  const [one, two] = pairOf(p);
  // What was done to the picture, and nothing else on the page, is what its undo takes back.
  const [past, setPast] = useState<readonly Record<string, string | null>[]>([]);
  const step = (change: Record<string, string | null>, how: 'step' | 'replace' = 'step'): void => {
    setPast([...past.slice(-49), Object.fromEntries(VIEW.map((k) => [k, p.get(k)]))]);
    go(change, how);
  };
  const undo = (): void => {
    const last = past.at(-1);
    if (!last) return;
    setPast(past.slice(0, -1));
    go(last);
  };
  const asked = useAsked(
    () => get<Graph>(`/v1/cases/${encodeURIComponent(id)}/graph?${new URLSearchParams({ kind, bits, open: open.join(','), look })}`),
    [id, kind, bits, open.join(','), look, of],
  );
  const canvas = useRef<HTMLCanvasElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const drawnAccounts = (asked.value?.nodes ?? []).filter((n) => n.kind !== 'value').length;
  const listed = Math.min(Number(p.get('list') ?? 0) || 0, Math.max(0, drawnAccounts - 1));
  // What was pressed is no more when a group opens: the keyboard stays in the list.
  const stay = (): void => requestAnimationFrame(() => list.current?.focus()) as unknown as undefined;
  const picture = useRef<Picture | null>(null);
  const g = asked.value;
  const chosen = (n: GraphNode): void => {
    if (n.kind === 'group') step({ open: flip(open, n.id) });
    if (n.kind === 'account') step(marking(p, n.label));
    if (n.kind === 'value') step({ value: p.get('value') === n.label ? null : n.label });
  };
  const choose = useRef(chosen);
  choose.current = chosen;
  useEffect(() => {
    // A picture of nothing is drawn too: what was there before must not stay.
    if (!canvas.current || !g) return undefined;
    if (picture.current?.canvas !== canvas.current)
      picture.current = new Picture(
        canvas.current,
        (n) => choose.current(n),
        (view) => go({ view }, 'replace'),
        params().get('view') ?? '',
      );
    picture.current.show(g, [one, two], p.get('value') ?? '');
    return undefined;
  }, [g, one, two, p.get('value')]);
  useEffect(() => () => picture.current?.close(), []);
  if (g && g.kinds.length === 0 && asked.error === '')
    return (
      <section aria-labelledby="ties">
        <h2 id="ties">What they share</h2>
        <p class="quiet">No value ties these accounts: content and timing do, which the evidence above shows for the cohort as a whole.</p>
        <Why id={id} one={one} two={two} />
      </section>
    );
  return (
    <section aria-labelledby="ties">
      <h2 id="ties">What they share</h2>
      <Note error={asked.error} />
      <p class="bar">
        <label>
          Kind{' '}
          <select value={kind} onChange={(e) => step({ kind: e.currentTarget.value })}>
            <option value="">all</option>
            {(g?.kinds ?? []).map((k) => (
              <option key={k}>{k}</option>
            ))}
          </select>
        </label>
        <label>
          Bits for a pair, at least{' '}
          <input type="number" min="0" value={bits} onInput={(e) => step({ bits: e.currentTarget.value }, 'replace')} />
        </label>
        <button type="button" disabled={open.length === 0} onClick={() => step({ open: null })}>
          Collapse all
        </button>
        <button type="button" disabled={past.length === 0} onClick={undo}>
          Undo
        </button>
        <button type="button" aria-label="zoom in" onClick={() => picture.current?.zoomBy(1.4)}>
          +
        </button>
        <button type="button" aria-label="zoom out" onClick={() => picture.current?.zoomBy(1 / 1.4)}>
          −
        </button>
        <button type="button" onClick={() => picture.current?.whole()}>
          Whole picture
        </button>
        <Export
          name={`${id}-graph`}
          rows={() =>
            (g?.nodes ?? []).map((n) => ({
              kind: n.kind,
              label: n.label,
              accounts: n.accounts,
              bits: n.bits,
              shows: g && n.kind !== 'value' ? sharedBy(g, n, (x) => x) : '',
            }))
          }
        />
      </p>
      <div class="picture">
        <canvas
          ref={canvas}
          width="1040"
          height="680"
          role="img"
          aria-label={`${g?.nodes.filter((n) => n.kind === 'value').length ?? 0} values and ${g?.nodes.filter((n) => n.kind !== 'value').length ?? 0} accounts or groups that show them; the list beside it says the same`}
        />
        <ul class="groups" ref={list} tabIndex={-1} aria-label="Groups and accounts, the largest first">
          {(g?.opened ?? []).map((x) => (
            <li key={`open-${x.id}`}>
              <button
                type="button"
                aria-expanded="true"
                onClick={() => {
                  step({ open: open.filter((o) => o.split('.')[0] !== x.id).join(',') });
                  stay();
                }}
              >
                Collapse {count(x.accounts)} accounts
              </button>
              {x.accounts > x.shown && (
                <button
                  type="button"
                  onClick={() => {
                    step({ open: flip(open, `${x.id}.${(x.from + x.shown) % x.accounts}`) });
                    stay();
                  }}
                >
                  {count(x.from + 1)} to {count(x.from + x.shown)} of {count(x.accounts)}: the next
                </button>
              )}
            </li>
          ))}
          {(g?.nodes ?? [])
            .filter((n) => n.kind !== 'value')
            .slice(listed, listed + LISTED)
            .map((n) => (
              <li key={n.id}>
                {n.kind === 'group' ? (
                  <button
                    type="button"
                    aria-expanded="false"
                    onClick={() => {
                      step({ open: flip(open, n.id) });
                      stay();
                    }}
                  >
                    {n.label}
                  </button>
                ) : (
                  <>
                    <Link to={{ account: n.label }}>{short(plain(n.label))}</Link>{' '}
                    <button
                      type="button"
                      class="mini"
                      aria-label={`mark ${plain(n.label)}, to ask why it is linked`}
                      onClick={() => chosen(n)}
                    >
                      mark
                    </button>
                  </>
                )}{' '}
                {g && sharedBy(g, n)}
              </li>
            ))}
          {drawnAccounts > LISTED && (
            <li>
              <button
                type="button"
                onClick={() => {
                  step({ list: listed + LISTED >= drawnAccounts ? null : String(listed + LISTED) }, 'replace');
                  stay();
                }}
              >
                {count(listed + 1)} to {count(Math.min(drawnAccounts, listed + LISTED))} of {count(drawnAccounts)} in the picture: the next
              </button>
            </li>
          )}
        </ul>
      </div>
      <p class="quiet">
        Squares: values, the label says which; bits are what it is worth for a pair of accounts to share one, which is less than how rare it
        is among all (Indicators). Circles: accounts, or groups of accounts that show the same values. Red: the pair asked about. Drag to
        move; + and -, two fingers, or the wheel with Ctrl to zoom. A click opens a group, or tells the accounts of a value from the others;
        two clicks on accounts ask why they are linked. The list beside it does the same by keyboard.
        {g && g.nodes.length === 0 ? ' Nothing is worth as many bits as were asked for.' : ''}
        {g && g.untied > 0
          ? kind || Number(bits) > 0
            ? ` ${count(g.untied)} accounts show no value of this kind, worth so much, and are not drawn.`
            : ` ${count(g.untied)} accounts show none of these values and are not drawn: content and timing tie them.`
          : ''}
        {g && g.leftOut > 0 ? ` ${count(g.leftOut)} smaller groups are not drawn; narrow by kind or bits.` : ''}
      </p>
      <Why id={id} one={one} two={two} />
    </section>
  );
}

function sharedBy(g: Graph, n: GraphNode, as: (value: string) => string = (x) => short(plain(x))): string {
  const at = g.nodes.indexOf(n);
  return g.edges
    .filter(([a]) => a === at)
    .map(([, v]) => `${as(g.nodes[v]?.label ?? '')} (${(g.nodes[v]?.bits ?? 0).toFixed(1)} bits)`)
    .join(', ');
}

/** A name as a field of one line holds it. */
const inField = (name: string): string => plain(name).trim();

function Why({ id, one, two }: { id: string; one: string; two: string }) {
  const asked = useAsked(
    async () =>
      one && two && one !== two
        ? get<{ shared: { kind: string; value: string; bits: number; accounts: number }[] }>(
            `/v1/cases/${encodeURIComponent(id)}/why?${new URLSearchParams({ a: one, b: two })}`,
          )
        : null,
    [id, one, two],
  );
  const shared = asked.value?.shared;
  return (
    <>
      <h3>Why are these two linked?</h3>
      <form
        class="bar"
        key={`${one} ${two}`}
        onSubmit={(e) => {
          e.preventDefault();
          const value = (name: string) => (e.currentTarget.elements.namedItem(name) as HTMLInputElement).value.trim();
          // A field cannot hold every name: one that was marked and not typed over stays what it was.
          const meant = (name: string, marked: string) => (value(name) === inField(marked) ? marked : value(name));
          go({ a: meant('one', one), b: meant('other', two) });
        }}
      >
        <label>
          One <input name="one" defaultValue={inField(one)} required />
        </label>
        <label>
          Other <input name="other" defaultValue={inField(two)} required />
        </label>
        <button type="submit">Why?</button>
      </form>
      <Note error={asked.error || (one !== '' && one === two ? 'These are one account: name two.' : '')} />
      {shared && shared.length > 0 && <Export name={`${id}-why`} rows={() => shared.map((t) => ({ one, other: two, ...t }))} />}
      {shared && (
        <p role="status">
          {shared.length > 0
            ? `They share ${shared.map((t) => `${t.kind} ${plain(t.value)} (${t.bits} bits; ${count(t.accounts)} accounts show it)`).join(', ')}.`
            : 'No value ties these two by themselves: each belongs by its content, judged against the cohort as a whole.'}
        </p>
      )}
    </>
  );
}
