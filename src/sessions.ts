import type { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from './session.ts';

/** As a part of the connections that are served: 80 % of a budget are served, 10 % more are told why not. */
const TURNED_AWAY = 1 / 8;
const LEAST_TURNED_AWAY = 16;

/** The open connections of a proxy, over all its listeners. */
export class Sessions {
  readonly #open = new Map<Session, Promise<void>>();
  readonly #max: number;
  #turnedAway = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#open.size;
  }

  get full(): boolean {
    return this.#open.size >= this.#max;
  }

  /** Whether so many are being told to come back that no more can be. */
  get overrun(): boolean {
    return this.#turnedAway >= Math.max(LEAST_TURNED_AWAY, this.#max * TURNED_AWAY);
  }

  /** Counts a connection that is being told to come back, until it is closed. */
  turnAway(connection: EventEmitter): void {
    this.#turnedAway += 1;
    connection.once('close', () => {
      this.#turnedAway -= 1;
    });
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
