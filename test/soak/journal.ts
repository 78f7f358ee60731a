import { performance } from 'node:perf_hooks';

/** After a fault is over a node is tried again only when it was left alone for long enough, and clients come back. */
const GRACE_MS = 15_000;
const MAX_SHOWN = 20;

interface Outage {
  readonly of: string;
  readonly fromMs: number;
  toMs: number;
}

/** What clients of a soak saw, and what they may see: each login whose servers work succeeds. */
export class Journal {
  readonly #outages: Outage[] = [];
  readonly #breaches: string[] = [];
  /** Clients that got in. */
  logins = 0;
  /** Logins that failed while a fault of their servers was on. */
  excused = 0;

  /** Something does not work from now on: a node, or a user. It may be missed until some time after the disposal. */
  outage(...of: readonly string[]): Disposable {
    const fromMs = performance.now();
    const outages = of.map((one) => ({ of: one, fromMs, toMs: Number.POSITIVE_INFINITY }));
    this.#outages.push(...outages);
    return {
      [Symbol.dispose]: () => {
        for (const outage of outages) outage.toMs = performance.now() + GRACE_MS;
      },
    };
  }

  /** A client that began then did not get what it wanted of these servers. */
  failed(what: string, of: readonly string[], sinceMs: number): void {
    const isExcused = this.#outages.some((outage) => of.includes(outage.of) && outage.toMs >= sinceMs);
    if (isExcused) this.excused += 1;
    else this.breach(`${what} (of ${of.join(', ')})`);
  }

  /** What no fault excuses. */
  breach(what: string): void {
    this.#breaches.push(`${new Date().toISOString()} ${what}`);
  }

  /** The first of what must not have been. */
  get breaches(): readonly string[] {
    return this.#breaches.slice(0, MAX_SHOWN);
  }
}
