import { Deadline } from '../deadline.ts';
import { ChangeQueue, type DirectoryChange, type FollowObserver } from '../directory-changes.ts';
import { type Schema, searchForAll } from '../entries/schema.ts';
import { pause } from '../pause.ts';
import type { LdapConnection } from './connection.ts';
import { dialAsService, type LdapTarget, type ServiceAccount } from './dial.ts';
import { findFollowable } from './earlier-server.ts';
import { FollowedEntries } from './followed-entry.ts';
import { Poller } from './poll.ts';
import { cookieOfNow, type RootDse, readRootDse } from './root-dse.ts';
import { type SyncPlace, syncFrom } from './sync.ts';
import { LdapUnreachable } from './unreachable.ts';

/** How the changes of LDAP servers are learned of. */
export interface LdapFollowTerms {
  /** Content synchronisation (RFC 4533), asking again and again, or the first where the server offers it. */
  readonly mode: 'auto' | 'sync' | 'poll';
  /** Time between two polls. */
  readonly pollMs: number;
  /** How often everything is in doubt while polling: entries that are gone have no timestamp. */
  readonly recheckMs: number;
  /** Attribute of the time when an entry was changed, for polling. */
  readonly timestamp: string;
  /** The first wait before a lost server is asked again; it doubles each time. */
  readonly retryMs: number;
}

/** What a follower needs of a directory. */
export interface LdapFollowOptions extends LdapFollowTerms {
  readonly servers: readonly LdapTarget[];
  readonly account: ServiceAccount | undefined;
  readonly schema: Schema;
  readonly verify: 'bind' | 'hash' | 'node';
  readonly readPasswords: boolean;
  readonly connectMs: number;
  readonly operationMs: number;
}

/** Why a server does not synchronise, or no more. */
interface Refusal {
  readonly offered: boolean;
  readonly detail: string;
}

/** More changes than this that nobody took put everything in doubt. */
const MAX_WAITING = 10_000;
const MAX_RETRY_MS = 30_000;
/** So many times the first wait are between two looks whether a server before the one that is followed works again. */
const RETURN_FACTOR = 4;
/** A server that stopped answering leaves its connections open. */
const HEARTBEAT_MS = 30_000;

/**
 * Tells the changes of LDAP servers, on a connection of its own, until the signal is aborted. It goes on at another
 * server when one is lost.
 */
export async function* followLdap(
  options: LdapFollowOptions,
  signal: AbortSignal,
  observe: FollowObserver,
): AsyncGenerator<DirectoryChange> {
  const changes = new ChangeQueue(MAX_WAITING);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) {
    stop();
  }
  const follower = new LdapFollower(options, changes, observe);
  const running = follower.run(stopping.signal).finally(() => changes.end());
  try {
    yield* changes;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    await running;
  }
}

class LdapFollower {
  readonly #options: LdapFollowOptions;
  readonly #changes: ChangeQueue;
  readonly #observe: FollowObserver;
  readonly #entries: FollowedEntries;
  /** `undefined` where the next synchronisation has to start anew. */
  #place: SyncPlace | undefined;
  /** URL of the server that told of changes last. */
  #followed: string | undefined;
  #following: 'sync' | 'poll' | undefined;
  #failures = 0;

  constructor(options: LdapFollowOptions, changes: ChangeQueue, observe: FollowObserver) {
    const { schema, verify, readPasswords } = options;
    const extra = readPasswords || verify === 'hash' ? [schema.options.password] : [];
    this.#options = options;
    this.#changes = changes;
    this.#observe = observe;
    this.#entries = new FollowedEntries(schema, extra);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { servers } = this.#options;
    for (let index = 0; !signal.aborted && servers.length > 0; ) {
      const { why, earlier } = await this.#followUntilEarlier(index, signal);
      if (signal.aborted) {
        return;
      }
      if (earlier === undefined) {
        this.#observe('off', why);
        await this.#rest(signal);
      }
      index = earlier ?? (index + 1) % servers.length;
    }
  }

  /**
   * Follows one server as long as that goes, or until one before it works again. Logins are looked up there then: what
   * is told by another server may be too early for them, or too late.
   */
  async #followUntilEarlier(
    index: number,
    signal: AbortSignal,
  ): Promise<{ why: string; earlier: number | undefined }> {
    const ending = new AbortController();
    const limited = AbortSignal.any([signal, ending.signal]);
    const { servers, retryMs } = this.#options;
    const terms = { ...this.#options, needsCookie: () => this.#following === 'sync' };
    const looking = findFollowable(servers.slice(0, index), retryMs * RETURN_FACTOR, terms, limited);
    looking.then(
      (found) => found !== undefined && ending.abort(),
      () => ending.abort(),
    );
    const target = servers[index];
    const why = target === undefined ? '' : await this.#followAt(target, limited);
    ending.abort();
    return { why, earlier: await looking };
  }

  /** Follows one server as long as that goes. @returns why it ended. */
  async #followAt(target: LdapTarget, signal: AbortSignal): Promise<string> {
    try {
      using deadline = new Deadline(this.#options.connectMs, signal);
      const connection = await dialAsService(target, this.#options.account, deadline.signal);
      deadline[Symbol.dispose]();
      try {
        return await this.#followOn(connection, target.url, signal);
      } finally {
        connection.close();
      }
    } catch (error) {
      if (!(error instanceof LdapUnreachable)) {
        throw error;
      }
      return error.message;
    }
  }

  async #followOn(connection: LdapConnection, url: string, signal: AbortSignal): Promise<string> {
    const { mode, schema, timestamp, operationMs } = this.#options;
    const terms = { schema, entries: this.#entries, changes: this.#changes, timestamp, operationMs };
    // Of this connection alone: behind the same name, too, another server may have changes earlier or later.
    const poller = new Poller(terms);
    for (;;) {
      const refusal = mode === 'poll' ? undefined : await this.#syncIfOffered(connection, url, signal);
      if (refusal?.offered === true || (refusal !== undefined && mode === 'sync')) {
        return `${url}: ${refusal.detail}`;
      }
      const detail = refusal === undefined ? url : `${url}: ${refusal.detail}`;
      // Behind it synchronisation is tried again: a replica that was empty, as one, begins to offer it.
      await this.#pollUntilCheck(() => poller.poll(connection, signal), { url, detail }, signal);
      if (signal.aborted) {
        return 'stopped';
      }
    }
  }

  async #syncIfOffered(connection: LdapConnection, url: string, signal: AbortSignal): Promise<Refusal> {
    const dse = await this.#inTime(signal, (limited) => readRootDse(connection, limited));
    return dse.offersSync ? await this.#sync(connection, dse, url, signal) : NO_SYNC;
  }

  async #sync(connection: LdapConnection, dse: RootDse, url: string, signal: AbortSignal): Promise<Refusal> {
    const { schema } = this.#options;
    this.#place ??= await this.#placeOfNow(connection, dse, signal);
    if (this.#place === undefined) {
      const suffix = dse.suffixOf(searchForAll(schema).base);
      return {
        offered: false,
        detail: `contextCSN of ${suffix} can't be read, which says where changes stand`,
      };
    }
    const ending = new AbortController();
    const beating = this.#beat(connection, AbortSignal.any([signal, ending.signal]));
    try {
      const onCaughtUp = (): void => this.#going('sync', url, url);
      const terms = { schema, entries: this.#entries, changes: this.#changes, onCaughtUp };
      const end = await syncFrom(this.#place, connection, terms, signal);
      if (!end.resumable) {
        this.#place = undefined;
      }
      return { offered: !end.notOffered, detail: end.detail };
    } finally {
      ending.abort();
      await beating;
    }
  }

  /** Everything that is remembered may be older than the place to start from. */
  async #placeOfNow(
    connection: LdapConnection,
    dse: RootDse,
    signal: AbortSignal,
  ): Promise<SyncPlace | undefined> {
    const suffix = dse.suffixOf(searchForAll(this.#options.schema).base);
    const cookie = await this.#inTime(signal, (limited) => cookieOfNow(connection, suffix, limited));
    if (cookie === undefined) {
      return undefined;
    }
    this.#changes.push({ kind: 'doubtful' });
    return { cookie };
  }

  /** Closes the connection when the server does not answer any more. */
  async #beat(connection: LdapConnection, signal: AbortSignal): Promise<void> {
    while (await pause(HEARTBEAT_MS, signal)) {
      try {
        await this.#inTime(signal, (limited) => readRootDse(connection, limited));
      } catch (error) {
        if (!(error instanceof LdapUnreachable)) {
          throw error;
        }
        connection.close();
        return;
      }
    }
  }

  /** Polls until everything is to be in doubt again, as what is gone does not show, or until it is stopped. */
  async #pollUntilCheck(
    poll: () => Promise<void>,
    { url, detail }: { readonly url: string; readonly detail: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { pollMs, recheckMs } = this.#options;
    for (let sinceCheck = 0; sinceCheck < recheckMs; sinceCheck += pollMs) {
      await poll();
      this.#going('poll', detail, url);
      if (!(await pause(pollMs, signal))) {
        return;
      }
    }
    this.#changes.push({ kind: 'doubtful' });
  }

  #going(how: 'sync' | 'poll', detail: string, url: string): void {
    // What was asked for at one server meanwhile may be older than what the other one has told.
    if (this.#followed !== undefined && this.#followed !== url) this.#changes.push({ kind: 'doubtful' });
    this.#followed = url;
    this.#following = how;
    this.#failures = 0;
    this.#observe(how, detail, url);
  }

  async #inTime<T>(signal: AbortSignal, ask: (limited: AbortSignal) => Promise<T>): Promise<T> {
    using deadline = new Deadline(this.#options.operationMs, signal);
    return await ask(deadline.signal);
  }

  /** Waits longer each time, and not as long as the other proxies that lost the same server. */
  async #rest(signal: AbortSignal): Promise<void> {
    const most = Math.min(this.#options.retryMs * 2 ** this.#failures, MAX_RETRY_MS);
    this.#failures = Math.min(this.#failures + 1, 20);
    await pause(most * (0.5 + Math.random() / 2), signal);
  }
}

const NO_SYNC: Refusal = { offered: false, detail: 'no content synchronisation is offered' };
