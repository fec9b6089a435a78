import { coin } from './lexicon.ts';
import { address, builder, DAY, type Persona, persona, reseller, type Scene } from './persona.ts';
import { type Item, interests, type TextSource } from './texts.ts';
import { product } from './voice.ts';

/** What one simulated account will send. `next` gives the request text of its n-th conversation. */
export interface Actor {
  readonly persona: Persona;
  readonly cls: string;
  readonly campaign?: string;
  next(n: number, time: number): Turn | null;
  address?(time: number): string;
  /** Through whose account a later turn of a conversation goes, where not through its own. */
  through?(turn: number): Persona;
}

export interface Turn extends Item {
  readonly system?: string;
  readonly endUser?: string;
  readonly model?: string;
  /** Marks the exchanges that are truly part of a campaign. */
  readonly taken?: boolean;
  readonly outTokens?: number;
  readonly channel?: string;
  readonly followUps?: readonly string[];
}

type Maker = (s: Scene, t: TextSource, group: number) => Actor[];

const plain = (s: Scene, t: TextSource, p: Persona, cls: string, system?: string, wrap?: (x: string) => string): Actor => ({
  persona: p,
  cls,
  next: () => {
    const item = t.honest(p.interests, s.random);
    return { ...item, text: wrap ? wrap(item.text) : item.text, ...(system ? { system } : {}) };
  },
});

/** A small product's own instruction: as system text, before or after the input, and of any length, as campaigns' are. */
function productOf(s: Scene): { system?: string; wrap?: (x: string) => string } {
  const line = product(s.random, s.random.int(1, 5));
  const where = s.random.int(0, 3);
  return where === 0 ? { system: line } : { wrap: (x) => (where === 1 ? `${line}\n${x}` : `${x}\n${line}`) };
}

const made = (s: Scene, t: TextSource, p: Persona, cls: string): Actor => {
  const { system, wrap } = productOf(s);
  return plain(s, t, p, cls, system, wrap);
};

/** Public things that many strangers use: the same in every group. */
const COMMON = {
  agent: (tool: number) =>
    `You are a coding agent running in the terminal of the user. Follow revision ${tool} of the field guide. Read files before you edit them. Keep changes small and run the tests. Never push without being asked. Use the todo list for work of more than three steps.`,
  slash: [
    '/review look at the staged diff and list defects by severity with file and line, then propose the smallest repair for each of them',
    '/plan break the task into steps that can each be verified and mark the ones that may run side by side',
    '/ship write the commit message in the imperative mood and summarise what a reviewer should look at first',
  ],
  harness: (b: string) => `The following is a problem from the ${b} suite. Solve it and put the final answer after four hashes.`,
  judge:
    'Act as an impartial judge and compare the two replies below for accuracy, depth and clarity. Output a score from one to ten for each of them.',
  translate: 'Translate the following passage and keep names, numbers and line breaks as they are.',
  viral: 'Describe me as a garden in winter based on everything you know and be brutally poetic about the weeds',
};

export const HONEST: Readonly<Record<string, { readonly weight: number; readonly size: number; readonly make: Maker }>> = {
  casual: { weight: 40, size: 1, make: (s, t) => [plain(s, t, persona(s, { breadth: 0.2 }), 'casual')] },
  developer: {
    weight: 14,
    size: 1,
    make: (s, t) => [
      plain(s, t, persona(s, { perDay: s.random.lognormal(14, 0.8), turns: s.random.lognormal(4, 0.35), breadth: 0.08 }), 'developer'),
    ],
  },
  builder: {
    weight: 14,
    size: 1,
    make: (s, t) => [made(s, t, builder(s), 'builder')],
  },
  automation: {
    weight: 5,
    size: 1,
    make: (s, t) => [
      plain(
        s,
        t,
        builder(s, { rhythm: 'flat', perDay: s.random.lognormal(50, 0.6), breadth: 0.03, outTokens: s.random.lognormal(90, 0.6) }),
        'automation',
        product(s.random, 3),
      ),
    ],
  },
  batch: {
    weight: 3,
    size: 1,
    make: (s, t) => [
      plain(s, t, builder(s, { rhythm: 'burst', perDay: s.random.lognormal(60, 0.6), breadth: 0.03 }), 'batch', product(s.random, 2)),
    ],
  },
  agent: {
    weight: 9,
    size: 12,
    make: (s, t, g) => {
      const system = COMMON.agent(1 + (g % 3));
      return Array.from({ length: 12 }, () => {
        const p = persona(s, {
          perDay: s.random.lognormal(18, 0.8),
          turns: s.random.lognormal(5, 0.35),
          breadth: 0.05,
          userAgent: `term-agent/${1 + (g % 3)}`,
        });
        return plain(s, t, p, 'agent', system, (x) => (s.random.chance(0.2) ? `${s.random.pick(COMMON.slash)}\n${x}` : x));
      });
    },
  },
  harness: {
    weight: 4,
    size: 8,
    make: (s, t, g) => {
      const name = ['alpha', 'bravo', 'carbon'][g % 3] as string;
      const items = t.benchmark(name, 160);
      return Array.from({ length: 8 }, () => {
        const p = builder(s, { rhythm: 'burst', perDay: 40, params: { temperature: 0, max_tokens: 1024 } });
        const order = s.random.shuffle(items.map((_, i) => i));
        return {
          persona: p,
          cls: 'harness',
          next: (n: number) => {
            const item = items[order[n % order.length] as number] as Item;
            return { ...item, text: `${COMMON.harness(name)}\n\n${item.text}` };
          },
        };
      });
    },
  },
  judge: {
    weight: 2,
    size: 4,
    make: (s, t) =>
      Array.from({ length: 4 }, () =>
        plain(
          s,
          t,
          builder(s, { rhythm: 'burst', perDay: 35, outTokens: 160 }),
          'judge',
          undefined,
          (x) => `${COMMON.judge}\n\n[Question]\n${x}\n\n[Reply A]\n${x.split(' ').reverse().join(' ')}`,
        ),
      ),
  },
  translation: {
    weight: 2,
    size: 4,
    make: (s, t) =>
      Array.from({ length: 4 }, () =>
        plain(
          s,
          t,
          builder(s, { perDay: 45, outTokens: 120, breadth: 0.04 }),
          'translation',
          undefined,
          (x) => `${COMMON.translate}\n\n${x}`,
        ),
      ),
  },
  classroom: {
    weight: 4,
    size: 24,
    make: (s, t) => {
      const nat = address(s.random);
      const shared = interests(s.random, 0.03);
      const tasks = Array.from({ length: 12 }, () => t.honest(shared, s.random));
      const from = s.start + s.random.int(0, 3) * DAY;
      return Array.from({ length: 24 }, () => {
        const p = persona(s, {
          perDay: 9,
          turns: 3,
          addresses: [nat, address(s.random)],
          from,
          record: { email_domain: 'campus.example', tier: 'free' },
        });
        const a = plain(s, t, p, 'classroom');
        return { ...a, next: (n: number, at: number) => (s.random.chance(0.5) ? s.random.pick(tasks) : a.next(n, at)) };
      });
    },
  },
  company: {
    weight: 5,
    size: 18,
    make: (s, t) => {
      const domain = `${coin((l) => s.random.pick(l), 2)}.example`;
      const nat = address(s.random);
      const system = product(s.random, 5);
      const payment = `card-${s.random.hex(12)}`;
      return Array.from({ length: 18 }, () => {
        const p = persona(s, {
          rhythm: 'office',
          perDay: s.random.lognormal(12, 0.6),
          addresses: [nat],
          record: { email_domain: domain, payment, organization: domain, verification: 'business', tier: 'scale' },
        });
        return plain(s, t, p, 'company', system);
      });
    },
  },
  pipeline: {
    weight: 2,
    size: 10,
    make: (s, t) => {
      const org = `${coin((l) => s.random.pick(l), 2)}.example`;
      const shared = interests(s.random, 0.03);
      const system = product(s.random, 3);
      const nat = address(s.random);
      return Array.from({ length: 10 }, () =>
        plain(
          s,
          t,
          builder(s, {
            rhythm: 'flat',
            perDay: 45,
            outTokens: 40,
            interests: shared,
            addresses: [nat],
            record: { organization: org, email_domain: org, verification: 'business', tier: 'scale' },
          }),
          'pipeline',
          system,
        ),
      );
    },
  },
  reseller: {
    weight: 2,
    size: 6,
    make: (s, t) => {
      const nat = [address(s.random), address(s.random)];
      const users = Array.from({ length: 60 }, () => ({ id: s.random.hex(8), who: interests(s.random, 0.2) }));
      return Array.from({ length: 6 }, () => {
        const p = reseller(s, { addresses: nat });
        return {
          persona: p,
          cls: 'reseller',
          next: () => {
            const u = s.random.pick(users);
            return { ...t.honest(u.who, s.random), endUser: u.id, channel: 'reseller' };
          },
        };
      });
    },
  },
  licensed: {
    weight: 1,
    size: 6,
    make: (s, t) => {
      const pool = t.pool(2500, s.random);
      let at = 0;
      const org = `${coin((l) => s.random.pick(l), 2)}.example`;
      return Array.from({ length: 6 }, () => {
        const p = builder(s, {
          rhythm: 'flat',
          perDay: 30,
          record: { organization: org, email_domain: org, verification: 'business', labels: ['approved:synthetic-data'] },
        });
        return { persona: p, cls: 'licensed', next: () => pool[at++ % pool.length] as Item };
      });
    },
  },
  vpn: {
    weight: 3,
    size: 10,
    make: (s, t) =>
      Array.from({ length: 10 }, () => plain(s, t, persona(s, { addresses: [s.random.pick(s.vpn), s.random.pick(s.vpn)] }), 'vpn')),
  },
  /** Freelancers of one platform: tasks from one queue, one brief that all paste, accounts, addresses and hours of their own. */
  queue: {
    weight: 3,
    size: 25,
    make: (s, t) => {
      const tasks = t.pool(4000, s.random);
      const brief = product(s.random, 3);
      let at = 0;
      return Array.from({ length: 25 }, () => ({
        persona: persona(s, { perDay: s.random.lognormal(9, 0.35), turns: 1, outTokens: s.random.lognormal(420, 0.3) }),
        cls: 'queue',
        next: () => {
          const task = tasks[at++ % tasks.length] as Item;
          return { ...task, text: `${brief}\n${task.text}` };
        },
      }));
    },
  },
  viral: {
    weight: 3,
    size: 20,
    make: (s, t) => {
      const peak = s.start + (2 + s.random.unit() * (s.days - 4)) * DAY;
      return Array.from({ length: 20 }, () => {
        const a = plain(s, t, persona(s, { breadth: 0.2 }), 'viral');
        return {
          ...a,
          next: (n: number, at: number) =>
            Math.abs(at - peak) < 2 * DAY && s.random.chance(0.3) ? { text: COMMON.viral, capability: 'chat' } : a.next(n, at),
        };
      });
    },
  },
  hackathon: {
    weight: 3,
    size: 20,
    make: (s, t) => {
      const from = s.start + s.random.int(1, Math.max(2, s.days - 4)) * DAY;
      const nat = address(s.random);
      return Array.from({ length: 20 }, () =>
        plain(
          s,
          t,
          persona(s, {
            from,
            to: from + 2.5 * DAY,
            perDay: 40,
            turns: 3,
            breadth: 0.06,
            addresses: [nat],
            record: { created: new Date(from - s.random.unit() * DAY).toISOString(), tier: 'free' },
          }),
          'hackathon',
        ),
      );
    },
  },
};
