/** A login at one member of a home: connect, TLS, greeting, proof. */
import { Deadline } from '../auth/deadline.ts';
import { LoginFailure } from '../auth/failure.ts';
import type { Secret } from '../auth/secret.ts';
import { Channel } from '../protocols/channel.ts';
import type { MailProtocol, NodeSession, Origin } from '../protocols/protocol.ts';
import type { Transport } from '../protocols/transport.ts';
import { dial } from './dial.ts';
import { type Attempt, type NodeWatch, type Stage, UNWATCHED } from './routing/node-health.ts';
import type { KnownNode } from './routing/node-table.ts';
import type { Member } from './routing/route.ts';
import type { Turns } from './routing/turns.ts';
import type { Ways } from './routing/ways.ts';
import type { TimeSettings } from './settings.ts';

/** What all logins share on their way home. */
export interface HomeTerms {
  readonly times: TimeSettings;
  /** Knows which nodes are worth a try, and learns from each; all are if it is left out. */
  readonly health?: NodeWatch;
  /** The addresses of the nodes and of ours; the system is asked each time if they are left out. */
  readonly ways?: Ways;
  /** How many may connect to a node at once; any number if it is left out. */
  readonly turns?: Turns;
  /** Whether a connection that we made leads back to one of our own listeners. */
  readonly leadsToUs: (node: Transport) => boolean;
}

/** Whose login is taken home. */
export interface HomeLogin {
  readonly protocol: MailProtocol;
  readonly user: string;
  /** `undefined` where the user proved himself without one. */
  readonly password: Secret | undefined;
  readonly origin: Omit<Origin, 'forwarded'>;
  /**
   * Where a node refers the user to, by its name; none is followed if it is left out.
   * @throws {LoginFailure} for one that may not be dialled.
   */
  readonly refer?: (name: string) => Member;
  /** Is told of each member that failed while another one was left. */
  readonly onFailure: (node: KnownNode, failure: LoginFailure) => void;
}

/** One member's part of the node phase. */
export interface Turn {
  /** When the node phase has to be over. */
  readonly endMs: number;
  /** Whether another member is left: then this one gets less time. */
  readonly spare: boolean;
  readonly abandoned: AbortSignal;
}

interface StagedTurn extends Turn {
  /** Tells how far the login has come; before the first it waits for its turn. */
  readonly enter: (stage: Stage) => void;
}

/** The login did not get as far as the node: that says nothing of its user. */
export class NotReached extends LoginFailure {
  constructor(cause: LoginFailure) {
    super(cause.reason, cause.message, { cause });
  }
}

/** Below this, a node that answered late is not to blame: the members before it took the time. */
const FAIR_MS = 1000;

/** Logs the user in at one member, and has its health learn from it. @throws {LoginFailure} `NotReached` among others. */
export async function tryMember(
  member: Member,
  login: HomeLogin,
  terms: HomeTerms,
  turn: Turn,
): Promise<NodeSession> {
  const attempt = (terms.health ?? UNWATCHED).attempt(member.node, login.protocol.name, login.user);
  const isFair = within(turn.endMs, FAIR_MS) === FAIR_MS;
  let stage: Stage | undefined;
  const enter = (next: Stage): void => {
    stage = next;
  };
  try {
    const session = await openMember(member, login, terms, { ...turn, enter });
    attempt.succeeded();
    return session;
  } catch (error) {
    const isLesson = isFair && !turn.abandoned.aborted;
    learn(attempt, isLesson ? error : undefined, stage);
    throw error instanceof LoginFailure && stage !== 'loggingIn' ? new NotReached(error) : error;
  }
}

function learn(attempt: Attempt, error: unknown, stage: Stage | undefined): void {
  if (stage !== undefined && error instanceof LoginFailure && error.reason !== 'loop')
    attempt.failed(error, stage);
  else attempt.abandoned();
}

async function openMember(
  member: Member,
  login: HomeLogin,
  terms: HomeTerms,
  turn: StagedTurn,
): Promise<NodeSession> {
  const { node, tls } = member;
  const { times } = terms;
  const { endMs, spare, abandoned } = turn;
  const { protocol, user, password, origin } = login;
  const sasl = node.prover({ user, service: protocol.name, facts: factsOf(member, origin), password });
  const transport = await connectMember(member, terms, turn);
  turn.enter('loggingIn');
  const channel = new Channel(transport);
  channel.startClock(within(endMs, spare ? times.loginWithSpareMs : times.nodeMs));
  // The client may leave while the node thinks; then nobody waits for this connection.
  const leave = (): void => channel.close();
  abandoned.addEventListener('abort', leave);
  try {
    return await protocol.login(channel, {
      startTls: tls.mode === 'starttls',
      sasl,
      announce: node.settings.kind === 'dovecot' ? { ...origin, forwarded: member.forwarded } : undefined,
      allowUnauthenticate: node.settings.allowUnauthenticate,
    });
  } finally {
    abandoned.removeEventListener('abort', leave);
  }
}

/** @throws {LoginFailure} nodeUnreachable, nodeTlsFailed, loop. */
async function connectMember(
  { node, port, tls }: Member,
  { times, leadsToUs, turns, ways }: HomeTerms,
  { endMs, spare, abandoned, enter }: StagedTurn,
): Promise<Transport> {
  const connectMs = spare ? times.connectWithSpareMs : times.connectMs;
  using waiting = new Deadline(within(endMs, connectMs), abandoned);
  using _ = await turns?.take(node.name, waiting.signal).catch((cause: unknown) => {
    throw new LoginFailure('nodeUnreachable', 'too many others were connecting to it', { cause });
  });
  enter('connecting');
  using connecting = new Deadline(within(endMs, connectMs), abandoned);
  const transport = await dial({ host: node.host, port, tls }, connecting.signal, ways);
  if (!leadsToUs(transport)) return transport;
  transport.destroy();
  throw new LoginFailure('loop', 'the node is this proxy itself');
}

function within(endMs: number, ms: number): number {
  return Math.max(0, Math.min(ms, endMs - performance.now()));
}

function factsOf(
  { forwarded }: Member,
  { client, sessionId }: HomeLogin['origin'],
): ReadonlyMap<string, string> {
  return new Map([['addr', client.ip], ['sid', sessionId], ...forwarded]);
}
