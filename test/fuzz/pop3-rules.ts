/** What a POP3 client must be told before its login (RFC 1939, RFC 2449, RFC 5034), written apart from the product. */
import { decodeBase64 } from '../../auth/base64.ts';
import { POP3_ANSWER } from '../../protocols/pop3/status.ts';
import { type Circumstances, GREETING, OFFERED_MECHANISMS, type Play } from './frontend-play.ts';
import { must } from './oracles.ts';
import { TIMESTAMP } from './scripted-apop.ts';
import { ownTexts, Transcript } from './transcript.ts';

const FOREIGN = /^(?:GET|POST|HEAD|PUT|DELETE|PATCH|TRACE|OPTIONS|CONNECT|PRI|EHLO|HELO|PROXY)$/;
/** No line of fewer octets may be too long. */
const SMALLEST_TOO_LONG = 12 * 1024;
const TOO_LONG = '-ERR Input too long.';

const isOwnText = ownTexts(
  'protocols/client-dialogue.ts',
  'protocols/pop3/frontend.ts',
  'protocols/pop3/status.ts',
);

/** Where a conversation stands behind a command. */
type Next = 'more' | 'over';

/**
 * Follows a conversation from the greeting to its end.
 * @returns the kinds of answers, in order.
 * @throws {Violation} at the first that must not be.
 */
export function followPop3(flights: readonly string[], play: Play, circumstances: Circumstances): string[] {
  const transcript = new Transcript(flights, play);
  const follower = new Pop3Follower(transcript, circumstances);
  const { tls, terms } = circumstances;
  const timestamp = tls || terms.allowPlaintext ? ` ${TIMESTAMP}` : '';
  must(transcript.takeReply() === `+OK ${GREETING}${timestamp}`, 'greets', () => 'another greeting');
  while (follower.command() === 'more');
  return follower.way;
}

class Pop3Follower {
  readonly way: string[] = [];
  readonly #transcript: Transcript;
  readonly #terms: Circumstances['terms'];
  #tls: boolean;
  /** Offered by the greeting, or not at all. */
  readonly #apop: boolean;
  /** Where the USER stands that the next PASS belongs to. */
  #user = 0;
  /** Octets of the last response to a challenge. */
  #response = 0;

  constructor(transcript: Transcript, { tls, terms }: Circumstances) {
    this.#transcript = transcript;
    this.#terms = terms;
    this.#tls = tls;
    this.#apop = this.#loginAllowed();
  }

  command(): Next {
    const transcript = this.#transcript;
    if (transcript.peekOctet() === '\x16' && transcript.peekReply() === undefined) {
      return this.#end('not mail', 'notMail');
    }
    const start = transcript.position;
    const line = transcript.takeLine();
    if (line === undefined) {
      return this.#leave(start);
    }
    const [keyword = ''] = line.split(' ', 1);
    const verb = keyword.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase());
    if (transcript.peekReply() === undefined && transcript.departed === 'notMail') {
      must(FOREIGN.test(verb), 'answers each command', () => `nothing was said to ${line}`);
      return this.#end('not mail', 'notMail');
    }
    if (!this.#readResponses(verb)) {
      return this.#leave(start);
    }
    const from = verb === 'PASS' ? this.#user : start;
    this.#user = start;
    return this.#answer(verb, line, from);
  }

  /** Reads the challenges and responses of AUTH. @returns whether the client answered all. */
  #readResponses(verb: string): boolean {
    const transcript = this.#transcript;
    while (transcript.peekReply()?.startsWith('+ ') === true) {
      const challenge = transcript.takeReply().slice(2);
      must(
        verb === 'AUTH' && decodeBase64(challenge) !== undefined,
        'challenges in base64',
        () => `"${challenge}" behind ${verb}`,
      );
      this.way.push('+');
      const from = transcript.position;
      if (transcript.takeLine() === undefined) {
        if (transcript.peekReply() === undefined || transcript.peekReply() === TOO_LONG) {
          return false;
        }
        // What was too long to be a receipt has no end, and the login is answered all the same.
        transcript.skip(transcript.left);
      }
      this.#response = transcript.position - from;
    }
    return true;
  }

  #answer(verb: string, line: string, from: number): Next {
    const reply = this.#transcript.takeReply();
    const [, status = '', text = ''] = /^(\+OK|-ERR) ?(.*)$/.exec(reply) ?? [];
    must(status !== '', 'begins with a status', () => reply);
    this.way.push(`${/^(?:USER|PASS|APOP|AUTH|CAPA|STLS|QUIT|NOOP)$/.test(verb) ? verb : ''} ${reply}`);
    const isAnswer = Object.values(POP3_ANSWER).some((answer) => text.startsWith(answer));
    if (reply === '+OK Logged in.' || (isAnswer && text !== POP3_ANSWER.tlsRequired)) {
      must(verb !== 'APOP' || this.#apop, 'takes APOP where it is offered', () => line);
      return this.#loggedIn(from, text);
    }
    must(text === '' || isOwnText(text), 'says its own words', () => reply);
    if (status === '-ERR') {
      return this.#refused(text);
    }
    return this.#accepted(verb, line);
  }

  #loggedIn(from: number, text: string): Next {
    const answer = this.#transcript.takeAttempt(from, POP3_ANSWER, text);
    must((answer === 'ok') === (text === 'Logged in.'), 'lets in who may', () => `${text} for ${answer}`);
    must(this.#loginAllowed(), 'takes logins where they are allowed', () => text);
    if (answer !== 'ok') {
      return 'more';
    }
    this.#transcript.mustBeSilent();
    this.#transcript.mustBeRelayed();
    return 'over';
  }

  #refused(text: string): Next {
    switch (text) {
      case POP3_ANSWER.tlsRequired:
        must(!this.#loginAllowed(), 'lets logins in TLS be tried', () => text);
        return 'more';
      case 'Too many invalid commands.':
      case 'Too many failed logins.':
      case 'Input too long.':
        // It is no answer to the line that was just read, which came too late.
        return this.#end(text, 'tooManyBadCommands', 'tooManyFailures', 'tooLong');
      default:
        return 'more';
    }
  }

  #accepted(verb: string, line: string): Next {
    const hasArgument = line.slice(verb.length).trim() !== '';
    switch (verb) {
      case 'QUIT':
        return this.#end(verb, 'logout');
      case 'CAPA':
        this.#list(this.#capabilities());
        return 'more';
      case 'AUTH':
        must(!hasArgument, 'knows few commands', () => `+OK to ${line}`);
        this.#list(this.#loginAllowed() ? [...OFFERED_MECHANISMS.keys()] : []);
        return 'more';
      case 'STLS':
        must(!this.#tls && this.#terms.startTls, 'starts TLS once', () => line);
        this.#transcript.startTls();
        this.#tls = true;
        return 'more';
      default:
        must(verb === 'NOOP' || (verb === 'USER' && this.#loginAllowed()), 'knows few commands', () => line);
        return 'more';
    }
  }

  #list(expected: readonly string[]): void {
    for (const item of [...expected, '.']) {
      const line = this.#transcript.takeReply();
      must(line === item, 'lists what it can', () => `"${line}" instead of "${item}"`);
    }
  }

  /** No whole command is left: what is said now is said for another reason. */
  #leave(start: number): Next {
    const reply = this.#transcript.peekReply();
    if (reply === undefined) {
      return this.#end('FIN', 'disconnected');
    }
    this.#transcript.takeReply();
    const octets = Math.max(this.#response, this.#transcript.position - start + this.#transcript.left);
    must(
      reply !== TOO_LONG || octets > SMALLEST_TOO_LONG,
      'takes what is short',
      () => `too long after ${octets} octets`,
    );
    must(isOwnText(reply), 'says its own words', () => reply);
    return this.#end(reply, 'tooManyBadCommands', 'tooManyFailures', 'tooLong');
  }

  #end(how: string, ...departures: readonly string[]): Next {
    this.way.push(how);
    this.#transcript.mustBeOver(...departures);
    return 'over';
  }

  #loginAllowed(): boolean {
    return this.#tls || this.#terms.allowPlaintext;
  }

  #capabilities(): string[] {
    return [
      'TOP',
      'UIDL',
      'RESP-CODES',
      'PIPELINING',
      'AUTH-RESP-CODE',
      ...(this.#terms.startTls && !this.#tls ? ['STLS'] : []),
      ...(this.#loginAllowed() ? ['USER', `SASL ${[...OFFERED_MECHANISMS.keys()].join(' ')}`] : []),
    ];
  }
}
