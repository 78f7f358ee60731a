/** One connection from accept to close: let in, logged in at its home, relayed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authenticator } from '../auth/authenticator.ts';
import { LoginFailure, WIRE_ANSWER } from '../auth/failure.ts';
import { Channel } from '../protocols/channel.ts';
import type {
  Departure,
  Frontend,
  FrontendTerms,
  LoginAttempt,
  MailProtocol,
} from '../protocols/protocol.ts';
import type { Detached, Transport } from '../protocols/transport.ts';
import { answerTime } from './answer-time.ts';
import { Deadline } from './deadline.ts';
import type { Observer } from './events.ts';
import { type HomeTerms, openHome } from './home.ts';
import { Relay } from './relay.ts';
import type { NodeTable } from './routing/node-table.ts';
import { type Home, planRoute } from './routing/route.ts';
import { type Findings, SessionReport } from './session-report.ts';

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
  readonly #report: SessionReport;
  #stopping = false;
  #relayed: Relay | undefined;
  /** Says good-bye in the phase that the connection is in; undefined while a login is worked on. */
  #leave: (() => void) | undefined;

  constructor(accepted: Transport, terms: SessionTerms, context: SessionContext) {
    this.#accepted = accepted;
    this.#terms = terms;
    this.#context = context;
    this.#report = new SessionReport(terms.protocol.name, accepted.remote, context.observe);
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
      this.#report.bug(error);
      this.#report.connectionEnd('bug');
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
      this.#report.connectionEnd('tlsFailed', String(error));
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
          this.#depart(next);
          return undefined;
        case 'refused':
          this.#report.refusal(next);
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
      this.#report.login(attempt, 'ok', findings, startedMs);
      return { client, node, user: findings.user, nodeName: findings.node ?? '' };
    } catch (error) {
      const failure = this.#failureOf(error, attempt.abandoned);
      if (findings.user === '') {
        findings.user = this.#context.authenticator.describeUser(attempt.proof.authcid);
      }
      if (failure.message !== '') {
        findings.detail = failure.message;
      }
      this.#report.login(attempt, failure.reason, findings, startedMs);
      await waitToAnswer(startedMs, this.#context.times.failureMs, attempt.abandoned);
      attempt.reject(WIRE_ANSWER[failure.reason], this.#report.id);
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
    const origin = { client: remote, listener: local, sessionId: this.#report.id, ttl };
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
    using deadline = new Deadline(times.directoryMs, attempt.abandoned);
    const context = { service: this.#terms.protocol.name };
    try {
      const result = await authenticator.authenticate(attempt.proof, context, deadline.signal);
      if (result.kind === 'refused') {
        findings.user = result.known ?? '';
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
    this.#report.sessionEnd({ user, node: nodeName, ...end, ms });
  }

  #failureOf(error: unknown, abandoned: AbortSignal): LoginFailure {
    if (abandoned.aborted) {
      // What was given up then failed for that reason alone, which is nobody's fault.
      return new LoginFailure('abandoned', 'the client left before it was answered', { cause: error });
    }
    if (error instanceof LoginFailure) {
      return error;
    }
    this.#report.bug(error);
    return new LoginFailure('bug', String(error), { cause: error });
  }

  #depart({ how, detail }: Departure): void {
    if (how === 'tlsFailed') {
      this.#accepted.destroy();
    }
    this.#report.connectionEnd(this.#stopping ? 'draining' : how, detail);
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
