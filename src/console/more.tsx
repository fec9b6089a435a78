import type { Look } from '../model/desk.ts';
import { get, text } from './api.ts';
import { count, day, Export, Heading, Note, Numbers, percent, plain, prose, useAddress, useAsked, usePin } from './bits.tsx';

/** What a command prints, with its headings and lists as such. */
function Written({ text }: { text: string }) {
  return (
    <div class="written">
      {prose(text)
        .replaceAll('`', '')
        .replace(/\*{1,2}([^*\s][^*\n]*)\*{1,2}/g, '$1')
        .split(/\n{2,}/)
        .map((block, i) => {
          const lines = block.split('\n');
          const heading = /^(#{1,4}) (.*)$/.exec(lines[0] ?? '');
          const rest = heading ? lines.slice(1) : lines;
          return (
            <section key={i}>
              {heading && (heading[1] === '#' ? <p class="summary">{heading[2]}</p> : <h2>{heading[2]}</h2>)}
              {rest.length > 0 && rest.every((l) => /^\s*[-*] /.test(l)) ? (
                <ul>
                  {rest.map((l) => (
                    <li key={l}>{l.replace(/^\s*[-*] /, '')}</li>
                  ))}
                </ul>
              ) : rest.some((l) => /^\s{2,}|\|/.test(l)) ? (
                <pre class="file">{rest.join('\n')}</pre>
              ) : (
                rest.length > 0 && <p>{rest.join(' ')}</p>
              )}
            </section>
          );
        })}
    </div>
  );
}

/** A signal over the last looks: a firing rate that drifts shows here first. */
function History({ id, until }: { id: string; until: string }) {
  const asked = useAsked(() => get<{ looks: Look[] }>(`/v1/looks?${new URLSearchParams({ signal: id })}`), [id]);
  const looks = (asked.value?.looks ?? []).filter((l) => until === '' || l.generated <= until);
  usePin(looks[0] ? { look: looks[0].generated } : null);
  const rows = looks.flatMap(({ generated, signal: s }) => (s ? [{ generated, ...s }] : []));
  const rate = (k: number, n: number): string => (n > 0 ? `${percent(k / n)} of ${count(n)}` : '-');
  return (
    <section aria-labelledby="history">
      <h2 id="history">Over the last looks</h2>
      <Note error={asked.error} />
      <Export name={`signal-${id}-looks`} rows={() => rows} />
      <div class="scroll">
        <table class="stack">
          <thead>
            <tr>
              <th scope="col">Looked on</th>
              <Numbers names={['Fired', 'On null cohorts', 'Cost']} />
            </tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.generated}>
                <td data-name="Looked on">{day(r.generated)}</td>
                <td data-name="Fired" class="n">
                  {rate(r.fired, r.applicable)}
                </td>
                <td data-name="On null cohorts" class="n">
                  {rate(r.null_fired, r.null_applicable)}
                </td>
                <td data-name="Cost" class="n">
                  {r.microseconds > 0 ? `${count(r.microseconds)} µs` : '-'}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** The page of one signal: what it measures, how, what it cannot see, and its figures on this store. */
export function SignalPage({ id }: { id: string }) {
  const look = useAddress().get('look') ?? '';
  const asked = useAsked(() => text(`/v1/explain/${encodeURIComponent(id)}${look ? `?${new URLSearchParams({ look })}` : ''}`), [id, look]);
  return (
    <article>
      <Heading text={`Signal ${plain(id)}`} />
      <Note error={asked.error} />
      {asked.value && <Export name={`signal-${id}`} rows={() => [{ signal: id, text: asked.value }]} />}
      {asked.value && <Written text={asked.value} />}
      <History id={id} until={look} />
    </article>
  );
}
