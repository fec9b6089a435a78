/** Text of logs is hostile. These make it inert for a terminal, a page and a spreadsheet. */

/** Control characters, escapes and direction overrides become visible; nothing can move a cursor or hide a line. */
export function inert(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

export function html(text: string): string {
  return inert(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** A CSV field: quoted, and never the start of a formula (OWASP, CSV injection). */
export function csv(value: string | number): string {
  if (typeof value === 'number') return String(value);
  const text = inert(value);
  const safe = /^[=+\-@\t\r|%＝＋－＠]/.test(text.trimStart()) ? `'${text}` : text;
  return /[",\n;']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
