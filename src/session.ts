/** One connection from accept to close: let in, logged in at its home, relayed. */
import { Deadline } from '../auth/deadline.ts';
import { LoginFailure, type Reason, WIRE_ANSWER } from '../auth/failure.ts';
import type { Departure, Frontend, LoginAttempt } from '../protocols/protocol.ts';
import { ProxyHeaderError } from '../protocols/proxy-facts.ts';
import type { Transport } from '../protocols/transport.ts';
import { waitToAnswer } from './answer-time.ts';
import { introductionOf, receiveHeader } from './introduction.ts';
import { takeHome } from './login.ts';
import { Relay } from './relay.ts';
import { type Findings, SessionReport } from './session-report.ts';
import { openFrontend, type SessionContext, type SessionTerms } from './session-terms.ts';
import type { ConnectionGuard } from './throttle/connection-guard.ts';
import { type LoginWatch, triedBy } from './throttle/login-watch.ts';
import { type Accepted, NothingSaid } from './transport.ts';
import type { Waiter } from './waiting.ts';

/** A session that is relayed: there is none without an accepted login. */
interface Relayed {
  readonly relay: Relay;
  readonly user: string;
  readonly node: string;
  /** The user's session, as it is counted. */
  readonly counted: Disposable;
}

/** A login that does not succeed. */
interface Refused {
  readonly attempt: LoginAttempt;
  readonly guard: LoginWatch | undefined;
  readonly startedMs: number;
}

/** Failures that are no more than the sign of our giving up. */
const GIVEN_UP: ReadonlySet<Reason> = new Set([
  'directoryDown',
  'providerDown',
  'nodeUnreachable',
  'nodeTlsFailed',
  'abandoned',
]);

/** A connection that is being served. */
export class Session implements Waiter {
  readonly #accepted: Accepted;
  readonly #terms: SessionTerms;
  readonly #context: SessionContext;
  readonly #report: SessionReport;
  #phase: 'waiting' | 'loggingIn' | 'answering' | 'relayed' = 'waiting';
  /** Why it ends before its time. */
  #ending: 'draining' | 'evicted' | undefined;
  /** Whose connection it is, and where the client connected to: as a balancer says, once it has. */
  #ends: Pick<Transport, 'remote' | 'local'>;
  /** Stands against guesses, from when it is known whose connection it is. */
  #guard: ConnectionGuard | undefined;
  /** Ends the connection as politely as its phase allows. */
  #leave: () => void;

  constructor(accepted: Accepted, terms: SessionTerms, context: SessionContext) {
    this.#accepted = accepted;
    this.#ends = accepted;
    this.#terms = terms;
    this.#context = context;
    this.#report = new SessionReport(terms.protocol.name, accepted.remote, context.observe);
    this.#leave = () => accepted.destroy();
  }

  /** Serves the connection to its end. Never rejects: what nobody expected ends this connection alone. */
  async run(): Promise<void> {
    try {
      // The frame of the login is gone with its parser and credentials before the relay, which may last for days.
      const relayed = await this.#open();
      if (relayed !== undefined) {
        await this.#serve(relayed);
      }
    } catch (error) {
      this.#accepted.destroy();
      this.#report.bug(error);
      this.#report.connectionEnd('bug');
    }
  }

  /** Ends the connection unless it's logged in; a login that is being worked on is answered first. */
  drain(): void {
    this.#ending = 'draining';
    if (this.#phase === 'waiting') {
      this.#leave();
    }
  }

  evict(): boolean {
    // Who only waits to be told that his login failed holds a place for nothing.
    const mayGo = this.#phase === 'waiting' || this.#phase === 'answering';
    if (!mayGo || this.#ending !== undefined) {
      return false;
    }
    this.#ending = 'evicted';
    this.#leave();
    return true;
  }

  /** Ends the connection, whatever it is doing. */
  stop(): void {
    this.#ending = 'draining';
    this.#leave();
  }

  async #open(): Promise<Relayed | undefined> {
    using places = new DisposableStack();
    const frontend = await this.#admit(places);
    return frontend === undefined ? undefined : await this.#logIn(frontend);
  }

  /** @param places take what the connection has for as long as it is not logged in. */
  async #admit(places: DisposableStack): Promise<Frontend | undefined> {
    const introduced = this.#terms.proxyProtocol ? await this.#meet() : this.#accepted;
    if (introduced !== undefined && !this.#enter(introduced, places)) {
      return undefined;
    }
    const client = this.#terms.implicitTls ? await this.#secure(introduced) : introduced;
    if (client === undefined) {
      return undefined;
    }
    this.#report.securedBy(client.tls);
    this.#guard = this.#context.throttle?.guard(client.remote.ip);
    const connection = { client, ends: this.#ends, report: this.#report, guard: this.#guard };
    const frontend = openFrontend(connection, this.#terms, this.#context);
    this.#leave = () => frontend.bye('unavailable');
    await frontend.greet();
    return frontend;
  }

  /** Takes a place among those who are not logged in. @returns false when there is none, and the client was told. */
  #enter(client: Transport, places: DisposableStack): boolean {
    const place = this.#context.waiting.enter(this, client.remote.ip);
    if (place === undefined) {
      if (!this.#terms.implicitTls) client.write(Buffer.from(this.#terms.protocol.refusal));
      client.close();
      this.#report.connectionEnd('evicted');
      return false;
    }
    places.use(place);
    return true;
  }

  /** Has the client introduced by its balancer. Before that nothing is sent and no TLS begun: who it is decides it all. */
  async #meet(): Promise<Transport | undefined> {
    const waiting = new AbortController();
    this.#leave = () => waiting.abort(this.#whyEnding());
    using deadline = new Deadline(this.#context.times.proxyHeaderMs, waiting.signal);
    try {
      const { header, unread } = await receiveHeader(this.#accepted, deadline.signal);
      const introduction = introductionOf(header, this.#accepted, this.#terms.protocol.alpn);
      this.#ends = introduction;
      this.#report.introduced(header, introduction.remote);
      return this.#accepted.introduce(introduction, unread);
    } catch (error) {
      if (!(error instanceof ProxyHeaderError || error instanceof NothingSaid || deadline.signal.aborted)) {
        throw error;
      }
      this.#accepted.destroy();
      this.#report.connectionEnd(this.#unmet(error), error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  #whyEnding(): Error {
    return new Error(
      this.#ending === 'evicted'
        ? 'its place went to another connection (limits.unauthenticated, PerAddress, PerNetwork)'
        : 'the proxy is stopping',
    );
  }

  #unmet(error: unknown): 'healthCheck' | 'draining' | 'evicted' | 'badProxyHeader' {
    if (this.#ending !== undefined) return this.#ending;
    return error instanceof NothingSaid ? 'healthCheck' : 'badProxyHeader';
  }

  async #secure(client: Transport | undefined): Promise<Transport | undefined> {
    if (client === undefined) {
      return undefined;
    }
    const handshake = new AbortController();
    this.#leave = () => handshake.abort(this.#whyEnding());
    try {
      return await client.upgradeTls(handshake.signal);
    } catch (error) {
      const how = error instanceof NothingSaid ? 'disconnected' : 'tlsFailed';
      this.#report.connectionEnd(this.#ending ?? how, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  async #logIn(frontend: Frontend): Promise<Relayed | undefined> {
    for (;;) {
      this.#phase = 'waiting';
      if (this.#ending !== undefined) {
        this.#leave();
      }
      const next = await frontend.next();
      this.#phase = 'loggingIn';
      switch (next.kind) {
        case 'departed':
          this.#depart(next);
          return undefined;
        case 'refused':
          this.#report.refusal(next);
          break;
        case 'login': {
          const relayed = await this.#serveLogin(next);
          if (relayed !== undefined) {
            return relayed;
          }
        }
      }
    }
  }

  async #serveLogin(attempt: LoginAttempt): Promise<Relayed | undefined> {
    // A token was judged before the login was here: all that the user waited for counts.
    const startedMs = performance.now() - (attempt.proof.judgedMs ?? 0);
    const findings: Findings = {};
    const guard = await this.#guard?.watch(triedBy(attempt.proof));
    const taken = await this.#takeHome(attempt, guard, findings);
    if (taken instanceof LoginFailure) {
      await this.#refuse({ attempt, guard, startedMs }, taken, findings);
      return undefined;
    }
    this.#report.login(attempt, 'ok', findings, startedMs);
    await guard?.end({ result: 'ok', who: taken.user });
    return taken;
  }

  /** What a failed login had opened is closed when this returns: nothing is held while its answer waits. */
  async #takeHome(
    attempt: LoginAttempt,
    guard: LoginWatch | undefined,
    findings: Findings,
  ): Promise<Relayed | LoginFailure> {
    const { remote: client, local: listener } = this.#ends;
    const { protocol, domains } = this.#terms;
    // What a node opened belongs to the relay, and to nobody else if there comes none.
    using opened = new DisposableStack();
    const counted = new DisposableStack();
    const enter = (user: string): void => void counted.use(this.#context.userSessions.enter(user, client.ip));
    opened.use(counted);
    const connection = { protocol, domains, report: this.#report, client, listener, guard, enter };
    try {
      const node = await takeHome(attempt, connection, this.#context, findings);
      opened.adopt(node.transport, (transport) => transport.destroy());
      const relay = new Relay(attempt.accept(node.welcome), node, this.#context.times.halfCloseMs);
      opened.move();
      this.#leave = () => relay.stop();
      return { relay, user: findings.user ?? '', node: findings.node ?? '', counted };
    } catch (error) {
      return this.#failureOf(error, attempt.abandoned);
    }
  }

  async #refuse(
    { attempt, guard, startedMs }: Refused,
    { reason, message }: LoginFailure,
    findings: Findings,
  ): Promise<void> {
    findings.user ??= this.#context.authenticator.describeUser(attempt.proof.authcid);
    await guard?.end({ result: reason, who: findings.user });
    findings.detail = message === '' ? undefined : message;
    this.#report.login(attempt, reason, findings, startedMs);
    const { failureMs } = this.#context.times;
    this.#phase = 'answering';
    await waitToAnswer(startedMs, guard?.delayMs(failureMs) ?? failureMs, attempt.abandoned);
    // Who left is told nothing, so leaving early does not tell earlier what became of a guess.
    if (!attempt.abandoned.aborted) {
      attempt.reject(WIRE_ANSWER[reason], this.#report.id);
    }
  }

  async #serve({ relay, user, node, counted }: Relayed): Promise<void> {
    using _ = counted;
    const startedMs = performance.now();
    this.#phase = 'relayed';
    const end = await relay.finished;
    this.#report.sessionEnd({ user, node, ...end, ms: performance.now() - startedMs });
  }

  #failureOf(error: unknown, abandoned: AbortSignal): LoginFailure {
    if (!(error instanceof LoginFailure)) {
      this.#report.bug(error);
      return new LoginFailure('bug', String(error), { cause: error });
    }
    if (!abandoned.aborted || !GIVEN_UP.has(error.reason)) {
      return error;
    }
    return new LoginFailure(this.#ending === 'draining' ? 'draining' : 'abandoned', error.message, {
      cause: error,
    });
  }

  #depart({ how, detail }: Departure): void {
    if (how === 'tlsFailed') {
      this.#accepted.destroy();
    }
    this.#report.connectionEnd(this.#ending ?? how, detail);
  }
}
