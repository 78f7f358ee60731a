import { createHmac, randomBytes } from 'node:crypto';
import type { Secret } from './secret.ts';

const MAX_ENTRIES = 10_000;

interface Entry {
  readonly user: string;
  readonly untilMs: number;
}

/** Tokens that were found right a moment ago, by a keyed hash: mail programs open several connections with one. */
export class TokenCache {
  readonly #entries = new Map<string, Entry>();
  readonly #key = randomBytes(32);
  readonly #keepMs: number;

  /** @param keepMs how long a token is remembered; 0 remembers none. */
  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** Whose token it is; `undefined` when it is not known, or no more. */
  get(token: Secret): string | undefined {
    const entry = this.#entries.get(this.#hash(token));
    return entry !== undefined && Date.now() < entry.untilMs ? entry.user : undefined;
  }

  /** Remembers a token. @param expiryMs when it ends, in milliseconds since 1970. */
  add(token: Secret, user: string, expiryMs: number): void {
    if (this.#keepMs === 0) {
      return;
    }
    const hash = this.#hash(token);
    this.#entries.delete(hash);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= MAX_ENTRIES && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
    this.#entries.set(hash, { user, untilMs: Math.min(Date.now() + this.#keepMs, expiryMs) });
  }

  #hash(token: Secret): string {
    return createHmac('sha256', this.#key).update(token.octets).digest('base64');
  }
}
