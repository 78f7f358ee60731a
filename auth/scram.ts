/** SCRAM-SHA-256 (RFC 5802, RFC 7677), both sides, without channel binding. */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeBase64 } from './base64.ts';
import { type SaslClient, SaslError } from './sasl.ts';
import type { Secret } from './secret.ts';

const MECHANISM = 'SCRAM-SHA-256';
const KEY_OCTETS = 32;
/** Fewer than RFC 7677 section 4 asks for would make a stolen exchange cheap to guess from. */
export const MIN_ITERATIONS = 4096;
/** A hostile peer, or whoever writes hashes into the directory, could else burn our CPU. */
export const MAX_ITERATIONS = 600_000;
const MAX_CACHED_KEYS = 1024;

const pbkdf2Async = promisify(pbkdf2);

/** What a server stores instead of the password (RFC 5802 section 3). */
export interface StoredKey {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

interface ClientKeys {
  readonly clientKey: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** Derives what a server stores. Printable ASCII passwords only: no SASLprep is applied. */
export async function deriveStoredKey(
  password: Secret,
  salt: Buffer,
  iterations: number,
): Promise<StoredKey> {
  const keys = await deriveKeys(password, salt, iterations);
  return { iterations, salt, storedKey: keys.storedKey, serverKey: keys.serverKey };
}

/**
 * A proxy's key with the SCRAM keys that were derived from it. A node that stores `{SCRAM-SHA-256}` has a constant
 * salt, so a login costs a few HMACs instead of PBKDF2.
 */
export class ScramKeyring {
  readonly #password: Secret;
  readonly #keys = new Map<string, Promise<ClientKeys>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(password: Secret) {
    this.#password = password;
  }

  keysFor(salt: Buffer, iterations: number): Promise<ClientKeys> {
    const id = `${iterations},${salt.toString('base64')}`;
    const known = this.#keys.get(id);
    if (known !== undefined) {
      return known;
    }
    // A node with a new salt for each login must not grow this for ever.
    const oldest = this.#keys.keys().next();
    if (this.#keys.size >= MAX_CACHED_KEYS && oldest.done === false) {
      this.#keys.delete(oldest.value);
    }
    // One after the other: a node with ever new salts must not take all threads, which others need too.
    const derived = this.#last.then(() => deriveKeys(this.#password, salt, iterations));
    this.#last = derived;
    this.#keys.set(id, derived);
    return derived;
  }
}

/** One exchange as client: `authcid` proves by `keyring`, to act as `authzid`. */
export function scramClient(authzid: string, authcid: string, keyring: ScramKeyring): SaslClient {
  return new ScramClient(authzid, authcid, keyring);
}

class ScramClient implements SaslClient {
  readonly mechanism = MECHANISM;
  readonly #keyring: ScramKeyring;
  readonly #gs2Header: string;
  readonly #clientFirstBare: string;
  readonly #nonce = randomBytes(18).toString('base64');
  #expectedSignature: Buffer | undefined;
  #verified = false;

  constructor(authzid: string, authcid: string, keyring: ScramKeyring) {
    this.#keyring = keyring;
    this.#gs2Header = `n,a=${escapeName(authzid)},`;
    this.#clientFirstBare = `n=${escapeName(authcid)},r=${this.#nonce}`;
  }

  get verified(): boolean {
    return this.#verified;
  }

  initialResponse(): Buffer {
    return Buffer.from(this.#gs2Header + this.#clientFirstBare);
  }

  async respond(challenge: Buffer): Promise<Buffer> {
    if (this.#expectedSignature === undefined) {
      return await this.#prove(challenge.toString('latin1'));
    }
    this.#verify(challenge.toString('latin1'), this.#expectedSignature);
    return Buffer.alloc(0);
  }

  async #prove(serverFirst: string): Promise<Buffer> {
    const { nonce, salt, iterations } = parseServerFirst(serverFirst, this.#nonce);
    const keys = await this.#keyring.keysFor(salt, iterations);
    const withoutProof = `c=${Buffer.from(this.#gs2Header).toString('base64')},r=${nonce}`;
    // RFC 5802 section 3: the AuthMessage holds the server's message as it was received.
    const authMessage = Buffer.concat([
      Buffer.from(`${this.#clientFirstBare},`),
      Buffer.from(serverFirst, 'latin1'),
      Buffer.from(`,${withoutProof}`),
    ]);
    const proof = xor(keys.clientKey, hmac(keys.storedKey, authMessage));
    this.#expectedSignature = hmac(keys.serverKey, authMessage);
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  #verify(serverFinal: string, expected: Buffer): void {
    const [, encoded] = /^v=([^,]*)(?:,|$)/.exec(serverFinal) ?? [];
    const signature = encoded === undefined ? undefined : decodeBase64(encoded);
    if (signature?.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw new SaslError('the server could not prove that it knows the key (wrong SCRAM signature)');
    }
    this.#verified = true;
  }
}

function parseServerFirst(message: string, clientNonce: string) {
  const [, nonce, encodedSalt, digits] =
    /^r=([\x21-\x2b\x2d-\x7e]+),s=([^,]+),i=([1-9]\d{0,8})(?:,|$)/.exec(message) ?? [];
  const salt = encodedSalt === undefined ? undefined : decodeBase64(encodedSalt);
  if (nonce === undefined || salt === undefined) {
    throw new SaslError('the server-first-message of SCRAM does not follow RFC 5802');
  }
  if (!nonce.startsWith(clientNonce) || nonce.length === clientNonce.length) {
    throw new SaslError('the nonce of SCRAM does not extend ours');
  }
  const iterations = Number(digits);
  if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
    throw new SaslError(
      `the server asks for ${iterations} SCRAM iterations; ${MIN_ITERATIONS} to ${MAX_ITERATIONS} are accepted`,
    );
  }
  return { nonce, salt, iterations };
}

/** What a server learns from an exchange in which the client proved itself. */
export interface ScramOutcome {
  readonly authzid: string;
  readonly authcid: string;
  /** The server-final-message, which proves the server to the client. */
  readonly serverFinal: Buffer;
}

/** One exchange as server. `find` gives the stored key of an authcid. */
export class ScramServer {
  readonly #find: (authcid: string) => StoredKey | undefined;
  #gs2Header = '';
  #authcid = '';
  #authzid = '';
  #nonce = '';
  #transcript = '';
  #stored: StoredKey | undefined;

  constructor(find: (authcid: string) => StoredKey | undefined) {
    this.#find = find;
  }

  /** Answers the client-first-message. @throws {SaslError} when it is malformed or names nobody known. */
  first(message: Buffer): Buffer {
    const text = message.toString('utf8');
    const [, gs2Header, authzid, bare, authcid, clientNonce] =
      /^([ny],(?:a=([^,]+))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+))/.exec(text) ?? [];
    if (gs2Header === undefined || bare === undefined || authcid === undefined) {
      throw new SaslError('malformed client-first-message');
    }
    this.#authcid = unescapeName(authcid);
    this.#authzid = authzid === undefined ? this.#authcid : unescapeName(authzid);
    this.#stored = this.#find(this.#authcid);
    if (this.#stored === undefined) {
      throw new SaslError('unknown authcid');
    }
    this.#gs2Header = gs2Header;
    this.#nonce = `${clientNonce}${randomBytes(18).toString('base64')}`;
    const serverFirst = `r=${this.#nonce},s=${this.#stored.salt.toString('base64')},i=${this.#stored.iterations}`;
    this.#transcript = `${bare},${serverFirst}`;
    return Buffer.from(serverFirst);
  }

  /** Checks the client-final-message. @throws {SaslError} when the proof is wrong. */
  final(message: Buffer): ScramOutcome {
    const text = message.toString('latin1');
    const [, withoutProof, binding, nonce, encodedProof] =
      /^(c=([^,]+),r=([^,]+)),p=([^,]+)$/.exec(text) ?? [];
    const proof = encodedProof === undefined ? undefined : decodeBase64(encodedProof);
    if (this.#stored === undefined || proof?.length !== KEY_OCTETS || nonce !== this.#nonce) {
      throw new SaslError('malformed client-final-message');
    }
    if (binding !== Buffer.from(this.#gs2Header).toString('base64')) {
      throw new SaslError('the GS2 header was changed on its way');
    }
    const authMessage = Buffer.from(`${this.#transcript},${withoutProof}`);
    const clientKey = xor(proof, hmac(this.#stored.storedKey, authMessage));
    if (!timingSafeEqual(sha256(clientKey), this.#stored.storedKey)) {
      throw new SaslError('wrong proof');
    }
    const signature = hmac(this.#stored.serverKey, authMessage).toString('base64');
    return { authzid: this.#authzid, authcid: this.#authcid, serverFinal: Buffer.from(`v=${signature}`) };
  }
}

async function deriveKeys(password: Secret, salt: Buffer, iterations: number): Promise<ClientKeys> {
  const salted = await pbkdf2Async(password.octets, salt, iterations, KEY_OCTETS, 'sha256');
  const clientKey = hmac(salted, Buffer.from('Client Key'));
  return { clientKey, storedKey: sha256(clientKey), serverKey: hmac(salted, Buffer.from('Server Key')) };
}

// RFC 5802 section 5.1: "=" and "," in names become "=3D" and "=2C".
function escapeName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C');
}

function unescapeName(name: string): string {
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function hmac(key: Buffer, message: Buffer): Buffer {
  return createHmac('sha256', key).update(message).digest();
}

function sha256(octets: Buffer): Buffer {
  return createHash('sha256').update(octets).digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((octet, index) => octet ^ (b[index] ?? 0)));
}
