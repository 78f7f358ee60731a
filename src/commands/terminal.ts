import type { Readable, Writable } from 'node:stream';
import { ReadStream, WriteStream } from 'node:tty';

/** Where a command reads from and writes to. */
export interface Terminal {
  readonly input: Readable;
  /** What was asked for. */
  readonly output: Writable;
  /** What went wrong. */
  readonly errors: Writable;
}

/** Something that only the operator can put right: shown as one line, without a stack. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
}

/** A command line that makes no sense. */
export class UsageError extends OperatorError {}

/** Whether a person reads what is written to a stream. */
export function isTerminal(stream: Readable | Writable): stream is WriteStream {
  return stream instanceof WriteStream && stream.isTTY;
}

/** Whether colours are wanted: on a terminal that can show them, unless NO_COLOR is set. */
export function wantsColour(stream: Writable): boolean {
  return stream instanceof WriteStream && stream.isTTY && stream.hasColors();
}

/** Whether keys come one by one from a person, so that their echo can be switched off. */
export function isKeyboard(stream: Readable): stream is ReadStream {
  return stream instanceof ReadStream && stream.isTTY;
}
