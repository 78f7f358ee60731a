import { isDeepStrictEqual } from 'node:util';
import type {
  Account,
  Directory,
  DirectoryContext,
  EntryNames,
  Found,
  LoginName,
  StoredCredentials,
} from '../directory.ts';
import { ChangeQueue, type DirectoryChange, type FollowObserver } from '../directory-changes.ts';
import { isBelow } from '../entries/dn.ts';
import { ambiguityOf, type Entry, valuesOf } from '../entries/entry.ts';
import { matchesFilter } from '../entries/filter-match.ts';
import { accountOf, ENTRY_ID, type Schema, searchesFor, searchForAll } from '../entries/schema.ts';
import { EntryFault } from '../failure.ts';
import { KeyedHash } from '../keyed-hash.ts';
import { verifyStored } from '../passwords/stored-password.ts';
import { parseLdif } from './parser.ts';
import { FileWatch } from './watch.ts';

export interface LdifOptions {
  /** The file's content. */
  readonly content: Buffer;
  readonly schema: Schema;
  /** Takes stored passwords in clear text. */
  readonly allowCleartext: boolean;
  /** The file itself, where it is to be read again when it changes. */
  readonly file?: LdifFile | undefined;
}

/** A file that may change. */
export interface LdifFile {
  readonly path: string;
  /** @throws {Error} that says why it can't be read. */
  read(): Buffer;
}

/** More changes than this that nobody took put everything in doubt. */
const MAX_WAITING = 10_000;

/**
 * Makes a directory of an LDIF file, with the filters and the schema of a server.
 * @throws {LdifError} with the line that can't be read.
 */
export function openLdif(options: LdifOptions): Directory {
  return new LdifDirectory(options);
}

/** A file with fewer than this part of the accounts that were there has lost them. */
const MIN_LEFT_PART = 0.5;

class LdifDirectory implements Directory {
  readonly #options: LdifOptions;
  readonly follow?: NonNullable<Directory['follow']>;
  readonly #hash = new KeyedHash();
  #entries: readonly Entry[];

  constructor(options: LdifOptions) {
    const { content, file } = options;
    this.#options = options;
    this.#entries = parseLdif(content);
    if (file !== undefined) {
      this.follow = (signal, observe) => this.#follow(file, signal, observe);
    }
  }

  async find(login: LoginName, context: DirectoryContext): Promise<Found | undefined> {
    const { schema, allowCleartext } = this.#options;
    const entry = this.#search(login, context);
    return (
      entry && {
        entry: entry.dn,
        name: valuesOf(entry, schema.options.name)[0],
        passwordVersion: this.#versionOf(entry),
        holdsPassword: true,
        verify: async (password, signal) => {
          const verdict = await verifyStored({ entry, schema, rules: { allowCleartext } }, password, signal);
          context.trace?.('password', verdict);
          return verdict;
        },
        account: () => this.#accountOf(entry, context),
      }
    );
  }

  async lookup(login: LoginName, context: DirectoryContext): Promise<Account | undefined> {
    const entry = this.#search(login, context);
    return entry === undefined ? undefined : this.#accountOf(entry, context);
  }

  async stored(login: LoginName, context: DirectoryContext): Promise<StoredCredentials | undefined> {
    const { schema, allowCleartext } = this.#options;
    const entry = this.#search(login, context);
    if (entry === undefined) {
      return undefined;
    }
    const account = this.#accountOf(entry, context);
    return { account, values: valuesOf(entry, schema.options.password), allowCleartext };
  }

  async reread({ entry: dn, id }: EntryNames, context: DirectoryContext): Promise<Account | undefined> {
    const entry = this.#entries.find((other) => other.dn === dn || (id !== undefined && idOf(other) === id));
    return entry === undefined || !isAccount(this.#options.schema, entry)
      ? undefined
      : this.#accountOf(entry, context);
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
        throw new EntryFault(`${ambiguityOf(found)} ${where}`);
      }
      if (found[0] !== undefined) {
        return found[0];
      }
    }
    return undefined;
  }

  async *#follow(file: LdifFile, signal: AbortSignal, observe: FollowObserver) {
    const changes = new ChangeQueue(MAX_WAITING);
    const stop = (): void => changes.end();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) {
      stop();
    }
    observe('watch', file.path);
    using _watch = new FileWatch(file.path, () => this.#takeUp(file, changes, observe));
    try {
      yield* changes;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Takes the file's entries, or leaves what is in use where there is anything wrong with it. */
  #takeUp(file: LdifFile, changes: ChangeQueue, observe: FollowObserver): void {
    const before = this.#entries;
    try {
      this.#entries = this.#unlessLost(parseLdif(file.read()));
    } catch (error) {
      // Of the file system, the parser, or the configuration: in any case it can't be used.
      const why = error instanceof Error ? error.message : String(error);
      observe('off', `${file.path}: ${why}; the entries that were read last stay`);
      return;
    }
    observe('watch', file.path);
    for (const change of this.#changesSince(before)) {
      changes.push(change);
    }
  }

  /** A file that is cut off may read well. @throws {Error} when most of the accounts are gone. */
  #unlessLost(entries: readonly Entry[]): readonly Entry[] {
    const { schema } = this.#options;
    const count = (all: readonly Entry[]): number => all.filter((entry) => isAccount(schema, entry)).length;
    const [before, now] = [count(this.#entries), count(entries)];
    if (before > 0 && now < before * MIN_LEFT_PART) {
      throw new Error(`of ${before} accounts ${now} are left: if that is right, restart the proxy`);
    }
    return entries;
  }

  *#changesSince(before: readonly Entry[]): Iterable<DirectoryChange> {
    const { schema } = this.#options;
    const old = new Map(before.map((entry) => [entry.dn, entry]));
    for (const entry of this.#entries) {
      const earlier = old.get(entry.dn);
      const wasAccount = earlier !== undefined && isAccount(schema, earlier);
      if (!isAccount(schema, entry)) {
        continue;
      }
      old.delete(entry.dn);
      if (!wasAccount || !isDeepStrictEqual(earlier.attributes, entry.attributes)) {
        yield this.#changed(entry);
      }
    }
    for (const { dn, attributes } of old.values()) {
      if (isAccount(schema, { dn, attributes })) {
        yield { kind: 'removed', entry: dn, id: idOf({ dn, attributes }) };
      }
    }
  }

  #changed(entry: Entry): DirectoryChange {
    const values = [...entry.attributes].flatMap(([name, all]) => [name, String(all.length), ...all]);
    return {
      kind: 'changed',
      entry: entry.dn,
      id: idOf(entry),
      fingerprint: this.#hash.of(entry.dn, ...values).toString('base64url'),
      passwordVersion: this.#versionOf(entry),
      read: (context) => this.#accountOf(entry, context),
    };
  }

  #accountOf(entry: Entry, context: DirectoryContext): Account {
    return {
      ...accountOf(this.#options.schema, entry, context),
      passwordVersion: this.#versionOf(entry),
    };
  }

  #versionOf(entry: Entry): string {
    const values = valuesOf(entry, this.#options.schema.options.password);
    return this.#hash.of(...values).toString('base64url');
  }
}

function isAccount(schema: Schema, entry: Entry): boolean {
  const { base, filter } = searchForAll(schema);
  return matchesFilter(filter, entry) && isBelow(entry.dn, base);
}

function idOf(entry: Entry): string | undefined {
  return valuesOf(entry, ENTRY_ID)[0];
}
