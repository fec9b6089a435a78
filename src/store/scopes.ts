import { quote } from '../formats/read.ts';

/** What of the traffic is left out, or kept without its text, before a sketch is made of it. All lists of a scope must hold an exchange. */
export interface Scope {
  readonly match: {
    readonly accounts?: readonly string[] | undefined;
    readonly organizations?: readonly string[] | undefined;
    readonly workspaces?: readonly string[] | undefined;
    readonly models?: readonly string[] | undefined;
    /** Known where an exchange comes in, not from its record. */
    readonly countries?: readonly string[] | undefined;
  };
  readonly mode: 'exclude' | 'metadata-only';
}

const within = (column: string, list: readonly string[] | undefined): string[] =>
  list === undefined ? [] : [list.length === 0 ? '0' : `${column} IN (${list.map(quote).join(', ')})`];

/** The condition of a scope over canonical columns; null where it asks for a country, which a record does not hold. */
function condition({ match: m }: Scope): string | null {
  if (m.countries) return null;
  const parts = [
    ...within('account', m.accounts),
    ...within('organization', m.organizations),
    ...within('workspace', m.workspaces),
    ...within('model', m.models),
  ];
  return parts.length > 0 ? `(${parts.join(' AND ')})` : '1';
}

/**
 * A source of canonical columns as its scopes leave it. The first scope that holds decides. Order matters as in the configuration, so a later `exclude` does
 * not reach what an earlier `metadata-only` took.
 */
export function scoped(source: string, scopes: readonly Scope[]): string {
  const known = scopes.flatMap((s) => {
    const sql = condition(s);
    return sql === null ? [] : [{ sql, mode: s.mode }];
  });
  if (known.length === 0) return source;
  const mode = `multiIf(${known.map((k) => `${k.sql}, ${quote(k.mode)}`).join(', ')}, '')`;
  const bare = `mode_ = 'metadata-only'`;
  return `SELECT * EXCEPT mode_ REPLACE (if(${bare}, [], messages) AS messages, if(${bare}, '', system) AS system, if(${bare}, 'absent', content_state) AS content_state, if(${bare}, '', line) AS line)
    FROM (SELECT *, ${mode} AS mode_ FROM (${source})) WHERE mode_ != 'exclude'`;
}
