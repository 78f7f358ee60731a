import { randomBytes } from 'node:crypto';
import type { LoginContext } from '../auth/directory.ts';
import { DerivedKeys } from '../auth/mechanisms/derived-keys.ts';
import { Disguise } from '../auth/mechanisms/disguise.ts';
import { loginServer } from '../auth/mechanisms/login.ts';
import { plainServer } from '../auth/mechanisms/plain.ts';
import type { ScramSupport } from '../auth/mechanisms/scram-accounts.ts';
import { oauthBearerServer, xoauth2Server } from '../auth/oauth/mechanisms.ts';
import type { FrontendTerms } from '../protocols/protocol.ts';
import type { TlsState } from '../protocols/transport.ts';
import {
  apopOf,
  type Maker,
  type MechanismParts,
  makeCramMd5,
  makeScram,
  makeScramPlus,
  offerBearer,
  offerExternal,
  PLUS,
} from './mechanism-makers.ts';
import type { DecoySettings } from './settings.ts';

/** All that configuration and program know of a mechanism. */
export interface Mechanism {
  /** `greeting` for a command that the greeting offers, and no list of mechanisms. */
  readonly make: Maker | 'greeting';
  /** The only protocol that has it; all have it where this is left out. */
  readonly protocol?: string;
  /** What directories must have of a password: values of this scheme, or the password itself, which serves for all. */
  readonly stored?: 'SCRAM-SHA-256' | 'SCRAM-SHA-1' | 'clear';
  /** The part of the configuration that it can't do without. */
  readonly needs?: 'oauth' | 'external';
  /** Whether it carries bearer tokens, which are longer than passwords. */
  readonly carriesTokens?: true;
  /** Whether it works in TLS alone, as it binds the login to it. */
  readonly bindsTls?: true;
  /** Where a listener that names none offers it: everywhere, or where all accounts have what must be stored. */
  readonly usual?: 'always' | 'whereStored';
}

const BEARER = { needs: 'oauth', carriesTokens: true } as const;

/** Every mechanism that a listener may offer. */
const TABLE: Readonly<Record<string, Mechanism>> = {
  PLAIN: { make: () => plainServer, usual: 'always' },
  LOGIN: { make: () => loginServer, usual: 'always' },
  [PLUS]: { make: makeScramPlus, stored: 'SCRAM-SHA-256', bindsTls: true, usual: 'whereStored' },
  'SCRAM-SHA-256': {
    make: (terms) => makeScram('sha256', terms),
    stored: 'SCRAM-SHA-256',
    usual: 'whereStored',
  },
  'SCRAM-SHA-1': { make: (terms) => makeScram('sha1', terms), stored: 'SCRAM-SHA-1' },
  'CRAM-MD5': { make: makeCramMd5, stored: 'clear' },
  EXTERNAL: { make: offerExternal, needs: 'external' },
  OAUTHBEARER: { make: (terms) => offerBearer(oauthBearerServer, terms), ...BEARER },
  XOAUTH2: { make: (terms) => offerBearer(xoauth2Server, terms), ...BEARER },
  APOP: { make: 'greeting', protocol: 'pop3', stored: 'clear' },
};

const BY_NAME: ReadonlyMap<string, Mechanism> = new Map(Object.entries(TABLE));

/** The mechanisms that a listener may offer, by name. */
export const MECHANISMS: readonly string[] = [...BY_NAME.keys()];

/** What is known of a mechanism; `undefined` where the name is none. */
export function mechanismNamed(name: string): Mechanism | undefined {
  return BY_NAME.get(name);
}

/** Whether a listener for a protocol can offer a mechanism at all. */
export function isMechanismOf(protocol: string, name: string): boolean {
  return (mechanismNamed(name)?.protocol ?? protocol) === protocol;
}

/** The mechanisms that a listener offers which names none. */
export function usuallyOffered(where: NonNullable<Mechanism['usual']>): readonly string[] {
  return MECHANISMS.filter((name) => mechanismNamed(name)?.usual === where);
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
  const makeAll = (tls: TlsState | undefined) =>
    new Map(
      names.flatMap((name) => {
        const make = mechanismNamed(name)?.make;
        const made = typeof make === 'function' ? make({ ...parts, names, context, tls }) : undefined;
        return made === undefined ? [] : [[name, made] as const];
      }),
    );
  let last: { readonly tls: TlsState | undefined; readonly offered: ReturnType<typeof makeAll> } | undefined;
  // Greeting, capabilities and login ask each for the same.
  return (tls) => {
    if (last === undefined || last.tls !== tls) last = { tls, offered: makeAll(tls) };
    return last.offered;
  };
}

/** Prepares APOP for a connection, where its listener names that. */
export function offerApop(
  names: readonly string[],
  parts: MechanismParts,
  context: LoginContext,
): Pick<FrontendTerms, 'apop'> {
  return names.some((name) => mechanismNamed(name)?.make === 'greeting')
    ? { apop: apopOf({ ...parts, context }) }
    : {};
}

/** PLAIN with three long fields, and room. */
const PASSWORD_LINE_OCTETS = 12 * 1024;
/** Tokens with many claims or groups are real: base64 makes 48 KiB of them 64 KiB, and the command stands before. */
const TOKEN_LINE_OCTETS = 72 * 1024;

/** The longest line of an exchange of any of these mechanisms. */
export function longestSaslLine(names: readonly string[]): number {
  return names.some((name) => mechanismNamed(name)?.carriesTokens === true)
    ? TOKEN_LINE_OCTETS
    : PASSWORD_LINE_OCTETS;
}
