import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { decodeUnpadded } from './base64.ts';
import { whyAborted } from './deadline.ts';
import { LoginFailure } from './failure.ts';
import { Gate } from './gate.ts';
import { hashArgon2, verifyArgon2 } from './password-argon2.ts';
import { deriveStoredKey, MAX_ITERATIONS, type StoredKey } from './scram.ts';
import type { Secret } from './secret.ts';

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
const NEW_ITERATIONS = 100_000;
const SALT_OCTETS = 16;

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
      return await hashScram(password, NEW_ITERATIONS);
  }
}

/**
 * Makes what a server stores of a key for SCRAM, as Dovecot writes it:
 * `{SCRAM-SHA-256}iterations,salt,storedKey,serverKey`.
 */
export async function hashScram(password: Secret, iterations: number): Promise<string> {
  const key = await deriveStoredKey(password, randomBytes(SALT_OCTETS), iterations);
  const parts = [key.salt, key.storedKey, key.serverKey].map((octets) => octets.toString('base64'));
  return `{SCRAM-SHA-256}${iterations},${parts.join(',')}`;
}

const DIGESTS: ReadonlyMap<string, { readonly algorithm: string; readonly salted: boolean }> = new Map([
  ['SHA', { algorithm: 'sha1', salted: false }],
  ['SSHA', { algorithm: 'sha1', salted: true }],
  ['SHA256', { algorithm: 'sha256', salted: false }],
  ['SSHA256', { algorithm: 'sha256', salted: true }],
  ['SHA384', { algorithm: 'sha384', salted: false }],
  ['SSHA384', { algorithm: 'sha384', salted: true }],
  ['SHA512', { algorithm: 'sha512', salted: false }],
  ['SSHA512', { algorithm: 'sha512', salted: true }],
]);

/** Schemes of stored hashes that can be compared, by name. */
export const HASH_SCHEMES: readonly string[] = ['ARGON2', 'SCRAM-SHA-256', ...DIGESTS.keys()];

async function verifyValue(
  value: string,
  password: Secret,
  rules: PasswordRules,
  signal: AbortSignal,
): Promise<PasswordMatch> {
  const [, scheme, hash = ''] = /^\{([^{}]+)\}(.*)$/s.exec(value) ?? [];
  const name = scheme?.toUpperCase();
  if (name === undefined || name === 'CLEARTEXT' || name === 'PLAIN') {
    return verifyCleartext(name === undefined ? value : hash, password, rules);
  }
  if (name === 'ARGON2' || name === 'SCRAM-SHA-256') {
    using _place = await placeToVerify(signal);
    return name === 'ARGON2' ? await verifyArgon2(hash, password) : await verifyScram(hash, password);
  }
  const digest = DIGESTS.get(name);
  return digest === undefined ? 'unverifiable' : verifyDigest(hash, password, digest);
}

/** libuv's pool, which DNS and files need too; unless UV_THREADPOOL_SIZE says otherwise. */
const POOL_THREADS = 4;
/** Each slow hash holds a thread, and Argon2 its memory too: no more at a time than there are cores. */
const slowHashes = new Gate(Math.min(availableParallelism(), POOL_THREADS - 1));

function placeToVerify(signal: AbortSignal): Promise<Disposable> {
  return slowHashes.enter(signal).catch((cause: unknown) => {
    const why = whyAborted(signal, 'too many passwords are being verified');
    throw new LoginFailure('directoryDown', why, { cause });
  });
}

function verifyCleartext(value: string, password: Secret, rules: PasswordRules): PasswordMatch {
  // A value in a format that nobody here knows must not become a password.
  if (!rules.allowCleartext || value === '') {
    return 'unverifiable';
  }
  const [expected, given] = [sha256(Buffer.from(value)), sha256(password.octets)];
  return timingSafeEqual(expected, given) ? 'right' : 'wrong';
}

function verifyDigest(
  hash: string,
  password: Secret,
  scheme: { readonly algorithm: string; readonly salted: boolean },
): PasswordMatch {
  const octets = decodeUnpadded(hash);
  const digest = createHash(scheme.algorithm).update(password.octets);
  const length = createHash(scheme.algorithm).digest().length;
  if (octets === undefined || octets.length < length || (!scheme.salted && octets.length !== length)) {
    return 'unverifiable';
  }
  const given = digest.update(octets.subarray(length)).digest();
  return timingSafeEqual(octets.subarray(0, length), given) ? 'right' : 'wrong';
}

async function verifyScram(hash: string, password: Secret): Promise<PasswordMatch> {
  const stored = readStoredKey(hash);
  if (stored === undefined) {
    return 'unverifiable';
  }
  const given = await deriveStoredKey(password, stored.salt, stored.iterations);
  return given.storedKey.length === stored.storedKey.length &&
    timingSafeEqual(given.storedKey, stored.storedKey)
    ? 'right'
    : 'wrong';
}

/** Reads Dovecot's `iterations,salt,storedKey,serverKey`. */
function readStoredKey(hash: string): StoredKey | undefined {
  const match = /^(\d{1,7}),([^,]+),([^,]+),([^,]+)$/.exec(hash);
  if (match === null) {
    return undefined;
  }
  const iterations = Number(match[1]);
  const [salt, storedKey, serverKey] = match.slice(2).map(decodeUnpadded);
  if (salt === undefined || storedKey === undefined || serverKey === undefined) {
    return undefined;
  }
  return iterations < 1 || iterations > MAX_ITERATIONS
    ? undefined
    : { iterations, salt, storedKey, serverKey };
}

function sha256(octets: Buffer): Buffer {
  return createHash('sha256').update(octets).digest();
}
