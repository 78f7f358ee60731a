/** What real mail programs are seen to send, from the first octet to what they ask behind the login. */
import type { MailProtocol } from '../../protocols/protocol.ts';
import type { SeenLogin } from './conversation.ts';

/** A wait of the client's for a line of the server. */
export type Awaited = RegExp;
/** The client waits for the server's consent, and starts TLS. */
export const TLS_HANDSHAKE = Symbol('TLS handshake');

/** Octets in one segment, or a wait. Characters are octets. */
export type Step = string | Awaited | typeof TLS_HANDSHAKE;

/** One client's opening. */
export interface Transcript {
  /** The rule's id, and which client it is. */
  readonly name: string;
  readonly protocol: MailProtocol;
  readonly steps: readonly Step[];
  /** All that the client is told, `<TLS>` where a handshake is, the node's answers left out. */
  readonly answers: string;
  /** The right password where it isn't `p`. */
  readonly password?: string;
  readonly logins?: readonly SeenLogin[];
  /** What the node gets behind an accepted login. */
  readonly residual?: string;
  readonly departed?: string;
  /** Speaks of TLS itself, or ends in clear text. */
  readonly clear?: true;
}

/** A login as the client of a transcript means it. */
export function login(authcid: string, password: string, mechanism: string): SeenLogin {
  return { authzid: '', authcid, password, mechanism };
}

/** A message of PLAIN in base64. */
export function plain(authzid: string, authcid: string, password: string): string {
  return Buffer.from(`${authzid}\0${authcid}\0${password}`, 'latin1').toString('base64');
}

/** Octets that belong to other protocols, and get no answer. */
export function foreignOpeners(protocol: MailProtocol): readonly Transcript[] {
  return (
    [
      ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
      ['SMTP', 'EHLO x\r\n'],
      ['TLS in clear text', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
      ['the PROXY protocol', 'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n'],
    ] as const
  ).map(([what, opener]) => ({
    name: `T20 ${what} by ${protocol.name}`,
    protocol,
    clear: true,
    steps: [opener],
    answers: '',
    departed: 'notMail',
  }));
}
