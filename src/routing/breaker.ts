/** So many failures in a row open a breaker, within so much time: of the way to the node, or of different users there. */
const FAILURES = 3;
const USERS = 5;
const WINDOW_MS = 60_000;
/** Of so many users it is known that they failed at a node that is down. */
const MAX_USERS = 100;

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
  /** As of `Failed`. */
  readonly by: string | undefined;
  readonly why: string;
}

/** The turn of one who tries a node that is down; to be ended when he knows, or given back when he learned nothing. */
export interface Trial {
  end(nowMs: number): void;
  giveBack(): void;
}

/** One at a time, and then a pause. */
interface Turn {
  isTaken: boolean;
  nextMs: number;
}

/** Decides of one node whether it is worth a try. Has no clock and no timer of its own. */
export class Breaker {
  readonly #retryMs: number;
  #failures: readonly Failed[] = [];
  #open = false;
  #closedMs = Number.NEGATIVE_INFINITY;
  #closedByProbe = false;
  /** What is amiss, as far as is known: then others may be let in where some are not. */
  #blames: 'way' | 'users' = 'way';
  #trusts: 'login' | 'probe' = 'probe';
  /** Of logins, and of probes: whoever logs in all the time takes no turn from those. */
  #turns = turnsFrom(0);
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
    const others = this.#lately(nowMs).filter((earlier) => by === undefined || earlier.by !== by);
    this.#failures = [...others, { atMs: nowMs, by }].slice(-MAX_USERS);
    if (this.#open) {
      this.#blames = by === undefined ? 'way' : 'users';
      return;
    }
    const users = this.#failures.filter((failure) => failure.by !== undefined).length;
    const isWayDown = this.#failures.length - users >= FAILURES;
    if (!isWayDown && users < USERS) return;
    this.#open = true;
    this.#blames = isWayDown ? 'way' : 'users';
    this.#turns = turnsFrom(nowMs + this.#retryMs);
    // Who goes down again behind a probe that went well fails where no probe looks: only logins can tell then.
    if (this.#closedByProbe && nowMs - this.#closedMs < WINDOW_MS) this.#trusts = 'login';
  }

  /**
   * Where only users failed, another one may try at once: users whose entries or mailboxes are at fault must not keep
   * him out.
   * @param user whose login it is; `undefined` for a probe.
   * @returns `undefined` where it is somebody else's turn, too early, or nothing that a probe can find out.
   */
  beginTrial(nowMs: number, user: string | undefined): Trial | undefined {
    if (user === undefined && this.#trusts === 'login') return undefined;
    const turn = user === undefined ? this.#turns.probe : this.#turns.login;
    const isAnother =
      user !== undefined && this.#blames === 'users' && !this.#lately(nowMs).some(({ by }) => by === user);
    if (turn.isTaken || (nowMs < turn.nextMs && !isAnother)) return undefined;
    turn.isTaken = true;
    return {
      end: (endMs) => {
        turn.isTaken = false;
        turn.nextMs = endMs + this.#retryMs;
      },
      giveBack: () => {
        turn.isTaken = false;
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

  /** A probe found the node well. One more failure of the way opens it again, as the probe saw only a part of it. */
  closeByProbe(nowMs: number): void {
    this.#open = false;
    this.#closedMs = nowMs;
    this.#closedByProbe = true;
    const lately: Failed = { atMs: nowMs, by: undefined };
    this.#failures = new Array(FAILURES - 1).fill(lately);
  }
  #lately(nowMs: number): readonly Failed[] {
    return this.#failures.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
  }
}

function turnsFrom(nextMs: number): { readonly login: Turn; readonly probe: Turn } {
  return { login: { isTaken: false, nextMs }, probe: { isTaken: false, nextMs } };
}
