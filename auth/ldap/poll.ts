import { AndFilter, type Filter, GreaterThanEqualsFilter } from 'ldapts';
import { Deadline } from '../deadline.ts';
import type { ChangeQueue } from '../directory-changes.ts';
import { type Entry, valuesOf } from '../entries/entry.ts';
import { ENTRY_ID, type Schema, searchForAll } from '../entries/schema.ts';
import { LDAP_CODE, resultText, searchHints } from './codes.ts';
import type { LdapConnection } from './connection.ts';
import type { FollowedEntries } from './followed-entry.ts';
import { readTime, writeTime } from './generalized-time.ts';
import type { LdapResult } from './message.ts';
import { LdapUnreachable } from './unreachable.ts';

export interface PollTerms {
  readonly schema: Schema;
  readonly entries: FollowedEntries;
  readonly changes: ChangeQueue;
  /** Attribute of the time when an entry was changed: modifyTimestamp. */
  readonly timestamp: string;
  /** For each search. */
  readonly operationMs: number;
}

/** More changes than this between two polls put everything in doubt. */
const MAX_CHANGES = 1000;
/** A replica gets changes with the time when the master made them. */
const OVERLAP_SECONDS = 60;
/** Where times are of the future, so much is asked for again: the directory's clock may be behind ours. */
const FUTURE_OVERLAP_SECONDS = 300;
/** The last second of the year 9999: four digits are all that a timestamp has. */
const LAST_SECOND = 253_402_300_799;

/**
 * Asks one server which entries changed since it was asked last. All times are those of the entries themselves, as no
 * clock is sure to be the same as the directory's; but for those that are ahead of ours: where a clock was once, all that
 * changes behind it would come before them.
 */
export class Poller {
  readonly #terms: PollTerms;
  readonly #search: { base: string; scope: 'sub' | 'one'; filter: Filter };
  /** The time of the latest change that is known; `undefined` before the first poll, and after too many changes. */
  #latest: number | undefined;
  /** Times by entry of what the next poll gives again. */
  #seen = new Map<string, string>();

  constructor(terms: PollTerms) {
    this.#terms = terms;
    this.#search = searchForAll(terms.schema);
  }

  /** Asks once. @throws {LdapUnreachable} also when the server refuses. */
  async poll(connection: LdapConnection, signal: AbortSignal): Promise<void> {
    if (this.#latest === undefined) {
      this.#latest = await this.#findLatest(connection, signal);
      this.#seen.clear();
      this.#terms.changes.push({ kind: 'doubtful' });
      return;
    }
    const found: Entry[] = [];
    const since = beginningOf(this.#latest);
    const query = { since, sizeLimit: MAX_CHANGES, attributes: this.#attributes() };
    const result = await this.#ask(connection, query, (entry) => found.push(entry), signal);
    if (result.code !== LDAP_CODE.success) {
      this.#latest = undefined;
      return;
    }
    this.#tell(found);
  }

  #tell(found: readonly Entry[]): void {
    const { timestamp, changes, entries } = this.#terms;
    const seen = new Map<string, string>();
    for (const entry of found) {
      const text = valuesOf(entry, timestamp)[0] ?? '';
      const changed = entries.changed(entry, undefined);
      const version = `${text} ${changed.fingerprint}`;
      seen.set(entry.dn, version);
      if (this.#seen.get(entry.dn) !== version) {
        changes.push(changed);
      }
      this.#latest = Math.max(this.#latest ?? 0, readTime(text) ?? 0);
    }
    this.#seen = seen;
  }

  #attributes(): readonly string[] {
    return [...this.#terms.entries.attributes, ENTRY_ID, this.#terms.timestamp];
  }

  /** Finds the last second in which something was changed, by halves: no server can be asked for it. */
  async #findLatest(connection: LdapConnection, signal: AbortSignal): Promise<number> {
    let from = 0;
    let to = LAST_SECOND;
    while (from < to) {
      const middle = Math.ceil((from + to) / 2);
      let isAny = false;
      const query = { since: middle, sizeLimit: 1, attributes: [] };
      const note = (): void => {
        isAny = true;
      };
      const { code } = await this.#ask(connection, query, note, signal);
      if (isAny || code === LDAP_CODE.sizeLimitExceeded) {
        from = middle;
      } else {
        to = middle - 1;
      }
    }
    return from;
  }

  /** @throws {LdapUnreachable} for what is neither an answer nor too many of them. */
  async #ask(
    connection: LdapConnection,
    { since, sizeLimit, attributes }: { since: number; sizeLimit: number; attributes: readonly string[] },
    take: (entry: Entry) => void,
    signal: AbortSignal,
  ): Promise<LdapResult> {
    const { base, scope, filter: accounts } = this.#search;
    const { timestamp } = this.#terms;
    const recent = new GreaterThanEqualsFilter({ attribute: timestamp, value: writeTime(since) });
    const filter = new AndFilter({ filters: [recent, accounts] });
    let taken = 0;
    using deadline = new Deadline(this.#terms.operationMs, signal);
    const result = await connection.stream(
      { base, scope, filter, attributes, sizeLimit },
      (message) => {
        taken += 1;
        if (message.kind === 'entry' && taken <= sizeLimit) {
          take(message.entry);
        }
      },
      deadline.signal,
    );
    const isEnough = taken > sizeLimit || result.code === LDAP_CODE.sizeLimitExceeded;
    if (result.code !== LDAP_CODE.success && !isEnough) {
      const what = `search for changes by ${timestamp}: ${resultText(result, searchHints(base))}`;
      throw new LdapUnreachable(what, { stage: 'lost' });
    }
    return isEnough ? { ...result, code: LDAP_CODE.sizeLimitExceeded } : result;
  }
}

/** Where to ask from. @param latest the time of the latest change that is known. All in seconds since 1970. */
function beginningOf(latest: number): number {
  const now = Math.floor(Date.now() / 1000);
  const isFuture = latest > now + OVERLAP_SECONDS;
  return Math.max(0, isFuture ? now - FUTURE_OVERLAP_SECONDS : latest - OVERLAP_SECONDS);
}
