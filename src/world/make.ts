import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { campaign, RUNGS, type Rung } from './campaigns.ts';
import { type Actor, HONEST, type Turn } from './honest.ts';
import { type Levers, operate } from './operator.ts';
import { type Scene, scene, times } from './persona.ts';
import { Random } from './random.ts';
import { BuiltInTexts, PackTexts, type TextSource } from './texts.ts';

export interface WorldOptions {
  readonly out: string;
  readonly seed: number;
  readonly accounts: number;
  readonly days: number;
  readonly campaigns: readonly { readonly kind: Rung; readonly accounts: number }[];
  /** One more campaign, of an operator with these levers (`class` operator in the truth). */
  readonly operator?: Levers;
  readonly texts?: string;
  /** Honest classes to leave out. */
  readonly without?: readonly string[];
  readonly progress?: (done: number, all: number) => void;
}

export interface WorldSummary {
  readonly accounts: number;
  readonly exchanges: number;
  readonly campaigns: readonly { readonly id: string; readonly kind: Rung; readonly accounts: number }[];
  readonly files: { readonly exchanges: string; readonly accounts: string; readonly truth: string };
}

const START = Date.UTC(2026, 4, 4);

/** `KIND:ACCOUNTS` as the command line takes it. Throws with the list of kinds when the kind is unknown. */
export function parseCampaign(text: string): { kind: Rung; accounts: number } {
  const [kind, count] = text.split(':');
  const accounts = Number(count);
  if (!RUNGS.includes(kind as Rung) || !Number.isInteger(accounts) || accounts < 1) {
    throw new Error(`campaign ${JSON.stringify(text)} is not KIND:ACCOUNTS; kinds: ${RUNGS.join(', ')}`);
  }
  return { kind: kind as Rung, accounts };
}

/**
 * Writes `exchanges.jsonl`, `accounts.jsonl` and `truth.jsonl` into `out`. Log records only: nothing is sent anywhere.
 * The same options give the same bytes.
 */
export async function makeWorld(o: WorldOptions): Promise<WorldSummary> {
  const s = scene(new Random(o.seed), START, o.days);
  const texts: TextSource = o.texts ? new PackTexts(o.texts) : new BuiltInTexts();
  const actors = population(s, texts, o);
  const campaigns = o.campaigns.map((c, i) => {
    const id = `planted-${i + 1}-${c.kind}`;
    actors.push(...campaign(c.kind, s, texts, id, c.accounts));
    return { id, kind: c.kind, accounts: c.accounts };
  });
  if (o.operator) actors.push(...operate(o.operator, s, texts, 'planted-operator'));
  mkdirSync(o.out, { recursive: true });
  const files = { exchanges: join(o.out, 'exchanges.jsonl'), accounts: join(o.out, 'accounts.jsonl'), truth: join(o.out, 'truth.jsonl') };
  const rows: Row[] = [];
  const accounts: string[] = [];
  const truth: string[] = [];
  actors.forEach((a, i) => {
    play(s, texts, a, rows);
    if (i % 100 === 0) o.progress?.(i, actors.length);
  });
  const sent = new Map<string, { exchanges: number; taken: number }>();
  for (const r of rows) {
    const x = sent.get(r.account) ?? { exchanges: 0, taken: 0 };
    sent.set(r.account, { exchanges: x.exchanges + 1, taken: x.taken + (r.taken ? 1 : 0) });
  }
  for (const a of actors) {
    const { account, record } = a.persona;
    const own = sent.get(account);
    if (!own) continue;
    accounts.push(JSON.stringify(record));
    truth.push(JSON.stringify({ account, class: a.cls, campaign: a.campaign ?? null, ...own }));
  }
  rows.sort((x, y) => x.t - y.t);
  await writeLines(files.exchanges, rows, (r) => r.line);
  await writeLines(files.accounts, accounts, (x) => x);
  await writeLines(files.truth, truth, (x) => x);
  return { accounts: accounts.length, exchanges: rows.length, campaigns, files };
}

function population(s: Scene, texts: TextSource, o: WorldOptions): Actor[] {
  const classes = Object.entries(HONEST).filter(([name]) => !o.without?.includes(name));
  const total = classes.reduce((sum, [, c]) => sum + c.weight, 0);
  const actors: Actor[] = [];
  for (const [, c] of classes) {
    const wanted = (o.accounts * c.weight) / total;
    const groups = Math.max(1, Math.round(wanted / c.size));
    for (let g = 0; g < groups; g++) actors.push(...c.make(s, texts, g));
  }
  return actors;
}

const lengths = (text: string): number => Math.ceil(text.length / 4);

interface Row {
  readonly t: number;
  readonly line: string;
  readonly account: string;
  /** Part of a campaign. */
  readonly taken: boolean;
}

/** All exchanges of one actor. */
function play(s: Scene, texts: TextSource, a: Actor, rows: Row[]): void {
  const r = s.random;
  times(s, a.persona).forEach((start, n) => {
    const first = a.next(n, start);
    if (!first) return;
    const conversation = r.hex(12);
    const follow = first.followUps ?? chat(s, texts, a, first);
    const history: { role: string; content: string }[] = [];
    let t = start;
    [first.text, ...follow].forEach((text, turn) => {
      const p = (turn > 0 ? a.through?.(turn) : undefined) ?? a.persona;
      history.push({ role: 'user', content: text });
      const out = Math.max(4, Math.round(r.lognormal(first.outTokens ?? p.outTokens, 0.5)));
      rows.push({
        t,
        account: p.account,
        taken: first.taken === true,
        line: JSON.stringify({
          id: `x-${r.hex(16)}`,
          time: new Date(t).toISOString(),
          account: p.account,
          model: first.model ?? p.model,
          messages: history.slice(-7),
          ...(first.system ? { system: first.system } : {}),
          ip: a.address ? a.address(t) : p.addresses[r.int(0, p.addresses.length)],
          user_agent: p.userAgent,
          ja4: p.ja4,
          asn: p.asn,
          api_key: p.key,
          endpoint: '/v1/messages',
          params: p.params,
          conversation,
          turn: turn + 1,
          input_tokens: history.reduce((sum, m) => sum + lengths(m.content), first.system ? lengths(first.system) : 0),
          output_tokens: out,
          stop_reason: 'end_turn',
          status: 200,
          latency_ms: 300 + out * 9,
          ...(first.endUser ? { end_user: first.endUser, end_user_source: 'reseller' } : {}),
          ...(first.channel ? { channel: first.channel } : {}),
        }),
      });
      history.push({ role: 'assistant', content: 'Noted. Here is what I would do next.' });
      t += Math.round(20_000 + r.exponential(90_000));
    });
  });
}

/** Follow-up questions of a person who reads the answer. */
function chat(s: Scene, texts: TextSource, a: Actor, first: Turn): string[] {
  const out: string[] = [];
  if (first.taken) return out;
  while (a.persona.turns > 1 && s.random.chance(1 - 1 / a.persona.turns) && out.length < 12)
    out.push(texts.honest(a.persona.interests, s.random).text);
  return out;
}

async function writeLines<T>(path: string, list: readonly T[], line: (x: T) => string): Promise<void> {
  const file = createWriteStream(path);
  let chunk: string[] = [];
  for (const x of list) {
    chunk.push(line(x));
    if (chunk.length === 2000) {
      if (!file.write(`${chunk.join('\n')}\n`)) await once(file, 'drain');
      chunk = [];
    }
  }
  if (chunk.length > 0) file.write(`${chunk.join('\n')}\n`);
  file.end();
  await finished(file);
}
