import { decodeBase64 } from '../auth/base64.ts';
import type { Proof, SaslServer, ServerStep } from '../auth/sasl.ts';
import type { Channel } from './channel.ts';

/** Longest line of a SASL exchange: PLAIN with three long fields, and room. */
const MAX_RESPONSE_OCTETS = 12 * 1024;
/** No mechanism that we know needs as many. */
const MAX_STEPS = 8;

/** How a client's SASL exchange ended. */
export type ExchangeOutcome =
  | { readonly kind: 'proof'; readonly proof: Proof }
  | { readonly kind: 'aborted' | 'badBase64' | 'malformed' };

/**
 * Runs a mechanism over lines of base64 behind `+ `, as IMAP (RFC 9051 section 6.2.2) and POP3 (RFC 5034) both do.
 * @param initial the initial response as it was written, `=` for an empty one; `undefined` when there was none.
 */
export async function runSaslExchange(
  channel: Channel,
  server: SaslServer,
  initial: string | undefined,
): Promise<ExchangeOutcome> {
  let response = initial === undefined ? undefined : decodeInitial(initial);
  if (initial !== undefined && response === undefined) {
    return { kind: 'badBase64' };
  }
  for (let steps = 0; steps < MAX_STEPS; steps += 1) {
    const step: ServerStep = await server.step(response);
    if (step.kind !== 'challenge') {
      return step;
    }
    // The space stands there even before nothing: clients break on `+` alone.
    await channel.write(`+ ${step.challenge.toString('base64')}\r\n`);
    const line = (await channel.readLine(MAX_RESPONSE_OCTETS)).toString('latin1');
    if (line === '*') {
      return { kind: 'aborted' };
    }
    response = decodeBase64(line);
    if (response === undefined) {
      return { kind: 'badBase64' };
    }
  }
  return { kind: 'malformed' };
}

// RFC 4959 section 3: "=" is an initial response of no octets, which is not the same as none.
function decodeInitial(initial: string): Buffer | undefined {
  return initial === '=' ? Buffer.alloc(0) : decodeBase64(initial);
}
