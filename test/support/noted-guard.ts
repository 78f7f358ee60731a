import type { LoginGuard } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import type { Secret } from '../../auth/secret.ts';

/** A guard that keeps a note of what it was asked; it refuses one name, or `address`, and knows one password to be wrong. */
export class NotedGuard implements LoginGuard {
  readonly asked: string[] = [];
  readonly #refused: string | undefined;
  readonly #wrong: string | undefined;

  constructor({ refused, wrong }: { readonly refused?: string; readonly wrong?: string } = {}) {
    this.#refused = refused;
    this.#wrong = wrong;
  }

  admit(name: string): void {
    this.asked.push(`admit ${name}`);
    if (name === this.#refused) {
      throw new LoginFailure('throttled', 'too many');
    }
  }

  admitAddress(name: string | undefined): void {
    this.asked.push(`admit address of ${name}`);
    if (this.#refused === 'address') {
      throw new LoginFailure('throttled', 'too many');
    }
  }

  knownWrong(entry: string, version: string, password: Secret): boolean {
    this.asked.push(`known wrong ${entry} ${version}`);
    return password.octets.toString() === this.#wrong;
  }
}
