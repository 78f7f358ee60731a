/** A person in a header field. */
export interface Mailer {
  readonly name: string;
  readonly localPart: string;
  readonly domain: string;
}

/** What a message is made of. */
export interface Draft {
  readonly from: Mailer;
  readonly to: Mailer;
  readonly subject: string;
  readonly messageId: string;
  readonly lines: readonly string[];
}

/** A message that lies in a mailbox. All of it but its flags stays as it is. */
export interface Message {
  readonly uid: number;
  readonly receivedAt: Date;
  readonly draft: Draft;
  /** With the empty line behind it. */
  readonly header: Buffer;
  readonly body: Buffer;
  /** IMAP flags, kept as long as the node runs. */
  readonly flags: Set<string>;
}

/** The messages of one user on one node. */
export interface Mailbox {
  readonly uidValidity: number;
  readonly messages: readonly Message[];
}

/** Delivers drafts into a new mailbox. */
export function makeMailbox(drafts: readonly Draft[], receivedAt: Date): Mailbox {
  const messages = drafts.map((draft, index) => ({
    uid: index + 1,
    receivedAt,
    draft,
    header: headerOf(draft, receivedAt),
    body: Buffer.from(draft.lines.map((line) => `${line}\r\n`).join('')),
    flags: new Set<string>(),
  }));
  return { uidValidity: Math.floor(receivedAt.getTime() / 1000), messages };
}

/** Gives header and body together. */
export function contentOf({ header, body }: Message): Buffer {
  return Buffer.concat([header, body]);
}

function headerOf({ from, to, subject, messageId }: Draft, date: Date): Buffer {
  const fields = [
    `Date: ${mailDate(date)}`,
    `From: ${mailAddress(from)}`,
    `To: ${mailAddress(to)}`,
    `Subject: ${subject}`,
    `Message-ID: ${messageId}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    'Content-Transfer-Encoding: 7bit',
  ];
  return Buffer.from(`${fields.join('\r\n')}\r\n\r\n`);
}

/** RFC 5322 section 3.3: a date with its zone as a number. */
export function mailDate(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}

function mailAddress({ name, localPart, domain }: Mailer): string {
  return `${name} <${localPart}@${domain}>`;
}
