import type { WireAnswer } from '../../auth/failure.ts';
import { allowsLogin, takesPasswords } from '../password-command.ts';
import type { FrontendTerms } from '../protocol.ts';
import type { TlsState } from '../transport.ts';

/** What a POP3 client is told for each answer: response codes of RFC 2449 and RFC 3206. */
export const POP3_ANSWER: Readonly<Record<WireAnswer, string>> = {
  badCredentials: '[AUTH] Authentication failed.',
  notAuthorized: '[AUTH] Not authorized to act as this user.',
  expired: '[AUTH] The password has expired or must be changed.',
  disabled: '[AUTH] This account may not be used; ask your administrator.',
  contactAdmin: '[SYS/PERM] This account is not set up correctly; ask your administrator.',
  tlsRequired: '[AUTH] Logins in clear text are not allowed; use TLS.',
  tooMany: '[IN-USE] Too many connections.',
  unavailable: '[SYS/TEMP] Temporary failure; try again later.',
  inUse: '[IN-USE] The maildrop is in use; try again later.',
  cancelled: 'Authentication not completed by the client.',
  unbound: '[AUTH] Not bound to this TLS connection; use another mechanism.',
};

/** Answers that one must be able to find in the log by the reference that the client shows. */
export const POP3_REFERRED: ReadonlySet<WireAnswer> = new Set(['unavailable', 'contactAdmin']);

/**
 * What nodes are taken to be able to do, where the listener names nothing else: some clients ask only before the login
 * (RFC 2449 section 5 wants TOP and UIDL in both states).
 */
const NODE_CAPABILITIES: readonly string[] = ['TOP', 'UIDL'];

/** What CAPA lists in the AUTHORIZATION state. */
export function authorizationCapabilities(terms: FrontendTerms, tls: TlsState | undefined): string[] {
  const mechanisms = allowsLogin(terms, tls) ? [...terms.mechanisms(tls).keys()] : [];
  return [
    ...(terms.capabilities ?? NODE_CAPABILITIES),
    'RESP-CODES',
    'PIPELINING',
    'AUTH-RESP-CODE',
    ...(terms.startTls && tls === undefined ? ['STLS'] : []),
    ...(takesPasswords(terms, tls) ? ['USER'] : []),
    ...(mechanisms.length > 0 ? [`SASL ${mechanisms.join(' ')}`] : []),
  ];
}
