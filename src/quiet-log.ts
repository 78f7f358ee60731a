import type { ConnectionEnd, Event, Observer, Repeated } from './events.ts';

/** Events of one client and one kind within this time are one line and a number. */
const PERIOD_MS = 10_000;
/** Clients that are kept apart; what more there are is one more kind. */
const MAX_CLIENTS = 1000;
const OTHERS = 'others';
const QUIET_ENDS: ReadonlySet<ConnectionEnd['how']> = new Set(['evicted', 'strayProxyHeader']);

/** Keeps an attack from flooding the log: what a client causes again and again is written once, then counted. */
export class QuietLog implements Disposable {
  readonly #log: Observer;
  readonly #counts = new Map<string, Repeated>();
  /** One for all, and none while nothing is counted. */
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Observer) {
    this.#log = log;
  }

  observe(event: Event): void {
    const flood = floodOf(event);
    if (flood === undefined || this.#isFirst(flood)) this.#log(event);
  }

  /** Writes what was counted. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#report();
  }

  #isFirst(flood: Flood): boolean {
    const { what, protocol, why } = flood;
    const isNew = !this.#counts.has(keyOf(flood));
    const client = isNew && this.#counts.size >= MAX_CLIENTS ? OTHERS : flood.client;
    const key = keyOf({ ...flood, client });
    const known = this.#counts.get(key);
    const count = known === undefined ? 0 : known.count + 1;
    this.#counts.set(key, { event: 'repeated', what, protocol, client, why, count });
    this.#timer ??= setInterval(() => this.#report(), PERIOD_MS).unref();
    return known === undefined;
  }

  #report(): void {
    const counted = [...this.#counts];
    for (const [key, repeated] of counted) {
      if (repeated.count === 0) {
        this.#counts.delete(key);
        continue;
      }
      this.#log(repeated);
      this.#counts.set(key, { ...repeated, count: 0 });
    }
    if (this.#counts.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}

type Flood = Pick<Repeated, 'what' | 'protocol' | 'client' | 'why'>;

/** What an attacker can cause without end, at no cost; `undefined` for all that has a line of its own. */
function floodOf(event: Event): Flood | undefined {
  switch (event.event) {
    case 'connectionRefused':
      return { what: event.event, protocol: event.protocol, client: event.client, why: event.why };
    case 'login':
      return event.result === 'throttled'
        ? { what: event.event, protocol: event.protocol, client: event.client, why: event.result }
        : undefined;
    case 'connectionEnd':
      return QUIET_ENDS.has(event.how)
        ? { what: event.event, protocol: event.protocol, client: event.client, why: event.how }
        : undefined;
    default:
      return undefined;
  }
}

function keyOf({ what, protocol, client, why }: Flood): string {
  return `${what} ${protocol} ${client} ${why}`;
}
