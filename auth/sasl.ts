import type { Secret } from './secret.ts';

/** What a client offered to prove who it is, as octets: names are judged in one place, by the authenticator. */
export interface Proof {
  readonly kind: 'password';
  /** As whom to act; empty when the client named nobody (RFC 4616). */
  readonly authzid: Buffer;
  /** Whose password it is. */
  readonly authcid: Buffer;
  readonly password: Secret;
}

/** What a server mechanism makes of a client's message. */
export type ServerStep =
  | { readonly kind: 'challenge'; readonly challenge: Buffer }
  | { readonly kind: 'proof'; readonly proof: Proof }
  /** The message does not follow the mechanism's grammar: a protocol error, not a guess. */
  | { readonly kind: 'malformed' };

/** One exchange of a SASL mechanism on the server's side (RFC 4422): no base64, no I/O. */
export interface SaslServer {
  /** Takes the client's next message; `undefined` when the client sent no initial response, empty for `=` (RFC 4959). */
  step(response: Buffer | undefined): ServerStep | Promise<ServerStep>;
}

/** Makes a fresh exchange of one mechanism. */
export type SaslServerFactory = () => SaslServer;

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
