/**
 * A point in time by which something must be done, which can be called off: `using` does so at the end of the scope.
 * An `AbortSignal.timeout` can't be, and would end the session that a login became.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #expired = false;

  /** @param parent aborts this one early: the limit of all that this is a part of, or a client that is gone. */
  constructor(ms: number, parent: AbortSignal) {
    this.#parent = parent;
    this.#timer = setTimeout(() => this.#expire(ms), ms);
    if (parent.aborted) {
      this.#followParent();
    } else {
      parent.addEventListener('abort', this.#followParent);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether this time has passed, rather than the parent ended it. */
  get expired(): boolean {
    return this.#expired;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener('abort', this.#followParent);
  }

  #expire(ms: number): void {
    if (!this.#controller.signal.aborted) {
      this.#expired = true;
      this.#controller.abort(new Error(`not done within ${ms} ms`));
    }
  }

  readonly #followParent = (): void => {
    this.#controller.abort(this.#parent.reason);
  };
}
