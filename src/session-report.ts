import { randomBytes } from 'node:crypto';
import type { LoginFailure, Reason } from '../auth/failure.ts';
import type { LoginAttempt, Refusal } from '../protocols/protocol.ts';
import type { ProxyHeader } from '../protocols/proxy-facts.ts';
import type { Address, TlsState } from '../protocols/transport.ts';
import type { ConnectionEnd, LoginEvent, Observer, SessionEnd } from './events.ts';
import type { KnownNode } from './routing/node-table.ts';

/** What became known of a login while it was worked on; the log line tells all of it, however it ended. */
export type Findings = {
  -readonly [Key in
    | 'user'
    | 'actedBy'
    | 'node'
    | 'nodeEntry'
    | 'directoryMs'
    | 'heldMs'
    | 'nodeMs'
    | 'detail']?: LoginEvent[Key] | undefined;
};

/** Tells the observer what happens to one connection, under one session id. */
export class SessionReport {
  /** 128 random bits in base64url: the same in our log, in the node's, and in what the client is told. */
  readonly id = randomBytes(16).toString('base64url');
  readonly #observe: Observer;
  #connection: Pick<
    ConnectionEnd,
    'session' | 'protocol' | 'client' | 'clientPort' | 'balancer' | 'balancerId'
  >;
  #healthCheck = false;
  readonly #startedMs = performance.now();

  constructor(protocol: string, client: Address, observe: Observer) {
    this.#observe = observe;
    this.#connection = { session: this.id, protocol, client: client.ip, clientPort: client.port };
  }

  /** From now on the client is the one that a balancer has introduced. */
  introduced({ local, uniqueId }: ProxyHeader, { ip, port }: Address): void {
    const balancer = this.#connection.client;
    const balancerId = uniqueId === undefined || uniqueId.length === 0 ? {} : { balancerId: text(uniqueId) };
    this.#connection = { ...this.#connection, client: ip, clientPort: port, balancer, ...balancerId };
    this.#healthCheck = local;
  }

  login(attempt: LoginAttempt, result: 'ok' | Reason, findings: Findings, startedMs: number): void {
    this.#observe({
      event: 'login',
      ...this.#connection,
      result,
      mechanism: attempt.mechanism,
      tls: attempt.tls?.version ?? 'none',
      ...(attempt.tls?.serverName === undefined ? {} : { serverName: attempt.tls.serverName }),
      user: '-',
      ...known(findings),
      ms: performance.now() - startedMs,
    });
  }

  /** A member of a home that failed while another one was left. */
  memberFailed({ name: node, settings }: KnownNode, { reason, message: detail }: LoginFailure): void {
    const { session, protocol } = this.#connection;
    this.#observe({
      event: 'memberFailed',
      session,
      protocol,
      node,
      nodeEntry: settings.name,
      reason,
      detail,
    });
  }

  /** The client's TLS begins, if there is one: tells of a certificate that is not trusted. To be called once for each. */
  securedBy(tls: TlsState | undefined): void {
    if (tls?.refusedCertificate === undefined) return;
    const { subject, why: detail } = tls.refusedCertificate;
    this.#observe({ event: 'clientCertificateRefused', ...this.#connection, subject, detail });
  }

  /** A login that was refused before its name and password were seen. */
  refusal({ reason }: Refusal): void {
    const unseen = { user: '-', mechanism: '-', tls: 'none', ms: 0 };
    this.#observe({ event: 'login', ...this.#connection, result: reason, ...unseen });
  }

  sessionEnd(end: Pick<SessionEnd, 'user' | 'node' | 'received' | 'sent' | 'endedBy' | 'how' | 'ms'>): void {
    this.#observe({ event: 'sessionEnd', ...this.#connection, ...end });
  }

  connectionEnd(how: ConnectionEnd['how'], found?: string): void {
    // A peer that speaks no mail protocol has something to be told of only where that is a PROXY header.
    const isStray = how === 'notMail' && found !== undefined;
    const detail = isStray ? this.#strayHeader() : found;
    this.#observe({
      event: 'connectionEnd',
      ...this.#connection,
      how: this.#shown(isStray ? 'strayProxyHeader' : how),
      ms: performance.now() - this.#startedMs,
      ...(detail === undefined ? {} : { detail }),
    });
  }

  /** However a balancer's own connection ends, it was no client's; only our own faults are to be seen. */
  #shown(how: ConnectionEnd['how']): ConnectionEnd['how'] {
    return this.#healthCheck && how !== 'bug' ? 'healthCheck' : how;
  }

  #strayHeader(): string {
    const { client, balancer } = this.#connection;
    return balancer === undefined
      ? `this is a PROXY header, and the listener has no proxyProtocol: { from: [${client}] }`
      : `this is a second PROXY header, behind the one of ${balancer}`;
  }

  bug(error: unknown): void {
    const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
    this.#observe({ event: 'bug', session: this.id, detail: String(error), ...stack });
  }
}

/** A balancer's id is ASCII or a UUID's octets, but may be anything. */
function text(octets: Buffer): string {
  const ascii = octets.toString('latin1');
  return /^[\x21-\x7e]+$/.test(ascii) ? ascii : octets.toString('hex');
}

function known(findings: Findings): Partial<LoginEvent> {
  return Object.fromEntries(Object.entries(findings).filter(([, value]) => value !== undefined));
}
