/** What is kept open for whoever needs it next. */
interface Kept {
  readonly usable: boolean;
  close(): void;
}

/**
 * Connections that nobody uses at the moment. Whoever needs one is given the one that was used last, so that what a
 * busy time has left over is used by nobody, and closed. One stays: the next login need not wait for a connection.
 */
export class IdleConnections<Connection extends Kept> {
  readonly #periodMs: number;
  readonly #idle: Connection[] = [];
  /** So many of them, the first ones, nobody has used since the last look. */
  #unused = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param periodMs what was not used for so long is closed, at twice that time at the latest. */
  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  put(connection: Connection): void {
    this.#idle.push(connection);
    if (this.#idle.length > 1) this.#timer ??= setInterval(() => this.#look(), this.#periodMs).unref();
  }

  /** Gives one that can be used; `undefined` where there is none. */
  take(): Connection | undefined {
    for (let last = this.#idle.pop(); last !== undefined; last = this.#idle.pop()) {
      this.#unused = Math.min(this.#unused, this.#idle.length);
      if (last.usable) return last;
    }
    return undefined;
  }

  has(connection: Connection): boolean {
    return this.#idle.includes(connection);
  }

  /** Closes them all. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  #look(): void {
    const spare = Math.min(this.#unused, this.#idle.length - 1);
    for (const connection of this.#idle.splice(0, spare)) connection.close();
    this.#unused = this.#idle.length;
    if (this.#unused > 1) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
