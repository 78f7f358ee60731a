import type { MailProtocol } from '../protocol.ts';
import { loginToPop3Node } from './backend.ts';
import { Pop3Frontend } from './frontend.ts';
import { POP3_ANSWER } from './status.ts';

/** POP3 (RFC 1939, RFC 2449, RFC 5034) as the program sees it. */
export const pop3: MailProtocol = {
  name: 'pop3',
  ports: { clear: 110, tls: 995 },
  absentFrom: [],
  isGreeting: (line) => /^\+OK( |$)/.test(line),
  alpn: 'pop3',
  refusal: `-ERR ${POP3_ANSWER.unavailable}\r\n`,
  frontend: (channel, terms) => new Pop3Frontend(channel, terms),
  login: loginToPop3Node,
};
