import { PasswordPolicyControl, ProtocolOperation } from 'ldapts';
import { BerError, type Element, readElements, readNumber } from './ber.ts';
import type { Entry } from './entry.ts';

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
  | { readonly kind: 'entry'; readonly id: number; readonly entry: Entry }
  /** A referral to other servers: never followed. */
  | { readonly kind: 'reference'; readonly id: number }
  | { readonly kind: 'result'; readonly id: number; readonly result: LdapResult };

/** Inside the warning (0xa0) the same tag counts grace logins; here, on the level above, it is the error. */
const POLICY_ERROR = 0x81;

/** Reads one LDAPMessage (RFC 4511 section 4.1.1). @throws {BerError} when it is none that a client may get. */
export function readLdapMessage(octets: Buffer): LdapMessage {
  const [envelope] = readElements(octets);
  const [idElement, operation, controls] = readElements(contentOf(envelope));
  const id = readNumber(idElement);
  switch (operation?.tag) {
    case ProtocolOperation.LDAP_RES_SEARCH_ENTRY:
      return { kind: 'entry', id, entry: readEntry(operation) };
    case ProtocolOperation.LDAP_RES_SEARCH_REF:
      return { kind: 'reference', id };
    case ProtocolOperation.LDAP_RES_SEARCH:
    case ProtocolOperation.LDAP_RES_BIND:
    case ProtocolOperation.LDAP_RES_EXTENSION:
      return { kind: 'result', id, result: readResult(operation, controls) };
    default:
      throw new BerError(`operation ${operation?.tag ?? 'missing'} is not expected from a server`);
  }
}

function readEntry(operation: Element): Entry {
  const [dn, list] = readElements(operation.content);
  const attributes = new Map<string, readonly string[]>();
  for (const attribute of readElements(contentOf(list))) {
    const [description, values] = readElements(attribute.content);
    attributes.set(textOf(description).toLowerCase(), readElements(contentOf(values)).map(textOf));
  }
  return { dn: textOf(dn), attributes };
}

function readResult(operation: Element, controls: Element | undefined): LdapResult {
  const [code, , diagnostic] = readElements(operation.content);
  return {
    code: readNumber(code),
    diagnostic: textOf(diagnostic),
    policyError: controls === undefined ? undefined : readPolicyError(controls),
  };
}

// draft-behera-ldap-password-policy section 6.2.
function readPolicyError(controls: Element): number | undefined {
  for (const control of readElements(controls.content)) {
    const [type, ...rest] = readElements(control.content);
    if (textOf(type) !== PasswordPolicyControl.type) {
      continue;
    }
    const value = rest.at(-1);
    const [sequence] = value === undefined ? [] : readElements(value.content);
    const parts = sequence === undefined ? [] : readElements(sequence.content);
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
