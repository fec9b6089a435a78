/**
 * An answer within so many ms, or a rejection. A process that was busy for as long has not been kept waiting: what has arrived by then is still read first, because a timer that is late comes
 * before the sockets are looked at, and an immediate after.
 */
export function within<T>(answer: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => setImmediate(() => setImmediate(() => reject(new Error(`no answer in ${ms} ms`)))), ms);
    answer.then(
      (x) => {
        clearTimeout(late);
        resolve(x);
      },
      (e: unknown) => {
        clearTimeout(late);
        reject(e instanceof Error ? e : new Error(String(e)));
      },
    );
  });
}
