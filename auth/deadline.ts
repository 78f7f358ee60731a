/** Why a signal was aborted: a time was over, not that somebody left or closed. */
class TimeIsOver extends Error {
  override readonly name = 'TimeIsOver';
}

/** Says for a message why a signal ended a wait; who leaves says nothing of who was waited for. */
export function whyAborted(signal: AbortSignal, timedOut: string): string {
  return isTime(signal) ? timedOut : 'given up';
}

/** Whether nobody wants the answer any more: a client left, or we close. */
export function isGivenUp(signal: AbortSignal): boolean {
  return signal.aborted && !isTime(signal);
}

function isTime({ reason }: AbortSignal): boolean {
  return reason instanceof TimeIsOver || (reason instanceof DOMException && reason.name === 'TimeoutError');
}

/**
 * A point in time by which something must be done, which can be called off: `using` does so at the end of the scope.
 * An `AbortSignal.timeout` can't be, and would end the session that a login became.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;
  #expired = false;

  /** @param parent aborts this one early: the limit of all that this is a part of, or a client that is gone. */
  constructor(ms: number, parent?: AbortSignal) {
    this.#parent = parent;
    this.#timer = setTimeout(() => this.#expire(ms), ms);
    if (parent?.aborted === true) {
      this.#followParent();
    } else {
      parent?.addEventListener('abort', this.#followParent);
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
    this.#parent?.removeEventListener('abort', this.#followParent);
  }

  #expire(ms: number): void {
    if (!this.#controller.signal.aborted) {
      this.#expired = true;
      this.#controller.abort(new TimeIsOver(`not done within ${ms} ms`));
    }
  }

  readonly #followParent = (): void => {
    this.#controller.abort(this.#parent?.reason);
  };
}
