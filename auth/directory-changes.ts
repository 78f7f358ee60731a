/** What a directory tells of its changes to who follows it. */
import type { Account, DirectoryContext } from './directory.ts';

/** One thing that became different, or may have. */
export type DirectoryChange =
  | EntryChanged
  | EntryRemoved
  /** Changes may have been missed: whatever is remembered of the directory is to be looked up again. */
  | { readonly kind: 'doubtful' };

/** An entry is new, changed or renamed. */
export interface EntryChanged {
  readonly kind: 'changed';
  /** Distinguished name, the new one where it was renamed. */
  readonly entry: string;
  /** What the entry keeps when it is renamed; `undefined` where the directory has no such thing. */
  readonly id: string | undefined;
  /**
   * The same while nothing changes that matters here: a failed bind changes an entry of OpenLDAP, and nothing of this.
   */
  readonly fingerprint: string;
  /** As of `Found`. */
  readonly passwordVersion: string;
  /** Reads the account without asking anybody. @throws {LoginFailure} `directoryFault`. */
  read(context: DirectoryContext): Account;
}

/** An entry is gone, or is no account any more. */
export interface EntryRemoved {
  readonly kind: 'removed';
  /** `undefined` where only the id is known. */
  readonly entry: string | undefined;
  readonly id: string | undefined;
}

/** How a directory is followed: told at once, asked again and again, watched as a file, or not at all. */
export type FollowMode = 'sync' | 'poll' | 'watch' | 'off';

/** Is told whenever that may have changed, why, and the URL of the server that tells, where there is one. */
export type FollowObserver = (following: FollowMode, detail: string | undefined, server?: string) => void;

/** Whether a change is of this account: an entry may be renamed, and some changes have no name. */
export function concerns(
  change: EntryChanged | EntryRemoved,
  { entry, id }: Pick<Account, 'entry' | 'id'>,
): boolean {
  return change.entry === entry || (id !== undefined && change.id === id);
}

/**
 * Changes on their way to who takes them. When they become too many, they are forgotten and the whole directory is in
 * doubt instead.
 */
export class ChangeQueue implements AsyncIterable<DirectoryChange> {
  readonly #max: number;
  #waiting: DirectoryChange[] = [];
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(max: number) {
    this.#max = max;
  }

  push(change: DirectoryChange): void {
    if (change.kind === 'doubtful' || this.#waiting.length >= this.#max) {
      // It covers whatever has not been taken yet.
      this.#waiting = [{ kind: 'doubtful' }];
    } else {
      this.#waiting.push(change);
    }
    this.#wake();
  }

  /** Nothing comes any more; what waits is still given. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<DirectoryChange> {
    for (;;) {
      const taken = this.#waiting;
      this.#waiting = [];
      yield* taken;
      if (this.#waiting.length === 0 && this.#ended) {
        return;
      }
      if (this.#waiting.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
