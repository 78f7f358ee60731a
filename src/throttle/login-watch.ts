import type { LoginGuard } from '../../auth/directory.ts';
import { countsAsGuess, type Reason } from '../../auth/failure.ts';
import type { Proof } from '../../auth/sasl.ts';
import type { Secret } from '../../auth/secret.ts';
import { type Charge, randomToken, type Tally } from './counters.ts';
import type { TriedPassword } from './known-wrong.ts';
import type { Throttle, Tried } from './throttle.ts';

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

  constructor(throttle: Throttle, ip: string, tried: Tried) {
    this.#throttle = throttle;
    this.#ip = ip;
    this.#tried = tried;
  }

  async admit(name: string): Promise<void> {
    if (this.#names.includes(name)) {
      return;
    }
    const address = this.#names.length === 0 ? this.#throttle.questionsOfAddress(this.#ip, name) : [];
    this.#names.push(name);
    await this.#take([...address, ...this.#chargesOfUser(name)]);
  }

  async admitAddress(name: string | undefined): Promise<void> {
    await this.#take(this.#throttle.questionsOfAddress(this.#ip, name));
  }

  async #take(charges: readonly Charge[]): Promise<void> {
    const taken = await this.#throttle.store.take(charges);
    if (taken.kind === 'full') {
      this.#refused = true;
      this.#throttle.refuse(taken.full);
    }
    for (const [index, tally] of taken.tallies.entries()) {
      const charge = charges[index];
      if (charge?.kind === 'overall') this.#throttle.noteOverall(tally.count);
      else if (charge?.token !== undefined) this.#taken.push({ charge, tally });
    }
  }

  knownWrong(entry: string, version: string, password: Secret): boolean {
    this.#atDirectory = { entry, version, password };
    return this.#throttle.wrong.has(this.#atDirectory);
  }

  /** Is told once how the login ended. */
  async end({ result, who }: Ended): Promise<void> {
    const { store } = this.#throttle;
    // A mechanism may have been refused before there was a login.
    this.#refused ||= result === 'throttled';
    if (result === 'ok') {
      store.giveBack(this.#taken.map(({ charge }) => charge));
      for (const name of this.#names) this.#throttle.remember(name, this.#ip);
      return;
    }
    // Who leaves before the answer may have had the directory judge his guess all the same.
    if (result !== 'abandoned' && !countsAsGuess(result)) {
      store.giveBack(this.#fresh().map(({ charge }) => charge));
      return;
    }
    if (result === 'wrongPassword' && this.#atDirectory !== undefined) {
      this.#throttle.wrong.add(this.#atDirectory);
    }
    await this.#count(who);
  }

  /** How long after its login a failure is answered: longer with each one, from who guesses. */
  delayMs(leastMs: number): number {
    const { maxDelayMs } = this.#throttle.settings;
    if (leastMs === 0) {
      return 0;
    }
    if (this.#refused || this.#throttle.isTight) {
      return Math.max(leastMs, maxDelayMs);
    }
    const before = Math.max(0, Math.ceil(this.#failures) - 1);
    return Math.max(leastMs, Math.min(maxDelayMs, leastMs * 2 ** before));
  }

  async #count(who: string): Promise<void> {
    const from = { who, ip: this.#ip };
    for (const { charge, tally } of this.#fresh()) this.#throttle.noteCount(charge, tally.count, from);
    // Of the user's own failures only those from here: others may have caused the rest.
    const here = this.#taken.filter(({ charge }) => charge.kind === 'userAndAddress');
    const fromAddress = await this.#throttle.countFailure(this.#addressToken(), from);
    this.#failures = Math.max(fromAddress, ...here.map(({ tally }) => tally.count));
  }

  #fresh() {
    return this.#taken.filter(({ tally }) => tally.fresh);
  }

  #chargesOfUser(name: string): readonly Charge[] {
    const charges = (token: number | undefined) => this.#throttle.chargesOfUser(name, this.#ip, token);
    switch (this.#tried.kind) {
      case 'password':
        return charges(this.#throttle.tokenOf(this.#tried.password.octets));
      case 'refuted':
        return charges(randomToken());
      case 'proved':
        return charges(undefined);
      case 'noPassword':
        // Wrong passwords keep no good token out, nor do wrong tokens, which anybody may send for a user, his password.
        return [];
    }
  }

  #addressToken(): number {
    const again = this.#tried.kind === 'password' ? this.#tried.password : this.#tokenTried();
    return again === undefined ? randomToken() : this.#throttle.tokenOf(this.#names[0] ?? '', again.octets);
  }

  #tokenTried(): Secret | undefined {
    return this.#tried.kind === 'noPassword' ? this.#tried.token : undefined;
  }
}
