import { useState } from 'preact/hooks';
import { get, post } from './api.ts';
import { count, day, Export, Note, plain, said, useAsked } from './bits.tsx';
import type { Barrier, Blast, Case, Opened } from './types.ts';

const ACTIONS = ['watch', 'slow', 'withhold', 'verify', 'hold', 'suspend'];
const DISPOSITIONS = ['confirmed', 'suspicious', 'false positive', 'duplicate'];

function BlastTable({ b }: { b: Blast }) {
  return (
    <div class="blast" role="status">
      <p>
        It would touch <strong>{count(b.accounts)} accounts</strong>: {count(b.campaign_exchanges)} exchanges of the campaign so far,{' '}
        {count(b.innocent_exchanges)} that are likely somebody else's; {b.doubtful_accounts} accounts are less likely than not to take part.
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">Class</th>
            <th scope="col">Accounts</th>
            <th scope="col">Exchanges</th>
            <th scope="col">Likely of others</th>
          </tr>
        </thead>
        <tbody>
          {Object.entries(b.by_class).map(([k, v]) => (
            <tr key={k}>
              <td>{k}</td>
              <td class="n">{v.accounts}</td>
              <td class="n">{count(v.exchanges)}</td>
              <td class="n">{count(v.innocent_exchanges)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {b.verified.length > 0 && <p>Verified customers among them: {b.verified.map(plain).join(', ')}</p>}
    </div>
  );
}

function Standing({ b, run }: { b: Barrier; run: (f: () => Promise<unknown>) => Promise<void> }) {
  const [blast, show] = useState<Blast | null>(null);
  const ask = (what: string) => prompt(`${what}: say why. It is what an appeal will be answered with.`);
  const over = b.state === 'lifted' || b.state === 'refused';
  return (
    <li class={over ? 'over' : ''}>
      <p>
        <strong>{b.action}</strong> on {count(b.accounts.length)} accounts: {b.state}
        {b.state === 'active' && b.dry_run ? ' as a rehearsal' : ''}, by {plain(b.author)}, until {day(b.expires)}; reference {b.appeal}
        {b.approvals.length > 0 ? `; accepted by ${b.approvals.map((a) => plain(a.by)).join(' and ')}` : ''}
        {b.lifted ? `; lifted by ${plain(b.lifted.by)}: ${plain(b.lifted.reason)}` : ''}
      </p>
      <p class="quiet">{plain(b.reason)}</p>
      {!over && (
        <p class="bar">
          {b.state === 'proposed' && !blast && (
            <button type="button" onClick={() => void run(async () => show((await get<{ blast: Blast }>(`/v1/barriers/${b.id}`)).blast))}>
              Blast radius
            </button>
          )}
          {b.state === 'proposed' && blast && (
            <>
              <button type="button" class="grave" onClick={() => void run(() => post(`/v1/barriers/${b.id}/approve`, {}))}>
                Accept{b.action === 'suspend' && b.approvals.length === 0 ? ' (a second person must too)' : ''}
              </button>
              <button type="button" onClick={() => void run(() => post(`/v1/barriers/${b.id}/approve`, { dry_run: true }))}>
                Accept as a rehearsal
              </button>
            </>
          )}
          {b.state === 'active' && b.action !== 'hold' && (
            <button
              type="button"
              onClick={() => {
                const reason = ask('Extend by 24 hours');
                if (reason) void run(() => post(`/v1/barriers/${b.id}/extend`, { hours: 24, reason }));
              }}
            >
              Extend by a day
            </button>
          )}
          <button
            type="button"
            onClick={() => {
              const reason = ask(b.state === 'proposed' ? 'Refuse' : 'Lift');
              if (reason) void run(() => post(`/v1/barriers/${b.id}/lift`, { reason }));
            }}
          >
            {b.state === 'proposed' ? 'Refuse' : 'Lift'}
          </button>
        </p>
      )}
      {blast && !over && <BlastTable b={blast} />}
    </li>
  );
}

interface Line {
  readonly seq: number;
  readonly at: number;
  readonly by: string;
  readonly type: string;
  readonly reason: string;
}

/** Who did what to this case, when and why. */
function History({ id, of }: { id: string; of: unknown }) {
  const asked = useAsked(() => get<{ entries: Line[] }>(`/v1/cases/${encodeURIComponent(id)}/history`), [id, of]);
  const list = asked.value?.entries ?? [];
  return (
    <details>
      <summary>History ({list.length})</summary>
      <Note error={asked.error} />
      <Export name={`${id}-history`} rows={() => list.map((e) => ({ ...e }))} />
      <ul class="comments">
        {[...list].reverse().map((e) => (
          <li key={e.seq}>
            {day(e.at)} <strong>{plain(e.by)}</strong> {e.type}
            {e.reason ? `: ${plain(e.reason)}` : ''}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** What people do about a case: barriers with their blast radius first, status apart from disposition, comments, assignment. */
export function Act({ opened, again, all }: { opened: Opened; again: () => void; all: readonly Case[] }) {
  const { case: c, barriers } = opened;
  const [error, fail] = useState('');
  const [action, setAction] = useState('verify');
  const [hours, setHours] = useState('24');
  const [reason, setReason] = useState('');
  const [rate, setRate] = useState('60');
  const run = async (f: () => Promise<unknown>) => {
    try {
      fail('');
      await f();
      again();
    } catch (e) {
      fail(said(e));
    }
  };
  const at = `/v1/cases/${encodeURIComponent(c.id)}`;
  return (
    <section class="act" aria-labelledby="act">
      <h2 id="act">Act</h2>
      <Note error={error} />
      <ul class="barriers">
        {barriers.map((b) => (
          <Standing key={b.id + b.state} b={b} run={run} />
        ))}
      </ul>
      <form
        class="bar"
        onSubmit={(e) => {
          e.preventDefault();
          void run(async () => {
            await post('/v1/barriers', {
              case: c.id,
              action,
              hours: Number(hours),
              reason,
              ...(action === 'slow' ? { budget: { requests_per_minute: Number(rate) } } : {}),
            });
            setReason('');
          });
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
          Hours <input type="number" min="1" max="8784" value={hours} onInput={(e) => setHours(e.currentTarget.value)} />
        </label>
        {action === 'slow' && (
          <label>
            Requests a minute, all accounts together{' '}
            <input type="number" min="0" value={rate} onInput={(e) => setRate(e.currentTarget.value)} />
          </label>
        )}
        <label class="wide">
          Reason <input required value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
        </label>
        <button type="submit">Propose</button>
      </form>
      <p class="bar">
        <button
          type="button"
          onClick={() => {
            const to = prompt('Assign to');
            if (to) void run(() => post(`${at}/assign`, { to }));
          }}
        >
          Assign
        </button>
        {c.status === 'open' ? (
          DISPOSITIONS.map((d) => (
            <button
              key={d}
              type="button"
              onClick={() => {
                const why = prompt(`Close as ${d}: say why`);
                if (why) void run(() => post(`${at}/dispose`, { disposition: d, reason: why }));
              }}
            >
              Close as {d}
            </button>
          ))
        ) : (
          <>
            {c.disposition && !c.disposition.seconded && (
              <button
                type="button"
                onClick={() => {
                  const why = prompt('Second it: say why');
                  if (why) void run(() => post(`${at}/dispose`, { disposition: c.disposition?.is, reason: why }));
                }}
              >
                Second {c.disposition.is}
              </button>
            )}
            <button
              type="button"
              onClick={() => {
                const why = prompt('Open again: say why');
                if (why) void run(() => post(`${at}/reopen`, { reason: why }));
              }}
            >
              Open again
            </button>
          </>
        )}
      </p>
      {c.merged_into && <p>Merged into {c.merged_into}.</p>}
      {c.status === 'open' && all.some((x) => x.id !== c.id && x.status === 'open') && (
        <form
          class="bar"
          onSubmit={(e) => {
            e.preventDefault();
            const from = (e.currentTarget.elements.namedItem('from') as HTMLSelectElement).value;
            const other = all.find((x) => x.id === from);
            const why = prompt(
              `Take ${count(other?.accounts.length ?? 0)} accounts of ${from} into this case, and close that one as its duplicate: say why`,
            );
            if (why) void run(() => post(`${at}/merge`, { from, reason: why }));
          }}
        >
          <label>
            Merge with{' '}
            <select name="from">
              {all
                .filter((x) => x.id !== c.id && x.status === 'open')
                .map((x) => (
                  <option key={x.id} value={x.id}>
                    {x.id}: {plain(x.title)}
                  </option>
                ))}
            </select>
          </label>
          <button type="submit">Merge</button>
        </form>
      )}
      <p class="bar">
        <button type="button" onClick={() => void run(() => post(`${at}/undo`, {}))}>
          Undo the last thing done to this case
        </button>
      </p>
      <History id={c.id} of={opened} />
      <ul class="comments">
        {c.comments.map((x) => (
          <li key={x.at}>
            <strong>{plain(x.by)}</strong> {day(x.at)}: {plain(x.text)}
          </li>
        ))}
      </ul>
      <form
        class="bar"
        onSubmit={(e) => {
          e.preventDefault();
          const field = e.currentTarget.elements.namedItem('comment') as HTMLInputElement;
          void run(() => post(`${at}/comment`, { text: field.value })).then(() => {
            field.value = '';
          });
        }}
      >
        <label class="wide">
          Comment <input name="comment" required />
        </label>
        <button type="submit">Add</button>
      </form>
    </section>
  );
}
