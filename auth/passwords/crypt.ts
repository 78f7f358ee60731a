import { timingSafeEqual } from 'node:crypto';
import type { Secret } from '../secret.ts';
import { computeCrypt } from './crypt-pool.ts';
import type { CryptSetting } from './crypt-worker.ts';

/** About a second of one core in JavaScript; glibc's default is 5000. */
export const MAX_ROUNDS = 200_000;
/** The same for bcrypt, where each one more costs twice as much; htpasswd and PHP have 10 to 12. */
export const MAX_COST = 12;

const SHA = /^\$([56])\$(?:rounds=(\d{1,9})\$)?([./0-9A-Za-z]{0,16})\$([./0-9A-Za-z]+)$/;
const HASH_CHARACTERS = { sha256: 43, sha512: 86 } as const;
const MIN_COST = 4;
const BCRYPT = /^(\$2[aby]\$(\d\d)\$[./0-9A-Za-z]{22})([./0-9A-Za-z]{31})$/;

/** Which kinds of crypt(3) values stand behind a scheme. */
const KINDS: ReadonlyMap<string, RegExp> = new Map([
  ['CRYPT', /^\$(?:[56]|2[aby])\$/],
  ['SHA256-CRYPT', /^\$5\$/],
  ['SHA512-CRYPT', /^\$6\$/],
  ['BLF-CRYPT', /^\$2[aby]\$/],
]);

/** Names of the schemes whose values are those of crypt(3). */
export const CRYPT_SCHEMES: readonly string[] = [...KINDS.keys()];

/** A crypt(3) value, taken apart. */
interface CryptHash {
  readonly setting: CryptSetting;
  readonly hash: string;
  /** Rounds, or bcrypt's cost. */
  readonly work: number;
}

/**
 * Compares a password with a value of crypt(3): SHA-256 (`$5$`), SHA-512 (`$6$`) or bcrypt (`$2a$`, `$2b$`, `$2y$`).
 * Others are left to slapd's bind. The caller has a place to hash.
 */
export async function verifyCrypt(
  scheme: string,
  value: string,
  password: Secret,
): Promise<'right' | 'wrong' | 'unverifiable'> {
  const stored = isKnownCrypt(scheme, value) ? readCrypt(value) : undefined;
  if (stored === undefined || isTooMuch(stored)) {
    return 'unverifiable';
  }
  const { setting, hash } = stored;
  const computed = await computeCrypt({ ...setting, password: password.octets.toString('utf8') });
  const given = Buffer.from(computed.slice(-hash.length));
  return timingSafeEqual(given, Buffer.from(hash)) ? 'right' : 'wrong';
}

/** Whether a value is of a kind that can be compared, by how it begins. */
export function isKnownCrypt(scheme: string, value: string): boolean {
  return KINDS.get(scheme)?.test(value) === true;
}

/** Whether a value would take more of a core than one login may: anyone who knows the name could ask for it. */
export function asksTooMuch(value: string): boolean {
  const stored = readCrypt(value);
  return stored !== undefined && isTooMuch(stored);
}

function isTooMuch({ setting, work }: CryptHash): boolean {
  return work > (setting.kind === 'sha' ? MAX_ROUNDS : MAX_COST);
}

function readCrypt(value: string): CryptHash | undefined {
  return readSha(value) ?? readBcrypt(value);
}

function readSha(value: string): CryptHash | undefined {
  const [, id, digits = '5000', salt, hash] = SHA.exec(value) ?? [];
  const algorithm = id === '5' ? 'sha256' : 'sha512';
  if (salt === undefined || hash?.length !== HASH_CHARACTERS[algorithm]) {
    return undefined;
  }
  const rounds = Number(digits);
  return { setting: { kind: 'sha', algorithm, rounds, salt }, hash, work: rounds };
}

function readBcrypt(value: string): CryptHash | undefined {
  const [, setting, cost, hash] = BCRYPT.exec(value) ?? [];
  const work = Number(cost);
  return setting === undefined || hash === undefined || work < MIN_COST
    ? undefined
    : { setting: { kind: 'bcrypt', setting }, hash, work };
}
