import { useState } from 'preact/hooks';
import { count, Export, Fold, go, Meter, modelsOf, Numbers, percent, plain, prose, useAddress } from './bits.tsx';
import type { Dossier, Finding, Quotes } from './types.ts';

const W = 720;
const H = 150;
const LEFT = 56;
const TOP = 16;

/** Round numbers up to `most`, for an axis. */
function ticks(most: number): number[] {
  const step = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  const by = most / step >= 5 ? step * 2 : most / step >= 2 ? step : step / 2;
  return Array.from({ length: Math.floor(most / by) + 1 }, (_, i) => i * by).filter((t) => Number.isInteger(t));
}

/** Exchanges a day as bars, active accounts as a line, joins, closures and model releases as marks; the same numbers as a table below. */
export function Timeline({ f, releases }: { f: Pick<Finding, 'timeline' | 'id'>; releases: Dossier['releases'] }) {
  // Which days are shown is in the address.
  const [from = '', to = ''] = (useAddress().get('span') ?? '').split('_');
  const [over, point] = useState<number | null>(null);
  const [drawn, draw] = useState<number | null>(null);
  const days = f.timeline.filter((d) => (from === '' || d.day >= from) && (to === '' || d.day <= to));
  const ends = [f.timeline[0]?.day ?? '', f.timeline.at(-1)?.day ?? ''];
  const span = (a: string, b: string): void => {
    const [x, y] = a <= b ? [a, b] : [b, a];
    go({ span: x <= (ends[0] ?? '') && y >= (ends[1] ?? '') ? null : `${x}_${y}` }, 'replace');
  };
  if (f.timeline.length === 0) return <p class="quiet">No day of it is in the store.</p>;
  if (days.length === 0)
    return (
      <p class="quiet">
        Nothing between {plain(from)} and {plain(to)}.{' '}
        <button type="button" onClick={() => go({ span: null }, 'replace')}>
          The whole time
        </button>
      </p>
    );
  const most = Math.max(1, ...days.map((d) => d.exchanges));
  const accounts = Math.max(1, ...days.map((d) => d.accounts));
  const step = (W - LEFT - 50) / days.length;
  const x = (i: number) => LEFT + (i + 0.5) * step;
  const y = (v: number, of: number) => TOP + H * (1 - v / of);
  /** The day at a place of the picture. */
  const dayAt = (e: MouseEvent & { currentTarget: SVGSVGElement }): number => {
    const box = e.currentTarget.getBoundingClientRect();
    const scale = Math.min(box.width / W, box.height / (TOP + H + 46));
    const px = (e.clientX - box.left - (box.width - W * scale) / 2) / scale;
    return Math.min(days.length - 1, Math.max(0, Math.floor((px - LEFT) / step)));
  };
  const read = over === null ? undefined : days[over];
  const place = new Map(days.map((d, i) => [d.day, i]));
  const out = (releases ?? []).flatMap((r) => {
    const i = place.get(r.at.slice(0, 10));
    return i === undefined ? [] : [{ ...r, i }];
  });
  /** Models that were first seen on a day. */
  const released = (d: string): string => out.flatMap((r) => (r.at.startsWith(d) ? [r.model] : [])).join(', ');
  const labels = days.map((d, i) => ({ d, i })).filter(({ i }) => i % Math.ceil(days.length / 7) === 0);
  return (
    <figure>
      <svg
        class="timeline"
        viewBox={`0 0 ${W} ${TOP + H + 46}`}
        role="img"
        aria-label={`${days.length} days, at most ${count(most)} exchanges and ${count(accounts)} active accounts a day${out.map((r) => `; ${plain(r.model)} first seen on ${r.at.slice(0, 10)}`).join('')}; the table below has the numbers`}
        onPointerMove={(e) => point(dayAt(e))}
        onPointerLeave={() => {
          point(null);
          draw(null);
        }}
        onPointerDown={(e) => e.pointerType === 'mouse' && draw(dayAt(e))}
        onPointerUp={(e) => {
          const end = dayAt(e);
          if (drawn !== null && drawn !== end) span(days[drawn]?.day ?? '', days[end]?.day ?? '');
          draw(null);
        }}
      >
        {ticks(most).map((t) => (
          <g key={t}>
            <line class="grid" x1={LEFT} x2={W - 50} y1={y(t, most)} y2={y(t, most)} />
            <text x={LEFT - 6} y={y(t, most) + 4} text-anchor="end">
              {count(t)}
            </text>
          </g>
        ))}
        {ticks(accounts).map((t) => (
          <text key={t} class="line" x={W - 44} y={y(t, accounts) + 4}>
            {count(t)}
          </text>
        ))}
        {days.map((d, i) => (
          <g key={d.day}>
            <rect
              class="fill"
              x={x(i) - step / 2 + 0.5}
              width={Math.max(1, step - 1)}
              y={y(d.exchanges, most)}
              height={TOP + H - y(d.exchanges, most)}
            />
            {d.joined > 0 && <circle class="joined" cx={x(i)} cy={TOP + H + 9} r={Math.min(5, 1.5 + Math.sqrt(d.joined))} />}
            {d.closed > 0 && <rect class="closed" x={x(i) - 3} y={TOP + H + 17} width="6" height="6" />}
          </g>
        ))}
        {over !== null && (
          <rect
            class="over"
            x={x(Math.min(over, drawn ?? over)) - step / 2}
            width={step * (Math.abs(over - (drawn ?? over)) + 1)}
            y={TOP}
            height={H}
          />
        )}
        <polyline class="active" points={days.map((d, i) => `${x(i)},${y(d.accounts, accounts)}`).join(' ')} />
        {out.map((r) => (
          <g key={r.model}>
            <line class="release" x1={x(r.i)} x2={x(r.i)} y1={TOP} y2={TOP + H} />
            <text x={x(r.i)} y={TOP - 4} text-anchor="middle">
              {plain(r.model)}
            </text>
          </g>
        ))}
        {labels.map(({ d, i }) => (
          <text key={d.day} x={x(i)} y={TOP + H + 40} text-anchor="middle">
            {d.day.slice(5)}
          </text>
        ))}
      </svg>
      <p class="read">
        {read
          ? `${read.day}: ${count(read.exchanges)} exchanges, ${count(read.accounts)} active accounts, ${count(read.joined)} first seen, ${count(read.closed)} closed${released(read.day) ? `, first seen: ${plain(released(read.day))}` : ''}`
          : 'Point at a day to read it; draw over some days to see only those.'}
      </p>
      <p class="bar">
        <label>
          From{' '}
          <input
            type="date"
            min={ends[0]}
            max={ends[1]}
            value={days[0]?.day}
            onChange={(e) => span(e.currentTarget.value || (ends[0] ?? ''), days.at(-1)?.day ?? '')}
          />
        </label>
        <label>
          To{' '}
          <input
            type="date"
            min={ends[0]}
            max={ends[1]}
            value={days.at(-1)?.day}
            onChange={(e) => span(days[0]?.day ?? '', e.currentTarget.value || (ends[1] ?? ''))}
          />
        </label>
        <button type="button" disabled={days.length === f.timeline.length} onClick={() => go({ span: null }, 'replace')}>
          The whole time
        </button>
      </p>
      <figcaption>
        Bars: exchanges a day (left), of mixed accounts the campaign's part. Line: active accounts (right). Dots: accounts first seen.
        Squares: accounts closed. Dashed: a model first seen. Days in UTC, {days[0]?.day} to {days.at(-1)?.day}.
      </figcaption>
      <Fold name="days" summary="The days as a table">
        <Export name={`${f.id}-timeline`} rows={() => days.map((d) => ({ ...d, models_first_seen: released(d.day) }))} />
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Day</th>
                <Numbers names={['Exchanges', 'Active accounts', 'First seen', 'Closed']} />
                {out.length > 0 && <th scope="col">Model first seen</th>}
              </tr>
            </thead>
            <tbody>
              {days.map((d) => (
                <tr key={d.day}>
                  <td>{d.day}</td>
                  <td class="n">{count(d.exchanges)}</td>
                  <td class="n">{count(d.accounts)}</td>
                  <td class="n">{count(d.joined)}</td>
                  <td class="n">{count(d.closed)}</td>
                  {out.length > 0 && <td>{plain(released(d.day))}</td>}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Fold>
    </figure>
  );
}

export function Mix({ f }: { f: Pick<Finding, 'id' | 'capabilities' | 'population_capabilities'> }) {
  const names = Object.keys(f.capabilities);
  if (names.length === 0) return <p class="quiet">No text was at hand to classify.</p>;
  return (
    <>
      <p class="quiet">Told by a small model, right for four in ten prompts of sources it never saw; no confidence rests on it.</p>
      <Export
        name={`${f.id}-capabilities`}
        rows={() => names.map((n) => ({ capability: n, here: f.capabilities[n], everybody: f.population_capabilities[n] ?? 0 }))}
      />
      <table>
        <thead>
          <tr>
            <th scope="col">Capability</th>
            <th scope="col">Here</th>
            <th scope="col">Everybody</th>
          </tr>
        </thead>
        <tbody>
          {names.map((n) => (
            <tr key={n}>
              <td>{n}</td>
              <td>
                <Meter value={f.capabilities[n] ?? 0} label={n} />
              </td>
              <td>
                <Meter value={f.population_capabilities[n] ?? 0} label={`${n} of everybody`} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

export function Took({ f }: { f: Finding }) {
  return (
    <>
      <Export name={`${f.id}-took`} rows={() => [{ ...f.loot, capabilities: f.capabilities, models: f.models }]} />
      <dl>
        <dt>Exchanges</dt>
        <dd>{count(f.loot.exchanges)}</dd>
        <dt>Distinct items</dt>
        <dd>{count(f.loot.distinct_items)}</dd>
        <dt>Output tokens</dt>
        <dd>{count(f.loot.output_tokens)}</dd>
        <dt>Reasoning tokens</dt>
        <dd>{count(f.loot.reasoning_tokens)}</dd>
        <dt>Days</dt>
        <dd>{f.loot.days}</dd>
        <dt>Capabilities</dt>
        <dd>
          {Object.entries(f.capabilities)
            .slice(0, 4)
            .map(([k, v]) => `${k} ${percent(v)}`)
            .join(', ') || 'no text to tell'}
        </dd>
        <dt>Models</dt>
        <dd>{modelsOf(f.models)}</dd>
      </dl>
      <p class="quiet">Of mixed accounts, the part that is likely the campaign's.</p>
    </>
  );
}

export function Explanations({ f }: { f: Pick<Finding, 'id' | 'explanations'> }) {
  return (
    <>
      <Export name={`${f.id}-explanations`} rows={() => f.explanations.map((x) => ({ ...x }))} />
      <ul>
        {f.explanations.map((x) => (
          <li key={x.kind}>
            <strong>{x.fits ? 'fits' : 'does not fit'}</strong>: {plain(x.kind)}, {plain(x.reason)}
          </li>
        ))}
      </ul>
    </>
  );
}

export function Indicators({
  f,
  sentences,
}: {
  f: Pick<Finding, 'id' | 'indicators'>;
  /** What sentences say, once somebody has given a reason to read. */
  sentences: Quotes['sentences'] | null;
}) {
  if (f.indicators.length === 0) return <p class="quiet">No value of note is shared.</p>;
  return (
    <>
      <Export name={`${f.id}-indicators`} rows={() => f.indicators.map((i) => ({ ...i }))} />
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Kind</th>
              <th scope="col">Value</th>
              <th scope="col" class="n">
                Accounts here
              </th>
              <th scope="col" class="n">
                Others that show it
              </th>
              <th scope="col" class="n">
                Rarity, bits
              </th>
            </tr>
          </thead>
          <tbody>
            {f.indicators.map((i) => (
              <tr key={i.kind + i.value}>
                <td>{i.kind}</td>
                <td>
                  <code>{plain(i.value)}</code>
                  {i.kind === 'scaffold' &&
                    (sentences ? (
                      <pre>{sentences[i.value] === undefined ? 'its words are not kept' : prose(sentences[i.value] ?? '')}</pre>
                    ) : (
                      <span class="quiet"> a sentence; its words show with the texts of exemplars</span>
                    ))}
                </td>
                <td class="n">{i.accounts}</td>
                <td class="n">{i.others}</td>
                <td class="n">{i.bits}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
