import { BerError, elementOctets } from './ber.ts';
import { MAX_START_OCTETS, readStart } from './message.ts';

/** An entry has a few attributes of a line each. */
const MAX_MESSAGE_OCTETS = 1024 * 1024;
/** What is longer is no entry of anybody's. */
const MAX_SKIPPED_OCTETS = 64 * MAX_MESSAGE_OCTETS;

/** An entry that is too long to be taken: whoever writes his own must not end what others asked for. */
export interface Oversized {
  readonly kind: 'oversized';
  /** Of the message. */
  readonly id: number;
}

/** Cuts what a server sends into messages, and holds no more than one of them. */
export class MessageCutter {
  #received: Buffer = Buffer.alloc(0);
  /** Octets of an oversized message that are still to come. */
  #skip = 0;

  /** Whether octets came that are no message yet. */
  get isWithin(): boolean {
    return this.#received.length > 0 || this.#skip > 0;
  }

  add(octets: Buffer): void {
    const skipped = Math.min(this.#skip, octets.length);
    this.#skip -= skipped;
    const taken = octets.subarray(skipped);
    this.#received = this.#received.length === 0 ? taken : Buffer.concat([this.#received, taken]);
  }

  /**
   * The next message, or that there is one which is too long, of which the rest is skipped.
   * @throws {BerError} for what is no message, and for a long one that is no entry.
   */
  next(): Buffer | Oversized | undefined {
    const length = elementOctets(this.#received);
    if (length !== undefined && length > MAX_MESSAGE_OCTETS) return this.#skipMessage(length);
    if (length === undefined || this.#received.length < length) return undefined;
    const message = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return message;
  }

  #skipMessage(length: number): Oversized | undefined {
    if (this.#received.length < MAX_START_OCTETS) return undefined;
    const { id, isEntry } = readStart(this.#received);
    if (!isEntry || length > MAX_SKIPPED_OCTETS) throw new BerError(`message of ${length} octets`);
    this.#skip = Math.max(0, length - this.#received.length);
    this.#received = this.#received.subarray(Math.min(length, this.#received.length));
    return { kind: 'oversized', id };
  }
}
