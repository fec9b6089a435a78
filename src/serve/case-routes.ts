import { caseOf, clearedAccounts, simple } from '../barriers/commands.ts';
import { merge, split, undo } from '../barriers/curate.ts';
import { type Case, DISPOSITIONS, type Disposition } from '../barriers/model.ts';
import type { Finding, Member } from '../model/dossier.ts';
import type { Route } from './admin.ts';
import { IDS } from './control.ts';
import { type House, text, texts, wrong } from './house.ts';

/** Cases: their evidence, their picture, and what people say and do about them. */
export function caseRoutes(h: House): Route[] {
  const { control, now } = h;
  const s = () => control.state;
  const run = (events: Parameters<typeof control.run>[0]) => control.run(events);
  const finding = (id: string): Finding | null => h.last().dossier?.campaigns.find((f) => f.id === id) ?? null;
  /** Members of a case that a person cut, as the findings of the last look have them. */
  const membersOf = (c: Case): Member[] => {
    const own = new Set(c.accounts);
    const known = (h.last().dossier?.campaigns ?? []).flatMap((f) => f.accounts.filter((m) => own.has(m.account)));
    return [...new Map(known.map((m) => [m.account, m])).values()];
  };
  const teach = async () => {
    for (const account of clearedAccounts(s()))
      await h.ask({
        ask: 'label',
        account,
        label: 'cleared',
        author: 'two analysts',
        reason: 'a case disposed as a false positive by two',
        revoke: false,
      });
  };
  return [
    { method: 'GET', path: '/v1/cases', role: 'viewer', run: () => ({ cases: [...s().cases.values()] }) },
    {
      method: 'GET',
      path: '/v1/cases/:id',
      role: 'viewer',
      run: ({ params, who }) => {
        const c = caseOf(s(), params['id'] ?? '');
        // Opening the evidence is what lets somebody accept a barrier on it.
        const f = finding(c.campaign);
        if (f && who.role !== 'viewer' && !c.read_by.includes(who.name)) run(simple(who, { type: 'case.read', id: c.id }, now()));
        return {
          case: s().cases.get(c.id),
          finding: f && c.by_hand ? { ...f, accounts: membersOf(c) } : f,
          barriers: [...s().barriers.values()].filter((b) => b.case === c.id),
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/texts',
      role: 'analyst',
      run: async ({ params, query, who }) => {
        const c = caseOf(s(), params['id'] ?? '');
        const reason = query.get('reason') ?? '';
        if (reason.trim() === '') wrong('reading texts takes a reason, which is logged: ?reason=...');
        run([{ at: now(), by: who.name, what: { type: 'data.read', what: `texts of case ${c.id}`, reason: reason.slice(0, 500) } }]);
        return { texts: await h.ask({ ask: 'texts', campaign: c.campaign }) };
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/graph',
      role: 'viewer',
      run: ({ params, query }) =>
        h.ask({
          ask: 'graph',
          campaign: caseOf(s(), params['id'] ?? '').campaign,
          kind: query.get('kind') ?? '',
          bitsMin: Number(query.get('bits') ?? 0) || 0,
          open: (query.get('open') ?? '').split(',').filter(Boolean).slice(0, 50),
        }),
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/why',
      role: 'viewer',
      run: async ({ params, query }) => ({
        shared: await h.ask({
          ask: 'why',
          campaign: caseOf(s(), params['id'] ?? '').campaign,
          accounts: [query.get('a') ?? '', query.get('b') ?? ''],
        }),
      }),
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/comment',
      role: 'analyst',
      run: ({ params, body, who }) =>
        run(simple(who, { type: 'case.commented', id: caseOf(s(), params['id'] ?? '').id, text: text(body, 'text') }, now())),
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/assign',
      role: 'analyst',
      run: ({ params, body, who }) =>
        run(simple(who, { type: 'case.assigned', id: caseOf(s(), params['id'] ?? '').id, to: text(body, 'to', 200) }, now())),
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/dispose',
      role: 'analyst',
      run: async ({ params, body, who }) => {
        const disposition = text(body, 'disposition') as Disposition;
        if (!DISPOSITIONS.includes(disposition)) wrong(`disposition is one of ${DISPOSITIONS.join(', ')}`);
        const c = caseOf(s(), params['id'] ?? '');
        run(simple(who, { type: 'case.disposed', id: c.id, disposition, reason: text(body, 'reason') }, now()));
        await teach();
        return { case: s().cases.get(c.id) };
      },
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/reopen',
      role: 'analyst',
      run: ({ params, body, who }) =>
        run(simple(who, { type: 'case.reopened', id: caseOf(s(), params['id'] ?? '').id, reason: text(body, 'reason') }, now())),
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/merge',
      role: 'analyst',
      run: ({ params, body, who }) => {
        const id = params['id'] ?? '';
        run(merge(s(), who, id, text(body, 'from', 200), text(body, 'reason'), now()));
        return { case: s().cases.get(id) };
      },
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/split',
      role: 'analyst',
      run: ({ params, body, who }) => {
        const id = params['id'] ?? '';
        const made = IDS.id('k');
        run(split(s(), who, id, texts(body, 'accounts'), made, text(body, 'reason'), now()));
        return { case: s().cases.get(id), made: s().cases.get(made) };
      },
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/undo',
      role: 'analyst',
      run: async ({ params, who }) => {
        const id = params['id'] ?? '';
        const was = clearedAccounts(s());
        run(undo(control.audit.entries, s(), who, id, now()));
        // An honest example that is none any more teaches no more.
        const still = new Set(clearedAccounts(s()));
        for (const account of was.filter((a) => !still.has(a)))
          await h.ask({
            ask: 'label',
            account,
            label: 'cleared',
            author: who.name,
            reason: 'the disposition was taken back',
            revoke: true,
          });
        return { case: s().cases.get(id) ?? null };
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/history',
      role: 'viewer',
      run: ({ params }) => {
        const id = params['id'] ?? '';
        const mine = new Set([...s().barriers.values()].filter((b) => b.case === id).map((b) => b.id));
        return {
          entries: control.audit.entries
            .filter(({ what }) => {
              const ids = [
                'id' in what ? what.id : '',
                'from' in what ? what.from : '',
                'made' in what ? what.made : '',
                'case' in what ? what.case.id : '',
                'barrier' in what ? what.barrier.id : '',
                ...('cases' in what ? what.cases.map((c) => c.id) : []),
              ];
              return ids.includes(id) || ids.some((x) => mine.has(x));
            })
            .slice(-500)
            .map(({ seq, at, by, what }) => ({ seq, at, by, type: what.type, reason: 'reason' in what ? what.reason : '' })),
        };
      },
    },
  ];
}
