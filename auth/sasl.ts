import type { Account } from './directory.ts';
import type { Reason } from './failure.ts';
import type { Secret } from './secret.ts';

/** What a client offered to prove who it is, as octets: names are judged in one place, by the authenticator. */
export type Proof = PasswordProof | MechanismProof | RefutedProof;

interface Claim {
  /** As whom to act; empty when the client named nobody (RFC 4422 section 2). */
  readonly authzid: Buffer;
  /** Who proves himself; empty where a refuted proof names nobody. */
  readonly authcid: Buffer;
  /** Milliseconds that the mechanism waited for who judged it, for the log. */
  readonly judgedMs?: number;
}

/** A password, which the directory is to judge. */
export interface PasswordProof extends Claim {
  readonly kind: 'password';
  readonly password: Secret;
}

/** What was shown where it was no password, and nothing made of one: nobody guesses at a user's password by it. */
type Shown = 'token' | 'certificate';

/**
 * How old may be what was found of an account, in milliseconds, when its client goes on; then it is looked up again. A
 * login by PLAIN goes by a search that may be older by the time its bind is answered.
 */
export const FRESH_MS = 1000;

/** A proof that the mechanism itself found right; there is no password that a node could be given. */
export interface MechanismProof extends Claim {
  readonly kind: 'proved';
  readonly shown?: Shown;
  /** Where the mechanism had to look the account up; else that is still to be done. */
  readonly account?: Account;
  /**
   * Makes the proof by what the directory says now, where the client may take its time after it: right no more, where
   * the stored password is another. Such mechanisms have a last message.
   */
  readonly renew?: (signal: AbortSignal) => Promise<MechanismProof | RefutedProof>;
}

/** A proof that the mechanism itself found wrong, or could not judge. */
export interface RefutedProof extends Claim {
  readonly kind: 'refuted';
  readonly shown?: Shown;
  readonly reason: Reason;
  /** The account's name, where the directory knows one. */
  readonly known?: string;
  /** What an operator needs to know. */
  readonly detail?: string;
  /** What was tried, where the same may come again and is no new guess then: a token that has expired. */
  readonly tried?: Secret;
}

/** What a server mechanism makes of a client's message. */
export type ServerStep =
  | { readonly kind: 'challenge'; readonly challenge: Buffer }
  | {
      readonly kind: 'proof';
      readonly proof: Proof;
      /**
       * What the client is told by the mechanism before the outcome: SCRAM's server-final-message, or OAuth's error.
       * It answers by an empty message, and to an error by any; protocols that can say it in the outcome do.
       */
      readonly last?: Buffer;
    }
  /** The message does not follow the mechanism's grammar: a protocol error, not a guess. */
  | { readonly kind: 'malformed' };

/** One exchange of a SASL mechanism on the server's side (RFC 4422): no base64, no I/O. */
export interface SaslServer {
  /**
   * Takes the client's next message. What a directory or provider can't tell becomes a refuted proof.
   * @param response `undefined` when the client sent no initial response, empty for `=` (RFC 4959).
   * @param signal aborts when the client is gone.
   */
  step(response: Buffer | undefined, signal: AbortSignal): ServerStep | Promise<ServerStep>;
}

/** Makes a fresh exchange of one mechanism. */
export type SaslServerFactory = () => SaslServer;

/** A client's certificate that was verified in the TLS handshake. */
export interface ClientCertificate {
  /** RFC 4514, most specific part first, as `CN=ann,O=Example`. */
  readonly subject: string;
  readonly commonName: string | undefined;
  /** The subject's alternative names of type rfc822Name. */
  readonly emails: readonly string[];
  /** SHA-256 of the certificate, lower-case hex; `undefined` where only a balancer saw it. */
  readonly fingerprint: string | undefined;
}

/** One exchange of a SASL mechanism on the client's side, towards a node. */
export interface SaslClient {
  readonly mechanism: string;
  /** The message that the mechanism sends unasked; `undefined` where the server speaks first. */
  initialResponse(): Buffer | undefined;
  /** Answers a challenge. @throws {SaslError} when the peer breaks the mechanism or can't prove itself. */
  respond(challenge: Buffer): Buffer | Promise<Buffer>;
  /** Whether the server has proved itself, for mechanisms in which it does; always true for the others. */
  readonly verified: boolean;
}

/** A peer that does not follow its SASL mechanism, or failed to prove itself. */
export class SaslError extends Error {
  override readonly name = 'SaslError';
}
