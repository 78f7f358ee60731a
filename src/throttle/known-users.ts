import { addressKeys } from './address.ts';
import { FairRecent } from './fair-recent.ts';

export interface KnownUsersOptions {
  readonly forMs: number;
  /** The most users, each at one address. */
  readonly max: number;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** Of each account: 32 addresses by two names, or as many /64s and their /48s. Else one account could displace all others. */
const PER_ACCOUNT = 64;

/** Remembers who logged in from where. */
export class KnownUsers {
  /** By name and address, to the address. */
  readonly #here: FairRecent<string>;
  /** By account and place, to the place. */
  readonly #accounts: FairRecent<string>;
  /** Accounts by place. */
  readonly #counts = new Map<string, number>();

  constructor({ forMs, max, now }: KnownUsersOptions) {
    const options = { forMs, max, perOwner: PER_ACCOUNT, now };
    this.#here = new FairRecent(options);
    this.#accounts = new FairRecent({ ...options, forgotten: (place) => this.#count(place, -1) });
  }

  /** @param names that a user logged in by; the last one is his account's, which other names don't multiply. */
  add(names: readonly string[], ip: string): void {
    const { address, network } = addressKeys(ip);
    const account = names.at(-1);
    if (account === undefined) return;
    for (const name of names) this.#here.set(account, keyOf(name, address), address);
    for (const place of network === undefined ? [address] : [address, network]) {
      const key = keyOf(account, place);
      const isNew = this.#accounts.get(key) === undefined;
      if (isNew) this.#count(place, 1);
      this.#accounts.set(account, key, place);
    }
  }

  /**
   * Whether a user is known by this name at the address. By the address itself, or the /64, and not the provider's
   * /24: neighbours must neither borrow the trust in a user's address nor use up what failures it may have.
   */
  has(name: string, ip: string): boolean {
    return this.#here.get(keyOf(name, addressKeys(ip).address)) !== undefined;
  }

  /** How many accounts are known at an address or network. */
  accountsAt(place: string): number {
    this.#accounts.expire();
    return this.#counts.get(place) ?? 0;
  }

  /** The addresses where one of these names is known. */
  addressesOf(names: readonly string[]): readonly string[] {
    const of = [...this.#here].flatMap(([key, address]) =>
      names.some((name) => key === keyOf(name, address)) ? [address] : [],
    );
    return [...new Set(of)];
  }

  get size(): number {
    return this.#here.size;
  }

  #count(place: string, change: 1 | -1): void {
    const count = (this.#counts.get(place) ?? 0) + change;
    if (count === 0) this.#counts.delete(place);
    else this.#counts.set(place, count);
  }
}

function keyOf(name: string, place: string): string {
  return `${name} ${place}`;
}
