/** The admin API, as the console uses it. The token lives in this tab only and travels in a header: no page elsewhere can act for anybody. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export class ApiError extends Error {
  readonly problem: Problem;
  readonly status: number;
  constructor(status: number, problem: Problem) {
    super(problem.message);
    this.status = status;
    this.problem = problem;
  }
}

const KEY = 'stillwatch.token';
const AT = 'stillwatch.at';
/** A tab that nobody used for a working day asks who sits there. */
const IDLE_MS = 8 * 3_600_000;

/** A token in the address comes from the command that started the console; it is taken out of the address at once. */
export function takeToken(): void {
  const m = /^#token=([\w-]+)$/.exec(location.hash);
  if (!m) return;
  setToken(m[1] as string);
  history.replaceState(null, '', location.pathname + location.search);
}
/** Tabs of one browser and one console are one person's: a new one asks the others for the token before it asks for one to be typed. */
const TABS = 'stillwatch';
const WAIT_MS = 250;
export function tokenOfOthers(): Promise<boolean> {
  return new Promise((done) => {
    const tabs = new BroadcastChannel(TABS);
    const end = (found: boolean): void => {
      tabs.close();
      done(found);
    };
    const late = setTimeout(() => end(false), WAIT_MS);
    tabs.onmessage = (e: MessageEvent<{ token?: string }>) => {
      if (!e.data.token) return;
      clearTimeout(late);
      setToken(e.data.token);
      end(true);
    };
    tabs.postMessage({ asks: true });
  });
}
const others = new BroadcastChannel(TABS);
others.onmessage = (e: MessageEvent<{ asks?: boolean; left?: boolean }>) => {
  const token = sessionStorage.getItem(KEY);
  if (e.data.left && token) signOut('somebody left the console in another tab of this browser');
  const idle = Date.now() - Number(sessionStorage.getItem(AT) ?? 0);
  if (e.data.asks && token && idle <= IDLE_MS) others.postMessage({ token });
};
export const hasToken = (): boolean => sessionStorage.getItem(KEY) !== null;
export const setToken = (t: string): void => {
  sessionStorage.setItem(KEY, t);
  sessionStorage.setItem(AT, String(Date.now()));
};
const dropToken = (): void => sessionStorage.removeItem(KEY);
/** Ends the session, in every tab of this browser: a tab that stays would hand the token to the next. */
export function leave(): void {
  dropToken();
  others.postMessage({ left: true });
}

/** Ends what this tab may do, and says why. */
export function signOut(why: string): void {
  dropToken();
  dispatchEvent(new CustomEvent('signed-out', { detail: why }));
}

for (const what of ['pointerdown', 'keydown'])
  addEventListener(what, () => sessionStorage.setItem(AT, String(Date.now())), { passive: true });

async function call(method: string, path: string, body?: unknown): Promise<Response> {
  const idle = Date.now() - Number(sessionStorage.getItem(AT) ?? Date.now());
  if (idle > IDLE_MS && hasToken()) signOut('nobody was here for eight hours: sign in again');
  const r = await fetch(path, {
    method,
    headers: {
      authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ''}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (r.ok) return r;
  const p = (await r.json().catch(() => null)) as { error?: Problem } | null;
  if (r.status === 401)
    signOut(
      `${p?.error?.message ?? 'the token is not known'}: sign in with a token of admin.tokens, or with the address the command printed`,
    );
  throw new ApiError(r.status, p?.error ?? { code: 'E_NETWORK', message: `the server answered ${r.status}`, hint: 'try again' });
}

export const get = async <T>(path: string): Promise<T> => (await call('GET', path)).json() as Promise<T>;
export const text = async (path: string): Promise<string> => (await call('GET', path)).text();
export const post = async <T>(path: string, body: unknown): Promise<T> => (await call('POST', path, body)).json() as Promise<T>;
/** Switches enforcement, and tells whatever shows it. */
export async function enforce(enforcing: boolean, reason: string): Promise<void> {
  await post('/v1/mode', { enforcing, reason });
  dispatchEvent(new Event('mode'));
}

/** What is invisible, moves a cursor or turns the direction of writing, shown as its code. */
const inert = (s: string): string =>
  s.replace(
    /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Hands a file to the person. Values of CSV are quoted, none can start a formula, and none hides or moves anything in a terminal. */
export function download(name: string, type: string, content: string): void {
  const a = document.createElement('a');
  a.href = URL.createObjectURL(new Blob([content], { type }));
  a.download = name;
  a.click();
  URL.revokeObjectURL(a.href);
}

export function toCsv(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const names = [...new Set(rows.flatMap((r) => Object.keys(r)))];
  const field = (v: unknown): string => {
    const s = v === undefined || v === null ? '' : typeof v === 'object' ? JSON.stringify(v) : String(v);
    const said = typeof v === 'number' ? s : inert(s);
    const safe = typeof v !== 'number' && /^[\s]*[=+\-@|%＝＋－＠]/.test(s) ? `'${said}` : said;
    return `"${safe.replaceAll('"', '""')}"`;
  };
  return `${names.map(field).join(',')}\r\n${rows.map((r) => names.map((n) => field(r[n])).join(',')).join('\r\n')}\r\n`;
}
