import type { WireAnswer } from '../../auth/failure.ts';
import { allowsLogin } from '../password-command.ts';
import type { FrontendTerms } from '../protocol.ts';
import type { TlsState } from '../transport.ts';

/**
 * What a ManageSieve client is told for each answer: response codes of RFC 5804 section 1.3. It has none for most; and
 * TRANSITION-NEEDED would tell a stranger that the user exists.
 */
export const SIEVE_ANSWER: Readonly<Record<WireAnswer, string>> = {
  badCredentials: '"Authentication failed."',
  notAuthorized: '"Not authorized to act as this user."',
  expired: '"The password has expired or must be changed."',
  disabled: '"This account may not be used; ask your administrator."',
  contactAdmin: '"This account is not set up correctly; ask your administrator."',
  tlsRequired: '(ENCRYPT-NEEDED) "Logins in clear text are not allowed; use TLS."',
  tooMany: '(TRYLATER) "Too many connections."',
  unavailable: '(TRYLATER) "Temporary failure; try again later."',
  inUse: '(TRYLATER) "The scripts are in use; try again later."',
  cancelled: '"Authentication not completed by the client."',
  unbound: '"Not bound to this TLS connection; use another mechanism."',
};

/** Answers that one must be able to find in the log by the reference that the client shows. */
export const SIEVE_REFERRED: ReadonlySet<WireAnswer> = new Set(['unavailable', 'contactAdmin']);

/**
 * The extensions that nodes are taken to have where the listener names no others: SIEVE must always be listed
 * (RFC 5804 section 1.7), and the node is not known yet. They are what Dovecot 2.3 and 2.4 have as they come.
 */
const NODE_EXTENSIONS =
  'fileinto reject envelope encoded-character vacation subaddress comparator-i;ascii-numeric relational regex ' +
  'imap4flags copy include body variables enotify environment mailbox date index ihave duplicate mime foreverypart ' +
  'extracttext';

/** The capabilities before login, of which each works at this moment. */
export function unauthenticatedCapabilities(terms: FrontendTerms, tls: TlsState | undefined): string {
  const mechanisms = allowsLogin(terms, tls) ? [...terms.mechanisms(tls).keys()] : [];
  return [
    '"IMPLEMENTATION" "Homing"',
    `"SIEVE" "${terms.capabilities?.join(' ') ?? NODE_EXTENSIONS}"`,
    // Empty where TLS has to come first, as RFC 5804 section 1.7 wants it.
    `"SASL" "${mechanisms.join(' ')}"`,
    ...(terms.startTls && tls === undefined ? ['"STARTTLS"'] : []),
    '"VERSION" "1.0"',
  ]
    .map((line) => `${line}\r\n`)
    .join('');
}
