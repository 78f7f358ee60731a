import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../secret.ts';
import { hashArgon2, verifyArgon2 } from './argon2.ts';
import { CRYPT_SCHEMES, isKnownCrypt, verifyCrypt } from './crypt.ts';
import { DIGEST_SCHEMES, verifyDigest } from './digests.ts';
import { PBKDF2_SCHEMES, verifyPbkdf2 } from './pbkdf2.ts';
import { hashScram, NEW_SHAPE, SCRAM_SCHEMES, verifyScram } from './scram.ts';
import { placeToHash } from './slow-hashes.ts';

/** What comparing a password with stored values gave; `unverifiable` when a value could not be read. */
export type PasswordMatch = 'right' | 'wrong' | 'unverifiable';

export interface PasswordRules {
  /** Takes `{CLEARTEXT}`, `{PLAIN}` and values without a scheme as the password itself. */
  readonly allowCleartext: boolean;
}

/** The schemes that new hashes are made in. */
export type HashScheme = 'SSHA512' | 'ARGON2' | 'SCRAM-SHA-256';

/** More values than any entry needs would let one entry cost a minute of CPU. */
export const MAX_VALUES = 8;
/** Schemes of stored hashes that can be compared, by name. */
export const HASH_SCHEMES: readonly string[] = [
  'ARGON2',
  ...SCRAM_SCHEMES,
  ...CRYPT_SCHEMES,
  ...PBKDF2_SCHEMES,
  ...DIGEST_SCHEMES,
];
/** Schemes whose value is the password itself. */
const CLEAR_SCHEMES: readonly (string | undefined)[] = [undefined, 'CLEARTEXT', 'PLAIN'];

const SALT_OCTETS = 16;

/** A stored value, taken apart. */
export interface StoredValue {
  /** In upper case; `undefined` where the value names none. */
  readonly scheme: string | undefined;
  /** What stands behind the scheme. */
  readonly rest: string;
}

/** Takes a stored value apart: `{SCHEME}…`, or SCRAM's `SCRAM-SHA-256$…` (RFC 5803 section 3). */
export function splitValue(value: string): StoredValue {
  const [, braced, behind = ''] = /^\{([^{}]+)\}(.*)$/s.exec(value) ?? [];
  const [, bare, rest = ''] =
    /^(SCRAM-SHA-(?:1|256)) ?\$ ?(.*)$/is.exec(braced === undefined ? value : behind) ?? [];
  if (bare !== undefined && (braced === undefined || braced.toUpperCase() === bare.toUpperCase())) {
    return { scheme: bare.toUpperCase(), rest };
  }
  return braced === undefined
    ? { scheme: undefined, rest: value }
    : { scheme: braced.toUpperCase(), rest: behind };
}

/** Whether values of a scheme are the password itself. */
export function isClear(scheme: string | undefined): boolean {
  return CLEAR_SCHEMES.includes(scheme);
}

/** Whether passwords can be compared with values of this kind; of crypt(3) there are many. */
export function isComparable({ scheme = '', rest }: StoredValue): boolean {
  return HASH_SCHEMES.includes(scheme) && (!CRYPT_SCHEMES.includes(scheme) || isKnownCrypt(scheme, rest));
}

/**
 * Gives the password that a value holds in clear text; `undefined` where it holds none, or may not. A value in a
 * format that nobody here knows must not become a password.
 */
export function clearTextOf(value: string, rules: PasswordRules): Buffer | undefined {
  const { scheme, rest } = splitValue(value);
  return rules.allowCleartext && isClear(scheme) && rest !== '' ? Buffer.from(rest) : undefined;
}

/**
 * Compares a password with an entry's stored values, of which any may match. All are tried, so the time taken does
 * not tell which one did.
 * @throws {LoginFailure} `directoryDown` when so many passwords are being verified that it had no turn in time.
 */
export async function verifyPassword(
  stored: readonly string[],
  password: Secret,
  rules: PasswordRules,
  signal: AbortSignal,
): Promise<PasswordMatch> {
  if (stored.length === 0 || stored.length > MAX_VALUES) {
    return 'unverifiable';
  }
  const matches: PasswordMatch[] = [];
  for (const value of stored) {
    matches.push(await verifyValue(value, password, rules, signal));
  }
  if (matches.includes('right')) {
    return 'right';
  }
  return matches.includes('unverifiable') ? 'unverifiable' : 'wrong';
}

/** Makes the value to store for a password: with the scheme's name in front, as LDAP and LDIF hold it. */
export async function hashPassword(scheme: HashScheme, password: Secret): Promise<string> {
  switch (scheme) {
    case 'SSHA512': {
      const salt = randomBytes(SALT_OCTETS);
      const digest = createHash('sha512').update(password.octets).update(salt).digest();
      return `{SSHA512}${Buffer.concat([digest, salt]).toString('base64')}`;
    }
    case 'ARGON2':
      return `{ARGON2}${await hashArgon2(password)}`;
    case 'SCRAM-SHA-256':
      return await hashScram(password, NEW_SHAPE.iterations);
  }
}

async function verifyValue(
  value: string,
  password: Secret,
  rules: PasswordRules,
  signal: AbortSignal,
): Promise<PasswordMatch> {
  const { scheme, rest } = splitValue(value);
  if (scheme === undefined || isClear(scheme)) {
    return verifyClearText(clearTextOf(value, rules), password);
  }
  if (DIGEST_SCHEMES.includes(scheme)) {
    return verifyDigest(scheme, rest, password);
  }
  const verify = SLOW_SCHEMES.get(scheme);
  if (verify === undefined) {
    return 'unverifiable';
  }
  using _place = await placeToHash(signal);
  return await verify(scheme, rest, password);
}

type SlowVerifier = (scheme: string, rest: string, password: Secret) => Promise<PasswordMatch>;

/** Schemes that are slow on purpose. */
const SLOW_SCHEMES: ReadonlyMap<string, SlowVerifier> = new Map<string, SlowVerifier>([
  ['ARGON2', (_scheme, rest, password) => verifyArgon2(rest, password)],
  ...SCRAM_SCHEMES.map((scheme) => [scheme, verifyScram] as const),
  ...CRYPT_SCHEMES.map((scheme) => [scheme, verifyCrypt] as const),
  ...PBKDF2_SCHEMES.map((scheme) => [scheme, verifyPbkdf2] as const),
]);

function verifyClearText(expected: Buffer | undefined, password: Secret): PasswordMatch {
  if (expected === undefined) {
    return 'unverifiable';
  }
  return timingSafeEqual(sha256(expected), sha256(password.octets)) ? 'right' : 'wrong';
}

function sha256(octets: Buffer): Buffer {
  return createHash('sha256').update(octets).digest();
}
