/**
 * The generic cell rate algorithm (ATM Forum, Traffic Management 4.0, 1996, section 4.4.2): one number a key, the theoretical arrival time
 * of the next unit. Tokens are reserved before and settled after, so that parallel requests cannot overspend.
 */

export interface Rate {
  /** Units per ms. */
  readonly perMs: number;
  /** Units that may be spent at once. */
  readonly burst: number;
}

export const perMinute = (units: number, burstMinutes = 1): Rate => ({ perMs: units / 60_000, burst: Math.max(1, units * burstMinutes) });

export interface Taken {
  readonly ok: boolean;
  /** ms until the same request would pass; 0 when it does, Infinity when it is larger than the burst. */
  readonly retryMs: number;
  readonly remaining: number;
  readonly limit: number;
  /** ms until the budget is whole again. */
  readonly resetMs: number;
}

export interface Ask {
  readonly key: string;
  readonly rate: Rate;
  readonly units: number;
}

/** How long a reservation can be settled, and who settled it is remembered. */
export const RESERVED_MS = 900_000;
/** A clock that goes back further than this was put back. */
const BACK_MS = 2000;
/** Settled reservations that one process remembers. */
const SETTLED_MAX = 100_000;

/** Where budgets are kept: this process, or Redis for several. All asks pass together or none is spent. */
export interface Budgets {
  take(asks: readonly Ask[], now: number): readonly Taken[] | Promise<readonly Taken[]>;
  /** Gives back (or takes, when negative) units after the fact; with `once`, the name of a reservation, the first time only, whichever process asks. */
  settle(asks: readonly Ask[], now: number, once?: string): void | Promise<void>;
}

const taken = (tat: number, now: number, r: Rate, units: number): Taken => {
  // A budget of nothing lets nothing through.
  if (!(r.perMs > 0)) return { ok: false, retryMs: Number.POSITIVE_INFINITY, remaining: 0, limit: 0, resetMs: 0 };
  const from = Math.max(tat, now);
  const after = from + units / r.perMs;
  const room = r.burst / r.perMs;
  const ok = after - now <= room + 1e-6;
  const held = ok ? after : from;
  return {
    ok,
    retryMs: ok ? 0 : units > r.burst ? Number.POSITIVE_INFINITY : Math.ceil(after - now - room),
    remaining: Math.max(0, Math.floor((room - (held - now)) * r.perMs + 1e-6)),
    limit: Math.floor(r.burst),
    resetMs: Math.max(0, Math.ceil(held - now)),
  };
};

export class MemoryBudgets implements Budgets {
  private readonly tats = new Map<string, number>();
  private readonly settled = new Set<string>();
  private readonly keysMax: number;
  private last = Number.NEGATIVE_INFINITY;

  constructor(keysMax = 1_000_000) {
    this.keysMax = keysMax;
  }

  /** A clock that is put back takes everything with it: what was spent would lie in the future, and nobody could spend until it has passed. */
  private heedClock(now: number): void {
    const back = this.last - now;
    if (back > BACK_MS) for (const [k, t] of this.tats) this.tats.set(k, t - back);
    this.last = back > 0 && back <= BACK_MS ? this.last : now;
  }

  take(asks: readonly Ask[], now: number): readonly Taken[] {
    this.heedClock(now);
    const out = asks.map((a) => taken(this.tats.get(a.key) ?? 0, now, a.rate, a.units));
    if (out.every((x) => x.ok)) for (const a of asks) this.spend(a, a.units, now);
    return out;
  }

  settle(asks: readonly Ask[], now: number, once?: string): void {
    this.heedClock(now);
    if (once !== undefined) {
      if (this.settled.has(once)) return;
      this.settled.add(once);
      if (this.settled.size > SETTLED_MAX) this.settled.delete(this.settled.values().next().value as string);
    }
    for (const a of asks) this.spend(a, -a.units, now);
  }

  /** What is spent and has not come back yet, for a successor: a new process must not begin with full budgets. */
  spent(now: number): (readonly [string, number])[] {
    return [...this.tats].filter(([, t]) => t > now);
  }

  /** Takes over what another process has spent. */
  heed(spent: readonly (readonly [string, number])[]): void {
    for (const [k, t] of spent) this.tats.set(k, Math.max(t, this.tats.get(k) ?? 0));
  }

  private spend(a: Ask, units: number, now: number): void {
    if (!(a.rate.perMs > 0)) return;
    const tat = Math.max(this.tats.get(a.key) ?? 0, now) + units / a.rate.perMs;
    // A key whose budget is whole says no more than one never seen.
    if (tat <= now) this.tats.delete(a.key);
    else this.tats.set(a.key, tat);
    if (this.tats.size > this.keysMax) for (const [k, t] of this.tats) if (t <= now) this.tats.delete(k);
  }
}

/** The same in Redis: one script, so that no other worker comes between looking and spending. */
export const GCRA_LUA = `
local now = tonumber(ARGV[1])
local settle = ARGV[2] == '1'
local budgets = #KEYS
if ARGV[3] ~= '' then
  budgets = budgets - 1
  if not redis.call('SET', KEYS[#KEYS], '1', 'NX', 'PX', tonumber(ARGV[3])) then return {} end
end
local out = {}
local ok = true
local tats = {}
for i = 1, budgets do
  local key = KEYS[i]
  local perMs, burst, units = tonumber(ARGV[i * 3 + 1]), tonumber(ARGV[i * 3 + 2]), tonumber(ARGV[i * 3 + 3])
  local tat = math.max(tonumber(redis.call('GET', key) or '0'), now)
  if perMs <= 0 then
    ok = settle and ok
    tats[i] = 0
  elseif settle then
    tats[i] = tat - units / perMs
  else
    tats[i] = tat + units / perMs
    if tats[i] - now > burst / perMs + 0.000001 then ok = false end
  end
  out[i] = tostring(tat)
end
if ok then
  for i = 1, budgets do
    local key = KEYS[i]
    local left = math.ceil(tats[i] - now)
    if left > 0 then redis.call('SET', key, tostring(tats[i]), 'PX', left) else redis.call('DEL', key) end
  end
end
return out`;

interface Redis {
  eval(script: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
}

export class RedisBudgets implements Budgets {
  private readonly redis: Redis;
  private readonly prefix: string;
  private readonly patience: <T>(answer: Promise<T>) => Promise<T>;

  /** @param patience waits for an answer as long as anybody does, and fails then */
  constructor(redis: Redis, patience: <T>(answer: Promise<T>) => Promise<T> = (x) => x, prefix = 'stillwatch:') {
    this.redis = redis;
    this.prefix = prefix;
    this.patience = patience;
  }

  async take(asks: readonly Ask[], now: number): Promise<readonly Taken[]> {
    if (asks.length === 0) return [];
    const answer = this.run(asks, now, false) as Promise<string[]>;
    const out = (before: readonly string[]): Taken[] => asks.map((a, i) => taken(Number(before[i]), now, a.rate, a.units));
    try {
      return out(await this.patience(answer));
    } catch (error) {
      // What Redis does after all, when nobody waits for it any more, was spent for nobody: it comes back.
      void answer.then((late) => (out(late).every((t) => t.ok) ? this.settle(asks, now) : undefined)).catch(() => undefined);
      throw error;
    }
  }

  async settle(asks: readonly Ask[], now: number, once?: string): Promise<void> {
    if (asks.length > 0 || once !== undefined) await this.patience(this.run(asks, now, true, once));
  }

  private run(asks: readonly Ask[], now: number, settle: boolean, once?: string): Promise<unknown> {
    const keys = [...asks.map((a) => this.prefix + a.key), ...(once === undefined ? [] : [`${this.prefix}settled:${once}`])];
    return this.redis.eval(
      GCRA_LUA,
      keys.length,
      ...keys,
      now,
      settle ? '1' : '0',
      once === undefined ? '' : RESERVED_MS,
      ...asks.flatMap((a) => [a.rate.perMs, a.rate.burst, a.units]),
    );
  }
}
