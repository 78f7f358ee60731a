import type { Authenticator } from '../auth/authenticator.ts';
import type { LoginContext } from '../auth/directory.ts';
import { type CertificateMap, externalServer } from '../auth/external.ts';
import { loginServer } from '../auth/login.ts';
import { type OauthTerms, oauthBearerServer, xoauth2Server } from '../auth/oauth-mechanisms.ts';
import { plainServer } from '../auth/plain.ts';
import type { SaslServerFactory } from '../auth/sasl.ts';
import type { FrontendTerms } from '../protocols/protocol.ts';
import type { TlsState } from '../protocols/transport.ts';

/** What mechanisms work with that judge proofs by themselves. */
export interface MechanismParts {
  readonly authenticator: Authenticator;
  /** Directory work in all for one exchange. */
  readonly directoryMs: number;
  /** Whose tokens are taken; without it tokens let nobody in. */
  readonly oauth?: Pick<OauthTerms, 'tokens' | 'hosts'> | undefined;
  /** Whose a client's certificate is; without it certificates let nobody in. */
  readonly external?: CertificateMap | undefined;
}

/** The mechanisms of one connection, made when its client logs in. */
interface Terms extends MechanismParts {
  readonly context: LoginContext;
  readonly tls: TlsState | undefined;
}

/** Gives a mechanism; `undefined` where it can't work on this connection, so that it's not offered. */
type Maker = (terms: Terms) => SaslServerFactory | undefined;

const MAKERS: ReadonlyMap<string, Maker> = new Map<string, Maker>([
  ['PLAIN', () => plainServer],
  ['LOGIN', () => loginServer],
  ['EXTERNAL', offerExternal],
  ['OAUTHBEARER', (terms) => offerBearer(oauthBearerServer, terms)],
  ['XOAUTH2', (terms) => offerBearer(xoauth2Server, terms)],
]);

function offerBearer(
  server: typeof oauthBearerServer,
  { oauth, directoryMs: judgeMs }: Terms,
): SaslServerFactory | undefined {
  return oauth && (() => server({ ...oauth, judgeMs }));
}

function offerExternal({ external, tls }: Terms): SaslServerFactory | undefined {
  const certificate = tls?.clientCertificate;
  return external && certificate && (() => externalServer(certificate, external));
}

/** The mechanisms that a listener may offer, by name. */
export const MECHANISMS: readonly string[] = [...MAKERS.keys()];

/** Prepares the mechanisms of a connection. `names` are those of its listener, in the order of preference. */
export function offerMechanisms(
  names: readonly string[],
  parts: MechanismParts,
  context: LoginContext,
): FrontendTerms['mechanisms'] {
  return (tls) =>
    new Map(
      names.flatMap((name) => {
        const made = MAKERS.get(name)?.({ ...parts, context, tls });
        return made === undefined ? [] : [[name, made] as const];
      }),
    );
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
