import type { MailProtocol } from '../protocol.ts';
import { loginToSieveNode } from './backend.ts';
import { SieveFrontend } from './frontend.ts';
import { SIEVE_ANSWER } from './status.ts';

/** ManageSieve (RFC 5804) as the program sees it; `sieve` is its GSSAPI service name and Dovecot's name for it. */
export const sieve: MailProtocol = {
  name: 'sieve',
  ports: { clear: 4190 },
  // Courier has filters of its own, and no ManageSieve.
  absentFrom: ['courier'],
  isGreeting: (line) => /^(?:"|OK( |$))/i.test(line),
  alpn: 'managesieve',
  refusal: `BYE ${SIEVE_ANSWER.unavailable}\r\n`,
  frontend: (channel, terms) => new SieveFrontend(channel, terms),
  login: loginToSieveNode,
};
