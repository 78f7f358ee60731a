import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileState } from '../file-state.ts';

/** A second look comes so much later: a file is left alone until two looks saw the same. */
const SETTLE_MS = 250;
/** Not every file system tells of changes. */
const LOOK_MS = 2000;

/** Calls `changed` once at first, and each time that a file has been written or replaced, until it is disposed of. */
export class FileWatch implements Disposable {
  readonly #path: string;
  readonly #changed: () => void;
  readonly #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #disposed = false;
  /** The state of the file that was told of last, and the one that was seen last. */
  #told: string | undefined;
  #seen: string | undefined;

  constructor(path: string, changed: () => void) {
    this.#path = path;
    this.#changed = changed;
    this.#watcher = this.#watchFolder();
    void this.#look();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  /** A file that is replaced is another file, but in the same folder. */
  #watchFolder(): FSWatcher | undefined {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_event, name) => {
        if (name === null || name === basename(this.#path)) {
          this.#lookIn(SETTLE_MS);
        }
      });
      // Looking every two seconds goes on.
      return watcher.on('error', () => watcher.close());
    } catch {
      // Where there are too many watchers already, looking every two seconds does it.
      return undefined;
    }
  }

  async #look(): Promise<void> {
    const state = await fileState(this.#path);
    if (this.#disposed) {
      return;
    }
    const isSettled = state === this.#seen;
    this.#seen = state;
    if (isSettled && state !== this.#told) {
      this.#told = state;
      this.#changed();
    }
    this.#lookIn(isSettled ? LOOK_MS : SETTLE_MS);
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#disposed) {
      this.#timer = setTimeout(() => void this.#look(), ms).unref();
    }
  }
}
