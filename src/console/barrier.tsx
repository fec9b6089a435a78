import { useState } from 'preact/hooks';
import { enforce, get, post } from './api.ts';
import { ask } from './asking.tsx';
import { count, day, Export, go, iso, Link, Note, plain, useAddress, useAsked } from './bits.tsx';
import { useMe } from './me.ts';
import type { Barrier, Blast } from './types.ts';

/** What an action does to whom it stands on, in the figures of the past. */
function effect(action: string, b: Blast, budget?: Barrier['budget'], refused?: number): string {
  const both = `${count(b.campaign_exchanges)} exchanges of the campaign, and ${count(b.innocent_exchanges)} that are likely somebody else's`;
  if (action === 'watch') return `Watching stops nothing. So far these accounts sent ${both}.`;
  if (action === 'withhold')
    return `Withholding stops no request: answers to these accounts come without reasoning, and say so. So far they sent ${both}.`;
  if (action === 'slow')
    return `Slowing lets through ${budgetOf(budget)} of all these accounts together. So far they sent ${both}${refused === undefined ? '' : `; had it stood from the start, about ${count(refused)} of them would have been refused at first and told when to come again`}.`;
  return `Had it stood from the start, it would have stopped ${both}.`;
}

export const budgetOf = (x: Barrier['budget']): string =>
  [
    ...(x?.requests_per_minute !== undefined ? [`${count(x.requests_per_minute)} requests a minute`] : []),
    ...(x?.tokens_per_minute !== undefined ? [`${count(x.tokens_per_minute)} tokens a minute`] : []),
  ].join(' and ') || 'what its budget says';

export function BlastTable({
  b,
  action,
  budget,
  refused,
  name,
  stands,
}: {
  b: Blast;
  action: string;
  /** It stands: this is what it touches, and not what it would. */
  stands?: boolean;
  budget?: Barrier['budget'];
  /** Exchanges that a budget would have refused. */
  refused?: number;
  name: string;
}) {
  const classes = Object.entries(b.by_class).sort(([, x], [, y]) => y.accounts - x.accounts);
  return (
    <div class="blast" role="status">
      <p>
        {stands ? 'It touches' : 'It would touch'} <strong>{count(b.accounts)} accounts</strong>, of which{' '}
        {b.honest_accounts < 0.05 ? 'next to none' : b.honest_accounts.toFixed(1)} are expected to be honest (what their memberships leave);{' '}
        {count(b.doubtful_accounts)} of them are less likely than not to take part.
        {b.answered > 0 ? ` ${count(b.answered)} more have shown already what it asks for, and go on.` : ''}{' '}
        {effect(action, b, budget, refused)}
      </p>
      <Export
        name={`${name}-blast`}
        rows={() => [
          {
            class: 'all',
            accounts: b.accounts,
            doubtful: b.doubtful_accounts,
            honest: b.honest_accounts,
            exchanges: b.exchanges,
            innocent_exchanges: b.innocent_exchanges,
            ...(refused === undefined ? {} : { refused }),
          },
          ...classes.map(([k, v]) => ({ class: k, ...v })),
          ...b.verified.map((account) => ({ class: 'verified customer', account })),
        ]}
      />
      <table>
        <thead>
          <tr>
            <th scope="col">Class</th>
            <th scope="col" class="n">
              Accounts
            </th>
            <th scope="col" class="n">
              Honest, expected
            </th>
            <th scope="col" class="n">
              Exchanges
            </th>
            <th scope="col" class="n">
              Likely of others
            </th>
          </tr>
        </thead>
        <tbody>
          {classes.map(([k, v]) => (
            <tr key={k}>
              <td>{k}</td>
              <td class="n">{count(v.accounts)}</td>
              <td class="n">{v.honest.toFixed(1)}</td>
              <td class="n">{count(v.exchanges)}</td>
              <td class="n">{count(v.innocent_exchanges)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {b.verified.length > 0 && (
        <p>
          Verified customers among them:{' '}
          {b.verified.map((a, i) => (
            <>
              {i > 0 ? ', ' : ''}
              <Link to={{ account: a }}>{plain(a)}</Link>
            </>
          ))}
        </p>
      )}
    </div>
  );
}

/** Two accept what suspends, or lasts longer than a month. */
const twoFor = (b: Barrier): boolean => b.action === 'suspend' || (b.action !== 'watch' && b.expires - b.created > 31 * 86_400_000 + 1000);

const SPENT: readonly string[] = ['lifted', 'refused'];
export const ranOut = (b: Barrier): boolean => b.state === 'active' && b.expires <= Date.now();
/** One that is rehearsed stands, and changes no answer. */
const rehearsed = (b: Barrier, enforcing: boolean): boolean => b.state === 'active' && (b.dry_run || !enforcing);
/** How a barrier stands, in words. */
export const standing = (b: Barrier, enforcing: boolean): string =>
  ranOut(b) ? 'run out' : `${b.state}${rehearsed(b, enforcing) ? ' as a rehearsal' : ''}`;

/** A barrier as a row of an export: all that a page says of it. */
export const barrierRow = (b: Barrier, enforcing: boolean): Record<string, unknown> => ({
  id: b.id,
  action: b.action,
  state: standing(b, enforcing),
  dry_run: b.dry_run,
  accounts: b.accounts.length,
  author: b.author,
  reason: b.reason,
  created: iso(b.created),
  expires: iso(b.expires),
  reference: b.appeal,
  case: b.case ?? '',
  level: b.level ?? '',
  provider_summary: b.summary === true,
  budget: b.budget ? budgetOf(b.budget) : '',
  accepted_by: b.approvals.map((a) => a.by).join(', '),
  lifted_by: b.lifted?.by ?? '',
  lifted_at: b.lifted ? iso(b.lifted.at) : '',
  lifted_why: b.lifted?.reason ?? '',
});

/** What stands, or is proposed: its reach is seen before anybody accepts it. */
export function Standing({
  b,
  run,
  may,
  busy,
  enforcing,
  again,
}: {
  b: Barrier;
  run: (f: () => Promise<unknown>) => Promise<boolean>;
  may: boolean;
  /** Something asked for is under way: nothing is asked twice. */
  busy: boolean;
  enforcing: boolean;
  /** Puts it into the form, to be proposed once more. */
  again: (b: Barrier) => void;
}) {
  // Which barrier's reach stands open is in the address.
  const reach = useAddress().get('reach') === b.id;
  const asked = useAsked(
    async () => (reach ? get<{ blast: Blast; refused?: number; since?: number }>(`/v1/barriers/${b.id}`) : null),
    [b.id, b.state, b.accounts.length, b.expires, reach ? 1 : 0],
  );
  const blast = asked.value?.blast;
  const [hours, setHours] = useState('24');
  const me = useMe();
  const over = SPENT.includes(b.state) || ranOut(b);
  const why = async (what: string, then: (reason: string) => Promise<unknown>) => {
    const reason = await ask(`${what}. Say why: it is what an appeal will be answered with.`);
    if (reason) void run(() => then(reason));
  };
  const rehearsal = rehearsed(b, enforcing);
  return (
    <li class={over ? 'over' : ''}>
      <p>
        <strong>{b.action}</strong> on {count(b.accounts.length)} accounts: {standing(b, enforcing)}, by {plain(b.author)}, until{' '}
        {day(b.expires)}; reference {b.appeal}
        {b.level ? `; asks for ${b.level}` : ''}
        {b.summary ? "; the provider's own summary goes through" : ''}
        {b.budget ? `; lets through ${budgetOf(b.budget)}` : ''}
        {b.approvals.length > 0 ? `; accepted by ${b.approvals.map((a) => plain(a.by)).join(' and ')}` : ''}
        {b.lifted ? `; lifted by ${plain(b.lifted.by)}: ${plain(b.lifted.reason)}` : ''}
      </p>
      <p class="quiet">{plain(b.reason)}</p>
      {may && !over && (
        <p class="bar">
          <button type="button" aria-expanded={reach} onClick={() => go({ reach: reach ? null : b.id }, 'replace')}>
            {b.state === 'proposed' ? 'Blast radius' : 'What it touches'}
          </button>
          {b.state === 'proposed' && blast && enforcing && (
            <button
              type="button"
              class="grave"
              disabled={busy}
              onClick={() => void run(() => post(`/v1/barriers/${b.id}/approve`, { dry_run: false, enforcing }))}
            >
              Accept{twoFor(b) && b.approvals.length === 0 ? ' (a second person must too)' : ''}
            </button>
          )}
          {b.state === 'proposed' && blast && (
            <button
              type="button"
              disabled={busy}
              onClick={() => void run(() => post(`/v1/barriers/${b.id}/approve`, { dry_run: true, enforcing }))}
            >
              Accept as a rehearsal
            </button>
          )}
          {b.state === 'proposed' && blast && !enforcing && (
            <span class="quiet">
              Enforcement is off: only a rehearsal can be accepted.
              {me?.role === 'admin' ? '' : ' Whoever has the role of an admin turns it on, on this page.'}
            </span>
          )}
          {b.state === 'proposed' && blast && !enforcing && me?.role === 'admin' && me.serving && (
            <button
              type="button"
              class="grave"
              disabled={busy}
              onClick={() => void why('Turn enforcement on, for every barrier that stands', (reason) => enforce(true, reason))}
            >
              Turn enforcement on
            </button>
          )}
          {b.state === 'active' && enforcing && me?.role === 'admin' && me.serving && (
            <button
              type="button"
              onClick={() => void why('Turn enforcement off: every barrier becomes a rehearsal', (reason) => enforce(false, reason))}
            >
              Turn enforcement off
            </button>
          )}
          {b.state === 'active' && b.action !== 'hold' && b.action !== 'suspend' && (
            <>
              <button
                type="button"
                onClick={() =>
                  void why(`Extend by ${hours} hours`, (reason) => post(`/v1/barriers/${b.id}/extend`, { hours: Number(hours), reason }))
                }
              >
                Extend
              </button>
              <label>
                by <input type="number" min="1" max="744" value={hours} onInput={(e) => setHours(e.currentTarget.value || '24')} /> hours
              </label>
            </>
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
      <Note error={asked.error} />
      {blast && !over && asked.value?.since !== undefined && (
        <p role="status">
          Since it stands these accounts sent {count(asked.value.since)} exchanges
          {rehearsal ? ': that is what it would have touched' : ''}.
        </p>
      )}
      {blast && !over && (
        <BlastTable
          b={blast}
          action={b.action}
          stands={b.state === 'active' && !rehearsal}
          name={b.id}
          {...(b.budget ? { budget: b.budget } : {})}
          {...(asked.value?.refused === undefined ? {} : { refused: asked.value.refused })}
        />
      )}
    </li>
  );
}
