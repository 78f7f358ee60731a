/** One connection from accept to close: let in, logged in at its home, relayed. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authenticator } from '../auth/authenticator.ts';
import { LoginFailure, type Reason, WIRE_ANSWER } from '../auth/failure.ts';
import { Channel } from '../protocols/channel.ts';
import type {
  Departure,
  Detached,
  Frontend,
  FrontendTerms,
  LoginAttempt,
  MailProtocol,
} from '../protocols/protocol.ts';
import type { Transport } from '../protocols/transport.ts';
import { answerTime } from './answer-time.ts';
import { Deadline } from './deadline.ts';
import type { ConnectionEnd, LoginEvent, Observer } from './events.ts';
import { type HomeTerms, openHome } from './home.ts';
import { Relay } from './relay.ts';
import type { NodeTable } from './routing/node-table.ts';
import { type Home, planRoute } from './routing/route.ts';

/** How many proxies a login may pass, unless the client is a proxy that allows fewer. */
const FIRST_TTL = 5;

/** What all sessions of a proxy share. */
export interface SessionContext extends HomeTerms {
  readonly authenticator: Authenticator;
  readonly nodes: NodeTable;
  readonly observe: Observer;
}

/** What the listener says of a connection. */
export interface SessionTerms {
  readonly protocol: MailProtocol;
  /** Whether TLS comes before the greeting. */
  readonly implicitTls: boolean;
  readonly frontend: FrontendTerms;
}

/** What became known of a login while it was worked on; the log line tells all of it, however it ended. */
type Findings = {
  -readonly [Key in 'node' | 'actingFor' | 'directoryMs' | 'nodeMs' | 'detail']?: LoginEvent[Key];
} & { user: string };

/** Two connections that belong together: there is none without an accepted login. */
interface Spliced {
  readonly client: Detached;
  readonly node: Detached;
  readonly user: string;
  readonly nodeName: string;
}

/** A connection that is being served. */
export class Session {
  readonly #accepted: Transport;
  readonly #terms: SessionTerms;
  readonly #context: SessionContext;
  readonly #connection: Pick<ConnectionEnd, 'session' | 'protocol' | 'client' | 'clientPort'>;
  readonly #startedMs = performance.now();
  #stopping = false;
  #relayed: Relay | undefined;
  /** Says good-bye in the phase that the connection is in; undefined while a login is worked on. */
  #leave: (() => void) | undefined;

  constructor(accepted: Transport, terms: SessionTerms, context: SessionContext) {
    this.#accepted = accepted;
    this.#terms = terms;
    this.#context = context;
    this.#connection = {
      session: randomBytes(16).toString('base64url'),
      protocol: terms.protocol.name,
      client: accepted.remote.ip,
      clientPort: accepted.remote.port,
    };
    this.#leave = () => accepted.destroy();
  }

  /** Serves the connection to its end. Never rejects: what nobody expected ends this connection alone. */
  async run(): Promise<void> {
    try {
      const frontend = await this.#admit();
      const spliced = frontend === undefined ? undefined : await this.#logIn(frontend);
      if (spliced !== undefined) {
        await this.#relay(spliced);
      }
    } catch (error) {
      this.#accepted.destroy();
      this.#reportBug(error);
      this.#reportEnd('bug');
    }
  }

  /** Ends the connection unless it's logged in; a login that is being worked on is answered first. */
  drain(): void {
    if (this.#relayed === undefined) {
      this.stop();
    }
  }

  /** Ends the connection as politely as its phase allows. */
  stop(): void {
    this.#stopping = true;
    this.#leave?.();
  }

  async #admit(): Promise<Frontend | undefined> {
    const client = this.#terms.implicitTls ? await this.#secure() : this.#accepted;
    if (client === undefined) {
      return undefined;
    }
    const frontend = this.#terms.protocol.frontend(new Channel(client), this.#terms.frontend);
    await frontend.greet();
    return frontend;
  }

  async #secure(): Promise<Transport | undefined> {
    try {
      return await this.#accepted.upgradeTls();
    } catch (error) {
      this.#reportEnd('tlsFailed', String(error));
      return undefined;
    }
  }

  async #logIn(frontend: Frontend): Promise<Spliced | undefined> {
    for (;;) {
      this.#leave = () => frontend.bye('unavailable');
      if (this.#stopping) {
        this.#leave();
      }
      const next = await frontend.next();
      this.#leave = undefined;
      switch (next.kind) {
        case 'departed':
          this.#reportDeparture(next);
          return undefined;
        case 'refused':
          this.#reportRefusal(next.reason);
          break;
        case 'login': {
          const spliced = await this.#serveLogin(next);
          if (spliced !== undefined) {
            return spliced;
          }
        }
      }
    }
  }

  async #serveLogin(attempt: LoginAttempt): Promise<Spliced | undefined> {
    const startedMs = performance.now();
    const findings: Findings = { user: '' };
    try {
      const node = await this.#takeHome(attempt, findings);
      const client = attempt.accept(node.welcome);
      this.#reportLogin(attempt, 'ok', findings, startedMs);
      return { client, node, user: findings.user, nodeName: findings.node ?? '' };
    } catch (error) {
      const failure = this.#failureOf(error);
      if (failure.message !== '') {
        findings.detail = failure.message;
      }
      this.#reportLogin(attempt, failure.reason, findings, startedMs);
      await waitToAnswer(startedMs, this.#context.times.failureMs, attempt.abandoned);
      attempt.reject(WIRE_ANSWER[failure.reason], this.#connection.session);
      return undefined;
    }
  }

  /** The account first, then its password, then whether it may log in, then its home: a stranger learns nothing. */
  async #takeHome(attempt: LoginAttempt, findings: Findings) {
    const admitted = await this.#authenticate(attempt, findings);
    const { protocol } = this.#terms;
    const members = planRoute(admitted.account, protocol.name, this.#context.nodes);
    const [{ node: first }] = members;
    findings.node = first.name;
    if (admitted.unverified) {
      requireReplay(members);
    }
    const ttl = Math.min(FIRST_TTL, attempt.ttl ?? FIRST_TTL) - 1;
    if (ttl < 1) {
      throw new LoginFailure(
        'loop',
        'the login came through too many proxies: they seem to lead to each other',
      );
    }
    const startedMs = performance.now();
    const { remote, local } = this.#accepted;
    const origin = { client: remote, listener: local, sessionId: this.#connection.session, ttl };
    try {
      const login = { protocol, user: admitted.account.name, password: attempt.proof.password, origin };
      const home = await openHome(members, login, this.#context, attempt.abandoned);
      findings.node = home.node;
      return home.session;
    } catch (error) {
      throw admitted.unverified ? asWrongPassword(error) : error;
    } finally {
      findings.nodeMs = performance.now() - startedMs;
    }
  }

  async #authenticate(attempt: LoginAttempt, findings: Findings) {
    const { authenticator, times } = this.#context;
    const startedMs = performance.now();
    findings.user = authenticator.describeUser(attempt.proof.authcid);
    using deadline = new Deadline(times.directoryMs, attempt.abandoned);
    const context = { service: this.#terms.protocol.name };
    try {
      const result = await authenticator.authenticate(attempt.proof, context, deadline.signal);
      if (result.kind === 'refused') {
        findings.user = result.known ?? findings.user;
        throw new LoginFailure(result.reason, result.detail ?? '');
      }
      findings.user = result.account.name;
      if (result.actingFor !== undefined) {
        findings.actingFor = result.actingFor;
      }
      return result;
    } finally {
      findings.directoryMs = performance.now() - startedMs;
    }
  }

  async #relay({ client, node, user, nodeName }: Spliced): Promise<void> {
    const startedMs = performance.now();
    const relay = new Relay(client, node, this.#context.times.halfCloseMs);
    this.#relayed = relay;
    this.#leave = () => relay.stop();
    if (this.#stopping) {
      relay.stop();
    }
    const end = await relay.finished;
    const ms = performance.now() - startedMs;
    this.#context.observe({ event: 'sessionEnd', ...this.#connection, user, node: nodeName, ...end, ms });
  }

  #failureOf(error: unknown): LoginFailure {
    if (error instanceof LoginFailure) {
      return error;
    }
    this.#reportBug(error);
    return new LoginFailure('bug', String(error), { cause: error });
  }

  #reportLogin(attempt: LoginAttempt, result: 'ok' | Reason, findings: Findings, startedMs: number): void {
    this.#context.observe({
      event: 'login',
      ...this.#connection,
      result,
      mechanism: attempt.mechanism,
      tls: attempt.tls?.version ?? 'none',
      ...findings,
      ms: performance.now() - startedMs,
    });
  }

  #reportRefusal(reason: Reason): void {
    const unseen = { user: '-', mechanism: '-', tls: 'none', ms: 0 };
    this.#context.observe({ event: 'login', ...this.#connection, result: reason, ...unseen });
  }

  #reportDeparture({ how, detail }: Departure): void {
    if (how === 'tlsFailed') {
      this.#accepted.destroy();
    }
    this.#reportEnd(this.#stopping ? 'draining' : how, detail);
  }

  #reportEnd(how: ConnectionEnd['how'], detail?: string): void {
    const ms = performance.now() - this.#startedMs;
    this.#context.observe({
      event: 'connectionEnd',
      ...this.#connection,
      how,
      ms,
      ...(detail === undefined ? {} : { detail }),
    });
  }

  #reportBug(error: unknown): void {
    const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
    const { session } = this.#connection;
    this.#context.observe({ event: 'bug', session, detail: String(error), ...stack });
  }
}

/** A password that nobody has verified may only go to nodes that verify it: our own proof would let anyone in. */
function requireReplay(members: Home): void {
  const other = members.find(({ node }) => node.settings.trust.kind !== 'replay');
  if (other !== undefined) {
    throw new LoginFailure(
      'homeNotAllowed',
      `the directory leaves passwords to the node (verify: none), so node ${other.node.name} needs trust: replay`,
    );
  }
}

/** Where the node alone judges the user's password, its refusal is the user's, not the proxy's. */
function asWrongPassword(error: unknown): unknown {
  return error instanceof LoginFailure && error.reason === 'nodeRefusedProxy'
    ? new LoginFailure('wrongPassword', error.message, { cause: error })
    : error;
}

/** Waits until a failed login may be answered; not for a client that is gone, since reading from it says so. */
async function waitToAnswer(startedMs: number, failureMs: number, abandoned: AbortSignal): Promise<void> {
  const nowMs = performance.now();
  const waitMs = answerTime(startedMs, nowMs, failureMs) - nowMs;
  if (waitMs > 0) {
    await sleep(waitMs, undefined, { signal: abandoned }).catch(() => undefined);
  }
}
