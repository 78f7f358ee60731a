import type { EntryChanged } from '../directory-changes.ts';
import { type Entry, valuesOf } from '../entries/entry.ts';
import { accountOf, ENTRY_ID, type Schema } from '../entries/schema.ts';
import { KeyedHash } from '../keyed-hash.ts';
import { PASSWORD_CHANGED, passwordVersionOf } from './password-version.ts';

/** What is asked of entries that are followed, and made of them. */
export class FollowedEntries {
  /** What changes nothing here is left out: a failed bind changes an entry of OpenLDAP. */
  readonly attributes: readonly string[];
  readonly #schema: Schema;
  readonly #hash = new KeyedHash();

  /** @param extra attributes besides the schema's: the password's, where it is read anyway. */
  constructor(schema: Schema, extra: readonly string[]) {
    this.#schema = schema;
    this.attributes = [...new Set([...schema.attributes, ...PASSWORD_CHANGED, ...extra])];
  }

  /** @param id of a sync's control, where there is one. */
  changed(entry: Entry, id: string | undefined): EntryChanged {
    const known = id ?? valuesOf(entry, ENTRY_ID)[0];
    const whole: Entry =
      known === undefined
        ? entry
        : { dn: entry.dn, attributes: new Map([...entry.attributes, [ENTRY_ID.toLowerCase(), [known]]]) };
    const passwordVersion = passwordVersionOf(entry);
    return {
      kind: 'changed',
      entry: entry.dn,
      id: known,
      fingerprint: this.#fingerprintOf(entry),
      passwordVersion,
      read: (context) => ({ ...accountOf(this.#schema, whole, context), passwordVersion }),
    };
  }

  #fingerprintOf(entry: Entry): string {
    const parts = this.attributes.flatMap((attribute) => {
      const values = valuesOf(entry, attribute);
      // The number tells the values of one attribute from the next.
      return [String(values.length), ...values];
    });
    return this.#hash.of(entry.dn, ...parts).toString('base64url');
  }
}
