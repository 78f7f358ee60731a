import { LoginFailure } from '../auth/failure.ts';

/** A node says that the user's home is another one. */
export class Referral extends LoginFailure {
  /** As the node says it: in lower case, and nothing but the characters of a host name. */
  readonly host: string;

  constructor(host: string, message: string) {
    super('nodeRefusedProxy', message);
    this.host = host;
  }
}

/**
 * The host of a login referral: an IMAP URL (RFC 2221, RFC 5092), that of another protocol, or as Dovecot's POP3 has it,
 * `user@host:port`. User and port are left out: whose login it is and where a node listens is known better here.
 * @returns `undefined` for what is none, or names a mailbox.
 */
export function hostOfReferral(text: string): string | undefined {
  const [, host] = /^(?:[a-z0-9]+:\/\/)?(?:[^/]*@)?([a-z0-9.-]{1,253})(?::\d{1,5})?\/?$/i.exec(text) ?? [];
  return host?.toLowerCase();
}
