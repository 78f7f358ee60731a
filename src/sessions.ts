import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from './session.ts';

/** The open connections of a proxy, over all its listeners. */
export class Sessions {
  readonly #open = new Map<Session, Promise<void>>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#open.size;
  }

  get full(): boolean {
    return this.#open.size >= this.#max;
  }

  serve(session: Session): void {
    this.#open.set(
      session,
      session.run().finally(() => this.#open.delete(session)),
    );
  }

  /** Ends all: who is not logged in at once, the others when they end by themselves or `graceMs` are over. */
  async end(graceMs: number): Promise<void> {
    for (const session of this.#open.keys()) {
      session.drain();
    }
    const calledOff = new AbortController();
    const ended = Promise.all(this.#open.values());
    const patience = sleep(graceMs, undefined, { signal: calledOff.signal }).catch(() => {
      // Called off below: all sessions ended before their time.
    });
    await Promise.race([ended, patience]);
    calledOff.abort();
    for (const session of this.#open.keys()) {
      session.stop();
    }
    await ended;
  }
}
