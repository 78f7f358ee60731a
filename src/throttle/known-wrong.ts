import { KeyedHash } from '../../auth/keyed-hash.ts';
import { Recent } from '../../auth/recent.ts';
import type { Secret } from '../../auth/secret.ts';

export interface KnownWrongOptions {
  /** 0 remembers nothing. */
  readonly forMs: number;
  /** How long, at the second time, where no change of the password would show. */
  readonly againMs: number;
  /** The most passwords that are remembered. */
  readonly max: number;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** A password that was tried for an entry. */
export interface TriedPassword {
  /** The entry's name. */
  readonly entry: string;
  /** Changes with the entry's password; empty where the directory doesn't show that. */
  readonly version: string;
  readonly password: Secret;
}

/** Times `forMs` that a password is remembered which was found wrong again later. */
const LONGER = 60;

/**
 * Remembers which passwords the directory has just found wrong, so that a client with an old password doesn't lock
 * its user out there. At first it does so for a short time, as a server may not have heard yet of a new password. What
 * is wrong again after that is remembered for long where a change of the password would show, and else for as long as
 * failures are counted: the throttle counts it no more, so it must not be asked about again and again.
 */
export class KnownWrong {
  readonly #options: KnownWrongOptions;
  readonly #hash = new KeyedHash();
  /** Until when each is known, in milliseconds. */
  readonly #wrong: Recent<number>;
  #hits = 0;

  constructor(options: KnownWrongOptions) {
    this.#options = options;
    this.#wrong = new Recent(options.max, options.now);
  }

  /** How many times the directory was spared a question. */
  get hits(): number {
    return this.#hits;
  }

  /** Whether this was found wrong a moment ago. */
  has(tried: TriedPassword): boolean {
    const isKnown = (this.#wrong.get(this.#nameOf(tried)) ?? 0) > this.#options.now();
    this.#hits += isKnown ? 1 : 0;
    return isKnown;
  }

  /** Remembers what was found wrong, by the directory or from here. */
  add(tried: TriedPassword): void {
    const { forMs, againMs, now } = this.#options;
    const name = this.#nameOf(tried);
    const beforeMs = this.#wrong.get(name);
    if (forMs === 0 || (beforeMs ?? 0) > now()) {
      return;
    }
    const longerMs = tried.version === '' ? Math.max(forMs, againMs) : forMs * LONGER;
    const thisMs = beforeMs === undefined ? forMs : longerMs;
    this.#wrong.set(name, now() + thisMs, 2 * Math.max(longerMs, forMs * LONGER));
  }

  #nameOf({ entry, version, password }: TriedPassword): string {
    return this.#hash.of(entry, version, password.octets).toString('base64url');
  }
}
