import { useState } from 'preact/hooks';
import { get, post } from './api.ts';
import { ask, count, day, plain } from './bits.tsx';
import type { Barrier, Blast } from './types.ts';

export function BlastTable({ b }: { b: Blast }) {
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

const SPENT: readonly string[] = ['lifted', 'refused'];
export const ranOut = (b: Barrier): boolean => b.state === 'active' && b.expires <= Date.now();

/** What stands, or is proposed: its reach is seen before anybody accepts it. */
export function Standing({
  b,
  run,
  may,
  enforcing,
  again,
}: {
  b: Barrier;
  run: (f: () => Promise<unknown>) => Promise<void>;
  may: boolean;
  enforcing: boolean;
  /** Puts it into the form, to be proposed once more. */
  again: (b: Barrier) => void;
}) {
  const [blast, show] = useState<Blast | null>(null);
  const over = SPENT.includes(b.state) || ranOut(b);
  const why = async (what: string, then: (reason: string) => Promise<unknown>) => {
    const reason = await ask(`${what}. Say why: it is what an appeal will be answered with.`);
    if (reason) void run(() => then(reason));
  };
  const rehearsal = b.state === 'active' && (b.dry_run || !enforcing);
  return (
    <li class={over ? 'over' : ''}>
      <p>
        <strong>{b.action}</strong> on {count(b.accounts.length)} accounts: {ranOut(b) ? 'run out' : b.state}
        {rehearsal && !ranOut(b) ? ' as a rehearsal' : ''}, by {plain(b.author)}, until {day(b.expires)}; reference {b.appeal}
        {b.level ? `; asks for ${b.level}` : ''}
        {b.approvals.length > 0 ? `; accepted by ${b.approvals.map((a) => plain(a.by)).join(' and ')}` : ''}
        {b.lifted ? `; lifted by ${plain(b.lifted.by)}: ${plain(b.lifted.reason)}` : ''}
      </p>
      <p class="quiet">{plain(b.reason)}</p>
      {may && !over && (
        <p class="bar">
          {b.state === 'proposed' && !blast && (
            <button type="button" onClick={() => void run(async () => show((await get<{ blast: Blast }>(`/v1/barriers/${b.id}`)).blast))}>
              Blast radius
            </button>
          )}
          {b.state === 'proposed' && blast && enforcing && (
            <button type="button" class="grave" onClick={() => void run(() => post(`/v1/barriers/${b.id}/approve`, { dry_run: false }))}>
              Accept{b.action === 'suspend' && b.approvals.length === 0 ? ' (a second person must too)' : ''}
            </button>
          )}
          {b.state === 'proposed' && blast && (
            <button type="button" onClick={() => void run(() => post(`/v1/barriers/${b.id}/approve`, { dry_run: true }))}>
              Accept as a rehearsal
            </button>
          )}
          {b.state === 'proposed' && blast && !enforcing && (
            <span class="quiet">Enforcement is off: only a rehearsal can be accepted.</span>
          )}
          {b.state === 'active' && b.action !== 'hold' && b.action !== 'suspend' && (
            <button
              type="button"
              onClick={() => void why('Extend by 24 hours', (reason) => post(`/v1/barriers/${b.id}/extend`, { hours: 24, reason }))}
            >
              Extend by a day
            </button>
          )}
          <button
            type="button"
            onClick={() =>
              void why(b.state === 'proposed' ? 'Refuse the proposal' : 'Lift the barrier', (reason) =>
                post(`/v1/barriers/${b.id}/lift`, { reason }),
              )
            }
          >
            {b.state === 'proposed' ? 'Refuse' : 'Lift'}
          </button>
        </p>
      )}
      {may && over && (
        <p class="bar">
          <button type="button" onClick={() => again(b)}>
            Propose again
          </button>
        </p>
      )}
      {blast && !over && <BlastTable b={blast} />}
    </li>
  );
}
