import type { Message } from './mailbox.ts';

/** A message with its place in the mailbox, from 1. */
export interface Placed {
  readonly sequence: number;
  readonly message: Message;
}

/** Whether a message is in a set. */
export type InSet = (placed: Placed) => boolean;

/** Reads a sequence set (RFC 9051 section 9); `undefined` when it's none. `*` is the last message. */
export function parseSequenceSet(
  text: string,
  messages: readonly Message[],
  by: 'sequence' | 'uid',
): InSet | undefined {
  if (!/^(?:\d+|\*)(?::(?:\d+|\*))?(?:,(?:\d+|\*)(?::(?:\d+|\*))?)*$/.test(text)) {
    return undefined;
  }
  const last = by === 'uid' ? (messages.at(-1)?.uid ?? 0) : messages.length;
  const ranges = text.split(',').map((range) => {
    const ends = range.split(':').map((end) => (end === '*' ? last : Number(end)));
    return { low: Math.min(...ends), high: Math.max(...ends) };
  });
  return ({ sequence, message }) => {
    const number = by === 'uid' ? message.uid : sequence;
    return ranges.some(({ low, high }) => number >= low && number <= high);
  };
}

/** Gives all messages with their places. */
export function placed(messages: readonly Message[]): readonly Placed[] {
  return messages.map((message, index) => ({ sequence: index + 1, message }));
}
