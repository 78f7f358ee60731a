import { readFileSync } from 'node:fs';
import { OFFERED_MECHANISMS, type Play, REFERENCE, type SeenAttempt } from './frontend-play.ts';
import { must, wasSent } from './oracles.ts';

/** Takes apart what a frontend said. @throws {Violation} */
export type CutReplies = (output: string) => readonly string[];

/**
 * Both sides of a conversation, read again from the start: what the client sent, whole, and what it was told, line by
 * line. The rules of a protocol walk through it and say what must come next.
 */
export class Transcript {
  readonly #input: string;
  /** Where each flight ends. */
  readonly #ends: readonly number[];
  readonly #play: Play;
  readonly #cut: CutReplies;
  #at = 0;
  #replies: readonly string[];
  #reply = 0;
  #attempts = 0;

  /**
   * @param cut takes apart what was said; printable lines, where a protocol says nothing else.
   * @throws {Violation} when that can't be done.
   */
  constructor(flights: readonly string[], play: Play, cut: CutReplies = linesOf) {
    this.#cut = cut;
    this.#input = flights.join('');
    let end = 0;
    this.#ends = flights.map((flight) => {
      end += flight.length;
      return end;
    });
    this.#play = play;
    this.#replies = cut(play.clear);
  }

  get departed(): string | undefined {
    return this.#play.departed;
  }

  /** How many octets of the client were read. */
  get position(): number {
    return this.#at;
  }

  /** How many octets of the client are left. */
  get left(): number {
    return this.#input.length - this.#at;
  }

  /** What the client sent from a position on, as far as it was read. */
  since(position: number): string {
    return this.#input.slice(position, this.#at);
  }

  /** The client's next octet. */
  peekOctet(): string {
    return this.#input.charAt(this.#at);
  }

  /** The client's next line, without its end; `undefined` when no whole one is left. */
  takeLine(): string | undefined {
    const end = this.#input.indexOf('\n', this.#at);
    if (end < 0) {
      return undefined;
    }
    const line = this.#input.slice(this.#at, end);
    this.#at = end + 1;
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  }

  /** Steps over octets of the client. @returns whether there were so many. */
  skip(count: number): boolean {
    const enough = this.left >= count;
    this.#at = enough ? this.#at + count : this.#input.length;
    return enough;
  }

  /** What is said next; it stays. */
  peekReply(): string | undefined {
    return this.#replies[this.#reply];
  }

  /** @throws {Violation} when nothing more was said. */
  takeReply(): string {
    const reply = this.peekReply();
    must(reply !== undefined, 'answers each command', () => `nothing was said to ${this.#lastWords()}`);
    this.#reply += 1;
    return reply;
  }

  /** @throws {Violation} when something is said that nobody asked for. */
  mustBeSilent(): void {
    const reply = this.peekReply();
    must(reply === undefined, 'says nothing unasked', () => `${reply} behind ${this.#lastWords()}`);
  }

  /** Goes on in TLS: what came behind the command in the same flight was never said. */
  startTls(): void {
    this.mustBeSilent();
    must(this.#play.secured !== undefined, 'starts TLS', () => 'it said so, but did not');
    this.#replies = this.#cut(this.#play.secured);
    this.#reply = 0;
    this.#at = this.#ends.find((end) => end >= this.#at) ?? this.#input.length;
  }

  /**
   * Takes the next login that was handed on; it must be made of what the client sent since `position`, and have got
   * the answer of this text.
   */
  takeAttempt(
    position: number,
    texts: Readonly<Record<string, string>>,
    text: string,
  ): SeenAttempt['answer'] {
    const attempt = this.#play.attempts[this.#attempts];
    must(attempt !== undefined, 'answers as the directory says', () => `"${text}" without a login`);
    this.#attempts += 1;
    const sent = this.since(position);
    for (const value of [attempt.authzid, attempt.authcid, attempt.password ?? '']) {
      must(
        wasSent(sent, value),
        'asks for what was sent',
        () => `${JSON.stringify(value)} is not in ${sent}`,
      );
    }
    if (attempt.answer !== 'ok') {
      const expected = texts[attempt.answer] ?? '';
      const told = text.replace(` [ref:${REFERENCE}]`, '') === expected;
      must(told, 'answers as the directory says', () => `"${text}" for ${attempt.answer}`);
    }
    return attempt.answer;
  }

  /** Ends where the client was let in: all that it sent behind the login is the node's. */
  mustBeRelayed(): void {
    const rest = this.#input.slice(this.#at);
    must(
      this.#play.residual === rest,
      'gives the node what is behind the login',
      () => `${JSON.stringify(this.#play.residual)} instead of ${JSON.stringify(rest)}`,
    );
  }

  /** Ends a conversation that came to no login. */
  mustBeOver(...departures: readonly string[]): void {
    this.mustBeSilent();
    const { departed, attempts } = this.#play;
    must(
      departed !== undefined && departures.includes(departed),
      'ends for a reason',
      () => `${departed} instead of ${departures.join(' or ')} behind ${this.#lastWords()}`,
    );
    must(
      this.#attempts === attempts.length,
      'answers each login',
      () => `${attempts.length} logins, ${this.#attempts} answers`,
    );
  }

  #lastWords(): string {
    return JSON.stringify(this.#input.slice(Math.max(0, this.#at - 80), this.#at));
  }
}

/** Tells whether a text is one that the product's own source has, so that nothing of a peer can be in it. */
export function ownTexts(...files: readonly string[]): (text: string) => boolean {
  const source = files
    .map((file) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'))
    .join('\n');
  const known = new Map<string, boolean>();
  return (text) => {
    const said = known.get(text) ?? isIn(source, text);
    if (known.size < 1000) {
      known.set(text, said);
    }
    return said;
  };
}

function isIn(source: string, text: string): boolean {
  const patterns = [
    text,
    ...[...OFFERED_MECHANISMS.keys()].map((name) => text.replace(name, '$' + '{mechanism}')),
  ];
  return patterns.some((pattern) => source.includes(pattern));
}

function linesOf(output: string): readonly string[] {
  must(/^(?:[\x20-\x7e]*\r\n)*$/.test(output), 'says printable lines', () => JSON.stringify(output));
  return output.split('\r\n').slice(0, -1);
}
