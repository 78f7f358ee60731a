/** ENVELOPE and BODYSTRUCTURE of the messages of the demonstration, which all are one part of plain text. */
import { type Mailer, type Message, mailDate } from './mailbox.ts';

/** RFC 9051 section 7.5.2: date, subject, from, sender, reply-to, to, cc, bcc, in-reply-to, message-id. */
export function envelope({ draft, receivedAt }: Message): string {
  const from = addresses(draft.from);
  const fields = [
    quoted(mailDate(receivedAt)),
    quoted(draft.subject),
    from,
    from,
    from,
    addresses(draft.to),
    'NIL',
    'NIL',
    'NIL',
    quoted(draft.messageId),
  ];
  return `(${fields.join(' ')})`;
}

/** RFC 9051 section 7.5.2: BODYSTRUCTURE is BODY with four extension fields more. */
export function bodyStructure({ draft, body }: Message, extended: boolean): string {
  const basic = `"TEXT" "PLAIN" ("CHARSET" "us-ascii") NIL NIL "7BIT" ${body.length} ${draft.lines.length}`;
  return extended ? `(${basic} NIL NIL NIL NIL)` : `(${basic})`;
}

/** An IMAP quoted string; for text without line ends. */
export function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

function addresses({ name, localPart, domain }: Mailer): string {
  return `((${quoted(name)} NIL ${quoted(localPart)} ${quoted(domain)}))`;
}
