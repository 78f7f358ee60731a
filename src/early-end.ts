import type { Waiter } from './waiting.ts';

/** What a connection does, which decides who may end it. */
export type Phase = 'waiting' | 'loggingIn' | 'answering' | 'relayed';

/** Why a connection ends before its time. */
export type EndedFor = 'draining' | 'evicted';

const WHY: Readonly<Record<EndedFor, string>> = {
  evicted: 'its place went to another connection (limits.unauthenticated, PerAddress, PerNetwork)',
  draining: 'the proxy is stopping',
};

/** Ends a connection before its time, as politely as what it does allows, and remembers why. */
export class EarlyEnd implements Waiter {
  #phase: Phase = 'waiting';
  #endedFor: EndedFor | undefined;
  #leave: () => void;

  /** @param leave ends the connection until another way is set. */
  constructor(leave: () => void) {
    this.#leave = leave;
  }

  /** `undefined` while nobody has ended it. */
  get why(): EndedFor | undefined {
    return this.#endedFor;
  }

  /** From now on the connection is ended so. */
  leaveBy(leave: () => void): void {
    this.#leave = leave;
  }

  /** Has a wait end by a signal, which aborts with the reason in words. */
  leaveByAbort(): AbortSignal {
    const wait = new AbortController();
    this.#leave = () => wait.abort(new Error(WHY[this.#endedFor ?? 'draining']));
    return wait.signal;
  }

  /** The connection goes on to another phase; who was to end while he could not ends when he waits again. */
  enter(phase: Phase): void {
    this.#phase = phase;
    if (phase === 'waiting' && this.#endedFor !== undefined) {
      this.#leave();
    }
  }

  /** Ends the connection unless it's logged in; a login that is being worked on is answered first. */
  drain(): void {
    this.#endedFor = 'draining';
    if (this.#phase === 'waiting') {
      this.#leave();
    }
  }

  evict(): boolean {
    // Who only waits to be told that his login failed holds a place for nothing.
    const mayGo = this.#phase === 'waiting' || this.#phase === 'answering';
    if (!mayGo || this.#endedFor !== undefined) {
      return false;
    }
    this.#endedFor = 'evicted';
    this.#leave();
    return true;
  }

  /** Ends the connection, whatever it is doing. */
  stop(): void {
    this.#endedFor = 'draining';
    this.#leave();
  }
}
