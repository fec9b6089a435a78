import { useState } from 'preact/hooks';
import { enforce } from './api.ts';
import { ask, cameThrough } from './asking.tsx';
import { Link, Note, said } from './bits.tsx';
import { useMe } from './me.ts';

/** Whether anything is enforced, and how an admin switches it: on, and off again. */
export function Enforcement() {
  const me = useMe();
  const [error, fail] = useState('');
  if (!me?.serving) return null;
  const turn = async (): Promise<void> => {
    const to = !me.enforcing;
    const reason = await ask(
      to
        ? 'Turn enforcement on, for every barrier that stands and is no rehearsal. Say why.'
        : 'Turn enforcement off: every barrier becomes a rehearsal and changes no answer. Say why.',
    );
    if (!reason) return;
    enforce(to, reason).then(
      () => {
        cameThrough();
        fail('');
      },
      (e: unknown) => fail(said(e)),
    );
  };
  return (
    <section aria-labelledby="enforcement">
      <h2 id="enforcement">Enforcement</h2>
      <Note error={error} />
      <p class="bar">
        <span>{me.enforcing ? 'On: barriers that stand change answers.' : 'Off: what is accepted is counted and changes no answer.'}</span>
        {me.role === 'admin' ? (
          <button type="button" class="grave" onClick={() => void turn()}>
            Turn enforcement {me.enforcing ? 'off' : 'on'}
          </button>
        ) : (
          <span class="quiet">Whoever has the role of an admin switches it.</span>
        )}
        <Link to={{ page: 'audit', q: 'mode.changed' }}>Who switched it, and why</Link>
      </p>
    </section>
  );
}
