import type {
  Account,
  Directory,
  DirectoryContext,
  Found,
  LoginName,
  StoredCredentials,
} from '../directory.ts';
import { isBelow } from '../entries/dn.ts';
import { ambiguityOf, type Entry, valuesOf } from '../entries/entry.ts';
import { matchesFilter } from '../entries/filter-match.ts';
import { accountOf, type Schema, searchesFor } from '../entries/schema.ts';
import { LoginFailure } from '../failure.ts';
import { verifyStored } from '../passwords/stored-password.ts';
import { parseLdif } from './parser.ts';

export interface LdifOptions {
  /** The file's content. */
  readonly content: Buffer;
  readonly schema: Schema;
  /** Takes stored passwords in clear text. */
  readonly allowCleartext: boolean;
}

/**
 * Makes a directory of an LDIF file, with the filters and the schema of a server.
 * @throws {LdifError} with the line that can't be read.
 */
export function openLdif(options: LdifOptions): Directory {
  return new LdifDirectory(options);
}

class LdifDirectory implements Directory {
  readonly #options: LdifOptions;
  readonly #entries: readonly Entry[];

  constructor(options: LdifOptions) {
    this.#options = options;
    this.#entries = parseLdif(options.content);
  }

  async find(login: LoginName, context: DirectoryContext): Promise<Found | undefined> {
    const { schema, allowCleartext } = this.#options;
    const entry = this.#search(login, context);
    return (
      entry && {
        entry: entry.dn,
        name: valuesOf(entry, schema.options.name)[0],
        // A file never changes, so its entries need no version.
        passwordVersion: 'file',
        verify: async (password, signal) => {
          const verdict = await verifyStored({ entry, schema, rules: { allowCleartext } }, password, signal);
          context.trace?.('password', verdict);
          return verdict;
        },
        account: () => accountOf(schema, entry, context),
      }
    );
  }

  async lookup(login: LoginName, context: DirectoryContext): Promise<Account | undefined> {
    const entry = this.#search(login, context);
    return entry === undefined ? undefined : accountOf(this.#options.schema, entry, context);
  }

  async stored(login: LoginName, context: DirectoryContext): Promise<StoredCredentials | undefined> {
    const { schema, allowCleartext } = this.#options;
    const entry = this.#search(login, context);
    if (entry === undefined) {
      return undefined;
    }
    const account = accountOf(schema, entry, context);
    return { account, values: valuesOf(entry, schema.options.password), allowCleartext };
  }

  async whyNotReady(): Promise<undefined> {
    // A file that was read can always be asked.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A file that was read holds nothing open.
  }

  #search(login: LoginName, context: DirectoryContext): Entry | undefined {
    for (const { base, filter, template } of searchesFor(this.#options.schema, login)) {
      const found = this.#entries.filter((entry) => matchesFilter(filter, entry) && isBelow(entry.dn, base));
      const finding = found.length > 1 ? 'several entries' : (found[0]?.dn ?? 'no entry');
      context.trace?.('search', `search ${filter.toString()} in the LDIF file: ${finding}`);
      if (found.length > 1) {
        const where = `(search ${template.filter} in the LDIF file)`;
        throw new LoginFailure('directoryFault', `${ambiguityOf(found)} ${where}`);
      }
      if (found[0] !== undefined) {
        return found[0];
      }
    }
    return undefined;
  }
}
