/** Cuts IMAP commands out of the stream, literals and all, before any of it is parsed (RFC 9051 sections 2.2.1, 4.3). */
import { type Channel, InputTooLong } from '../channel.ts';
import { asciiUpperCase } from '../serving.ts';
import { Arguments } from './arguments.ts';

/** RFC 2683 section 3.2.1.5 asks for 8000 at least; old clients send long names and passwords. */
const MAX_LINE_OCTETS = 12 * 1024;
/** 30 pairs of 30 and 1024 octets, quoted (RFC 2971 section 3.3). */
const MAX_ID_OCTETS = 40 * 1024;
/** RFC 7888 section 5: what LITERAL- promises. */
const MAX_LITERAL_OCTETS = 4096;
const MAX_LITERALS = 64;
const MAX_KEPT_OCTETS = 16 * 1024;
/** A refused literal that is already on its way is read up to here, so that the session can go on. */
const MAX_SKIPPED_OCTETS = 64 * 1024;
const MAX_TAG_OCTETS = 126;

const TAG = /^[\x21-\x7e]+$/;
// RFC 9051 section 9: ASTRING-CHAR without "+".
const NOT_IN_TAG = /[(){%*"\\+]/;
const LITERAL = /\{(\d{1,20})(\+?)\}$/;

/** A command as it was received. `tag` is undefined when it can't be repeated to the client. */
export interface Command {
  readonly tag: string | undefined;
  /** Upper case; empty when there is none. */
  readonly verb: string;
  readonly arguments: Arguments;
}

/** A command whose literal was refused; it has been read as far as it will come. */
export interface RefusedCommand {
  readonly tag: string | undefined;
  readonly verb: string;
  readonly refused: 'literalTooLong' | 'literalUnwanted';
}

/** Which commands may bring literals: the others are refused before their octets are asked for. */
export type LiteralPolicy = (verb: string) => boolean;

/**
 * Reads one command.
 * @param maxSaslOctets the longest line of AUTHENTICATE, whose initial response may be a token.
 * @throws {InputTooLong} when the connection can't be brought back into step and has to end.
 */
export async function readCommand(
  channel: Channel,
  allowLiteral: LiteralPolicy,
  maxSaslOctets = MAX_LINE_OCTETS,
): Promise<Command | RefusedCommand> {
  let line = await channel.readLine(MAX_LINE_OCTETS, (start) =>
    maxLine(parseHead(start).verb, maxSaslOctets),
  );
  const { tag, verb, rest } = parseHead(line);
  const maxOctets = verb === 'ID' ? MAX_ID_OCTETS : MAX_KEPT_OCTETS;
  const fragments: Buffer[] = [];
  let refused: RefusedCommand['refused'] | undefined;
  let octets = line.length;
  let text = rest;
  for (let literals = 0; ; literals += 1) {
    const literal = parseLiteral(line);
    if (literal === undefined) {
      fragments.push(text);
      break;
    }
    octets += literal.octets;
    if (!allowLiteral(verb) || tag === undefined) {
      refused ??= 'literalUnwanted';
    } else if (literal.octets > MAX_LITERAL_OCTETS || octets > maxOctets || literals >= MAX_LITERALS) {
      refused ??= 'literalTooLong';
    }
    if (refused !== undefined && !literal.onItsWay) {
      // RFC 9051 section 4.3: the answer instead of "+" means that the client sends no octets.
      return { tag, verb, refused };
    }
    if (refused === undefined) {
      fragments.push(text.subarray(0, text.length - literal.markOctets));
      fragments.push(await receiveLiteral(channel, literal));
    } else {
      await skipLiteral(channel, literal.octets, octets);
    }
    line = await channel.readLine(MAX_LINE_OCTETS);
    octets += line.length;
    text = line;
  }
  if (refused !== undefined) {
    return { tag, verb, refused };
  }
  if (octets > Math.max(MAX_ID_OCTETS, maxLine(verb, maxSaslOctets))) {
    throw new InputTooLong('a command of too many octets');
  }
  return { tag, verb, arguments: new Arguments(fragments) };
}

function maxLine(verb: string, maxSaslOctets: number): number {
  switch (verb) {
    case 'ID':
      return MAX_ID_OCTETS;
    case 'AUTHENTICATE':
      return maxSaslOctets;
    default:
      return MAX_LINE_OCTETS;
  }
}

interface Literal {
  readonly octets: number;
  /** Non-synchronising: the octets come unasked. */
  readonly onItsWay: boolean;
  /** Length of `{n}` itself. */
  readonly markOctets: number;
}

function parseLiteral(line: Buffer): Literal | undefined {
  const [mark, digits, plus] = LITERAL.exec(line.toString('latin1', Math.max(0, line.length - 24))) ?? [];
  if (mark === undefined) {
    return undefined;
  }
  return { octets: Number(digits), onItsWay: plus === '+', markOctets: mark.length };
}

async function receiveLiteral(channel: Channel, literal: Literal): Promise<Buffer> {
  if (!literal.onItsWay) {
    await channel.write('+ OK\r\n');
  }
  return await channel.readOctets(literal.octets);
}

// RFC 7888 section 3: the literals of a refused command must still be consumed, else they'd be read as commands.
async function skipLiteral(channel: Channel, count: number, sum: number): Promise<void> {
  if (sum > MAX_SKIPPED_OCTETS) {
    throw new InputTooLong('a literal of too many octets');
  }
  await channel.skipOctets(count);
}

function parseHead(line: Buffer): { tag: string | undefined; verb: string; rest: Buffer } {
  const afterTag = line.indexOf(0x20);
  const tagEnd = afterTag < 0 ? line.length : afterTag;
  const tag = tagEnd > MAX_TAG_OCTETS ? '' : line.toString('latin1', 0, tagEnd);
  const verbStart = Math.min(tagEnd + 1, line.length);
  const afterVerb = line.indexOf(0x20, verbStart);
  const verbEnd = afterVerb < 0 ? line.length : afterVerb;
  return {
    tag: TAG.test(tag) && !NOT_IN_TAG.test(tag) ? tag : undefined,
    verb: asciiUpperCase(line.toString('latin1', verbStart, Math.min(verbEnd, verbStart + 32))),
    rest: line.subarray(verbEnd),
  };
}
