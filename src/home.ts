import { LoginFailure, type Reason } from '../auth/failure.ts';
import type { NodeSession } from '../protocols/protocol.ts';
import { Referral } from '../protocols/referral.ts';
import { type HomeLogin, type HomeTerms, NotReached, type Turn, tryMember } from './member-login.ts';
import type { KnownNode } from './routing/node-table.ts';
import type { Home, Member } from './routing/route.ts';
import type { NodeSettings } from './settings.ts';

/** How a user came to a node: as planned, since the way to a better one failed, or as a node referred him there. */
export type WayHome = 'planned' | 'detour' | 'referred';

/** A home that let the user in. */
export interface OpenHome {
  readonly node: KnownNode;
  readonly session: NodeSession;
  readonly way: WayHome;
}

/** So often a user is referred on; each costs a part of the time of the node phase. */
const MAX_REFERRALS = 2;

/** Where to look when a node does not believe this proxy. */
const REFUSED_HINT: Readonly<Record<NodeSettings['kind'], string>> = {
  dovecot: " (compare this proxy's line on the node with `homing secret --show KEYFILE`)",
  courier: " (the line of authProg in the node's mail log says why)",
  generic: '',
};

/** Failures of one member that another one may not have. */
const OTHERS_MAY_DO: ReadonlySet<Reason> = new Set([
  'nodeUnreachable',
  'nodeTlsFailed',
  'nodeRefusedProxy',
  'nodeBrokeProtocol',
]);

/**
 * Logs the user in at the first member of the home that can do it, all within one budget.
 * @throws {LoginFailure} the last member's.
 */
export async function openHome(
  members: Home,
  login: HomeLogin,
  terms: HomeTerms,
  abandoned: AbortSignal,
): Promise<OpenHome> {
  const endMs = performance.now() + terms.times.nodeMs;
  let planned: WayHome = 'planned';
  for (const [index, member] of members.entries()) {
    const spare = index < members.length - 1;
    try {
      const { node, session } = await openOrFollow(member, login, terms, { endMs, spare, abandoned });
      return { node, session, way: node === member.node ? planned : 'referred' };
    } catch (error) {
      const failure = failureOf(error);
      if (!spare || abandoned.aborted || !otherMayDo(member, failure)) {
        throw failure;
      }
      if (failure.cause instanceof NotReached) planned = 'detour';
      login.onFailure(member.node, failure);
    }
  }
  throw new LoginFailure('noHome', 'the home has no members');
}

/** Goes on to where a node refers the user, but to no node twice. */
async function openOrFollow(
  first: Member,
  login: HomeLogin,
  terms: HomeTerms,
  turn: Turn,
): Promise<Omit<OpenHome, 'way'>> {
  const visited = new Set<string>();
  for (let member = first; ; ) {
    try {
      visited.add(member.node.name);
      return { node: member.node, session: await tryMember(member, login, terms, turn) };
    } catch (error) {
      if (!(error instanceof Referral) || login.refer === undefined) throw atMember(member, error);
      member = nextOf(member, error, login.refer, visited);
    }
  }
}

function nextOf(
  from: Member,
  { host, message }: Referral,
  refer: (name: string) => Member,
  visited: ReadonlySet<string>,
): Member {
  if (visited.size > MAX_REFERRALS || visited.has(host)) {
    throw atMember(
      from,
      new LoginFailure('loop', `it refers the user on, after ${[...visited].join(', ')}: ${message}`),
    );
  }
  try {
    return refer(host);
  } catch (error) {
    throw atMember(from, referredNowhere(host, message, error));
  }
}

function referredNowhere(host: string, message: string, cause: unknown): unknown {
  return cause instanceof LoginFailure ? new Referral(host, `${message}: ${cause.message}`) : cause;
}

function otherMayDo({ node }: Member, { reason }: LoginFailure): boolean {
  // What a node says to the user's own password is said to the user: to try it elsewhere would be another guess.
  const judgesUser = node.settings.trust.kind === 'replay' && reason === 'nodeRefusedProxy';
  return OTHERS_MAY_DO.has(reason) && !judgesUser;
}

/** @throws what is no failure of a login. */
function failureOf(error: unknown): LoginFailure {
  if (error instanceof LoginFailure) return error;
  throw error;
}

/** Says at which member it was. @throws what is no failure of a login. */
function atMember({ node }: Member, error: unknown): LoginFailure {
  if (!(error instanceof LoginFailure)) {
    throw error;
  }
  const hint =
    error.reason === 'nodeRefusedProxy' && !(error instanceof Referral)
      ? REFUSED_HINT[node.settings.kind]
      : '';
  return new LoginFailure(error.reason, `node ${node.name}: ${error.message}${hint}`, { cause: error });
}
