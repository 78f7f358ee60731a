import { addressKeys } from './throttle/address.ts';

/** A connection that has not logged in yet. */
export interface Waiter {
  /** Ends it in favour of another one. @returns false for a login that is being worked on. */
  evict(): boolean;
}

export interface WaitingLimits {
  /** The most of one address, once a quarter of all places is taken; `undefined` for no limit. */
  readonly perAddress: number | undefined;
  /** The same of a /48 of IPv6. */
  readonly perNetwork: number | undefined;
  /** The most in all; `undefined` for no limit. */
  readonly max: number | undefined;
  /** Addresses that many clients share. */
  readonly isShared: (ip: string) => boolean;
}

interface Place {
  readonly name: string;
  readonly most: number;
}

/** Beyond this part of the places, who has one has less time. */
const CROWDED = 0.8;
/** Below this part of the places an address may have any number: an office that comes back at once harms nobody. */
const SCARCE = 0.25;

/**
 * The connections that have not logged in yet, the oldest first. Who opens connections and says nothing takes places
 * from himself, by address, and keeps none for long: when all are taken, the oldest goes.
 */
export class Waiting {
  readonly #limits: WaitingLimits;
  /** With what each is counted by: its address, and the network that this is in. */
  readonly #all = new Map<Waiter, readonly Place[]>();
  readonly #byPlace = new Map<string, Set<Waiter>>();

  constructor(limits: WaitingLimits) {
    this.#limits = limits;
  }

  /** Whether so many wait that each should have less time. */
  get isCrowded(): boolean {
    return this.#all.size > CROWDED * (this.#limits.max ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Takes a place, and if need be another one's.
   * @returns what gives the place back; `undefined` when there is none, as all others are about to log in.
   */
  enter(waiter: Waiter, ip: string): Disposable | undefined {
    const { max = Number.POSITIVE_INFINITY } = this.#limits;
    const places = this.#placesOf(ip);
    if (max === Number.POSITIVE_INFINITY || this.#all.size >= SCARCE * max) {
      for (const { name, most } of places) {
        const same = this.#byPlace.get(name) ?? new Set();
        if (same.size >= most && !this.#evictOldest(same)) return undefined;
      }
    }
    if (this.#all.size >= max && !this.#evictOldest(this.#all.keys())) {
      return undefined;
    }
    this.#all.set(waiter, places);
    for (const { name } of places) {
      this.#byPlace.set(name, (this.#byPlace.get(name) ?? new Set()).add(waiter));
    }
    return { [Symbol.dispose]: () => this.#leave(waiter) };
  }

  #placesOf(ip: string): readonly Place[] {
    const { perAddress, perNetwork, isShared } = this.#limits;
    if (isShared(ip)) return [];
    const { address, network } = addressKeys(ip);
    return [
      { name: address, most: perAddress ?? Number.POSITIVE_INFINITY },
      ...(network === undefined ? [] : [{ name: network, most: perNetwork ?? Number.POSITIVE_INFINITY }]),
    ];
  }

  #evictOldest(waiters: Iterable<Waiter>): boolean {
    for (const waiter of waiters) {
      if (waiter.evict()) {
        this.#leave(waiter);
        return true;
      }
    }
    return false;
  }

  #leave(waiter: Waiter): void {
    for (const { name } of this.#all.get(waiter) ?? []) {
      const same = this.#byPlace.get(name);
      same?.delete(waiter);
      if (same?.size === 0) this.#byPlace.delete(name);
    }
    this.#all.delete(waiter);
  }
}
