import { contentOf, type Message } from './mailbox.ts';
import { type InSet, parseSequenceSet } from './sequence-set.ts';

const FLAG_KEYS: Readonly<Record<string, string>> = {
  SEEN: '\\Seen',
  ANSWERED: '\\Answered',
  FLAGGED: '\\Flagged',
  DELETED: '\\Deleted',
  DRAFT: '\\Draft',
  RECENT: '\\Recent',
};

/**
 * Reads the keys of SEARCH that are good for two messages (RFC 9051 section 6.4.4): flags, numbers, texts, and how
 * they are joined.
 * @returns `undefined` when there are others.
 */
export function parseSearch(tokens: readonly string[], messages: readonly Message[]): InSet | undefined {
  const [first = ''] = tokens;
  const left = tokens.slice(first.toUpperCase() === 'CHARSET' ? 2 : 0);
  const keys: InSet[] = [];
  while (left.length > 0) {
    const key = takeKey(left, messages);
    if (key === undefined) {
      return undefined;
    }
    keys.push(key);
  }
  return keys.length === 0 ? undefined : (placed) => keys.every((key) => key(placed));
}

function takeKey(left: string[], messages: readonly Message[]): InSet | undefined {
  const word = left.shift() ?? '';
  const name = word.toUpperCase();
  switch (name) {
    case 'ALL':
    case 'OLD':
      return () => true;
    case 'NEW':
      return () => false;
    case 'NOT': {
      const key = takeKey(left, messages);
      return key && ((placed) => !key(placed));
    }
    case 'OR': {
      const one = takeKey(left, messages);
      const other = takeKey(left, messages);
      return one && other && ((placed) => one(placed) || other(placed));
    }
    case '(': {
      const end = left.indexOf(')');
      return end < 0 ? undefined : parseSearch(left.splice(0, end + 1).slice(0, -1), messages);
    }
    case 'UID':
      return parseSequenceSet(left.shift() ?? '', messages, 'uid');
    default:
      return takeFlag(name) ?? takeText(name, left) ?? parseSequenceSet(word, messages, 'sequence');
  }
}

function takeFlag(name: string): InSet | undefined {
  const flag = FLAG_KEYS[name];
  if (flag !== undefined) {
    return ({ message }) => message.flags.has(flag);
  }
  const absent = name.startsWith('UN') ? FLAG_KEYS[name.slice(2)] : undefined;
  return absent === undefined ? undefined : ({ message }) => !message.flags.has(absent);
}

function takeText(name: string, left: string[]): InSet | undefined {
  switch (name) {
    case 'SUBJECT':
    case 'FROM':
    case 'TO':
    case 'CC':
    case 'BCC':
      return fieldHas(name, left.shift() ?? '');
    case 'HEADER':
      return fieldHas(left.shift() ?? '', left.shift() ?? '');
    case 'BODY': {
      const text = left.shift() ?? '';
      return ({ message }) => has(message.body.toString('latin1'), text);
    }
    case 'TEXT': {
      const text = left.shift() ?? '';
      return ({ message }) => has(contentOf(message).toString('latin1'), text);
    }
    default:
      return undefined;
  }
}

function fieldHas(field: string, text: string): InSet {
  return ({ message }) => {
    const lines = message.header.toString('latin1').split('\r\n');
    const line = lines.find((each) => each.toUpperCase().startsWith(`${field.toUpperCase()}:`));
    return line !== undefined && has(line.slice(field.length + 1), text);
  };
}

function has(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}
