/** An identity provider with keys of its own, and an https server that answers as a test wants. */
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose';
import type { KeyPair } from './test-ca.ts';

export const ISSUER = 'https://id.example.org/realms/mail';
export const AUDIENCE = 'homing';

/** A key that tokens are signed by. */
export interface SigningKey {
  readonly header: JWTHeaderParameters;
  readonly privateKey: GenerateKeyPairResult['privateKey'];
  /** The public half, as a member of a JWK set. */
  readonly jwk: Record<string, unknown>;
}

export async function makeKey(alg: string, kid?: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  const named = kid === undefined ? {} : { kid };
  return { header: { alg, ...named }, privateKey, jwk: { ...(await exportJWK(publicKey)), ...named } };
}

/** Signs a token for ann that is right, but for what `claims` and `header` change; undefined leaves a claim out. */
export async function sign(
  key: SigningKey,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const nowS = Math.floor(Date.now() / 1000);
  const payload = { iss: ISSUER, aud: AUDIENCE, exp: nowS + 300, email: 'ann@example.org', ...claims };
  const present = Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
  return await new SignJWT(present).setProtectedHeader({ ...key.header, ...header }).sign(key.privateKey);
}

/** A web server of a provider; disposing closes it, and all connections to it. */
export class ProviderServer implements AsyncDisposable {
  /** Paths of the requests so far. */
  readonly requests: string[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(identity: KeyPair, listener: RequestListener): Promise<ProviderServer> {
    const server = createServer({ cert: identity.certificate, key: identity.key });
    const provider = new ProviderServer(server);
    server.on('request', (request, response) => {
      provider.requests.push(`${request.method} ${request.url}`);
      listener(request, response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return provider;
  }

  url(path: string): URL {
    return new URL(path, `https://localhost:${(this.#server.address() as AddressInfo).port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
