import { giveLabel, simple } from '../barriers/commands.ts';
import { labelKey } from '../barriers/events.ts';
import type { AccountFile } from '../model/desk.ts';
import { StillwatchError } from '../model/errors.ts';
import { unlessNone } from '../store/labels.ts';
import { type Route, Text } from './admin.ts';
import { heldIn } from './findings.ts';
import { type House, reads, text } from './house.ts';
import { lookAt } from './looks.ts';

/** Accounts: their files, labels, what the law asks for, and what was sent and became no exchange. */
export function accountRoutes(h: House): Route[] {
  const { control, now } = h;
  const s = () => control.state;
  const run = (events: Parameters<typeof control.run>[0]) => control.run(events);
  return [
    {
      method: 'GET',
      path: '/v1/accounts/:account',
      role: 'viewer',
      run: async ({ params }) => new Text(String(await h.ask({ ask: 'account', account: params['account'] ?? '' }))),
    },
    {
      method: 'GET',
      path: '/v1/accounts/:account/file',
      role: 'viewer',
      run: async ({ params, query }) => {
        const account = params['account'] ?? '';
        const file = await h.ask({ ask: 'file', account });
        const d = await lookAt(h, query.get('look'));
        return {
          file,
          generated: d?.generated ?? null,
          findings: heldIn(d).flatMap(({ id, title, verdict, confidence, accounts }) => {
            const member = accounts.find((m) => m.account === account);
            return member ? [{ id, title, verdict, confidence, member }] : [];
          }),
          beside: heldIn(d).flatMap(({ id, title, beside }) =>
            (beside ?? []).filter((m) => m.account === account).map((m) => ({ id, title, ...m })),
          ),
          look_alikes: (d?.look_alikes ?? [])
            .filter((l) => l.accounts.includes(account))
            .map(({ id, title, kind }) => ({ id, title, kind })),
          cases: [...s().cases.values()]
            .filter((c) => c.accounts.includes(account))
            .map(({ id, title, status, campaign }) => ({ id, title, status, campaign })),
          barriers: [...s().barriers.values()].filter((b) => b.accounts.includes(account)),
          // It stands no more for this account: by whom, and why, is in the log.
          spared: control.audit.entries.flatMap(({ at, by, what: w }) => {
            const b = w.type === 'barrier.spared' && w.accounts.includes(account) ? s().barriers.get(w.id) : undefined;
            return b && !b.accounts.includes(account) && w.type === 'barrier.spared'
              ? [{ id: b.id, action: b.action, appeal: b.appeal, ...(b.case ? { case: b.case } : {}), at, by, reason: w.reason }]
              : [];
          }),
          enforcing: s().enforcing,
          appeals: [...s().appeals.values()].filter((a) => a.account === account),
          verification: s().verifications.get(account) ?? null,
          legal_hold: s().legalHolds.get(account) ?? null,
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/rejects',
      role: 'analyst',
      run: async ({ query, who }) => {
        // A rejected line is what somebody sent, word for word.
        run(reads('rejected lines', 'rejected lines', query, who, now()));
        return new Text(String(await h.ask({ ask: 'rejects', most: Math.min(10_000, Number(query.get('most') ?? 100) || 100) })));
      },
    },
    {
      method: 'POST',
      path: '/v1/labels',
      takes: ['account', 'label', 'reason', 'revoke'],
      role: 'analyst',
      run: async ({ body, who }) => {
        const given = {
          account: text(body, 'account', 512),
          label: text(body, 'label', 200),
          reason: text(body, 'reason'),
          revoke: body['revoke'] === true,
        };
        const events = giveLabel(s(), who, given, now());
        const stands = events.every((e) => e.what.type !== 'label.asked');
        // Who takes back what waits for a second person takes back what does not stand yet.
        const waits = given.revoke && s().labelsAsked.has(labelKey({ account: given.account, label: given.label.trim() }));
        if (stands) {
          const said = h.ask({ ask: 'label', ...given, label: given.label.trim(), author: who.name });
          await (waits ? said.catch(unlessNone) : said);
        }
        run(events);
        return { ...given, stands, ...(stands ? {} : { waits: 'for a second person, who gives the same label' }) };
      },
    },
    {
      method: 'GET',
      path: '/v1/accounts/:account/sentences',
      role: 'analyst',
      run: async ({ params, query, who }) => {
        const account = params['account'] ?? '';
        run(reads('texts', `sentences that ${account} sends again and again`, query, who, now()));
        const file = (await h.ask({ ask: 'file', account })) as AccountFile;
        return { sentences: await h.ask({ ask: 'sentences', values: file.scaffolds.map((x) => x.value) }) };
      },
    },
    {
      method: 'GET',
      path: '/v1/accounts/:account/export',
      role: 'admin',
      run: ({ params, who }) => {
        const account = params['account'] ?? '';
        run([{ at: now(), by: who.name, what: { type: 'data.exported', account } }]);
        return h.ask({ ask: 'export', account });
      },
    },
    {
      method: 'DELETE',
      path: '/v1/accounts/:account',
      role: 'admin',
      run: async ({ params, who }) => {
        const account = params['account'] ?? '';
        const held = s().legalHolds.get(account);
        if (held)
          throw new StillwatchError(
            'E_LEGAL_HOLD',
            `${account} is under a legal hold by ${held.by}: ${held.reason}`,
            'clear the hold first: POST /v1/holds',
          );
        const rows = Number(await h.ask({ ask: 'erase', account }));
        run([{ at: now(), by: who.name, what: { type: 'data.erased', account, rows } }]);
        return { account, exchanges: rows };
      },
    },
    {
      method: 'POST',
      path: '/v1/holds',
      takes: ['account', 'reason', 'clear'],
      role: 'admin',
      run: ({ body, who }) =>
        run(
          simple(
            who,
            {
              type: body['clear'] === true ? 'hold.cleared' : 'hold.set',
              account: text(body, 'account', 512).trim(),
              reason: text(body, 'reason'),
            },
            now(),
          ),
        ),
    },
  ];
}
