import { createHmac } from 'node:crypto';
import type { SaslClient } from '../sasl.ts';
import type { Secret } from '../secret.ts';

/** The hashes that Courier's CRAM mechanisms use; CRAM-MD5 is RFC 2195, the others are the same with another hash. */
export type CramHash = 'md5' | 'sha1' | 'sha256';

/** What a Courier node is told of a login, in the signed user name. */
export interface CramStatement {
  readonly proxy: string;
  readonly key: Secret;
  /** The protocol's name, as `imap`: a secret derived for one service is of no use at the other. */
  readonly service: string;
  readonly user: string;
  /** Who, from where, and what the node needs to open the mailbox. */
  readonly facts: ReadonlyMap<string, string>;
}

/**
 * The client's side of CRAM towards a Courier node with Homing's authpipe program. The user name carries what the
 * proxy says of the user, with a MAC over the node's challenge, so that it is worth nothing at another connection:
 * `<user>;p=<proxy>,<k>=<v>,…;<mac>`. The CRAM secret is derived from the proxy's key per service and user.
 */
export function cramClient(hash: CramHash, statement: CramStatement): SaslClient {
  return {
    mechanism: `CRAM-${hash.toUpperCase()}`,
    verified: true,
    initialResponse: () => undefined,
    respond(challenge) {
      const { key, service, user } = statement;
      const text = stateFacts(statement);
      const mac = hmacHex('sha256', key.octets, Buffer.concat([challenge, Buffer.from(` ${text}`)]));
      const secret = hmacHex('sha256', key.octets, Buffer.from(`${service}:${user}`));
      return Buffer.from(`${text};${mac} ${hmacHex(hash, Buffer.from(secret), challenge)}`);
    },
  };
}

function stateFacts({ proxy, user, facts }: CramStatement): string {
  const pairs = [['p', proxy] as const, ...facts].map(([name, value]) => `${name}=${escapeOctets(value)}`);
  return `${escapeOctets(user)};${pairs.join(',')}`;
}

/** Leaves what can't be taken for one of the separators; all other octets become `%xx`. */
function escapeOctets(text: string): string {
  return [...Buffer.from(text)]
    .map((octet) => {
      const character = String.fromCharCode(octet);
      return /[A-Za-z0-9._@+/-]/.test(character) ? character : `%${octet.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

function hmacHex(hash: CramHash, key: Buffer, message: Buffer): string {
  return createHmac(hash, key).update(message).digest('hex');
}
