import { LoginFailure, type Reason } from '../auth/failure.ts';
import type { Secret } from '../auth/secret.ts';
import { Channel } from '../protocols/channel.ts';
import type { MailProtocol, NodeSession, Origin } from '../protocols/protocol.ts';
import type { Transport } from '../protocols/transport.ts';
import { Deadline } from './deadline.ts';
import { dial } from './dial.ts';
import type { Home, Member } from './routing/route.ts';
import type { TimeSettings } from './settings.ts';

/** What all logins share on their way home. */
export interface HomeTerms {
  readonly times: TimeSettings;
  /** Whether a connection that we made leads back to one of our own listeners. */
  readonly leadsToUs: (node: Transport) => boolean;
}

/** Whose login is taken home. */
export interface HomeLogin {
  readonly protocol: MailProtocol;
  readonly user: string;
  readonly password: Secret;
  readonly origin: Omit<Origin, 'forwarded'>;
}

/** A home that let the user in. */
export interface OpenHome {
  readonly node: string;
  readonly session: NodeSession;
}

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
  { times, leadsToUs }: HomeTerms,
  abandoned: AbortSignal,
): Promise<OpenHome> {
  using budget = new Deadline(times.nodeMs, abandoned);
  const endMs = performance.now() + times.nodeMs;
  for (const [index, member] of members.entries()) {
    const spare = index < members.length - 1;
    const leftMs = endMs - performance.now();
    const connectMs = Math.min(leftMs, spare ? times.connectWithSpareMs : times.connectMs);
    try {
      const transport = await connectTo(member, connectMs, budget.signal);
      if (leadsToUs(transport)) {
        transport.destroy();
        throw new LoginFailure('loop', 'the node is this proxy itself');
      }
      const leftToLoginMs = Math.max(0, endMs - performance.now());
      const loginMs = spare ? Math.min(leftToLoginMs, times.loginWithSpareMs) : leftToLoginMs;
      const session = await logInAt(member, login, { transport, loginMs, signal: budget.signal });
      return { node: member.node.name, session };
    } catch (error) {
      const failure = atMember(member, error);
      if (!spare || abandoned.aborted || !OTHERS_MAY_DO.has(failure.reason)) {
        throw failure;
      }
    }
  }
  throw new LoginFailure('noHome', 'the home has no members');
}

/** Says at which member it was. @throws what is no failure of a login. */
function atMember({ node }: Member, error: unknown): LoginFailure {
  if (!(error instanceof LoginFailure)) {
    throw error;
  }
  return new LoginFailure(error.reason, `node ${node.name}: ${error.message}`, { cause: error });
}

async function connectTo({ node, port }: Member, connectMs: number, signal: AbortSignal): Promise<Transport> {
  using connecting = new Deadline(connectMs, signal);
  return await dial({ host: node.host, port, tls: node.settings.tls }, connectMs, connecting.signal);
}

interface Connected {
  readonly transport: Transport;
  readonly loginMs: number;
  readonly signal: AbortSignal;
}

async function logInAt(member: Member, login: HomeLogin, connected: Connected): Promise<NodeSession> {
  const { settings, prover } = member.node;
  const { protocol, user, password, origin } = login;
  const channel = new Channel(connected.transport);
  channel.startClock(connected.loginMs);
  // The client may leave while the node thinks; then nobody waits for this connection.
  const leave = (): void => channel.close();
  connected.signal.addEventListener('abort', leave);
  try {
    return await protocol.login(channel, {
      startTls: settings.tls.mode === 'starttls',
      sasl: prover({ user, service: protocol.name, facts: factsOf(member, origin), password }),
      announce: settings.kind === 'dovecot' ? { ...origin, forwarded: member.forwarded } : undefined,
    });
  } finally {
    connected.signal.removeEventListener('abort', leave);
  }
}

function factsOf(
  { forwarded }: Member,
  { client, sessionId }: HomeLogin['origin'],
): ReadonlyMap<string, string> {
  return new Map([['addr', client.ip], ['sid', sessionId], ...forwarded]);
}
