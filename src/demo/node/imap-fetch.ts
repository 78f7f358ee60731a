import { bodyStructure, envelope, quoted } from './imap-structure.ts';
import { contentOf, type Message, mailDate } from './mailbox.ts';

const MACROS: Readonly<Record<string, string>> = {
  FAST: 'FLAGS INTERNALDATE RFC822.SIZE',
  ALL: 'FLAGS INTERNALDATE RFC822.SIZE ENVELOPE',
  FULL: 'FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY',
};

const PLAIN_ITEM =
  /^(?:FLAGS|UID|INTERNALDATE|ENVELOPE|BODY|BODYSTRUCTURE|RFC822(?:\.SIZE|\.HEADER|\.TEXT)?)$/;
const SECTION_ITEM =
  /^BODY(?:\.PEEK)?\[(|1|TEXT|1\.MIME|MIME|HEADER|HEADER\.FIELDS(?:\.NOT)? \([^()]*\))\](?:<(\d{1,9})\.(\d{1,9})>)?$/;

/** Reads what FETCH asks for, in upper case, one item or a list; `undefined` when an item is unknown. */
export function parseFetchItems(written: string): readonly string[] | undefined {
  const text = written.replace(/^\((.*)\)$/, '$1').toUpperCase();
  const items = (MACROS[text] ?? text).match(/[^\s[]+(?:\[[^\]]*\](?:<[^>]*>)?)?/g) ?? [];
  const known = items.every((item) => PLAIN_ITEM.test(item) || SECTION_ITEM.test(item));
  return known && items.length > 0 ? items : undefined;
}

/** Gives the items of a message with their names, as they stand between the parentheses of a FETCH response. */
export function fetchItems(message: Message, items: readonly string[]): Buffer {
  const parts = items.map((item) => fetchItem(message, item));
  return Buffer.concat(parts.flatMap((part, index) => (index === 0 ? [part] : [Buffer.from(' '), part])));
}

function fetchItem(message: Message, item: string): Buffer {
  switch (item) {
    case 'FLAGS':
      return Buffer.from(`FLAGS (${[...message.flags].join(' ')})`);
    case 'UID':
      return Buffer.from(`UID ${message.uid}`);
    case 'INTERNALDATE':
      return Buffer.from(`INTERNALDATE ${internalDate(message.receivedAt)}`);
    case 'ENVELOPE':
      return Buffer.from(`ENVELOPE ${envelope(message)}`);
    case 'BODY':
    case 'BODYSTRUCTURE':
      return Buffer.from(`${item} ${bodyStructure(message, item === 'BODYSTRUCTURE')}`);
    case 'RFC822.SIZE':
      return Buffer.from(`RFC822.SIZE ${contentOf(message).length}`);
    case 'RFC822':
      return literal(item, contentOf(message));
    case 'RFC822.HEADER':
      return literal(item, message.header);
    case 'RFC822.TEXT':
      return literal(item, message.body);
    default:
      return fetchSection(message, item);
  }
}

function fetchSection(message: Message, item: string): Buffer {
  const [, section = '', start, count] = SECTION_ITEM.exec(item) ?? [];
  const octets = sectionOf(message, section);
  if (start === undefined) {
    return literal(`BODY[${section}]`, octets);
  }
  const part = octets.subarray(Number(start), Number(start) + Number(count));
  return literal(`BODY[${section}]<${start}>`, part);
}

function sectionOf(message: Message, section: string): Buffer {
  switch (section) {
    case '':
      return contentOf(message);
    case 'TEXT':
    case '1':
      return message.body;
    case 'HEADER':
      return message.header;
    case 'MIME':
    case '1.MIME':
      return headerFields(message.header, (name) => name.startsWith('CONTENT-'));
    default: {
      const names = new Set((/\((.*)\)/.exec(section)?.[1] ?? '').replaceAll('"', '').split(/\s+/));
      const inverted = section.startsWith('HEADER.FIELDS.NOT');
      return headerFields(message.header, (name) => names.has(name) !== inverted);
    }
  }
}

/** The header fields whose names are wanted, and the empty line. Our fields are never folded. */
function headerFields(header: Buffer, wanted: (name: string) => boolean): Buffer {
  const lines = header.toString('latin1').split('\r\n').filter(Boolean);
  const kept = lines.filter((line) => wanted(line.slice(0, line.indexOf(':')).toUpperCase()));
  return Buffer.from([...kept, '', ''].join('\r\n'), 'latin1');
}

function literal(name: string, octets: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${name} {${octets.length}}\r\n`), octets]);
}

/** RFC 9051 section 9, date-time: `" 1-Jan-2026 00:00:00 +0000"`. */
function internalDate(date: Date): string {
  const [, day = '', month, year, time] = mailDate(date).split(/,? /);
  return quoted(`${day}-${month}-${year} ${time} +0000`);
}
