import { AndFilter, EqualityFilter } from 'ldapts';
import type {
  Account,
  Directory,
  DirectoryContext,
  EntryNames,
  Found,
  LoginName,
  PasswordVerdict,
  ServerObserver,
  StoredCredentials,
  StoredLookup,
} from '../directory.ts';
import { type Entry, valuesOf, withoutAttributes } from '../entries/entry.ts';
import { accountOf, ENTRY_ID, type Schema, searchesFor, searchForAll } from '../entries/schema.ts';
import { LoginFailure } from '../failure.ts';
import { verifyStored } from '../passwords/stored-password.ts';
import type { Secret } from '../secret.ts';
import { LDAP_CODE, resultText, searchHints } from './codes.ts';
import type { LdapTarget, ServiceAccount } from './dial.ts';
import { followLdap, type LdapFollowTerms } from './follow.ts';
import { PASSWORD_CHANGED, passwordVersionOf } from './password-version.ts';
import {
  type Asked,
  type BindVerdict,
  findingOf,
  readBindResult,
  readOnlyEntry,
  readReread,
  requireBase,
} from './results.ts';
import { LdapServer } from './server.ts';
import { LdapServers, type ServerOrder } from './servers.ts';
import { SimpleBind } from './simple-bind.ts';

export interface LdapOptions {
  /** Servers with the same data. */
  readonly servers: readonly LdapTarget[];
  readonly order: ServerOrder;
  /** Who searches; `undefined` searches anonymously. */
  readonly account: ServiceAccount | undefined;
  /** Who tells a right password: the server (`bind`), a comparison with the stored hash, or nobody but the node. */
  readonly verify: 'bind' | 'hash' | 'node';
  /** Whether the service account may be used to read stored passwords, for mechanisms that never see the password. */
  readonly readPasswords: boolean;
  /** Takes stored passwords in clear text. */
  readonly allowCleartext: boolean;
  readonly schema: Schema;
  /** TCP, TLS and the service account's bind together. */
  readonly connectMs: number;
  readonly operationMs: number;
  /** Binds at a time, to each server. */
  readonly maxBinds: number;
  /** How changes are learned of; `undefined` where nobody wants to know. */
  readonly follow?: LdapFollowTerms | undefined;
}

/** Makes a directory of LDAP servers. It connects when it is first asked. */
export function openLdap(options: LdapOptions, onState: ServerObserver): Directory {
  return new LdapDirectory(options, onState);
}

class LdapDirectory implements Directory {
  readonly stored?: StoredLookup;
  readonly follow?: NonNullable<Directory['follow']>;
  readonly #options: LdapOptions;
  readonly #servers: LdapServers;

  constructor(options: LdapOptions, onState: ServerObserver) {
    const { account, connectMs, operationMs, maxBinds } = options;
    const terms = { account, connectMs, operationMs, maxBinds, onState };
    this.#options = options;
    this.#servers = new LdapServers(
      options.servers.map((target) => new LdapServer(target, terms)),
      options.order,
    );
    if (options.readPasswords) {
      this.stored = (login, context, signal) => this.#readStored(login, context, signal);
    }
    const { follow } = options;
    if (follow !== undefined) {
      this.follow = (signal, observe) => followLdap({ ...options, ...follow }, signal, observe);
    }
  }

  async find(login: LoginName, context: DirectoryContext, signal: AbortSignal): Promise<Found | undefined> {
    const { schema, verify } = this.#options;
    const extra = verify === 'hash' ? [schema.options.password] : [];
    const entry = await this.#search(login, extra, context, signal);
    if (entry === undefined) {
      return undefined;
    }
    const by = verify === 'node' ? '' : ` (by ${verify} as ${entry.dn})`;
    return {
      entry: entry.dn,
      id: valuesOf(entry, ENTRY_ID)[0],
      name: valuesOf(entry, schema.options.name)[0],
      passwordVersion: verify === 'node' ? undefined : passwordVersionOf(entry),
      holdsPassword: verify === 'hash',
      verify: async (password, limit) => {
        const verdict = await this.#verify(entry, password, limit);
        context.trace?.('password', verdict === 'leftToNode' ? 'left to the node' : `${verdict}${by}`);
        return verdict;
      },
      account: this.#readerOf(withoutAttributes(entry, extra), context),
    };
  }

  /** Reads the account when it is asked for, and holds nothing else till then. */
  #readerOf(entry: Entry, context: DirectoryContext): () => Account {
    return () => this.#accountOf(entry, context);
  }

  async lookup(
    login: LoginName,
    context: DirectoryContext,
    signal: AbortSignal,
  ): Promise<Account | undefined> {
    const entry = await this.#search(login, [], context, signal);
    return entry === undefined ? undefined : this.#accountOf(entry, context);
  }

  async reread(
    { entry, id }: EntryNames,
    context: DirectoryContext,
    signal: AbortSignal,
  ): Promise<Account | undefined> {
    const { schema } = this.#options;
    const { filter: accounts, base } = searchForAll(schema);
    const attributes = [...schema.attributes, ENTRY_ID, ...PASSWORD_CHANGED];
    return await this.#servers.ask(async (server) => {
      const byName = { base: entry, scope: 'base', filter: accounts, attributes } as const;
      const named = readReread(await server.search(byName, signal), `${entry} at ${server.url}`);
      if (named !== undefined) return this.#accountOf(named, context);
      // A server that has lost its data, or shows us none of it, knows of nobody whether he is gone.
      requireBase(await server.read(base, signal), `${base} at ${server.url}`);
      if (id === undefined) return undefined;
      const filter = new AndFilter({
        filters: [accounts, new EqualityFilter({ attribute: ENTRY_ID, value: id })],
      });
      const byId = { base, scope: 'sub', filter, attributes } as const;
      const found = readReread(await server.search(byId, signal), `${ENTRY_ID} ${id} at ${server.url}`);
      return found && this.#accountOf(found, context);
    }, signal);
  }

  #accountOf(entry: Entry, context: DirectoryContext): Account {
    return {
      ...accountOf(this.#options.schema, entry, context),
      passwordVersion: passwordVersionOf(entry),
    };
  }

  /** Looks at the base, since a login can't be answered either where that is missing or may not be seen. */
  async whyNotReady(signal: AbortSignal): Promise<string | undefined> {
    const { base } = this.#options.schema.options;
    // A base that depends on the login can't be looked at; the root DSE is always there.
    const known = base.includes('%d') ? '' : base;
    try {
      return await this.#servers.ask(async (server) => {
        const result = await server.read(known, signal);
        return result.code === LDAP_CODE.success
          ? undefined
          : `${server.url}: ${resultText(result, searchHints(known))}`;
      }, signal);
    } catch (error) {
      if (error instanceof LoginFailure) {
        return error.message;
      }
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#servers.close();
  }

  async #readStored(
    login: LoginName,
    context: DirectoryContext,
    signal: AbortSignal,
  ): Promise<StoredCredentials | undefined> {
    const { schema, allowCleartext } = this.#options;
    const { password } = schema.options;
    const entry = await this.#search(login, [password], context, signal);
    if (entry === undefined) {
      return undefined;
    }
    const account = this.#accountOf(entry, context);
    return { account, values: valuesOf(entry, password), allowCleartext };
  }

  async #search(
    login: LoginName,
    extra: readonly string[],
    context: DirectoryContext,
    signal: AbortSignal,
  ): Promise<Entry | undefined> {
    for (const search of searchesFor(this.#options.schema, login)) {
      const entry = await this.#searchOne({ search, login }, extra, context, signal);
      if (entry !== undefined) {
        return entry;
      }
    }
    return undefined;
  }

  async #searchOne(
    { search, login }: Omit<Asked, 'url'>,
    extra: readonly string[],
    context: DirectoryContext,
    signal: AbortSignal,
  ): Promise<Entry | undefined> {
    const { schema } = this.#options;
    const { base, filter } = search;
    const { scope } = schema.options;
    const attributes = [...schema.attributes, ENTRY_ID, ...PASSWORD_CHANGED, ...extra];
    let url = '';
    const result = await this.#servers.ask((server) => {
      url = server.url;
      return server.search({ base, scope, filter, attributes }, signal);
    }, signal);
    context.trace?.('search', `search ${filter.toString()} below ${base} at ${url}: ${findingOf(result)}`);
    return readOnlyEntry(result, { search, login, url });
  }

  async #verify(entry: Entry, password: Secret, signal: AbortSignal): Promise<PasswordVerdict> {
    const { schema, allowCleartext, verify } = this.#options;
    switch (verify) {
      case 'node':
        return 'leftToNode';
      case 'hash':
        return await verifyStored({ entry, schema, rules: { allowCleartext } }, password, signal);
      case 'bind':
        return await this.#verifyBind(entry, password, signal);
    }
  }

  async #verifyBind(entry: Entry, password: Secret, signal: AbortSignal): Promise<BindVerdict> {
    const bind = SimpleBind.of(entry.dn, password);
    if (bind === undefined) {
      return 'wrongPassword';
    }
    return await this.#servers.ask(
      async (server) =>
        readBindResult(await server.bind(bind, signal), `bind as ${entry.dn} at ${server.url}`),
      signal,
    );
  }
}
