import { Deadline } from '../../auth/deadline.ts';
import type { LoginGuard } from '../../auth/directory.ts';
import { countsAsGuess, LoginFailure, type Reason } from '../../auth/failure.ts';
import type { Secret } from '../../auth/secret.ts';
import type { Who } from './announcements.ts';
import type { Charge, Tally } from './counters.ts';
import { settleExchange, type Watched } from './exchanges.ts';
import type { TriedPassword } from './known-wrong.ts';
import type { Throttle } from './throttle.ts';
import { type Tried, tokenOf } from './tried.ts';

/** How a login ended. */
export interface Ended {
  readonly result: 'ok' | Reason;
  /** The user as the log may show him: the account's name, or a hash. */
  readonly who: string;
}

/**
 * One login, from its name to its end. A guess at a user is counted at once and given back if it was none, so that
 * guesses that come together have no more tries than those that come one by one. An address is not: when an office
 * comes back after a failure, all its clients log in at the same time. Where nobody knows them, they wait for each
 * other beyond what may fail there.
 */
export class LoginWatch implements LoginGuard {
  readonly #throttle: Throttle;
  readonly #watched: Watched;
  readonly #ip: string;
  readonly #tried: Tried;
  /** Where it is one of those that are pending. */
  #pendingAt: readonly string[] = [];
  readonly #names: string[] = [];
  readonly #taken: { readonly charge: Charge; readonly tally: Tally }[] = [];
  #atDirectory: TriedPassword | undefined;
  #refused = false;
  #failures = 0;
  #wantedMs = 0;

  constructor(throttle: Throttle, watched: Watched) {
    this.#throttle = throttle;
    this.#watched = watched;
    this.#ip = watched.ip;
    this.#tried = watched.tried;
  }

  async admit(name: string): Promise<void> {
    if (this.#names.includes(name)) {
      return;
    }
    const { charges } = this.#throttle;
    const address = this.#names.length === 0 ? charges.questionsOf(this.#ip, name) : [];
    this.#names.push(name);
    await this.#waitForOthers(address);
    await this.#take([...address, ...this.#chargesOfUser(name)]);
    if (this.#tried.kind === 'refuted') this.#throttle.proofs.use(name, this.#ip);
  }

  async admitAddress(name: string | undefined): Promise<void> {
    await this.#take(this.#throttle.charges.questionsOf(this.#ip, name));
  }

  /** Waits until all that are pending at its address may fail, and it as well. @throws {LoginFailure} `throttled`. */
  async #waitForOthers(questions: readonly Charge[]): Promise<void> {
    const places = questions.filter(({ place }) => place !== undefined);
    if (places.length === 0) return;
    const names = places.map(({ place = '' }) => place);
    const { pending, settings } = this.#throttle;
    using deadline = new Deadline(settings.maxDelayMs);
    while (!deadline.signal.aborted) {
      // Entered first: who leaves before the counts are read was counted, if it failed.
      const ahead = names.map((name) => pending.enter(name));
      this.#pendingAt = names;
      const tallies = await this.#ask(places);
      const full = names.find((_, index) => isBeyond(places[index], tallies[index], ahead[index]));
      if (full === undefined) return;
      this.#pendingAt = [];
      for (const name of names) pending.withdraw(name);
      await pending.oneEnds(full, deadline.signal);
    }
    this.#refused = true;
    throw new LoginFailure('throttled', "too many logins from the client's address at the same time");
  }

  #leave(): void {
    for (const name of this.#pendingAt) this.#throttle.pending.leave(name);
    this.#pendingAt = [];
  }

  async #ask(charges: readonly Charge[]): Promise<readonly Tally[]> {
    return await this.#throttle.take(charges).catch((error: unknown) => {
      this.#refused = true;
      this.#leave();
      throw error;
    });
  }

  async #take(charges: readonly Charge[]): Promise<void> {
    const tallies = await this.#ask(charges);
    for (const [index, tally] of tallies.entries()) {
      const charge = charges[index];
      if (charge?.counts === true) this.#taken.push({ charge, tally });
    }
  }

  knownWrong(entry: string, version: string, password: Secret): boolean {
    this.#atDirectory = { entry, version, password };
    return this.#throttle.wrong.has(this.#atDirectory);
  }

  answerLater(ms: number): void {
    this.#wantedMs = ms;
  }

  /** Is told once how the login ended. */
  async end(ended: Ended): Promise<void> {
    try {
      await settleExchange(this.#throttle, this.#watched, ended.result);
      await this.#end(ended);
    } finally {
      this.#leave();
    }
  }

  async #end({ result, who }: Ended): Promise<void> {
    const { store, known, wrong } = this.#throttle;
    // A mechanism may have been refused before there was a login.
    this.#refused ||= result === 'throttled';
    if (result === 'ok') {
      // The same password may be on its way by another connection, which was the first to be counted.
      const isIts = ({ charge, tally }: { charge: Charge; tally: Tally }): boolean =>
        tally.fresh || charge.token !== undefined;
      await store.giveBack(this.#taken.filter(isIts).map(({ charge }) => charge));
      known.add(this.#names, this.#ip);
      return;
    }
    // Who leaves before the answer may have had the directory judge his guess all the same.
    if (result !== 'abandoned' && !countsAsGuess(result)) {
      await store.giveBack(this.#taken.filter(({ tally }) => tally.fresh).map(({ charge }) => charge));
      return;
    }
    if (result === 'wrongPassword' && this.#atDirectory !== undefined) {
      wrong.add(this.#atDirectory);
    }
    await this.#count(who);
  }

  /** How long after its login a failure is answered: longer with each one, from who guesses. */
  delayMs(leastMs: number): number {
    const { settings, charges } = this.#throttle;
    if (leastMs === 0) {
      return 0;
    }
    if (this.#refused || charges.isTight) {
      return Math.max(leastMs, settings.maxDelayMs);
    }
    const before = Math.max(0, Math.ceil(this.#failures) - 1);
    return Math.max(leastMs, Math.min(settings.maxDelayMs, Math.max(this.#wantedMs, leastMs * 2 ** before)));
  }

  async #count(user: string): Promise<void> {
    const who = this.#whoIs(user);
    this.#throttle.names.note(this.#names);
    const charged = this.#taken.map(({ charge }) => charge);
    const tallies = this.#taken.map(({ tally }) => tally);
    this.#throttle.announce(charged, tallies, who);
    // Of the user's own failures only those from here: others may have caused the rest.
    const here = this.#taken.filter(({ charge }) => charge.kind === 'userAndAddress');
    const fromAddress = await this.#throttle.countFailure(this.#ip, this.#addressToken(), who);
    this.#failures = Math.max(fromAddress, ...here.map(({ tally }) => tally.count));
  }

  /** A login name is shown only beside the account that the directory knows by it: people type passwords as names. */
  #whoIs(user: string): Who {
    const [loginName] = this.#names;
    const isKnown = this.#names.at(-1) === user && loginName !== undefined && loginName !== user;
    return isKnown ? { user, loginName } : { user };
  }

  #chargesOfUser(name: string): readonly Charge[] {
    const { charges, proofs } = this.#throttle;
    switch (this.#tried.kind) {
      case 'password': {
        const token = this.#throttle.tokenOf(this.#tried.password.octets);
        return charges.ofUser(name, this.#ip, { here: token, anywhere: token, counts: true });
      }
      case 'proved':
      case 'refuted': {
        const counts = this.#tried.kind === 'refuted';
        const anywhere = proofs.of(name, this.#ip);
        return charges.ofUser(name, this.#ip, { here: undefined, anywhere, counts });
      }
      case 'unbound':
      case 'noPassword':
        // Wrong passwords keep no good token out, nor do wrong tokens, which anybody may send for a user, his password.
        return [];
    }
  }

  #addressToken(): number | undefined {
    const again = this.#tried.kind === 'password' ? this.#tried.password : tokenOf(this.#tried);
    return again && this.#throttle.tokenOf(this.#names[0] ?? '', again.octets);
  }
}

/** Failures fade in fractions, which do not add up to the last digit. */
const ROUNDING = 1e-6;

/** Whether more would fail than may, if all that are pending did. */
function isBeyond(question: Charge | undefined, tally: Tally | undefined, pending = 0): boolean {
  return (tally?.count ?? 0) + pending > Math.max(1, question?.limit ?? 0) + ROUNDING;
}
