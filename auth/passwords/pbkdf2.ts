import { pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeUnpadded } from '../base64.ts';
import type { Secret } from '../secret.ts';

const pbkdf2Async = promisify(pbkdf2);

/** About a second of one core; OpenLDAP's default is 10,000. */
const MAX_ITERATIONS = 1_000_000;

const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['PBKDF2', 'sha1'],
  ['PBKDF2-SHA1', 'sha1'],
  ['PBKDF2-SHA256', 'sha256'],
  ['PBKDF2-SHA512', 'sha512'],
]);

/** Names of the schemes of OpenLDAP's pw-pbkdf2. */
export const PBKDF2_SCHEMES: readonly string[] = [...ALGORITHMS.keys()];

/**
 * Compares a password with `iterations$salt$key`, the latter two in base64 with "." for "+" and no padding, as
 * OpenLDAP's pw-pbkdf2 (and Python's passlib) writes them.
 */
export async function verifyPbkdf2(
  scheme: string,
  value: string,
  password: Secret,
): Promise<'right' | 'wrong' | 'unverifiable'> {
  const algorithm = ALGORITHMS.get(scheme);
  const match = /^(\d{1,7})\$([^$]{1,400})\$([^$]{1,400})$/.exec(value);
  const iterations = Number(match?.[1]);
  const [salt, key] = (match?.slice(2) ?? []).map((text) => decodeUnpadded(text.replaceAll('.', '+')));
  if (
    algorithm === undefined ||
    salt === undefined ||
    key === undefined ||
    key.length < 16 ||
    key.length > 64
  ) {
    return 'unverifiable';
  }
  if (iterations < 1 || iterations > MAX_ITERATIONS) {
    return 'unverifiable';
  }
  const given = await pbkdf2Async(password.octets, salt, iterations, key.length, algorithm);
  return timingSafeEqual(given, key) ? 'right' : 'wrong';
}
