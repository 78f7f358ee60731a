import type { LookupAddress } from 'node:dns';
import type { Socket } from 'node:net';

/** How long an address is tried alone before the next one is tried beside it (RFC 8305 section 5). */
const HEAD_START_MS = 250;

/**
 * Connects to the first address that answers ("happy eyeballs", RFC 8305): each gets a head start of 250 ms before the
 * next one, and a refusal gives the turn on at once. Families take turns, so that a dead one costs one head start.
 * @param begin starts to connect to an address.
 * @throws {AggregateError} when none of several could be connected to, of one its own error; else the signal's reason. Nothing stays open then.
 */
export async function connectToFirst(
  addresses: readonly LookupAddress[],
  begin: (address: LookupAddress) => Socket,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  const race = new Race(inTurns(addresses), begin);
  const giveUp = (): void => race.giveUp(signal.reason);
  signal.addEventListener('abort', giveUp);
  try {
    return await race.won;
  } finally {
    signal.removeEventListener('abort', giveUp);
    race.end();
  }
}

class Race {
  readonly #waiting: LookupAddress[];
  readonly #begin: (address: LookupAddress) => Socket;
  readonly #running = new Set<Socket>();
  readonly #errors: unknown[] = [];
  readonly #result = Promise.withResolvers<Socket>();
  #isOver = false;
  #headStart: NodeJS.Timeout | undefined;

  constructor(addresses: readonly LookupAddress[], begin: (address: LookupAddress) => Socket) {
    this.#waiting = [...addresses];
    this.#begin = begin;
    this.#next();
  }

  get won(): Promise<Socket> {
    return this.#result.promise;
  }

  giveUp(reason: unknown): void {
    this.#isOver = true;
    this.#result.reject(reason);
  }

  /** Closes all but the winner. */
  end(): void {
    clearTimeout(this.#headStart);
    this.#waiting.length = 0;
    for (const socket of this.#running) {
      socket.removeAllListeners('error').on('error', unheard).destroy();
    }
    this.#running.clear();
  }

  #next(): void {
    clearTimeout(this.#headStart);
    const address = this.#waiting.shift();
    if (address === undefined) {
      if (this.#running.size === 0) this.#result.reject(allOf(this.#errors));
      return;
    }
    const socket = this.#begin(address);
    this.#running.add(socket);
    socket.once('error', (error) => this.#lost(socket, error));
    socket.once('connect', () => this.#connected(socket));
    if (this.#waiting.length > 0) this.#headStart = setTimeout(() => this.#next(), HEAD_START_MS);
  }

  #connected(socket: Socket): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#running.delete(socket);
    // The session that follows may last for days, and has no use for the race.
    socket.removeAllListeners('error').on('error', unheard);
    this.#result.resolve(socket);
  }

  #lost(socket: Socket, error: Error): void {
    if (!this.#running.delete(socket)) return;
    this.#errors.push(error);
    this.#next();
  }
}

function allOf(errors: readonly unknown[]): unknown {
  return errors.length === 1 ? errors[0] : new AggregateError(errors);
}

/** Until a transport listens, an error has nowhere else to go; 'close' will tell it. */
function unheard(): void {}

/** The families take turns, the preferred one first (RFC 8305 section 4). */
function inTurns(addresses: readonly LookupAddress[]): LookupAddress[] {
  const [first] = addresses;
  const preferred = addresses.filter(({ family }) => family === first?.family);
  const others = addresses.filter(({ family }) => family !== first?.family);
  return preferred
    .flatMap((address, index) => [address, ...others.slice(index, index + 1)])
    .concat(others.slice(preferred.length));
}
