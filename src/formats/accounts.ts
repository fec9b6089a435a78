import { createHmac } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { createGunzip, gunzipSync } from 'node:zlib';
import { parse as parseCsv } from 'csv-parse/sync';
import { decompress } from 'fzstd';
import { messageOf, StillwatchError } from '../model/errors.ts';
import type { Compression } from './bytes.ts';
import { delimiterOf, NOTHING } from './csv.ts';
import { object } from './format.ts';
import { inspect, sampleLines } from './input.ts';
import { COMPRESSORS } from './parquet.ts';

/** Account records as the store keeps them. Times are ISO strings or null. */
export interface AccountInput {
  account: string;
  created: string | null;
  closed: string | null;
  closed_reason: string;
  email_domain: string;
  email: string;
  payment: string;
  phone: string;
  country: string;
  organization: string;
  tier: string;
  verification: string;
  labels: string[];
  at: string;
}

const TEXT = ['closed_reason', 'email_domain', 'email', 'payment', 'phone', 'country', 'organization', 'tier', 'verification'] as const;

/** Seconds since 1970, or thousandths, millionths and so on of them, as ms. */
const epoch = (n: number): number => (n < 1e11 ? n * 1000 : n < 1e14 ? n : n < 1e17 ? n / 1e3 : n / 1e6);

/** A time that names no zone is in UTC, as it is in logs, wherever the program runs. */
const inUtc = (t: string): string =>
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(t)
    ? `${t.replace(' ', 'T')}Z`
    : /^\d/.test(t) && !/[a-z]{3}/i.test(t)
      ? t
      : /\b(GMT|UTC|Z)\b|[+-]\d\d:?\d\d/.test(t)
        ? t
        : `${t} UTC`;

/** A time that a person wrote, in ms since 1970: a day, or a time of a day, in UTC where it names no zone; NaN for anything else. */
export const utc = (given: string): number => {
  const t = given.trim();
  return /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i.test(t) ? Date.parse(inUtc(t)) : Number.NaN;
};

/** A file of account records as it is, unpacked. */
function whole(path: string, compression: Compression): Buffer {
  const bytes = readFileSync(path);
  return compression === 'gzip' ? gunzipSync(bytes) : compression === 'zstd' ? Buffer.from(decompress(bytes)) : bytes;
}

/** Rows of a CSV, divided by what its header is most divided by. */
const csvRows = (header: string, bytes: Buffer): Record<string, unknown>[] => csvOf(bytes, delimiterOf(header, [',', ';', '\t', '|']));

/** Rows of a CSV with a header whose names may have capitals and blanks around them. */
export const csvOf = (text: Buffer | string, delimiter: string): Record<string, unknown>[] =>
  parseCsv(text, {
    columns: (names: string[]) => names.map((n) => n.trim().toLowerCase()),
    delimiter,
    bom: true,
    skip_empty_lines: true,
    relax_column_count: true,
    trim: true,
  });

function readAs<T>(kind: string, hint: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new StillwatchError('E_ACCOUNTS', `the account file cannot be read as ${kind}: ${messageOf(cause)}`, hint, { cause });
  }
}

/** Numbers that JavaScript would round: an account of nineteen digits is another one then. */
const exact = (json: string): string => json.replace(/(?<!\\)"account"(\s*:\s*)(-?\d{16,})(?=\s*[,}])/g, '"account"$1"$2"');

/** A year first, or the name of a month: a date between slashes means one day here and another there, and so does a small number. */
const DATED = /^(\d{4}-\d\d-\d\d|(\d\d? )?[a-z]{3,9}[,. ])/i;

/** Null where nothing was said, undefined where it is no time. */
function time(value: unknown): string | null | undefined {
  const text = value === undefined || value === null ? '' : String(value).trim();
  if (text === '' || NOTHING.has(text)) return null;
  const t =
    value instanceof Date
      ? value.getTime()
      : /^\d{9,19}(\.\d+)?$/.test(text)
        ? epoch(Number(text))
        : DATED.test(text)
          ? Date.parse(inUtc(text))
          : Number.NaN;
  return Number.isFinite(t) && t > 0 && t < 4102444800000 ? new Date(t).toISOString() : undefined;
}

/** How far an account can be verified, as its record says. */
const LEVELS: ReadonlySet<string> = new Set(['', 'none', 'email', 'phone', 'id', 'business']);

function record(r: Record<string, unknown>, at: string, odd: (column: string) => void): AccountInput | null {
  const account = r['account'] === undefined || r['account'] === null ? '' : String(r['account']).trim();
  if (account === '') return null;
  const labels = Array.isArray(r['labels'])
    ? r['labels'].map(String)
    : typeof r['labels'] === 'string' && r['labels'] !== ''
      ? r['labels'].split(/[;,|]/).map((x) => x.trim())
      : [];
  const moment = (column: 'created' | 'closed'): string | null => {
    const t = time(r[column]);
    if (t === undefined) odd(column);
    return t ?? null;
  };
  const out = { account, created: moment('created'), closed: moment('closed'), labels, at } as AccountInput;
  for (const k of TEXT) out[k] = r[k] === undefined || r[k] === null ? '' : String(r[k]);
  out.verification = out.verification.trim().toLowerCase();
  if (!LEVELS.has(out.verification)) odd('verification');
  if (out.email_domain === '' && out.email.includes('@')) out.email_domain = out.email.slice(out.email.lastIndexOf('@') + 1).toLowerCase();
  return out;
}

/** A record whose mail address, payment instrument and phone are keyed hashes; its mail domain stays as it is. */
export function hashed(r: AccountInput, secret: { readonly k0: string; readonly k1: string }): AccountInput {
  const key = (x: string): string =>
    x === '' ? '' : createHmac('sha256', `${secret.k0}:${secret.k1}`).update(x).digest('hex').slice(0, 24);
  return { ...r, email: key(r.email), payment: key(r.payment), phone: key(r.phone) };
}

/** What was wrong with a line of an account file. */
export interface Fault {
  readonly line: number;
  /** The column whose value means nothing here; the record counts without it. None where the line is no record. */
  readonly column?: string;
}

/**
 * Account records from JSON Lines or one JSON list, CSV with a header (commas, semicolons, tabs or bars), plain, gzip or zstd, or Parquet. Yields batches.
 * @throws StillwatchError E_ACCOUNTS when the file holds no account at all.
 */
export async function* readAccounts(path: string, at: string, fault: (f: Fault) => void): AsyncGenerator<AccountInput[]> {
  const input = inspect(path, path);
  const first = input.parquet ? '' : (sampleLines(input, 1)[0] ?? '{');
  let batch: AccountInput[] = [];
  let found = 0;
  const put = (r: Record<string, unknown>, line: number): boolean => {
    const one = record(r, at, (column) => fault({ line, column }));
    if (!one) fault({ line });
    else {
      batch.push(one);
      found += 1;
    }
    return batch.length >= 5000;
  };
  if (input.parquet) {
    const { asyncBufferFromFile, parquetReadObjects } = await import('hyparquet');
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors: COMPRESSORS });
    rows.forEach((r, i) => void put(r as Record<string, unknown>, i + 1));
  } else if (!/^[[{]/.test(first)) {
    const rows = readAs('CSV', 'the first line names the columns; account is required', () =>
      csvRows(first, whole(path, input.compression)),
    );
    rows.forEach((r, i) => void put(r, i + 2));
  } else if (first.startsWith('[')) {
    const text = (): string =>
      exact(
        whole(path, input.compression)
          .toString('utf8')
          .replace(/^\uFEFF/, ''),
      );
    const rows = readAs('JSON', 'one list of records, or one record a line', () => JSON.parse(text()) as unknown[]);
    rows.forEach((r, i) => void put(object(r), i + 1));
  } else {
    const lines = createInterface({
      input:
        input.compression === 'zstd'
          ? Readable.from([whole(path, 'zstd')])
          : input.compression === 'gzip'
            ? createReadStream(path).pipe(createGunzip())
            : createReadStream(path),
      crlfDelay: Number.POSITIVE_INFINITY,
    });
    let n = 0;
    for await (const line of lines) {
      n += 1;
      const text = line.replace(/^\uFEFF/, '').trim();
      if (text === '') continue;
      try {
        const value = JSON.parse(exact(text)) as unknown;
        if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object');
        if (put(value as Record<string, unknown>, n)) {
          yield batch;
          batch = [];
        }
      } catch {
        fault({ line: n });
      }
    }
  }
  for (let i = 0; i < batch.length; i += 5000) yield batch.slice(i, i + 5000);
  if (found === 0)
    throw new StillwatchError('E_ACCOUNTS', `no account record in ${path}`, 'JSON Lines, CSV or Parquet with a column named account');
}
