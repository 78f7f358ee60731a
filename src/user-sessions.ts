import { LoginFailure } from '../auth/failure.ts';
import { addressKeys } from './throttle/address.ts';

export interface UserSessionLimits {
  /** `undefined` for no limit. */
  readonly perUser: number | undefined;
  /** The most from one address; `undefined` for no limit. */
  readonly perUserAndAddress: number | undefined;
}

/** Counts the sessions of each user, from his login to its end. */
export class UserSessions {
  readonly #limits: UserSessionLimits;
  readonly #counts = new Map<string, number>();

  constructor(limits: UserSessionLimits) {
    this.#limits = limits;
  }

  /**
   * Counts one more session of an account. @returns what ends it.
   * @throws {LoginFailure} `tooManySessions`.
   */
  enter(user: string, ip: string): Disposable {
    const { perUser, perUserAndAddress } = this.#limits;
    const keys = [
      ...(perUser === undefined ? [] : [{ key: user, max: perUser, what: '' }]),
      ...(perUserAndAddress === undefined
        ? []
        : [
            { key: `${user} ${addressKeys(ip).address}`, max: perUserAndAddress, what: ' from this address' },
          ]),
    ];
    const full = keys.find(({ key, max }) => (this.#counts.get(key) ?? 0) >= max);
    if (full !== undefined) {
      throw new LoginFailure('tooManySessions', `the user has ${full.max} sessions${full.what} already`);
    }
    for (const { key } of keys) this.#count(key, 1);
    return {
      [Symbol.dispose]: () => {
        for (const { key } of keys) this.#count(key, -1);
      },
    };
  }

  #count(key: string, change: 1 | -1): void {
    const count = (this.#counts.get(key) ?? 0) + change;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}
