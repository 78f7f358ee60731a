/** SCRAM-SHA-256 (RFC 5802, RFC 7677) as client towards a node, without channel binding. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { decodeBase64 } from '../base64.ts';
import { type SaslClient, SaslError } from '../sasl.ts';
import type { Secret } from '../secret.ts';
import {
  type ClientKeys,
  deriveKeys,
  MAX_ITERATIONS,
  MIN_ITERATIONS,
  makeProof,
  type ScramHash,
  signAsServer,
} from './scram-keys.ts';

const MECHANISM = 'SCRAM-SHA-256';
const HASH: ScramHash = 'sha256';
const MAX_CACHED_KEYS = 1024;

/**
 * A proxy's key with the SCRAM keys that were derived from it. It is printable ASCII, so SASLprep would not change it. A node that stores `{SCRAM-SHA-256}` has a constant
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
    const derived = this.#last.then(() => deriveKeys(this.#password, { salt, iterations }, HASH));
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
    const proof = makeProof(HASH, keys, authMessage);
    this.#expectedSignature = signAsServer(HASH, keys, authMessage);
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

// RFC 5802 section 5.1: "=" and "," in names become "=3D" and "=2C".
function escapeName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C');
}
