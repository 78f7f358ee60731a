/** One connection from accept to close: let in, logged in at its home, relayed. */
import { LoginFailure } from '../auth/failure.ts';
import type { Departure, LoginAttempt } from '../protocols/protocol.ts';
import { type Admitted, admit, type Connection } from './admission.ts';
import { EarlyEnd } from './early-end.ts';
import { type LoginConnection, takeHome } from './login.ts';
import { type CurrentLogin, failureOf, refuse } from './refusal.ts';
import { Relay } from './relay.ts';
import { SessionReport } from './session-report.ts';
import type { SessionContext, SessionTerms } from './session-terms.ts';
import { triedBy } from './throttle/tried.ts';
import type { Accepted } from './transport.ts';
import type { UserSession } from './user-session.ts';

/** A session that is relayed: there is none without an accepted login. */
interface Relayed {
  readonly relay: Relay;
  readonly user: string;
  readonly node: string;
  /** The user's session, as it is counted and found. */
  readonly counted: Disposable;
}

/** A connection that is being served. */
export class Session {
  readonly #connection: Connection;
  #attempts = 0;
  #changesBefore = 0;

  constructor(accepted: Accepted, terms: SessionTerms, context: SessionContext) {
    this.#connection = {
      accepted,
      terms,
      context,
      report: new SessionReport(terms.protocol.name, accepted.remote, context.observe),
      earlyEnd: new EarlyEnd(() => accepted.destroy()),
    };
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
      const { accepted, report } = this.#connection;
      accepted.destroy();
      report.bug(error);
      report.connectionEnd('bug');
    }
  }

  /** Ends the connection unless it's logged in; a login that is being worked on is answered first. */
  drain(): void {
    this.#connection.earlyEnd.drain();
  }

  /** Ends the connection, whatever it is doing. */
  stop(): void {
    this.#connection.earlyEnd.stop();
  }

  async #open(): Promise<Relayed | undefined> {
    using places = new DisposableStack();
    const admitted = await admit(this.#connection, places);
    return admitted === undefined ? undefined : await this.#logIn(admitted);
  }

  async #logIn(admitted: Admitted): Promise<Relayed | undefined> {
    const { report, earlyEnd } = this.#connection;
    for (;;) {
      earlyEnd.enter('waiting');
      // A mechanism may look the account up before it comes to a proof.
      this.#changesBefore = this.#connection.context.changes.count;
      const next = await admitted.frontend.next();
      earlyEnd.enter('loggingIn');
      switch (next.kind) {
        case 'departed':
          this.#depart(next);
          return undefined;
        case 'refused':
          report.refusal(next);
          break;
        case 'login': {
          const relayed = await this.#serveLogin(next, admitted);
          if (relayed !== undefined) {
            return relayed;
          }
        }
      }
    }
  }

  async #serveLogin(attempt: LoginAttempt, { ends, guard }: Admitted): Promise<Relayed | undefined> {
    const { report } = this.#connection;
    // A token was judged before the login was here: all that the user waited for counts.
    const startedMs = performance.now() - (attempt.proof.judgedMs ?? 0);
    const watch = guard?.watch(triedBy(attempt.proof));
    this.#attempts += 1;
    const login: CurrentLogin = { attempt, watch, startedMs, findings: {} };
    const taken = await this.#takeHome(login, ends);
    if (taken instanceof LoginFailure) {
      await refuse(login, taken, this.#connection);
      return undefined;
    }
    report.login(attempt, 'ok', login.findings, startedMs);
    using counted = new DisposableStack();
    counted.use(taken.counted);
    await watch?.end({ result: 'ok', who: taken.user });
    counted.move();
    return taken;
  }

  /** What a failed login had opened is closed when this returns: nothing is held while its answer waits. */
  async #takeHome(
    { attempt, watch, findings }: CurrentLogin,
    { remote: client, local: listener }: Admitted['ends'],
  ): Promise<Relayed | LoginFailure> {
    const { terms, context, report, earlyEnd } = this.#connection;
    const { protocol, domains } = terms;
    // What a node opened belongs to the relay, and to nobody else if there comes none.
    using opened = new DisposableStack();
    const counted = new DisposableStack();
    let session: UserSession | undefined;
    const enter: LoginConnection['enter'] = (owner) => {
      session = counted.use(context.userSessions.enter({ ...owner, service: protocol.name, ip: client.ip }));
      context.changes.catchUp(session, this.#changesBefore);
      if (context.hold?.why(owner.account) !== undefined) session.end('held');
    };
    opened.use(counted);
    const origin = { protocol, domains, client, listener, guard: watch };
    const connection = { ...origin, report, attemptNumber: this.#attempts, enter };
    try {
      const { session: node, way } = await takeHome(attempt, connection, context, findings);
      opened.adopt(node.transport, (transport) => transport.destroy());
      const spread = context.endSpread?.enter(findings.node ?? '');
      counted.use(spread);
      const relay = new Relay(attempt.accept(node.welcome), node, context.times.halfCloseMs, spread);
      opened.move();
      earlyEnd.leaveBy(() => relay.end('stopping'));
      session?.relayed(relay, findings.node ?? '', way);
      if (session !== undefined && way === 'detour') context.rebalance?.strayed(session);
      return { relay, user: findings.user ?? '', node: findings.node ?? '', counted };
    } catch (error) {
      return failureOf(error, attempt.abandoned, this.#connection);
    }
  }

  async #serve({ relay, user, node, counted }: Relayed): Promise<void> {
    using _ = counted;
    const { report, earlyEnd } = this.#connection;
    const startedMs = performance.now();
    earlyEnd.enter('relayed');
    const end = await relay.finished;
    report.sessionEnd({ user, node, ...end, ms: performance.now() - startedMs });
  }

  #depart({ how, detail }: Departure): void {
    const { accepted, report, earlyEnd } = this.#connection;
    if (how === 'tlsFailed') {
      accepted.destroy();
    }
    report.connectionEnd(earlyEnd.why ?? how, detail);
  }
}
