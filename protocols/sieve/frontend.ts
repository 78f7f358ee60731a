import { decodeBase64 } from '../../auth/base64.ts';
import type { WireAnswer } from '../../auth/failure.ts';
import type { Channel } from '../channel.ts';
import { ClientDialogue, type LoginAnswers, type Outcome } from '../client-dialogue.ts';
import type { Frontend, FrontendTerms } from '../protocol.ts';
import type { ClientResponse, SaslFraming } from '../sasl-exchange.ts';
import { asciiUpperCase, depart, isForeignWord, type LastWords, type Served } from '../serving.ts';
import { readSentence, stringOf, type Word, writeString } from './command.ts';
import { SIEVE_ANSWER, SIEVE_REFERRED, unauthenticatedCapabilities } from './status.ts';

const LAST_WORDS: LastWords = {
  logout: 'OK "Bye."\r\n',
  timeout: 'BYE "Disconnected for inactivity."\r\n',
  tooLong: 'BYE "Input too long."\r\n',
  tooManyBadCommands: 'BYE "Too many invalid commands."\r\n',
  tooManyFailures: 'BYE "Too many failed logins."\r\n',
};

const EXCHANGE_ANSWERS = {
  tlsRequired: `NO ${SIEVE_ANSWER.tlsRequired}\r\n`,
  unsupported: 'NO "Unsupported authentication mechanism."\r\n',
  aborted: 'NO "Authentication aborted by the client."\r\n',
  badBase64: 'NO "Invalid base64."\r\n',
  malformed: 'NO "This is no message of the mechanism."\r\n',
};

/** The proxy's side towards a ManageSieve client, before it is authenticated (RFC 5804 section 2). */
export class SieveFrontend implements Frontend {
  readonly #client: ClientDialogue;

  constructor(channel: Channel, terms: FrontendTerms) {
    this.#client = new ClientDialogue(channel, terms, LAST_WORDS);
  }

  async greet(): Promise<void> {
    const { channel, terms } = this.#client;
    channel.startClock(terms.unauthenticatedMs);
    channel.send(this.#capabilities(terms.greeting));
  }

  async next(): Promise<Outcome> {
    return await this.#client.next(() => this.#serveCommand());
  }

  bye(answer: WireAnswer): void {
    this.#client.channel.close(`BYE ${SIEVE_ANSWER[answer]}\r\n`);
  }

  async #serveCommand(): Promise<Served<Outcome>> {
    const { channel, terms } = this.#client;
    const { verb, words } = await readSentence(channel, (name) =>
      name === 'AUTHENTICATE' ? terms.maxSaslOctets : 0,
    );
    if (isForeignWord(verb)) {
      return depart(channel, 'notMail', '');
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
        return depart(this.#client.channel, 'logout', LAST_WORDS.logout);
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
    const name = stringOf(named)?.toString('latin1');
    const initial = stringOf(first);
    if (name === undefined || (first !== undefined && initial === undefined) || rest.length > 0) {
      return await this.#bad('AUTHENTICATE takes a mechanism and at most an initial response, both strings.');
    }
    const { channel, terms } = this.#client;
    const exchange = {
      mechanism: asciiUpperCase(name),
      initial: initial === undefined ? undefined : decodeResponse(initial),
      framing: quotedStrings(channel, terms.maxSaslOctets),
    };
    return await this.#client.authenticate(exchange, EXCHANGE_ANSWERS, ({ proof, last }) =>
      this.#client.attempt(exchange.mechanism, proof, loginAnswers(last)),
    );
  }

  async #startTls(): Promise<Served<Outcome>> {
    const ended = await this.#client.startTls('OK "Begin TLS negotiation now."\r\n', (why) => this.#bad(why));
    if (ended === undefined) {
      // RFC 5804 section 2.2: clients wait for the capabilities, which they did not ask for.
      await this.#write(this.#capabilities('TLS is on.'));
    }
    return ended;
  }

  async #bad(text: string): Promise<'bad'> {
    await this.#write(`NO "${text}"\r\n`);
    return 'bad';
  }

  #capabilities(text: string): string {
    const { channel, terms } = this.#client;
    const quoted = writeString(Buffer.from(text), '').toString();
    return `${unauthenticatedCapabilities(terms, channel.tls)}OK ${quoted}\r\n`;
  }

  #write(output: Buffer | string): Promise<void> {
    return this.#client.channel.write(output);
  }
}

/** What the mechanism says last is in the OK (RFC 5804 section 1.3). */
function loginAnswers(last: Buffer | undefined): LoginAnswers {
  const code = last === undefined ? '' : `(SASL "${last.toString('base64')}") `;
  return { accepted: () => `OK ${code}"Logged in."\r\n`, rejected };
}

function rejected(answer: WireAnswer, reference: string): string {
  const words = SIEVE_ANSWER[answer];
  const text = SIEVE_REFERRED.has(answer) ? `${words.slice(0, -1)} [ref:${reference}]"` : words;
  return `NO ${text}\r\n`;
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
