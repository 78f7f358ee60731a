/**
 * SHA-256 and SHA-512 of crypt(3), by Ulrich Drepper's "Unix crypt using SHA-256 and SHA-512", version 0.6. The package
 * unixcrypt computes passwords wrongly whose length is a multiple of the digest's, as generated ones of 32 octets.
 */
import { hash } from 'node:crypto';

/** What stands before the hash in a value of crypt(3). */
export interface ShaCryptSetting {
  readonly algorithm: 'sha256' | 'sha512';
  readonly rounds: number;
  /** 16 octets at most. */
  readonly salt: string;
}

/** Fewer or more are taken for these. */
const MIN_ROUNDS = 1000;
const MAX_ROUNDS = 999_999_999;
const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Computes the hash, in crypt(3)'s base64. It takes a thread for some milliseconds for each 1000 rounds. */
export function shaCrypt(password: Buffer, { algorithm, rounds, salt: saltText }: ShaCryptSetting): string {
  // In one call: a hash object for each round would take twice as long.
  const digest = (...parts: readonly Buffer[]): Buffer => hash(algorithm, Buffer.concat(parts), 'buffer');
  const none = Buffer.alloc(0);
  const salt = Buffer.from(saltText);
  const alternate = digest(password, salt, password);
  // Steps 9 to 12: octets of the alternate sum for each of the password, then one or the other for each bit.
  const bits = [...password.length.toString(2)].reverse();
  const choices = bits.map((bit) => (bit === '1' ? alternate : password));
  const first = digest(password, salt, repeated(alternate, password.length), ...choices);
  const byPassword = repeated(digest(...Array.from(password, () => password)), password.length);
  const bySalt = repeated(
    digest(...Array.from({ length: 16 + first.readUInt8(0) }, () => salt)),
    salt.length,
  );
  let sum = first;
  for (let round = 0; round < Math.min(Math.max(rounds, MIN_ROUNDS), MAX_ROUNDS); round += 1) {
    const isOdd = round % 2 === 1;
    const [salted, again] = [round % 3 === 0 ? none : bySalt, round % 7 === 0 ? none : byPassword];
    sum = isOdd ? digest(byPassword, salted, again, sum) : digest(sum, salted, again, byPassword);
  }
  return encode(sum);
}

/** Octets of a digest, again and again up to a length. */
function repeated(digest: Buffer, length: number): Buffer {
  return Buffer.alloc(length, digest);
}

/** Takes the octets in crypt's order, three to four characters, the lowest six bits first. */
function encode(sum: Buffer): string {
  const third = Math.floor(sum.length / 3);
  let text = '';
  for (let at = 0; at < third; at += 1) {
    const three = [at, at + third, at + 2 * third];
    // The three thirds change places from group to group, the two digests in opposite directions.
    const turn = (sum.length === 32 ? 3 - (at % 3) : at) % 3;
    const [high, middle, low] = [...three.slice(turn), ...three.slice(0, turn)];
    text += characters(
      [high, middle, low].map((index) => sum.readUInt8(index ?? 0)),
      4,
    );
  }
  return (
    text +
    (sum.length === 32
      ? characters([0, sum.readUInt8(31), sum.readUInt8(30)], 3)
      : characters([0, 0, sum.readUInt8(63)], 2))
  );
}

function characters([high = 0, middle = 0, low = 0]: readonly number[], count: number): string {
  const bits = (high << 16) | (middle << 8) | low;
  return Array.from({ length: count }, (_, at) => ALPHABET[(bits >> (6 * at)) & 63]).join('');
}
