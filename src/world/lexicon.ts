/** Words the built-in text generator draws from: one entry a field of work or life. */
export interface Field {
  readonly name: string;
  readonly capability: 'coding' | 'math' | 'agentic' | 'analysis' | 'writing' | 'chat' | 'grading' | 'translation';
  readonly nouns: readonly string[];
  readonly verbs: readonly string[];
}

const words = (text: string): string[] => text.trim().split(/\s+/);

const field = (name: string, capability: Field['capability'], nouns: string, verbs: string): Field => ({
  name,
  capability,
  nouns: words(nouns),
  verbs: words(verbs),
});

export const FIELDS: readonly Field[] = [
  field(
    'web',
    'coding',
    'router component stylesheet cookie session viewport form button modal hydration bundle middleware layout navbar dropdown tooltip breakpoint animation locale checkout',
    'render hydrate debounce memoize paginate prefetch validate',
  ),
  field(
    'storage',
    'coding',
    'index transaction replica migration cursor trigger partition checkpoint schema deadlock snapshot journal tablespace vacuum sequence constraint lateral rollup bloom tombstone',
    'shard normalise backfill upsert replicate compact vacuum',
  ),
  field(
    'systems',
    'coding',
    'allocator mutex semaphore socket scheduler pipeline register interrupt pagecache descriptor barrier ringbuffer futex epoll linker symbol stackframe coroutine arena watchdog',
    'profile unlink inline preempt flush serialise pin',
  ),
  field(
    'algorithms',
    'coding',
    'heap trie graph matrix permutation interval bitmask prefix suffix palindrome knapsack recursion memo window pivot subsequence lattice partition cycle topological',
    'traverse balance enumerate minimise rotate merge bisect',
  ),
  field(
    'testing',
    'coding',
    'fixture mock assertion coverage regression snapshot harness stub flake mutation property generator seed timeout matrix pipeline artifact linter baseline smoke',
    'stub parametrise reproduce isolate bisect rerun quarantine',
  ),
  field(
    'mobile',
    'coding',
    'activity fragment gesture keychain widget storyboard permission notification bluetooth camera orientation offline sync carousel haptic deeplink manifest gradle simulator keyboard',
    'swipe persist throttle unmount localise sandbox archive',
  ),
  field(
    'cloud',
    'agentic',
    'cluster ingress container bucket tenant secret autoscaler gateway quota region failover canary rollout sidecar namespace volume registry tunnel firewall certificate',
    'deploy provision drain rotate scale revoke reconcile',
  ),
  field(
    'tools',
    'agentic',
    'calendar invoice ticket flight reservation inbox contact reminder spreadsheet workflow approval warehouse courier parcel refund voucher booking itinerary roster timesheet',
    'schedule reserve cancel forward escalate reconcile dispatch',
  ),
  field(
    'repair',
    'agentic',
    'stacktrace patch commit branch dependency lockfile changelog release conflict hotfix backport submodule compiler warning segfault traceback reproduction maintainer rebase tag',
    'reproduce patch revert cherrypick annotate triage rebase',
  ),
  field(
    'algebra',
    'math',
    'polynomial eigenvalue integral derivative inequality determinant sequence limit modulus congruence factorial binomial probability variance theorem lemma induction asymptote vector quotient',
    'prove factor integrate differentiate bound simplify expand',
  ),
  field(
    'arithmetic',
    'math',
    'apples tickets pencils marbles discount wages interest fraction ratio percentage distance speed hours dozen crate budget savings fare litre perimeter',
    'divide share double subtract earn spend remain',
  ),
  field(
    'physics',
    'math',
    'momentum friction torque entropy voltage capacitor wavelength orbit pendulum pressure viscosity lens photon isotope inertia resonance buoyancy impulse flux gradient',
    'accelerate collide radiate oscillate refract decay conserve',
  ),
  field(
    'statistics',
    'analysis',
    'regression residual histogram quantile outlier confounder bootstrap likelihood prior posterior covariate dashboard cohort funnel retention churn forecast seasonality anomaly sample',
    'estimate impute resample correlate segment aggregate forecast',
  ),
  field(
    'finance',
    'analysis',
    'ledger invoice hedge bond dividend portfolio margin liquidity equity depreciation cashflow valuation audit tariff payroll reconciliation mortgage yield derivative custody',
    'amortise reconcile hedge accrue discount rebalance audit',
  ),
  field(
    'biology',
    'analysis',
    'enzyme ribosome plasmid membrane mitosis genome antibody neuron hormone receptor chromosome peptide bacteria vaccine allele kinase lipid phenotype mutation organism',
    'transcribe inhibit replicate culture sequence metabolise bind',
  ),
  field(
    'medicine',
    'analysis',
    'dosage symptom biopsy anaemia tumour ventilator incision fracture insulin allergy vaccine rehabilitation diagnosis pathology triage sepsis migraine cardiology catheter stent',
    'diagnose prescribe palpate intubate screen monitor discharge',
  ),
  field(
    'law',
    'writing',
    'clause contract liability tenant plaintiff statute arbitration indemnity trademark affidavit jurisdiction tort covenant easement warranty subpoena counsel precedent licence injunction',
    'litigate indemnify redact stipulate waive appeal enforce',
  ),
  field(
    'marketing',
    'writing',
    'headline slogan audience campaign newsletter brand persona landing testimonial subscriber banner outreach webinar catalogue keyword promotion loyalty influencer tagline brochure',
    'launch promote rewrite pitch segment tease rebrand',
  ),
  field(
    'fiction',
    'writing',
    'dragon lantern castle orphan prophecy detective harbour storm dagger kingdom manor ghost betrayal voyage forest raven tavern sorcerer riddle exile',
    'whisper wander betray awaken haunt vanish confess',
  ),
  field(
    'essays',
    'writing',
    'thesis paragraph citation argument rhetoric empire revolution philosophy ethics democracy colonial renaissance census treaty monarchy suffrage migration enlightenment propaganda archive',
    'argue compare critique summarise paraphrase contextualise refute',
  ),
  field(
    'travel',
    'chat',
    'museum hostel ferry passport glacier beach itinerary vineyard temple backpack train luggage cathedral waterfall market jetlag visa safari island souvenir',
    'visit pack explore hike snorkel wander book',
  ),
  field(
    'cooking',
    'chat',
    'garlic dough oven marinade broth skillet basil lentil pastry glaze risotto cumin yeast saffron zucchini custard brine chutney noodle vinegar',
    'simmer knead roast whisk braise caramelise poach',
  ),
  field(
    'home',
    'chat',
    'garden faucet curtain sofa carpet drill wallpaper compost radiator hinge lawn tile plumber mattress shelf insulation gutter paint attic fence',
    'repair assemble prune sand caulk install declutter',
  ),
  field(
    'health',
    'chat',
    'yoga protein marathon posture sleep anxiety vitamin stretching calories treadmill breathing habit hydration knee mindfulness routine burnout cardio dumbbell snack',
    'stretch relax jog meditate recover track rest',
  ),
  field(
    'games',
    'chat',
    'quest boss inventory guild speedrun sprite dungeon loot chess opening tournament deck avatar puzzle achievement arena crafting respawn lobby console',
    'grind unlock parry level trade stream defeat',
  ),
  field(
    'music',
    'chat',
    'chord melody rhythm vinyl concert guitar tempo chorus playlist synthesizer octave lyric drummer album harmony festival violin piano encore soundtrack',
    'strum compose remix tune improvise sample record',
  ),
  field(
    'parenting',
    'chat',
    'toddler nursery homework bedtime tantrum allowance playground stroller sibling teacher birthday lunchbox kindergarten pacifier chore tutor curfew daycare storybook crayon',
    'soothe encourage praise tidy share discipline listen',
  ),
  field(
    'rubrics',
    'grading',
    'rubric criterion response score feedback coherence relevance accuracy helpfulness verdict preference candidate rating reference justification weakness strength tone factuality depth',
    'grade rank compare justify penalise reward assess',
  ),
  field(
    'news',
    'translation',
    'parliament election drought minister summit harvest budget railway strike refugee festival earthquake inflation embassy coalition senate pipeline ceasefire tariff referendum',
    'announce negotiate protest resign ratify approve condemn',
  ),
  field(
    'manuals',
    'translation',
    'warranty battery cable indicator cartridge valve gasket bracket filter manual switch fuse connector tray hopper nozzle lid adapter sensor knob',
    'insert tighten remove press rinse align attach',
  ),
];

const ONSETS = words('b br c cl d dr f fl g gr h j k kr l m n p pl qu r s sk st t tr v w z');
const VOWELS = words('a e i o u ai ea ou io');
const CODAS = words('n r l x m th sk nd rt v p t ss');

/** A made-up name for somebody's own project, product or person. */
export function coin(pick: <T>(list: readonly T[]) => T, syllables: number): string {
  let out = '';
  for (let i = 0; i < syllables; i++) out += pick(ONSETS) + pick(VOWELS);
  return out + pick(CODAS);
}
