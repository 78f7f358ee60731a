import type { WireAnswer } from '../../auth/failure.ts';
import type { Proof } from '../../auth/sasl.ts';
import { Secret } from '../../auth/secret.ts';
import type { Channel } from '../channel.ts';
import { allowsLogin, takesPasswords } from '../password-command.ts';
import type { Departure, Frontend, FrontendTerms, LoginAttempt, NodeWelcome, Refusal } from '../protocol.ts';
import { base64Lines, concludeExchange, decodeInitial, runSaslExchange } from '../sasl-exchange.ts';
import {
  depart,
  departTlsFailed,
  isForeignWord,
  type LastWords,
  type Served,
  serveCommands,
} from '../serving.ts';
import type { Detached } from '../transport.ts';
import { type Command, type RefusedCommand, readCommand } from './command.ts';
import { IMAP_ANSWER, IMAP_REFERRED, unauthenticatedCapabilities } from './status.ts';

type Outcome = LoginAttempt | Refusal | Departure;

const LAST_WORDS: LastWords = {
  logout: '* BYE Logging out\r\n',
  timeout: '* BYE Disconnected for inactivity.\r\n',
  tooLong: '* BYE [TOOBIG] Input too long.\r\n',
  tooManyBadCommands: '* BYE Too many invalid commands.\r\n',
  tooManyFailures: '* BYE Too many failed logins.\r\n',
};

/** The proxy's side towards an IMAP client, in the not authenticated state (RFC 9051 section 6.2). */
export class ImapFrontend implements Frontend {
  #channel: Channel;
  readonly #terms: FrontendTerms;
  #failures = 0;
  /** A client that asked for capabilities keeps them until it is told others. */
  #askedCapability = false;
  #ttl: number | undefined;

  constructor(channel: Channel, terms: FrontendTerms) {
    this.#channel = channel;
    this.#terms = terms;
  }

  async greet(): Promise<void> {
    this.#channel.startClock(this.#terms.unauthenticatedMs);
    this.#channel.send(`* OK [CAPABILITY ${this.#capabilities()}] ${this.#terms.greeting}\r\n`);
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
    this.#channel.close(`* BYE ${IMAP_ANSWER[answer]}\r\n`);
  }

  async #serveCommand(): Promise<Served<Outcome>> {
    const { maxSaslOctets } = this.#terms;
    const command = await readCommand(this.#channel, (verb) => this.#takesLiteral(verb), maxSaslOctets);
    if (command.tag === undefined) {
      return await this.#bad('*', 'A command begins with a tag of ASCII letters and digits.');
    }
    const tag = command.tag;
    if (isForeignWord(tag)) {
      return depart(this.#channel, 'notMail', '');
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
        return depart(this.#channel, 'logout', `${LAST_WORDS.logout}${tag} OK LOGOUT completed.\r\n`);
      case 'STARTTLS':
        return await this.#startTls(tag);
      default:
        return await this.#badCommand(tag, command);
    }
  }

  async #login(tag: string, { arguments: args }: Command): Promise<Served<Outcome>> {
    if (!this.#takesPasswords()) {
      return await this.#refuseLogin(tag);
    }
    const authcid = args.space() ? args.astring() : undefined;
    const password = authcid !== undefined && args.space() ? args.astring() : undefined;
    if (authcid === undefined || password === undefined || !args.atEnd()) {
      return await this.#bad(tag, 'LOGIN takes a user name and a password.');
    }
    return this.#attempt(tag, 'LOGIN command', {
      kind: 'password',
      authzid: Buffer.alloc(0),
      authcid: Buffer.from(authcid),
      password: new Secret(Buffer.from(password)),
    });
  }

  async #authenticate(tag: string, { arguments: args }: Command): Promise<Served<Outcome>> {
    const mechanism = args.space() ? args.atom()?.toUpperCase() : undefined;
    const initial = args.space() ? args.word() : undefined;
    if (mechanism === undefined || !args.atEnd()) {
      return await this.#bad(tag, 'AUTHENTICATE takes a mechanism and at most an initial response.');
    }
    if (!this.#loginAllowed()) {
      return await this.#refuseClearText(tag);
    }
    const server = this.#terms.mechanisms(this.#channel.tls).get(mechanism);
    if (server === undefined) {
      await this.#write(`${tag} NO Unsupported authentication mechanism.\r\n`);
      return undefined;
    }
    const framing = base64Lines(this.#channel, this.#terms.maxSaslOctets);
    const first = initial === undefined ? undefined : decodeInitial(initial);
    const outcome = await runSaslExchange(this.#channel, framing, server(), first);
    switch (outcome.kind) {
      case 'proof':
        return this.#attempt(tag, mechanism, outcome.proof, () =>
          concludeExchange(this.#channel, framing, outcome.last),
        );
      case 'aborted':
        await this.#write(`${tag} BAD Authentication aborted by the client.\r\n`);
        return this.#countUnproved(undefined);
      case 'badBase64':
        await this.#write(`${tag} BAD Invalid base64.\r\n`);
        return this.#countUnproved(undefined);
      case 'malformed':
        return this.#countUnproved(await this.#bad(tag, `This is no message of ${mechanism}.`));
    }
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
    if (this.#channel.tls !== undefined || !this.#terms.startTls) {
      return await this.#bad(
        tag,
        this.#channel.tls === undefined ? 'TLS is not available.' : 'TLS is on already.',
      );
    }
    await this.#write(`${tag} OK Begin TLS negotiation now.\r\n`);
    try {
      this.#channel = await this.#channel.upgradeTls();
    } catch (error) {
      return departTlsFailed(error);
    }
    this.#askedCapability = false;
    this.#ttl = undefined;
    return undefined;
  }

  #attempt(
    tag: string,
    mechanism: string,
    proof: Proof,
    conclude: LoginAttempt['conclude'] = async () => 'received',
  ): LoginAttempt {
    this.#channel.stopClock();
    return {
      kind: 'login',
      proof,
      mechanism,
      conclude,
      tls: this.#channel.tls,
      ttl: this.#ttl,
      abandoned: this.#channel.abandoned,
      accept: (welcome) => this.#accept(tag, welcome),
      reject: (answer, reference) => this.#reject(tag, answer, reference),
    };
  }

  #accept(tag: string, { capabilities }: NodeWelcome): Detached {
    const list = capabilities.join(' ');
    const untagged = this.#askedCapability ? `* CAPABILITY ${list}\r\n` : '';
    this.#channel.send(`${untagged}${tag} OK [CAPABILITY ${list}] Logged in\r\n`);
    return this.#channel.detach();
  }

  #reject(tag: string, answer: WireAnswer, reference: string): void {
    this.#failures += 1;
    const suffix = IMAP_REFERRED.has(answer) ? ` [ref:${reference}]` : '';
    // RFC 9051 section 6.2.2: a cancelled exchange is answered BAD.
    const status = answer === 'cancelled' ? 'BAD' : 'NO';
    this.#channel.send(`${tag} ${status} ${IMAP_ANSWER[answer]}${suffix}\r\n`);
  }

  /** Counts an exchange without a proof like a failed login: its mechanism may have asked the directory already. */
  #countUnproved(served: 'bad' | undefined): Served<Outcome> {
    this.#failures += 1;
    return this.#failures < this.#terms.maxFailures ? served : this.#departAfterFailures();
  }

  #departAfterFailures(): Departure {
    return depart(this.#channel, 'tooManyFailures', LAST_WORDS.tooManyFailures);
  }

  async #refuseLogin(tag: string): Promise<Served<Outcome>> {
    if (!this.#loginAllowed()) {
      return await this.#refuseClearText(tag);
    }
    // No guess, as nobody looks at the password; but who keeps on is let go like who sends bad commands.
    await this.#write(`${tag} NO [CANNOT] LOGIN is not offered here; use another mechanism.\r\n`);
    return 'bad';
  }

  /** Counts like a failed login, since each costs a log line. */
  async #refuseClearText(tag: string): Promise<Refusal> {
    this.#failures += 1;
    await this.#write(`${tag} NO ${IMAP_ANSWER.tlsRequired}\r\n`);
    return { kind: 'refused', reason: 'tlsRequired' };
  }

  async #refuseLiteral(tag: string, { verb, refused }: RefusedCommand): Promise<Served<Outcome>> {
    if (verb === 'LOGIN' && !this.#takesPasswords()) {
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
    return this.#channel.write(text);
  }

  #takesLiteral(verb: string): boolean {
    return verb === 'ID' || (verb === 'LOGIN' && this.#takesPasswords());
  }

  #loginAllowed(): boolean {
    return allowsLogin(this.#terms, this.#channel.tls);
  }

  #takesPasswords(): boolean {
    return takesPasswords(this.#terms, this.#channel.tls);
  }

  #capabilities(): string {
    return unauthenticatedCapabilities(this.#terms, this.#channel.tls);
  }
}
