import * as v from 'valibot';
import type { Finding } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import { ACTIONS, type Action, AUTOMATIC, type Gate, HOLD_HOURS_MAX, LEVELS } from './model.ts';

const positive = v.pipe(v.number(), v.minValue(0, 'must not be negative'));
const budget = v.strictObject({
  requests_per_minute: v.optional(positive),
  tokens_per_minute: v.optional(positive),
  burst_minutes: v.optional(positive),
});
const share = v.pipe(v.number(), v.minValue(0, 'is a share from 0 to 1'), v.maxValue(1, 'is a share from 0 to 1'));

const rule = v.strictObject({
  name: v.string(),
  when: v.strictObject({
    kind: v.optional(v.string(), 'extraction campaign'),
    confidence: share,
    tiers: v.optional(v.array(v.string())),
    verification: v.optional(v.array(v.string())),
  }),
  propose: v.picklist(ACTIONS),
  automatic: v.optional(v.picklist(ACTIONS)),
  hours: v.optional(positive, 72),
  budget: v.optional(budget),
  /** For `withhold`: the provider's own summary of its reasoning goes through. */
  summary: v.optional(v.boolean()),
});

const limits = v.strictObject({
  default: v.optional(budget),
  tiers: v.optional(v.record(v.string(), budget)),
  verification: v.optional(v.record(v.string(), budget)),
  /** Published for all new accounts; `apply: matching` keeps it for those that match a campaign's values. */
  new_accounts: v.optional(
    v.strictObject({ younger_than_days: positive, limits: budget, apply: v.optional(v.picklist(['all', 'matching']), 'all') }),
  ),
  /** Published for everybody: who uses a tier, or is this new, without that level of verification is asked for it. */
  verification_required: v.optional(
    v.array(
      v.strictObject({
        tiers: v.optional(v.array(v.string())),
        younger_than_days: v.optional(positive),
        level: v.picklist(['email', 'phone', 'id', 'business']),
      }),
    ),
    [],
  ),
  /** What a request may cost in tokens before its answer says what it did. */
  output_tokens_assumed: v.optional(positive, 1024),
  /**
   * What a request reserves that does not bound what it may use, while another such request of the account is under way: `whole`, as much as one may well use, so that many at once overspend
   * nothing; `usual`, what such requests used of late, so that small ones are not held up and a burst of large ones is paid back afterwards.
   */
  unbounded_requests: v.optional(v.picklist(['whole', 'usual']), 'whole'),
  /**
   * What a request has used that sets no maximum and whose answer does not say: `passed`, what was seen of the answer, in which a model's thoughts are not; `reserved`, all that was set aside.
   */
  untold_usage: v.optional(v.picklist(['passed', 'reserved']), 'passed'),
});

/** A model or a capability closed to countries, tiers or everyone, in the reviewed file: with its reason and its end. */
const gate = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[\w.-]{1,60}$/, 'is letters, digits, dots and dashes')),
  models: v.optional(v.array(v.string()), []),
  capabilities: v.optional(v.array(v.string()), []),
  countries: v.optional(v.array(v.string()), []),
  tiers: v.optional(v.array(v.string()), []),
  everything: v.optional(v.boolean(), false),
  reason: v.pipe(v.string(), v.minLength(1, 'says why')),
  expires: v.pipe(v.string(), v.isoTimestamp('is a time like 2026-12-31T00:00:00Z')),
});

const schema = v.strictObject({
  version: v.literal(1, 'is 1'),
  training_on_outputs: v.optional(v.record(v.string(), v.picklist(['forbidden', 'allowed', 'unknown'])), {}),
  rules: v.optional(v.array(rule), []),
  automatic: v.optional(
    v.strictObject({
      traffic_share_max: v.optional(share, 0.02),
      verified_accounts_max: v.optional(positive, 0),
      /** Part of all verified customers, in place of their number. */
      verified_share_max: v.optional(share),
    }),
    {},
  ),
  limits: v.optional(limits, {}),
  gates: v.optional(v.array(gate), []),
});

export type Policy = v.InferOutput<typeof schema>;
export type Limits = Policy['limits'];
export type LimitSet = v.InferOutput<typeof budget>;
export type Rule = v.InferOutput<typeof rule>;

/** The least a budget may be; below, it is a suspension. Tokens: what a request of no stated length reserves, with room for its prompt. */
const BUDGET_LEAST = { requests_per_minute: 1, tokens_per_minute: 4096, burst_minutes: 1 } as const;

/** Budgets of a barrier that let too little through to be one. */
export function budgetFaults(b: Partial<Record<keyof typeof BUDGET_LEAST, number | undefined>> | undefined): string[] {
  return (Object.keys(BUDGET_LEAST) as (keyof typeof BUDGET_LEAST)[])
    .filter((name) => (b?.[name] ?? BUDGET_LEAST[name]) < BUDGET_LEAST[name])
    .map(
      (name) =>
        `${name}: ${b?.[name]} lets too little through, at least ${BUDGET_LEAST[name]}; less is a suspension, which two people accept`,
    );
}

/** What a request can be seen to ask for. */
export const CAPABILITIES = ['tools', 'vision', 'reasoning'] as const;

/** What would keep a gate from closing what it names: an emergency stop that closes nothing must not be taken for one. */
export function gateFaults(g: Pick<Gate, 'models' | 'capabilities' | 'countries'>): string[] {
  return [
    ...g.models
      .filter((m) => !/^[^*\s]*\*?$/.test(m) || m === '')
      .map((m) => `models: ${JSON.stringify(m)} matches nothing; a name, or its beginning with * at the end`),
    ...g.capabilities
      .filter((c) => !(CAPABILITIES as readonly string[]).includes(c))
      .map((c) => `capabilities: ${JSON.stringify(c)} is none of ${CAPABILITIES.join(', ')}`),
    ...g.countries
      .filter((c) => !/^[a-z]{2}$/i.test(c))
      .map((c) => `countries: ${JSON.stringify(c)} is no code of two letters, such as DE`),
  ];
}

/** Gates of the file as gates that stand; `created` is not known and their author is the file. */
export const policyGates = (p: Policy): Gate[] =>
  p.gates.map((g) => ({
    id: `policy:${g.name}`,
    models: g.models,
    capabilities: g.capabilities,
    countries: g.countries.map((c) => c.toUpperCase()),
    tiers: g.tiers,
    reason: g.reason,
    author: 'policy',
    created: 0,
    expires: Date.parse(g.expires),
    state: 'closed',
    appeal: `POLICY-${g.name}`,
  }));

/** Gates of the file that have ended, and close nothing any more: one that was written with a slip of the year would do so from the first. */
export const endedGates = (p: Policy, now: number): string[] =>
  p.gates
    .filter((g) => Date.parse(g.expires) <= now)
    .map((g) => `the gate ${JSON.stringify(g.name)} ended at ${g.expires} and closes nothing: give it another end, or take it out`);

export const NO_POLICY: Policy = v.parse(schema, { version: 1 });

/**
 * Checks a policy document.
 * @throws StillwatchError E_POLICY with every fault and its place
 */
export function checkPolicy(document: unknown, from: string): Policy {
  const r = v.safeParse(schema, document);
  const faults = r.success ? [] : r.issues.map((i) => `${v.getDotPath(i) ?? 'document'}: ${i.message}`);
  if (r.success) {
    for (const [i, x] of r.output.rules.entries()) {
      if (x.automatic !== undefined && !AUTOMATIC.includes(x.automatic))
        faults.push(`rules.${i}.automatic: ${x.automatic} is never automatic; ${AUTOMATIC.join(', ')} are`);
      if ((x.automatic === 'hold' || x.propose === 'hold') && x.hours > HOLD_HOURS_MAX)
        faults.push(`rules.${i}.hours: a hold lasts at most ${HOLD_HOURS_MAX} hours`);
      for (const f of budgetFaults(x.budget)) faults.push(`rules.${i}.budget.${f}`);
      if (x.propose === 'slow' && !x.budget) faults.push(`rules.${i}.budget: slow needs a budget for the campaign as a whole`);
      if (r.output.rules.findIndex((y) => y.name === x.name) !== i) faults.push(`rules.${i}.name: ${JSON.stringify(x.name)} stands twice`);
    }
  }
  if (r.success)
    for (const [i, g] of r.output.gates.entries()) {
      const all = [g.models, g.capabilities, g.countries, g.tiers].every((l) => l.length === 0);
      for (const f of gateFaults(g)) faults.push(`gates.${i}.${f}`);
      if (all && !g.everything) faults.push(`gates.${i}: it would close everything for everyone; say everything: true if that is meant`);
      if (r.output.gates.findIndex((y) => y.name === g.name) !== i) faults.push(`gates.${i}.name: ${JSON.stringify(g.name)} stands twice`);
    }
  if (faults.length > 0)
    throw new StillwatchError(
      'E_POLICY',
      `${from}: ${faults.slice(0, 8).join('; ')}`,
      'see docs/serve.md for the fields; check with stillwatch policy check FILE',
    );
  return (r as { output: Policy }).output;
}

/** Whether training on outputs is forbidden for a model: by its name, a prefix ending in `*`, or `*`. Unknown unless said. */
export function training(p: Policy, model: string): 'forbidden' | 'allowed' | 'unknown' {
  const exact = p.training_on_outputs[model];
  if (exact) return exact;
  const prefixes = Object.keys(p.training_on_outputs)
    .filter((k) => k.endsWith('*') && model.startsWith(k.slice(0, -1)))
    .sort((a, b) => b.length - a.length);
  return p.training_on_outputs[prefixes[0] ?? ''] ?? 'unknown';
}

export interface Subject {
  readonly tier?: string;
  readonly verification?: string;
}

export interface Planned {
  readonly rule: Rule;
  readonly accounts: readonly string[];
  readonly action: Action;
}

/**
 * What the policy proposes for a campaign: the first rule that fits each account. Nothing for extraction where training on the model's outputs is not
 * forbidden for most of what was taken.
 */
export function planned(p: Policy, f: Finding, subject: (account: string) => Subject): { plans: Planned[]; because: string } {
  const models = Object.entries(f.models);
  const all = models.reduce((x, [, n]) => x + n, 0);
  const forbidden = models.filter(([m]) => training(p, m) === 'forbidden').reduce((x, [, n]) => x + n, 0);
  if (f.kind === 'extraction campaign' && !(forbidden > 0.5 * all))
    return { plans: [], because: 'training_on_outputs does not say that it is forbidden for the models concerned' };
  const plans = new Map<Rule, string[]>();
  for (const m of f.accounts) {
    const s = subject(m.account);
    const hit = p.rules.find(
      (r) =>
        r.when.kind === f.kind &&
        f.confidence >= r.when.confidence &&
        (!r.when.tiers || r.when.tiers.includes(s.tier ?? '')) &&
        (!r.when.verification || r.when.verification.includes(s.verification ?? 'none')),
    );
    if (hit) plans.set(hit, [...(plans.get(hit) ?? []), m.account]);
  }
  return {
    plans: [...plans].map(([rule, accounts]) => ({ rule, accounts, action: rule.propose })),
    because: plans.size === 0 ? 'no rule fits' : '',
  };
}

/** The smaller of two limits, of which either may be absent. */
export const tighter = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);

/** The limits of an account: its verification's, else its tier's, else the default; a new account has the published ones, where they are tighter. */
export function limitsFor(
  l: Limits,
  who: Subject & { readonly created?: number },
  matches: boolean,
  now: number,
): { limits: LimitSet; newcomer: boolean } {
  const base = l.verification?.[who.verification ?? 'none'] ?? l.tiers?.[who.tier ?? ''] ?? l.default ?? {};
  const n = l.new_accounts;
  const young = n !== undefined && who.created !== undefined && now - who.created < n.younger_than_days * 86_400_000;
  if (!n || !young || (n.apply === 'matching' && !matches)) return { limits: base, newcomer: false };
  const requests = tighter(base.requests_per_minute, n.limits.requests_per_minute);
  const tokens = tighter(base.tokens_per_minute, n.limits.tokens_per_minute);
  return {
    limits: {
      ...(requests === undefined ? {} : { requests_per_minute: requests }),
      ...(tokens === undefined ? {} : { tokens_per_minute: tokens }),
      ...(n.limits.burst_minutes === undefined ? {} : { burst_minutes: n.limits.burst_minutes }),
    },
    newcomer: true,
  };
}

/** The level an account is asked for by the published rules; null where it holds it, or none applies. */
export function stepUp(l: Limits, who: Subject & { readonly created?: number }, now: number): string | null {
  const had = LEVELS.indexOf(who.verification || 'none');
  const rule = (l.verification_required ?? []).find(
    (r) =>
      (!r.tiers || r.tiers.includes(who.tier ?? '')) &&
      (r.younger_than_days === undefined || (who.created !== undefined && now - who.created < r.younger_than_days * 86_400_000)) &&
      had < LEVELS.indexOf(r.level),
  );
  return rule?.level ?? null;
}

/** Differences of two policies, a line each, for review. */
export function policyDiff(a: unknown, b: unknown, at = ''): string[] {
  if (JSON.stringify(a) === JSON.stringify(b)) return [];
  const object = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null;
  if (!object(a) || !object(b))
    return [
      `${at || 'document'}: ${a === undefined ? '(absent)' : JSON.stringify(a)} -> ${b === undefined ? '(absent)' : JSON.stringify(b)}`,
    ];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((k) => policyDiff(a[k], b[k], at ? `${at}.${k}` : k));
}
