import { randomBytes } from 'node:crypto';
import type { StoredKey } from '../../../auth/mechanisms/scram-keys.ts';
import { scramServer } from '../../../auth/mechanisms/scram-server.ts';
import type { Channel } from '../../../protocols/channel.ts';
import {
  base64Lines,
  concludeExchange,
  decodeInitial,
  runSaslExchange,
} from '../../../protocols/sasl-exchange.ts';

const MAX_LINE_OCTETS = 4096;

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
  const { salt, iterations } = stored;
  const server = scramServer({
    hash: 'sha256',
    channel: { kind: 'unbound' },
    find: (name) =>
      name.equals(Buffer.from(proxyName))
        ? { kind: 'key', salt, iterations, keys: () => stored }
        : { kind: 'decoy', salt: randomBytes(salt.length), iterations, why: { reason: 'unknownUser' } },
  });
  const framing = base64Lines(channel, MAX_LINE_OCTETS);
  const first = initial === undefined ? undefined : decodeInitial(initial);
  const outcome = await runSaslExchange(channel, framing, server, first);
  if (outcome.kind !== 'proof' || outcome.proof.kind !== 'proved') {
    return undefined;
  }
  const conclusion = await concludeExchange(channel, framing, outcome.last);
  // It may try again, in what is left of its time.
  channel.resumeClock();
  if (conclusion !== 'received') {
    return undefined;
  }
  const { authzid, authcid } = outcome.proof;
  return (authzid.length === 0 ? authcid : authzid).toString('utf8');
}
