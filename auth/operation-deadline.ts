/** The time limit of one operation inside a larger one. Dispose of it when the operation has ended. */
export class OperationDeadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #onOuter = (): void => this.#controller.abort(this.#outer.reason);
  #expired = false;

  constructor(outer: AbortSignal, ms: number) {
    this.#outer = outer;
    this.#timer = setTimeout(() => {
      this.#expired = true;
      this.#controller.abort(new Error(`${ms} ms have passed`));
    }, ms);
    outer.addEventListener('abort', this.#onOuter, { once: true });
    if (outer.aborted) {
      this.#onOuter();
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether this limit was reached, rather than the outer one. */
  get expired(): boolean {
    return this.#expired;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#onOuter);
  }
}
