/** How a connection is let in: whose it is, a place among those who wait, TLS, the greeting. */
import { Deadline } from '../auth/deadline.ts';
import type { Frontend } from '../protocols/protocol.ts';
import { ProxyHeaderError } from '../protocols/proxy-facts.ts';
import type { Transport } from '../protocols/transport.ts';
import type { EarlyEnd } from './early-end.ts';
import { introductionOf, receiveHeader } from './introduction.ts';
import type { SessionReport } from './session-report.ts';
import { openFrontend, type SessionContext, type SessionTerms } from './session-terms.ts';
import type { ConnectionGuard } from './throttle/connection-guard.ts';
import { type Accepted, NothingSaid } from './transport.ts';

/** A connection that was accepted, and what it is served by. */
export interface Connection {
  readonly accepted: Accepted;
  readonly terms: SessionTerms;
  readonly context: SessionContext;
  readonly report: SessionReport;
  readonly earlyEnd: EarlyEnd;
}

/** A client that has been greeted. */
export interface Admitted {
  readonly frontend: Frontend;
  /** Whose connection it is, and where the client connected to: as a balancer says, where there is one. */
  readonly ends: Pick<Transport, 'remote' | 'local'>;
  /** Stands against guesses; `undefined` where everybody may guess. */
  readonly guard: ConnectionGuard | undefined;
}

/**
 * Lets a connection in.
 * @param places take what it has for as long as it is not logged in.
 * @returns `undefined` when it has ended, which is reported.
 */
export async function admit(connection: Connection, places: DisposableStack): Promise<Admitted | undefined> {
  const { accepted, terms, context, report, earlyEnd } = connection;
  const introduced = terms.proxyProtocol ? await meet(connection) : accepted;
  if (introduced === undefined || !takePlace(introduced, connection, places)) {
    return undefined;
  }
  const { remote, local } = introduced;
  const client = terms.implicitTls ? await secure(introduced, connection) : introduced;
  if (client === undefined) {
    return undefined;
  }
  report.securedBy(client.tls);
  const ends = { remote, local };
  const guard = context.throttle?.guard(remote.ip);
  const frontend = openFrontend({ client, ends, report, guard }, terms, context);
  earlyEnd.leaveBy(() => frontend.bye('unavailable'));
  await frontend.greet();
  return { frontend, ends, guard };
}

/** Has the client introduced by its balancer. Before that nothing is sent and no TLS begun: who it is decides it all. */
async function meet({
  accepted,
  terms,
  context,
  report,
  earlyEnd,
}: Connection): Promise<Transport | undefined> {
  using deadline = new Deadline(context.times.proxyHeaderMs, earlyEnd.leaveByAbort());
  try {
    const { header, unread } = await receiveHeader(accepted, deadline.signal);
    const introduction = introductionOf(header, accepted, terms.protocol.alpn);
    report.introduced(header, introduction.remote);
    return accepted.introduce(introduction, unread);
  } catch (error) {
    if (!(error instanceof ProxyHeaderError || error instanceof NothingSaid || deadline.signal.aborted)) {
      throw error;
    }
    accepted.destroy();
    const how = error instanceof NothingSaid ? 'healthCheck' : 'badProxyHeader';
    report.connectionEnd(earlyEnd.why ?? how, messageOf(error));
    return undefined;
  }
}

/** Takes a place among those who are not logged in. @returns false when there is none, and the client was told. */
function takePlace(
  client: Transport,
  { terms, context, report, earlyEnd }: Connection,
  places: DisposableStack,
): boolean {
  const place = context.waiting.enter(earlyEnd, client.remote.ip);
  if (place === undefined) {
    if (!terms.implicitTls) client.write(Buffer.from(terms.protocol.refusal));
    client.close();
    report.connectionEnd('evicted');
    return false;
  }
  places.use(place);
  return true;
}

async function secure(client: Transport, { report, earlyEnd }: Connection): Promise<Transport | undefined> {
  try {
    return await client.upgradeTls(earlyEnd.leaveByAbort());
  } catch (error) {
    const how = error instanceof NothingSaid ? 'disconnected' : 'tlsFailed';
    report.connectionEnd(earlyEnd.why ?? how, messageOf(error));
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
