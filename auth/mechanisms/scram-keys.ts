/** The keys of SCRAM (RFC 5802 section 3, RFC 7677): derived from a password, by client and server alike. */

import { isUtf8 } from 'node:buffer';
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import saslprep from '@mongodb-js/saslprep';
import { Secret } from '../secret.ts';

/** The hashes that SCRAM is used with; others have no name at IANA that clients know. */
export type ScramHash = 'sha1' | 'sha256';

/** Fewer than RFC 7677 section 4 asks for would make a stolen exchange cheap to guess from. */
export const MIN_ITERATIONS = 4096;
/** A hostile peer, or whoever writes hashes into the directory, could else burn our CPU. */
export const MAX_ITERATIONS = 600_000;

const KEY_OCTETS: Readonly<Record<ScramHash, number>> = { sha1: 20, sha256: 32 };

const pbkdf2Async = promisify(pbkdf2);

/** What a server checks a proof by, and proves itself by. */
export interface ServerKeys {
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** What a server stores instead of the password (RFC 5802 section 3). */
export interface StoredKey extends ServerKeys {
  readonly iterations: number;
  readonly salt: Buffer;
}

/** What a client proves itself by, and checks the server by. */
export interface ClientKeys extends ServerKeys {
  readonly clientKey: Buffer;
}

/** Derives what a server stores. SASLprep, where the password needs it, is the caller's: see `preparePassword`. */
export async function deriveStoredKey(
  password: Secret,
  salt: Buffer,
  iterations: number,
  hash: ScramHash = 'sha256',
): Promise<StoredKey> {
  const { storedKey, serverKey } = await deriveKeys(password, { salt, iterations }, hash);
  return { iterations, salt, storedKey, serverKey };
}

/** Derives all keys, in libuv's thread pool. */
export async function deriveKeys(
  password: Secret,
  { salt, iterations }: Pick<StoredKey, 'salt' | 'iterations'>,
  hash: ScramHash,
): Promise<ClientKeys> {
  const salted = await pbkdf2Async(password.octets, salt, iterations, KEY_OCTETS[hash], hash);
  const clientKey = hmac(hash, salted, Buffer.from('Client Key'));
  return {
    clientKey,
    storedKey: digest(hash, clientKey),
    serverKey: hmac(hash, salted, Buffer.from('Server Key')),
  };
}

/**
 * Prepares a password by SASLprep (RFC 4013), as both sides of SCRAM must. One that SASLprep prohibits, or that is not
 * UTF-8, stays as it is: a client that took it nevertheless used its octets.
 */
export function preparePassword(password: Secret): Secret {
  if (!isUtf8(password.octets)) {
    return password;
  }
  try {
    return new Secret(Buffer.from(saslprep(password.octets.toString('utf8'))));
  } catch {
    // The package has one plain Error for all that is prohibited, and nothing else can fail here.
    return password;
  }
}

/** Octets of a key or signature. */
export function keyOctets(hash: ScramHash): number {
  return KEY_OCTETS[hash];
}

/** Whether a ClientProof was made with the key that `keys` were derived from (RFC 5802 section 3). */
export function isProof(
  hash: ScramHash,
  { storedKey }: ServerKeys,
  authMessage: Buffer,
  proof: Buffer,
): boolean {
  if (proof.length !== KEY_OCTETS[hash] || storedKey.length !== KEY_OCTETS[hash]) {
    return false;
  }
  return timingSafeEqual(digest(hash, xor(proof, hmac(hash, storedKey, authMessage))), storedKey);
}

/** Makes the ClientProof. */
export function makeProof(
  hash: ScramHash,
  { clientKey, storedKey }: ClientKeys,
  authMessage: Buffer,
): Buffer {
  return xor(clientKey, hmac(hash, storedKey, authMessage));
}

/** Makes the ServerSignature. */
export function signAsServer(hash: ScramHash, { serverKey }: ServerKeys, authMessage: Buffer): Buffer {
  return hmac(hash, serverKey, authMessage);
}

function hmac(hash: ScramHash, key: Buffer, message: Buffer): Buffer {
  return createHmac(hash, key).update(message).digest();
}

function digest(hash: ScramHash, octets: Buffer): Buffer {
  return createHash(hash).update(octets).digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((octet, index) => octet ^ (b[index] ?? 0)));
}
