import { decodeBase64 } from '../auth/base64.ts';
import type { Proof, SaslServer } from '../auth/sasl.ts';
import { type Channel, Disconnected } from './channel.ts';

/** No mechanism that we know needs as many. */
const MAX_STEPS = 8;

/** How a client's SASL exchange ended. */
export type ExchangeOutcome =
  | { readonly kind: 'proof'; readonly proof: Proof; readonly last?: Buffer }
  | { readonly kind: 'aborted' | 'badBase64' | 'malformed' };

/** What a client answered to a challenge. */
export type ClientResponse = Buffer | 'aborted' | 'badBase64';

/** How a protocol carries the messages of a mechanism. */
export interface SaslFraming {
  challenge(octets: Buffer): Promise<void>;
  response(): Promise<ClientResponse>;
  /** Whether the outcome itself can carry what the mechanism says last to a client that proved itself. */
  readonly lastInOutcome: boolean;
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
    lastInOutcome: false,
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
        return step.last === undefined ? step : await sayLast(channel, framing, step.proof, step.last);
    }
  }
  return { kind: 'malformed' };
}

/** Says what the mechanism says last, and takes the client's word that it heard it. */
async function sayLast(
  channel: Channel,
  framing: SaslFraming,
  proof: Proof,
  last: Buffer,
): Promise<ExchangeOutcome> {
  if (proof.kind === 'refuted') {
    // RFC 7628 section 3.2.3 wants ^A; clients send that, nothing, or `*`, and all have been told the error.
    await answeredOrGone(channel, framing, last);
    return { kind: 'proof', proof };
  }
  if (framing.lastInOutcome) {
    return { kind: 'proof', proof, last };
  }
  const answer = await answeredOrGone(channel, framing, last);
  if (typeof answer === 'string' && answer !== 'gone') {
    return { kind: answer };
  }
  return answer.length === 0 || answer === 'gone' ? { kind: 'proof', proof } : { kind: 'malformed' };
}

/**
 * Who leaves when he has seen what became of his proof must not leave without a trace: the login goes on to be logged
 * and counted, on a connection that is closed, so that it comes to nothing else.
 */
async function answeredOrGone(
  channel: Channel,
  framing: SaslFraming,
  last: Buffer,
): Promise<ClientResponse | 'gone'> {
  try {
    await framing.challenge(last);
    return await framing.response();
  } catch (error) {
    if (error instanceof Disconnected) {
      channel.close();
      return 'gone';
    }
    throw error;
  }
}
