const LF = 0x0a;
const CR = 0x0d;
const FIRST_CAPACITY = 1024;
const EMPTY: Buffer = Buffer.alloc(0);

/**
 * Received octets that were not used yet. Lines and counted octets are cut from it before anything is parsed, so
 * that the octets of a literal can never be read as a command. However small the segments are, the work is linear.
 */
export class WireBuffer {
  #store = EMPTY;
  #start = 0;
  #end = 0;
  /** Everything before it was searched for LF already. */
  #searched = 0;
  /** Whether `#store` is ours to write into, or a received chunk. */
  #owned = false;

  get length(): number {
    return this.#end - this.#start;
  }

  push(chunk: Buffer): void {
    if (this.length === 0) {
      this.#adopt(chunk, chunk.length, false);
      return;
    }
    if (!this.#owned || this.#store.length - this.#end < chunk.length) {
      const length = this.length;
      const roomier = Buffer.alloc(Math.max(FIRST_CAPACITY, 2 * (length + chunk.length)));
      this.#store.copy(roomier, 0, this.#start, this.#end);
      const searched = this.#searched - this.#start;
      this.#adopt(roomier, length, true);
      this.#searched = searched;
    }
    chunk.copy(this.#store, this.#end);
    this.#end += chunk.length;
  }

  /**
   * Cuts the next line, without its CRLF. A bare LF ends a line too, since old clients send it.
   * @returns `undefined` when no whole line is there yet.
   */
  takeLine(): Buffer | undefined {
    const at = this.#store.subarray(0, this.#end).indexOf(LF, Math.max(this.#searched, this.#start));
    if (at < 0) {
      this.#searched = this.#end;
      return undefined;
    }
    const end = at > this.#start && this.#store[at - 1] === CR ? at - 1 : at;
    const line = this.#store.subarray(this.#start, end);
    this.#advance(at + 1 - this.#start);
    return line;
  }

  /** Cuts exactly `count` octets; `undefined` when they are not all there yet. */
  takeOctets(count: number): Buffer | undefined {
    if (this.length < count) {
      return undefined;
    }
    const octets = this.#store.subarray(this.#start, this.#start + count);
    this.#advance(count);
    return octets;
  }

  /** Drops up to `count` octets. @returns how many. */
  skip(count: number): number {
    const skipped = Math.min(count, this.length);
    this.#advance(skipped);
    return skipped;
  }

  /** The octets as they stand, not taken. */
  peek(): Buffer {
    return this.#store.subarray(this.#start, this.#end);
  }

  /** Takes all that is left. */
  takeAll(): Buffer {
    const octets = this.peek();
    this.#adopt(EMPTY, 0, false);
    return octets;
  }

  #advance(count: number): void {
    this.#start += count;
    this.#searched = this.#start;
    if (this.#start === this.#end) {
      this.#adopt(EMPTY, 0, false);
    }
  }

  #adopt(store: Buffer, length: number, owned: boolean): void {
    this.#store = store;
    this.#start = 0;
    this.#end = length;
    this.#searched = 0;
    this.#owned = owned;
  }
}
