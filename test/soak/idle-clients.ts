import { setTimeout as sleep } from 'node:timers/promises';
import { Gate } from '../../auth/gate.ts';
import type { Random } from '../fuzz/random.ts';
import { cluster } from '../support/cluster.ts';
import { LOGGED_IN } from '../support/live-sessions.ts';
import { logIn, openSession } from '../support/mail-session.ts';
import type { RunningProxy, TlsMode } from '../support/running-proxy.ts';
import type { Wire } from '../support/wire.ts';
import type { Journal } from './journal.ts';
import { PASSWORD, type Person } from './people.ts';
import { PATIENCE_MS } from './site.ts';

/** Clients that come at the same time; the others wait, as they are slow in starting here. */
const ARRIVING = 50;
/** A client whose session has ended comes back after about so long. */
const RETURN_MS = 1000;
const LOOK_MS = 250;
const UNBOUNDED = new AbortController().signal;

/** A crowd of clients in IDLE. */
export interface IdleTerms {
  readonly proxy: RunningProxy;
  readonly journal: Journal;
  readonly random: Random;
}

/** Clients that wait for mail, and come back when their session ends. */
export class IdleClients {
  readonly #terms: IdleTerms;
  readonly #arriving = new Gate(ARRIVING);
  readonly #wires = new Set<Wire>();
  readonly #lives: Promise<void>[] = [];
  #isOver = false;
  /** How many came back. */
  returned = 0;

  constructor(terms: IdleTerms) {
    this.#terms = terms;
  }

  /** How many there are in all, and how many of them have a session now. */
  get counts(): { readonly wanted: number; readonly present: number } {
    return { wanted: this.#lives.length, present: this.#wires.size };
  }

  /** Has so many more come, and waits until all are there. @throws {Error} when they are not in time. */
  async grow(count: number, people: readonly Person[], tls: TlsMode): Promise<void> {
    for (let added = 0; added < count; added += 1) {
      const person = people[added % people.length];
      if (person !== undefined) this.#lives.push(this.#live(person, tls, this.#lives.length));
    }
    await this.whole(count * 100);
  }

  /** Waits until all have a session. @throws {Error} when they have not in so many milliseconds. */
  async whole(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs;
    for (let { wanted, present } = this.counts; present < wanted; { wanted, present } = this.counts) {
      if (performance.now() > endMs) throw new Error(`${present} of ${wanted} idle sessions are there`);
      await sleep(LOOK_MS);
    }
  }

  /** Ends one in so many sessions as a client does that lost its memory of it. @returns how many these were. */
  reset(oneIn: number): number {
    const some = [...this.#wires].filter(() => this.#terms.random.oneIn(oneIn));
    for (const wire of some) wire.reset();
    return some.length;
  }

  /** Has all leave, for good. */
  async end(): Promise<void> {
    this.#isOver = true;
    for (const wire of this.#wires) await wire[Symbol.asyncDispose]();
    await Promise.all(this.#lives);
  }

  async #live(person: Person, tls: TlsMode, number: number): Promise<void> {
    for (let visit = 0; !this.#isOver; visit += 1) {
      const wire = await this.#arrive(person, tls, number);
      if (wire !== undefined) {
        if (visit > 0) this.returned += 1;
        this.#wires.add(wire);
        await wire.gone;
        this.#wires.delete(wire);
      }
      if (!this.#isOver) await sleep(RETURN_MS * (0.5 + Math.random()));
    }
  }

  async #arrive({ uid, home }: Person, tls: TlsMode, number: number): Promise<Wire | undefined> {
    const { proxy, journal } = this.#terms;
    using _place = await this.#arriving.enter(UNBOUNDED);
    if (this.#isOver) return undefined;
    const sinceMs = performance.now();
    const from = `127.1.${number >> 8}.${number & 0xff}`;
    let wire: Wire | undefined;
    try {
      wire = await openSession('imap', {
        port: proxy.port('imap', tls),
        tls,
        ca: cluster().ca,
        from,
        patienceMs: PATIENCE_MS,
      });
      const answer = await logIn('imap', wire, uid, PASSWORD);
      if (!LOGGED_IN.test(answer)) throw new Error(answer);
      journal.logins += 1;
      wire.send('i IDLE');
      await wire.linesUntil(/^\+/);
      return wire;
    } catch (error) {
      await wire?.[Symbol.asyncDispose]();
      journal.failed(`an idle client of ${uid}: ${String(error)}`, [home, uid], sinceMs);
      return undefined;
    }
  }
}
