import type { ActingAccount } from '../auth/authentication.ts';
import type { Account, Directory } from '../auth/directory.ts';
import type { UserSession } from './user-session.ts';

/** Who acts for the account of a session: it goes on as long as he may. */
export class Delegation {
  readonly session: UserSession;
  readonly directory: Directory | undefined;
  readonly entry: string;
  readonly id: string | undefined;
  readonly mayAct: ActingAccount['mayAct'];
  readonly #passwordVersion: string | undefined;

  constructor(session: UserSession, { account, directory, mayAct }: ActingAccount) {
    this.session = session;
    this.directory = directory;
    this.mayAct = mayAct;
    this.entry = account.entry;
    this.id = account.id;
    this.#passwordVersion = account.passwordVersion;
  }

  get service(): string {
    return this.session.service;
  }

  get isOver(): boolean {
    return this.session.isOver;
  }

  /** Whether he has another password now than the one that the session began with. */
  hasNewPassword({ passwordVersion }: Account): boolean {
    return passwordVersion !== (this.#passwordVersion ?? passwordVersion);
  }
}
