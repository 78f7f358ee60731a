import { createHmac, randomBytes } from 'node:crypto';
import type { Secret } from '../../auth/secret.ts';
import { Recent } from './recent.ts';

export interface KnownWrongOptions {
  /** 0 remembers nothing. */
  readonly forMs: number;
  /** The most passwords that are remembered. */
  readonly max: number;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** A password that was tried for an entry. */
export interface TriedPassword {
  /** The entry's name. */
  readonly entry: string;
  /** Changes with the entry; empty where the directory doesn't show it. */
  readonly version: string;
  readonly password: Secret;
}

/** How much longer than `forMs` a password may stay remembered in all, by being tried again and again. */
const LONGEST = 60;

/**
 * Remembers which passwords the directory has just found wrong, so that a client with an old password doesn't lock
 * its user out there. A client that tries it again in time prolongs that, since it will never stop by itself: but only
 * where a change of the entry would show, and not for ever.
 */
export class KnownWrong {
  readonly #options: KnownWrongOptions;
  readonly #key = randomBytes(32);
  /** Until when each may be prolonged. */
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

  /** Whether this was found wrong a moment ago; to ask is to try it again. */
  has(tried: TriedPassword): boolean {
    const name = this.#nameOf(tried);
    const lastMs = this.#wrong.get(name);
    if (lastMs === undefined) {
      return false;
    }
    this.#hits += 1;
    const forMs = Math.min(this.#options.forMs, lastMs - this.#options.now());
    if (tried.version !== '' && forMs > 0) {
      this.#wrong.set(name, lastMs, forMs);
    }
    return true;
  }

  /** Remembers what the directory found wrong. */
  add(tried: TriedPassword): void {
    const { forMs, now } = this.#options;
    const name = this.#nameOf(tried);
    if (forMs > 0 && this.#wrong.get(name) === undefined) {
      this.#wrong.set(name, now() + forMs * LONGEST, forMs);
    }
  }

  #nameOf({ entry, version, password }: TriedPassword): string {
    const hash = createHmac('sha256', this.#key);
    for (const part of [entry, version, password.octets]) hash.update(part).update('\0');
    return hash.digest('base64url');
  }
}
