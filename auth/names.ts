import { isUtf8 } from 'node:buffer';
import type { LoginName } from './directory.ts';

/** What a login name may be, and how it becomes the name that is looked up. */
export interface NameOptions {
  /** Appended to a login name that has none. */
  readonly defaultDomain: string | undefined;
  readonly lowerCase: boolean;
  /** Characters besides letters and digits that a login name may have. */
  readonly punctuation: string;
  /** Reads a password that is not UTF-8 as Latin-1, as old clients send it. */
  readonly latin1Passwords: boolean;
}

/** What mail addresses need and no filter, path or node's user name syntax gives a meaning to. */
export const DEFAULT_PUNCTUATION = ".-_+@'&=~";

const MAX_NAME_OCTETS = 255;

/**
 * Gives the login name that octets from a client stand for.
 * @returns `undefined` when no account can have such a name; the octets are then fit for nothing but a hash.
 */
export function readLoginName(octets: Buffer, options: NameOptions): LoginName | undefined {
  if (octets.length === 0 || octets.length > MAX_NAME_OCTETS || !isUtf8(octets)) {
    return undefined;
  }
  const typed = octets.toString('utf8');
  const normal = (options.lowerCase ? typed.toLowerCase() : typed).normalize('NFC');
  const full = withDomain(normal, options.defaultDomain);
  return isNameText(full, options.punctuation) ? split(full) : undefined;
}

/** Says to an operator, who may see the name, why no account can have it. */
export function whyNoLoginName(octets: Buffer, options: NameOptions): string {
  if (octets.length === 0) {
    return 'the name is empty';
  }
  if (octets.length > MAX_NAME_OCTETS) {
    return `the name is longer than ${MAX_NAME_OCTETS} octets`;
  }
  if (!isUtf8(octets)) {
    return 'the name is not UTF-8';
  }
  const characters = [...octets.toString('utf8')];
  const never = characters.find(isNeverAllowed);
  if (never !== undefined) {
    return `${described(never)} may stand in no name`;
  }
  const other = characters.find((character) => !isAllowed(character, options.punctuation));
  return other === undefined
    ? 'the name has nothing before or behind its @, or is too long with its domain'
    : `${described(other)} is not in names.punctuation`;
}

function described(character: string): string {
  const codePoint = character.codePointAt(0) ?? 0;
  const code = `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`;
  return /\p{C}|\p{Z}/u.test(character) ? `the character ${code}` : `the character ${character} (${code})`;
}

/** Whether a text has only the characters that names may have; for names from the directory too. */
export function isNameText(text: string, punctuation: string): boolean {
  if (text === '' || Buffer.byteLength(text) > MAX_NAME_OCTETS) {
    return false;
  }
  for (const character of text) {
    if (isNeverAllowed(character) || !isAllowed(character, punctuation)) {
      return false;
    }
  }
  return true;
}

function isAllowed(character: string, punctuation: string): boolean {
  return /[\p{L}\p{M}\p{Nd}]/u.test(character) || punctuation.includes(character);
}

// `*` separates master users and is LDAP's wildcard, `%` is Dovecot's and our own placeholder; control and format
// characters (TAB, bidirectional overrides) end or disguise a field in some log or protocol.
function isNeverAllowed(character: string): boolean {
  return /[*%\p{C}\p{Zl}\p{Zp}]/u.test(character);
}

function withDomain(name: string, defaultDomain: string | undefined): string {
  return defaultDomain === undefined || name.includes('@') ? name : `${name}@${defaultDomain}`;
}

function split(full: string): LoginName | undefined {
  const at = full.lastIndexOf('@');
  if (at === -1) {
    return { full, localPart: full, domain: undefined };
  }
  if (at === 0 || at === full.length - 1) {
    return undefined;
  }
  return { full, localPart: full.slice(0, at), domain: full.slice(at + 1) };
}
