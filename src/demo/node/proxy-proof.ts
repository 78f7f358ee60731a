import { decodeBase64 } from '../../../auth/base64.ts';
import { SaslError } from '../../../auth/sasl.ts';
import { ScramServer, type StoredKey } from '../../../auth/scram.ts';
import type { Channel } from '../../../protocols/channel.ts';

const MAX_RESPONSE_OCTETS = 4096;

/** The one proxy that a node believes. */
export interface TrustedProxy {
  readonly proxyName: string;
  readonly stored: StoredKey;
}

/**
 * Lets a proxy prove itself by SCRAM-SHA-256, over lines as IMAP and POP3 both have them.
 * @param initial the initial response in base64, if there was one.
 * @returns the user as whom the proxy may act; `undefined` when the proof failed.
 */
export async function proveProxy(
  channel: Channel,
  { proxyName, stored }: TrustedProxy,
  initial: string | undefined,
): Promise<string | undefined> {
  const scram = new ScramServer((authcid) => (authcid === proxyName ? stored : undefined));
  try {
    const first = initial === undefined ? await ask(channel, Buffer.alloc(0)) : decode(initial);
    const outcome = scram.final(await ask(channel, scram.first(first)));
    await ask(channel, outcome.serverFinal);
    return outcome.authzid;
  } catch (error) {
    if (error instanceof SaslError) {
      return undefined;
    }
    throw error;
  }
}

async function ask(channel: Channel, challenge: Buffer): Promise<Buffer> {
  await channel.write(`+ ${challenge.toString('base64')}\r\n`);
  return decode((await channel.readLine(MAX_RESPONSE_OCTETS)).toString('latin1'));
}

function decode(text: string): Buffer {
  const octets = decodeBase64(text);
  if (octets === undefined) {
    throw new SaslError('the response is not base64');
  }
  return octets;
}
