import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dossier } from '../../src/model/dossier.ts';
import type { Rung } from '../../src/world/campaigns.ts';
import { makeWorld, type WorldSummary } from '../../src/world/make.ts';
import { scanned, temp, withStore } from './tools.ts';

export interface Exchange {
  account: string;
  time: string;
  messages: { role: string; content: string }[];
  system?: string;
  api_key?: string;
  ip?: string;
}
export interface Truth {
  readonly account: string;
  readonly class: string;
  readonly campaign: string | null;
}
type Rec = Record<string, unknown> & { account: string };

export const lines = <T>(path: string): T[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as T);
const write = (path: string, rows: readonly unknown[]): string => {
  writeFileSync(path, `${rows.map((r) => JSON.stringify(r)).join('\n')}\n`);
  return path;
};

/** Worlds of this file's tests, by what they were made with: what several tests change is made once. */
const worlds = new Map<string, Promise<WorldSummary>>();

/** A world, changed by hand, scanned: who was named, and who they are. */
export async function judged(
  o: { seed: number; accounts: number; days?: number; kind: Rung; size: number },
  change: (w: { exchanges: Exchange[]; records: Rec[]; truth: Map<string, Truth> }) => void = () => undefined,
): Promise<{ d: Dossier; planted: number; found: number; held: number; honest: string[]; named: Set<string>; mine: Set<string> }> {
  const out = temp();
  const key = JSON.stringify([o.seed, o.accounts, o.days, o.kind, o.size]);
  let made = worlds.get(key);
  if (!made) {
    made = makeWorld({
      out: temp(),
      seed: o.seed,
      accounts: o.accounts,
      days: o.days ?? 10,
      campaigns: [{ kind: o.kind, accounts: o.size }],
    });
    worlds.set(key, made);
  }
  const world = await made;
  const truth = new Map(lines<Truth>(world.files.truth).map((t) => [t.account, t]));
  const w = { exchanges: lines<Exchange>(world.files.exchanges), records: lines<Rec>(world.files.accounts), truth };
  change(w);
  const exchanges = write(join(out, 'e.jsonl'), w.exchanges);
  const accounts = write(join(out, 'a.jsonl'), w.records);
  const d = await withStore((s) => scanned(s, exchanges, { accounts, retention: 'none' }));
  const named = new Set(d.campaigns.flatMap((c) => c.accounts.map((a) => a.account)));
  const mine = [...truth.values()].filter((t) => t.campaign !== null).map((t) => t.account);
  const open = new Set(d.undecided.flatMap((u) => u.accounts.map((a) => a.account)));
  return {
    d,
    named,
    mine: new Set(mine),
    held: mine.filter((a) => named.has(a) || open.has(a)).length,
    planted: mine.length,
    found: mine.filter((a) => named.has(a)).length,
    honest: [...named].filter((a) => (truth.get(a)?.campaign ?? null) === null).map((a) => `${a} ${truth.get(a)?.class}`),
  };
}

/** Requests of a campaign's members hold one line that stands in nearly all of them. */
export function sentenceOf(w: { exchanges: Exchange[]; truth: Map<string, Truth> }): string {
  const seen = new Map<string, number>();
  for (const e of w.exchanges) {
    if ((w.truth.get(e.account)?.campaign ?? null) === null) continue;
    for (const l of `${e.system ?? ''}\n${e.messages.at(-1)?.content ?? ''}`.split('\n'))
      if (l.length > 20) seen.set(l, (seen.get(l) ?? 0) + 1);
  }
  return [...seen].sort((x, y) => y[1] - x[1])[0]?.[0] ?? '';
}
