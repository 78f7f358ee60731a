import type { Socket } from 'node:net';
import type { MailProtocol } from '../protocols/protocol.ts';
import type { CertificateStore } from './certificates.ts';
import type { ConnectionRefused, Listening, Observer } from './events.ts';
import { ListeningPort } from './listening-port.ts';
import { longestSaslLine } from './mechanisms.ts';
import type { Resource } from './resources.ts';
import { Session } from './session.ts';
import type { SessionContext, SessionTerms } from './session-terms.ts';
import type { Sessions } from './sessions.ts';

import type { LimitSettings, ListenerSettings } from './settings.ts';
import type { Shortage } from './shortage.ts';
import { noUpgrade, serverUpgrade } from './tls.ts';
import { SocketTransport, type Upgrade } from './transport.ts';

const STRANGER =
  'proxyProtocol.from does not have this address, so it may not say whose connection it brings';

function proxyRemedy(ip: string): string {
  return `a balancer that sends a PROXY header needs proxyProtocol: { from: [${ip}] } on the listener`;
}

/** What is asked whether there is room for one more. */
type Room = Pick<ListenerParts, 'sessions' | 'shortage'>;

/** What the listeners of a proxy share. */
interface ListenerParts {
  readonly sessions: Sessions;
  readonly shortage: Pick<Shortage, 'of' | 'isSpent'>;
  readonly limits: LimitSettings;
  readonly certificates: CertificateStore;
}

/** A listening port and the connections that came through it. */
export class Listener {
  readonly #settings: ListenerSettings;
  readonly #port: ListeningPort;
  readonly #protocol: MailProtocol;
  readonly #terms: SessionTerms;
  readonly #upgrade: Upgrade;
  readonly #observe: Observer;

  constructor(
    settings: ListenerSettings,
    protocol: MailProtocol,
    context: SessionContext,
    { sessions, shortage, limits, certificates }: ListenerParts,
  ) {
    this.#settings = settings;
    this.#protocol = protocol;
    this.#observe = context.observe;
    this.#terms = termsOf(settings, protocol, context.times.unauthenticatedMs, limits.failures);
    const { tls } = settings;
    this.#upgrade =
      tls.mode === 'none'
        ? noUpgrade
        : serverUpgrade(
            () => certificates.contextsOf(tls),
            protocol.alpn,
            context.times.tlsHandshakeMs,
            settings.introducedBy === undefined ? proxyRemedy : undefined,
          );
    this.#port = new ListeningPort((socket) => this.#accept(socket, context, { sessions, shortage }));
  }

  /** Begins to listen. @throws {Error} that names the address and what to do about it. */
  async listen(): Promise<Listening> {
    const { address, port, tls } = this.#settings;
    const refused = ({ message }: Error): void => {
      this.#reportRefused('-', 'acceptFailed', message);
    };
    const bound = await this.#port.listen(address, port, refused).catch((error: unknown) => {
      throw listenError(error, address, port);
    });
    return {
      event: 'listening',
      protocol: this.#protocol.name,
      address,
      port: bound,
      tls: tls.mode,
    };
  }

  /** Accepts no more; open connections go on. */
  close(): void {
    this.#port.close();
  }

  #accept(socket: Socket, context: SessionContext, room: Room): void {
    const { sessions } = room;
    const transport = new SocketTransport(socket, this.#upgrade);
    const { introducedBy } = this.#settings;
    if (introducedBy !== undefined && !introducedBy.has(transport.remote.ip)) {
      transport.destroy();
      // Who has no address any more was gone before we looked.
      if (transport.remote.ip !== '') this.#reportRefused(transport.remote.ip, 'untrustedBalancer', STRANGER);
      return;
    }
    const why = whyFull(room);
    if (why !== undefined) {
      this.#reportRefused(transport.remote.ip, why);
      this.#turnAway(transport, socket, room);
      return;
    }
    sessions.serve(new Session(transport, this.#terms, context));
  }

  /** A client that finds us full must be told to come back, not that its password is wrong. */
  #turnAway(transport: SocketTransport, socket: Socket, { sessions, shortage }: Room): void {
    // Words take time, and a descriptor meanwhile. To close the listening socket would reset who waits in its queue.
    if (sessions.overrun || shortage.isSpent) {
      transport.destroy();
      return;
    }
    sessions.turnAway(socket);
    // In front of implicit TLS there is no way to say anything, and nothing may be said before a PROXY header.
    if (!this.#terms.implicitTls && !this.#terms.proxyProtocol) {
      transport.write(Buffer.from(this.#protocol.refusal));
    }
    transport.close();
  }

  #reportRefused(client: string, why: ConnectionRefused['why'], detail?: string): void {
    const { name: protocol } = this.#protocol;
    this.#observe({
      event: 'connectionRefused',
      protocol,
      client,
      why,
      ...(detail !== undefined && { detail }),
    });
  }
}

function whyFull({ sessions, shortage }: Room): ConnectionRefused['why'] | undefined {
  if (sessions.full) return 'tooManyConnections';
  const { of } = shortage;
  return of && SCARCE[of];
}

const SCARCE: Readonly<Record<Resource, ConnectionRefused['why']>> = {
  memory: 'memoryScarce',
  descriptors: 'descriptorsScarce',
};

function termsOf(
  settings: ListenerSettings,
  protocol: MailProtocol,
  unauthenticatedMs: number,
  maxFailures: number,
): SessionTerms {
  return {
    protocol,
    proxyProtocol: settings.introducedBy !== undefined,
    implicitTls: settings.tls.mode === 'implicit',
    mechanisms: settings.mechanisms,
    domains: settings.domains,
    frontend: {
      greeting: settings.greeting,
      capabilities: settings.capabilities,
      startTls: settings.tls.mode === 'starttls',
      allowPlaintext: settings.allowPlaintext,
      maxSaslOctets: longestSaslLine(settings.mechanisms),
      unauthenticatedMs,
      maxFailures,
    },
  };
}

function listenError(error: unknown, address: string, port: number): unknown {
  if (!(error instanceof Error && 'code' in error)) return error;
  const where = `${address}:${port}`;
  const remedy: Readonly<Record<string, string>> = {
    EADDRINUSE: `${where} is taken: another program listens there; stop it, or choose another port`,
    EACCES: `no right to listen on ${where}: ports below 1024 need root or CAP_NET_BIND_SERVICE`,
    EADDRNOTAVAIL: `${where}: this machine has no such address`,
  };
  return new Error(remedy[String(error.code)] ?? `listen on ${where}: ${error.message}`, { cause: error });
}
