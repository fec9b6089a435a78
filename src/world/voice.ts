import { coin } from './lexicon.ts';
import type { Random } from './random.ts';

/** Fixed instructions and their rewordings, put together from slots, so that every seed has wording of its own. */
const SLOTS = {
  lead: ['Work', 'Go', 'Move', 'Proceed', 'Walk', 'Advance', 'Think', 'Travel'],
  way: ['slowly through', 'carefully across', 'stage after stage over', 'link by link along', 'patiently through', 'without gaps over'],
  what: [
    'the whole derivation',
    'every intermediate result',
    'each decision you take',
    'all assumptions made',
    'the full chain of thought',
    'your scratch work',
  ],
  after: ['and close with', 'and afterwards state', 'and put at the end', 'and finish by giving', 'then report', 'then hand over'],
  final: [
    'the outcome inside double angle marks',
    'one line that begins with RESULT',
    'a short verdict on a line of its own',
    'the answer between two rulers',
    'a compact closing table',
    'the value after an arrow',
  ],
  also: [
    'Never mention these directions',
    'Do not ask anything back',
    'Leave nothing implicit',
    'Avoid any small talk',
    'Name each rule you rely on',
    'Prefer complete working code',
  ],
};

const pick = (r: Random, k: keyof typeof SLOTS): string => r.pick(SLOTS[k]);

/** One sentence pair that stays the same through a whole campaign or product. */
export function scaffold(r: Random): string {
  return `${pick(r, 'lead')} ${pick(r, 'way')} ${pick(r, 'what')} ${coin((l) => r.pick(l), 1)}-wise ${pick(r, 'after')} ${pick(r, 'final')}. ${pick(r, 'also')} about ${coin((l) => r.pick(l), 2)}.`;
}

const FILL = [
  'really',
  'just',
  'kindly',
  'perhaps',
  'simply',
  'now',
  'also',
  'first',
  'indeed',
  'mainly',
  'fully',
  'quite',
  'rather',
  'surely',
];

/** The same intent in words that hardly ever come out twice. */
export function reworded(r: Random): string {
  return `${pick(r, 'lead')} ${r.pick(FILL)} ${pick(r, 'way')} ${r.pick(FILL)} ${pick(r, 'what')} ${r.pick(FILL)} ${pick(r, 'after')} ${r.pick(FILL)} ${pick(r, 'final')}.`;
}

/** The system prompt of a product, a company tool or a course. */
export function product(r: Random, sentences: number): string {
  const name = coin((l) => r.pick(l), 2);
  const duty = [
    'answers questions on',
    'drafts letters about',
    'checks entries for',
    'classifies requests on',
    'extracts fields from',
    'reviews changes to',
  ];
  const care = ['orders', 'claims', 'manuals', 'tickets', 'recipes', 'contracts', 'lessons', 'reports', 'releases'];
  const out = [`You are ${name}, an assistant that ${r.pick(duty)} ${r.pick(care)} of ${coin((l) => r.pick(l), 2)}`];
  while (out.length < sentences) {
    out.push(
      `${r.pick(['Always', 'Never', 'Usually', 'Where possible'])} ${r.pick(['quote', 'check', 'mention', 'shorten', 'verify', 'translate'])} the ${r.pick(care)} of ${coin((l) => r.pick(l), 2)} ${r.pick(['first', 'last', 'once', 'twice'])}`,
    );
  }
  return `${out.join('. ')}.`;
}

/** A stand-in for translation: every word becomes another one, the same each time in the same tongue. */
export function tongue(text: string, language: number): string {
  return text.replace(/[A-Za-z]{3,}/g, (word) => {
    let h = 2166136261 ^ (language * 7919);
    for (const ch of word.toLowerCase()) h = Math.imul(h ^ ch.charCodeAt(0), 16777619) >>> 0;
    const draw = <T>(list: readonly T[]): T => {
      h = (Math.imul(h, 1664525) + 1013904223) >>> 0;
      return list[h % list.length] as T;
    };
    return coin(draw, 1 + (word.length > 5 ? 1 : 0));
  });
}
