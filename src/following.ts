import type { Directory } from '../auth/directory.ts';
import type { DirectoryChange, FollowMode, FollowObserver } from '../auth/directory-changes.ts';
import { pause } from '../auth/pause.ts';
import { Recent } from '../auth/recent.ts';
import { bugOf } from './bug-event.ts';
import type { Observer } from './events.ts';

/** What is followed of a directory. */
type Followable = Pick<Directory, 'follow'>;

/** A directory with the name that the log and the metrics call it by. */
export interface FollowedDirectory<Followed extends Followable = Directory> {
  readonly name: string;
  readonly directory: Followed;
}

/** Takes each change of a directory; must not wait. */
export type ChangeSubscriber<Followed extends Followable = Directory> = (
  change: DirectoryChange,
  directory: Followed,
) => void;

/** A directory is left alone so long behind a bug. */
const AGAIN_MS = 30_000;
/** Repetitions are known of so many entries; of others they are told again. */
const MAX_KNOWN = 20_000;

/** Follows directories, each once for all who want to know, until it is disposed of. */
export class Following<Followed extends Followable = Directory> implements AsyncDisposable {
  readonly #observe: Observer;
  readonly #subscribers = new Set<ChangeSubscriber<Followed>>();
  readonly #stopping = new AbortController();
  readonly #running: readonly Promise<void>[];

  constructor(directories: readonly FollowedDirectory<Followed>[], observe: Observer) {
    this.#observe = observe;
    this.#running = directories.map((followed) => this.#followSafely(followed));
  }

  /** Tells of changes from now on, until what it gives is disposed of. */
  subscribe(subscriber: ChangeSubscriber<Followed>): Disposable {
    this.#subscribers.add(subscriber);
    return { [Symbol.dispose]: () => void this.#subscribers.delete(subscriber) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  /** A bug here must not end the sessions of all, nor the following of what comes later. */
  async #followSafely(followed: FollowedDirectory<Followed>): Promise<void> {
    const { signal } = this.#stopping;
    const tell = this.#stateOf(followed.name);
    for (;;) {
      try {
        return await this.#follow(followed, tell);
      } catch (error) {
        this.#bug(error);
        tell('off', 'a bug in the proxy; it is followed again in a while');
      }
      await pause(AGAIN_MS, signal);
      if (signal.aborted) return;
      this.#tell({ kind: 'doubtful' }, followed);
    }
  }

  #bug(error: unknown): void {
    this.#observe(bugOf(error));
  }

  async #follow(followed: FollowedDirectory<Followed>, tell: FollowObserver): Promise<void> {
    const { signal } = this.#stopping;
    const known = new Fingerprints();
    for await (const change of followed.directory.follow?.(signal, tell) ?? []) {
      if (signal.aborted) {
        return;
      }
      if (known.isNews(change)) this.#tell(change, followed);
    }
  }

  /** What one subscriber can't take, the others are told all the same. */
  #tell(change: DirectoryChange, { name, directory }: FollowedDirectory<Followed>): void {
    this.#observe({ event: 'directoryChange', directory: name, kind: change.kind });
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(change, directory);
      } catch (error) {
        this.#bug(error);
      }
    }
  }

  /** Tells once of each state, not of each attempt to get to another. */
  #stateOf(directory: string): FollowObserver {
    let last: FollowMode | undefined;
    return (following, detail) => {
      if (following === last) return;
      last = following;
      this.#observe({
        event: 'followState',
        directory,
        following,
        ...(detail !== undefined && { detail }),
      });
    };
  }
}

/** What entries were when they were told of last: a failed bind changes an entry, and nothing that matters. */
class Fingerprints {
  #known = fingerprints();

  isNews(change: DirectoryChange): boolean {
    if (change.kind === 'doubtful') {
      this.#known = fingerprints();
      return true;
    }
    if (change.kind === 'removed') {
      // Of one that comes back, all is news.
      for (const key of [change.id, change.entry]) if (key !== undefined) this.#known.delete(key);
      return true;
    }
    const key = change.id ?? change.entry;
    const isNews = this.#known.get(key) !== change.fingerprint;
    this.#known.set(key, change.fingerprint, Number.POSITIVE_INFINITY);
    return isNews;
  }
}

function fingerprints(): Recent<string> {
  return new Recent(MAX_KNOWN, () => 0);
}
