import type { Dossier, Finding } from '../model/dossier.ts';
import { sure } from '../model/odds.ts';
import { inert } from './inert.ts';
import { bound, count, targets } from './words.ts';

export interface TableOptions {
  readonly width: number;
  readonly color: boolean;
  /** What to type before a command: `npx stillwatch` in a clone. */
  readonly program: string;
  readonly store: string;
}

const pad = (s: string, n: number): string => (s.length > n ? `${s.slice(0, n - 1)}…` : s.padEnd(n));
const right = (s: string, n: number): string => s.padStart(n);

function line(f: Finding): string {
  // What everybody asks for as much is no target.
  const after = targets(f).join(', ') || (Object.keys(f.capabilities).length > 0 ? 'as everybody' : '-');
  return `${pad(f.id, 11)} ${right(sure(f.confidence), 5)} ${right(count(f.accounts.length), 9)} ${right(count(f.exchanges), 13)}  ${f.first_seen.slice(0, 10)}  ${f.last_seen.slice(0, 10)}  ${pad(after, 40)}`;
}

const HEAD = `${pad('campaign', 11)} ${right('conf.', 5)} ${right('accounts', 9)} ${right('exchanges', 13)}  ${pad('first seen', 10)}  ${pad('last seen', 10)}  after`;

/** For a person: what was found, one line a campaign, and what to type next. */
export function table(d: Dossier, o: TableOptions): string {
  const bold = (s: string) => (o.color ? `\u001b[1m${s}\u001b[22m` : s);
  const out: string[] = [];
  const c = d.coverage;
  out.push(
    `${count(c.exchanges)} exchanges of ${count(c.accounts)} accounts${d.window.from ? `, ${d.window.from.slice(0, 10)} to ${d.window.to?.slice(0, 10)}` : ''}; ${d.tested.cohorts} cohorts tested against ${d.tested.null_cohorts} null cohorts of ${count(d.tested.reference_accounts)} reference accounts`,
  );
  if (!c.complete) out.push(bold('INCOMPLETE: some input could not be read; see coverage below'));
  out.push('');
  if (d.campaigns.length === 0) out.push('No campaign found.');
  else {
    out.push(bold(HEAD));
    for (const f of d.campaigns) out.push(inert(line(f)));
    out.push('');
    for (const f of d.campaigns) out.push(...wrap(`${f.id}: ${f.summary}`, o.width).map(inert));
    out.push(
      '',
      ...wrap(`Confidence is calibrated on ${d.campaigns[0]?.calibrated_on ?? ''}. The tool suspects; a person decides.`, o.width),
      ...wrap(bound(d), o.width),
    );
  }
  if (d.undecided.length > 0) {
    out.push(
      '',
      bold(`Undecided (${d.undecided.length}): not enough to name anyone; the first are those that most may hang on`),
      ...d.undecided
        .slice(0, 8)
        .flatMap((u) => [
          inert(line(u as unknown as Finding)),
          ...u.missing.slice(0, 1).flatMap((m) => wrap(`  to decide: ${m}`, o.width).map(inert)),
        ]),
    );
  }
  if (d.look_alikes.length > 0) {
    // An account may stand in several cohorts: it is counted once a kind.
    const kinds = new Map<string, { n: number; accounts: Set<string> }>();
    for (const l of d.look_alikes) {
      // As its title calls it: newcomers whom nothing ties share a kind with those who farm trials.
      const kind = l.kind === 'trial farming' ? l.title.replace(/^\S+ accounts: /, '') : l.kind;
      const k = kinds.get(kind) ?? { n: 0, accounts: new Set<string>() };
      for (const a of l.accounts) k.accounts.add(a);
      kinds.set(kind, { n: k.n + 1, accounts: k.accounts });
    }
    out.push('', bold(`Cleared or of another kind (${d.look_alikes.length})`));
    for (const [kind, k] of [...kinds].sort((x, y) => y[1].accounts.size - x[1].accounts.size))
      out.push(
        inert(
          `  ${pad(kind, 72)} ${right(String(k.n), 3)} ${pad(k.n === 1 ? 'cohort' : 'cohorts', 7)} ${right(count(k.accounts.size), 6)} accounts`,
        ),
      );
  }
  const bad = c.files.filter((f) => f.state !== 'read' && f.state !== 'already_read');
  const unseen = c.not_applicable.find((x) => x.signal === 'content');
  if (c.rejected > 0 || bad.length > 0 || c.lost.length > 0 || unseen) {
    out.push('', bold('Coverage'));
    if (unseen) out.push(...wrap(`  ${unseen.because}`, o.width));
    if (c.rejected > 0)
      out.push(
        `  ${count(c.rejected)} lines rejected: ${c.reasons.map((r) => `${r.reason} ${r.lines}`).join(', ')} (${o.program} rejects${o.store})`,
      );
    for (const f of bad) out.push(inert(`  ${f.name}: ${f.state}: ${f.note}`));
    for (const l of c.lost) out.push(inert(`  lost data: ${l} was found broken on opening`));
  }
  const next = d.campaigns[0] ?? d.undecided[0];
  out.push('');
  if (c.exchanges === 0)
    out.push(`Next: see above why nothing was read; --input-format NAME and --field NAME=PATH say how a log is to be read`);
  else if (next) out.push(`Next: ${o.program} explain ${next.id}${o.store}`);
  else if (d.coverage.not_applicable.some((x) => x.signal === 'signup-burst'))
    out.push(`Next: give account records with --accounts FILE; identity signals were not applicable`);
  else out.push(`Next: ${o.program} accounts <id>${o.store} shows one account's file`);
  return `${out.join('\n')}\n`;
}

export function wrap(text: string, width: number): string[] {
  const out: string[] = [];
  let at = '';
  for (const w of text.split(' ')) {
    if (at !== '' && at.length + 1 + w.length > width) {
      out.push(at);
      at = `  ${w}`;
    } else at = at === '' ? w : `${at} ${w}`;
  }
  if (at !== '') out.push(at);
  return out;
}
