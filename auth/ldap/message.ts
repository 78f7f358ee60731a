import { PasswordPolicyControl, ProtocolOperation } from 'ldapts';
import type { Entry } from '../entries/entry.ts';
import { BerError, type Element, ElementReader, firstElement, readNumber, TooManyElements } from './ber.ts';

/** The end of an operation (RFC 4511 section 4.1.9). */
export interface LdapResult {
  readonly code: number;
  /** The server's words, for the log. */
  readonly diagnostic: string;
  /** `error` of the password policy control, where the server sent one. */
  readonly policyError: number | undefined;
}

/** What a server sends. */
export type LdapMessage =
  | {
      readonly kind: 'entry';
      readonly id: number;
      readonly entry: Entry;
      /** What the controls behind it hold, for who asked for some. */
      readonly controls?: Buffer;
    }
  /** Something said before the end of an operation (RFC 4511 section 4.13). */
  | {
      readonly kind: 'intermediate';
      readonly id: number;
      readonly name: string | undefined;
      readonly value: Buffer | undefined;
    }
  /** An entry with more than we take. */
  | { readonly kind: 'oversized'; readonly id: number }
  /** A referral to other servers: never followed. */
  | { readonly kind: 'reference'; readonly id: number }
  | {
      readonly kind: 'result';
      readonly id: number;
      readonly operation: LdapOperation;
      readonly result: LdapResult;
    };

/** Which request a result ends. */
export type LdapOperation = 'search' | 'bind' | 'extended';

/** IntermediateResponse with its name and value, which ldapts does not know. */
const INTERMEDIATE = 0x79;
const RESPONSE_NAME = 0x80;
const RESPONSE_VALUE = 0x81;
const CONTROLS = 0xa0;
/** Inside the warning (0xa0) the same tag counts grace logins; here, on the level above, it is the error. */
const POLICY_ERROR = 0x81;
/** An entry has a few attributes, and a user in many groups some thousand values. */
const MAX_ELEMENTS = 10_000;

/** So much of a message tells what it is: two headers of six octets, and a number of as many. */
export const MAX_START_OCTETS = 18;

/** Reads what a message is from its first octets. @throws {BerError} when it is none. */
export function readStart(octets: Buffer): { readonly id: number; readonly isEntry: boolean } {
  const { content } = firstElement(octets);
  const id = firstElement(content);
  const operation = firstElement(content.subarray(2 + id.content.length));
  return { id: readNumber(id), isEntry: operation.tag === ProtocolOperation.LDAP_RES_SEARCH_ENTRY };
}

/** Reads one LDAPMessage (RFC 4511 section 4.1.1). @throws {BerError} when it is none that a client may get. */
export function readLdapMessage(octets: Buffer): LdapMessage {
  const reader = new ElementReader(MAX_ELEMENTS);
  const [envelope] = reader.read(octets);
  const [idElement, operation, controls] = reader.read(contentOf(envelope));
  const id = readNumber(idElement);
  switch (operation?.tag) {
    case ProtocolOperation.LDAP_RES_SEARCH_ENTRY:
      return readFound(id, operation, controls, reader);
    case INTERMEDIATE:
      return readIntermediate(id, operation, reader);
    case ProtocolOperation.LDAP_RES_SEARCH_REF:
      return { kind: 'reference', id };
    case ProtocolOperation.LDAP_RES_SEARCH:
      return { kind: 'result', id, operation: 'search', result: readResult(operation, controls, reader) };
    case ProtocolOperation.LDAP_RES_BIND:
      return { kind: 'result', id, operation: 'bind', result: readResult(operation, controls, reader) };
    case ProtocolOperation.LDAP_RES_EXTENSION:
      return { kind: 'result', id, operation: 'extended', result: readResult(operation, controls, reader) };
    default:
      throw new BerError(`operation ${operation?.tag ?? 'missing'} is not expected from a server`);
  }
}

function readFound(
  id: number,
  operation: Element,
  controls: Element | undefined,
  reader: ElementReader,
): LdapMessage {
  try {
    const entry = readEntry(operation, reader);
    return { kind: 'entry', id, entry, ...(controls?.tag === CONTROLS && { controls: controls.content }) };
  } catch (error) {
    if (error instanceof TooManyElements) return { kind: 'oversized', id };
    throw error;
  }
}

function readEntry(operation: Element, reader: ElementReader): Entry {
  const [dn, list] = reader.read(operation.content);
  const attributes = new Map<string, readonly string[]>();
  for (const attribute of reader.read(contentOf(list))) {
    const [description, values] = reader.read(attribute.content);
    attributes.set(textOf(description).toLowerCase(), reader.read(contentOf(values)).map(textOf));
  }
  return { dn: textOf(dn), attributes };
}

function readIntermediate(id: number, operation: Element, reader: ElementReader): LdapMessage {
  const parts = reader.read(operation.content);
  return {
    kind: 'intermediate',
    id,
    name: parts.find(({ tag }) => tag === RESPONSE_NAME)?.content.toString('utf8'),
    value: parts.find(({ tag }) => tag === RESPONSE_VALUE)?.content,
  };
}

function readResult(operation: Element, controls: Element | undefined, reader: ElementReader): LdapResult {
  const [code, , diagnostic] = reader.read(operation.content);
  return {
    code: readNumber(code),
    diagnostic: textOf(diagnostic),
    policyError: controls === undefined ? undefined : readPolicyError(controls, reader),
  };
}

// draft-behera-ldap-password-policy section 6.2.
function readPolicyError(controls: Element, reader: ElementReader): number | undefined {
  for (const control of reader.read(controls.content)) {
    const [type, ...rest] = reader.read(control.content);
    if (textOf(type) !== PasswordPolicyControl.type) {
      continue;
    }
    const value = rest.at(-1);
    const [sequence] = value === undefined ? [] : reader.read(value.content);
    const parts = sequence === undefined ? [] : reader.read(sequence.content);
    const error = parts.find((part) => part.tag === POLICY_ERROR);
    return error === undefined ? undefined : readNumber(error);
  }
  return undefined;
}

function contentOf(element: Element | undefined): Buffer {
  if (element === undefined) {
    throw new BerError('element is missing');
  }
  return element.content;
}

function textOf(element: Element | undefined): string {
  return contentOf(element).toString('utf8');
}
