import { answered, blast } from '../barriers/blast.ts';
import { subjectOf } from '../barriers/cases.ts';
import { CLEARED, caseOf, clearedAccounts, deleteView, liftRefuted, saveView, simple } from '../barriers/commands.ts';
import { about, lastDone, merge, openOn, split, undo } from '../barriers/curate.ts';
import { type Budget, type Case, DISPOSITIONS, type Disposition } from '../barriers/model.ts';
import type { Held } from '../model/desk.ts';
import type { Dossier } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import { masked } from '../model/masked.ts';
import { unlessNone } from '../store/labels.ts';
import type { Route } from './admin.ts';
import { IDS } from './control.ts';
import { type Cut, cutTo, findingOf, heldIn, inbox, membersOf, partsOf, related, valuesOf } from './findings.ts';
import { type House, reads, text, texts, wrong } from './house.ts';
import { lookAt } from './looks.ts';
import { barriersIn, caseIn, whyOf, wordsOf } from './said.ts';

/** The budget a page asks about, where it does. */
function budgetIn(query: URLSearchParams): Budget | null {
  const of = (name: string): number => Math.max(0, Number(query.get(name) ?? 0) || 0);
  const [rate, tokens] = [of('rate'), of('tokens')];
  return rate + tokens > 0
    ? { ...(rate > 0 ? { requests_per_minute: rate } : {}), ...(tokens > 0 ? { tokens_per_minute: tokens } : {}) }
    : null;
}

/** Cases: their evidence, their picture, and what people say and do about them. */
export function caseRoutes(h: House): Route[] {
  const { control, now } = h;
  const s = () => control.state;
  const run = (events: Parameters<typeof control.run>[0]) => control.run(events);
  /** What a case shows: the finding it stands for, and as a person cut it where one did. */
  const shown = async (c: Case, d: Dossier | null): Promise<Held | null> => {
    const f = findingOf(d, c);
    if (!f || !c.by_hand) return f;
    const parts = partsOf(d, c);
    const members = parts.flatMap((p) => p.members).map(({ account, exchanges, share }) => ({ account, exchanges, share }));
    // The figures are a nicety: without the process that owns the store the members still stand.
    const cut = (await h.ask({ ask: 'cut', members, values: valuesOf(parts) }).catch(() => null)) as Cut | null;
    return cutTo(f, c, parts, cut, [...s().cases.values()]);
  };
  /** The finding a case, or an undecided cohort, goes by in a look. */
  const campaignIn = (d: Dossier | null, c: Case): string => findingOf(d, c)?.id ?? c.campaign;
  const undoable = (id: string) => {
    const at = lastDone(control.audit.entries, s(), id);
    const e = control.audit.entries[at];
    return e ? { what: e.what.type, by: e.by, at: e.at, seq: at } : null;
  };
  const teach = async () => {
    for (const account of clearedAccounts(s()))
      await h.ask({
        ask: 'label',
        account,
        label: CLEARED,
        author: 'two analysts',
        reason: 'a case disposed as a false positive by two',
        revoke: false,
      });
  };
  return [
    { method: 'GET', path: '/v1/cases', role: 'viewer', run: () => ({ cases: [...s().cases.values()] }) },
    {
      method: 'GET',
      path: '/v1/inbox',
      role: 'viewer',
      run: async ({ query }) => {
        const d = await lookAt(h, query.get('look'));
        return { generated: d?.generated ?? null, latest: h.last().dossier?.generated ?? null, rows: inbox(d, [...s().cases.values()]) };
      },
    },
    { method: 'GET', path: '/v1/views', role: 'viewer', run: () => ({ views: [...s().views.values()] }) },
    {
      method: 'POST',
      path: '/v1/views',
      takes: ['name', 'address', 'delete'],
      role: 'analyst',
      run: ({ body, who }) => {
        const name = text(body, 'name');
        run(
          body['delete'] === true
            ? deleteView(s(), who, name, now())
            : saveView(s(), who, name, typeof body['address'] === 'string' ? body['address'] : '', now()),
        );
        return { views: [...s().views.values()] };
      },
    },
    {
      // Whether a page has grown old: asked every few seconds, so it says hardly anything.
      method: 'GET',
      path: '/v1/changed',
      role: 'viewer',
      run: () => ({
        decisions: control.audit.entries.length,
        latest: h.last().dossier?.generated ?? null,
        enforcing: s().enforcing,
      }),
    },
    {
      method: 'POST',
      path: '/v1/cases',
      takes: ['finding'],
      role: 'analyst',
      run: ({ body, who }) => {
        const id = text(body, 'finding', 200);
        const f = heldIn(h.last().dossier).find((x) => x.id === id);
        if (!f) throw new StillwatchError('E_UNKNOWN', `the last look holds no ${JSON.stringify(id)}`, 'see GET /v1/inbox');
        const made = IDS.id('k');
        run(openOn(s(), who, f, made, now()));
        return { case: s().cases.get(made) };
      },
    },
    {
      method: 'GET',
      path: '/v1/findings/:id',
      role: 'viewer',
      run: async ({ params, query }) => {
        const d = await lookAt(h, query.get('look'));
        const f = heldIn(d).find((x) => x.id === params['id']);
        return {
          finding: f ? masked(f) : null,
          related: f
            ? related(d, { id: f.id, campaign: f.id, accounts: f.accounts.map((m) => m.account), indicators: f.indicators }, [
                ...s().cases.values(),
              ])
            : [],
          generated: d?.generated ?? null,
          latest: h.last().dossier?.generated ?? null,
          releases: d?.releases ?? [],
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id',
      role: 'viewer',
      run: async ({ params, query, who }) => {
        const c = caseOf(s(), params['id'] ?? '');
        const d = await lookAt(h, query.get('look'));
        const f = await shown(c, d);
        // Opening the evidence as it now is is what lets somebody accept a barrier on it. A page that keeps itself up to date reads nothing: nobody may sit before it.
        const asks = who.role !== 'viewer' && f !== null && d === h.last().dossier && !c.read_by.includes(who.name);
        if (asks && query.get('kept') === null) run(simple(who, { type: 'case.read', id: c.id }, now()));
        return {
          unread: asks && query.get('kept') !== null,
          case: s().cases.get(c.id),
          finding: f && masked(f),
          barriers: [...s().barriers.values()].filter((b) => b.case === c.id),
          related: related(d, c, [...s().cases.values()]),
          undo: undoable(c.id),
          generated: d?.generated ?? null,
          latest: h.last().dossier?.generated ?? null,
          releases: d?.releases ?? [],
          enforcing: s().enforcing,
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/blast',
      role: 'viewer',
      run: async ({ params, query }) => {
        const c = caseOf(s(), params['id'] ?? '');
        const d = await lookAt(h, query.get('look'));
        const budget = budgetIn(query);
        const level = query.get('level');
        const asked = { created: now(), ...(level !== null && level !== '' ? { level } : {}) };
        return {
          blast: blast(
            membersOf(d, c),
            c.accounts,
            (a) => subjectOf(s(), h.last().subjects, a),
            level === null ? undefined : (a) => answered(s(), a, asked),
          ),
          ...(budget ? { refused: await h.ask({ ask: 'over', accounts: c.accounts, budget, from: d?.window.from ?? '' }) } : {}),
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/texts',
      role: 'analyst',
      run: async ({ params, query, who }) => {
        const c = caseOf(s(), params['id'] ?? '');
        run(reads('texts', `texts of case ${c.id}`, query, who, now(), c.id));
        const d = await lookAt(h, query.get('look'));
        return await h.ask({ ask: 'texts', campaign: campaignIn(d, c), at: d?.generated ?? '' });
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/graph',
      role: 'viewer',
      run: async ({ params, query }) => {
        const c = caseOf(s(), params['id'] ?? '');
        const d = await lookAt(h, query.get('look'));
        return h.ask({
          ask: 'graph',
          campaign: campaignIn(d, c),
          at: d?.generated ?? '',
          // A picture of a case that a person cut is one of its accounts.
          ...(c.by_hand ? { only: c.accounts, values: valuesOf(partsOf(d, c)) } : {}),
          kind: query.get('kind') ?? '',
          bitsMin: Number(query.get('bits') ?? 0) || 0,
          open: (query.get('open') ?? '').split(',').filter(Boolean).slice(0, 50),
        });
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/why',
      role: 'viewer',
      run: async ({ params, query }) => {
        const c = caseOf(s(), params['id'] ?? '');
        const d = await lookAt(h, query.get('look'));
        const inside = new Set([...c.accounts, ...(c.by_hand ? [] : (findingOf(d, c)?.accounts ?? []).map((m) => m.account))]);
        const pair: [string, string] = [query.get('a') ?? '', query.get('b') ?? ''];
        const stranger = pair.find((a) => !inside.has(a));
        if (stranger !== undefined)
          throw new StillwatchError(
            'E_UNKNOWN',
            `${JSON.stringify(stranger)} is no account of this case`,
            'identifiers are those of the log, letter by letter',
          );
        return { shared: await h.ask({ ask: 'why', accounts: pair }) };
      },
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/comment',
      takes: ['text'],
      role: 'analyst',
      run: ({ params, body, who }) =>
        run(simple(who, { type: 'case.commented', id: caseOf(s(), params['id'] ?? '').id, text: text(body, 'text') }, now())),
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/assign',
      takes: ['to'],
      role: 'analyst',
      run: ({ params, body, who }) => {
        const { id } = caseOf(s(), params['id'] ?? '');
        const to = body['to'] === '' ? '' : text(body, 'to', 200).trim();
        const people = h.people?.() ?? [];
        // A case with somebody who is not here is with nobody.
        if (to !== '' && people.length > 0 && !people.includes(to))
          throw new StillwatchError('E_UNKNOWN', `nobody here is called ${JSON.stringify(to)}`, `here work ${people.join(', ')}`);
        return run(simple(who, { type: 'case.assigned', id, to }, now()));
      },
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/dispose',
      takes: ['disposition', 'reason', 'open'],
      role: 'analyst',
      run: async ({ params, body, who }) => {
        const disposition = text(body, 'disposition') as Disposition;
        if (!DISPOSITIONS.includes(disposition)) wrong(`disposition is one of ${DISPOSITIONS.join(', ')}`);
        const c = caseOf(s(), params['id'] ?? '');
        run(
          simple(
            who,
            {
              type: 'case.disposed',
              id: c.id,
              disposition,
              reason: text(body, 'reason'),
              ...(body['open'] === true ? { open: true } : {}),
            },
            now(),
          ),
        );
        const lifted = liftRefuted(s(), who, c.id, now());
        if (lifted.length > 0) run(lifted);
        await teach();
        const standing = [...s().barriers.values()].filter((b) => b.case === c.id && b.state === 'active' && b.expires > now());
        return {
          case: s().cases.get(c.id),
          ...(lifted.length > 0 ? { lifted: lifted.length } : {}),
          // A case that is closed lifts nothing by itself.
          ...(standing.length > 0 ? { standing: standing.map((b) => ({ id: b.id, action: b.action, expires: b.expires })) } : {}),
        };
      },
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/reopen',
      takes: ['reason'],
      role: 'analyst',
      run: ({ params, body, who }) =>
        run(simple(who, { type: 'case.reopened', id: caseOf(s(), params['id'] ?? '').id, reason: text(body, 'reason') }, now())),
    },
    {
      method: 'POST',
      path: '/v1/cases/:id/merge',
      takes: ['from', 'reason'],
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
      takes: ['accounts', 'reason'],
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
      takes: ['seq'],
      role: 'analyst',
      run: async ({ params, body, who }) => {
        const id = params['id'] ?? '';
        const was = clearedAccounts(s());
        run(undo(control.audit.entries, s(), who, id, now(), typeof body['seq'] === 'number' ? body['seq'] : undefined));
        // An honest example that is none any more teaches no more.
        const still = new Set(clearedAccounts(s()));
        for (const account of was.filter((a) => !still.has(a)))
          await h
            .ask({
              ask: 'label',
              account,
              label: CLEARED,
              author: who.name,
              reason: 'the disposition was taken back',
              revoke: true,
            })
            .catch(unlessNone);
        return { case: s().cases.get(id) ?? null };
      },
    },
    {
      method: 'GET',
      path: '/v1/cases/:id/history',
      role: 'viewer',
      run: ({ params }) => {
        const id = params['id'] ?? '';
        const { entries } = control.audit;
        const barriers = barriersIn(entries);
        return {
          entries: entries
            .filter((e) => caseIn(e, barriers) === id || about(e.what).includes(id))
            .slice(-500)
            .map((e) => ({ seq: e.seq, at: e.at, by: e.by, type: e.what.type, said: wordsOf(e), reason: whyOf(e) })),
        };
      },
    },
  ];
}
