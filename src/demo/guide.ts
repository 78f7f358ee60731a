import type { Listening } from '../events.ts';
import { ACCOUNTS, type DemoAccount } from './accounts.ts';

/** What the guide tells of. */
export interface GuideTerms {
  readonly listening: readonly Listening[];
  readonly configurationFile: string;
}

/** The text that the demonstration begins with: users, ports, and commands that work as they are. */
export function guide({ listening, configurationFile }: GuideTerms): string {
  const port = (protocol: string, tls: Listening['tls']): number =>
    listening.find((each) => each.protocol === protocol && each.tls === tls)?.port ?? 0;
  return `
Homing takes every login to its home node. Here it stands in front of two small mail servers,
node-a and node-b, which run in this process too.

  Users                  Password          Home
${ACCOUNTS.map(userLine).join('\n')}

  Ports of 127.0.0.1: IMAP ${port('imap', 'starttls')} (STARTTLS) and ${port('imap', 'implicit')} (TLS), POP3 ${port('pop3', 'starttls')} (STLS) and ${port('pop3', 'implicit')} (TLS).
  The certificate is self-signed.

Try this in another terminal, in this folder. The first message tells which node it is on:

  curl -k -u demo-a@example.org:demo-a-secret 'imaps://127.0.0.1:${port('imap', 'implicit')}/INBOX;MAILINDEX=1'
  curl -k -u demo-b@example.org:demo-b-secret --ssl-reqd 'imap://127.0.0.1:${port('imap', 'starttls')}/INBOX;MAILINDEX=1'
  curl -k -u demo-b@example.org:demo-b-secret pop3s://127.0.0.1:${port('pop3', 'implicit')}/2
  printf '${IMAP_LINES}' | openssl s_client -quiet -connect 127.0.0.1:${port('imap', 'implicit')}
  npm run homing -- explain demo-a@example.org --config ${shellWord(configurationFile)}

Ctrl-C ends it. What happens:

`;
}

/** Commands behind the login reach the node in their order, though the client did not wait for its answer. */
const IMAP_LINES = [
  'a LOGIN demo-a@example.org demo-a-secret',
  'b EXAMINE INBOX',
  'c FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]',
  'd LOGOUT',
]
  .map((line) => `${line}\\r\\n`)
  .join('');

function userLine({ mail, password, home, status }: DemoAccount): string {
  const note = status === 'disabled' ? 'disabled: refused' : 'the directory names none: refused';
  const fate = status === 'active' && home !== undefined ? home : note;
  return `  ${mail.padEnd(21)}  ${password.padEnd(16)}  ${fate}`;
}

/** Writes a text as one word of a shell's command line. */
export function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
