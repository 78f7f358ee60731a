/**
 * The part of BER (X.690) that LDAP's answers need. ldapts's own reader loops without end on an element that is
 * longer than what holds it, so a broken server could stop the whole process.
 */

/** Octets that are not the BER they should be. */
export class BerError extends Error {
  override readonly name = 'BerError';
}

/** A message that may be right, and that is too much to take. */
export class TooManyElements extends BerError {
  constructor() {
    super('too many elements in one message');
  }
}

/** One element: its tag and what it holds. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

interface Header {
  readonly headerOctets: number;
  readonly contentOctets: number;
}

/**
 * Gives the whole length of the element that octets begin with.
 * @returns `undefined` when more octets are needed to tell.
 * @throws {BerError} for lengths that LDAP does not have (RFC 4511 section 5.1).
 */
export function elementOctets(octets: Buffer): number | undefined {
  const header = readHeader(octets);
  return header === undefined ? undefined : header.headerOctets + header.contentOctets;
}

/** Takes one message apart, into so many elements at most: each costs memory, and may be of two octets only. */
export class ElementReader {
  #left: number;

  constructor(maxElements: number) {
    this.#left = maxElements;
  }

  /** Splits octets into the elements that fill them exactly. @throws {BerError} when they don't. */
  read(octets: Buffer): readonly Element[] {
    const elements: Element[] = [];
    let rest = octets;
    while (rest.length > 0) {
      const header = readHeader(rest);
      const end =
        header === undefined ? Number.POSITIVE_INFINITY : header.headerOctets + header.contentOctets;
      if (header === undefined || end > rest.length) {
        throw new BerError('element is longer than what holds it');
      }
      this.#left -= 1;
      if (this.#left < 0) {
        throw new TooManyElements();
      }
      elements.push({ tag: rest.readUInt8(0), content: rest.subarray(header.headerOctets, end) });
      rest = rest.subarray(end);
    }
    return elements;
  }
}

/** The element that octets begin with, of which the end may be missing. @throws {BerError} as {@link elementOctets}. */
export function firstElement(octets: Buffer): Element {
  const header = readHeader(octets);
  if (header === undefined) throw new BerError('element is cut off');
  const { headerOctets, contentOctets } = header;
  return {
    tag: octets.readUInt8(0),
    content: octets.subarray(headerOctets, headerOctets + contentOctets),
  };
}

/** Reads a number that is not negative. @throws {BerError} for others, and above 31 bits. */
export function readNumber(element: Element | undefined): number {
  const content = element?.content;
  if (content === undefined || content.length === 0 || content.length > 4 || content.readUInt8(0) > 0x7f) {
    throw new BerError('number expected');
  }
  return content.readUIntBE(0, content.length);
}

function readHeader(octets: Buffer): Header | undefined {
  if (octets.length < 2) {
    return undefined;
  }
  if ((octets.readUInt8(0) & 0x1f) === 0x1f) {
    throw new BerError('tag of several octets');
  }
  const first = octets.readUInt8(1);
  if (first < 0x80) {
    return { headerOctets: 2, contentOctets: first };
  }
  const lengthOctets = first & 0x7f;
  if (lengthOctets === 0 || lengthOctets > 4) {
    throw new BerError('length of no definite form, or of more than four octets');
  }
  if (octets.length < 2 + lengthOctets) {
    return undefined;
  }
  return { headerOctets: 2 + lengthOctets, contentOctets: octets.readUIntBE(2, lengthOctets) };
}
