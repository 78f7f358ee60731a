import { isUtf8 } from 'node:buffer';
import { saslprep } from '@mongodb-js/saslprep';
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
  /** Domains by their other names, in lower case: both are the same to every user. */
  readonly domainAliases?: ReadonlyMap<string, string>;
  /** Characters that stand for the `@` in a name without one, as some old clients can't send it: `%`. */
  readonly domainSeparators?: string;
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
  const full = normalised(withAt(octets.toString('utf8'), options), options);
  return full !== undefined && isNameText(full, options.punctuation) ? split(full) : undefined;
}

/** Gives the one spelling of a name; `undefined` for what can't be prepared. */
function normalised(typed: string, options: NameOptions): string | undefined {
  const prepared = prepare(typed.split('@'), []);
  // Lower case may be written in another way again: both must give one name.
  const cased =
    options.lowerCase && prepared !== undefined
      ? prepare(prepared.join('@').toLowerCase().split('@'), prepared)
      : prepared;
  return cased === undefined
    ? undefined
    : withoutAlias(withDomain(cased.join('@'), options.defaultDomain), options.domainAliases);
}

/** Most names: RFC 4013 maps, composes and forbids none of these characters. */
const NEVER_CHANGED = /^[\x21-\x7e]*$/;

/**
 * Prepares a name as RFC 4013 says, so that names that look the same are the same. The parts are prepared one by one:
 * a name in Hebrew may have a domain in Latin letters.
 * @param done parts that are prepared already, which would not be changed again.
 */
function prepare(parts: readonly string[], done: readonly string[]): readonly string[] | undefined {
  try {
    return parts.map((part) =>
      NEVER_CHANGED.test(part) || done.includes(part)
        ? part
        : // Unassigned characters may stand in a query (RFC 3454 section 7): letters newer than Unicode 3.2.
          saslprep(part, { allowUnassigned: true }),
    );
  } catch {
    // Whatever it throws, it has no class for it: this is no name.
    return undefined;
  }
}

function withAt(typed: string, { domainSeparators = '' }: NameOptions): string {
  const at = Math.max(...Array.from(domainSeparators, (separator) => typed.lastIndexOf(separator)));
  return at <= 0 || typed.includes('@') ? typed : `${typed.slice(0, at)}@${typed.slice(at + 1)}`;
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
  const typed = withAt(octets.toString('utf8'), options);
  const full = normalised(typed, options);
  const characters = [...(full ?? typed)];
  const never = characters.find(isNeverAllowed);
  if (never !== undefined) {
    return `${described(never)} may stand in no name`;
  }
  const other = characters.find((character) => !isAllowed(character, options.punctuation));
  if (other !== undefined) {
    return `${described(other)} is not in names.punctuation`;
  }
  return full === undefined
    ? 'the name mixes directions of writing, or has characters that RFC 4013 does not allow'
    : 'the name has nothing before or behind its @, or is too long with its domain';
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

function withoutAlias(name: string, aliases: NameOptions['domainAliases']): string {
  const at = name.lastIndexOf('@');
  const domain = aliases?.get(name.slice(at + 1).toLowerCase());
  return at < 0 || domain === undefined ? name : `${name.slice(0, at)}@${domain}`;
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
