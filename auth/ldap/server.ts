import { PresenceFilter } from 'ldapts';
import { Deadline, whyAborted } from '../deadline.ts';
import type { ServerObserver } from '../directory.ts';
import { Gate } from '../gate.ts';
import { codeWithName, LDAP_CODE } from './codes.ts';
import type { LdapConnection } from './connection.ts';
import { dialAsService, dialLdap, type LdapTarget, type ServiceAccount } from './dial.ts';
import { IdleConnections } from './idle-connections.ts';
import type { LdapResult } from './message.ts';
import type { LdapSearch, LdapSearchResult } from './search.ts';
import type { SimpleBind } from './simple-bind.ts';
import { LdapUnreachable } from './unreachable.ts';

export interface LdapServerTerms {
  readonly account: ServiceAccount | undefined;
  readonly connectMs: number;
  readonly operationMs: number;
  /** Connections for binds: one user each at a time. */
  readonly maxBinds: number;
  readonly onState: ServerObserver;
}

/** All that a search connection can do: it stays the service account's. */
type SearchConnection = Pick<LdapConnection, 'search' | 'usable' | 'close'>;
/** All that a bind connection can do: after a bind it is the user's, and must never search. */
type BindConnection = Pick<LdapConnection, 'bind' | 'usable' | 'close'>;

const FIRST_PROBE_MS = 500;
const LAST_PROBE_MS = 15_000;
/** A bind connection that was not needed for so long is given up. */
const IDLE_MS = 60_000;

/**
 * One LDAP server with its connections: one for all searches, and as many for binds as there are binds at a time.
 * A server that can't be reached is probed in the background, so that no login has to find out that it is back.
 */
export class LdapServer {
  readonly url: string;
  readonly #target: LdapTarget;
  readonly #terms: LdapServerTerms;
  readonly #bindPlaces: Gate;
  readonly #idleBinds = new IdleConnections<BindConnection>(IDLE_MS);
  readonly #busyBinds = new Set<BindConnection>();
  readonly #closing = new AbortController();
  #search: SearchConnection | undefined;
  #dialing: Promise<SearchConnection> | undefined;
  #heardAt = 0;
  /** `undefined` until it is told for the first time. */
  #up: boolean | undefined;
  #probeTimer: NodeJS.Timeout | undefined;

  constructor(target: LdapTarget, terms: LdapServerTerms) {
    this.url = target.url;
    this.#target = target;
    this.#terms = terms;
    this.#bindPlaces = new Gate(terms.maxBinds);
  }

  /** Whether the server answered when it was last asked; true at first. */
  get up(): boolean {
    return this.#up !== false;
  }

  /** Searches as the service account. @throws {LdapUnreachable} when there is no answer. */
  async search(search: LdapSearch, signal: AbortSignal): Promise<LdapSearchResult> {
    const connection = await this.#searchConnection(signal);
    const result = await this.#ask(connection, signal, (limited) => connection.search(search, limited));
    return notBusy(result, this.url);
  }

  /**
   * Binds as a user, alone on a connection. A bind that was sent goes on when the signal ends the wait for it, and
   * then its connection is there for the next: who asks and leaves must not make us connect anew.
   * @throws {LdapUnreachable} when there is no answer.
   */
  async bind(bind: SimpleBind, signal: AbortSignal): Promise<LdapResult> {
    const place = await this.#placeToBind(signal);
    return await unlessAborted(this.#bindAt(place, bind, signal), signal, this.url);
  }

  async #bindAt(place: Disposable, bind: SimpleBind, wanted: AbortSignal): Promise<LdapResult> {
    using _place = place;
    const connection = await this.#bindConnection();
    this.#busyBinds.add(connection);
    try {
      if (wanted.aborted) {
        this.#idleBinds.put(connection);
        throw givenUp(wanted, this.url);
      }
      const operation = (limited: AbortSignal) => connection.bind(bind, limited);
      const result = await this.#ask(connection, this.#closing.signal, operation);
      this.#idleBinds.put(connection);
      return notBusy(result, this.url);
    } finally {
      this.#busyBinds.delete(connection);
      if (!this.#idleBinds.has(connection)) {
        connection.close();
      }
    }
  }

  /** Asks for one entry, without its attributes: whether it is there. @throws {LdapUnreachable} as above. */
  read(dn: string, signal: AbortSignal): Promise<LdapSearchResult> {
    const filter = new PresenceFilter({ attribute: 'objectClass' });
    return this.search({ base: dn, scope: 'base', filter, attributes: [] }, signal);
  }

  /** Closes all connections; what is under way fails. */
  close(): void {
    clearTimeout(this.#probeTimer);
    this.#closing.abort(new Error('the directory is closed'));
    this.#search?.close();
    this.#idleBinds.close();
    for (const connection of this.#busyBinds) {
      connection.close();
    }
  }

  async #ask<Result extends LdapResult>(
    connection: SearchConnection | BindConnection,
    signal: AbortSignal,
    operation: (limited: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const askedAt = performance.now();
    using deadline = new Deadline(this.#terms.operationMs, signal);
    try {
      const result = await operation(deadline.signal);
      this.#heardAt = performance.now();
      this.#nowUp();
      return result;
    } catch (error) {
      // One slow answer says nothing of a server that answers others meanwhile.
      if (deadline.expired && this.#heardAt < askedAt) {
        connection.close();
        this.#nowDown(`no answer within ${this.#terms.operationMs} ms`);
      }
      throw error;
    }
  }

  /** Gives the one search connection, which all who need it wait for together, each as long as it may. */
  async #searchConnection(signal: AbortSignal): Promise<SearchConnection> {
    if (this.#search?.usable === true) {
      return this.#search;
    }
    this.#dialing ??= this.#dialSearch();
    return await unlessAborted(this.#dialing, signal, this.url);
  }

  async #dialSearch(): Promise<SearchConnection> {
    try {
      this.#search = await this.#dial((limited) => dialAsService(this.#target, this.#terms.account, limited));
      return this.#search;
    } finally {
      this.#dialing = undefined;
    }
  }

  async #placeToBind(signal: AbortSignal): Promise<Disposable> {
    using deadline = new Deadline(this.#terms.operationMs, signal);
    try {
      return await this.#bindPlaces.enter(deadline.signal);
    } catch (error) {
      const why = `all ${this.#terms.maxBinds} bind connections are busy`;
      const what = `${this.url}: ${whyAborted(deadline.signal, why)}`;
      throw new LdapUnreachable(what, { stage: 'timeout', cause: error });
    }
  }

  async #bindConnection(): Promise<BindConnection> {
    return this.#idleBinds.take() ?? (await this.#dial((limited) => dialLdap(this.#target, limited)));
  }

  /** Connects with a time of its own: a login that gives up early must not make the server look dead. */
  async #dial<Connection extends SearchConnection | BindConnection>(
    dial: (limited: AbortSignal) => Promise<Connection>,
  ): Promise<Connection> {
    using deadline = new Deadline(this.#terms.connectMs, this.#closing.signal);
    try {
      const connection = await dial(deadline.signal);
      if (this.#closing.signal.aborted) {
        connection.close();
      }
      return connection;
    } catch (error) {
      this.#nowDown(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  #nowUp(): void {
    if (this.#up !== true) {
      this.#up = true;
      clearTimeout(this.#probeTimer);
      this.#terms.onState(this.url, true, undefined);
    }
  }

  #nowDown(detail: string): void {
    if (this.#up !== false && !this.#closing.signal.aborted) {
      this.#up = false;
      this.#terms.onState(this.url, false, detail);
      this.#probeIn(FIRST_PROBE_MS);
    }
  }

  #probeIn(ms: number): void {
    const probeAgain = async (): Promise<void> => {
      try {
        // Any answer about the root DSE shows a server that takes our account.
        await this.read('', this.#closing.signal);
      } catch (error) {
        if (!(error instanceof LdapUnreachable)) {
          throw error;
        }
        this.#probeIn(Math.min(ms * 2, LAST_PROBE_MS));
      }
    };
    if (this.#up === false && !this.#closing.signal.aborted) {
      this.#probeTimer = setTimeout(() => void probeAgain(), ms).unref();
    }
  }
}

/** @throws {LdapUnreachable} `busy` for answers by which a server asks to be left alone. */
function notBusy<Result extends LdapResult>(result: Result, url: string): Result {
  if (result.code === LDAP_CODE.busy || result.code === LDAP_CODE.unavailable) {
    // Without the server's own words, which may repeat what it was asked.
    throw new LdapUnreachable(`${url}: ${codeWithName(result.code)}`, { stage: 'busy' });
  }
  return result;
}

/** Waits for something as long as the waiter may; it goes on without. */
function unlessAborted<T>(shared: Promise<T>, signal: AbortSignal, url: string): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(givenUp(signal, url));
  const settle = (): void => signal.removeEventListener('abort', onAbort);
  signal.addEventListener('abort', onAbort, { once: true });
  shared.then(resolve, reject).finally(settle);
  if (signal.aborted) {
    onAbort();
  }
  return promise;
}

function givenUp(signal: AbortSignal, url: string): LdapUnreachable {
  const what = `${url}: ${whyAborted(signal, 'no answer in time')}`;
  return new LdapUnreachable(what, { stage: 'timeout', cause: signal.reason });
}
