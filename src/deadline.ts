/**
 * A point in time by which something must be done, which can be called off: `using` does so at the end of the scope.
 * An `AbortSignal.timeout` can't be, and would end the session that a login became.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #timer: NodeJS.Timeout;

  /** @param parent aborts this one early, for instance when the client is gone. */
  constructor(ms: number, parent: AbortSignal) {
    this.#parent = parent;
    this.#timer = setTimeout(() => this.#controller.abort(new Error(`not done within ${ms} ms`)), ms);
    if (parent.aborted) {
      this.#abort();
    } else {
      parent.addEventListener('abort', this.#abort);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener('abort', this.#abort);
  }

  readonly #abort = (): void => {
    this.#controller.abort(this.#parent.reason);
  };
}
