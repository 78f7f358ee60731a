interface Place {
  pending: number;
  readonly waiting: Set<() => void>;
}

/** Counts the logins that are under way at each place, and lets others wait until one of them has ended. */
export class PendingLogins {
  readonly #places = new Map<string, Place>();

  /** Counts one more. @returns how many there are, this one included. */
  enter(name: string): number {
    const place = this.#placeOf(name);
    place.pending += 1;
    return place.pending;
  }

  /** One has ended: the first of those who wait may ask again. */
  leave(name: string): void {
    const place = this.#placeOf(name);
    const [first] = place.waiting;
    if (first !== undefined) this.#wake(place, first);
    this.#uncount(name, place);
  }

  /** Takes back what was entered and never begun. Those who wait go on waiting for others, if there are any. */
  withdraw(name: string): void {
    this.#uncount(name, this.#placeOf(name));
  }

  /** Waits until one ends, if one is there; no longer than the signal says. */
  async oneEnds(name: string, signal: AbortSignal): Promise<void> {
    const place = this.#places.get(name);
    if (place === undefined || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    place.waiting.add(resolve);
    const giveUp = (): void => this.#wake(place, resolve);
    signal.addEventListener('abort', giveUp, { once: true });
    await promise;
    signal.removeEventListener('abort', giveUp);
  }

  #placeOf(name: string): Place {
    const place = this.#places.get(name) ?? { pending: 0, waiting: new Set() };
    this.#places.set(name, place);
    return place;
  }

  #uncount(name: string, place: Place): void {
    place.pending -= 1;
    if (place.pending > 0) return;
    // Nobody is left to wake them.
    this.#places.delete(name);
    for (const wake of [...place.waiting]) this.#wake(place, wake);
  }

  #wake({ waiting }: Place, wake: () => void): void {
    waiting.delete(wake);
    wake();
  }
}
