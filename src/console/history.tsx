import { useEffect } from 'preact/hooks';
import { get } from './api.ts';
import { Export, Fold, go, iso, moment, Note, plain, useAsked } from './bits.tsx';

interface Line {
  readonly seq: number;
  readonly at: number;
  readonly by: string;
  readonly type: string;
  readonly reason: string;
  readonly said: string;
}

/** Who did what to this case, when and why. */
export function History({ id, of }: { id: string; of: unknown }) {
  const asked = useAsked(() => get<{ entries: Line[] }>(`/v1/cases/${encodeURIComponent(id)}/history`), [id]);
  useEffect(() => asked.again(), [of]);
  const list = asked.value?.entries ?? [];
  return (
    <Fold name="history" summary={`History (${list.length})`}>
      <Note error={asked.error} />
      <Export name={`${id}-history`} rows={() => list.map((e) => ({ ...e, at: iso(e.at) }))} />
      <ul class="comments">
        {[...list].reverse().map((e) => (
          <li key={e.seq}>
            {moment(e.at)} <strong>{plain(e.by)}</strong> <small class="kind">{e.type}</small> {plain(e.said)}
            {e.reason ? `: ${plain(e.reason)}` : ''}
          </li>
        ))}
      </ul>
    </Fold>
  );
}

/** A comment, in which `#deck` leads to the bar of that test. */
export function Said({ text, evidence }: { text: string; evidence: readonly { readonly axis: string; readonly signal: string }[] }) {
  const barOf = (part: string): string | undefined => {
    const e = evidence.find((x) => `#${x.signal}` === part || `#${x.axis}-${x.signal}` === part);
    return e && `${e.axis}-${e.signal}`;
  };
  return (
    <>
      {text.split(/(#[\w-]+)/).map((part, i) =>
        barOf(part) !== undefined ? (
          <a
            key={i}
            href={`#bar-${barOf(part)}`}
            onClick={(e) => {
              e.preventDefault();
              go({ bar: barOf(part) ?? null });
              document.getElementById(`bar-${barOf(part)}`)?.scrollIntoView({ block: 'center' });
            }}
          >
            {part}
          </a>
        ) : (
          plain(part)
        ),
      )}
    </>
  );
}
