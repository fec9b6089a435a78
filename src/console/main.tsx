import { render } from 'preact';
import { useState } from 'preact/hooks';
import { dropToken, hasToken, setToken, takeToken } from './api.ts';
import { Link, useAddress } from './bits.tsx';
import { CasePage, UndecidedPage } from './case.tsx';
import { Inbox } from './inbox.tsx';
import { AccountPage, AppealsPage, AuditPage, ComparePage, HealthPage } from './more.tsx';

function Page() {
  const p = useAddress();
  const id = (name: string) => p.get(name) ?? '';
  if (p.has('case')) return <CasePage id={id('case')} />;
  if (p.has('undecided')) return <UndecidedPage id={id('undecided')} />;
  if (p.has('account')) return <AccountPage id={id('account')} />;
  if (p.has('compare')) return <ComparePage id={id('compare')} />;
  if (p.get('page') === 'audit') return <AuditPage />;
  if (p.get('page') === 'health') return <HealthPage />;
  if (p.get('page') === 'appeals') return <AppealsPage />;
  return <Inbox />;
}

function App() {
  const [inside, set] = useState(hasToken());
  if (!inside)
    return (
      <main>
        <form
          class="login"
          onSubmit={(e) => {
            e.preventDefault();
            setToken((e.currentTarget.elements.namedItem('token') as HTMLInputElement).value.trim());
            set(true);
          }}
        >
          <h1>Stillwatch</h1>
          <label>
            Token <input name="token" type="password" autocomplete="off" required />
          </label>
          <button type="submit">Open</button>
        </form>
      </main>
    );
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <nav aria-label="Pages">
        <strong>Stillwatch</strong>
        <Link to={{}}>Inbox</Link>
        <Link to={{ page: 'appeals' }}>Appeals</Link>
        <Link to={{ page: 'health' }}>Health</Link>
        <Link to={{ page: 'audit' }}>Audit</Link>
        <button
          type="button"
          onClick={() => {
            dropToken();
            set(false);
          }}
        >
          Leave
        </button>
      </nav>
      <main id="main">
        <Page />
      </main>
    </>
  );
}

takeToken();
render(<App />, document.getElementById('app') as HTMLElement);
