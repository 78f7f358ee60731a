import type { Channel } from '../../../protocols/channel.ts';
import { type Announcement, missingFrom, readXclient, UNANNOUNCED } from './announcement.ts';
import type { LoginTerms } from './login-terms.ts';
import type { Mailbox } from './mailbox.ts';
import { proveProxy } from './proxy-proof.ts';

const LOGIN_MS = 30_000;
const MAX_LINE_OCTETS = 4096;

/**
 * Serves commands until a proxy has proved itself (RFC 1939 section 4).
 * @returns the maildrop of the user for whom it acts; `undefined` when it left.
 */
export async function logInByPop3(channel: Channel, terms: LoginTerms): Promise<Mailbox | undefined> {
  channel.startClock(LOGIN_MS);
  await channel.write(`+OK [XCLIENT] ${terms.name} ready.\r\n`);
  let announcement = UNANNOUNCED;
  for (;;) {
    const line = (await channel.readLine(MAX_LINE_OCTETS)).toString('latin1');
    const [, keyword = '', argument = ''] = /^(\S*) ?(.*)$/.exec(line) ?? [];
    switch (keyword.toUpperCase()) {
      case 'CAPA':
        await channel.write('+OK\r\nSASL SCRAM-SHA-256\r\nRESP-CODES\r\n.\r\n');
        break;
      case 'XCLIENT':
        announcement = readXclient(argument);
        await channel.write('+OK Updated\r\n');
        break;
      case 'AUTH': {
        const mailbox = await authenticate(channel, argument, { ...terms, announcement });
        if (mailbox !== undefined) {
          return mailbox;
        }
        break;
      }
      case 'QUIT':
        channel.close('+OK Bye.\r\n');
        return undefined;
      default:
        await channel.write('-ERR Only a proxy may log in here, by AUTH.\r\n');
    }
  }
}

async function authenticate(
  channel: Channel,
  argument: string,
  terms: LoginTerms & { readonly announcement: Announcement },
): Promise<Mailbox | undefined> {
  const [mechanism = '', initial] = argument.split(' ');
  if (mechanism.toUpperCase() !== 'SCRAM-SHA-256') {
    await channel.write('-ERR Only SCRAM-SHA-256 is known here.\r\n');
    return undefined;
  }
  const missing = missingFrom(terms.announcement);
  if (missing.length > 0) {
    await channel.write(`-ERR The proxy did not tell ${missing.join(', ')}.\r\n`);
    return undefined;
  }
  const user = await proveProxy(channel, terms, initial);
  if (user === undefined) {
    await channel.write('-ERR [AUTH] This is not a proxy that I know.\r\n');
    return undefined;
  }
  await channel.write(`+OK Logged in at ${terms.name}\r\n`);
  const { name, proxyName, announcement } = terms;
  return terms.mailStore.open({ node: name, protocol: 'POP3', user, proxyName, announcement });
}
