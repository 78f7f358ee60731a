import type { WireAnswer } from '../../auth/failure.ts';
import { allowsLogin, takesPasswords } from '../password-command.ts';
import type { FrontendTerms } from '../protocol.ts';
import type { TlsState } from '../transport.ts';

/** What an IMAP client is told for each answer: RFC 5530 codes, and texts that say nothing of the inside. */
export const IMAP_ANSWER: Readonly<Record<WireAnswer, string>> = {
  badCredentials: '[AUTHENTICATIONFAILED] Authentication failed.',
  notAuthorized: '[AUTHORIZATIONFAILED] Not authorized to act as this user.',
  expired: '[EXPIRED] The password has expired or must be changed.',
  disabled: '[CONTACTADMIN] This account may not be used; ask your administrator.',
  contactAdmin: '[CONTACTADMIN] This account is not set up correctly; ask your administrator.',
  tlsRequired: '[PRIVACYREQUIRED] Logins in clear text are not allowed; use TLS.',
  tooMany: '[LIMIT] Too many connections.',
  unavailable: '[UNAVAILABLE] Temporary failure; try again later.',
  inUse: '[INUSE] The mailbox is in use; try again later.',
  cancelled: 'Authentication not completed by the client.',
  // RFC 5530: it can never succeed on this connection.
  unbound: '[CANNOT] Not bound to this TLS connection; use another mechanism.',
};

/** Answers that one must be able to find in the log by the reference that the client shows. */
export const IMAP_REFERRED: ReadonlySet<WireAnswer> = new Set(['unavailable', 'contactAdmin']);

/** What nodes are taken to be able to do, where the listener names nothing else. */
const NODE_CAPABILITIES: readonly string[] = ['ENABLE', 'IDLE'];

/** The capabilities before login, of which each works at this moment (RFC 9051 section 6.1.1). */
export function unauthenticatedCapabilities(terms: FrontendTerms, tls: TlsState | undefined): string {
  const mechanisms = allowsLogin(terms, tls) ? [...terms.mechanisms(tls).keys()] : [];
  return [
    'IMAP4rev1 LITERAL- SASL-IR ID',
    ...(terms.capabilities ?? NODE_CAPABILITIES),
    ...(terms.startTls && tls === undefined ? ['STARTTLS'] : []),
    ...mechanisms.map((name) => `AUTH=${name}`),
    ...(takesPasswords(terms, tls) ? [] : ['LOGINDISABLED']),
  ].join(' ');
}
