import { type Mailbox, makeMailbox } from './mailbox.ts';
import { type Arrival, messagesFor } from './messages.ts';

/** The mailboxes of a node: each is made when its user comes for the first time. */
export class MailStore {
  readonly #startedAt = new Date();
  readonly #mailboxes = new Map<string, Mailbox>();

  open(arrival: Arrival): Mailbox {
    const known = this.#mailboxes.get(arrival.user);
    const mailbox = known ?? makeMailbox(messagesFor(arrival), this.#startedAt);
    this.#mailboxes.set(arrival.user, mailbox);
    return mailbox;
  }
}
