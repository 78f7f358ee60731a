import type { Channel } from '../../../protocols/channel.ts';
import { type Command, type RefusedCommand, readCommand } from '../../../protocols/imap/command.ts';
import { IMAP_CAPABILITIES } from './imap-capabilities.ts';
import { list, selected, status } from './imap-mailbox.ts';
import { type Selection, serveMessageCommand } from './imap-messages.ts';
import { wordsOf } from './imap-tokens.ts';
import type { Mailbox } from './mailbox.ts';

/** RFC 9051 section 5.4: an autologout timer has 30 minutes at least. */
const IDLE_MS = 30 * 60_000;
const MAX_DONE_OCTETS = 100;

/** Serves a user who is logged in, until the client leaves: one mailbox, to be read. */
export async function serveImap(channel: Channel, mailbox: Mailbox): Promise<void> {
  const session = new ImapSession(channel, mailbox);
  for (;;) {
    channel.startClock(IDLE_MS);
    const command = await readCommand(channel, () => true);
    if (command.verb === 'LOGOUT') {
      channel.close(`* BYE Logging out\r\n${command.tag ?? '*'} OK LOGOUT completed.\r\n`);
      return;
    }
    await session.serve(command);
  }
}

class ImapSession {
  readonly #channel: Channel;
  readonly #mailbox: Mailbox;
  #selection: Selection | undefined;

  constructor(channel: Channel, mailbox: Mailbox) {
    this.#channel = channel;
    this.#mailbox = mailbox;
  }

  async serve(command: Command | RefusedCommand): Promise<void> {
    const { tag, verb } = command;
    if (tag === undefined) {
      await this.#channel.write('* BAD A command begins with a tag.\r\n');
    } else if ('refused' in command) {
      await this.#channel.write(`${tag} NO [LIMIT] The literal is too long.\r\n`);
    } else if (verb === 'IDLE') {
      await this.#idle(tag);
    } else if (verb === 'SELECT' || verb === 'EXAMINE') {
      await this.#select(tag, command);
    } else {
      await this.#channel.write((await this.#answer(command)) ?? Buffer.from(this.#simple(tag, command)));
    }
  }

  #answer(command: Command): Buffer | undefined {
    return this.#selection && serveMessageCommand(this.#selection, command);
  }

  async #idle(tag: string): Promise<void> {
    await this.#channel.write('+ idling\r\n');
    const done = (await this.#channel.readLine(MAX_DONE_OCTETS)).toString('latin1').toUpperCase() === 'DONE';
    await this.#channel.write(`${tag} ${done ? 'OK IDLE completed.' : 'BAD DONE was expected.'}\r\n`);
  }

  async #select(tag: string, { verb, arguments: args }: Command): Promise<void> {
    const [name = ''] = wordsOf(args);
    const readOnly = verb === 'EXAMINE';
    // RFC 9051 section 6.3.2: a SELECT that fails leaves no mailbox selected.
    this.#selection = isInbox(name) ? { mailbox: this.#mailbox, readOnly } : undefined;
    await this.#channel.write(
      this.#selection === undefined
        ? noSuchMailbox(tag)
        : `${selected(this.#mailbox)}${tag} OK [${readOnly ? 'READ-ONLY' : 'READ-WRITE'}] ${verb} completed.\r\n`,
    );
  }

  #simple(tag: string, { verb, arguments: args }: Command): string {
    const ok = `${tag} OK ${verb} completed.\r\n`;
    const words = wordsOf(args);
    switch (verb) {
      case 'CAPABILITY':
        return `* CAPABILITY ${IMAP_CAPABILITIES}\r\n${ok}`;
      case 'ID':
        return `* ID ("name" "Homing demonstration node")\r\n${ok}`;
      case 'ENABLE':
        return `* ENABLED\r\n${ok}`;
      case 'NAMESPACE':
        return `* NAMESPACE (("" "/")) NIL NIL\r\n${ok}`;
      case 'LIST':
      case 'LSUB':
        return `${list(verb, words[1] ?? '')}${ok}`;
      case 'STATUS':
        return isInbox(words[0] ?? '') ? `${status(this.#mailbox, words.slice(1))}${ok}` : noSuchMailbox(tag);
      case 'CLOSE':
      case 'UNSELECT':
        this.#selection = undefined;
        return ok;
      case 'NOOP':
      case 'CHECK':
      case 'EXPUNGE':
      case 'SUBSCRIBE':
      case 'UNSUBSCRIBE':
        return ok;
      case 'APPEND':
      case 'CREATE':
      case 'DELETE':
      case 'RENAME':
      case 'COPY':
        return `${tag} NO [CANNOT] The mailboxes of the demonstration are to be read only.\r\n`;
      default:
        return `${tag} BAD Unknown command, or select a mailbox first.\r\n`;
    }
  }
}

function isInbox(name: string): boolean {
  return name.toUpperCase() === 'INBOX';
}

function noSuchMailbox(tag: string): string {
  return `${tag} NO [NONEXISTENT] There is INBOX only.\r\n`;
}
