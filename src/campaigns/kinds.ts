import { DATA_SET_TOKENS } from '../signals/haul.ts';
import { type Facts, mostlyPassed } from './facts.ts';
import type { Honest } from './rivals.ts';
import type { Table } from './table.ts';

/** One kind of thing that a set of accounts in one hand can be besides an extraction campaign. */
interface Kind {
  readonly name: string;
  /** Its part of all cohorts that are one hand; with extraction's quarter they add up to one. */
  readonly share: number;
  /** How much of it the figures leave: 1 where they fit or cannot tell. */
  left(f: Facts, h: Honest, t: Table): number;
}

/** Part of what honest conversations are answered with, in the middle, under which an answer is short. */
const SHORT = 0.5;

/** Part of a kind that remains when what it would show is looked for and is not there. */
const REFUTED = 0.12;

const KINDS: readonly Kind[] = [
  {
    name: 'a declared organisation',
    share: 0.33,
    left: (f, _h, t) => {
      const tells = t.hasRecords && (t.domains.size > 0 || t.owner.some((o) => o !== ''));
      const named = f.topOwner.share >= 0.5 || (f.topDomain.share >= 0.5 && f.topDomain.others <= f.accounts.length);
      return tells && !named ? REFUTED : 1;
    },
  },
  {
    name: 'an undeclared pipeline with one narrow task or short answers',
    share: 0.12,
    // Short is what is far from what others here are answered.
    left: (f, h) =>
      f.outTokensMedian >= Math.max(200, SHORT * h.outMedian) && f.deck !== null && f.deck.within < h.withinMedian ? 2 * REFUTED : 1,
  },
  {
    name: 'a reseller or an app that spreads its users over accounts',
    share: 0.15,
    // Customers of an app follow answers up, and ask for what everybody asks for. Accounts that pass conversations on are a pool's, and what its users ask may be of any kind.
    left: (f, h) => {
      if (mostlyPassed(f)) return 1;
      const used = f.singleUse.k < 0.9 * f.singleUse.n;
      return f.resale < 0.1 && (!used || f.distance > 2 * h.distanceLow) ? REFUTED : 1;
    },
  },
  {
    name: 'trial farming',
    share: 0.08,
    left: (f) => (f.haulTokens >= DATA_SET_TOKENS ? REFUTED : 1),
  },
  {
    name: 'a customer licensed to make synthetic data',
    share: 0.02,
    left: (f, _h, t) => (t.hasRecords && f.licensed === 0 ? REFUTED / 2 : 1),
  },
  { name: 'something not on this list', share: 0.05, left: () => 1 },
];

/**
 * What is left of the kinds that are no extraction, in bits: the prior counts them all in, and where what a kind would show is not there, its part of the
 * prior is gone (a mixture of rival hypotheses, each with its likelihood). Zero when all of them could still be.
 */
export function kindsLeft(f: Facts, h: Honest, t: Table): { readonly bits: number; readonly reason: string } {
  const whole = KINDS.reduce((x, k) => x + k.share, 0);
  const parts = KINDS.map((k) => ({ k, left: k.left(f, h, t) }));
  const left = parts.reduce((x, p) => x + p.k.share * p.left, 0);
  const gone = parts.filter((p) => p.left < 1).map((p) => p.k.name);
  const open = parts.filter((p) => p.left === 1 && p.k.name !== KINDS.at(-1)?.name).map((p) => p.k.name);
  return {
    bits: Math.log2(whole / left),
    reason:
      gone.length === 0
        ? 'none of the other things that one hand can be is ruled out'
        : `of what else one hand can be, the figures speak against ${gone.join(', ')}${open.length > 0 ? `; they cannot tell it from ${open.join(', ')}, which an explanation of its own looks for` : ''}`,
  };
}
