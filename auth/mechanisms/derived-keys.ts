import { createHash, randomBytes } from 'node:crypto';
import { placeToHash } from '../passwords/slow-hashes.ts';
import { Secret } from '../secret.ts';
import { deriveStoredKey, preparePassword, type ScramHash, type StoredKey } from './scram-keys.ts';
import type { KeyShape } from './scram-server.ts';

const MAX_KEPT = 1000;

/** SCRAM keys of passwords that are stored in clear text; each is derived once while it is used. */
export class DerivedKeys {
  /** So that what stands in memory as a name for a password is of no use elsewhere. */
  readonly #salt = randomBytes(32);
  readonly #kept = new Map<string, StoredKey>();

  /** @throws {LoginFailure} `directoryDown` when it had no turn in time. */
  async derive(hash: ScramHash, password: Buffer, shape: KeyShape, signal: AbortSignal): Promise<StoredKey> {
    const id = this.#idOf(hash, password, shape);
    const known = this.#kept.get(id);
    if (known !== undefined) {
      return known;
    }
    using _place = await placeToHash(signal);
    const prepared = preparePassword(new Secret(password));
    const key = await deriveStoredKey(prepared, shape.salt, shape.iterations, hash);
    const oldest = this.#kept.keys().next();
    if (this.#kept.size >= MAX_KEPT && oldest.done === false) {
      this.#kept.delete(oldest.value);
    }
    this.#kept.set(id, key);
    return key;
  }

  #idOf(hash: ScramHash, password: Buffer, { salt, iterations }: KeyShape): string {
    const terms = `${hash},${iterations},${salt.toString('base64')},`;
    return createHash('sha256').update(this.#salt).update(terms).update(password).digest('base64');
  }
}
