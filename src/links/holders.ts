import { grouped, type Sightings } from './sightings.ts';

/** Accounts of each value, each once, with its sightings; by value. */
export interface Holders {
  readonly starts: Int32Array;
  readonly account: Int32Array;
  /** The first record that shows it. */
  readonly record: Int32Array;
}

export function holders(s: Sightings): Holders {
  const { order, starts } = grouped(s.value, s.rows, s.values);
  const last = new Int32Array(s.accounts).fill(-1);
  const outStarts = new Int32Array(s.values + 1);
  const account = new Int32Array(s.rows);
  const record = new Int32Array(s.rows);
  let at = 0;
  for (let v = 0; v < s.values; v++) {
    outStarts[v] = at;
    for (let i = starts[v] as number; i < (starts[v + 1] as number); i++) {
      const row = order[i] as number;
      const a = s.account[row] as number;
      if (last[a] !== v) {
        last[a] = v;
        record[at] = s.record[row] as number;
        account[at++] = a;
      }
    }
  }
  outStarts[s.values] = at;
  return { starts: outStarts, account: account.slice(0, at), record: record.slice(0, at) };
}
