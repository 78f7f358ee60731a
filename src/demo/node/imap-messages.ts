import type { Command } from '../../../protocols/imap/command.ts';
import { fetchItems, parseFetchItems } from './imap-fetch.ts';
import { parseSearch } from './imap-search.ts';
import { textOf, tokensOf, wordsOf } from './imap-tokens.ts';
import type { Mailbox } from './mailbox.ts';
import { type Placed, parseSequenceSet, placed } from './sequence-set.ts';

/** The mailbox that a client has selected. */
export interface Selection {
  readonly mailbox: Mailbox;
  readonly readOnly: boolean;
}

interface Asked extends Selection {
  readonly tag: string;
  /** Whether UID stood before the command: sets and answers are of UIDs then. */
  readonly by: 'sequence' | 'uid';
  readonly verb: string;
}

/**
 * Answers the commands that work on messages (RFC 9051 section 6.4).
 * @returns `undefined` for other commands.
 */
export function serveMessageCommand(selection: Selection, command: Command): Buffer | undefined {
  const { arguments: args, tag = '*' } = command;
  if (command.verb !== 'UID') {
    return answer({ ...selection, tag, by: 'sequence', verb: command.verb }, command);
  }
  const verb = args.space() ? args.atom()?.toUpperCase() : undefined;
  return answer({ ...selection, tag, by: 'uid', verb: verb ?? '' }, command);
}

function answer(asked: Asked, { arguments: args }: Command): Buffer | undefined {
  switch (asked.verb) {
    case 'FETCH':
      return fetch(asked, textOf(args));
    case 'STORE':
      return store(asked, wordsOf(args));
    case 'SEARCH':
      return search(asked, tokensOf(args));
    case 'EXPUNGE':
      return done(asked);
    default:
      return undefined;
  }
}

function fetch(asked: Asked, text: string): Buffer {
  const [, set = '', written = ''] = /^(\S+) +(.+)$/.exec(text) ?? [];
  const items = parseFetchItems(written);
  const messages = inSet(asked, set);
  if (items === undefined || messages === undefined) {
    return bad(asked, 'FETCH takes a set of messages and the items to fetch.');
  }
  // RFC 9051 section 6.4.9: UID is always told then.
  const wanted = asked.by === 'uid' && !items.includes('UID') ? ['UID', ...items] : items;
  const reads = !asked.readOnly && items.some((item) => /^(?:BODY\[|RFC822$|RFC822\.TEXT$)/.test(item));
  const answers = messages.map((each) => {
    const seesIt = reads && !each.message.flags.has('\\Seen');
    if (seesIt) {
      each.message.flags.add('\\Seen');
    }
    const told = seesIt && !wanted.includes('FLAGS') ? [...wanted, 'FLAGS'] : wanted;
    return fetchAnswer(each, told);
  });
  return Buffer.concat([...answers, done(asked)]);
}

function fetchAnswer({ sequence, message }: Placed, items: readonly string[]): Buffer {
  return Buffer.concat([
    Buffer.from(`* ${sequence} FETCH (`),
    fetchItems(message, items),
    Buffer.from(')\r\n'),
  ]);
}

function store(asked: Asked, [set = '', item = '', ...flags]: readonly string[]): Buffer {
  const [, mode, silent] = /^([+-]?)FLAGS(\.SILENT)?$/i.exec(item) ?? [];
  const messages = inSet(asked, set);
  if (mode === undefined || messages === undefined) {
    return bad(asked, 'STORE takes a set of messages, FLAGS, and the flags.');
  }
  if (asked.readOnly) {
    return Buffer.from(`${asked.tag} NO The mailbox was selected to be read only.\r\n`);
  }
  for (const { message } of messages) {
    setFlags(message.flags, mode, flags.map(usualSpelling));
  }
  const items = asked.by === 'uid' ? ['UID', 'FLAGS'] : ['FLAGS'];
  const answers = silent === undefined ? messages.map((each) => fetchAnswer(each, items)) : [];
  return Buffer.concat([...answers, done(asked)]);
}

function setFlags(flags: Set<string>, mode: string, named: readonly string[]): void {
  if (mode === '') {
    flags.clear();
  }
  for (const flag of named) {
    if (mode === '-') {
      flags.delete(flag);
    } else {
      flags.add(flag);
    }
  }
}

/** System flags are the same in any case (RFC 9051 section 2.3.2). */
function usualSpelling(flag: string): string {
  return flag.startsWith('\\') ? `\\${flag.charAt(1).toUpperCase()}${flag.slice(2).toLowerCase()}` : flag;
}

function search(asked: Asked, tokens: readonly string[]): Buffer {
  const matches = parseSearch(tokens, asked.mailbox.messages);
  if (matches === undefined) {
    return Buffer.from(`${asked.tag} NO [CANNOT] The demonstration does not search by this.\r\n`);
  }
  const found = placed(asked.mailbox.messages).filter(matches);
  const numbers = found.map(({ sequence, message }) => (asked.by === 'uid' ? message.uid : sequence));
  return Buffer.concat([Buffer.from(`* ${['SEARCH', ...numbers].join(' ')}\r\n`), done(asked)]);
}

function inSet({ mailbox, by }: Asked, set: string): readonly Placed[] | undefined {
  const belongs = parseSequenceSet(set, mailbox.messages, by);
  return belongs && placed(mailbox.messages).filter(belongs);
}

function done({ tag, by, verb }: Asked): Buffer {
  return Buffer.from(`${tag} OK ${by === 'uid' ? 'UID ' : ''}${verb} completed.\r\n`);
}

function bad({ tag }: Asked, text: string): Buffer {
  return Buffer.from(`${tag} BAD ${text}\r\n`);
}
