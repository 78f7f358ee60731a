/** CRAM-MD5 (RFC 2195) and APOP (RFC 1939 section 7) as server: a digest over a challenge and the stored password. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Credentials } from '../authenticator.ts';
import { clearTextOf, MAX_VALUES } from '../passwords/schemes.ts';
import type { SaslServer, ServerStep } from '../sasl.ts';
import { inTime, type StoredAccounts, whyNone } from './stored-accounts.ts';

/** What a password's holder can make, and nobody else, from a challenge. */
type DigestOf = (password: Buffer, challenge: string) => Buffer;

/** RFC 2195 section 2. */
const cramDigest: DigestOf = (password, challenge) => createHmac('md5', password).update(challenge).digest();
/** RFC 1939 section 7. */
const apopDigest: DigestOf = (password, challenge) =>
  createHash('md5').update(challenge).update(password).digest();

/** Makes a challenge that no other exchange has, in the form of a message id: `<random.time@homing>`. */
function newTimestamp(): string {
  return `<${randomBytes(16).toString('hex')}.${Date.now()}@homing>`;
}

/** The server's side of CRAM-MD5. */
export function cramMd5Server(accounts: StoredAccounts, challenge = newTimestamp()): SaslServer {
  let asked = false;
  return {
    step(response, signal) {
      if (!asked) {
        asked = true;
        // RFC 4959 section 3: the server speaks first here, so an initial response is a protocol error, even `=`.
        return response === undefined
          ? { kind: 'challenge', challenge: Buffer.from(challenge) }
          : { kind: 'malformed' };
      }
      return judge(response, { challenge, digestOf: cramDigest }, accounts, signal);
    },
  };
}

/**
 * The server's side of APOP: a timestamp for the greeting, and who judges by it what stands behind the command. The
 * whole connection has one, so a client may try again.
 */
export function makeApop(
  accounts: StoredAccounts,
  timestamp = newTimestamp(),
): { readonly timestamp: string; readonly server: SaslServer } {
  return {
    timestamp,
    server: {
      step: (response, signal) =>
        judge(response, { challenge: timestamp, digestOf: apopDigest }, accounts, signal),
    },
  };
}

interface Question {
  readonly challenge: string;
  readonly digestOf: DigestOf;
}

async function judge(
  response: Buffer | undefined,
  question: Question,
  accounts: StoredAccounts,
  signal: AbortSignal,
): Promise<ServerStep> {
  const answer = response === undefined ? undefined : readAnswer(response);
  if (answer === undefined) {
    return { kind: 'malformed' };
  }
  const { authcid, digest } = answer;
  const claim = { authzid: Buffer.alloc(0), authcid };
  const asked = await inTime(accounts, signal, (limited) => accounts.credentials(authcid, limited));
  if (asked.kind === 'unknown') {
    return { kind: 'proof', proof: { kind: 'refuted', ...claim, ...asked.why } };
  }
  const credentials = asked.told;
  const passwords = passwordsOf(credentials);
  const { challenge, digestOf } = question;
  // With none there is one to compare with all the same, so that the time taken says nothing.
  const candidates = passwords.length === 0 ? [randomBytes(16)] : passwords;
  const matches = candidates.map((password) => timingSafeEqual(digestOf(password, challenge), digest));
  if (credentials.kind === 'none') {
    return { kind: 'proof', proof: { kind: 'refuted', ...claim, ...whyNone(credentials) } };
  }
  const { account } = credentials;
  if (passwords.length === 0) {
    const detail = `its stored password is not in clear text, or allowCleartext does not permit that (${account.entry})`;
    const why = { reason: 'noStoredKey', known: account.name, detail } as const;
    return { kind: 'proof', proof: { kind: 'refuted', ...claim, ...why } };
  }
  return matches.includes(true)
    ? { kind: 'proof', proof: { kind: 'proved', ...claim, account } }
    : { kind: 'proof', proof: { kind: 'refuted', ...claim, reason: 'wrongPassword', known: account.name } };
}

/** Reads `name SP digest`. A name may have spaces, so the last one counts. */
function readAnswer(response: Buffer): { readonly authcid: Buffer; readonly digest: Buffer } | undefined {
  const space = response.lastIndexOf(0x20);
  const hex = response.toString('latin1', space + 1);
  if (space < 1 || !/^[0-9a-f]{32}$/.test(hex)) {
    return undefined;
  }
  return { authcid: Buffer.from(response.subarray(0, space)), digest: Buffer.from(hex, 'hex') };
}

function passwordsOf(credentials: Credentials): readonly Buffer[] {
  if (credentials.kind === 'none') {
    return [];
  }
  const { values, allowCleartext } = credentials;
  return values.slice(0, MAX_VALUES).flatMap((value) => clearTextOf(value, { allowCleartext }) ?? []);
}
