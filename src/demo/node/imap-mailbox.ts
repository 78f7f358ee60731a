/** What an IMAP client is told of the mailbox as a whole. */
import type { Mailbox } from './mailbox.ts';

const FLAGS = '\\Answered \\Flagged \\Deleted \\Seen \\Draft';

/** The untagged answers to SELECT and EXAMINE (RFC 9051 section 6.3.2). */
export function selected({ messages, uidValidity }: Mailbox): string {
  const unseen = messages.findIndex(({ flags }) => !flags.has('\\Seen'));
  const lines = [
    `* FLAGS (${FLAGS})`,
    `* OK [PERMANENTFLAGS (${FLAGS})] Kept until the demonstration ends.`,
    `* ${messages.length} EXISTS`,
    '* 0 RECENT',
    ...(unseen < 0 ? [] : [`* OK [UNSEEN ${unseen + 1}] First unseen message.`]),
    `* OK [UIDVALIDITY ${uidValidity}] UIDs valid.`,
    `* OK [UIDNEXT ${nextUid(messages.length)}] Predicted next UID.`,
  ];
  return lines.map((line) => `${line}\r\n`).join('');
}

/** The untagged answer to STATUS; items that nobody knows are left out. */
export function status(mailbox: Mailbox, items: readonly string[]): string {
  const { messages, uidValidity } = mailbox;
  const values: Readonly<Record<string, number>> = {
    MESSAGES: messages.length,
    RECENT: 0,
    UIDNEXT: nextUid(messages.length),
    UIDVALIDITY: uidValidity,
    UNSEEN: messages.filter(({ flags }) => !flags.has('\\Seen')).length,
  };
  const pairs = items
    .map((item) => item.toUpperCase())
    .flatMap((item) => (values[item] === undefined ? [] : [`${item} ${values[item]}`]));
  return `* STATUS INBOX (${pairs.join(' ')})\r\n`;
}

/** The untagged answers to LIST and LSUB: INBOX is all there is. */
export function list(verb: string, pattern: string): string {
  // RFC 9051 section 6.3.9: an empty pattern asks for the hierarchy delimiter.
  if (pattern === '') {
    return `* ${verb} (\\Noselect) "/" ""\r\n`;
  }
  const parts = pattern.split(/[*%]+/).map(RegExp.escape);
  const matches = new RegExp(`^${parts.join('.*')}$`, 'i').test('INBOX');
  return matches ? `* ${verb} (\\HasNoChildren) "/" INBOX\r\n` : '';
}

function nextUid(messages: number): number {
  return messages + 1;
}
