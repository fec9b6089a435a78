import type { Dossier } from '../model/dossier.ts';
import { StillwatchError } from '../model/errors.ts';
import { csv } from './csv.ts';
import { html } from './html.ts';
import { json, ndjson } from './json.ts';
import { stix } from './stix.ts';
import { type TableOptions, table } from './table.ts';

const RENDERERS: Readonly<Record<string, (d: Dossier, o: TableOptions) => string>> = { table, json, ndjson, csv, html, stix };

/** One dossier, many renderers. @throws StillwatchError E_OUTPUT_FORMAT for an unknown one. */
export function render(format: string, d: Dossier, o: TableOptions): string {
  const r = RENDERERS[format];
  if (!r)
    throw new StillwatchError(
      'E_OUTPUT_FORMAT',
      `there is no report format ${JSON.stringify(format)}`,
      `formats: ${Object.keys(RENDERERS).join(', ')}`,
    );
  return r(d, o);
}
