import { createHash, timingSafeEqual } from 'node:crypto';
import { decodeUnpadded } from '../base64.ts';
import type { Secret } from '../secret.ts';

interface DigestScheme {
  readonly algorithm: string;
  readonly salted: boolean;
}

const DIGESTS: ReadonlyMap<string, DigestScheme> = new Map([
  ['MD5', { algorithm: 'md5', salted: false }],
  ['SMD5', { algorithm: 'md5', salted: true }],
  ['SHA', { algorithm: 'sha1', salted: false }],
  ['SSHA', { algorithm: 'sha1', salted: true }],
  ['SHA256', { algorithm: 'sha256', salted: false }],
  ['SSHA256', { algorithm: 'sha256', salted: true }],
  ['SHA384', { algorithm: 'sha384', salted: false }],
  ['SSHA384', { algorithm: 'sha384', salted: true }],
  ['SHA512', { algorithm: 'sha512', salted: false }],
  ['SSHA512', { algorithm: 'sha512', salted: true }],
]);

/** Names of the schemes `base64(digest ‖ salt)`, of which a salt may have any length. */
export const DIGEST_SCHEMES: readonly string[] = [...DIGESTS.keys()];

/** Compares a password with a digest in base64, with or without padding. */
export function verifyDigest(
  scheme: string,
  hash: string,
  password: Secret,
): 'right' | 'wrong' | 'unverifiable' {
  const digest = DIGESTS.get(scheme);
  return digest === undefined ? 'unverifiable' : compare(digest, hash, password);
}

function compare({ algorithm, salted }: DigestScheme, hash: string, password: Secret) {
  const octets = decodeUnpadded(hash);
  const length = createHash(algorithm).digest().length;
  if (octets === undefined || octets.length < length || (!salted && octets.length !== length)) {
    return 'unverifiable';
  }
  const given = createHash(algorithm).update(password.octets).update(octets.subarray(length)).digest();
  return timingSafeEqual(octets.subarray(0, length), given) ? 'right' : 'wrong';
}
