import type { SaslClient, SaslServer, ServerStep } from '../sasl.ts';
import { Secret } from '../secret.ts';

/** The server's side of PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`. */
export function plainServer(): SaslServer {
  return {
    step: (response) =>
      response === undefined ? { kind: 'challenge', challenge: Buffer.alloc(0) } : parsePlain(response),
  };
}

function parsePlain(message: Buffer): ServerStep {
  const first = message.indexOf(0);
  const second = message.indexOf(0, first + 1);
  if (first < 0 || second < 0 || message.includes(0, second + 1)) {
    return { kind: 'malformed' };
  }
  return {
    kind: 'proof',
    proof: {
      kind: 'password',
      authzid: Buffer.from(message.subarray(0, first)),
      authcid: Buffer.from(message.subarray(first + 1, second)),
      password: new Secret(Buffer.from(message.subarray(second + 1))),
    },
  };
}

/** The client's side of PLAIN (RFC 4616); only for connections that are secured. */
export function plainClient(authzid: string, authcid: string, password: Secret): SaslClient {
  return {
    mechanism: 'PLAIN',
    verified: true,
    initialResponse: () => Buffer.concat([Buffer.from(`${authzid}\0${authcid}\0`), password.octets]),
    respond: () => Buffer.concat([Buffer.from(`${authzid}\0${authcid}\0`), password.octets]),
  };
}
