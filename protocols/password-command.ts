import type { FrontendTerms } from './protocol.ts';
import type { TlsState } from './transport.ts';

/** Mechanisms that bring the password itself, as LOGIN of IMAP and USER of POP3 do. */
const PASSWORD_MECHANISMS: readonly string[] = ['PLAIN', 'LOGIN'];

/** Whether anybody may log in on this connection, in clear text or with this TLS. */
export function allowsLogin(
  terms: Pick<FrontendTerms, 'allowPlaintext'>,
  tls: TlsState | undefined,
): boolean {
  return terms.allowPlaintext || tls !== undefined;
}

/**
 * Whether the protocol's own command may bring a password: a listener that names neither PLAIN nor LOGIN wants no
 * passwords, by whatever way.
 */
export function takesPasswords(
  terms: Pick<FrontendTerms, 'allowPlaintext' | 'mechanisms'>,
  tls: TlsState | undefined,
): boolean {
  const mechanisms = allowsLogin(terms, tls) ? terms.mechanisms(tls) : new Map();
  return PASSWORD_MECHANISMS.some((name) => mechanisms.has(name));
}
