/** Whether a node keeps out who can't prove himself, and uses what a proxy tells it: else nobody's mail is safe there. */
import { randomBytes } from 'node:crypto';
import type { Account } from '../auth/directory.ts';
import { LoginFailure } from '../auth/failure.ts';
import type { SaslClient } from '../auth/sasl.ts';
import { Secret } from '../auth/secret.ts';
import { createProver, type Prover, type Trust } from '../auth/trust.ts';
import { ProofRefused } from '../protocols/node-dialogue.ts';
import type { MailProtocol } from '../protocols/protocol.ts';
import { openHome } from './home.ts';
import type { HomeTerms } from './member-login.ts';
import { nodeTlsAt } from './protocols.ts';
import type { KnownNode } from './routing/node-table.ts';
import type { Member } from './routing/route.ts';

/** What was found at a node. */
export interface Finding {
  /** `unknown`: it could not be told, as the node could not be asked, or refused for another reason. */
  readonly verdict: 'right' | 'wrong' | 'unknown';
  /** For an operator. */
  readonly detail: string;
}

/** A port of a node, and how logins of other people's accounts are tried there. */
export interface Trial {
  readonly protocol: MailProtocol;
  readonly terms: HomeTerms;
  readonly signal: AbortSignal;
}

/** Names nobody; nodes write it into their logs. */
const NOBODY = 'homing-trust-check';
/** Stands for the port of a client that there is none of; Dovecot takes no 0. */
const DISCARD_PORT = 9;

/** A node as a member that is told of no account; `undefined` where it has no port for the protocol. */
export function bareMember(node: KnownNode, protocol: MailProtocol): Member | undefined {
  const port = node.settings.ports.get(protocol.name);
  if (port === undefined) return undefined;
  const tls = nodeTlsAt(protocol.name, port, node.settings.tls);
  return { node, port, tls, forwarded: new Map(), reason: 'tried' };
}

/**
 * Tries to log in by a key that is not this proxy's.
 * @param user an account that the node has: one that it does not know may be refused whatever the proof is.
 */
export async function tryWrongProof(member: Member, trial: Trial, user = NOBODY): Promise<Finding> {
  const { trust } = member.node.settings;
  if (trust.kind === 'replay') {
    return { verdict: 'right', detail: "it judges the users' own passwords, so there is no proof to try" };
  }
  const wrong = wrongProof(trust);
  const outcome = await tryLogin({ ...member, node: { ...member.node, prover: wrong.prover } }, user, trial);
  if (outcome.kind === 'in' || wrong.isTaken()) {
    const detail = `it takes a wrong proof for right (trust: ${trust.kind}): whoever reaches it can read all mail`;
    return { verdict: 'wrong', detail };
  }
  return outcome.failure.cause instanceof ProofRefused
    ? { verdict: 'right', detail: 'it refuses a wrong proof' }
    : { verdict: 'unknown', detail: outcome.failure.message };
}

/** Logs in as an account by the right proof, as a session of it would. */
export async function tryRightProof(member: Member, { name }: Account, trial: Trial): Promise<Finding> {
  const outcome = await tryLogin(member, name, trial);
  if (outcome.kind === 'out') return { verdict: 'wrong', detail: outcome.failure.message };
  return {
    verdict: 'right',
    detail: `it let ${name} in by this proxy's proof, and offers no UNAUTHENTICATE`,
  };
}

/** Logs in by the right proof and tells nothing of the account, which a node that uses what it is told can't serve. */
export async function tryUntold(member: Member, { name }: Account, trial: Trial): Promise<Finding> {
  if (member.node.settings.required.length === 0) {
    return { verdict: 'right', detail: 'it need not be told anything of the account (requires: [])' };
  }
  const outcome = await tryLogin({ ...member, forwarded: new Map() }, name, trial);
  return outcome.kind === 'out'
    ? {
        verdict: 'right',
        detail: `it uses what it is told: without that it refuses (${outcome.failure.message})`,
      }
    : {
        verdict: 'wrong',
        detail:
          'it let a user in without being told home, uid and quota: it looks users up by itself, or serves all as one',
      };
}

type Outcome = { readonly kind: 'in' } | { readonly kind: 'out'; readonly failure: LoginFailure };

async function tryLogin(member: Member, user: string, { protocol, terms, signal }: Trial): Promise<Outcome> {
  const here = { ip: '127.0.0.1', port: DISCARD_PORT };
  const login = {
    protocol,
    user,
    password: undefined,
    origin: { client: here, listener: here, sessionId: randomBytes(16).toString('base64url'), ttl: 1 },
    onFailure: () => undefined,
  };
  try {
    const { session } = await openHome([member], login, terms, signal);
    session.transport.destroy();
    return { kind: 'in' };
  } catch (error) {
    if (error instanceof LoginFailure) return { kind: 'out', failure: error };
    throw error;
  }
}

/** Proves by a key that nobody has, and notices a node that calls the proof right though this side does not believe it. */
function wrongProof(trust: Exclude<Trust, { kind: 'replay' }>): { prover: Prover; isTaken(): boolean } {
  const prove = createProver({
    ...trust,
    key: new Secret(Buffer.from(randomBytes(32).toString('base64url'))),
  });
  let isTaken = false;
  const watched = (sasl: SaslClient): SaslClient => ({
    mechanism: sasl.mechanism,
    initialResponse: () => sasl.initialResponse(),
    respond(challenge) {
      // RFC 5802 section 5.1: only a proof that was found right is answered by the server's signature.
      isTaken ||= challenge.toString('latin1').startsWith('v=');
      return sasl.respond(challenge);
    },
    get verified() {
      return sasl.verified;
    },
  });
  return { prover: (subject) => watched(prove(subject)), isTaken: () => isTaken };
}
