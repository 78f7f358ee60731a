/** What an IMAP client must be told before its login (RFC 9051 sections 2.2, 4.3, 6.2), written apart from the product. */
import { decodeBase64 } from '../../auth/base64.ts';
import { IMAP_ANSWER } from '../../protocols/imap/status.ts';
import {
  type Circumstances,
  GREETING,
  NODE_CAPABILITIES,
  OFFERED_MECHANISMS,
  type Play,
} from './frontend-play.ts';
import { must } from './oracles.ts';
import { ownTexts, Transcript } from './transcript.ts';

const TAG = /^[^\0-\x20\x7f-\xff(){%*"\\+]{1,126}$/;
const FOREIGN = /^(?:GET|POST|HEAD|PUT|DELETE|PATCH|TRACE|OPTIONS|CONNECT|PRI|EHLO|HELO|PROXY)$/;
const LITERAL = /\{(\d{1,20})(\+?)\}$/;
const CODE = /^\[(?:AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|CONTACTADMIN|LIMIT|UNAVAILABLE|INUSE)\]/;
/** No command of fewer octets may be too long. */
const SMALLEST_TOO_LONG = 4096;

const LOGOUT_BYE = '* BYE Logging out';

const isOwnText = ownTexts(
  'protocols/client-dialogue.ts',
  'protocols/imap/frontend.ts',
  'protocols/imap/status.ts',
);

/** Where a conversation stands behind a command. */
type Next = 'more' | 'over';

/**
 * Follows a conversation from the greeting to its end.
 * @returns the kinds of answers, in order.
 * @throws {Violation} at the first that must not be.
 */
export function followImap(flights: readonly string[], play: Play, circumstances: Circumstances): string[] {
  const transcript = new Transcript(flights, play);
  const follower = new ImapFollower(transcript, circumstances);
  follower.greeting();
  while (follower.command() === 'more');
  return follower.way;
}

interface SeenCommand {
  readonly tag: string;
  readonly verb: string;
  readonly start: number;
}

class ImapFollower {
  readonly way: string[] = [];
  readonly #transcript: Transcript;
  readonly #terms: Circumstances['terms'];
  #tls: boolean;
  /** Octets of the literals of the command, whether they came or not. */
  #announced = 0;

  constructor(transcript: Transcript, { tls, terms }: Circumstances) {
    this.#transcript = transcript;
    this.#terms = terms;
    this.#tls = tls;
  }

  greeting(): void {
    const greeting = `* OK [CAPABILITY ${this.#capabilities()}] ${GREETING}`;
    must(this.#transcript.takeReply() === greeting, 'greets', () => 'another greeting');
  }

  command(): Next {
    const transcript = this.#transcript;
    if (transcript.departed === 'notMail' && transcript.peekReply() === undefined && this.#isForeign()) {
      return this.#end('not mail', 'notMail');
    }
    if (this.#saysBye() && transcript.peekReply() !== LOGOUT_BYE) {
      return this.#bye();
    }
    const start = transcript.position;
    this.#announced = 0;
    const first = transcript.takeLine();
    if (first === undefined || !this.#readLiterals(first)) {
      return this.#unfinished(start);
    }
    const [tag = '', verb = ''] = first.split(' ', 2);
    return this.#answer({ tag, verb: verb.toUpperCase(), start });
  }

  /** Reads all lines and literals of a command. @returns whether it came to its end. */
  #readLiterals(first: string): boolean {
    const transcript = this.#transcript;
    let line: string | undefined = first;
    while (line !== undefined) {
      const [, digits, nonSynchronising]: readonly string[] = LITERAL.exec(line) ?? [];
      if (digits === undefined) {
        return true;
      }
      this.#announced += Number(digits);
      if (nonSynchronising === '') {
        if (transcript.peekReply() !== '+ OK') {
          // Refused: no octets come. Or the client went before it was asked for them.
          return true;
        }
        transcript.takeReply();
        this.way.push('+');
      }
      line = transcript.skip(Number(digits)) ? transcript.takeLine() : undefined;
    }
    return false;
  }

  #answer(command: SeenCommand): Next {
    const { tag, verb, start } = command;
    const transcript = this.#transcript;
    if (this.#saysBye() && verb !== 'LOGOUT') {
      return this.#tooLong(start);
    }
    if (FOREIGN.test(tag) && transcript.departed === 'notMail') {
      return this.#end('not mail', 'notMail');
    }
    if (!TAG.test(tag)) {
      return this.#status('*', 'BAD');
    }
    if (transcript.peekReply() === LOGOUT_BYE) {
      return this.#logout(tag, verb);
    }
    if (!this.#readResponses(verb)) {
      return this.#unfinished(start);
    }
    if (this.#saysBye()) {
      return this.#tooLong(start);
    }
    this.#readUntagged(verb);
    return this.#tagged(command);
  }

  /** Reads the challenges and responses of AUTHENTICATE. @returns whether the client answered all. */
  #readResponses(verb: string): boolean {
    const transcript = this.#transcript;
    while (transcript.peekReply()?.startsWith('+ ') === true) {
      const challenge = transcript.takeReply().slice(2);
      must(
        verb === 'AUTHENTICATE' && decodeBase64(challenge) !== undefined,
        'challenges in base64',
        () => `"${challenge}" behind ${verb}`,
      );
      this.way.push('+');
      if (transcript.takeLine() === undefined) {
        if (transcript.peekReply() === undefined || this.#saysBye()) {
          return false;
        }
        // What was too long to be a receipt has no end, and the login is answered all the same.
        transcript.skip(transcript.left);
      }
    }
    return true;
  }

  #readUntagged(verb: string): void {
    const transcript = this.#transcript;
    const reply = transcript.peekReply();
    const expected: Record<string, string> = {
      CAPABILITY: `* CAPABILITY ${this.#capabilities()}`,
      ID: '* ID ("name" "Homing")',
      ENABLE: '* ENABLED',
      LOGIN: `* CAPABILITY ${NODE_CAPABILITIES.join(' ')}`,
      AUTHENTICATE: `* CAPABILITY ${NODE_CAPABILITIES.join(' ')}`,
    };
    if (reply?.startsWith('* ') === true) {
      must(reply === expected[verb], 'says nothing unasked', () => `${reply} to ${verb}`);
      transcript.takeReply();
      this.way.push(verb);
    }
  }

  #tagged({ tag, verb, start }: SeenCommand): Next {
    const transcript = this.#transcript;
    const reply = transcript.peekReply() ?? '';
    const [, status = '', text = ''] = /^(?:[^ ]+) (OK|NO|BAD) (.+)$/.exec(reply) ?? [];
    must(reply.startsWith(`${tag} ${status} `), 'echoes the tag', () => `"${reply}" to ${tag} ${verb}`);
    if (status === 'BAD' && text !== IMAP_ANSWER.cancelled) {
      return this.#status(tag, 'BAD');
    }
    transcript.takeReply();
    this.way.push(`${verb} ${status} ${text}`);
    if (status !== 'OK') {
      return this.#refused(start, text);
    }
    return this.#accepted(verb, start, text);
  }

  #refused(start: number, text: string): Next {
    if (CODE.test(text) || text === IMAP_ANSWER.cancelled) {
      this.#transcript.takeAttempt(start, IMAP_ANSWER, text);
    } else {
      must(isOwnText(text), 'says its own words', () => text);
    }
    if (text.startsWith('[PRIVACYREQUIRED]')) {
      must(!this.#loginAllowed(), 'lets logins in TLS be tried', () => text);
    }
    return 'more';
  }

  #accepted(verb: string, start: number, text: string): Next {
    if (text === `[CAPABILITY ${NODE_CAPABILITIES.join(' ')}] Logged in`) {
      const answer = this.#transcript.takeAttempt(start, IMAP_ANSWER, text);
      must(answer === 'ok' && this.#loginAllowed(), 'lets in who may', () => `${answer} at ${verb}`);
      this.#transcript.mustBeSilent();
      this.#transcript.mustBeRelayed();
      return 'over';
    }
    must(isOwnText(text), 'says its own words', () => text);
    must(/^(?:CAPABILITY|NOOP|ID|ENABLE|STARTTLS)$/.test(verb), 'knows few commands', () => `OK to ${verb}`);
    if (verb === 'STARTTLS') {
      must(!this.#tls && this.#terms.startTls, 'starts TLS once', () => text);
      this.#transcript.startTls();
      this.#tls = true;
    }
    return 'more';
  }

  #logout(tag: string, verb: string): Next {
    this.#transcript.takeReply();
    const reply = this.#transcript.takeReply();
    must(verb === 'LOGOUT' && reply === `${tag} OK LOGOUT completed.`, 'says goodbye', () => reply);
    return this.#end('LOGOUT', 'logout');
  }

  #status(tag: string, status: string): Next {
    const reply = this.#transcript.takeReply();
    const prefix = `${tag} ${status} `;
    must(reply.startsWith(prefix), 'echoes the tag', () => `"${reply}" instead of ${prefix}`);
    must(isOwnText(reply.slice(prefix.length)), 'says its own words', () => reply);
    this.way.push(reply.slice(tag.length));
    return 'more';
  }

  #bye(): Next {
    const reply = this.#transcript.takeReply();
    must(isOwnText(reply), 'says its own words', () => reply);
    return this.#end(reply, 'tooManyBadCommands', 'tooManyFailures', 'tooLong');
  }

  #tooLong(start: number): Next {
    // What was not read yet counts too: the end was told before it was looked at.
    const octets = this.#announced + this.#transcript.position - start + this.#transcript.left;
    must(octets > SMALLEST_TOO_LONG, 'takes what is short', () => `BYE behind ${octets} octets`);
    const reply = this.#transcript.takeReply();
    must(reply === '* BYE [TOOBIG] Input too long.', 'says its own words', () => reply);
    return this.#end(reply, 'tooLong');
  }

  /** The client went in the middle of a command. */
  #unfinished(start: number): Next {
    if (this.#saysBye()) {
      return this.#tooLong(start);
    }
    if (this.#isForeign()) {
      return this.#end('not mail', 'notMail', 'disconnected');
    }
    return this.#end('FIN', 'disconnected');
  }

  #end(how: string, ...departures: readonly string[]): Next {
    this.way.push(how);
    this.#transcript.mustBeOver(...departures);
    return 'over';
  }

  #isForeign(): boolean {
    return this.#transcript.peekOctet() === '\x16';
  }

  #saysBye(): boolean {
    return this.#transcript.peekReply()?.startsWith('* BYE ') === true;
  }

  #loginAllowed(): boolean {
    return this.#tls || this.#terms.allowPlaintext;
  }

  #capabilities(): string {
    const base = 'IMAP4rev1 LITERAL- SASL-IR ID ENABLE IDLE';
    const startTls = this.#terms.startTls && !this.#tls ? ' STARTTLS' : '';
    const logins = this.#loginAllowed()
      ? [...OFFERED_MECHANISMS.keys()].map((name) => ` AUTH=${name}`).join('')
      : ' LOGINDISABLED';
    return `${base}${startTls}${logins}`;
  }
}
