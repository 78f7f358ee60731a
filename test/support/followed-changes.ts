import type { Directory } from '../../auth/directory.ts';
import type { DirectoryChange, FollowMode } from '../../auth/directory-changes.ts';

interface State {
  readonly following: FollowMode;
  readonly detail: string | undefined;
}

/** Follows a directory and keeps what it tells. */
export class FollowedChanges {
  readonly all: DirectoryChange[] = [];
  readonly states: State[] = [];
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #waiting: (() => void)[] = [];

  constructor(directory: Directory) {
    this.#running = this.#follow(directory);
  }

  get following(): FollowMode | undefined {
    return this.states.at(-1)?.following;
  }

  /** Waits for a change, of those from the first on. */
  async next(isIt: (change: DirectoryChange) => boolean): Promise<DirectoryChange> {
    return await this.#first(() => this.all.find(isIt));
  }

  /** Waits for the latest state. */
  async state(isIt: (state: State) => boolean): Promise<State> {
    return await this.#first(() => this.states.slice(-1).find(isIt));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #follow(directory: Directory): Promise<void> {
    const observe = (following: FollowMode, detail: string | undefined): void => {
      this.states.push({ following, detail });
      this.#wake();
    };
    for await (const change of directory.follow?.(this.#stopping.signal, observe) ?? []) {
      this.all.push(change);
      this.#wake();
    }
  }

  async #first<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) {
        return found;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) {
      resolve();
    }
  }
}
