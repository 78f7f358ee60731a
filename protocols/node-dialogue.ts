import { decodeBase64 } from '../auth/base64.ts';
import { LoginFailure, type Reason } from '../auth/failure.ts';
import { type SaslClient, SaslError } from '../auth/sasl.ts';
import { type Channel, DeadlinePassed, Disconnected, InputTooLong } from './channel.ts';
import { hostOfReferral, Referral } from './referral.ts';

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

/** A node was given a proof, and says nothing but that it is wrong. */
export class ProofRefused extends LoginFailure {
  constructor(message: string) {
    super('nodeRefusedProxy', message);
  }
}

/** How a protocol writes what the proxy says in the exchange of a mechanism. Responses are in base64. */
export interface NodeFraming {
  /** The arguments of the command that starts the exchange. */
  opening(mechanism: string, initial: string | undefined): string;
  response(encoded: string): string;
}

/** Bare words and lines, as IMAP (RFC 9051 section 6.2.2) and POP3 (RFC 5034) both have them. */
export const bareWords: NodeFraming = {
  opening(mechanism, initial) {
    // RFC 4959 section 3: "=" is an initial response of no octets.
    return initial === undefined ? mechanism : `${mechanism} ${initial === '' ? '=' : initial}`;
  },
  response: (encoded) => encoded,
};

/**
 * What all protocols need to speak to a node before the relay: lines within bounds, the client's side of SASL, and
 * failures that name the step. Nothing that a node says here reaches a client.
 */
export class NodeDialogue {
  channel: Channel;
  readonly #sasl: SaslClient;
  readonly #framing: NodeFraming;
  #lines = 0;
  #challenges = 0;
  #step = GREETING;

  constructor(channel: Channel, sasl: SaslClient, framing: NodeFraming) {
    this.channel = channel;
    this.#sasl = sasl;
    this.#framing = framing;
  }

  /** Sends a command. `step` says in the log what was being done. */
  say(step: string, line: string): void {
    this.#step = step;
    this.channel.send(`${line}\r\n`);
  }

  /** Reads the node's next line as it is, octet for character. */
  async hear(): Promise<string> {
    return await this.hearBy(async (channel) => (await channel.readLine(MAX_LINE_OCTETS)).toString('latin1'));
  }

  /** Reads what the node says next by the protocol's own reader, which bounds it. */
  async hearBy<T>(read: (channel: Channel) => Promise<T>): Promise<T> {
    this.#lines += 1;
    if (this.#lines > MAX_LINES) {
      throw this.failure('nodeBrokeProtocol', 'the node talks without end');
    }
    return await read(this.channel);
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
    const encoded = this.#sasl.initialResponse()?.toString('base64');
    const initial = encoded !== undefined && initialAllowed(encoded) ? encoded : undefined;
    if (initial !== undefined) {
      this.#challenges += 1;
    }
    return `${command} ${this.#framing.opening(this.#sasl.mechanism, initial)}`;
  }

  /** Answers a challenge, which came in base64. */
  async answerChallenge(encoded: string): Promise<void> {
    const response = await this.#respond(encoded);
    this.say(`proving by ${this.#sasl.mechanism}`, this.#framing.response(response.toString('base64')));
  }

  /** Takes what the mechanism says last, in base64, from the OK of a protocol whose OK can carry it. */
  async hearLast(encoded: string): Promise<void> {
    await this.#respond(encoded);
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

  async #respond(encoded: string): Promise<Buffer> {
    this.#challenges += 1;
    const challenge = decodeBase64(encoded);
    if (challenge === undefined || this.#challenges > MAX_CHALLENGES) {
      throw this.failure('nodeBrokeProtocol', 'the challenge is not base64, or there are too many');
    }
    const initial = this.#challenges === 1 ? this.#sasl.initialResponse() : undefined;
    return initial ?? (await this.#sasl.respond(challenge));
  }

  /** A failure that names the step. `text` is the node's, made printable. */
  failure(reason: Reason, text: string, cause?: unknown): LoginFailure {
    return new LoginFailure(reason, `${this.#step}: ${printable(text)}`, { cause });
  }

  /** A refusal with no other reason than the proof, where one was given. `text` as above. */
  refusal(text: string): LoginFailure {
    const message = `${this.#step}: ${printable(text)}`;
    return this.#challenges > 0 ? new ProofRefused(message) : new LoginFailure('nodeRefusedProxy', message);
  }

  /** A refusal that refers the user to another node; `undefined` where `text` names none. */
  referral(text: string, line: string): LoginFailure | undefined {
    const host = hostOfReferral(text);
    return host === undefined ? undefined : new Referral(host, `${this.#step}: ${printable(line)}`);
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

/** The node would let a client leave its login, on a connection that it takes for this proxy's. */
export function offersUnauthenticate(dialogue: NodeDialogue): LoginFailure {
  return dialogue.failure(
    'homeNotAllowed',
    'the node offers UNAUTHENTICATE, by which clients could leave their login and speak on as this proxy: ' +
      'switch it off there, or set allowUnauthenticate: true',
  );
}
