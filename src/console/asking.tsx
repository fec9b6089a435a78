import { useEffect, useRef, useState } from 'preact/hooks';

interface Question {
  readonly text: string;
  readonly label: string;
  readonly value: string;
  /** Answers that are offered. */
  readonly offers: readonly string[];
  readonly done: (said: string | null) => void;
}
let put: ((q: Question | null) => void) | null = null;
/** What was last answered, until it came to something: who is asked again because a request failed need not write it again. */
let draft: { readonly text: string; readonly said: string } | null = null;
export const cameThrough = (): void => {
  draft = null;
};

/** Asks the person for a word; null when they think better of it. */
export const ask = (text: string, label = 'Reason', value = '', offers: readonly string[] = []): Promise<string | null> =>
  new Promise((done) => (put ? put({ text, label, value: draft?.text === text ? draft.said : value, offers, done }) : done(null)));

/** Where questions appear; once on a page. */
export function Asking() {
  const [q, set] = useState<Question | null>(null);
  const box = useRef<HTMLDialogElement>(null);
  put = set;
  useEffect(() => {
    if (q && !box.current?.open) {
      box.current?.showModal();
      // What stands in the field is a proposal: whoever writes writes over it.
      box.current?.querySelector('input')?.select();
    }
    if (!q && box.current?.open) box.current.close();
  }, [q]);
  const end = (said: string | null) => {
    if (q && said !== null) draft = { text: q.text, said };
    q?.done(said);
    set(null);
  };
  return (
    <dialog ref={box} aria-labelledby="asking" onCancel={() => end(null)}>
      {q && (
        <form
          onSubmit={(e) => {
            e.preventDefault();
            const said = (e.currentTarget.elements.namedItem('said') as HTMLInputElement | HTMLSelectElement).value.trim();
            if (said !== '') end(said);
          }}
        >
          <p id="asking">{q.text}</p>
          <p class="bar">
            <label for="said">{q.label}</label>
            {q.offers.length > 0 ? (
              <select id="said" name="said" required>
                {[...new Set([q.value, ...q.offers])].filter(Boolean).map((x) => (
                  <option key={x} value={x}>
                    {x}
                  </option>
                ))}
              </select>
            ) : (
              <input id="said" name="said" required autocomplete="off" defaultValue={q.value} />
            )}
          </p>
          <p class="bar">
            <button type="submit">Go on</button>
            <button type="button" onClick={() => end(null)}>
              Cancel
            </button>
          </p>
        </form>
      )}
    </dialog>
  );
}
