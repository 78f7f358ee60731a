/** Logins whose password the node alone judges (`verify: node`): what is wrong with them must tell strangers nothing. */
import { unverifiedDetail } from '../auth/authentication.ts';
import { LoginFailure, type Reason } from '../auth/failure.ts';
import { Referral } from '../protocols/referral.ts';
import type { Home } from './routing/route.ts';

/** What is wrong with an account's home, and not with the nodes there. */
const FAULTS_OF_HOME: ReadonlySet<Reason> = new Set(['noHome', 'homeNotAllowed', 'directoryFault']);

/**
 * A password that nobody has verified may only go to nodes that verify it: our own proof would let anyone in.
 * @throws {LoginFailure} `homeNotAllowed`.
 */
export function requireReplay(members: Home): void {
  const other = members.find(({ node }) => node.settings.trust.kind !== 'replay');
  if (other !== undefined) {
    throw new LoginFailure(
      'homeNotAllowed',
      `the directory leaves passwords to the node (verify: node), so node ${other.node.name} needs trust: replay`,
    );
  }
}

/** Plans the way home of a login whose password nobody has judged. @throws {LoginFailure} which says nothing of the account. */
export async function planUnverified(plan: () => Promise<Home>): Promise<Home> {
  try {
    return await plan();
  } catch (error) {
    throw asUnverified(error);
  }
}

/** Where nobody has judged the password, a home that is no good would say to strangers that the account exists. */
function asUnverified(error: unknown): unknown {
  return error instanceof LoginFailure && FAULTS_OF_HOME.has(error.reason)
    ? new LoginFailure('wrongPassword', unverifiedDetail(error.reason, error.message), { cause: error })
    : error;
}

/** Where the node alone judges the user's password, its refusal is the user's, not the proxy's. */
export function asWrongPassword(error: unknown): unknown {
  return error instanceof LoginFailure &&
    error.reason === 'nodeRefusedProxy' &&
    !(error.cause instanceof Referral)
    ? new LoginFailure('wrongPassword', error.message, { cause: error })
    : error;
}
