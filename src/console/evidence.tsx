import { useState } from 'preact/hooks';
import type { Evidence, Exemplar } from '../model/dossier.ts';
import { day, plain } from './bits.tsx';

/** The honest reference as a strip: its 5 to 95 % range, its median, and the cohort's figure marked on it. */
function Reference({ e }: { e: Evidence }) {
  const { low, high, median, from } = e.reference;
  if (e.figure === null || low === null || high === null)
    return <p class="quiet">{from ? `Reference: ${from}.` : 'This test has no reference distribution here.'}</p>;
  const values = (e.reference.values ?? []).filter(Number.isFinite);
  const all = [low, high, e.figure, median ?? low, ...values];
  const [a, b] = [Math.min(...all), Math.max(...all)];
  const x = (v: number) => 8 + (284 * (v - a)) / (b - a || 1);
  return (
    <figure>
      <svg
        class="strip"
        viewBox="0 0 300 40"
        role="img"
        aria-label={`cohort ${e.figure.toPrecision(3)}, honest cohorts ${low.toPrecision(3)} to ${high.toPrecision(3)}`}
      >
        <line class="axis" x1="8" x2="292" y1="24" y2="24" />
        <rect class="range" x={x(low)} width={Math.max(2, x(high) - x(low))} y="16" height="16" />
        {values.slice(0, 400).map((v, i) => (
          <line key={i} class="tick" x1={x(v)} x2={x(v)} y1="19" y2="29" />
        ))}
        {median !== null && <line class="median" x1={x(median)} x2={x(median)} y1="13" y2="35" />}
        <path class="mark" d={`M ${x(e.figure)} 12 l -5 -10 h 10 z`} />
      </svg>
      <figcaption>
        This cohort {e.figure.toPrecision(3)}
        {e.unit ? ` ${e.unit}` : ''}; honest: 5 % {low.toPrecision(3)}, median {median?.toPrecision(3) ?? '-'}, 95 % {high.toPrecision(3)}
        {from ? ` (${plain(from)})` : ''}.
      </figcaption>
    </figure>
  );
}

export function Exemplars({
  list,
  texts,
  reveal,
}: {
  list: readonly Exemplar[];
  texts: Readonly<Record<string, string>> | null;
  reveal: (() => void) | null;
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
      </p>
      <ul>
        {list.map((x) => (
          <li key={x.exchange}>
            <code>{plain(x.exchange)}</code> {plain(x.account)}, {day(x.time)}
            {texts && <pre>{texts[x.exchange] === undefined ? 'no text is kept of this exchange' : plain(texts[x.exchange] ?? '')}</pre>}
          </li>
        ))}
      </ul>
    </div>
  );
}

const AXES = ['coordination', 'extraction', 'concealment'] as const;

/** One bar a test, in bits, from the prior to the sum: what speaks for it to the right, what speaks against it to the left. */
export function Waterfall({
  evidence,
  axes,
  texts,
  reveal,
}: {
  evidence: readonly Evidence[];
  axes: Readonly<Record<(typeof AXES)[number], number>>;
  texts: Readonly<Record<string, string>> | null;
  reveal: (() => void) | null;
}) {
  const [open, setOpen] = useState<string>('');
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
              {axis}: {sum.toFixed(1)} bits = {axes[axis].toFixed(3)}
              {axis === 'concealment' && <small> enters no confidence</small>}
            </h3>
            <ol class="waterfall">
              {bars.map(({ e, from, to }) => {
                const id = `${axis}-${e.signal}`;
                return (
                  <li key={id} class={e.outcome.replaceAll(' ', '-')}>
                    <button type="button" class="plain row" aria-expanded={open === id} onClick={() => setOpen(open === id ? '' : id)}>
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
                      <span class="bits">{`${e.bits > 0 ? '+' : ''}${e.bits.toFixed(1)}`}</span>
                      <span class="reason">{plain(e.reason)}</span>
                    </button>
                    {open === id && (
                      <div class="detail">
                        <p>
                          {e.kind === 'fact' ? 'A fact' : 'An inference'}, family {e.family}, {e.outcome}.
                        </p>
                        <Reference e={e} />
                        <Exemplars list={e.exemplars} texts={texts} reveal={reveal} />
                      </div>
                    )}
                  </li>
                );
              })}
            </ol>
          </section>
        );
      })}
    </>
  );
}
