import type { LoginGuard } from '../../auth/directory.ts';
import type { Charge } from './counters.ts';
import type { LoginWatch } from './login-watch.ts';
import type { Throttle } from './throttle.ts';
import type { Tried } from './tried.ts';

/**
 * Stands before what mechanisms ask on a connection before there is a login to be watched. It only asks, each time:
 * what became of a proof is told when its login was counted, and not before. Exchanges are charged to their address
 * from their beginning until their login has ended: who drops them has the directory, or a provider, work for nothing.
 */
export class ConnectionGuard implements LoginGuard {
  readonly #throttle: Throttle;
  readonly #ip: string;
  /** What the exchange was charged with that has not come to a login yet. */
  #begun: readonly Charge[] = [];

  constructor(throttle: Throttle, ip: string) {
    this.#throttle = throttle;
    this.#ip = ip;
  }

  async admit(name: string): Promise<void> {
    const { charges, proofs } = this.#throttle;
    const anywhere = proofs.of(name, this.#ip);
    await this.#throttle.take([
      ...charges.questionsOf(this.#ip, name),
      ...charges.ofUser(name, this.#ip, { here: undefined, anywhere, counts: false }),
    ]);
  }

  async admitAddress(name: string | undefined): Promise<void> {
    await this.#begin(this.#throttle.charges.questionsOf(this.#ip, name));
  }

  async beginExchange(): Promise<void> {
    await this.#begin([]);
  }

  /** Every password can be told apart by the login itself. */
  knownWrong(): boolean {
    return false;
  }

  /** Watches a login on this connection. It has to be told how the login ended. */
  watch(tried: Tried): LoginWatch {
    const begun = tried.kind === 'password' ? [] : this.#begun;
    this.#begun = [];
    return this.#throttle.watch(this.#ip, tried, begun);
  }

  async #begin(questions: readonly Charge[]): Promise<void> {
    this.#begun = [];
    const begun = this.#throttle.charges.ofExchange(this.#ip);
    const charges = [...questions, ...begun];
    const tallies = await this.#throttle.take(charges);
    this.#throttle.announce(charges, tallies, { user: '-' });
    this.#begun = begun;
  }
}
