/** So many wait at a gate already that no more may. */
export class GateFull extends Error {
  override readonly name = 'GateFull';
}

/** Lets a fixed number in at a time; the others wait in the order they came. */
export class Gate {
  #free: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number, maxWaiting = Number.POSITIVE_INFINITY) {
    this.#free = places;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Waits for a place, which is given back by disposing of it.
   * @throws the signal's reason when it is aborted before a place is free.
   * @throws {GateFull} when too many wait already.
   */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
    } else if (this.#waiting.length >= this.#maxWaiting) {
      throw new GateFull(`${this.#waiting.length} wait already`);
    } else {
      await this.#turn(signal);
    }
    return { [Symbol.dispose]: () => this.#leave() };
  }

  #turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = (): void => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    };
    const giveUp = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(enter), 1);
      reject(signal.reason);
    };
    this.#waiting.push(enter);
    signal.addEventListener('abort', giveUp, { once: true });
    return promise;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    next();
  }
}
