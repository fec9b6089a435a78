import type { Actor, Turn } from './honest.ts';
import { address, builder, DAY, HOUR, type Persona, persona, reseller, type Scene } from './persona.ts';
import { type Item, interests, type TextSource } from './texts.ts';
import { reworded, scaffold, tongue } from './voice.ts';

/** The evasion ladder, lowest rung first. */
export const RUNGS = [
  'single',
  'sharded',
  'residential',
  'slow',
  'paraphrase',
  'replay',
  'reseller15',
  'reseller5',
  'pivot',
  'pools',
  'relay',
] as const;
export type Rung = (typeof RUNGS)[number];

interface Plan {
  readonly s: Scene;
  readonly t: TextSource;
  readonly id: string;
  readonly accounts: number;
}

/** One shuffled pool, dealt out in order: no item goes to two accounts. */
function deck(p: Plan, expected: number): () => Item {
  const items = p.s.random.shuffle(p.t.pool(Math.ceil(expected), p.s.random));
  let at = 0;
  return () => items[at++ % items.length] as Item;
}

type Placed = (text: string) => Pick<Turn, 'text' | 'system'>;

/** The fixed instruction stands in one place through a campaign: before, after, or as the system text. */
function placed(p: Plan): Placed {
  const line = scaffold(p.s.random);
  const where = p.s.random.int(0, 3);
  return (text) => (where === 0 ? { text: `${line}\n${text}` } : where === 1 ? { text: `${text}\n${line}` } : { text, system: line });
}

const member = (p: Plan, cls: string, who: Persona, next: Actor['next'], at?: Actor['address']): Actor => ({
  persona: who,
  cls,
  campaign: p.id,
  next,
  ...(at ? { address: at } : {}),
});

function expected(p: Plan, perDay: number): number {
  return p.accounts * p.s.days * perDay * 1.2;
}

function crew(
  p: Plan,
  kind: string,
  perDay: number,
  wish: (i: number) => Parameters<typeof builder>[1],
  turn: (item: Item) => Turn,
): Actor[] {
  const draw = deck(p, expected(p, perDay));
  return Array.from({ length: p.accounts }, (_, i) => member(p, kind, builder(p.s, wish(i)), () => turn(draw())));
}

export function campaign(rung: Rung, s: Scene, t: TextSource, id: string, accounts: number): Actor[] {
  const p: Plan = { s, t, id, accounts };
  const r = s.random;
  const start = s.start + r.int(0, Math.max(1, Math.floor(s.days / 4))) * DAY;
  switch (rung) {
    case 'single': {
      const put = placed(p);
      return crew(
        p,
        rung,
        900,
        () => ({ rhythm: 'flat', perDay: 860, from: start }),
        (x) => ({ ...x, ...put(x.text), taken: true }),
      );
    }
    case 'sharded': {
      const put = placed(p);
      const nets = Array.from({ length: 5 }, () => address(r));
      const born = start - 4 * DAY;
      return crew(
        p,
        rung,
        60,
        () => ({
          rhythm: 'flat',
          perDay: r.lognormal(55, 0.1),
          addresses: [r.pick(nets), r.pick(nets)],
          from: start,
          params: { temperature: 0.7, max_tokens: 4096 },
          record: { created: new Date(born + r.unit() * 3 * DAY).toISOString() },
        }),
        (x) => ({ ...x, ...put(x.text), taken: true }),
      );
    }
    case 'residential':
      return residential(p, start);
    case 'slow': {
      const put = placed(p);
      return crew(
        p,
        rung,
        26,
        () => ({ rhythm: 'human', perDay: r.lognormal(26, 0.4), from: start, addresses: Array.from({ length: 6 }, () => address(r)) }),
        (x) => ({ ...x, ...put(x.text), taken: true }),
      );
    }
    case 'paraphrase': {
      const dressed = (text: string): Pick<Turn, 'text' | 'system'> =>
        r.chance(0.6) ? { text, system: reworded(r) } : { text: r.chance(0.5) ? `${reworded(r)} ${text}` : `${text} ${reworded(r)}` };
      return crew(
        p,
        rung,
        26,
        () => ({ perDay: r.lognormal(26, 0.4), from: start, addresses: Array.from({ length: 6 }, () => address(r)) }),
        // Before, after, or as the system text: longer requests than a developer's would give it away.
        (x) => ({ ...x, ...dressed(x.text), taken: true }),
      );
    }
    case 'replay': {
      // Whole sessions of a developer's kind, each replayed in another language: the turns of one session stay together.
      const draw = deck(p, expected(p, 60));
      return Array.from({ length: accounts }, () => {
        // Developers put more or less into a turn, and more or fewer turns into a session; a session that is replayed is one of theirs.
        const turns = r.lognormal(4, 0.35);
        const who = persona(s, { perDay: r.lognormal(14, 0.8), turns, from: start });
        const length = r.lognormal(117, 0.4);
        return member(p, rung, who, () => {
          const language = r.int(1, 7);
          const followUps: string[] = [];
          const turn = (first: Item) => {
            let text = first.text;
            while (text.length < 0.7 * length) text = `${text} ${draw().text}`;
            const end = text.lastIndexOf(';', 1.3 * length);
            return tongue(text.length > 1.5 * length && end > 0.5 * length ? text.slice(0, end) : text, language);
          };
          while (r.chance(1 - 1 / turns) && followUps.length < 12) followUps.push(turn(draw()));
          const x = draw();
          return { ...x, text: turn(x), followUps, taken: true };
        });
      });
    }
    case 'reseller15':
      return resold(p, rung, 0.15);
    case 'reseller5':
      return resold(p, rung, 0.05);
    case 'pools':
      return pools(p, start);
    case 'relay':
      return relay(p, start);
    case 'pivot': {
      const put = placed(p);
      const release = s.start + Math.floor(s.days * 0.6) * DAY;
      const draw = deck(p, expected(p, 30));
      return Array.from({ length: accounts }, () => {
        const before = r.pick([...s.models, s.models[0] as string]);
        const who = builder(s, { perDay: r.lognormal(26, 0.4), from: start, model: before });
        return member(p, rung, who, (_n, at) => {
          const x = draw();
          return {
            ...x,
            ...put(x.text),
            taken: true,
            model: at > release && r.chance(0.5 + Math.min(0.45, (at - release) / (2 * DAY))) ? 'atlas-next' : before,
          };
        });
      });
    }
  }
}

/** Groups of workers with a pool and an instruction each, round the clock: what ties them is a card for a handful and one panel of addresses, across the groups. */
function pools(p: Plan, start: number): Actor[] {
  const r = p.s.random;
  const groups = Array.from({ length: Math.max(2, Math.min(4, Math.floor(p.accounts / 15))) }, () => ({
    put: placed(p),
    draw: deck(p, expected(p, 30)),
  }));
  const panel = Array.from({ length: Math.ceil(1.5 * p.accounts) }, () => address(r));
  let card = '';
  return Array.from({ length: p.accounts }, (_, i) => {
    if (i % 6 === 0) card = `card-${r.hex(12)}`;
    const { put, draw } = groups[i % groups.length] as (typeof groups)[number];
    const who = builder(p.s, { rhythm: 'flat', perDay: r.lognormal(30, 0.3), from: start, record: { payment: card } });
    const next = (): Turn => {
      const x = draw();
      return { ...x, ...put(x.text), taken: true };
    };
    return member(p, 'pools', who, next, () => r.pick(panel));
  });
}

/** Conversations of several turns through a pool of accounts that takes another with each request; nothing else is shared, and each is asked in words of its own. */
function relay(p: Plan, start: number): Actor[] {
  const r = p.s.random;
  const draw = deck(p, expected(p, 40));
  const crew = Array.from({ length: p.accounts }, () =>
    builder(p.s, { perDay: r.lognormal(9, 0.4), from: start, addresses: Array.from({ length: 4 }, () => address(r)) }),
  );
  return crew.map((who) => ({
    ...member(p, 'relay', who, () => {
      const followUps: string[] = [];
      while (r.chance(0.7) && followUps.length < 8) followUps.push(`${reworded(r)} ${draw().text}`);
      const x = draw();
      return { ...x, text: r.chance(0.5) ? `${reworded(r)} ${x.text}` : `${x.text} ${reworded(r)}`, followUps, taken: true };
    }),
    through: () => r.pick(crew),
  }));
}

/** Rotating home addresses, a third of cover traffic, and a second crew that takes over within the hour of a ban. */
function residential(p: Plan, start: number): Actor[] {
  const { s, t } = p;
  const r = s.random;
  const put = placed(p);
  const draw = deck(p, expected(p, 40));
  const ban = s.start + Math.floor(s.days * 0.6) * DAY + r.int(0, 20) * HOUR;
  const exits = Array.from({ length: p.accounts * 8 }, () => address(r));
  const actors: Actor[] = [];
  const hire = (from: number, to: number, record: Record<string, unknown>) => {
    const who = builder(s, { perDay: r.lognormal(28, 0.4), from, to, record });
    const cover = interests(r, 0.2);
    actors.push(
      member(
        p,
        'residential',
        who,
        () => {
          if (r.chance(0.33)) return t.honest(cover, r);
          const x = draw();
          return { ...x, ...put(x.text), taken: true };
        },
        () => r.pick(exits),
      ),
    );
  };
  for (let i = 0; i < p.accounts; i++) {
    if (i % 3 === 0) {
      hire(start, ban, { closed: new Date(ban).toISOString(), closed_reason: 'banned' });
      continue;
    }
    // Who takes over was bought long before: as old as other accounts are.
    if (i % 3 === 1) hire(ban + r.unit() * 50 * 60_000, s.start + s.days * DAY, {});
    else hire(start, s.start + s.days * DAY, {});
  }
  return actors;
}

/** A campaign that rides inside resellers whose other customers are innocent. */
function resold(p: Plan, rung: Rung, share: number): Actor[] {
  const { s, t } = p;
  const r = s.random;
  const put = placed(p);
  const draw = deck(p, expected(p, 120 * share));
  return Array.from({ length: p.accounts }, () => {
    const users = Array.from({ length: 30 }, () => ({ id: r.hex(8), who: interests(r, 0.2) }));
    const who = reseller(s);
    return member(p, rung, who, () => {
      const u = r.pick(users);
      if (!r.chance(share)) return { ...t.honest(u.who, r), endUser: u.id, channel: 'reseller' };
      const x = draw();
      return { ...x, ...put(x.text), taken: true, endUser: u.id, channel: 'reseller' };
    });
  });
}
