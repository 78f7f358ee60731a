import { Recent } from '../../auth/recent.ts';
import type { Observer, ThrottleStart } from '../events.ts';
import type { Charge, Subject, Tally } from './counters.ts';

/** Whose failures are announced. */
export interface Who {
  /** As the log may show him: the account's name, or a hash. */
  readonly user: string;
  /** The name that he logs in by, where that is another one and its account is known. */
  readonly loginName?: string;
}

/** Says once in a window that a key has no more to give. */
export class Announcements {
  readonly #observe: Observer;
  readonly #windowMs: number;
  /** By what was said, to whose it was. */
  readonly #said: Recent<Partial<Pick<ThrottleStart, 'user' | 'client'>>>;

  /** @param now a monotonic clock in milliseconds. */
  constructor(
    observe: Observer,
    { windowMs, maxKeys }: { windowMs: number; maxKeys: number },
    now: () => number,
  ) {
    this.#observe = observe;
    this.#windowMs = windowMs;
    this.#said = new Recent(maxKeys, now);
  }

  /** Takes note of what became of a charge. */
  note({ kind, user, place, capacity }: Charge, { count, fresh }: Tally, who: Who): void {
    if (!fresh || count + 1 <= capacity) return;
    // A user has a count by each of his names, and one line.
    const whose = {
      ...(user !== undefined && { user: who.user }),
      ...(place !== undefined && { client: place }),
    };
    const key = `${kind} ${whose.user ?? ''} ${whose.client ?? ''}`;
    if (this.#said.get(key) !== undefined) return;
    this.#said.set(key, whose, this.#windowMs);
    const loginName = user === undefined ? undefined : who.loginName;
    this.#observe({ event: 'throttleStart', kind, ...whose, ...(loginName !== undefined && { loginName }) });
  }

  /** What was said of somebody, or of an address or network, may be said again. */
  forget(subject: Subject): void {
    for (const [key, { user, client }] of [...this.#said]) {
      if ('user' in subject ? user === subject.user : client === subject.place) this.#said.delete(key);
    }
  }
}
