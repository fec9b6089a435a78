import { coin } from './lexicon.ts';
import type { Random } from './random.ts';
import { type Interests, interests } from './texts.ts';

export const DAY = 86_400_000;
export const HOUR = 3_600_000;

export type Rhythm = 'human' | 'office' | 'flat' | 'burst';

/** One simulated customer: who pays, from where, with what, and when. */
export interface Persona {
  readonly account: string;
  readonly record: Record<string, unknown>;
  readonly interests: Interests;
  readonly addresses: string[];
  asn: number;
  readonly userAgent: string;
  readonly ja4: string;
  readonly key: string;
  readonly model: string;
  readonly params: Record<string, unknown>;
  readonly zone: number;
  readonly rhythm: Rhythm;
  readonly perDay: number;
  readonly from: number;
  readonly to: number;
  readonly turns: number;
  readonly outTokens: number;
}

export interface Scene {
  readonly random: Random;
  readonly start: number;
  readonly days: number;
  readonly models: readonly string[];
  /** Carrier gateways that many unrelated customers sit behind. */
  readonly gateways: readonly string[];
  readonly vpn: readonly string[];
  next: number;
}

const MAIL = ['mailbox.example', 'post.example', 'inbox.example', 'letters.example', 'webmail.example'];
const CLIENTS: readonly (readonly [string, number])[] = [
  ['python-sdk/1.52', 30],
  ['python-sdk/1.61', 22],
  ['node-sdk/4.77', 18],
  ['browser-app/3', 16],
  ['curl/8.5', 5],
  ['python-requests/2.32', 6],
  ['go-http-client/2.0', 3],
];

export function scene(random: Random, start: number, days: number): Scene {
  const v4 = () => `198.${18 + random.int(0, 2)}.${random.int(0, 256)}.${random.int(1, 255)}`;
  return {
    random,
    start,
    days,
    models: ['atlas-large', 'atlas-small', 'atlas-mini'],
    gateways: Array.from({ length: 40 }, v4),
    vpn: Array.from({ length: 12 }, v4),
    next: 1,
  };
}

export function address(random: Random): string {
  return `2001:db8:${random.hex(4)}:${random.hex(4)}::${random.hex(3)}`;
}

export interface Wish {
  rhythm?: Rhythm;
  perDay?: number;
  turns?: number;
  outTokens?: number;
  breadth?: number;
  record?: Record<string, unknown>;
  addresses?: string[];
  from?: number;
  to?: number;
  params?: Record<string, unknown>;
  model?: string;
  userAgent?: string;
  interests?: Interests;
}

/** A customer as the honest population has them; whatever `wish` leaves open is drawn from it. */
export function persona(s: Scene, wish: Wish = {}): Persona {
  const r = s.random;
  const account = `acct-${(s.next++).toString().padStart(6, '0')}-${r.hex(4)}`;
  const paid = r.chance(0.6);
  const end = s.start + s.days * DAY;
  const from = wish.from ?? (r.chance(0.7) ? s.start : s.start + r.unit() * s.days * DAY * 0.6);
  const age = r.chance(0.3) ? r.exponential(12) : r.exponential(300);
  const home = r.chance(0.18) ? [r.pick(s.gateways)] : [address(r)];
  if (r.chance(0.5)) home.push(r.chance(0.3) ? r.pick(s.gateways) : address(r));
  if (r.chance(0.06)) home.push(r.pick(s.vpn));
  const ua = wish.userAgent ?? (CLIENTS[r.weighted(CLIENTS.map((c) => c[1]))]?.[0] as string);
  const params: Record<string, unknown> = {};
  if (r.chance(0.6)) params['temperature'] = r.pick([0, 0.2, 0.7, 1]);
  if (r.chance(0.5)) params['max_tokens'] = r.pick([512, 1024, 2048, 4096]);
  if (r.chance(0.1)) params['top_p'] = r.pick([0.9, 0.95]);
  return {
    account,
    record: {
      account,
      created: new Date(from - age * DAY).toISOString(),
      email_domain: r.chance(0.85)
        ? r.pick(MAIL)
        : r.chance(0.25)
          ? `${coin((l) => r.pick(l), 2)}-temp.example`
          : `${coin((l) => r.pick(l), 2)}.example`,
      ...(paid ? { payment: `card-${r.hex(12)}` } : {}),
      country: r.pick(['AA', 'BB', 'CC', 'DD', 'EE', 'FF']),
      tier: paid ? r.pick(['standard', 'standard', 'scale']) : 'free',
      verification: ['none', 'email', 'phone', 'id', 'business'][r.weighted([30, 40, 20, 5, 5])],
      labels: [],
      ...wish.record,
    },
    interests: wish.interests ?? interests(r, wish.breadth ?? 0.12),
    addresses: wish.addresses ?? home,
    asn: 64512 + r.int(0, 400),
    userAgent: ua,
    ja4: `t13d${(ua.length * 37).toString(16)}_${[...ua].reduce((h, c) => (h * 31 + c.charCodeAt(0)) >>> 0, 7).toString(16)}`,
    key: `key-${r.hex(16)}`,
    model: wish.model ?? r.pick([...s.models, s.models[0] as string]),
    params: wish.params ?? params,
    zone: r.int(-11, 13),
    rhythm: wish.rhythm ?? 'human',
    perDay: wish.perDay ?? r.lognormal(7, 0.9),
    from,
    to: wish.to ?? end,
    turns: wish.turns ?? 2.2,
    outTokens: wish.outTokens ?? r.lognormal(280, 0.5),
  };
}

/** A small API product: its own prompt around its own subject. The class that campaigns from the third rung up look like. */
export function builder(s: Scene, wish: Wish = {}): Persona {
  const r = s.random;
  return persona(s, {
    rhythm: r.chance(0.4) ? 'flat' : r.chance(0.5) ? 'office' : 'human',
    perDay: Math.min(400, r.lognormal(24, 0.6)),
    turns: 1,
    outTokens: r.lognormal(420, 0.4),
    breadth: 0.06,
    ...wish,
  });
}

/** A reseller. Those that lend a part of their traffic to a campaign are like those that do not. */
export function reseller(s: Scene, wish: Wish = {}): Persona {
  return persona(s, {
    perDay: s.random.lognormal(75, 0.3),
    turns: 1.8,
    record: { labels: ['reseller'], verification: 'business' },
    ...wish,
  });
}

const HUMAN = [1, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 12, 11, 12, 12, 12, 11, 11, 12, 13, 13, 11, 7, 3];
const OFFICE = [0.2, 0.1, 0.1, 0.1, 0.1, 0.3, 1, 4, 12, 16, 16, 14, 10, 14, 16, 15, 13, 9, 4, 2, 1, 0.6, 0.4, 0.3];

/** Times of one persona's conversations, ascending. */
export function times(s: Scene, p: Persona): number[] {
  const r = s.random;
  const out: number[] = [];
  const perDay = p.perDay / Math.max(1, p.turns);
  const profile = p.rhythm === 'office' ? OFFICE : HUMAN;
  for (let day = 0; day < s.days; day++) {
    const base = s.start + day * DAY;
    const weekend = new Date(base).getUTCDay() % 6 === 0;
    let mean = perDay * (p.rhythm === 'flat' ? 1 : r.gamma(3) / 3);
    if (p.rhythm === 'office' && weekend) mean *= 0.1;
    if (p.rhythm === 'burst') mean = r.chance(0.25) ? perDay * 4 * (r.gamma(2) / 2) : 0;
    const burstAt = r.unit() * 20;
    for (let n = r.poisson(mean); n > 0; n--) {
      let hour: number;
      if (p.rhythm === 'flat') hour = r.unit() * 24;
      else if (p.rhythm === 'burst') hour = burstAt + r.unit() * 4;
      else hour = (r.weighted(profile) + r.unit() - p.zone + 48) % 24;
      const t = base + hour * HOUR;
      if (t >= p.from && t < p.to) out.push(Math.floor(t));
    }
  }
  return out.sort((a, b) => a - b);
}
