import { randomBytes } from 'node:crypto';
import { decodeBase64 } from '../base64.ts';
import type { Account } from '../directory.ts';
import type { MechanismProof, RefutedProof, SaslServer, ServerStep } from '../sasl.ts';
import {
  isProof,
  keyOctets,
  type ScramHash,
  type ServerKeys,
  type StoredKey,
  signAsServer,
} from './scram-keys.ts';
import type { Refusal } from './stored-accounts.ts';

/** What a client is told of a key before it proves that it has it. */
export type KeyShape = Pick<StoredKey, 'salt' | 'iterations'>;

/** What is known of an authcid. */
export type ScramFinding =
  | ({
      readonly kind: 'key';
      readonly account?: Account;
      /** Gives the keys when the client has sent its proof, so that how long it takes says nothing of the name. */
      keys(signal: AbortSignal): ServerKeys | Refusal | Promise<ServerKeys | Refusal>;
      /** Gives the account as it is when a right proof comes, or why it is right no more: clients may take their time. */
      confirm?(signal: AbortSignal): Promise<Account | Refusal>;
    } & KeyShape)
  /** No proof can be right, but the client must not see that before it has sent one. */
  | ({ readonly kind: 'decoy'; readonly why: Refusal } & KeyShape)
  /** It could not be told. */
  | { readonly kind: 'unknown'; readonly why: Refusal };

/** How the exchange stands to the TLS connection that it is in. */
export type ChannelUse =
  /** -PLUS: the client binds its proof to these octets (`tls-exporter`, RFC 9266). */
  | { readonly kind: 'bound'; readonly octets: Buffer }
  /** Without binding, though -PLUS is offered: a client that could bind and did not see that was lied to. */
  | { readonly kind: 'boundElsewhere' }
  | { readonly kind: 'unbound' };

export interface ScramTerms {
  readonly hash: ScramHash;
  readonly channel: ChannelUse;
  find(authcid: Buffer, signal: AbortSignal): ScramFinding | Promise<ScramFinding>;
}

/**
 * The server's side of SCRAM (RFC 5802, RFC 7677, RFC 9266). Refuted proofs carry no server-final-message (RFC 5802
 * section 5: it is optional on failure), since it would tell a guesser at once what is told on the tick of failed
 * logins, and since clients that get one give up the connection instead of trying another mechanism. The exception is
 * a binding that does not match: no guess, and the client had better know who is between.
 * @param nonce the server's part of the nonce.
 */
export function scramServer(terms: ScramTerms, nonce = randomBytes(18).toString('base64')): SaslServer {
  return new ScramServer(terms, nonce);
}

const MALFORMED: ServerStep = { kind: 'malformed' };
/** Two names of 255 octets, escaped, a nonce and a proof; no client needs as much. */
const MAX_MESSAGE_OCTETS = 4096;

const NAME = '(?:[^,=\\0]|=2C|=3D)+';
const NONCE = '[\\x21-\\x2b\\x2d-\\x7e]+';
// `m=` would be an extension that must be understood, and we understand none (RFC 5802 section 5.1); `p=` is last.
const EXTENSIONS = '(?:,(?![mp]=)[A-Za-z]=[^,\\0]+)*';
const CLIENT_FIRST = new RegExp(
  `^((n|y|p=([A-Za-z0-9.-]+)),(?:a=(${NAME}))?,)(n=(${NAME}),r=(${NONCE})${EXTENSIONS})$`,
  's',
);
const CLIENT_FINAL = new RegExp(`^(c=([^,]+),r=(${NONCE})${EXTENSIONS}),p=([^,]+)$`, 's');

/** What the client-first-message said, with the octets that the AuthMessage and the binding need. */
interface ClientFirst {
  readonly gs2Header: Buffer;
  readonly flag: string;
  /** Name of the channel binding with `p=`. */
  readonly bindingType: string | undefined;
  readonly authzid: Buffer;
  readonly authcid: Buffer;
  readonly nonce: string;
  readonly bare: Buffer;
}

/** What has to be known when the client-final-message comes. */
interface Asked {
  readonly first: ClientFirst;
  readonly nonce: string;
  readonly serverFirst: string;
  readonly finding: Exclude<ScramFinding, { kind: 'unknown' }>;
}

class ScramServer implements SaslServer {
  readonly #terms: ScramTerms;
  readonly #nonce: string;
  #asked: Asked | undefined;

  constructor(terms: ScramTerms, nonce: string) {
    this.#terms = terms;
    this.#nonce = nonce;
  }

  async step(response: Buffer | undefined, signal: AbortSignal): Promise<ServerStep> {
    if (response === undefined) {
      return { kind: 'challenge', challenge: Buffer.alloc(0) };
    }
    if (response.length > MAX_MESSAGE_OCTETS) {
      return MALFORMED;
    }
    return this.#asked === undefined
      ? await this.#first(response, signal)
      : await this.#final(response, this.#asked, signal);
  }

  async #first(message: Buffer, signal: AbortSignal): Promise<ServerStep> {
    const first = readClientFirst(message);
    if (first === undefined || !flagFits(first, this.#terms.channel)) {
      return MALFORMED;
    }
    const unbound = whyUnbound(first, this.#terms.channel);
    if (unbound !== undefined) {
      return refute(first, { reason: 'channelBinding', detail: unbound });
    }
    const finding = await this.#terms.find(first.authcid, signal);
    if (finding.kind === 'unknown') {
      return refute(first, finding.why);
    }
    const nonce = first.nonce + this.#nonce;
    const serverFirst = `r=${nonce},s=${finding.salt.toString('base64')},i=${finding.iterations}`;
    this.#asked = { first, nonce, serverFirst, finding };
    return { kind: 'challenge', challenge: Buffer.from(serverFirst) };
  }

  async #final(message: Buffer, asked: Asked, signal: AbortSignal): Promise<ServerStep> {
    const { hash, channel } = this.#terms;
    const { first, finding } = asked;
    const final = readClientFinal(message);
    if (final === undefined || final.nonce !== asked.nonce || final.proof.length !== keyOctets(hash)) {
      return MALFORMED;
    }
    const bound = channel.kind === 'bound' ? channel.octets : Buffer.alloc(0);
    // Compared as octets, after a decoding that has one spelling for each (CVE-2026-33603).
    if (!final.binding.equals(Buffer.concat([first.gs2Header, bound]))) {
      const detail = 'the proof is bound to another TLS connection, or its GS2 header was changed on the way';
      return refute(first, { reason: 'channelBinding', detail }, 'e=channel-bindings-dont-match');
    }
    const keys = finding.kind === 'key' ? await finding.keys(signal) : randomKeys(hash);
    if ('reason' in keys) {
      return refute(first, keys);
    }
    // RFC 5802 section 3: the AuthMessage holds the messages as they were sent.
    const authMessage = Buffer.concat([
      first.bare,
      Buffer.from(`,${asked.serverFirst},`),
      final.withoutProof,
    ]);
    const right = isProof(hash, keys, authMessage, final.proof);
    if (finding.kind === 'decoy') {
      return refute(first, finding.why);
    }
    if (!right) {
      const known = finding.account === undefined ? {} : { known: finding.account.name };
      return refute(first, { reason: 'wrongPassword', ...known });
    }
    const proof = await prove(first, finding, signal);
    if (proof.kind === 'refuted') {
      return { kind: 'proof', proof };
    }
    const signature = signAsServer(hash, keys, authMessage).toString('base64');
    return { kind: 'proof', proof, last: Buffer.from(`v=${signature}`) };
  }
}

/** Makes the proof of a client that has the key, by the account as it is. */
async function prove(
  first: ClientFirst,
  finding: Extract<ScramFinding, { kind: 'key' }>,
  signal: AbortSignal,
): Promise<MechanismProof | RefutedProof> {
  const { authzid, authcid } = first;
  if (finding.confirm === undefined) {
    return { kind: 'proved', authzid, authcid, ...(finding.account && { account: finding.account }) };
  }
  const account = await finding.confirm(signal);
  return 'reason' in account
    ? { kind: 'refuted', authzid, authcid, ...account }
    : { kind: 'proved', authzid, authcid, account, renew: (later) => prove(first, finding, later) };
}

// As latin1, so that each octet stays what it is; names are judged by the authenticator.
function readClientFirst(message: Buffer): ClientFirst | undefined {
  const [, header, flag, bindingType, authzid = '', bare, authcid, nonce] =
    CLIENT_FIRST.exec(message.toString('latin1')) ?? [];
  if (
    header === undefined ||
    flag === undefined ||
    bare === undefined ||
    authcid === undefined ||
    nonce === undefined
  ) {
    return undefined;
  }
  return {
    gs2Header: Buffer.from(header, 'latin1'),
    flag,
    bindingType,
    authzid: unescapeName(authzid),
    authcid: unescapeName(authcid),
    nonce,
    bare: Buffer.from(bare, 'latin1'),
  };
}

function readClientFinal(message: Buffer) {
  const [, withoutProof, encodedBinding, nonce, encodedProof] =
    CLIENT_FINAL.exec(message.toString('latin1')) ?? [];
  const binding = decodeBase64(encodedBinding ?? '=');
  const proof = decodeBase64(encodedProof ?? '=');
  if (withoutProof === undefined || nonce === undefined || binding === undefined || proof === undefined) {
    return undefined;
  }
  return { withoutProof: Buffer.from(withoutProof, 'latin1'), binding, nonce, proof };
}

/** RFC 5802 section 6: `p=` is for -PLUS, and -PLUS is for nothing else. */
function flagFits({ bindingType }: ClientFirst, channel: ChannelUse): boolean {
  return (bindingType !== undefined) === (channel.kind === 'bound');
}

function whyUnbound({ flag, bindingType }: ClientFirst, channel: ChannelUse): string | undefined {
  if (flag === 'y' && channel.kind === 'boundElsewhere') {
    return 'the client did not see that -PLUS is offered: somebody between may have taken it away';
  }
  if (bindingType !== undefined && bindingType !== 'tls-exporter') {
    // What was said is the client's text: only what it must be is told.
    return 'the client binds in another way than by tls-exporter';
  }
  return undefined;
}

function refute({ authzid, authcid }: ClientFirst, why: Refusal, last?: string): ServerStep {
  return {
    kind: 'proof',
    proof: { kind: 'refuted', authzid, authcid, ...why },
    ...(last !== undefined && { last: Buffer.from(last) }),
  };
}

function randomKeys(hash: ScramHash): ServerKeys {
  return { storedKey: randomBytes(keyOctets(hash)), serverKey: randomBytes(keyOctets(hash)) };
}

// RFC 5802 section 5.1; the grammar has let no other "=" through.
function unescapeName(name: string): Buffer {
  return Buffer.from(
    name.replaceAll(/=2C|=3D/g, (code) => (code === '=2C' ? ',' : '=')),
    'latin1',
  );
}
