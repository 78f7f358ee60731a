import { addressKeys } from './throttle/address.ts';

/** A connection that has not logged in yet. */
export interface Waiter {
  /** Ends it in favour of another one. @returns false for a login that is being worked on. */
  evict(): boolean;
}

export interface WaitingLimits {
  /** The most of one address, once a quarter of all places is taken; `undefined` for no limit. */
  readonly perAddress: number | undefined;
  /** The most in all; `undefined` for no limit. */
  readonly max: number | undefined;
  /** Addresses that many clients share. */
  readonly isShared: (ip: string) => boolean;
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
  /** With the address by which each is counted. */
  readonly #all = new Map<Waiter, string | undefined>();
  readonly #byAddress = new Map<string, Set<Waiter>>();

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
    const { perAddress = Number.POSITIVE_INFINITY, max = Number.POSITIVE_INFINITY, isShared } = this.#limits;
    const address = isShared(ip) ? undefined : addressKeys(ip).address;
    const same = address === undefined ? undefined : this.#byAddress.get(address);
    const isScarce = max === Number.POSITIVE_INFINITY || this.#all.size >= SCARCE * max;
    const isFull = isScarce && same !== undefined && same.size >= perAddress;
    if (isFull && !this.#evictOldest(same.values())) {
      return undefined;
    }
    if (this.#all.size >= max && !this.#evictOldest(this.#all.keys())) {
      return undefined;
    }
    this.#all.set(waiter, address);
    if (address !== undefined) {
      this.#byAddress.set(address, (this.#byAddress.get(address) ?? new Set()).add(waiter));
    }
    return { [Symbol.dispose]: () => this.#leave(waiter) };
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
    const address = this.#all.get(waiter);
    this.#all.delete(waiter);
    const same = address === undefined ? undefined : this.#byAddress.get(address);
    same?.delete(waiter);
    if (address !== undefined && same?.size === 0) {
      this.#byAddress.delete(address);
    }
  }
}
