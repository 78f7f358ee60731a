import { Deadline } from '../auth/deadline.ts';
import type { Account } from '../auth/directory.ts';
import { LoginFailure } from '../auth/failure.ts';
import type { UserSession } from './user-session.ts';

/** So many are looked up together, and then there is a pause: 100 a second at most. */
const BATCH = 10;
const PAUSE_MS = 100;
/** Where the directory can't be asked. */
const RETRY_MS = 5000;

export interface RecheckTerms {
  /** Directory work in all for one question. */
  readonly directoryMs: number;
  /** Is told what the account is now; `undefined` where there is none any more. */
  readonly judge: (session: UserSession, account: Account | undefined) => void;
  readonly onBug: (error: unknown) => void;
}

/** Looks the accounts of sessions up again, at a rate that a directory does not notice. */
export class Recheck implements Disposable {
  readonly #terms: RecheckTerms;
  readonly #waiting = new Set<UserSession>();
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #isBusy = false;

  constructor(terms: RecheckTerms) {
    this.#terms = terms;
  }

  add(session: UserSession): void {
    if (session.directory?.reread === undefined || this.#stopping.signal.aborted) return;
    this.#waiting.add(session);
    this.#schedule(0);
  }

  [Symbol.dispose](): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #schedule(ms: number): void {
    if (this.#isBusy || this.#timer !== undefined || this.#waiting.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#serveBatch();
    }, ms);
  }

  async #serveBatch(): Promise<void> {
    this.#isBusy = true;
    const batch = [...this.#waiting.values().take(BATCH)];
    for (const session of batch) this.#waiting.delete(session);
    const unanswered = await Promise.all(batch.map((session) => this.#look(session)));
    this.#isBusy = false;
    this.#schedule(unanswered.includes(true) ? RETRY_MS : PAUSE_MS);
  }

  /** @returns whether the directory could not be asked; then the session waits for the next turn. */
  async #look(session: UserSession): Promise<boolean> {
    using deadline = new Deadline(this.#terms.directoryMs, this.#stopping.signal);
    const { entry, service, directory, isOver } = session;
    try {
      if (isOver) return false;
      const account = await directory?.reread?.(entry, { service }, deadline.signal);
      if (!session.isOver && !this.#stopping.signal.aborted) this.#terms.judge(session, account);
    } catch (error) {
      if (!(error instanceof LoginFailure)) {
        this.#terms.onBug(error);
      } else if (error.reason === 'directoryDown' && !this.#stopping.signal.aborted) {
        this.#waiting.add(session);
        return true;
      }
    }
    return false;
  }
}
