import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fuzz/random.ts';
import { accounts, type TestAccount } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { LOGGED_IN } from '../support/live-sessions.ts';
import { firstSubject, logIn, openSession, type ProtocolName } from '../support/mail-session.ts';
import type { RunningProxy, TlsMode } from '../support/running-proxy.ts';
import { resetAtOnce } from '../support/sockets.ts';
import type { Wire } from '../support/wire.ts';
import type { Journal } from './journal.ts';
import { PATIENCE_MS } from './site.ts';

const EVERY_MS = 50;
/** While servers are frozen visits pile up; beyond so many no more come. */
const AT_ONCE = 300;
const PROTOCOLS: readonly ProtocolName[] = ['imap', 'pop3'];
const MODES: readonly TlsMode[] = ['none', 'starttls', 'implicit'];
const VISITORS: readonly TestAccount[] = [accounts.alice, accounts.bob, accounts.bob, accounts.carol];
const GUESSED = accounts.ivan;
const WRONG = /^(?:l NO \[AUTHENTICATIONFAILED\]|-ERR \[AUTH\])/;
/** One visit in so many is of a client that guesses a password, and of one that wants nothing. */
const GUESSES = 40;
const RESETS = 10;

/** Clients that log in, look at their mail and leave: twenty a second, in all the ways there are. */
export class Visits {
  readonly #proxy: RunningProxy;
  readonly #journal: Journal;
  readonly #random: Random;
  readonly #running = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(proxy: RunningProxy, journal: Journal, random: Random) {
    this.#proxy = proxy;
    this.#journal = journal;
    this.#random = random;
  }

  begin(): void {
    this.#timer = setInterval(() => this.#next(), EVERY_MS);
  }

  /** Has nobody come any more, and waits for who is there. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
  }

  #next(): void {
    if (this.#running.size >= AT_ONCE) return;
    this.#count += 1;
    const visit = this.#visit(`127.2.${(this.#count >> 8) & 0xff}.${this.#count & 0xff}`);
    this.#running.add(visit);
    void visit.finally(() => this.#running.delete(visit));
  }

  async #visit(from: string): Promise<void> {
    const protocol = this.#random.pick(PROTOCOLS);
    const tls = this.#random.pick(MODES);
    if (this.#random.oneIn(RESETS)) {
      await resetAtOnce(this.#proxy.port(protocol, tls));
      return;
    }
    const isGuess = this.#random.oneIn(GUESSES);
    const account = isGuess ? GUESSED : this.#random.pick(VISITORS);
    const ending = this.#random.below(3);
    const sinceMs = performance.now();
    let wire: Wire | undefined;
    try {
      wire = await openSession(protocol, {
        port: this.#proxy.port(protocol, tls),
        tls,
        ca: cluster().ca,
        from,
        patienceMs: PATIENCE_MS,
      });
      await (isGuess ? this.#guess(protocol, wire) : this.#read(protocol, wire, account));
      await leave(protocol, wire, ending);
    } catch (error) {
      const what = `a visit by ${protocol} of ${account.name}: ${String(error)}`;
      this.#journal.failed(what, [account.home ?? '', account.name], sinceMs);
    } finally {
      await wire?.[Symbol.asyncDispose]();
    }
  }

  async #read(protocol: ProtocolName, wire: Wire, { name, password, home }: TestAccount): Promise<void> {
    const answer = await logIn(protocol, wire, name, password);
    if (WRONG.test(answer)) this.#journal.breach(`the right password of ${name}: ${answer}`);
    if (!LOGGED_IN.test(answer)) throw new Error(answer);
    this.#journal.logins += 1;
    const subject = await firstSubject(protocol, wire);
    if (subject !== `on ${home}`) throw new Error(`the first message is "${subject}"`);
  }

  async #guess(protocol: ProtocolName, wire: Wire): Promise<void> {
    const answer = await logIn(protocol, wire, GUESSED.name, `guess-${this.#random.next()}`);
    if (LOGGED_IN.test(answer)) this.#journal.breach('a wrong password was right');
    if (!WRONG.test(answer)) throw new Error(answer);
  }
}

/** In order, without a word, or by a reset. */
async function leave(protocol: ProtocolName, wire: Wire, how: number): Promise<void> {
  if (how === 0) {
    wire.send(protocol === 'imap' ? 'z LOGOUT' : 'QUIT');
    await wire.closed();
  } else if (how === 1) {
    await sleep(1);
    wire.reset();
  }
}
