import { isUtf8 } from 'node:buffer';
import { decodeBase64 } from '../base64.ts';
import type { Entry } from '../entries/entry.ts';

/** An LDIF file that can't be used, with the line where it shows. */
export class LdifError extends Error {
  override readonly name = 'LdifError';
  readonly line: number;

  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.line = line;
  }
}

/** A directory that needs more is one for a server. */
export const MAX_LDIF_OCTETS = 64 * 1024 * 1024;
const MAX_LINE_OCTETS = 1024 * 1024;
const SPACE = 0x20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

interface Line {
  /** Number of the first physical line, from 1. */
  readonly number: number;
  /** Unfolded. */
  readonly octets: Buffer;
}

interface Pair {
  readonly description: string;
  readonly value: string;
}

/**
 * Reads the entries of an LDIF file (RFC 2849): content records, not changes.
 * @throws {LdifError} at the first line that can't be read.
 */
export function parseLdif(octets: Buffer): readonly Entry[] {
  if (octets.length > MAX_LDIF_OCTETS) {
    throw new LdifError(1, `the file has more than ${MAX_LDIF_OCTETS} octets`);
  }
  const entries: Entry[] = [];
  let record: Line[] = [];
  for (const line of unfolded(octets)) {
    if (line.octets.length > 0) {
      record.push(line);
      continue;
    }
    entries.push(...readRecord(record, entries.length === 0));
    record = [];
  }
  return [...entries, ...readRecord(record, entries.length === 0)];
}

/** Gives the lines without their folding, and without comments, which may be folded too. */
function* unfolded(octets: Buffer): Generator<Line> {
  let current: { readonly number: number; readonly parts: Buffer[] } | undefined;
  for (const { number, octets: physical } of physicalLines(octets)) {
    if (physical[0] === SPACE) {
      if (current === undefined) {
        throw new LdifError(number, 'it continues a line, but none is before it');
      }
      current.parts.push(physical.subarray(1));
      continue;
    }
    if (current !== undefined) {
      yield* finished(current);
    }
    current = { number, parts: [physical] };
    if (physical.length === 0) {
      yield* finished(current);
      current = undefined;
    }
  }
  if (current !== undefined) {
    yield* finished(current);
  }
}

function* finished({
  number,
  parts,
}: {
  readonly number: number;
  readonly parts: Buffer[];
}): Generator<Line> {
  const octets = Buffer.concat(parts);
  if (octets.length > MAX_LINE_OCTETS) {
    throw new LdifError(number, `the line has more than ${MAX_LINE_OCTETS} octets`);
  }
  if (octets.length === 0 || String.fromCharCode(octets.readUInt8(0)) !== '#') {
    yield { number, octets };
  }
}

function* physicalLines(octets: Buffer): Generator<Line> {
  let start = 0;
  for (let number = 1; start < octets.length; number += 1) {
    const newline = octets.indexOf(NEWLINE, start);
    const end = newline === -1 ? octets.length : newline;
    const stripped = end > start && octets[end - 1] === RETURN ? end - 1 : end;
    yield { number, octets: octets.subarray(start, stripped) };
    start = end + 1;
  }
}

/** @returns no entry for a record that is only the version line, or nothing. */
function readRecord(lines: readonly Line[], first: boolean): readonly Entry[] {
  const pairs = lines.map((line) => ({ ...readPair(line), line: line.number }));
  if (first && pairs[0]?.description === 'version') {
    if (pairs[0].value !== '1') {
      throw new LdifError(pairs[0].line, `version ${pairs[0].value} is not known`);
    }
    pairs.shift();
  }
  const [dn, ...rest] = pairs;
  if (dn === undefined) {
    return [];
  }
  if (dn.description !== 'dn') {
    throw new LdifError(dn.line, `a record begins with "dn:", not with "${dn.description}:"`);
  }
  const attributes = new Map<string, string[]>();
  for (const { description, value, line } of rest) {
    if (description === 'changetype' || description === 'control' || description === 'dn') {
      throw new LdifError(
        line,
        `"${description}:" has no place here: only entries can be read, one a record`,
      );
    }
    const values = attributes.get(description) ?? [];
    values.push(value);
    attributes.set(description, values);
  }
  return [{ dn: dn.value, attributes }];
}

function readPair({ number, octets }: Line): Pair {
  const colon = octets.indexOf(':');
  const description = octets.subarray(0, Math.max(colon, 0)).toString('latin1');
  if (!/^(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)*)(?:;[a-z0-9-]+)*$/i.test(description)) {
    throw new LdifError(number, '"attribute: value" expected');
  }
  const marker = octets[colon + 1];
  if (marker === '<'.charCodeAt(0)) {
    throw new LdifError(number, 'values from URLs are not read');
  }
  const encoded = marker === ':'.charCodeAt(0);
  const value = withoutLeadingSpaces(octets.subarray(encoded ? colon + 2 : colon + 1));
  return {
    description: description.toLowerCase(),
    value: decodeText(encoded ? decodeValue(value, number) : value, number),
  };
}

function withoutLeadingSpaces(octets: Buffer): Buffer {
  const start = octets.findIndex((octet) => octet !== SPACE);
  return start === -1 ? Buffer.alloc(0) : octets.subarray(start);
}

function decodeValue(octets: Buffer, line: number): Buffer {
  const decoded = decodeBase64(octets.toString('latin1').trimEnd());
  if (decoded === undefined) {
    throw new LdifError(line, 'the value behind "::" is no base64');
  }
  return decoded;
}

function decodeText(octets: Buffer, line: number): string {
  if (!isUtf8(octets)) {
    throw new LdifError(line, 'the value is no UTF-8');
  }
  return octets.toString('utf8');
}
