import { PresenceFilter } from 'ldapts';
import { isBelow } from '../entries/dn.ts';
import { type Entry, valuesOf } from '../entries/entry.ts';
import { LDAP_CODE } from './codes.ts';
import type { LdapConnection } from './connection.ts';
import { SYNC_REQUEST } from './sync-message.ts';

/** What a server says of itself that matters to who follows it (RFC 4512 section 5.1). */
export interface RootDse {
  readonly offersSync: boolean;
  /** The naming context that a base is in; the base itself where the server names none. */
  suffixOf(base: string): string;
}

/** Reads the root DSE. @throws {LdapUnreachable}. */
export async function readRootDse(connection: LdapConnection, signal: AbortSignal): Promise<RootDse> {
  const entry = await readEntry(
    connection,
    { dn: '', attributes: ['supportedControl', 'namingContexts'] },
    signal,
  );
  const contexts = entry === undefined ? [] : valuesOf(entry, 'namingContexts');
  return {
    offersSync: entry !== undefined && valuesOf(entry, 'supportedControl').includes(SYNC_REQUEST),
    suffixOf: (base) => {
      const holding = contexts.filter((context) => context !== '' && isBelow(base, context));
      return holding.toSorted((a, b) => b.length - a.length)[0] ?? base;
    },
  };
}

/**
 * Makes the cookie of where a server's changes stand now, so that the next one is told and no entry before it.
 * It is the form of OpenLDAP's own replicas.
 * @returns `undefined` where contextCSN can't be read.
 */
export async function cookieOfNow(
  connection: LdapConnection,
  suffix: string,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const entry = await readEntry(connection, { dn: suffix, attributes: ['contextCSN'] }, signal);
  const csns = entry === undefined ? [] : valuesOf(entry, 'contextCSN');
  return csns.length === 0 ? undefined : Buffer.from(`rid=000,csn=${csns.join(';')}`);
}

async function readEntry(
  connection: LdapConnection,
  { dn, attributes }: { dn: string; attributes: readonly string[] },
  signal: AbortSignal,
): Promise<Entry | undefined> {
  const filter = new PresenceFilter({ attribute: 'objectClass' });
  const result = await connection.search({ base: dn, scope: 'base', filter, attributes }, signal);
  return result.code === LDAP_CODE.success ? result.entries[0] : undefined;
}
