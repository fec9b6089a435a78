import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { AccountPage } from './account.tsx';
import { hasToken, leave, setToken, takeToken, tokenOfOthers } from './api.ts';
import { Asking, ask } from './asking.tsx';
import { Link, lasting, useAddress, writes } from './bits.tsx';
import { CasePage, UndecidedPage } from './case.tsx';
import { ComparePage } from './compare.tsx';
import { HealthPage } from './health.tsx';
import { Inbox, lastInbox } from './inbox.tsx';
import { useMe } from './me.ts';
import { SignalPage } from './more.tsx';
import { AppealsPage, AuditPage } from './records.tsx';

const PAGES = [
  ['', 'Inbox'],
  ['appeals', 'Appeals'],
  ['health', 'Health'],
  ['audit', 'Audit'],
] as const;

function Page() {
  const p = useAddress();
  const id = (name: string) => p.get(name) ?? '';
  if (p.has('case')) return <CasePage id={id('case')} />;
  if (p.has('undecided')) return <UndecidedPage id={id('undecided')} />;
  if (p.has('account')) return <AccountPage id={id('account')} />;
  if (p.has('compare')) return <ComparePage id={id('compare')} />;
  if (p.has('signal')) return <SignalPage id={id('signal')} />;
  if (p.get('page') === 'audit') return <AuditPage />;
  if (p.get('page') === 'health') return <HealthPage />;
  if (p.get('page') === 'appeals') return <AppealsPage />;
  return <Inbox />;
}

/** The page moves to a section, and the keyboard with it. */
function toSection(id: string): void {
  const h = document.getElementById(id);
  if (!h) return;
  h.tabIndex = -1;
  h.focus();
  h.scrollIntoView();
}

/** Keys that hold on every page, and the list of all. */
function Keys() {
  const [shown, show] = useState(false);
  const p = useAddress();
  const page = ['case', 'undecided', 'account', 'compare', 'signal', 'page'].map((k) => p.get(k) ?? '').join(' ');
  // The next page is not read through a list of keys.
  useEffect(() => show(false), [page]);
  useEffect(() => {
    const on = (e: KeyboardEvent) => {
      if (writes(e.target) || e.metaKey || e.ctrlKey || e.altKey) return;
      if (e.key === '?') show(!shown);
      else if (e.key === 'Escape') show(false);
      else if (e.key.toLowerCase() === 'i') document.querySelector<HTMLAnchorElement>('nav a')?.click();
      else if (e.key.toLowerCase() === 'a') toSection('act');
      else if (e.key.toLowerCase() === 'e') toSection('evidence');
    };
    addEventListener('keydown', on);
    return () => removeEventListener('keydown', on);
  });
  return (
    <>
      <button type="button" aria-expanded={shown} onClick={() => show(!shown)}>
        Keys (?)
      </button>
      {shown && (
        <p class="keys" role="status">
          Inbox: <kbd>j</kbd> next, <kbd>k</kbd> previous, <kbd>Enter</kbd> open, <kbd>/</kbd> find. A case: <kbd>e</kbd> evidence,{' '}
          <kbd>a</kbd> act; its picture: arrows move it, <kbd>+</kbd> and <kbd>-</kbd> zoom. Anywhere: <kbd>i</kbd> inbox, <kbd>?</kbd>{' '}
          these keys, <kbd>Esc</kbd> hide them
        </p>
      )}
    </>
  );
}

/** The link to what is shown, with the look it is of: the same tomorrow. */
function CopyLink() {
  const [said, say] = useState('');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(lasting());
      say('copied');
      setTimeout(() => say(''), 2000);
    } catch {
      await ask('The link to what is shown:', 'Link', lasting());
    }
  };
  return (
    <>
      <button type="button" onClick={() => void copy()}>
        Copy link
      </button>
      <span role="status">{said}</span>
    </>
  );
}

/** What had the keyboard may be gone once something is done: the keyboard then stays in what it stood in. */
function useKeptFocus(): void {
  useEffect(() => {
    let trail: HTMLElement[] = [];
    const on = (e: FocusEvent) => {
      trail = [];
      for (let n = (e.target as HTMLElement).parentElement; n && n !== document.body; n = n.parentElement) trail.push(n);
    };
    const gone = new MutationObserver(() => {
      if (document.activeElement !== document.body || trail.length === 0 || document.querySelector('dialog[open]')) return;
      const near = trail.find((n) => n.isConnected && n.matches('li, form, details, section, article, main'));
      if (!near) return;
      near.tabIndex = -1;
      near.focus({ preventScroll: true });
    });
    addEventListener('focusin', on);
    gone.observe(document.body, { childList: true, subtree: true });
    return () => {
      removeEventListener('focusin', on);
      gone.disconnect();
    };
  }, []);
}

function Inside({ leave }: { leave: () => void }) {
  const me = useMe();
  const p = useAddress();
  useKeptFocus();
  const here = ['case', 'undecided', 'account', 'compare', 'signal'].some((k) => p.has(k)) ? null : (p.get('page') ?? '');
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <nav aria-label="Pages">
        <strong>Stillwatch</strong>
        {PAGES.map(([page, name]) => (
          <Link key={page} to={page !== '' ? { page } : here === '' ? {} : lastInbox()} {...(here === page ? { current: true } : {})}>
            {name}
          </Link>
        ))}
        <span class="who">
          {me && (
            <span>
              {me.name}, {me.role}
            </span>
          )}
          <CopyLink />
          <Keys />
          <button type="button" onClick={leave}>
            Leave
          </button>
        </span>
      </nav>
      <main id="main">
        {me && (!me.serving || !me.enforcing) && (
          <p class="banner">
            {me.serving
              ? 'Rehearsal: enforcement is off. What is accepted is counted and changes no answer.'
              : 'A console over a store: what is decided here is kept in its audit log, and nobody enforces it until a service does.'}
            {me.role === 'viewer' ? ' You may look; to decide takes an analyst.' : ''}
          </p>
        )}
        <Page />
      </main>
      <Asking />
    </>
  );
}

function App() {
  const [inside, set] = useState(hasToken());
  const [why, say] = useState('');
  useEffect(() => {
    const on = (e: Event) => {
      say(String((e as CustomEvent).detail));
      set(false);
    };
    addEventListener('signed-out', on);
    return () => removeEventListener('signed-out', on);
  }, []);
  if (inside)
    return (
      <Inside
        leave={() => {
          leave();
          set(false);
        }}
      />
    );
  return (
    <main>
      <form
        class="login"
        onSubmit={(e) => {
          e.preventDefault();
          say('');
          setToken((e.currentTarget.elements.namedItem('token') as HTMLInputElement).value.trim());
          set(true);
        }}
      >
        <h1>Stillwatch</h1>
        {why && (
          <p class="error" role="alert">
            {why}
          </p>
        )}
        <label>
          Token <input name="token" type="password" autocomplete="off" required />
        </label>
        <button type="submit">Open</button>
      </form>
    </main>
  );
}

takeToken();
if (!hasToken()) await tokenOfOthers();
render(<App />, document.getElementById('app') as HTMLElement);
