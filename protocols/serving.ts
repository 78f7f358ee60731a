import { type Channel, DeadlinePassed, Disconnected, InputTooLong } from './channel.ts';
import type { Departure, DepartureCause } from './protocol.ts';
import { SIGNATURE } from './proxy-header-v2.ts';

/** Consecutive bad commands that end a connection; a valid one sets the count back. */
const MAX_BAD_COMMANDS = 3;
/** Commands that are served before others get their turn: pipelined ones would else keep everybody waiting. */
const COMMANDS_PER_TURN = 16;
/** Commands before a login, or between two; no client needs as many. */
const MAX_COMMANDS = 100;
const TLS_HANDSHAKE_RECORD = 0x16;
const PROXY_V1_START = Buffer.from('PROXY ');
/** Octets of version 1's longest header. */
const MAX_PROXY_LINE = 107;
const LF = 0x0a;
/** First words of HTTP, SMTP and the PROXY protocol, which are neither sensible tags nor POP3 keywords. */
const FOREIGN_WORDS: ReadonlySet<string> = new Set(
  'GET POST HEAD PUT DELETE PATCH TRACE OPTIONS CONNECT PRI EHLO HELO PROXY'.split(' '),
);

/** What a frontend says before it closes a connection on its own account. */
export type LastWords = Readonly<
  Record<Exclude<DepartureCause, 'disconnected' | 'notMail' | 'tlsFailed'>, string>
>;

/** What serving one command came to: an end of the dialogue, a bad command, or nothing worth telling. */
export type Served<Outcome> = Outcome | 'bad' | undefined;

/** Upper case of ASCII letters alone: elsewhere one letter may become two, and another word. */
export function asciiUpperCase(text: string): string {
  return text.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase());
}

/** Whether a line that starts so belongs to another protocol. */
export function isForeignWord(word: string): boolean {
  return FOREIGN_WORDS.has(word);
}

/**
 * Serves commands until one gives an outcome or the connection must end. Nothing at all is said to a peer that
 * speaks another protocol: who led it here must see nothing of his reflected (ALPACA).
 * @param channel gives the channel of the moment, which STARTTLS replaces.
 */
export async function serveCommands<Outcome>(
  channel: () => Channel,
  lastWords: LastWords,
  serveCommand: () => Promise<Served<Outcome>>,
): Promise<Outcome | Departure> {
  try {
    channel().resumeClock();
    if (channel().tls === undefined && (await bringsProxyHeader(channel()))) {
      return { ...depart(channel(), 'notMail', ''), detail: 'a PROXY header' };
    }
    let bad = 0;
    for (let count = 1; bad < MAX_BAD_COMMANDS && count <= MAX_COMMANDS; count += 1) {
      // At each command, so that a connection behind STARTTLS is no other than one that was in TLS from the start.
      if ((await channel().peek())[0] === TLS_HANDSHAKE_RECORD) {
        return depart(channel(), 'notMail', '');
      }
      const served = await serveCommand();
      if (count % COMMANDS_PER_TURN === 0) {
        await nextTurn();
      }
      if (served === 'bad') {
        bad += 1;
      } else if (served === undefined) {
        bad = 0;
      } else {
        return served;
      }
    }
    return depart(channel(), 'tooManyBadCommands', lastWords.tooManyBadCommands);
  } catch (error) {
    return departAfter(error, channel(), lastWords);
  }
}

/** Whether a balancer introduces its client, though nobody asked for it. */
async function bringsProxyHeader(channel: Channel): Promise<boolean> {
  let start = await channel.peek();
  // Empty lines are answered as they come, so only what stands behind them at once tells.
  if (start.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return true;
  while (maybeProxyLine(start) && !start.includes(LF) && start.length < MAX_PROXY_LINE) {
    start = await channel.peek(start.length + 1);
  }
  return maybeProxyLine(start) && start.subarray(0, MAX_PROXY_LINE).includes(LF);
}

function maybeProxyLine(start: Buffer): boolean {
  const compared = Math.min(start.length, PROXY_V1_START.length);
  return start.subarray(0, compared).equals(PROXY_V1_START.subarray(0, compared));
}

const waiting: (() => void)[] = [];

/**
 * Waits for a turn, of which there is one in each round of the event loop, in the order of asking: a thousand floods
 * that all went on in each round would make it last, and keep new clients out.
 */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) {
      setImmediate(giveTurn);
    }
  });
}

function giveTurn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) {
    setImmediate(giveTurn);
  }
}

/** Closes a connection behind some last words. */
export function depart(channel: Channel, how: DepartureCause, words: string): Departure {
  channel.close(words);
  return { kind: 'departed', how };
}

/** The end of a connection whose TLS handshake failed, which has closed it. */
export function departTlsFailed(error: unknown): Departure {
  return {
    kind: 'departed',
    how: 'tlsFailed',
    detail: error instanceof Error ? error.message : String(error),
  };
}

function departAfter(error: unknown, channel: Channel, lastWords: LastWords): Departure {
  if (error instanceof Disconnected) {
    return depart(channel, 'disconnected', '');
  }
  if (error instanceof DeadlinePassed) {
    return depart(channel, 'timeout', lastWords.timeout);
  }
  if (error instanceof InputTooLong) {
    return depart(channel, 'tooLong', lastWords.tooLong);
  }
  throw error;
}
