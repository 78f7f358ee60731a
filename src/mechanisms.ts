import { randomBytes } from 'node:crypto';
import type { Authenticator } from '../auth/authenticator.ts';
import type { LoginContext } from '../auth/directory.ts';
import { DerivedKeys } from '../auth/mechanisms/derived-keys.ts';
import { cramMd5Server, makeApop } from '../auth/mechanisms/digest-server.ts';
import { Disguise } from '../auth/mechanisms/disguise.ts';
import { type CertificateMap, externalServer } from '../auth/mechanisms/external.ts';
import { loginServer } from '../auth/mechanisms/login.ts';
import { plainServer } from '../auth/mechanisms/plain.ts';
import { findScramKeys, type ScramSupport } from '../auth/mechanisms/scram-accounts.ts';
import type { ScramHash } from '../auth/mechanisms/scram-keys.ts';
import { type ChannelUse, scramServer } from '../auth/mechanisms/scram-server.ts';
import type { StoredAccounts } from '../auth/mechanisms/stored-accounts.ts';
import { type OauthTerms, oauthBearerServer, xoauth2Server } from '../auth/oauth/mechanisms.ts';
import type { SaslServerFactory } from '../auth/sasl.ts';
import type { FrontendTerms } from '../protocols/protocol.ts';
import type { TlsState } from '../protocols/transport.ts';
import { beginExchange } from './scram-exchange.ts';
import type { DecoySettings } from './settings.ts';

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
interface Terms extends MechanismParts {
  /** All that the listener may offer. */
  readonly names: readonly string[];
  readonly context: LoginContext;
  readonly tls: TlsState | undefined;
}

/** Gives a mechanism; `undefined` where it can't work on this connection, so that it's not offered. */
type Maker = (terms: Terms) => SaslServerFactory | undefined;

const PLUS = 'SCRAM-SHA-256-PLUS';

const MAKERS: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  ['PLAIN', () => plainServer],
  ['LOGIN', () => loginServer],
  [PLUS, makeScramPlus],
  ['SCRAM-SHA-256', (terms) => makeScram('sha256', terms)],
  ['SCRAM-SHA-1', (terms) => makeScram('sha1', terms)],
  ['CRAM-MD5', (terms) => () => cramMd5Server(storedAccounts(terms))],
  ['EXTERNAL', offerExternal],
  ['OAUTHBEARER', (terms) => offerBearer(oauthBearerServer, terms)],
  ['XOAUTH2', (terms) => offerBearer(xoauth2Server, terms)],
]);

/** APOP is a command of POP3, which is offered by the greeting and stands in no list. */
const APOP = 'APOP';

/** The mechanisms that a listener may offer, by name. */
export const MECHANISMS: readonly string[] = [...MAKERS.keys(), APOP];

/** Whether a listener for a protocol can offer a mechanism at all. */
export function isMechanismOf(protocol: string, name: string): boolean {
  return name !== APOP || protocol === 'pop3';
}

/** Makes what SCRAM needs for all connections. Without a secret, unknown names get new salts at each start. */
export function scramSupport(decoys?: Pick<DecoySettings, 'secret' | 'shape'>): ScramSupport {
  const secret = decoys?.secret?.octets ?? randomBytes(32);
  return { disguise: new Disguise(secret, decoys?.shape), derivedKeys: new DerivedKeys() };
}

/** Prepares the mechanisms of a connection. `names` are those of its listener, in the order of preference. */
export function offerMechanisms(
  names: readonly string[],
  parts: MechanismParts,
  context: LoginContext,
): FrontendTerms['mechanisms'] {
  const make = (tls: TlsState | undefined) =>
    new Map(
      names.flatMap((name) => {
        const made = MAKERS.get(name)?.({ ...parts, names, context, tls });
        return made === undefined ? [] : [[name, made] as const];
      }),
    );
  let last: { readonly tls: TlsState | undefined; readonly offered: ReturnType<typeof make> } | undefined;
  // Greeting, capabilities and login ask each for the same.
  return (tls) => {
    if (last === undefined || last.tls !== tls) last = { tls, offered: make(tls) };
    return last.offered;
  };
}

/** Prepares APOP for a connection, where its listener names that. */
export function offerApop(
  names: readonly string[],
  parts: MechanismParts,
  context: LoginContext,
): Pick<FrontendTerms, 'apop'> {
  return names.includes(APOP) ? { apop: () => makeApop(storedAccounts({ ...parts, context })) } : {};
}

function offerBearer(
  server: typeof oauthBearerServer,
  { oauth, directoryMs: judgeMs, authenticator, context }: Terms,
): SaslServerFactory | undefined {
  const admit = (user: Buffer) => authenticator.admit(user, context);
  return oauth && (() => server({ ...oauth, admit, judgeMs }));
}

function offerExternal({ external, tls }: Terms): SaslServerFactory | undefined {
  const certificate = tls?.clientCertificate;
  return external && certificate && (() => externalServer(certificate, external));
}

function makeScramPlus(terms: Terms): SaslServerFactory | undefined {
  const binding = terms.tls?.channelBinding;
  // What nobody can know stands for the binding of a connection that is gone.
  return (
    binding && scramFactory('sha256', () => ({ kind: 'bound', octets: binding() ?? randomBytes(32) }), terms)
  );
}

function makeScram(hash: ScramHash, terms: Terms): SaslServerFactory {
  const plusOffered = terms.names.includes(PLUS) && terms.tls?.channelBinding !== undefined;
  return scramFactory(hash, () => ({ kind: plusOffered ? 'boundElsewhere' : 'unbound' }), terms);
}

function scramFactory(hash: ScramHash, channel: () => ChannelUse, terms: Terms): SaslServerFactory {
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
}: Pick<Terms, 'authenticator' | 'directoryMs' | 'context'>): StoredAccounts {
  return { directoryMs, credentials: (name, signal) => authenticator.credentials(name, context, signal) };
}

/** Mechanisms that carry a bearer token. */
const TOKEN_MECHANISMS: ReadonlySet<string> = new Set(['OAUTHBEARER', 'XOAUTH2']);
/** PLAIN with three long fields, and room. */
const PASSWORD_LINE_OCTETS = 12 * 1024;
/** Tokens with many claims or groups are real: base64 makes 48 KiB of them 64 KiB, and the command stands before. */
const TOKEN_LINE_OCTETS = 72 * 1024;

/** The longest line of an exchange of any of these mechanisms. */
export function longestSaslLine(names: readonly string[]): number {
  return names.some((name) => TOKEN_MECHANISMS.has(name)) ? TOKEN_LINE_OCTETS : PASSWORD_LINE_OCTETS;
}
