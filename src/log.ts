import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { Event, Observer } from './events.ts';
import type { LogOutput } from './log-output.ts';
import { type Fields, prettyLine } from './log-pretty.ts';
import { type Entry, entryFor, type Level } from './log-table.ts';
import { printable } from './printable.ts';

export interface LogOptions {
  /** The least important level that is written. */
  readonly level: Level;
  /** `json`: one object per line; `pretty`: a line as people read it, with or without colours. */
  readonly format: 'json' | 'pretty';
  readonly colour: boolean;
}

/** Writes each event as one line; every text in it is made printable and cut. */
export function makeLog(options: LogOptions, output: LogOutput): Observer {
  const write = options.format === 'json' ? jsonWriter(options, output) : prettyWriter(options, output);
  return (event) => {
    const lines = output.takeUnreported();
    if (lines > 0) writeEvent({ event: 'linesDropped', lines }, write);
    writeEvent(event, write);
  };
}

type Write = (entry: Entry, event: string, fields: Fields) => void;

function writeEvent(event: Event, write: Write): void {
  // The log has the node under the name that the directory gave.
  const { event: name, nodeEntry: _, ...data } = { nodeEntry: undefined, ...event };
  write(entryFor(event), name, printableFields(data));
}

function jsonWriter(options: LogOptions, output: LogOutput): Write {
  const logger: Logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    output,
  );
  return (entry, event, fields) => logger[entry.level]({ event, ...fields }, entry.message);
}

const IMPORTANCE: Readonly<Record<Level, number>> = { error: 3, warn: 2, info: 1, debug: 0 };

function prettyWriter(options: LogOptions, output: LogOutput): Write {
  return (entry, _event, fields) => {
    if (IMPORTANCE[entry.level] < IMPORTANCE[options.level]) return;
    output.write(prettyLine(entry, fields, { time: new Date(), colour: options.colour }));
  };
}

const MAX_STACK_LINES = 30;
/** A detail ends with what was asked and where, which must not be cut off. */
const MAX_DETAIL = 1000;

function printableFields(data: object): Fields {
  const fields: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(data)) {
    if (key === 'stack') fields[key] = printableStack(String(value));
    else if (key === 'detail') fields[key] = printable(String(value), MAX_DETAIL);
    else if (typeof value === 'string') fields[key] = printable(value);
    else if (typeof value === 'number') fields[key] = Math.round(value * 10) / 10;
    else if (typeof value === 'boolean') fields[key] = value;
  }
  return fields;
}

function printableStack(stack: string): string {
  const lines = stack.split('\n', MAX_STACK_LINES);
  return lines.map((line) => printable(line)).join('\n');
}
