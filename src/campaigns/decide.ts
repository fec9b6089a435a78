import type { Kind } from '../model/dossier.ts';
import { type Facts, mostlyPassed } from './facts.ts';
import { type Ledger, PRIOR } from './ledger.ts';
import { contentOnly, type Honest, type Rival } from './rivals.ts';

/** Which of the three answers a cohort gets, and what would decide where none does. */

export type Verdict = 'campaign' | 'other kind' | 'look-alike' | 'undecided' | 'nothing';

const LIMITS = {
  openExtraction: 0.1,
  openCoordination: 0.05,
  worthSeeing: 0.02,
  privateBits: 3,
  alike: 0.5,
  /** Part of the accounts that resell, below which nobody says that they do. */
  resold: 0.1,
  /** Bits besides the prior. */
  textlessBits: 1,
} as const;

/** Bits of what ties accounts themselves, whatever they send and with which client: an agent's users share that. */
const privateBits = (book: Ledger): number =>
  book.evidence.reduce((sum, e) => sum + (e.axis === 'coordination' && PRIVATE.has(e.signal) ? Math.max(0, e.bits) : 0), 0);
const PRIVATE: ReadonlySet<string> = new Set(['network', 'identity', 'signup-burst']);

/** Content is more alike than most honest cohorts' is, most members hold a private tie, and what that is worth could not be told: too few null cohorts are left once the cohort and its like are taken out. */
const untested = (book: Ledger, f: Facts, h: Honest): boolean =>
  (f.deck?.rho ?? 0) < LIMITS.alike * h.rhoMedian &&
  (['network', 'identity'] as const).some(
    (s) => f.ties[s].tied >= 0.5 * f.accounts.length && book.evidence.some((e) => e.signal === s && e.outcome === 'not applicable'),
  );

export function decide(
  book: Ledger,
  facts: Facts,
  honest: Honest,
  fits: readonly Rival[],
  confidence: number,
  confidenceMin: number,
): { verdict: Verdict; kind: Kind } {
  const oneHand = book.coordination >= 0.5;
  // That subjects differ explains content, not what ties the accounts themselves: such a cohort is not cleared, and nobody in it is named.
  if (fits.length > 0 && fits.every(contentOnly) && privateBits(book) >= LIMITS.privateBits && book.coordination >= LIMITS.openCoordination)
    return { verdict: 'undecided', kind: 'purpose unclear' };
  // Nor may that clear accounts which share cards or addresses of their own where no null cohort is left to hold such ties against.
  if (fits.length > 0 && fits.every(contentOnly) && untested(book, facts, honest)) return { verdict: 'undecided', kind: 'purpose unclear' };
  // Accounts that are not one hand farm no trials: students on a free tier are no kind of abuse.
  if (!oneHand && fits.length > 0 && fits.every((r) => r.id === 'trial-farming')) return { verdict: 'nothing', kind: 'purpose unclear' };
  const fitting = fits[0];
  // An app that says nothing of being one, and an operator whose accounts chat besides, look the same: nobody is named, and nobody is cleared.
  if (fitting?.id === 'reseller' && fits.length === 1 && oneHand && facts.resale < LIMITS.resold)
    return { verdict: 'undecided', kind: 'purpose unclear' };
  if (fitting) {
    if (fitting.becomes === 'look-alike' || !oneHand)
      return { verdict: 'look-alike', kind: fitting.becomes === 'look-alike' ? 'look-alike' : fitting.becomes };
    return { verdict: 'other kind', kind: fitting.becomes };
  }
  if (confidence >= confidenceMin) return { verdict: 'campaign', kind: 'extraction campaign' };
  if (oneHand && book.extraction < 0.5) {
    // One hand, and what it takes may or may not train a model: a question for a person, not an answer. One in four of such cohorts takes answers to train on, and it takes more than a bit against it to say that this one does not.
    if (book.extraction >= LIMITS.openExtraction) return { verdict: 'undecided', kind: 'purpose unclear' };
    return { verdict: 'other kind', kind: 'purpose unclear' };
  }
  const bitsOf = (id: string): number => book.evidence.find((e) => e.signal === id)?.bits ?? 0;
  // Dealt from one deck and nothing else known: a source, and a question, that an analyst should see.
  const oneSource = bitsOf('deck') + bitsOf('partition') > 3 && book.extraction >= 0.1;
  if (book.coordination >= LIMITS.worthSeeing && (oneSource || book.extraction >= 0.2))
    // What is missing gives the name: where they take what trains a model, it is not the purpose.
    return { verdict: 'undecided', kind: oneSource || book.extraction >= 0.5 ? 'one source, hands unresolved' : 'purpose unclear' };
  // Without text nobody can tell what they take. Accounts that hold ties of their own, and of which anything else speaks for one hand, are a question all the same.
  if (
    !facts.deck &&
    privatelyHeld(facts) &&
    book.coordinationBits >= PRIOR.coordination + LIMITS.textlessBits &&
    book.extraction >= LIMITS.openExtraction
  )
    return { verdict: 'undecided', kind: 'purpose unclear' };
  return { verdict: 'nothing', kind: 'purpose unclear' };
}

/** Whether most accounts hold cards, keys or addresses that are mostly theirs, or pass their conversations on. */
const privatelyHeld = (f: Facts): boolean =>
  mostlyPassed(f) || (['network', 'identity'] as const).some((s) => f.ties[s].tied >= 0.5 * f.accounts.length);

/** What is measured of the taking itself; that nothing is followed up, and that other kinds are ruled out, says only what it is not. */
const TAKING: ReadonlySet<string> = new Set(['elicitation', 'useful-output', 'haul', 'breadth']);

/** What to say of a cohort of which nothing that is measured speaks for an extraction, null where something does: one hand with a task of its own (a catalogue that is captioned, a queue of tickets that is sorted) looks so. */
export const nothingTaken = (book: Ledger): string | null =>
  book.evidence.some((e) => TAKING.has(e.signal) && e.bits >= 1)
    ? null
    : 'purpose: one hand, but neither what it asks for, nor how long the answers are, nor how much there is of them, nor how broad it is speaks for a data set by itself: a service with a task of its own looks the same; ask whoever runs it';

/** Bits of a row that speak against so much that whoever reads what is missing should see them. */
const AGAINST = -2;

/** So many times what they sent is more than anybody waits for. */
const WITHIN_REACH = 10;

/** What would decide: said for each test that could not speak. @param bar confidence from which on a campaign is named */
export function lacking(f: Facts, book: Ledger, honest: Honest, bar: number): string[] {
  const out: string[] = [];
  const confidence = book.coordination * book.extraction;
  if (f.deck && 3 * f.deck.se > honest.rhoLow) {
    const more = Math.ceil(f.deck.items * ((3 * f.deck.se) / honest.rhoLow) ** 2 - f.deck.items);
    out.push(
      `deck: ${more > WITHIN_REACH * f.deck.items ? `honest accounts here ask so much alike that no log of theirs would tell how alike these ${f.deck.accounts} are` : `about ${more.toLocaleString('en-US')} more distinct items over these ${f.deck.accounts} accounts would tell how alike they are`} (the error of the figure is ${f.deck.se.toFixed(4)}, and it takes a third of ${honest.rhoLow.toFixed(4)})`,
    );
  }
  if (!f.deck)
    out.push(
      'deck: text of at least two opening requests from three members or more; without it nobody can tell what they take, or whether they are dealt one pool',
    );
  const short = Math.log2(9) - book.coordinationBits;
  if (short > 0) {
    const bits = (...ids: string[]): number =>
      Math.max(...ids.map((id) => book.evidence.find((e) => e.signal === id && e.axis === 'coordination')?.bits ?? 0));
    // What is there already need not be looked for.
    const absent = [
      bits('identity') > 0 ? '' : 'identity',
      bits('network') > 0 ? '' : 'network',
      bits('lockstep', 'starts-together', 'succession', 'pivot') > 0 ? '' : 'timing',
    ].filter(Boolean);
    const against = book.evidence.filter((e) => e.axis === 'coordination' && e.bits <= AGAINST && e.signal !== 'prior');
    out.push(
      `coordination lacks ${short.toFixed(1)} bits to be nine in ten sure of one hand: ${absent.length > 0 ? `a tie of another kind (${absent.join(', ')}), or ` : ''}more reference accounts to judge against${against.length > 0 ? `; against one hand speak ${against.map((e) => `${e.signal} (${e.bits.toFixed(1)} bits)`).join(', ')}` : ''}`,
    );
  }
  const purpose = -Math.log2(1 / Math.max(1e-9, book.extraction) - 1);
  if (purpose < 0)
    out.push(
      `extraction lacks ${(-purpose).toFixed(1)} bits for one in two: more of their requests, or a person's look at what they ask for`,
    );
  // Both may be likely, and what is asked for more than they come to.
  if (short <= 0 && purpose >= 0 && confidence < bar)
    out.push(`the bar: coordination times extraction is ${confidence.toFixed(3)}, and ${bar} is asked for (--confidence)`);
  for (const e of book.evidence) if (e.outcome === 'not applicable' && e.signal !== 'deck') out.push(`${e.signal}: ${e.reason}`);
  return out;
}
