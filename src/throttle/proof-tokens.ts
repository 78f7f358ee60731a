import { randomBytes } from 'node:crypto';
import { Recent } from '../../auth/recent.ts';
import { addressKeys } from './address.ts';

interface Group {
  readonly token: number;
  left: number;
}

/** Proofs from one address that are one guess at their user, as far as his other addresses are concerned. */
const PROOFS_PER_GUESS = 3;

/**
 * Gives tokens to the proofs of mechanisms that see no password (SCRAM, CRAM-MD5, APOP). Nothing tells an old password
 * from a new guess there, so what one address sends for one user counts once for three proofs, and a client with an
 * old password leaves the others a place. The user at that address, and the address, are charged with each of them.
 *
 * With the default limits a user's password can be guessed at this often, in the first hour and in each one after it:
 *
 * | from | by passwords | by proofs | stopped by |
 * |---|---|---|---|
 * | one address | 20, 16 | 30, 24 | perUser (4 in 15 min); perUserAndAddress (6) for proofs |
 * | 1,000 addresses | 20, 16 | 60, 48 | perUser |
 *
 * One address has 30 and 120 more guesses an hour at all users together, by whatever mechanism (perAddress).
 */
export class ProofTokens {
  readonly #groups: Recent<Group>;
  readonly #windowMs: number;

  /** @param now a monotonic clock in milliseconds. */
  constructor({ windowMs, maxKeys }: { windowMs: number; maxKeys: number }, now: () => number) {
    this.#groups = new Recent(maxKeys, now);
    this.#windowMs = windowMs;
  }

  /** The token of the next proof for a user from an address. */
  of(name: string, ip: string): number {
    const key = keyOf(name, ip);
    const group = this.#groups.get(key);
    if (group !== undefined && group.left > 0) return group.token;
    const token = randomBytes(6).readUIntBE(0, 6);
    this.#groups.set(key, { token, left: PROOFS_PER_GUESS }, this.#windowMs);
    return token;
  }

  /** Is told of each proof that was charged. */
  use(name: string, ip: string): void {
    const group = this.#groups.get(keyOf(name, ip));
    if (group !== undefined) group.left -= 1;
  }
}

function keyOf(name: string, ip: string): string {
  return `${name} ${addressKeys(ip).address}`;
}
