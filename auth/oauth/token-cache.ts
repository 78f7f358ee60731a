import { createHmac, randomBytes } from 'node:crypto';
import type { Secret } from '../secret.ts';
import type { TokenVerdict } from './token.ts';

/** Of right tokens, and of wrong ones: wrong ones, which anybody can make, drive no right one out. */
const MAX_ENTRIES = 10_000;
const KEEP_WRONG_MS = 60_000;

interface Entry {
  readonly verdict: TokenVerdict;
  readonly untilMs: number;
}

/**
 * Tokens that were judged a moment ago, by a keyed hash: mail programs open several connections with one, and go on
 * with one that has ended.
 */
export class TokenCache {
  readonly #right = new Map<string, Entry>();
  readonly #wrong = new Map<string, Entry>();
  readonly #key = randomBytes(32);
  readonly #keepMs: number;

  /** @param keepMs how long a right token is remembered; 0 remembers none. Wrong ones are remembered for a minute. */
  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** What was found of a token; `undefined` when that is not known, or no more. */
  get(token: Secret): TokenVerdict | undefined {
    const hash = this.#hash(token);
    const entry = this.#right.get(hash) ?? this.#wrong.get(hash);
    return entry !== undefined && Date.now() < entry.untilMs ? entry.verdict : undefined;
  }

  /** Remembers what was found. @param untilMs when it may no longer hold, in milliseconds since 1970. */
  add(token: Secret, verdict: TokenVerdict, untilMs: number): void {
    const isRight = verdict.kind === 'valid';
    const keepMs = isRight ? this.#keepMs : KEEP_WRONG_MS;
    if (keepMs === 0) {
      return;
    }
    const hash = this.#hash(token);
    this.#right.delete(hash);
    this.#wrong.delete(hash);
    const entries = isRight ? this.#right : this.#wrong;
    const [oldest] = entries.keys();
    if (entries.size >= MAX_ENTRIES && oldest !== undefined) {
      entries.delete(oldest);
    }
    entries.set(hash, { verdict, untilMs: Math.min(Date.now() + keepMs, untilMs) });
  }

  #hash(token: Secret): string {
    return createHmac('sha256', this.#key).update(token.octets).digest('base64');
  }
}
