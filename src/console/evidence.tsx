import { useEffect, useRef } from 'preact/hooks';
import type { Quotes } from '../model/desk.ts';
import type { Evidence, Exemplar } from '../model/dossier.ts';
import { day, Export, go, Link, measured, odds, plain, prose, short, signed, useAddress } from './bits.tsx';

const HEAPS = 36;

/** How many of some values fall into each of a row of bins, the fullest as 1. */
function heaps(values: readonly number[], from: number, to: number): [number, number][] {
  const n = new Map<number, number>();
  for (const v of values) {
    const i = Math.min(HEAPS - 1, Math.max(0, Math.floor((HEAPS * (v - from)) / (to - from || 1))));
    n.set(i, (n.get(i) ?? 0) + 1);
  }
  const most = Math.max(1, ...n.values());
  return [...n].map(([i, k]) => [i, Math.sqrt(k / most)]);
}

/** The honest reference as a strip: how honest cohorts are spread, their 5 to 95 % range, their median, and the figure marked on it. Several figures share one scale, so that they can be compared. */
export function Strip({ e, with: others = [], wide = true }: { e: Evidence; with?: readonly Evidence[]; wide?: boolean }) {
  const { low, high, median } = e.reference;
  if (e.figure === null || low === null || high === null) return null;
  const values = (e.reference.values ?? []).filter(Number.isFinite);
  const all = [e, ...others]
    .flatMap((x) => [x.figure, x.reference.low, x.reference.high].filter((v): v is number => v !== null))
    .concat(values);
  const [a, b] = [Math.min(...all), Math.max(...all)];
  const x = (v: number) => 8 + (284 * (v - a)) / (b - a || 1);
  return (
    <svg
      class={wide ? 'strip' : 'strip small'}
      viewBox="0 0 300 52"
      role="img"
      aria-label={`cohort ${short(e.figure, e.unit)}, honest cohorts ${short(low, e.unit)} to ${short(high, e.unit)}`}
    >
      <line class="axis" x1="8" x2="292" y1="24" y2="24" />
      <rect class="range" x={x(low)} width={Math.max(2, x(high) - x(low))} y="16" height="16" />
      {heaps(values, a, b).map(([at, part]) => (
        <rect key={at} class="heap" x={8 + (284 * at) / HEAPS} width={284 / HEAPS - 0.6} y={24 - 14 * part} height={14 * part} />
      ))}
      {median !== null && <line class="median" x1={x(median)} x2={x(median)} y1="13" y2="35" />}
      <path class="mark" d={`M ${x(e.figure)} 12 l -5 -10 h 10 z`} />
      <text x="8" y="48">
        {short(a, e.unit)}
      </text>
      <text x="292" y="48" text-anchor="end">
        {short(b, e.unit)}
      </text>
    </svg>
  );
}

function Reference({ e }: { e: Evidence }) {
  const { low, high, median, from } = e.reference;
  if (e.figure === null || low === null || high === null)
    return (
      <p class="quiet">
        {e.figure === null ? '' : `This cohort ${measured(e.figure, e.unit)}. `}
        {e.figure !== null && from && from !== 'prior'
          ? 'No honest cohort of this store shows the like at all, so there is no distribution to draw: the bits rest on the prior of the test.'
          : e.outcome === 'not applicable'
            ? 'The test could not speak here, for the reason above: there is no figure to hold against anything.'
            : 'A prior, or a reason without a figure: there is no distribution to hold it against.'}
      </p>
    );
  return (
    <figure>
      <Strip e={e} />
      <figcaption>
        This cohort {measured(e.figure, e.unit)} (triangle). Of honest cohorts one in twenty lies below {short(low, e.unit)}, half below{' '}
        {median === null ? '-' : short(median, e.unit)}, and one in twenty above {short(high, e.unit)}
        {from
          ? ` (${(e.reference.values ?? []).length > 0 ? `${(e.reference.values ?? []).length} ` : ''}${plain(from)}; the higher a bar, the more of them)`
          : ''}
        .
      </figcaption>
    </figure>
  );
}

function Quote({ of: q }: { of: Quotes['texts'][number] | undefined }) {
  if (!q) return <pre>no text is kept of this exchange</pre>;
  return (
    <>
      {q.system && (
        <>
          <span class="quiet">system text</span>
          <pre>{prose(q.system)}</pre>
          <span class="quiet">user</span>
        </>
      )}
      <pre>{prose(q.text)}</pre>
    </>
  );
}

/** An exemplar as it is shown: its text where it was revealed, for the reason that was given. */
function exemplarRow({ exchange, account, time }: Exemplar, texts: Quotes | null): Record<string, unknown> {
  const q = texts?.texts.find((x) => x.exchange === exchange && x.account === account);
  return { exchange, account, time, ...(texts ? { system: q?.system ?? '', text: q?.text ?? '' } : {}) };
}

function Exemplars({
  list,
  texts,
  reveal,
  hide,
}: {
  list: readonly Exemplar[];
  texts: Quotes | null;
  reveal: (() => void) | null;
  hide: () => void;
}) {
  if (list.length === 0) return null;
  return (
    <div class="exemplars">
      <p>
        Rests on, among others:{' '}
        {!texts && reveal && (
          <button type="button" onClick={reveal}>
            Show texts (asks for a reason, which is logged)
          </button>
        )}
        {texts && (
          <button type="button" onClick={hide}>
            Hide texts
          </button>
        )}{' '}
        <Export name="exemplars" rows={() => list.map((x) => exemplarRow(x, texts))} />
      </p>
      <ul>
        {list.map((x) => (
          <li key={x.exchange}>
            <code>{plain(x.exchange)}</code> <Link to={{ account: x.account }}>{plain(x.account)}</Link>, {day(x.time)}
            {texts && <Quote of={texts.texts.find((q) => q.exchange === x.exchange && q.account === x.account)} />}
          </li>
        ))}
      </ul>
    </div>
  );
}

const AXES = ['coordination', 'extraction', 'concealment'] as const;

/** One bar a test, in bits, from the prior to the sum: what speaks for it to the right, what speaks against it to the left. Which bar stands open is in the address. */
export function Waterfall({
  evidence,
  axes,
  texts,
  reveal,
  hide,
}: {
  evidence: readonly Evidence[];
  axes: Readonly<Record<(typeof AXES)[number], number>>;
  texts: Quotes | null;
  reveal: (() => void) | null;
  hide: () => void;
}) {
  const open = useAddress().get('bar') ?? '';
  // A link to an open bar leads to it.
  const led = useRef(false);
  useEffect(() => {
    if (!led.current && open) document.getElementById(`bar-${open}`)?.scrollIntoView({ block: 'center' });
    led.current = true;
  }, []);
  return (
    <>
      {AXES.map((axis) => {
        const rows = evidence.filter((e) => e.axis === axis);
        if (rows.length === 0) return null;
        let sum = 0;
        const bars = rows.map((e) => {
          const from = sum;
          sum += e.bits;
          return { e, from, to: sum };
        });
        const low = Math.min(0, ...bars.map((b) => Math.min(b.from, b.to)));
        const high = Math.max(0, ...bars.map((b) => Math.max(b.from, b.to)));
        const x = (v: number) => (200 * (v - low)) / (high - low || 1);
        return (
          <section key={axis} class="axis-block" aria-label={axis}>
            <h3>
              {axis}: {sum.toFixed(2)} bits, probability {odds(axes[axis])}
              {axis === 'concealment' && <small> enters no confidence</small>}
            </h3>
            <p class="row scale" aria-hidden="true">
              <span class="name">test</span>
              <span class="ends">
                <span>{low.toFixed(0)} bits</span>
                <span>{high.toFixed(0)} bits</span>
              </span>
              <span class="bits">bits</span>
              <span class="reason">why</span>
            </p>
            <ol class="waterfall">
              {bars.map(({ e, from, to }) => {
                const id = `${axis}-${e.signal}`;
                return (
                  <li key={id} id={`bar-${id}`} class={e.outcome.replaceAll(' ', '-')}>
                    <button
                      type="button"
                      class="plain row"
                      aria-expanded={open === id}
                      onClick={() => go({ bar: open === id ? null : id })}
                    >
                      <span class="name">{e.signal}</span>
                      <svg viewBox="0 0 200 12" preserveAspectRatio="none" aria-hidden="true">
                        <line class="zero" x1={x(0)} x2={x(0)} y1="0" y2="12" />
                        <rect
                          class={e.bits >= 0 ? 'for' : 'against'}
                          x={Math.min(x(from), x(to))}
                          width={Math.max(0.8, Math.abs(x(to) - x(from)))}
                          y="2"
                          height="8"
                        />
                      </svg>
                      <span class="bits">{signed(e.bits)}</span>
                      <span class="reason">{plain(e.reason)}</span>
                    </button>
                    {open === id && (
                      <div class="detail">
                        <p>
                          {e.kind === 'fact' ? 'A fact' : 'An inference'}, family {e.family}, {e.outcome}.{' '}
                          <Link to={{ signal: e.signal }}>What this row measures and cannot see</Link>
                        </p>
                        <Reference e={e} />
                        <Exemplars list={e.exemplars} texts={texts} reveal={reveal} hide={hide} />
                      </div>
                    )}
                  </li>
                );
              })}
              <li>
                <p class="row total">
                  <span class="name">sum</span>
                  <svg viewBox="0 0 200 12" preserveAspectRatio="none" aria-hidden="true">
                    <line class="zero" x1={x(0)} x2={x(0)} y1="0" y2="12" />
                    <rect
                      class={sum >= 0 ? 'for' : 'against'}
                      x={Math.min(x(0), x(sum))}
                      width={Math.max(0.8, Math.abs(x(sum) - x(0)))}
                      y="2"
                      height="8"
                    />
                  </svg>
                  <span class="bits">{signed(sum)}</span>
                  <span class="reason">probability {odds(axes[axis])}</span>
                </p>
              </li>
            </ol>
          </section>
        );
      })}
    </>
  );
}
