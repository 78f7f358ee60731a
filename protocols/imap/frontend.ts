import type { WireAnswer } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';
import type { Channel } from '../channel.ts';
import { ClientDialogue, type LoginAnswers, type Outcome } from '../client-dialogue.ts';
import type { Frontend, FrontendTerms, NodeWelcome } from '../protocol.ts';
import { base64Lines, concludeExchange, decodeInitial } from '../sasl-exchange.ts';
import { depart, isForeignWord, type LastWords, type Served } from '../serving.ts';
import { type Command, type RefusedCommand, readCommand } from './command.ts';
import { IMAP_ANSWER, IMAP_REFERRED, unauthenticatedCapabilities } from './status.ts';

const LAST_WORDS: LastWords = {
  logout: '* BYE Logging out\r\n',
  timeout: '* BYE Disconnected for inactivity.\r\n',
  tooLong: '* BYE [TOOBIG] Input too long.\r\n',
  tooManyBadCommands: '* BYE Too many invalid commands.\r\n',
  tooManyFailures: '* BYE Too many failed logins.\r\n',
};

/** The proxy's side towards an IMAP client, in the not authenticated state (RFC 9051 section 6.2). */
export class ImapFrontend implements Frontend {
  readonly #client: ClientDialogue;
  /** A client that asked for capabilities keeps them until it is told others. */
  #askedCapability = false;
  #ttl: number | undefined;

  constructor(channel: Channel, terms: FrontendTerms) {
    this.#client = new ClientDialogue(channel, terms, LAST_WORDS);
  }

  async greet(): Promise<void> {
    const { channel, terms } = this.#client;
    channel.startClock(terms.unauthenticatedMs);
    channel.send(`* OK [CAPABILITY ${this.#capabilities()}] ${terms.greeting}\r\n`);
  }

  async next(): Promise<Outcome> {
    return await this.#client.next(() => this.#serveCommand());
  }

  bye(answer: WireAnswer): void {
    this.#client.channel.close(`* BYE ${IMAP_ANSWER[answer]}\r\n`);
  }

  async #serveCommand(): Promise<Served<Outcome>> {
    const { channel, terms } = this.#client;
    const command = await readCommand(channel, (verb) => this.#takesLiteral(verb), terms.maxSaslOctets);
    if (command.tag === undefined) {
      return await this.#bad('*', 'A command begins with a tag of ASCII letters and digits.');
    }
    const tag = command.tag;
    if (isForeignWord(tag)) {
      return depart(channel, 'notMail', '');
    }
    if ('refused' in command) {
      return await this.#refuseLiteral(tag, command);
    }
    switch (command.verb) {
      case 'LOGIN':
        return await this.#login(tag, command);
      case 'AUTHENTICATE':
        return await this.#authenticate(tag, command);
      case 'ID':
        return await this.#id(tag, command);
      case 'ENABLE':
        return await this.#enable(tag, command);
      default:
        return await this.#serveSimple(tag, command);
    }
  }

  /** The commands without arguments. */
  async #serveSimple(tag: string, command: Command): Promise<Served<Outcome>> {
    const wellFormed = command.arguments.atEnd();
    switch (wellFormed ? command.verb : '') {
      case 'CAPABILITY':
        this.#askedCapability = true;
        await this.#write(
          `* CAPABILITY ${this.#capabilities()}\r\n${tag} OK Capabilities before login listed.\r\n`,
        );
        return undefined;
      case 'NOOP':
        await this.#write(`${tag} OK NOOP completed.\r\n`);
        return undefined;
      case 'LOGOUT':
        // RFC 9051 section 6.1.3: BYE comes before the tagged OK.
        return depart(this.#client.channel, 'logout', `${LAST_WORDS.logout}${tag} OK LOGOUT completed.\r\n`);
      case 'STARTTLS':
        return await this.#startTls(tag);
      default:
        return await this.#badCommand(tag, command);
    }
  }

  async #login(tag: string, { arguments: args }: Command): Promise<Served<Outcome>> {
    if (!this.#client.takesPasswords) {
      return await this.#refuseLogin(tag);
    }
    const authcid = args.space() ? args.astring() : undefined;
    const password = authcid !== undefined && args.space() ? args.astring() : undefined;
    if (authcid === undefined || password === undefined || !args.atEnd()) {
      return await this.#bad(tag, 'LOGIN takes a user name and a password.');
    }
    const proof = {
      kind: 'password',
      authzid: Buffer.alloc(0),
      authcid: Buffer.from(authcid),
      password: new Secret(Buffer.from(password)),
    } as const;
    return this.#client.attempt('LOGIN command', proof, this.#answers(tag));
  }

  async #authenticate(tag: string, { arguments: args }: Command): Promise<Served<Outcome>> {
    const mechanism = args.space() ? args.atom()?.toUpperCase() : undefined;
    const initial = args.space() ? args.word() : undefined;
    if (mechanism === undefined || !args.atEnd()) {
      return await this.#bad(tag, 'AUTHENTICATE takes a mechanism and at most an initial response.');
    }
    const { channel, terms } = this.#client;
    const framing = base64Lines(channel, terms.maxSaslOctets);
    const first = initial === undefined ? undefined : decodeInitial(initial);
    const answers = {
      tlsRequired: tlsRequired(tag),
      unsupported: `${tag} NO Unsupported authentication mechanism.\r\n`,
      aborted: `${tag} BAD Authentication aborted by the client.\r\n`,
      badBase64: `${tag} BAD Invalid base64.\r\n`,
      malformed: `${tag} BAD This is no message of ${mechanism}.\r\n`,
    };
    return await this.#client.authenticate(
      { mechanism, initial: first, framing },
      answers,
      ({ proof, last }) =>
        this.#client.attempt(mechanism, proof, {
          ...this.#answers(tag),
          conclude: () => concludeExchange(channel, framing, last),
        }),
    );
  }

  async #id(tag: string, { arguments: args }: Command): Promise<Served<Outcome>> {
    const parameters = args.space() ? args.idParameters() : undefined;
    if (parameters === undefined || !args.atEnd()) {
      await this.#write(`${tag} BAD ID takes a list of fields and values, or NIL.\r\n`);
      return undefined;
    }
    // Nothing a client says of itself is believed, but for the number of proxies that it came through: a smaller
    // number can only make us refuse a loop sooner.
    const ttl = /^\d{1,3}$/.exec(parameters.get('x-proxy-ttl') ?? '');
    this.#ttl = ttl === null ? this.#ttl : Number(ttl[0]);
    await this.#write(`* ID ("name" "Homing")\r\n${tag} OK ID completed.\r\n`);
    return undefined;
  }

  /** RFC 5161 has no ENABLE before login, but clients that pipeline it there need an answer that stops nothing. */
  async #enable(tag: string, { arguments: args }: Command): Promise<Served<Outcome>> {
    do {
      if (!args.space() || args.atom() === undefined) {
        return await this.#bad(tag, 'ENABLE takes names of capabilities.');
      }
    } while (!args.atEnd());
    await this.#write(`* ENABLED\r\n${tag} OK Nothing can be enabled before login.\r\n`);
    return undefined;
  }

  async #startTls(tag: string): Promise<Served<Outcome>> {
    const ended = await this.#client.startTls(`${tag} OK Begin TLS negotiation now.\r\n`, (why) =>
      this.#bad(tag, why),
    );
    if (ended === undefined) {
      this.#askedCapability = false;
      this.#ttl = undefined;
    }
    return ended;
  }

  #answers(tag: string): LoginAnswers {
    return {
      ttl: this.#ttl,
      // RFC 9051 section 7.1.1: an untagged OK is information, and may come at any time.
      waiting: '* OK Please wait, the mailbox can be used soon.\r\n',
      accepted: (welcome) => this.#accepted(tag, welcome),
      rejected: (answer, reference) => rejected(tag, answer, reference),
    };
  }

  #accepted(tag: string, { capabilities }: NodeWelcome): string {
    const list = capabilities.join(' ');
    const untagged = this.#askedCapability ? `* CAPABILITY ${list}\r\n` : '';
    return `${untagged}${tag} OK [CAPABILITY ${list}] Logged in\r\n`;
  }

  async #refuseLogin(tag: string): Promise<Served<Outcome>> {
    if (!this.#client.loginAllowed) {
      return await this.#client.refuseClearText(tlsRequired(tag));
    }
    // No guess, as nobody looks at the password; but who keeps on is let go like who sends bad commands.
    await this.#write(`${tag} NO [CANNOT] LOGIN is not offered here; use another mechanism.\r\n`);
    return 'bad';
  }

  async #refuseLiteral(tag: string, { verb, refused }: RefusedCommand): Promise<Served<Outcome>> {
    if (verb === 'LOGIN' && !this.#client.takesPasswords) {
      return await this.#refuseLogin(tag);
    }
    if (refused === 'literalTooLong') {
      return await this.#bad(tag, '[TOOBIG] The literal is too long.');
    }
    return await this.#bad(tag, 'Unknown command, or one without literals.');
  }

  #badCommand(tag: string, { verb, arguments: args }: Command): Promise<'bad'> {
    if (tag.toUpperCase() === 'LOGIN') {
      return this.#bad(tag, 'The first word of a line is a tag of your choice, then comes the command.');
    }
    if (verb === '' && args.atEnd()) {
      return this.#bad(tag, 'The command is missing.');
    }
    return this.#bad(tag, 'Unknown command, or arguments where it has none, or log in first.');
  }

  async #bad(tag: string, text: string): Promise<'bad'> {
    await this.#write(`${tag} BAD ${text}\r\n`);
    return 'bad';
  }

  #write(text: string): Promise<void> {
    return this.#client.channel.write(text);
  }

  #takesLiteral(verb: string): boolean {
    return verb === 'ID' || (verb === 'LOGIN' && this.#client.takesPasswords);
  }

  #capabilities(): string {
    return unauthenticatedCapabilities(this.#client.terms, this.#client.channel.tls);
  }
}

function rejected(tag: string, answer: WireAnswer, reference: string): string {
  const suffix = IMAP_REFERRED.has(answer) ? ` [ref:${reference}]` : '';
  // RFC 9051 section 6.2.2: a cancelled exchange is answered BAD.
  const status = answer === 'cancelled' ? 'BAD' : 'NO';
  return `${tag} ${status} ${IMAP_ANSWER[answer]}${suffix}\r\n`;
}

function tlsRequired(tag: string): string {
  return `${tag} NO ${IMAP_ANSWER.tlsRequired}\r\n`;
}
