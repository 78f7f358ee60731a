import type { WireAnswer } from '../auth/failure.ts';
import type { Proof } from '../auth/sasl.ts';
import type { Channel } from './channel.ts';
import { allowsLogin, takesPasswords } from './password-command.ts';
import type { Conclusion, Departure, FrontendTerms, LoginAttempt, NodeWelcome, Refusal } from './protocol.ts';
import {
  type ClientResponse,
  type ExchangeOutcome,
  runSaslExchange,
  type SaslFraming,
} from './sasl-exchange.ts';
import { depart, departTlsFailed, type LastWords, type Served, serveCommands } from './serving.ts';

/** What serving a client comes to. */
export type Outcome = LoginAttempt | Refusal | Departure;

/** What a client asks for by AUTHENTICATE or AUTH. */
export interface Exchange {
  /** In upper case. */
  readonly mechanism: string;
  /** `undefined` when there was none. */
  readonly initial: ClientResponse | undefined;
  readonly framing: SaslFraming;
}

/** Lines for an exchange that no login comes of. */
export type ExchangeAnswers = Readonly<
  Record<'tlsRequired' | 'unsupported' | Exclude<ExchangeOutcome['kind'], 'proof'>, string>
>;

/** An exchange that ended with a proof. */
export type Proved = Extract<ExchangeOutcome, { readonly kind: 'proof' }>;

/** Lines for the end of a login, and what the protocol knows of it besides. */
export interface LoginAnswers {
  accepted(welcome: NodeWelcome): string;
  rejected(answer: WireAnswer, reference: string): string;
  /** A line for a client that has to wait; left out where the protocol has none. */
  readonly waiting?: string;
  /** Says what the mechanism says last, where that comes before the answer. */
  readonly conclude?: () => Promise<Conclusion>;
  readonly ttl?: number | undefined;
}

/**
 * What all protocols need to speak with a client before the relay: its commands within bounds, TLS, the server's side
 * of SASL, and a count of its failed logins. What is said, and how it is read, is the protocol's.
 */
export class ClientDialogue {
  /** STARTTLS replaces it. */
  channel: Channel;
  readonly terms: FrontendTerms;
  readonly #lastWords: LastWords;
  #failures = 0;

  constructor(channel: Channel, terms: FrontendTerms, lastWords: LastWords) {
    this.channel = channel;
    this.terms = terms;
    this.#lastWords = lastWords;
  }

  /** Whether anybody may log in now. */
  get loginAllowed(): boolean {
    return allowsLogin(this.terms, this.channel.tls);
  }

  /** Whether the protocol's own command may bring a password now. */
  get takesPasswords(): boolean {
    return takesPasswords(this.terms, this.channel.tls);
  }

  /** Serves commands until one of them is a login, is refused for policy, or the client is gone. */
  async next(serveCommand: () => Promise<Served<Outcome>>): Promise<Outcome> {
    return this.#mayTry()
      ? await serveCommands(() => this.channel, this.#lastWords, serveCommand)
      : this.#departAfterFailures();
  }

  /**
   * Starts TLS behind the words that consent to it.
   * @param bad answers where there is none to be started.
   * @returns `undefined` when the client is in TLS.
   */
  async startTls(
    consent: string,
    bad: (why: string) => Promise<'bad'>,
  ): Promise<Departure | 'bad' | undefined> {
    if (this.channel.tls !== undefined) {
      return await bad('TLS is on already.');
    }
    if (!this.terms.startTls) {
      return await bad('TLS is not available.');
    }
    await this.channel.write(consent);
    try {
      this.channel = await this.channel.upgradeTls();
    } catch (error) {
      return departTlsFailed(error);
    }
    this.terms.onStartTls?.(this.channel.tls);
    return undefined;
  }

  /** Runs the exchange of a mechanism. @param attempt makes a login of its proof. */
  async authenticate(
    { mechanism, initial, framing }: Exchange,
    answers: ExchangeAnswers,
    attempt: (proved: Proved) => LoginAttempt,
  ): Promise<Served<Outcome>> {
    if (!this.loginAllowed) {
      return await this.refuseClearText(answers.tlsRequired);
    }
    const server = this.terms.mechanisms(this.channel.tls).get(mechanism);
    if (server === undefined) {
      await this.channel.write(answers.unsupported);
      return undefined;
    }
    const outcome = await runSaslExchange(this.channel, framing, server(), initial);
    if (outcome.kind === 'proof') {
      return attempt(outcome);
    }
    await this.channel.write(answers[outcome.kind]);
    // Counts like a failed login: the mechanism may have asked the directory already.
    this.#failures += 1;
    if (!this.#mayTry()) {
      return this.#departAfterFailures();
    }
    return outcome.kind === 'malformed' ? 'bad' : undefined;
  }

  /** Makes a login of a proof; the client's time stands still until it is answered. */
  attempt(
    mechanism: string,
    proof: Proof,
    { accepted, rejected, waiting, conclude = async () => 'received', ttl }: LoginAnswers,
  ): LoginAttempt {
    this.channel.stopClock();
    return {
      kind: 'login',
      proof,
      mechanism,
      conclude,
      tls: this.channel.tls,
      ttl,
      abandoned: this.channel.abandoned,
      waiting: () => {
        if (waiting !== undefined) this.channel.send(waiting);
      },
      accept: (welcome) => {
        this.channel.send(accepted(welcome));
        return this.channel.detach();
      },
      reject: (answer, reference) => {
        this.#failures += 1;
        this.channel.send(rejected(answer, reference));
      },
    };
  }

  /** Refuses a login in clear text. It counts like a failed one, since each costs a log line. */
  async refuseClearText(words: string): Promise<Refusal> {
    this.#failures += 1;
    await this.channel.write(words);
    return { kind: 'refused', reason: 'tlsRequired' };
  }

  #mayTry(): boolean {
    return this.#failures < this.terms.maxFailures;
  }

  #departAfterFailures(): Departure {
    return depart(this.channel, 'tooManyFailures', this.#lastWords.tooManyFailures);
  }
}
