import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { Dossier, Finding } from '../model/dossier.ts';
import { sure } from '../model/odds.ts';
import { inert } from './inert.ts';
import { visible } from './json.ts';

/** A UUID that depends on the content alone, so that sharing twice shares once. */
function uuid(seed: string): string {
  const h = createHash('sha256').update(`stillwatch:${seed}`).digest('hex');
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-5${h.slice(13, 16)}-${((Number.parseInt(h.slice(16, 18), 16) & 0x3f) | 0x80).toString(16)}${h.slice(18, 20)}-${h.slice(20, 32)}`;
}

const TECHNIQUES = ['AML.T0024.002', 'AML.T0021', 'AML.T0040'] as const;

function objects(f: Finding, d: Dossier, author: string): object[] {
  const base = { spec_version: '2.1', created: d.generated, modified: d.generated, created_by_ref: author };
  const campaign = `campaign--${uuid(f.id)}`;
  const confidence = Math.min(99, Math.round(100 * f.confidence));
  const indicators = f.indicators
    // A keyed hash of an address is no address: nobody else could look for it.
    .filter((i) => (i.kind === 'address' && isIP(i.value) > 0) || i.kind === 'email_domain')
    .map((i) => ({
      type: 'indicator',
      id: `indicator--${uuid(`${f.id}/${i.kind}/${i.value}`)}`,
      ...base,
      name: `${i.kind} of ${f.id}`,
      indicator_types: ['anomalous-activity'],
      pattern:
        i.kind === 'address'
          ? `[ipv${isIP(i.value)}-addr:value = '${inert(i.value).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}']`
          : `[domain-name:value = '${inert(i.value).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}']`,
      pattern_type: 'stix',
      valid_from: f.first_seen,
      confidence,
    }));
  return [
    {
      type: 'campaign',
      id: campaign,
      ...base,
      name: inert(f.title),
      description: inert(`${f.summary} Confidence ${sure(f.confidence)}, calibrated on ${f.calibrated_on}.`),
      first_seen: f.first_seen,
      last_seen: f.last_seen,
      objective: 'suspected extraction of model answers',
      confidence,
      external_references: TECHNIQUES.map((t) => ({ source_name: 'mitre-atlas', external_id: t })),
    },
    ...indicators,
    ...indicators.map((i) => ({
      type: 'relationship',
      id: `relationship--${uuid(`${i.id}/${campaign}`)}`,
      ...base,
      relationship_type: 'indicates',
      source_ref: i.id,
      target_ref: campaign,
    })),
  ];
}

/** A STIX 2.1 bundle of the campaigns: no account identifiers, no text. */
export function stix(d: Dossier): string {
  const author = `identity--${uuid('author')}`;
  const identity = {
    type: 'identity',
    spec_version: '2.1',
    id: author,
    created: d.generated,
    modified: d.generated,
    name: 'Stillwatch',
    identity_class: 'system',
  };
  return visible(
    `${JSON.stringify({ type: 'bundle', id: `bundle--${uuid(d.generated)}`, objects: [identity, ...d.campaigns.flatMap((f) => objects(f, d, author))] }, null, 2)}\n`,
  );
}
