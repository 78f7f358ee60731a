import { type Entry, valuesOf } from '../entries/entry.ts';

/**
 * When a password was changed, in OpenLDAP with ppolicy and in Active Directory. Not modifyTimestamp: there a failed
 * bind changes it.
 */
export const PASSWORD_CHANGED = ['pwdChangedTime', 'pwdLastSet'];

/** Gives what changes with an entry's password; empty where that doesn't show. */
export function passwordVersionOf(entry: Entry): string {
  return PASSWORD_CHANGED.flatMap((attribute) => valuesOf(entry, attribute)).join();
}
