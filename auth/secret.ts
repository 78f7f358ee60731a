import { timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

/** Octets that must never be shown: every way of printing it gives `[secret]`. */
export class Secret {
  readonly #octets: Buffer;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  /** The octets themselves, for the one place that needs them. */
  get octets(): Buffer {
    return this.#octets;
  }

  /** Whether both hold the same octets; the time taken tells the length only. */
  equals(other: Buffer): boolean {
    return this.#octets.length === other.length && timingSafeEqual(this.#octets, other);
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
