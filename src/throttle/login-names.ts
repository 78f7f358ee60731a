import { Recent } from '../../auth/recent.ts';

/** Remembers by which names accounts were tried lately, since each name has a count of its own. */
export class LoginNames {
  /** By login name, to the account. */
  readonly #accounts: Recent<string>;
  readonly #forMs: number;

  /** @param now a monotonic clock in milliseconds. */
  constructor({ windowMs, maxKeys }: { windowMs: number; maxKeys: number }, now: () => number) {
    this.#accounts = new Recent(maxKeys, now);
    this.#forMs = windowMs;
  }

  /** @param names of one login: the one that was typed and, where it was found out, the account's. */
  note(names: readonly string[]): void {
    const [typed, account] = names;
    if (typed !== undefined && account !== undefined) this.#accounts.set(typed, account, this.#forMs);
  }

  /** All names that were tried for the account that this one is of, the account's included. */
  sameAs(name: string): readonly string[] {
    const account = this.#accounts.get(name) ?? name;
    const others = [...this.#accounts].flatMap(([typed, its]) => (its === account ? [typed] : []));
    return [...new Set([name, account, ...others])];
  }
}
