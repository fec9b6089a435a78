import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, download, get, hasToken, toCsv } from './api.ts';

export const count = (n: number): string => n.toLocaleString('en-GB');
/** A share; what is short of all is not said to be all. */
export const percent = (x: number): string => (x < 1 && x >= 0.995 ? '> 99 %' : `${(100 * x).toFixed(x < 0.1 ? 1 : 0)} %`);
/** A confidence with two digits, never rounded up to certainty. */
export const sure = (confidence: number): string => Math.min(0.99, confidence).toFixed(2);
/** A moment, always in UTC and saying so. */
export const day = (ms: number | string): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
/** The same to the second: what was decided in one minute is told apart. */
export const moment = (ms: number | string): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
/** A figure in three digits, as people write numbers: no exponent, and nothing is minus nought. */
export function figure(v: number): string {
  if (v === 0 || !Number.isFinite(v)) return String(v === 0 ? 0 : v);
  if (Math.abs(v) >= 1000) return count(Math.round(v));
  return Math.abs(v) < 1e-4 ? v.toExponential(1) : String(Number(v.toPrecision(3)));
}
/** A figure with its unit: what is a part of something is said in a hundred. */
export function measured(v: number, unit: string): string {
  const part = /^(?:share|part) of (.+)$/.exec(unit);
  return part ? `${percent(v)} of ${part[1]}` : `${figure(v)}${unit ? ` ${unit}` : ''}`;
}
/** The figure alone, as `measured` writes it. */
export const short = (v: number, unit: string): string => (/^(?:share|part) of /.test(unit) ? percent(v) : figure(v));
/** Bits with their sign, to the hundredth they are kept to: rows add up to what is said of them. */
export const signed = (bits: number): string => {
  const x = bits.toFixed(2);
  return x === '-0.00' || x === '0.00' ? '0.00' : `${bits > 0 ? '+' : ''}${x}`;
};
export const iso = (ms: number): string => new Date(ms).toISOString();

/** A probability in a sentence, never rounded up to certainty. */
export const odds = (p: number): string => (p >= 0.995 ? '> 0.99' : p.toFixed(2));

/** Text of logs that may have lines, made harmless: what is invisible or turns the direction of writing is shown as its code. */
export const prose = (s: string): string =>
  s.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
/** The same of a name or another value of one line. */
export const plain = (s: string): string => prose(s).replaceAll('\n', '\\n').replaceAll('\t', '\\t');

/** Models and how many exchanges each answered. */
export const modelsOf = (models: Readonly<Record<string, number>>): string =>
  Object.entries(models)
    .map(([m, n]) => `${plain(m)} ${count(n)}`)
    .join(', ');

/** Where the console is, all of it in the address. */
export const params = (): URLSearchParams => new URLSearchParams(location.search);
export function go(change: Readonly<Record<string, string | null>>, how: 'step' | 'fresh' | 'replace' = 'step'): void {
  const p = how === 'fresh' ? new URLSearchParams() : params();
  for (const [k, v] of Object.entries(change)) v === null || v === '' ? p.delete(k) : p.set(k, v);
  // What is typed letter by letter is one place, not a step back for each letter.
  if (how === 'replace') history.replaceState(null, '', `?${p}`);
  else history.pushState(null, '', `?${p}`);
  dispatchEvent(new PopStateEvent('popstate'));
  if (how === 'fresh') scrollTo(0, 0);
}
export function useAddress(): URLSearchParams {
  const [p, set] = useState(params());
  useEffect(() => {
    const on = () => set(params());
    addEventListener('popstate', on);
    return () => removeEventListener('popstate', on);
  }, []);
  return p;
}

/** Pages that are of one look: what leads from one of them to another stays in that look. */
const OF_A_LOOK = ['case', 'undecided', 'account', 'compare'];
const inLook = (to: Readonly<Record<string, string>>): Record<string, string> => {
  const look = params().get('look');
  return look && !('look' in to) && OF_A_LOOK.some((k) => k in to) ? { ...to, look } : { ...to };
};

export function Link({ to: target, children, current }: { to: Record<string, string>; children: ComponentChildren; current?: boolean }) {
  useAddress();
  const to = inLook(target);
  return (
    <a
      href={`?${new URLSearchParams(to)}`}
      aria-current={current ? 'page' : undefined}
      onClick={(e) => {
        if (e.metaKey || e.ctrlKey) return;
        e.preventDefault();
        go(to, 'fresh');
      }}
    >
      {children}
    </a>
  );
}

/** Something folded away; whether it stands open is in the address. */
export function Fold({ name, summary, children }: { name: string; summary: ComponentChildren; children: ComponentChildren }) {
  const unfolded = (p: URLSearchParams): string[] => (p.get('fold') ?? '').split(',').filter(Boolean);
  const open = unfolded(useAddress());
  return (
    <details
      open={open.includes(name)}
      onToggle={(e) => {
        const now = unfolded(params());
        if (e.currentTarget.open === now.includes(name)) return;
        go({ fold: (e.currentTarget.open ? [...now, name] : now.filter((n) => n !== name)).join(',') }, 'replace');
      }}
    >
      <summary>{summary}</summary>
      {children}
    </details>
  );
}

/** The heading of a page: the title of the window too, and where the keyboard goes when the page changes. */
export function Heading({ children, text }: { children?: ComponentChildren; text: string }) {
  const h = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${text} - Stillwatch`;
    h.current?.focus({ preventScroll: true });
  }, [text]);
  return (
    <h1 ref={h} tabIndex={-1}>
      {children ?? text}
    </h1>
  );
}

/** Whether a key pressed there is a letter that somebody writes: a box that is ticked takes none. */
export const writes = (t: EventTarget | null): boolean =>
  t instanceof HTMLTextAreaElement ||
  t instanceof HTMLSelectElement ||
  (t instanceof HTMLInputElement && !['checkbox', 'radio', 'button', 'submit'].includes(t.type));

/** A short name for a list (FNV-1a): places mean nothing in another list. */
export function nameOf(list: readonly string[]): string {
  let h = 2166136261;
  for (const x of list) {
    for (let i = 0; i < x.length; i++) h = Math.imul(h ^ x.charCodeAt(i), 16777619) >>> 0;
    h = Math.imul(h ^ 10, 16777619) >>> 0;
  }
  return h.toString(36);
}

/** The pair of accounts whose links are asked about; '' where one is not chosen. */
export const pairOf = (p: URLSearchParams): readonly [string, string] => [p.get('a') ?? '', p.get('b') ?? ''];

/** Marks an account as one of the pair whose links are asked about: the second where one is marked alone, otherwise the first of a new pair. */
export function marking(p: URLSearchParams, account: string): Record<string, string | null> {
  const [one, two] = pairOf(p);
  return one && !two && account !== one ? { b: account } : { a: account, b: null };
}

/** Something asked of the server: what came, or what went wrong. @param also what else the answer is an answer to, once it has come: the look it is of */
export function useAsked<T>(
  ask: () => Promise<T>,
  on: readonly (string | number)[],
  also?: (value: T) => readonly (string | number)[],
): { value: T | null; error: string; again: () => void } {
  const key = on.join('\u0001');
  // What was asked for something else is no answer: it goes before the new one comes.
  const [got, set] = useState<{ key: string; alias: string | null; value: T | null; error: string }>({
    key,
    alias: null,
    value: null,
    error: '',
  });
  const [n, next] = useState(0);
  useEffect(() => {
    // The same thing under the name that the answer gave it.
    if (got.alias === key && got.key !== key) {
      set({ ...got, key });
      return undefined;
    }
    let live = true;
    ask().then(
      (value) => live && set({ key, alias: also ? also(value).join('\u0001') : null, value, error: '' }),
      (e: unknown) => live && set((old) => ({ key, alias: null, value: old.key === key ? old.value : null, error: said(e) })),
    );
    return () => {
      live = false;
    };
  }, [key, n]);
  const own = got.key === key || got.alias === key;
  return { value: own ? got.value : null, error: own ? got.error : '', again: () => next((x) => x + 1) };
}

/** Puts the look that is shown into the address, so that a copied link shows the same tomorrow. */
export function useLook(shown: string | null | undefined): void {
  const look = useAddress().get('look') ?? '';
  useEffect(() => {
    if (shown && look === '') go({ look: shown }, 'replace');
  }, [shown, look]);
}

let pinned: Readonly<Record<string, string>> = {};
/** What is said of accounts that draw on a pool and are not named. */
export const BESIDE =
  'Its key may be lent or stolen, its owner may use the same source, or none of what ties the others holds it: a victim, or nothing at all.';

/** What a copied link of this page holds besides its address, so that it shows the same tomorrow. */
export function usePin(pin: Readonly<Record<string, string>> | null): void {
  useEffect(() => {
    pinned = pin ?? {};
    return () => {
      pinned = {};
    };
  }, [JSON.stringify(pin)]);
}
/** The address of what is shown, as of now. */
export const lasting = (): string =>
  `${location.origin}${location.pathname}?${new URLSearchParams({ ...pinned, ...Object.fromEntries(params()) })}`;

const FRESH_MS = 8000;
let seen = '';
const waiting = new Set<() => void>();

/** Asks again when somebody decided something, or a look was made: two people may work on one case. Nothing is asked while the page is hidden or a question stands open. */
export function useFresh(again: () => void): void {
  useEffect(() => {
    waiting.add(again);
    return () => void waiting.delete(again);
  });
  // What the page shows is as of now: from here on it is told what changes.
  useEffect(() => {
    if (seen === '') look();
  }, []);
}
function look(): void {
  if (document.hidden || waiting.size === 0 || !hasToken() || document.querySelector('dialog[open]')) return;
  get<unknown>('/v1/changed').then(
    (x) => {
      const now = JSON.stringify(x);
      if (seen !== '' && seen !== now) for (const f of waiting) f();
      seen = now;
    },
    () => undefined,
  );
}
setInterval(look, FRESH_MS);

/** Hints that speak of calls and files are for whoever writes programs; a page has buttons. */
const FOR_PROGRAMS = /\b(GET|POST|PUT|DELETE) \/|\bdocs\/|--[a-z]/;
export const said = (e: unknown): string =>
  e instanceof ApiError
    ? `${e.problem.message}.${FOR_PROGRAMS.test(e.problem.hint) ? '' : ` ${e.problem.hint}`}`
    : e instanceof Error
      ? e.message
      : String(e);

export function Note({ error }: { error: string }) {
  const p = useRef<HTMLParagraphElement>(null);
  // Who pressed something far below sees why it did not work.
  useEffect(() => p.current?.scrollIntoView({ block: 'nearest' }), [error]);
  return error ? (
    <p ref={p} class="error" role="alert">
      {error}
    </p>
  ) : null;
}

/** @param label said before the buttons, where several lists stand on one line */
export function Export({ name, label, rows }: { name: string; label?: string; rows: () => readonly Readonly<Record<string, unknown>>[] }) {
  return (
    <span class="export">
      {label && <span class="quiet">{label}: </span>}
      <button type="button" aria-label={`CSV of ${name}`} onClick={() => download(`${name}.csv`, 'text/csv', toCsv(rows()))}>
        CSV
      </button>
      <button
        type="button"
        aria-label={`JSON of ${name}`}
        onClick={() => download(`${name}.json`, 'application/json', JSON.stringify(rows(), null, 2))}
      >
        JSON
      </button>
    </span>
  );
}

/** A value with a bar as long as its part of the whole. */
export function Meter({ value, label }: { value: number; label: string }) {
  return (
    <span class="meter" role="img" aria-label={`${label} ${percent(value)}`}>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="8" />
        <rect class="fill" width={100 * Math.max(0, Math.min(1, value))} height="8" />
      </svg>
      {percent(value)}
    </span>
  );
}

/** How a table is ordered, where its headings do not fit and are not shown. */
export function Order({
  names,
  by,
  up,
  none,
  put,
}: {
  names: Readonly<Record<string, string>>;
  by: string;
  up: boolean;
  /** What no order is called, where there may be none. */
  none?: string;
  put: (by: string, up: boolean) => void;
}) {
  return (
    <p class="bar order">
      <label>
        Order by{' '}
        <select value={by} onChange={(e) => put(e.currentTarget.value, up)}>
          {none !== undefined && <option value="">{none}</option>}
          {Object.entries(names).map(([k, name]) => (
            <option key={k} value={k}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" disabled={by === ''} onClick={() => put(by, !up)}>
        {up ? 'Smallest first' : 'Largest first'}
      </button>
    </p>
  );
}

/** Headings of columns of numbers. */
export const Numbers = ({ names }: { names: readonly string[] }) => (
  <>
    {names.map((n) => (
      <th key={n} scope="col" class="n">
        {n}
      </th>
    ))}
  </>
);
