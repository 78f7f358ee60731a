import { hash, randomBytes } from 'node:crypto';

const KEY_OCTETS = 32;
const LENGTH_OCTETS = 4;
/** A truncated SHA-512 can't be continued by who knows a hash but not the key, as SHA-256 behind a key could. */
const ALGORITHM = 'sha512-256';

/**
 * Stands for secrets in tables and logs by hashes that only this object makes. One call of `node:crypto` does it: an
 * HMAC whose key is octets takes ten times as long, most of it to make the key.
 */
export class KeyedHash {
  readonly #key = randomBytes(KEY_OCTETS);

  /** Gives 32 octets that are the same for the same parts; nothing is told of the parts. */
  of(...parts: readonly (string | Buffer)[]): Buffer {
    // Each part stands behind its length: no two lists of parts are the same octets.
    const octets = parts.map((part) => (typeof part === 'string' ? Buffer.byteLength(part) : part.length));
    const total = octets.reduce((sum, length) => sum + LENGTH_OCTETS + length, KEY_OCTETS);
    const framed = Buffer.allocUnsafe(total);
    this.#key.copy(framed);
    let at = KEY_OCTETS;
    for (const [index, part] of parts.entries()) {
      at = framed.writeUInt32BE(octets[index] ?? 0, at);
      at += typeof part === 'string' ? framed.write(part, at) : part.copy(framed, at);
    }
    try {
      return hash(ALGORITHM, framed, 'buffer');
    } finally {
      // Passwords are among the parts, and the octets go back to Node's pool.
      framed.fill(0);
    }
  }
}
