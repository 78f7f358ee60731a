/** What a ManageSieve client must be told before its login (RFC 5804 section 2), written apart from the product. */
import { decodeBase64 } from '../../auth/base64.ts';
import { SIEVE_ANSWER } from '../../protocols/sieve/status.ts';
import { type Circumstances, GREETING, OFFERED_MECHANISMS, type Play } from './frontend-play.ts';
import { must } from './oracles.ts';
import { ownTexts, Transcript } from './transcript.ts';

const FOREIGN = /^(?:GET|POST|HEAD|PUT|DELETE|PATCH|TRACE|OPTIONS|CONNECT|PRI|EHLO|HELO|PROXY)$/;
const LITERAL = /\{(\d{1,20})\+?\}$/;
const NOOP_WITH_TAG = /^OK \(TAG (?:"(?:[^"\\]|\\.)*"|\{\d+\}\r\n.*)\) "NOOP completed\."$/s;
/** No command of fewer octets may be too long. */
const SMALLEST_TOO_LONG = 12 * 1024;

const isOwnText = ownTexts(
  'protocols/client-dialogue.ts',
  'protocols/sieve/frontend.ts',
  'protocols/sieve/status.ts',
);
const ANSWERS: ReadonlySet<string> = new Set(
  Object.entries(SIEVE_ANSWER).flatMap(([answer, text]) => (answer === 'tlsRequired' ? [] : [text])),
);

/** Where a conversation stands behind a command. */
type Next = 'more' | 'over';

/**
 * Follows a conversation from the greeting to its end.
 * @returns the kinds of answers, in order.
 * @throws {Violation} at the first that must not be.
 */
export function followSieve(flights: readonly string[], play: Play, circumstances: Circumstances): string[] {
  const follower = new SieveFollower(new Transcript(flights, play, sentencesOf), circumstances);
  follower.capabilities(GREETING);
  while (follower.command() === 'more');
  return follower.way;
}

class SieveFollower {
  readonly way: string[] = [];
  readonly #transcript: Transcript;
  readonly #terms: Circumstances['terms'];
  #tls: boolean;
  /** Octets of the literals of the command, whether they came or not. */
  #announced = 0;
  /** Octets of the last response to a challenge, and of what it announced. */
  #response = 0;

  constructor(transcript: Transcript, { tls, terms }: Circumstances) {
    this.#transcript = transcript;
    this.#terms = terms;
    this.#tls = tls;
  }

  /** The list of capabilities, with the OK behind it. */
  capabilities(text: string): void {
    const mechanisms = this.#loginAllowed() ? [...OFFERED_MECHANISMS.keys()].join(' ') : '';
    const expected = [
      /^"IMPLEMENTATION" "Homing"$/,
      /^"SIEVE" "[a-z0-9; -]+"$/,
      new RegExp(`^"SASL" "${mechanisms}"$`),
      ...(this.#terms.startTls && !this.#tls ? [/^"STARTTLS"$/] : []),
      /^"VERSION" "1.0"$/,
    ];
    for (const line of expected) {
      const reply = this.#transcript.takeReply();
      must(line.test(reply), 'lists what it can', () => `${reply} instead of ${line}`);
    }
    const end = this.#transcript.takeReply();
    must(end === `OK "${text}"`, 'lists what it can', () => end);
  }

  command(): Next {
    const transcript = this.#transcript;
    if (transcript.peekOctet() === '\x16' && transcript.peekReply() === undefined) {
      return this.#end('not mail', 'notMail');
    }
    if (transcript.peekReply()?.startsWith('BYE ') === true && transcript.departed !== 'tooLong') {
      return this.#bye();
    }
    const start = transcript.position;
    this.#announced = 0;
    const first = this.#readSentence();
    if (first === undefined) {
      return this.#unfinished(start);
    }
    const verb = first
      .slice(0, 32)
      .replace(/ .*$/s, '')
      .replaceAll(/[a-z]/g, (letter) => letter.toUpperCase());
    if (FOREIGN.test(verb) && transcript.departed === 'notMail') {
      return this.#end('not mail', 'notMail');
    }
    if (!this.#readResponses(verb)) {
      return this.#unfinished(start);
    }
    return this.#answer(verb, start);
  }

  /** Reads a line with its literals, which are always on their way. @returns its first line, if it is whole. */
  #readSentence(): string | undefined {
    const first = this.#transcript.takeLine();
    for (let line = first; line !== undefined; line = this.#transcript.takeLine()) {
      const [, digits] = LITERAL.exec(line) ?? [];
      if (digits === undefined) {
        return first;
      }
      this.#announced += Number(digits);
      if (!this.#transcript.skip(Number(digits))) {
        return undefined;
      }
    }
    return undefined;
  }

  /** Reads the challenges and responses of AUTHENTICATE. @returns whether the client answered all. */
  #readResponses(verb: string): boolean {
    const transcript = this.#transcript;
    while (verb === 'AUTHENTICATE' && transcript.peekReply()?.startsWith('"') === true) {
      const challenge = transcript.takeReply().slice(1, -1);
      must(decodeBase64(challenge) !== undefined, 'challenges in base64', () => challenge);
      this.way.push('challenge');
      const from = transcript.position;
      if (this.#readSentence() === undefined) {
        if (transcript.peekReply() === undefined || transcript.peekReply()?.startsWith('BYE ') === true) {
          return false;
        }
        // What was too long to be a receipt has no end, and the login is answered all the same.
        transcript.skip(transcript.left);
      }
      this.#response = this.#announced + transcript.position - from;
    }
    return true;
  }

  #answer(verb: string, start: number): Next {
    const transcript = this.#transcript;
    if (verb === 'CAPABILITY' && transcript.peekReply()?.startsWith('"') === true) {
      this.capabilities('Capabilities before login listed.');
      this.way.push(verb);
      return 'more';
    }
    if (transcript.peekReply()?.startsWith('BYE ') === true) {
      return this.#unfinished(start);
    }
    const reply = transcript.takeReply();
    const [, status = '', text = ''] = /^(OK|NO) (.+)$/s.exec(reply) ?? [];
    must(status !== '', 'begins with a status', () => reply);
    const plain = text.replace(/ \[ref:[^\]]+\]/, '');
    this.way.push(plain.startsWith('(TAG') ? 'tag' : plain);
    if (status === 'NO') {
      return this.#refused(start, text, ANSWERS.has(plain));
    }
    return this.#accepted(verb, start, reply);
  }

  #refused(start: number, text: string, judged: boolean): Next {
    if (judged) {
      this.#transcript.takeAttempt(start, SIEVE_ANSWER, text);
      must(this.#loginAllowed(), 'takes logins where they are allowed', () => text);
    } else {
      must(
        text === SIEVE_ANSWER.tlsRequired || isOwnText(text.slice(1, -1)),
        'says its own words',
        () => text,
      );
    }
    return 'more';
  }

  #accepted(verb: string, start: number, reply: string): Next {
    if (/^OK (?:\(SASL "[A-Za-z0-9+/=]*"\) )?"Logged in\."$/.test(reply)) {
      const answer = this.#transcript.takeAttempt(start, SIEVE_ANSWER, reply);
      must(answer === 'ok' && this.#loginAllowed(), 'lets in who may', () => `${answer} at ${verb}`);
      this.#transcript.mustBeSilent();
      this.#transcript.mustBeRelayed();
      return 'over';
    }
    must(/^(?:NOOP|LOGOUT|STARTTLS)$/.test(verb), 'knows few commands', () => `${reply} to ${verb}`);
    switch (verb) {
      case 'NOOP':
        must(
          reply === 'OK "NOOP completed."' || NOOP_WITH_TAG.test(reply),
          'says its own words',
          () => reply,
        );
        return 'more';
      case 'LOGOUT':
        must(reply === 'OK "Bye."', 'says goodbye', () => reply);
        return this.#end(verb, 'logout');
      case 'STARTTLS':
        must(!this.#tls && this.#terms.startTls && isOwnText(reply), 'starts TLS once', () => reply);
        this.#transcript.startTls();
        this.#tls = true;
        this.capabilities('TLS is on.');
        return 'more';
      default:
        return 'over';
    }
  }

  #bye(): Next {
    const reply = this.#transcript.takeReply();
    must(isOwnText(reply), 'says its own words', () => reply);
    return this.#end(reply, 'tooManyBadCommands', 'tooManyFailures', 'tooLong');
  }

  /** The client went in the middle of a command, or sent too much of it. */
  #unfinished(start: number): Next {
    const transcript = this.#transcript;
    if (transcript.peekReply() === undefined) {
      return this.#end('FIN', 'disconnected');
    }
    const octets = Math.max(this.#response, this.#announced + transcript.position - start + transcript.left);
    must(
      transcript.departed !== 'tooLong' || octets > SMALLEST_TOO_LONG,
      'takes what is short',
      () => `too long after ${octets} octets`,
    );
    return this.#bye();
  }

  #end(how: string, ...departures: readonly string[]): Next {
    this.way.push(how);
    this.#transcript.mustBeOver(...departures);
    return 'over';
  }

  #loginAllowed(): boolean {
    return this.#tls || this.#terms.allowPlaintext;
  }
}

/** Cuts what was said into responses: lines, with their literals. NOOP alone gives a client's octets back. */
function sentencesOf(output: string): readonly string[] {
  const sentences: string[] = [];
  let start = 0;
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf('\r\n', at);
    must(end >= 0, 'says whole lines', () => JSON.stringify(output.slice(at)));
    const [, digits] = LITERAL.exec(output.slice(at, end)) ?? [];
    at = end + 2 + Number(digits ?? 0);
    if (digits === undefined) {
      sentences.push(output.slice(start, end));
      start = at;
    }
  }
  return sentences;
}
