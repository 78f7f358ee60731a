/** Cuts ManageSieve commands and responses out of the stream, literals and all (RFC 5804 sections 1.2 and 4). */
import { type Channel, InputTooLong } from '../channel.ts';
import { asciiUpperCase } from '../serving.ts';

/** A command or response with its literals; a node's list of extensions is long. */
const MAX_OCTETS = 16 * 1024;
/** What is too long to be kept is read up to here, so that the session can go on. */
const MAX_SKIPPED_OCTETS = 64 * 1024;
const MAX_LITERALS = 64;
const MAX_WORDS = 256;
const MAX_QUOTED_OCTETS = 1024;
const MAX_VERB_OCTETS = 32;

// Clients write {n+}, servers {n}. Nobody ever asks for the octets, so those of either are on their way.
const LITERAL = /\{(\d{1,20})\+?\}$/;
// A quoted string, a parenthesis or an atom, behind spaces.
const WORD = /( *)(?:"((?:[^"\\\0\r]|\\["\\])*)"|([()])|([!#-'*-[\]-z|}~]+))/y;

/** A word of a command or a response. */
export type Word =
  | { readonly kind: 'atom'; readonly text: string }
  /** Quoted or a literal, which mean the same. */
  | { readonly kind: 'string'; readonly octets: Buffer }
  | { readonly kind: '(' | ')' };

/** A command or a response as it was received. */
export interface Sentence {
  /** How it begins, up to the first space, in upper case: the name of a command, whatever follows. */
  readonly verb: string;
  /** `undefined` where it breaks the grammar or is too long to be kept. */
  readonly words: readonly Word[] | undefined;
}

/**
 * Reads a command or a response to its end, also one that will be refused: no octet of a literal is ever taken for a
 * command.
 * @param limitOf how many octets a command of this name may have, if more than others.
 * @throws {InputTooLong} when the connection can't be brought back into step and has to end.
 */
export async function readSentence(
  channel: Channel,
  limitOf: (verb: string) => number = () => MAX_OCTETS,
): Promise<Sentence> {
  const words: Word[] = [];
  let verb: string | undefined;
  let maxOctets = MAX_OCTETS;
  let sound = true;
  for (let octets = 0, literals = 0; ; literals += 1) {
    const line = await channel.readLine(maxOctets, (start) =>
      Math.max(maxOctets, limitOf(verb ?? verbOf(start))),
    );
    verb ??= verbOf(line);
    maxOctets = Math.max(MAX_OCTETS, limitOf(verb));
    const [mark, digits] = LITERAL.exec(line.toString('latin1', Math.max(0, line.length - 24))) ?? [];
    const text = line.toString('latin1', 0, line.length - (mark?.length ?? 0));
    sound &&= splitWords(text, words) && words.length < MAX_WORDS;
    if (mark === undefined) {
      return { verb, words: sound ? words : undefined };
    }
    const count = Number(digits);
    octets += line.length + count;
    sound &&= mayBegin(text, words) && octets <= maxOctets && literals < MAX_LITERALS;
    if (sound) {
      const literal = Buffer.from(await channel.readOctets(count));
      // No string that may come before a login has one.
      sound = !literal.includes(0);
      words.push({ kind: 'string', octets: literal });
    } else {
      await skipLiteral(channel, count, octets);
    }
  }
}

/** In upper case, as names are compared in any. */
function verbOf(line: Buffer): string {
  return asciiUpperCase(line.toString('latin1', 0, MAX_VERB_OCTETS).split(' ', 1)[0] ?? '');
}

/** The octets of a string; `undefined` for any other word. */
export function stringOf(word: Word | undefined): Buffer | undefined {
  return word?.kind === 'string' ? word.octets : undefined;
}

/**
 * Writes a string: quoted where that is allowed, else as a literal (RFC 5804 section 4).
 * @param plus marks the literals of a client.
 */
export function writeString(octets: Buffer, plus: '+' | ''): Buffer {
  if (octets.length > MAX_QUOTED_OCTETS || octets.some((octet) => octet === 0x0d || octet === 0x0a)) {
    return Buffer.concat([Buffer.from(`{${octets.length}${plus}}\r\n`), octets]);
  }
  const escaped = octets.toString('latin1').replaceAll(/["\\]/g, '\\$&');
  return Buffer.from(`"${escaped}"`, 'latin1');
}

async function skipLiteral(channel: Channel, count: number, sum: number): Promise<void> {
  if (sum > MAX_SKIPPED_OCTETS) {
    throw new InputTooLong('a literal of too many octets');
  }
  await channel.skipOctets(count);
}

/** Adds the words of a text without literals. @returns false where it breaks the grammar. */
function splitWords(text: string, words: Word[]): boolean {
  let at = 0;
  while (at < text.length) {
    WORD.lastIndex = at;
    const match = WORD.exec(text);
    if (match === null) {
      // Spaces at the end of a line are seen.
      return /^ +$/.test(text.slice(at));
    }
    const [all, spaces, quoted, parenthesis, atom] = match;
    if (spaces === '' && parenthesis !== ')' && !separated(words)) {
      return false;
    }
    words.push(wordOf(quoted, parenthesis, atom));
    at += all.length;
  }
  return true;
}

function wordOf(quoted: string | undefined, parenthesis: string | undefined, atom: string | undefined): Word {
  if (quoted !== undefined) {
    return { kind: 'string', octets: Buffer.from(quoted.replaceAll(/\\(.)/g, '$1'), 'latin1') };
  }
  return parenthesis === '(' || parenthesis === ')'
    ? { kind: parenthesis }
    : { kind: 'atom', text: atom ?? '' };
}

function separated(words: readonly Word[]): boolean {
  const last = words.at(-1);
  return last === undefined || last.kind === '(';
}

/** Whether a literal may begin behind this text. */
function mayBegin(text: string, words: readonly Word[]): boolean {
  return text.endsWith(' ') || separated(words);
}
