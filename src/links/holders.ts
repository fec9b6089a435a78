import { grouped, type Sightings } from './sightings.ts';

/** Accounts of each value, each once, by value and account, whatever the order of the rows. */
export interface Holders {
  readonly starts: Int32Array;
  readonly account: Int32Array;
  /** The first record that shows it. */
  readonly record: Int32Array;
}

function byAccount(account: Int32Array, record: Int32Array, from: number, to: number): void {
  let sorted = true;
  for (let i = from + 1; i < to && sorted; i++) sorted = (account[i - 1] as number) < (account[i] as number);
  if (sorted) return;
  const order = Int32Array.from({ length: to - from }, (_, i) => from + i).sort((x, y) => (account[x] as number) - (account[y] as number));
  const [accounts, records] = [order.map((i) => account[i] as number), order.map((i) => record[i] as number)];
  account.set(accounts, from);
  record.set(records, from);
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
  for (let v = 0; v < s.values; v++) byAccount(account, record, outStarts[v] as number, outStarts[v + 1] as number);
  return { starts: outStarts, account: account.slice(0, at), record: record.slice(0, at) };
}
