import type { MailProtocol } from '../protocol.ts';
import { loginToImapNode } from './backend.ts';
import { ImapFrontend } from './frontend.ts';
import { IMAP_ANSWER } from './status.ts';

/** IMAP4rev1 (RFC 3501, RFC 9051) as the program sees it. */
export const imap: MailProtocol = {
  name: 'imap',
  ports: { clear: 143, tls: 993 },
  absentFrom: [],
  isGreeting: (line) => /^\* OK( |$)/i.test(line),
  alpn: 'imap',
  refusal: `* BYE ${IMAP_ANSWER.unavailable}\r\n`,
  frontend: (channel, terms) => new ImapFrontend(channel, terms),
  login: loginToImapNode,
};
