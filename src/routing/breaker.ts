/** So many failures in a row open a breaker, within so much time. */
const FAILURES = 3;
const WINDOW_MS = 60_000;

interface Failed {
  readonly atMs: number;
  /** Whose login it was, where it may have been his fault; such a user counts once. */
  readonly by: string | undefined;
}

/** A failure that is to be counted. */
export interface Failure {
  /** When what failed began: what began before the breaker closed tells nothing of now. */
  readonly startedMs: number;
  readonly nowMs: number;
  readonly by: string | undefined;
  readonly why: string;
}

/** The turn of one who tries a node that is down; to be ended when he knows. */
export interface Trial {
  end(nowMs: number): void;
}

/** Decides of one node whether it is worth a try. Has no clock and no timer of its own. */
export class Breaker {
  readonly #retryMs: number;
  #failures: Failed[] = [];
  #open = false;
  #closedMs = Number.NEGATIVE_INFINITY;
  #closedByProbe = false;
  #trusts: 'login' | 'probe' = 'probe';
  #nextTrialMs = 0;
  #trying = false;
  #why = '';

  constructor(retryMs: number) {
    this.#retryMs = retryMs;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** The last failure, in words. */
  get why(): string {
    return this.#why;
  }

  failed({ startedMs, nowMs, by, why }: Failure): void {
    if (startedMs < this.#closedMs) return;
    this.#why = why;
    if (this.#open) return;
    const counted = this.#failures.filter(
      (earlier) => nowMs - earlier.atMs < WINDOW_MS && (by === undefined || earlier.by !== by),
    );
    this.#failures = [...counted, { atMs: nowMs, by }];
    if (this.#failures.length < FAILURES) return;
    this.#open = true;
    this.#failures = [];
    this.#nextTrialMs = nowMs + this.#retryMs;
    // Who goes down again behind a probe that went well fails where no probe looks: only logins can tell then.
    if (this.#closedByProbe && nowMs - this.#closedMs < WINDOW_MS) this.#trusts = 'login';
  }

  /** @returns `undefined` where it is somebody else's turn, too early, or nothing that a probe can find out. */
  beginTrial(nowMs: number, by: 'login' | 'probe'): Trial | undefined {
    if (this.#trying || nowMs < this.#nextTrialMs) return undefined;
    if (by === 'probe' && this.#trusts === 'login') return undefined;
    this.#trying = true;
    return {
      end: (endMs) => {
        this.#trying = false;
        this.#nextTrialMs = endMs + this.#retryMs;
      },
    };
  }

  /** Whether nothing is known that would have to be remembered. */
  isIdle(nowMs: number): boolean {
    const lastMs = Math.max(this.#closedMs, this.#failures.at(-1)?.atMs ?? this.#closedMs);
    return !this.#open && nowMs - lastMs >= WINDOW_MS;
  }

  /** A login went well. */
  close(nowMs: number): void {
    this.#open = false;
    this.#closedMs = nowMs;
    this.#closedByProbe = false;
    this.#trusts = 'probe';
    this.#failures = [];
  }

  /** A probe found the node well. One more failure of a login opens it again, as the probe saw only a part of it. */
  closeByProbe(nowMs: number): void {
    this.#open = false;
    this.#closedMs = nowMs;
    this.#closedByProbe = true;
    const lately: Failed = { atMs: nowMs, by: undefined };
    this.#failures = new Array(FAILURES - 1).fill(lately);
  }
}
