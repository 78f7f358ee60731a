import type { WireAnswer } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';
import type { Channel } from '../channel.ts';
import { ClientDialogue, type LoginAnswers, type Outcome } from '../client-dialogue.ts';
import type { Apop, Frontend, FrontendTerms } from '../protocol.ts';
import { base64Lines, concludeExchange, decodeInitial } from '../sasl-exchange.ts';
import { asciiUpperCase, depart, isForeignWord, type LastWords, type Served } from '../serving.ts';
import { authorizationCapabilities, POP3_ANSWER, POP3_REFERRED } from './status.ts';

/** Longer commands are read up to here, so that the session can go on. */
const MAX_LINE_OCTETS = 12 * 1024;
/** RFC 2449 section 4 says 255; long passwords are seen. */
const MAX_COMMAND_OCTETS = 1024;

const LAST_WORDS: LastWords = {
  logout: '+OK Bye.\r\n',
  timeout: '-ERR Disconnected for inactivity.\r\n',
  tooLong: '-ERR Input too long.\r\n',
  tooManyBadCommands: '-ERR Too many invalid commands.\r\n',
  tooManyFailures: '-ERR Too many failed logins.\r\n',
};

const TLS_REQUIRED = `-ERR ${POP3_ANSWER.tlsRequired}\r\n`;

const EXCHANGE_ANSWERS = {
  tlsRequired: TLS_REQUIRED,
  unsupported: '-ERR Unsupported authentication mechanism.\r\n',
  aborted: '-ERR Authentication aborted by the client.\r\n',
  badBase64: '-ERR Invalid base64.\r\n',
  malformed: '-ERR This is no message of the mechanism.\r\n',
};

const LOGIN_ANSWERS: LoginAnswers = {
  accepted: () => '+OK Logged in.\r\n',
  rejected(answer, reference) {
    const suffix = POP3_REFERRED.has(answer) ? ` [ref:${reference}]` : '';
    return `-ERR ${POP3_ANSWER[answer]}${suffix}\r\n`;
  },
};

/** The proxy's side towards a POP3 client, in the AUTHORIZATION state (RFC 1939 section 4). */
export class Pop3Frontend implements Frontend {
  readonly #client: ClientDialogue;
  /** What USER named, for the PASS that must follow at once. */
  #user: Buffer | undefined;
  #apop: Apop | undefined;

  constructor(channel: Channel, terms: FrontendTerms) {
    this.#client = new ClientDialogue(channel, terms, LAST_WORDS);
  }

  async greet(): Promise<void> {
    const { channel, terms, loginAllowed } = this.#client;
    channel.startClock(terms.unauthenticatedMs);
    // Clients take a timestamp for an offer, so there is none where the command would be refused.
    this.#apop = loginAllowed ? terms.apop?.() : undefined;
    const timestamp = this.#apop === undefined ? '' : ` ${this.#apop.timestamp}`;
    channel.send(`+OK ${terms.greeting}${timestamp}\r\n`);
  }

  async next(): Promise<Outcome> {
    return await this.#client.next(() => this.#serveCommand());
  }

  bye(answer: WireAnswer): void {
    this.#client.channel.close(`-ERR ${POP3_ANSWER[answer]}\r\n`);
  }

  async #serveCommand(): Promise<Served<Outcome>> {
    // AUTH may carry a long initial response (RFC 5034 section 4); other commands are held shorter.
    const { channel, terms } = this.#client;
    const line = await channel.readLine(MAX_LINE_OCTETS, (start) =>
      /^AUTH /i.test(start.toString('latin1', 0, 5)) ? terms.maxSaslOctets : MAX_LINE_OCTETS,
    );
    const space = line.indexOf(0x20);
    const keyword = asciiUpperCase(line.toString('latin1', 0, Math.min(space < 0 ? line.length : space, 16)));
    const argument = space < 0 ? undefined : line.subarray(space + 1);
    if (isForeignWord(keyword)) {
      return depart(channel, 'notMail', '');
    }
    const user = this.#user;
    // RFC 1939 section 7: PASS must come immediately after USER.
    this.#user = undefined;
    if (line.includes(0) || (keyword !== 'AUTH' && line.length > MAX_COMMAND_OCTETS)) {
      return await this.#bad('The command is too long, or holds a NUL.');
    }
    switch (keyword) {
      case 'USER':
        return await this.#nameUser(argument);
      case 'PASS':
        return await this.#pass(user, argument);
      case 'APOP':
        return await this.#serveApop(argument);
      case 'AUTH':
        return await this.#auth(argument?.toString('latin1').trimEnd() ?? '');
      default:
        return await this.#serveSimple(keyword, argument);
    }
  }

  /** The commands without arguments. */
  async #serveSimple(keyword: string, argument: Buffer | undefined): Promise<Served<Outcome>> {
    const wellFormed = argument === undefined || argument.every((octet) => octet === 0x20);
    switch (wellFormed ? keyword : '') {
      case 'CAPA':
        await this.#list(
          'Capabilities follow.',
          authorizationCapabilities(this.#client.terms, this.#client.channel.tls),
        );
        return undefined;
      case 'NOOP':
        await this.#write('+OK\r\n');
        return undefined;
      case 'STLS':
        return await this.#client.startTls('+OK Begin TLS negotiation now.\r\n', (why) => this.#bad(why));
      case 'QUIT':
        return depart(this.#client.channel, 'logout', LAST_WORDS.logout);
      default:
        return await this.#bad('Unknown command, or arguments where it has none, or log in first.');
    }
  }

  async #nameUser(argument: Buffer | undefined): Promise<Served<Outcome>> {
    if (!this.#client.takesPasswords) {
      return await this.#refusePassword();
    }
    if (argument === undefined || argument.length === 0) {
      return await this.#bad('USER takes a user name.');
    }
    this.#user = Buffer.from(argument);
    // Said to everyone: who asks must not learn which users exist.
    await this.#write('+OK\r\n');
    return undefined;
  }

  async #pass(user: Buffer | undefined, argument: Buffer | undefined): Promise<Served<Outcome>> {
    if (!this.#client.takesPasswords) {
      return await this.#refusePassword();
    }
    if (user === undefined || argument === undefined) {
      return await this.#bad('PASS comes right behind USER, and takes a password.');
    }
    // RFC 1939 section 7: spaces belong to the password, all of them.
    const password = new Secret(Buffer.from(argument));
    const proof = { kind: 'password', authzid: Buffer.alloc(0), authcid: user, password } as const;
    return this.#client.attempt('USER', proof, LOGIN_ANSWERS);
  }

  async #serveApop(argument: Buffer | undefined): Promise<Served<Outcome>> {
    if (this.#apop === undefined) {
      return await this.#bad('APOP is not available.');
    }
    const { channel } = this.#client;
    channel.stopClock();
    const step = await this.#apop.server.step(Buffer.from(argument ?? ''), channel.abandoned);
    channel.resumeClock();
    return step.kind === 'proof'
      ? this.#client.attempt('APOP', step.proof, LOGIN_ANSWERS)
      : await this.#bad('APOP takes a user name and a digest.');
  }

  async #auth(argument: string): Promise<Served<Outcome>> {
    const { channel, terms, loginAllowed } = this.#client;
    const [named = '', initial, ...rest] = argument.split(' ');
    if (argument === '') {
      // Older than RFC 5034: Outlook asks so which mechanisms there are.
      await this.#list('', loginAllowed ? [...terms.mechanisms(channel.tls).keys()] : []);
      return undefined;
    }
    if (rest.length > 0) {
      return await this.#bad('AUTH takes a mechanism and at most an initial response.');
    }
    const mechanism = named.toUpperCase();
    const framing = base64Lines(channel, terms.maxSaslOctets);
    const exchange = {
      mechanism,
      framing,
      initial: initial === undefined ? undefined : decodeInitial(initial),
    };
    return await this.#client.authenticate(exchange, EXCHANGE_ANSWERS, ({ proof, last }) =>
      this.#client.attempt(mechanism, proof, {
        ...LOGIN_ANSWERS,
        conclude: () => concludeExchange(channel, framing, last),
      }),
    );
  }

  async #refusePassword(): Promise<Served<Outcome>> {
    if (!this.#client.loginAllowed) {
      return await this.#client.refuseClearText(TLS_REQUIRED);
    }
    // No guess, as nobody looks at the password; but who keeps on is let go like who sends bad commands.
    return await this.#bad('USER and PASS are not offered here; use another mechanism.');
  }

  async #bad(text: string): Promise<'bad'> {
    await this.#write(`-ERR ${text}\r\n`);
    return 'bad';
  }

  #list(text: string, lines: readonly string[]): Promise<void> {
    return this.#write(
      ['+OK', text]
        .join(text === '' ? '' : ' ')
        .concat('\r\n', ...lines.map((line) => `${line}\r\n`), '.\r\n'),
    );
  }

  #write(text: string): Promise<void> {
    return this.#client.channel.write(text);
  }
}
