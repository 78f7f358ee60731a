import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeUnpadded } from '../base64.ts';
import type { Secret } from '../secret.ts';

const argon2Async = promisify(argon2);

/** An entry may ask for no more than this: a hash is computed for everyone who knows a name. */
const MAX_MEMORY_KIB = 256 * 1024;
const MAX_PASSES = 16;
const MAX_LANES = 16;

/** OWASP's recommendation for Argon2id with one pass: 46 MiB. */
const NEW: Omit<Argon2Parameters, 'message' | 'nonce'> = {
  memory: 47_104,
  passes: 1,
  parallelism: 1,
  tagLength: 32,
};

interface Argon2Hash {
  readonly variant: 'argon2d' | 'argon2i' | 'argon2id';
  readonly parameters: Omit<Argon2Parameters, 'message'>;
  readonly tag: Buffer;
}

/** Compares a password with a PHC string (`$argon2id$v=19$m=…,t=…,p=…$salt$tag`, RFC 9106). */
export async function verifyArgon2(
  phc: string,
  password: Secret,
): Promise<'right' | 'wrong' | 'unverifiable'> {
  const hash = readPhc(phc);
  if (hash === undefined) {
    return 'unverifiable';
  }
  const tag = await argon2Async(hash.variant, { ...hash.parameters, message: password.octets });
  return timingSafeEqual(tag, hash.tag) ? 'right' : 'wrong';
}

/** Makes a PHC string for a password. */
export async function hashArgon2(password: Secret): Promise<string> {
  const nonce = randomBytes(16);
  const tag = await argon2Async('argon2id', { ...NEW, nonce, message: password.octets });
  const costs = `m=${NEW.memory},t=${NEW.passes},p=${NEW.parallelism}`;
  return `$argon2id$v=19$${costs}$${unpadded(nonce)}$${unpadded(tag)}`;
}

function readPhc(phc: string): Argon2Hash | undefined {
  const match =
    /^\$(argon2(?:id|i|d))\$v=19\$m=(\d{1,7}),t=(\d{1,4}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
      phc,
    );
  if (match === null) {
    return undefined;
  }
  const [variant, memory, passes, parallelism] = [
    match[1],
    Number(match[2]),
    Number(match[3]),
    Number(match[4]),
  ];
  const [nonce, tag] = [decodeUnpadded(match[5] ?? ''), decodeUnpadded(match[6] ?? '')];
  if (nonce === undefined || nonce.length < 8 || tag === undefined || tag.length < 16 || tag.length > 64) {
    return undefined;
  }
  if (passes < 1 || passes > MAX_PASSES || parallelism < 1 || parallelism > MAX_LANES) {
    return undefined;
  }
  if (memory < 8 * parallelism || memory > MAX_MEMORY_KIB || !isVariant(variant)) {
    return undefined;
  }
  return { variant, parameters: { memory, passes, parallelism, nonce, tagLength: tag.length }, tag };
}

function isVariant(text: string | undefined): text is Argon2Hash['variant'] {
  return text === 'argon2d' || text === 'argon2i' || text === 'argon2id';
}

function unpadded(octets: Buffer): string {
  return octets.toString('base64').replaceAll('=', '');
}
