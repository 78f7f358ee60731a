import type { Secret } from '../secret.ts';

/** A simple bind that names somebody: without a DN or a password it would be anonymous (RFC 4513 section 5.1). */
export class SimpleBind {
  readonly dn: string;
  readonly #password: Secret;

  private constructor(dn: string, password: Secret) {
    this.dn = dn;
    this.#password = password;
  }

  /** @returns `undefined` where the bind would prove nothing. */
  static of(dn: string, password: Secret): SimpleBind | undefined {
    return dn.trim() === '' || password.octets.length === 0 ? undefined : new SimpleBind(dn, password);
  }

  get password(): string {
    return this.#password.octets.toString('utf8');
  }
}
