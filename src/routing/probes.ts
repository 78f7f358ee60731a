import { Deadline } from '../../auth/deadline.ts';
import { LoginFailure } from '../../auth/failure.ts';
import type { Breakers, DownNode } from './breakers.ts';

export interface ProbesOptions {
  readonly breakers: Pick<Breakers, 'down' | 'probe'>;
  /** Gives the nodes that are probed though nothing is wrong with them; they may come and go. */
  readonly always: () => readonly DownNode[];
  /** From one probe of such a node to the next. */
  readonly everyMs: number;
  /** One probe may take so long. */
  readonly probeMs: number;
  /** Tries a node. @throws {LoginFailure} that says what is wrong with it. */
  readonly check: (place: DownNode, signal: AbortSignal) => Promise<void>;
}

const TICK_MS = 500;
const AT_A_TIME = 50;

/** Tries nodes that are down whether they work again, so that no user has to; and others from time to time. */
export class Probes implements Disposable {
  readonly #options: ProbesOptions;
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  /** When each of the nodes that are always probed is next, by the clock of `performance`. */
  #due = new Map<string, number>();
  readonly #running = new Set<string>();

  constructor(options: ProbesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), TICK_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#closing.abort(new Error('the proxy is stopping'));
  }

  #look(): void {
    for (const place of this.#options.breakers.down()) this.#begin(place);
    const due = new Map<string, number>();
    for (const place of this.#options.always()) {
      const key = keyOf(place);
      // Not all at once: proxies that were started together would come together for ever.
      const atMs = this.#due.get(key) ?? this.#later(Math.random());
      const isDue = performance.now() >= atMs;
      due.set(key, isDue ? this.#later(0.9 + 0.2 * Math.random()) : atMs);
      if (isDue) this.#begin(place);
    }
    this.#due = due;
  }

  #later(parts: number): number {
    return performance.now() + parts * this.#options.everyMs;
  }

  #begin(place: DownNode): void {
    const key = keyOf(place);
    if (this.#running.has(key) || this.#running.size >= AT_A_TIME) return;
    const attempt = this.#options.breakers.probe(place.node, place.service);
    if (attempt === undefined) return;
    this.#running.add(key);
    void this.#check(place).then((failure) => {
      this.#running.delete(key);
      if (this.#closing.signal.aborted) attempt.abandoned();
      else if (failure === undefined) attempt.succeeded();
      else attempt.failed(failure, 'connecting');
    });
  }

  async #check(place: DownNode): Promise<LoginFailure | undefined> {
    const { check, probeMs } = this.#options;
    using deadline = new Deadline(probeMs, this.#closing.signal);
    try {
      await check(place, deadline.signal);
      return undefined;
    } catch (error) {
      if (error instanceof LoginFailure) return error;
      return new LoginFailure('nodeUnreachable', String(error), { cause: error });
    }
  }
}

function keyOf({ node, service }: DownNode): string {
  return `${service} ${node.name}`;
}
