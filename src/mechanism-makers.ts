/** Makes mechanisms for one connection, of what the proxy has for all. */
import { randomBytes } from 'node:crypto';
import type { Authenticator } from '../auth/authenticator.ts';
import type { LoginContext } from '../auth/directory.ts';
import { cramMd5Server, makeApop } from '../auth/mechanisms/digest-server.ts';
import { type CertificateMap, externalServer } from '../auth/mechanisms/external.ts';
import { findScramKeys, type ScramSupport } from '../auth/mechanisms/scram-accounts.ts';
import type { ScramHash } from '../auth/mechanisms/scram-keys.ts';
import { type ChannelUse, scramServer } from '../auth/mechanisms/scram-server.ts';
import type { StoredAccounts } from '../auth/mechanisms/stored-accounts.ts';
import type { OauthTerms, oauthBearerServer } from '../auth/oauth/mechanisms.ts';
import type { SaslServerFactory } from '../auth/sasl.ts';
import type { Apop } from '../protocols/protocol.ts';
import type { TlsState } from '../protocols/transport.ts';
import { beginExchange } from './scram-exchange.ts';

/** What mechanisms work with that judge proofs by themselves. */
export interface MechanismParts {
  readonly authenticator: Authenticator;
  /** Directory work in all for one exchange. */
  readonly directoryMs: number;
  /** Whose tokens are taken; without it tokens let nobody in. */
  readonly oauth?: Pick<OauthTerms, 'tokens' | 'hosts'> | undefined;
  /** Whose a client's certificate is; without it certificates let nobody in. */
  readonly external?: CertificateMap | undefined;
  readonly scram: ScramSupport;
}

/** The mechanisms of one connection, made when its client logs in. */
export interface MechanismTerms extends MechanismParts {
  /** All that the listener may offer. */
  readonly names: readonly string[];
  readonly context: LoginContext;
  readonly tls: TlsState | undefined;
}

/** Gives a mechanism; `undefined` where it can't work on this connection, so that it's not offered. */
export type Maker = (terms: MechanismTerms) => SaslServerFactory | undefined;

/** Where it is offered, the same mechanism without binding says so to clients, who else could be led astray. */
export const PLUS = 'SCRAM-SHA-256-PLUS';

/** Makes a mechanism of bearer tokens, where providers are known. */
export function offerBearer(
  server: typeof oauthBearerServer,
  { oauth, directoryMs: judgeMs, authenticator, context }: MechanismTerms,
): SaslServerFactory | undefined {
  const admit = (user: Buffer) => authenticator.admit(user, context);
  return oauth && (() => server({ ...oauth, admit, judgeMs }));
}

/** Makes EXTERNAL (RFC 4422 appendix A), where the client showed a certificate that is trusted. */
export function offerExternal({ external, tls }: MechanismTerms): SaslServerFactory | undefined {
  const certificate = tls?.clientCertificate;
  return external && certificate && (() => externalServer(certificate, external));
}

/** Makes SCRAM-SHA-256-PLUS (RFC 7677), where there is a TLS to bind to. */
export function makeScramPlus(terms: MechanismTerms): SaslServerFactory | undefined {
  const binding = terms.tls?.channelBinding;
  // What nobody can know stands for the binding of a connection that is gone.
  return (
    binding && scramFactory('sha256', () => ({ kind: 'bound', octets: binding() ?? randomBytes(32) }), terms)
  );
}

/** Makes SCRAM (RFC 5802) that is not bound to its TLS. */
export function makeScram(hash: ScramHash, terms: MechanismTerms): SaslServerFactory {
  const plusOffered = terms.names.includes(PLUS) && terms.tls?.channelBinding !== undefined;
  return scramFactory(hash, () => ({ kind: plusOffered ? 'boundElsewhere' : 'unbound' }), terms);
}

function scramFactory(hash: ScramHash, channel: () => ChannelUse, terms: MechanismTerms): SaslServerFactory {
  const accounts = storedAccounts(terms);
  return () => {
    const find = findScramKeys(hash, beginExchange(accounts, terms.context.guard), terms.scram);
    return scramServer({ hash, channel: channel(), find });
  };
}

function storedAccounts({
  authenticator,
  directoryMs,
  context,
}: Pick<MechanismTerms, 'authenticator' | 'directoryMs' | 'context'>): StoredAccounts {
  return { directoryMs, credentials: (name, signal) => authenticator.credentials(name, context, signal) };
}

/** Makes CRAM-MD5 (RFC 2195). */
export function makeCramMd5(terms: MechanismTerms): SaslServerFactory {
  return () => cramMd5Server(storedAccounts(terms));
}

/** Prepares APOP for a connection (RFC 1939 section 7). */
export function apopOf(terms: Pick<MechanismTerms, 'authenticator' | 'directoryMs' | 'context'>): () => Apop {
  return () => makeApop(storedAccounts(terms));
}
