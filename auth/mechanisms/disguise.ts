import { hkdfSync } from 'node:crypto';
import { NEW_SHAPE } from '../passwords/scram.ts';
import type { ScramHash } from './scram-keys.ts';
import type { KeyShape } from './scram-server.ts';

const MAX_REMEMBERED = 4096;

/** What keys of one tool have in common. */
export interface DecoyShape {
  readonly iterations: number;
  readonly saltOctets: number;
}

/**
 * Gives a salt and an iteration count to names that have no SCRAM key, so that who asks can't tell them from accounts.
 * Each name always gets the same salt, also from other proxies with the same secret, in whatever case it is written.
 * Iteration count and length of the salt are what the operator states, else those that most of the accounts have that
 * were seen: a directory filled by one tool has no others.
 *
 * What can't be hidden: accounts of another shape than most (a count that is chosen for each name would be no more than
 * a guess at who has which, and be wrong for the next account that is made); that two names of one account have one
 * salt; and, where nothing is stated and keys are not as `homing hash` makes them, that decoys change when the first
 * account is seen after the start.
 */
export class Disguise {
  readonly #secret: Buffer;
  readonly #stated: DecoyShape | undefined;
  readonly #seen: Readonly<Record<ScramHash, ShapeCount>> = {
    sha1: new ShapeCount(),
    sha256: new ShapeCount(),
  };

  /** @param stated that decoys have; what most accounts have, if it is left out. */
  constructor(secret: Buffer, stated?: DecoyShape) {
    this.#secret = secret;
    this.#stated = stated;
  }

  /** Takes note of an account's key. */
  saw(hash: ScramHash, entry: string, { salt, iterations }: KeyShape): void {
    this.#seen[hash].add(entry, { iterations, saltOctets: salt.length });
  }

  /** @param login normalised, so that spellings of one name get the same salt; its case counts in no directory. */
  shapeFor(hash: ScramHash, login: string): KeyShape {
    const { iterations, saltOctets } = this.#stated ?? this.#seen[hash].most;
    const salt = Buffer.from(
      hkdfSync('sha256', this.#secret, '', `${hash} ${login.toLowerCase()}`.slice(0, 1000), saltOctets),
    );
    return { salt, iterations };
  }
}

/** Which shape most accounts have, of those that were seen last. */
class ShapeCount {
  readonly #byEntry = new Map<string, string>();
  readonly #accounts = new Map<string, { readonly shape: DecoyShape; count: number }>();
  #most: { readonly shape: DecoyShape; count: number } = { shape: NEW_SHAPE, count: 0 };

  get most(): DecoyShape {
    return this.#most.shape;
  }

  add(entry: string, shape: DecoyShape): void {
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
