import { styleText } from 'node:util';
import type { Entry, Level } from './log-table.ts';

export type Fields = Readonly<Record<string, string | number | boolean>>;

/** One event as people read it: time of day, level, message, and its fields, the telling ones first. */
export function prettyLine(entry: Entry, fields: Fields, style: { time: Date; colour: boolean }): string {
  const paint = style.colour ? colouring : plain;
  const { stack, ...rest } = fields;
  const words = [
    paint('dim', timeOfDay(style.time)),
    paint(LEVEL_COLOUR[entry.level], entry.level.toUpperCase().padEnd(5)),
    entry.message,
    ...inOrder(withPort(rest)).map(([key, value]) => `${paint('dim', `${key}=`)}${valueText(value)}`),
  ];
  const below = typeof stack === 'string' ? `${stack.replaceAll(/^\s*/gm, '    ')}\n` : '';
  return `${words.join(' ')}\n${below}`;
}

type Format = 'dim' | 'red' | 'yellow' | 'green';
type Paint = (format: Format, text: string) => string;

const colouring: Paint = (format, text) => styleText(format, text, { validateStream: false });
const plain: Paint = (_format, text) => text;

const LEVEL_COLOUR: Readonly<Record<Level, Format>> = {
  error: 'red',
  warn: 'yellow',
  info: 'green',
  debug: 'dim',
};

function timeOfDay(time: Date): string {
  return [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

function withPort({ client, clientPort, ...fields }: Fields): Fields {
  if (client === undefined) return fields;
  if (clientPort === undefined) return { ...fields, client };
  const address = String(client);
  return { ...fields, client: `${address.includes(':') ? `[${address}]` : address}:${clientPort}` };
}

const FIRST = ['user', 'node', 'protocol', 'client'];

function inOrder(fields: Fields): [string, string | number | boolean][] {
  const { session, ...rest } = fields;
  const rank = (key: string) => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length);
  const entries = Object.entries(rest).sort(([a], [b]) => rank(a) - rank(b));
  return session === undefined ? entries : [...entries, ['session', session]];
}

function valueText(value: string | number | boolean): string {
  const text = String(value);
  return /[\s="]/.test(text) || text === '' ? JSON.stringify(text) : text;
}
