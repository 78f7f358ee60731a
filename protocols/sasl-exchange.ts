import { decodeBase64 } from '../auth/base64.ts';
import type { Proof, SaslServer } from '../auth/sasl.ts';
import { type Channel, DeadlinePassed, Disconnected, InputTooLong } from './channel.ts';
import type { Conclusion } from './protocol.ts';

/** No mechanism that we know needs as many. */
const MAX_STEPS = 8;

/** How a client's SASL exchange ended. */
export type ExchangeOutcome =
  | {
      readonly kind: 'proof';
      readonly proof: Proof;
      /** What a client that proved itself is told when it is admitted, and not before. */
      readonly last?: Buffer;
    }
  | { readonly kind: 'aborted' | 'badBase64' | 'malformed' };

/** What a client answered to a challenge. */
export type ClientResponse = Buffer | 'aborted' | 'badBase64';

/** How a protocol carries the messages of a mechanism. */
export interface SaslFraming {
  challenge(octets: Buffer): Promise<void>;
  response(): Promise<ClientResponse>;
}

/**
 * Lines of base64 behind `+ `, as IMAP (RFC 9051 section 6.2.2) and POP3 (RFC 5034) both have them.
 * @param maxOctets the longest response.
 */
export function base64Lines(channel: Channel, maxOctets: number): SaslFraming {
  return {
    // The space stands there even before nothing: clients break on `+` alone.
    challenge: (octets) => channel.write(`+ ${octets.toString('base64')}\r\n`),
    async response() {
      const line = (await channel.readLine(maxOctets)).toString('latin1');
      return line === '*' ? 'aborted' : (decodeBase64(line) ?? 'badBase64');
    },
  };
}

/** Reads an initial response: `=` is one of no octets, which is not the same as none (RFC 4959 section 3). */
export function decodeInitial(initial: string): Buffer | 'badBase64' {
  return initial === '=' ? Buffer.alloc(0) : (decodeBase64(initial) ?? 'badBase64');
}

/**
 * Runs a mechanism to its end.
 * @param initial the initial response; `undefined` when there was none.
 */
export async function runSaslExchange(
  channel: Channel,
  framing: SaslFraming,
  server: SaslServer,
  initial: ClientResponse | undefined,
): Promise<ExchangeOutcome> {
  let response: ClientResponse | undefined = initial;
  for (let steps = 0; steps < MAX_STEPS; steps += 1) {
    if (typeof response === 'string') {
      return { kind: response };
    }
    // The client waits for us while a mechanism asks the directory.
    channel.stopClock();
    const step = await server.step(response, channel.abandoned);
    channel.resumeClock();
    switch (step.kind) {
      case 'malformed':
        return step;
      case 'challenge':
        await framing.challenge(step.challenge);
        response = await framing.response();
        break;
      case 'proof':
        if (step.proof.kind !== 'refuted' || step.last === undefined) {
          return step;
        }
        // RFC 7628 section 3.2.3 wants ^A; clients send that, nothing, or `*`, and all have been told the error.
        await receiptOf(channel, framing, step.last);
        return { kind: 'proof', proof: step.proof };
    }
  }
  return { kind: 'malformed' };
}

/**
 * Says what a mechanism says last to a client that proved itself, and takes its word that it heard it, within the
 * time that it has before its login.
 */
export async function concludeExchange(
  channel: Channel,
  framing: SaslFraming,
  last: Buffer | undefined,
): Promise<Conclusion> {
  if (last === undefined) {
    return 'received';
  }
  channel.resumeClock();
  const receipt = await receiptOf(channel, framing, last);
  channel.stopClock();
  if (receipt === 'gone') {
    return receipt;
  }
  return typeof receipt !== 'string' && receipt.length === 0 ? 'received' : 'cancelled';
}

/**
 * Who has seen what became of his proof must not leave without a trace, however he does: the login goes on to be logged
 * and counted, on a connection that hears nothing more, so that it comes to nothing else.
 */
async function receiptOf(
  channel: Channel,
  framing: SaslFraming,
  last: Buffer,
): Promise<ClientResponse | 'tooLong' | 'gone'> {
  try {
    await framing.challenge(last);
    return await framing.response();
  } catch (error) {
    if (error instanceof Disconnected) {
      channel.close();
      return 'gone';
    }
    if (error instanceof DeadlinePassed || error instanceof InputTooLong) {
      channel.refuseInput(error);
      return error instanceof InputTooLong ? 'tooLong' : 'gone';
    }
    throw error;
  }
}
