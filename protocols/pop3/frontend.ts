import type { WireAnswer } from '../../auth/failure.ts';
import type { Proof } from '../../auth/sasl.ts';
import { Secret } from '../../auth/secret.ts';
import type { Channel } from '../channel.ts';
import { allowsLogin, takesPasswords } from '../password-command.ts';
import type { Apop, Departure, Frontend, FrontendTerms, LoginAttempt, Refusal } from '../protocol.ts';
import { base64Lines, concludeExchange, decodeInitial, runSaslExchange } from '../sasl-exchange.ts';
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
import { authorizationCapabilities, POP3_ANSWER, POP3_REFERRED } from './status.ts';

type Outcome = LoginAttempt | Refusal | Departure;

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

/** The proxy's side towards a POP3 client, in the AUTHORIZATION state (RFC 1939 section 4). */
export class Pop3Frontend implements Frontend {
  #channel: Channel;
  readonly #terms: FrontendTerms;
  #failures = 0;
  /** What USER named, for the PASS that must follow at once. */
  #user: Buffer | undefined;
  #apop: Apop | undefined;

  constructor(channel: Channel, terms: FrontendTerms) {
    this.#channel = channel;
    this.#terms = terms;
  }

  async greet(): Promise<void> {
    this.#channel.startClock(this.#terms.unauthenticatedMs);
    // Clients take a timestamp for an offer, so there is none where the command would be refused.
    this.#apop = this.#loginAllowed() ? this.#terms.apop?.() : undefined;
    const timestamp = this.#apop === undefined ? '' : ` ${this.#apop.timestamp}`;
    this.#channel.send(`+OK ${this.#terms.greeting}${timestamp}\r\n`);
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
    this.#channel.close(`-ERR ${POP3_ANSWER[answer]}\r\n`);
  }

  async #serveCommand(): Promise<Served<Outcome>> {
    // AUTH may carry a long initial response (RFC 5034 section 4); other commands are held shorter.
    const line = await this.#channel.readLine(MAX_LINE_OCTETS, (start) =>
      /^AUTH /i.test(start.toString('latin1', 0, 5)) ? this.#terms.maxSaslOctets : MAX_LINE_OCTETS,
    );
    const space = line.indexOf(0x20);
    const keyword = asciiUpperCase(line.toString('latin1', 0, Math.min(space < 0 ? line.length : space, 16)));
    const argument = space < 0 ? undefined : line.subarray(space + 1);
    if (isForeignWord(keyword)) {
      return depart(this.#channel, 'notMail', '');
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
        await this.#list('Capabilities follow.', authorizationCapabilities(this.#terms, this.#channel.tls));
        return undefined;
      case 'NOOP':
        await this.#write('+OK\r\n');
        return undefined;
      case 'STLS':
        return await this.#startTls();
      case 'QUIT':
        return depart(this.#channel, 'logout', LAST_WORDS.logout);
      default:
        return await this.#bad('Unknown command, or arguments where it has none, or log in first.');
    }
  }

  async #nameUser(argument: Buffer | undefined): Promise<Served<Outcome>> {
    if (!takesPasswords(this.#terms, this.#channel.tls)) {
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
    if (!takesPasswords(this.#terms, this.#channel.tls)) {
      return await this.#refusePassword();
    }
    if (user === undefined || argument === undefined) {
      return await this.#bad('PASS comes right behind USER, and takes a password.');
    }
    // RFC 1939 section 7: spaces belong to the password, all of them.
    const password = new Secret(Buffer.from(argument));
    return this.#attempt('USER', { kind: 'password', authzid: Buffer.alloc(0), authcid: user, password });
  }

  async #serveApop(argument: Buffer | undefined): Promise<Served<Outcome>> {
    if (this.#apop === undefined) {
      return await this.#bad('APOP is not available.');
    }
    this.#channel.stopClock();
    const step = await this.#apop.server.step(Buffer.from(argument ?? ''), this.#channel.abandoned);
    this.#channel.resumeClock();
    return step.kind === 'proof'
      ? this.#attempt('APOP', step.proof)
      : await this.#bad('APOP takes a user name and a digest.');
  }

  async #auth(argument: string): Promise<Served<Outcome>> {
    const [mechanism = '', initial, ...rest] = argument.split(' ');
    if (argument === '') {
      // Older than RFC 5034: Outlook asks so which mechanisms there are.
      await this.#list('', this.#loginAllowed() ? [...this.#terms.mechanisms(this.#channel.tls).keys()] : []);
      return undefined;
    }
    if (rest.length > 0) {
      return await this.#bad('AUTH takes a mechanism and at most an initial response.');
    }
    if (!this.#loginAllowed()) {
      return await this.#refuseClearText();
    }
    const server = this.#terms.mechanisms(this.#channel.tls).get(mechanism.toUpperCase());
    if (server === undefined) {
      await this.#write('-ERR Unsupported authentication mechanism.\r\n');
      return undefined;
    }
    const framing = base64Lines(this.#channel, this.#terms.maxSaslOctets);
    const first = initial === undefined ? undefined : decodeInitial(initial);
    const outcome = await runSaslExchange(this.#channel, framing, server(), first);
    switch (outcome.kind) {
      case 'proof':
        return this.#attempt(mechanism.toUpperCase(), outcome.proof, () =>
          concludeExchange(this.#channel, framing, outcome.last),
        );
      case 'aborted':
        await this.#write('-ERR Authentication aborted by the client.\r\n');
        return this.#countUnproved(undefined);
      case 'badBase64':
        await this.#write('-ERR Invalid base64.\r\n');
        return this.#countUnproved(undefined);
      case 'malformed':
        return this.#countUnproved(await this.#bad('This is no message of the mechanism.'));
    }
  }

  async #startTls(): Promise<Served<Outcome>> {
    if (this.#secured() || !this.#terms.startTls) {
      return await this.#bad(this.#secured() ? 'TLS is on already.' : 'TLS is not available.');
    }
    await this.#write('+OK Begin TLS negotiation now.\r\n');
    try {
      this.#channel = await this.#channel.upgradeTls();
    } catch (error) {
      return departTlsFailed(error);
    }
    return undefined;
  }

  #attempt(
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
      ttl: undefined,
      abandoned: this.#channel.abandoned,
      accept: () => this.#accept(),
      reject: (answer, reference) => this.#reject(answer, reference),
    };
  }

  #accept(): Detached {
    this.#channel.send('+OK Logged in.\r\n');
    return this.#channel.detach();
  }

  #reject(answer: WireAnswer, reference: string): void {
    this.#failures += 1;
    const suffix = POP3_REFERRED.has(answer) ? ` [ref:${reference}]` : '';
    this.#channel.send(`-ERR ${POP3_ANSWER[answer]}${suffix}\r\n`);
  }

  /** Counts an exchange without a proof like a failed login: its mechanism may have asked the directory already. */
  #countUnproved(served: 'bad' | undefined): Served<Outcome> {
    this.#failures += 1;
    return this.#failures < this.#terms.maxFailures ? served : this.#departAfterFailures();
  }

  #departAfterFailures(): Departure {
    return depart(this.#channel, 'tooManyFailures', LAST_WORDS.tooManyFailures);
  }

  async #refusePassword(): Promise<Served<Outcome>> {
    if (!this.#loginAllowed()) {
      return await this.#refuseClearText();
    }
    // No guess, as nobody looks at the password; but who keeps on is let go like who sends bad commands.
    return await this.#bad('USER and PASS are not offered here; use another mechanism.');
  }

  /** Counts like a failed login, since each costs a log line. */
  async #refuseClearText(): Promise<Refusal> {
    this.#failures += 1;
    await this.#write(`-ERR ${POP3_ANSWER.tlsRequired}\r\n`);
    return { kind: 'refused', reason: 'tlsRequired' };
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
    return this.#channel.write(text);
  }

  #secured(): boolean {
    return this.#channel.tls !== undefined;
  }

  #loginAllowed(): boolean {
    return allowsLogin(this.#terms, this.#channel.tls);
  }
}
