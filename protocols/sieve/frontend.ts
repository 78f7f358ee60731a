import { decodeBase64 } from '../../auth/base64.ts';
import type { WireAnswer } from '../../auth/failure.ts';
import type { Proof } from '../../auth/sasl.ts';
import type { Channel } from '../channel.ts';
import { allowsLogin } from '../password-command.ts';
import type { Departure, Frontend, FrontendTerms, LoginAttempt, Refusal } from '../protocol.ts';
import { type ClientResponse, runSaslExchange, type SaslFraming } from '../sasl-exchange.ts';
import {
  asciiUpperCase,
  depart,
  departTlsFailed,
  isForeignWord,
  type LastWords,
  type Served,
  serveCommands,
} from '../serving.ts';
import type { Detached } from '../transport.ts';
import { readSentence, stringOf, type Word, writeString } from './command.ts';
import { SIEVE_ANSWER, SIEVE_REFERRED, unauthenticatedCapabilities } from './status.ts';

type Outcome = LoginAttempt | Refusal | Departure;

const LAST_WORDS: LastWords = {
  logout: 'OK "Bye."\r\n',
  timeout: 'BYE "Disconnected for inactivity."\r\n',
  tooLong: 'BYE "Input too long."\r\n',
  tooManyBadCommands: 'BYE "Too many invalid commands."\r\n',
  tooManyFailures: 'BYE "Too many failed logins."\r\n',
};

/** The proxy's side towards a ManageSieve client, before it is authenticated (RFC 5804 section 2). */
export class SieveFrontend implements Frontend {
  #channel: Channel;
  readonly #terms: FrontendTerms;
  #failures = 0;

  constructor(channel: Channel, terms: FrontendTerms) {
    this.#channel = channel;
    this.#terms = terms;
  }

  async greet(): Promise<void> {
    this.#channel.startClock(this.#terms.unauthenticatedMs);
    this.#channel.send(this.#capabilities(this.#terms.greeting));
  }

  async next(): Promise<Outcome> {
    if (this.#failures >= this.#terms.maxFailures) {
      return this.#departAfterFailures();
    }
    return await serveCommands(
      () => this.#channel,
      LAST_WORDS,
      () => this.#serveCommand(),
    );
  }

  bye(answer: WireAnswer): void {
    this.#channel.close(`BYE ${SIEVE_ANSWER[answer]}\r\n`);
  }

  async #serveCommand(): Promise<Served<Outcome>> {
    const { verb, words } = await readSentence(this.#channel, (name) =>
      name === 'AUTHENTICATE' ? this.#terms.maxSaslOctets : 0,
    );
    if (isForeignWord(verb)) {
      return depart(this.#channel, 'notMail', '');
    }
    if (words === undefined) {
      return await this.#bad('This is no command, or one that is too long.');
    }
    const args = words.slice(1);
    switch (verb) {
      case 'AUTHENTICATE':
        return await this.#authenticate(args);
      case 'NOOP':
        return await this.#noop(args);
      default:
        return await this.#serveSimple(args.length === 0 ? verb : '');
    }
  }

  /** The commands without arguments. */
  async #serveSimple(name: string): Promise<Served<Outcome>> {
    switch (name) {
      case 'CAPABILITY':
        await this.#write(this.#capabilities('Capabilities before login listed.'));
        return undefined;
      case 'STARTTLS':
        return await this.#startTls();
      case 'LOGOUT':
        return depart(this.#channel, 'logout', LAST_WORDS.logout);
      default:
        return await this.#bad('Unknown command, or arguments where it has none, or log in first.');
    }
  }

  async #noop(args: readonly Word[]): Promise<Served<Outcome>> {
    const tag = stringOf(args[0]);
    if (args.length > 1 || (args.length === 1 && tag === undefined)) {
      return await this.#bad('NOOP takes at most one string.');
    }
    // RFC 5804 section 2.13: the tag comes back, so that a client can find its place in the answers.
    await this.#write(
      tag === undefined
        ? 'OK "NOOP completed."\r\n'
        : Buffer.concat([
            Buffer.from('OK (TAG '),
            writeString(tag, ''),
            Buffer.from(') "NOOP completed."\r\n'),
          ]),
    );
    return undefined;
  }

  async #authenticate([named, first, ...rest]: readonly Word[]): Promise<Served<Outcome>> {
    const mechanism = stringOf(named)?.toString('latin1');
    const initial = stringOf(first);
    if (mechanism === undefined || (first !== undefined && initial === undefined) || rest.length > 0) {
      return await this.#bad('AUTHENTICATE takes a mechanism and at most an initial response, both strings.');
    }
    if (!allowsLogin(this.#terms, this.#channel.tls)) {
      return await this.#refuseClearText();
    }
    const name = asciiUpperCase(mechanism);
    const server = this.#terms.mechanisms(this.#channel.tls).get(name);
    if (server === undefined) {
      await this.#write('NO "Unsupported authentication mechanism."\r\n');
      return undefined;
    }
    const outcome = await runSaslExchange(
      this.#channel,
      quotedStrings(this.#channel, this.#terms.maxSaslOctets),
      server(),
      initial === undefined ? undefined : decodeResponse(initial),
    );
    switch (outcome.kind) {
      case 'proof':
        return this.#attempt(name, outcome.proof, outcome.last);
      case 'aborted':
        await this.#write('NO "Authentication aborted by the client."\r\n');
        return this.#countUnproved(undefined);
      case 'badBase64':
        await this.#write('NO "Invalid base64."\r\n');
        return this.#countUnproved(undefined);
      case 'malformed':
        return this.#countUnproved(await this.#bad('This is no message of the mechanism.'));
    }
  }

  async #startTls(): Promise<Served<Outcome>> {
    if (this.#channel.tls !== undefined || !this.#terms.startTls) {
      return await this.#bad(
        this.#channel.tls === undefined ? 'TLS is not available.' : 'TLS is on already.',
      );
    }
    await this.#write('OK "Begin TLS negotiation now."\r\n');
    try {
      this.#channel = await this.#channel.upgradeTls();
    } catch (error) {
      return departTlsFailed(error);
    }
    // RFC 5804 section 2.2: clients wait for the capabilities, which they did not ask for.
    await this.#write(this.#capabilities('TLS is on.'));
    return undefined;
  }

  #attempt(mechanism: string, proof: Proof, last: Buffer | undefined): LoginAttempt {
    this.#channel.stopClock();
    return {
      kind: 'login',
      proof,
      mechanism,
      tls: this.#channel.tls,
      ttl: undefined,
      abandoned: this.#channel.abandoned,
      // What the mechanism says last is in the OK.
      conclude: async () => 'received',
      accept: () => this.#accept(last),
      reject: (answer, reference) => this.#reject(answer, reference),
    };
  }

  #accept(last: Buffer | undefined): Detached {
    const code = last === undefined ? '' : `(SASL "${last.toString('base64')}") `;
    this.#channel.send(`OK ${code}"Logged in."\r\n`);
    return this.#channel.detach();
  }

  #reject(answer: WireAnswer, reference: string): void {
    this.#failures += 1;
    const words = SIEVE_ANSWER[answer];
    const text = SIEVE_REFERRED.has(answer) ? `${words.slice(0, -1)} [ref:${reference}]"` : words;
    this.#channel.send(`NO ${text}\r\n`);
  }

  /** Counts an exchange without a proof like a failed login: its mechanism may have asked the directory already. */
  #countUnproved(served: 'bad' | undefined): Served<Outcome> {
    this.#failures += 1;
    return this.#failures < this.#terms.maxFailures ? served : this.#departAfterFailures();
  }

  #departAfterFailures(): Departure {
    return depart(this.#channel, 'tooManyFailures', LAST_WORDS.tooManyFailures);
  }

  /** Counts like a failed login, since each costs a log line. */
  async #refuseClearText(): Promise<Refusal> {
    this.#failures += 1;
    await this.#write(`NO ${SIEVE_ANSWER.tlsRequired}\r\n`);
    return { kind: 'refused', reason: 'tlsRequired' };
  }

  async #bad(text: string): Promise<'bad'> {
    await this.#write(`NO "${text}"\r\n`);
    return 'bad';
  }

  #capabilities(text: string): string {
    const quoted = writeString(Buffer.from(text), '').toString();
    return `${unauthenticatedCapabilities(this.#terms, this.#channel.tls)}OK ${quoted}\r\n`;
  }

  #write(output: Buffer | string): Promise<void> {
    return this.#channel.write(output);
  }
}

/** Strings of base64 (RFC 5804 section 2.1). */
function quotedStrings(channel: Channel, maxOctets: number): SaslFraming {
  return {
    challenge: (octets) =>
      channel.write(
        Buffer.concat([writeString(Buffer.from(octets.toString('base64')), ''), Buffer.from('\r\n')]),
      ),
    async response() {
      const { words = [] } = await readSentence(channel, () => maxOctets);
      const response = words.length === 1 ? stringOf(words[0]) : undefined;
      return response === undefined ? 'badBase64' : decodeResponse(response);
    },
  };
}

function decodeResponse(response: Buffer): ClientResponse {
  const text = response.toString('latin1');
  return text === '*' ? 'aborted' : (decodeBase64(text) ?? 'badBase64');
}
