import type { Channel } from '../../../protocols/channel.ts';
import { contentOf, type Mailbox, type Message } from './mailbox.ts';

/** RFC 1939 section 3: an autologout timer has 10 minutes at least. */
const IDLE_MS = 10 * 60_000;
const MAX_LINE_OCTETS = 512;
const CAPABILITIES = ['TOP', 'UIDL', 'RESP-CODES', 'PIPELINING', 'IMPLEMENTATION Homing-demonstration'];

/** Serves a user who is logged in, until the client leaves (RFC 1939 section 5). Nothing is ever deleted. */
export async function servePop3(channel: Channel, mailbox: Mailbox): Promise<void> {
  const session = new Pop3Session(mailbox);
  for (;;) {
    channel.startClock(IDLE_MS);
    const line = (await channel.readLine(MAX_LINE_OCTETS)).toString('latin1');
    const [keyword = '', ...argument] = line.trimEnd().split(' ');
    if (keyword.toUpperCase() === 'QUIT') {
      channel.close('+OK Bye; the demonstration keeps its messages.\r\n');
      return;
    }
    await channel.write(session.answer(keyword.toUpperCase(), argument));
  }
}

class Pop3Session {
  readonly #mailbox: Mailbox;
  readonly #deleted = new Set<Message>();

  constructor(mailbox: Mailbox) {
    this.#mailbox = mailbox;
  }

  answer(keyword: string, argument: readonly string[]): string {
    switch (keyword) {
      case 'CAPA':
        return multiline('', CAPABILITIES);
      case 'STAT': {
        const left = this.#left().map(({ message }) => sizeOf(message));
        return `+OK ${left.length} ${left.reduce((sum, size) => sum + size, 0)}\r\n`;
      }
      case 'LIST':
        return this.#list(argument, sizeOf);
      case 'UIDL':
        return this.#list(argument, ({ uid }) => `${this.#mailbox.uidValidity}.${uid}`);
      case 'NOOP':
        return '+OK\r\n';
      case 'RSET':
        this.#deleted.clear();
        return '+OK\r\n';
      default:
        return this.#answerWithMessage(keyword, argument);
    }
  }

  #answerWithMessage(keyword: string, [number, lines]: readonly string[]): string {
    const message = this.#find(number);
    if (!['RETR', 'TOP', 'DELE'].includes(keyword)) {
      return '-ERR Unknown command.\r\n';
    }
    if (message === undefined) {
      return NO_SUCH_MESSAGE;
    }
    if (keyword === 'DELE') {
      this.#deleted.add(message);
      return '+OK Marked.\r\n';
    }
    if (keyword === 'RETR') {
      return multiline(`${sizeOf(message)} octets`, linesOf(contentOf(message)));
    }
    if (!/^\d{1,9}$/.test(lines ?? '')) {
      return '-ERR TOP takes a message and a number of lines.\r\n';
    }
    return multiline('', [...linesOf(message.header), ...linesOf(message.body).slice(0, Number(lines))]);
  }

  #list([number]: readonly string[], tell: (message: Message) => string | number): string {
    if (number === undefined) {
      return multiline(
        '',
        this.#left().map((each) => `${each.number} ${tell(each.message)}`),
      );
    }
    const message = this.#find(number);
    return message === undefined ? NO_SUCH_MESSAGE : `+OK ${number} ${tell(message)}\r\n`;
  }

  #left(): readonly { readonly number: number; readonly message: Message }[] {
    return this.#mailbox.messages
      .map((message, index) => ({ number: index + 1, message }))
      .filter(({ message }) => !this.#deleted.has(message));
  }

  #find(number: string | undefined): Message | undefined {
    return this.#left().find((each) => String(each.number) === number)?.message;
  }
}

const NO_SUCH_MESSAGE = '-ERR No such message.\r\n';

function sizeOf(message: Message): number {
  return contentOf(message).length;
}

function linesOf(octets: Buffer): readonly string[] {
  return octets.toString('latin1').split('\r\n').slice(0, -1);
}

/** RFC 1939 section 3: a line that begins with a dot gets another one before it. */
function multiline(first: string, lines: readonly string[]): string {
  const stuffed = lines.map((line) => `${line.startsWith('.') ? '.' : ''}${line}\r\n`);
  return `+OK ${first}\r\n${stuffed.join('')}.\r\n`;
}
