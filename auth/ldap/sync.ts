import type { ChangeQueue } from '../directory-changes.ts';
import { type Schema, searchForAll } from '../entries/schema.ts';
import { LDAP_CODE, resultText, searchHints } from './codes.ts';
import type { LdapConnection } from './connection.ts';
import type { FollowedEntries } from './followed-entry.ts';
import type { LdapStreamed } from './search.ts';
import { readSyncInfo, readSyncState, SYNC_INFO, SyncRequest } from './sync-message.ts';

/** Where a synchronisation stands, over connections and servers. */
export interface SyncPlace {
  cookie: Buffer;
}

/** What one synchronisation works with. */
export interface SyncTerms {
  readonly schema: Schema;
  readonly entries: FollowedEntries;
  readonly changes: ChangeQueue;
  /** All that happened before is told. */
  readonly onCaughtUp: () => void;
}

/** How a synchronisation ended that the server ended. */
export interface SyncEnd {
  /** Whether the cookie may be used again. */
  readonly resumable: boolean;
  /** The server has no synchronisation for this base, though it knows the control. */
  readonly notOffered: boolean;
  readonly detail: string;
}

/** unavailableCriticalExtension (RFC 4511 section 4.1.11). */
const NOT_OFFERED = 12;
/** By these a server says nothing of the cookie: it is stopping, or busy. */
const RESUMABLE: readonly number[] = [LDAP_CODE.success, LDAP_CODE.busy, LDAP_CODE.unavailable];

/**
 * Takes changes as the server tells them (RFC 4533, refreshAndPersist), beginning behind the place's cookie, which it
 * keeps up to date. It ends when the server ends it.
 * @throws {LdapUnreachable} when the connection is lost, or the signal aborted.
 */
export async function syncFrom(
  place: SyncPlace,
  connection: LdapConnection,
  terms: SyncTerms,
  signal: AbortSignal,
): Promise<SyncEnd> {
  const { base, scope, filter } = searchForAll(terms.schema);
  const search = {
    base,
    scope,
    filter,
    attributes: terms.entries.attributes,
    sizeLimit: 0,
    controls: [new SyncRequest(place.cookie)],
  };
  const taker = new SyncTaker(place, terms);
  const result = await connection.stream(search, (message) => taker.take(message), signal);
  return {
    resumable: RESUMABLE.includes(result.code),
    notOffered: result.code === NOT_OFFERED,
    detail: resultText(result, searchHints(base)),
  };
}

class SyncTaker {
  readonly #place: SyncPlace;
  readonly #terms: SyncTerms;
  #inPresentPhase = false;

  constructor(place: SyncPlace, terms: SyncTerms) {
    this.#place = place;
    this.#terms = terms;
  }

  /** @throws {BerError} for what is no part of a synchronisation. */
  take(message: LdapStreamed): void {
    if (message.kind === 'entry') {
      this.#takeEntry(message);
    } else if (message.name === SYNC_INFO) {
      this.#takeInfo(message.value);
    }
    // Others may be said in any search, and say nothing of a synchronisation.
  }

  #takeEntry({ entry, controls }: Extract<LdapStreamed, { kind: 'entry' }>): void {
    const { state, id, cookie } = readSyncState(controls);
    const { changes, entries } = this.#terms;
    switch (state) {
      case 'present':
        this.#enterPresentPhase();
        break;
      case 'add':
      case 'modify':
        changes.push(entries.changed(entry, id));
        break;
      case 'delete':
        changes.push({ kind: 'removed', entry: entry.dn, id });
        break;
    }
    this.#remember(cookie);
  }

  #takeInfo(value: Buffer | undefined): void {
    const info = readSyncInfo(value);
    const { changes } = this.#terms;
    switch (info.kind) {
      case 'newCookie':
        break;
      case 'idSet':
        if (!info.deleted) this.#enterPresentPhase();
        for (const id of info.deleted ? info.ids : []) {
          changes.push({ kind: 'removed', entry: undefined, id });
        }
        break;
      case 'refreshDelete':
      case 'refreshPresent':
        if (info.kind === 'refreshPresent') this.#enterPresentPhase();
        if (info.done) {
          this.#caughtUp();
        }
        break;
    }
    this.#remember(info.cookie);
  }

  /**
   * The server tells what is there, not what went: without a copy of the directory nobody knows what that is. It is said
   * before a cookie is remembered that is behind this phase, as the connection may be lost then.
   */
  #enterPresentPhase(): void {
    if (!this.#inPresentPhase) this.#terms.changes.push({ kind: 'doubtful' });
    this.#inPresentPhase = true;
  }

  #caughtUp(): void {
    this.#inPresentPhase = false;
    this.#terms.onCaughtUp();
  }

  #remember(cookie: Buffer | undefined): void {
    this.#place.cookie = cookie ?? this.#place.cookie;
  }
}
