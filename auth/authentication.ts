/** What the parts of the authenticator tell each other of one login. */
import type { Account, Directory, LoginContext } from './directory.ts';
import type { Reason } from './failure.ts';
import type { Proof } from './sasl.ts';

/** A proof, and where it came in. */
export interface Attempt {
  readonly proof: Proof;
  readonly context: LoginContext;
  readonly signal: AbortSignal;
}

/** Who acts for another account. */
export interface ActingAccount {
  readonly account: Account;
  /** Left out where nobody tells of its changes. */
  readonly directory?: Directory | undefined;
  /** Whether he still may, as his entry is now. */
  readonly mayAct: (now: Account) => boolean;
}

/** An account, and where it is. */
export interface AdmittedAccount {
  readonly account: Account;
  /** Left out where nobody tells of its changes. */
  readonly directory?: Directory | undefined;
  /** Who proved himself, where he acts for this account. */
  readonly delegate?: ActingAccount;
}

/** What became of a proof. */
export type Authentication =
  | (AdmittedAccount & {
      readonly kind: 'admitted';
      /** The password was not looked at: only a node that judges it by itself may be given this login. */
      readonly unverified: boolean;
    })
  | {
      readonly kind: 'refused';
      readonly reason: Reason;
      /** The account's name, where the directory knows one. */
      readonly known?: string;
      /** Name of the account that proved itself, where it may act for the known one. */
      readonly actedBy?: string;
      /** What an operator needs to know. */
      readonly detail?: string;
      /** The account that is held, where the proof was right: its login may wait. */
      readonly held?: AdmittedAccount;
    };

/** A login that was refused. */
export type Refused = Extract<Authentication, { kind: 'refused' }>;

/** Refuses an account that may not log in now, though its proof is right; `undefined` where it may. */
export function refuseBarred({ bar, name }: Account): Refused | undefined {
  return bar === undefined ? undefined : { kind: 'refused', ...bar, known: name };
}

/**
 * Refuses an account whose password its node is still to judge: as a wrong password, and counted as one, since anything
 * else would say to strangers that the account exists. The log says why. A held account is the exception: it is held for
 * a while only, and its own clients must not forget their right passwords meanwhile.
 */
export function refuseUnverified(refused: Refused): Refused {
  const { reason, detail = reason } = refused;
  return reason === 'held'
    ? refused
    : { ...refused, reason: 'wrongPassword', detail: unverifiedDetail(reason, detail) };
}

/** Says for the log what is wrong with an account of which nobody has verified the password. */
export function unverifiedDetail(reason: Reason, detail: string): string {
  return `${reason}, and nobody has verified the password (verify: node): ${detail}`;
}
