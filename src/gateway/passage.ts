import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher, Pool } from 'undici';
import type { ProxyConfig } from './config.ts';
import { refuse } from './dialects.ts';
import type { Reading } from './fields.ts';
import type { Pass } from './guard.ts';
import { forwarded, HOP_BACK } from './headers.ts';
import type { Parts } from './proxy.ts';
import { recordLine } from './record.ts';
import { BUSY } from './refusals.ts';
import type { Slots } from './slots.ts';
import { UsageTap } from './usage.ts';
import { Withheld } from './withhold.ts';

/** Part of what was reserved that is spent by who goes away before the answer begins. */
const HUNG_UP = 0.25;

/** What is kept of a request on its way, to be settled and written down with its answer. */
export interface Log {
  readonly pass: Pass;
  readonly head: string | null;
  readonly input: number;
  readonly counts: boolean;
  /** It says itself how much it may use, asks for reasoning that may not be shown, or is answered later. */
  readonly bounded: boolean;
}

/** The way of a request that was let through to the upstream, and of its answer back as it comes. */
export class Passage {
  private readonly parts: Parts;
  private readonly c: ProxyConfig;
  private readonly pool: Pool;
  private readonly slots: Slots;
  private readonly base: string;

  constructor(parts: Parts, pool: Pool, slots: Slots, base: string) {
    this.parts = parts;
    this.c = parts.config.proxy as ProxyConfig;
    this.pool = pool;
    this.slots = slots;
    this.base = base;
  }

  async forward(
    req: IncomingMessage,
    res: ServerResponse,
    id: string,
    url: string,
    body: Buffer | null,
    { dialect, fields }: Reading,
    log: Log | null,
  ): Promise<void> {
    const { meters, spool, guard, now, config } = this.parts;
    const began = now();
    if (!this.slots.now()) {
      const got = await this.slots.soon(res, this.c.queue_timeout_ms);
      if (got !== 'taken') {
        if (log) void guard.settle(log.pass, null, now());
        if (got !== 'gone') refuse(res, dialect, BUSY, id);
        return;
      }
    }
    return new Promise((resolve) => {
      let controller: Dispatcher.DispatchController | null = null;
      let tap: UsageTap | null = null;
      let filter: Withheld | null = null;
      let status = 0;
      let kept: 'no' | 'soon' | 'yes' | 'failed' = 'no';
      const waiting: (() => void)[] = [];
      let left = -1;
      let over = false;
      let stalled: NodeJS.Timeout | undefined;
      const done = () => {
        if (!over) {
          over = true;
          resolve();
        }
      };
      // The place is free when the upstream's side is over, not when the caller's is.
      let held = true;
      const free = () => {
        if (held) this.slots.give();
        held = false;
      };
      // A connection, to the upstream or here, is not held for somebody who does not read.
      const watch = () => {
        if (res.destroyed || res.writableFinished) return;
        stalled ??= setTimeout(() => {
          meters.stalled.inc();
          res.destroy();
        }, this.c.stalled_timeout_ms);
      };
      /** Before the answer's end goes out it is on disk; when that fails and traffic must not go unseen, the answer does not end. */
      let whole = false;
      /** The service broke it off: what was seen is what it used. */
      let broken = false;
      const keep = (then: () => void): void => {
        if (kept === 'failed') return;
        if (!log || kept === 'yes') {
          then();
          return;
        }
        waiting.push(then);
        if (kept === 'soon') return;
        kept = 'soon';
        const usage = tap ? tap.end(whole, status < 400 ? log.input : 0) : { input: 0, output: 0, reasoning: 0, stop: '' };
        // Who hangs up before the last event has had what was reserved, or more; who got an error has had nothing.
        const used = Math.max(usage.input + usage.output, tap?.ended || broken ? 0 : log.pass.reserved);
        // Of an answer that does not say what it used only what passed is seen, and not what the model thought: of a request that bounds itself, or asks for reasoning, nothing is given back.
        const untold = tap?.told === false && !log.counts && (log.bounded || guard.snapshot.limits.untold_usage === 'reserved');
        // A request that was at fault is one all the same; the service's own fault costs nobody anything.
        const faulty = status >= 500 || status === 429 ? null : 0;
        void guard.settle(log.pass, status >= 400 ? faulty : log.counts ? 0 : used, now(), { least: untold && status < 400 });
        const told = (state: 'kept' | 'shed' | 'failed' | 'left out') => {
          if (state !== 'left out') meters.spooled(state);
          kept = state === 'failed' ? 'failed' : 'yes';
          if (state !== 'failed') for (const f of waiting) f();
          else {
            res.destroy();
            done();
          }
        };
        if (log.head === null) told('left out');
        else
          spool.soon(recordLine(log.head, usage, status, now() - began), (put) =>
            told(put === 'kept' ? 'kept' : config.spool.when_full === 'shed' ? 'shed' : 'failed'),
          );
      };
      // The service's own fault costs nobody anything. Who hangs up has had the model begin all the same: the request counts, and a part of what it might have used.
      const refund = () => void (log && guard.settle(log.pass, null, now()));
      const hungUp = () => {
        meters.abandoned.inc();
        if (log) void guard.settle(log.pass, log.counts ? 0 : Math.max(log.input, HUNG_UP * log.pass.reserved), now());
      };
      const pass = (chunk: Buffer) => {
        if (chunk.length === 0 || res.write(chunk)) return;
        controller?.pause();
        watch();
      };
      res.on('close', () => {
        clearTimeout(stalled);
        if (!res.writableFinished) {
          // What was sent of the answer has been taken: it is recorded all the same. First of all: to end the upstream's side looks like a fault of the service, which gives everything back.
          if (status > 0) keep(() => undefined);
          else hungUp();
          done();
          controller?.abort(new Error('the client went away'));
        }
      });
      res.on('drain', () => {
        clearTimeout(stalled);
        stalled = undefined;
        controller?.resume();
      });
      this.pool.dispatch(
        {
          path: this.base + url,
          method: req.method as Dispatcher.HttpMethod,
          headers: forwarded(req, {
            'accept-encoding': 'identity',
            ...(body ? { 'content-length': String(body.length) } : {}),
            'x-request-id': id,
          }),
          body,
        },
        {
          onRequestStart: (c) => {
            controller = c;
            if (res.destroyed || over) c.abort(new Error('nobody waits for it any more'));
          },
          onResponseStart: (c, code, headers) => {
            if (code < 200) return;
            if (log?.pass.outcome === 'withhold' && !/^(identity)?$/i.test(String(headers['content-encoding'] ?? ''))) {
              // Packed although it was asked not to be: what cannot be read cannot be taken out.
              c.abort(new Error('an answer whose reasoning is withheld came packed'));
              return;
            }
            status = code;
            const out: Record<string, string | string[]> = {};
            for (const [k, v] of Object.entries(headers)) if (v !== undefined && !HOP_BACK.has(k)) out[k] = v;
            if (log) {
              tap = new UsageTap(String(headers['content-type'] ?? ''), fields);
              Object.assign(out, log.pass.headers, { 'stillwatch-exchange': id });
              if (log.pass.outcome === 'withhold') {
                filter = new Withheld(dialect, String(headers['content-type'] ?? ''), fields?.thoughts, code, log.pass.verdict.summary);
                delete out['content-length'];
              }
              // With its length known, an answer ends with its last byte; that byte waits for the record.
              left = filter || headers['content-length'] === undefined ? -1 : Number(headers['content-length']);
            }
            res.writeHead(code, out);
          },
          onResponseData: (c, chunk) => {
            const last = tap?.take(chunk) === true;
            if (left > 0) left -= chunk.length;
            let out = chunk;
            try {
              if (filter) out = filter.take(chunk);
            } catch (error) {
              c.abort(error as Error);
              return;
            }
            if (last || left === 0 || kept !== 'no') keep(() => pass(out));
            else pass(out);
          },
          onResponseEnd: () => {
            free();
            whole = true;
            keep(() => {
              try {
                res.end(filter?.end());
              } catch {
                // What cannot be searched for reasoning does not go out.
                meters.upstreamErrors.inc();
                res.destroy();
              }
              watch();
              meters.latency.observe((now() - began) / 1000);
              done();
            });
          },
          onResponseError: (_c, error) => {
            free();
            if (res.destroyed && over) return;
            meters.upstreamErrors.inc();
            if (status > 0) {
              broken = true;
              keep(() => undefined);
              res.destroy();
            } else {
              refund();
              const slow = /Timeout/.test(error.name);
              refuse(
                res,
                dialect,
                {
                  status: slow ? 504 : 502,
                  code: slow ? 'upstream_timeout' : 'upstream_error',
                  message: 'The model service did not answer.',
                  retry: true,
                },
                id,
              );
            }
            done();
          },
        },
      );
    });
  }
}
