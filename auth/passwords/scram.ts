/** SCRAM keys as directories store them, in the forms of Dovecot and of RFC 5803. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { decodeUnpadded } from '../base64.ts';
import {
  deriveStoredKey,
  keyOctets,
  MAX_ITERATIONS,
  preparePassword,
  type ScramHash,
  type StoredKey,
} from '../mechanisms/scram-keys.ts';
import type { Secret } from '../secret.ts';

const HASHES: ReadonlyMap<string, ScramHash> = new Map([
  ['SCRAM-SHA-256', 'sha256'],
  ['SCRAM-SHA-1', 'sha1'],
]);

/** Names of the schemes, which are those of the mechanisms. */
export const SCRAM_SCHEMES: readonly string[] = [...HASHES.keys()];

/** What new keys have. */
export const NEW_SHAPE = { iterations: 100_000, saltOctets: 16 } as const;
/** Longer salts than any tool makes are no salts. */
export const MAX_SALT_OCTETS = 64;
/** Dovecot's `iterations,salt,storedKey,serverKey`. */
const DOVECOT = /^(\d{1,7}),([^,]+),([^,]+),([^,]+)$/;
/** RFC 5803 section 3, `SCRAM-SHA-256$iterations:salt$storedKey:serverKey`, whose scheme may stand in braces too. */
const RFC_5803 = /^(\d{1,7}):([^$: ]+) ?\$ ?([^$: ]+):([^$: ]+)$/;

/**
 * Makes what a server stores of a key for SCRAM, as Dovecot writes it:
 * `{SCRAM-SHA-256}iterations,salt,storedKey,serverKey`.
 */
export async function hashScram(password: Secret, iterations: number): Promise<string> {
  const key = await deriveStoredKey(preparePassword(password), randomBytes(NEW_SHAPE.saltOctets), iterations);
  const parts = [key.salt, key.storedKey, key.serverKey].map((octets) => octets.toString('base64'));
  return `{SCRAM-SHA-256}${iterations},${parts.join(',')}`;
}

/** Compares a password with a stored key. */
export async function verifyScram(
  scheme: string,
  value: string,
  password: Secret,
): Promise<'right' | 'wrong' | 'unverifiable'> {
  const hash = HASHES.get(scheme);
  const stored = readStoredKey(scheme, value);
  if (hash === undefined || stored === undefined) {
    return 'unverifiable';
  }
  const prepared = preparePassword(password);
  // Dovecot's doveadm derives the keys of a password as it is typed.
  const candidates = prepared.equals(password.octets) ? [password] : [prepared, password];
  for (const candidate of candidates) {
    const given = await deriveStoredKey(candidate, stored.salt, stored.iterations, hash);
    if (timingSafeEqual(given.storedKey, stored.storedKey)) {
      return 'right';
    }
  }
  return 'wrong';
}

/**
 * Reads a stored key.
 * @param value what stands behind the name of its scheme.
 * @returns `undefined` when it is not whole.
 */
export function readStoredKey(scheme: string, value: string): StoredKey | undefined {
  const hash = HASHES.get(scheme);
  const match = DOVECOT.exec(value) ?? RFC_5803.exec(value);
  if (hash === undefined || match === null) {
    return undefined;
  }
  const iterations = Number(match[1]);
  const [salt, storedKey, serverKey] = match.slice(2).map(decodeUnpadded);
  if (salt === undefined || storedKey === undefined || serverKey === undefined) {
    return undefined;
  }
  const sizesFit =
    storedKey.length === keyOctets(hash) &&
    serverKey.length === keyOctets(hash) &&
    salt.length > 0 &&
    salt.length <= MAX_SALT_OCTETS;
  return sizesFit && iterations >= 1 && iterations <= MAX_ITERATIONS
    ? { iterations, salt, storedKey, serverKey }
    : undefined;
}
