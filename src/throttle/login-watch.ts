import type { LoginGuard } from '../../auth/directory.ts';
import { countsAsGuess, type Reason } from '../../auth/failure.ts';
import type { Proof } from '../../auth/sasl.ts';
import type { Secret } from '../../auth/secret.ts';
import type { Who } from './announcements.ts';
import type { Charge, Tally } from './counters.ts';
import type { TriedPassword } from './known-wrong.ts';
import type { Throttle } from './throttle.ts';

/** Stands for what a login tried; nothing, where it can't have been a guess. */
export type Tried =
  /** A password, which is the same guess when it is tried again. */
  | { readonly kind: 'password'; readonly password: Secret }
  /** The mechanism has found the proof right, or wrong, by itself. */
  | { readonly kind: 'proved' | 'refuted' }
  /** A token or a certificate, right or wrong, which is no guess at a user's password; `token` as above. */
  | { readonly kind: 'noPassword'; readonly token?: Secret };

/** What a client's proof says of what it tried. */
export function triedBy(proof: Proof): Tried {
  if (proof.kind === 'password') {
    return { kind: proof.kind, password: proof.password };
  }
  if (proof.shown === undefined) {
    return { kind: proof.kind };
  }
  const token = proof.kind === 'refuted' ? proof.tried : undefined;
  return { kind: 'noPassword', ...(token !== undefined && { token }) };
}

/** How a login ended. */
export interface Ended {
  readonly result: 'ok' | Reason;
  /** The user as the log may show him: the account's name, or a hash. */
  readonly who: string;
}

/**
 * One login, from its name to its end. A guess at a user is counted at once and given back if it was none, so that
 * guesses that come together have no more tries than those that come one by one. An address is not: when an office
 * comes back after a failure, all its clients log in at the same time.
 */
export class LoginWatch implements LoginGuard {
  readonly #throttle: Throttle;
  readonly #ip: string;
  readonly #tried: Tried;
  readonly #names: string[] = [];
  readonly #taken: { readonly charge: Charge; readonly tally: Tally }[] = [];
  #atDirectory: TriedPassword | undefined;
  #refused = false;
  #failures = 0;
  #wantedMs = 0;

  constructor(throttle: Throttle, ip: string, tried: Tried) {
    this.#throttle = throttle;
    this.#ip = ip;
    this.#tried = tried;
  }

  async admit(name: string): Promise<void> {
    if (this.#names.includes(name)) {
      return;
    }
    const { charges } = this.#throttle;
    const address = this.#names.length === 0 ? charges.questionsOf(this.#ip, name) : [];
    this.#names.push(name);
    await this.#take([...address, ...this.#chargesOfUser(name)]);
    if (this.#tried.kind === 'refuted') this.#throttle.proofs.use(name, this.#ip);
  }

  async admitAddress(name: string | undefined): Promise<void> {
    await this.#take(this.#throttle.charges.questionsOf(this.#ip, name));
  }

  async #take(charges: readonly Charge[]): Promise<void> {
    const tallies = await this.#throttle.take(charges).catch((error: unknown) => {
      this.#refused = true;
      throw error;
    });
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
  async end({ result, who }: Ended): Promise<void> {
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
      case 'noPassword':
        // Wrong passwords keep no good token out, nor do wrong tokens, which anybody may send for a user, his password.
        return [];
    }
  }

  #addressToken(): number | undefined {
    const again = this.#tried.kind === 'password' ? this.#tried.password : this.#tokenTried();
    return again && this.#throttle.tokenOf(this.#names[0] ?? '', again.octets);
  }

  #tokenTried(): Secret | undefined {
    return this.#tried.kind === 'noPassword' ? this.#tried.token : undefined;
  }
}
