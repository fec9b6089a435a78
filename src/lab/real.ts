import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { flags } from '../bench/flags.ts';
import { rng } from '../campaigns/stats.ts';

/**
 * `npm run real -- --data DIR --out DIR`: exchange logs out of material nobody here wrote. `benign.jsonl`: real prompts in the sessions and rhythms of real clients;
 * `mixed.jsonl`: the same, with one extraction source dealt whole over 200 accounts at 26 a day with benign clients' timing. No prompt is worded by us.
 */
const args = flags('real', {
  data: { type: 'string', default: '../shared/data' },
  out: { type: 'string', default: './real' },
  source: { type: 'string', default: 'gpteacher-codegen' },
  seed: { type: 'string', default: '1' },
});

interface Prompt {
  readonly text: string;
  readonly source: string;
  readonly contributor?: string;
}

/** Sources whose every row is another person's: an account each. The others are one customer's work: a benchmark run, a pipeline, one heavy user. */
const ONE_EACH = new Set(['arena-hard-v0.1', 'arena-hard-v2-hard', 'hh-harmless-test', 'oasst-lottery', 'user-oriented-252', 'bfcl-live']);

const gz = (...p: string[]): string[] =>
  gunzipSync(readFileSync(join(args.data, ...p)))
    .toString('utf8')
    .trim()
    .split('\n');
if (!existsSync(join(args.data, 'benign-prompts.jsonl.gz'))) {
  process.stderr.write(
    `${args.data} holds no prompts (benign-prompts.jsonl.gz, extraction-prompts.jsonl.gz): name their place with --data DIR\n`,
  );
  process.exit(2);
}
const random = rng(Number(args.seed));
const benign = gz('benign-prompts.jsonl.gz').map((l) => JSON.parse(l) as Prompt);
const extraction = gz('extraction-prompts.jsonl.gz')
  .map((l) => JSON.parse(l) as Prompt)
  .filter((p) => p.source === args.source);

const DAY = 86_400_000;
const START = Date.UTC(2026, 3, 6);
const DAYS = 14;

/** Ten-minute windows of real clients: rate by window, over up to two weeks. */
const clients = new Map<string, { t: number; rate: number }[]>();
for (const line of gz('traces', 'servegen_client_windows.csv.gz').slice(1)) {
  const [category, , client, t, rate] = line.split(',');
  if (category !== 'language' || !client) continue;
  const list = clients.get(client) ?? [];
  list.push({ t: Number(t) * 1000, rate: Number(rate) });
  clients.set(client, list);
}
const rhythms = [...clients.values()].filter((w) => w.length >= 30);
/** Real coding sessions: when the user's turns came. */
const sessions = new Map<string, number[]>();
for (const line of gz('traces', 'specstory_sessions.csv.gz').slice(1)) {
  const [, user, , session, ts, role] = line.split(',');
  if (role !== 'user' || !(Number(ts) > 1e9)) continue;
  const key = `${user}/${session}`;
  sessions.set(key, [...(sessions.get(key) ?? []), Number(ts) * 1000]);
}
const sessionTimes = [...sessions.values()].map((s) => s.sort((x, y) => x - y)).filter((s) => s.length >= 2);

/** `n` times drawn from one client's windows, weighted by its rate: its days, nights and bursts stay. */
function timesLike(windows: readonly { t: number; rate: number }[], n: number): number[] {
  const total = windows.reduce((s, w) => s + w.rate, 0);
  return Array.from({ length: n }, () => {
    let u = random() * total;
    for (const w of windows) {
      u -= w.rate;
      if (u <= 0) return START + (w.t % (DAYS * DAY)) + random() * 600_000;
    }
    return START + random() * DAYS * DAY;
  }).sort((a, b) => a - b);
}

const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
const lines: { t: number; line: string }[] = [];
let next = 0;
const put = (account: string, t: number, history: readonly string[], text: string, conversation: string) => {
  const messages = [
    ...history.flatMap((h) => [
      { role: 'user', content: h },
      { role: 'assistant', content: '' },
    ]),
    { role: 'user', content: text },
  ];
  lines.push({
    t,
    line: JSON.stringify({
      id: `r${next++}`,
      time: new Date(t).toISOString(),
      account,
      model: 'm',
      messages,
      conversation,
      turn: history.length + 1,
      output_tokens: Math.round(120 + 500 * random()),
    }),
  });
};

// Benign accounts as the material has them: a contributor, a person with one prompt, or the one customer behind a source. A source is
// never sliced over several accounts: that would be dealing a deck.
const byAccount = new Map<string, { source: string; texts: string[] }>();
benign.forEach((p, i) => {
  const name = p.contributor ? `${p.source}-${p.contributor}` : ONE_EACH.has(p.source) ? `${p.source}-${i}` : p.source;
  const had = byAccount.get(name) ?? { source: p.source, texts: [] };
  had.texts.push(p.text);
  byAccount.set(name, had);
});
const accounts = byAccount.size;
for (const [name, { source, texts: mine }] of byAccount) {
  const account = `benign-${name}`;
  if (source.startsWith('specstory') || source.startsWith('coding-agent')) {
    // Real sessions kept whole: turns follow one another as they did.
    for (let i = 0; i < mine.length; ) {
      const s = pick(sessionTimes);
      const start = START + random() * (DAYS - 1) * DAY;
      const turns = mine.slice(i, i + s.length);
      for (const [j, text] of turns.entries())
        put(account, start + Math.min(DAY, (s[j] as number) - (s[0] as number)), turns.slice(0, j), text, `${account}-${i}`);
      i += s.length;
    }
    continue;
  }
  const when = timesLike(pick(rhythms), mine.length);
  for (const [i, text] of mine.entries()) put(account, when[i] as number, [], text, `${account}-${i}`);
}

async function write(path: string): Promise<void> {
  lines.sort((a, b) => a.t - b.t);
  const file = createWriteStream(path);
  for (const l of lines) if (!file.write(`${l.line}\n`)) await once(file, 'drain');
  file.end();
  await once(file, 'finish');
}

mkdirSync(args.out, { recursive: true });
await write(join(args.out, 'benign.jsonl'));
const before = lines.length;
// The source whole, each item once, dealt like cards.
const deck = extraction.map((p) => p.text);
for (let i = deck.length - 1; i > 0; i--) {
  const j = Math.floor(random() * (i + 1));
  [deck[i], deck[j]] = [deck[j] as string, deck[i] as string];
}
const hands = 200;
for (let a = 0; a < hands; a++) {
  const mine = deck.filter((_, i) => i % hands === a);
  // 26 a day as long as the cards last.
  const span = Math.max(1, Math.ceil(mine.length / 26));
  const when = timesLike(pick(rhythms), mine.length)
    .map((t) => START + ((t - START) % (span * DAY)) + 3 * DAY)
    .sort((x, y) => x - y);
  for (const [i, text] of mine.entries()) put(`deal-${a}`, when[i] as number, [], text, `deal-${a}-${i}`);
}
await write(join(args.out, 'mixed.jsonl'));
process.stdout.write(
  `benign: ${before} exchanges of ${accounts} accounts out of ${new Set(benign.map((p) => p.source)).size} sources; mixed: ${lines.length - before} more, ${args.source} dealt over ${hands} accounts\n`,
);
