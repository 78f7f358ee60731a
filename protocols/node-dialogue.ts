import { decodeBase64 } from '../auth/base64.ts';
import { LoginFailure, type Reason } from '../auth/failure.ts';
import { type SaslClient, SaslError } from '../auth/sasl.ts';
import { type Channel, DeadlinePassed, Disconnected, InputTooLong } from './channel.ts';

/** Longest line that a node may say before it lets us in; capability lists are long. */
const MAX_LINE_OCTETS = 16 * 1024;
/** Challenges in one exchange: no mechanism of ours has more. */
const MAX_CHALLENGES = 8;
/** Lines of a node before it lets us in, of all kinds. */
const MAX_LINES = 200;
const MAX_TEXT = 400;
const GREETING = 'waiting for the greeting';
/** What is wrong where a node goes away after it took the proof. */
const GAVE_UP_HINT =
  ' behind the proof; does it believe what this proxy tells it (login_trusted_networks), and are uid and gid in its range?';

/**
 * What both protocols need to speak to a node before the relay: lines within bounds, the client's side of SASL, and
 * failures that name the step. Nothing that a node says here reaches a client.
 */
export class NodeDialogue {
  channel: Channel;
  readonly #sasl: SaslClient;
  #lines = 0;
  #challenges = 0;
  #step = GREETING;

  constructor(channel: Channel, sasl: SaslClient) {
    this.channel = channel;
    this.#sasl = sasl;
  }

  /** Sends a command. `step` says in the log what was being done. */
  say(step: string, line: string): void {
    this.#step = step;
    this.channel.send(`${line}\r\n`);
  }

  /** Reads the node's next line as it is, octet for character. */
  async hear(): Promise<string> {
    this.#lines += 1;
    if (this.#lines > MAX_LINES) {
      throw this.failure('nodeBrokeProtocol', 'the node talks without end');
    }
    return (await this.channel.readLine(MAX_LINE_OCTETS)).toString('latin1');
  }

  /** Starts TLS; what the node sent in clear text behind its consent is gone with the old channel. @throws {LoginFailure} */
  async startTls(): Promise<void> {
    this.#step = 'starting TLS';
    try {
      this.channel = await this.channel.upgradeTls();
    } catch (error) {
      const gaveUp = error instanceof DeadlinePassed || error instanceof Disconnected;
      throw gaveUp
        ? error
        : this.failure('nodeTlsFailed', error instanceof Error ? error.message : String(error), error);
    }
  }

  /** The line that starts the exchange: with the initial response where the protocol can carry it. */
  openExchange(command: string, initialAllowed: (encoded: string) => boolean): string {
    const initial = this.#sasl.initialResponse()?.toString('base64');
    if (initial === undefined || !initialAllowed(initial)) {
      return `${command} ${this.#sasl.mechanism}`;
    }
    this.#challenges += 1;
    return `${command} ${this.#sasl.mechanism} ${initial === '' ? '=' : initial}`;
  }

  /** Answers a `+` line. */
  async answerChallenge(line: string): Promise<void> {
    this.#challenges += 1;
    const challenge = decodeBase64(line.slice(1).trim());
    if (challenge === undefined || this.#challenges > MAX_CHALLENGES) {
      throw this.failure('nodeBrokeProtocol', 'the challenge is not base64, or there are too many');
    }
    const initial = this.#challenges === 1 ? this.#sasl.initialResponse() : undefined;
    const response = initial ?? (await this.#sasl.respond(challenge));
    this.say(`proving by ${this.#sasl.mechanism}`, response.toString('base64'));
  }

  /** @throws {LoginFailure} when the node let us in before it proved itself, as the mechanism wants. */
  requireProof(): void {
    if (!this.#sasl.verified) {
      throw this.failure(
        'nodeBrokeProtocol',
        `the node said OK before it proved itself by ${this.#sasl.mechanism}`,
      );
    }
  }

  /** A failure that names the step. `text` is the node's, made printable. */
  failure(reason: Reason, text: string, cause?: unknown): LoginFailure {
    return new LoginFailure(reason, `${this.#step}: ${printable(text)}`, { cause });
  }

  /** Makes what reading, SASL or TLS threw a failure of this login; others are passed on. */
  failureFrom(error: unknown): unknown {
    if (error instanceof Disconnected) {
      const hint = this.#challenges > 0 ? GAVE_UP_HINT : '';
      return this.failure('nodeUnreachable', `the node closed the connection${hint}`, error);
    }
    if (error instanceof DeadlinePassed) {
      const hint = this.#step === GREETING ? '; does this port want TLS from the start (tls: implicit)?' : '';
      return this.failure('nodeUnreachable', `the node did not answer in time${hint}`, error);
    }
    if (error instanceof InputTooLong) {
      return this.failure('nodeBrokeProtocol', 'the node sent a line that is too long', error);
    }
    if (error instanceof SaslError) {
      return this.failure('nodeBrokeProtocol', error.message, error);
    }
    return error;
  }
}

function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MAX_TEXT);
}
