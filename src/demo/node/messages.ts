import type { Announcement } from './announcement.ts';
import type { Draft, Mailer } from './mailbox.ts';

/** How a user came to a node for the first time. */
export interface Arrival {
  readonly node: string;
  readonly protocol: 'IMAP' | 'POP3';
  readonly user: string;
  readonly proxyName: string;
  readonly announcement: Announcement;
}

/** The messages that a user finds on a node. */
export function messagesFor(arrival: Arrival): readonly Draft[] {
  return [
    draft(arrival, { number: 1, subject: `on ${arrival.node}`, lines: greetingLines(arrival) }),
    draft(arrival, { number: 2, subject: 'How you came here', lines: wayLines(arrival) }),
  ];
}

interface Words {
  readonly number: number;
  readonly subject: string;
  readonly lines: readonly string[];
}

function draft({ node, user }: Arrival, { number, subject, lines }: Words): Draft {
  const from: Mailer = {
    name: `Postmaster of ${node}`,
    localPart: 'postmaster',
    domain: `${node}.example.org`,
  };
  const [localPart = user, domain = 'example.org'] = user.split('@');
  const to: Mailer = { name: localPart, localPart, domain };
  return { from, to, subject, lines, messageId: `<${number}.${localPart}@${node}.example.org>` };
}

function greetingLines({ node, user }: Arrival): readonly string[] {
  return [
    `Hello ${user},`,
    '',
    `this message lies on ${node}, your home node, and nowhere else.`,
    'The other demonstration user finds another node behind the same port.',
  ];
}

function wayLines({ node, protocol, user, proxyName, announcement }: Arrival): readonly string[] {
  return [
    `Your mail program spoke ${protocol} with Homing, and Homing`,
    '',
    '  1. took your user name and password,',
    '  2. found your entry in the directory and verified the password there,',
    `  3. read in the entry that your home is ${node},`,
    `  4. connected to ${node} and told it whose login it is,`,
    `  5. proved by SCRAM-SHA-256 that it is "${proxyName}", to act as`,
    `     ${user}; your password never came here,`,
    '  6. and has passed on every octet ever since.',
    '',
    `This is what ${node} was told at your first login:`,
    '',
    ...[...announcement.facts].map(([name, value]) => `  ${name}: ${value}`),
    '',
    "The session id is also in Homing's log.",
  ];
}
