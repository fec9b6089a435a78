/** Capabilities a campaign can be after, as the small model tells them from text. */
export const CAPABILITIES = [
  'software engineering',
  'agentic and tool use',
  'long-horizon tasks',
  'reasoning and mathematics',
  'grading and reward modelling',
  'translation',
  'role-play',
  'general chat',
] as const;

export type Capability = (typeof CAPABILITIES)[number];

/** What is counted in a text. */
interface Cue {
  readonly name: string;
  /** The capability that it speaks for before anything is learned: common knowledge of what such requests hold, so that a source nobody learned from is not told by the others' wording alone. */
  readonly leans?: Capability;
  /** It speaks so half as much. */
  readonly half?: boolean;
}

const WORDS: readonly (Cue & { /** Between blanks; two words in a row with a dash between them. */ readonly words: string })[] = [
  {
    name: 'programming',
    leans: 'software engineering',
    words:
      'code coding coder function functions method class classes variable array loop algorithm algorithms program programming programmer script compile compiler debug bug bugs refactor implement implementation snippet module library framework backend frontend server endpoint commit branch repo repository exception regex recursion recursive runtime syntax component schema deploy docker git software developer leetcode pseudocode boolean string integer tuple dictionary stack queue pointer interface inheritance async unit-test unit-tests stack-trace time-complexity',
  },
  {
    name: 'language',
    leans: 'software engineering',
    words:
      'python java javascript typescript php ruby rust golang kotlin swift sql html css react node bash shell numpy pandas pytorch tensorflow linux django flask json yaml xml matlab perl scala haskell c#',
  },
  {
    name: 'mending',
    leans: 'software engineering',
    half: true,
    words:
      'fix error errors fails failing failed crash warning install build run update rename add remove delete merge push change test tests file files',
  },
  {
    name: 'tooling',
    leans: 'agentic and tool use',
    words:
      'tool tools api apis call calls invoke argument arguments parameter parameters query retrieve fetch action observation environment agent model-for function-call function-calls available-functions look-up search-for',
  },
  {
    name: 'errand',
    leans: 'agentic and tool use',
    words:
      'book booking reserve reservation cancel order orders refund flight flights hotel ticket tickets weather forecast calendar email send schedule remind reminder restaurant playlist transfer account customer payment address exchange return database table directory folder find show list get details price prices user-id show-me',
  },
  {
    name: 'steps',
    leans: 'long-horizon tasks',
    words:
      'then next afterwards finally once second third subtask milestone plan goal objective proceed continue follow-up after-that complete-the',
  },
  {
    name: 'amount',
    leans: 'reasoning and mathematics',
    words:
      'total altogether percent percentage average sum difference ratio fraction twice half thrice remaining each cost costs earn earns dollars cents miles feet minutes hours how-many how-much how-far how-long how-old times-as left-over per-hour per-day per-week per-month',
  },
  {
    name: 'mathematics',
    leans: 'reasoning and mathematics',
    words:
      'calculate compute solve equation equations prove proof theorem integral derivative probability matrix vector polynomial prime triangle circle angle area volume mathematics math algebra geometry arithmetic integers numbers let-x',
  },
  {
    name: 'logic',
    leans: 'reasoning and mathematics',
    words:
      'valid invalid premise premises deduce logical logically therefore puzzle riddle deductive conclude reason reasoning option options choice choices statement true false contradiction implies true-or which-of if-and multiple-choice by-step',
  },
  {
    name: 'grading',
    leans: 'grading and reward modelling',
    words:
      'score scores scoring rate rating rubric evaluate evaluation evaluator judge judgement judgment grade grading criteria criterion better worse compare prefer preferred quality feedback helpfulness impartial assess assessment verdict accuracy relevance unbiased ranking rank',
  },
  {
    name: 'answers',
    leans: 'grading and reward modelling',
    words:
      "candidate responses outputs assistants assistant-a assistant-b response-a response-b response-1 response-2 output-a output-b answer-a answer-b assistant's-answer the-response model's-answer model-output model-answer two-ai two-assistants two-responses ai-assistant",
  },
  {
    name: 'translating',
    leans: 'translation',
    words:
      'into-english into-german into-french into-spanish into-chinese into-japanese into-russian into-czech into-italian into-portuguese into-korean into-arabic into-hindi to-english to-german to-french to-spanish to-chinese to-japanese from-english from-german from-french from-spanish from-chinese from-japanese from-russian from-czech translate translation translating translator translated localise localize',
  },
  {
    name: 'tongue',
    leans: 'translation',
    words:
      'english german french spanish chinese japanese russian czech icelandic italian portuguese korean arabic hindi dutch polish turkish ukrainian swedish finnish greek hebrew thai vietnamese indonesian latin',
  },
  {
    name: 'acting',
    leans: 'role-play',
    words:
      'roleplay persona pretend protagonist narrator dialogue scene scenario character act-as acting-as you-are role-play the-role in-character imagine-you your-name i-will reply-as respond-as play-the',
  },
  {
    name: 'tale',
    leans: 'role-play',
    words:
      'story tale novel poem kingdom dragon wizard knight castle lover fantasy adventure villain hero personality backstory background age appearance speak speaks tone said whispered smiled smiles eyes voice once-upon',
  },
  { name: 'asking', leans: 'general chat', words: 'what why how who when where which is are do does can could should would' },
  {
    name: 'everyday',
    leans: 'general chat',
    words:
      'write tell explain describe suggest recommend advice idea ideas tips summarize summarise email essay letter blog article recipe travel health history help opinion people life friend love feel business best-way give-me',
  },
  { name: 'person', words: "i i'm my me you your we our he she they" },
  {
    name: 'ordering',
    words:
      'generate instruction instructions task tasks example examples diverse prompt prompts rewrite evolve evolution complex given following come-up',
  },
];

const MARKS: readonly (Cue & { readonly pattern: RegExp })[] = [
  {
    name: 'code',
    leans: 'software engineering',
    pattern:
      /[{};]\s*\n|=>|==|\(\)|\bdef \w|\breturn\b|\bimport \w|```|<\/\w+>|\w\.\w+\(|\w_\w|#include|::|>>>|\.(?:py|js|ts|go|java|rs|c|cpp|md|sh)\b/g,
  },
  { name: 'turns', leans: 'long-horizon tasks', half: true, pattern: /\n---\n|\n(?:User|Assistant|Human|Step \d|Turn \d)/g },
  { name: 'choices', leans: 'reasoning and mathematics', half: true, pattern: /\(?\b[A-E]\)|\n[A-E][.)] |\n[A-E]:/g },
  {
    name: 'formulas',
    leans: 'reasoning and mathematics',
    half: true,
    pattern: /\d\s*[-+*/=^<>]\s*\d|[$€£]\s?\d|\d+%|\\(?:frac|sum|int|sqrt)|[∑∫√≤≥≠π]/g,
  },
  { name: 'numbers', leans: 'reasoning and mathematics', half: true, pattern: /\b\d+(?:[.,]\d+)*\b/g },
];

const BY_WORD = new Map<string, number[]>();
WORDS.forEach((cue, i) => {
  for (const w of cue.words.split(' ')) BY_WORD.set(w, [...(BY_WORD.get(w) ?? []), i]);
});

/** The beginning and the end of a long text, where what is asked for stands. */
export const ends = (text: string): string => (text.length > 3000 ? `${text.slice(0, 2000)} ${text.slice(-1000)}` : text);

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

/** Figures of a text between 0 and 1: of each cue whether it is there and how dense, then its shape. */
export function cuesOf(text: string): number[] {
  const cut = ends(text);
  const words = cut.toLowerCase().match(/\p{L}[\p{L}'’#]*|\p{N}+/gu) ?? [];
  const seen = new Array<number>(WORDS.length).fill(0);
  const see = (key: string): void => {
    for (const c of BY_WORD.get(key) ?? []) seen[c] = (seen[c] as number) + 1;
  };
  let before = '';
  for (const w of words) {
    see(w);
    see(`${before}-${w}`);
    before = w;
  }
  for (const m of MARKS) seen.push(count(cut, m.pattern));
  const out = seen.flatMap((n) => [Math.min(1, n / 3), Math.min(1, (8 * n) / Math.max(10, words.length))]);
  const all = Math.max(1, cut.length);
  const foreign = count(cut, /[^\0-\u024f\s\p{P}]/gu) / Math.max(1, count(cut, /\p{L}/gu));
  out.push(
    Math.min(1, Math.log1p(text.length) / 10),
    ...[text.length < 80, text.length > 600, text.length > 2000, foreign > 0.1, foreign > 0.5].map(Number),
    Math.min(1, count(cut, /\n/g) / 20),
    ...[/\?\s*$/.test(cut), cut.includes('?')].map(Number),
    Math.min(1, (4 * count(cut, /\p{N}/gu)) / all),
    Math.min(1, (6 * count(cut, /[^\p{L}\p{N}\s]/gu)) / all),
    1,
  );
  return out;
}

/** How many figures that are. */
export const CUES = cuesOf('').length;

/** What they weigh before anything is learned, CUES x CAPABILITIES: `strength` for the capability that each cue leans to. */
export function leanings(strength: number): Float64Array {
  const w = new Float64Array(CUES * CAPABILITIES.length);
  [...WORDS, ...MARKS].forEach((cue, i) => {
    if (cue.leans === undefined) return;
    const c = CAPABILITIES.indexOf(cue.leans);
    const x = cue.half ? strength / 2 : strength;
    w[2 * i * CAPABILITIES.length + c] = x;
    // How dense a mark stands says as much of a text's length.
    if (i < WORDS.length) w[(2 * i + 1) * CAPABILITIES.length + c] = x;
  });
  return w;
}
