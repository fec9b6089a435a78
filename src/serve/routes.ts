import { restsOn } from '../barriers/blast.ts';
import {
  appealOf,
  approve,
  caseOf,
  closeGate,
  decideAppeal,
  extend,
  fileAppeal,
  lift,
  openGate,
  propose,
  simple,
} from '../barriers/commands.ts';
import { undoAppeal } from '../barriers/curate.ts';
import { LOCAL } from '../barriers/events.ts';
import { ACTIONS, type Action, type Barrier, type Case, LEVELS } from '../barriers/model.ts';
import { checkPolicy, policyGates } from '../barriers/policy.ts';
import { StillwatchError } from '../model/errors.ts';
import { maskedDossier } from '../model/masked.ts';
import { accountRoutes } from './account-routes.ts';
import { type Route, Text } from './admin.ts';
import { caseRoutes } from './case-routes.ts';
import { IDS } from './control.ts';
import { findingOf } from './findings.ts';
import { type House, number, text, texts, wrong } from './house.ts';
import { lookAt } from './looks.ts';
import { reachOf } from './reach.ts';
import { barriersIn, caseIn, whyOf, wordsOf } from './said.ts';

export function routes(h: House): Route[] {
  const { control, now } = h;
  const s = () => control.state;
  const run = (events: Parameters<typeof control.run>[0]) => control.run(events);
  const evidenceOf = (c: Case | undefined) => restsOn(c ? findingOf(h.last().dossier, c) : null);
  const barrier = (id: string): Barrier =>
    s().barriers.get(id) ??
    (() => {
      throw new StillwatchError('E_UNKNOWN', `there is no barrier ${JSON.stringify(id)}`, 'list them with GET /v1/barriers');
    })();

  return [
    { method: 'GET', path: '/healthz', role: 'anyone', run: () => ({ ok: true }) },
    {
      method: 'GET',
      path: '/readyz',
      role: 'anyone',
      run: () => {
        const { ready, ...rest } = h.health();
        if (!ready) throw new StillwatchError('E_DETECTOR', JSON.stringify(rest), 'it is starting, or a part is down');
        return { ready, ...rest };
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      role: 'anyone',
      run: async () => new Text(await h.metrics(), 'text/plain; version=0.0.4; charset=utf-8'),
    },
    ...caseRoutes(h),
    {
      method: 'GET',
      path: '/v1/barriers',
      role: 'viewer',
      run: () => ({ enforcing: s().enforcing, barriers: [...s().barriers.values()] }),
    },
    {
      method: 'POST',
      path: '/v1/barriers',
      takes: ['case', 'accounts', 'action', 'reason', 'hours', 'budget', 'summary', 'level'],
      role: 'analyst',
      run: async ({ body, who }) => {
        const action = text(body, 'action') as Action;
        if (!ACTIONS.includes(action)) wrong(`action is one of ${ACTIONS.join(', ')}`);
        const of = typeof body['case'] === 'string' ? caseOf(s(), body['case']) : null;
        const given = texts(body, 'accounts');
        const budget = typeof body['budget'] === 'object' && body['budget'] !== null ? (body['budget'] as Record<string, unknown>) : null;
        const rates = budget ? [budget['requests_per_minute'], budget['tokens_per_minute']].filter((x) => x !== undefined) : [];
        if ((action === 'slow' && rates.length === 0) || !rates.every((x) => typeof x === 'number' && Number.isFinite(x) && x >= 0))
          wrong('slow needs a budget of numbers: requests_per_minute or tokens_per_minute for all its accounts together');
        const other = Object.keys(budget ?? {}).find((k) => k !== 'requests_per_minute' && k !== 'tokens_per_minute');
        if (other !== undefined) wrong(`budget.${other.slice(0, 100)} is no field: a budget has requests_per_minute and tokens_per_minute`);
        if (action === 'slow' && h.sharesBudgets?.() === false)
          wrong('several workers cannot keep one budget in memory: give redis in the configuration, or workers: 1');
        const id = IDS.id('b');
        run(
          propose(
            s(),
            who,
            {
              id,
              appeal: IDS.reference(),
              ...(of ? { case: of.id } : {}),
              accounts: given.length > 0 ? given : (of?.accounts ?? []),
              action,
              reason: text(body, 'reason'),
              hours: number(body, 'hours', 72),
              ...(body['summary'] === true ? { summary: true } : {}),
              evidence: evidenceOf(of ?? undefined),
              ...(typeof body['level'] === 'string' ? { level: body['level'] } : {}),
              ...(budget
                ? {
                    budget: {
                      requests_per_minute: optional(budget, 'requests_per_minute'),
                      tokens_per_minute: optional(budget, 'tokens_per_minute'),
                    },
                  }
                : {}),
            },
            now(),
          ),
        );
        const made = barrier(id);
        return { barrier: made, blast: await reachOf(h, made) };
      },
    },
    {
      method: 'GET',
      path: '/v1/barriers/:id',
      role: 'viewer',
      run: async ({ params }) => {
        const b = barrier(params['id'] ?? '');
        const from = h.last().dossier?.window.from ?? '';
        return {
          barrier: b,
          blast: await reachOf(h, b),
          ...(b.budget ? { refused: await h.ask({ ask: 'over', accounts: b.accounts, budget: b.budget, from }) } : {}),
          // What came since it stands: what a rehearsal would have touched.
          ...(b.state === 'active'
            ? { since: await h.ask({ ask: 'since', accounts: b.accounts, from: b.approvals.at(-1)?.at ?? b.created }) }
            : {}),
        };
      },
    },
    {
      method: 'POST',
      path: '/v1/barriers/:id/approve',
      takes: ['dry_run', 'enforcing'],
      role: 'analyst',
      run: ({ params, body, who }) => {
        // A word where a yes or no belongs would be taken for none, and the barrier would stand for real.
        for (const name of ['dry_run', 'enforcing'])
          if (body[name] !== undefined && typeof body[name] !== 'boolean') wrong(`${name} is true or false`);
        // Who accepts on a page that is out of date about what accepting does is asked to look again.
        if (typeof body['enforcing'] === 'boolean' && body['enforcing'] !== s().enforcing)
          throw new StillwatchError(
            'E_STALE',
            `enforcement is ${s().enforcing ? 'on' : 'off'} by now, and your page says otherwise`,
            'load the page again, and accept if you still want to',
          );
        run(approve(s(), who, params['id'] ?? '', now(), typeof body['dry_run'] === 'boolean' ? { dryRun: body['dry_run'] } : {}));
        return { barrier: barrier(params['id'] ?? '') };
      },
    },
    {
      method: 'POST',
      path: '/v1/barriers/:id/lift',
      takes: ['reason', 'accounts'],
      role: 'analyst',
      run: ({ params, body, who }) => {
        run(lift(s(), who, params['id'] ?? '', text(body, 'reason'), now(), texts(body, 'accounts')));
        return { barrier: barrier(params['id'] ?? '') };
      },
    },
    {
      method: 'POST',
      path: '/v1/barriers/:id/extend',
      takes: ['hours', 'reason'],
      role: 'analyst',
      run: ({ params, body, who }) => {
        run(extend(s(), who, params['id'] ?? '', number(body, 'hours'), text(body, 'reason'), now()));
        return { barrier: barrier(params['id'] ?? '') };
      },
    },
    { method: 'GET', path: '/v1/gates', role: 'viewer', run: () => ({ gates: [...policyGates(control.policy), ...s().gates.values()] }) },
    {
      method: 'POST',
      path: '/v1/gates',
      takes: ['models', 'capabilities', 'countries', 'tiers', 'everything', 'reason', 'hours'],
      role: 'analyst',
      run: ({ body, who }) => {
        const id = IDS.id('g');
        const lists = {
          models: texts(body, 'models'),
          capabilities: texts(body, 'capabilities'),
          countries: texts(body, 'countries'),
          tiers: texts(body, 'tiers'),
        };
        // Closing everything for everyone is the emergency stop, and is asked for by name.
        if (Object.values(lists).every((l) => l.length === 0) && body['everything'] !== true)
          wrong('this gate would close everything for everyone; say "everything": true if that is meant');
        run(closeGate(who, { id, ...lists, reason: text(body, 'reason'), appeal: IDS.reference() }, number(body, 'hours', 4), now()));
        return { gate: s().gates.get(id) };
      },
    },
    {
      method: 'POST',
      path: '/v1/gates/:id/open',
      takes: ['reason'],
      role: 'analyst',
      run: ({ params, body, who }) => {
        run(openGate(s(), who, params['id'] ?? '', text(body, 'reason'), now()));
        return { gate: s().gates.get(params['id'] ?? '') };
      },
    },
    {
      method: 'GET',
      path: '/v1/references/:reference',
      role: 'viewer',
      run: ({ params }) => {
        const b = [...s().barriers.values()].find((x) => x.appeal === params['reference']);
        const g = [...policyGates(control.policy), ...s().gates.values()].find((x) => x.appeal === params['reference']);
        if (!b && !g) throw new StillwatchError('E_UNKNOWN', 'nothing has this reference', 'quote it letter by letter');
        return {
          ...(b
            ? { barrier: b, decided_by: b.approvals, evidence: b.evidence ?? evidenceOf(s().cases.get(b.case ?? '')), case: b.case ?? null }
            : {}),
          ...(g ? { gate: g } : {}),
          appeal: appealOf(s(), params['reference'] ?? '') ?? null,
          appeals: [...s().appeals.values()].filter((a) => a.barrier === (b ?? g)?.id),
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/appeals',
      role: 'viewer',
      run: () => {
        const appeals = [...s().appeals.values()];
        const about = [...new Set(appeals.map((a) => a.barrier))].flatMap((id) => {
          const b = s().barriers.get(id);
          if (!b) return [];
          const { action, state, reason, accounts } = b;
          const evidence = b.evidence ?? evidenceOf(s().cases.get(b.case ?? '')) ?? [];
          return [[id, { id, action, state, reason, accounts: accounts.length, case: b.case ?? '', evidence }] as const];
        });
        return { appeals, about: Object.fromEntries(about) };
      },
    },
    {
      method: 'POST',
      path: '/v1/appeals',
      takes: ['reference', 'account', 'text'],
      role: 'viewer',
      run: ({ body, who }) => {
        const reference = text(body, 'reference', 128);
        const account = typeof body['account'] === 'string' ? body['account'] : '';
        run(fileAppeal(s(), who.name, reference, account, text(body, 'text'), now(), policyGates(control.policy)));
        return { appeal: s().appeals.get(reference) ?? s().appeals.get(`${reference}~${account || 'caller'}`) };
      },
    },
    {
      method: 'POST',
      path: '/v1/appeals/:reference/decide',
      takes: ['lift', 'reason', 'all'],
      role: 'analyst',
      run: ({ params, body, who }) => {
        if (typeof body['lift'] !== 'boolean') wrong('lift is true or false');
        run(
          decideAppeal(s(), who, params['reference'] ?? '', body['lift'] === true, text(body, 'reason'), now(), {
            all: body['all'] === true,
          }),
        );
        return { appeal: appealOf(s(), params['reference'] ?? '') };
      },
    },
    {
      method: 'POST',
      path: '/v1/appeals/:reference/undo',
      takes: ['reason'],
      role: 'analyst',
      run: ({ params, body, who }) => {
        run(undoAppeal(control.audit.entries, s(), who, params['reference'] ?? '', text(body, 'reason'), now()));
        return { appeal: s().appeals.get(params['reference'] ?? '') };
      },
    },
    {
      method: 'POST',
      path: '/v1/verifications',
      takes: ['account', 'level'],
      role: 'analyst',
      run: ({ body, who }) => {
        if (!LEVELS.includes(text(body, 'level', 64))) wrong(`level is one of ${LEVELS.join(', ')}`);
        const verification = { account: text(body, 'account', 512), level: text(body, 'level', 64), by: who.name, at: now() };
        run(simple(who, { type: 'verification.recorded', verification }, now()));
        return { verification };
      },
    },
    {
      method: 'POST',
      path: '/v1/mode',
      takes: ['enforcing', 'reason'],
      role: 'admin',
      run: ({ body, who }) => {
        if (typeof body['enforcing'] !== 'boolean') wrong('enforcing is true or false');
        run(simple(who, { type: 'mode.changed', enforcing: body['enforcing'] === true, reason: text(body, 'reason') }, now()));
        return { enforcing: s().enforcing };
      },
    },
    {
      method: 'GET',
      path: '/v1/audit',
      role: 'viewer',
      run: ({ query }) => {
        // From a number on, as a copy of the log is taken; or, for a reader, the last before a number.
        const { entries: all, head } = control.audit;
        if (query.has('from')) {
          const from = Math.max(0, Number(query.get('from')) || 0);
          return { head, all: all.length, entries: all.slice(from, from + 1000) };
        }
        const words = (query.get('q') ?? '').toLowerCase();
        const kept =
          words === '' ? all : all.filter((e) => `${e.by} ${e.what.type} ${wordsOf(e)} ${whyOf(e)}`.toLowerCase().includes(words));
        const barriers = barriersIn(all);
        const before = Math.min(kept.length, Math.max(0, Number(query.get('before') ?? kept.length) || 0));
        return {
          head,
          all: kept.length,
          before,
          entries: kept
            .slice(Math.max(0, before - 200), before)
            .map((e) => ({ ...e, said: wordsOf(e), why: whyOf(e), case: caseIn(e, barriers) })),
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/dossier',
      role: 'viewer',
      run: async ({ query }) => {
        const d = await lookAt(h, query.get('look'));
        return d ? maskedDossier(d) : { schema: 'stillwatch.dossier/1', campaigns: [], undecided: [], look_alikes: [] };
      },
    },
    {
      method: 'GET',
      path: '/v1/explain/:what',
      role: 'viewer',
      run: async ({ params, query }) => {
        const look = query.get('look');
        return new Text(String(await h.ask({ ask: 'explain', what: params['what'] ?? '', ...(look ? { look } : {}) })));
      },
    },
    {
      method: 'GET',
      path: '/v1/looks',
      role: 'viewer',
      run: async ({ query }) => {
        const signal = query.get('signal');
        return { looks: await h.ask({ ask: 'looks', ...(signal ? { signal } : {}) }) };
      },
    },
    {
      method: 'GET',
      path: '/v1/me',
      role: 'viewer',
      run: ({ who }) => ({
        name: who.name,
        role: who.role,
        enforcing: s().enforcing,
        serving: h.health()['workers'] !== undefined,
        people: h.people?.() ?? [],
      }),
    },
    {
      method: 'POST',
      path: '/v1/scan',
      takes: ['paths', 'format'],
      role: 'admin',
      run: ({ body, who }) => {
        // It reads what the service may read, and rejected lines are shown: that is the host's own command, and nobody's from elsewhere.
        if (who.name !== LOCAL)
          throw new StillwatchError(
            'E_ROLE',
            'files are scanned from the host of the service',
            'run stillwatch scan there, or send exchanges to POST /v1/exchanges',
          );
        const paths = texts(body, 'paths');
        run([
          { at: now(), by: who.name, what: { type: 'service', said: `scan of ${paths.length} ${paths.length === 1 ? 'path' : 'paths'}` } },
        ]);
        return h.ask({ ask: 'scan', paths, format: typeof body['format'] === 'string' ? body['format'] : '' });
      },
    },
    {
      method: 'POST',
      path: '/v1/policy/simulate',
      takes: ['policy', 'steps', 'confidence'],
      role: 'analyst',
      run: async ({ body }) =>
        new Text(
          String(
            await h.ask({
              ask: 'simulate',
              policy: checkPolicy(body['policy'], 'policy'),
              steps: Math.min(100, Math.max(1, Math.trunc(number(body, 'steps', 6)))),
              confidence: number(body, 'confidence', 0.5),
            }),
          ),
        ),
    },
    { method: 'POST', path: '/v1/detect', takes: [], role: 'analyst', run: () => h.ask({ ask: 'detect' }) },
    ...accountRoutes(h),
  ];
}

function optional(b: Record<string, unknown>, name: string): number | undefined {
  const v = b[name];
  return typeof v === 'number' && v >= 0 ? v : undefined;
}
