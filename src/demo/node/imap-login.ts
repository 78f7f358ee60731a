import type { Channel } from '../../../protocols/channel.ts';
import { type Command, readCommand } from '../../../protocols/imap/command.ts';
import { type Announcement, missingFrom, readIdParameters, UNANNOUNCED } from './announcement.ts';
import { IMAP_CAPABILITIES } from './imap-capabilities.ts';
import type { LoginTerms } from './login-terms.ts';
import type { Mailbox } from './mailbox.ts';
import { proveProxy } from './proxy-proof.ts';

const LOGIN_MS = 30_000;
const BEFORE_LOGIN = 'IMAP4rev1 SASL-IR ID AUTH=SCRAM-SHA-256';

/**
 * Serves commands until a proxy has proved itself (RFC 9051 section 6.2).
 * @returns the mailbox of the user for whom it acts; `undefined` when it left.
 */
export async function logInByImap(channel: Channel, terms: LoginTerms): Promise<Mailbox | undefined> {
  channel.startClock(LOGIN_MS);
  await channel.write(`* OK [CAPABILITY ${BEFORE_LOGIN}] ${terms.name} ready.\r\n`);
  let announcement = UNANNOUNCED;
  for (;;) {
    const command = await readCommand(channel, () => false);
    const tag = command.tag ?? '*';
    if ('refused' in command) {
      await channel.write(`${tag} BAD No literals before login.\r\n`);
      continue;
    }
    switch (command.verb) {
      case 'ID':
        announcement = takeAnnouncement(command) ?? announcement;
        await channel.write(`* ID ("name" "${terms.name}")\r\n${tag} OK ID completed.\r\n`);
        break;
      case 'AUTHENTICATE': {
        const mailbox = await authenticate(channel, command, { ...terms, announcement });
        if (mailbox !== undefined) {
          return mailbox;
        }
        break;
      }
      case 'LOGOUT':
        channel.close(`* BYE Logging out\r\n${tag} OK LOGOUT completed.\r\n`);
        return undefined;
      default:
        await channel.write(simpleAnswer(command.verb, tag));
    }
  }
}

function takeAnnouncement({ arguments: args }: Command): Announcement | undefined {
  const parameters = args.space() ? args.idParameters() : undefined;
  return parameters === undefined ? undefined : readIdParameters(parameters);
}

async function authenticate(
  channel: Channel,
  { tag, arguments: args }: Command,
  terms: LoginTerms & { readonly announcement: Announcement },
): Promise<Mailbox | undefined> {
  const mechanism = args.space() ? args.atom()?.toUpperCase() : undefined;
  const initial = args.space() ? args.word() : undefined;
  if (mechanism !== 'SCRAM-SHA-256') {
    await channel.write(`${tag} NO Only SCRAM-SHA-256 is known here.\r\n`);
    return undefined;
  }
  const missing = missingFrom(terms.announcement);
  if (missing.length > 0) {
    await channel.write(`${tag} NO The proxy did not tell ${missing.join(', ')}.\r\n`);
    return undefined;
  }
  const user = await proveProxy(channel, terms, initial);
  if (user === undefined) {
    await channel.write(`${tag} NO [AUTHENTICATIONFAILED] This is not a proxy that I know.\r\n`);
    return undefined;
  }
  await channel.write(`${tag} OK [CAPABILITY ${IMAP_CAPABILITIES}] Logged in at ${terms.name}\r\n`);
  const { name, proxyName, announcement } = terms;
  return terms.mailStore.open({ node: name, protocol: 'IMAP', user, proxyName, announcement });
}

function simpleAnswer(verb: string, tag: string): string {
  switch (verb) {
    case 'CAPABILITY':
      return `* CAPABILITY ${BEFORE_LOGIN}\r\n${tag} OK CAPABILITY completed.\r\n`;
    case 'NOOP':
      return `${tag} OK NOOP completed.\r\n`;
    default:
      return `${tag} BAD Only a proxy may log in here, by AUTHENTICATE.\r\n`;
  }
}
