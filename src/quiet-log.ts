import type { ConnectionEnd, Event, LoginEvent, Observer, Repeated } from './events.ts';

/** Events of one client and one kind within this time are one line and a number. */
const PERIOD_MS = 10_000;
/** Lines for users, addresses or networks that are throttled from now on, before they are counted. */
const MAX_THROTTLED = 20;
/** Clients that are kept apart; what more there are is one more kind. */
const MAX_CLIENTS = 1000;
const OTHERS = 'others';
/** Lines that one client gets for connections that ended in the same way, before they are counted. */
const LINES_OF_AN_END: Readonly<Partial<Record<ConnectionEnd['how'], number>>> = {
  evicted: 1,
  strayProxyHeader: 1,
  badProxyHeader: 5,
  notMail: 5,
  timeout: 5,
  tlsFailed: 5,
  tooLong: 5,
  tooManyBadCommands: 5,
  tooManyFailures: 5,
};

/** The same for logins that were refused and that the throttle does not stop, or not soon. */
const LINES_OF_A_LOGIN: Readonly<Partial<Record<LoginEvent['result'], number>>> = {
  throttled: 1,
  abandoned: 5,
  badCertificate: 5,
  badName: 5,
  channelBinding: 5,
  tokenExpired: 5,
  tokenUnfit: 5,
};

/**
 * Keeps an attack from flooding the log: what a client causes again and again is written once or a few times, then counted.
 */
export class QuietLog implements Disposable {
  readonly #log: Observer;
  readonly #counts = new Map<string, { readonly repeated: Repeated; readonly written: number }>();
  /** One for all, and none while nothing is counted. */
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Observer) {
    this.#log = log;
  }

  observe(event: Event): void {
    const flood = floodOf(event);
    if (flood === undefined || this.#mayWrite(flood)) this.#log(event);
  }

  /** Writes what was counted. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#report();
  }

  #mayWrite(flood: Flood): boolean {
    const { what, protocol, why } = flood;
    const isNew = !this.#counts.has(keyOf(flood));
    const client = isNew && this.#counts.size >= MAX_CLIENTS ? OTHERS : flood.client;
    const key = keyOf({ ...flood, client });
    const { written, count } = this.#counted(key);
    const mayWrite = written < flood.lines;
    this.#counts.set(key, {
      repeated: { event: 'repeated', what, protocol, client, why, count: mayWrite ? count : count + 1 },
      written: mayWrite ? written + 1 : written,
    });
    this.#timer ??= setInterval(() => this.#report(), PERIOD_MS).unref();
    return mayWrite;
  }

  #counted(key: string): { readonly written: number; readonly count: number } {
    const known = this.#counts.get(key);
    return { written: known?.written ?? 0, count: known?.repeated.count ?? 0 };
  }

  #report(): void {
    for (const [key, { repeated, written }] of [...this.#counts]) {
      if (repeated.count === 0) {
        this.#counts.delete(key);
        continue;
      }
      this.#log(repeated);
      this.#counts.set(key, { repeated: { ...repeated, count: 0 }, written });
    }
    if (this.#counts.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}

interface Flood extends Pick<Repeated, 'what' | 'protocol' | 'client' | 'why'> {
  /** So many lines are written before what follows is counted. */
  readonly lines: number;
}

/** What an attacker can cause without end, at no cost; `undefined` for all that has a line of its own. */
function floodOf(event: Event): Flood | undefined {
  switch (event.event) {
    case 'connectionRefused':
      return { what: event.event, protocol: event.protocol, client: event.client, why: event.why, lines: 1 };
    case 'login': {
      const lines = LINES_OF_A_LOGIN[event.result];
      return lines === undefined
        ? undefined
        : { what: event.event, protocol: event.protocol, client: event.client, why: event.result, lines };
    }
    case 'connectionEnd': {
      const lines = LINES_OF_AN_END[event.how];
      return lines === undefined
        ? undefined
        : { what: event.event, protocol: event.protocol, client: event.client, why: event.how, lines };
    }
    case 'throttleStart':
      return { what: event.event, protocol: '-', client: '-', why: event.kind, lines: MAX_THROTTLED };
    default:
      return undefined;
  }
}

function keyOf({ what, protocol, client, why }: Omit<Flood, 'lines'>): string {
  return `${what} ${protocol} ${client} ${why}`;
}
