import { hkdfSync } from 'node:crypto';
import type { ScramHash } from './scram-keys.ts';
import type { KeyShape } from './scram-server.ts';

/** What new keys have, by `homing hash`. */
const FIRST_SHAPE: Shape = { iterations: 100_000, saltOctets: 16 };
const MAX_REMEMBERED = 4096;

interface Shape {
  readonly iterations: number;
  readonly saltOctets: number;
}

/**
 * Gives a salt and an iteration count to names that have no SCRAM key, so that who asks can't tell them from accounts.
 * Each name always gets the same salt, also from other proxies with the same secret. Iteration count and length of the
 * salt are those that most of the accounts have that were seen: a directory filled by one tool has no others. Where
 * they differ from account to account nothing can hide that: a count that is chosen for each name would be no more
 * than a guess at who has which, and be wrong for the next account that is made.
 */
export class Disguise {
  readonly #secret: Buffer;
  readonly #seen: Readonly<Record<ScramHash, ShapeCount>> = {
    sha1: new ShapeCount(),
    sha256: new ShapeCount(),
  };

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /** Takes note of an account's key. */
  saw(hash: ScramHash, entry: string, { salt, iterations }: KeyShape): void {
    this.#seen[hash].add(entry, { iterations, saltOctets: salt.length });
  }

  /** @param login normalised, so that spellings of one name get the same salt. */
  shapeFor(hash: ScramHash, login: string): KeyShape {
    const { iterations, saltOctets } = this.#seen[hash].most;
    const salt = Buffer.from(
      hkdfSync('sha256', this.#secret, '', `${hash} ${login}`.slice(0, 1000), saltOctets),
    );
    return { salt, iterations };
  }
}

/** Which shape most accounts have, of those that were seen last. */
class ShapeCount {
  readonly #byEntry = new Map<string, string>();
  readonly #accounts = new Map<string, { readonly shape: Shape; count: number }>();
  #most: { readonly shape: Shape; count: number } = { shape: FIRST_SHAPE, count: 0 };

  get most(): Shape {
    return this.#most.shape;
  }

  add(entry: string, shape: Shape): void {
    const id = `${shape.iterations},${shape.saltOctets}`;
    const former = this.#byEntry.get(entry);
    if (former === id) {
      return;
    }
    const oldest = this.#byEntry.entries().next();
    if (former !== undefined) {
      this.#forget(entry, former);
    } else if (this.#byEntry.size >= MAX_REMEMBERED && oldest.done === false) {
      this.#forget(...oldest.value);
    }
    this.#byEntry.set(entry, id);
    const counted = this.#accounts.get(id) ?? { shape, count: 0 };
    counted.count += 1;
    this.#accounts.set(id, counted);
    if (counted.count > this.#most.count) {
      this.#most = counted;
    }
  }

  #forget(entry: string, id: string): void {
    this.#byEntry.delete(entry);
    const counted = this.#accounts.get(id);
    if (counted !== undefined) {
      counted.count -= 1;
      if (counted.count === 0) {
        this.#accounts.delete(id);
      }
    }
  }
}
