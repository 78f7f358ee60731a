import { type Entry, valuesOf } from '../entries/entry.ts';
import type { Schema } from '../entries/schema.ts';
import { LoginFailure } from '../failure.ts';
import type { Secret } from '../secret.ts';
import { asksTooMuch, MAX_COST, MAX_ROUNDS } from './crypt.ts';
import {
  HASH_SCHEMES,
  isClear,
  isComparable,
  MAX_VALUES,
  type PasswordRules,
  splitValue,
  verifyPassword,
} from './schemes.ts';

/**
 * Compares a password with what an entry stores.
 * @throws {LoginFailure} `directoryFault` when nothing is stored, or nothing that can be verified: a user whose
 * entry can't be read must not be told that the password is wrong; `directoryDown` when it had no turn in time.
 */
export async function verifyStored(
  { entry, schema, rules }: { readonly entry: Entry; readonly schema: Schema; readonly rules: PasswordRules },
  password: Secret,
  signal: AbortSignal,
): Promise<'right' | 'wrongPassword'> {
  const attribute = schema.options.password;
  const match = await verifyPassword(valuesOf(entry, attribute), password, rules, signal);
  if (match === 'unverifiable') {
    const why = whyUnverifiable(valuesOf(entry, attribute), attribute, rules);
    throw new LoginFailure('directoryFault', `${why} (${entry.dn})`);
  }
  return match === 'right' ? 'right' : 'wrongPassword';
}

/** Other schemes that directories use. A name that is not one of them may be a part of a password. */
const FOREIGN_SCHEMES: readonly string[] = [
  'NTHASH',
  'LANMAN',
  'SASL',
  'MD5-CRYPT',
  'PBKDF2_SHA256',
  'ARGON2I',
  'ARGON2ID',
];
const MAKE_HASH = 'make a hash with: homing hash';

/** Says what an operator has to mend, and nothing of a stored value but the name of its scheme. */
function whyUnverifiable(values: readonly string[], attribute: string, rules: PasswordRules): string {
  if (values.length === 0) {
    return `the entry has no ${attribute}, or bindDn may not read it`;
  }
  if (values.length > MAX_VALUES) {
    return `the entry has more than ${MAX_VALUES} values of ${attribute}`;
  }
  const parts = values.map(splitValue);
  if (!rules.allowCleartext && parts.some(({ scheme }) => isClear(scheme))) {
    return `${attribute} is in clear text, which allowCleartext does not permit; ${MAKE_HASH}`;
  }
  const unknown = parts.find((part) => !isClear(part.scheme) && !isComparable(part))?.scheme;
  if (unknown !== undefined && HASH_SCHEMES.includes(unknown)) {
    return `${attribute}: of {${unknown}} only $5$, $6$ and bcrypt can be compared; verify: bind, or ${MAKE_HASH}`;
  }
  if (unknown !== undefined) {
    const which = FOREIGN_SCHEMES.includes(unknown) ? `the scheme {${unknown}}` : 'its scheme';
    return `${attribute}: ${which} is not known (${HASH_SCHEMES.join(', ')}); ${MAKE_HASH}`;
  }
  if (parts.some(({ rest }) => asksTooMuch(rest))) {
    return `${attribute} asks for more than ${MAX_ROUNDS} rounds or bcrypt's cost ${MAX_COST}; verify: bind, or ${MAKE_HASH}`;
  }
  return `${attribute} is not a whole value of its scheme; ${MAKE_HASH}`;
}
